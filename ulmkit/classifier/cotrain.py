"""Co-training (Blum & Mitchell 1998): n-grams and what a language model reads teach each other by texts without labels.

Both views of a text score it, and their sum is the teacher. Of what it is surest of the n-grams learn as if it were
labelled; what a language model reads is drawn towards all that the teacher says, sure or not, by ridge regression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.linalg

from ulmkit.classifier.frozen import FrozenMember
from ulmkit.classifier.linear import fits_without
from ulmkit.classifier.mix import softmax
from ulmkit.classifier.ngrams import Linear, Recipe
from ulmkit.classifier.selftrain import NO_FOLD, GramRows, levelled, together

SHARE = 0.5  # of the texts that n-grams learn from: two views are right of more texts than one alone
SHARPNESS = 6.0  # how steep the teacher's scores become probabilities, which classes of unlabelled texts are drawn to
RIDGE = 300.0  # what is added to the features' squares
MOST_TAUGHT = 30_000  # texts: more of them cost their reading, and the student has few weights


@dataclass(frozen=True)
class FrozenView:
    """What a frozen `member` reads: `rows` of the labelled texts and `pool` of those without, both scaled.

    `fits` are weights that were learned without each fold; `NO_FOLD` is of none.
    """

    member: FrozenMember
    rows: np.ndarray
    pool: np.ndarray
    fits: Mapping[int, Linear]

    def taught(self, fold: int) -> np.ndarray:
        """What the fit without `fold` makes of the unlabelled texts, shape (texts, classes)."""
        return replace(self.member, linear=self.fits[fold]).scores_of(self.pool)


@dataclass(frozen=True)
class Teacher:
    """Both views of the unlabelled texts of `rows`: their n-grams by `recipe`, and what each of `views` reads."""

    rows: GramRows
    recipe: Recipe
    views: Mapping[str, FrozenView]
    _said: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, fold: int, seen: np.ndarray) -> np.ndarray:
        """Scores by what learned from the labelled rows `seen`, all but `fold`, shape (texts, classes)."""
        if fold not in self._said:
            views = [view.taught(fold) for view in self.views.values()]
            self._said[fold] = together([self.rows.taught(seen, self.recipe), *views])
        return self._said[fold]


def taken_of(texts: int) -> np.ndarray:
    """The numbers of those of so many unlabelled texts that are learned from: all, or evenly spread ones."""
    return np.arange(0, texts, max(1, -(-texts // MOST_TAUGHT)))


def frozen_view(
    member: FrozenMember, texts: Sequence[str], pool: Sequence[str], classes: np.ndarray, folds: np.ndarray, c: float
) -> FrozenView:
    """How `member` reads `texts` of `classes` and the unlabelled `pool`; `c` is the strength that it has."""
    rows, read = (member.scale(member.reader.features(each)) for each in (texts, pool))
    count = max(2, member.linear.weights.shape[1])
    return FrozenView(member, rows, read, {**fits_without(rows, classes, count, folds, c), NO_FOLD: member.linear})


def frozen_student(view: FrozenView, teacher: Teacher, folds: np.ndarray) -> tuple[FrozenMember, np.ndarray]:
    """The member that learned what `teacher` says of the pool, and scores of each row by one whose fold neither it nor
    its teacher saw."""
    ridge, rows = RidgeStudent(view.pool), teacher.rows

    def learned(fold: int, seen: np.ndarray) -> FrozenMember:
        linear = ridge.learned(soft_targets(teacher(fold, seen), rows.shares(seen)))
        return replace(view.member, linear=linear)

    unseen = np.full((len(folds), rows.count), np.nan)
    for fold in np.unique(folds[folds >= 0]).tolist():
        held = folds == fold
        unseen[held] = learned(fold, np.flatnonzero(~held)).scores_of(view.rows[held])
    return learned(NO_FOLD, np.flatnonzero(folds < 0) if (folds < 0).any() else np.arange(len(folds))), unseen


def soft_targets(scores: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What a teacher's `scores` (texts, classes) make likely, with each class at its share of `shares`; as columns of
    `Linear`: how much likelier each class is than one by chance, or of two the second than the first."""
    likely = softmax(levelled(SHARPNESS * together([scores]), shares))
    return likely[:, 1:] - likely[:, :1] if likely.shape[1] == 2 else likely - 1 / likely.shape[1]


class RidgeStudent:
    """Weights for features that come closest to targets of the texts in `pool` (texts, features)."""

    def __init__(self, pool: np.ndarray) -> None:
        self.pool, self.middle = pool, pool.mean(axis=0, dtype=np.float64)
        squares = (pool.T @ pool).astype(np.float64) - len(pool) * np.outer(self.middle, self.middle)
        self._factor = scipy.linalg.cho_factor(squares + RIDGE * np.eye(len(squares)))

    def learned(self, targets: np.ndarray) -> Linear:
        """For `targets`, shape (texts, columns)."""
        mean = targets.mean(axis=0)
        right = (self.pool.T @ (targets - mean).astype(np.float32)).astype(np.float64)
        weights = scipy.linalg.cho_solve(self._factor, right)
        return Linear(weights.astype(np.float32), mean - self.middle @ weights)
