"""What fastai's Recorder writes down, by tokens: its own means weigh batches by rows, a short last one in full."""

import math
from typing import Any

import torch

from ulmkit.learner.fastai_imports import Learner, Metric, Recorder
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.loss import IGNORE, cross_entropy, token_losses
from ulmkit.lm.model import Output


class LMLoss:
    """The loss function that `Learner` calls: cross-entropy alone, so that training and validation compare.

    In training labels are smoothed by `smoothing`. In validation it also counts: `total`, `right` and `count` belong
    to the last batch.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self.total: torch.Tensor | None = None
        self.right: torch.Tensor | None = None
        self.count: torch.Tensor | None = None

    def __call__(self, output: Output, targets: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            return cross_entropy(output, targets, self.smoothing)
        losses, right = token_losses(output, targets)
        self.total = losses.sum(dtype=torch.float64)
        self.right, self.count = right.sum(), (targets != IGNORE).sum()
        return (self.total / self.count.clamp(min=1)).to(losses.dtype)


class _ValidationMean(Metric):
    """A mean over tokens, not over batches or rows: fastai's own counts a short last batch in full.

    Of several processes each has a part of the tokens; the first look at the value adds them up.
    """

    def __init__(self, world: World = ALONE, device: torch.device | None = None) -> None:
        self.world, self.device = world, device

    def reset(self) -> None:
        self.total, self.count, self.whole = 0.0, 0, self.world.alone

    def accumulate(self, learn: Learner) -> None:
        self.total += float(self.part(learn.loss_func))
        self.count += int(learn.loss_func.count)

    def part(self, loss: LMLoss) -> Any:
        """The batch's sum."""
        return loss.total

    @property
    def value(self) -> float | None:
        if not self.whole:
            sums = torch.tensor([self.total, self.count], dtype=torch.float64, device=self.device)
            self.total, self.count = self.world.sum(sums).tolist()
            self.whole = True
        return self.total / self.count if self.count else None

    @property
    def name(self) -> str:
        return "loss"


class Accuracy(_ValidationMean):
    """Share of tokens that were the model's best guess."""

    def part(self, loss: LMLoss) -> Any:
        return loss.right

    @property
    def name(self) -> str:
        return "accuracy"


class Perplexity(_ValidationMean):
    """e to the mean loss."""

    @property
    def value(self) -> float | None:
        mean = super().value
        return None if mean is None else math.exp(min(mean, 700.0))  # beyond, a float is at its end

    @property
    def name(self) -> str:
        return "perplexity"


class _SmoothLoss(Metric):
    """fastai's smoothed training loss, kept on the device: reading it back each step would stall a GPU."""

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        self.count, self.sum = 0, torch.zeros(())

    def accumulate(self, learn: Learner) -> None:
        self.count += 1
        loss, before = learn.loss.detach(), self.sum.to(learn.loss)
        # a step that was skipped must not spoil all that follow
        self.sum = torch.where(loss.isfinite(), torch.lerp(loss, before, self.beta), before)

    @property
    def value(self) -> torch.Tensor:
        return self.sum / (1 - self.beta**self.count) if self.count else self.sum * math.nan


class TokenRecorder(Recorder):
    """fastai's Recorder with token-weighted validation and no read-back per step."""

    name = "recorder"  # where Learner and other callbacks look for it

    def __init__(self, world: World, device: torch.device) -> None:
        super().__init__()
        self.loss, self.smooth_loss = _ValidationMean(world, device), _SmoothLoss()
