"""Where records keep the facts beside their text: address, title, dates and licence, as known layouts have them.

The names are compared as `plain_key` has them. They are looked for at the top of a record, beside its text, and in what
data sets wrap facts in (`WRAPPERS`). A name that means one thing in one layout and another in the next is in `SIGNED`,
under what the layout is known by.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ulmkit.formats.origin import licence_name, moment, scalar

TITLE_FIELDS = ("title", "headline", "heading", "page_title", "article_title", "title_page", "web_title")
URL_FIELDS = (
    "url", "link", "source_url", "canonical_url", "permalink", "uri", "page_url", "warc_target_uri", "target_uri",
    "web_url", "original_url", "requested_url", "responded_url", "article_url", "main_entity_of_page",
)  # fmt: skip
PUBLISHED_FIELDS = (
    "published_at", "published", "date_published", "date_publish", "publish_date", "publishing_date",
    "publication_date", "pubdate", "pub_date", "web_publication_date", "first_published", "date", "datetime",
    "created_at", "created", "created_utc", "date_created", "posted_at", "date_issued", "issued",
)  # fmt: skip
FETCHED_FIELDS = (
    "fetched_at", "crawled_at", "scraped_at", "retrieved_at", "date_download", "download_date", "date_crawled",
    "crawl_date", "crawl_timestamp", "warc_date", "timestamp", "filedate",
)  # fmt: skip
LICENCE_FIELDS = ("licence", "license", "licence_name", "license_name", "license_url", "licence_url", "cc_license")
# mappings that hold facts, or the JSON of one as a string (RedPajama): OSCAR, dolma, datatrove, fundus
WRAPPERS = ("warc_headers", "metadata", "meta", "html", "source_info", "info", "attributes")


class Signed(NamedTuple):
    """A layout whose names mean what they do not mean elsewhere, and the paths that only it has together."""

    signs: tuple[str, ...]
    url: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    fetched: tuple[str, ...] = ()


SIGNED: tuple[Signed, ...] = (
    Signed(("dump", "date"), fetched=("date",)),  # FineWeb: when Common Crawl fetched it
    Signed(("metadata.dump", "metadata.date"), fetched=("metadata.date",)),  # datatrove
    Signed(("u", "ts"), url=("u",), fetched=("ts",)),  # HPLT from 2 on
    Signed(("created", "added"), published=("created",), fetched=("added",)),  # dolma
    Signed(("source_text", "timestamp"), published=("timestamp",)),  # CirrusSearch: of the last edit
    # Wikimedia Enterprise
    Signed(("article_body", "name"), title=("name",), published=("date_modified",)),
    Signed(("has_parts", "name"), title=("name",), published=("date_modified",)),
    Signed(("is_part_of", "name"), title=("name",), published=("date_modified",)),
    Signed(("filedate", "source"), url=("source",)),  # trafilatura
    Signed(("source_hostname", "source"), url=("source",)),
)


class RecordFacts(NamedTuple):
    """What a record says of its text."""

    title: str = ""
    url: str = ""
    licence: str = ""
    fetched_at: datetime | None = None
    published_at: datetime | None = None


@functools.lru_cache(1 << 12)
def plain_key(name: str) -> str:
    """A field's name as it is compared.

    >>> plain_key("datePublished") == plain_key("date-published") == plain_key("date_published")
    True
    """
    return re.sub(r"[\s_.-]+", "", name).lower()


def _plain(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(plain_key, names)))


_TITLE, _URL, _PUBLISHED, _FETCHED, _LICENCE, _WRAPPERS = map(
    _plain, (TITLE_FIELDS, URL_FIELDS, PUBLISHED_FIELDS, FETCHED_FIELDS, LICENCE_FIELDS, WRAPPERS)
)
# columns that facts may stand in; signs that are whole texts are not read for them
FACT_COLUMNS = frozenset((*_TITLE, *_URL, *_PUBLISHED, *_FETCHED, *_LICENCE, *_WRAPPERS)) | {
    plain_key(path.partition(".")[0])
    for layout in SIGNED
    for path in (*layout.signs, *layout.url, *layout.title, *layout.published, *layout.fetched)
} - {"articlebody", "sourcetext", "hasparts"}


def by_plain_key(record: Mapping[str, Any]) -> dict[str, Any]:
    """`record` with its keys as they are compared; of two that are one then, the first that holds something."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if value is not None and value != "" and isinstance(key, str):
            found.setdefault(plain_key(key), value)
    return found


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """A mapping, itself or written as JSON in a string."""
    if isinstance(value, str) and value.startswith("{") and len(value) < 100_000:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def _places(record: Mapping[str, Any], beside: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The mappings that may hold facts: the record, those on the way to its text (`beside`), and the wrappers."""
    top = by_plain_key(record)
    yield top
    inner: Any = record
    for key in beside:
        inner = inner.get(key) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping):
            yield by_plain_key(inner)
    for name in _WRAPPERS:
        if (wrapped := _mapping(top.get(name))) is not None:
            here = by_plain_key(wrapped)
            yield here
            yield from (by_plain_key(deeper) for name in _WRAPPERS if isinstance(deeper := here.get(name), Mapping))


def _at(top: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of names, keys as they are compared; those of `top` are so already."""
    first, *rest = path.split(".")
    value: Any = top.get(plain_key(first))
    for name in rest if value is not None else ():
        inner = _mapping(value)
        value = None if inner is None else by_plain_key(inner).get(plain_key(name))
    return value


def words_of(value: Any) -> str:
    """A fact that is a string, in whatever it is wrapped: bytes, a list's first, a mapping's `rendered`.

    >>> words_of({"rendered": "Tere"}), words_of(["Tere", "Head ööd"]), words_of(3)
    ('Tere', 'Tere', '')
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, list) and value:
        return words_of(value[0])
    if isinstance(value, Mapping):
        return next((found for key in ("rendered", "value", "@id", "#text") if (found := words_of(value.get(key)))), "")
    return ""


# records of a file have the same few sets of keys: what those say is asked once
@functools.lru_cache(1 << 10)
def _perhaps(keys: tuple[str, ...]) -> tuple[Signed, ...]:
    """The layouts that a record of these keys may be of."""
    return tuple(each for each in SIGNED if all(plain_key(sign.partition(".")[0]) in keys for sign in each.signs))


@functools.lru_cache(1 << 12)
def _present(names: tuple[str, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in keys)


def facts_of(record: Mapping[str, Any], beside: Sequence[str] = (), licence_field: str = "") -> RecordFacts:
    """The facts of a record whose text lies below `beside`; `licence_field` is where it was told to look for one."""
    places = list(_places(record, beside))
    keys = [tuple(place) for place in places]
    named = [layout for layout in _perhaps(keys[0]) if all(_at(places[0], sign) is not None for sign in layout.signs)]

    def values(signed: str, names: tuple[str, ...]) -> Iterator[Any]:
        others: set[str] = set()
        if named:
            paths = {path for layout in named for path in getattr(layout, signed)}
            yield from (_at(places[0], path) for layout in named for path in getattr(layout, signed))
            # what a layout calls the one fact is not the other
            dates = {path for layout in named for path in (*layout.published, *layout.fetched)}
            others = {plain_key(path.rpartition(".")[2]) for path in dates - paths}
        for place, there in zip(places, keys, strict=True):
            yield from (place[name] for name in _present(names, there) if name not in others)

    terms = (plain_key(licence_field), *_LICENCE) if licence_field else _LICENCE
    licences = (
        licence_name(place[name]) for place, there in zip(places, keys, strict=True) for name in _present(terms, there)
    )
    return RecordFacts(
        title=next(filter(None, map(words_of, values("title", _TITLE))), ""),
        url=next(filter(None, map(words_of, values("url", _URL))), ""),
        licence=next(filter(None, licences), ""),
        fetched_at=next(filter(None, map(moment, values("fetched", _FETCHED))), None),
        published_at=next(filter(None, map(moment, values("published", _PUBLISHED))), None),
    )
