"""Files that are one document each: Markdown and other markup, HTML; and treebanks, whose sentences make documents."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from ulmkit.document import Kind, Unreadable
from ulmkit.formats.lines import text_lines
from ulmkit.formats.origin import Origin, Record, decoded, licence_name, moment
from ulmkit.formats.streams import Stream

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)", re.S | re.M)
SETTING = re.compile(r"^([A-Za-z_][\w.-]*)[ \t]*:[ \t]*(.*?)[ \t]*$")


def reader_of(kind: Kind) -> Callable[[Stream, Origin], Iterator[Record]]:
    """What reads a file that is one document, written in `kind`."""

    def read(stream: Stream, origin: Origin) -> Iterator[Record]:
        data = origin.whole(stream)
        text = data if isinstance(data, Unreadable) else decoded(origin, data)
        yield text if isinstance(text, Unreadable) else origin.document(text, kind)

    return read


def read_html(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One page, as bytes: its encoding is found when its text is taken out."""
    data = origin.whole(stream)
    yield data if isinstance(data, Unreadable) else origin.document(data, "html")


def read_markdown(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One document; its front matter gives title, address, date and licence."""
    data = origin.whole(stream)
    text = data if isinstance(data, Unreadable) else decoded(origin, data)
    if isinstance(text, str) and stream.failure and "---".startswith(text[:3]) and not _FRONT_MATTER.match(text):
        return  # cut off inside its settings: there is no text, and the cut is told by whoever cut it
    yield text if isinstance(text, Unreadable) else markdown(origin, text)


def markdown(origin: Origin, text: str, *, record: Any = None, title: str = "") -> Record:
    """Markdown text as a document, its front matter taken off."""
    settings, body = front_matter(text)
    return origin.document(
        body,
        "markdown",
        record=record,
        title=title or settings.get("title", ""),
        url=next((settings[key] for key in ("url", "permalink", "source") if "://" in settings.get(key, "")), ""),
        licence=licence_name(settings.get("license") or settings.get("licence")),
        published_at=moment(settings.get("date") or settings.get("date_issued") or settings.get("published")),
    )


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """The top-level settings between the opening `---` lines, and the text after them.

    >>> front_matter('---\\ntitle: "Tere"\\ntags:\\n- a\\n---\\nSisu\\n')
    ({'title': 'Tere', 'tags': ''}, 'Sisu\\n')
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text.removeprefix("\ufeff")
    settings = {}
    for line in match[1].splitlines():
        if setting := SETTING.match(line):
            value = setting[2]
            if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
                value = value[1:-1]
            settings[setting[1].lower()] = value
    return settings, text[match.end() :]


SENTENCE = re.compile(r"#\s*text\s*=\s*(.*)")
NEW_DOCUMENT = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(.*))?")
SENTENCE_ID = re.compile(r"#\s*sent_id\s*=\s*(\S+)")


def read_treebank(stream: Stream, origin: Origin) -> Iterator[Record]:
    """CoNLL-U: the `# text =` lines, a line each.

    A document ends at `# newdoc`; without those, where the sentence ids (`name_1`, `name_2` …) change their name.
    """
    sentences: list[str] = []
    group: str | None = None
    number = 0
    told = False  # the file marks its documents itself
    for _, line in text_lines(stream, origin):
        if isinstance(line, Unreadable):
            yield line
            continue
        starts = NEW_DOCUMENT.match(line)
        told = told or bool(starts)
        name = SENTENCE_ID.match(line) if not told else None
        family = re.sub(r"[_-]s?\d+$", "", name[1]) if name else None
        if (starts or (family is not None and family != group)) and sentences:
            number += 1
            yield origin.document("\n".join(sentences), "text", record=number)
            sentences = []
        if family is not None:
            group = family
        if match := SENTENCE.match(line):
            sentences.append(match[1])
    if sentences:
        yield origin.document("\n".join(sentences), "text", record=number + 1)
