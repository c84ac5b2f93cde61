"""Lines, sentences and words of a text in normal form.

A sentence ends at an end mark, its closers, and a space, which some marks do without (`彼は来た。彼女は去った。`), and
all but a single dot where letter case tells (`Tuli?Ei tea`); at a line's end always. What looks like an end and is none
is told by data: abbreviations, single initials, ordinal numbers (`26. juulil`), patterns that hold together, quotations
that stay whole. Letter case tells the rest where the script has it: a lower-case word after a closed quotation, an
ellipsis or an abbreviation goes on; after a plain word and a dot it starts anew, as people write in forums.
"""

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ulmkit.text.characters import character_class
from ulmkit.text.script import every_mark

_ROMAN = re.compile("[IVXLCDM]+")
_DASHES = "–—-"
_DASHED = frozenset(dash + " " for dash in _DASHES)
_ADDRESS = frozenset("/\\=&@#%_<>")  # of an address, a path or code: a question mark there asks nothing
_LOOK = 40  # characters of the word before a mark and of the one after it that are looked at: linear in any line
_DOTS = frozenset(".…")  # every other mark ends a sentence whatever the next letter
_GOES_ON = ",:;–—、，：；､－"  # no sentence begins so (UAX #29, SContinue)
_QUOTES = '"“”„«»'
_QUOTE = re.compile(f"[{_QUOTES}]")
_SPACE_BETWEEN = re.compile(r"(?<=[^\x00-\x7f\d]) (?=[^\x00-\x7f\d])")  # not beside numbers and Latin words
_DIGITS = re.compile(r"\A\d+\.?")


def lines(text: str) -> list[str]:
    """The lines of `text` that are not empty."""
    return [line for line in text.split("\n") if line]


class _Candidate(NamedTuple):
    """Where a sentence may end."""

    start: int  # of the mark
    mark: str
    closed: bool  # a quotation or bracket closes there
    end: int  # after the mark, its closers and the space, if there is one
    space: bool
    following: str  # the next word
    dashed: bool  # behind a dash with a space: `– Kas tuled? – küsis ta`

    @property
    def goes_on(self) -> bool:
        """The next word begins with a small letter."""
        return self.following[:1].islower()


@dataclass(frozen=True)
class Segmenter:
    """Splits into sentences and words; the fields are a language's `[segmentation]`, explained in `spec`."""

    sentence_ends: str = ".!?…"
    spaceless_ends: str = ""
    openers: str = "«„“\"'([{"
    closers: str = "»”’\"')]}"
    abbreviations: tuple[str, ...] = ()
    ending_abbreviations: tuple[str, ...] = ()
    never_first: tuple[str, ...] = ()
    ordinal_dot: bool = False
    no_break: tuple[str, ...] = ()
    break_after: tuple[str, ...] = ()
    whole_quotes: str = ""
    max_whole_quote: int = 150
    spaced: bool = True
    space_ends: bool = False
    word_joiners: str = "'’\u200c\u200d"
    word_patterns: tuple[str, ...] = ()

    @cached_property
    def _never(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.abbreviations)

    @cached_property
    def _may(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.ending_abbreviations)

    @cached_property
    def _never_first(self) -> frozenset[str]:
        return frozenset(self.never_first)

    @cached_property
    def _candidate(self) -> re.Pattern[str]:
        """End marks (1), dots that stand apart behind them too, closers and a space; or, after a mark of
        `spaceless_ends`, closers alone; or a letter (2), of which `_glued` says more."""
        ends, closers = re.escape(self.sentence_ends), re.escape(self.closers)
        after = f"(?:[{closers}]*+ |(?=([^\\W\\d_])))"
        if self.spaceless_ends:
            after = f"(?:(?<=[{re.escape(self.spaceless_ends)}])[{closers}]*+(?=[^{_GOES_ON} ])|{after})"
        return re.compile(f"(?<![{ends}])([{ends}]++(?: \\.(?= ))*+){after}")  # looks at each mark once

    @cached_property
    def _next(self) -> re.Pattern[str]:
        """What may stand before a sentence's first word (1)."""
        return re.compile(f"[{re.escape(self.openers)} {_DASHES}]*+([\\w{re.escape(self.word_joiners)}]{{0,{_LOOK}}})")

    @cached_property
    def _before(self) -> re.Pattern[str]:
        return re.compile(f"[^\\s{re.escape(self.openers)}]*\\Z")

    @cached_property
    def _held(self) -> tuple[re.Pattern[str], ...]:
        pairs = zip(self.whole_quotes[::2], self.whole_quotes[1::2], strict=True)
        quotes = [f"{re.escape(a)}[^{re.escape(a + b)}]{{0,{self.max_whole_quote}}}{re.escape(b)}" for a, b in pairs]
        return tuple(re.compile(pattern) for pattern in (*self.no_break, *quotes))

    @cached_property
    def _broken(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(f"(?:{pattern}) ") for pattern in self.break_after)

    @cached_property
    def _word(self) -> re.Pattern[str]:
        marks = character_class(every_mark())  # in many scripts a vowel is one on its consonant, and `\w` holds none
        plain = f"[^\\W_]+(?:[{re.escape(self.word_joiners)}{marks}]+[^\\W_]+)*[{marks}]*"
        return re.compile("|".join((*(f"(?:{pattern})" for pattern in self.word_patterns), plain)))

    def words(self, text: str) -> list[str]:
        """The words of `text`: letters and digits, with the joiners, apostrophes and marks inside them.

        >>> Segmenter().words("می‌روم، Peugeot'ga 3 korda")
        ['می‌روم', "Peugeot'ga", '3', 'korda']
        """
        return self._word.findall(text)

    def sentences(self, text: str) -> list[str]:
        """The sentences of `text`, without the spaces between them; joined by one space they are the line again.

        >>> Segmenter(ordinal_dot=True, abbreviations=("nt", "dr")).sentences("Nt. dr. Tamm tuli 26. juulil. Ta läks.")
        ['Nt. dr. Tamm tuli 26. juulil.', 'Ta läks.']
        """
        found = []
        for line in lines(text):
            start = 0
            for end in [*self._ends_of(line), len(line)]:
                sentence = line[start:end].strip(" ")
                if sentence:
                    found.append(sentence)
                start = end
        return found

    def _ends_of(self, line: str) -> list[int]:
        """Where the sentences of `line` end, each after the space."""
        ends = {match.end() for pattern in self._broken for match in pattern.finditer(line)}
        if self.space_ends:
            held = _Spans([match.span() for pattern in self._held for match in pattern.finditer(line)])
            ends |= {m.end() for m in _SPACE_BETWEEN.finditer(line) if m.start() not in held}
        candidates = self._candidates(line)
        if candidates:
            casual = any(each.goes_on and self._is_end(line, 0, each, casual=False) for each in candidates)
            held = _Spans([match.span() for pattern in self._held for match in pattern.finditer(line)])
            start = 0
            for each in candidates:
                if each.end - each.space not in held and self._is_end(line, start, each, casual=casual):
                    start = each.end
                    ends.add(start)
        return sorted(ends)

    def _candidates(self, line: str) -> list[_Candidate]:
        found = []
        apart: frozenset[int] | None = None
        for match in self._candidate.finditer(line):
            end, space = match.end(), line[match.end() - 1] == " "
            if match[2] and not _glued(line, match.start(), end):
                continue
            closed = match.end(1) < end - space
            if line[end : end + 1] in _QUOTES and line[end + 1 : end + 2] in ("", " "):
                apart = _closing_apart(line, self.sentence_ends) if apart is None else apart
                if end in apart:  # `ka. “ Andri`: the mark that closes the quotation stands alone
                    end, closed = min(end + 2, len(line)), True
            following = self._next.match(line, end)
            word = following[1] if following else ""
            dashed = following is not None and line[following.start(1) - 2 : following.start(1)] in _DASHED
            found.append(_Candidate(match.start(), match[1].replace(" ", ""), closed, end, space, word, dashed))
        return found

    def _is_end(self, line: str, start: int, at: _Candidate, *, casual: bool) -> bool:
        if at.following in self._never_first or (at.goes_on and at.closed):
            return False  # „Tule!“ ütles ta
        if not self.spaced and self.never_first and at.following.startswith(self.never_first):
            return False  # 「行きますか？」と
        if at.goes_on and at.dashed and not casual:
            return False  # – Tule! – ütles ta
        if set(at.mark) - _DOTS:
            return True
        if at.mark != ".":
            return casual or not at.goes_on
        return self._ends_at_dot(line, start, at)

    def _ends_at_dot(self, line: str, start: int, at: _Candidate) -> bool:
        before = self._before.search(line, max(start, at.start - _LOOK), at.start)
        word = before[0] if before else ""
        if word.isdecimal():
            # `1. Sissejuhatus` is an item of a list, `26. juulil` an ordinal
            return line[start : at.start].strip(" ") != word and not (self.ordinal_dot and at.goes_on)
        plain = _DIGITS.sub("", word).lower()  # 12kl. 2005.a.
        if plain in self._never or (len(word) == 1 and word.isalpha() and not word.islower()):
            return False  # an abbreviation, an initial
        if plain in self._may and (at.goes_on or (at.following[:1].isdecimal() and not at.closed)):
            return False  # 5. saj. lõpul, mnt. 12
        if at.goes_on:
            numeral = self.ordinal_dot and _ROMAN.fullmatch(word)
            return not numeral and sum(map(str.isalpha, word)) > 1
        return True


def _glued(line: str, start: int, end: int) -> bool:
    """Whether a sentence ends at the marks from `start` to `end`, behind which no space stands: `Tuli?Ei tea`.

    A word of small letters stands before them and a capitalized one behind; and there is more than a dot, which joins
    names (`Sepal.Length`), and no sign of an address. Letters without case are of no code: between two of
    them a mark that is no dot is enough.
    """
    before, behind = line[max(0, start - _LOOK) : start], line[end : end + _LOOK]
    if _caseless(behind[:1]) and _caseless(before[-1:]):
        return not _DOTS.issuperset(line[start:end])
    if line[start:end] == "." or not (len(before) > 1 and before[-2:].isalpha() and before[-1:].islower()):
        return False
    if not (behind[:1].isupper() and behind[1:2].islower()):
        return False
    return _ADDRESS.isdisjoint(before[before.rfind(" ") + 1 :] + behind.partition(" ")[0])


def _caseless(character: str) -> bool:
    """Whether it is a letter of a script without case, or a mark on one."""
    return (character.isalpha() and character.lower() == character.upper()) or unicodedata.category(character or "-")[
        0
    ] == "M"


def _closing_apart(line: str, ends: str) -> frozenset[int]:
    """Where a quotation mark that closes stands apart, a space or nothing on both sides.

    Which way a mark turns is told by its shape, by what it touches, by the comma or colon before it, or else by the
    mark before it: linear in the line's length.
    """
    found = set()
    opened: bool | None = None  # nothing known yet
    for match in _QUOTE.finditer(line):
        mark, place = match[0], match.start()
        before, after = line[place - 1 : place] or " ", line[place + 1 : place + 2] or " "
        said = line[max(0, place - 2) : place - 1]  # the mark before the space
        if mark in "«„":
            opens = True
        elif mark in "»”":
            opens = False
        elif before != " ":
            opens = before in "(["
        elif after != " ":
            opens = after not in ".,;:!?)]…"
        elif said in ",:":
            opens = said == ":"
        else:
            opens = said not in ends if opened is None else not opened
        if not opens and before == after == " ":
            found.add(place)
        opened = opens
    return frozenset(found)


class _Spans:
    """Whether a place lies inside one of some spans: from their starts, in order, and the farthest end up to each."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        spans.sort()
        self._starts = [start for start, _ in spans]
        self._ends: list[int] = []
        for _, end in spans:
            self._ends.append(max(end, self._ends[-1]) if self._ends else end)

    def __contains__(self, place: int) -> bool:
        before = bisect_left(self._starts, place)
        return before > 0 and self._ends[before - 1] > place
