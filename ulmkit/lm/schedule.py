"""Where rate and momentum stand at each step: 1cycle with fastai's shape and numbers, or one rate throughout."""

import math

import numpy as np

from ulmkit.lm.config import LMConfig
from ulmkit.lm.optimizer import Optimizer


def cosine(start: float, end: float, fraction: float) -> float:
    """From `start` to `end` along half a cosine."""
    return start + (1 + math.cos(math.pi * (1 - fraction))) * (end - start) / 2


def one_cycle(fraction: float, rise: float, start: float, middle: float, end: float) -> float:
    """`start` to `middle` within the first `rise` of all steps, then to `end` (Smith 2018).

    fastai's `combined_cos`, to the bit: it keeps the place of the turn in float32.
    """
    place, turn = np.float32(fraction), np.float32(rise)
    if place < turn:
        return cosine(start, middle, float(place / turn))
    return cosine(middle, end, float((place - turn) / (turn + np.float32(1 - rise) - turn)))


def highest_rates(config: LMConfig, groups: int) -> list[float]:
    """The highest rate of each layer group: the last one has `lr`, each before it `layer_rate` of the next.

    Multiplied up from the lowest, as fastai does it, so that both have the same bits.
    """
    lowest = config.lr * config.layer_rate ** (groups - 1)
    factor = (config.lr / lowest) ** (1 / (groups - 1))
    return [lowest * factor**group for group in range(groups)]


def set_rates(optimizer: Optimizer, config: LMConfig, fraction: float) -> None:
    """Give every group of `optimizer` its rate and momentum after `fraction` of all steps."""
    for group, top in zip(optimizer.hypers, highest_rates(config, len(optimizer.hypers)), strict=True):
        if config.schedule == "constant":
            group["lr"] = top
            continue
        group["lr"] = one_cycle(fraction, config.pct_start, top / config.div, top, top / config.div_final)
        group["mom"] = one_cycle(fraction, config.pct_start, *config.moms)
