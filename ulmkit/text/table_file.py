"""What the lines of characters.tsv and match.tsv say.

A line is source, target and reason, between tabs, in code points; a fourth cell says where it holds:

    U+064A            U+06CC            reason           a character
    U+0610..U+061A                      reason           a range is deleted: no target
    U+FF21..U+FF3A    U+0041..U+005A    reason           a range, each to its own
    U+06CC U+0654     U+0626            reason           a sequence
    U+003A U+0020? U+003A    U+1361     reason           with a space between or without one
    U+00B7            U+00B7            reason   between letters

Blank lines and lines that start with `#` are left out. A line that says where comes before one for the same source that
does not; one that maps a source to itself keeps it there.
"""

import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from ulmkit.errors import LanguageError
from ulmkit.text.characters import CharacterRow, in_code_points

# where a line may hold, by the neighbours of its source; `word`: it is a word of its own, which spaces part from others
WHERE = (
    "between letters", "between digits", "after a letter", "before a letter", "after a digit", "before a digit",
    "at a word's start", "at a word's end", "word",
)  # fmt: skip
_POINT = re.compile(r"U\+([0-9A-Fa-f]{4,6})")
_OPTIONAL = re.compile(r"U\+([0-9A-Fa-f]{4,6})\?")
_RANGE = re.compile(r"U\+([0-9A-Fa-f]{4,6})\.\.U\+([0-9A-Fa-f]{4,6})")


def _point(word: str, where: str) -> str:
    match = _POINT.fullmatch(word)
    if not match or int(match[1], 16) > sys.maxunicode:
        raise LanguageError(f"{where}: '{word}' is not a code point. Write it as U+06CC.")
    return chr(int(match[1], 16))


def _range(cell: str, where: str) -> list[str] | None:
    """The characters of a range; None where the cell is none."""
    span = _RANGE.fullmatch(cell.strip())
    if not span:
        return None
    low, high = int(span[1], 16), int(span[2], 16)
    if not low <= high <= sys.maxunicode:
        raise LanguageError(f"{where}: the range {cell.strip()} is empty. Put the lower end first.")
    return [chr(point) for point in range(low, high + 1)]


def _sources(cell: str, where: str) -> list[str]:
    """What a source cell stands for: the characters of a range, or a sequence with and without what is optional."""
    if (span := _range(cell, where)) is not None:
        return span
    parts = []
    for word in cell.split():
        optional = _OPTIONAL.fullmatch(word)
        parts.append((_point(word[:-1], where), "") if optional else (_point(word, where),))
    return list(dict.fromkeys("".join(each) for each in product(*parts)))


def _targets(cell: str, sources: list[str], where: str) -> list[str]:
    """The target of each source."""
    span = _range(cell, where)
    if span is None:
        return ["".join(_point(word, where) for word in cell.split())] * len(sources)
    if len(span) != len(sources):
        raise LanguageError(
            f"{where}: {len(sources):,} sources and {len(span):,} targets. Give ranges of the same length."
        )
    return span


def parse_table(path: Path, name: str = "") -> tuple[CharacterRow, ...]:
    """`parse_rows` of the TSV at `path`."""
    return parse_rows(path.read_text(encoding="utf-8-sig"), name or str(path))


def parse_rows(text: str, name: str) -> tuple[CharacterRow, ...]:
    """The rows of a table's `text`; `name` is what errors call the file.

    Raises `LanguageError` for a cell that does not parse, a line without a reason, an empty source, a character
    mapped to itself wherever it stands, and a source that is mapped twice.
    """
    rows: list[CharacterRow] = []
    first: dict[tuple[str, str], int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        for row in _rows(line, number, f"{name}:{number}"):
            key = row.source, row.where
            if key in first:
                raise LanguageError(
                    f"{name}:{number}: {in_code_points(row.source)} is mapped twice (first on line {first[key]})."
                )
            first[key] = number
            rows.append(row)
    return tuple(rows)


def _rows(line: str, number: int, where: str) -> Iterator[CharacterRow]:
    """The rows that a line stands for."""
    cells = line.split("\t")
    if len(cells) not in (3, 4) or not cells[2].strip():
        raise LanguageError(f"{where}: expected source, target and reason, separated by tabs.")
    holds = cells[3].strip() if len(cells) == 4 else ""
    if holds not in ("", "elsewhere", *WHERE):
        raise LanguageError(f"{where}: '{holds}' is no place. Known: {', '.join(WHERE)}; or leave it out.")
    holds = "" if holds == "elsewhere" else holds
    sources = _sources(cells[0], where)
    for source, target in zip(sources, _targets(cells[1], sources, where), strict=True):
        if not source:
            raise LanguageError(f"{where}: no source. Name a code point, as in U+064A.")
        if source == target and not holds:
            raise LanguageError(f"{where}: {in_code_points(source)} is mapped to itself. Remove the line.")
        yield CharacterRow(source, target, cells[2].strip(), number, holds)
