"""Plain text as it stands: lines are kept, for they may be verse; only text that a program wrapped is unwrapped."""

import re

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_TRAILING = re.compile(r"[^\S\n]+\n")
_ANY_TRAILING = re.compile(r"\n(?<=[^\S\n]\n)")  # a literal first: much faster to search than _TRAILING

# Files wrapped by hand or by e-mail programs: 72 to 80 columns mostly.
_WIDTHS = range(50, 101)
_MIN_WRAPPED_LINES = 8
_MIN_WRAPPED_SHARE = 0.95
_MIN_LENGTHS = 5  # different lengths of wrapped lines: items of a list made by a program are all as long


def plain_to_text(source: str) -> str:
    """`source` with one kind of line end, no trailing spaces, at most one blank line, and no wrapping."""
    text = source.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\f", "\n\n")
    text = text.replace("\u2028", "\n").replace("\u2029", "\n\n").removeprefix("\ufeff")
    if _ANY_TRAILING.search(text):
        text = _TRAILING.sub("\n", text)
    text = _BLANK_LINES.sub("\n\n", text).strip("\n").rstrip()
    return unwrapped(text)


def unwrapped(text: str) -> str:
    """`text` with the lines of wrapped paragraphs joined, if it is certain that a program wrapped them.

    A program breaks a line only where the next word would not have fitted. In verse, lists and addresses it mostly
    would have; so a text counts as wrapped only if it holds for nearly all lines that have one after them.
    """
    lines = text.split("\n")
    width = max(map(len, lines), default=0)
    if width not in _WIDTHS:
        return text
    followed = [i for i in range(len(lines) - 1) if lines[i] and lines[i + 1] and not lines[i + 1][0].isspace()]
    if len(followed) < _MIN_WRAPPED_LINES:
        return text
    full = {i for i in followed if len(lines[i]) + 1 + len(lines[i + 1].split(None, 1)[0]) > width}
    if len(full) < _MIN_WRAPPED_SHARE * len(followed) or len({len(lines[i]) for i in full}) < _MIN_LENGTHS:
        return text
    return "".join(line + (" " if i in full else "\n") for i, line in enumerate(lines)).rstrip()
