"""An average of the weights, kept beside them: it is validated, and kept as best; training goes on without it."""

from typing import Any

import torch

from ulmkit.lm.fastai_imports import Callback


class WeightAverage(Callback):
    """Exchanges the weights for their average while the model is validated.

    `begun` says whether there is an average yet, `steps` how many steps it holds. A subclass says how it grows
    (`share`) and, where it does not from the start, when it begins.
    """

    order = 54  # before RunKeeper looks at the validation and saves
    exchanged = False  # while it is, `tensors` holds the weights and the model the average

    def __init__(self) -> None:
        self.begun, self.steps = True, 0
        self.tensors: dict[str, torch.Tensor] = {}

    def share(self) -> float:
        """How much of the newest weights goes into the average, after `steps` steps."""
        raise NotImplementedError

    def after_step(self) -> None:
        if self.begun:
            self.mix(self.grow())

    def grow(self) -> float:
        """Count one step more; how much of its weights goes into the average."""
        self.steps += 1
        return self.share()

    def mix(self, share: float) -> None:
        """Move the average that much towards the weights; the first ones are the average."""
        with torch.no_grad():
            for name, p in self.learn.model.named_parameters():
                if name in self.tensors:
                    self.tensors[name].lerp_(p, share)
                else:
                    self.tensors[name] = p.detach().clone()

    def before_validate(self) -> None:
        self._exchange()

    def after_validate(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        if not self.tensors:
            return
        for name, p in self.learn.model.named_parameters():
            p.data, self.tensors[name] = self.tensors[name], p.data
        self.exchanged = not self.exchanged

    def weights(self, *, averaged: bool) -> dict[str, torch.Tensor]:
        """The model's state dict with averaged weights, or with those that training goes on with."""
        here = self.learn.model.state_dict()
        return here if averaged == self.exchanged or not self.tensors else here | self.tensors

    def average(self) -> dict[str, torch.Tensor]:
        """The average itself, by parameter; empty where it has not begun."""
        state = self.weights(averaged=True)
        return {name: state[name] for name in self.tensors}

    def memory(self) -> dict[str, Any]:
        """What `recall` needs beside the tensors, for JSON."""
        return {"begun": self.begun, "steps": self.steps}

    def recall(self, memory: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `memory` and `average` gave."""
        for name, value in memory.items():
            setattr(self, name, value)
        self.tensors = tensors


class MovingAverage(WeightAverage):
    """Exponential, with `decay` a step; shorter at first, so that the random start is soon forgotten."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay

    def share(self) -> float:
        return 1 - min(self.decay, self.steps / (10 + self.steps))


class NonMonotonicAverage(WeightAverage):
    """The mean of all weights since validation stopped improving: the A of NT-ASGD (Merity et al. 2017, algorithm 1).

    It begins when a validation loss is worse than the best of those at least `nonmono` validations older.
    """

    def __init__(self, nonmono: int) -> None:
        super().__init__()
        self.begun, self.nonmono = False, nonmono
        self.losses: list[float] = []

    def share(self) -> float:
        return 1 / self.steps

    def after_epoch(self) -> None:
        loss = self.learn.recorder.loss.value
        if loss is None:
            return
        older = self.losses[: -self.nonmono]
        self.begun = self.begun or (bool(older) and loss > min(older))
        self.losses.append(loss)

    def memory(self) -> dict[str, Any]:
        return super().memory() | {"losses": self.losses}
