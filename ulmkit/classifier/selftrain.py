"""Which unlabelled texts are learned from as if they were labelled: those that a first classifier is surest of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from ulmkit.classifier.mix import softmax, spread
from ulmkit.classifier.ngrams import Linear, Recipe, counting_columns, fit

FEW_LABELS = 200  # below, half of the texts are learned from, above, a quarter
SHARES = (0.5, 0.25)
MOST_LABELS = 2_000  # from there on labels alone are enough
ROUNDS = 200
NO_FOLD = -1  # in the place of a fold: nothing is left out
# thousands of rows, some of them wrong, ask for a low C whatever the few labels asked for
STUDENT = Recipe("svm", 0.003)


@dataclass(frozen=True)
class GramRows:
    """All texts as rows of n-grams: the first `labelled` have the `classes`, the others have none."""

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

    def of_texts(self, taken: np.ndarray) -> "GramRows":
        """With those unlabelled texts alone that are `taken`, by their numbers among these."""
        return replace(self, matrix=self.matrix[np.concatenate((np.arange(self.labelled), self.labelled + taken))])

    def taught(self, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
        """What a model of the labelled `rows` makes of the unlabelled texts, shape (texts, classes)."""
        columns, teacher = self.fitted(rows, self.classes[rows], recipe)
        return teacher.scores(self.matrix[self.labelled :][:, columns])

    def shares(self, rows: np.ndarray) -> np.ndarray:
        """Of each class among the labelled `rows`, none of them 0."""
        classes = self.classes[rows]
        return (np.bincount(classes, minlength=self.count) + 0.5) / (len(classes) + 0.5 * self.count)

    def student(
        self, rows: np.ndarray, recipe: Recipe, scores: np.ndarray, share: float
    ) -> tuple[np.ndarray, Linear, int]:
        """As `fitted` from the labelled `rows`, and the `share` of unlabelled texts that `scores` are surest of; how
        many these are."""
        sure, called = sure_texts(scores, self.shares(rows), share)
        both = np.concatenate((rows, sure + self.labelled))
        recipe = STUDENT if recipe.kind == "svm" else recipe
        return *self.fitted(both, np.concatenate((self.classes[rows], called)), recipe), len(sure)


def share_of_sure(labels: int) -> float:
    """How many of the texts n-grams alone learn from, where so many labels have taught them. More is worse: the unsure
    ones are where they are wrong."""
    return SHARES[labels >= FEW_LABELS]


def together(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Scores of several members as one: each class around its mean, each member by its own spread, so that all count
    alike."""
    centred = [each - each.mean(axis=0) for each in scores]
    return np.asarray(sum(each / spread(each) for each in centred))


def sure_texts(scores: np.ndarray, shares: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `scores` that are sure of their class, and these classes.

    `scores`, shape (texts, classes), are of a classifier that learned from labels of which each class had its share of
    `shares`. The threshold lies where the texts' classes have the same shares, and of each class the surer `share` is
    taken.
    """
    level = levelled(scores, shares)
    order = np.sort(level, axis=1)
    classes, sure = level.argmax(axis=1), order[:, -1] - order[:, -2]
    chosen = []
    for each in range(scores.shape[1]):
        rows = np.flatnonzero(classes == each)
        chosen.append(rows[np.argsort(-sure[rows], kind="stable")[: round(share * len(rows))]])
    rows = np.sort(np.concatenate(chosen))
    return rows, classes[rows]


def levelled(scores: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`scores` moved, class by class, so that the classes they call have the `shares`."""
    if scores.shape[1] == 2:
        margin = scores[:, 1] - scores[:, 0]
        threshold = float(np.quantile(margin, shares[0]))
        return np.stack((np.full(len(margin), threshold), margin), axis=1)
    bias = np.zeros(scores.shape[1])
    for _ in range(ROUNDS):
        given = softmax(scores + bias).mean(axis=0)
        step = np.log(shares) - np.log(np.maximum(given, 1e-9))
        bias += step
        if np.abs(step).max() < 1e-4:
            break
    return scores + bias
