"""Which unlabelled texts are learned from as if they were labelled: those that a first classifier is surest of."""

import numpy as np

from ulmkit.classifier.mix import softmax

FEW_LABELS = 200  # below, half of the texts are learned from, above, a quarter
SHARES = (0.5, 0.25)
MOST_LABELS = 2_000  # from there on labels alone are enough
ROUNDS = 200


def sure_texts(scores: np.ndarray, shares: np.ndarray, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `scores` that are sure of their class, and these classes.

    `scores`, shape (texts, classes), are of a classifier that learned from so many `labels`, of which each class had
    its share of `shares`. The threshold lies where the texts' classes have the same shares, and of each class the surer
    half is taken, or quarter. More is worse: the unsure ones are where the classifier is wrong.
    """
    level = _levelled(scores, shares)
    order = np.sort(level, axis=1)
    classes, sure = level.argmax(axis=1), order[:, -1] - order[:, -2]
    share = SHARES[labels >= FEW_LABELS]
    chosen = []
    for each in range(scores.shape[1]):
        rows = np.flatnonzero(classes == each)
        chosen.append(rows[np.argsort(-sure[rows], kind="stable")[: round(share * len(rows))]])
    rows = np.sort(np.concatenate(chosen))
    return rows, classes[rows]


def _levelled(scores: np.ndarray, shares: np.ndarray) -> np.ndarray:
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
