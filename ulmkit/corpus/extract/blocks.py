"""What the readers of all kinds of markup agree on: lines, blocks, titles, and which table cells are text."""

import re
from collections.abc import Callable, Iterable

_SPACES = re.compile(r"\s+")
# between an article's name and its site's: "Article - Section | Site"
_TITLE_SEPARATOR = re.compile(r"\s+(?:[|–—·•»«:]|-{1,2}|::|\|\|)\s+")


def encodable(text: str) -> str:
    """`text` without lone surrogates, which JSON can hold and no file can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "ignore").decode()
    return text


def folded(text: str) -> str:
    """`text` on one line, white space as single spaces."""
    return _SPACES.sub(" ", text).strip()


def has_word(text: str) -> bool:
    """Whether there is a letter or a digit in it: a line without one is decoration."""
    return any(map(str.isalnum, text))


def is_prose(cell: str) -> bool:
    """Whether a table's cell was filled with text to lay a page out, and not with a figure, a name or a label."""
    return len(cell) >= 60 and len(cell.split()) >= 8


def key(text: str) -> str:
    """Letters and digits alone, without case: how titles are compared."""
    return "".join(filter(str.isalnum, text)).casefold()


def title_parts(title: str) -> list[str]:
    """A window's title, whole and in its parts.

    >>> title_parts("Kevad tuli - Uudised | Vald")
    ['Kevad tuli - Uudised | Vald', 'Kevad tuli', 'Uudised', 'Vald']
    """
    parts = _TITLE_SEPARATOR.split(title)
    return [title] if len(parts) == 1 else [title, *parts]


def joined(blocks: Iterable[str], title: str = "") -> str:
    """Blocks with a blank line between them, less a first one that only repeats the title."""
    kept = [block for block in blocks if block]
    names = {key(part) for part in title_parts(title)} - {""}
    start = 0
    while start < min(2, len(kept)) and len(kept[start]) < 2 * len(title) + 20 and key(kept[start]) in names:
        start += 1
    return "\n\n".join(kept[start:])


class BlockReader:
    """What a reader of markup has read: blocks of lines, each of which its source may wrap.

    `inline` makes of a line's source its text: without marks, white space folded.
    """

    def __init__(self, inline: Callable[[str], str]) -> None:
        self.blocks: list[str] = []
        self.title = ""
        self._inline = inline
        self._lines: list[str] = []  # finished lines of the block
        self._open: list[str] = []  # pieces of the line being read

    def text(self) -> str:
        """All that was read: blocks that hold a word, less a first one that repeats the title."""
        self.close()
        return joined((block for block in self.blocks if has_word(block)), self.title)

    def _close_line(self) -> None:
        if self._open:
            line = self._inline(" ".join(self._open))
            if has_word(line):
                self._lines.append(line)
            self._open.clear()

    def close(self) -> None:
        """The block ends here."""
        self._close_line()
        if self._lines:
            self.blocks.append("\n".join(self._lines))
            self._lines.clear()
