"""One training step from ids to weights: what trains, what the audit measures, what the probe times.

A `Step` goes through its list of ingredients, op by op or, on a GPU, as a captured CUDA graph. Whatever fails while a
way of taking steps is still on trial (a kernel that does not compile, a capture that is refused, no memory, a wrong
number) is put back and done another way: at last by torch's own LSTM, op by op, in float32. That is slower, and right.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch

from ulmkit.lm.averages import WeightAverage, make_average
from ulmkit.lm.config import LMConfig, Precision
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.graphs import Capture, Graphs, capture_on
from ulmkit.lm.ingredients import Ingredient, LossScale, ShareGradients, StepState, Unscale, Update, ingredients
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import Optimizer, make_optimizer
from ulmkit.lm.snapshot import Snapshot

# torch's own kernel on a CPU keeps gates and cell in sixteen bits, too: right by the probe's tolerance, but runs of 300
# steps at a high rate lost half a nat by it, where the cell in float32 followed the float32 run
COARSE = {("vendor", "bf16", "cpu"), ("vendor", "fp16", "cpu")}
# by how much loss and length of the gradient may differ between two ways of taking one step
STEP_TOLERANCE: dict[str, float] = {"fp32": 1e-2, "bf16": 5e-2, "fp16": 2e-2}


class WrongNumberError(ArithmeticError):
    """Two ways of taking the same step differ by more than rounding."""


class Step:
    """`loss = step(x, y)` learns from ids `x` and targets `y`, both (T, B); the loss is a scalar on the device.

    What is carried from batch to batch lies in the model. `ingredients` is the list that acts, and may be changed
    between two steps. `remark` hears one line of each way of taking steps that was given up.
    """

    def __init__(
        self,
        model: AWDLSTM,
        optimizer: Optimizer,
        ingredients: Sequence[Ingredient],
        *,
        average: WeightAverage | None = None,
        capture: Capture | None = None,
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average
        self.device = model.embedding.device
        self.ingredients = list(ingredients)
        self.skipped = False  # whether the last step was left out, by an ingredient that looks for bad ones
        self.remark: Callable[[str], None] = lambda line: warnings.warn(line, stacklevel=2)
        self.graphs: Graphs | None = None
        if capture is not None and optimizer.on_device:
            self.graphs = Graphs(model, optimizer, average, capture, self._before, self._act)

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        graphs = self.graphs
        if graphs is None or not all(each.capturable for each in self.ingredients):
            return self.take(x, y)
        return graphs.take(x, y) if graphs.proven(len(x)) else self._on_trial(graphs, x, y)

    def take(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One step op by op, with all its numbers on the host."""
        state = StepState(self.model, self.optimizer, x, y)
        self._before(state)
        self._act(state)
        self.skipped = state.skipped
        assert state.loss is not None
        return state.loss.detach()

    def _before(self, state: StepState) -> None:
        for ingredient in self.ingredients:
            ingredient.before(state)

    def _act(self, state: StepState) -> None:
        for ingredient in self.ingredients:
            ingredient(state)
            if state.skipped:
                break
        self.optimizer.zero_grad()

    def gradients(
        self, x: torch.Tensor, y: torch.Tensor, *, until: Collection[str] = (Update.name,)
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Loss and every parameter's gradient as the first ingredient with a name in `until` gets them.

        Nothing is learned.
        """
        state = StepState(self.model, self.optimizer, x, y)
        for ingredient in self.ingredients:
            if ingredient.name in until:
                break
            ingredient(state)
        parameters = list(self.model.parameters())
        found = [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in parameters]
        self.optimizer.zero_grad()
        assert state.loss is not None
        return state.loss.detach(), found

    def named(self, name: str) -> Ingredient | None:
        """The first ingredient of this name, whoever made it."""
        return next((each for each in self.ingredients if each.name == name), None)

    @property
    def scale(self) -> LossScale | None:
        return next((each for each in self.ingredients if isinstance(each, LossScale)), None)

    @property
    def share(self) -> ShareGradients | None:
        return next((each for each in self.ingredients if isinstance(each, ShareGradients)), None)

    def weights(self, *, averaged: bool) -> dict[str, torch.Tensor]:
        """The model's state dict: what is evaluated, or what is trained; the same where there is no average."""
        weights: dict[str, torch.Tensor] = self.model.state_dict()
        return weights if self.average is None else self.average.weights(averaged=averaged)

    def snapshot(self) -> Snapshot:
        """All that a step changes, to be put back."""
        return Snapshot(self.model, self.optimizer, self.average, self.scale)

    # -- ways of taking steps, and what becomes of those that fail

    @property
    def way(self) -> dict[str, Any]:
        """Which LSTM, in which precision, and whether as CUDA graphs: for `go_on`, and for a run's manifest."""
        config = self.model.config
        return {"backend": config.backend, "precision": config.precision, "graphs": self.graphs is not None}

    def go_on(self, way: dict[str, Any]) -> None:
        """Take steps in the way of a run that is resumed, whatever it had to give up."""
        self.model.config = dataclasses.replace(self.model.config, backend=way["backend"], precision=way["precision"])
        if not way["graphs"]:
            self.graphs = None

    def settle(self, x: torch.Tensor, y: torch.Tensor, world: World = ALONE) -> None:
        """Before the first step: does the LSTM that was chosen compute on this batch what torch's own does?

        If not, or where it fails, it is given up in every process. Nothing is learned.
        """
        while not self.plain:
            failure: Exception | None = None
            before = self.snapshot()
            try:
                self._compare(x, y)
            except Exception as error:  # of any kind: there is another way
                failure = error
            finally:
                before.restore()
            if not world.any(failure is not None, self.device):
                return
            self._give_up_lstm(failure or RuntimeError("another process gave it up"))

    @property
    def plain(self) -> bool:
        """Whether the LSTM is torch's own in float32, for which there is no other way."""
        return self.model.config.backend == "vendor" and self.model.config.precision == "fp32"

    def _compare(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Raise `WrongNumberError` where the chosen LSTM's loss and gradient are not those of torch's own."""
        config = dataclasses.replace(self.model.config, drop_mult=0.0)  # masks differ between precisions
        found = []
        for each in (config, dataclasses.replace(config, backend="vendor", precision="fp32")):
            self.model.config = each
            self.model.train()
            self.model.reset()
            loss, gradients = self.gradients(x, y, until=(ShareGradients.name, Unscale.name))
            scale = float(self.scale.scale) if each.precision == "fp16" and self.scale is not None else 1.0
            found.append((float(loss), math.hypot(*(float(g.norm()) for g in gradients)) / scale))
        for mine, other in zip(*found, strict=True):
            _require_alike(mine, other, config.precision)

    def _on_trial(self, graphs: Graphs, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """A step by graphs that are not proven. Where it fails it is put back, and taken op by op like all that follow.

        The step that is captured must do what it does op by op: its loss and its change of the weights are compared.
        """
        before: Snapshot | None = None
        try:
            before = self.snapshot()
            if not graphs.captures(len(x)):
                loss = graphs.take(x, y)
                loss.item()  # what has failed on the device is heard of here
                return loss
            expected = self._changed(self.take(x, y), before)
            before.restore()
            loss = graphs.take(x, y)
            for mine, other in zip(self._changed(loss, before), expected, strict=True):
                _require_alike(mine, other, self.model.config.precision)
            return loss
        except Exception as error:  # of any kind: there is another way
            self.graphs = None
            self._restore(before)
            self.give_up("CUDA graphs", error, "op by op")
        while True:
            try:
                return self.take(x, y)
            except Exception as error:
                if self.plain:
                    raise
                self._restore(before)
                self._give_up_lstm(error)

    @staticmethod
    def _restore(before: Snapshot | None) -> None:
        if before is not None:
            before.restore()

    def _changed(self, loss: torch.Tensor, before: Snapshot) -> tuple[float, float]:
        """The loss, and how far the weights have moved."""
        moved = (p.detach() - old for p, old in zip(self.model.parameters(), before.weights, strict=True))
        return float(loss), math.hypot(*(float(each.norm()) for each in moved))

    def _give_up_lstm(self, error: Exception) -> None:
        """Go on with torch's own LSTM, in float32 where its sixteen bits are too coarse."""
        config = self.model.config
        precision: Precision = config.precision if config.precision != "auto" else "fp32"
        if config.backend == "vendor" or ("vendor", precision, self.device.type) in COARSE:
            precision = "fp32"
        self.model.config = dataclasses.replace(config, backend="vendor", precision=precision)
        self.give_up(f"the {config.backend} LSTM in {config.precision}", error, f"vendor in {precision}")

    def give_up(self, what: str, error: Exception, instead: str) -> None:
        """One line on what failed on this machine."""
        why = " ".join((str(error) or type(error).__name__).split())[:200]
        self.remark(f"{what} failed here ({type(error).__name__}: {why}). Going on {instead}: slower, and right.")


def _require_alike(found: float, expected: float, precision: str) -> None:
    """Raise `WrongNumberError` where two numbers are not the same but for rounding, or one alone is no number."""
    if math.isfinite(expected) and abs(found - expected) <= STEP_TOLERANCE[precision] * max(abs(expected), 1e-6):
        return
    if math.isfinite(found) or math.isfinite(expected):
        raise WrongNumberError(f"{found:.6g} where {expected:.6g} was expected")


def make_step(model: AWDLSTM, config: LMConfig, *, world: World = ALONE) -> Step:
    """The step that `config` asks for, with nothing learned yet."""
    device, average = model.embedding.device, make_average(model, config)
    return Step(
        model,
        make_optimizer(model, config),
        ingredients(config, average, world, device),
        average=average,
        capture=capture_on(device),
    )
