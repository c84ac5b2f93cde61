"""Which field of a record is its text: chosen once for a file, from its first records, and kept to."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ulmkit.document import Kind
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.origin import Origin, Record, licence_name, moment, scalar

_SAMPLE = 64  # records that the choice is made from

# in order of preference; the kind of what the field holds
TEXT_FIELDS: dict[str, Kind] = {
    "text": "text",
    "content": "text",
    "body": "text",
    "article": "text",
    "article_body": "text",
    "articlebody": "text",
    "maintext": "text",
    "main_text": "text",
    "full_text": "text",
    "fulltext": "text",
    "plain_text": "text",
    "raw_content": "text",
    "document": "text",
    "paragraphs": "text",
    "passage": "text",
    "context": "text",
    "comment": "text",
    "review": "text",
    "sentence": "text",
    "story": "text",
    "post": "text",
    "markdown": "markdown",
    "wikitext": "wikitext",
    "html": "html",
    "raw_html": "html",
    "page_html": "html",
}
TITLE_FIELDS = ("title", "headline", "heading", "page_title")
URL_FIELDS = ("url", "link", "source_url", "canonical_url", "permalink", "uri", "page_url")
PUBLISHED_FIELDS = (
    "published_at", "published", "date_published", "publish_date", "pubdate", "pub_date", "date", "datetime",
    "created_at", "created", "date_issued",
)  # fmt: skip
FETCHED_FIELDS = ("fetched_at", "crawled_at", "date_download", "download_date", "warc_date", "timestamp")
LICENCE_FIELDS = ("licence", "license", "licence_name", "license_name")
NAME_FIELDS = ("path", "filename", "file_name", "file", "id", "url")  # a file's name tells Markdown from text
NEVER_TEXT = frozenset(
    (*TITLE_FIELDS, *URL_FIELDS, *PUBLISHED_FIELDS, *FETCHED_FIELDS, *LICENCE_FIELDS, *NAME_FIELDS, "hash", "sha1")
)
TAG = re.compile(r"</(?:p|div|span|a|li|h[1-6]|table|body)>|<br\s*/?>", re.I)

Path = tuple[str, ...]
NumberedRecord = tuple[int, Mapping[str, Any]] | Record  # its number in the file, or the complaint in its place


@dataclass(frozen=True)
class Choice:
    """Where the text of each record lies, and what it is."""

    path: Path
    kind: Kind


def _value_at(record: Any, path: Path) -> Any:
    """The value at a path of keys; a list on the way is walked through: the list of what lies there."""
    for i, key in enumerate(path):
        if isinstance(record, list):
            return [_value_at(item, path[i:]) for item in record]
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record


def joined_text(value: Any) -> str | None:
    """A value as text: strings as they are, a list's parts a line each, words of a list in a list on one line.

    >>> joined_text([["Tere", "hommikust", "!"], ["Kuidas", "läheb", "?"]])
    'Tere hommikust !\\nKuidas läheb ?'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return "\n".join(value)
        parts = [
            " ".join(item)
            if isinstance(item, list) and all(isinstance(word, str) for word in item)
            else joined_text(item)
            for item in value
        ]
        return "\n".join(part for part in parts if part)
    return None


def leaves(record: Mapping[str, Any], depth: int = 3, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string, and every list of strings as one, with its path."""
    for key, value in record.items():
        here = (*path, str(key))
        if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(v, str) for v in value)):
            yield here, joined_text(value) or ""
        elif isinstance(value, Mapping) and depth > 1:
            yield from leaves(value, depth - 1, here)


def string_paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of the strings in a record, through its lists, as `--text-field` takes them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from string_paths(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value[:2]:
            yield from string_paths(item, path)
    elif isinstance(value, str):
        yield path


def kind_of_name(name: Any) -> Kind | None:
    """What a file name says about the text: Markdown, HTML, or nothing."""
    match = re.search(r"\.(md|mdx|markdown|rmd|qmd|html?|xhtml)$", name.lower()) if isinstance(name, str) else None
    return None if match is None else "html" if "htm" in match[1] else "markdown"


def choose(records: Sequence[Mapping[str, Any]], text_field: str | None) -> Choice | None:
    """The text field of `records`: as told, else by name, else the longest string; None where there is none."""
    lengths: dict[Path, int] = {}
    present: dict[Path, int] = {}
    for record in records:
        for path, value in leaves(record):
            if value.strip():
                lengths[path] = lengths.get(path, 0) + len(value)
                present[path] = present.get(path, 0) + 1
    if text_field is not None:
        path = (text_field,) if any(text_field in record for record in records) else tuple(text_field.split("."))
        return Choice(path, _kind(records, path))
    enough = max(1, len(records) // 2)
    ranked = list(TEXT_FIELDS)
    named = [path for path in lengths if path[-1].lower() in TEXT_FIELDS and present[path] >= enough]
    if named:
        # the field nearest the top, then the most telling name
        path = min(named, key=lambda path: (len(path), ranked.index(path[-1].lower())))
        return Choice(path, _kind(records, path))
    others = [
        path
        for path in lengths
        if path[-1].lower() not in NEVER_TEXT and lengths[path] >= 10 * present[path] and present[path] >= enough
    ]
    if not others:
        return None
    path = max(others, key=lambda path: (lengths[path], path))
    return Choice(path, _kind(records, path))


def _kind(records: Sequence[Mapping[str, Any]], path: Path) -> Kind:
    """What the field holds: said by its name, by file names beside it, or by the tags in it."""
    by_name = TEXT_FIELDS.get(path[-1].lower(), "text")
    if by_name != "text":
        return by_name
    files = [kind for record in records if (kind := _named_kind(record))]
    if files.count("markdown") * 2 > len(records):
        return "markdown"
    texts = [text for record in records if (text := joined_text(_value_at(record, path)))]
    marked_up = sum(text.lstrip().startswith("<") and bool(TAG.search(text)) for text in texts)
    return "html" if marked_up * 2 > len(texts) else "text"


def _named_kind(record: Mapping[str, Any]) -> Kind | None:
    return next((kind for name in NAME_FIELDS if (kind := kind_of_name(record.get(name)))), None)


def first_of(record: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of the named fields that holds something."""
    for name in names:
        if (value := record.get(name)) is not None and value != "":
            return value
    return None


def documents(rows: Iterable[NumberedRecord], origin: Origin) -> Iterator[Record]:
    """Numbered records as documents; complaints among them pass through in their place."""
    rows = iter(rows)
    waiting: list[NumberedRecord] = []
    sample: list[Mapping[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if isinstance(row, tuple):
            sample.append(row[1])
        if len(sample) >= _SAMPLE or len(waiting) >= 2 * _SAMPLE:
            break
    choice = choose(sample, origin.text_field)
    if choice is None and sample:
        names = ", ".join(dict.fromkeys(path for record in sample[:4] for path in string_paths(record)))
        detail = f"fields: {names[:150]}. Say which with --text-field"
    else:
        detail = f"no '{'.'.join(choice.path)}' in it" if choice else ""
    for batch in (waiting, rows):
        for row in batch:
            if not isinstance(row, tuple):
                yield row
                continue
            number, record = row
            text = joined_text(_value_at(record, choice.path)) if choice else None
            if choice is None or text is None:
                facts = "; ".join(f"{key}: {str(value)[:40]}" for key, value in islice(record.items(), 8))
                yield origin.unreadable(reasons.NO_TEXT, detail, number, shown=excerpt(facts))
            else:
                yield _document(origin, choice.kind, number, record, text)


def fact(record: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of the named fields that holds something, where that is a string."""
    value = first_of(record, names)
    return scalar(value) if isinstance(value, str) else ""


def licence_fields(origin: Origin) -> tuple[str, ...]:
    """Where a record may say its own licence, in lower case: the field that was named, and the usual ones."""
    return (origin.licence_field.lower(), *LICENCE_FIELDS) if origin.licence_field else LICENCE_FIELDS


def _document(origin: Origin, kind: Kind, number: int, record: Mapping[str, Any], text: str) -> Record:
    """One record with the facts beside its text."""
    lower = {key.lower(): value for key, value in record.items() if isinstance(key, str)}
    title, url = fact(lower, TITLE_FIELDS), fact(lower, URL_FIELDS)
    text = scalar(text)
    if kind == "markdown":
        from ulmkit.formats.pages import markdown

        return markdown(origin, text, record=number, title=title)
    return origin.document(
        text,
        kind,
        record=number,
        title=title,
        url=url,
        licence=licence_name(first_of(lower, licence_fields(origin))),
        fetched_at=moment(first_of(lower, FETCHED_FIELDS)),
        published_at=moment(first_of(lower, PUBLISHED_FIELDS)),
    )
