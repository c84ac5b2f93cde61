"""Web archives: WARC and WET records, and the older ARC, with the HTTP messages inside them.

A record that contradicts its own length is left, the next one looked for, and the gap counted.
WARC 1.1: https://iipc.github.io/warc-specifications/ ; ARC: https://archive.org/web/researcher/ArcFileFormat.php
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from ulmkit.document import Kind
from ulmkit.formats import reasons
from ulmkit.formats.consent import USAGE_FIELDS
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.origin import Origin, Record, moment
from ulmkit.formats.posts import post_documents
from ulmkit.formats.streams import CODECS, ByteBudget, Codec, Failure, Inflate, RawBytes, SectionBytes, Stream
from ulmkit.formats.streams import decompressed as one_layer_off

HEADER_LINE = 1 << 15
HEADER_LINES = 500
_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.I)
PAGE_ADDRESS = re.compile(r"(?:https?|ftp|file|gopher)://|/", re.I)
ARC_LINE = re.compile(rb"(\S.*) (\S+) (\d{8,18}) (\S+)((?: \S+)*) (-?\w+)\s*")
ARC_HEADER = re.compile(rb"[a-z][a-z0-9+.-]*:.* \d{8,18} \S+ ", re.I)
_LENGTH = re.compile(r"[0-9]{1,18}")
NOT_PAGES = frozenset(("warcinfo", "request", "metadata", "continuation"))


@dataclass(frozen=True)
class Message:
    """An HTTP response: status, header fields in lower case, body as the server meant it."""

    status: int
    headers: dict[str, str]
    body: bytes
    failure: Failure | None = None


def header_fields(lines: list[bytes]) -> dict[str, str]:
    """`Name: value` lines as a dictionary; continued lines are joined, the first of equal names stays."""
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text[:1] in " \t" and last:
            fields[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        last = name.strip().lower() if colon else ""
        if last and last not in fields:
            fields[last] = value.strip()
    return fields


def message(block: bytes, limit: int) -> Message:
    """The HTTP response in a record's block; a block that is none is a body without headers (HTTP/0.9)."""
    if block[:5].upper() != b"HTTP/":
        return Message(200, {}, block)
    file = io.BytesIO(block)
    first = file.readline(HEADER_LINE)
    lines: list[bytes] = []
    while (line := file.readline(HEADER_LINE)) not in (b"", b"\n", b"\r\n"):
        lines.append(line)
        if len(lines) > HEADER_LINES:
            return Message(0, {}, b"", Failure(reasons.DAMAGED, "no end of the HTTP header"))
    status = re.match(rb"HTTP/[\d.]+\s+(\d{3})", first, re.I)
    headers = header_fields(lines)
    body = file.read()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = unchunked(body)
    failure = None
    for coding in reversed(headers.get("content-encoding", "").lower().split(",")):
        body, failure = uncompressed(body, coding.strip(), limit)
        if failure:
            break
    return Message(int(status[1]) if status else 0, headers, body, failure)


def usage_fields(block: bytes) -> tuple[tuple[str, str], ...]:
    """The header fields of a response that say something of its use, in their order, doubles kept."""
    head = re.split(rb"\r?\n\r?\n", block[: HEADER_LINE * 8], maxsplit=1)[0]
    found = []
    for line in re.sub(rb"\r?\n[ \t]+", b" ", head).split(b"\n"):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon and name.strip().lower() in USAGE_FIELDS:
            found.append((name.strip().lower(), value.strip()))
    return tuple(found)


def unchunked(body: bytes) -> bytes:
    """The data of a chunked body. One stored already joined comes back as it is; one that breaks, to the break."""
    file = io.BytesIO(body)
    parts: list[bytes] = []
    while True:
        match = re.fullmatch(rb"\s*([0-9a-fA-F]{1,8})\s*(?:;[^\n]*)?\r?\n", file.readline(1024))
        if match is None:
            return b"".join(parts) if parts else body
        size = int(match[1], 16)
        if not size:
            return b"".join(parts)
        parts.append(file.read(size))
        if len(parts[-1]) < size:
            return b"".join(parts)
        file.readline(3)


DEFLATE = {
    "zlib": Codec("deflate", (b"",), lambda limits: Inflate(15), single=True),
    "bare": Codec("deflate", (b"",), lambda limits: Inflate(-15), single=True),
}


def uncompressed(body: bytes, coding: str, limit: int) -> tuple[bytes, Failure | None]:
    """`body` with a content coding undone; one stored already plain comes back as it is. At most `limit` bytes."""
    from ulmkit.formats.streams import LIMITS

    codec: Codec | None = None
    if coding in ("gzip", "x-gzip"):
        codec = CODECS["gzip"]
    elif coding == "zstd":
        codec = CODECS["zstd"]
    elif coding == "deflate" and body:
        codec = DEFLATE["zlib" if body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else "bare"]
    elif coding == "br":
        return unbrotlied(body, limit)
    if codec is None or not codec.starts(body):
        return body, None
    raw = cast(RawBytes, SectionBytes(io.BytesIO(body), len(body)))
    plain = one_layer_off(Stream(raw), codec, LIMITS, ByteBudget(len(body), LIMITS))
    data = plain.read(limit + 1)
    if len(data) > limit:
        return b"", Failure(reasons.BOMB, f"a page over {limit:,} bytes")
    if plain.failure and plain.failure.reason == reasons.BOMB:
        return b"", plain.failure
    # a page cut off in transit is a page as far as it goes
    return (data, None) if data else (b"", plain.failure)


def unbrotlied(body: bytes, limit: int) -> tuple[bytes, Failure | None]:
    """`body` with Brotli undone, by fastwarc's reader."""
    from fastwarc.stream_io import BrotliReader

    try:
        reader = BrotliReader(io.BytesIO(body))
        data = bytearray()
        while chunk := reader.read(min(1 << 16, limit + 1 - len(data))):
            data += chunk
            if len(data) > limit:
                return b"", Failure(reasons.BOMB, f"a page over {limit:,} bytes")
    except Exception as error:  # whatever the native reader raises, the record alone is lost
        return body, None if _PAGE.search(body[:4096]) else Failure(reasons.DAMAGED, f"brotli: {error}")
    return bytes(data), None


def media_type(value: str) -> tuple[str, str]:
    """Type and charset of a Content-Type.

    >>> media_type('text/html; charset="UTF-8"')
    ('text/html', 'UTF-8')
    """
    kind, _, rest = value.partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", rest, re.I)
    return kind.strip().lower(), charset[1] if charset else ""


def as_page(
    block: bytes, content_type: str, origin: Origin, *, number: int, url: str, fetched_at: datetime | None
) -> Record:
    """The page that an HTTP response or a bare resource holds, or why there is none."""
    response = message(block, origin.limits.record)
    if response.failure:
        return origin.unreadable(*response.failure, number)
    if response.status != 200:
        return origin.unreadable(reasons.STATUS, f"{response.status} {url}", number)
    kind, charset = media_type(response.headers.get("content-type", content_type))
    body = response.body
    looks_like_page = bool(_PAGE.search(body[:4096]))
    if b"\0" in body[:1024] and not body.startswith((b"\xff\xfe", b"\xfe\xff")) and not looks_like_page:
        return origin.unreadable(reasons.NOT_TEXT, f"{kind} {url}", number)
    if kind == "text/plain" and url.endswith("/robots.txt"):
        return origin.unreadable(reasons.NOT_A_PAGE, url, number)
    if kind in ("text/html", "application/xhtml+xml") or (not kind and looks_like_page):
        return origin.document(body, "html", record=number, url=url, encoding=charset, fetched_at=fetched_at)
    if kind == "text/plain":
        page: Kind = "html" if looks_like_page else "text"
        return origin.document(body, page, record=number, url=url, encoding=charset, fetched_at=fetched_at)
    return origin.unreadable(reasons.NOT_TEXT, f"{kind or 'no type'} {url}", number)


def whole(stream: Stream, size: int) -> tuple[bytes, int]:
    """The next `size` bytes, and how many of them the stream no longer had."""
    block = stream.read(size)
    return block, size - len(block)


def skip(stream: Stream, count: int) -> int:
    """Pass over `count` bytes; returns how many are missing."""
    while count > 0 and (data := stream.read(min(count, 1 << 18))):
        count -= len(data)
    return count


def read_warc(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a page: responses with status 200, resources, and the plain text of WET files."""
    number = 0
    lost = False
    while line := stream.readline(HEADER_LINE):
        if not line.startswith(b"WARC/"):
            if line.strip() and not lost:
                lost = True
                yield origin.unreadable(reasons.DAMAGED, "bytes between records", number, shown=excerpt(line))
            continue
        lost = False
        lines: list[bytes] = []
        while (line := stream.readline(HEADER_LINE)) not in (b"", b"\n", b"\r\n") and len(lines) < HEADER_LINES:
            lines.append(line)
        number += 1
        headers = header_fields(lines)
        length = headers.get("content-length", "")
        if not line:
            if stream.failure is None:
                yield origin.unreadable(reasons.TRUNCATED, "ends inside a record's header", number, shown=stream.tail())
            return
        if not _LENGTH.fullmatch(length):
            yield origin.unreadable(
                reasons.DAMAGED, "a record without its length", number, shown=excerpt(b"".join(lines))
            )
            lost = True
            continue
        size = int(length)
        kind = headers.get("warc-type", "").lower()
        complaint = None
        if kind in NOT_PAGES or kind not in ("response", "resource", "conversion", "revisit"):
            complaint = origin.unreadable(reasons.NOT_A_PAGE, kind, number)
        elif kind == "revisit":
            complaint = origin.unreadable(reasons.REVISIT, headers.get("warc-target-uri", ""), number)
        elif size > origin.limits.record:
            complaint = origin.unreadable(reasons.TOO_LARGE, f"{size:,} bytes", number)
        block, missing = (b"", skip(stream, size)) if complaint else whole(stream, size)
        if missing:
            if stream.failure is None:
                yield origin.unreadable(
                    reasons.TRUNCATED, f"{missing:,} bytes of a {kind} are missing", number, shown=stream.tail()
                )
            return
        if complaint:
            yield complaint
            continue
        own = with_terms(origin, headers, block)
        if origin.crawled and headers.get("warc-ulmkit-role") in LISTS_OF_POSTS:
            yield from _posts(headers, block, own, number)
        else:
            yield warc_record(kind, headers, block, own, number)


def with_terms(origin: Origin, headers: dict[str, str], block: bytes) -> Origin:
    """`origin` with what was said of the use of this record, where it is of our own crawl.

    What its host said of a list is taken for its entries, and what an answer's header says of it as well.
    """
    if origin.terms is None:
        return origin
    terms = replace(
        origin.terms,
        signals=headers.get("warc-ulmkit-signals", ""),
        fields=usage_fields(block) if block[:5].upper() == b"HTTP/" else (),  # the text of a WET has none
        listed=headers.get("warc-ulmkit-role") in LISTS_OF_POSTS,
    )
    return replace(origin, terms=terms)


# what a crawl says of a list whose entries are documents: only those that are whole, or all
LISTS_OF_POSTS = ("posts", "entries")


def _posts(headers: dict[str, str], block: bytes, origin: Origin, number: int) -> Iterator[Record]:
    """The documents of a list of posts."""
    url = headers.get("warc-target-uri", "").strip("<>")
    response = message(block, origin.limits.record)
    if response.failure:
        yield origin.unreadable(*response.failure, number)
    elif response.status != 200:
        yield origin.unreadable(reasons.STATUS, f"{response.status} {url}", number)
    else:
        yield from post_documents(
            response.body,
            response.headers.get("content-type", ""),
            origin,
            number=number,
            url=url,
            fetched_at=moment(headers.get("warc-date")),
            also_cut=headers["warc-ulmkit-role"] == "entries",
        )


def warc_record(kind: str, headers: dict[str, str], block: bytes, origin: Origin, number: int) -> Record:
    """One response, resource or conversion."""
    url = headers.get("warc-target-uri", "").strip("<>")
    when = moment(headers.get("warc-date"))
    content_type = headers.get("content-type", "")
    if not PAGE_ADDRESS.match(url):
        return origin.unreadable(reasons.NOT_A_PAGE, url, number)
    if origin.crawled and headers.get("warc-ulmkit-role") != "page":
        return origin.unreadable(reasons.NOT_A_PAGE, url, number)
    if kind == "conversion":
        if media_type(content_type)[0] not in ("text/plain", ""):
            return origin.unreadable(reasons.NOT_TEXT, f"{content_type} {url}", number)
        return origin.document(block, "text", record=number, url=url, encoding="utf-8", fetched_at=when)
    if kind == "response" and not content_type.lower().startswith("application/http") and content_type:
        return origin.unreadable(reasons.NOT_A_PAGE, content_type, number)
    stored = "" if kind == "response" else content_type
    return as_page(block, stored, origin, number=number, url=url, fetched_at=when)


def read_arc(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a page of an ARC file, whose records start with one line: address, IP, time, type, …, length."""
    number = 0
    lost = False
    while line := stream.readline(HEADER_LINE):
        if not line.strip():
            continue
        match = ARC_LINE.fullmatch(line)
        if match is None or not ARC_HEADER.match(line):
            if not lost:
                lost = True
                yield origin.unreadable(reasons.DAMAGED, "bytes between records", number, shown=excerpt(line))
            continue
        number += 1
        url, kind = match[1].decode("utf-8", "replace"), match[4].decode("ascii", "replace")
        if not _LENGTH.fullmatch(match[6].decode("ascii", "replace")):
            yield origin.unreadable(reasons.DAMAGED, f"no length: {url}", number, shown=excerpt(line))
            lost = True
            continue
        lost = False
        size = int(match[6])
        when = moment(match[3][:14].decode())
        complaint = None
        if url.startswith("filedesc:"):
            complaint = origin.unreadable(reasons.NOT_A_PAGE, "filedesc", number)
        elif not PAGE_ADDRESS.match(url):
            complaint = origin.unreadable(reasons.NOT_A_PAGE, url, number)
        elif size > origin.limits.record:
            complaint = origin.unreadable(reasons.TOO_LARGE, f"{size:,} bytes", number)
        block, missing = (b"", skip(stream, size)) if complaint else whole(stream, size)
        if missing:
            if stream.failure is None:
                yield origin.unreadable(
                    reasons.TRUNCATED, f"{missing:,} bytes of {url} are missing", number, shown=stream.tail()
                )
            return
        yield complaint or as_page(block, kind, origin, number=number, url=url, fetched_at=when)
