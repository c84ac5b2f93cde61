"""Scores of several members to probabilities: what each weighs is learned from rows that it never saw.

All members' scores are added, each times its weight, and a bias for each class; how far the sums of a text lie from
zero is raised to a power, since sums over many n-grams are surer than they are right; a softmax makes probabilities of
them. With one member this is its calibration.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

TINY = 1e-12  # below which no probability is taken to be: its logarithm would have no end
POWER_WIDTH = 0.3  # of the prior on the power, around 1
MOST_POWER = 2.0
RAISED_FROM = 200  # rows: of fewer a power is chance
WORTH = 0.5  # nats, of all rows together, that a member has to bring


@dataclass(frozen=True)
class Mix:
    """What each member's scores are multiplied with, and a bias for each class, shape (classes,).

    Sums of a text whose root mean square is `size` stay as they are; with a `power` below 1 larger ones are lowered and
    smaller ones raised. `shift`, shape (classes,), is added to what that gives.
    """

    weights: dict[str, float]
    bias: np.ndarray
    power: float = 1.0
    size: float = 1.0
    shift: np.ndarray | None = None

    def logits(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Members' scores, each of shape (rows, classes), as one."""
        total = self.total(scores)
        raised = total * self.factors(total)[:, None]
        return raised if self.shift is None else raised + self.shift

    def total(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """The weighted sums with their bias, before the power."""
        total = np.zeros_like(next(iter(scores.values()))) + self.bias
        for name, weight in self.weights.items():
            total = total + weight * scores[name]
        return total

    def factors(self, total: np.ndarray) -> np.ndarray:
        """What the power multiplies each row of `total` with, shape (rows,)."""
        if self.power == 1.0:
            return np.ones(len(total))
        found: np.ndarray = (_sizes(total) / self.size) ** (self.power - 1.0)
        return found

    def probabilities(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Shape (rows, classes)."""
        return softmax(self.logits(scores))


def _sizes(total: np.ndarray) -> np.ndarray:
    """The root mean square of each row, and no less than what has a power."""
    return np.maximum(np.sqrt((total**2).mean(axis=1)), TINY)


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
    """`fit_mix` of those members that bring something: one without which the log loss is no higher is left out.

    From `RAISED_FROM` rows on its sums are raised to the power that fits best.
    """
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
    return _raised(mix, mix.total(kept), classes) if len(classes) >= RAISED_FROM else mix


def _raised(mix: Mix, total: np.ndarray, classes: np.ndarray) -> Mix:
    """`mix` with the power, a factor on all it had, and a shift that fit its sums `total` (rows, classes) best.

    Factor, power and shift have normal priors around 1, 1 and 0, of widths 1, `POWER_WIDTH` and 1.
    """
    sizes = _sizes(total)
    size = float(np.sqrt((sizes**2).mean()))
    logs, right = np.log(sizes / size), (np.arange(len(classes)), classes)

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        factor, power, shift = found[0], found[1], found[2:]
        turned = total * np.exp((power - 1.0) * logs)[:, None]
        p = softmax(factor * turned + shift)
        off = (power - 1.0) / POWER_WIDTH
        value = -np.log(np.maximum(p[right], TINY)).sum() + 0.5 * (off**2 + shift @ shift + (factor - 1.0) ** 2)
        p[right] -= 1.0
        along = (turned * p).sum(axis=1)
        slope = np.concatenate(([along.sum(), factor * (along * logs).sum()], p.sum(axis=0)))
        return float(value), slope + np.concatenate(([factor - 1.0, off / POWER_WIDTH], shift))

    start = np.concatenate(([1.0, 1.0], np.zeros(total.shape[1])))
    bounds = [(TINY, None), (0.0, MOST_POWER)] + [(None, None)] * total.shape[1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200}).x
    factor = float(found[0])
    weights = {name: factor * weight for name, weight in mix.weights.items()}
    return Mix(weights, factor * mix.bias, float(found[1]), max(factor * size, TINY), found[2:])
