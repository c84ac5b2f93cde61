"""Scores of several members to probabilities: what each weighs is learned from rows that it never saw.

All members' scores are added, each times its weight, and a bias for each class; a softmax makes probabilities of the
sum. With one member this is its calibration.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

TINY = 1e-12  # below which no probability is taken to be: its logarithm would have no end
WORTH = 0.5  # nats, of all rows together, that a member has to bring


@dataclass(frozen=True)
class Mix:
    """What each member's scores are multiplied with, and a bias for each class, shape (classes,)."""

    weights: dict[str, float]
    bias: np.ndarray

    def logits(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Members' scores, each of shape (rows, classes), as one."""
        total = np.zeros_like(next(iter(scores.values()))) + self.bias
        for name, weight in self.weights.items():
            total = total + weight * scores[name]
        return total

    def probabilities(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Shape (rows, classes)."""
        return softmax(self.logits(scores))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows that sum to one."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def log_loss(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """The mean of `losses_of`."""
    return float(losses_of(probabilities, classes).mean())


def losses_of(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Minus the logarithm of what each row's right class was given, in nats, shape (rows,)."""
    return -np.log(np.maximum(probabilities[np.arange(len(classes)), classes], TINY))


def spread(scores: np.ndarray) -> float:
    """Standard deviation of `scores` around each row's mean."""
    return float((scores - scores.mean(axis=1, keepdims=True)).std()) or 1.0


def fit_mix(scores: Mapping[str, np.ndarray], classes: np.ndarray) -> Mix:
    """The mix with the lowest log loss on rows that no member saw, weights at least 0.

    Scores are taken in units of their standard deviation, where weights and biases have a normal prior of width 1
    (logistic regression with C = 1): of few rows no certainty is learned.
    """
    names = list(scores)
    stacked = np.stack([scores[name] / spread(scores[name]) for name in names])
    count = stacked.shape[2]
    right = np.arange(len(classes)), classes

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = found[: len(names)], found[len(names) :]
        p = softmax(np.tensordot(weights, stacked, 1) + bias)
        total = -np.log(np.maximum(p[right], TINY)).sum() + 0.5 * (found @ found)
        p[right] -= 1.0
        slope = np.concatenate(((stacked * p).sum(axis=(1, 2)), p.sum(axis=0)))
        return float(total), slope + found

    start = np.concatenate((np.full(len(names), 1.0 / len(names)), np.zeros(count)))
    bounds = [(0.0, None)] * len(names) + [(None, None)] * count
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200}).x
    weights = {name: float(w) / spread(scores[name]) for name, w in zip(names, found, strict=False)}
    return Mix(weights, found[len(names) :])


def fit_stack(scores: Mapping[str, np.ndarray], classes: np.ndarray) -> Mix:
    """`fit_mix` of those members that bring something: one without which the log loss is no higher is left out."""
    kept = dict(scores)
    mix = fit_mix(kept, classes)
    while len(kept) > 1:
        without = {name: {n: s for n, s in kept.items() if n != name} for name in kept}
        fitted = {name: fit_mix(rest, classes) for name, rest in without.items()}
        losses = {name: log_loss(fitted[name].probabilities(rest), classes) for name, rest in without.items()}
        name = min(losses, key=lambda name: losses[name])
        if losses[name] * len(classes) > log_loss(mix.probabilities(kept), classes) * len(classes) + WORTH:
            break
        kept, mix = without[name], fitted[name]
    return mix
