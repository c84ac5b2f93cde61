"""A content coding of HTTP undone, within bounds: what a server sent as gzip, deflate, Brotli or zstd.

One answer is held whole, so that its bounds are small: a page of a hundred kilobytes may not become a gigabyte.
"""

import io
import re
from typing import NamedTuple

from ulmkit.formats.streams import BROKEN, CODECS, Inflate

WINDOW = 1 << 23  # bytes of history that zstd may ask for (RFC 9659)
MEMBERS = 100  # gzip members of one body
_STEP = 1 << 20
_FED = 1 << 16  # bytes given to zlib at a time: it copies what it has not taken yet
_PADDING = re.compile(rb"\0*")
_GZIP = CODECS["gzip"].magic
_ZSTD = CODECS["zstd"].magic
_READABLE = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{64}|[\t\n\r\x20-\x7e]+$")  # a start that is no coding's


class ExpandsTooMuchError(ValueError):
    """A body that becomes larger than its bounds when its coding is undone."""


class Content(NamedTuple):
    """A body without its coding, and whether it came to its end."""

    data: bytes
    whole: bool = True


def content_of(body: bytes, coding: str, limit: int, *, cut: bool = False) -> Content:
    """`body` with the coding `coding` ("gzip", "deflate", "br", "zstd") undone, at most `limit` bytes.

    A body that is not what it is said to be is taken as it is, one that breaks as far as it goes. What is longer than
    `limit` raises `ExpandsTooMuchError`, or with `cut` is cut there.

    >>> import zlib
    >>> content_of(zlib.compress(b"a"), "deflate", 10), content_of(b"plain", "gzip", 10)
    (Content(data=b'a', whole=True), Content(data=b'plain', whole=True))
    """
    pieces = Pieces(limit, cut)
    if coding in ("gzip", "x-gzip") and body.startswith(_GZIP):
        whole = _inflated(body, 31, pieces)
    elif coding == "zstd" and body.startswith(_ZSTD):
        whole = _unzstandarded(body, pieces)
    elif coding not in ("deflate", "br") or not body:
        return Content(body)
    elif coding == "deflate":
        zlib_header = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        whole = _inflated(body, 15 if zlib_header else -15, pieces)
    else:
        whole = _unbrotlied(body, pieces)
    if not whole and not pieces.full and _READABLE.match(body):
        return Content(body)
    return Content(b"".join(pieces.kept), whole and not pieces.full)


class Pieces:
    """What a decoder gives, up to a limit."""

    def __init__(self, limit: int, cut: bool) -> None:
        self.limit, self.cut = limit, cut
        self.kept: list[bytes] = []
        self.size = 0

    @property
    def full(self) -> bool:
        return self.size > self.limit

    def add(self, piece: bytes) -> bool:
        """Keep `piece`; false where no more may come. Raises `ExpandsTooMuchError` unless what is over is cut."""
        self.kept.append(piece)
        self.size += len(piece)
        if self.size <= self.limit:
            return True
        if not self.cut:
            self.kept.clear()
            raise ExpandsTooMuchError(f"more than {self.limit:,} bytes")
        self.kept[-1] = piece[: len(piece) - (self.size - self.limit)]
        return False


def _inflated(body: bytes, wbits: int, pieces: Pieces) -> bool:
    at = 0  # bytes of `body` that were fed
    for _ in range(MEMBERS):
        decoder = Inflate(wbits)
        while not decoder.eof:
            data = body[at : at + _FED] if decoder.needs_input else b""
            if decoder.needs_input and not data:
                return False
            at += len(data)
            try:
                piece = decoder.decompress(data, _STEP)
            except BROKEN:
                return False
            if not pieces.add(piece):
                return False
        at = _PADDING.match(body, at - len(decoder.unused_data)).end()  # type: ignore[union-attr]
        if wbits != 31 or not body.startswith(_GZIP, at):
            return True
    return False


def _unbrotlied(body: bytes, pieces: Pieces) -> bool:
    from fastwarc.stream_io import BrotliReader

    try:
        reader = BrotliReader(io.BytesIO(body))
        while piece := reader.read(1 << 14):  # of a read that meets damage nothing comes back
            if not pieces.add(piece):
                return False
    except ExpandsTooMuchError:
        raise
    except Exception:  # whatever the native reader raises
        return False
    return True


def _unzstandarded(body: bytes, pieces: Pieces) -> bool:
    from backports import zstd

    bounds: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW.bit_length() - 1}
    try:
        size = zstd.get_frame_info(body).decompressed_size or 0
        while body.startswith(_ZSTD):
            decoder = zstd.ZstdDecompressor(options=bounds)
            while not decoder.eof:
                piece = decoder.decompress(body, _STEP)
                body = b""
                if not piece and decoder.needs_input:
                    return False
                if not pieces.add(piece):
                    return False
            body = decoder.unused_data
    except zstd.ZstdError as error:
        if "too much memory" in str(error):  # the library's words for a window over the bound
            raise ExpandsTooMuchError(f"a window of more than {WINDOW:,} bytes") from error
        return False
    return pieces.size >= size
