"""A step is the same however it is taken, is captured when it is time to, and what fails is done another way."""

import dataclasses
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import EVERYTHING, TINY, patterned, trained
from torch.utils._python_dispatch import TorchDispatchMode

import ulmkit.lm.kernels
from ulmkit.lm.config import LMConfig
from ulmkit.lm.graphs import WARM_UP
from ulmkit.lm.loop import Loop
from ulmkit.lm.run import pretrain
from ulmkit.lm.schedule import set_rates
from ulmkit.lm.setup import Training
from ulmkit.lm.step import Step


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Metrics without what a clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in lines]


def result_of(folder: Path, config: LMConfig, **options: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Metrics, and the checkpoint's tensors."""
    pretrain(patterned(20), patterned(4, seed=1), folder, config, device="cpu", **options)
    files = [folder / "last" / name for name in ("model.safetensors", "optimizer.safetensors")]
    return lines_of(folder), b"".join(path.read_bytes() for path in files)


# -- what a GPU does with it, as far as a CPU can tell


def captured(config: LMConfig, capture: Any) -> tuple[Training, Step]:
    """A training and a step of it that is captured by `capture`."""
    torch.manual_seed(0)
    training = trained(patterned(60), config, valid=patterned(8, seed=1))
    training.model.train()
    own = training.step
    return training, Step(own.model, own.optimizer, own.ingredients, average=own.average, capture=capture)


def never(_: Callable[[], None]) -> Callable[[], None]:
    raise AssertionError("captured")


def test_rates_on_the_device_give_the_same_steps_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.lm.graphs.GRAPHS", 0)
    losses, weights, averages = [], [], []
    for device in (False, True):
        training, step = captured(EVERYTHING, never)
        take = step if device else step.take
        torch.manual_seed(1)
        found = []
        for number, batch in enumerate(training.batches):
            set_rates(step.optimizer, EVERYTHING, number / 100)
            found.append(float(take(*batch)))
        assert step.graphs is not None
        losses.append(found)
        weights.append({name: p.detach().clone() for name, p in step.model.named_parameters()})
        assert step.average is not None
        averages.append(step.average.averaged())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    for pair in (weights, averages):
        for name, expected in pair[0].items():
            assert torch.allclose(pair[1][name], expected, rtol=1e-3, atol=1e-5), name


class Captures:
    """Captures by running: what a replay would do on a GPU."""

    def __init__(self) -> None:
        self.captured, self.replayed = 0, 0

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            run()

        return replay


def test_a_length_is_captured_once_it_is_warm() -> None:
    captures = Captures()
    training, step = captured(dataclasses.replace(EVERYTHING, bptt=30), captures)
    lengths: dict[int, int] = {}
    for batch in [*training.batches, *training.batches, *training.batches]:
        step(*batch)
        lengths[len(batch[0])] = lengths.get(len(batch[0]), 0) + 1
    warm = [number for number in lengths.values() if number > WARM_UP]
    assert 1 < len(warm) < len(lengths)
    assert step.graphs is not None
    assert captures.captured == len(step.graphs.captured) == len(warm)
    assert captures.replayed == sum(warm) - WARM_UP * len(warm)


def test_beyond_so_many_lengths_steps_run_op_by_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.lm.graphs.GRAPHS", 3)
    captures = Captures()
    training, step = captured(TINY, captures)
    x, y = next(iter(training.batches))
    for length in range(1, 7):
        for _ in range(WARM_UP + 2):
            step(x[:length], y[:length])
    assert captures.captured == 3


def test_tensors_that_were_exchanged_are_captured_anew() -> None:
    captures = Captures()
    training, step = captured(dataclasses.replace(TINY, ema=0.9), captures)
    batch = next(iter(training.batches))
    for _ in range(6):
        step(*batch)
    assert captures.captured == 1
    assert step.average is not None
    with step.average.in_place():  # a validation exchanges and gives back
        pass
    step(*batch)
    assert captures.captured == 1
    state = step.optimizer.state[step.model.embedding]
    state["grad_avg"] = state["grad_avg"].clone()  # as a restored checkpoint does
    for _ in range(WARM_UP):
        step(*batch)
    assert captures.captured == 1
    step(*batch)
    assert captures.captured == 2


@pytest.mark.slow
def test_a_captured_run_is_resumed_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.lm.step.capture_on", lambda _: Captures())

    def stop(loop: Loop) -> None:
        if loop.position.step == 27:
            loop.signals.number = 15

    expected = result_of(tmp_path / "whole", EVERYTHING)
    with pytest.raises(BaseException, match="by SIGTERM at step 27"):
        result_of(tmp_path / "cut", EVERYTHING, after_step=stop)
    found = result_of(tmp_path / "cut", EVERYTHING, resume=True)
    assert found == expected


class Syncs(TorchDispatchMode):
    """Notes operations for which a GPU would have to tell its host something, also those of the backward pass."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and loading the compiler takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else []
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        if name in self.ASKING or by_mask:
            self.found.append(name)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize(
    "config",
    [
        EVERYTHING,
        dataclasses.replace(EVERYTHING, backend="stepwise", precision="bf16", memory=20),
        dataclasses.replace(EVERYTHING, backend="stepwise", precision="fp16"),
    ],
    ids=["vendor", "stepwise with a pointer in bf16", "stepwise in fp16"],
)
def test_nothing_in_a_step_waits_for_a_value(config: LMConfig) -> None:
    training, step = captured(config, lambda run: run)
    batches = iter(training.batches)
    for _ in range(WARM_UP + 1):
        step(*next(batches))
    x, y = next(batches)
    assert step.graphs is not None
    with Syncs() as syncs:
        loss = step.graphs.take(x, y)
    assert syncs.found == []
    with Syncs() as syncs:
        loss.item()
        (x[x > 3], x.nonzero())
    assert syncs.found == ["_local_scalar_dense", "index", "nonzero"]


# -- whatever fails is done another way

OPEN = dataclasses.replace(TINY, hidden_size=20, layers=2, epochs=1, precision="fp32", drop_mult=1.0, log_every=1)


@pytest.fixture(autouse=True)
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models as small as these are probed, too: what fails is the same, and six times as fast."""
    monkeypatch.setattr("ulmkit.lm.probe.SMALLEST", OPEN.hidden_size)


@pytest.fixture(autouse=True)
def audited_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit takes as long as these runs: of all kinds of failure, the runs with the first one have it."""
    if "error" in request.fixturenames and request.getfixturevalue("error") is not FAILURES[0]:
        monkeypatch.setattr("ulmkit.lm.run.audit", lambda *_: [])


class OddError(Exception):
    """Of no kind that anybody expects."""


FAILURES = [
    RuntimeError("operation not permitted when stream is capturing"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    OddError("two\nlines"),
    KeyError("kernel"),
    AssertionError(),
]
ids = [type(error).__name__ for error in FAILURES]


def remarks_of(folder: Path) -> list[str]:
    remarks: list[str] = json.loads((folder / "manifest.json").read_text())["remarks"]
    assert all("\n" not in remark for remark in remarks)
    return remarks


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], bytes]:
    """The run with torch's own LSTM, op by op."""
    torch.set_num_threads(1)
    return result_of(tmp_path_factory.mktemp("plain"), dataclasses.replace(OPEN, backend="vendor"))


Result = tuple[list[dict[str, Any]], bytes]


def broken(error: Exception, when: Callable[[torch.Tensor], bool]) -> Any:
    """A stepwise LSTM that fails on some inputs."""
    real = ulmkit.lm.kernels.LAYERS["stepwise"]

    def layer(x: torch.Tensor, *given: Any) -> Any:
        if when(x):
            raise error
        return real(x, *given)

    return layer


@pytest.mark.parametrize("error", FAILURES, ids=ids)
@pytest.mark.parametrize("place", ["checked", "timed"])
def test_a_backend_that_fails_while_it_is_probed_is_not_taken(
    place: str, error: Exception, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = (24, 40)  # inputs of the stack that the probe compares with float64
    monkeypatch.setitem(
        ulmkit.lm.kernels.LAYERS,
        "stepwise",
        broken(error, lambda x: (x.shape[2] in small) == (place == "checked")),
    )
    heard: list[str] = []
    result = result_of(tmp_path, OPEN, remark=heard.append)
    assert result == plain
    if place == "timed":
        (line,) = remarks_of(tmp_path)
        assert heard == [line]
        assert line.startswith(f"the stepwise LSTM in fp32 failed here ({type(error).__name__}")


@pytest.mark.parametrize("error", FAILURES, ids=ids)
def test_where_everything_fails_to_be_timed_torchs_own_is_taken(
    error: Exception, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("ulmkit.lm.probe._seconds", fail)
    assert result_of(tmp_path, OPEN, remark=lambda _: None) == plain
    assert len(remarks_of(tmp_path)) == 2


@pytest.mark.parametrize("error", FAILURES, ids=ids)
def test_a_backend_that_fails_on_the_first_batch_is_given_up(
    error: Exception, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ulmkit.lm.kernels.LAYERS, "stepwise", broken(error, lambda x: len(x) == TINY.bptt))
    lines, _ = result_of(tmp_path, dataclasses.replace(OPEN, backend="stepwise"), remark=lambda _: None)
    assert lines == plain[0]
    (line,) = remarks_of(tmp_path)
    assert "Going on vendor in fp32" in line


def test_a_backend_whose_numbers_are_wrong_on_the_first_batch_is_given_up(
    plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kernel that is right for small sizes alone."""
    real = ulmkit.lm.kernels.LAYERS["stepwise"]

    def off(x: torch.Tensor, state: Any, weights: Any) -> Any:
        return real(x, state, weights._replace(hidden_hidden=weights.hidden_hidden * 3))

    monkeypatch.setitem(ulmkit.lm.kernels.LAYERS, "stepwise", off)
    lines, _ = result_of(tmp_path, dataclasses.replace(OPEN, backend="stepwise"), remark=lambda _: None)
    assert lines == plain[0]
    (line,) = remarks_of(tmp_path)
    assert "WrongNumberError" in line


def test_a_run_that_gave_a_backend_up_is_resumed_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(loop: Loop) -> None:
        if loop.position.step == 9:
            loop.signals.number = 15

    config = dataclasses.replace(OPEN, backend="stepwise")
    with monkeypatch.context() as patch:
        patch.setitem(ulmkit.lm.kernels.LAYERS, "stepwise", broken(OddError(), lambda x: True))
        expected = result_of(tmp_path / "whole", config, remark=lambda _: None)
        with pytest.raises(BaseException, match="by SIGTERM at step 9"):
            result_of(tmp_path / "cut", config, remark=lambda _: None, after_step=stop)
    assert result_of(tmp_path / "cut", config, resume=True) == expected


class Breaks:
    """Captures, and fails: when it is asked to, half way through the step, at the replay, or with a wrong number."""

    def __init__(self, place: str, error: Exception) -> None:
        self.place, self.error = place, error

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        if self.place == "capture":
            raise self.error
        if self.place == "after the captured step":
            run()
            raise self.error

        def replay() -> None:
            if self.place == "replay":
                raise self.error
            if self.place == "wrong number":
                run()
            if self.place != "nothing done":
                run()

        return replay


PLACES = ["capture", "after the captured step", "replay"]


def close(lines: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Equal but for the rounding of rates that lay on the device in the first steps."""
    pairs = [(mine["loss"], other["loss"]) for mine, other in zip(lines, expected, strict=True) if "loss" in mine]
    return all(mine == pytest.approx(other, rel=1e-4) for mine, other in pairs)


@pytest.mark.parametrize("error", FAILURES, ids=ids)
@pytest.mark.parametrize("place", PLACES)
def test_a_capture_that_fails_leaves_a_right_run_op_by_op(
    place: str, error: Exception, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulmkit.lm.step.capture_on", lambda _: Breaks(place, error))
    lines, _ = result_of(tmp_path, dataclasses.replace(OPEN, backend="vendor"), remark=lambda _: None)
    assert close(lines, plain[0])
    (line,) = remarks_of(tmp_path)
    assert line.startswith(f"CUDA graphs failed here ({type(error).__name__}")


@pytest.mark.parametrize("place", ["wrong number", "nothing done"])
def test_a_replay_that_does_something_else_is_given_up(
    place: str, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ulmkit.lm.step.capture_on", lambda _: Breaks(place, OddError()))
    lines, _ = result_of(tmp_path, dataclasses.replace(OPEN, backend="vendor"), remark=lambda _: None)
    assert close(lines, plain[0])
    (line,) = remarks_of(tmp_path)
    assert "WrongNumberError" in line


@pytest.mark.parametrize("error", FAILURES, ids=ids)
@pytest.mark.parametrize("step", [1, 2])
def test_a_warm_up_that_fails_leaves_a_right_run_op_by_op(
    step: int, error: Exception, plain: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the gradients: some of the weights have moved by then."""
    real, calls = ulmkit.lm.kernels.adam.in_many_passes, 0

    def fails(*given: Any) -> None:
        nonlocal calls
        calls += 1
        real(*given)
        if calls == 3 + 10 * (step - 1):
            raise error

    monkeypatch.setattr("ulmkit.lm.kernels.adam._update", lambda _: fails)
    monkeypatch.setattr("ulmkit.lm.step.capture_on", lambda _: Captures())
    lines, _ = result_of(tmp_path, dataclasses.replace(OPEN, backend="vendor"), remark=lambda _: None)
    assert close(lines, plain[0])
    if step == 1:
        assert lines == plain[0]
    assert len(remarks_of(tmp_path)) == 1


def test_without_anybody_to_tell_it_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.lm.step.capture_on", lambda _: Breaks("capture", OddError("odd")))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        result_of(tmp_path, TINY)
    assert [str(warning.message) for warning in heard] == remarks_of(tmp_path)
