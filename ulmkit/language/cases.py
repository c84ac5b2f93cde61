"""The cases a language folder keeps: what its operations do, what passes unchanged, what is junk, what is a relative's.

All are text files that people write, so each reader names the line of what it cannot read.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ulmkit.errors import LanguageError, shown
from ulmkit.language.forms import STANDARD
from ulmkit.language.places import folder_text

EXAMPLES, KEEP, JUNK, RELATIVES = "examples.tsv", "keep.txt", "junk.txt", "relatives.tsv"
SENTENCES = "sentences.txt"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[ntr])")


@dataclass(frozen=True)
class Group:
    """A heading of examples.tsv, `# id | what | default | remark`: an entry of the language's list of operations."""

    id: str
    what: str
    default: str
    remark: str
    line: int


@dataclass(frozen=True)
class Example:
    """One line of examples.tsv: what `operation` makes of `raw`, when all operations have run.

    `form` is the profile that was asked, or `match`; `cells` are raw and normal text as the file writes them.
    """

    operation: str
    raw: str
    normal: str
    line: int
    form: str = STANDARD
    group: Group | None = None
    cells: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Case:
    """A string to keep, a junk page, or (`name`) a text of a close language, with the line it starts on."""

    text: str
    line: int
    name: str = ""


@dataclass(frozen=True)
class SentenceCase:
    """A line of sentences.txt: a text as people write it, and its sentences."""

    text: str
    sentences: tuple[str, ...]
    line: int


def read_escapes(cell: str) -> str:
    r"""`cell` with `\u200c`, `\U0001f600`, `\n`, `\t` and `\r` as the characters they name; what names none stays."""

    def character(match: re.Match[str]) -> str:
        named = {"n": "\n", "t": "\t", "r": "\r"}.get(match[1])
        point = 0 if named else int(match[1][1:], 16)
        return named or (chr(point) if point <= sys.maxunicode else match[0])

    return _ESCAPE.sub(character, cell)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) of the lines that say something; a remark starts with `# `, because `#tag` is a case."""
    if os.path.lexists(path):
        for number, line in enumerate(folder_text(path).split("\n"), 1):
            if line and line != "#" and not line.startswith("# "):
                yield number, line


def _cells(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    for number, line in _lines(path):
        cells = line.split("\t")
        if len(cells) != len(names):
            wanted = f"{', '.join(names[:-1])} and {names[-1]}"
            raise LanguageError(f"{shown(path)}:{number}: expected {wanted}, separated by tabs.")
        yield number, cells


def read_groups(path: Path) -> tuple[Group, ...]:
    """The headings of examples.tsv, in order: remarks of four parts, the first of which is one word."""
    groups = []
    for number, line in enumerate(folder_text(path).split("\n") if os.path.lexists(path) else (), 1):
        parts = [part.strip() for part in line.removeprefix("# ").split("|", 3)]
        if line.startswith("# ") and len(parts) == 4 and " " not in parts[0]:
            groups.append(Group(parts[0], parts[1], parts[2], parts[3], number))
    return tuple(groups)


def read_examples(path: Path) -> tuple[Example, ...]:
    """The lines of examples.tsv: operation, raw text, text in normal form, and which form where it is not standard."""
    found = []
    groups = read_groups(path)
    for number, line in _lines(path):
        cells = line.split("\t")
        if len(cells) not in (3, 4):
            wanted = "operation, raw text and text in normal form"
            raise LanguageError(f"{shown(path)}:{number}: expected {wanted}, separated by tabs.")
        group = max((group for group in groups if group.line < number), key=lambda group: group.line, default=None)
        form = cells[3] if len(cells) == 4 else STANDARD
        raw, normal = read_escapes(cells[1]), read_escapes(cells[2])
        found.append(Example(cells[0], raw, normal, number, form, group, (cells[1], cells[2])))
    return tuple(found)


def read_keep(path: Path) -> tuple[Case, ...]:
    """The strings of keep.txt, one a line, which pass unchanged."""
    return tuple(Case(line, number) for number, line in _lines(path))


def read_relatives(path: Path) -> tuple[Case, ...]:
    """The lines of relatives.tsv: a close language's name, and a text in it that must not count as this language."""
    rows = _cells(path, ("a close language's name", "a text in it"))
    return tuple(Case(read_escapes(text), number, name) for number, (name, text) in rows)


def read_labelled(path: Path) -> tuple[Case, ...]:
    """The rows of a bundled labelled set, below its heading `label`, `text`: each text with its label as its name."""
    rows = list(_cells(path, ("a label", "a text")))
    if not rows or rows[0][1] != ["label", "text"]:
        raise LanguageError(f"{shown(path)}:1: expected the heading label, text, separated by a tab.")
    for number, cells in rows[1:]:
        if empty := next((name for name, cell in zip(rows[0][1], cells, strict=True) if not cell.strip()), ""):
            raise LanguageError(f"{shown(path)}:{number}: no {empty}.")
    return tuple(Case(text, number, label) for number, (label, text) in rows[1:])


def read_sentences(path: Path) -> tuple[SentenceCase, ...]:
    """The lines of sentences.txt: `|` stands where a sentence ends and the next begins.

    The text is the line without its bars; the sentences are the parts between them, without the spaces at their edges.
    Normalize the text, split it, and compare with the sentences, normalized.
    """
    return tuple(
        SentenceCase(line.replace("|", ""), tuple(part.strip(" ") for part in line.split("|")), number)
        for number, line in _lines(path)
    )


def read_junk(path: Path) -> tuple[Case, ...]:
    """The pages of junk.txt, parted by empty lines: what a crawl brings home and no corpus wants."""
    start = 0
    pages: list[Case] = []
    lines: list[str] = []
    text = folder_text(path) if os.path.lexists(path) else ""
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.startswith("# "):
            continue
        if line.strip():
            start = start if lines else number
            lines.append(line)
        elif lines:
            pages.append(Case("\n".join(lines), start))
            lines = []
    return tuple(pages)
