"""A normalized page with what the filters ask of it: its lines, its characters by class, its repetitions, its verse."""

import functools

import numpy as np

from ulmkit.corpus.shingles import ngrams
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language
from ulmkit.text.census import Census, code_points, digit_mask, letter_mask, members
from ulmkit.text.script import letters as letters_of

DAMAGE = "\ufffd\ue000-\uf8ff"  # what a decoder could not read, and private use


@functools.cache
def _census(script: str) -> Census:
    """Counts the classes of characters that filters ask about in a text of `script`."""
    return Census(
        {
            "digits": digit_mask(),
            "damage": members(DAMAGE),
            "letters": letter_mask(),
            "script": members(letters_of(script)),
        }
    )


class Page:
    """A normalized text with what the filters ask of it; most of it is computed when first asked, and kept."""

    def __init__(self, text: str, words: list[str], hashes: np.ndarray, language: Language) -> None:
        """`words` are those of the match form, `hashes` their hashes from `WordHasher`, shape (len(words),)."""
        self.text = text
        self.words = words
        self.hashes = hashes
        self.language = language
        self.limits: Filters = language.filters

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines that hold anything; in normal form those have no space at either end."""
        return [line for line in self.text.split("\n") if line]

    @functools.cached_property
    def distinct_lines(self) -> frozenset[str]:
        return frozenset(self.lines)

    @functools.cached_property
    def codes(self) -> np.ndarray:
        return code_points(self.text)

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """How many characters are `digits`, `damage`, `letters`, and of them letters of the `script`."""
        return _census(self.language.identity.script)(self.codes)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each word, shape (words,)."""
        return np.fromiter(map(len, self.words), np.int64, len(self.words))

    def duplicated_share(self, n: int) -> float:
        """Share of the words' characters that lie in an n-gram which occurred before."""
        grams = ngrams(self.hashes, n)
        if len(runs(np.sort(grams))[0]) == len(grams):
            return 0.0
        _, first, inverse = np.unique(grams, return_index=True, return_inverse=True)
        again = first[inverse] != np.arange(len(grams))
        if not again.any():
            return 0.0
        covered = np.zeros(len(self.words) + 1, np.int64)
        starts = np.flatnonzero(again)
        np.add.at(covered, starts, 1)
        np.add.at(covered, np.minimum(starts + n, len(self.words)), -1)
        inside = np.cumsum(covered[:-1]) > 0
        return float(self.lengths[inside].sum() / max(self.lengths.sum(), 1))

    def top_share(self, n: int) -> float:
        """Share of the words' characters that the most frequent n-gram covers."""
        grams = ngrams(self.hashes, n)
        distinct, counts = runs(np.sort(grams))
        most = int(counts.max())
        if most < 3:  # twice is a headline and the sentence that says it again
            return 0.0
        # of equally frequent ones the first in the text
        first = min(int((grams == gram).argmax()) for gram in distinct[counts == most])
        size = int(self.lengths[first : first + n].sum())
        return size * most / max(int(self.lengths.sum()), 1)

    @functools.cached_property
    def verse(self) -> bool:
        """Whether the lines are verse: many, of nearly one length, unlike a menu's.

        Half-verses of classical poetry vary by an eighth of their length, menus by more than half.
        """
        lengths = np.fromiter(map(len, self.lines), np.int64, len(self.lines))
        if len(lengths) < 4:
            return False
        lengths.sort()
        # a poem may come with a title and the poet's name
        low, high = quantile(lengths, 0.1), quantile(lengths, 0.9)
        inner = lengths[(lengths >= low) & (lengths <= high)]
        return bool(12 <= quantile(inner, 0.5) <= 80 and inner.std() < 0.2 * inner.mean())

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether a twentieth of the 5-grams occurred before, or the four commonest words make up 16 % of the text.

        Where neither is so, the measures of repetition are taken as 0: most pages are spared their cost, and stay below
        Gopher's limits, the lowest of which are 16 % for a common n-gram and 10 % for repeated ones.
        """
        grams = np.sort(ngrams(self.hashes, 5))
        if np.count_nonzero(grams[1:] != grams[:-1]) + 1 < 0.95 * len(grams):
            return True
        distinct, times = runs(np.sort(self.hashes))
        fourth = np.partition(times, -4)[-4] if len(times) > 4 else 1
        frequent = distinct[times >= fourth]
        lengths = np.fromiter((self.lengths[(self.hashes == word).argmax()] for word in frequent[:32]), np.int64)
        counts = times[times >= fourth][:32]
        order = np.lexsort((-lengths, -counts))[:4]
        return int((lengths * counts)[order].sum()) > 0.16 * max(int(self.lengths.sum()), 1)


def runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of an ordered array, and how often each occurs."""
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[starts], np.diff(starts, append=len(ordered))


def quantile(ordered: np.ndarray, share: float) -> float:
    """The quantile of an ordered array, as `np.quantile` gives it for a tenth of the time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
