"""Which marks stand apart from letters, so that no piece holds both.

SentencePiece parts a piece where the Unicode script changes. An end mark that belongs to its script alone (Urdu's ۔,
Burmese's ။, Tibetan's །) is of the same script as the letters, and would grow together with each word that ends a
sentence: the language says which characters are marks.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import regex

from ulmkit.language.spec import Language

_LETTER = r"[\p{L}\p{M}\u200c\u200d]"  # with what stands on or within it


@dataclass(frozen=True)
class Marks:
    """The end marks, native marks and quotes of a language; not what holds its words together, nor its letters."""

    characters: str

    @classmethod
    def of(cls, language: Language) -> Self:
        """Those that the language's settings name."""
        segmentation, normalization = language.segmentation, language.normalization
        named = (
            segmentation.sentence_ends,
            segmentation.spaceless_ends,
            segmentation.openers,
            segmentation.closers,
            segmentation.whole_quotes,
            normalization.native_marks,
            normalization.quotes,
            *normalization.punctuation.values(),
        )
        inside = set(segmentation.word_joiners + language.alphabet.letters + language.alphabet.joiners)
        found = {character for part in named for character in part if not character.isspace()}
        return cls("".join(sorted(found - inside)))

    def apart(self, word: str, cut: str) -> str:
        """`word` with `cut` wherever a mark and a letter meet."""
        return self._meeting.sub(cut, word) if self.characters and self._any.search(word) else word

    def held_by(self, pieces: Iterable[str]) -> list[bool]:
        """Of each piece, whether it holds a mark."""
        return [bool(self.characters) and self._any.search(piece) is not None for piece in pieces]

    def glued_in(self, pieces: Iterable[str]) -> list[bool]:
        """Of each piece, whether it holds a mark and a letter."""
        letter = regex.compile(_LETTER)
        pieces = list(pieces)
        return [
            marked and letter.search(piece) is not None
            for marked, piece in zip(self.held_by(pieces), pieces, strict=True)
        ]

    @cached_property
    def _any(self) -> regex.Pattern[str]:
        return regex.compile(f"[{regex.escape(self.characters)}]")

    @cached_property
    def _meeting(self) -> regex.Pattern[str]:
        marks = f"[{regex.escape(self.characters)}]"
        return regex.compile(f"(?<={_LETTER})(?={marks})|(?<={marks})(?={_LETTER})")


def glued_punctuation(pieces: Iterable[str], inside: str) -> Counter[str]:
    """Each punctuation character that shares a piece with a letter, counted; not those that stand `inside` words."""
    letter, punctuation = regex.compile(_LETTER), regex.compile(r"\p{P}")
    found = (mark for piece in pieces if letter.search(piece) for mark in set(punctuation.findall(piece)))
    return Counter(mark for mark in found if mark not in inside)
