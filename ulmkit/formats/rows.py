"""Tables as rows of cells with their line numbers: CSV, TSV, JSON and Parquet, packed or not."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ulmkit.document import Unreadable
from ulmkit.errors import InputError, system_error
from ulmkit.files import RegularFile
from ulmkit.formats import reasons
from ulmkit.formats.fields import NumberedRecord
from ulmkit.formats.json import json_document_records, json_line_records
from ulmkit.formats.lines import text_lines
from ulmkit.formats.origin import Origin, scalar
from ulmkit.formats.read import plain_name
from ulmkit.formats.recognise import recognise
from ulmkit.formats.streams import CODECS, LIMITS, ByteBudget, FileBytes, Stream, decompressed
from ulmkit.formats.table_rows import TableRows
from ulmkit.names import stored_name

TableRow = tuple[int, dict[str, Any]]  # its line, and its cells by column


def rows_of_file(path: Path, *, lines: bool = False, layout: str = "") -> Iterator[TableRow | Unreadable]:
    """The rows of a CSV, TSV, JSON lines or Parquet file, packed or not, with complaints about what is none.

    With `lines` a plain text has rows, too: each of its lines is a single cell, with all commas and quotation marks.
    That the layout is not sure (`reasons.UNSURE`) comes before the first row; `layout` says it (see `table_told`), and
    then a text is a table.
    Raises `InputError` for a file that cannot be opened, or is no table.
    """
    shown = stored_name(path.name)
    origin = Origin(shown, shown, path.name, table=layout)
    try:
        file = RegularFile(path)
    except OSError as error:
        advice = "Give a file that can be read."
        raise InputError(system_error(error, path, cannot="cannot be read", advice=advice)) from error
    with file:
        stream, budget = Stream(FileBytes(file, None), path), ByteBudget(file.size, LIMITS)
        name = path.name
        while (found := recognise(stream.head(), name)).name in CODECS:
            if origin.depth >= LIMITS.nesting:
                raise InputError(f"{shown}: packed more than {LIMITS.nesting} times. Unpack it first.")
            name = plain_name(name)
            origin = origin.inside(name)
            stream = decompressed(stream, CODECS[found.name], LIMITS, budget)
        readers = {
            "table": _cells,
            "json lines": lambda stream, origin: _objects(json_line_records(stream, origin)),
            "text": _lines if lines and not layout else _cells,
            "json": lambda stream, origin: _objects(json_document_records(stream, origin)[0]),
        }
        if found.name == "parquet":
            yield from _parquet(stream, origin)
        elif found.name in readers:
            yield from readers[found.name](stream, origin)
            if stream.failure:
                yield origin.unreadable(*stream.failed())
        elif stream.head():
            what = found.detail or f"is read as {found.name}" if found.name or found.detail else "no table"
            raise InputError(f"{shown}: {what}. Give a CSV, TSV, JSON lines or Parquet file.")


def _cells(stream: Stream, origin: Origin) -> Iterator[TableRow | Unreadable]:
    """Rows of CSV or TSV, each with the line that it begins on. Columns without names are column1, column2 …"""
    rows = TableRows(text_lines(stream, origin), origin)
    if doubt := rows.doubt:
        yield doubt
    yield from cast(Iterator[TableRow | Unreadable], rows)  # decoded strictly: no cell holds half a character


def _lines(stream: Stream, origin: Origin) -> Iterator[TableRow | Unreadable]:
    """Lines of a plain text, those that say nothing left out."""
    for number, line in text_lines(stream, origin):
        if isinstance(line, Unreadable):
            yield line
        elif not line.isspace():
            yield number, {"column1": scalar(line.rstrip("\r\n"))}


def _objects(records: Iterator[NumberedRecord]) -> Iterator[TableRow | Unreadable]:
    """Objects of JSON."""
    for record in records:
        if isinstance(record, tuple):
            number, value = record
            yield number, {scalar(str(key)): each for key, each in value.items()}
        elif isinstance(record, Unreadable):
            yield record


def _parquet(stream: Stream, origin: Origin) -> Iterator[TableRow | Unreadable]:
    """Rows of Parquet; a file that is packed besides has to fit in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        source: Any = stream.path
        if source is None:
            data = origin.whole(stream)
            if isinstance(data, Unreadable):
                yield data
                return
            source = io.BytesIO(data)
        with pq.ParquetFile(source, memory_map=False, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=512):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        yield origin.unreadable(reasons.DAMAGED, str(error).splitlines()[0] if str(error) else "", number + 1)
