"""A language model that is not trained further: what it reads texts as, and a logistic regression on that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulmkit.classifier.linear import LogisticFit, logistic
from ulmkit.classifier.ngrams import Linear, both_sides
from ulmkit.classifier.reader import TextReader
from ulmkit.classifier.tensors import LEAST_SIZE
from ulmkit.progress import Report, silent

# how much a block counts: what one place of a text says, its last output or a maximum, is noisier than a mean of all.
# On 6,300 comments that are no test, ten samples of 100 labels: half .7886, alike .7869, a quarter .7877, none .7855
MEANS, PLACES = 1.0, 0.5
MOST_CENTRED = 4_000  # texts that say where the middle of the features lies


@dataclass(frozen=True)
class Scale:
    """What is taken off features, and what they are then divided by; both of shape (features,), float32.

    One number for each block: single features scaled to one variance say less (.743 against .761 at 100 labels).
    """

    centre: np.ndarray
    size: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.centre) / self.size


def scale_of(features: np.ndarray, blocks: Sequence[int]) -> Scale:
    """Centred, and each block divided by the root of its mean square length; last outputs and maxima count half.

    `blocks` are those of `TextReader`: the mean embedding, then last, maximum and mean of each layer.
    """
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    sizes, begin = [], 0
    for number, width in enumerate(blocks):
        block = (features[:, begin : begin + width] - centre[begin : begin + width]).astype(np.float64)
        length = np.sqrt((block**2).sum(axis=1).mean())
        length = length if length >= LEAST_SIZE else 1.0  # the same of all texts: nothing to divide by
        sizes.append(length / (MEANS if number % 3 == 0 else PLACES))
        begin += width
    return Scale(centre, np.repeat(np.array(sizes, np.float32), blocks))


@dataclass(frozen=True)
class FrozenMember:
    """`scores(texts)` says how much for each class speaks in what `reader` reads."""

    reader: TextReader
    scale: Scale
    linear: Linear

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, classes); each text's are its own, whatever stands beside it."""
        return self.scores_of(self.scale(self.reader.features(texts)))

    def scores_of(self, scaled: np.ndarray) -> np.ndarray:
        """Of features that are scaled already, shape (texts, features)."""
        return both_sides((scaled @ self.linear.weights).astype(np.float64) + self.linear.bias)


def frozen_member(
    reader: TextReader,
    texts: Sequence[str],
    classes: np.ndarray,
    count: int,
    folds: np.ndarray,
    unlabelled: Sequence[str] = (),
    *,
    report: Report = silent,
) -> tuple[FrozenMember, LogisticFit]:
    """The member for `texts` of `classes` below `count`, and its fit, whose scores of each row never saw its fold.

    `unlabelled` texts say, too, where the middle of the features lies.
    """
    features = reader.features(texts, report)
    room = max(0, MOST_CENTRED - len(texts))
    step = max(1, -(-len(unlabelled) // room)) if room else 1
    others = unlabelled[::step] if room else ()
    every = np.concatenate((features, reader.features(others, report))) if len(others) else features
    scale = scale_of(every, reader.blocks)
    fit = logistic(scale(features), classes, count, folds)
    return FrozenMember(reader, scale, fit.linear), fit
