"""Which blocks of a page are its main content, by trees of decisions that were learned from annotated pages.

The trees lie beside this module as numbers, written by benchmarks/main_content.py, and are walked by numpy: all blocks
go down all trees at once, a level at a time.
"""

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from ulmkit.corpus.extract.block_features import block_features, matrix
from ulmkit.corpus.extract.layout import PageLayout

WEIGHTS = "block_judge.json"
KEPT_FROM = 0.45  # a block at least as likely is kept


@dataclass(frozen=True, slots=True)
class Judge:
    """Trees as one list of nodes. A leaf leads to itself, so all walks take `depth` steps."""

    columns: tuple[str, ...]
    words: dict[str, float]
    roots: np.ndarray
    features: np.ndarray
    limits: np.ndarray  # a block with more goes right
    children: np.ndarray  # nodes x (left, right), flat
    values: np.ndarray
    depth: int

    def probabilities(self, page: PageLayout, title: str) -> np.ndarray:
        """For each block how likely it is main content."""
        if not page.texts:
            return np.empty(0)
        rows = matrix(block_features(page, self.words, title))
        count, width = rows.shape
        flat, offsets = np.ascontiguousarray(rows).ravel(), (np.arange(count) * width)[:, None]
        nodes = np.broadcast_to(self.roots, (count, len(self.roots)))
        for _ in range(self.depth):
            right = flat[offsets + self.features[nodes]] > self.limits[nodes]
            nodes = self.children[2 * nodes + right]
        summed: np.ndarray = self.values[nodes].sum(axis=1)
        return 1 / (1 + np.exp(-summed))


def judge_of(weights: dict[str, Any]) -> Judge:
    return Judge(
        columns=tuple(weights["columns"]),
        words=weights["words"],
        roots=np.array(weights["roots"], np.int32),
        features=np.array(weights["features"], np.int32),
        limits=np.array(weights["limits"], np.float32),
        children=np.array(weights["children"], np.int32).ravel(),
        values=np.array(weights["values"], np.float64),
        depth=weights["depth"],
    )


@functools.cache
def shipped_judge() -> Judge:
    """The judge that comes with the program."""
    return judge_of(json.loads((files("ulmkit.corpus.extract") / WEIGHTS).read_text(encoding="utf-8")))
