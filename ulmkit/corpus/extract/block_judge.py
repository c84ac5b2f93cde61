"""Which blocks of a page are its main content, by trees of decisions that were learned from annotated pages.

The trees lie beside this module as numbers, written by benchmarks/main_content.py. They are not walked: every question
of every tree is asked of all blocks at once, and each answer rules out leaves, until the first that is left is where a
walk would have ended (QuickScorer: Lucchese et al., SIGIR 2015). Three to four times as fast as going down level by
level, since nothing is looked up element by element but the leaves.
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


LEAVES = 16  # of a tree at most: which are ruled out is a number of so many bits
_BLOCKS_AT_ONCE = 256  # answers of so many stay in a processor's cache


@dataclass(frozen=True, slots=True)
class Judge:
    """Trees as questions, the first of each, the second of each and so on; their leaves are counted from the left."""

    columns: tuple[str, ...]
    words: dict[str, float]
    features: np.ndarray  # questions x trees
    limits: np.ndarray  # questions x trees x 1: a block with more goes right
    ruled_out: np.ndarray  # questions x trees x 1: a bit for each leaf on the left
    values: np.ndarray  # trees x LEAVES

    def probabilities(self, page: PageLayout, title: str) -> np.ndarray:
        """For each block how likely it is main content."""
        if not page.texts:
            return np.empty(0)
        columns = matrix(block_features(page, self.words, title)).T
        count = columns.shape[1]
        starts = range(0, count, _BLOCKS_AT_ONCE)
        summed = np.concatenate(
            [self._summed(np.ascontiguousarray(columns[:, i : i + _BLOCKS_AT_ONCE])) for i in starts]
        )
        likely: np.ndarray = 1 / (1 + np.exp(-summed))
        return likely

    def _summed(self, columns: np.ndarray) -> np.ndarray:
        """What the trees say together, for each block of `columns` x blocks."""
        trees, count = self.features.shape[1], columns.shape[1]
        out = np.zeros((trees, count), np.uint16)
        asked = np.empty((trees, count), np.float32)
        for features, limits, ruled_out in zip(self.features, self.limits, self.ruled_out, strict=True):
            np.take(columns, features, axis=0, out=asked, mode="clip")
            out |= (asked > limits) * ruled_out
        leaves = _first_left()[out] + np.arange(0, trees * LEAVES, LEAVES, dtype=np.int32)[:, None]
        summed: np.ndarray = self.values.ravel()[leaves].sum(axis=0)
        return summed


@functools.cache
def _first_left() -> np.ndarray:
    """For each set of leaves that are ruled out the first that is not."""
    left = ~np.arange(1 << LEAVES, dtype=np.int64)
    return np.log2(left & -left).astype(np.int32)


def judge_of(weights: dict[str, Any]) -> Judge:
    """The judge whose trees are lists of nodes: roots, and of each node its feature, limit, children and value.

    A leaf has itself as children.
    """
    children, trees = weights["children"], len(weights["roots"])
    features = np.zeros((LEAVES - 1, trees), np.int32)
    limits = np.full((LEAVES - 1, trees, 1), np.inf, np.float32)
    ruled_out = np.zeros((LEAVES - 1, trees, 1), np.uint16)
    values = np.zeros((trees, LEAVES))

    def add(node: int, tree: int, questions: int, leaves: int) -> tuple[int, int]:
        """Questions and leaves of the tree so far, those of `node` and below among them."""
        left, right = children[node]
        if left == node:
            values[tree, leaves] = weights["values"][node]
            return questions, leaves + 1
        asked, before = questions, leaves
        questions, leaves = add(left, tree, questions + 1, leaves)
        features[asked, tree], limits[asked, tree] = weights["features"][node], weights["limits"][node]
        ruled_out[asked, tree] = (1 << leaves) - (1 << before)
        return add(right, tree, questions, leaves)

    for tree, root in enumerate(weights["roots"]):
        add(root, tree, 0, 0)
    return Judge(tuple(weights["columns"]), weights["words"], features, limits, ruled_out, values)


@functools.cache
def shipped_judge() -> Judge:
    """The judge that comes with the program."""
    return judge_of(json.loads((files("ulmkit.corpus.extract") / WEIGHTS).read_text(encoding="utf-8")))
