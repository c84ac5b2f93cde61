"""JSON: one object a line, an array of objects, one object, or objects one after the other; in a script, too."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.fields import PARTS_OF_ONE, NumberedRecord, Path, choose, documents, known_text, leaves
from ulmkit.formats.json_columns import rows_by_column
from ulmkit.formats.lines import skip_line, text_lines, unified
from ulmkit.formats.origin import Origin, Record
from ulmkit.formats.streams import BUFFER, Stream

TOO_DEEP = "nested too deep"
PYTHON_RECORD = re.compile(r"\{\s*u?'[^'\n]{1,80}'\s*:")
# between values, and behind the last one of a script; a record separator (RFC 7464) is a space to `re`
BETWEEN = re.compile(r"[\s,;)\ufeff\0]*")
# what a script has before its JSON: comments, the name that it is assigned to, or the call of a function
BEFORE_JSON = re.compile(
    r"(?>\ufeff|\s|/\*.*?\*/|//[^\n]*\n)*+(?:(?:(?:var|let|const|return)\s+)?[\w$.]{1,200}(?:\[[^\]\n]{0,200}\])?\s*[=(]\s*)?"
    r"(?=\{\s*\"|\[\s*[\[{\"])",
    re.S,
)
NUMBER_MAY_GO_ON = re.compile(r"[\d.eE+-]\Z")


def read_json_lines(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document a line; the number of the line is the record's."""
    yield from documents(json_line_records(stream, origin), origin)


def json_line_records(stream: Stream, origin: Origin, before: int = 0) -> Iterator[NumberedRecord]:
    """The records of lines, of which so many stand `before`."""
    for number, line in text_lines(stream, origin, before, holes=True):
        if isinstance(line, Unreadable):
            yield line
            continue
        line = line.lstrip("\ufeff\x1e")  # files that were put together have a mark each; RFC 7464 has a separator
        if line.strip():
            try:
                yield _row(json.loads(line, strict=False), number, origin)
            except RecursionError:
                yield origin.unreadable(reasons.BAD_RECORD, TOO_DEEP, number, shown=excerpt(line))
            except ValueError as error:
                shown = excerpt(line, position(error))
                yield origin.unreadable(reasons.BAD_RECORD, not_json(line, error), number, shown=shown)


def not_json(text: str, error: ValueError) -> str:
    """Why `text` is no JSON: what it is instead, where that is known."""
    return "not JSON: single quotes" if PYTHON_RECORD.match(text.lstrip("\ufeff \t\r\n[,")) else str(error)


def position(error: Exception) -> int:
    """The character at which JSON was found wrong, as far as the error says."""
    return error.pos if isinstance(error, json.JSONDecodeError) else 0


def _row(value: Any, number: int, origin: Origin) -> NumberedRecord:
    if isinstance(value, Mapping):
        return number, _article_of(value)
    if isinstance(value, str):
        return number, {"text": value}
    detail = f"a JSON {type(value).__name__}, not an object"
    return origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(str(value)))


def _article_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node of a JSON-LD graph that has a text, where it is the only one; any other record as it is."""
    graph = value.get("@graph")
    texts = [node for node in graph if _has_text(node)] if isinstance(graph, list) else []
    return texts[0] if len(texts) == 1 and not _has_text(value) else value


def _has_text(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        known_text(str(key)) and isinstance(item, str) and item.strip() for key, item in value.items()
    )


def read_json_document(stream: Stream, origin: Origin) -> Iterator[Record]:
    """The objects of a JSON document, streamed where it is an array.

    One object alone is a document itself, or holds its records in a list (`data`, `articles` …) or by columns.
    """
    rows, prefix = json_document_records(stream, origin)
    if prefix and origin.text_field:
        from dataclasses import replace

        origin = replace(origin, text_field=origin.text_field.removeprefix(f"{prefix}."))
    yield from documents(rows, origin)


def json_document_records(stream: Stream, origin: Origin) -> tuple[Iterator[NumberedRecord], str]:
    """The records of a JSON document, and the key that they lie under where one object holds them."""
    even = unified(stream, origin)
    if isinstance(even, Unreadable):
        return iter([even]), ""
    start = even.head()[:BUFFER].decode("latin-1")  # as many characters as bytes
    if before := BEFORE_JSON.match(start):
        even.read(before.end())
        start = start[before.end() :]
    values = _values(even, origin)
    if start.lstrip().startswith("["):
        return values, ""
    first = next(values, None)
    second = next(values, None)
    if second is None and isinstance(first, tuple):
        prefix, rows = _unwrapped(first[1], origin)
        return rows, prefix
    return (row for rows in ((first, second), values) for row in rows if row is not None), ""


def _unwrapped(value: Mapping[str, Any], origin: Origin) -> tuple[str, Iterator[NumberedRecord]]:
    """The records that one object holds, and the key they lie under; itself where it has a text of its own.

    Answers of search engines and other interfaces hold them deeper: `hits.hits`, `response.docs`, `data.posts.nodes`.
    """
    if table := rows_by_column(value):
        return "", enumerate_rows(table, origin)
    if origin.text_field and origin.text_field in value:
        return "", iter([(1, value)])
    named = [path for path, text in leaves(value) if text.strip() and known_text(path[-1])]
    if any(known_text(path[0]) for path in named):
        return "", iter([(1, value)])
    lists = dict(_lists(value))
    at_top: list[Path] = [path for path in lists if len(path) == 1]
    named_records = [item for item in value.values() if isinstance(item, Mapping)]
    if not at_top and 1 < len(named_records) == len(value) and (choose(named_records, None) or not lists):
        return "", enumerate_rows(list(value.values()), origin)
    if found := at_top or ([] if named else list(lists)):
        path = max(found, key=lambda path: len(lists[path]))
        if len(found) == 1 == len(lists[path]) and (inner := _exported(lists[path][0])):
            return ".".join((*path, *inner[0])), enumerate_rows(inner[1], origin)
        return ".".join(path), enumerate_rows(lists[path], origin)
    return "", iter([(1, value)])


def _exported(value: Mapping[str, Any]) -> tuple[Path, list[Any]] | None:
    """The longest list of texts in the only entry of a list, as Ghost exports them: `db`, then `data.posts`."""
    if _has_text(value):
        return None
    lists = [(path, items) for path, items in _lists(value) if len(path) > 1 and any(map(_has_text, items))]
    return max(lists, key=lambda found: len(found[1]), default=None)


def _lists(
    value: Mapping[str, Any], depth: int = 3, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Every list of mappings in `value`, with its path, but those whose name says that they are parts of one text."""
    for name, item in value.items():
        here = (*path, str(name))
        if isinstance(item, list):
            if item and all(isinstance(entry, Mapping) for entry in item) and str(name).lower() not in PARTS_OF_ONE:
                yield here, item
        elif isinstance(item, Mapping) and depth > 1:
            yield from _lists(item, depth - 1, here)


def enumerate_rows(values: Sequence[Any], origin: Origin) -> Iterator[NumberedRecord]:
    """Values numbered from 1."""
    return (_row(value, number, origin) for number, value in enumerate(values, 1))


def _values(stream: Stream, origin: Origin) -> Iterator[NumberedRecord]:
    """Values one after the other, commas and the brackets of arrays around them left out.

    What is not yet whole is tried again with twice the text, so the work stays linear in the input.
    """
    import codecs

    decoder = json.JSONDecoder(strict=False)
    decode = codecs.getincrementaldecoder("utf-8")("strict").decode
    text, at, number, wanted = "", 0, 0, BUFFER
    in_array = started = False
    while True:
        data = stream.read(wanted)
        try:
            text = text[at:] + decode(data, final=not data and stream.failure is None)
        except UnicodeDecodeError as error:
            yield origin.unreadable(
                reasons.ENCODING, f"not utf-8: {error.reason}", number + 1, shown=excerpt(data, error.start)
            )
            return
        at = 0
        while True:
            gap = BETWEEN.match(text, at)
            at = gap.end() if gap else at
            if at >= len(text):
                break
            if in_array == started and text[at] == ("]" if in_array else "["):
                in_array = started = not in_array  # what follows an array is read, too
                at += 1
                continue
            started = True
            try:
                value, end = decoder.raw_decode(text, at)
            except RecursionError:
                yield origin.unreadable(reasons.BAD_RECORD, TOO_DEEP, number + 1, shown=excerpt(text, at))
                return
            except ValueError as error:
                if data and len(text) - at <= origin.limits.record:
                    break
                if data:
                    yield from _too_large(text[at:], in_array, stream, origin, number + 1)
                elif stream.failure is None:
                    yield _unfinished(error, origin, number + 1)
                return
            if end == len(text) and data and NUMBER_MAY_GO_ON.search(text):
                break
            at = end
            number += 1
            yield _row(value, number, origin)
        if not data:
            if in_array and stream.failure is None:
                yield origin.unreadable(
                    reasons.TRUNCATED, "the array is not closed", number, shown=excerpt(text, len(text))
                )
            return
        # twice as much as there is, and no more than shows that it is too large
        wanted = max(BUFFER, min(len(text) - at, origin.limits.record - (len(text) - at) + 1))


def _too_large(text: str, in_array: bool, stream: Stream, origin: Origin, number: int) -> Iterator[NumberedRecord]:
    """The complaint about a value that goes on behind `text`; and where it is a record a line, the lines behind it."""
    limit = origin.limits.record
    yield origin.unreadable(reasons.TOO_LARGE, f"a JSON value over {limit:,} characters", number, shown=excerpt(text))
    if not in_array and "\n" not in text:
        skip_line(stream, limit)
        yield from json_line_records(stream, origin, number)


def _unfinished(error: ValueError, origin: Origin, number: int) -> Unreadable:
    """Text that ends inside a value is a cut; text that is wrong before its end is a bad record."""
    at_end = isinstance(error, json.JSONDecodeError) and (
        # an escape or a word such as `false` may be cut too
        error.pos >= len(error.doc.rstrip()) - len("\\uffff") or error.msg.startswith("Unterminated string")
    )
    shown = excerpt(error.doc, error.pos) if isinstance(error, json.JSONDecodeError) else ""
    if at_end:
        return origin.unreadable(reasons.TRUNCATED, "the JSON ends inside a value", number, shown=shown)
    why = not_json(error.doc, error) if isinstance(error, json.JSONDecodeError) else error
    return origin.unreadable(reasons.BAD_RECORD, why, number, shown=shown)
