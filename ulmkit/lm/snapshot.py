"""All that training changes, set aside: so that the audit, the probe and a failed attempt leave a run as it was."""

import copy
from typing import Any

import torch

from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.ingredients import LossScale
from ulmkit.lm.kernels import LayerState
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import Optimizer
from ulmkit.lm.pointer import Memory


class Snapshot:
    """Copies of weights, optimizer, average, loss scale, carried state and random numbers; `restore` puts them back.

    Tensors are written in place where they are still there, because a captured step knows them by their addresses.
    """

    def __init__(
        self, model: AWDLSTM, optimizer: Optimizer, average: WeightAverage | None, scale: LossScale | None
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average
        self.device = model.embedding.device
        self.training, self.config = model.training, model.config
        self.weights = [p.detach().clone() for p in model.parameters()]
        self.hypers = [dict(group) for group in optimizer.hypers]
        self.states = [{k: _copy(v) for k, v in optimizer.state[p].items()} for p in model.parameters()]
        in_place = [*(each for part in _carried(model) for each in part), *([] if scale is None else scale.tensors)]
        self.in_place = [(each, each.clone()) for each in in_place]
        self.had_state, self.had_memory = model.state, model.memory
        self.averages = None if average is None else {name: t.clone() for name, t in average.tensors.items()}
        self.average_state = None if average is None else copy.deepcopy(average.state())
        self.random = torch.get_rng_state()
        self.random_cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

    @torch.no_grad()
    def restore(self) -> None:
        """Everything as it was; gradients are let go."""
        model, optimizer = self.model, self.optimizer
        model.train(self.training)
        model.config = self.config
        for p, weight, state in zip(model.parameters(), self.weights, self.states, strict=True):
            p.copy_(weight)
            optimizer.state[p] = {name: _put(optimizer.state[p].get(name), value) for name, value in state.items()}
        for group, hypers in zip(optimizer.hypers, self.hypers, strict=True):
            group.update(hypers)
        optimizer.zero_grad()
        model.state, model.memory = self.had_state, self.had_memory
        for each, value in self.in_place:
            each.copy_(value)
        if self.average is not None and self.averages is not None:
            now = self.average.tensors
            tensors = {name: _put(now.get(name), value) for name, value in self.averages.items()}
            self.average.load_state(copy.deepcopy(self.average_state or {}), tensors)
        torch.set_rng_state(self.random)
        if self.random_cuda is not None:
            torch.cuda.set_rng_state(self.random_cuda, self.device)


def _carried(model: AWDLSTM) -> list[LayerState | Memory]:
    return [*(model.state or []), *([] if model.memory is None else [model.memory])]


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _put(now: Any, value: Any) -> Any:
    """`value`, in the tensor that is there now where there is one."""
    if isinstance(now, torch.Tensor) and isinstance(value, torch.Tensor) and now.shape == value.shape:
        return now.copy_(value)
    return _copy(value)
