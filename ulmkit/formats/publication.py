"""When was a page published, by what it says itself? Marks that programs write, in a form that cannot be misread.

In this order: Open Graph's `article:published_time`, `datePublished` of schema.org (JSON-LD, then microdata), and what
else meta elements call a date of publication. Tags are searched for without a tree, in time proportional to the page.
"""

import html
import re
from datetime import UTC, datetime

from ulmkit.formats.feeds import AHEAD
from ulmkit.formats.origin import moment

_LONGEST = 500_000  # characters that are searched
_META = re.compile(r"<meta\s([^<>]{1,2000})>", re.I)
_ATTRIBUTE = re.compile(r"([a-z:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.I)
_LINKED = re.compile(r"\"datePublished\"\s*:\s*\"([^\"]{4,40})\"")
# by the name of the element, the first that is there counts
_NAMES = (
    "article:published_time", "og:article:published_time", "datepublished", "dcterms.issued", "dc.date.issued",
    "dcterms.created", "dc.date.created", "dcterms.date", "dc.date", "parsely-pub-date", "sailthru.date",
    "citation_publication_date", "pubdate", "publishdate", "publish-date", "publish_date", "publication_date", "date",
)  # fmt: skip


def publication_of(page: str, fetched_at: datetime | None = None) -> datetime | None:
    """When `page` (HTML) says that it was published, in UTC; None where it does not, or says what cannot be.

    >>> publication_of('<meta property="article:published_time" content="2024-03-20T10:00:00+03:30">').isoformat()
    '2024-03-20T06:30:00+00:00'
    """
    page = page[:_LONGEST]
    found: dict[str, str] = {}
    for match in _META.finditer(page):
        attributes = {each[1].lower(): each[2] or each[3] or each[4] or "" for each in _ATTRIBUTE.finditer(match[1])}
        for key in ("property", "name", "itemprop"):
            name = attributes.get(key, "").strip().lower()
            if name in _NAMES:
                found.setdefault(name, html.unescape(attributes.get("content", "")).strip())
    linked = _LINKED.search(page)
    said = [*(found.get(name, "") for name in _NAMES[:2]), linked[1] if linked else ""]
    latest = (fetched_at or datetime.now(UTC)) + AHEAD
    for value in (*said, *(found.get(name, "") for name in _NAMES[2:])):
        when = moment(value) if value else None
        if when is not None and when <= latest:
            return when
    return None
