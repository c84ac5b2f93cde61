"""The LSTM layer as its equations, step by step: the one that the others are measured against."""

import torch
from torch.nn.functional import linear

from ulmkit.lm.kernels.types import LayerState, LayerWeights


def reference_layer(x: torch.Tensor, state: LayerState, weights: LayerWeights) -> tuple[torch.Tensor, LayerState]:
    """One layer over (T, B, inputs) -> (T, B, H); any dtype, so float64 can check the rest."""
    h, c = state
    from_input = linear(x, weights.input_hidden, weights.input_bias)  # (T, B, 4H): needs no recurrence
    outputs = []
    for step in from_input:
        i, f, g, o = (step + linear(h, weights.hidden_hidden, weights.hidden_bias)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs), LayerState(h, c)
