"""Logistic regression on dense features: how strongly it is drawn to zero is decided on rows that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ulmkit.classifier.mix import log_loss, softmax
from ulmkit.classifier.ngrams import Linear, both_sides

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # C: the higher, the closer to the labels
_STEPS = 200


@dataclass(frozen=True)
class LogisticFit:
    """Of all rows, with the strength that was best for unseen ones; `unseen` are each row's scores from the fit that
    did not see its fold, shape (rows, classes)."""

    linear: Linear
    strength: float
    unseen: np.ndarray


def logistic(rows: np.ndarray, classes: np.ndarray, count: int, folds: np.ndarray) -> LogisticFit:
    """Weights for `rows` (rows, features) of `classes` below `count`: C by the log loss over `folds`.

    Where some rows are in no fold (-1), weights are learned from these alone, and C is chosen on the others.
    """
    turned, back = _turned(rows)
    judged = folds >= 0
    starts: list[np.ndarray | None] = [None] * (int(folds.max()) + 1)
    best: tuple[float, float, np.ndarray] | None = None
    losses: list[float] = []
    for strength in STRENGTHS:
        unseen = np.full((len(classes), count), np.nan)
        for fold in np.unique(folds[judged]):
            held = folds == fold
            starts[fold] = found = _fit(turned[~held], classes[~held], count, strength, starts[fold])
            unseen[held] = _scores(turned[held], found)
        losses.append(log_loss(softmax(unseen[judged]), classes[judged]))
        if best is None or losses[-1] < best[0]:
            best = losses[-1], strength, unseen
        if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
            break
    assert best is not None
    learned = np.ones(len(folds), bool) if judged.all() else ~judged
    found = _fit(turned[learned], classes[learned], count, best[1], None)
    weights = found[:-1] if back is None else back @ found[:-1]
    return LogisticFit(Linear(weights.astype(np.float32), found[-1]), best[1], best[2])


def fits_without(
    rows: np.ndarray, classes: np.ndarray, count: int, folds: np.ndarray, strength: float
) -> dict[int, Linear]:
    """For each fold the weights that all other rows give, with the `strength` that was found."""
    turned, back = _turned(rows)
    found = {}
    for fold in np.unique(folds[folds >= 0]).tolist():
        seen = folds != fold
        fit = _fit(turned[seen], classes[seen], count, strength, None)
        weights = fit[:-1] if back is None else back @ fit[:-1]
        found[fold] = Linear(weights.astype(np.float32), fit[-1])
    return found


def _turned(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """`rows` in as few dimensions as they span where rows are fewer than features, and the way back for weights.

    Distances and lengths stay, and so does the best fit.
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(wide @ wide.T)
    kept = values > values[-1] * 1e-10
    root = np.sqrt(values[kept])
    return vectors[:, kept] * root, wide.T @ (vectors[:, kept] / root)


def _scores(rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Shape (rows, classes); the last row of `found` is the bias."""
    return both_sides((rows @ found[:-1].astype(rows.dtype)).astype(np.float64) + found[-1])


def _fit(rows: np.ndarray, classes: np.ndarray, count: int, strength: float, start: np.ndarray | None) -> np.ndarray:
    """Weights and, in the last row, biases: (features + 1, columns); of two classes one column, half the log-odds."""
    columns = 1 if count == 2 else count
    shape = rows.shape[1] + 1, columns
    right: Sequence[np.ndarray] = (np.arange(len(classes)), classes)
    prior = (
        4.0 if columns == 1 else 1.0
    ) / strength  # of one column that stands for both sides, as of their difference

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        p = softmax(_scores(rows, weights))
        total = log_loss(p, classes) * len(classes) + 0.5 * prior * float((weights[:-1] ** 2).sum())
        p[tuple(right)] -= 1.0
        slope = p[:, 1:] - p[:, :1] if columns == 1 else p
        of_weights = (rows.T @ slope.astype(rows.dtype)).astype(np.float64) + prior * weights[:-1]
        return total, np.vstack((of_weights, slope.sum(axis=0))).ravel()

    begin = np.zeros(shape) if start is None else start
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return np.asarray(found.x).reshape(shape)
