"""What a training step is made of, in the order in which it acts: one list, for every device and whoever asks.

The loop trains with this list, the audit switches its ingredients off one by one, the probe times it, and on a GPU it
is captured as a CUDA graph. Each ingredient reads what those before it left in a `StepState`, and adds its own part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.utils import clip_grad_norm_, get_total_norm

from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import World
from ulmkit.lm.kernels.adam import HYPERS, adamw
from ulmkit.lm.kernels.types import StepScalars
from ulmkit.lm.loss import activation_penalty, cross_entropy
from ulmkit.lm.model import AWDLSTM, Output
from ulmkit.lm.optimizer import Adam, Optimizer

# of the loss scale: those of torch's GradScaler (Micikevicius et al. 2018)
FIRST_SCALE, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL = 65_536.0, 2.0, 0.5, 2_000


@dataclass
class StepState:
    """One step under way. Without `numbers` rates are read on the host; with them they lie on the device."""

    model: AWDLSTM
    optimizer: Optimizer
    x: torch.Tensor  # (T, B) ids
    y: torch.Tensor  # (T, B) targets
    numbers: torch.Tensor | None = None  # each group's `HYPERS`, then the weight of the newest weights in the average
    output: Output | None = None
    loss: torch.Tensor | None = None  # cross-entropy alone: what is reported
    total: torch.Tensor | None = None  # what is differentiated
    gain: torch.Tensor | None = None  # factor on all gradients; only with `numbers`, where clipping does not write them
    average: WeightAverage | None = None
    average_weight: float = 0.0  # of the newest weights in the average, with `numbers`
    skipped: bool = False  # the step ends here and changes nothing

    def gradients(self) -> list[torch.Tensor]:
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    @property
    def scaled(self) -> bool:
        """Whether products are taken in float16, whose smallest numbers are too large for most gradients."""
        return self.model.config.precision == "fp16"


class Ingredient:
    """One part of a step. `before` is what only the host can do; the call itself can be captured, if `capturable`."""

    name: ClassVar[str]
    capturable: ClassVar[bool] = True

    def before(self, state: StepState) -> None:
        return

    def __call__(self, state: StepState) -> None:
        raise NotImplementedError


class Forward(Ingredient):
    """The model reads the batch, from the state that the last one left; every dropout acts in it."""

    name = "forward"

    def __call__(self, state: StepState) -> None:
        state.output = state.model(state.x)


class CrossEntropy(Ingredient):
    """The loss, its labels smoothed in training alone, so that validation stays a plain cross-entropy."""

    name = "cross-entropy"

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing

    def __call__(self, state: StepState) -> None:
        assert state.output is not None
        state.loss = state.total = cross_entropy(state.output, state.y, self.smoothing)


class ActivationPenalty(Ingredient):
    """AR and TAR join the gradient, not the loss that is reported: fastai's RNNRegularizer does the same."""

    name = "penalty"

    def __init__(self, ar: float, tar: float) -> None:
        self.ar, self.tar = ar, tar

    def __call__(self, state: StepState) -> None:
        assert state.total is not None
        assert state.output is not None
        state.total = state.total + activation_penalty(state.output, self.ar, self.tar)


class LossScale(Ingredient):
    """In float16 the loss is multiplied by a scale; `Unscale` divides the gradients by it, `AdaptScale` corrects it.

    All of it stays on the device: nothing waits for a value. `found` is 1 where the last gradients overflowed.
    """

    name = "loss scale"

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), FIRST_SCALE, device=device)
        self.quiet = torch.zeros((), dtype=torch.int32, device=device)  # steps since the last overflow
        self.found = torch.zeros((), device=device)
        self.tensors = (self.scale, self.quiet, self.found)

    def __call__(self, state: StepState) -> None:
        if state.scaled:
            assert state.total is not None
            state.total = state.total * self.scale


class Backward(Ingredient):
    """Gradients of everything that was added up."""

    name = "backward"

    def __call__(self, state: StepState) -> None:
        assert state.total is not None
        state.total.backward()


class ShareGradients(Ingredient):
    """Every process gets the mean of all gradients. Three requests ride in the same message, summed over processes:

    to save, to stop (the signal's number), and that this step's loss is no number. What one process does all must do.
    """

    name = "share gradients"
    capturable = False
    SAVE, STOP, BAD = range(3)

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked, self.answer = [0.0] * 2, [0.0] * 3

    def __call__(self, state: StepState) -> None:
        assert state.loss is not None
        gradients = state.gradients()
        mine = gradients[0].new_tensor([*self.asked, float(not state.loss.isfinite())])
        flat = torch.cat([mine, *(g.flatten() for g in gradients)])
        self.world.sum(flat)
        self.answer = flat[: len(mine)].tolist()
        place = len(mine)
        for g in gradients:
            torch.div(flat[place : place + g.numel()].view_as(g), self.world.size, out=g)
            place += g.numel()


class Unscale(Ingredient):
    """In float16 the gradients are divided by the loss scale, and looked through for what is no number."""

    name = "unscale"

    def __init__(self, scale: LossScale) -> None:
        self.scale = scale

    @torch.no_grad()
    def __call__(self, state: StepState) -> None:
        state.optimizer.overflow = self.scale.found if state.scaled else None
        if state.scaled:
            self.scale.found.zero_()
            torch._amp_foreach_non_finite_check_and_unscale_(
                state.gradients(), self.scale.found, self.scale.scale.reciprocal()
            )


class SkipBadStep(Ingredient):
    """A step whose loss or gradient is no number is not taken, in any process; what the model carries is forgotten."""

    name = "skip bad steps"
    capturable = False

    def __init__(self, share: ShareGradients | None) -> None:
        self.share = share

    def __call__(self, state: StepState) -> None:
        assert state.loss is not None
        loss = self.share.answer[ShareGradients.BAD] == 0 if self.share else bool(state.loss.isfinite())
        # the norm is no number where one element is none, or where they are too large to be squared
        if loss and bool(get_total_norm(state.gradients()).isfinite()):
            return
        state.skipped = True
        state.model.reset()  # what it carries may be the cause, and is no number either


class ClipGradients(Ingredient):
    """All gradients together are no longer than `limit`."""

    name = "clip"

    def __init__(self, limit: float) -> None:
        self.limit = limit

    @torch.no_grad()
    def __call__(self, state: StepState) -> None:
        if state.gain is None:
            clip_grad_norm_(state.model.parameters(), self.limit)
            return
        norm = get_total_norm(state.gradients()) * state.gain
        state.gain = state.gain * (self.limit / (norm + 1e-6)).clamp(max=1.0)


class ScaleRate(Ingredient):
    """With variable windows, a short one gets a smaller rate (Merity et al. 2017, section 5)."""

    name = "rate by window"

    def __init__(self, bptt: int) -> None:
        self.bptt = bptt

    def before(self, state: StepState) -> None:
        for group in state.optimizer.hypers:
            group["lr"] = group["lr"] * (len(state.x) / self.bptt)

    def __call__(self, state: StepState) -> None:
        return  # the rate was changed before the step began


class Update(Ingredient):
    """The optimizer's step."""

    name = "optimizer"

    @torch.no_grad()
    def __call__(self, state: StepState) -> None:
        if state.numbers is None:
            state.optimizer.step()
        else:
            self.on_device(state, state.numbers)

    def on_device(self, state: StepState, values: torch.Tensor) -> None:
        """The step with its rates, the average's weight and the clip as they lie on the device, in one pass."""
        optimizer = state.optimizer
        assert isinstance(optimizer, Adam)
        assert state.gain is not None
        taken = state.gain.new_ones(()) if optimizer.overflow is None else 1 - optimizer.overflow
        scalars = StepScalars(state.gain, taken, values[-1])
        names = {id(p): name for name, p in state.model.named_parameters()}
        averaged = state.average.tensors if state.average is not None else {}
        for group, tensors, decays in optimizer.tensors():
            hypers = values[group * len(HYPERS) : (group + 1) * len(HYPERS)]
            adamw(tensors._replace(average=averaged.get(names[id(tensors.p)])), hypers, scalars, decays=decays)


class Average(Ingredient):
    """The average of the weights moves towards the newest ones; with `numbers` it moves in the optimizer's pass."""

    name = "average"

    def __init__(self, average: WeightAverage) -> None:
        self.average = average

    def before(self, state: StepState) -> None:
        state.average = self.average
        if state.numbers is not None and self.average.begun:
            state.average_weight = self.average.grow()

    def __call__(self, state: StepState) -> None:
        if state.numbers is None:
            if self.average.begun:
                self.average.mix(self.average.grow())
        elif not self.average.tensors and self.average.begun:
            self.average.mix(1.0)  # there is none yet: it begins with these weights


class AdaptScale(Ingredient):
    """In float16 the loss scale is halved after an overflow, and doubled after a long time without."""

    name = "adapt scale"

    def __init__(self, scale: LossScale) -> None:
        self.scale = scale

    def __call__(self, state: StepState) -> None:
        if state.scaled:
            scale = self.scale
            torch._amp_update_scale_(scale.scale, scale.quiet, scale.found, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL)


def ingredients(
    config: LMConfig, average: WeightAverage | None, world: World, device: torch.device
) -> Sequence[Ingredient]:
    """All of a step as `config` asks for it, in the order in which it acts; what is off is left out."""
    scale = LossScale(device)
    share = None if world.alone else ShareGradients(world)
    in_order: list[Ingredient | None] = [
        Forward(),
        CrossEntropy(config.label_smoothing),
        ActivationPenalty(config.ar, config.tar) if config.ar or config.tar else None,
        scale,
        Backward(),
        share,
        Unscale(scale),
        SkipBadStep(share) if config.on_nan == "skip" else None,
        ClipGradients(config.clip) if config.clip else None,
        ScaleRate(config.bptt) if config.variable_bptt else None,
        Update(),
        Average(average) if average is not None else None,
        AdaptScale(scale),
    ]
    return [each for each in in_order if each is not None]
