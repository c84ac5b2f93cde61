"""Lines of plain text that a program, a typesetter or a scanner broke at a column, and the text whole again.

Verse, lists and tables have lines too, and theirs are kept. What tells wrapped prose from them: the lines are nearly
of one length, and sentences end inside of lines more often than where lines do.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WIDTHS = range(50, 131)  # characters: e-mail, books and scans; lines of 40 to 49 were verse, in 20 of 20 texts
_MAIL_WIDTHS = range(50, 101)  # of programs that wrap: 72 to 80 mostly
_LEAST_LINES = 8  # that have one after them
_SURELY_FULL = 0.95  # of them, in which the next line's first word would not have fitted: no question more is asked
_FULL = 0.85  # of them, where sentences end inside of lines
_HALF_FULL = 0.5  # of them, at the least, where lines are only near the width: verse has fewer
_NEAR = 0.75  # of the width: a typesetter's line is no shorter, but for a paragraph's last
_NEARLY_ALL = 0.8  # of the lines are near the width where a typesetter broke them
_SUSPICIOUS = 0.7
_LENGTHS = 5  # different lengths of full lines: items of a list made by a program are all as long
_ENDS_INSIDE = 1.5  # ends of sentences inside of lines for each hundred words
_MARKED = 0.2  # of the lines begin with a mark of a list, or hold a table's gaps: more is no prose
_DASHES = 0.05  # of the lines begin with a dash where it is a sentence's; speech has more
_SMALL = 0.6  # of the lines after one that breaks off begin with a small letter, in scripts that have them
_PAGES = 3  # numbers that go up by one, alone on their lines: less is no numbering of pages
_SAME_HEAD = 3  # times that a running head stands beside them

_END = re.compile(r"[.!?…؟۔。।][»”“’\"')\]]*$")
_INSIDE = re.compile(r"(?<![\d.])[.!?…؟۔।]+[»”“’\"')\]]*[ \t]+(?=\S)|。(?!$)", re.MULTILINE)
_ITEM = re.compile(r"\s*(?:[•‣⁃◦▪●○■□►*·+]|[-–—](?=\s)|\(?\d{1,3}[.)](?=\s)|\(?\w[.)](?=\s))")
_DASH = re.compile(r"[-–—]\s")
_GAPS = re.compile(r"\S(?:\t| {3,}|\s*\|\s*)\S.*\S(?:\t| {3,}|\s*\|\s*)\S")
_PARTED = re.compile(r"[^\W\d_]{2}[-\u00ad\u2010]$")  # a word that goes on in the next line, or a compound
_PARTED_END = re.compile(r"(?<=[^\W\d_]{2}[-\u2010])\n(?=[^\W\d_])")
_NUMBER = re.compile(r"[^\w\n]{0,4}(\d{1,4})[^\w\n]{0,4}")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Wrapping:
    """Lines that are, or look, wrapped."""

    width: int  # characters
    sure: bool


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a text, with what is asked of each."""

    lines: list[str]
    lengths: np.ndarray
    followed: np.ndarray  # places of lines that have one after them which is not indented
    width: int

    @property
    def full(self) -> np.ndarray:
        """Of the followed lines, in which the first word of the next would not have fitted."""
        firsts = np.array([len(self.lines[i + 1].split(None, 1)[0]) for i in self.followed])
        found: np.ndarray = self.lengths[self.followed] + 1 + firsts > self.width
        return found

    @property
    def near(self) -> np.ndarray:
        found: np.ndarray = self.lengths[self.followed] >= _NEAR * self.width
        return found

    @property
    def break_off(self) -> np.ndarray:
        """Of the followed lines, which end no sentence."""
        return np.array([not _END.search(self.lines[i]) for i in self.followed], bool)


def unwrapped(text: str, told: Callable[[Wrapping], None] | None = None) -> str:
    """`text` with the lines of wrapped paragraphs joined, and without the numbers and heads of its pages, if it is sure
    that it was wrapped; `told` hears of that, and of lines that look so and are kept.

    Where a word was parted by a hyphen the line break stays: how it is spelled is for the language to say.
    """
    count = text.count("\n") + 1
    if count <= _LEAST_LINES or not count * WIDTHS.start // 3 <= len(text) <= count * WIDTHS.stop:
        return text
    lines = text.split("\n")
    exact = _asked(lines, exact=True)
    surely = exact is not None and exact.width in _MAIL_WIDTHS and _wrapped_by_a_program(exact)
    wrapped = exact if surely else _asked(lines, exact=False)
    if wrapped is None or not (surely or _prose(lines)):
        return text
    sure = surely or _typeset(wrapped)
    if told is not None and (sure or (wrapped.near.mean() >= _SUSPICIOUS and wrapped.full.mean() >= _HALF_FULL)):
        told(Wrapping(wrapped.width, sure))
    return _joined(wrapped, greedy=surely) if sure else text


def words_whole(text: str) -> str:
    """`text`, which was wrapped, without the line breaks behind hyphens that a language left: the hyphen is kept.

    >>> words_whole("Lõuna-\\nEesti")
    'Lõuna-Eesti'
    """
    return _PARTED_END.sub("", text)


def _asked(lines: list[str], *, exact: bool) -> _Lines | None:
    """The lines with their width: that of the longest, or of the longest but for one in fifty."""
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    held = np.sort(lengths[lengths > 0])
    width = int(held[-1] if exact else held[int(0.98 * (len(held) - 1))])
    if width not in WIDTHS:
        return None
    followed = [i for i in range(len(lines) - 1) if lines[i] and lines[i + 1] and not lines[i + 1][0].isspace()]
    return _Lines(lines, lengths, np.array(followed), width) if len(followed) >= _LEAST_LINES else None


def _wrapped_by_a_program(wrapped: _Lines) -> bool:
    """Whether nearly every line ends where the next word would not have fitted: in verse and lists it mostly would."""
    full = wrapped.full
    different = set(wrapped.lengths[wrapped.followed[full]].tolist())
    return bool(full.mean() >= _SURELY_FULL and len(different) >= _LENGTHS)


def _prose(lines: list[str]) -> bool:
    """Whether sentences end inside of lines, more than where lines do, and the lines are no list and no table."""
    held = [line for line in lines if line]
    marked = sum(bool(_ITEM.match(line) or _GAPS.search(line)) for line in held)
    if marked > _MARKED * len(held):
        return False
    inside = sum(len(_INSIDE.findall(line)) for line in held)
    at_ends = sum(bool(_END.search(line)) for line in held)
    words = sum(len(line.split()) for line in held)
    return inside >= at_ends and 100 * inside >= _ENDS_INSIDE * words


def _typeset(wrapped: _Lines) -> bool:
    """Whether lines of prose end where the next word would not have fitted, or near the width and in mid-sentence."""
    full, near = wrapped.full, wrapped.near
    if len(set(wrapped.lengths[wrapped.followed[full | near]].tolist())) < _LENGTHS:
        return False
    typeset = near.mean() >= _NEARLY_ALL and full.mean() >= _HALF_FULL
    return bool(full.mean() >= _FULL or (typeset and _goes_on(wrapped)))


def _goes_on(wrapped: _Lines) -> bool:
    """Whether most lines break off, and what follows goes on with a small letter.

    A script without small letters does not tell so: couplets of one length are as near to the width, and stay.
    """
    break_off = wrapped.break_off
    if 2 * break_off.sum() < len(break_off):
        return False
    firsts = [wrapped.lines[i + 1].lstrip("„“«\"'([")[:1] for i in wrapped.followed[break_off]]
    cased = [first for first in firsts if first.lower() != first.upper()]
    return 2 * len(cased) >= len(firsts) and sum(map(str.islower, cased)) >= _SMALL * len(cased)


def _joined(wrapped: _Lines, greedy: bool) -> str:
    lines = wrapped.lines
    if marks := _page_marks(lines, wrapped.width):
        lines = _without(lines, marks, wrapped.width)
        wrapped = _asked(lines, exact=False) or wrapped
    goes_on = wrapped.near if _blank_between(lines) else wrapped.near & wrapped.break_off
    ends = wrapped.full if greedy else wrapped.full | goes_on
    joins = {i for i in wrapped.followed[ends].tolist() if greedy or _may_join(lines, i)}
    parts = [line + (" " if i in joins and not _PARTED.search(line) else "\n") for i, line in enumerate(lines)]
    return "".join(parts).rstrip()


def _may_join(lines: list[str], i: int) -> bool:
    """Whether line `i` may go on in the next, which begins no item and no speech."""
    following = lines[i + 1]
    if not _ITEM.match(following):
        return True
    few = sum(bool(_DASH.match(line)) for line in lines) <= _DASHES * len(lines)
    return bool(_DASH.match(following)) and few and not _END.search(lines[i]) and not lines[i].endswith(":")


def _blank_between(lines: list[str]) -> bool:
    """Whether a blank line, and not a short last line alone, ends paragraphs."""
    ends = [(line, following) for line, following in itertools.pairwise(lines) if line and _END.search(line)]
    width = max(map(len, lines))
    short = [following for line, following in ends if len(line) < _NEAR * width]
    return "" in lines and 2 * short.count("") >= len(short)


def _page_marks(lines: list[str], width: int) -> set[int]:
    """Places of the numbers of pages, which go up by one, and of the heads and feet beside them that come again."""
    numbered = [(i, int(found[1])) for i, line in enumerate(lines) if (found := _NUMBER.fullmatch(line))]
    numbers = [number for _, number in numbered]
    ups = sum(after - before == 1 for before, after in itertools.pairwise(numbers))
    if len(numbers) < _PAGES or ups < _NEARLY_ALL * (len(numbers) - 1):
        return set()
    marks = {i for i, _ in numbered}
    beside: list[int] = []
    for i in marks:
        for way in (-1, 1):
            place = i + way
            while 0 <= place < len(lines) and not lines[place]:
                place += way
            if 0 <= place < len(lines) and place not in marks:
                beside.append(place)
    again = Counter(_DIGITS.sub("", lines[i]) for i in beside)
    heads = {head for head, times in again.items() if times >= _SAME_HEAD and len(head) <= width}
    return marks | {i for i, line in enumerate(lines) if line and _DIGITS.sub("", line) in heads}


def _without(lines: list[str], marks: set[int], width: int) -> list[str]:
    """`lines` without the marks of pages; what breaks off before them goes on behind them."""
    out: list[str] = []
    crossed = False
    for i, line in enumerate(lines):
        if i in marks:
            crossed = True
            continue
        if crossed and line:
            while out and not out[-1]:
                out.pop()
            last = out[-1] if out else ""
            small = line[0].islower() or line[0].lower() == line[0].upper()
            if out and not (len(last) >= _NEAR * width and not _END.search(last) and small):
                out.append("")
            crossed = False
        out.append(line)
    return out
