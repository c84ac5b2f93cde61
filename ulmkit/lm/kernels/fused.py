"""The LSTM stack on a GPU: one kernel a step in time, and the layers side by side as a wavefront.

A layer's step waits for its step before, and for nothing else of its own: so while layer 2 reads the outputs of one
chunk of time, layer 1 computes the next chunk, each on a CUDA stream of its own. With N layers T steps then take as
long as T + (N - 1) chunks, not N T. The masks between layers do not change in time, so nothing is approximated. What
need not wait is a few large products: the input's for a chunk, the gradients of weights for all time at once.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from triton.errors import TritonError

from ulmkit.errors import UlmkitError
from ulmkit.lm.kernels.blocks import BackwardArrays, ForwardArrays, backward_end, cut, launch_backward, launch_forward
from ulmkit.lm.kernels.types import LayerState, LayerWeights, accurate

CHUNK = 12  # steps in time: a sixth of the usual window, so three layers take a third longer than one


@functools.cache
def _side_streams(device: torch.device, count: int) -> list[torch.cuda.Stream]:
    return [torch.cuda.Stream(device) for _ in range(count)]


class _Lanes:
    """Work queues beside each other, one a layer: the current stream and as many side streams; on a CPU, plain order.

    A side stream's first turn waits for the current stream, and the current one joins all in the end. All memory comes
    from before and is kept past the join, so the allocator, which knows only the current stream, hands none of it out
    too early; and a CUDA graph that captures the current stream captures the others.
    """

    def __init__(self, device: torch.device, count: int) -> None:
        self._streams: list[torch.cuda.Stream] = []
        if device.type == "cuda":
            self._streams = [torch.cuda.current_stream(device), *_side_streams(device, count - 1)]
        self._given: list[torch.cuda.Event | None] = [None] * count

    def on(self, lane: int) -> contextlib.AbstractContextManager[object]:
        """Work for `lane` that waits for nothing but what the lane was given before."""
        return torch.cuda.stream(self._streams[lane]) if self._streams else contextlib.nullcontext()

    @contextlib.contextmanager
    def turn(self, lane: int) -> Iterator[None]:
        """Work for `lane` that also waits for the latest turn of the lane before."""
        with self.on(lane):
            if self._streams and lane and (before := self._given[lane - 1]) is not None:
                self._streams[lane].wait_event(before)
            yield
            if self._streams:
                self._given[lane] = self._streams[lane].record_event()

    def join(self) -> None:
        for stream in self._streams[1:]:
            self._streams[0].wait_stream(stream)


def _wavefront(lanes: int, chunks: int) -> Iterator[tuple[int, int]]:
    """(lane, chunk) in order: the lane before has just had the chunk, and has not had its next.

    >>> list(_wavefront(2, 3))
    [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    """
    for wave in range(chunks + lanes - 1):
        for lane in reversed(range(lanes)):
            if 0 <= wave - lane < chunks:
                yield lane, wave - lane


class _Kept(NamedTuple):
    """What a layer's backward pass needs of its forward pass."""

    inputs: torch.Tensor  # (T, B, inputs)
    input_hidden: torch.Tensor
    recurrent: torch.Tensor
    gates: torch.Tensor
    outputs: torch.Tensor
    cells: torch.Tensor


class _FusedStack(torch.autograd.Function):
    """(T, B, inputs) -> (T, B, H) through all layers, with the gradient written out."""

    @staticmethod
    def forward(
        ctx: Any,
        chunk: int,
        keep: bool,
        masks: Sequence[torch.Tensor | None],
        x: torch.Tensor,
        *tensors: torch.Tensor,  # of each layer h and c, then of each layer its four weights
    ) -> tuple[torch.Tensor, ...]:
        N, (T, B) = len(masks) + 1, x.shape[:2]
        exact = accurate(x.dtype)
        chunks = [slice(first, min(first + chunk, T)) for first in range(0, T, chunk)]
        inputs, layers, cuts, weights = [x.contiguous()], [], [], []
        for n in range(N):
            weight = LayerWeights(*(one.contiguous() for one in tensors[2 * N + 4 * n : 2 * N + 4 * n + 4]))
            H = weight.hidden_hidden.shape[1]
            outputs, cells = x.new_empty(T + 1, B, H), x.new_empty(T + 1, B, H, dtype=exact)
            outputs[0], cells[0] = tensors[2 * n : 2 * n + 2]
            gates = x.new_empty(T if keep else 0, B, 4 * H, dtype=exact)
            bias = weight.input_bias.to(exact) + weight.hidden_bias.to(exact)
            from_input = x.new_empty(chunk, B, 4 * H)
            layers.append(ForwardArrays(outputs, cells, gates, from_input, weight.hidden_hidden, bias))
            cuts.append(cut(B, H, x.dtype, x.device))
            weights.append(weight)
            if n < N - 1:
                inputs.append(outputs[1:] if masks[n] is None else torch.empty_like(outputs[1:]))
        lanes = _Lanes(x.device, N)
        for n, k in _wavefront(N, len(chunks)):
            now, layer = chunks[k], layers[n]
            with lanes.turn(n):
                own = inputs[n][now]  # (t, B, inputs) -> (t, B, 4H)
                torch.mm(own.flatten(0, 1), weights[n].input_hidden.T, out=layer.from_input[: len(own)].flatten(0, 1))
                for t in range(now.start, now.stop):
                    launch_forward(layer, cuts[n].forward, t, t - now.start, keep=keep)
                if n < N - 1 and (mask := masks[n]) is not None:
                    torch.mul(layer.outputs[1:][now], mask, out=inputs[n + 1][now])
        lanes.join()
        if keep:
            ctx.chunks, ctx.cuts, ctx.masked = chunks, cuts, [mask is not None for mask in masks]
            kept = [
                _Kept(own, weight.input_hidden, layer.recurrent, layer.gates, layer.outputs, layer.cells)
                for own, weight, layer in zip(inputs, weights, layers, strict=True)
            ]
            ctx.save_for_backward(*(t for one in kept for t in one), *(mask for mask in masks if mask is not None))
        ends = (end for layer in layers for end in (layer.outputs[T], layer.cells[T]))
        return layers[-1].outputs[1:], *(end.clone() for end in ends)

    @staticmethod
    def backward(ctx: Any, d_output: torch.Tensor, *d_ends: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        N, T, chunks = len(ctx.cuts), len(d_output), ctx.chunks
        width = len(_Kept._fields)
        kept = [_Kept(*ctx.saved_tensors[width * n : width * (n + 1)]) for n in range(N)]
        saved_masks = iter(ctx.saved_tensors[width * N :])
        masks = [next(saved_masks) if is_masked else None for is_masked in ctx.masked]
        x_wanted, *wanted = ctx.needs_input_grad[3:]
        layers, d_weights = [], []
        for n, one in enumerate(kept):
            _, B, H = one.outputs.shape
            d_outputs = d_output.contiguous() if n == N - 1 else torch.empty_like(one.outputs[1:])
            d_cell = d_ends[2 * n + 1].to(one.cells.dtype, copy=True, memory_format=torch.contiguous_format)
            parts = one.cells.new_empty(ctx.cuts[n].backward.split, B, H)
            parts[0] = d_ends[2 * n]
            d_gates = d_outputs.new_empty(T, B, 4 * H)
            layers.append(BackwardArrays(d_gates, d_cell, d_outputs, one.gates, one.cells, one.recurrent, parts))
            d_bias = one.cells.new_empty(4 * H)
            d_weights.append(
                LayerWeights(torch.empty_like(one.input_hidden), torch.empty_like(one.recurrent), d_bias, d_bias)
            )
        d_x = torch.empty_like(kept[0].inputs) if x_wanted else None
        lanes = _Lanes(d_output.device, N)
        for lane, k in _wavefront(N, len(chunks)):  # from the last layer and the last chunk back
            n, now = N - 1 - lane, chunks[len(chunks) - 1 - k]
            layer = layers[n]
            with lanes.turn(lane):
                for t in reversed(range(now.start, now.stop)):
                    if t == T - 1:
                        backward_end(layer, t)
                    else:
                        launch_backward(layer, ctx.cuts[n].backward, t)
                below = layers[n - 1].d_outputs if n else d_x
                if below is not None:  # (t, B, 4H) -> (t, B, inputs)
                    torch.mm(layer.d_gates[now].flatten(0, 1), kept[n].input_hidden, out=below[now].flatten(0, 1))
                if n and (mask := masks[n - 1]) is not None:
                    layers[n - 1].d_outputs[now].mul_(mask)
        for lane in range(N):  # a layer's large products run while the layers below still step
            n = N - 1 - lane
            with lanes.on(lane):
                d_gates = layers[n].d_gates.flatten(0, 1)
                torch.mm(d_gates.T, kept[n].inputs.flatten(0, 1), out=d_weights[n].input_hidden)
                torch.mm(d_gates.T, kept[n].outputs[:T].flatten(0, 1), out=d_weights[n].hidden_hidden)
                torch.sum(d_gates, 0, dtype=layers[n].d_cell.dtype, out=d_weights[n].input_bias)
        lanes.join()
        d_begins: list[torch.Tensor | None] = []
        for n, layer in enumerate(layers):
            # a state that was carried from the batch before wants none, and saves the product
            d_begins.append(layer.d_gates[0] @ layer.recurrent if wanted[2 * n] else None)
            d_begins.append(layer.d_cell if wanted[2 * n + 1] else None)
        return None, None, None, d_x, *d_begins, *(t for layer in d_weights for t in layer)


def fused_stack(
    x: torch.Tensor,
    state: Sequence[LayerState],
    weights: Sequence[LayerWeights],
    masks: Sequence[torch.Tensor | None],
    *,
    chunk: int = CHUNK,
) -> tuple[torch.Tensor, list[LayerState]]:
    """As `lstm_stack`; the layers step `chunk` steps apart. Masks get no gradient."""
    exact = accurate(x.dtype)
    begins = (begin for layer in state for begin in (layer.h.to(x.dtype), layer.c.to(exact)))
    flat = (weight for layer in weights for weight in layer)
    try:
        output, *ends = _FusedStack.apply(min(chunk, len(x)), torch.is_grad_enabled(), masks, x, *begins, *flat)
    except TritonError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UlmkitError(
            f"Triton cannot make the fused LSTM for {x.device}: {reason}. Use another: --set backend=vendor."
        ) from error
    return output, [LayerState(*ends[2 * n : 2 * n + 2]) for n in range(len(weights))]
