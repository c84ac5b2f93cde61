"""What a sitemap lists: addresses with when they changed, and further sitemaps. Bytes in, nothing fetched or raised.

https://www.sitemaps.org/protocol.html ; news: https://www.google.com/schemas/sitemap-news/0.9/ . Read by expat without
a tree and a piece at a time, so that depth and size cost no memory, and what came before a fault is kept.
"""

import codecs
import itertools
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from xml.parsers import expat

from ulmkit.formats.canonical import LONGEST_URL
from ulmkit.formats.feeds import AHEAD, read_feed
from ulmkit.formats.hrefs import absolute, host_of, without_fragment
from ulmkit.formats.origin import moment
from ulmkit.formats.xml import (
    DECLARES_TYPE,
    SECTION,
    ampersands_mended,
    declares_type,
    is_page,
    without_declaration,
    without_forbidden,
    xml_encoding,
)
from ulmkit.text.encoding import Undecodable

MAX_LIST_BYTES = 50_000_000  # unpacked; the protocol's own limits, as is the next
MAX_FOUND = 50_000
MAX_LISTS = 2_000  # in one index
MAX_LOOKED_AT = 150_000  # addresses, right ones or not; more are counted
MAX_LIST_ELEMENTS = 2_000_000
LIST_PIECE = 1 << 18  # bytes that are looked at at a time
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Found:
    """An address in a list, and what the list says of it."""

    url: str
    changed: datetime | None = None
    published: datetime | None = None
    language: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list holds: pages, further lists, a next page of it. `problem` says why that is not all.

    `left_out` counts addresses that are none, of hosts that may not be listed here, or over the limits.
    """

    found: tuple[Found, ...] = ()
    lists: tuple[Found, ...] = ()
    next: str = ""
    problem: str = ""
    left_out: int = 0


def read_sitemap(body: bytes, url: str, *, hosts: Collection[str] = (), now: datetime | None = None) -> Listing:
    """The sitemap that `body` is, fetched from `url`: an index, a set of addresses, a feed or plain lines, gzip or not.

    A sitemap speaks for its own host and for `hosts` (those whose robots.txt named it); `www.` makes no other host.
    Dates past `now` are none.
    """
    latest = (now or datetime.now(UTC)) + AHEAD
    taken = _Taken(url, {host_of(url), *(host.lower().removeprefix("www.") for host in hosts)})
    source = _Pieces(body)
    try:
        pieces = iter(_text_of(source))
        first = next(pieces, "")
    except Undecodable as error:
        return Listing(problem=source.problem or f"encoding: {error}")
    if not first.startswith("<"):
        return _plain_lines(itertools.chain([first], pieces), taken, source)
    if is_page(first):
        return Listing(problem="not a sitemap: a page")
    if declares_type(first):
        return Listing(problem=DECLARES_TYPE)
    reader = _Reader(taken, latest)
    fault = reader.read(_mended(itertools.chain([without_declaration(first)], pieces)))
    if reader.root in ("rss", "feed", "rdf"):
        return _of_feed(b"".join(_Pieces(body)), url, taken, latest)
    return taken.listing(source.problem or fault)


class _Pieces:
    """The bytes of a list without their gzip, a piece at a time and at most `MAX_LIST_BYTES`; then what is wrong."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.problem = ""

    def __iter__(self) -> Iterator[bytes]:
        packed = self.body.startswith(_GZIP)
        given = 0
        for piece in self._unpacked() if packed else _slices(self.body):
            yield piece[: MAX_LIST_BYTES - given]
            given += len(piece)
            if given > MAX_LIST_BYTES:
                self.problem = "expands too much" if packed else f"over {MAX_LIST_BYTES:,} bytes"
                return

    def _unpacked(self) -> Iterator[bytes]:
        """Members in a row are one file; what comes before a fault is given."""
        inflate = zlib.decompressobj(31)
        try:
            for packed in _slices(self.body):
                while packed:
                    if inflate.eof:
                        if not packed.startswith(_GZIP):
                            return  # padding
                        inflate = zlib.decompressobj(31)
                    if piece := inflate.decompress(packed, LIST_PIECE):
                        yield piece
                    packed = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        except zlib.error as error:
            self.problem = f"gzip: {error}"
            return
        if not inflate.eof:
            self.problem = "gzip: breaks off"


def _slices(data: bytes) -> Iterator[bytes]:
    return (data[start : start + LIST_PIECE] for start in range(0, len(data), LIST_PIECE))


def _text_of(pieces: Iterable[bytes]) -> Iterator[str]:
    """Bytes as text, without what XML cannot hold and without space in front. Raises `Undecodable`."""
    decoder: codecs.IncrementalDecoder | None = None
    begun = False
    for piece in pieces:
        if decoder is None:
            name = xml_encoding(piece)
            decoder = codecs.getincrementaldecoder(name)("replace")
        text = without_forbidden(decoder.decode(piece))
        if not begun:
            text = text.lstrip("\ufeff \t\r\n")
            begun = bool(text)
        if text:
            yield text


def _mended(pieces: Iterable[str]) -> Iterator[str]:
    """Text with its ampersands mended, cut where neither a tag nor a section nor an address is in the middle."""
    held = ""
    for piece in pieces:
        text = held + piece
        end = text.rfind(">") + 1
        section = text.rfind(SECTION)
        if section >= 0 and text.find("]]>", section) < 0:
            end = min(end, section)
        if len(text) - end > 2 * LIST_PIECE:
            end = len(text)  # nothing of ours is so long
        yield ampersands_mended(text[:end])
        held = text[end:]
    yield ampersands_mended(held)


class _Taken:
    """Addresses as they are found, each once, within the limits."""

    def __init__(self, url: str, hosts: Collection[str]) -> None:
        self.url = url
        self.hosts = hosts
        self.pages: dict[str, Found] = {}
        self.lists: dict[str, Found] = {}
        self.looked_at = 0
        self.left_out = 0

    def add(self, place: str, kind: Literal["pages", "lists"], told: Found) -> None:
        """The address that `place` is, with what is `told` of it, unless it may not be listed here."""
        self.looked_at += 1
        url = absolute(self.url, place) if place and self.looked_at <= MAX_LOOKED_AT else ""
        kept, most = (self.pages, MAX_FOUND) if kind == "pages" else (self.lists, MAX_LISTS)
        if kind == "lists" and url and without_fragment(url) == without_fragment(self.url):
            return  # an index that holds itself
        if not url or host_of(url) not in self.hosts or (len(kept) >= most and url not in kept):
            self.left_out += 1
        else:
            kept.setdefault(url, Found(url, told.changed, told.published, told.language, told.title))

    def listing(self, problem: str, next_: str = "") -> Listing:
        """All that was taken."""
        return Listing(tuple(self.pages.values()), tuple(self.lists.values()), next_, problem, self.left_out)


class _Stop(Exception):  # noqa: N818 — no error: nothing more is wanted
    """The first element, or a declaration, is not a sitemap's."""


class _Reader:
    """expat's calls as entries. Names count without their prefix: many sitemaps declare another namespace, or none."""

    def __init__(self, taken: _Taken, latest: datetime) -> None:
        self.taken, self.latest = taken, latest
        self.root = ""
        self.depth = 0
        self.elements = 0
        self.entry = 0  # depth of the entry that is open
        self.block = ""  # the element below it that is open
        self.told: dict[str, str] = {}
        self.others: dict[str, str] = {}  # address -> language
        self.text: list[str] | None = None

    def read(self, pieces: Iterable[str]) -> str:
        """All entries up to a fault, which is returned."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self.begun
        parser.EndElementHandler = self.ended
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.declared
        try:
            for piece in pieces:
                parser.Parse(piece.encode(), False)
            parser.Parse(b"", True)
        except _Stop as stop:
            return str(stop)
        except expat.ExpatError as error:
            return f"no XML: {error}"
        return ""

    def declared(self, *_: object) -> None:
        raise _Stop(DECLARES_TYPE)

    def begun(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2].lower()
        self.depth += 1
        self.elements += 1
        if self.elements > MAX_LIST_ELEMENTS:
            raise _Stop("too many elements")
        if self.depth == 1:
            self.root = local
            if local not in ("urlset", "sitemapindex"):
                raise _Stop(f"not a sitemap: <{local[:40]}>")
        elif not self.entry:
            if local in ("url", "sitemap"):
                self.entry, self.block, self.told, self.others = self.depth, "", {}, {}
        elif self.depth == self.entry + 1:
            self.block = local
            if local in ("loc", "lastmod"):
                self.text = []
            elif local == "link" and attributes.get("hreflang") and len(self.others) < 200:
                self.others[attributes.get("href", "")] = attributes["hreflang"]
        elif self.block == "news" and local in ("publication_date", "language", "title"):
            self.text = []

    def characters(self, data: str) -> None:
        if self.text is not None and len(data) <= 2 * LONGEST_URL:
            self.text.append(data)

    def ended(self, name: str) -> None:
        if self.text is not None:
            self.told.setdefault(name.rpartition(":")[2].lower(), "".join(self.text).strip())
            self.text = None
        elif self.depth == self.entry:
            self.entry = 0
            self.add(name.rpartition(":")[2].lower() == "sitemap")
        self.depth -= 1

    def add(self, is_list: bool) -> None:
        """The entry that ends here, and its versions in other languages."""
        place = self.told.get("loc", "")
        said = Found(
            url="",
            changed=_time(self.told.get("lastmod", ""), self.latest),
            published=_time(self.told.get("publication_date", ""), self.latest),
            language=(self.told.get("language") or self.others.pop(place, ""))[:35],
            title=" ".join(self.told.get("title", "").split()),
        )
        self.taken.add(place, "lists" if is_list else "pages", said)
        for other, language in self.others.items():
            known = "" if language.lower() == "x-default" else language[:35]
            self.taken.add(other, "pages", Found("", said.changed, said.published, known))


def _time(text: str, latest: datetime) -> datetime | None:
    """A date in the W3C's format, which may end after the year or the month; none that is past `latest`.

    >>> _time("2026-11", datetime(2026, 12, 1, tzinfo=UTC)), _time("1405-08-11", datetime(2026, 12, 1, tzinfo=UTC))
    (datetime.datetime(2026, 11, 1, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    if text.isascii() and text.replace("-", "").isdigit() and len(text) in (4, 7):
        text = (text + "-01-01")[:10]
    found = moment(text) if text else None
    return found if found and found <= latest else None


_ONE_ADDRESS = re.compile(r"\s*https?://\S+\s*", re.I)


def _plain_lines(pieces: Iterable[str], taken: _Taken, source: _Pieces) -> Listing:
    """A sitemap that is one address a line; what is mostly something else is none."""
    wrong = right = 0
    held = ""
    for piece in itertools.chain(pieces, ["\n"]):
        if taken.looked_at > MAX_LOOKED_AT:
            taken.left_out += piece.count("\n")
            continue
        *lines, held = (held + piece).split("\n")
        held = held[: 2 * LIST_PIECE]
        for line in lines:
            if _ONE_ADDRESS.fullmatch(line, 0, 2 * LONGEST_URL):
                right += 1
                taken.add(line, "pages", Found(""))
            else:
                wrong += bool(line.strip())
    if right <= wrong:
        return Listing(problem=source.problem or "not a sitemap")
    taken.left_out += wrong
    return taken.listing(source.problem)


def _of_feed(body: bytes, url: str, taken: _Taken, latest: datetime) -> Listing:
    """A feed that stands where a sitemap does, as the protocol allows."""
    feed = read_feed(body, url, now=latest - AHEAD)
    for entry in feed.entries:
        told = Found(
            "", entry.updated or entry.published, entry.published, entry.language or feed.language, entry.title
        )
        taken.add(entry.url, "pages", told)
    return taken.listing(feed.problem, feed.next)
