"""Plain text: a file is one document, or holds one a line, or one between blank lines."""

from collections.abc import Iterator
from typing import Literal, get_args

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.lines import text_lines
from ulmkit.formats.origin import Origin, Record, decoded
from ulmkit.formats.streams import RawBytes, Stream
from ulmkit.text.encoding import Undecodable

Documents = Literal["line", "blank-line", "file"]  # what is one document of a plain text; none said: see `guessed`
DOCUMENTS: tuple[str, ...] = get_args(Documents)

LONGEST_TEXT = (
    2_000_000  # characters: a longer document is dropped by the default limit, so the file can only win by a cut
)
_ENOUGH = 200  # characters of a document that is kept by the default limit
_PLAINLY = 0.5  # of a text's characters, which must lie in documents of enough characters


class Rejoined(RawBytes):
    """What was read of a stream already, and then the rest of it."""

    def __init__(self, read: bytes, outer: Stream) -> None:
        super().__init__()
        self.ready, self.outer = memoryview(read), outer

    def produce(self, size: int) -> bytes:
        if self.ready:
            out, self.ready = bytes(self.ready[:size]), self.ready[size:]
            return out
        data = self.outer.read1(size)
        if not data:
            self.failure = self.outer.failure
        return data


def read_plain_text(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One document, or several where it was told so, or where one would be too long and the text is plainly many."""
    if origin.documents in ("line", "blank-line"):
        yield from _cut(stream, origin, origin.documents)
        return
    limit = origin.limits.record
    data = stream.read(limit + 1)
    if origin.documents != "file" and len(data) > LONGEST_TEXT:
        unit = _unit_of(data, origin)
        if unit:
            detail = f"taken for one document a {unit}, since it is too long for one; --documents file reads it as one"
            yield origin.unreadable(reasons.SEVERAL, detail, shown=excerpt(data))
            yield from _cut(Stream(Rejoined(data, stream)), origin, unit)
            return
    if len(data) > limit:
        detail = f"over {limit:,} bytes; say what is a document of it with --documents line or blank-line"
        yield origin.unreadable(reasons.TOO_LARGE, detail, shown=excerpt(data))
        return
    text = decoded(origin, data)
    yield text if isinstance(text, Unreadable) else origin.document(text, "text")


def _unit_of(data: bytes, origin: Origin) -> str:
    """What is plainly a document of a text too long for one; empty where nothing is, or it is not too long."""
    try:
        text = origin.decode(
            data[: 4 * LONGEST_TEXT + 4].rpartition(b"\n")[0] if len(data) > 4 * LONGEST_TEXT else data
        )
    except Undecodable:
        return ""
    return guessed(text) if len(text) > LONGEST_TEXT else ""


def guessed(text: str) -> str:
    """`line` or `blank-line`, whichever parts most of a text into documents of enough length; empty where neither does.

    Blank lines come first: where there are any between blocks of several lines, a line is a paragraph of a document.
    """
    lines = [line.strip() for line in text.splitlines()]
    blocks = [block for block in "\n".join(lines).split("\n\n") if block.strip()]
    several = sum(len(block) for block in blocks if "\n" in block.strip())
    units = {"line": lines, "blank-line": blocks}
    for unit in ("blank-line", "line") if 2 * several > len(text) and len(blocks) > 1 else ("line",):
        parts = units[unit]
        whole = sum(map(len, parts))
        if max(map(len, parts)) <= LONGEST_TEXT and sum(n for n in map(len, parts) if n >= _ENOUGH) >= _PLAINLY * whole:
            return unit
    return ""


def _cut(stream: Stream, origin: Origin, unit: str) -> Iterator[Record]:
    """A document for each line that is not blank, or the lines between blank ones, numbered by the first."""
    block: list[str] = []
    size = first = 0
    for number, line in text_lines(stream, origin):
        if isinstance(line, Unreadable):
            yield line
        elif unit == "line":
            if not line.isspace():
                yield origin.document(line.rstrip("\r\n"), "text", record=number)
        elif line.isspace():
            if block:
                yield _joined(block, size, origin, first)
            block, size = [], 0
        else:
            first = number if not block else first
            size += len(line)
            if size <= origin.limits.record:
                block.append(line)
    if block:
        yield _joined(block, size, origin, first)


def _joined(block: list[str], size: int, origin: Origin, first: int) -> Record:
    if size > origin.limits.record:
        detail = f"over {origin.limits.record:,} characters without a blank line"
        return origin.unreadable(reasons.TOO_LARGE, detail, first, shown=excerpt(block[0]))
    return origin.document("".join(block).rstrip("\r\n"), "text", record=first)
