"""What a page says of its own use: its licence, whether it may be mined, and what it asks of robots. Nothing is raised.

Tags are read one after another without a tree, in time proportional to the page. What stands inside of another's work
that the page shows (a quotation, a figure, a video) is said of that work, and is left.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ulmkit.formats.licences import spdx_of

LONGEST_TAG = 20_000  # characters that are read for attributes
LONGEST_DATA = 500_000  # characters of a block of JSON-LD
DEEPEST = 400  # open elements that are kept in mind
MOST_LICENCES = 20

_LICENCE_MARKS = ("creativecommons", "license", "licence", "opendatacommons")
_MARKS = (*_LICENCE_MARKS, "tdm-", "robots", "ulmkit", "dc.rights", "terms.rights", "dc:rights", "terms:rights")
# quotes hide ">" only behind "="
_REST = r"((?:[^>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+|[\"'])*+)>?)"
_TAG = re.compile(rf"<(?:(!--)|(/?)([a-zA-Z][^\s/>]*+){_REST}")
# where no link is about a licence it does not matter what stands in what
_LINK_MARK = re.compile(r"<a(?:rea)?\s[^<>]*(?:creativecommons|licen[sc]e)", re.I)
_FEW_TAGS = re.compile(
    r"<(?:(!--)|()(meta|link|script|style|textarea|title|xmp|iframe|noembed|noframes|template)(?=[\s/>])" + _REST, re.I
)
_ATTRIBUTE = re.compile(r"([^\s/>=\"'][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]++)))?+")
_RAW = frozenset(("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"))
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_EMBEDDED = frozenset(("blockquote", "figure", "video", "audio", "object", "picture", "q"))
_EMBEDDED_CLASS = re.compile(r"(?<![a-z])(?:caption|embed|gallery|thumb|lightbox|slideshow|media-credit)", re.I)
_ABOUT_PAGE = re.compile(r"(?<![a-z])(?:footer|site-?info|licen[sc]e|copyright|colophon|imprint|rights)", re.I)
_HINT = re.compile(f"{_EMBEDDED_CLASS.pattern}|{_ABOUT_PAGE.pattern}", re.I)
_TELLING = frozenset(("meta", "a", "link", "area", "script"))
_SAYS_LICENCE = frozenset(("license", "licence", "cc:license", "dct:license", "dcterms:license"))
_WHOLE = frozenset(("html", "body", "main", "article"))  # what their classes are called tells of no part of a page
# schema.org's types of what a page is; a licence of an image or a video is theirs
_WORK_TYPE = re.compile(
    r"(?:\w*Article|\w*Posting|\w*Page|WebSite|Blog|CreativeWork|Report|Review|Recipe|Book|Chapter|Poem|Legislation|HowTo)"
)
_LICENCE_NAMES = re.compile(
    r"(?:dc(?:terms)?|dct)[.:](?:rights|license|rights\.license)|cc:license|license|copyright", re.I
)
_ROBOTS_FOR_US = frozenset(("robots", "ulmkit"))


@dataclass(frozen=True, slots=True)
class PageMarks:
    """`licences` that the page names for itself, as SPDX, in its order; `tdm` as tdm-reservation has it, or "".

    `robots` are the words of its meta element for robots, in lower case.
    """

    licences: tuple[str, ...] = ()
    tdm: str = ""
    tdm_policy: str = ""
    robots: frozenset[str] = frozenset()


NO_MARKS = PageMarks()


@dataclass
class _Seen:
    licences: dict[str, None] = field(default_factory=dict)
    tdm: str = ""
    tdm_policy: str = ""
    robots: set[str] = field(default_factory=set)
    open: list[tuple[str, bool, bool]] = field(default_factory=list)  # element, embeds a work, is about the page
    counts: Counter[str] = field(default_factory=Counter)  # of open elements, by name
    embedding: int = 0  # open elements that show another's work
    about: int = 0  # and that are about the page

    def licence(self, value: str) -> None:
        """Take what `value` names, if it is a licence."""
        if len(self.licences) < MOST_LICENCES and (name := spdx_of(value)):
            self.licences[name] = None

    def enter(self, name: str, tag: str) -> None:
        """Open an element; `tag` is what stands in its tag."""
        if len(self.open) == DEEPEST:
            return
        hints = {} if name in _WHOLE or not _HINT.search(tag) else _attributes(tag)
        words = f"{hints.get('class', '')} {hints.get('id', '')}"
        embeds = name in _EMBEDDED or bool(_EMBEDDED_CLASS.search(words))
        about = name == "footer" or bool(_ABOUT_PAGE.search(words))
        self.open.append((name, embeds, about))
        self.counts[name] += 1
        self.embedding += embeds
        self.about += about

    def leave(self, name: str) -> None:
        """Close an element and those in it that were never closed; where none is open, nothing."""
        while self.counts[name]:
            closed, embeds, about = self.open.pop()
            self.counts[closed] -= 1
            self.embedding -= embeds
            self.about -= about
            if closed == name:
                return


def page_marks(page: bytes | str) -> PageMarks:
    """The marks of a page, or of a piece of one. Marks are ASCII, so the page's encoding is asked for UTF-16 alone."""
    if isinstance(page, bytes):
        utf16 = page.startswith((b"\xff\xfe", b"\xfe\xff"))
        page = page.decode("utf-16", "replace") if utf16 else page.decode("latin-1")
    plain = page.lower()
    if not any(mark in plain for mark in _MARKS):
        return NO_MARKS
    seen = _Seen()
    nested = any(mark in plain for mark in _LICENCE_MARKS) and bool(_LINK_MARK.search(page))
    for closes, name, tag, raw in _tags(page, _TAG if nested else _FEW_TAGS):
        if closes:
            seen.leave(name)
            continue
        if name in _TELLING:
            _look_at(seen, name, tag, raw)
        if nested and name not in _VOID and name not in _RAW:
            seen.enter(name, tag)
    return PageMarks(tuple(seen.licences), seen.tdm, seen.tdm_policy, frozenset(seen.robots))


def _tags(page: str, pattern: re.Pattern[str]) -> Iterator[tuple[bool, str, str, str]]:
    """Tags as (whether it closes, name, the rest of it, what stands in an element whose contents are no tags)."""
    place = 0
    while match := pattern.search(page, place):
        place = match.end()
        if match[1]:
            end = page.find("-->", match.start() + 2)
            if end < 0:
                return
            place = end + 3
            continue
        name = match[3].lower()
        if match[2]:
            yield True, name, "", ""
            continue
        raw = ""
        if name in _RAW:
            found = re.compile(rf"</{name}(?=[\s/>])", re.I).search(page, place)
            raw = page[place : found.start() if found else len(page)][:LONGEST_DATA]
            place = found.end() if found else len(page)
        yield False, name, match[4][:LONGEST_TAG], raw


def _attributes(tag: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(tag):
        value = match[2] or match[3] or match[4] or ""
        result.setdefault(match[1].lower(), html.unescape(value) if "&" in value else value)
    return result


def _look_at(seen: _Seen, name: str, tag: str, raw: str) -> None:
    if name == "meta":
        _meta(seen, _attributes(tag))
    elif name == "script":
        if "ld+json" in tag.lower() and "license" in raw:
            _linked_data(seen, raw)
    elif not seen.embedding and any(mark in tag.lower() for mark in _LICENCE_MARKS):
        attributes = _attributes(tag)
        href = attributes.get("href", "")
        words = f"{attributes.get('rel', '')} {attributes.get('property', '')}".lower().split()
        if not _SAYS_LICENCE.isdisjoint(words) or (seen.about and "creativecommons.org" in href.lower()):
            seen.licence(href)


def _meta(seen: _Seen, attributes: dict[str, str]) -> None:
    name = (attributes.get("name") or attributes.get("property") or "").lower().strip()
    content = attributes.get("content", "")
    if name in _ROBOTS_FOR_US:
        seen.robots |= set(re.split(r"[\s,]+", content.lower())) - {""}
    elif name == "tdm-reservation":
        seen.tdm = seen.tdm or content.strip()
    elif name == "tdm-policy":
        seen.tdm_policy = seen.tdm_policy or content.strip()
    elif _LICENCE_NAMES.fullmatch(name):
        seen.licence(content)


def _linked_data(seen: _Seen, text: str) -> None:
    """`license` of what the page is, in a block of JSON-LD."""
    try:
        waiting: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    looked = 0
    while waiting and looked < 1000:
        looked += 1
        thing = waiting.pop(0)
        if isinstance(thing, list):
            waiting += thing[:100]
        elif isinstance(thing, dict):
            waiting.append(thing.get("@graph"))
            kinds = thing.get("@type")
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if any(isinstance(kind, str) and _WORK_TYPE.fullmatch(kind.rpartition("/")[2]) for kind in kinds):
                waiting.append(thing.get("mainEntity"))
                _linked_licence(seen, thing.get("license"))


def _linked_licence(seen: _Seen, value: Any) -> None:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            each = each.get("url") or each.get("@id") or each.get("name")
        if isinstance(each, str):
            seen.licence(each)
