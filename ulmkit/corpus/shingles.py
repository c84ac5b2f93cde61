"""Words as numbers: the rolling hashes that repetition filters and near-duplicate signatures share."""

import functools
from collections.abc import Sequence

import numpy as np

from ulmkit.text.census import SIZE, code_points

_SPACE = ord(" ")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: multiplication loses no bit


class Powers:
    """The powers of `base` modulo 2^64, as many as were ever asked for."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.known = np.ones(1, np.uint64)

    def __call__(self, count: int) -> np.ndarray:
        """The first `count` powers, shape (count,), dtype uint64."""
        while len(self.known) < count:
            step = np.uint64(pow(self.base, len(self.known), 1 << 64))
            self.known = np.concatenate((self.known, self.known * step))
        return self.known[:count]


class WordHasher:
    """Words to 64-bit hashes, all words of a text at once.

    A hash is the word's characters, each replaced by a random number, as the coefficients of a polynomial. The
    polynomial of every word comes out of one running sum over the text, at a tenth of the time of a call for each.
    """

    def __init__(self) -> None:
        self._up = Powers(int(MULTIPLIER))
        self._down = Powers(pow(int(MULTIPLIER), -1, 1 << 64))

    def __call__(self, words: Sequence[str]) -> np.ndarray:
        """Hashes of `words`, none of which may be empty or hold a space; shape (len(words),), dtype uint64."""
        if not words:
            return np.empty(0, np.uint64)
        codes = code_points(" ".join(words))
        ends = np.append(np.flatnonzero(codes == _SPACE), len(codes))
        starts = np.append(0, ends[:-1] + 1)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum(_random().take(codes) * self._up(len(codes)), out=sums[1:])
        return mixed_bits((sums.take(ends) - sums.take(starts)) * self._down(len(codes)).take(starts))


def mixed_bits(hashes: np.ndarray) -> np.ndarray:
    """`hashes` with every bit depending on all others (the finalizer of MurmurHash3)."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes = hashes ^ (hashes >> np.uint64(33))
        hashes *= np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(33))


@functools.cache
def _random() -> np.ndarray:
    """A number for each code point, the same in every process, shape (0x110000,)."""
    return mixed_bits(np.arange(1, SIZE + 1, dtype=np.uint64) * MULTIPLIER)


def rolled(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One hash for the numbers that stand at a place of all `columns`, each of shape (places,); their order counts."""
    with np.errstate(over="ignore"):
        hashes = columns[0].copy()
        for column in columns[1:]:
            hashes *= MULTIPLIER
            hashes ^= hashes >> np.uint64(29)
            hashes += column
    return hashes


def ngrams(hashes: np.ndarray, n: int) -> np.ndarray:
    """Hash of each run of `n` words, shape (words - n + 1,); of the whole text where it is shorter than `n`."""
    n = min(n, len(hashes))
    places = len(hashes) - n + 1
    return rolled([hashes[offset : offset + places] for offset in range(n)]) if n else hashes
