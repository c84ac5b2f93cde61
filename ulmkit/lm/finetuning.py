"""What a run on texts of one's own trains with: sizes of what it begins with, rates by these, noise by its length."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ulmkit.lm.config import LMConfig, preset, replace_config

# hidden sizes up to which they hold: rate, share that each lower group of layers gets, streams, window. Those of the
# small model were measured on one collection of comments; those of the large one are the paper's (Howard & Ruder 2018)
BY_SIZE: tuple[tuple[float, dict[str, Any]], ...] = (
    (512, {"lr": 1e-2, "layer_rate": 1.0, "batch_size": 32, "bptt": 36}),
    (float("inf"), {"lr": 4e-3, "layer_rate": 1 / 2.6, "batch_size": 64, "bptt": 72}),
)
# epochs below which it holds: factor on every dropout. A few passes leave no time to learn by heart
NOISE: tuple[tuple[float, float], ...] = ((4, 0.15), (10, 0.25), (float("inf"), 0.5))
UNKNOWN_LENGTH = 0.25  # the factor where time decides how many epochs there will be
# what a run takes over from the one that it begins with
KEPT = (
    "embedding_size", "hidden_size", "layers", "memory", "embed_p", "input_p", "hidden_p", "weight_p", "output_p", "ar",
    "tar", "backward",
)  # fmt: skip


def finetuning_config(
    before: LMConfig, changes: Mapping[str, Any], *, begun: bool = True, timed: bool = False
) -> LMConfig:
    """The config of a run on texts of one's own, `changes` in place of what is usual.

    `before` is the config of the run that it begins with or, where not `begun`, of a preset: its sizes alone are taken
    then, and all layers learn at its rate. `timed`: a budget decides how long it is.
    """
    usual = {name: getattr(before, name) for name in KEPT}
    usual |= next(values for most, values in BY_SIZE if before.hidden_size <= most)
    if not begun:
        usual |= {"lr": before.lr, "layer_rate": 1.0}
    usual |= {"epochs": 10, "patience": 2, "pct_start": 0.1}
    usual |= changes
    config = replace_config(preset("small"), usual)
    if "drop_mult" in changes:
        return config
    counted = not timed or "epochs" in changes
    noise = next(factor for most, factor in NOISE if config.epochs < most) if counted else UNKNOWN_LENGTH
    return dataclasses.replace(config, drop_mult=noise)
