"""A run learns, writes down what happened, and stops where it must."""

import dataclasses
import itertools
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm_data import TINY, At, patterned, token_file

from ulmkit.artifacts.atomic import lock
from ulmkit.artifacts.manifest import Manifest, verify_folder
from ulmkit.errors import ArtifactError, BusyError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import load_model, read_checkpoint, save_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.evaluate import baselines, evaluate
from ulmkit.lm.generate import generate
from ulmkit.lm.ingredients import StepState
from ulmkit.lm.loop import TrainProgress
from ulmkit.lm.position import Position, TimeBudget
from ulmkit.lm.run import CLOCKS, pretrain
from ulmkit.lm.settings_kept import refuse_other_settings_of
from ulmkit.lm.state import read_state, write_state


def run(folder: Path, config: LMConfig = TINY, **options: Any) -> Any:
    return pretrain(patterned(40), patterned(8, seed=1), folder, config, device="cpu", **options)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run that has ended, and its result."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("once")
    return folder, run(folder)


@pytest.fixture
def finished(once: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    return shutil.copytree(once[0], tmp_path / "run")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_it_learns_two_hundred_tokens_by_heart(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    poem = token_file([random.integers(2, 50, 200).tolist()])
    config = dataclasses.replace(
        TINY, embedding_size=96, layers=1, batch_size=1, bptt=25, epochs=60, lr=2e-2, drop_mult=0.0, wd=0.0
    )
    result = pretrain(poem, poem, tmp_path, config, device="cpu")
    assert result.valid_perplexity < 1.2
    model, _ = load_model(tmp_path)
    assert generate(model, [poem.ids[:3].tolist()], length=50, temperature=0)[0] == poem.ids[3:53].tolist()


def test_it_beats_the_unigram_and_reports_what_evaluate_finds(tmp_path: Path) -> None:
    train, valid = patterned(150), patterned(8, seed=1)
    result = pretrain(train, valid, tmp_path, dataclasses.replace(TINY, epochs=6), device="cpu")
    model, checkpoint = load_model(tmp_path)
    assert result.best_valid_loss < baselines(train, valid)["unigram"].loss - 0.5
    assert evaluate(model, valid).loss == pytest.approx(result.best_valid_loss, rel=1e-5)
    assert checkpoint.identity.tokenizer == train.tokenizer
    assert checkpoint.config.epochs == 6


def test_the_folder_holds_what_the_house_says(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    result = run(tmp_path, progress=reports.append)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        "audit.json",
        "config.json",
        "metrics.jsonl",
        "manifest.json",
        "best/model.safetensors",
        "best/state.json",
        "last/model.safetensors",
        "last/optimizer.safetensors",
        "last/state.json",
    }
    assert verify_folder(tmp_path, "lm") == []
    assert result.signature.startswith("lm|language:xx|tokenizer:aaaaaaaaaaaa|train:")
    assert reports[-1].step == reports[-1].steps == result.step
    assert reports[-1].seconds_left == 0
    assert reports[-1].valid_loss == result.valid_loss


def test_metrics_follow_the_1cycle_with_cycled_momentum(tmp_path: Path) -> None:
    run(tmp_path, dataclasses.replace(TINY, log_every=1))
    steps = [line for line in lines(tmp_path) if "lr" in line]
    validations = [line for line in lines(tmp_path) if "valid_loss" in line]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert [line["epoch"] for line in validations] == [1, 2]
    top = max(range(len(steps)), key=lambda i: steps[i]["lr"])
    assert steps[0]["lr"] == pytest.approx(1e-2 / 25)
    assert steps[top]["lr"] == pytest.approx(1e-2, rel=1e-2)
    assert top / len(steps) == pytest.approx(0.25, abs=0.02)
    assert (steps[0]["mom"], steps[top]["mom"]) == (pytest.approx(0.8), pytest.approx(0.7, abs=1e-2))
    assert steps[-1]["mom"] == pytest.approx(0.8, abs=1e-2)
    assert all(line["tokens"] == 4 * 10 * line["step"] for line in steps[:5])


def test_the_same_seed_is_the_same_run_and_leaves_the_callers_random_numbers(
    once: tuple[Path, Any], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run(tmp_path / "a")
    assert torch.rand(1) == expected
    run(tmp_path / "b", dataclasses.replace(TINY, seed=1))
    folders = [tmp_path / "a", once[0], tmp_path / "b"]
    weights = [(folder / "last/model.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1] != weights[2]


def test_steps_may_end_inside_an_epoch(tmp_path: Path) -> None:
    result = run(tmp_path, dataclasses.replace(TINY, steps=45))
    assert result.step == 45
    assert lines(tmp_path)[-1]["valid_loss"] == result.valid_loss


# -- what stops a run


def test_a_loss_that_is_no_number_stops_in_one_line_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    def poison(state: StepState) -> None:
        state.loss = state.loss * math.nan

    at = At("cross-entropy", poison, 61)
    with pytest.raises(UlmkitError, match=r"the loss became nan at step 61; last/ holds step \d+\. Try") as caught:
        run(tmp_path, dataclasses.replace(TINY, checkpoint_minutes=0.0), **at.hooks)
    assert "\n" not in str(caught.value)
    kept = read_checkpoint(tmp_path / "last")
    assert kept.state["position"]["step"] == 60
    assert all(value.isfinite().all() for value in kept.model.values())


def test_a_folder_with_a_run_is_not_trained_over(finished: Path, once: tuple[Path, Any]) -> None:
    with pytest.raises(UsageError, match=r"holds a run at step .* --resume"):
        run(finished)
    assert run(finished, resume=True) == dataclasses.replace(once[1], folder=finished)  # finished: nothing to do


def test_resuming_with_other_settings_data_or_tokenizer_is_refused(finished: Path) -> None:
    with pytest.raises(UsageError, match=r"began with lr 0\.01, now 0\.02"):
        run(finished, dataclasses.replace(TINY, lr=0.02), resume=True)
    run(finished, dataclasses.replace(TINY, checkpoint_minutes=3.0), resume=True)  # may change
    with pytest.raises(ArtifactError, match="trained on train tokens"):
        pretrain(patterned(41), patterned(8, seed=1), finished, TINY, resume=True, device="cpu")
    foreign = [dataclasses.replace(patterned(n, seed=s), tokenizer="bbbbbbbbbbbb") for n, s in ((40, 0), (8, 1))]
    with pytest.raises(ArtifactError, match="tokenizer aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        pretrain(*foreign, finished, TINY, resume=True, device="cpu")


def test_a_run_older_than_a_setting_goes_on_without_it(finished: Path, once: tuple[Path, Any]) -> None:
    state = read_state(finished / "last")
    del state["config"]["memory"], state["checksum"]
    write_state(finished / "last/state.json", state)
    assert run(finished, resume=True) == dataclasses.replace(once[1], folder=finished)
    with pytest.raises(UsageError, match="began with memory 0, now 9"):
        run(finished, dataclasses.replace(TINY, memory=9), resume=True)


def test_two_splits_of_different_tokenizers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        pretrain(patterned(40), token_file([[2]], tokenizer="bbbbbbbbbbbb"), tmp_path, TINY, device="cpu")


def test_ids_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="id 50 in a vocabulary of 50"):
        pretrain(token_file([[50] * 200]), patterned(8), tmp_path, TINY, device="cpu")


def test_too_little_data_says_which_batch_size_fits(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Use --batch-size 2"):
        pretrain(token_file([[2] * 28]), patterned(8), tmp_path, dataclasses.replace(TINY, batch_size=64))


def test_two_trainings_in_one_folder_refuse_each_other(tmp_path: Path) -> None:
    with lock(tmp_path, "training"), pytest.raises(BusyError, match=f"pid {os.getpid()}"):
        run(tmp_path)


# -- time budgets


def simulate(budget: TimeBudget, step_cost: Callable[[int], float], validation: float) -> tuple[float, Position]:
    """A run on a clock of its own: when it ends, and where."""
    now, position = 1.0, Position()
    while not position.done:
        now += step_cost(position.step)
        position.step += 1
        budget.look(position, now)
        if position.step % budget.steps_per_epoch == 0:
            now += validation
    return now + validation, position


@pytest.mark.parametrize(
    "step_cost",
    [lambda step: 0.1, lambda step: 3.0 if step == 0 else 0.1, lambda step: 0.05 if step < 20 else 0.1],
    ids=["steady", "slow first step", "slower later"],
)
def test_a_time_budget_is_used_and_kept(step_cost: Callable[[int], float]) -> None:
    budget = TimeBudget(seconds=300.0, validation_share=20.0, steps_per_epoch=1000)
    ended, position = simulate(budget, step_cost, 2.0)
    assert 0.93 * 300 < ended < 300
    assert budget.fixed
    assert position.step == position.total


def test_what_slows_the_machine_down_for_a_fifth_of_the_budget_costs_little_of_it() -> None:
    """Another program runs at first and takes half of the machine; the rate is measured again at a third."""
    slow_steps = int(0.2 * 300 / 0.2)
    budget = TimeBudget(seconds=300.0, validation_share=0.0, steps_per_epoch=10_000)
    ended, position = simulate(budget, lambda step: 0.2 if step < slow_steps else 0.1, 0.0)
    assert 0.8 * 300 < ended < 300
    assert position.total == position.step


def test_a_run_with_a_time_budget_ends_in_time_with_its_schedule_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()  # four milliseconds pass from one look at the clock to the next: the machine has no say
    monkeypatch.setitem(CLOCKS, "wall", lambda: 4e-3 * next(looks))
    result = run(tmp_path, dataclasses.replace(TINY, log_every=1), time_budget_s=3.0)
    assert 2.7 < result.seconds < 3.0
    last = [line for line in lines(tmp_path) if "lr" in line][-1]
    assert last["lr"] < 1e-2 / 100
    assert Manifest.read(tmp_path, "lm").content["time_budget_s"] == 3.0


# -- checkpoints


class Hostile:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_pickle_in_a_checkpoint_is_refused_unread(finished: Path, tmp_path: Path, name: str) -> None:
    (finished / "manifest.json").unlink()
    marker = tmp_path / "executed"
    for content in (pickle.dumps(Hostile(marker)), pickle.dumps(Hostile(marker), 0), _torch_file(tmp_path, marker)):
        (finished / "last" / name).write_bytes(content)
        with pytest.raises(ArtifactError, match="damaged"):
            read_checkpoint(finished / "last", training=True)
        with pytest.raises(ArtifactError, match="damaged"):
            run(finished, resume=True)
    assert not marker.exists()


def _torch_file(folder: Path, marker: Path) -> bytes:
    path = folder / "hostile.pth"
    torch.save(Hostile(marker), path)
    return path.read_bytes()


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(50.0), "b": torch.ones(3, 3)}
    save_checkpoint(tmp_path / "last", tensors, tensors, {"number": 1})
    random = np.random.default_rng(0)
    for path in sorted((tmp_path / "last").iterdir()):
        whole = path.read_bytes()
        for place in random.integers(0, len(whole), 40):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(ArtifactError):
                read_checkpoint(tmp_path / "last", training=True)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ArtifactError):
            read_checkpoint(tmp_path / "last", training=True)
        path.write_bytes(whole)
    read_checkpoint(tmp_path / "last", training=True)


def test_a_checkpoint_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no run here"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="no checkpoint here"):
        load_model(tmp_path)


def test_a_finished_run_whose_best_is_damaged_says_so(finished: Path) -> None:
    weights = finished / "best/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match=r"best/model\.safetensors: [\d,]+ bytes, written with [\d,]+\. The run"):
        run(finished, resume=True)


def test_another_setting_is_found_out_before_torch_is_needed(finished: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, lr=0.02)
    with pytest.raises(UsageError, match=r"last: began with lr .*, now 0\.02\. Start a new run"):
        refuse_other_settings_of(finished / "last", config)
    refuse_other_settings_of(finished / "last", dataclasses.replace(TINY, checkpoint_minutes=3.0, precision="auto"))
    refuse_other_settings_of(tmp_path / "nothing", config)  # whether it is there is asked later
    code = "import sys, ulmkit.lm.settings_kept, ulmkit.cli.lm; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_best_is_for_use_and_cannot_be_resumed_from(finished: Path) -> None:
    with pytest.raises(ArtifactError, match="Resume from last"):
        read_checkpoint(finished / "best", training=True)


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {"a": torch.ones(3)}
    save_checkpoint(tmp_path / "last", tensors, tensors, {"number": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="no space left"):
        save_checkpoint(tmp_path / "last", tensors, tensors, {"number": 2})
    assert read_checkpoint(tmp_path / "last").state["number"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_report_after_a_validation_says_how_training_goes_not_how_the_validation_went(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    run(tmp_path, dataclasses.replace(TINY, epochs=1, log_every=10), progress=reports.append)
    *_, line, validated = reports
    assert (validated.loss, validated.tokens_per_second) == (line.loss, line.tokens_per_second)
    assert line.valid_loss is None
    assert validated.valid_loss == lines(tmp_path)[-1]["valid_loss"]
    assert "tokens/s, valid perplexity" in validated.summary


def test_a_validation_before_the_first_line_is_reported_alone(tmp_path: Path) -> None:
    reports: list[TrainProgress] = []
    run(tmp_path, dataclasses.replace(TINY, epochs=2, log_every=10**6), progress=reports.append)
    assert reports[0].summary == f"valid perplexity {reports[0].valid_perplexity:.1f}"
