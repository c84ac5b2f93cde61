"""CSV, TSV and Parquet: rows with a text column."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ulmkit.document import Unreadable
from ulmkit.errors import UsageError
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.fields import (
    NEVER_TEXT,
    TEXT_FIELDS,
    Choice,
    NumberedRecord,
    choose,
    documents,
    kind_called,
    known_text,
)
from ulmkit.formats.lines import text_lines
from ulmkit.formats.origin import Origin, Record
from ulmkit.formats.record_facts import FACT_COLUMNS, plain_key
from ulmkit.formats.streams import Stream

KNOWN_COLUMNS = frozenset((*TEXT_FIELDS, *NEVER_TEXT, "label", "category", "class", "topic", "row", "index", "lang"))
SAMPLE_ROWS = 200


class Dialect(csv.excel):
    """A dialect whose delimiter and quoting were found by looking."""

    def __init__(self, delimiter: str, quoted: bool) -> None:
        self.delimiter = delimiter
        self.quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        super().__init__()


def rows_of(lines: Sequence[str], dialect: Dialect) -> list[list[str]]:
    """The rows that `dialect` makes of `lines`; none where it breaks."""
    try:
        return [row for row in csv.reader(lines, dialect) if row]
    except csv.Error:
        return []


def consistency(rows: list[list[str]]) -> tuple[float, int]:
    """Share of rows with the most usual number of cells, and that number."""
    if not rows:
        return 0.0, 0
    (width, times), *_ = Counter(map(len, rows)).most_common(1)
    return times / len(rows), width


def find_dialect(lines: Sequence[str], name: str) -> tuple[Dialect, float, int]:
    """The delimiter and quoting under which most rows have equally many cells, with share and number of cells."""
    favourite = "\t" if name.endswith((".tsv", ".tab")) else ","
    best: tuple[tuple[float, bool], Dialect, float, int] | None = None
    for delimiter in ("\t", ",", ";", "|"):
        dialect = Dialect(delimiter, delimiter != "\t" or quotes_are_marks(lines))
        rows = rows_of(lines, dialect)
        # a sample may end inside a quoted cell
        share, width = consistency(rows[:-1] if len(rows) > 3 else rows)
        # one column only fits everything, so it says little
        rank = (round(share, 2) if width > 1 else 0.3, delimiter == favourite)
        if best is None or rank > best[0]:
            best = (rank, dialect, share, width)
    assert best is not None
    return best[1:]


def quotes_are_marks(lines: Sequence[str]) -> bool:
    """Whether cells between tabs are quoted, or a quote at their start is the text's own.

    >>> quotes_are_marks(['1\\t"Tere", ütles ta.\\n']), quotes_are_marks(['1\\t"Tere"\\n'])
    (False, True)
    """
    cells = [cell for line in lines for cell in line.rstrip("\r\n").split("\t") if cell.startswith('"')]
    return all(len(cell) > 1 and cell.endswith('"') for cell in cells)


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: known names, or short cells unlike all below them.

    >>> has_header([["text", "label"], ["Tere hommikust, armas maailm", "1"]])
    True
    >>> has_header([["neutraalne", "Tere hommikust"], ["neutraalne", "Head ööd"]])
    False
    """
    first, rest = rows[0], rows[1:]
    if any(not cell.strip() or len(cell) > 60 or "\n" in cell for cell in first) or len(set(first)) < len(first):
        return False
    if any(cell.strip().lower().lstrip("\ufeff") in KNOWN_COLUMNS for cell in first):
        return True
    if not rest or any(cell.replace(".", "", 1).lstrip("-").isdigit() for cell in first):
        return False
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    if not columns or any(cell in column for cell, column in zip(first, columns, strict=True)):
        return False
    lengths = [sum(map(len, column)) / len(column) for column in columns]
    longest = lengths.index(max(lengths))
    return len(first[longest]) * 4 < lengths[longest] and " " not in first[longest].strip()


def read_table(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row. `text_field` is a column's name, or its number from 1."""
    csv.field_size_limit(max(csv.field_size_limit(), origin.limits.record))
    complaints: list[Unreadable] = []
    numbered = text_lines(stream, origin)
    ahead: list[str] = []
    for _, line in numbered:
        if isinstance(line, Unreadable):
            complaints.append(line)
        else:
            ahead.append(line)
            if len(ahead) >= SAMPLE_ROWS:
                break
    if not ahead:
        yield from complaints
        return
    dialect, _, width = find_dialect(ahead, origin.name.lower())
    sample = rows_of(ahead, dialect)
    header = sample[0] if sample and has_header(sample) else None
    names = [cell.strip().lstrip("\ufeff") for cell in header] if header else []
    names += [f"column{number}" for number in range(len(names) + 1, width + 1)]

    def lines() -> Iterator[str]:
        yield from ahead
        for _, line in numbered:
            if isinstance(line, Unreadable):
                complaints.append(line)
            else:
                yield line

    def rows() -> Iterator[NumberedRecord]:
        reader = csv.reader(lines(), dialect)
        number = 0
        while True:
            while complaints:
                yield complaints.pop(0)
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                yield origin.unreadable(reasons.BAD_RECORD, error, number + 1)
                continue
            number += 1
            if not row or (number == 1 and header is not None):
                continue
            if len(row) < width:
                detail = f"{len(row)} cells instead of {width}"
                yield origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(dialect.delimiter.join(row)))
            else:
                yield number, dict(zip(names, row, strict=False))
        yield from complaints

    field = origin.text_field
    if field and field.isdecimal() and field not in names and 0 < int(field) <= width:
        from dataclasses import replace

        origin = replace(origin, text_field=names[int(field) - 1])
    yield from documents(rows(), origin)


def read_parquet(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row; only the text and the facts beside it are read, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if stream.path is not None:
        source: Any = stream.path
    else:
        data = origin.whole(stream)
        if isinstance(data, Unreadable):
            yield data
            return
        source = io.BytesIO(data)
    try:
        file = pq.ParquetFile(source, memory_map=False, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        text = str(error).splitlines()[0]
        cut = "magic bytes" in text or "footer" in text.lower() or "truncated" in text.lower()
        yield origin.unreadable(reasons.TRUNCATED if cut else reasons.DAMAGED, text)
        return
    with file:
        try:
            columns, choice = _columns(file, origin)
        except UsageError as error:
            yield origin.unreadable(reasons.NO_TEXT, error)
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            yield origin.unreadable(reasons.DAMAGED, str(error).splitlines()[0])
            return
        yield from documents(_parquet_rows(file, columns, origin), origin, choice)


def _columns(file: Any, origin: Origin) -> tuple[list[str], Choice]:
    """The columns worth reading, and which of them is the text: by name and type first, then by a few rows of all.

    Beside it stand the usual facts, and the other columns that are called a plain text, for rows in which it is null.
    """
    sample: list[Mapping[str, Any]] = []
    for batch in file.iter_batches(batch_size=32):
        sample = batch.to_pylist()
        break
    names = list(file.schema_arrow.names)
    called = [name for name in names if known_text(name)]
    choice = choose(sample, origin.text_field)
    if called and not origin.text_field and (choice is None or choice.path[0] not in called):
        choice = choose(_first_filled(file, called), None) or choice
    if choice is None or choice.path[0] not in names:
        raise UsageError(f"columns: {', '.join(names)[:150]}. Say which with --text-field")
    facts = FACT_COLUMNS | {plain_key(origin.licence_field)}
    text = choice.path[0]
    others = [] if origin.text_field else [name for name in called if kind_called(name) == "text"]
    return [text, *(n for n in names if n != text and (n in others or plain_key(n) in facts))], choice


def _first_filled(file: Any, columns: list[str]) -> list[Mapping[str, Any]]:
    """The first rows in which any of the columns is filled; they may stand far behind the first."""
    for batch in file.iter_batches(batch_size=512, columns=columns):
        if found := [row for row in batch.to_pylist() if any(value is not None for value in row.values())]:
            return found[:32]
    return []


def _parquet_rows(file: Any, columns: list[str], origin: Origin) -> Iterator[NumberedRecord]:
    import pyarrow as pa

    number = 0
    try:
        for batch in file.iter_batches(batch_size=512, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        yield origin.unreadable(reasons.DAMAGED, str(error).splitlines()[0], number + 1)
