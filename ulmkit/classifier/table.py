"""Tables of texts and labels: which of their columns is which, and every row with its line."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ulmkit.document import Unreadable
from ulmkit.errors import InputError, UsageError
from ulmkit.formats import reasons
from ulmkit.formats.fields import TEXT_FIELDS
from ulmkit.formats.layout import LAYOUT_ROWS
from ulmkit.formats.origin import scalar
from ulmkit.formats.rows import TableRow, rows_of_file
from ulmkit.formats.table_told import told_layout
from ulmkit.names import readable, stored_name

LABEL_COLUMNS = ("label", "labels", "category", "class", "sentiment", "topic", "target", "tag")


@dataclass(frozen=True)
class Columns:
    """Which columns are asked for; None where the table is to say itself."""

    text: str | None = None
    label: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Examples:
    """Texts as a table has them, with labels (empty where none were asked for), ids, and lines to find them by."""

    name: str  # of the file or files
    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    files: tuple[str, ...] = ()  # of each text
    remarks: tuple[str, ...] = ()  # tables whose layout is not sure
    layout: str = ""  # as a person said it

    def where(self, row: int) -> str:
        """File and line of a text."""
        return f"{self.files[row]}:{self.lines[row]}" if self.lines else f"text {row + 1}"

    def part(self, rows: Sequence[int]) -> "Examples":
        """Some of the rows, in the order of their numbers in `rows`."""

        def of(column: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(column[row] for row in rows) if column else ()

        texts, labels, ids, lines, files = map(of, (self.texts, self.labels, self.ids, self.lines, self.files))
        return replace(self, texts=texts, labels=labels, ids=ids, lines=lines, files=files)


class Table:
    """One file of rows. `columns` are its names; iterating gives rows, and complaints about what is none.

    `remarks` say that it may be in another layout than it is read in; `layout` says which it has, such as
    `delimiter=tab,quote=none`.

    With `lines`, each line of a plain text is a row of one cell, whatever marks stand in it.
    """

    def __init__(self, path: Path, *, lines: bool = False, layout: str = "") -> None:
        self.path, self.name = path, stored_name(path.name)
        self._rows = rows_of_file(path, lines=lines, layout=layout)
        first = list(islice(self._rows, LAYOUT_ROWS))
        self.sample = [row for row in first if not isinstance(row, Unreadable)]
        if not self.sample:
            why = f" ({first[0].reason}: {first[0].detail})" if first and isinstance(first[0], Unreadable) else ""
            raise InputError(f"{self.name}: no rows in it{why}. Give a CSV, TSV, JSON lines or Parquet file.")
        self.columns = list(dict.fromkeys(key for _, row in self.sample for key in row))
        doubts = [row for row in first if isinstance(row, Unreadable) and row.reason == reasons.UNSURE]
        self.remarks = [row_problem(row, self.name) for row in doubts]
        self._first = [row for row in first if row not in doubts]

    def __iter__(self) -> Iterator[TableRow | Unreadable]:
        yield from self._first
        yield from self._rows

    def column(self, name: str | None, usual: Sequence[str], option: str) -> str:
        """The column called `name` (or its number from 1), or one with a usual name; else `UsageError`."""
        listed = f"Columns: {', '.join(readable(each, 30) for each in self.columns[:12])}."
        if name is not None:
            if name in self.columns:
                return name
            if name.isdecimal() and 0 < int(name) <= len(self.columns):
                return self.columns[int(name) - 1]
            near = difflib.get_close_matches(name, self.columns, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"{self.name}: no column '{readable(name)}'.{hint} {listed}")
        found = [each for each in self.columns if each.strip().lower() in usual]
        if not found:
            raise UsageError(f"{self.name}: which column? Say it with {option}. {listed}")
        return min(found, key=lambda each: list(usual).index(each.strip().lower()))


def cell_text(value: Any) -> str:
    """A cell as text; nothing of nothing, and a whole number without its point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return scalar(str(value))


def text_column(table: Table, columns: Columns) -> str:
    """The column that texts are read from: as asked, by a usual name, or the longest cells of a table without names."""
    unnamed = all(name.startswith("column") for name in table.columns)
    if columns.text is None and unnamed:
        return max(table.columns, key=lambda name: sum(len(cell_text(row.get(name))) for _, row in table.sample))
    return table.column(columns.text, list(TEXT_FIELDS), "--text-column")


def label_column(table: Table, columns: Columns, text: str) -> str:
    """The column that labels are read from: as asked, by a usual name, or the other one of two without names."""
    others = [name for name in table.columns if name != text]
    if columns.label is None and len(others) == 1 and others[0].startswith("column"):
        return others[0]
    return table.column(columns.label, LABEL_COLUMNS, "--label-column")


def row_problem(row: Unreadable, name: str) -> str:
    """Where a row of the file `name` stands that cannot be read, and why."""
    line = row.where.rpartition("#")[2] if "#" in row.where else ""
    where = f"{name}:{line}" if line.isdecimal() else name
    return f"{where}: {row.reason}{f' ({row.detail})' if row.detail else ''}"


def refused_row(row: Unreadable, name: str) -> InputError:
    """The error for a row that cannot be read."""
    return InputError(f"{row_problem(row, name)}. Mend it, or --skip-bad.")


def labelled_rows(
    paths: Sequence[Path], columns: Columns, *, labelled: bool = True, skip_bad: bool = False, layout: str = ""
) -> tuple[Examples, int]:
    """All rows of `paths`, and how many were left out with `skip_bad`: unreadable, without a text, without a label.

    Without `skip_bad` the first such row is an `InputError` with its line; unlabelled rows without a text are left out
    always. `layout` says how the tables are written. Raises `UsageError` for a column that is not there.
    """
    texts: list[str] = []
    labels: list[str] = []
    ids: list[str] = []
    lines: list[int] = []
    files: list[str] = []
    remarks: list[str] = []
    bad = 0
    for path in paths:
        table = Table(path, lines=not labelled and columns.text is None, layout=layout)
        remarks += table.remarks
        text_name = text_column(table, columns)
        label_name = label_column(table, columns, text_name) if labelled else ""
        id_name = table.column(columns.id, (), "--id-column") if columns.id else ""
        for row in table:
            problem = None
            if isinstance(row, Unreadable):
                problem = refused_row(row, table.name)
            else:
                line, cells = row
                text, given = cell_text(cells.get(text_name)), cells.get(label_name)
                if isinstance(given, list | tuple | dict):
                    raise InputError(f"{table.name}:{line}: several labels of one text are not learned. Give one each.")
                label = cell_text(given)
                if not text.strip():
                    problem = InputError(f"{table.name}:{line}: no text. Mend it, or --skip-bad.")
                elif labelled and not label.strip():
                    problem = InputError(f"{table.name}:{line}: no label. Mend it, or --skip-bad.")
            if problem:
                if labelled and not skip_bad:
                    raise problem
                bad += 1
                continue
            texts.append(text)
            labels.append(label)
            ids.append(cell_text(cells.get(id_name)) if id_name else "")
            lines.append(line)
            files.append(table.name)
    name = ", ".join(stored_name(path.name) for path in paths)
    if not texts:
        raise InputError(f"{name}: no row with a text{' and a label' if labelled else ''}. Give another table.")
    return Examples(
        name,
        tuple(texts),
        tuple(labels) if labelled else (),
        tuple(ids) if columns.id else (),
        tuple(lines),
        tuple(files),
        tuple(remarks),
        str(told_layout(layout)),
    ), bad
