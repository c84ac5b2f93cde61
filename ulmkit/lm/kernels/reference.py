"""The LSTM layer as its equations, step by step: the one that the others are measured against."""

import torch

from ulmkit.lm.kernels.types import LayerState, LayerWeights, accurate


def reference_layer(x: torch.Tensor, state: LayerState, weights: LayerWeights) -> tuple[torch.Tensor, LayerState]:
    """One layer over (T, B, inputs) -> (T, B, H); any dtype, so float64 can check the rest.

    Products are taken in the dtype of `x`, gates and cell in float32 or better.
    """
    exact = accurate(x.dtype)
    h, c = state.h.to(x.dtype), state.c.to(exact)
    from_input = (x @ weights.input_hidden.T).to(exact) + weights.input_bias.to(exact)  # (T, B, 4H): no recurrence
    outputs = []
    for step in from_input:
        from_before = (h @ weights.hidden_hidden.T).to(exact) + weights.hidden_bias.to(exact)
        i, f, g, o = (step + from_before).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = (o.sigmoid() * c.tanh()).to(x.dtype)
        outputs.append(h)
    return torch.stack(outputs), LayerState(h, c)
