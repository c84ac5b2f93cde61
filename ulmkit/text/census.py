"""How many characters of a text fall in each of several classes: one look at every character, however many classes.

A text becomes its code points, a table gives each code point the set of classes it is in, and the sets are counted.
Regular expressions that ask the same question take a pass each, at a tenth of the speed.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np

SIZE = 0x110000


def code_points(text: str) -> np.ndarray:
    """The code points of `text`, shape (characters,), dtype uint32; lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _every() -> np.ndarray:
    """Every code point as a string of one character, shape (0x110000,)."""
    return np.arange(SIZE, dtype=np.uint32).view("U1")


@cache
def letter_mask() -> np.ndarray:
    """Which code points are letters, shape (0x110000,)."""
    mask = np.strings.isalpha(_every())
    mask.setflags(write=False)
    return mask


@cache
def digit_mask() -> np.ndarray:
    """Which code points are digits of any script, shape (0x110000,)."""
    mask = np.strings.isdigit(_every())
    mask.setflags(write=False)
    return mask


def members(body: str) -> np.ndarray:
    """The code points of a character class, given as the body of one: single characters and ranges, no escapes.

    >>> np.flatnonzero(members("a-cx")).tolist()
    [97, 98, 99, 120]
    """
    mask = np.zeros(SIZE, bool)
    position = 0
    while position < len(body):
        first = last = ord(body[position])
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            last = ord(body[position + 2])
            position += 2
        mask[first : last + 1] = True
        position += 1
    return mask


class Census:
    """Counts a text's characters by class; a character may be in several."""

    def __init__(self, classes: Mapping[str, np.ndarray]) -> None:
        """`classes`: name to mask of shape (0x110000,)."""
        self.names = tuple(classes)
        sets = np.zeros(SIZE, np.int64)
        for bit, mask in enumerate(classes.values()):
            sets |= mask.astype(np.int64) << bit
        distinct, inverse = np.unique(sets, return_inverse=True)
        self._table = inverse.astype(np.uint8 if len(distinct) <= 256 else np.uint16)
        self._membership = (distinct[:, None] >> np.arange(len(self.names))) & 1  # (sets, classes)

    def __call__(self, codes: np.ndarray) -> dict[str, int]:
        """How many of `codes` (as from `code_points`) are in each class."""
        sets: np.ndarray = self._table.take(codes)
        counted = np.bincount(sets, minlength=len(self._membership))
        return dict(zip(self.names, (counted @ self._membership).tolist(), strict=True))
