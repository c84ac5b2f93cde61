"""The rows of a table in one layout: what stands between cells, which mark quotes them, and what escapes it."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

NO_DELIMITER = "\0"  # of a table of one column: no line that is read holds it
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "", "b": "", "f": "\n", "v": "\n", "Z": ""}

_PARTED = re.compile(r"\\\r+(?=[ntr0bfvZ]|\\[^\n])")  # an escape that a stray carriage return parts

LineAt = Callable[[int], str | None]  # the line so many further on; None where there is none


@dataclass(frozen=True)
class TableLayout:
    """What stands between cells, round them, and before a mark that ends none.

    `open_ended`: the last column holds the delimiter unquoted, so that what is over belongs to it. `all_escaped`: marks
    are escaped in cells that are not quoted too, as Python's csv does it and Spark does not; where nothing is quoted,
    that they are escaped themselves, and no letter stands for a line end or a tab as databases write it.
    """

    delimiter: str
    quote: str = '"'
    escape: str = ""
    open_ended: bool = False
    all_escaped: bool = False

    @property
    def quotes_said(self) -> str:
        """Which mark quotes cells, in words."""
        return f"{self.quote} quotes cells" if self.quote else "quotation marks belong to the texts"

    @property
    def escapes_said(self) -> str:
        """What a backslash is, in words."""
        return "a backslash escapes a mark" if self.escape else "backslashes belong to the texts"


@dataclass
class ReadRow:
    """The cells of a row, the lines it takes, how many of its cells were quoted, and how many of these had to be."""

    cells: list[str]
    lines: int = 1
    quoted: int = 0
    needed: int = 0


class Grammar:
    """Reads rows in one layout."""

    def __init__(self, layout: TableLayout) -> None:
        self.layout = layout
        quote, delimiter = re.escape(layout.quote), re.escape(layout.delimiter)
        stop = rf"[^{quote}\\]*+" if layout.escape else f"[^{quote or ' '}]*+"
        mark = quote or "(?!)"  # which nothing is
        inner = rf"(?:{quote}{quote}|\\.)" if layout.escape else quote * 2
        self.opening = re.compile(f"[ \r]*{quote}") if quote else None
        self.closing = re.compile(f"{stop}(?:{inner}{stop})*+{mark}", re.S)
        self.after = re.compile(rf"[ \r]*(?:({delimiter})|\r*\n?\Z)")
        self.unquoted = re.compile(rf"[^{delimiter}\\\n]*+(?:\\.[^{delimiter}\\\n]*+)*+", re.S)
        # a mark that ends a cell although others stand in it: an odd number of them before a delimiter or the end
        marks = rf"(?<!\\){quote}" if layout.escape else rf"(?<!{quote})(?:{quote}{quote})*{quote}"
        self.last_mark = re.compile(rf"{marks}(?=[ \r]*(?:{delimiter}|\r*\n?\Z))") if quote else None
        self.marked = re.compile(rf"\\([\\\n{quote}])")
        # outside of quotation marks a mark escapes only where nothing is quoted, or all is escaped
        self.special = layout.quote or layout.escape, layout.escape if layout.quote and layout.all_escaped else ""

    def is_plain(self, line: str) -> bool:
        """Whether `line` is a row whose cells can be had by splitting."""
        mark, second = self.special
        return not mark or (mark not in line and not (second and second in line))

    def split(self, line: str) -> list[str]:
        """The cells of `line` where nothing is quoted or escaped."""
        return line.rstrip("\r\n").split(self.layout.delimiter)

    def row(self, line: LineAt, most: int) -> ReadRow | None:
        """The row that begins at `line(0)`, by the letter of the layout; None where it breaks that.

        A cell that goes on over more than `most` characters is not waited for.
        """
        text = line(0)
        if text is None:
            return None
        if self.is_plain(text):
            return ReadRow(self.split(text))
        row, at = ReadRow([]), 0
        while True:
            if self.opening and (mark := self.opening.match(text, at)):
                found = self._quoted(row, text, mark.end(), line, most)
                if found is None or not (after := self.after.match(*found)):
                    return None
                text, at = found[0], after.end()
                if after[1] is None:
                    return row
                continue
            cell, text, at, ended = self._unquoted(row, text, at, line)
            row.cells.append(cell)
            if ended:
                return row

    def _quoted(self, row: ReadRow, text: str, at: int, line: LineAt, most: int) -> tuple[str, int] | None:
        """Take the quoted cell that begins at `at`; the line it ends in and the place behind it."""
        parts: list[str] = []
        size = 0
        while (end := self.closing.match(text, at)) is None:
            parts.append(text[at:])
            size += len(text) - at
            following = line(row.lines) if size <= most else None
            if following is None:
                return None
            text, at = following, 0
            row.lines += 1
        parts.append(text[at : end.end() - 1])
        cell = "".join(parts)
        row.quoted += 1
        quote, escape = self.layout.quote, self.layout.escape
        row.needed += self.layout.delimiter in cell or quote in cell or "\n" in cell
        if quote * 2 in cell:
            cell = cell.replace(quote * 2, quote)
        if escape and escape in cell:
            cell = self.marked.sub(r"\1", cell)
        row.cells.append(cell)
        return text, end.end()

    def _unquoted(self, row: ReadRow, text: str, at: int, line: LineAt) -> tuple[str, str, int, bool]:
        """The unquoted cell at `at`, the line it ends in, the place behind it, and whether the row ends there."""
        delimiter = self.layout.delimiter
        if not self.layout.escape or self.layout.quote:
            end = text.find(delimiter, at)
            cell = text[at:].rstrip("\r\n") if end < 0 else text[at:end]
            if self.layout.all_escaped and "\\" in cell:
                cell = self.marked.sub(r"\1", cell)
            return cell, text, end + 1, end < 0
        found = self.unquoted.match(text, at)
        while found and found.end() == len(text) and text.endswith("\n") and (following := line(row.lines)) is not None:
            text += following  # its line end was escaped
            row.lines += 1
            found = self.unquoted.match(text, at)
        end = found.end() if found else at
        ended = not text.startswith(delimiter, end)
        raw = text[at:].rstrip("\r\n") if ended else text[at:end]
        return self._unescaped(raw), text, end + 1, ended

    def _unescaped(self, raw: str) -> str:
        if "\\" not in raw or raw == "\\N":
            return "" if raw == "\\N" else raw
        # as databases write to files between tabs; elsewhere a letter behind the mark is a letter
        names = _ESCAPES if self.layout.delimiter == "\t" and not self.layout.all_escaped else {}
        if names and "\r" in raw:
            raw = _PARTED.sub("\\\\", raw)
        own = f"\\\n\r'\"{self.layout.delimiter}"
        return re.sub(r"\\(.)", lambda m: m[1] if m[1] in own else names.get(m[1], m[0]), raw, flags=re.S)

    def at_once(self) -> Callable[[str], list[str] | None]:
        """The cells of a row that is one line, nothing escaped and each mark inside of quoted cells doubled.

        What it gives None for may be a row all the same. Needs a layout that quotes.
        """
        quote, escape, pair = self.layout.quote, self.layout.escape, self.layout.quote * 2
        lines: list[str] = []

        def begin() -> Iterator[list[str]]:
            lines.clear()
            return csv.reader(iter(lines.pop, None), delimiter=self.layout.delimiter, quotechar=quote, strict=True)

        rows = begin()

        def cells_of(line: str) -> list[str] | None:
            nonlocal rows
            if escape and escape in line:
                return None
            lines.append(line)
            try:
                cells = next(rows)
            except (csv.Error, IndexError):  # no such row, or one that goes on in the next line
                rows = begin()
                return None
            # a mark stands in a cell that is not quoted
            if quote in "".join(cells) and (
                pair not in line
                or any(quote in cell and f"{quote}{cell.replace(quote, pair)}{quote}" not in line for cell in cells)
            ):
                return None
            return cells

        return cells_of

    def is_exact(self, line: str, row: ReadRow) -> bool:
        """Whether each mark in `line` opens or closes a cell of `row`, or was written as a mark in one."""
        inside = sum(cell.count(self.layout.quote) for cell in row.cells)
        written = line.count(self.layout.quote) - 2 * row.quoted
        return written == 2 * inside or (bool(self.layout.escape) and written == inside)

    def lenient(self, text: str) -> ReadRow | None:
        """The row on the line `text` whose cells hold marks that nobody doubled, where it can be one at all."""
        row, at = ReadRow([]), 0
        while self.opening and self.last_mark:
            mark = self.opening.match(text, at)
            if mark is None:
                end = text.find(self.layout.delimiter, at)
                row.cells.append(text[at:end] if end >= 0 else text[at:].rstrip("\r\n"))
                if end < 0:
                    return row
                at = end + 1
                continue
            last = self.last_mark.search(text, mark.end())
            if last is None or (after := self.after.match(text, last.end())) is None:
                return None
            cell = text[mark.end() : last.end() - 1].replace(self.layout.quote * 2, self.layout.quote)
            row.cells.append(self.marked.sub(r"\1", cell) if self.layout.escape else cell)
            row.quoted += 1
            if after[1] is None:
                return row
            at = after.end()
        return None


@lru_cache(maxsize=256)
def grammar_of(layout: TableLayout) -> Grammar:
    """The one grammar of a layout."""
    return Grammar(layout)
