"""Where records keep the facts beside their text: address, title, dates and licence, as known layouts have them.

The names are compared as `plain_key` has them. They are looked for at the top of a record, beside its text, and in what
data sets wrap facts in (`WRAPPERS`). A name that means one thing in one layout and another in the next is in `SIGNED`,
under what the layout is known by.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    "created_at", "created", "created_utc", "date_created", "posted_at", "date_issued", "issued", "creation_date",
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


# the keys of a record that are one name as names are compared; the first that is filled counts
SameKeys = tuple[str, ...]


class KnownKeys(NamedTuple):
    """What is told by a record's keys alone: those that may hold each fact, the likeliest first."""

    by_name: Mapping[str, SameKeys]
    title: tuple[SameKeys, ...]
    url: tuple[SameKeys, ...]
    published: tuple[SameKeys, ...]
    fetched: tuple[SameKeys, ...]
    licence: tuple[SameKeys, ...]
    wrappers: tuple[SameKeys, ...]
    layouts: tuple[Signed, ...]  # that a record of these keys may be of


# records of a file have the same few sets of keys: what those say is asked once
@functools.lru_cache(1 << 9)
def known_keys(keys: tuple[Any, ...], licence_field: str = "") -> KnownKeys:
    """Which of a record's `keys` may hold its facts; `licence_field` is asked for the licence first."""
    by_name: dict[str, SameKeys] = {}
    for key in keys:
        if isinstance(key, str):
            name = plain_key(key)
            by_name[name] = (*by_name.get(name, ()), key)

    def present(names: Iterable[str]) -> tuple[SameKeys, ...]:
        return tuple(by_name[name] for name in names if name in by_name)

    terms = (plain_key(licence_field), *_LICENCE) if licence_field else _LICENCE
    layouts = tuple(each for each in SIGNED if all(plain_key(sign.partition(".")[0]) in by_name for sign in each.signs))
    return KnownKeys(
        by_name,
        title=present(_TITLE),
        url=present(_URL),
        published=present(_PUBLISHED),
        fetched=present(_FETCHED),
        licence=present(terms),
        wrappers=present(_WRAPPERS),
        layouts=layouts,
    )


def _filled(record: Mapping[str, Any], keys: SameKeys) -> Any:
    """The first of a group's values that holds something; None where none does."""
    for key in keys:
        value = record[key]
        if value is not None and value != "":
            return value
    return None


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """A mapping, itself or written as JSON in a string."""
    if isinstance(value, str) and value.startswith("{") and len(value) < 100_000:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


FactPlace = tuple[Mapping[str, Any], KnownKeys]  # a mapping that may hold facts


def _places_below(top: FactPlace, beside: Sequence[str], licence_field: str) -> Iterator[FactPlace]:
    """The mappings in a record that may hold facts too: those on the way to its text (`beside`), and the wrappers."""
    record, known = top
    inner: Any = record
    for key in beside:
        inner = inner.get(key) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping):
            yield inner, known_keys(tuple(inner), licence_field)
    for group in known.wrappers:
        if (wrapped := _mapping(_filled(record, group))) is not None:
            here = known_keys(tuple(wrapped), licence_field)
            yield wrapped, here
            for deeper in (_filled(wrapped, group) for group in here.wrappers):
                if isinstance(deeper, Mapping):
                    yield deeper, known_keys(tuple(deeper), licence_field)


def _at(top: FactPlace, path: str) -> Any:
    """The value at a dotted path of names, keys as they are compared."""
    record, known = top
    first, dot, rest = path.partition(".")
    value = _filled(record, known.by_name.get(plain_key(first), ()))
    if not dot:
        return value
    inner = _mapping(value)
    return None if inner is None else _at((inner, known_keys(tuple(inner))), rest)


@functools.lru_cache(1 << 8)
def _signed_paths(named: tuple[Signed, ...], fact: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Where layouts keep a fact, and the names that they give the other of the two dates."""
    paths = tuple(path for layout in named for path in getattr(layout, fact))
    dates = {path for layout in named for path in (*layout.published, *layout.fetched)}
    return paths, frozenset(plain_key(path.rpartition(".")[2]) for path in dates.difference(paths))


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


def facts_of(record: Mapping[str, Any], beside: Sequence[str] = (), licence_field: str = "") -> RecordFacts:
    """The facts of a record whose text lies below `beside`; `licence_field` is where it was told to look for one."""
    known = known_keys(tuple(record), licence_field)
    top = record, known
    places = [top, *_places_below(top, beside, licence_field)] if beside or known.wrappers else [top]
    named = known.layouts
    if named:
        named = tuple(layout for layout in named if all(_at(top, sign) is not None for sign in layout.signs))
    return RecordFacts(
        title=_fact(words_of, "title", places, named) or "",
        url=_fact(words_of, "url", places, named) or "",
        licence=_fact(licence_name, "licence", places) or "",
        fetched_at=_fact(moment, "fetched", places, named),
        published_at=_fact(moment, "published", places, named),
    )


def _fact[Fact](
    read: Callable[[Any], Fact], fact: str, places: Sequence[FactPlace], named: tuple[Signed, ...] = ()
) -> Fact | None:
    """What `read` makes of the first value that it can read: where layouts keep the fact, then under its names."""
    others: frozenset[str] = frozenset()
    if named:
        paths, others = _signed_paths(named, fact)
        for path in paths:
            if found := read(_at(places[0], path)):
                return found
    for record, known in places:
        for group in getattr(known, fact):
            # what a layout calls the one fact is not the other
            if others and plain_key(group[0]) in others:
                continue
            value = _filled(record, group)
            if value is not None and (found := read(value)):
                return found
    return None
