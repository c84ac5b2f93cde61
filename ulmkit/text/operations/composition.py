"""Unicode's composed form, where a text may lack it."""

import itertools
import operator
import re
import unicodedata
from functools import cache
from itertools import groupby

from ulmkit.text.characters import character_class
from ulmkit.text.operations.base import Operation, Rule, Settings, Triggers, operation


@cache
def _points() -> str:
    """The characters that can have a composition: all but ASCII, ideographs, Hangul syllables and private use."""
    spans = ((0x80, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20), (0xE0000, 0xE0200))
    return "".join(["".join(map(chr, range(first, last))) for first, last in spans])


@cache
def _combining() -> str:
    """Of these the ones with a combining class."""
    return "".join(filter(unicodedata.combining, _points()))


@cache
def _marks() -> str:
    """Class body: every character with a combining class."""
    return character_class(_combining())


@cache
def _compositions() -> tuple[list[str], dict[str, set[str]]]:
    """The characters that NFC replaces; and second character -> the first ones that it composes with."""
    replaced = []
    firsts: dict[str, set[str]] = {}
    composed: dict[str, set[str]] = {}  # letter -> characters that are it and marks
    apart = unicodedata.normalize("NFD", "\n".join(_points())).split("\n")  # of each, in one call
    for character in itertools.compress(_points(), map(operator.ne, _points(), apart)):
        parts = unicodedata.decomposition(character).split()
        if not parts or parts[0].startswith("<"):
            continue
        if unicodedata.normalize("NFC", character) != character:
            replaced.append(character)
        elif len(parts) == 2:
            firsts.setdefault(chr(int(parts[1], 16)), set()).add(chr(int(parts[0], 16)))
        composed.setdefault(unicodedata.normalize("NFD", character)[0], set()).add(character)
    for before in firsts.values():
        # a mark of a lower class composes past the marks that its letter holds already: ï and U+0330
        before.update(*(composed.get(first, ()) for first in tuple(before)))
    return replaced, firsts


_HANGUL = (("\u1100-\u1112", "\u1161-\u1175"), ("\uac00-\ud7a3", "\u11a8-\u11c2"))


@cache
def _unstable() -> str:
    """Class body: whatever can change, or change what stands before it, when a text is composed."""
    replaced, firsts = _compositions()
    return _marks() + character_class([*replaced, *firsts]) + _HANGUL[0][1] + _HANGUL[1][1]


@cache
def _nfc_triggers() -> Triggers:
    """Where a text may not be in NFC: a character that NFC replaces; two marks in a row; a letter and a mark that
    compose. The marks that many letters take are not told apart, those of one script's few letters are."""
    replaced, firsts = _compositions()
    common, triggers = [], []
    for second, letters_before in firsts.items():
        if len(letters_before) <= 40 and ord(second) < 0x700:
            triggers.append((character_class(letters_before), second))
        else:
            common.append(second)
    near = character_class(c for c in _combining() if c < "\U00010000")
    beyond = [c for c in (*replaced, *common, *_combining()) if c > "\uffff"]
    return (
        ("", character_class(c for c in replaced if c < "\U00010000")),
        ("", character_class(c for c in common if c < "\U00010000")),
        (near, near),
        _units_of(beyond),
        *triggers,
        *_HANGUL,
    )


def _units_of(characters: list[str]) -> tuple[str, str]:
    """The trigger for characters beyond U+FFFF: the first unit that they are written with, then the second."""
    pairs = [c.encode("utf-16-be") for c in characters]
    first = {chr(int.from_bytes(pair[:2], "big")) for pair in pairs}
    second = {chr(int.from_bytes(pair[2:], "big")) for pair in pairs}
    return character_class(first), character_class(second)


_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_RANGES_BEYOND = re.compile(r"\\U[0-9a-f]{8}(?:-\\U[0-9a-f]{8})?")
_LONG = 32  # more marks than any writing has on a letter


def _in_order(text: str) -> str:
    """`text` with the marks of each letter in canonical order. `unicodedata` orders them by insertion, which takes the
    square of their number where they are many."""
    ordered: list[str] = []
    for marks_in_a_row, run in groupby(text, lambda character: unicodedata.combining(character) > 0):
        each = list(run)
        ordered += sorted(each, key=unicodedata.combining) if marks_in_a_row else each
    return "".join(ordered)


@operation
def nfc(_: Settings) -> Operation:
    """Unicode's composed form (NFC): a letter and its mark become one character where there is one.

    Only the marks and the one character before them are handed to `unicodedata`, which takes its time for a text.
    """
    everywhere = cache(lambda: re.compile(f"[{_unstable()}]+"))
    # `re` asks for every range beyond U+FFFF in turn, at every character: not where a text has none
    near = cache(lambda: re.compile(f"[{_RANGES_BEYOND.sub('', _unstable())}]+"))

    def apply(text: str) -> tuple[str, int]:
        out: list[str] = []
        last = hits = 0
        for match in (everywhere if _BEYOND.search(text) else near)().finditer(text):
            start, end = max(match.start() - 1, 0), match.end()
            given = text[start:end]
            composed = unicodedata.normalize("NFC", _in_order(given) if end - start > _LONG else given)
            if composed != given:
                out += (text[last:start], composed)
                last, hits = end, hits + 1
        if not hits:
            return text, 0
        out.append(text[last:])
        return "".join(out), hits

    return Operation("nfc", rules=(Rule(apply, _nfc_triggers()),))
