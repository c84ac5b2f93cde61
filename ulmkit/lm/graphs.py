"""Training steps as CUDA graphs: everything between a batch and new weights, started as one.

A step at full size is some four thousand kernels, most of them shorter than it takes the host to start them. Captured
once, they are started as one. A graph reads and writes fixed addresses: the batch, the carried state, the rates and
the average's weight are copied there before each step, and no value is read back. So windows of one length share a
graph, and all graphs share one pool of memory, for none keeps anything in it beyond its own step.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.ingredients import StepState
from ulmkit.lm.kernels.adam import HYPERS
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import Optimizer

WARM_UP = 2  # steps of a length that are taken op by op before it is captured: kernels are loaded and chosen in them
GRAPHS = 40  # lengths that are captured; drawn windows have about as many, and what is rarer is taken op by op
RING = 512  # steps whose numbers lie in pinned memory side by side

Capture = Callable[[Callable[[], None]], Callable[[], None]]  # a function into one that replays it


class _Numbers:
    """A few numbers that change with every step, on the device."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.values = torch.zeros(size, device=device)
        self.ring = torch.zeros(RING, size, pin_memory=device.type == "cuda")
        self.turn = 0

    def write(self, numbers: list[float]) -> None:
        if self.turn == 0 and self.values.is_cuda:
            torch.cuda.current_stream().synchronize()  # the ring is written anew: all of it must have been read
        self.ring[self.turn] = torch.tensor(numbers)
        self.values.copy_(self.ring[self.turn], non_blocking=True)
        self.turn = (self.turn + 1) % RING


class Graphs:
    """Steps that are captured once their length is warm. `before` is a step's part for the host, `act` the rest.

    Rates and momentum lie on the device: equal to those on the host to rounding, not to the bit.
    """

    def __init__(
        self,
        model: AWDLSTM,
        optimizer: Optimizer,
        average: WeightAverage | None,
        capture: Capture,
        before: Callable[[StepState], None],
        act: Callable[[StepState], None],
    ) -> None:
        self.model, self.optimizer, self.average, self.capture = model, optimizer, average, capture
        self.before, self.act = before, act
        device = model.embedding.device
        self.parameters = list(model.named_parameters())
        self.batches: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # by length
        self.carried: list[Any] | None = None
        self.loss = torch.zeros((), device=device)
        self.captured: dict[int, Callable[[], None]] = {}
        self.seen: dict[int, int] = {}
        self.known: tuple[Any, ...] = ()
        self.stream: torch.cuda.Stream | None = getattr(capture, "stream", None)
        self.numbers = _Numbers(len(HYPERS) * len(optimizer.param_lists) + 1, device)

    def captures(self, length: int) -> bool:
        """Whether the next step of this length is the one to be captured."""
        self._forget_if_changed()
        warm = self.seen.get(length, 0) >= WARM_UP
        return warm and length not in self.captured and len(self.captured) < GRAPHS

    def proven(self, length: int) -> bool:
        """Whether steps of this length were taken before in the way that the next one will be."""
        return not self.captures(length) and self.seen.get(length, 0) >= WARM_UP

    def take(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One step on `x` and `y`, both (T, B); its loss, still on the device."""
        with self._own_stream():
            state = self._place(x, y)
            self.before(state)
            groups = self.optimizer.hypers
            numbers = [float(group.get(name, 0.0)) for group in groups for name in HYPERS]
            self.numbers.write([*numbers, state.average_weight])
            self._run_or_replay(state)
            return self.loss.clone()

    @contextlib.contextmanager
    def _own_stream(self) -> Iterator[None]:
        """The stream that is captured is the one that steps run on op by op: so autograd finds no other in a graph."""
        if self.stream is None:
            yield
            return
        caller = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(caller)
        with torch.cuda.stream(self.stream):
            yield
        caller.wait_stream(self.stream)

    def _place(self, x: torch.Tensor, y: torch.Tensor) -> StepState:
        """Copy the batch, and the carried state where it is not the one that the last step left."""
        if len(x) not in self.batches:
            self.batches[len(x)] = torch.empty_like(x), torch.empty_like(y)
        for kept, given in zip(self.batches[len(x)], (x, y), strict=True):
            kept.copy_(given, non_blocking=True)
        model = self.model
        carried: list[Any] = [*model.start(x.shape[1]), *model.recall(x.shape[1])]
        if self.carried is None:
            self.carried = [type(part)(*(tensor.clone() for tensor in part)) for part in carried]
        elif any(part is not mine for part, mine in zip(carried, self.carried, strict=True)):
            self._keep(carried)
        self._carry()
        return StepState(model, self.optimizer, *self.batches[len(x)], numbers=self.numbers.values)

    def _carry(self) -> None:
        """What the model carries is what lies here: its layers' states, and then the pointer's memory, if any."""
        assert self.carried is not None
        layers = len(self.model.rnns)
        self.model.state = self.carried[:layers]
        self.model.memory = self.carried[-1] if len(self.carried) > layers else None

    def _keep(self, carried: list[Any]) -> None:
        assert self.carried is not None
        for kept, given in zip(self.carried, carried, strict=True):
            for mine, other in zip(kept, given, strict=True):
                mine.copy_(other)

    def _run_or_replay(self, state: StepState) -> None:
        length = len(state.x)
        captures = self.captures(length)
        if length in self.captured:
            self.captured[length]()
            return
        self.seen[length] = self.seen.get(length, 0) + 1
        if not captures:
            self._run(state)
            self.known = self._key()  # the first step makes the optimizer's state, and the average
            return
        self.captured[length] = self.capture(partial(self._run, state))
        self.captured[length]()

    def _run(self, state: StepState) -> None:
        """The step itself: what is captured, or runs op by op."""
        state.gain = torch.ones_like(self.loss)
        self.act(state)
        assert state.loss is not None
        B = state.x.shape[1]
        self._keep([*self.model.start(B), *self.model.recall(B)])
        self._carry()
        self.loss.copy_(state.loss.detach())

    def _forget_if_changed(self) -> None:
        """Where somebody put other tensors, or another config, in the place of these, all is captured anew."""
        if self.seen and self._key() != self.known:
            self.captured, self.seen = {}, {}

    def _key(self) -> tuple[Any, ...]:
        """The config, and where everything lies that a graph reads and is not this object's own."""
        found: list[Any] = [self.model.config]
        for name, p in self.parameters:
            found += [p.data_ptr(), p.requires_grad]
            found += [value.data_ptr() for value in self.optimizer.state[p].values() if isinstance(value, torch.Tensor)]
            if self.average is not None and name in self.average.tensors:
                found.append(self.average.tensors[name].data_ptr())
        return tuple(found)


class CudaCapture:
    """Captures CUDA graphs on a stream of their own; all share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        # other threads, those of a tracker for instance, may go on with what they do
        with (
            torch.cuda.device(self.device),
            torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local"),
        ):
            run()
        return graph.replay


def capture_on(device: torch.device) -> Capture | None:
    """What captures steps on `device`: CUDA graphs on a GPU. A CPU does not wait for its host between kernels."""
    return CudaCapture(device) if device.type == "cuda" else None


def graphed(run: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`run` as one CUDA graph, after it has run op by op for `WARM_UP` times."""
    capture, caller = CudaCapture(device), torch.cuda.current_stream(device)
    capture.stream.wait_stream(caller)
    with torch.cuda.stream(capture.stream):
        for _ in range(WARM_UP):
            run()
        replay = capture(run)
    caller.wait_stream(capture.stream)
    return replay
