"""What every language does first, and last: without these a text is not what the others expect."""

import html
import re

from ulmkit.errors import LanguageError
from ulmkit.text.characters import drop_surrogates
from ulmkit.text.operations.base import (
    NO_TRIGGER,
    Operation,
    Rule,
    Settings,
    delete,
    operation,
    substitution,
    table_operation,
)
from ulmkit.text.protect import REFERENCE, SPAN_KINDS


@operation
def surrogates(_: Settings) -> Operation:
    """Lone surrogates are deleted: they are no characters, and cannot be written as UTF-8."""

    def apply(text: str) -> tuple[str, int]:
        clean = drop_surrogates(text)
        return clean, len(text) - len(clean)

    return Operation("surrogates", rules=(Rule(apply, NO_TRIGGER),))  # reading a text as UTF-16 has dropped them


_ENTITY = re.compile(f"&(?:amp;|#0*38;|#[xX]0*26;)*{REFERENCE}")
# in `code`; and in a URL, where an ampersand that begins no reference, or `&amp;`, is its own: as in `protect`
_KEEP_ENTITIES = (
    f"`(?!\\s)(?:[^`\n\r\x0b\x0c\x85\u2028\u2029 ]| (?! ))+`|[A-Za-z]{{2,6}}://(?:[^\\s&`]|&(?!(?!amp;){REFERENCE}))+|"
)


def _named(reference: str) -> str:
    """The character that a reference names (`&amp;amp;zwnj;` names what `&zwnj;` does), or the reference itself."""
    last = _ENTITY_LAST.search(reference)
    name = "&" + last[0] if last else reference
    character = html.unescape(name)
    return reference if character == name else character


_ENTITY_LAST = re.compile(r"[#A-Za-z0-9]+;\Z")


@operation
def entities(_: Settings) -> Operation:
    """`&zwnj;`, `&#1740;`, `&amp;nbsp;` become the characters they name; not in `code`, nor the `&amp;` of a URL."""
    finder = re.compile(_KEEP_ENTITIES + f"({_ENTITY.pattern})")

    def apply(text: str) -> tuple[str, int]:
        hits = 0

        def replace(match: re.Match[str]) -> str:
            nonlocal hits
            named = _named(match[1]) if match[1] else match[0]
            hits += named != match[0]
            return named

        for _ in range(4):  # a name may be spelled with names; deeper ones are left to `broken_entities`
            before = text
            text = finder.sub(replace, text)
            if text == before:
                break
        return text, hits

    return Operation("entities", rules=(Rule(apply, literals="&"),))


@operation
def broken_entities(_: Settings) -> Operation:
    """What spells a character's name only now, because something inside it was deleted, is parted by a space."""

    def part(match: re.Match[str]) -> str:
        return match[0] if _named(match[0]) == match[0] else "& " + match[0][1:]

    return Operation("broken_entities", rules=(substitution(_ENTITY.pattern, part, ("&", "#A-Za-z")),))


@operation
def line_ends(_: Settings) -> Operation:
    """CR LF and CR become LF."""

    def apply(text: str) -> tuple[str, int]:
        return text.replace("\r\n", "\n").replace("\r", "\n"), text.count("\r")

    return Operation("line_ends", rules=(Rule(apply, literals="\r"),))


@operation
def controls(settings: Settings) -> Operation:
    """Control characters go; tab is a space; vertical tab, form feed, U+0085 and U+2028 end a line, U+2029 two.

    On those that the language says are typed for a joiner `pseudo_joiners` decides.
    """
    deleted = delete((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F))
    mapping = {c: "" for c in deleted if c not in settings.joiner_forms}
    mapping |= {"\t": " ", "\x0b": "\n", "\x0c": "\n", "\r": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"}
    return table_operation("controls", mapping)


@operation
def invisible(settings: Settings) -> Operation:
    """Characters that show nothing are deleted: direction marks, byte order marks, soft hyphens, noncharacters.

    U+FE0F and the joiners U+200C and U+200D may matter; `emoji_joiners`, `joiners` and `zero_width` decide on them, and
    on what the language says is typed for a joiner `pseudo_joiners`.
    """
    ranges = [(0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x180B, 0x180F), (0x200E, 0x200F)]
    ranges += [(0x202A, 0x202E), (0x2060, 0x206F), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0E), (0xFEFF, 0xFEFF)]
    ranges += [(0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0xE0000, 0xE0FFF)]
    ranges += [(plane + 0xFFFE, plane + 0xFFFF) for plane in range(0x10000, 0x110000, 0x10000)]
    deleted = delete(*ranges)
    return table_operation("invisible", {c: "" for c in deleted if c not in settings.joiner_forms})


@operation
def space_forms(_: Settings) -> Operation:
    """Spaces of every width become U+0020."""
    widths = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    return table_operation("space_forms", dict.fromkeys(widths, " "))


@operation
def word_boundary(_: Settings) -> Operation:
    """U+2581 becomes a low line: SentencePiece writes the space with it, and could not tell the two apart."""
    return table_operation("word_boundary", {"\u2581": "_"})


@operation
def spaces(_: Settings) -> Operation:
    """One space between words, none at the edges of a line, at most one empty line, nothing around the text."""

    def runs(text: str) -> tuple[str, int]:
        before = len(text)
        while "  " in text:  # halves the runs each time: linear in all
            text = text.replace("  ", " ")
        return text, before - len(text)

    def lines(text: str) -> tuple[str, int]:
        before = len(text)
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        while "\n\n\n" in text:
            text = text.replace("\n\n\n", "\n\n")
        text = text.strip(" \n")
        return text, before - len(text)

    rules = (
        Rule(runs, ((" ", " "),), enables=()),
        Rule(lines, ((" ", "\n"), ("\n", " "), ("=3", "\n")), enables=()),
    )
    return Operation("spaces", rules=rules)


@operation
def protect(settings: Settings) -> Operation:
    """Takes the protected spans out; they come back, byte for byte, after the last operation."""
    unknown = [kind for kind in settings.protect if kind not in SPAN_KINDS]
    if unknown:
        raise LanguageError(f"no protected span '{unknown[0]}'. Known: {', '.join(SPAN_KINDS)}.")
    return Operation("protect")


@operation
def restore(_: Settings) -> Operation:
    """Puts the protected spans back. What follows (the match form) sees them as text."""
    return Operation("restore")


REQUIRED = (
    "surrogates",
    "controls",
    "invisible",
    "space_forms",
    "word_boundary",
    "nfc",
    "protect",
    "spaces",
    "restore",
)
