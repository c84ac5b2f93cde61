"""What a sitemap lists: addresses with when they changed, and further sitemaps. Bytes in, nothing fetched or raised.

https://www.sitemaps.org/protocol.html ; news: https://www.google.com/schemas/sitemap-news/0.9/ . Read by expat without
a tree, so that depth and size cost no memory, and what came before a fault is kept.
"""

import re
import zlib
from collections.abc import Collection
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
    ampersands_mended,
    declares_type,
    is_page,
    without_declaration,
    xml_text,
)
from ulmkit.text.encoding import Undecodable

MAX_LIST_BYTES = 50_000_000  # unpacked; the protocol's own limits, as is the next
MAX_FOUND = 50_000
MAX_LISTS = 2_000  # in one index


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
    body, problem = _unpacked(body)
    try:
        text = xml_text(body)
    except Undecodable as error:
        return Listing(problem=problem or f"encoding: {error}")
    taken = _Taken(url, {host_of(url), *(host.lower().removeprefix("www.") for host in hosts)})
    if not text.startswith("<"):
        return _plain_lines(text, taken, problem)
    if is_page(text):
        return Listing(problem="not a sitemap: a page")
    if declares_type(text):
        return Listing(problem=DECLARES_TYPE)
    reader = _Reader(taken, latest)
    fault = reader.read(ampersands_mended(text))
    if reader.root in ("rss", "feed", "rdf"):
        return _of_feed(body, url, taken, latest)
    return taken.listing(problem or fault)


def _unpacked(body: bytes) -> tuple[bytes, str]:
    """`body` without its gzip, at most `MAX_LIST_BYTES` of it, and what is wrong."""
    if not body.startswith(b"\x1f\x8b"):
        return body[:MAX_LIST_BYTES], f"over {MAX_LIST_BYTES:,} bytes" if len(body) > MAX_LIST_BYTES else ""
    parts: list[bytes] = []
    left = MAX_LIST_BYTES
    while body.startswith(b"\x1f\x8b") and left > 0:  # members in a row are one file
        inflate = zlib.decompressobj(31)
        try:
            parts.append(inflate.decompress(body, left))
        except zlib.error as error:
            return b"".join(parts), f"gzip: {error}"
        left -= len(parts[-1])
        if not inflate.eof:
            return b"".join(parts), "expands too much" if left <= 0 else "gzip: breaks off"
        body = inflate.unused_data
    return b"".join(parts), "expands too much" if left <= 0 else ""


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
        url = absolute(self.url, place) if place and self.looked_at <= 3 * MAX_FOUND else ""
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
        self.entry = 0  # depth of the entry that is open
        self.block = ""  # the element below it that is open
        self.told: dict[str, str] = {}
        self.others: dict[str, str] = {}  # address -> language
        self.text: list[str] | None = None

    def read(self, text: str) -> str:
        """All entries up to a fault, which is returned."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self.begun
        parser.EndElementHandler = self.ended
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.declared
        try:
            parser.Parse(without_declaration(text).encode(), True)
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


def _plain_lines(text: str, taken: _Taken, problem: str) -> Listing:
    """A sitemap that is one address a line; what is mostly something else is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    right = [line for line in lines if _ONE_ADDRESS.fullmatch(line, 0, 2 * LONGEST_URL)]
    if not right or 2 * len(right) < len(lines):
        return Listing(problem=problem or "not a sitemap")
    for line in right:
        taken.add(line, "pages", Found(""))
    taken.left_out += len(lines) - len(right)
    return taken.listing(problem)


def _of_feed(body: bytes, url: str, taken: _Taken, latest: datetime) -> Listing:
    """A feed that stands where a sitemap does, as the protocol allows."""
    feed = read_feed(body, url, now=latest - AHEAD)
    for entry in feed.entries:
        told = Found(
            "", entry.updated or entry.published, entry.published, entry.language or feed.language, entry.title
        )
        taken.add(entry.url, "pages", told)
    return taken.listing(feed.problem, feed.next)
