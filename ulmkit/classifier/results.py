"""The page of results: a classifier beside the majority and its parts, with what can be believed of each figure."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ulmkit.classifier.check import ROUGH_ROWS, majority_warning
from ulmkit.classifier.learn import NGRAMS
from ulmkit.classifier.measure import (
    ClassifierMeasured,
    Interval,
    accuracy_difference,
    chance_error,
    confusion_of,
    interval_of,
    mcnemar,
    mean_f1,
    measured,
)
from ulmkit.classifier.model import TextClassifier
from ulmkit.names import readable

MAJORITY_ROW, MIX_ROW = "majority", "mix"
MOST_CLASSES = 12  # that a confusion matrix shows
_LISTED = 20  # classes, of more the most frequent


@dataclass(frozen=True)
class Against:
    """A classifier less another on the same rows: the accuracy, and the exact probability of so much by chance."""

    other: str
    difference: Interval
    p: float


@dataclass(frozen=True)
class ClassifierEvaluation:
    """Figures of each row of the page, majority first, the classifier itself last."""

    name: str  # of the test
    classes: tuple[str, ...]
    rows: dict[str, ClassifierMeasured]
    against: dict[str, Against]
    fresh: Interval | None  # accuracy without the copies of texts of training
    fresh_f1: float
    copies: int
    copies_are: str
    warning: str
    rough: tuple[str, ...]  # classes with too few rows in the test for a figure that holds
    rough_calibration: bool  # few labels stand behind the probabilities
    probabilities: np.ndarray
    true: np.ndarray
    signature: str = ""
    left_out: tuple[str, ...] = ()  # members that the mix does without
    ece_by_chance: float = 0.0  # what right probabilities would show on so few rows
    by_seed: Mapping[str, Sequence[float]] = field(default_factory=dict)  # accuracy of each network of a tuned member

    @property
    def result(self) -> ClassifierMeasured:
        """Of the classifier itself."""
        return self.rows[list(self.rows)[-1]]

    def summary(self) -> str:
        """The page, of lines of at most 80 columns."""
        parts = [_overview(self), _seeds(self), _differences(self), _copies(self), _by_class(self), _confusion(self)]
        if self.warning:
            parts.append(f"Warning: {self.warning}")
        return "\n\n".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "test": self.name,
            "rows": self.result.rows,
            "classes": list(self.classes),
            "figures": {name: _figures(each) for name, each in self.rows.items()},
            "against": {
                name: {
                    "other": each.other,
                    **_interval(each.difference),
                    "shown": each.difference.shown,
                    "mcnemar_p": each.p,
                }
                for name, each in self.against.items()
            },
            "by_seed": {name: list(each) for name, each in self.by_seed.items()},
            "copies": self.copies,
            "without_copies": self.fresh and {"accuracy": _interval(self.fresh), "f1_macro": self.fresh_f1},
            "by_class": {label: vars_of(each) for label, each in zip(self.classes, self.result.classes, strict=True)},
            "confusion": self.result.confusion.tolist() if len(self.classes) <= 100 else None,
            "warning": self.warning,
            "rough": list(self.rough),
            "rough_calibration": self.rough_calibration,
            "left_out_of_mix": list(self.left_out),
            "ece_by_chance": self.ece_by_chance,
            "signature": self.signature,
        }


def evaluated(
    classifier: TextClassifier,
    texts: Sequence[str],
    true: np.ndarray,
    *,
    name: str,
    copies: np.ndarray,
    copies_are: str = "copies",
    signature: str = "",
) -> ClassifierEvaluation:
    """Figures of `classifier` on texts whose classes are `true`; `copies` says which stood in training."""
    count = len(classifier.classes)
    scores = classifier.scores(texts)
    majority = np.tile(classifier.shares, (len(texts), 1))
    rows = {MAJORITY_ROW: majority}
    rows |= {each: mix.probabilities(scores) for each, mix in classifier.alone.items()}
    if len(classifier.alone) > 1:
        rows[MIX_ROW] = classifier.mix.probabilities(scores)
    called = {each: p.argmax(axis=1) for each, p in rows.items()}
    last = list(rows)[-1]
    against = {}
    for each in rows:
        other = MAJORITY_ROW if each == NGRAMS or NGRAMS not in rows else NGRAMS
        if each != MAJORITY_ROW:
            difference = accuracy_difference(true, called[each], called[other])
            against[each] = Against(other, difference, mcnemar(true, called[each], called[other]))
    fresh = ~copies
    some = bool(copies.any() and fresh.any())
    in_test = np.bincount(true, minlength=count)
    return ClassifierEvaluation(
        name,
        classifier.classes,
        {each: measured(true, called[each], count, p) for each, p in rows.items()},
        against,
        interval_of((called[last] == true)[fresh]) if some else None,
        mean_f1(confusion_of(true[fresh], called[last][fresh], count), "macro") if some else 0.0,
        int(copies.sum()),
        copies_are,
        majority_warning(called[last], true, classifier.classes),
        tuple(c for c, n in zip(classifier.classes, in_test, strict=True) if n < ROUGH_ROWS),
        bool(classifier.least_weighed_on < ROUGH_ROWS),
        rows[last],
        true,
        signature,
        tuple(each for each in classifier.alone if not classifier.mix.weights.get(each)) if MIX_ROW in rows else (),
        chance_error(rows[last]),
        _by_seed(classifier, texts, true),
    )


def _by_seed(classifier: TextClassifier, texts: Sequence[str], true: np.ndarray) -> dict[str, list[float]]:
    """Accuracy of each network of those members that have several."""
    found = {}
    for name, member in classifier.members.items():
        scores_by_seed: Any = getattr(member, "scores_by_seed", None)
        if scores_by_seed and len(getattr(member, "nets", ())) > 1:
            found[name] = [float((each.argmax(axis=1) == true).mean()) for each in scores_by_seed(texts)]
    return found


def vars_of(value: Any) -> dict[str, Any]:
    """A frozen value's fields by name."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _interval(value: Interval) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def _figures(each: ClassifierMeasured) -> dict[str, Any]:
    return {
        "accuracy": _interval(each.accuracy),
        "f1_macro": each.macro_f1,
        "f1_weighted": each.weighted_f1,
        "log_loss": each.log_loss,
        "ece": each.calibration_error,
    }


def points(value: float | None, signed: bool = False) -> str:
    """A share as .837, a difference as +.004.

    >>> points(.8371), points(-.004, True), points(1.0), points(None)
    ('.837', '-.004', '1.000', '')
    """
    if value is None:
        return ""
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def columns_of(rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Rows as aligned columns: the first of words to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i < words else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _overview(page: ClassifierEvaluation) -> str:
    rows: list[tuple[str, ...]] = [("", "accuracy", "95 %", "F1 macro", "F1 weighted", "log loss", "ECE")]
    for name, each in page.rows.items():
        interval = f"{points(each.accuracy.low)} {points(each.accuracy.high)}"
        figures = (each.macro_f1, each.weighted_f1, each.log_loss, each.calibration_error)
        rows.append((name, points(each.accuracy.value), interval, *map(points, figures)))
    text = columns_of(rows)
    if page.left_out:
        text += "\n" + textwrap.fill(f"mix: no better with, so without: {', '.join(page.left_out)}", 80)
    text += f"\nECE: right probabilities would show {points(page.ece_by_chance)}, too, on {page.result.rows:,} rows"
    if page.rough:
        shown = ", ".join(readable(label, 20) for label in page.rough[:3])
        more = f" and {len(page.rough) - 3:,} more" if len(page.rough) > 3 else ""
        text += f"\nrough: under {ROUGH_ROWS} rows in the test of {shown}{more}"
    if page.rough_calibration:
        text += f"\nprobabilities are rough: they come from under {ROUGH_ROWS} rows of a class"
    return text


def _seeds(page: ClassifierEvaluation) -> str:
    lines = [f"{name}, seed by seed: {' '.join(map(points, each))}" for name, each in page.by_seed.items()]
    return "\n".join(lines)


def _differences(page: ClassifierEvaluation) -> str:
    rows = [("accuracy against", "", "difference", "95 %", "", "McNemar p")]
    for name, each in page.against.items():
        value = each.difference
        interval = f"[{points(value.low, True)}, {points(value.high, True)}]"
        shown = "" if value.shown else "not shown"
        rows.append((name, each.other, points(value.value, True), interval, shown, f"{each.p:.2g}"))
    return columns_of(rows, words=2)


def _copies(page: ClassifierEvaluation) -> str:
    if not page.copies:
        return f"0 of {page.result.rows:,} rows are {page.copies_are} of training texts"
    line = f"{page.copies:,} of {page.result.rows:,} rows are {page.copies_are} of training texts"
    if page.fresh is None:
        return f"{line}: nothing else is left to judge by"
    interval = f"[{points(page.fresh.low)}, {points(page.fresh.high)}]"
    return f"{line}\nwithout them: accuracy {points(page.fresh.value)} {interval}, F1 macro {points(page.fresh_f1)}"


def _by_class(page: ClassifierEvaluation) -> str:
    found = list(zip(page.classes, page.result.classes, strict=True))
    listed = found
    if len(found) > _LISTED:
        listed = sorted(found, key=lambda item: -item[1].rows)[:_LISTED]
    rows = [("class", "precision", "recall", "F1", "rows")]
    rows += [
        (readable(label, 30), points(each.precision), points(each.recall), points(each.f1), f"{each.rows:,}")
        for label, each in listed
    ]
    more = f"\nand {len(found) - len(listed):,} more classes, none with more rows" if len(found) > len(listed) else ""
    return columns_of(rows) + more


def _confusion(page: ClassifierEvaluation) -> str:
    confusion = page.result.confusion
    if len(page.classes) > MOST_CLASSES:
        wrong = confusion - np.diag(np.diag(confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:8]
        pairs = [np.unravel_index(place, wrong.shape) for place in order]
        listed: list[tuple[str, ...]] = [("is", "called", "rows")]
        listed += [
            (readable(page.classes[a], 30), readable(page.classes[b], 30), f"{wrong[a, b]:,}")
            for a, b in pairs
            if wrong[a, b]
        ]
        return columns_of(listed, words=2)
    width = max(4, (80 - 18) // len(page.classes) - 2)
    rows = [("is, called →", *(readable(label, min(width, 16)) for label in page.classes))]
    rows += [
        (readable(label, 16), *(f"{times:,}" for times in line))
        for label, line in zip(page.classes, confusion.tolist(), strict=True)
    ]
    return columns_of(rows)
