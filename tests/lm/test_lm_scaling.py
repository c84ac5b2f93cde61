"""Float16 products: as float32 to rounding; an overflow costs a step and half the scale, which a resumed run has."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import patterned

from ulmkit.lm.audit import audit
from ulmkit.lm.checkpoint import read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.fastai_imports import Callback
from ulmkit.lm.learner import LMLearner, learner
from ulmkit.lm.probe import TOLERANCE, error, narrow
from ulmkit.lm.scaling import BACKOFF, START
from ulmkit.lm.step import WholeStep
from ulmkit.lm.train import pretrain

CPU = torch.device("cpu")
FP16 = LMConfig(
    embedding_size=16,
    hidden_size=24,
    layers=2,
    batch_size=4,
    bptt=10,
    epochs=1,
    lr=1e-2,
    valid_batch_size=2,
    log_every=1,
    drop_mult=0.0,
    ar=1.0,
    clip=0.5,
    ema=0.9,
    backend="stepwise",
    precision="fp16",
)


def ready(config: LMConfig = FP16) -> LMLearner:
    torch.manual_seed(0)
    learn = learner(patterned(30), patterned(4, seed=1), config, device="cpu")
    learn.create_opt()
    return learn


@pytest.mark.parametrize("backend", ["reference", "stepwise", "vendor"])
def test_every_backend_computes_in_float16_what_it_should(backend: Any) -> None:
    assert error(backend, "fp16", CPU) <= TOLERANCE["fp16"]


def test_losses_follow_float32_and_the_audit_finds_every_ingredient(tmp_path: Path) -> None:
    found = []
    for precision in ("fp32", "fp16"):
        config = dataclasses.replace(FP16, precision=precision)
        pretrain(patterned(20), patterned(4, seed=1), tmp_path / precision, config, device="cpu")
        lines = (tmp_path / precision / "metrics.jsonl").read_text().splitlines()
        found.append([line["loss"] for line in map(json.loads, lines) if "loss" in line])
    assert found[0][-1] < found[0][0] - 0.3
    assert found[1] == pytest.approx(found[0], rel=2e-2)
    with_dropout = dataclasses.replace(FP16, drop_mult=1.0)
    assert {one.ingredient for one in audit(patterned(20), with_dropout, device="cpu") if one.acts} > {
        "AR",
        "weight dropout",
    }


@pytest.mark.parametrize("way", ["learner", "whole", "on device"])
def test_an_overflow_costs_its_step_and_half_the_scale(way: str) -> None:
    learn = ready()
    assert learn.scaling is not None
    parts = learn._parts()
    assert parts is not None
    step = WholeStep(parts, CPU, capture=None, on_device=way == "on device")
    learn.model.train()

    def take(batch: Any) -> None:
        if way == "learner":
            learn.training = True
            learn._split(batch)
            learn._do_one_batch()
        else:
            step(*batch)

    batches = iter(learn.dls.train)
    take(next(batches))
    assert learn.scaling.scale == START
    before = {name: p.detach().clone() for name, p in learn.model.named_parameters()}
    memory = {name: state.clone() for name, state in learn.opt.state[learn.model.embedding].items() if name != "do_wd"}
    learn.scaling.scale.fill_(2.0**100)
    take(next(batches))
    assert learn.scaling.scale == 2.0**100 * BACKOFF
    assert all(torch.equal(p, before[name]) for name, p in learn.model.named_parameters())
    assert all(torch.equal(learn.opt.state[learn.model.embedding][name], value) for name, value in memory.items())
    learn.scaling.scale.fill_(START)
    take(next(batches))
    assert learn.scaling.quiet == 1
    assert all(not torch.equal(p, before[name]) for name, p in learn.model.named_parameters())


@pytest.mark.parametrize("whole", [False, True])
def test_a_resumed_run_goes_on_with_its_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    monkeypatch.setattr("ulmkit.lm.learner.WHOLE_STEPS", {"cpu"} if whole else set())

    class Interfere(Callback):
        """Sets a scale that overflows before step 3; ends the run after step 12."""

        order, stops = 90, False

        def after_batch(self) -> None:
            course = self.learn.run_keeper.course
            if self.training and course.position.step == 3:
                self.learn.scaling.scale.fill_(2.0**40)
            if self.training and self.stops and course.position.step == 12:
                course.signals.number = 15
                course.obey()

    def run(folder: Path, *, stops: bool, **options: Any) -> dict[str, torch.Tensor]:
        callback = Interfere()
        callback.stops = stops
        pretrain(patterned(20), patterned(4, seed=1), folder, FP16, device="cpu", callbacks=[callback], **options)
        last = read_checkpoint(folder / "last", training=True)
        return last.model | last.training

    expected = run(tmp_path / "whole", stops=False)
    assert expected["scaling.scale"] < 2.0**40
    with pytest.raises(BaseException, match="stopped by SIGTERM at step 12"):
        run(tmp_path / "cut", stops=True)
    found = run(tmp_path / "cut", stops=False, resume=True)
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_float16_is_for_gpus_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert narrow(CPU) == "bf16"
    for supported, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation, answer=supported: answer)
        assert narrow(torch.device("cuda")) == expected
