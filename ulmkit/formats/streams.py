"""Bytes as they come: one buffered stream per file or archive member, decompressed under a budget.

A decoder that meets the end of its input too early, a wrong checksum or an exhausted budget does not raise. The
stream ends there and remembers why in `failure`, so that every reader delivers what lies before the cut.
"""

import bz2
import io
import lzma
import zlib
from collections import deque
from collections.abc import Buffer, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from ulmkit.formats import reasons
from ulmkit.formats.excerpt import EXCERPT_LENGTH, excerpt
from ulmkit.text.encoding import byte_table

BUFFER = 1 << 18  # bytes looked at to recognise a format, and read at a time
_REMEMBERED = 4  # reads of a member that are kept, so that the one after a damaged one can be found in them
_MEMBER_START = 1 << 12  # bytes by which a member is known for one
_CANDIDATES = 50_000  # places that look like a member's start and are tried, before the rest is given up
_DICTIONARY_LIMIT = 1 << 24  # bytes of a dictionary that zstd frames are packed with


@dataclass(frozen=True)
class Limits:
    """How far one input may go before it is refused."""

    nesting: int = 6  # containers inside each other: dump.tar.gz in a zip is three
    ratio: int = 250  # decompressed bytes per byte on disk; real dumps stay below 40, bombs start at 1,000
    floor: int = 1 << 28  # bytes any input may expand to, whatever its ratio
    record: int = 1 << 26  # bytes of one document, line or page
    directory: int = 1 << 26  # bytes of a zip's table of contents: half a million members
    window: int = 1 << 31  # bytes of history a zstd frame may ask for: `zstd --long=31`


LIMITS = Limits()


class Failure(NamedTuple):
    """Why a stream ended before its time."""

    reason: str
    detail: str = ""


class ByteBudget:
    """How many decompressed bytes one file on disk may still produce, all its members and layers together."""

    def __init__(self, size: int, limits: Limits) -> None:
        self.left = max(limits.floor, limits.ratio * size)
        self.allowed = self.left

    def spend(self, count: int) -> bool:
        """Take `count` bytes; false when the budget is overdrawn."""
        self.left -= count
        return self.left >= 0


class RawBytes(io.RawIOBase):
    """A source of bytes that fills what it is given, and keeps the failure that ended it."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Failure | None = None
        self.delivered = 0
        self.last = b""  # what was delivered last: what stands before a cut
        self.unsound = 0  # bytes delivered whose checksum has not been seen

    def resumed(self, begins: Callable[[bytes], bool]) -> str:
        """See `Stream.resumed`."""
        return ""

    def readable(self) -> bool:
        return True

    def produce(self, size: int) -> bytes:
        """At most `size` further bytes, none at the end or after a failure."""
        raise NotImplementedError

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        filled = 0
        while filled < len(view) and self.failure is None:
            chunk = self.produce(len(view) - filled)
            if not chunk:
                break
            view[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        self.delivered += filled
        if filled:
            self.last = bytes(view[max(0, filled - EXCERPT_LENGTH) : filled])
        return filled


class Stream(io.BufferedReader):
    """A buffered reader over `RawBytes`; `head()` shows the start without taking it."""

    def __init__(self, source: RawBytes, path: Path | None = None) -> None:
        super().__init__(source, BUFFER)
        self.source = source
        self.path = path  # set where the bytes are a whole file on disk, and can be read in any order

    @property
    def failure(self) -> Failure | None:
        return self.source.failure

    @property
    def unsound(self) -> int:
        """Bytes of the damaged member, where one ended the stream: the last ones delivered before the failure."""
        return self.source.unsound if self.failure and self.failure.reason == reasons.DAMAGED else 0

    def resumed(self, begins: Callable[[bytes], bool]) -> str:
        """Behind a damaged member, read on at the next one whose content `begins` knows: says what was passed over.

        Empty where there is none, or where nothing was damaged.
        """
        damaged = self.failure is not None and self.failure.reason == reasons.DAMAGED
        return self.source.resumed(begins) if damaged else ""

    def failed(self) -> Failure:
        """The failure, with how far the stream came."""
        assert self.failure is not None
        reason, detail = self.failure
        return Failure(reason, f"{detail}{', ' if detail else ''}after {self.source.delivered:,} bytes")

    def tail(self) -> str:
        """What the stream delivered last, for a complaint about its end."""
        return excerpt(self.source.last)

    def head(self) -> bytes:
        """The first `BUFFER` bytes (all of a shorter stream), before anything was read."""
        return self.peek(BUFFER)


class FileBytes(RawBytes):
    """A file on disk; `progress` hears of every byte read."""

    def __init__(self, file: io.RawIOBase, progress: Callable[[int], None] | None) -> None:
        super().__init__()
        self.file, self.progress = file, progress

    def produce(self, size: int) -> bytes:
        try:
            chunk = self.file.read(size) or b""
        except OSError as error:
            self.failure = Failure(reasons.STORAGE, error.strerror or str(error))
            return b""
        if self.progress and chunk:
            self.progress(len(chunk))
        return chunk


class SectionBytes(RawBytes):
    """The next `size` bytes of another stream: one member of an archive."""

    def __init__(self, outer: IO[bytes], size: int) -> None:
        super().__init__()
        self.outer, self.left = outer, size

    def produce(self, size: int) -> bytes:
        chunk = self.outer.read(min(size, self.left))
        self.left -= len(chunk)
        if not chunk and self.left:
            cause = self.outer.failure if isinstance(self.outer, Stream) else None
            self.failure = cause or Failure(reasons.TRUNCATED, f"{self.left:,} bytes are missing")
        return chunk


class Decoder(Protocol):
    """One compressed member: gives at most so many bytes at a time, and knows its own end."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Inflate:
    """zlib in the shape of bz2 and lzma. `wbits`: 31 gzip, 15 zlib, -15 bare deflate."""

    def __init__(self, wbits: int) -> None:
        self.inner = zlib.decompressobj(wbits)
        self.full = False

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self.full and not self.inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self.inner.decompress(self.inner.unconsumed_tail + data, max_length)
        self.full = len(out) == max_length  # there may be more inside, even with no input left over
        return out


def _zstd(limits: Limits, dictionary: bytes = b"") -> Decoder:
    from backports import zstd

    decoder: Decoder = zstd.ZstdDecompressor(
        zstd.ZstdDict(dictionary) if dictionary else None,
        options={zstd.DecompressionParameter.window_log_max: limits.window.bit_length() - 1},
    )
    return decoder


@dataclass(frozen=True)
class Codec:
    """A compression: how it starts, and what undoes it."""

    name: str
    magic: tuple[bytes, ...]
    new: Callable[..., Decoder]  # of the limits and, where frames are packed with one, their dictionary
    single: bool = False  # no second member may follow the first

    def starts(self, data: bytes) -> bool:
        return data.startswith(self.magic)


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("gzip", (b"\x1f\x8b\x08",), lambda limits: Inflate(31)),
        Codec("bzip2", tuple(b"BZh%d" % level for level in range(1, 10)), lambda limits: bz2.BZ2Decompressor()),
        Codec("xz", (b"\xfd7zXZ\x00",), lambda limits: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 30)),
        Codec(
            "zstd",
            # a frame, or a skippable frame in front of one
            (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))),
            _zstd,
        ),
        Codec("lz4", (b"\x04\x22\x4d\x18",), lambda limits: _lz4()),
    )
}

DICTIONARY_FRAME = b"\x5d\x2a\x4d\x18"  # of a web archive: https://iipc.github.io/warc-specifications/ (WARC, zstd)


def _lz4() -> Decoder:
    from lz4.frame import LZ4FrameDecompressor

    decoder: Decoder = LZ4FrameDecompressor()
    return decoder


BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def decoding_errors() -> tuple[type[Exception], ...]:
    """What the decoders raise on damaged input; zstd's own error is known only once it is loaded."""
    from backports import zstd

    return (*BROKEN, zstd.ZstdError, RuntimeError)  # the last is what LZ4 raises


class DecompressedBytes(RawBytes):
    """What a codec makes of another stream: all its members, one after the other."""

    def __init__(self, outer: Stream, codec: Codec, limits: Limits, budget: ByteBudget) -> None:
        super().__init__()
        self.outer, self.codec, self.limits, self.budget = outer, codec, limits, budget
        self.decoder: Decoder | None = None
        self.rest = b""  # read from outer, not yet given to a decoder
        self.given: deque[bytes] = deque(maxlen=_REMEMBERED)  # what the decoder was given last
        self.dictionary = b""
        self.begun = False
        self.errors = decoding_errors()

    def produce(self, size: int) -> bytes:
        while self.failure is None:
            if self.decoder is None and not self.next_member():
                return b""
            assert self.decoder is not None
            data, self.rest = self.rest, b""
            if self.decoder.needs_input and not data:
                data = self.outer.read1(BUFFER)
                if not data:
                    self.failure = self.outer.failure or Failure(reasons.TRUNCATED, f"{self.codec.name} data ends")
                    return b""
            if data:
                self.given.append(data)
            try:
                out = self.decoder.decompress(data, size)
            except self.errors as error:
                self.failure = Failure(reasons.DAMAGED, f"{self.codec.name}: {error}")
                return b""
            if not self.budget.spend(len(out)):
                self.failure = Failure(reasons.BOMB, f"more than {self.budget.allowed:,} bytes")
                return b""
            self.unsound += len(out)
            if self.decoder.eof:
                self.rest = self.decoder.unused_data or b""
                self.decoder = None
                self.unsound = 0
            if out:
                return out
        return b""

    def resumed(self, begins: Callable[[bytes], bool]) -> str:
        if self.codec.single:
            return ""
        data = b"".join(self.given) + self.rest
        at = 1 if self.given else 0  # the damaged member's own start is no other's
        passed = 0
        for _ in range(_CANDIDATES):
            while (place := self._magic_in(data, at)) < 0 or len(data) - place < _MEMBER_START:
                if not (more := self.outer.read1(BUFFER)):
                    break
                if place < 0:  # its last bytes may be the first ones of a magic number
                    passed, data, at = passed + max(0, len(data) - 3), data[-3:], 0
                data += more
            if place < 0:
                break
            if self._begins(data[place : place + _MEMBER_START], begins):
                self.rest, self.decoder, self.failure, self.unsound = data[place:], None, None, 0
                self.given.clear()
                return f"{passed + place:,} packed bytes passed over"
            at = place + 1
        return ""

    def _magic_in(self, data: bytes, at: int) -> int:
        return min((place for magic in self.codec.magic if (place := data.find(magic, at)) >= 0), default=-1)

    def _begins(self, data: bytes, begins: Callable[[bytes], bool]) -> bool:
        """Whether a member starts here that is sound as far as its first bytes go."""
        try:
            return begins(self._decoder().decompress(data, _MEMBER_START))
        except self.errors:
            return False

    def _decoder(self) -> Decoder:
        return self.codec.new(self.limits, self.dictionary) if self.dictionary else self.codec.new(self.limits)

    def _take_dictionary(self) -> None:
        """The frame at the start of a web archive that holds what its other frames are packed with."""
        from backports import zstd

        while len(self.rest) < 8 and (more := self.outer.read1(BUFFER)):
            self.rest += more
        size = int.from_bytes(self.rest[4:8], "little")
        if size > _DICTIONARY_LIMIT:
            return
        while len(self.rest) < 8 + size and (more := self.outer.read1(BUFFER)):
            self.rest += more
        data = self.rest[8 : 8 + size]
        if data.startswith(b"\x28\xb5\x2f\xfd"):
            try:
                data = zstd.ZstdDecompressor().decompress(data, _DICTIONARY_LIMIT)
            except zstd.ZstdError:
                return
        if data.startswith(b"\x37\xa4\x30\xec"):
            self.dictionary, self.rest = data, self.rest[8 + size :]

    def next_member(self) -> bool:
        """Begin the member that follows; false at the end. Zero bytes are padding, anything else is damage."""
        if self.codec.single:
            if not self.begun:
                self.begun, self.decoder = True, self.codec.new(self.limits)
            return self.decoder is not None
        self.given.clear()
        longest = max(map(len, self.codec.magic))
        while len(self.rest) < longest and (more := self.outer.read1(BUFFER)):
            self.rest = (self.rest + more).lstrip(b"\0")
        self.rest = self.rest.lstrip(b"\0")
        if not self.begun and self.codec.name == "zstd" and self.rest.startswith(DICTIONARY_FRAME):
            self._take_dictionary()
        self.begun = True
        if self.codec.starts(self.rest):
            self.decoder = self._decoder()
            return True
        if self.outer.failure:
            self.failure = self.outer.failure
        elif self.rest:
            self.failure = Failure(reasons.DAMAGED, f"other bytes after the {self.codec.name} data")
        return False


def decompressed(stream: Stream, codec: Codec, limits: Limits, budget: ByteBudget) -> Stream:
    """`stream` with one layer of compression taken off."""
    return Stream(DecompressedBytes(stream, codec, limits, budget))


class RecodedBytes(RawBytes):
    """Another encoding's bytes as UTF-8."""

    def __init__(self, outer: Stream, encoding: str) -> None:
        import codecs

        super().__init__()
        self.outer, self.encoding = outer, encoding
        table = byte_table(encoding)
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        self.text_of: Callable[[bytes, bool], str] = (
            (lambda data, final: codecs.charmap_decode(data, "strict", table)[0]) if table else decoder.decode
        )
        self.ready = b""
        self.ended = False

    def produce(self, size: int) -> bytes:
        while not self.ready and not self.ended:
            data = self.outer.read1(BUFFER)
            self.ended = not data
            try:
                text = self.text_of(data, self.ended)
            except UnicodeDecodeError as error:
                # half a character at a cut is the cut's, not the encoding's
                cut = self.ended and self.outer.failure
                self.failure = cut or Failure(reasons.ENCODING, f"not {self.encoding}: {error.reason}")
                return b""
            self.ready = text.encode("utf-8", "surrogatepass")
        if not self.ready and self.outer.failure:
            self.failure = self.outer.failure
        out, self.ready = self.ready[:size], self.ready[size:]
        return out


class LineEndBytes(RawBytes):
    """UTF-8 with each carriage return as the end of a line."""

    def __init__(self, outer: Stream) -> None:
        super().__init__()
        self.outer = outer
        self.cut = False  # whether the last bytes ended in a carriage return, which a line feed may follow

    def produce(self, size: int) -> bytes:
        data = self.outer.read1(size)
        if self.cut and data.startswith(b"\n"):
            data = data[1:] or self.outer.read1(size)
        if not data:
            self.failure = self.outer.failure
        self.cut = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def with_line_feeds(stream: Stream) -> Stream:
    """`stream`, whose lines end in carriage returns, with line feeds."""
    return Stream(LineEndBytes(stream))


def as_utf8(stream: Stream, encoding: str) -> Stream:
    """`stream`, which is in `encoding`, as a stream of UTF-8."""
    return Stream(RecodedBytes(stream, encoding))
