"""What an archived list of posts holds: the answer of a blog's platform, or a feed, as entries and as documents.

WordPress: https://developer.wordpress.org/rest-api/reference/posts/ ; Blogger: a feed as JSON, with `alt=json`.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ulmkit.formats import reasons
from ulmkit.formats.canonical import short_name
from ulmkit.formats.feeds import (
    AHEAD,
    MAX_ENTRIES,
    MAX_FEED_BYTES,
    SHORT,
    SUMMARY,
    WITHOUT_TEXT,
    Entry,
    Feed,
    plain_words,
    read_feed,
    sign_of_cut,
    too_many_values,
    without_footer,
)
from ulmkit.formats.hrefs import absolute
from ulmkit.formats.licences import spdx_of
from ulmkit.formats.origin import Origin, Record, moment, scalar
from ulmkit.formats.xml import is_page
from ulmkit.text.encoding import Undecodable, decode

PROTECTED = "behind a password"
_XML = re.compile(r"\s*<(?:\?xml\b|rss\b|feed\b|rdf:RDF\b|!DOCTYPE\s+(?!html))", re.I)
_BEGINS = re.compile(r"\[\s*(?:\{\s*\"|\])|\{\s*\"")
_TRIES = 20  # places where the answer may begin behind what the server's program complained of


def read_posts(body: bytes, url: str, content_type: str = "", *, now: datetime | None = None) -> Feed:
    """The posts in an answer of WordPress' or Blogger's list of posts, or in any feed. Nothing is raised."""
    if len(body) > MAX_FEED_BYTES:
        return Feed(problem=f"over {MAX_FEED_BYTES:,} bytes")
    if body.startswith((b"\xff\xfe", b"\xfe\xff", b"\0", b"<\0")):
        return read_feed(body, url, content_type, now=now)
    try:
        text = decode(body)[0]
    except Undecodable as error:
        return Feed(problem=f"encoding: {error}")
    if _XML.match(text.lstrip("\ufeff")):
        return read_feed(body, url, content_type, now=now)
    if is_page(text):
        return Feed(problem="not a list of posts: a page")
    if too_many_values(text):
        return Feed(problem="too many elements")
    latest = (now or datetime.now(UTC)) + AHEAD
    answer, place = _answer(text)
    if isinstance(answer, list):
        posts = [post for post in answer[:MAX_ENTRIES] if isinstance(post, dict)]
        return Feed(tuple(_wordpress_entry(post, url, latest) for post in posts))
    if isinstance(answer, dict) and isinstance(answer.get("feed"), dict):
        return _blogger_feed(answer["feed"], url, latest)
    if isinstance(answer, dict) and isinstance(answer.get("items"), list):
        return read_feed(text[place:].encode("utf-8", "replace"), url, now=now)
    if isinstance(answer, dict) and isinstance(answer.get("code"), str):
        return Feed(problem=f"refused: {answer['code']}"[:200])
    return Feed(problem="not a list of posts")


def _answer(text: str) -> tuple[Any, int]:
    """The first JSON in `text` that can be an answer, and where it begins."""
    decoder = json.JSONDecoder()
    for number, match in enumerate(_BEGINS.finditer(text)):
        if number == _TRIES:
            break
        try:
            answer = decoder.raw_decode(text, match.start())[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, list | dict):
            return answer, match.start()
    return None, 0


def _said(record: Any, *path: str) -> str:
    """The text at the end of `path` through nested records; empty where there is none."""
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return scalar(record) if isinstance(record, str) else ""


def _time_of(text: str, latest: datetime) -> datetime | None:
    found = moment(text) if text else None
    return found if found and found <= latest else None


def _wordpress_entry(post: dict[str, Any], url: str, latest: datetime) -> Entry:
    """A post: its text is the whole of it, unless it wants a password."""
    place = _said(post, "link")
    address = absolute(url, place) if place else ""
    markup = _said(post, "content", "rendered")
    protected = isinstance(post.get("content"), dict) and post["content"].get("protected") is True
    return Entry(
        url=address,
        title=plain_words(_said(post, "title", "rendered")),
        html=without_footer(markup, address),
        cut=PROTECTED if protected else "" if plain_words(markup) else WITHOUT_TEXT,
        published=_time_of(_said(post, "date_gmt") or _said(post, "date"), latest),
        updated=_time_of(_said(post, "modified_gmt") or _said(post, "modified"), latest),
        licence=spdx_of(_said(post, "license")),
    )


def _blogger_links(record: dict[str, Any]) -> dict[str, str]:
    links = record.get("link")
    pairs = [(_said(link, "rel"), _said(link, "href")) for link in links] if isinstance(links, list) else []
    return dict(reversed(pairs))


def _blogger_feed(feed: dict[str, Any], url: str, latest: datetime) -> Feed:
    """Atom spelled as JSON: an element's text is its `$t`."""
    records = feed.get("entry")
    posts = [post for post in records if isinstance(post, dict)] if isinstance(records, list) else []
    following = _blogger_links(feed).get("next", "")
    return Feed(
        entries=tuple(_blogger_entry(post, url, latest) for post in posts[:MAX_ENTRIES]),
        next=absolute(url, following) if following else "",
        title=plain_words(_said(feed, "title", "$t")),
        language=_said(feed, "xml:lang")[:35],
        licence=spdx_of(_said(feed, "rights", "$t")),
    )


def _blogger_entry(post: dict[str, Any], url: str, latest: datetime) -> Entry:
    place = _blogger_links(post).get("alternate", "")
    address = absolute(url, place) if place else ""
    markup, summary = _said(post, "content", "$t"), _said(post, "summary", "$t")
    title = plain_words(_said(post, "title", "$t"))
    sign = sign_of_cut(markup, address, title) if markup else SUMMARY if summary else WITHOUT_TEXT
    return Entry(
        url=address,
        title=title,
        html=markup or summary,
        cut="" if sign == SHORT else sign,  # it is the post's own text, however short
        published=_time_of(_said(post, "published", "$t"), latest),
        updated=_time_of(_said(post, "updated", "$t"), latest),
        licence=spdx_of(_said(post, "rights", "$t")),
    )


def post_documents(
    body: bytes,
    content_type: str,
    origin: Origin,
    *,
    number: int,
    url: str,
    fetched_at: datetime | None,
    also_cut: bool = False,
    apart: frozenset[str] = frozenset(),
) -> Iterator[Record]:
    """A document for each whole entry of a list that a crawl has kept; those that are cut are left to their pages.

    With `also_cut` their text is taken as it is. Those that `apart` names (by `short_name`) are left to their pages as
    well: other terms hold for them. An entry without an address is called by its place in the record.
    """
    posts = read_posts(body, url, content_type, now=fetched_at)
    if posts.problem:
        yield origin.unreadable(reasons.BAD_RECORD, f"{posts.problem}: {url}", number)
    for place, entry in enumerate(posts.entries):
        if (entry.whole or (also_cut and entry.html)) and not (apart and _name_of(entry.url) in apart):
            yield origin.document(
                f"<body>{entry.html}</body>",
                "text",  # a piece that is nothing but the article: all of it is taken
                record=f"{number}.{place}",
                title=entry.title,
                url=entry.url,
                licence=entry.licence or posts.licence,
                fetched_at=fetched_at,
                published_at=entry.published,
            )


def _name_of(url: str) -> str:
    """What the page of an entry is called in a list's record; empty where it has no address."""
    try:
        return short_name(url)
    except ValueError:
        return ""
