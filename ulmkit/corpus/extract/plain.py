"""Plain text as it stands: lines are kept, for they may be verse; only text that a program wrapped is unwrapped."""

import re
from collections.abc import Callable

from ulmkit.corpus.extract.wrapped import Wrapping, unwrapped

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_TRAILING = re.compile(r"[^\S\n]+\n")
_ANY_TRAILING = re.compile(r"\n(?<=[^\S\n]\n)")  # a literal first: much faster to search than _TRAILING


def plain_to_text(source: str, wrapped: Callable[[Wrapping], None] | None = None) -> str:
    """`source` with one kind of line end, no trailing spaces, at most one blank line, and no wrapping.

    `wrapped` hears of lines that were, or look, wrapped.
    """
    text = source.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\f", "\n\n")
    text = text.replace("\u2028", "\n").replace("\u2029", "\n\n").removeprefix("\ufeff")
    if _ANY_TRAILING.search(text):
        text = _TRAILING.sub("\n", text)
    text = _BLANK_LINES.sub("\n\n", text).strip("\n").rstrip()
    return unwrapped(text, wrapped)
