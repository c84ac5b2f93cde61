"""All that training changes, set aside: so that the audit, the probe and a failed attempt leave a run as it was."""

import copy

import torch

from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.ingredients import LossScale
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import Optimizer


class Snapshot:
    """Copies of weights, optimizer, average, loss scale, carried state and random numbers; `restore` puts them back.

    Tensors are written in place, and put back where they stood: a captured step knows them by their addresses.
    """

    def __init__(
        self, model: AWDLSTM, optimizer: Optimizer, average: WeightAverage | None, scale: LossScale | None
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average
        self.device = model.embedding.device
        self.training, self.config, self.state, self.memory = model.training, model.config, model.state, model.memory
        self.hypers = [dict(group) for group in optimizer.hypers]
        self.states = [dict(optimizer.state[p]) for p in model.parameters()]
        self.averages, self.average_state = {}, {}
        if average is not None:
            self.averages, self.average_state = dict(average.tensors), copy.deepcopy(average.state())
        self.weights = [p.detach().clone() for p in model.parameters()]
        held = [value for state in self.states for value in state.values() if isinstance(value, torch.Tensor)]
        held += [*self.averages.values(), *model.carried().values(), *(scale.tensors if scale is not None else ())]
        self.held = [(tensor, tensor.clone()) for tensor in held]
        self.random = torch.get_rng_state()
        self.random_cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

    @torch.no_grad()
    def restore(self) -> None:
        """Everything as it was; gradients are let go."""
        model, optimizer = self.model, self.optimizer
        model.train(self.training)
        model.config, model.state, model.memory = self.config, self.state, self.memory
        for p, weight, state in zip(model.parameters(), self.weights, self.states, strict=True):
            p.copy_(weight)
            optimizer.state[p] = dict(state)
        for tensor, value in self.held:
            tensor.copy_(value)
        for group, hypers in zip(optimizer.hypers, self.hypers, strict=True):
            group.update(hypers)
        optimizer.zero_grad()
        if self.average is not None:
            self.average.load_state(copy.deepcopy(self.average_state), dict(self.averages))
        torch.set_rng_state(self.random)
        if self.random_cuda is not None:
            torch.cuda.set_rng_state(self.random_cuda, self.device)
