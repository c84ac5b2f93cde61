"""What turns gradients into new weights: fastai's AdamW in one fused step, or plain SGD with decoupled decay."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim.adamw import adamw

from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels.types import AdamTensors
from ulmkit.lm.model import AWDLSTM


class Optimizer:
    """Parameters in groups (`param_lists`), each group's numbers (`hypers`), each parameter's tensors (`state`).

    The three are laid out and named as in fastai, so that its Learner can drive an optimizer of ours
    (learner/optimizer.py). Where `overflow`, a scalar on the device, is 1, a step changes nothing.
    """

    on_device = False  # whether a step can take its rates from the device, as a CUDA graph needs it
    overflow: torch.Tensor | None = None

    def __init__(self, groups: Sequence[Sequence[torch.Tensor]], **hypers: float) -> None:
        self.param_lists = [list(group) for group in groups]
        self.hypers: list[dict[str, Any]] = [dict(hypers) for _ in groups]
        self.state: dict[torch.Tensor, dict[str, Any]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Let the gradients go: the next backward writes fresh ones instead of adding to zeros."""
        for group in self.param_lists:
            for p in group:
                p.grad = None

    def step(self, closure: None = None) -> None:
        raise NotImplementedError

    def with_gradient(self) -> Iterator[tuple[int, torch.Tensor, dict[str, Any]]]:
        """Each parameter that has a gradient, with the number of its group and that group's numbers."""
        for number, (group, hyper) in enumerate(zip(self.param_lists, self.hypers, strict=True)):
            for p in group:
                if p.grad is not None:
                    yield number, p, hyper


class Adam(Optimizer):
    """AdamW with the meaning of fastai's: eps 1e-5, beta2 0.99, decoupled decay, `mom` free to be cycled.

    Biases never decay: fastai's Learner says the same of every module's `bias`, but misses those of an LSTM.
    """

    on_device = True

    @staticmethod
    def decays(p: torch.Tensor) -> bool:
        return p.ndim > 1

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        alike: dict[tuple[float, ...], list[torch.Tensor]] = {}
        for _, p, hyper in self.with_gradient():
            wd = hyper["wd"] if self.decays(p) else 0.0
            key = (hyper["lr"], hyper["mom"], hyper["sqr_mom"], hyper["eps"], wd)
            alike.setdefault(tuple(map(float, key)), []).append(p)
        for (lr, mom, sqr_mom, eps, wd), params in alike.items():
            states, gradients = [self.state_of(p) for p in params], [p.grad for p in params if p.grad is not None]
            means, squares, steps = ([state[name] for state in states] for name in ("grad_avg", "sqr_avg", "step"))
            adamw(
                params, gradients, means, squares, [], steps, lr=lr, beta1=mom, beta2=sqr_mom, eps=eps,
                weight_decay=wd, fused=True, amsgrad=False, maximize=False, found_inf=self.overflow,
            )  # fmt: skip

    def tensors(self) -> Iterator[tuple[int, AdamTensors, bool]]:
        """Each parameter with a gradient: its group, its tensors, and whether it decays."""
        for group, p, _ in self.with_gradient():
            state = self.state_of(p)
            assert p.grad is not None
            yield group, AdamTensors(p, p.grad, state["grad_avg"], state["sqr_avg"], state["step"]), self.decays(p)

    def state_of(self, p: torch.Tensor) -> dict[str, Any]:
        """The averages of a parameter's gradients, zeros before its first step."""
        state = self.state[p]
        if "grad_avg" not in state:
            # contiguous like the parameter, whatever the gradient's layout
            state |= {"grad_avg": torch.zeros_like(p), "sqr_avg": torch.zeros_like(p)}
            state["step"] = torch.zeros((), device=p.device)
        return state


class SGD(Optimizer):
    """Plain gradient descent whose decay is decoupled and takes in every parameter, as in the code of AWD-LSTM."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        if self.overflow is not None and bool(self.overflow):
            return
        for _, p, hyper in self.with_gradient():
            if hyper["wd"]:
                p.mul_(1 - hyper["lr"] * hyper["wd"])
            assert p.grad is not None
            p.add_(p.grad, alpha=-hyper["lr"])


def layer_groups(model: AWDLSTM) -> list[list[torch.nn.Parameter]]:
    """Parameters from the first layer to the decoder, as fastai's `awd_lstm_lm_split` groups them."""
    pointer = model.pointer.parameters() if model.pointer is not None else []
    return [*(list(rnn.parameters()) for rnn in model.layers()), [model.embedding, model.decoder_bias, *pointer]]


def make_optimizer(model: AWDLSTM, config: LMConfig) -> Optimizer:
    """The optimizer that `config` asks for. Adam's momentum is fastai's default until a schedule moves it."""
    groups = layer_groups(model)
    if config.optimizer == "adam":
        return Adam(groups, lr=config.lr, mom=0.9, sqr_mom=config.sqr_mom, eps=config.eps, wd=config.wd)
    return SGD(groups, lr=config.lr, mom=0.0, wd=config.wd)


def optimizer_tensors(optimizer: Optimizer, named: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The optimizer's state as `<kind>.<parameter name>`; empty before the first step."""
    return {
        f"{kind}.{name}": value
        for name, p in named
        for kind, value in optimizer.state[p].items()
        if isinstance(value, torch.Tensor)
    }


def restore_optimizer(
    optimizer: Optimizer, named: Iterable[tuple[str, torch.Tensor]], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put back what `optimizer_tensors` took; state that `tensors` does not name is forgotten."""
    for name, p in named:
        state = {key: value for key, value in optimizer.state[p].items() if not isinstance(value, torch.Tensor)}
        for kind in ("grad_avg", "sqr_avg", "step"):
            if f"{kind}.{name}" in tensors:
                state[kind] = tensors[f"{kind}.{name}"].to(p.device, copy=True)
        optimizer.state[p] = state
