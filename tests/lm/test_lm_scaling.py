"""Float16 products: as float32 to rounding; an overflow costs a step and half the scale, which a resumed run has."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import patterned, trained

from ulmkit.lm.audit import audit
from ulmkit.lm.checkpoint import read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.ingredients import FIRST_SCALE, SCALE_BACKOFF
from ulmkit.lm.loop import Loop
from ulmkit.lm.probe import TOLERANCE, narrow, relative_error
from ulmkit.lm.run import pretrain
from ulmkit.lm.setup import Training
from ulmkit.lm.step import Step

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


def ready(config: LMConfig = FP16) -> Training:
    torch.manual_seed(0)
    training = trained(patterned(30), config, valid=patterned(4, seed=1))
    training.model.train()
    return training


@pytest.mark.parametrize("backend", ["reference", "stepwise", "vendor"])
def test_every_backend_computes_in_float16_what_it_should(backend: Any) -> None:
    assert relative_error(backend, "fp16", CPU) <= TOLERANCE["fp16"]


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
    assert {one.ingredient for one in audit(trained(patterned(20), with_dropout), patterned(20)) if one.acts} > {
        "AR",
        "weight dropout",
    }


@pytest.mark.parametrize("captured", [False, True], ids=["on the host", "on device"])
def test_an_overflow_costs_its_step_and_half_the_scale(captured: bool) -> None:
    training = ready()
    step, scale = training.step, training.step.scale
    assert scale is not None
    if captured:
        step = Step(step.model, step.optimizer, step.ingredients, average=step.average, capture=lambda run: run)
    batches = iter(training.batches)
    step(*next(batches))
    assert scale.scale == FIRST_SCALE
    before = {name: p.detach().clone() for name, p in step.model.named_parameters()}
    moments = {name: state.clone() for name, state in step.optimizer.state[step.model.embedding].items()}
    scale.scale.fill_(2.0**100)
    step(*next(batches))
    assert scale.scale == 2.0**100 * SCALE_BACKOFF
    assert all(torch.equal(p, before[name]) for name, p in step.model.named_parameters())
    assert all(torch.equal(step.optimizer.state[step.model.embedding][name], value) for name, value in moments.items())
    scale.scale.fill_(FIRST_SCALE)
    step(*next(batches))
    assert scale.quiet == 1
    assert all(not torch.equal(p, before[name]) for name, p in step.model.named_parameters())


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("nt-asgd", marks=pytest.mark.slow)])
def test_a_resumed_run_goes_on_with_its_scale(tmp_path: Path, optimizer: Any) -> None:
    config = dataclasses.replace(FP16, optimizer=optimizer, ema=0.9 if optimizer == "adam" else 0.0)

    def run(folder: Path, *, stops: bool, **options: Any) -> dict[str, torch.Tensor]:
        def interfere(loop: Loop) -> None:
            """A scale that overflows at step 4; the end after step 12."""
            if loop.position.step == 3:
                loop.step.scale.scale.fill_(2.0**40)
            if stops and loop.position.step == 12:
                loop.signals.number = 15

        pretrain(patterned(20), patterned(4, seed=1), folder, config, device="cpu", after_step=interfere, **options)
        last = read_checkpoint(folder / "last", training=True)
        return last.model | last.training

    expected = run(tmp_path / "whole", stops=False)
    assert expected["scaling.scale"] < 2.0**40
    with pytest.raises(BaseException, match="by SIGTERM at step 12"):
        run(tmp_path / "cut", stops=True)
    found = run(tmp_path / "cut", stops=False, resume=True)
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_float16_is_for_gpus_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert narrow(CPU) == "bf16"
    for supported, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation, answer=supported: answer)
        assert narrow(torch.device("cuda")) == expected
