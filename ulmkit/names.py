"""Names and other strings from outside: how they are stored, and how a terminal, Markdown, YAML and JSON show them.

A file's name is any bytes. Python holds those that are no UTF-8 as lone surrogates, which no file and no terminal
takes; what is stored has them as `\\xNN` (`stored_name`, and back by `name_on_disk`). What is shown has no character
that moves a cursor, turns the direction of a line, ends it, or cannot be seen.
"""

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from ulmkit.errors import UsageError

# what a stored name spells as \xNN: a byte that is no UTF-8, a control, a backslash that would read as such a spelling
_BYTE = re.compile(r"[\udc80-\udcff\x00-\x1f\x7f]|\\(?=x[0-9a-f]{2})")
_STORED_BYTE = re.compile(r"\\x([0-9a-f]{2})")
_LONE = re.compile("[\ud800-\udfff]")
# what a line may hold although it cannot be printed: tabs between columns, and spaces of other widths
_PLAIN = re.compile(r"[\t\xa0\u2000-\u200a\u202f\u205f\u3000]")
_PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
ERROR_LENGTH = 2_000
_JOINERS = "\u200c\u200d"
_LONG = re.compile(r"\S{300,}")
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|!&~$]")


def stored_name(name: str) -> str:
    """`name`, of a file or from the command line, as text that any file can hold: two names are never the same text.

    Bytes that are no UTF-8, and controls, are `\\xNN`; `name_on_disk` is the way back.

    >>> stored_name("news-\\udcff\\udcfe.txt"), stored_name("a\\\\xff"), stored_name("a\\\\b")
    ('news-\\\\xff\\\\xfe.txt', 'a\\\\x5cxff', 'a\\\\b')
    """
    text = _BYTE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", name)
    return _LONE.sub("\ufffd", text)  # others than those of file names, which nothing on disk is called


def name_on_disk(text: str) -> str:
    """The name that `stored_name` made `text` of.

    >>> name_on_disk(stored_name("a\\\\xff \\udcff")) == "a\\\\xff \\udcff"
    True
    """
    return _STORED_BYTE.sub(lambda found: bytes.fromhex(found[1]).decode("utf-8", "surrogateescape"), text)


def readable(text: object, limit: int | None = 60) -> str:
    """`text` as one line that is safe to show, with escapes for what is not printable, of at most `limit` characters.

    Joiners stay where they join: after a letter that is not ASCII.

    >>> readable("\\x1b[2J \\u202eabc \\udcff"), readable("x" * 9, 5)
    ('\\\\x1b[2J \\\\u202eabc \\\\xff', 'xxxx…')
    """
    shown = str(text)
    if not shown.isprintable():
        shown = "".join(
            c if c.isprintable() or (c in _JOINERS and _joins(before)) else _escaped(c)
            for before, c in zip(" " + shown, shown, strict=False)
        )
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def error_line(message: str) -> str:
    """An error as one line that is safe to show; of a name that no screen holds its two ends.

    >>> len(error_line("no file\\n" + "x" * 5000 + ": give another."))
    163
    """
    words = " ".join(message.split())
    return readable(_LONG.sub(lambda found: f"{found[0][:100]}…{found[0][-40:]}", words), ERROR_LENGTH)


def readable_lines(text: str) -> str:
    """`text` of several lines, each as safe to show as `readable` makes it; tabs and odd spaces stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join(
        "".join(part if _PLAIN.match(part) else readable(part, None) for part in _pieces(line))
        for line in text.split("\n")
    )


def _pieces(line: str) -> list[str]:
    return [part for part in re.split(f"({_PLAIN.pattern})", line) if part]


def _joins(before: str) -> bool:
    """Whether a joiner after this character does what it is for; after an ASCII letter it only misleads."""
    return not before.isascii() and unicodedata.category(before)[0] in "LMS"


def _escaped(character: str) -> str:
    point = ord(character)
    if point < 0x80:
        return f"\\x{point:02x}"
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point & 0xFF:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def markdown_text(text: object) -> str:
    """`text` within a line or a table's cell of Markdown: no markup, no HTML, no second line.

    >>> markdown_text("a|b <img>\\n# c")
    'a\\\\|b \\\\<img\\\\>\\\\\\\\x0a\\\\# c'
    """
    return _MARKUP.sub(lambda found: f"\\{found[0]}", readable(text, None))


def code_span(text: object) -> str:
    """`text` between backquotes of Markdown, as many as it takes.

    >>> code_span("a`b")
    '``a`b``'
    """
    shown = readable(text, None)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"


def yaml_text(text: str) -> str:
    """`text` as a scalar of YAML: as it stands where that is one plain word, else in double quotes.

    >>> yaml_text("cc-by-sa-4.0"), yaml_text("x\\nevil: yes"), yaml_text("no")
    ('cc-by-sa-4.0', '"x\\\\nevil: yes"', '"no"')
    """
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9+-]*(\.[A-Za-z0-9+-]+)*", text)
    if plain and text.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null"):
        return text
    # every string of JSON is one of YAML, but for characters that JSON spells as two
    return _PAIR.sub(lambda found: f"\\U{ord(json.loads(f'"{found[0]}"')):08x}", json_text(text))


def json_text(value: Any) -> str:
    """`value` as JSON on one line, letters as they are, with escapes for what is not safe to show.

    >>> json_text({"name": "\\u202e\\udcff"})
    '{"name": "\\\\u202e\\\\\\\\xff"}'
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(map(_in_json, text))


def _in_json(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if "\ud800" <= character <= "\udfff":  # a byte of a name as everywhere; another one is nothing
        return f"\\{_escaped(character)}" if "\udc80" <= character <= "\udcff" else "\ufffd"
    return json.dumps(character)[1:-1]


def home_expanded(path: str | os.PathLike[str]) -> Path:
    """`path` with `~` as a home folder; as it stands where nobody is known by that name.

    Raises `UsageError` for an empty one, which Python takes for the working directory.
    """
    if not os.fspath(path):
        raise UsageError("an empty path names no place. Give a file or a folder, or leave it out.")
    return Path(os.path.expanduser(path))  # noqa: PTH111 — Path.expanduser raises where there is no home
