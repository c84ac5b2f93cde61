"""Spans that no rule may touch: URL, e-mail, address, version, @user, #tag, `code`, and numbers with separators.

Before any letter is folded, each span is taken out and one placeholder stands in its place; at the end the spans come
back byte for byte. Rules see two kinds of placeholder: `NUMBER`, which is set like a number, and `OPAQUE`, beside
which nothing is changed but doubled spaces.

One choice about digits, for every language: a number with a separator inside (a date, a time, a decimal, a version, an
address, a grouped thousand, in ASCII, Persian or Arabic-Indic digits) is a name for something and stays as it was
written, digits and separators; a plain run of digits is a numeral and takes the digits that the language chose
(`digits` in language.toml).

The patterns look at nothing outside of the span (but for ASCII to the left of a name), so that what a rule does beside
a span cannot make it a span no longer; each begins with something rare, so that searching is linear.
"""

import re
from functools import cache

NUMBER, OPAQUE = "\ufdd0", "\ufdd1"  # noncharacters: `invisible` has deleted them from the text before
PLACEHOLDERS = NUMBER + OPAQUE
_RESTORE = re.compile(f"[{PLACEHOLDERS}]")

_D = "0-9\u0660-\u0669\u06f0-\u06f9"
_SEPARATOR = ".,/:\u066b\u066c\u2010-\u2013\u2212\\-"
# what may follow in a URL: letters of any script (an IRI), digits, and RFC 3986's marks; a reference to a character
# that cannot be part of a URL ends it
_URL_BODY = r"(?:[\w\-.~:/?#\[\]@!$'()*+,;=%]|&(?!(?:nbsp|zwnj|zwj|quot|lt|gt|laquo|raquo);))"
_URL_END = r"[\w/#=%~+$@&\-]"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?"

# kind -> (pattern, triggers): a text without one of the trigger's neighbouring pairs cannot hold such a span
KINDS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    # ``x`` with doubled spaces or unclosed is no code
    "code": (r"`(?!\s)(?:[^`\n ]| (?! ))+`", (("`", ""),)),
    "url": (
        rf"(?:[Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp][Ss]?|[Ww][Ss][Ss]?|file|git|ssh|magnet)://(?:{_URL_BODY}*{_URL_END})?"
        rf"|[Ww][Ww][Ww]\.{_URL_BODY}*{_URL_END}",
        ((":", "/"), ("[Ww]".strip("[]"), r"\.")),
    ),
    "email": (
        rf"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{{1,64}}@(?:{_NAME}\.)+[A-Za-z]{{2,}}",
        (("A-Za-z0-9._%+\\-", "@"),),
    ),
    "user": (r"@\w+(?:\.\w+)*", (("@", r"\w"),)),
    "hashtag": ("#\\w+(?:\u200c\\w+)*", (("#", r"\w"),)),
    "domain": (
        rf"(?<![A-Za-z0-9._\-])(?:{_NAME}\.)+[A-Za-z]{{2,}}(?![A-Za-z0-9])(?:[/?]{_URL_BODY}*{_URL_END})?",
        (("A-Za-z0-9", r"\."),),
    ),
    "ip": (
        r"(?<![0-9A-Za-z:])(?=[0-9A-Fa-f:]*::|(?:[0-9A-Fa-f]{1,4}:){7})(?=:*[0-9A-Fa-f])[0-9A-Fa-f]{0,4}"
        r"(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}",
        ((":", ":"), ("0-9A-Fa-f", ":")),
    ),
    "version": (
        rf"(?<![A-Za-z0-9])[vV]?[{_D}]+(?:\.[{_D}]+)+(?:[\-+]?[A-Za-z][A-Za-z0-9]*(?:[.\-+][A-Za-z0-9]+)*)",
        ((_D, r"\."),),
    ),
    "number": (rf"[{_D}]++(?:[{_SEPARATOR}][{_D}]++)+", ((_D, _SEPARATOR),)),
}
_ORDER = tuple(KINDS)  # where two start together, the earlier one is taken


@cache
def pattern(kinds: frozenset[str]) -> re.Pattern[str]:
    """One pattern for `kinds`; its last group is a number, all else is opaque."""
    parts = [KINDS[kind][0] for kind in _ORDER if kind in kinds and kind != "number"]
    if "number" in kinds:
        parts.append(f"({KINDS['number'][0]})")
    return re.compile("|".join(parts))


def protect(text: str, kinds: frozenset[str], spans: list[str]) -> str:
    """`text` with a placeholder for every span of `kinds`; the spans are appended to `spans` in order."""

    def replace(match: re.Match[str]) -> str:
        spans.append(match[0])
        return NUMBER if match.lastindex else OPAQUE

    return pattern(kinds).sub(replace, text)


def restore(text: str, spans: list[str]) -> str:
    """The inverse of `protect`."""
    if not spans:
        return text
    pieces = _RESTORE.split(text)
    if len(pieces) != len(spans) + 1:
        raise AssertionError(f"{len(spans)} spans were taken out and {len(pieces) - 1} places are left")
    out = [pieces[0]]
    for span, piece in zip(spans, pieces[1:], strict=True):
        out += (span, piece)
    return "".join(out)
