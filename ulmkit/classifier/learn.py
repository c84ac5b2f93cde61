"""Labelled texts to members and their mix: folds, recipe, self-training, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ulmkit.classifier.copies import copy_groups
from ulmkit.classifier.features import counted, strings_of
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.mix import Mix, fit_stack
from ulmkit.classifier.ngrams import (
    FEW_ROWS,
    LEAST,
    Linear,
    NGramModel,
    Recipe,
    choose_recipe,
    counting_columns,
    fit,
    matrix_of,
)
from ulmkit.classifier.selftrain import MOST_LABELS, sure_texts
from ulmkit.progress import Progress, Report, silent

NGRAMS, SELF_TRAINED = "n-grams", "self-trained n-grams"
STUDENT = Recipe(
    "svm", 0.003
)  # thousands of rows, some of them wrong, ask for a low C whatever the few labels asked for
LEAST_UNLABELLED = 200  # texts that self-training begins to learn from


@dataclass(frozen=True)
class Learned:
    """The members by name, how they are mixed, and how each does alone: `alone[name]` is its own calibration."""

    members: dict[str, NGramModel]
    mix: Mix
    alone: dict[str, Mix]
    recipe: Recipe
    learned_from: int  # unlabelled texts


@dataclass(frozen=True)
class _Rows:
    """All texts as rows: the first `labelled` have the `classes`."""

    matrix: csr_matrix
    words: np.ndarray
    classes: np.ndarray
    count: int

    @property
    def labelled(self) -> int:
        return len(self.classes)

    def fitted(self, rows: np.ndarray, classes: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, Linear]:
        """The n-grams that count in `rows`, and their weights."""
        chosen = self.matrix[rows]
        columns = counting_columns(chosen, self.words, self.count)
        return columns, fit(chosen[:, columns], classes, self.count, recipe)

    def self_trained(self, rows: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, Linear, int]:
        """As `fitted` from the labelled `rows`, and the unlabelled texts that these make it sure of; how many."""
        classes = self.classes[rows]
        columns, teacher = self.fitted(rows, classes, recipe)
        scores = teacher.scores(self.matrix[self.labelled :][:, columns])
        shares = (np.bincount(classes, minlength=self.count) + 0.5) / (len(classes) + 0.5 * self.count)
        sure, called = sure_texts(scores, shares, len(rows))
        both = np.concatenate((rows, sure + self.labelled))
        recipe = STUDENT if recipe.kind == "svm" else recipe
        return *self.fitted(both, np.concatenate((classes, called)), recipe), len(sure)


def learn(
    texts: Sequence[str],
    classes: np.ndarray,
    count: int,
    unlabelled: Sequence[str] = (),
    *,
    seed: int = 0,
    report: Report = silent,
) -> Learned:
    """Members and mix for `texts`, which are in form and of `classes` below `count`; `unlabelled` are in form, too.

    Every weight of the mix comes from scores of rows that the member did not see: five folds, near copies in one.
    """
    if len(texts) >= MOST_LABELS or len(unlabelled) < LEAST_UNLABELLED:
        unlabelled = ()
    every = [*texts, *unlabelled]
    report(Progress("n-grams", 0, len(every), "texts"))
    few = len(texts) < FEW_ROWS
    found = counted(every, least=1 if len(every) < FEW_ROWS else LEAST, first=len(texts) if few else None)
    rows = _Rows(matrix_of(found), found.words, classes, count)
    report(Progress("folds", 0, None))
    folds = stratified_folds(classes, copy_groups(texts), seed=seed)
    labelled = rows.matrix[: len(texts)]
    recipe, unseen = choose_recipe(labelled, found.words, classes, count, folds)
    report(Progress("weights", 0, None))
    scores = {NGRAMS: unseen}
    columns, linear = rows.fitted(np.arange(len(texts)), classes, recipe)
    members = {NGRAMS: NGramModel(found.keys[columns], strings_of(every, found.keys[columns]), linear)}
    learned_from = 0
    if unlabelled:
        report(Progress("self-training", 0, None))
        scores[SELF_TRAINED] = np.zeros_like(unseen)
        for fold in np.unique(folds):
            seen, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            columns, linear, _ = rows.self_trained(seen, recipe)
            scores[SELF_TRAINED][held] = linear.scores(labelled[held][:, columns])
        columns, linear, learned_from = rows.self_trained(np.arange(len(texts)), recipe)
        members[SELF_TRAINED] = NGramModel(found.keys[columns], strings_of(every, found.keys[columns]), linear)
    alone = {name: fit_stack({name: each}, classes) for name, each in scores.items()}
    return Learned(members, fit_stack(scores, classes), alone, recipe, learned_from)
