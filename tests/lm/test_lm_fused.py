"""The fused LSTM: its kernels compute the equations, and no lane of its wavefront runs ahead of what it needs.

Without a GPU: the kernels are interpreted (conftest.py), lanes are checked for races on a record of who touches what
after which events, and what the compiler makes of the kernels for a GPU is looked at.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from triton.errors import TritonError

import ulmkit.lm.kernels.blocks as blocks_module
import ulmkit.lm.kernels.fused as fused_module
from ulmkit.errors import UsageError
from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import BACKENDS, LayerState, LayerWeights, accurate, lstm_stack, refusal, steps
from ulmkit.lm.kernels.blocks import BACKWARD, BACKWARD_FULL, FORWARD, FORWARD_FULL, Cut, Tiles, cut, fitting
from ulmkit.lm.kernels.fused import _wavefront, fused_stack
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.probe import TOLERANCE, measured_candidates, open_backends, resolve
from ulmkit.lm.step import make_step

CPU = torch.device("cpu")
WITHIN = {torch.float64: 1e-13, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}
# few and large programs, for large layers: the interpreter pays by the operation
LARGE = Cut(Tiles(128, 128, 128, 4, 2), Tiles(128, 256, 512, 4, 2, split=2))

pytestmark = pytest.mark.skipif(not steps.INTERPRETED, reason="TRITON_INTERPRET=0: see the tests with the mark gpu")


def stack(
    sizes: list[int], T: int, B: int, *, masked: bool = True
) -> tuple[torch.Tensor, list[LayerState], list[LayerWeights], list[torch.Tensor | None]]:
    """Float64 numbers that bfloat16 has, too, so that every dtype sees the same; states are not zero."""
    draw = torch.Generator().manual_seed(0)

    def some(*shape: int, over: float = 2.0) -> torch.Tensor:
        return (torch.randn(shape, generator=draw, dtype=torch.float64) / over).bfloat16().double()

    layers = list(itertools.pairwise(sizes))
    weights = [
        LayerWeights(some(4 * h, i, over=i**0.5), some(4 * h, h, over=h**0.5), some(4 * h), some(4 * h))
        for i, h in layers
    ]
    masks = [(torch.rand(1, B, h, generator=draw) < 0.7).double() / 0.5 if masked else None for _, h in layers[:-1]]
    return some(T, B, sizes[0]), [LayerState(some(B, h), some(B, h)) for _, h in layers], weights, masks


def results(case: Any, dtype: torch.dtype, backend: str, **options: Any) -> list[torch.Tensor]:
    """Outputs, ends and all gradients, of inputs, beginnings and weights."""
    x, states, weights, masks = case
    exact = accurate(dtype)
    x = x.to(dtype).requires_grad_()
    states = [LayerState(s.h.to(dtype).requires_grad_(), s.c.to(exact).requires_grad_()) for s in states]
    weights = [
        LayerWeights(*(w.to(dtype if w.ndim == 2 else exact).requires_grad_() for w in layer)) for layer in weights
    ]
    masks = [None if mask is None else mask.to(dtype) for mask in masks]
    if backend == "fused":
        output, ends = fused_stack(x, states, weights, masks, **options)
    else:
        output, ends = lstm_stack(x, states, weights, masks, backend=backend)
    ends = [end for layer in ends for end in layer]
    total = output.double().sin().sum() + sum((end.double() ** 2).sum() for end in ends)
    leaves = [x, *(s for layer in states for s in layer), *(w for layer in weights for w in layer)]
    return [t.detach() for t in (output, *ends, *torch.autograd.grad(total, leaves))]


@pytest.mark.parametrize(
    ("sizes", "T", "B", "dtype", "cut"),
    [
        ([1, 1], 3, 1, torch.float32, None),
        ([5, 50, 7], 3, 3, torch.float64, None),
        ([5, 50, 7], 3, 3, torch.float32, None),
        ([5, 50, 7], 3, 3, torch.bfloat16, None),
        ([5, 50, 7], 3, 3, torch.float16, None),
        ([3, 16], 1, 128, torch.bfloat16, None),  # no step after the first one; several programs by rows
        pytest.param([2, 3], 72, 2, torch.float32, None, marks=pytest.mark.slow),  # the usual window
        # three chunks of the usual size, the last one ragged
        pytest.param([2, 3, 2], 26, 2, torch.float32, None, marks=pytest.mark.slow),
        pytest.param([8, 400], 2, 17, torch.float32, LARGE, marks=pytest.mark.slow),
        pytest.param([8, 1152], 2, 1, torch.bfloat16, LARGE, marks=pytest.mark.slow),  # a full-size layer, interpreted
        pytest.param(
            [8, 1152],
            2,
            3,
            torch.float32,
            Cut(Tiles(16, 512, 256, 4, 2), Tiles(16, 512, 512, 4, 2, split=5)),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_outputs_states_and_gradients_are_those_of_the_equations_in_float64(
    sizes: list[int], T: int, B: int, dtype: torch.dtype, cut: Cut | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cut:
        monkeypatch.setattr(fused_module, "cut", lambda *_: cut)
    case = stack(sizes, T, B)
    for mine, exact in zip(results(case, dtype, "fused"), results(case, torch.float64, "reference"), strict=True):
        assert (mine.double() - exact).norm() <= WITHIN[dtype] * exact.norm()


@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("masked", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_wavefront_is_layer_after_layer(chunk: int, masked: bool) -> None:
    """One chunk of all time is layer after layer; in float64 nothing but the products' order of sums may differ."""
    case = stack([4, 6, 5, 3], 5, 2, masked=masked)
    for mine, whole in zip(
        results(case, torch.float64, "fused", chunk=chunk), results(case, torch.float64, "fused", chunk=5), strict=True
    ):
        assert torch.allclose(mine, whole, rtol=1e-13, atol=1e-15)


def test_without_gradients_no_gates_are_kept_and_the_numbers_stay() -> None:
    x, states, weights, masks = stack([4, 6, 3], 3, 2)
    expected, _ = fused_stack(
        x, states, [LayerWeights(*(w.requires_grad_() for w in layer)) for layer in weights], masks
    )
    with torch.no_grad():
        output, _ = fused_stack(x, states, weights, masks)
    assert expected.requires_grad
    assert torch.equal(output, expected)


@given(st.integers(1, 5), st.integers(1, 9))
def test_every_chunk_passes_every_lane_in_order(lanes: int, chunks: int) -> None:
    """And a lane never has begun a chunk that the next lane's wait would needlessly include."""
    order = list(_wavefront(lanes, chunks))
    at = {turn: place for place, turn in enumerate(order)}
    assert sorted(order) == [(lane, chunk) for lane in range(lanes) for chunk in range(chunks)]
    for lane, chunk in order:
        if chunk:
            assert at[lane, chunk - 1] < at[lane, chunk]
        if lane:
            assert at[lane - 1, chunk] < at[lane, chunk]
            assert at[lane, chunk] < at.get((lane - 1, chunk + 1), len(order))


# lanes


class Clock(dict[int, int]):
    """How much of each stream's work is done for certain: a vector clock."""

    def join(self, other: "Clock") -> None:
        for stream, time in other.items():
            self[stream] = max(self.get(stream, 0), time)


class Stream:
    """As much of a CUDA stream as `_Lanes` asks for."""

    current: "Stream"
    made = 0

    def __init__(self, *_: object) -> None:
        Stream.made += 1
        self.name, self.clock = Stream.made, Clock()

    def record_event(self) -> Clock:
        return Clock(self.clock)

    def wait_event(self, event: Clock) -> None:
        self.clock.join(event)

    def wait_stream(self, other: "Stream") -> None:
        self.clock.join(other.clock)


@contextlib.contextmanager
def current(stream: Stream) -> Iterator[None]:
    before, Stream.current = Stream.current, stream
    yield
    Stream.current = before


class Races(TorchFunctionMode):
    """Finds accesses to the same memory by two streams with no event between, one of them at least a write."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: list[tuple[int, int, bool, int, int]] = []
        self.alive: list[torch.Tensor] = []  # memory that is used twice would look like a race
        self.found: list[str] = []
        self.lanes: set[int] = set()
        self.seen: set[str] = set()

    def touch(self, what: str, tensor: torch.Tensor, *, write: bool) -> None:
        if not tensor.numel():
            return
        self.alive.append(tensor)
        first = tensor.data_ptr()
        last = first + tensor.element_size() * (
            1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
        )
        clock, name = Stream.current.clock, Stream.current.name
        for low, high, written, stream, time in self.touched:
            if low < last and first < high and (write or written) and stream != name and clock.get(stream, 0) < time:
                self.found.append(f"{what}: {tuple(tensor.shape)}")
        clock[name] = clock.get(name, 0) + 1
        self.lanes.add(name)
        self.seen.add(what)
        self.touched.append((first, last, write, name, clock[name]))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result, name = func(*args, **kwargs), func.__name__
        in_place = name == "__setitem__" or (name.endswith("_") and not name.startswith("_"))
        if not in_place and not isinstance(result, torch.Tensor):
            return result  # a shape, a flag
        given = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)]
        written = args[0] if in_place else result
        owner = {one.untyped_storage().data_ptr() for one in given}
        if in_place or "out" in kwargs or written.untyped_storage().data_ptr() not in owner:  # and no view
            for tensor in given:
                self.touch(name, tensor, write=False)
            if not name.startswith(("empty", "new_empty")):
                self.touch(name, written, write=True)
        return result

    def launch_forward(self, layer: Any, _: Any, t: int, place: int, **__: Any) -> None:
        for array in (layer.outputs[t], layer.cells[t], layer.from_input[place], layer.recurrent, layer.bias):
            self.touch("forward", array, write=False)
        for array in (layer.outputs[t + 1], layer.cells[t + 1], layer.gates[t]):
            self.touch("forward", array, write=True)

    def launch_backward(self, layer: Any, _: Any, t: int) -> None:
        read = (layer.d_gates[t + 1], layer.d_outputs[t], layer.gates[t], layer.cells[t : t + 2], layer.recurrent)
        for array in read:
            self.touch("backward", array, write=False)
        for array in (layer.d_gates[t], layer.d_cell, layer.parts):
            self.touch("backward", array, write=True)

    def backward_end(self, layer: Any, t: int) -> None:
        for array in (layer.d_outputs[t], layer.gates[t], layer.cells[t : t + 2], layer.parts):
            self.touch("end", array, write=False)
        for array in (layer.d_gates[t], layer.d_cell):
            self.touch("end", array, write=True)


def races(monkeypatch: pytest.MonkeyPatch) -> Races:
    """A forward and a backward pass of three layers in chunks of two steps, on streams that only keep a record."""
    found = Races()
    Stream.current = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: Stream.current)
    monkeypatch.setattr(torch.cuda, "stream", current)
    init = fused_module._Lanes.__init__
    monkeypatch.setattr(fused_module._Lanes, "__init__", lambda self, _, n: init(self, torch.device("cuda"), n))
    fused_module._side_streams.cache_clear()
    for name in ("launch_forward", "launch_backward", "backward_end"):
        monkeypatch.setattr(fused_module, name, getattr(found, name))
    real = fused_module._FusedStack.backward

    def backward(*args: Any) -> Any:  # autograd leaves the mode
        with found:
            return real(*args)

    monkeypatch.setattr(fused_module._FusedStack, "backward", backward)
    with found:
        results(stack([3, 4, 5, 3], 7, 2), torch.float32, "fused", chunk=2)
    fused_module._side_streams.cache_clear()
    return found


def test_no_lane_runs_ahead_of_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = races(monkeypatch)
    assert not found.found
    assert len(found.lanes) == 3
    assert found.seen >= {"mm", "mul", "mul_", "sum", "clone", "forward", "backward", "end"}


@pytest.mark.parametrize("sabotage", ["wait", "join"])
def test_a_missing_wait_is_found(sabotage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test before can fail."""
    if sabotage == "wait":
        monkeypatch.setattr(Stream, "wait_event", lambda *_: None)
    else:
        monkeypatch.setattr(fused_module._Lanes, "join", lambda _: None)
    assert races(monkeypatch).found


# who may use it


@pytest.mark.slow
def test_a_kernel_with_exchanged_gates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the gate that every backend passes before it trains."""
    real = fused_module.launch_forward

    def exchanged(layer: Any, *args: Any, **options: Any) -> None:
        i, f, g, o = layer.recurrent.chunk(4)
        real(layer._replace(recurrent=torch.cat([i, f, o, g])), *args, **options)

    monkeypatch.setattr(fused_module, "launch_forward", exchanged)
    config = LMConfig(embedding_size=8, hidden_size=16, layers=2, backend="fused", precision="fp32")
    (found,) = measured_candidates(make_step(AWDLSTM(50, config), config))
    assert not found.right
    assert found.seconds is None
    assert found.error > 100 * TOLERANCE["fp32"]


def test_it_is_chosen_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even interpreted on a CPU, where every other is faster; nor without Triton."""
    assert "fused" in BACKENDS
    assert "fused" not in open_backends(CPU)
    assert "fused" in open_backends(torch.device("cuda"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "fused" not in open_backends(torch.device("cuda"))
    assert "needs Triton" in (refusal("fused", torch.device("cuda")) or "")


def test_without_a_gpu_asking_for_it_is_a_usage_error_and_reading_its_models_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "INTERPRETED", False)
    config = LMConfig(embedding_size=8, hidden_size=16, layers=2, backend="fused", precision="fp32", drop_mult=0)
    with pytest.raises(UsageError, match=r"'fused' needs a CUDA device, not cpu\. Use another, such as vendor"):
        resolve(make_step(AWDLSTM(50, config), config))
    torch.manual_seed(0)
    model = AWDLSTM(50, config)
    x = torch.randint(2, 50, (4, 3))
    with pytest.raises(UsageError, match="needs a CUDA device"):
        model.train()(x)
    logits = model.eval().logits(x)
    model.config = dataclasses.replace(config, backend="vendor")
    model.reset()
    assert torch.equal(logits, model.logits(x))


# how a step is cut


@given(st.integers(1, 2000))
def test_some_blocks_fit_every_batch(B: int) -> None:
    for known in (FORWARD, BACKWARD, FORWARD_FULL, BACKWARD_FULL):
        for blocks in fitting(known, B):
            assert blocks.rows < 2 * max(B, 16)
        assert list(fitting(known, B))


def test_blocks_are_tried_once_and_never_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fastest is taken; one that the GPU has no room for is left out; the first that fits without a trial."""
    tried: list[tuple[int, int]] = []
    sizes = 128, 1152, torch.bfloat16, torch.device("cuda")
    monkeypatch.setattr(blocks_module, "_found", {})
    monkeypatch.setattr(blocks_module, "_try", lambda B, H, *_: tried.append((B, H)) or Cut(FORWARD[3], BACKWARD[1]))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    capturing = True
    assert cut(*sizes) == Cut(FORWARD[0], BACKWARD[0])
    assert not tried
    capturing = False
    assert cut(*sizes) == cut(*sizes) == Cut(FORWARD[3], BACKWARD[1])
    capturing = True
    assert cut(*sizes) == Cut(FORWARD[3], BACKWARD[1])
    assert tried == [(128, 1152)]
    cut(*sizes[:2], torch.float32, sizes[3])  # full products have no choice
    cut(3, 50, *sizes[2:])  # too small to matter
    assert len(tried) == 1


def test_blocks_that_do_not_compile_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {FORWARD[0]: 2.0, FORWARD[2]: 1.0, FORWARD[3]: 3.0}

    def bench(trial: Any, **_: Any) -> float:
        if trial.args[0] not in seconds:
            raise TritonError("out of resources")
        return seconds[trial.args[0]]

    monkeypatch.setattr("triton.testing.do_bench_cudagraph", bench)
    assert blocks_module._fastest(list(FORWARD[:4]), lambda _: None) == FORWARD[2]
    seconds.clear()
    with pytest.raises(TritonError, match="out of resources"):
        blocks_module._fastest(list(FORWARD[:4]), lambda _: None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler comes for Linux")
def test_the_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """For sm_90: no register is spilled, shared memory fits, and 16-bit products go through the matrix units."""
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).parents[1] / "support" / "compile_steps.py"
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert {one["kernel"] for one in found} == {
        "forward_step", "backward_step", "backward_products", "backward_cells"
    }  # fmt: skip
    for one in found:
        assert one["spilled"] == 0, one
        assert one["shared"] <= 227 * 1024, one
        if one["kernel"] != "backward_cells":
            matrix = "wgmma" if one["batch"] >= 64 else "mma"
            assert (one[matrix] > 0) == (one["dtype"] != "fp32"), one  # and never TF32
