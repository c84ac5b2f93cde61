"""What a person says of a table's layout, `delimiter=tab,quote=none`: it is believed, and the rest is found."""

import re
from dataclasses import dataclass
from functools import lru_cache

from ulmkit.errors import UsageError
from ulmkit.formats.table_grammar import NO_DELIMITER, TableLayout
from ulmkit.names import readable

_PART = re.compile(r"\s*([a-z]+)=(,|[^,]*)(?:,|\Z)")
_WORDS = {
    "delimiter": {
        "tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "none": NO_DELIMITER,
    },
    "quote": {"double": '"', "single": "'", "none": ""},
    "escape": {"backslash": "\\", "\\\\": "\\", "none": ""},
}  # fmt: skip


@dataclass(frozen=True)
class ToldLayout:
    """What stands between cells, which mark quotes them, and what escapes a mark; None for what was not said.

    `delimiter` is `NO_DELIMITER` for a table of one column; `quote` and `escape` are empty where there is none.
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None

    @property
    def strict(self) -> bool:
        """Whether rows are read by its letter alone: what quotes cells was said, so a mark has one meaning."""
        return self.quote is not None

    def allows(self, layout: TableLayout) -> bool:
        """Whether `layout` is as was said."""
        told = (self.delimiter, self.quote, self.escape)
        found = (layout.delimiter, layout.quote, layout.escape)
        return all(said in (None, has) for said, has in zip(told, found, strict=True))

    def divides(self, text: str) -> bool:
        """Whether what stands between cells was said, and stands in the first line of `text` that holds anything."""
        first = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")
        return bool(self.delimiter) and str(self.delimiter) in first

    @property
    def delimiter_said(self) -> str:
        """The delimiter as a person says it; empty where none was said."""
        return "" if self.delimiter is None else _said("delimiter", self.delimiter)

    def __str__(self) -> str:
        parts = ((name, getattr(self, name)) for name in _WORDS)
        return ",".join(f"{name}={_said(name, value)}" for name, value in parts if value is not None)


def _said(name: str, value: str) -> str:
    """`value` in the word for it, else as it is."""
    return next((word for word, meant in _WORDS[name].items() if meant == value), value)


def quote_said(layout: TableLayout) -> str:
    """The part that says how `layout` quotes."""
    return str(ToldLayout(quote=layout.quote))


def escape_said(layout: TableLayout) -> str:
    """The part that says what escapes in `layout`."""
    return str(ToldLayout(escape=layout.escape))


@lru_cache(maxsize=64)
def told_layout(text: str) -> ToldLayout:
    """What `text` says: names and values with commas between; nothing where it is empty. `UsageError` for another.

    >>> str(told_layout("quote=none,delimiter=;"))
    'delimiter=semicolon,quote=none'
    >>> str(told_layout("delimiter=,,quote=double"))
    'delimiter=comma,quote=double'
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part[1] not in _WORDS or part[1] in found:
            raise UsageError(
                f"--table {readable(text, 60)}: expected delimiter=, quote= and escape=, each once at most and with "
                "commas between, such as delimiter=tab,quote=none."
            )
        found[part[1]] = _value(part[1], part[2])
        at = part.end()
    told = ToldLayout(**found)
    marks = [mark for mark in (told.delimiter, told.quote, told.escape) if mark]
    if len(set(marks)) < len(marks):
        raise UsageError(f"--table {told}: one mark cannot be two of these. Say another.")
    return told


def _value(name: str, word: str) -> str:
    """What `word` means for `name`: a word for a mark, or the mark itself."""
    words = _WORDS[name]
    if (known := word if word == " " else word.strip()) in words:
        return words[known]
    # a letter is most likely what a shell left of \t
    mark = len(known) == 1 and known.isprintable() and not known.isalnum()
    if (known in words.values() and known) or (mark and name != "escape"):
        return known
    own = "" if name == "escape" else ", or one mark"
    listed = ", ".join(each for each in words if each.isalpha())
    raise UsageError(f"--table {name}={readable(word, 20)}: expected {listed}{own}.")
