"""Words as numbers: the rolling hashes that repetition filters and near-duplicate signatures share."""

from collections.abc import Sequence

import numpy as np
import xxhash

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: multiplication loses no bit


class WordHasher:
    """Words to 64-bit hashes, remembering the words of this process: most words of a page were seen before."""

    LIMIT = 1_000_000  # words kept, about 150 MB

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, words: Sequence[str]) -> np.ndarray:
        """Hashes of `words`, shape (len(words),), dtype uint64."""
        known = self._known
        try:
            return np.fromiter(map(known.__getitem__, words), np.uint64, len(words))
        except KeyError:
            if len(known) > self.LIMIT:
                known.clear()
            for word in words:
                if word not in known:
                    known[word] = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
            return np.fromiter(map(known.__getitem__, words), np.uint64, len(words))


def ngrams(hashes: np.ndarray, n: int) -> np.ndarray:
    """Hash of each run of `n` words, shape (words - n + 1,); of the whole text where it is shorter than `n`."""
    n = min(n, len(hashes))
    if n == 0:
        return hashes
    with np.errstate(over="ignore"):
        rolled = hashes[: len(hashes) - n + 1].copy()
        for offset in range(1, n):
            rolled *= MULTIPLIER
            rolled ^= rolled >> np.uint64(29)
            rolled += hashes[offset : len(hashes) - n + 1 + offset]
    return rolled
