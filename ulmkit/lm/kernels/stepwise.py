"""The LSTM layer with only the recurrence inside its loop: everything else is a few large matrix products around it.

Of a training step's arithmetic a third cannot wait for the loop's end; the products with the input and all gradients of
weights can, and as one product each they run at the machine's full rate. In bfloat16 the products are taken in
bfloat16 and added up in float32 by the hardware; gates, cell and their gradients stay in float32.
"""

from typing import Any

import torch

from ulmkit.lm.kernels.types import LayerState, LayerWeights, accurate


def _tanh(x: torch.Tensor) -> torch.Tensor:
    """By way of the sigmoid, which torch computes several times faster on a CPU."""
    return (2 * x).sigmoid_().mul_(2).sub_(1)


class _StepwiseLayer(torch.autograd.Function):
    """(T, B, inputs) -> (T, B, H), with the gradient written out."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        h: torch.Tensor,
        c: torch.Tensor,
        input_hidden: torch.Tensor,
        hidden_hidden: torch.Tensor,
        input_bias: torch.Tensor,
        hidden_bias: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`x` and the matrices in the dtype of the products; cell and biases in float32 or better."""
        T, B, H = *x.shape[:2], h.shape[1]
        exact = accurate(x.dtype)
        # (T, B, inputs) -> (T, B, 4H): needs no recurrence. What comes out of it becomes the gates in place
        gates = torch.matmul(x, input_hidden.T).to(exact) + (input_bias + hidden_bias).to(exact)
        outputs = x.new_empty(T + 1, B, H)
        cells = torch.empty(T + 1, B, H, dtype=exact, device=x.device)
        outputs[0], cells[0] = h, c
        recurrent = hidden_hidden.T
        for t in range(T):
            gate = gates[t]
            gate += outputs[t] @ recurrent  # (B, H) @ (H, 4H)
            i, f, g, o = gate.chunk(4, 1)
            g *= 2  # tanh(x) = 2 sigmoid(2x) - 1
            gate.sigmoid_()
            g.mul_(2).sub_(1)
            torch.mul(f, cells[t], out=cells[t + 1])
            cells[t + 1].addcmul_(i, g)
            outputs[t + 1] = o * _tanh(cells[t + 1])
        ctx.save_for_backward(x, input_hidden, hidden_hidden, gates, outputs, cells)
        ctx.bias_dtype = input_bias.dtype
        return outputs[1:], outputs[T].to(h.dtype), cells[T].to(c.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        d_outputs, d_h, d_c = grads
        x, input_hidden, hidden_hidden, gates, outputs, cells = ctx.saved_tensors
        T, B, H = d_outputs.shape
        exact = gates.dtype
        d_gates = x.new_empty(T, B, 4 * H)  # in the dtype of the products
        d_cell, d_next = d_c.to(exact), d_h.to(exact)
        for t in reversed(range(T)):
            i, f, g, o = gates[t].chunk(4, 1)
            squashed = _tanh(cells[t + 1])
            d_out = d_next + d_outputs[t]
            d_cell = d_cell + d_out * o * (1 - squashed * squashed)
            d_gate = torch.empty_like(gates[t])
            d_i, d_f, d_g, d_o = d_gate.chunk(4, 1)
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)
            torch.mul(d_cell, i, out=d_g)
            torch.mul(d_out, squashed, out=d_o)
            slope = gates[t] - gates[t] * gates[t]  # of a sigmoid: s (1 - s)
            slope[:, 2 * H : 3 * H] = 1 - g * g  # of a tanh
            d_gate *= slope
            d_gates[t] = d_gate
            d_cell = d_cell * f
            d_next = (d_gates[t] @ hidden_hidden).to(exact)  # (B, 4H) @ (4H, H)
        flat = d_gates.view(T * B, 4 * H)
        d_bias = d_gates.sum((0, 1), dtype=exact).to(ctx.bias_dtype)
        return (
            torch.matmul(d_gates, input_hidden) if ctx.needs_input_grad[0] else None,
            d_next.to(x.dtype),
            d_cell,
            flat.T @ x.reshape(T * B, -1),
            flat.T @ outputs[:T].reshape(T * B, H),
            d_bias,
            d_bias,
        )


def stepwise_layer(x: torch.Tensor, state: LayerState, weights: LayerWeights) -> tuple[torch.Tensor, LayerState]:
    """One layer over (T, B, inputs) -> (T, B, H); float64, float32 or bfloat16 products, as `x` is."""
    exact = accurate(x.dtype)
    output, h, c = _StepwiseLayer.apply(x, state.h.to(x.dtype), state.c.to(exact), *weights)
    return output, LayerState(h, c)
