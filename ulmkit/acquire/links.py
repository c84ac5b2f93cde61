"""Where a page leads: its links, feeds, versions in other languages, and what it asks of robots. Nothing is raised.

Start tags are read one after another as a browser's tokenizer does, without a tree: time is in proportion to the page,
however deep it is nested or however long an attribute is. https://html.spec.whatwg.org/#tokenization
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ulmkit.formats.hrefs import absolute, attribute_value, host_of, without_fragment
from ulmkit.text.encoding import Undecodable, decode

MAX_LINKS = 5_000
MAX_ATTRIBUTES = 100  # of one tag
LONGEST_ATTRIBUTES = 20_000  # characters of one tag that are read for its attributes

# a comment's beginning, or a tag with its attributes: quotes hide ">" only behind "="
_TAG = re.compile(r"<(?:!--|([a-zA-Z][^\s/>]*+)((?:[^>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+|[\"'])*+))")
_ATTRIBUTE = re.compile(r"([^\s/>=\"'][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]++)))?+")
_WANTED = frozenset(("a", "area", "link", "base", "meta", "html"))
# between such tags nothing is a tag
_RAW_ENDS = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.I)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_FEED_TYPES = frozenset(
    ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "text/xml")
)
_OF_COMMENTS = re.compile(r"/comments?(?:/|$)|/comments?-|[?&]feed=comments", re.I)
_REFRESH = re.compile(r"\s*\d*(?:\.\d*)?\s*[;,]\s*url\s*=\s*[\"']?([^\"']+)", re.I)
_NO_PAGE = re.compile(
    r"\A[a-z]+://[^/]*/[^?]*\.(?:jpe?g|png|gif|webp|svg|ico|bmp|tiff?|avif|mp[34]|m4[av]|ogg|oga|ogv|wav|webm|avi|mov|wmv|flv|mkv|pdf|docx?|xlsx?"
    r"|pptx?|od[tsp]|epub|zip|rar|7z|t?gz|tar|bz2|xz|exe|dmg|apk|iso|css|js|mjs|json|xml|rss|atom|woff2?|ttf|eot|torrent)(?:\?|$)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class PageLinks:
    """What a page says of other addresses, each absolute, without its fragment, and once.

    `links` are those to follow: neither files by their names, nor such as the page asks not to follow (`nofollow` in
    the link; where the page asks so for all, `nofollow` is true and the caller leaves all). `canonical` is empty unless
    it lies on the page's own host. `left_out` counts links over the limits. `api` and `generator` tell the platform.
    """

    links: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    canonical: str = ""
    language: str = ""
    nofollow: bool = False
    noindex: bool = False
    versions: tuple[tuple[str, str], ...] = ()  # (language, address) of the page's versions
    next: str = ""
    api: str = ""
    generator: str = ""
    problem: str = ""
    left_out: int = 0


@dataclass
class _Found:
    """What has been seen of a page so far."""

    url: str
    base: str
    links: dict[str, None] = field(default_factory=dict)
    feeds: dict[str, None] = field(default_factory=dict)
    canonical: dict[str, None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    robots: set[str] = field(default_factory=set)
    language: str = ""
    declared: str = ""
    next: str = ""
    api: str = ""
    generator: str = ""
    based: bool = False
    left_out: int = 0


def read_links(body: bytes, url: str, encoding: str = "") -> PageLinks:
    """The links of the page `body`, which was fetched from `url`; `encoding` is what the transport declared."""
    try:
        text, _ = decode(body, encoding)
    except Undecodable as error:
        return PageLinks(problem=f"encoding: {error}")
    found = _Found(url, url)
    for name, tag in _tags(text):
        if len(found.links) == MAX_LINKS and name in ("a", "area"):
            found.left_out += "href" in tag  # counted, and no more looked at
        else:
            _READERS[name](found, _attributes(tag))
    canonical = found.canonical if len(found.canonical) == 1 else {}  # of two that differ neither is meant
    return PageLinks(
        links=tuple(found.links),
        feeds=tuple(found.feeds),
        canonical=next((place for place in canonical if host_of(place) == host_of(url)), ""),
        language=(found.language or found.declared)[:35],
        nofollow=not found.robots.isdisjoint(("nofollow", "none")),
        noindex=not found.robots.isdisjoint(("noindex", "none")),
        versions=tuple((language, place) for place, language in found.versions.items()),
        next=found.next,
        api=found.api,
        generator=found.generator,
        left_out=found.left_out,
    )


def _tags(text: str) -> Iterator[tuple[str, str]]:
    """The start tags that say where a page leads: name, and what stands behind it."""
    place = 0
    while match := _TAG.search(text, place):
        place = match.end()
        if match[1] is None:
            end = text.find("-->", place - 2)
            if end < 0:
                return
            place = end + 3
            continue
        name = match[1].lower()
        if name in _WANTED:
            yield name, match[2]
        elif name in _RAW_ENDS:
            closed = _RAW_ENDS[name].search(text, place)
            if closed is None:
                return
            place = closed.end()


def _attributes(tag: str) -> dict[str, str]:
    """Attributes by name in lower case; the first of a name counts, as in browsers."""
    result: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(tag, 0, LONGEST_ATTRIBUTES):
        if len(result) == MAX_ATTRIBUTES:
            break
        value = match[2] or match[3] or match[4] or ""
        result.setdefault(match[1].lower(), attribute_value(value))
    return result


def _where(found: _Found, attributes: dict[str, str]) -> str:
    """The address in `href`, without its fragment; empty where there is none."""
    href = attributes.get("href", "")
    if not href or href[0] == "#":
        return ""
    return without_fragment(absolute(found.base, href))


def _anchor(found: _Found, attributes: dict[str, str]) -> None:
    if "href" not in attributes:
        return
    rel = attributes.get("rel", "").lower().split()
    if "nofollow" in rel:
        return
    _follow(found, _where(found, attributes), too_long=len(attributes["href"]) > 2048)
    if "next" in rel and not found.next:
        found.next = _where(found, attributes)


def _follow(found: _Found, place: str, *, too_long: bool = False) -> None:
    """One link more, unless it leads to the page itself or to a file that is no page."""
    if not place:
        found.left_out += too_long
    elif place in found.links or place == found.url or _NO_PAGE.search(place):
        pass
    elif len(found.links) < MAX_LINKS:
        found.links[place] = None
    else:
        found.left_out += 1


def _link(found: _Found, attributes: dict[str, str]) -> None:
    rel = attributes.get("rel", "").lower().split()
    place = _where(found, attributes)
    if not place:
        return
    if "canonical" in rel:
        found.canonical[place] = None
    elif "next" in rel:
        found.next = found.next or place
        _follow(found, place)
    elif "https://api.w.org/" in rel:
        found.api = found.api or place
    elif "alternate" in rel and len(found.feeds) + len(found.versions) < MAX_LINKS:
        if attributes.get("hreflang") and attributes.get("type", "text/html").lower() == "text/html":
            found.versions.setdefault(place, attributes["hreflang"][:35])
        elif attributes.get("type", "").lower().split(";")[0].strip() in _FEED_TYPES and not _OF_COMMENTS.search(place):
            found.feeds[place] = None


def _base(found: _Found, attributes: dict[str, str]) -> None:
    if "href" in attributes and not found.based:
        found.based = True
        found.base = absolute(found.url, attributes["href"]) or found.url


def _meta(found: _Found, attributes: dict[str, str]) -> None:
    content = attributes.get("content", "")
    name = attributes.get("name", "").strip().lower()
    if name in ("robots", "ulmkit"):
        found.robots.update(re.split(r"[\s,]+", content.lower()))
    elif name == "generator":
        found.generator = found.generator or content.strip()[:100]
    match attributes.get("http-equiv", "").strip().lower():
        case "content-language":
            found.declared = found.declared or content.split(",")[0].strip()
        case "refresh" if target := _REFRESH.match(content):
            _follow(found, without_fragment(absolute(found.base, target[1])))


def _html(found: _Found, attributes: dict[str, str]) -> None:
    found.language = found.language or (attributes.get("lang") or attributes.get("xml:lang") or "").strip()


_READERS = {"a": _anchor, "area": _anchor, "link": _link, "base": _base, "meta": _meta, "html": _html}
