"""Web archives: WARC and WET records, and the older ARC, with the HTTP messages inside them.

A record that contradicts its own length is left, the next one looked for, and the gap counted; a damaged member of a
packed archive costs the records in it, and reading goes on at the next.
WARC 1.1: https://iipc.github.io/warc-specifications/ ; ARC: https://archive.org/web/researcher/ArcFileFormat.php
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.consent import USAGE_FIELDS
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.http_message import (
    DELIVERED,
    HEADER_LINE,
    HEADER_LINES,
    INTERIM,
    PAGE_TYPES,
    has_page,
    header_fields,
    is_page_body,
    media_type,
    message,
    not_text,
)
from ulmkit.formats.origin import Origin, Record, moment
from ulmkit.formats.posts import post_documents
from ulmkit.formats.streams import Stream

PAGE_ADDRESS = re.compile(r"(?:https?|ftp|file|gopher)://|/", re.I)
ARC_LINE = re.compile(rb"(\S.*) (\S+) (\d{8,18}) (\S+)((?: \S+)*) (-?\w+)\s*")
ARC_HEADER = re.compile(rb"[a-z][a-z0-9+.-]*:.* \d{8,18} \S+ ", re.I)
_BEHIND = 1 << 10  # bytes behind a record after which it is no longer held
_LENGTH = re.compile(r"[0-9]{1,18}")
NOT_PAGES = frozenset(("warcinfo", "request", "metadata", "continuation"))


def usage_fields(block: bytes) -> tuple[tuple[str, str], ...]:
    """The header fields of a response that say something of its use, in their order, doubles kept.

    Those of interim answers before it are among them: none says that a page may be used.
    """
    head = b""
    rest = block[: HEADER_LINE * 8]
    for _ in range(INTERIM):
        start, *more = re.split(rb"\r?\n\r?\n", rest, maxsplit=1)
        head += start + b"\n"
        rest = more[0] if more else b""
        if not re.match(rb"HTTP/[\d.]+\s+1\d\d", start, re.I) or rest[:5].upper() != b"HTTP/":
            break
    found = []
    for line in re.sub(rb"\r?\n[ \t]+", b" ", head).split(b"\n"):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon and name.strip().lower() in USAGE_FIELDS:
            found.append((name.strip().lower(), value.strip()))
    return tuple(found)


def as_page(
    block: bytes, content_type: str, origin: Origin, *, number: int, url: str, fetched_at: datetime | None
) -> Record:
    """The page that an HTTP response or a bare resource holds, or why there is none."""
    response = message(block, origin.limits.record)
    if response.failure:
        return origin.unreadable(*response.failure, number)
    if response.status not in DELIVERED:
        return origin.unreadable(reasons.STATUS, f"{response.status} {url}", number)
    kind, charset = media_type(response.headers.get("content-type", content_type))
    body = response.body
    if (foreign := not_text(body)) and not has_page(body):
        said = f"{foreign} sent as {kind}" if kind in (*PAGE_TYPES, "text/plain") else kind or foreign
        return origin.unreadable(reasons.NOT_TEXT, f"{said} {url}", number)
    if kind == "text/plain" and url.endswith("/robots.txt"):
        return origin.unreadable(reasons.NOT_A_PAGE, url, number)
    if kind in PAGE_TYPES or is_page_body(body, kind) or (kind in ("", "text/plain") and has_page(body)):
        return origin.document(body, "html", record=number, url=url, encoding=charset, fetched_at=fetched_at)
    if kind == "text/plain":
        return origin.document(body, "text", record=number, url=url, encoding=charset, fetched_at=fetched_at)
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


@dataclass
class _Place:
    """How far the reading of an archive has come: which record, and the last one that was read whole.

    It is held until the bytes behind it are seen: where they are the end of a damaged member, it was in it.
    """

    number: int = 0
    held: list[Record] = field(default_factory=list)
    behind: int = 0  # bytes read behind the held record
    lost: bool = False  # among bytes that belong to no record

    def passed(self, line: bytes, begins: bool) -> list[Record]:
        """What is certain once `line` was read: the held record, where a record begins or much stands between."""
        self.behind += len(line)
        return self.released() if begins or self.behind > _BEHIND else []

    def released(self) -> list[Record]:
        held, self.held, self.behind = self.held, [], 0
        return held

    def at_end(self, stream: Stream, origin: Origin) -> list[Record]:
        """The held record, or the complaint that it lay in a damaged member."""
        if stream.unsound <= self.behind:
            return self.released()
        return [
            origin.unreadable(reasons.DAMAGED, "a record in a damaged member", self.number) for _ in self.released()
        ]


def _whatever_is_left(
    read: Callable[[Stream, Origin, _Place], Iterator[Record]],
    stream: Stream,
    origin: Origin,
    begins: Callable[[bytes], bool],
) -> Iterator[Record]:
    """All records that `read` finds, before and behind damaged members, each gap with its complaint."""
    place = _Place()
    while True:
        yield from read(stream, origin, place)
        yield from place.at_end(stream, origin)
        why = stream.failure.detail if stream.failure else ""
        if not (gap := stream.resumed(begins)):
            return
        yield origin.unreadable(reasons.DAMAGED, f"{why}: {gap}", place.number)


def read_warc(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a page: responses with status 200, resources, and the plain text of WET files."""
    yield from _whatever_is_left(_warc_records, stream, origin, lambda start: start.startswith(b"WARC/"))


def _warc_records(stream: Stream, origin: Origin, place: _Place) -> Iterator[Record]:
    while line := stream.readline(HEADER_LINE):
        begins = line.startswith((b"WARC/", b"\xef\xbb\xbfWARC/"))
        yield from place.passed(line, begins)
        if not begins:
            if line.strip() and not place.lost:
                place.lost = True
                yield origin.unreadable(reasons.DAMAGED, "bytes between records", place.number, shown=excerpt(line))
            continue
        place.lost = False
        lines: list[bytes] = []
        while (line := stream.readline(HEADER_LINE)) not in (b"", b"\n", b"\r\n") and len(lines) < HEADER_LINES:
            lines.append(line)
        place.number += 1
        number = place.number
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
            place.lost = True
            continue
        kind = headers.get("warc-type", "").lower()
        complaint = _left_out(kind, int(length), headers, origin, number)
        block, missing = (b"", skip(stream, int(length))) if complaint else whole(stream, int(length))
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
            place.held = list(_posts(headers, block, own, number))
        else:
            place.held = [warc_record(kind, headers, block, own, number)]


def _left_out(kind: str, size: int, headers: dict[str, str], origin: Origin, number: int) -> Unreadable | None:
    """Why a record is passed over unread."""
    if kind in NOT_PAGES or kind not in ("response", "resource", "conversion", "revisit"):
        return origin.unreadable(reasons.NOT_A_PAGE, kind, number)
    if kind == "revisit":
        return origin.unreadable(reasons.REVISIT, headers.get("warc-target-uri", ""), number)
    if size > origin.limits.record:
        return origin.unreadable(reasons.TOO_LARGE, f"{size:,} bytes", number)
    return None


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
    elif response.status not in DELIVERED:
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
            apart=frozenset(headers.get("warc-ulmkit-apart", "").split()),
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
    yield from _whatever_is_left(_arc_records, stream, origin, lambda start: bool(ARC_HEADER.match(start)))


def _arc_records(stream: Stream, origin: Origin, place: _Place) -> Iterator[Record]:
    while line := stream.readline(HEADER_LINE):
        match = ARC_LINE.fullmatch(line) if ARC_HEADER.match(line) else None
        yield from place.passed(line, match is not None)
        if not line.strip():
            continue
        if match is None:
            if not place.lost:
                place.lost = True
                yield origin.unreadable(reasons.DAMAGED, "bytes between records", place.number, shown=excerpt(line))
            continue
        place.number += 1
        number = place.number
        url, kind = match[1].decode("utf-8", "replace"), match[4].decode("ascii", "replace")
        if not _LENGTH.fullmatch(match[6].decode("ascii", "replace")):
            yield origin.unreadable(reasons.DAMAGED, f"no length: {url}", number, shown=excerpt(line))
            place.lost = True
            continue
        place.lost = False
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
        if complaint:
            yield complaint
        else:
            place.held = [as_page(block, kind, origin, number=number, url=url, fetched_at=when)]
