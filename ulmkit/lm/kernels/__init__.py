"""The LSTM stack behind one function, whoever computes it."""

import importlib.util
from collections.abc import Sequence

import torch

from ulmkit.errors import UsageError
from ulmkit.lm.kernels.reference import reference_layer
from ulmkit.lm.kernels.stepwise import stepwise_layer
from ulmkit.lm.kernels.types import LayerState, LayerWeights, accurate
from ulmkit.lm.kernels.vendor import vendor_layer
from ulmkit.lm.layers import masked

LAYERS = {"reference": reference_layer, "stepwise": stepwise_layer, "vendor": vendor_layer}
BACKENDS = (*LAYERS, "fused")  # which knows all layers at once

__all__ = ["BACKENDS", "LAYERS", "LayerState", "LayerWeights", "accurate", "lstm_layers", "lstm_stack", "refusal"]


def refusal(backend: str, device: torch.device) -> str | None:
    """Why `backend` cannot compute on `device`; None where it can."""
    if backend not in BACKENDS:
        return f"no LSTM backend '{backend}'. Known: {', '.join(BACKENDS)}."
    if backend != "fused":
        return None
    if importlib.util.find_spec("triton") is None:
        return "the LSTM backend 'fused' needs Triton, which torch brings on Linux. Use another, such as vendor."
    if device.type != "cuda":
        from ulmkit.lm.kernels.steps import INTERPRETED

        if not INTERPRETED:
            return (
                f"the LSTM backend 'fused' needs a CUDA device, not {device}. Use another, such as vendor "
                "(or, to check it slowly, TRITON_INTERPRET=1)."
            )
    return None


def lstm_stack(
    x: torch.Tensor,
    state: Sequence[LayerState],
    weights: Sequence[LayerWeights],
    masks: Sequence[torch.Tensor | None],
    *,
    backend: str,
) -> tuple[torch.Tensor, list[LayerState]]:
    """LSTM layers one upon the other, with a mask between each two.

    `x` is (T, B, inputs); `state` holds (h, c), each (B, H), a layer; `weights` are used as they are, so DropConnect
    happens before; `masks` has one entry fewer than there are layers, each None or (1, B, H).
    Returns the last layer's outputs (T, B, H), not masked, and every layer's new state.
    """
    if backend not in LAYERS:
        return _whole_stack(x, state, weights, masks, backend)
    outputs, new_state = lstm_layers(x, state, weights, masks, backend=backend)
    return outputs[-1], new_state


def lstm_layers(
    x: torch.Tensor,
    state: Sequence[LayerState],
    weights: Sequence[LayerWeights],
    masks: Sequence[torch.Tensor | None],
    *,
    backend: str,
) -> tuple[list[torch.Tensor], list[LayerState]]:
    """`lstm_stack` with the outputs (T, B, H) of every layer, none masked; `backend` is one of `LAYERS`."""
    layer = LAYERS[backend]
    outputs, new_state = [], []
    for before, weight, mask in zip(state, weights, (None, *masks), strict=True):
        output, after = layer(masked(x, mask), before, weight)  # (T, B, inputs) -> (T, B, H)
        outputs.append(output)
        new_state.append(after)
        x = output
    return outputs, new_state


def _whole_stack(
    x: torch.Tensor,
    state: Sequence[LayerState],
    weights: Sequence[LayerWeights],
    masks: Sequence[torch.Tensor | None],
    backend: str,
) -> tuple[torch.Tensor, list[LayerState]]:
    """`lstm_stack` of a backend that takes all layers at once."""
    if (reason := refusal(backend, x.device)) is not None:
        raise UsageError(reason)
    from ulmkit.lm.kernels.fused import fused_stack  # and Triton with it

    return fused_stack(x, state, weights, masks)
