"""What a feed lists: entries of RSS, Atom or JSON Feed with their own text, and whether that is the whole article.

The bytes are decoded and judged here, since feedparser would open a file that they name, guess an encoding of its own
and let a document type declare entities. What comes out is markup as the feed has it, nothing cleaned or resolved.
RSS 2.0: https://www.rssboard.org/rss-specification ; Atom: RFC 4287; paging: RFC 5005; https://www.jsonfeed.org/version/1.1/
"""

import calendar
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.parsers import expat

from ulmkit.formats.hrefs import absolute, attribute_value, without_fragment
from ulmkit.formats.licences import spdx_of
from ulmkit.formats.origin import licence_name, moment, scalar
from ulmkit.formats.xml import (
    DECLARES_TYPE,
    ampersands_mended,
    declares_type,
    is_page,
    without_declaration,
    xml_text,
)
from ulmkit.text.encoding import Undecodable

MAX_FEED_BYTES = 20_000_000  # four times in memory, and ten seconds
MAX_ENTRIES = 50_000
MAX_ELEMENTS = 300_000  # of a feed: each takes feedparser some 30 µs, however small
MAX_BROKEN = 5_000_000  # characters of a feed that is no XML, and
MAX_BROKEN_MARKS = 100_000  # its "<" and "&": its reader is slower still
MAX_PREFIXES = 200  # of namespaces: feedparser looks through all of them at each element
AHEAD = timedelta(days=2)  # clocks are wrong by a time zone; more is a date of something else

# signs of an entry that holds less than its article
WITHOUT_TEXT = "no text"
SUMMARY = "summary only"
ELSEWHERE = "its content is elsewhere"
SHORT = "short"
AS_SUMMARY = "equals its summary"
ELLIPSIS = "ends in an ellipsis"
MORE = "ends in a link to its page"
BROKEN_OFF = "the feed breaks off in it"

SHORT_TEXT = 200  # characters of text: less is a teaser or a picture's caption
LONG_TEXT = 2_000  # characters: whoever writes so much and ends in three dots means them
SAME_TEXT = 1_000  # characters: an excerpt is shorter, a feed that says all of it twice is not


@dataclass(frozen=True, slots=True)
class Entry:
    """One article of a list. `html` is its text as markup; `cut` says by which sign it is not all of it."""

    url: str
    title: str = ""
    html: str = ""
    cut: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    licence: str = ""
    language: str = ""

    @property
    def whole(self) -> bool:
        """Whether `html` is the article, so that its page need not be fetched."""
        return not self.cut


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed holds. `problem` says why not all of it, or nothing; `next` leads to older entries."""

    entries: tuple[Entry, ...] = ()
    next: str = ""
    title: str = ""
    language: str = ""
    licence: str = ""
    problem: str = ""


def read_feed(body: bytes, url: str, content_type: str = "", *, now: datetime | None = None) -> Feed:
    """The feed that `body` is, fetched from `url`; dates past `now` are none. Nothing is raised."""
    if len(body) > MAX_FEED_BYTES:
        return Feed(problem=f"over {MAX_FEED_BYTES:,} bytes")
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.I)
    try:
        text = xml_text(body, charset[1] if charset else "")
    except Undecodable as error:
        return Feed(problem=f"encoding: {error}")
    latest = (now or datetime.now(UTC)) + AHEAD
    try:
        return _json_feed(text, url, latest) if text.startswith("{") else _xml_feed(text, url, latest)
    except Exception as error:  # feedparser has no list of what it raises; a feed that it cannot read is one feed less
        return Feed(problem=f"not read: {type(error).__name__}: {error}"[:200])


_PREFIX = re.compile(r"xmlns:([\w.-]+)\s*=")
_ENTRY = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)[\s>/]", re.I)
_ROOTS = ("rss", "feed", "rdf", "channel")


def _xml_feed(text: str, url: str, latest: datetime) -> Feed:
    """RSS or Atom, by feedparser's strict reader where it is XML, by its lenient one where it nearly is."""
    if is_page(text):
        return Feed(problem="not a feed: a page")
    if declares_type(text):
        return Feed(problem=DECLARES_TYPE)
    root, elements, fault = _looked_over(text)
    if fault and "&" in text:
        mended = ampersands_mended(text)
        mended_root, mended_elements, still = _looked_over(mended)
        if not still:
            text, root, elements, fault = mended, mended_root, mended_elements, ""
    if fault == DECLARES_TYPE:
        return Feed(problem=fault)
    if not fault and root.rpartition(":")[2].lower() not in _ROOTS:
        return Feed(problem=f"not a feed: <{root[:40]}>")
    if elements > MAX_ELEMENTS or len(set(_PREFIX.findall(text))) > MAX_PREFIXES:
        return Feed(problem="too many elements")
    if fault and (len(text) > MAX_BROKEN or max(map(text.count, "<&")) > MAX_BROKEN_MARKS):
        return Feed(problem=f"{fault}, and too large to be read so")
    text, more = _with_as_many_entries(text, root)
    parsed = _parsed(text)
    if fault and not parsed["entries"] and not _of(parsed, "version"):
        return Feed(problem=f"not a feed: {fault}")
    entries = list(_entries(parsed["entries"], url, latest))
    if fault and entries and not text.rstrip().endswith(">"):
        entries[-1] = replace(entries[-1], cut=BROKEN_OFF)
    told = parsed["feed"]
    return Feed(
        entries=tuple(entries),
        next=_next_page(told, url),
        title=plain_words(_of(told, "title")),
        language=_of(told, "language")[:35],
        licence=_licence(told),
        problem=fault or more,
    )


class _TypeDeclared(Exception):  # noqa: N818 — what was found
    """A document type declaration: nothing after it is looked at."""


def _looked_over(text: str) -> tuple[str, int, str]:
    """Of `text` as XML the first element's name, how many there are, and what is wrong; nothing is expanded."""
    parser = expat.ParserCreate("utf-8")
    names: list[str] = []
    elements = 0

    def begun(name: str, attributes: object) -> None:
        nonlocal elements
        elements += 1
        if not names:
            names.append(name)

    def declared(*_: object) -> None:
        raise _TypeDeclared

    parser.StartElementHandler = begun
    parser.StartDoctypeDeclHandler = declared
    fault = ""
    try:
        parser.Parse(without_declaration(text).encode(), True)
    except _TypeDeclared:
        fault = DECLARES_TYPE
    except expat.ExpatError as error:
        fault = f"no XML: {error}"
    return (names[0] if names else ""), elements, fault


def _with_as_many_entries(text: str, root: str) -> tuple[str, str]:
    """`text` closed after `MAX_ENTRIES` entries, and the remark that it was."""
    for number, match in enumerate(_ENTRY.finditer(text)):
        if number == MAX_ENTRIES:
            channel = "</channel>" if root == "rss" else ""
            return f"{text[: match.start()]}{channel}</{root}>", f"more than {MAX_ENTRIES:,} entries"
    return text, ""


def _parsed(text: str) -> Any:
    """feedparser's reading. It is given a file in memory: bytes it would take for a file's name, and open that.

    It is not told where the feed is from: links are resolved here (`absolute`), once, and only those that are used.
    """
    import feedparser

    return feedparser.parse(
        io.BytesIO(without_declaration(text).encode()),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        resolve_relative_uris=False,
        sanitize_html=False,
    )


def _of(record: dict[str, Any], key: str) -> str:
    """A text of feedparser's record. Its own `get` warns, and answers with other keys."""
    value = dict.get(record, key)
    return scalar(value) if isinstance(value, str) else ""


def _links(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the links of a record are for, and where they lead."""
    for link in dict.get(record, "links") or ():
        href = _of(link, "href")
        if href:
            yield from ((word, href) for word in _of(link, "rel").lower().split())


def _next_page(feed: dict[str, Any], url: str) -> str:
    """The page of older entries: RFC 5005's `next`, else its archive."""
    links = dict(reversed([*_links(feed)]))  # the first of each
    found = absolute(url, links.get("next") or links.get("prev-archive") or "") if links else ""
    return found if without_fragment(found) != without_fragment(url) else ""


def _licence(record: dict[str, Any]) -> str:
    """A licence that is linked, or one that the rights name."""
    linked = next((href for rel, href in _links(record) if rel == "license"), "")
    if linked:
        return spdx_of(linked) or licence_name(linked)
    return next(filter(None, (spdx_of(_of(record, key)) for key in _RIGHTS)), "")


_RIGHTS = ("rights", "license", "cc_license", "dcterms_license")


def _when(record: dict[str, Any], keys: Iterable[str], latest: datetime) -> datetime | None:
    """The first of `keys` that is a time of our calendar and not past `latest`, in UTC, which is also assumed."""
    for key in keys:
        value = dict.get(record, f"{key}_parsed")
        try:
            found = moment(calendar.timegm(value)) if value else moment(_of(record, key))
        except (ValueError, OverflowError, TypeError):
            continue
        if found and found <= latest:
            return found
    return None


def _entries(records: Iterable[dict[str, Any]], url: str, latest: datetime) -> Iterator[Entry]:
    for record in records:
        identifier = _of(record, "id")
        links = dict(reversed([*_links(record)]))
        place = _of(record, "feedburner_origlink") or _of(record, "link") or links.get("alternate", "")
        place = place or (identifier if identifier.startswith(("http://", "https://")) else "")
        address = absolute(url, place) if place else ""
        own = [markup for content in _contents(record) if (markup := _markup(content))]
        summary = _markup(dict.get(record, "summary_detail") or {})  # a copied text has none
        text = max(own, key=len, default="")
        title = plain_words(_of(record, "title"))
        if not text:
            elsewhere = any(_of(content, "src") for content in _contents(record))
            cut = ELSEWHERE if elsewhere else SUMMARY if summary else WITHOUT_TEXT
        else:
            cut = sign_of_cut(text, address, title, summary)
        yield Entry(
            url=address,
            title=title,
            html=without_footer(text or summary, address),
            cut=cut,
            published=_when(record, ("published", "created", "updated"), latest),
            updated=_when(record, ("updated",), latest),
            licence=_licence(record),
            language=next((found for content in _contents(record) if (found := _of(content, "language"))), "")[:35],
        )


def _contents(record: dict[str, Any]) -> list[dict[str, Any]]:
    return dict.get(record, "content") or []


_TEXT_TYPES = ("text/html", "application/xhtml+xml")
_CLOSED_BREAK = re.compile(r"</(?:br|hr|img|input|source|wbr)>", re.I)


def _markup(content: dict[str, Any]) -> str:
    """A content as HTML: text is escaped, and XHTML loses the end tags that HTML takes for a second break."""
    kind, text = _of(content, "type"), _of(content, "value")
    if kind == "application/xhtml+xml":
        return _CLOSED_BREAK.sub("", text)
    if kind and kind not in _TEXT_TYPES:
        return _paragraphs(text) if kind.startswith("text/") else ""
    return text


def _paragraphs(text: str) -> str:
    """Plain text as HTML."""
    blocks = re.split(r"\n[ \t\r]*\n", text.strip())
    return "".join(f"<p>{html.escape(block, quote=False)}</p>" for block in blocks if block.strip())


_TAG = re.compile(r"<[^<>]*>")


def plain_words(markup: str) -> str:
    """The words of a short piece of markup, on one line.

    >>> plain_words("A &amp; <b>B</b>")
    'A & B'
    """
    text = html.unescape(_TAG.sub("", markup)) if "<" in markup or "&" in markup else markup
    return " ".join(text.split())


_BRACKETED_DOTS = re.compile(r"\[\s*(?:…|\.{3,})\s*\]\W*\Z")
_DOTS = re.compile(r"(?:…|\.{3,})\W*\Z")
_LINK = re.compile(r"<a\b([^<>]*)>(?:(?!</a>).)*?</a>", re.I | re.S)
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.I)
_MORE_CLASS = re.compile(r"class\s*=\s*[\"'][^\"']*\b(?:more-link|read-?more|continue-reading)\b", re.I)
_TAIL = 3_000  # characters of markup that are looked at for how the text ends
_OF_COMMENTS = re.compile(r"#(?:comment|respond|disqus|reply)", re.I)


def sign_of_cut(markup: str, url: str, title: str = "", summary: str = "") -> str:
    """By which sign `markup` is less than the article at `url`; empty where there is none.

    >>> sign_of_cut("<p>" + "Tere. " * 50 + "[&#8230;]</p>", "https://a.ee/1")
    'ends in an ellipsis'
    """
    plain = plain_words(markup)
    if not plain:
        return WITHOUT_TEXT
    if _ends_in_own_link(markup[-_TAIL:], url, title):
        return MORE
    if _BRACKETED_DOTS.search(plain[-40:]) or (len(plain) < LONG_TEXT and _DOTS.search(plain[-40:])):
        return ELLIPSIS
    if len(plain) < SHORT_TEXT:
        return SHORT
    if len(plain) < SAME_TEXT and summary and plain_words(summary) == plain:
        return AS_SUMMARY
    return ""


def _ends_in_own_link(tail: str, url: str, title: str) -> bool:
    """Whether a link to the entry's own page stands at the end, and its words are not the title."""
    last = next(iter([*_LINK.finditer(tail)][-1:]), None)
    if last is None or len(plain_words(tail[last.end() :])) > 40:
        return False
    if _MORE_CLASS.search(last[1]):
        return True
    href = _HREF.search(last[1])
    if href is None or not url:
        return False
    leads = absolute(url, attribute_value(next(filter(None, href.groups()), "")))
    if without_fragment(leads).rstrip("/") != without_fragment(url).rstrip("/") or _OF_COMMENTS.search(leads):
        return False
    words = plain_words(last[0])
    return bool(words) and words.casefold() != title.casefold()


_FOOTER = re.compile(
    r"<p>[^<>]{0,80}<a\b([^<>]*)>[^<>]*</a>[^<>]{0,80}<a\b([^<>]*)>[^<>]*</a>[^<>]{0,80}</p>\s*\Z", re.I
)


def without_footer(markup: str, url: str) -> str:
    """`markup` without a last paragraph that blogs add to their feeds: which post it is, and on which site."""
    if not url or (match := _FOOTER.search(markup, max(0, len(markup) - _TAIL))) is None:
        return markup
    hrefs = [_HREF.search(attributes) for attributes in match.groups()]
    leads = [absolute(url, attribute_value(next(filter(None, h.groups()), ""))) if h else "" for h in hrefs]
    same = without_fragment(leads[0]).rstrip("/") == without_fragment(url).rstrip("/")
    home = leads[1].rstrip("/") and url.startswith(leads[1].rstrip("/") + "/")
    return markup[: match.start()] if same and home else markup


def too_many_values(text: str) -> bool:
    """Whether `text` as JSON may hold more values than a list has; each takes a hundred times its length in memory."""
    return max(map(text.count, "{[")) > MAX_ELEMENTS or text.count(",") > 10 * MAX_ELEMENTS


def _json_feed(text: str, url: str, latest: datetime) -> Feed:
    """JSON Feed 1.1."""
    if too_many_values(text):
        return Feed(problem="too many elements")
    try:
        told = json.loads(text)
    except RecursionError:
        return Feed(problem="nested too deep")
    except ValueError as error:
        return Feed(problem=f"no JSON: {error}"[:200])
    if not isinstance(told, dict) or not isinstance(items := told.get("items"), list):
        return Feed(problem="not a feed: JSON without items")
    said = _texts(told)
    entries = tuple(_json_entry(item, url, latest) for item in items[:MAX_ENTRIES] if isinstance(item, dict))
    following = absolute(url, said("next_url")) if said("next_url") else ""
    return Feed(
        entries=entries,
        next=following if following != url else "",
        title=plain_words(said("title")),
        language=said("language")[:35],
        licence=spdx_of(said("license")),
        problem=f"more than {MAX_ENTRIES:,} entries" if len(items) > MAX_ENTRIES else "",
    )


def _texts(record: dict[str, Any]) -> Callable[[str], str]:
    """The texts of a JSON record by key, empty where there is none."""

    def text(key: str) -> str:
        value = record.get(key)
        return scalar(value) if isinstance(value, str) else ""

    return text


def _json_entry(item: dict[str, Any], url: str, latest: datetime) -> Entry:
    said = _texts(item)
    place = said("url") or said("external_url") or (said("id") if "://" in said("id") else "")
    address = absolute(url, place) if place else ""
    markup = said("content_html") or _paragraphs(said("content_text"))
    summary = _paragraphs(said("summary"))
    title = plain_words(said("title"))
    dates = [found if found and found <= latest else None for key in _JSON_DATES for found in [moment(item.get(key))]]
    return Entry(
        url=address,
        title=title,
        html=without_footer(markup or summary, address),
        cut=sign_of_cut(markup, address, title, summary) if markup else SUMMARY if summary else WITHOUT_TEXT,
        published=dates[0] or dates[1],
        updated=dates[1],
        licence=spdx_of(said("license")),
        language=said("language")[:35],
    )


_JSON_DATES = ("date_published", "date_modified")
