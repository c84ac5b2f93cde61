"""A run learns, writes down what happened, stops where it must, and is a fastai training through and through."""

import dataclasses
import itertools
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.callback.training import GradientClip
from fastai.optimizer import Adam
from lm_data import TINY, patterned, token_file

from ulmkit.artifacts.atomic import lock
from ulmkit.artifacts.manifest import Manifest, verify_folder
from ulmkit.errors import ArtifactError, BusyError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import load_model, read_checkpoint, read_state, save_checkpoint, write_state
from ulmkit.lm.config import LMConfig
from ulmkit.lm.evaluate import baselines, evaluate
from ulmkit.lm.fastai_imports import Callback
from ulmkit.lm.generate import generate
from ulmkit.lm.learner import find_lr, learner
from ulmkit.lm.optimizer import FusedAdam
from ulmkit.lm.position import Budget, Position, epochs_for
from ulmkit.lm.run import TrainProgress
from ulmkit.lm.train import CLOCKS, pretrain


def run(folder: Path, config: LMConfig = TINY, **options: Any) -> Any:
    return pretrain(patterned(40), patterned(8, seed=1), folder, config, device="cpu", **options)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


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


def test_the_same_seed_is_the_same_run_and_leaves_the_callers_random_numbers(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run(tmp_path / "a")
    assert torch.rand(1) == expected
    run(tmp_path / "b")
    run(tmp_path / "c", dataclasses.replace(TINY, seed=1))
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_steps_may_end_inside_an_epoch(tmp_path: Path) -> None:
    result = run(tmp_path, dataclasses.replace(TINY, steps=45))
    assert result.step == 45
    assert lines(tmp_path)[-1]["valid_loss"] == result.valid_loss


# -- what stops a run


def test_a_loss_that_is_no_number_stops_in_one_line_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Poison(Callback):
        order = 50

        def after_loss(self) -> None:
            if self.training and self.train_iter == 60:
                self.learn.loss = self.learn.loss * math.nan

    with pytest.raises(UlmkitError, match=r"the loss became nan at step 61; last/ holds step \d+\. Try") as caught:
        run(tmp_path, dataclasses.replace(TINY, checkpoint_minutes=0.0), callbacks=[Poison()])
    assert "\n" not in str(caught.value)
    kept = read_checkpoint(tmp_path / "last")
    assert kept.state["position"]["step"] == 60
    assert all(value.isfinite().all() for value in kept.model.values())


def test_a_folder_with_a_run_is_not_trained_over(tmp_path: Path) -> None:
    first = run(tmp_path)
    with pytest.raises(UsageError, match=r"holds a run at step .* --resume"):
        run(tmp_path)
    assert run(tmp_path, resume=True) == first  # finished: nothing to do


def test_resuming_with_other_settings_data_or_tokenizer_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(UsageError, match=r"began with lr 0\.01, now 0\.02"):
        run(tmp_path, dataclasses.replace(TINY, lr=0.02), resume=True)
    run(tmp_path, dataclasses.replace(TINY, checkpoint_minutes=3.0), resume=True)  # may change
    with pytest.raises(ArtifactError, match="trained on train tokens"):
        pretrain(patterned(41), patterned(8, seed=1), tmp_path, TINY, resume=True, device="cpu")
    foreign = [dataclasses.replace(patterned(n, seed=s), tokenizer="bbbbbbbbbbbb") for n, s in ((40, 0), (8, 1))]
    with pytest.raises(ArtifactError, match="tokenizer aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        pretrain(*foreign, tmp_path, TINY, resume=True, device="cpu")


def test_a_run_older_than_a_setting_goes_on_without_it(tmp_path: Path) -> None:
    first = run(tmp_path)
    state = read_state(tmp_path / "last")
    del state["config"]["memory"], state["checksum"]
    write_state(tmp_path / "last/state.json", state)
    assert run(tmp_path, resume=True) == first
    with pytest.raises(UsageError, match="began with memory 0, now 9"):
        run(tmp_path, dataclasses.replace(TINY, memory=9), resume=True)


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


def simulate(budget: Budget, step_cost: Callable[[int], float], validation: float) -> tuple[float, Position]:
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
    budget = Budget(seconds=300.0, validation_share=20.0, steps_per_epoch=1000)
    ended, position = simulate(budget, step_cost, 2.0)
    assert 0.93 * 300 < ended < 300
    assert budget.fixed
    assert position.step == position.total


def test_what_slows_the_machine_down_for_a_fifth_of_the_budget_costs_little_of_it() -> None:
    """Another program runs at first and takes half of the machine; the rate is measured again at a third."""
    slow_steps = int(0.2 * 300 / 0.2)
    budget = Budget(seconds=300.0, validation_share=0.0, steps_per_epoch=10_000)
    ended, position = simulate(budget, lambda step: 0.2 if step < slow_steps else 0.1, 0.0)
    assert 0.8 * 300 < ended < 300
    assert position.total == position.step


def test_a_run_with_a_time_budget_ends_in_time_with_its_schedule_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()  # a millisecond passes from one look at the clock to the next: the machine has no say
    monkeypatch.setitem(CLOCKS, "wall", lambda: 1e-3 * next(looks))
    result = run(tmp_path, dataclasses.replace(TINY, log_every=1), time_budget_s=3.0)
    assert 2.7 < result.seconds < 3.0
    last = [line for line in lines(tmp_path) if "lr" in line][-1]
    assert last["lr"] < 1e-2 / 100
    assert Manifest.read(tmp_path, "lm").content["time_budget_s"] == 3.0


# -- fastai


def test_stock_callbacks_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = [
        SaveModelCallback(with_opt=True),
        EarlyStoppingCallback(patience=1, min_delta=100.0),
        CSVLogger(),
        GradientClip(0.1),
    ]
    result = run(tmp_path, dataclasses.replace(TINY, epochs=9), callbacks=callbacks)
    assert result.epoch == 2  # nothing improves by 100
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,valid_loss,accuracy,perplexity,time"
    validations = [line["valid_loss"] for line in lines(tmp_path) if "valid_loss" in line]
    assert [float(row.split(",")[2]) for row in rows] == pytest.approx(validations, abs=1e-4)
    assert (tmp_path / "models/model.pth").exists()
    assert Manifest.read(tmp_path, "lm").content["result"]["epoch"] == 2
    assert "early stopping" in capsys.readouterr().out  # fastai's own words; ours are silent


def test_a_learner_is_silent_and_fits_one_cycle_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.fit_one_cycle(2, 1e-2, moms=TINY.moms)
    assert learn.recorder.values[-1][1] < math.log(50) - 0.5
    accuracy, perplexity = learn.recorder.values[-1][2:]
    assert 0 < accuracy < 1
    assert perplexity == pytest.approx(math.exp(learn.recorder.values[-1][1]))
    assert capsys.readouterr().out == ""


def test_the_finder_suggests_a_rate_and_changes_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    found = find_lr(patterned(40), TINY, device="cpu", steps=60)
    assert torch.rand(1) == expected
    assert len(found.lrs) == len(found.losses) > 20
    assert 1e-4 < found.suggestion < 1e-0
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.fit_one_cycle(1)
    weights = {name: value.clone() for name, value in learn.model.state_dict().items()}
    memory = [state["grad_avg"].clone() for state in learn.opt.state_dict()["state"]]
    learn.lr_find(num_it=30, show_plot=False)
    assert all(torch.equal(value, weights[name]) for name, value in learn.model.state_dict().items())
    after = [state["grad_avg"] for state in learn.opt.state_dict()["state"]]
    assert all(torch.equal(one, other) for one, other in zip(memory, after, strict=True))


def test_the_optimizer_takes_fastais_steps() -> None:
    """Sixty steps with cycled momentum, decay on a matrix and none on a bias: fastai's Adam to rounding."""
    torch.manual_seed(0)
    start = [torch.randn(7, 5), torch.randn(7)]
    ours, theirs = ([torch.nn.Parameter(p.clone()) for p in start] for _ in range(2))
    fused, plain = FusedAdam(ours, lr=1e-2, wd=0.1), Adam(theirs, lr=1e-2, wd=0.1)
    plain.state[theirs[1]]["do_wd"] = False
    for step in range(60):
        for optimizer in (fused, plain):
            optimizer.set_hypers(lr=1e-2 * (1 + step) / 60, mom=0.8 - step / 600)
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        fused.step()
        plain.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_layers_can_be_frozen_and_given_their_own_rates(tmp_path: Path) -> None:
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.freeze_to(1)
    before = {name: p.clone() for name, p in learn.model.named_parameters()}
    learn.fit_one_cycle(1, slice(1e-4, 1e-2))
    changed = {name for name, p in learn.model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if not name.startswith("rnns.0.")}


def test_epochs_are_counted_for_the_steps_that_are_asked() -> None:
    batches = learner(patterned(40), patterned(8), TINY, device="cpu").dls.train
    length = len(batches.windows(0))
    assert [epochs_for(batches, steps) for steps in (1, length, length + 1, 3 * length)] == [1, 1, 2, 3]


# -- checkpoints


class Hostile:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_pickle_in_a_checkpoint_is_refused_unread(tmp_path: Path, name: str) -> None:
    run(tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    marker = tmp_path / "executed"
    for content in (pickle.dumps(Hostile(marker)), pickle.dumps(Hostile(marker), 0), _torch_file(tmp_path, marker)):
        (tmp_path / "run/last" / name).write_bytes(content)
        with pytest.raises(ArtifactError, match="damaged"):
            read_checkpoint(tmp_path / "run/last", training=True)
        with pytest.raises(ArtifactError, match="damaged"):
            run(tmp_path / "run", resume=True)
    assert not marker.exists()


def _torch_file(folder: Path, marker: Path) -> bytes:
    path = folder / "hostile.pth"
    torch.save(Hostile(marker), path)
    return path.read_bytes()


def test_a_pickle_under_a_learners_file_name_is_refused_unread(tmp_path: Path) -> None:
    """SaveModelCallback loads its file at the end of a fit, with weights_only=False."""
    learn = learner(patterned(40), patterned(8), TINY, folder=tmp_path, device="cpu")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/model.pth").write_bytes(_torch_file(tmp_path, tmp_path / "executed"))
    with pytest.raises(ArtifactError, match="not a file that this learner saved"):
        learn.load("model", weights_only=False)
    assert not (tmp_path / "executed").exists()


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


def test_best_is_for_use_and_cannot_be_resumed_from(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(ArtifactError, match="Resume from last"):
        read_checkpoint(tmp_path / "best", training=True)


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
