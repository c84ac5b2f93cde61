"""Which n-grams a text holds: words one and two at a time, characters two to five, each named by a 64-bit number.

A number stands for its n-gram while texts are read, since millions are looked up in a second; which string it stands
for is kept beside the weights, and a vocabulary that is loaded makes its numbers again of its strings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from ulmkit.corpus.shingles import MULTIPLIER, WordHasher, mixed_bits, rolled
from ulmkit.text.census import code_points

ORDERS = (2, 3, 4, 5)  # of characters
_CHUNK = 1 << 18  # characters of the texts that are read at once
# a word with what holds it together, or one mark of punctuation: a lone "!" says something, too
_WORD = regex.compile(r"[\w\p{M}\u200c\u200d]+|[^\w\s\p{M}\u200c\u200d]")
_SEPARATOR = "\n"  # stands in no text that is on one line
_WORDS = np.uint64(0x5BD1E995_5BD1E995)  # apart from characters, so that a word of three letters is no trigram
_hashed = WordHasher()


@dataclass(frozen=True)
class _Windows:
    """Every n-gram of one order in a chunk of texts: its number, its text, where it begins."""

    keys: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    order: int  # of characters; minus one and minus two for words


class Chunk:
    """Texts that are read at once; each is in `TextForm`'s form."""

    def __init__(self, texts: Sequence[str], first: int) -> None:
        self.texts, self.first = texts, first
        self._line = _SEPARATOR.join(f" {text} " for text in texts)
        self._words: list[str] = []
        self._rows: list[int] = []
        for row, text in enumerate(texts):
            words = _WORD.findall(text)
            self._words += words
            self._rows += [row] * len(words)

    def windows(self) -> Iterator[_Windows]:
        """The n-grams of the texts, order by order; equal ones of one text come as often as they stand in it."""
        rows, words = np.array(self._rows, np.int64), _hashed(self._words)
        starts = np.arange(len(words))
        yield _Windows(words ^ _WORDS, rows, starts, -1)
        inside = rows[:-1] == rows[1:]
        yield _Windows((rolled([words[:-1], words[1:]]) ^ _WORDS)[inside], rows[:-1][inside], starts[:-1][inside], -2)
        codes = code_points(self._line)
        numbers = mixed_bits((codes.astype(np.uint64) + np.uint64(1)) * MULTIPLIER)
        before = np.concatenate(([0], np.cumsum(codes == ord(_SEPARATOR))))
        for order in ORDERS:
            places = max(len(codes) - order + 1, 0)
            whole = np.flatnonzero(before[order : order + places] == before[:places])
            keys = rolled([numbers[offset : offset + places] for offset in range(order)])
            yield _Windows(keys[whole], before[whole], whole, order)

    def string(self, start: int, order: int) -> str:
        """The n-gram that begins at `start`."""
        if order > 0:
            return self._line[start : start + order]
        return " ".join(self._words[start : start - order])


def chunks(texts: Sequence[str]) -> Iterator[Chunk]:
    """`texts` a few at a time, so that memory has a bound."""
    begin = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield Chunk(texts[begin : place + 1], begin)
            begin, size = place + 1, 0
    if begin < len(texts):
        yield Chunk(texts[begin:], begin)


@dataclass(frozen=True)
class Counted:
    """n-grams of many texts: text `rows[i]` holds the n-gram `keys[columns[i]]`; sorted by rows, each pair once.

    `words[j]` says whether n-gram j is one of words.
    """

    rows: np.ndarray
    columns: np.ndarray
    keys: np.ndarray
    words: np.ndarray
    texts: int


def counted(texts: Sequence[str], *, least: int = 1, first: int | None = None) -> Counted:
    """The n-grams that stand in `least` of `texts`, or in one of the `first` of them; those of words in two at least.

    With `least` 1 every n-gram counts.
    """
    rows, keys, kinds = [], [], []
    for chunk in chunks(texts):
        for window in chunk.windows():
            pairs = np.lexsort((window.keys, window.rows))
            key, row = window.keys[pairs], window.rows[pairs]
            new = np.ones(len(key), bool)
            new[1:] = (key[1:] != key[:-1]) | (row[1:] != row[:-1])
            rows.append((row[new] + chunk.first).astype(np.int32))
            keys.append(key[new])
            kinds.append(np.full(int(new.sum()), window.order < 0))
    all_rows, all_keys, all_kinds = np.concatenate(rows), np.concatenate(keys), np.concatenate(kinds)
    found, places, columns, times = np.unique(all_keys, return_index=True, return_inverse=True, return_counts=True)
    words = all_kinds[places]
    wanted = times >= np.where(words, min(2, least), least)
    if first:
        wanted[columns[all_rows < first]] = True
    new_column = np.cumsum(wanted) - 1
    kept = wanted[columns]
    all_rows, columns = all_rows[kept], new_column[columns[kept]].astype(np.int32)
    order = np.lexsort((columns, all_rows))
    return Counted(all_rows[order], columns[order], found[wanted], words[wanted], len(texts))


def strings_of(texts: Sequence[str], keys: np.ndarray) -> list[str]:
    """The string of each of `keys`, which are sorted, as it stands in `texts`."""
    found: list[str] = [""] * len(keys)
    missing = np.ones(len(keys), bool)
    for chunk in chunks(texts):
        for window in chunk.windows():
            places, held = looked_up(keys, window.keys)
            new = held & missing[places]
            columns, where = np.unique(places[new], return_index=True)
            for column, start in zip(columns.tolist(), window.starts[new][where].tolist(), strict=True):
                found[column] = chunk.string(start, window.order)
            missing[columns] = False
        if not missing.any():
            break
    return found


def looked_up(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `wanted` would stand in the sorted `keys`, and whether it does."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return places, keys[places] == wanted


def once(values: np.ndarray) -> np.ndarray:
    """`values` sorted, each once. `np.unique` asks a hash table, which takes four times as long."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]
