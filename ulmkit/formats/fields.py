"""Which field of a record is its text: chosen once for a file, from its first records, and kept to."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ulmkit.document import Kind
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.origin import Origin, Record, scalar
from ulmkit.formats.record_facts import (
    FETCHED_FIELDS,
    LICENCE_FIELDS,
    PUBLISHED_FIELDS,
    TITLE_FIELDS,
    URL_FIELDS,
    facts_of,
    plain_key,
)
from ulmkit.formats.rich_text import tree_text, without_wrapping
from ulmkit.text.encoding import Undecodable

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
    "page_content": "text",
    "text_content": "text",
    "extracted_text": "text",
    "markdown": "markdown",
    "wikitext": "wikitext",
    "html": "html",
    "raw_html": "html",
    "page_html": "html",
    "lexical": "text",  # of Ghost, a string of JSON
    "mobiledoc": "text",
}
# lists of paragraphs, sections and the like, whose parts may be mappings; known last: a text beside them is theirs
PART_FIELDS = (
    "sections", "has_parts", "blocks", "parts", "chapters", "pages", "passages", "sentences", "lines", "segments",
    "utterances", "transcript",
)  # fmt: skip
# of these the ones that are no records of their own, where an object alone has them
PARTS_OF_ONE = frozenset(("sections", "has_parts", "blocks", "parts", "sentences", "lines", "segments", "utterances",
    "transcript",
))  # fmt: skip
WORD_FIELDS = frozenset({"tokens", "words", "forms", "tokenized_text"})  # lists of a sentence's words
WORD_FORMS = ("word", "form", "token", "text", "orth", "surface")  # where such a list holds mappings: the word in one
# what is text in the mappings of such a list, in the order in which they stand there
PROSE_FIELDS = frozenset(
    map(plain_key, ("text", "content", "body", "paragraph", "paragraphs", "headline", "heading", "title", "summary",
    "lead", "value", "rendered", "sentence", "context", "caption_text", "data", "items", *PART_FIELDS, *WORD_FIELDS))
)  # fmt: skip
NAME_FIELDS = ("path", "filename", "file_name", "file", "id", "url")  # a file's name tells Markdown from text
NEVER_TEXT = frozenset(
    (*TITLE_FIELDS, *URL_FIELDS, *PUBLISHED_FIELDS, *FETCHED_FIELDS, *LICENCE_FIELDS, *NAME_FIELDS, "hash", "sha1")
)
LIGHT_KINDS: tuple[Kind, ...] = ("markdown", "asciidoc", "restructured")
KIND_BY_SUFFIX: dict[str, Kind] = {
    **dict.fromkeys(("md", "mdx", "markdown", "rmd", "qmd"), "markdown"),
    **dict.fromkeys(("adoc", "asciidoc", "asc"), "asciidoc"),
    **dict.fromkeys(("rst", "rest"), "restructured"),
    **dict.fromkeys(("htm", "html", "xhtml"), "html"),
}
_BREAKS = frozenset(("hardBreak", "hard_break", "br"))  # between runs of text
_SENTENCE_ENDS = re.compile(r"[^\W\d_][.!?…؟۔。]\Z")
# the end of a text that a server has cut: a mark, how much is missing, or the address of the whole
_CUT = re.compile(r"\s*(?:\[?(?:…|\.\.\.)\]?)?\s*(?:(?<=[….\]])\s*https?://\S+|\[\+\d+ chars\])?\s*\Z")
_CUT_SHARED = 20  # characters at least that a cut text and its whole have alike
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


def text_at(record: Any, path: Path) -> str | bytes | None:
    """The text at a path of keys: bytes where it is bytes that are no UTF-8, None where there is none."""
    value = without_wrapping(_value_at(record, path))
    if (words := _words(path[-1], value)) is not None:
        return " ".join(words)
    text = joined_text(value)
    return value if text is None and isinstance(value, bytes) else text


def _words(name: str, value: Any) -> list[str] | None:
    """The words of one sentence or text, where `value`, which is called `name`, is a list of them; annotated or not."""
    if name.lower() not in WORD_FIELDS or not isinstance(value, list):
        return None
    words: list[str] = []
    for item in value:
        if isinstance(item, Mapping):
            item = next((item[key] for key in WORD_FORMS if isinstance(item.get(key), str)), None)
        if not isinstance(item, str):
            return None
        words.append(item)
    return words


def joined_text(value: Any) -> str | None:
    """A value as text: strings as they are, a list's parts a line each, words of a list in a list on one line.

    Of a mapping it is what its keys call text (`PROSE_FIELDS`), titles first and the rest in the keys' order; bytes are
    text where they are UTF-8.

    >>> joined_text([["Tere", "hommikust", "!"], ["Kuidas", "läheb", "?"]])
    'Tere hommikust !\\nKuidas läheb ?'
    >>> joined_text({"summary": ["Lühidalt."], "sections": [{"headline": [], "paragraphs": ["Esimene.", "Teine."]}]})
    'Lühidalt.\\nEsimene.\\nTeine.'
    >>> joined_text({"paragraphs": ["Esimene.", "Teine."], "headline": "Kevad"})
    'Kevad\\nEsimene.\\nTeine.'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if (tree := tree_text(value)) is not None:
        return tree
    if isinstance(value, Mapping):
        parts = [
            joined_text(item) if (words := _words(key, item)) is None else " ".join(words)
            for key, item in sorted(value.items(), key=lambda held: plain_key(held[0]) not in _TITLES)
            if plain_key(key) in PROSE_FIELDS
        ]
        return "\n".join(part for part in parts if part) or None
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return "\n".join(value)
        if _are_runs(value):
            return _run_on(value)
        parts = [
            " ".join(item)
            if isinstance(item, list) and item and all(isinstance(word, str) for word in item)
            else joined_text(item)
            for item in value
        ]
        return "\n".join(part for part in parts if part) or None
    return None


def _are_runs(parts: list[Any]) -> bool:
    """Whether the parts of a list are runs of one text in different faces, as editors and messengers store it.

    Strings among mappings that say a type (Telegram), or mappings of type `text` (ProseMirror), with line breaks.
    """
    types: set[str] = set()
    for part in parts:
        kind = "" if isinstance(part, str) else part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or not (
            isinstance(part, str) or kind in _BREAKS or (kind and isinstance(part.get("text"), str))
        ):
            return False
        types.add(kind)
    return len(types) > 1 if "" in types else "text" in types and types <= {"text", *_BREAKS}


def _run_on(parts: list[Any]) -> str:
    """Runs of one text as they follow each other; a sentence that ends right before the next begins has a line."""
    text = ""
    for part in parts:
        run = part if isinstance(part, str) else "\n" if part["type"] in _BREAKS else part["text"]
        text += ("\n" if text and _SENTENCE_ENDS.search(text) and run[:1].isalnum() else "") + run
    return text


def leaves(record: Mapping[str, Any], depth: int = 3, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string, every list of strings as one, and every text in parts under a known name, with its path."""
    for name, held in record.items():
        key, value = str(name), without_wrapping(held)
        here = (*path, key)
        words = isinstance(value, list) and value and all(isinstance(item, str) for item in value)
        parts = (_rank(key) is not None or key.lower() in WORD_FIELDS) and _in_parts(value)
        if isinstance(value, str | bytes) or words or parts or value is not held or tree_text(value) is not None:
            yield here, joined_text(value) or ""
        elif isinstance(value, Mapping) and depth > 1:
            yield from leaves(value, depth - 1, here)


def _in_parts(value: Any) -> bool:
    """Whether it is a text in parts: a list of mappings or lists, or a mapping with lists under names of prose."""
    if isinstance(value, list):
        return any(isinstance(item, Mapping | list) for item in value)
    return isinstance(value, Mapping) and any(
        isinstance(item, list) and item and plain_key(str(key)) in PROSE_FIELDS for key, item in value.items()
    )


_RANKS = {plain_key(name): place for place, name in enumerate((*TEXT_FIELDS, *PART_FIELDS))}
_KINDS = {plain_key(name): kind for name, kind in TEXT_FIELDS.items()}
_NEVER = frozenset(map(plain_key, NEVER_TEXT))
_TITLES = frozenset(map(plain_key, TITLE_FIELDS))


def _rank(name: str) -> int | None:
    """The place of a field among the known names of texts; None where it is none of them."""
    return _RANKS.get(plain_key(name))


def kind_called(name: str) -> Kind:
    """What a field of this name holds, as far as the name says."""
    return _KINDS.get(plain_key(name), "text")


def known_text(name: str) -> bool:
    """Whether `name` is a known one of texts, in whatever way it is written: `articleBody`, `article-body`."""
    return plain_key(name) in _KINDS


def string_paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of the strings in a record, through its lists, as `--text-field` takes them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from string_paths(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value[:2]:
            yield from string_paths(item, path)
    elif isinstance(value, str | bytes):
        yield path


def kind_of_name(name: Any) -> Kind | None:
    """What a file name says about the text: Markdown, HTML, or nothing."""
    match = re.search(r"\.(\w+)$", name.lower()) if isinstance(name, str) else None
    return KIND_BY_SUFFIX.get(match[1]) if match else None


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
    named = [path for path in lengths if _rank(path[-1]) is not None and present[path] >= enough]
    if not named:
        # columns that begin empty: a known name that any of the records fills is a better guess than a long string
        named = [path for path in lengths if len(path) == 1 and known_text(path[0]) and lengths[path] >= 100]
    if named:
        # the field nearest the top, then the most telling name
        path = min(named, key=lambda path: (len(path), _rank(path[-1])))
        return Choice(path, _kind(records, path))
    others = [
        path
        for path in lengths
        if plain_key(path[-1]) not in _NEVER
        and not path[-1].startswith("@")
        and lengths[path] >= 10 * present[path]
        and present[path] >= enough
    ]
    if not others:
        return None
    path = max(others, key=lambda path: (lengths[path], path))
    return Choice(path, _kind(records, path))


def _kind(records: Sequence[Mapping[str, Any]], path: Path) -> Kind:
    """What the field holds: said by its name, by file names beside it, or by the tags in it."""
    by_name = kind_called(path[-1])
    if by_name != "text":
        return by_name
    files = [kind for record in records if (kind := _named_kind(record))]
    for kind in LIGHT_KINDS:
        if files.count(kind) * 2 > len(records):
            return kind
    texts = [text for record in records if isinstance(text := text_at(record, path), str) and text]
    marked_up = sum(text.lstrip().startswith("<") and bool(TAG.search(text)) for text in texts)
    return "html" if marked_up * 2 > len(texts) else "text"


def _named_kind(record: Mapping[str, Any]) -> Kind | None:
    return next((kind for name in NAME_FIELDS if (kind := kind_of_name(record.get(name)))), None)


def documents(rows: Iterable[NumberedRecord], origin: Origin, choice: Choice | None = None) -> Iterator[Record]:
    """Numbered records as documents; complaints among them pass through in their place.

    The text's field is chosen from the first records, unless `choice` has it. A record without it is read by the
    known name that it has instead: files are made of several exports.
    """
    rows = iter(rows)
    waiting: list[NumberedRecord] = []
    sample: list[Mapping[str, Any]] = []
    for row in rows if choice is None else ():
        waiting.append(row)
        if isinstance(row, tuple):
            sample.append(row[1])
        if len(sample) >= _SAMPLE or len(waiting) >= 2 * _SAMPLE:
            break
    choice = choice or choose(sample, origin.text_field)
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
            here = choice
            text = text_at(record, here.path) if here else None
            if text is None and here and not origin.text_field and (other := _named(record)):
                here, text = other, text_at(record, other.path)
            elif here and isinstance(text, str) and not origin.text_field and (whole := _whole(record, text)):
                here, text = whole, text_at(record, whole.path)
            if here is None or text is None:
                facts = "; ".join(f"{key}: {str(value)[:40]}" for key, value in islice(record.items(), 8))
                yield origin.unreadable(reasons.NO_TEXT, detail, number, shown=excerpt(facts))
            else:
                yield _document(origin, here, number, record, text)


def _whole(record: Mapping[str, Any], text: str) -> Choice | None:
    """Where in a record the whole of `text` lies, of which a server has cut the end; None where it is not cut."""
    cut = _CUT.search(text, max(0, len(text) - 200))
    if not cut or not cut[0].strip():
        return None
    beginning = text[: cut.start()].strip()
    if len(beginning) < _CUT_SHARED:
        return None
    for path, value in leaves(record):
        cut_too = _CUT.search(value, max(0, len(value) - 200))
        longer = len(value[: cut_too.start() if cut_too else None].strip()) > len(beginning)
        if longer and value.lstrip().startswith(beginning):
            return Choice(path, _kind([record], path))
    return None


def _named(record: Mapping[str, Any]) -> Choice | None:
    """Where one record's own text lies, by a known name alone."""
    found = choose([record], None)
    return found if found is not None and _rank(found.path[-1]) is not None else None


def _document(origin: Origin, choice: Choice, number: int, record: Mapping[str, Any], text: str | bytes) -> Record:
    """One record with the facts beside its text."""
    if isinstance(text, bytes) and choice.kind != "html":
        try:
            text = origin.decode(text)
        except Undecodable as error:
            return origin.unreadable(reasons.ENCODING, error, number, shown=excerpt(text))
    facts = facts_of(record, choice.path[:-1], origin.licence_field)
    text = scalar(text) if isinstance(text, str) else text
    if choice.kind == "markdown" and isinstance(text, str):
        from ulmkit.formats.pages import markdown

        return markdown(origin, text, record=number, title=facts.title)
    return origin.document(
        text,
        choice.kind,
        record=number,
        title=facts.title,
        url=facts.url,
        licence=facts.licence,
        fetched_at=facts.fetched_at,
        published_at=facts.published_at,
    )
