"""An average of the weights, kept beside them: it is validated, and kept as best; training goes on without it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ulmkit.lm.config import LMConfig


class WeightAverage:
    """An average of the weights of `model`, which takes their place while the model is validated.

    `begun` says whether there is an average yet, `steps` how many steps it holds. A subclass says how it grows
    (`weight`) and, where it does not from the start, when it begins (`validated`).
    """

    exchanged = False  # while it is, `tensors` holds the weights and the model the average

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.begun, self.steps = True, 0
        self.tensors: dict[str, torch.Tensor] = {}

    def weight(self) -> float:
        """The weight that the newest weights have in the average, after `steps` steps."""
        raise NotImplementedError

    def validated(self, loss: float) -> None:
        """A validation is over."""

    def grow(self) -> float:
        """Count one step more; the weight of its weights."""
        self.steps += 1
        return self.weight()

    def mix(self, weight: float) -> None:
        """Move the average that much towards the weights; the first ones are the average."""
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if name in self.tensors:
                    self.tensors[name].lerp_(p, weight)
                else:
                    self.tensors[name] = p.detach().clone()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """While it lasts the model has the averaged weights, once there are any."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        if not self.tensors:
            return
        for name, p in self.model.named_parameters():
            p.data, self.tensors[name] = self.tensors[name], p.data
        self.exchanged = not self.exchanged

    def weights(self, *, averaged: bool) -> dict[str, torch.Tensor]:
        """The model's state dict with averaged weights, or with those that training goes on with."""
        here = self.model.state_dict()
        return here if averaged == self.exchanged or not self.tensors else here | self.tensors

    def averaged(self) -> dict[str, torch.Tensor]:
        """The average itself, by parameter; empty where it has not begun."""
        state = self.weights(averaged=True)
        return {name: state[name] for name in self.tensors}

    def state(self) -> dict[str, Any]:
        """What `load_state` needs beside the tensors, for JSON."""
        return {"begun": self.begun, "steps": self.steps}

    def load_state(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `state` and `averaged` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        self.tensors = tensors


class MovingAverage(WeightAverage):
    """Exponential, with `decay` a step; shorter at first, so that the random start is soon forgotten."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def weight(self) -> float:
        return 1 - min(self.decay, self.steps / (10 + self.steps))


class NonMonotonicAverage(WeightAverage):
    """The mean of all weights since validation stopped improving: the A of NT-ASGD (Merity et al. 2017, algorithm 1).

    It begins when a validation loss is worse than the best of those at least `nonmono` validations older.
    """

    def __init__(self, model: nn.Module, nonmono: int) -> None:
        super().__init__(model)
        self.begun, self.nonmono = False, nonmono
        self.losses: list[float] = []

    def weight(self) -> float:
        return 1 / self.steps

    def validated(self, loss: float) -> None:
        older = self.losses[: -self.nonmono]
        self.begun = self.begun or (bool(older) and loss > min(older))
        self.losses.append(loss)

    def state(self) -> dict[str, Any]:
        return super().state() | {"losses": self.losses}


def make_average(model: nn.Module, config: LMConfig) -> WeightAverage | None:
    """The average that `config` asks for, if any."""
    if config.ema:
        return MovingAverage(model, config.ema)
    return NonMonotonicAverage(model, config.nonmono) if config.optimizer == "nt-asgd" else None
