"""Tar and zip: members as streams, one after the other. Nothing is unpacked, and no name is ever a path.

Links, devices and other special members are refused by name; what a member is called shows only in its records' ids.
"""

import errno
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.book import CONTAINER, book_chapters
from ulmkit.formats.origin import Origin
from ulmkit.formats.streams import (
    CODECS,
    ByteBudget,
    Codec,
    DecompressedBytes,
    Failure,
    Inflate,
    Limits,
    RawBytes,
    SectionBytes,
    Stream,
)

TAR_BLOCK = 512
HEADER_LIMIT = 1 << 20  # bytes of one long name or extended header
REGULAR = (b"0", b"\0", b"7")
_SPECIAL = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"6": "pipe", b"S": "sparse file"}
# a collection of web archives (WACZ): the archive, and beside it lists of its pages with their text once more
_ARCHIVE = re.compile(r"(?:\A|/)archive/[^/]+\.w?arc(?:\.[a-z0-9]{2,4})?\Z")
_BESIDE_ARCHIVE = re.compile(r"(?:pages|indexes|logs)/|(?:datapackage|datapackage-digest|fuzzy)\.json\Z")
Member = tuple[str, Stream] | Unreadable


def hidden(name: str) -> bool:
    """Whether a member is one that no folder listing would show: `.git/…`, `__MACOSX/…`."""
    return any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in name.split("/"))


def is_tar(head: bytes) -> bool:
    """Whether `head` starts with a tar header: its checksum is right."""
    block = head[:TAR_BLOCK]
    if len(block) < TAR_BLOCK or not block[0]:
        return False
    try:
        said = int(block[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    return said == sum(block[:148]) + 8 * 32 + sum(block[156:])


def tar_number(field: bytes) -> int:
    """A number field: octal digits, or binary with the highest bit set (base 256, GNU)."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    number = field.split(b"\0")[0].strip() or b"0"
    if not re.fullmatch(rb"[0-7]+", number):
        raise ValueError("size is no number")
    return int(number, 8)


def tar_name(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def pax_settings(data: bytes) -> dict[str, str]:
    """The `length key=value` records of an extended header."""
    settings: dict[str, str] = {}
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 20].partition(b" ")
        if not space or not re.fullmatch(rb"[0-9]{1,9}", digits) or int(digits) <= len(digits) + 1:
            break
        record = data[at + len(digits) + 1 : at + int(digits)]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        settings[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += int(digits)
    return settings


def tar_members(stream: Stream, origin: Origin) -> Iterator[Member]:
    """The regular files of a tar, each to be read before the next is asked for."""
    settings: dict[str, str] = {}
    while True:
        block = stream.read(TAR_BLOCK)
        if not block.strip(b"\0"):
            if len(block) < TAR_BLOCK and stream.failure is None:
                yield origin.unreadable(reasons.TRUNCATED, "the archive has no end mark")
            return
        if len(block) < TAR_BLOCK:
            if stream.failure is None:
                yield origin.unreadable(reasons.TRUNCATED, "ends inside a header")
            return
        try:
            if not is_tar(block):
                raise ValueError("wrong checksum")
            size = tar_number(block[124:136])
            if not re.fullmatch(r"[0-9]{1,18}", settings.get("size", "0")):
                raise ValueError("size is no number")
        except ValueError as error:
            yield origin.unreadable(reasons.DAMAGED, f"tar header: {error}")
            return
        kind = block[156:157]
        padding = -size % TAR_BLOCK
        if kind in b"LKxg":
            if size > HEADER_LIMIT:
                yield origin.unreadable(reasons.TOO_LARGE, f"a tar header of {size:,} bytes")
                return
            data = stream.read(size + padding)[:size]
            if kind == b"L":
                settings["path"] = tar_name(data)
            elif kind == b"x":
                settings |= pax_settings(data)
            continue
        prefix = tar_name(block[345:500]) if block[257:263] == b"ustar\0" else ""
        name = settings.get("path") or (f"{prefix}/" if prefix else "") + tar_name(block[:100])
        if "size" in settings:
            size = int(settings["size"])
            padding = -size % TAR_BLOCK
        sparse = any(key.startswith("GNU.sparse") for key in settings)
        settings = {}
        if kind in _SPECIAL or sparse:
            yield origin.member(name).unreadable(reasons.LINK, _SPECIAL.get(kind, "sparse file"))
            size = 0 if kind in b"1234" else size + padding
            SectionReader(stream, size).drain()
            continue
        body = SectionReader(stream, size)
        shown = kind in REGULAR and size > 0 and not name.endswith("/") and not hidden(name)
        if shown:
            yield name, Stream(body)
        body.drain()
        if body.failure:
            # who read the member has said so
            if not shown and stream.failure is None:
                yield origin.member(name).unreadable(*body.failure)
            return
        SectionReader(stream, padding).drain()


class SectionReader(SectionBytes):
    """A member whose unread rest can be passed over."""

    def drain(self) -> None:
        while self.left and self.failure is None and self.produce(1 << 18):
            pass


class CheckedBytes(RawBytes):
    """A zip member's bytes, compared with the size and checksum that the archive states."""

    def __init__(self, inner: RawBytes, size: int, checksum: int) -> None:
        super().__init__()
        self.inner, self.left, self.checksum, self.sum = inner, size, checksum, 0

    def produce(self, size: int) -> bytes:
        chunk = self.inner.produce(size)
        self.failure = self.inner.failure
        self.left -= len(chunk)
        self.sum = zlib.crc32(chunk, self.sum)
        if self.left < 0:
            self.failure = Failure(reasons.DAMAGED, "longer than the archive says")
        elif not chunk and self.failure is None and (self.left or self.sum != self.checksum):
            self.failure = Failure(reasons.DAMAGED, "wrong size or checksum")
        return chunk


ZIP_CODECS = {
    zipfile.ZIP_DEFLATED: Codec("deflate", (b"",), lambda limits: Inflate(-15), single=True),
    zipfile.ZIP_BZIP2: CODECS["bzip2"],
    93: CODECS["zstd"],
    95: CODECS["xz"],
}


def directory_size(file: IO[bytes]) -> int:
    """Bytes of the table of contents of a zip, as its end record states."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 65_600))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        return -1
    size = int(struct.unpack_from("<I", tail, at + 12)[0])
    if size == 0xFFFFFFFF and tail[max(0, at - 20) :].startswith(b"PK\6\7"):
        file.seek(min(struct.unpack_from("<Q", tail, at - 12)[0], end))
        record = file.read(56)
        size = int(struct.unpack_from("<Q", record, 40)[0]) if len(record) == 56 else size
    return size


def zip_members(file: IO[bytes], origin: Origin, limits: Limits, budget: ByteBudget) -> Iterator[Member]:
    """The regular files of a zip, in the order of its table of contents."""
    try:
        size = directory_size(file)
        if size < 0:
            yield origin.unreadable(reasons.TRUNCATED, "the zip's table of contents, at its end, is missing")
            return
        if size > limits.directory:
            yield origin.unreadable(reasons.TOO_LARGE, f"a table of contents of {size:,} bytes")
            return
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's fault, not the zip's
            yield origin.unreadable(reasons.STORAGE, error.strerror)
        else:  # a place that cannot be, too: before the start of the file
            yield origin.unreadable(reasons.DAMAGED, f"zip: {error}")
        return
    entries = archive.infolist()
    if any(entry.filename == "[Content_Types].xml" for entry in entries):
        yield origin.unreadable(reasons.UNSUPPORTED, "an office document; save it as text or HTML first")
        return
    of_archive = any(_ARCHIVE.search(entry.filename) for entry in entries)
    for name, entry in _entries_read(archive, entries):
        if isinstance(entry, Failure):
            yield origin.member(name).unreadable(*entry)
            continue
        if entry.is_dir() or hidden(name):
            continue
        if of_archive and _BESIDE_ARCHIVE.match(name):
            yield origin.member(name).unreadable(reasons.NOT_A_PAGE, "what a web archive collection says of its pages")
            continue
        mode = entry.external_attr >> 16 if entry.create_system == 3 else 0
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            yield origin.member(name).unreadable(reasons.LINK)
        elif entry.flag_bits & 1:
            yield origin.member(name).unreadable(reasons.ENCRYPTED)
        elif entry.compress_type != zipfile.ZIP_STORED and entry.compress_type not in ZIP_CODECS:
            yield origin.member(name).unreadable(reasons.UNSUPPORTED, f"zip method {entry.compress_type}; repack it")
        elif entry.file_size:
            yield zip_member(file, entry, origin, limits, budget)


def _entries_read(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo]
) -> Iterator[tuple[str, zipfile.ZipInfo | Failure]]:
    """The members that are read, by name: all, but of a book (EPUB) its chapters in order, or what is missing of it."""
    names = {zip_name(entry): entry for entry in entries}
    if (book := book_chapters(archive, names)) is None:
        yield from ((zip_name(entry), entry) for entry in entries)
        return
    for name in book.missing:
        yield name, Failure(reasons.DAMAGED, "a chapter that the book lists and does not hold")
    for name in book.members:
        yield name, names[name]
    if not book.members:
        yield CONTAINER, Failure(reasons.NO_TEXT, "a book in which no chapter is found")


def zip_name(entry: zipfile.ZipInfo) -> str:
    """What a member is called: on Unix a name without the mark of UTF-8 is bytes, on DOS it is in code page 437."""
    if entry.flag_bits & 0x800 or entry.create_system != 3:
        return entry.filename
    return entry.filename.encode("cp437").decode("utf-8", "surrogateescape")


def zip_member(file: IO[bytes], entry: zipfile.ZipInfo, origin: Origin, limits: Limits, budget: ByteBudget) -> Member:
    """One member as a stream over the archive's own bytes."""
    header = b""
    if entry.header_offset >= 0:  # zipfile works it out, and a lying table of contents makes it negative
        file.seek(entry.header_offset)
        header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\3\4":
        return origin.member(zip_name(entry)).unreadable(reasons.DAMAGED, "zip: no member where one should be")
    name_length, extra_length = struct.unpack_from("<HH", header, 26)
    file.seek(name_length + extra_length, io.SEEK_CUR)
    body: RawBytes = SectionBytes(file, entry.compress_size)
    codec = ZIP_CODECS.get(entry.compress_type)
    if codec:
        body = DecompressedBytes(Stream(body), codec, limits, budget)
    return zip_name(entry), Stream(CheckedBytes(body, entry.file_size, entry.CRC))
