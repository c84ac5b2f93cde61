"""fastai's Adam, taken in one fused step instead of ten passes over every parameter."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.optim.adamw import adamw

from ulmkit.lm.fastai_imports import Optimizer
from ulmkit.lm.kernels.adam import AdamTensors


class FusedAdam(Optimizer):
    """AdamW with the meaning of fastai's: eps 1e-5, beta2 0.99, decoupled decay, `mom` free to be cycled.

    State, hyper-parameters, freezing and `state_dict` are laid out as fastai's own, so `Learner` and its callbacks
    cannot tell the difference. Biases never decay: `Learner` says the same of every module's `bias`, but misses
    those of an LSTM. Where `overflow`, a scalar on the device, is 1, a step changes nothing.
    """

    overflow: torch.Tensor | None = None

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        mom: float = 0.9,
        sqr_mom: float = 0.99,
        eps: float = 1e-5,
        wd: float = 0.01,
    ) -> None:
        super().__init__(params, [], lr=lr, mom=mom, sqr_mom=sqr_mom, eps=eps, wd=wd)
        for p, *_ in self.all_params():
            if p.ndim == 1:
                self.state[p]["do_wd"] = False

    def zero_grad(self) -> None:
        """Let the gradients go: the next backward writes fresh ones instead of adding to zeros."""
        for p, *_ in self.all_params():
            p.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        alike: dict[tuple[float, ...], list[torch.Tensor]] = {}
        for group, hyper in zip(self.param_lists, self.hypers, strict=True):
            for p in group:
                if p.grad is not None:
                    wd = hyper["wd"] if self.state[p].get("do_wd", True) else 0.0
                    key = (hyper["lr"], hyper["mom"], hyper["sqr_mom"], hyper["eps"], wd)
                    alike.setdefault(tuple(map(float, key)), []).append(p)
        for (lr, mom, sqr_mom, eps, wd), params in alike.items():
            self._update(params, lr, mom, sqr_mom, eps, wd)

    def tensors(self) -> Iterator[tuple[int, AdamTensors, bool]]:
        """Each parameter with a gradient: its group, its tensors, and whether it decays."""
        for group, params in enumerate(self.param_lists):
            for p in params:
                if p.grad is not None:
                    state = self._memory(p)
                    memory = AdamTensors(p, p.grad, state["grad_avg"], state["sqr_avg"], state["step"])
                    yield group, memory, state.get("do_wd", True)

    def _memory(self, p: torch.Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[p]
        if "grad_avg" not in state:
            # contiguous like the parameter, whatever the gradient's layout
            state |= {"grad_avg": torch.zeros_like(p), "sqr_avg": torch.zeros_like(p)}
            state["step"] = torch.zeros((), device=p.device)
        return state

    def _update(self, params: list[torch.Tensor], lr: float, mom: float, sqr_mom: float, eps: float, wd: float) -> None:
        for p in params:
            self._memory(p)
        adamw(
            params,
            [p.grad for p in params if p.grad is not None],
            [self.state[p]["grad_avg"] for p in params],
            [self.state[p]["sqr_avg"] for p in params],
            [],
            [self.state[p]["step"] for p in params],
            fused=True,
            amsgrad=False,
            beta1=mom,
            beta2=sqr_mom,
            lr=lr,
            weight_decay=wd,
            eps=eps,
            maximize=False,
            found_inf=self.overflow,
        )


def optimizer_tensors(optimizer: FusedAdam, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The optimizer's memory as `<kind>.<parameter name>`; empty before the first step."""
    return {
        f"{kind}.{name}": value
        for name, p in model.named_parameters()
        for kind, value in optimizer.state[p].items()
        if isinstance(value, torch.Tensor)
    }


def restore_optimizer(optimizer: FusedAdam, model: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` took; memory that `tensors` does not name is forgotten."""
    for name, p in model.named_parameters():
        state = {key: value for key, value in optimizer.state[p].items() if not isinstance(value, torch.Tensor)}
        for kind in ("grad_avg", "sqr_avg", "step"):
            if f"{kind}.{name}" in tensors:
                state[kind] = tensors[f"{kind}.{name}"].to(p.device, copy=True)
        optimizer.state[p] = state
