"""CSV, TSV, Parquet and Arrow: rows with a text column."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ulmkit.document import Unreadable
from ulmkit.errors import UsageError
from ulmkit.formats import reasons
from ulmkit.formats.arrow import ArrowFile
from ulmkit.formats.fields import (
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
from ulmkit.formats.table_rows import TableRows


def read_table(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row. `text_field` is a column's name, or its number from 1."""
    rows = TableRows(text_lines(stream, origin), origin)
    if doubt := rows.doubt:
        yield doubt
    field, names = origin.text_field, rows.names
    if field and field.isdecimal() and field not in names and 0 < int(field) <= len(names):
        origin = replace(origin, text_field=names[int(field) - 1])
    yield from documents(rows, origin)


def read_parquet(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row; only the text and the facts beside it are read, a row group at a time."""
    import pyarrow.parquet as pq

    yield from _read_columns(stream, origin, lambda source: pq.ParquetFile(source, memory_map=False, pre_buffer=False))


def read_arrow(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row of an Arrow file (Feather), or stream, as Hugging Face's datasets keep their tables."""
    yield from _read_columns(stream, origin, ArrowFile)


def _read_columns(stream: Stream, origin: Origin, opened: Callable[[Any], Any]) -> Iterator[Record]:
    import pyarrow as pa

    if stream.path is not None:
        source: Any = stream.path
    else:
        data = origin.whole(stream)
        if isinstance(data, Unreadable):
            yield data
            return
        source = io.BytesIO(data)
    try:
        file = opened(source)
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
        yield from documents(_column_rows(file, columns, origin), origin, choice)


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


def _column_rows(file: Any, columns: list[str], origin: Origin) -> Iterator[NumberedRecord]:
    import pyarrow as pa

    number = 0
    try:
        for batch in file.iter_batches(batch_size=512, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        yield origin.unreadable(reasons.DAMAGED, str(error).splitlines()[0], number + 1)
