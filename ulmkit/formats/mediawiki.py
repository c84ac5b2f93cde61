"""MediaWiki XML dumps of any version: wikitext pages, found by their tags without building a tree.

The exporter writes `<`, `>` and `&` in text only as entities, so `<page>` and `</page>` are always markup and a search
for them is exact; and since no parser runs, no entity of anybody's making is ever expanded. A document type
declaration, which no dump has, is refused. Format: https://www.mediawiki.org/xml/export-0.11.xsd
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.lines import unified
from ulmkit.formats.origin import Origin, Record, moment
from ulmkit.formats.streams import Stream
from ulmkit.text.encoding import declared_in

CHUNK_BYTES = 1 << 20
_ROOT = re.compile(rb"<(?:mediawiki|page)[\s>]")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.I)
ENTITIES = {b"&lt;": b"<", b"&gt;": b">", b"&quot;": b'"', b"&apos;": b"'", b"&amp;": b"&"}
ENTITY = re.compile(rb"&(?:lt|gt|quot|amp|apos|#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7})));")
TIMESTAMP = re.compile(rb"<timestamp>([^<]{0,40})</timestamp>")
_NAMESPACE = re.compile(rb'<namespace\s+key="(-?\d+)"[^>]*>([^<]*)</namespace>')
BASE = re.compile(rb"<base>([^<]*)</base>")
NO_DOCTYPE = "no MediaWiki dump has one; nothing of it was read"
WIKITEXT_MODELS = (b"", b"wikitext")

# where a dump has neither <ns> nor site information: MediaWiki's own English names
CANONICAL = {
    "media": -2, "special": -1, "talk": 1, "user": 2, "user talk": 3, "wikipedia": 4, "wikipedia talk": 5,
    "project": 4, "project talk": 5, "file": 6, "image": 6, "file talk": 7, "mediawiki": 8, "mediawiki talk": 9,
    "template": 10, "template talk": 11, "help": 12, "help talk": 13, "category": 14, "category talk": 15,
    "portal": 100, "module": 828,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """What a dump says of its wiki: the start of page addresses, and the names of namespaces."""

    prefix: str = ""
    namespaces: dict[str, int] = field(default_factory=dict)

    def url(self, title: str) -> str:
        return self.prefix + quote(title.replace(" ", "_"), safe="/:@!$*(),;~'") if self.prefix else ""

    def namespace(self, title: str) -> int:
        """By the title's prefix, where the page itself does not say (before version 0.6)."""
        name = title.partition(":")[0].strip().lower().replace("_", " ") if ":" in title else ""
        return (self.namespaces or CANONICAL).get(name, 0)


def site_of(head: bytes) -> Site:
    """The site information in the bytes before the first page."""
    base = BASE.search(head)
    address = unescape_xml(base[1]).decode("utf-8", "ignore").strip() if base else ""
    names = {
        unescape_xml(name).decode("utf-8", "ignore").strip().lower(): int(key)
        for key, name in _NAMESPACE.findall(head)
        if name
    }
    return Site(address.rpartition("/")[0] + "/" if "://" in address else "", names)


def unescape_xml(data: bytes) -> bytes:
    """XML's own entities and numbers as characters in UTF-8, once.

    >>> unescape_xml(b"&lt;ref&gt; a&amp;nbsp;b &#1740;").decode()
    '<ref> a&nbsp;b ی'
    """
    return ENTITY.sub(_character, data) if b"&" in data else data


def _character(match: re.Match[bytes]) -> bytes:
    if found := ENTITIES.get(match[0]):
        return found
    code = int(match[1], 16) if match[1] else int(match[2])
    return chr(code).encode() if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else b""


def redirect_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """`#REDIRECT [[…` in the wiki's language, and always in English, which every wiki understands."""
    either = "|".join(re.escape(word.lstrip("#")) for word in dict.fromkeys(("REDIRECT", *words)))
    return re.compile(rf"\s*[#＃]\s*(?:{either})\s*[:：]?\s*\[\[", re.I)


def read_mediawiki(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a page, in wikitext: its latest revision. The page id is the record's number."""
    even = unified(stream, origin, declared_in(stream.head()))
    if isinstance(even, Unreadable):
        yield even
        return
    redirect = redirect_pattern(origin.reading.redirect_words)
    site: Site | None = None
    whole = True  # a piece of a dump has no root element and need not be closed
    for found in pages(even, origin.limits.record):
        if isinstance(found, Unreadable):
            yield origin.unreadable(found.reason, found.detail)
            return
        before, body = found
        if site is None:
            if declared := _DOCTYPE.search(before):
                yield origin.unreadable(reasons.DOCUMENT_TYPE, NO_DOCTYPE, shown=excerpt(before, declared.start()))
                return
            whole = b"<mediawiki" in before
            site = site_of(before)
        if body:
            yield page_document(body, site, redirect, origin)
        elif whole and b"</mediawiki>" not in before and even.failure is None:
            yield origin.unreadable(reasons.TRUNCATED, "the dump is not closed", shown=excerpt(before, len(before)))
    if even is not stream and even.failure and stream.failure is None:
        yield origin.unreadable(*even.failed(), shown=even.tail())


def pages(stream: Stream, limit: int) -> Iterator[tuple[bytes, bytes] | Unreadable]:
    """(bytes before it, `<page>…`) for each page, then (the bytes after the last, nothing).

    Of a page with many revisions only the latest is kept while more are read, so that a complete history passes
    through the memory of one revision.
    """
    buffer, at = b"", 0
    while True:
        start = buffer.find(b"<page>", at)
        end = buffer.find(b"</page>", start) if start >= 0 else -1
        if end >= 0:
            yield buffer[at:start], buffer[start:end]
            at = end + len(b"</page>")
            continue
        rest = buffer[at:]
        if start >= 0 and len(rest) > CHUNK_BYTES:
            rest = rest[: start - at] + latest_only(rest[start - at :])
        if len(rest) > limit + 4 * CHUNK_BYTES:
            yield Unreadable("", reasons.TOO_LARGE, f"a page over {limit:,} bytes")
            return
        more = stream.read(max(CHUNK_BYTES, len(rest)))
        if not more:
            yield rest, b""
            return
        buffer, at = rest + more, 0


def latest_only(page: bytes) -> bytes:
    """`page`, perhaps not whole yet, without the revisions that a later one replaces."""
    first, last = page.find(b"<revision>"), page.rfind(b"</revision>")
    if first < 0 or last < first:
        return page
    end = last + len(b"</revision>")
    return page[:first] + latest_revision(page[first:end]) + page[end:]


def latest_revision(page: bytes) -> bytes:
    """The revision with the latest time, the last of equals; empty where there is none."""
    start = page.find(b"<revision>")
    if start < 0:
        return b""
    if page.find(b"<revision>", start + 1) < 0:
        return page[start:]
    best, best_time = b"", b""
    for revision in page[start:].split(b"<revision>")[1:]:
        time = TIMESTAMP.search(revision)
        if (key := time[1] if time else b"") >= best_time:
            best, best_time = revision, key
    return b"<revision>" + best


def between(data: bytes, opening: bytes, closing: bytes) -> bytes:
    """What stands between two tags, empty where they are missing."""
    start = data.find(opening)
    if start < 0:
        return b""
    end = data.find(closing, start)
    return data[start + len(opening) : end] if end >= 0 else b""


def page_document(data: bytes, site: Site, redirect: re.Pattern[str], origin: Origin) -> Record:
    """One page as a document, or why it is none."""
    revision = latest_revision(data)
    first = data.find(b"<revision>")
    head = data[:first] if first >= 0 else data
    number = between(head, b"<id>", b"</id>").strip().decode("ascii", "ignore")
    try:
        title = unescape_xml(between(head, b"<title>", b"</title>")).decode().strip()
    except UnicodeDecodeError as error:
        return origin.unreadable(reasons.ENCODING, f"title: {error.reason}", number, shown=excerpt(head))
    said = between(head, b"<ns>", b"</ns>").strip()
    namespace = int(said) if re.fullmatch(rb"-?[0-9]{1,9}", said) else site.namespace(title)
    number = number or title
    if namespace not in origin.reading.namespaces:
        return origin.unreadable(reasons.OTHER_NAMESPACE, namespace, number, shown=title)
    if b"<redirect" in head:
        return origin.unreadable(reasons.REDIRECT, title, number)
    if between(revision, b"<model>", b"</model>") not in WIKITEXT_MODELS:
        return origin.unreadable(reasons.NOT_WIKITEXT, title, number)
    try:
        # line ends as an XML parser gives them
        raw = text_of(revision)
        text = unescape_xml(raw.replace(b"\r\n", b"\n") if b"\r" in raw else raw).decode()
    except UnicodeDecodeError as error:
        shown = excerpt(error.object, error.start)
        return origin.unreadable(reasons.ENCODING, f"{title}: {error.reason}", number, shown=shown)
    if redirect.match(text):
        return origin.unreadable(reasons.REDIRECT, title, number)
    time = TIMESTAMP.search(revision)
    return origin.document(
        text,
        "wikitext",
        record=number,
        title=title,
        url=site.url(title),
        published_at=moment(time[1].decode("ascii", "ignore")) if time else None,
    )


def text_of(revision: bytes) -> bytes:
    """The content of `<text …>`, escaped as it stands; empty where it is deleted or self-closed."""
    start = revision.find(b"<text")
    end = revision.find(b">", start)
    if start < 0 or end < 0 or revision[end - 1 : end] == b"/":
        return b""
    return revision[end + 1 : revision.find(b"</text>", end)]
