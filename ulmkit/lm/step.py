"""One training step from ids to weights, in memory that stays where it is, so that a CUDA graph can be all of it.

A step at full size is some four thousand kernels, most of them shorter than it takes the host to start them. Captured
once, they are started as one. A graph reads and writes fixed addresses: the batch, the carried state, the rates and the
average's share are copied there before each step, and no value is read back. So windows of one length share a graph,
and all graphs share one pool of memory, for none keeps anything in it beyond its own step.

On a CPU the same function runs op by op, and gives what fastai's Learner gives, to the bit.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.utils import clip_grad_norm_, get_total_norm

from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.kernels.adam import HYPERS, Wishes, adamw
from ulmkit.lm.loss import LMLoss, activation_penalty
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import FusedAdam
from ulmkit.lm.scaling import LossScaling

WARM_UP = 2  # steps of a length that are taken op by op before it is captured: kernels are loaded and chosen in them
GRAPHS = 40  # lengths that are captured; drawn windows have about as many, and what is rarer is taken op by op
RING = 512  # steps whose rates lie in pinned memory side by side

Capture = Callable[[Callable[[], None]], Callable[[], None]]


class Parts(NamedTuple):
    """What a step consists of."""

    model: AWDLSTM
    loss: LMLoss
    optimizer: FusedAdam
    ar: float = 0.0
    tar: float = 0.0
    clips: tuple[float, ...] = ()
    average: WeightAverage | None = None
    scaling: LossScaling | None = None


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


class WholeStep:
    """Takes steps: `loss = step(x, y)`. The state and the memory are carried in the model, as by the model itself.

    `capture` makes a function of no arguments into one that replays it; without one every step runs op by op. With
    `on_device` rates and momentum lie there, as a graph needs it: equal to rounding, not to the bit.
    """

    def __init__(self, parts: Parts, device: torch.device, *, capture: Capture | None, on_device: bool) -> None:
        self.parts, self.device, self.capture = parts, device, capture
        self.parameters = list(parts.model.named_parameters())
        self.batches: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # by length
        self.state: list[Any] | None = None
        self.loss = torch.zeros((), device=device)
        self.graphs: dict[int, Callable[[], None]] = {}
        self.seen: dict[int, int] = {}
        self.addresses: tuple[int, ...] = ()
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.numbers = _Numbers(len(HYPERS) * len(parts.optimizer.param_lists) + 1, device) if on_device else None
        self.one = torch.ones((), device=device)

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One step on ids `x` and targets `y`, both (T, B); its loss, still on the device."""
        with self._own_stream():
            self._place(x, y)
            self._write_numbers()
            self._take(len(x))
            return self.loss.clone()

    @contextlib.contextmanager
    def _own_stream(self) -> Iterator[None]:
        """The stream that is captured is the one that steps run on op by op: so autograd finds no other in a graph."""
        if self.stream is None:
            yield
            return
        caller = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(caller)
        with torch.cuda.stream(self.stream):
            yield
        caller.wait_stream(self.stream)

    def _place(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Copy the batch, and the state where it is not the one that the last step left."""
        if len(x) not in self.batches:
            self.batches[len(x)] = torch.empty_like(x), torch.empty_like(y)
        for kept, given in zip(self.batches[len(x)], (x, y), strict=True):
            kept.copy_(given, non_blocking=True)
        model = self.parts.model
        carried: list[Any] = [*model.start(x.shape[1]), *model.recall(x.shape[1])]
        if self.state is None:
            self.state = [type(part)(*(tensor.clone() for tensor in part)) for part in carried]
        elif any(part is not mine for part, mine in zip(carried, self.state, strict=True)):
            self._keep(carried)
        self._remember()

    def _remember(self) -> None:
        """What the model carries is what lies here: its layers' states, and then the memory where it has one."""
        model, state = self.parts.model, self.state
        assert state is not None
        model.state = state[: len(model.rnns)]
        model.memory = state[-1] if len(state) > len(model.rnns) else None

    def _keep(self, state: list[Any]) -> None:
        assert self.state is not None
        for kept, given in zip(self.state, state, strict=True):
            for mine, other in zip(kept, given, strict=True):
                mine.copy_(other)

    def _write_numbers(self) -> None:
        """What the host alone knows: where the schedule is, and how far the average is."""
        average = self.parts.average
        share = average.grow() if average is not None else 0.0
        if self.numbers is not None:
            groups = self.parts.optimizer.hypers
            self.numbers.write([float(group[name]) for group in groups for name in HYPERS] + [share])
        self.share = share

    def _take(self, length: int) -> None:
        if self.capture is None:
            self._run(length)
            return
        if (now := self._addresses()) != self.addresses:  # somebody put other tensors in the place of these
            self.graphs, self.seen, self.addresses = {}, {}, now
        if length in self.graphs:
            self.graphs[length]()
            return
        self.seen[length] = self.seen.get(length, 0) + 1
        if self.seen[length] <= WARM_UP or len(self.graphs) >= GRAPHS:
            self._run(length)
            self.addresses = self._addresses()  # the first step makes the optimizer's memory, and the average
            return
        try:
            self.graphs[length] = self.capture(partial(self._run, length))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._give_up(error)
            self._run(length)
            return
        self.graphs[length]()

    def _give_up(self, error: RuntimeError) -> None:
        """Go on op by op: something in the step cannot be captured, or not by this driver."""
        warnings.warn(
            f"a training step could not be captured as a CUDA graph ({error}). It runs op by op, slower.", stacklevel=4
        )
        self.capture, self.graphs = None, {}
        self._remember()
        self.parts.optimizer.zero_grad()

    def _addresses(self) -> tuple[int, ...]:
        """Where everything lies that a graph reads and is not this object's own."""
        optimizer, average = self.parts.optimizer, self.parts.average
        found = []
        for name, p in self.parameters:
            found.append(p.data_ptr())
            found += [value.data_ptr() for value in optimizer.state[p].values() if isinstance(value, torch.Tensor)]
            if average is not None and name in average.tensors:
                found.append(average.tensors[name].data_ptr())
        return tuple(found)

    def _run(self, length: int) -> None:
        """The step itself: what is captured, or runs op by op."""
        x, y = self.batches[length]
        parts, model = self.parts, self.parts.model
        output = model(x)
        loss = parts.loss(output, y)
        total = loss
        if parts.ar or parts.tar:
            total = loss + activation_penalty(output, parts.ar, parts.tar)
        if parts.scaling is not None:
            total = total * parts.scaling.scale
        total.backward()
        if parts.scaling is not None:
            parts.scaling.unscale(self._gradients())
        if self.numbers is None:
            for limit in parts.clips:
                clip_grad_norm_(model.parameters(), limit)
            parts.optimizer.overflow = None if parts.scaling is None else parts.scaling.found
            parts.optimizer.step()
            if parts.average is not None:
                parts.average.mix(self.share)
        else:
            self._update()
        if parts.scaling is not None:
            parts.scaling.adapt()
        parts.optimizer.zero_grad()
        self._keep([*model.start(x.shape[1]), *model.recall(x.shape[1])])
        self._remember()
        self.loss.copy_(loss.detach())

    def _gradients(self) -> list[torch.Tensor]:
        return [p.grad for _, p in self.parameters if p.grad is not None]

    @torch.no_grad()
    def _update(self) -> None:
        """Clipping, Adam and the average with all their numbers on the device."""
        assert self.numbers is not None
        parts, values = self.parts, self.numbers.values
        average = parts.average
        gain = self.one
        if parts.clips:
            norm = get_total_norm(self._gradients())
            for limit in parts.clips:
                gain = gain * (limit / (norm * gain + 1e-6)).clamp(max=1.0)
        taken = self.one if parts.scaling is None else 1 - parts.scaling.found
        wishes = Wishes(gain, taken, values[-1])
        names = {id(p): name for name, p in self.parameters}
        averaged = average.tensors if average is not None else {}
        for group, tensors, decays in parts.optimizer.tensors():
            hypers = values[group * len(HYPERS) : (group + 1) * len(HYPERS)]
            adamw(tensors._replace(average=averaged.get(names[id(tensors.p)])), hypers, wishes, decays=decays)
        if average is not None and not averaged:
            average.mix(self.share)  # there is none yet: it begins with these weights


def cuda_graphs(device: torch.device, stream: torch.cuda.Stream) -> Capture:
    """Captures CUDA graphs that share one pool of memory."""
    pool = torch.cuda.graph_pool_handle()

    def capture(run: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        # other threads, those of a tracker say, may go on with what they do
        with torch.cuda.device(device), torch.cuda.graph(graph, pool, stream, capture_error_mode="thread_local"):
            run()
        return graph.replay

    return capture


def graphed(run: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`run` as one CUDA graph, after it has run op by op for `WARM_UP` times."""
    stream, caller = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(caller)
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            run()
        replay = cuda_graphs(device, stream)(run)
    caller.wait_stream(stream)
    return replay


def whole_step(parts: Parts, device: torch.device) -> WholeStep:
    """A step that is captured on a GPU and runs op by op elsewhere."""
    if device.type != "cuda":
        return WholeStep(parts, device, capture=None, on_device=False)
    step = WholeStep(parts, device, capture=None, on_device=True)
    assert step.stream is not None
    step.capture = cuda_graphs(device, step.stream)
    return step
