"""How a run ends before its schedule does, or begins with another's weights: each without losing what was good."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import At, patterned

from ulmkit.artifacts.manifest import Manifest
from ulmkit.errors import ArtifactError, UlmkitError, UsageError, out_of_memory
from ulmkit.lm import kernels, model
from ulmkit.lm.checkpoint import load_model, read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.ingredients import StepState
from ulmkit.lm.loop import Loop
from ulmkit.lm.run import pretrain

TINY = LMConfig(
    embedding_size=12,
    hidden_size=16,
    layers=2,
    batch_size=4,
    bptt=8,
    epochs=2,
    lr=1e-2,
    valid_batch_size=2,
    log_every=2,
    checkpoint_minutes=0.0,
)


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than these runs."""
    monkeypatch.setattr("ulmkit.lm.run.audit", lambda *_, **__: [])


def run(folder: Path, config: LMConfig = TINY, **options: Any) -> Any:
    return pretrain(patterned(6), patterned(3, seed=1), folder, config, device="cpu", **options)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def curve(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in lines(folder)]


def _poison(tensor: torch.Tensor, value: float) -> None:
    with torch.no_grad():
        tensor.view(-1)[0] = value


def weights(state: StepState) -> None:
    _poison(state.model.embedding, math.nan)


def infinite_loss(state: StepState) -> None:
    state.loss, state.total = state.loss * math.inf, state.total * math.inf


def gradient(value: float) -> Callable[[StepState], None]:
    return lambda state: _poison(state.model.embedding.grad, value)


def hidden(state: StepState) -> None:
    _poison(state.model.state[0].h, math.nan)


def optimizer_state(state: StepState) -> None:
    _poison(state.optimizer.state[state.model.embedding]["sqr_avg"], math.inf)


# after which ingredient, what goes wrong there, and what is named
INJECTED: dict[str, tuple[str, Callable[[StepState], None], str]] = {
    "a weight": ("optimizer", weights, "embedding became nan"),
    "an infinite loss": ("cross-entropy", infinite_loss, "loss became inf"),
    "a gradient that is no number": ("backward", gradient(math.nan), "became nan"),
    "an infinite gradient": ("backward", gradient(math.inf), "became (nan|inf)"),
    "a gradient too large to be squared": ("backward", gradient(1e30), "sqr_avg.embedding became inf"),
    "the hidden state": ("forward", hidden, "hidden.0.h became nan"),
    "the optimizer's state": ("optimizer", optimizer_state, "sqr_avg.embedding became inf"),
}


def assert_whole(folder: Path) -> int:
    """last/ loads, all of it numbers; its step."""
    kept = read_checkpoint(folder / "last", training=True)
    for tensors in (kept.model, kept.training):
        assert all(value.isfinite().all() for value in tensors.values() if value.is_floating_point())
    load_model(folder, "last")
    step: int = kept.state["position"]["step"]
    return step


@pytest.mark.parametrize("name", INJECTED)
def test_what_is_no_number_stops_in_one_line_and_never_reaches_a_checkpoint(name: str, tmp_path: Path) -> None:
    after, action, named = INJECTED[name]
    with pytest.raises(UlmkitError, match=rf"{named} at step \d+; last/ holds step \d+\. Try a lower --lr") as caught:
        run(tmp_path, **At(after, action).hooks)
    assert "\n" not in str(caught.value)
    assert assert_whole(tmp_path) >= 4


def test_weights_that_are_damaged_before_a_validation_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(loop: Loop) -> tuple[float, float]:
        _poison(loop.training.model.embedding, math.nan)
        return VALIDATE(loop)

    monkeypatch.setattr(Loop, "validate", validate)
    with pytest.raises(UlmkitError, match=r"validation loss became nan at step \d+; last/ holds step \d+"):
        run(tmp_path)
    assert assert_whole(tmp_path) >= 4


def test_a_rate_that_is_far_too_high_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UlmkitError, match="Try a lower --lr"):
        run(tmp_path, dataclasses.replace(TINY, optimizer="nt-asgd", schedule="constant", lr=1e38, wd=0.0, epochs=9))
    assert_whole(tmp_path)


def test_what_goes_wrong_after_a_resume_leaves_the_checkpoint_that_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(UlmkitError):
        run(tmp_path, **At("optimizer", weights, 6).hooks)
    step = assert_whole(tmp_path)
    with pytest.raises(UlmkitError, match=f"last/ holds step {step}"):
        run(tmp_path, **At("backward", gradient(math.nan), 1).hooks, resume=True)
    assert assert_whole(tmp_path) == step
    assert run(tmp_path, resume=True).epoch == 2  # without the cause it goes on


SKIP = dataclasses.replace(TINY, on_nan="skip", clip=0.5, ema=0.9)
SKIPPED = (
    "an infinite loss",
    "a gradient that is no number",
    "an infinite gradient",
    "a gradient too large to be squared",
)


@pytest.mark.parametrize("name", SKIPPED)
def test_a_step_without_a_number_is_skipped_counted_and_changes_nothing(name: str, tmp_path: Path) -> None:
    after, action, _ = INJECTED[name]
    before: list[dict[str, torch.Tensor]] = []
    at = At(after, action)

    def copy(loop: Loop) -> None:
        at.count(loop)
        step = loop.step
        held = {**step.weights(averaged=False), **{f"average.{n}": t for n, t in step.average.tensors.items()}}
        before.append({key: value.clone() for key, value in held.items()})

    result = run(tmp_path, SKIP, ingredients=at.into, after_step=copy)
    assert result.skipped == 1
    assert [line["skipped"] for line in lines(tmp_path) if "skipped" in line][:3] == [0, 0, 1]
    assert all(torch.equal(value, before[3][key]) for key, value in before[4].items())  # step 5 was the one
    assert not torch.equal(before[5]["embedding"], before[4]["embedding"])
    assert all(math.isfinite(line["loss"]) for line in lines(tmp_path) if "loss" in line)
    assert Manifest.read(tmp_path, "lm").content["result"]["skipped"] == 1


class Stopped(BaseException):
    """Nobody catches it."""


def stops(_: StepState) -> None:
    raise Stopped


@pytest.mark.slow
def test_a_run_with_skipped_steps_is_resumed_exactly(tmp_path: Path) -> None:
    """What makes a step bad is here a function of the run's own step, as real data is."""

    def bad(state: StepState) -> None:
        if round(float(state.optimizer.hypers[-1]["lr"]) * 1e9) % 5 == 0:
            _poison(state.model.embedding.grad, math.nan)

    def hooks(stop: int = 0) -> dict[str, Any]:
        at, end = At("backward", bad, None), At("cross-entropy", stops, stop)

        def count(loop: Loop) -> None:
            end.count(loop)

        return {"ingredients": lambda listed: end.into(at.into(listed)), "after_step": count}

    whole = run(tmp_path / "whole", SKIP, **hooks())
    assert 0 < whole.skipped < whole.step
    for stop in (2, 4, 7):
        folder = tmp_path / str(stop)

        with pytest.raises(Stopped):
            run(folder, SKIP, **hooks(stop))
        again = run(folder, SKIP, **hooks(), resume=True)
        assert (again.skipped, curve(folder)) == (whole.skipped, curve(tmp_path / "whole"))
        for name in ("last", "best"):
            one, other = ((f / name / "model.safetensors").read_bytes() for f in (folder, tmp_path / "whole"))
            assert one == other


def test_steps_that_are_bad_in_a_row_stop_the_run(tmp_path: Path) -> None:
    config = dataclasses.replace(SKIP, epochs=9)
    with pytest.raises(UlmkitError, match="gradient of 11 steps in a row became nan at step 11; last/ holds step 10"):
        run(tmp_path, config, **At("backward", gradient(math.nan), None).hooks)
    assert_whole(tmp_path)


# -- patience


STALE = dataclasses.replace(TINY, epochs=12, lr=1.0, schedule="constant", optimizer="nt-asgd", wd=0.0, patience=2)


@pytest.fixture
def worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every validation from the second on is worse than the first."""

    def validate(loop: Loop) -> tuple[float, float]:
        loss, accuracy = VALIDATE(loop)
        return loss + 10.0 * loop.position.epoch, accuracy

    monkeypatch.setattr(Loop, "validate", validate)


VALIDATE = Loop.validate


@pytest.mark.usefixtures("worse")
def test_patience_ends_a_run_that_no_longer_improves_and_best_is_kept(tmp_path: Path) -> None:
    result = run(tmp_path, STALE)
    assert (result.epoch, result.stopped_early) == (3, True)
    assert result.best_step == next(line["step"] for line in lines(tmp_path) if "valid_loss" in line)
    without = run(tmp_path / "without", dataclasses.replace(STALE, patience=0, epochs=4))
    assert (without.epoch, without.stopped_early) == (4, False)


@pytest.mark.slow
@pytest.mark.usefixtures("worse")
def test_patience_survives_a_kill_after_any_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ulmkit.lm.checkpoint import save_checkpoint

    class Killed(BaseException):
        pass

    whole = run(tmp_path / "whole", STALE)
    for kill_at in range(1, 99):
        folder, saves = tmp_path / str(kill_at), 0

        def save(*given: Any) -> None:
            nonlocal saves
            saves += 1
            save_checkpoint(*given)
            if saves == kill_at:  # noqa: B023 (called in this round only)
                raise Killed

        monkeypatch.setattr("ulmkit.lm.records.save_checkpoint", save)
        try:
            run(folder, STALE)
            break
        except Killed:
            pass
        monkeypatch.setattr("ulmkit.lm.records.save_checkpoint", save_checkpoint)
        result = run(folder, STALE, resume=True)
        assert (result.step, result.best_step, result.stopped_early) == (whole.step, whole.best_step, True)
        assert curve(folder) == curve(tmp_path / "whole"), f"killed after save {kill_at}"
    assert kill_at > whole.step


# -- memory


CPU_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 100 bytes."),
    RuntimeError("std::bad_alloc"),
    RuntimeError("could not create a primitive"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError(12, "Cannot allocate memory"),
    MemoryError(),
]


WORDS = ["cuda", "cpu", "cpu, other words", "c++", "onednn", "library", "map", "numpy"]
IN_OTHER_WORDS = [pytest.param(error, id=words, marks=[] if words in ("cuda", "numpy") else pytest.mark.slow)
                  for error, words in zip(CPU_ERRORS, WORDS, strict=True)]  # fmt: skip


@pytest.mark.parametrize("error", IN_OTHER_WORDS)
@pytest.mark.parametrize(
    ("room", "advice"), [(5, "--batch-size 4 fits with a quarter to spare"), (0, "Not even a step of one row")]
)
def test_out_of_memory_names_a_batch_size_that_was_tried(
    error: Exception, room: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def stack(x: torch.Tensor, *given: Any, **named: Any) -> Any:
        tried.append(x.shape[1])
        if torch.is_grad_enabled() and x.shape[1] > room:
            raise error
        return kernels.lstm_stack(x, *given, **named)

    monkeypatch.setattr(model, "lstm_stack", stack)
    config = dataclasses.replace(TINY, batch_size=16)
    with pytest.raises(UlmkitError, match=rf"out of memory on cpu at --batch-size 16, --bptt 8 .*{advice}") as caught:
        run(tmp_path, config)
    assert "\n" not in str(caught.value)
    assert tried == ([16, 10, 5, 5] if room else [16, 10, 5, 2, 1])


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    unsupported = RuntimeError("could not create a primitive descriptor for an LSTM forward propagation primitive")
    others = (RuntimeError("shape mismatch"), ValueError("not enough memory"), KeyError(), unsupported)
    assert not any(map(out_of_memory, others))


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from lm_data import patterned
from ulmkit.errors import UlmkitError
from ulmkit.lm.config import LMConfig
from ulmkit.lm.run import pretrain
config = LMConfig(embedding_size=64, hidden_size=64, layers=2, batch_size={rows}, bptt=64, steps=1, lr=1e-3)
train, valid = patterned({documents}, vocabulary=20000), patterned(3, seed=1, vocabulary=20000)
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + {room}, mapped + {room}))
try:
    result = pretrain(train, valid, Path({folder!r}), config, device="cpu")
    print("step", result.step)
except UlmkitError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit and its measure are Linux's")
def test_who_does_what_the_error_says_trains_under_a_real_limit(tmp_path: Path) -> None:
    """A process with little address space: 1,024 rows do not fit; what is named then does.

    How much of the space a process's threads reserve differs between two by more than a step takes, so what fitted
    one may not fit the next; that one says so, too, and names less.
    """

    def limited(rows: int) -> str:
        code = LIMITED.format(
            here=str(Path(__file__).parents[1] / "support"),
            rows=rows,
            documents=2_200,
            room=500 << 20,
            folder=str(tmp_path / str(rows)),
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=1_500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    rows, said = 1024, limited(1024)
    for _ in range(4):
        if said == "step 1":
            break
        assert f"out of memory on cpu at --batch-size {rows}" in said
        named = int(said.split("A step at --batch-size ")[1].split()[0])
        assert named <= rows // 2
        rows, said = named, limited(named)
    assert rows < 1024
    assert said == "step 1"


# -- another run's weights


def test_a_run_may_begin_with_another_ones_best_weights(tmp_path: Path) -> None:
    run(tmp_path / "first")
    config = dataclasses.replace(TINY, lr=1e-9, wd=0.0, epochs=1, seed=5)
    result = run(tmp_path / "second", config, start=tmp_path / "first")
    first = read_checkpoint(tmp_path / "first/best")
    second = read_checkpoint(tmp_path / "second/last")
    assert all(torch.allclose(value, second.model[name], atol=1e-6) for name, value in first.model.items())
    kept = {
        "run": "first",
        "step": first.state["position"]["step"],
        "weights": first.state["files"]["model.safetensors"],
    }
    for file in ("config.json", "manifest.json", "last/state.json"):
        assert json.loads((tmp_path / "second" / file).read_text())["start"] == kept
    assert f"start:{kept['weights'][:12]}" in result.signature
    assert second.state["position"]["epoch"] == 1  # a schedule of its own


def test_a_resumed_run_keeps_the_weights_it_began_with_though_the_other_run_is_gone(tmp_path: Path) -> None:
    run(tmp_path / "first")
    whole = run(tmp_path / "whole", start=tmp_path / "first")
    with pytest.raises(UlmkitError):
        run(tmp_path / "broken", start=tmp_path / "first", **At("optimizer", weights).hooks)
    (tmp_path / "first").rename(tmp_path / "away")
    with pytest.raises(UsageError, match="began with --from first, now --from third"):
        run(tmp_path / "broken", start=tmp_path / "third", resume=True)
    again = run(tmp_path / "broken", start=tmp_path / "first", resume=True)
    assert again.signature == whole.signature
    assert curve(tmp_path / "broken") == curve(tmp_path / "whole")


def test_a_run_that_saved_nothing_does_not_begin_again_without_its_weights(tmp_path: Path) -> None:
    run(tmp_path / "first")
    late = dataclasses.replace(TINY, checkpoint_minutes=60.0)
    with pytest.raises(UlmkitError, match="nothing was saved yet"):
        run(tmp_path / "second", late, start=tmp_path / "first", **At("optimizer", weights, 1).hooks)
    with pytest.raises(UsageError, match="began with --from first; it saved nothing yet"):
        run(tmp_path / "second", late, resume=True)
    assert run(tmp_path / "second", late, resume=True, start=tmp_path / "first").epoch == 2


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "first")
    with pytest.raises(UsageError, match=r"other sizes\. Add --set hidden_size=16"):
        run(tmp_path / "second", dataclasses.replace(TINY, hidden_size=20), start=tmp_path / "first")
    foreign = [dataclasses.replace(patterned(n, seed=s), tokenizer="bbbbbbbbbbbb") for n, s in ((6, 0), (3, 1))]
    with pytest.raises(ArtifactError, match="tokenizer aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        pretrain(*foreign, tmp_path / "third", TINY, device="cpu", start=tmp_path / "first")
    with pytest.raises(UsageError, match=r"from the beginning, this run from the end\. Leave out --backward"):
        run(tmp_path / "backward", dataclasses.replace(TINY, backward=True), start=tmp_path / "first")
    with pytest.raises(UsageError, match="no run here to begin with"):
        run(tmp_path / "fourth", start=tmp_path / "nowhere")


# -- TensorBoard


def test_tensorboard_has_the_numbers_of_metrics_jsonl(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with pytest.raises(UlmkitError):
        run(tmp_path, tensorboard=True, **At("optimizer", weights, 7).hooks)
    run(tmp_path, tensorboard=True, resume=True)
    board = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    for name in ("loss", "lr", "valid_loss"):
        expected = [(line["step"], line[name]) for line in lines(tmp_path) if name in line]
        shown = [(event.step, event.value) for event in board.Scalars(name)]
        assert [step for step, _ in shown] == [step for step, _ in expected]
        assert [value for _, value in shown] == pytest.approx([value for _, value in expected])


def test_without_tensorboard_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'ulmkit\[trackers\]'"):
        run(tmp_path, tensorboard=True)
