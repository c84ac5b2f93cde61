"""Averages of weights: what is validated and kept as best, and what training goes on with."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm_data import patterned, token_file, trained
from torch.nn.functional import cross_entropy as torch_cross_entropy

from ulmkit.lm.averages import MovingAverage, NonMonotonicAverage, WeightAverage
from ulmkit.lm.batches import backward
from ulmkit.lm.checkpoint import load_model, read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.evaluate import evaluate
from ulmkit.lm.loop import Loop
from ulmkit.lm.loss import cross_entropy
from ulmkit.lm.model import Output
from ulmkit.lm.run import pretrain
from ulmkit.lm.schedule import set_rates

TINY = LMConfig(
    embedding_size=16, hidden_size=24, layers=2, batch_size=4, bptt=10, epochs=2, lr=1e-2, valid_batch_size=2
)
TRAIN, VALID = patterned(60), patterned(8, seed=1)


def fitted(config: LMConfig, folder: Path) -> tuple[WeightAverage, list[torch.Tensor]]:
    """The average of a run at its end, and the embedding after each step."""
    kept: list[torch.Tensor] = []
    averages: list[WeightAverage | None] = []

    def keep(loop: Loop) -> None:
        kept.append(loop.training.model.embedding.detach().clone())
        averages.append(loop.step.average)

    pretrain(TRAIN, VALID, folder, config, device="cpu", after_step=keep)
    assert averages[-1] is not None
    return averages[-1], kept


def test_the_moving_average_is_the_weights_of_all_steps_with_weights_that_fade(tmp_path: Path) -> None:
    average, kept = fitted(dataclasses.replace(TINY, ema=0.9), tmp_path)
    expected = kept[0].clone()
    for step, weights in enumerate(kept[1:], 2):
        decay = min(0.9, step / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    assert isinstance(average, MovingAverage)
    assert torch.allclose(average.averaged()["embedding"], expected, atol=1e-6)


@pytest.mark.slow
def test_nt_asgd_begins_when_validation_is_worse_than_before_and_takes_the_mean_from_there(tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, optimizer="nt-asgd", schedule="constant", lr=20.0, clip=0.25, nonmono=1, epochs=8, wd=1e-6
    )
    average, kept = fitted(config, tmp_path)
    assert isinstance(average, NonMonotonicAverage)
    losses = average.losses
    worse = [n for n in range(len(losses)) if n > 1 and losses[n] > min(losses[: n - 1])]
    assert len(losses) == 8
    assert average.begun == bool(worse)
    assert worse, "the rate of this test is too low to overshoot"
    epoch = len(kept) // 8
    since = kept[(worse[0] + 1) * epoch :]
    assert average.steps == len(since)
    assert torch.allclose(average.averaged()["embedding"], torch.stack(since).mean(0), atol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("ema", marks=pytest.mark.slow), "nt-asgd"])
def test_what_was_validated_is_kept_as_best_and_training_goes_on_with_its_own(name: str, tmp_path: Path) -> None:
    changes = (
        {"ema": 0.9} if name == "ema" else {"optimizer": "nt-asgd", "schedule": "constant", "lr": 20.0, "nonmono": 1}
    )
    config = dataclasses.replace(TINY, epochs=6, **changes)
    result = pretrain(TRAIN, VALID, tmp_path, config, device="cpu")
    best, _ = load_model(tmp_path, "best")
    assert evaluate(best, VALID).loss == pytest.approx(result.best_valid_loss, rel=1e-5)
    last = read_checkpoint(tmp_path / "last", training=True)
    average = {key.removeprefix("average."): t for key, t in last.training.items() if key.startswith("average.")}
    assert average.keys() == last.model.keys()
    assert not torch.equal(average["embedding"], last.model["embedding"])


def test_backward_reverses_every_document_behind_its_bos() -> None:
    tokens = token_file([[2, 3, 4], [5], [6, 7]])
    assert backward(tokens).ids.tolist() == [1, 4, 3, 2, 1, 5, 1, 7, 6]
    assert np.array_equal(backward(backward(tokens)).ids, tokens.ids)
    assert tokens.ids.tolist() == [1, 2, 3, 4, 1, 5, 1, 6, 7]


def test_a_backward_model_is_evaluated_backward(tmp_path: Path) -> None:
    """The pattern can be followed in one direction: its inverse is another, so the wrong direction is worse."""
    config = dataclasses.replace(TINY, backward=True, epochs=12, eps=1e-8, wd=0.01)
    result = pretrain(TRAIN, VALID, tmp_path, config, device="cpu")
    model, _ = load_model(tmp_path)
    assert evaluate(model, VALID).loss == pytest.approx(result.best_valid_loss, rel=1e-5)
    model.config = dataclasses.replace(model.config, backward=False)
    assert evaluate(model, VALID).loss > result.best_valid_loss + 0.1


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_smoothed_labels_are_torchs(smoothing: float) -> None:
    """Loss and gradients, over more than one chunk, with ignored targets."""
    torch.manual_seed(0)
    hidden, weight, bias = (torch.randn(size, requires_grad=True) for size in ((70, 5, 6), (50, 6), (50,)))
    targets = torch.randint(0, 50, (70, 5))
    targets[0, :2] = -100
    logits = (hidden @ weight.T + bias).flatten(0, 1)
    losses = (
        cross_entropy(Output(hidden, hidden, weight, bias), targets, smoothing),
        torch_cross_entropy(logits, targets.flatten(), label_smoothing=smoothing),
    )
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    for mine, other in zip(*(torch.autograd.grad(loss, (hidden, weight, bias)) for loss in losses), strict=True):
        assert torch.allclose(mine, other, atol=1e-7)


@pytest.mark.parametrize("schedule", ["1cycle", "constant"])
def test_rates_by_layer_fall_by_the_same_factor(schedule: Any) -> None:
    config = dataclasses.replace(TINY, layer_rate=0.5, schedule=schedule)
    optimizer = trained(TRAIN, config).step.optimizer
    set_rates(optimizer, config, 0.3)
    rates = [group["lr"] for group in optimizer.hypers]
    assert [rate / rates[-1] for rate in rates] == pytest.approx([0.25, 0.5, 1.0])
