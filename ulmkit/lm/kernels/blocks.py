"""How a step's work is cut into programs: tried on the GPU at hand, once for each size."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from triton.errors import TritonError

from ulmkit.lm.kernels import steps
from ulmkit.lm.kernels.types import accurate

WORTH_TRYING = 64 * 256  # rows times hidden units: a smaller step takes as long however it is cut
TRIED = 8  # steps in time of a trial


class Tiles(NamedTuple):
    """A program's rows of the batch and hidden units, the depth of a loop of its product, and how it is compiled."""

    rows: int
    units: int
    depth: int
    warps: int
    stages: int
    split: int = 1  # programs that share a product's depth, in the backward pass


class Cut(NamedTuple):
    """How the steps of a layer are cut, forward and backward."""

    forward: Tiles
    backward: Tiles


# The first that fits is taken where none is tried. 64 rows are the least that Hopper's matrix units take at once.
# Registers and shared memory of each are in the test that compiles them.
FORWARD = (
    Tiles(64, 16, 64, 4, 4),
    Tiles(64, 32, 64, 4, 4),
    Tiles(128, 16, 64, 8, 4),
    Tiles(128, 32, 64, 8, 3),
    Tiles(32, 16, 128, 4, 3),
    Tiles(16, 16, 128, 4, 3),
)
BACKWARD = (
    Tiles(64, 64, 64, 4, 4, split=4),
    Tiles(64, 32, 128, 4, 3),
    Tiles(64, 128, 64, 4, 4, split=8),
    Tiles(128, 64, 64, 8, 4, split=4),
    Tiles(32, 64, 128, 4, 3, split=4),
    Tiles(16, 64, 128, 4, 3, split=4),
)
# products of float32 in full precision go through no matrix unit: for checks and for evaluation
FORWARD_FULL = (Tiles(32, 16, 32, 4, 2), Tiles(16, 16, 32, 4, 2))
BACKWARD_FULL = (Tiles(32, 32, 32, 4, 2), Tiles(16, 32, 32, 4, 2))


class ForwardArrays(NamedTuple):
    """The arrays of a layer's forward steps; shapes as in `steps.forward_step`."""

    outputs: torch.Tensor
    cells: torch.Tensor
    gates: torch.Tensor
    from_input: torch.Tensor
    recurrent: torch.Tensor
    bias: torch.Tensor


class BackwardArrays(NamedTuple):
    """The arrays of a layer's backward steps; shapes as in `steps.backward_step`."""

    d_gates: torch.Tensor
    d_cell: torch.Tensor
    d_outputs: torch.Tensor
    gates: torch.Tensor
    cells: torch.Tensor
    recurrent: torch.Tensor
    parts: torch.Tensor  # (split, B, H)


def _constants(dtype: torch.dtype) -> dict[str, Any]:
    return {
        "SUM": tl.float64 if accurate(dtype) == torch.float64 else tl.float32,
        "EMULATED": steps.INTERPRETED and dtype == torch.bfloat16,
    }


def _compiled(blocks: Tiles) -> dict[str, Any]:
    # a multiply and its add in one instruction, which Triton 3.10 no longer takes by itself
    return {"num_warps": blocks.warps, "num_stages": blocks.stages, "enable_fp_fusion": True}


def launch_forward(layer: ForwardArrays, blocks: Tiles, t: int, place: int, *, keep: bool) -> None:
    """Step `t` of the layer, whose part from the input is the chunk's `place`; gates are kept for backward, or not."""
    B, H = layer.outputs.shape[1:]
    steps.forward_step[triton.cdiv(B, blocks.rows), triton.cdiv(H, blocks.units)](
        *layer, t, place, B, H=H, KEEP=keep, ROWS=blocks.rows, UNITS=blocks.units, DEPTH=blocks.depth,
        **_constants(layer.outputs.dtype), **_compiled(blocks),
    )  # fmt: skip


def backward_end(layer: BackwardArrays, t: int, *, split: int = 1) -> None:
    """Gradients of step `t`'s gates and cell, where `parts` holds the gradient of its output by the step after."""
    B, H = layer.d_cell.shape
    rows, units = 16, 64  # nothing but reading and writing
    steps.backward_cells[triton.cdiv(B, rows), triton.cdiv(H, units)](
        layer.d_gates, layer.d_cell, layer.d_outputs, layer.gates, layer.cells, layer.parts, t, B,
        H=H, ROWS=rows, UNITS=units, SPLIT=split, **_constants(layer.d_gates.dtype),
        num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip


def launch_backward(layer: BackwardArrays, blocks: Tiles, t: int) -> None:
    """Gradients of step `t`'s gates and cell from those of the gates of step `t` + 1."""
    B, H = layer.d_cell.shape
    cut = {"ROWS": blocks.rows, "UNITS": blocks.units, "DEPTH": blocks.depth}
    options = _constants(layer.d_gates.dtype) | _compiled(blocks) | cut
    grid = (triton.cdiv(B, blocks.rows), triton.cdiv(H, blocks.units))
    if blocks.split == 1:
        steps.backward_step[grid](*layer[:6], t, B, H=H, **options)
        return
    steps.backward_products[*grid, blocks.split](
        layer.d_gates, layer.recurrent, layer.parts, t, B, H=H, SPLIT=blocks.split, **options
    )
    backward_end(layer, t, split=blocks.split)


def fitting(known: tuple[Tiles, ...], B: int) -> Iterator[Tiles]:
    """Those whose rows are not mostly empty for a batch of `B`, and not needlessly few."""
    room = max(16, triton.next_power_of_2(B))
    least = min(room, min(64, max(blocks.rows for blocks in known)))
    return (blocks for blocks in known if least <= blocks.rows <= room)


def _fastest(known: list[Tiles], trial: Callable[[Tiles], None]) -> Tiles:
    """The one with the shortest trial; those that the GPU has no room for are left out."""
    times: dict[Tiles, float] = {}
    failure: TritonError | None = None
    for blocks in known:
        try:
            # in a graph, because a launch takes Python longer than a step takes the GPU
            times[blocks] = triton.testing.do_bench_cudagraph(functools.partial(trial, blocks), rep=5)
        except TritonError as error:
            failure = error
    if not times and failure is not None:
        raise failure
    return min(times, key=lambda blocks: times[blocks])


def _try(B: int, H: int, dtype: torch.dtype, device: torch.device) -> Cut:
    """The fastest blocks for layers of this size, on numbers of the usual magnitude."""
    draw = torch.Generator(device).manual_seed(0)  # leaves the run's own random numbers alone
    exact = accurate(dtype)

    def some(*shape: int, dtype: torch.dtype = dtype) -> torch.Tensor:
        return (torch.randn(shape, generator=draw, device=device) / math.sqrt(H)).to(dtype)

    forward = ForwardArrays(
        some(TRIED + 1, B, H), some(TRIED + 1, B, H, dtype=exact), some(TRIED, B, 4 * H, dtype=exact),
        some(TRIED, B, 4 * H), some(4 * H, H), some(4 * H, dtype=exact),
    )  # fmt: skip
    backward = BackwardArrays(
        some(TRIED, B, 4 * H), some(B, H, dtype=exact), some(TRIED, B, H), forward.gates, forward.cells,
        forward.recurrent, some(max(blocks.split for blocks in BACKWARD), B, H, dtype=exact),
    )  # fmt: skip

    def ahead(blocks: Tiles) -> None:
        for t in range(TRIED):
            launch_forward(forward, blocks, t, t, keep=True)

    def back(blocks: Tiles) -> None:
        for t in reversed(range(TRIED - 1)):
            launch_backward(backward, blocks, t)

    with torch.cuda.device(device):
        return Cut(_fastest(list(fitting(FORWARD, B)), ahead), _fastest(list(fitting(BACKWARD, B)), back))


_found: dict[tuple[int, int, torch.dtype, torch.device], Cut] = {}


def cut(B: int, H: int, dtype: torch.dtype, device: torch.device) -> Cut:
    """Tiles for a layer of `H` units on a batch of `B`.

    Tried where that is worth it. While a CUDA graph is captured nothing can be tried, so a step should have run once
    before; and where torch is told to be deterministic the clock decides nothing.
    """
    if dtype.itemsize > 2:
        return Cut(next(fitting(FORWARD_FULL, B)), next(fitting(BACKWARD_FULL, B)))
    key = (B, H, dtype, device)
    if (
        key not in _found
        and device.type == "cuda"
        and B * H >= WORTH_TRYING
        and not torch.are_deterministic_algorithms_enabled()
        and not torch.cuda.is_current_stream_capturing()
    ):
        _found[key] = _try(*key)
    return _found.get(key) or Cut(next(fitting(FORWARD, B)), next(fitting(BACKWARD, B)))
