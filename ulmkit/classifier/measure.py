"""How good called classes are: figures, how far each can be trusted, and whether two classifiers differ at all."""

from dataclasses import dataclass
from math import comb

import numpy as np

from ulmkit.classifier.mix import log_loss

RESAMPLES = 2_000
BINS = 15  # of equal size, for calibration


@dataclass(frozen=True)
class Interval:
    """A value and where it lies in 95 of 100 samples of such rows."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether, of a difference, the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ClassScores:
    """Of one class. Precision: of rows called it, the share that are; recall: of those that are, the share called."""

    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class ClassifierMeasured:
    """Figures of one classifier on rows whose classes are known. Losses are in nats a row."""

    rows: int
    accuracy: Interval
    macro_f1: float  # mean over classes that the rows hold or were called
    weighted_f1: float  # mean over rows
    log_loss: float | None
    calibration_error: float | None  # ECE: how far confidence and accuracy lie apart
    classes: tuple[ClassScores, ...]
    confusion: np.ndarray  # (true, called)
    called_share: float  # of the class that was called most


def confusion_of(true: np.ndarray, called: np.ndarray, count: int) -> np.ndarray:
    """How often each true class (row) was called each class (column)."""
    return np.bincount(true * count + called, minlength=count * count).reshape(count, count)


def class_scores(confusion: np.ndarray) -> tuple[ClassScores, ...]:
    """Precision, recall and F1 of each class; 0 where nothing was called, or is, of a class."""
    right, called, true = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    precision, recall = right / np.maximum(called, 1), right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(called + true, 1)
    return tuple(
        ClassScores(float(p), float(r), float(f), int(rows))
        for p, r, f, rows in zip(precision, recall, f1, true, strict=True)
    )


def mean_f1(confusion: np.ndarray, average: str) -> float:
    """`macro`: over the classes that are, or were called; `weighted`: by their rows."""
    f1 = np.array([each.f1 for each in class_scores(confusion)])
    true = confusion.sum(axis=1)
    if average == "weighted":
        return float((f1 * true).sum() / max(true.sum(), 1))
    present = (true + confusion.sum(axis=0)) > 0
    return float(f1[present].mean()) if present.any() else 0.0


def calibration_error(probabilities: np.ndarray, true: np.ndarray, bins: int = BINS) -> float:
    """Mean distance of confidence in the called class from its accuracy, over bins of about equally many rows (ECE).

    Rows of one confidence stand in one bin.
    """
    if not len(true):
        return 0.0
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    return _apart(confidence, right, _bins(confidence, bins))


def chance_error(probabilities: np.ndarray, bins: int = BINS, draws: int = 20) -> float:
    """The `calibration_error` that is expected where `probabilities` are right: of few rows it is not 0.

    The mean over draws of which rows are right.
    """
    if not len(probabilities):
        return 0.0
    confidence, rng = probabilities.max(axis=1), np.random.default_rng(0)
    place = _bins(confidence, bins)
    found = [_apart(confidence, rng.random(len(confidence)) < confidence, place) for _ in range(draws)]
    return float(np.mean(found))


def _bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each row; equal confidences stand in one."""
    edges = np.unique(np.quantile(confidence, np.arange(1, bins) / bins, method="lower"))
    return np.searchsorted(edges, confidence, side="right")


def _apart(confidence: np.ndarray, right: np.ndarray, place: np.ndarray) -> float:
    return float(np.abs(np.bincount(place, confidence) - np.bincount(place, right)).sum() / len(place))


def _resampled(values: np.ndarray, seed: int) -> np.ndarray:
    """Means of so many samples of `values`, drawn with replacement."""
    found, times = np.unique(values, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(values), times / len(values), size=RESAMPLES)
    return drawn @ found / len(values)


def interval_of(values: np.ndarray, seed: int = 0) -> Interval:
    """The mean of `values`, one for each row, with its bootstrap interval. 0 of no rows."""
    if not len(values):
        return Interval(0.0, 0.0, 0.0)
    low, high = np.quantile(_resampled(values.astype(float), seed), (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def accuracy_difference(true: np.ndarray, called: np.ndarray, other: np.ndarray) -> Interval:
    """Accuracy of `called` less that of `other`, on the same rows: both are resampled together (paired)."""
    return interval_of((called == true).astype(float) - (other == true).astype(float))


def mcnemar(true: np.ndarray, called: np.ndarray, other: np.ndarray) -> float:
    """Probability that two equal classifiers differ so much, from the rows where one alone is right (exact, two-sided).

    12 rows against 4 give .0768.
    """
    one = int(((called == true) & (other != true)).sum())
    two = int(((called != true) & (other == true)).sum())
    total, least = one + two, min(one, two)
    if total > 1_000:  # the normal distribution, with its correction
        from math import erfc, sqrt

        return erfc(max(abs(one - two) - 1, 0) / sqrt(2 * total))
    return min(1.0, 2 * sum(comb(total, k) for k in range(least + 1)) / 2**total)


def measured(
    true: np.ndarray, called: np.ndarray, count: int, probabilities: np.ndarray | None = None
) -> ClassifierMeasured:
    """All figures of `called`, which was chosen by `probabilities` (rows, classes) where these are given."""
    confusion = confusion_of(true, called, count)
    loss = None
    if probabilities is not None and len(true):
        loss = log_loss(probabilities, true)
    return ClassifierMeasured(
        rows=len(true),
        accuracy=interval_of(called == true),
        macro_f1=mean_f1(confusion, "macro"),
        weighted_f1=mean_f1(confusion, "weighted"),
        log_loss=loss,
        calibration_error=None if probabilities is None else calibration_error(probabilities, true),
        classes=class_scores(confusion),
        confusion=confusion,
        called_share=float(confusion.sum(axis=0).max() / max(len(true), 1)),
    )
