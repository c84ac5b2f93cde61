"""Our optimizers as fastai's: its Learner and callbacks set their rates, freeze their groups and save their state."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import ulmkit.lm.optimizer
from ulmkit.learner.fastai_imports import Optimizer
from ulmkit.lm.config import LMConfig


class FastaiAdam(ulmkit.lm.optimizer.Adam, Optimizer):
    """`ulmkit.lm.optimizer.Adam` with fastai's groups, hyper-parameters, freezing and `state_dict`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        mom: float = 0.9,
        sqr_mom: float = 0.99,
        eps: float = 1e-5,
        wd: float = 0.01,
    ) -> None:
        Optimizer.__init__(self, params, [], lr=lr, mom=mom, sqr_mom=sqr_mom, eps=eps, wd=wd)


class FastaiSGD(ulmkit.lm.optimizer.SGD, Optimizer):
    """`ulmkit.lm.optimizer.SGD` with fastai's groups, hyper-parameters, freezing and `state_dict`."""

    def __init__(self, params: Iterable[Any], lr: float, mom: float = 0.0, wd: float = 0.0) -> None:
        Optimizer.__init__(self, params, [], lr=lr, mom=mom, wd=wd)


def opt_func(config: LMConfig) -> Callable[..., Any]:
    """What makes the optimizer of `config`, as fastai's Learner asks for it."""
    return partial(FastaiAdam, sqr_mom=config.sqr_mom, eps=config.eps) if config.optimizer == "adam" else FastaiSGD
