"""`[[sources]]`: where a language's text comes from; one class a kind, each with the keys that the kind knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SourceSpec:
    """`[[sources]]`: where pages come from."""

    name: str  # what its documents are counted under
    kind: str  # wikipedia, feed, site, blog, commoncrawl, hub, files, or one that an installed package adds
    locator: str  # what the kind needs: a wiki's database name, a URL, a crawl, a data set
    licence: str  # SPDX, LicenseRef-…, unknown, or page: each page must say so itself
    attribution: str = ""  # who is to be named
    ground: str = ""  # where licence or terms stand, and the day someone read it: "https://… read 2026-11-30"
    enabled: bool = True  # false: listed, and fetched only where it is named
    delay_s: float = 2.0  # least seconds between two requests to one host
    max_pages: int = 20_000  # of a run
    max_bytes: int = 2_000_000_000  # of a run
    max_hours: float = 24.0  # of a run
    max_hosts: int = 1_000  # of one registered domain: names cost nothing, and a trap has any number of them
    refresh_days: float = 7.0  # before that, a list is not asked again
    robots_denied: Literal["disallow", "allow"] = "disallow"  # what a robots.txt that answers 401 or 403 means
    # what a robots.txt that refuses a page to agents which gather training text says: no from any, from two, or nothing
    ai_agents: Literal["any", "two", "ignore"] = "two"
    options: Mapping[str, Any] = field(default_factory=dict)  # for kinds of installed packages


@dataclass(frozen=True)
class FeedSource(SourceSpec):
    """An RSS, Atom or JSON feed: an entry's own text where it is whole, else its page."""

    # how older entries are found: auto, none, rfc5005, wordpress (?paged=N), blogger (start-index), or an address
    # with {n} in it
    paging: str = "auto"
    text: Literal["auto", "entry", "page"] = "auto"  # whose: the entry's where it is whole, always, or the page's


@dataclass(frozen=True)
class SiteSource(SourceSpec):
    """A news site or any other: its sitemaps, its feeds, and where asked for its links."""

    # news-sitemap, sitemap, feed, links: where its pages are looked for, in this order
    discover: tuple[str, ...] = ("sitemap", "feed")
    include: tuple[str, ...] = ()  # regular expressions on path and query, one of which must be found; none: all pages
    exclude: tuple[str, ...] = ()  # regular expressions on path and query
    hosts: tuple[str, ...] = ()  # that pages may be on; none: the locator's. "*.example.org" takes subdomains
    depth: int = 0  # links to follow from a found page; more than 0 only with "links"
    since: str = ""  # a day: older pages are left, by the list's date or the one in the address
    calendar: Literal["gregorian", "jalali"] = "gregorian"  # of the years in addresses
    languages: tuple[str, ...] = ()  # of hreflang and html lang; pages that say another are left. None: all


@dataclass(frozen=True)
class BlogSource(SourceSpec):
    """A blog on a known platform: its posts through the platform's lists, a hundred a request."""

    platform: Literal["auto", "wordpress", "blogger", "sitemap"] = "auto"


@dataclass(frozen=True)
class CommonCrawlSource(SourceSpec):
    """Pages of a crawl of Common Crawl, found by its columnar index."""

    delay_s: float = 1.0  # least seconds between two requests to Common Crawl
    tld: tuple[str, ...] = ()  # top-level domains; one of tld, domains, content_language
    domains: tuple[str, ...] = ()  # registered domains
    content_language: str = ""  # ISO 639-3, the page's main one; reads a column of every file of the index
    form: Literal["warc", "wet"] = "warc"  # pages, or the plain text that was made of them
    mime: tuple[str, ...] = ("text/html", "application/xhtml+xml")
    respect_robots_now: bool = True  # a domain whose robots.txt refuses us today is left out


@dataclass(frozen=True)
class HubSource(SourceSpec):
    """A data set of the Hugging Face hub, at a commit."""

    revision: str = "main"  # resolved to a commit and pinned; give the commit to freeze it
    files: tuple[str, ...] = ()  # patterns; none: every Parquet and JSON-lines file
    text_field: str = "text"  # column that holds the text
    licence_field: str = ""  # column in which rows say their own licence


@dataclass(frozen=True)
class FilesSource(SourceSpec):
    """Files at addresses, whatever they hold."""

    sha256: str = ""  # of the file at the locator; without it the first download pins it
    more: Mapping[str, str] = field(default_factory=dict)  # further addresses, each with its sha256 or ""
    text_field: str = ""  # column or field that holds the text, if not found by itself


@dataclass(frozen=True)
class WikimediaSource(SourceSpec):
    """A Wikimedia project by its database name: the newest complete dump."""

    delay_s: float = 1.0  # least seconds between two requests to the dump server
    date: str = ""  # of the dump, YYYYMMDD; the newest unless given


SOURCE_TYPES: dict[str, type[SourceSpec]] = {
    "feed": FeedSource,
    "site": SiteSource,
    "blog": BlogSource,
    "commoncrawl": CommonCrawlSource,
    "hub": HubSource,
    "files": FilesSource,
    "wikipedia": WikimediaSource,
}
CRAWLED = (FeedSource, SiteSource, BlogSource)  # kinds whose pages are asked for one by one


def source_type(block: Any) -> type[SourceSpec]:
    """The class of a `[[sources]]` block: that of its kind, `SourceSpec` for kinds that installed packages add."""
    kind = block.get("kind") if isinstance(block, Mapping) else None
    return SOURCE_TYPES.get(kind, SourceSpec) if isinstance(kind, str) else SourceSpec
