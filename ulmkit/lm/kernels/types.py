"""What goes into a kernel: an LSTM layer in torch's layout of gates (i, f, g, o), and the tensors of Adam."""

from typing import NamedTuple

import torch


class LayerWeights(NamedTuple):
    """Weights of one layer: (4H, inputs), (4H, H), (4H,), (4H,)."""

    input_hidden: torch.Tensor
    hidden_hidden: torch.Tensor
    input_bias: torch.Tensor
    hidden_bias: torch.Tensor

    def to(self, dtype: torch.dtype) -> "LayerWeights":
        """The matrices in `dtype`, which their products are then taken in; biases stay as they are."""
        return LayerWeights(self.input_hidden.to(dtype), self.hidden_hidden.to(dtype), *self[2:])


class LayerState(NamedTuple):
    """Output and cell at one moment, each (B, H)."""

    h: torch.Tensor
    c: torch.Tensor

    def detach(self) -> "LayerState":
        return LayerState(self.h.detach(), self.c.detach())


class AdamTensors(NamedTuple):
    """A parameter, its gradient and its memory, all of one shape and contiguous; `step` counts, () float32."""

    p: torch.Tensor
    gradient: torch.Tensor
    grad_avg: torch.Tensor
    sqr_avg: torch.Tensor
    step: torch.Tensor
    average: torch.Tensor | None = None  # of the weights


class StepScalars(NamedTuple):
    """What holds for all parameters of a step, () float32 each: the gradient's factor, whether to take the step at all
    (1, or 0 where a gradient overflowed), and how much of the new weights goes into their average."""

    gain: torch.Tensor
    taken: torch.Tensor
    weight: torch.Tensor


def accurate(dtype: torch.dtype) -> torch.dtype:
    """What gates, cells and sums are computed in where products are taken in `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32
