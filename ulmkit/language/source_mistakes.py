"""What a declared source may not say, though every value in it is of its field's type."""

import ipaddress
import re
from datetime import date
from urllib.parse import urlsplit

from ulmkit.language.sources import (
    CRAWLED,
    CommonCrawlSource,
    FeedSource,
    FilesSource,
    HubSource,
    SiteSource,
    SourceSpec,
    WikimediaSource,
)

LEAST_DELAY_S = 0.5
DISCOVERIES = ("news-sitemap", "sitemap", "feed", "links")
PAGINGS = ("auto", "none", "rfc5005", "wordpress", "blogger")
_NAME = re.compile(r"\w[\w.\-]{0,60}")
_CRAWL = re.compile(r"latest|CC-MAIN-\d{4}-\d{2}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}|")

INSIDE_ADDRESS = "is an address inside of a network."

Mistake = tuple[str, str]  # the key, and what is wrong with it and what to do


def mistake_in(source: SourceSpec) -> Mistake | None:
    """The first mistake in a source; None where there is none."""
    if not _NAME.fullmatch(source.name):
        return "name", "'name' names a folder. Give letters, digits, dots and dashes."
    if source.licence == "unknown" and source.enabled:
        return "licence", "unknown licence; set enabled = false or find it out."
    for key in ("max_pages", "max_bytes", "max_hours", "max_hosts"):
        if getattr(source, key) <= 0:
            return key, f"'{key}' must be above 0."
    if source.refresh_days < 0:
        return "refresh_days", "'refresh_days' must be 0 or more."
    if source.delay_s < (LEAST_DELAY_S if isinstance(source, CRAWLED) else 0.0):
        return "delay_s", f"'delay_s' must be {LEAST_DELAY_S} or more: a server has other guests."
    return _kind_mistake(source)


def _kind_mistake(source: SourceSpec) -> Mistake | None:
    """The first mistake in what only the source's kind knows."""
    if isinstance(source, (*CRAWLED, FilesSource)) and (wrong := address_mistake(source.locator)):
        return "locator", f"'{source.locator[:100]}' {wrong}."
    if isinstance(source, FeedSource):
        if source.paging not in PAGINGS and not ("{n}" in source.paging and not address_mistake(source.paging)):
            return "paging", f"'{source.paging}' is none of {', '.join(PAGINGS)}, nor an address with {{n}} in it."
    elif isinstance(source, SiteSource):
        return _site_mistake(source)
    elif isinstance(source, CommonCrawlSource):
        if not _CRAWL.fullmatch(source.locator):
            return "locator", f"'{source.locator[:60]}' is no crawl. Give latest, or one such as CC-MAIN-2026-43."
        if sum(map(bool, (source.tld, source.domains, source.content_language))) != 1:
            return "tld", "give one of tld, domains, content_language: they are read from different columns."
    elif isinstance(source, HubSource):
        if not re.fullmatch(r"[\w.\-]+/[\w.\-]+", source.locator):
            return "locator", f"'{source.locator[:60]}' is no data set. Give owner/name."
    elif isinstance(source, FilesSource):
        digests = {source.locator: source.sha256, **source.more}
        for url, digest in digests.items():
            if wrong := address_mistake(url):
                return "more", f"'{url[:100]}' {wrong}."
            if not _SHA256.fullmatch(digest):
                return "sha256", f"'{digest[:70]}' is no SHA-256: 64 hexadecimal digits."
    elif isinstance(source, WikimediaSource) and source.date and not re.fullmatch(r"\d{8}", source.date):
        return "date", f"'{source.date[:20]}' is no date of a dump. Give YYYYMMDD."
    return None


def _site_mistake(source: SiteSource) -> Mistake | None:
    for key in ("include", "exclude"):
        for expression in getattr(source, key):
            try:
                re.compile(expression)
            except re.error as error:
                return key, f"'{expression[:100]}' is no regular expression ({error})."
    if unknown := [name for name in source.discover if name not in DISCOVERIES]:
        return "discover", f"'{unknown[0]}' is none of {', '.join(DISCOVERIES)}."
    if not source.discover:
        return "discover", f"'discover' is empty. Give some of {', '.join(DISCOVERIES)}."
    if source.depth < 0 or (source.depth and "links" not in source.discover):
        return "depth", "'depth' counts links: it needs \"links\" in 'discover'."
    if source.since:
        try:
            date.fromisoformat(source.since)
        except ValueError:
            return "since", f"'{source.since[:30]}' is no day. Give YYYY-MM-DD."
    return None


def address_mistake(url: str) -> str:
    """What is wrong with `url` as the address of a public web server, in a few words; empty where nothing is.

    >>> address_mistake("https://example.org/feed"), address_mistake("http://10.0.0.1/")
    ('', 'is an address inside of a network')
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url or "\\" in url:
        return "is no URL of the web"
    if "@" in parts.netloc:
        return "has a user name in it"
    try:
        inside = not ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_global
    except ValueError:  # a name: what it leads to is seen when it is connected to
        inside = host.rstrip(".").rpartition(".")[2] in ("localhost", "local", "internal")
    return INSIDE_ADDRESS.removesuffix(".") if inside else ""
