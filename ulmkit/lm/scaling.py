"""Loss scaling for products in float16, whose smallest numbers are too large for most gradients.

The loss is multiplied by a scale before the backward pass, gradients are divided by it after. Where one overflowed the
step is left out and the scale halved; after two thousand steps without, it is doubled (Micikevicius et al. 2018,
with the numbers of torch's GradScaler). All of it stays on the device: nothing waits for a value.
"""

from collections.abc import Mapping, Sequence

import torch

from ulmkit.lm.fastai_imports import Callback

START, GROWTH, BACKOFF, INTERVAL = 65_536.0, 2.0, 0.5, 2_000


class LossScaling(Callback):
    """`found` is 1 where the last gradients overflowed, otherwise 0; the optimizer then leaves its step out."""

    order, run_valid = 7, False  # after gradients are shared between processes, before they are clipped

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), START, device=device)
        self.quiet = torch.zeros((), dtype=torch.int32, device=device)  # steps since the last overflow
        self.found = torch.zeros((), device=device)

    def before_backward(self) -> None:
        self.learn.loss_grad = self.learn.loss_grad * self.scale

    def before_step(self) -> None:
        self.unscale([p.grad for p in self.learn.model.parameters() if p.grad is not None])
        self.learn.opt.overflow = self.found

    def after_step(self) -> None:
        self.adapt()

    @torch.no_grad()
    def unscale(self, gradients: Sequence[torch.Tensor]) -> None:
        """Divide the gradients by the scale, and see whether all are numbers."""
        self.found.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(list(gradients), self.found, self.scale.reciprocal())

    def adapt(self) -> None:
        """Halve the scale after an overflow, double it after a long time without."""
        torch._amp_update_scale_(self.scale, self.quiet, self.found, GROWTH, BACKOFF, INTERVAL)

    def memory(self) -> dict[str, torch.Tensor]:
        """What `recall` needs."""
        return {"scale": self.scale, "quiet": self.quiet}

    def recall(self, memory: Mapping[str, torch.Tensor]) -> None:
        """Take up what `memory` gave, in place: a captured step reads it where it is."""
        self.scale.copy_(memory["scale"])
        self.quiet.copy_(memory["quiet"])
