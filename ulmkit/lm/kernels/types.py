"""What goes into an LSTM layer, in torch's layout: gates input, forget, cell, output."""

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


def accurate(dtype: torch.dtype) -> torch.dtype:
    """What gates, cells and sums are computed in where products are taken in `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32
