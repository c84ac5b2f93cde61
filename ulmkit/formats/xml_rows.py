"""Dumps that are a row element a record, its fields attributes: Stack Exchange's `<row Id=… Body=… />`.

Streamed: the parser is handed a piece at a time and holds one row. What declares a document type is refused unread.
"""

from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.fields import NumberedRecord, documents
from ulmkit.formats.lines import unified
from ulmkit.formats.origin import Origin, Record
from ulmkit.formats.streams import BUFFER, Stream
from ulmkit.text.encoding import declared_in


class _Declared(Exception):  # noqa: N818 — what was found
    """A document type declaration: nothing after it is looked at."""


def read_xml_rows(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a row, its text chosen among the attributes as among the fields of JSON."""
    even = unified(stream, origin, declared_in(stream.head()))
    if isinstance(even, Unreadable):
        yield even
        return
    yield from documents(_rows(even, origin), origin)


def _rows(stream: Stream, origin: Origin) -> Iterator[NumberedRecord]:
    """The rows with their numbers, from 1; after a fault nothing more can be told apart."""
    parser = expat.ParserCreate("utf-8")
    found: list[dict[str, Any]] = []

    def begun(name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            found.append(dict(attributes))

    def declared(*_: object) -> None:
        raise _Declared

    parser.StartElementHandler = begun
    parser.StartDoctypeDeclHandler = declared
    number, data, unread = 0, b"-", 0
    while data:
        data = stream.read(BUFFER)
        if not data and stream.failure is not None:
            return  # the cut is told by whoever cut it
        fault = _fed(parser, data)
        unread = 0 if found else unread + len(data)
        for row in found:
            number += 1
            yield number, row
        found.clear()
        if fault:
            yield origin.unreadable(*fault, number + 1)
            return
        if unread > origin.limits.record:
            yield origin.unreadable(reasons.TOO_LARGE, f"a row over {origin.limits.record:,} bytes", number + 1)
            return


def _fed(parser: Any, data: bytes) -> tuple[str, str] | None:
    """What is wrong after so much more, if anything is."""
    try:
        parser.Parse(data, not data)
    except _Declared:
        return reasons.DOCUMENT_TYPE, "XML that declares a document type is not read"
    except expat.ExpatError as error:
        return (reasons.BAD_RECORD, f"no XML: {error}") if data else (reasons.TRUNCATED, "the XML is not closed")
    return None
