"""Lines of text out of bytes in any encoding, each with its number, none longer than the limit."""

import codecs
import io
from collections.abc import Iterator

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.origin import Origin, Reading
from ulmkit.formats.streams import Stream, as_utf8, with_line_feeds
from ulmkit.text.encoding import Undecodable, decode_line, guess, is_utf8, marked, read_as

UTF = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
BY_STREAM = (*UTF, "iso2022_jp", "utf-7")  # in which a character is not told by its own bytes
HOLE_IN_LINE = b"\0" * 16  # bytes that were never written, as a crash leaves them
DECODED_AT_ONCE = 1 << 16  # bytes of lines that are decoded at once


def mostly_utf8_lines(head: bytes) -> bool:
    """Whether half of the lines that are not ASCII are UTF-8: a few bad records change no file's encoding."""
    lines = [line for line in head.splitlines() if not line.isascii()]
    good = sum(map(is_utf8, lines))
    return good > 0 and 2 * good >= len(lines)


def found_encoding(head: bytes, origin: Origin, declared: str = "") -> str | Unreadable:
    """The encoding of a file by its first bytes: UTF-8 also where a few of its records are not."""
    try:
        encoding = guess(head, declared, origin.reading.encodings, origin.reading.letters)
    except Undecodable as error:
        if not mostly_utf8_lines(head):
            return origin.unreadable(reasons.ENCODING, error, shown=excerpt(head))
        encoding = "utf-8"
    if encoding not in ("utf-8", *UTF) and mostly_utf8_lines(head):
        encoding = "utf-8"
    return encoding


def unified(stream: Stream, origin: Origin, declared: str = "") -> Stream | Unreadable:
    """`stream` as UTF-8 without a mark; the encoding is found on its first bytes."""
    head = stream.head()
    encoding = found_encoding(head, origin, declared)
    if isinstance(encoding, Unreadable):
        return encoding
    _, length = marked(head)
    stream.read(length)
    if codecs.lookup(encoding).name == "utf-8":
        return stream
    return as_utf8(stream, encoding)


def ends_in_carriage_returns(head: bytes) -> bool:
    """Whether lines end in a carriage return alone, as on old Macs; line feeds may stand inside of cells."""
    feeds = head.count(b"\n")
    return head.count(b"\r") - head.count(b"\r\n") > feeds


class LineDecoder:
    """Lines of bytes as text: most in the file's encoding, some perhaps in UTF-8 or in another of the language's."""

    def __init__(self, encoding: str, reading: Reading) -> None:
        self.encoding, self.reading = encoding, reading
        self.other = ""  # what lines in another encoding were in so far

    def block(self, lines: bytes) -> str | None:
        """Whole lines as text without NULs; None where each has to be looked at."""
        if self.encoding != "utf-8" and not lines.isascii():
            return None
        try:
            return lines.decode().replace("\0", "")
        except UnicodeDecodeError:
            return None

    def __call__(self, line: bytes) -> str:
        """`line` as text without NULs; raises `Undecodable`."""
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            text = self._older(line, error)
        else:
            # a few bytes can be both
            if self.encoding != "utf-8" and not line.isascii() and sum(char > "\x7f" for char in text) < 3:
                text = read_as(line, self.encoding) or text
        return text.replace("\0", "") if "\0" in text else text

    def _older(self, line: bytes, error: UnicodeDecodeError) -> str:
        if self.encoding != "utf-8" and (text := read_as(line, self.encoding)) is not None:
            return text
        try:
            text, self.other = decode_line(line, self.other, self.reading.encodings, self.reading.letters)
        except Undecodable as noise:
            raise Undecodable(f"not {self.encoding} at byte {error.start}; {noise}") from None
        return text


def skip_line(stream: Stream, limit: int) -> None:
    """Read on to the end of a line that is too long to be kept."""
    while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
        pass


def text_lines(
    stream: Stream, origin: Origin, before: int = 0, *, holes: bool = False
) -> Iterator[tuple[int, str | Unreadable]]:
    """(number from 1, line with its end) for each line; a line that cannot be read comes as its complaint.

    `before` lines have been read already. `holes`: many zero bytes are a hole in the file, and no padding of a cell.
    A last line without its end is held back where the stream was cut: it is half a record.
    """
    head = stream.head()
    encoding = found_encoding(head, origin)
    if isinstance(encoding, Unreadable):
        yield 0, encoding
        return
    _, length = marked(head)
    stream.read(length)
    even = stream
    if encoding in BY_STREAM:
        even, encoding = as_utf8(stream, encoding), "utf-8"
    if ends_in_carriage_returns(even.head()):
        even = with_line_feeds(even)
    decode = LineDecoder(encoding, origin.reading)
    limit = origin.limits.record
    number = before
    while block := even.read(DECODED_AT_ONCE):
        if not block.endswith(b"\n"):
            block += even.readline(limit)
        whole = (block.endswith(b"\n") or not even.failure) and not (holes and HOLE_IN_LINE in block)
        if whole and len(block) < min(limit, 4 * DECODED_AT_ONCE) and (text := decode.block(block)) is not None:
            yield from enumerate(io.StringIO(text, newline="\n"), number + 1)
            number += block.count(b"\n") + (not block.endswith(b"\n"))
            continue
        for line in io.BytesIO(block):
            number += 1
            ended = line.endswith(b"\n")
            if len(line) > limit or (len(line) == limit and not ended):
                if not ended:
                    skip_line(even, limit)
                detail = f"a line over {limit:,} bytes"
                yield number, origin.unreadable(reasons.TOO_LARGE, detail, number, shown=excerpt(line))
                continue
            if not ended and even.failure:
                break
            if holes and HOLE_IN_LINE in line:
                detail = f"{line.count(b'\0'):,} zero bytes in the place of what was to be written"
                yield number, origin.unreadable(reasons.DAMAGED, detail, number, shown=excerpt(line))
                continue
            try:
                yield number, decode(line)
            except Undecodable as error:
                yield number, origin.unreadable(reasons.ENCODING, error, number, shown=excerpt(line))
    if even is not stream and even.failure and stream.failure is None:
        yield number, origin.unreadable(*even.failed(), number, shown=even.tail())
