"""Lines of text out of bytes in any encoding, each with its number, none longer than the limit."""

import codecs
from collections.abc import Iterator

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.origin import Origin
from ulmkit.formats.streams import Stream, as_utf8
from ulmkit.text.encoding import Undecodable, guess, is_utf8, marked

UTF = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def mostly_utf8_lines(head: bytes) -> bool:
    """Whether half of the lines that are not ASCII are UTF-8: a few bad records change no file's encoding."""
    lines = [line for line in head.splitlines() if not line.isascii()]
    good = sum(map(is_utf8, lines))
    return good > 0 and 2 * good >= len(lines)


def unified(stream: Stream, origin: Origin, declared: str = "") -> Stream | Unreadable:
    """`stream` as UTF-8 without a mark; the encoding is found on its first bytes."""
    head = stream.head()
    try:
        encoding = guess(head, declared, origin.reading.encodings, origin.reading.letters)
    except Undecodable as error:
        if not mostly_utf8_lines(head):
            return origin.unreadable(reasons.ENCODING, error, shown=excerpt(head))
        encoding = "utf-8"
    if encoding not in ("utf-8", *UTF) and mostly_utf8_lines(head):
        encoding = "utf-8"
    _, length = marked(head)
    stream.read(length)
    if codecs.lookup(encoding).name == "utf-8":
        return stream
    return as_utf8(stream, encoding)


def skip_line(stream: Stream, limit: int) -> None:
    """Read on to the end of a line that is too long to be kept."""
    while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
        pass


def text_lines(stream: Stream, origin: Origin, before: int = 0) -> Iterator[tuple[int, str | Unreadable]]:
    """(number from 1, line with its end) for each line; a line that cannot be read comes as its complaint.

    `before` lines have been read already.
    A last line without its end is held back where the stream was cut: it is half a record.
    """
    even = unified(stream, origin)
    if isinstance(even, Unreadable):
        yield 0, even
        return
    limit = origin.limits.record
    number = before
    while line := even.readline(limit):
        number += 1
        if len(line) >= limit and not line.endswith(b"\n"):
            skip_line(even, limit)
            yield (
                number,
                origin.unreadable(reasons.TOO_LARGE, f"a line over {limit:,} bytes", number, shown=excerpt(line)),
            )
            continue
        if not line.endswith(b"\n") and even.failure:
            break
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            detail = f"not utf-8 at byte {error.start}: {error.reason}"
            yield number, origin.unreadable(reasons.ENCODING, detail, number, shown=excerpt(line, error.start))
    if even is not stream and even.failure and stream.failure is None:
        yield number, origin.unreadable(*even.failed(), number, shown=even.tail())
