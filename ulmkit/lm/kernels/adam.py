"""AdamW whose rates and momentum lie on the device, so that a captured CUDA graph reads each step's own.

torch's fused Adam takes a rate from the device, but reads momentum back to the host, which 1cycle moves every step.
One pass over all memory here also scales the gradient, as clipping asks, and moves the average of the weights.
"""

import functools
import importlib.util
from collections.abc import Callable

import torch

from ulmkit.lm.kernels.types import AdamTensors, StepScalars

HYPERS = ("lr", "mom", "sqr_mom", "eps", "wd")  # the order in which they lie in a group's tensor


def adamw(tensors: AdamTensors, hypers: torch.Tensor, scalars: StepScalars, *, decays: bool) -> None:
    """One step in place, as `torch.optim.adamw` defines it, with `hypers` (5,) as in `HYPERS`; nothing is read back."""
    tensors.step.add_(scalars.taken)
    _update(tensors.p.device)(tensors, hypers, scalars, decays)


@functools.cache
def _update(device: torch.device) -> Callable[[AdamTensors, torch.Tensor, StepScalars, bool], None]:
    if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from ulmkit.lm.kernels.adam_triton import in_one_pass

        return in_one_pass
    return in_many_passes


def in_many_passes(tensors: AdamTensors, hypers: torch.Tensor, scalars: StepScalars, decays: bool) -> None:
    """By torch's own functions, where there is no Triton."""
    p, gradient, grad_avg, sqr_avg, step, average = tensors
    lr, mom, sqr_mom, eps, wd = hypers
    taken = scalars.taken
    alive = taken != 0
    gradient = torch.where(alive, gradient * scalars.gain, 0.0)  # an infinite one times 0 would be no number
    grad_avg.lerp_(gradient, (1 - mom) * taken)
    sqr_avg.lerp_(gradient * gradient, (1 - sqr_mom) * taken)
    count = step.double().clamp(min=1)  # 0 where none was taken yet
    rate = (lr / (1 - mom.double() ** count)).float()
    spread = sqr_avg.sqrt() / (1 - sqr_mom.double() ** count).sqrt().float() + eps
    if decays:
        p.mul_(1 - lr * wd * taken)
    p.sub_(torch.where(alive, rate * grad_avg / spread, 0.0))
    if average is not None:
        average.lerp_(p, scalars.weight)
