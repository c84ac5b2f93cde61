"""What servers sent, kept as WARC: segments that are written to the end once and never changed again.

The segment that is being written is called `….warc.gz.open`. It holds what the frontier says and no more: what lies
beyond the committed length is of a run that was killed, and is cut off. A closed segment is a unit of the build.
WARC 1.1: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
"""

import base64
import hashlib
import os
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ulmkit.artifacts.atomic import sync_folder, write_json
from ulmkit.artifacts.manifest import file_sha256
from ulmkit.errors import ArtifactError

SEGMENT_BYTES = 64_000_000  # at which a segment is closed
OPEN = ".open"
LEVEL = 6  # of gzip
HTTP = "application/http; msgtype=response"
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
IDENTICAL = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
# the body is kept without its transfer coding, so that its header must not say that it has one (as Common Crawl does)
_RENAMED = {b"transfer-encoding": b"X-Crawler-Transfer-Encoding"}
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122: names that are URLs


@dataclass(frozen=True)
class Segment:
    """A closed segment, for the manifest."""

    name: str
    bytes: int
    records: int
    sha256: str
    first: str  # date of its first and last record
    last: str


@dataclass(frozen=True)
class RecordPlace:
    """Where a record lies."""

    segment: str
    offset: int
    length: int


def payload_digest(body: bytes) -> bytes:
    """The digest of a payload: SHA-1, as archives everywhere have it."""
    return hashlib.sha1(body, usedforsecurity=False).digest()


def digest_text(digest: bytes) -> str:
    """A digest as WARC writes it, in base 32."""
    return "sha1:" + base64.b32encode(digest).decode("ascii")


def http_block(status: int, reason: bytes, fields: tuple[tuple[bytes, bytes], ...], body: bytes) -> bytes:
    """A response as it came: status line, header fields in their order, the body with its content coding."""
    lines = [b"HTTP/1.1 %d %s" % (status, reason.replace(b"\r", b" ").replace(b"\n", b" "))]
    for name, value in fields:
        lines.append(_RENAMED.get(name.lower(), name) + b": " + value.replace(b"\r", b" ").replace(b"\n", b" "))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def warc_member(kind: str, when: float, block: bytes, fields: Mapping[str, str]) -> bytes:
    """A WARC record as a gzip member of its own. Equal arguments are equal bytes, its id among them."""
    date = warc_date(when)
    name = uuid.uuid5(
        _NAMESPACE, f"{kind} {date} {fields.get('WARC-Target-URI', '')} {fields.get('WARC-Filename', '')}"
    )
    head = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{name}>",
        "WARC-Date": date,
        **{key: " ".join(value.split()) for key, value in fields.items() if value},
        "WARC-Block-Digest": digest_text(payload_digest(block)),
        "Content-Length": str(len(block)),
    }
    text = "WARC/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in head.items()) + "\r\n"
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    return packer.compress(text.encode("utf-8", "replace")) + packer.compress(block + b"\r\n\r\n") + packer.flush()


def warc_date(when: float) -> str:
    """Seconds since 1970 as WARC writes a moment."""
    return datetime.fromtimestamp(when, UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Archive:
    """The segments of one source in their folder. One writer; nothing is on disk for sure before `sync`."""

    def __init__(self, folder: Path, info: Mapping[str, str], *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self.info, self.segment_bytes = folder, dict(info), segment_bytes
        self.name = ""  # of the open segment
        self.length = 0
        self.records = 0
        self._file: int | None = None
        self._synced = -1  # bytes of the open segment that are on disk for sure

    def recover(self, name: str, length: int, records: int) -> None:
        """Go on with the open segment `name`, of which `length` bytes were committed.

        Raises `ArtifactError` where fewer are there: what was committed has been lost.
        """
        path = self.folder / (name + OPEN)
        if not path.exists() and length == 0:
            return
        if not path.exists() and (self.folder / name).exists():  # killed between the renaming and its commit
            (self.folder / name).rename(path)
        have = path.stat().st_size if path.exists() else 0
        if have < length:
            raise ArtifactError(
                f"{path}: {have:,} bytes, of {length:,} that were written. Remove {self.folder} to fetch it again."
            )
        self._open(path)
        os.ftruncate(self._file_number, length)
        os.lseek(self._file_number, length, os.SEEK_SET)
        self.name, self.length, self.records, self._synced = name, length, records, -1

    @property
    def _file_number(self) -> int:
        assert self._file is not None, "no segment is open"
        return self._file

    def _open(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o644)

    def begin(self, name: str, when: float) -> None:
        """Open a new segment, which tells first who wrote it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open(self.folder / (name + OPEN))
        os.ftruncate(self._file_number, 0)
        sync_folder(self.folder)
        self.name, self.length, self.records, self._synced = name, 0, 0, -1
        block = "".join(f"{key}: {' '.join(value.split())}\r\n" for key, value in self.info.items() if value)
        fields = {"WARC-Filename": name, "Content-Type": "application/warc-fields"}
        self.append(warc_member("warcinfo", when, block.encode(), fields))

    @property
    def is_open(self) -> bool:
        return self._file is not None

    @property
    def is_full(self) -> bool:
        return self.length >= self.segment_bytes

    def append(self, member: bytes) -> RecordPlace:
        """Add a record; where it lies."""
        at, left = self.length, memoryview(member)
        while left:
            left = left[os.write(self._file_number, left) :]
        self.length += len(member)
        self.records += 1
        return RecordPlace(self.name, at, len(member))

    def sync(self) -> None:
        """What was added is on disk when this returns."""
        if self._file is not None and self._synced != self.length:
            os.fsync(self._file)
            self._synced = self.length

    def close(self, first: str, last: str) -> Segment:
        """The open segment under its final name. May be repeated after a kill (see `recover`)."""
        self.sync()
        os.close(self._file_number)
        self._file = None
        path = self.folder / self.name
        (self.folder / (self.name + OPEN)).replace(path)
        sync_folder(self.folder)
        return Segment(self.name, self.length, self.records, file_sha256(path), first, last)

    def abandon(self) -> None:
        """Let go of the file; what was not committed is cut off by the next run."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def segment_name(number: int) -> str:
    """The name of a source's `number`-th segment.

    >>> segment_name(7)
    'pages-00007.warc.gz'
    """
    return f"pages-{number:05d}.warc.gz"


def write_segments(folder: Path, segments: list[Segment]) -> None:
    """`segments.json`: what is closed, with its hashes."""
    write_json(folder / "segments.json", {"format": 1, "segments": [vars(segment) for segment in segments]})
