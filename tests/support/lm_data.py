"""Small token files for the tests of this folder, made of numbers, and a model that learns them in seconds."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, id_dtype
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.ingredients import Ingredient, StepState
from ulmkit.lm.loop import Loop
from ulmkit.lm.probe import resolve
from ulmkit.lm.setup import Training, set_up

BOS = 1
TINY = LMConfig(
    embedding_size=16,
    hidden_size=24,
    layers=2,
    batch_size=4,
    bptt=10,
    epochs=2,
    lr=1e-2,
    valid_batch_size=2,
    log_every=10,
)
# every ingredient acts
EVERYTHING = dataclasses.replace(
    TINY,
    memory=14,
    drop_mult=1.0,
    ar=2.0,
    tar=1.0,
    clip=0.2,
    ema=0.95,
    label_smoothing=0.1,
    variable_bptt=True,
    layer_rate=0.5,
)


def token_file(documents: list[list[int]], *, vocabulary: int = 50, tokenizer: str = "aaaaaaaaaaaa") -> TokenFile:
    """A token file in memory; each document gets its `bos`, two characters and three bytes a token."""
    ids = [[BOS, *pieces] for pieces in documents]
    ends = np.cumsum([len(pieces) for pieces in ids])
    records = np.array(
        [(end, 2 * len(p), 3 * len(p), len(p), i % 2) for i, (end, p) in enumerate(zip(ends, ids, strict=True))],
        DOCUMENT,
    )
    flat = np.array([token for pieces in ids for token in pieces], id_dtype(vocabulary))
    return TokenFile(flat, records, vocabulary, BOS, tokenizer, "xx", ("even", "odd"), Path("memory.bin"))


def patterned(documents: int, *, seed: int = 0, vocabulary: int = 50) -> TokenFile:
    """Documents in which each token mostly follows from the one before: something to learn."""
    random = np.random.default_rng(seed)
    result = []
    for _ in range(documents):
        pieces = [int(random.integers(2, vocabulary))]
        for _ in range(int(random.integers(5, 60))):
            jump = random.random() < 0.1
            pieces.append(int(random.integers(2, vocabulary)) if jump else 2 + (pieces[-1] * 3 + 1) % (vocabulary - 2))
        result.append(pieces)
    return token_file(result, vocabulary=vocabulary)


def trained(train: TokenFile, config: LMConfig, *, valid: TokenFile | None = None, world: World = ALONE) -> Training:
    """A training on the CPU whose first step is still to come, as a run begins with it."""
    training = set_up(train, valid or train, config, torch.device("cpu"), world=world)
    resolve(training.step)
    return training


class At(Ingredient):
    """Does something to a step that is under way, after the ingredient `after`: at step `step` of this life, or each.

    `pretrain(..., **at.hooks)` puts it into the run's own list.
    """

    name = "at"
    capturable = False

    def __init__(self, after: str, action: Callable[[StepState], None], step: int | None = 5) -> None:
        self.after, self.action, self.step, self.taken = after, action, step, 0

    @property
    def hooks(self) -> dict[str, Any]:
        return {"ingredients": self.into, "after_step": self.count}

    def into(self, listed: list[Ingredient]) -> list[Ingredient]:
        place = 1 + next(n for n, each in enumerate(listed) if each.name == self.after)
        return [*listed[:place], self, *listed[place:]]

    def count(self, _: Loop) -> None:
        self.taken += 1

    def __call__(self, state: StepState) -> None:
        if self.step in (None, self.taken + 1):
            self.action(state)
