"""How good a classifier gets with how many labels: sizes, each with several samples of the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.classifier.check import class_order, refuse_unknown, refuse_unlearnable
from ulmkit.classifier.learn import PLAINLY, How
from ulmkit.classifier.results import ClassifierEvaluation, columns_of, points
from ulmkit.classifier.run import train_classifier
from ulmkit.classifier.table import Examples
from ulmkit.errors import UsageError
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent

if TYPE_CHECKING:
    from ulmkit.classifier.reader import TextReader


@dataclass(frozen=True)
class LearningCurve:
    """For each size the evaluations of its samples."""

    sizes: dict[int, list[ClassifierEvaluation]]

    def summary(self) -> str:
        """Mean accuracy of each part over the samples, their spread, and how many differ from the n-grams for sure."""
        rows: list[tuple[str, ...]] = [
            ("labels", "", "accuracy", "±", "F1 macro", "log loss", "ECE", "ahead", "behind", "samples")
        ]
        for size, found in self.sizes.items():
            for name in found[0].rows:
                figures = [each.rows[name] for each in found]
                accuracy = np.array([each.accuracy.value for each in figures])
                against = [each.against[name].difference for each in found if name in each.against]
                means = (
                    float(np.mean([each.macro_f1 for each in figures])),
                    float(np.mean([each.log_loss for each in figures if each.log_loss is not None])),
                    float(np.mean([each.calibration_error or 0.0 for each in figures])),
                )
                ahead = str(sum(each.low > 0 for each in against)) if against else ""
                behind = str(sum(each.high < 0 for each in against)) if against else ""
                rows.append(
                    (
                        f"{size:,}" if name == next(iter(found[0].rows)) else "",
                        name,
                        points(float(accuracy.mean())),
                        points(float(accuracy.std(ddof=1))) if len(accuracy) > 1 else "",
                        *map(points, means),
                        ahead,
                        behind,
                        str(len(found)),
                    )
                )
        return columns_of(rows, words=2)

    def to_json(self) -> dict[str, Any]:
        """All evaluations by size."""
        return {"sizes": {str(size): [each.to_json() for each in found] for size, found in self.sizes.items()}}


def learning_curve(
    language: Language | None,
    train: Examples,
    test: Examples,
    sizes: Sequence[int | None],
    *,
    samples: int = 3,
    unlabelled: Sequence[str] = (),
    labels: Sequence[str] = (),
    readers: Sequence["TextReader"] = (),
    how: How = PLAINLY,
    seed: int = 0,
    report: Report = silent,
) -> LearningCurve:
    """Train on `samples` stratified samples of each of `sizes` (None: all rows, once) and measure on `test`.

    Training rows outside of a sample are read as unlabelled texts, too, where `unlabelled` texts are given. Raises
    `UsageError` for a size that the table does not hold, or that leaves a class without two rows.
    """
    refuse_unlearnable(train, labels)
    how.refuse_without_effect(max(len(train.texts) if size is None else size for size in sizes), len(readers))
    readers = [replace(reader, features_kept={}) for reader in readers]  # every text is read once for all samples
    classes = class_order(train.labels, labels)
    refuse_unknown(test, classes)
    numbers = {label: number for number, label in enumerate(classes)}
    true = np.array([numbers[label] for label in train.labels])
    found: dict[int, list[ClassifierEvaluation]] = {}
    total = sum(1 if size is None or size == len(true) else samples for size in sizes)
    done = 0
    for size in sizes:
        wanted = len(true) if size is None else size
        if not 2 * len(classes) <= wanted <= len(true):
            raise UsageError(
                f"--sizes {wanted:,}: {train.name} has {len(true):,} rows of {len(classes):,} classes, and of "
                f"each class two are needed. Give {2 * len(classes):,} to {len(true):,}, or all."
            )
        for sample in range(1 if wanted == len(true) else samples):
            report(Progress("curve", done, total, "classifiers", f"{wanted:,} labels"))
            rows = sampled(true, wanted, seed + sample)
            part = Examples(
                train.name, tuple(train.texts[row] for row in rows), tuple(train.labels[row] for row in rows)
            )
            trained = train_classifier(
                language,
                part,
                test=test,
                unlabelled=unlabelled and [*unlabelled, *train.texts],
                labels=labels,
                readers=readers,
                how=how,
                seed=seed,
            )
            assert trained.evaluation is not None
            found.setdefault(wanted, []).append(trained.evaluation)
            done += 1
    return LearningCurve(found)


def sampled(classes: np.ndarray, size: int, seed: int) -> np.ndarray:
    """So many rows, classes as in all of them but at least two of each; sorted."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(classes)
    shares = counts * size / len(classes)
    take = np.minimum(np.maximum(np.floor(shares).astype(int), 2), counts)
    while take.sum() != size:  # the largest remainder gets one more, the largest surplus one less
        rest = shares - take
        if take.sum() < size:
            take[np.where(take < counts, rest, -np.inf).argmax()] += 1
        else:
            take[np.where(take > 2, rest, np.inf).argmin()] -= 1
    rows = [rng.permutation(np.flatnonzero(classes == each))[:times] for each, times in enumerate(take)]
    return np.sort(np.concatenate(rows))
