"""Records that another crawl archived, as records of ours: the same capture, under a header that says whose it is.

Block, date, address and digests stay as they were. A record of ours says what its server said of its use and that it
is a page, which those of others do not; `WARC-Ulmkit-Copied-From` names the file, the bytes of it and the record that
it was. (`WARC-Refers-To` has no meaning on a response: WARC 1.1, 5.9.)
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ulmkit.acquire.archive import warc_member
from ulmkit.acquire.plan import ONE
from ulmkit.formats.http_message import HEADER_LINE, HEADER_LINES, header_fields
from ulmkit.formats.origin import moment

LONGEST = 1 << 26  # bytes of an unpacked record
EXPANSION = 100  # bytes that a file's may unpack to
_KEPT = {
    name.lower(): name
    for name in ("Content-Type", "WARC-IP-Address", "WARC-Payload-Digest", "WARC-Truncated",
                 "WARC-Identified-Payload-Type", "WARC-Identified-Content-Language")
}  # fmt: skip
_LENGTH = re.compile(r"[0-9]{1,18}")


class NotTheRecordError(ValueError):
    """What is there is not what was looked for."""


@dataclass(frozen=True)
class ForeignRecord:
    """A record of another's archive: header fields in lower case, and the block."""

    fields: Mapping[str, str]
    block: bytes

    @property
    def kind(self) -> str:
        return self.fields.get("warc-type", "").lower()

    @property
    def url(self) -> str:
        return self.fields.get("warc-target-uri", "").strip("<>")

    @property
    def language(self) -> str:
        """Its main language, ISO 639-3, where the archive says it."""
        return self.fields.get("warc-identified-content-language", "").partition(",")[0].strip()

    @property
    def when(self) -> float | None:
        """When it was fetched, in seconds since 1970."""
        found = moment(self.fields.get("warc-date"))
        return None if found is None else found.timestamp()

    def as_ours(self, place: str, signals: str) -> bytes:
        """As a member of our archive. Raises `NotTheRecordError` for a record without its date."""
        if self.when is None:
            raise NotTheRecordError("a record without its date")
        kept = {name: self.fields[key] for key, name in _KEPT.items() if key in self.fields}
        copied = f"{place} {self.fields.get('warc-record-id', '')}"
        own = {"WARC-Ulmkit-Role": ONE, "WARC-Ulmkit-Copied-From": copied, "WARC-Ulmkit-Signals": signals}
        return warc_member(self.kind, self.when, self.block, {"WARC-Target-URI": self.url, **kept, **own})


def record_in(member: bytes, url: str) -> ForeignRecord:
    """The response that a gzip member holds. Raises `NotTheRecordError` where that is not the one of `url`."""
    unpacker = zlib.decompressobj(31)
    try:
        data = unpacker.decompress(member, LONGEST)
    except zlib.error:
        raise NotTheRecordError("damaged") from None
    if not unpacker.eof:
        raise NotTheRecordError("too large" if unpacker.unconsumed_tail else "damaged")
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not head.startswith(b"WARC/") or len(lines) > HEADER_LINES:
        raise NotTheRecordError("no record")
    fields = header_fields(lines[1:])
    length = fields.get("content-length", "")
    if not _LENGTH.fullmatch(length) or int(length) > len(rest):
        raise NotTheRecordError("damaged")
    record = ForeignRecord(fields, rest[: int(length)])
    if record.kind != "response" or record.url != url:
        raise NotTheRecordError("another record")
    return record


def texts_in(path: Path) -> Iterator[ForeignRecord]:
    """The plain texts of a WET file, in order. Raises `NotTheRecordError` where the file breaks off or never ends."""
    most = max(path.stat().st_size * EXPANSION, LONGEST)
    try:
        with gzip.open(path) as file:
            while line := file.readline(HEADER_LINE):
                if not line.strip():
                    continue
                lines: list[bytes] = []
                while (each := file.readline(HEADER_LINE)) not in (b"", b"\n", b"\r\n"):
                    lines.append(each)
                    if len(lines) > HEADER_LINES:
                        raise NotTheRecordError("no record")
                fields = header_fields(lines)
                length = fields.get("content-length", "")
                if not line.startswith(b"WARC/") or not _LENGTH.fullmatch(length) or int(length) > LONGEST:
                    raise NotTheRecordError("no record")
                if len(block := file.read(int(length))) < int(length):
                    raise NotTheRecordError("breaks off")
                if file.tell() > most:
                    raise NotTheRecordError("expands too much")
                record = ForeignRecord(fields, block)
                if record.kind == "conversion":
                    yield record
    except (OSError, EOFError, zlib.error):
        raise NotTheRecordError("damaged") from None
