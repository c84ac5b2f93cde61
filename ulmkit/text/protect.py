"""Spans that no rule may touch: URL, e-mail, address, version, @user, #tag, `code`, and numbers with separators.

Before any letter is folded, each span is taken out and one placeholder stands in its place; at the end the spans come
back byte for byte. Rules see two kinds of placeholder: `NUMBER`, which is set like a number, and `OPAQUE`, beside
which nothing is changed but doubled spaces.

One choice about digits, for every language: a number with a separator inside (a date, a time, a decimal, a version, an
address, a grouped thousand, in ASCII or Arabic-Indic digits) is a name for something and stays as it was
written, digits and separators; a plain run of digits is a numeral and takes the digits that the language chose
(`digits` in language.toml).

The patterns look at nothing outside of the span (but for ASCII to the left of a name), so that what a rule does beside
a span cannot make it a span no longer; each begins with something rare, so that searching is linear.
"""

import html
import re
import unicodedata
from collections.abc import Collection
from functools import cache

from ulmkit.text.characters import character_class
from ulmkit.text.script import every_mark

NUMBER, OPAQUE = "\ufdd0", "\ufdd1"  # noncharacters: `invisible` has deleted them from the text before
PLACEHOLDERS = NUMBER + OPAQUE
_RESTORE = re.compile(f"[{PLACEHOLDERS}]")

_D = "0-9\u0660-\u0669\u06f0-\u06f9"
_SEPARATOR = ".,/:\u066b\u066c\u2010-\u2013\u2212\\-"
# what becomes U+002D: it belongs to a URL or a version from the start, which otherwise grew by a piece a pass
_HYPHEN = "\\-\u2010\u2011\u2212\uff0d\u02d7\ufe63"
# stands in patterns for the marks on letters, vowel signs among them: an IRI may hold them, and \w does not know them
_MARK = "<marks>"
# a reference to a character that is named or numbered; 40 characters hold any that has a meaning
REFERENCE = "(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_REACH = 40
_URL_LAST = rf"\w{_MARK}/#=%~+$@\-"  # with what a URL may end
_URL_INSIDE = rf".:?\[\]!()*,;{_HYPHEN}"


def _url_rest(kept: str = "") -> str:
    """What may follow in a URL: letters of any script (an IRI), digits, and RFC 3986's marks. A reference ends it, for
    `entities` decodes it; but not what `kept` lets pass, which it keeps."""
    ampersand = f"&(?!{kept}{REFERENCE})"
    joiner = "\u200c(?<=[\u0620-\u06ff]\u200c)(?=[\u0620-\u06ff])"
    body = rf"[{_URL_LAST}{_URL_INSIDE}]|{ampersand}|{joiner}"
    return f"(?:{body})*(?:[{_URL_LAST}]|{ampersand})"


# a number with separators is a span of its own, behind # and within a tag, too: #2023/10/12
_TAG = rf"(?:[^\W{_D}]|[{_MARK}]|[{_D}]++(?![{_SEPARATOR}][{_D}]))++"
_LOCAL = r"[A-Za-z0-9._%+\-]"  # of an e-mail address, before its @
_AT_HOST = r"@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
_AFTER_NAME = f"(?:[/?]{_url_rest()})?"

# kind -> (pattern, triggers): a text without one of the trigger's neighbouring pairs cannot hold such a span. A pattern
# starts with a character class or a literal, which `re` searches fast; what stands to its left is asked afterwards.
SPAN_KINDS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    # `x` with doubled spaces or unclosed is no code
    "code": (r"`(?!\s)(?:[^`\n ]| (?! ))+`", (("`", ""),)),
    "url": (
        rf"[HhFfWwgs](?:(?<=[Ww])[Ww][Ww]\.{_url_rest()}|(?:(?<=(?=[Hh]).)[Tt][Tt][Pp][Ss]?"
        rf"|(?<=(?=[Ff]).)[Tt][Pp][Ss]?|(?<=(?=[Ww]).)[Ss][Ss]?|(?<=f)ile|(?<=g)it|(?<=s)sh)://{_url_rest('(?!amp;)')})",
        ((":", "/"), ("Ww", r"\.")),
    ),
    "email": (
        # one that follows another without a space is a part of it: a name begins where nothing like it stands before
        rf"{_LOCAL}(?<!{_LOCAL}.){_LOCAL}{{0,63}}+{_AT_HOST}(?:{_LOCAL}{{1,64}}+{_AT_HOST})*",
        (("A-Za-z0-9._%+\\-", "@"),),
    ),
    "user": (f"@(?=\\w){_TAG}(?:[.\u200c]{_TAG})*+", (("@", r"\w"),)),
    # `#4;` may become the tail of a reference to a character, when what parts it from an ampersand is deleted
    "hashtag": (f"#(?<!&.)(?![0-9]+;|[xX][0-9A-Fa-f]+;)(?=\\w){_TAG}(?:\u200c{_TAG})*+", (("#", r"\w"),)),
    "domain": (
        r"[A-Za-z0-9](?<![A-Za-z0-9._\-].)[A-Za-z0-9\-]*+(?:\.[A-Za-z0-9][A-Za-z0-9\-]*+)+(?<=[A-Za-z]{2})"
        + _AFTER_NAME,
        ((r"\.", "A-Za-z"),),
    ),
    "version": (
        rf"[vV{_D}](?<![A-Za-z{_D}.].)[{_D}]*+(?:\.[{_D}]++)+[+{_HYPHEN}]?[A-Za-z][A-Za-z0-9]*+(?!://)"
        rf"(?:[.+{_HYPHEN}][A-Za-z0-9]++)*",
        ((r"\.", _D),),
    ),
    # what a program fills in: %1$s, %d, %(name)s, {0}; or an octet of an address inside a word: file%20name
    "placeholder": (
        r"%(?:(?:[0-9]{1,2}\$)?[-+#0]*[0-9]*(?:\.[0-9]+)?(?:ll?|hh?|z)?[sdifuxXcegGp@](?![A-Za-z0-9])"
        r"|\([A-Za-z_][A-Za-z0-9_]*\)[sdifr]|(?<=[^\W\d_]%)[0-9A-Fa-f]{2}(?=[^\W\d_]))|\{[0-9]{1,2}\}",
        (("%", "0-9A-Za-z(+#@.\\-"), (r"\{", "0-9")),
    ),
    "number": (rf"[{_D}](?<![{_D}].)[{_D}]*+(?:[{_SEPARATOR}][{_D}]++)+", ((_SEPARATOR, _D),)),
    "ip": (
        r"[0-9A-Fa-f:](?<![0-9A-Za-z:].)(?:(?<=:):|[0-9A-Fa-f]{0,3}+:)(?:[0-9A-Fa-f]{0,4}+:){1,6}[0-9A-Fa-f]{0,4}+"
        r"(?:\.[0-9]{1,3}){0,3}",
        ((":", ":"), ("0-9A-Fa-f", ":")),
    ),
}
_ORDER = {kind: place for place, kind in enumerate(SPAN_KINDS)}  # where two are the same, the earlier kind is taken


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(_MARK, character_class(mark for mark in every_mark() if mark < "\ufe00")))


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    return _compiled(SPAN_KINDS[kind][0])


# what shows nothing but parts a span from what it could go on with: a space does that when it is gone. A keycap stays
@cache
def _glue() -> re.Pattern[str]:
    return _compiled(f"(?!\ufe0f\u20e3)[\u200b-\u200d\ufe0f]+(?=[{_URL_INSIDE}]*[{_URL_LAST}&])")


def find_spans(text: str, kinds: Collection[str]) -> list[tuple[int, int, str]]:
    """The protected spans of `text` as (start, end, kind), in order, without overlap.

    Spans that overlap are one span: whoever takes a part of another's (a version the head of a number, a number that of
    an e-mail address) would leave the rest to the rules. It has the kind of the one that starts first, of those the
    longest, of those the first in `SPAN_KINDS`; a number and something else are no number. But what an e-mail address
    has from its @ on is no user: that would go on with the word behind it.
    """
    found = [(*match.span(), kind) for kind in kinds for match in _pattern(kind).finditer(text)]
    found.sort(key=lambda span: (span[0], -span[1], _ORDER[span[2]]))
    spans: list[tuple[int, int, str]] = []
    for start, end, kind in found:
        if not spans or start >= spans[-1][1]:
            spans.append((start, end, kind))
        elif end > spans[-1][1] and (kind, spans[-1][2]) != ("user", "email"):
            first, _, of_first = spans[-1]
            spans[-1] = first, end, kind if of_first == "number" else of_first
    return spans


def take_out(text: str, kinds: frozenset[str], spans: list[str]) -> str:
    """`text` with a placeholder for every span of `kinds`; the spans are appended to `spans` in order, in NFC."""
    out: list[str] = []
    last = 0
    for start, end, kind in find_spans(text, kinds):
        out += (text[last:start], NUMBER if kind == "number" else OPAQUE)
        span = text[start:end]
        spans.append(span if span.isascii() else unicodedata.normalize("NFC", span))
        last = end
        glue = _glue().match(text, end)
        if glue:
            out.append(" ")
            last = glue.end()
    out.append(text[last:])
    return "".join(out)


_SPELLED = re.compile(f"&{REFERENCE}")


def _spell_a_character(span: str, behind: str) -> bool:
    """Whether the end of a span and what stands behind it are a reference, such as `&lt;`, that neither is alone."""
    start = span.rfind("&", -_REACH)
    if start < 0:
        return False
    match = _SPELLED.match(span[start:] + behind[:_REACH])
    return match is not None and start + match.end() > len(span) and html.unescape(match[0]) != match[0]


def put_back(text: str, spans: list[str]) -> str:
    """The inverse of `take_out`."""
    if not spans:
        return text
    pieces = _RESTORE.split(text)
    if len(pieces) != len(spans) + 1:
        raise AssertionError(f"{len(spans)} spans were taken out and {len(pieces) - 1} places are left")
    out = [pieces[0]]
    for span, piece in zip(spans, pieces[1:], strict=True):
        if piece and unicodedata.category(piece[0])[0] == "M":
            # the mark composes with the span's last character, which the text must then hold as one (NFC)
            piece = unicodedata.normalize("NFC", span[-1] + piece)
            span = span[:-1]
        if "&" in span and _spell_a_character(span, piece):
            span += " "  # what parted them was deleted
        out += (span, piece)
    return "".join(out)
