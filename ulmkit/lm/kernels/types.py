"""What goes into an LSTM layer, in torch's layout: gates input, forget, cell, output."""

from typing import NamedTuple

import torch


class LayerWeights(NamedTuple):
    """Weights of one layer: (4H, inputs), (4H, H), (4H,), (4H,)."""

    input_hidden: torch.Tensor
    hidden_hidden: torch.Tensor
    input_bias: torch.Tensor
    hidden_bias: torch.Tensor


class LayerState(NamedTuple):
    """Output and cell at one moment, each (B, H)."""

    h: torch.Tensor
    c: torch.Tensor

    def detach(self) -> "LayerState":
        return LayerState(self.h.detach(), self.c.detach())
