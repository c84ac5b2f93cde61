"""Whether a run learns more than how often each piece stands: some stay there, and their losses look like learning."""

import math

import numpy as np

from ulmkit.artifacts.tokens import TokenFile

LEARNS = 0.9  # of the unigram model's perplexity: above it, nothing but frequencies is known
EARLY = 300  # steps in which most runs still stand there
COUNTED_AT_ONCE = 1 << 24  # ids counted at a time: NumPy counts 64-bit copies of them


def unigram_loss(train: TokenFile, valid: TokenFile) -> float:
    """Nats a token of `valid` by how often each piece stands in `train`, each once more than counted.

    It is the same in both directions: what is predicted are all pieces, and a `bos` for the end of each document.
    """
    counts = _counts(train, train.vocabulary) + 1.0
    seen = _counts(valid, train.vocabulary)
    return float(-(seen @ np.log(counts / counts.sum())) / max(len(valid.ids), 1))


def _counts(tokens: TokenFile, vocabulary: int) -> np.ndarray:
    counts = np.zeros(vocabulary, np.int64)
    for start in range(0, len(tokens.ids), COUNTED_AT_ONCE):
        counts += np.bincount(tokens.ids[start : start + COUNTED_AT_ONCE], minlength=vocabulary)
    return counts


def plateau(valid_loss: float, unigram: float, *, steps: tuple[int, int], done: bool, lr: float) -> str | None:
    """What to say where the first validation worth a look is no better than the unigram model; else None.

    That is the first one after `EARLY` steps, or the last one of a shorter run. `steps`: where the validation before it
    stood, and where this one does.
    """
    before, step = steps
    due = before < EARLY <= step or (done and step < EARLY)
    if not due or valid_loss <= unigram + math.log(LEARNS):
        return None
    advice = f"If it stays there, train again at a lower rate, such as {lr / 4:.2g}."
    if step < EARLY:
        advice = "So few steps teach nothing else: give it more epochs, more minutes or smaller batches."
    return (
        f"after {step:,} steps the perplexity is {math.exp(min(valid_loss, 700)):,.0f}; counting pieces alone reaches "
        f"{math.exp(unigram):,.0f}. {advice}"
    )
