"""Lines, sentences and words of a text in normal form.

A sentence ends at an end mark, its closers, and a space; at a line's end always. What looks like an end and is none is
told by data: abbreviations, single initials, ordinal numbers (`26. juulil`), and the mark inside an open quotation
that goes on in lower case.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from ulmkit.text.characters import character_class

# in many scripts a vowel is a mark on its consonant, and `\w` holds no marks
_MARK = character_class(c for c in map(chr, range(0x300, 0x1E950)) if unicodedata.category(c)[0] == "M")
_WORD = re.compile(f"[^\\W_]+(?:[\u200c\u200d'\u2019{_MARK}]+[^\\W_]+)*[{_MARK}]*")
_ROMAN = re.compile("[IVXLCDM]+")


def lines(text: str) -> list[str]:
    """The lines of `text` that are not empty."""
    return [line for line in text.split("\n") if line]


def words(text: str) -> list[str]:
    """The words of `text`: letters and digits, with the joiners, apostrophes and marks inside them.

    >>> words("می‌روم، Peugeot'ga 3 korda")
    ['می‌روم', "Peugeot'ga", '3', 'korda']
    """
    return _WORD.findall(text)


@dataclass(frozen=True)
class Segmenter:
    """Splits into sentences; the fields are those of a language's `[segmentation]`."""

    sentence_ends: str = ".!?…"
    closers: str = '»”’")]}'
    abbreviations: tuple[str, ...] = ()
    ordinal_dot: bool = False
    _short: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_short", frozenset(word.lower() for word in self.abbreviations))

    @cached_property
    def _candidate(self) -> re.Pattern[str]:
        ends, closers = re.escape(self.sentence_ends), re.escape(self.closers)
        return re.compile(f"[{ends}]++[{closers}]*+ ")

    @cached_property
    def _before(self) -> re.Pattern[str]:
        return re.compile('[^\\s«„“"(\\[{]*\\Z')

    def sentences(self, text: str) -> list[str]:
        """The sentences of `text`, without the spaces between them; joined by one space they are the line again.

        >>> Segmenter(ordinal_dot=True, abbreviations=("nt", "dr")).sentences("Nt. dr. Tamm tuli 26. juulil. Ta läks.")
        ['Nt. dr. Tamm tuli 26. juulil.', 'Ta läks.']
        """
        found = []
        for line in lines(text):
            start = 0
            for match in self._candidate.finditer(line):
                if match.end() > start and self._ends(line, start, match):
                    found.append(line[start : match.end()].strip(" "))
                    start = match.end()
            if line[start:].strip(" "):
                found.append(line[start:].strip(" "))
        return found

    def _ends(self, line: str, start: int, match: re.Match[str]) -> bool:
        mark, following = match[0].rstrip(" "), line[match.end() : match.end() + 1]
        if mark != ".":
            # a closed quotation or an ellipsis that goes on in lower case is the middle of a sentence
            return not (following.islower() and (len(mark) > 1 or mark == "…"))
        # one word is looked at, of at most 40 characters: linear whatever the line is
        word_match = self._before.search(line[max(start, match.start() - 40) : match.start()])
        word = word_match[0] if word_match else ""
        if word.lower() in self._short or word.lower().rstrip(".") in self._short:
            return False
        if len(word) == 1 and word.isalpha() and (word.isupper() or not word.islower()):
            return False  # an initial
        if self.ordinal_dot and following.islower() and (word.isdecimal() or _ROMAN.fullmatch(word)):
            return False
        # a lower-case word after a dot: an abbreviation that no list holds
        return not following.islower()
