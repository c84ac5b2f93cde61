"""The LSTM layer as torch ships it: oneDNN on a CPU, cuDNN on a GPU."""

import warnings

import torch

from ulmkit.lm.kernels.types import LayerState, LayerWeights


def vendor_layer(x: torch.Tensor, state: LayerState, weights: LayerWeights) -> tuple[torch.Tensor, LayerState]:
    """One layer over (T, B, inputs) -> (T, B, H), through the function beneath `nn.LSTM`.

    Called directly because the recurrent weight is a fresh dropped copy each time, not a parameter of a module.
    """
    # one dtype for all, the cell too
    start = (state.h.to(x.dtype).unsqueeze(0), state.c.to(x.dtype).unsqueeze(0))
    with warnings.catch_warnings():
        # dropped weights cannot lie in cuDNN's one flat block; the copy that the warning is about costs nothing here
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous", append=False)
        output, h, c = torch._VF.lstm(
            x,
            start,
            [weight.to(x.dtype) for weight in weights],
            True,  # biases
            1,  # layers
            0.0,  # dropout between layers
            torch.is_grad_enabled(),  # keeps what backward needs
            False,  # one direction
            False,  # time first
        )
    return output, LayerState(h.squeeze(0), c.squeeze(0))
