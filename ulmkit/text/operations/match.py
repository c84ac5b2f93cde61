"""What texts are compared by: folds that lose what a reader would miss, for keys and never for training."""

import unicodedata
from functools import cache

from ulmkit.text.characters import CharacterTable, character_class
from ulmkit.text.operations.base import Operation, Settings, operation, substitution, table_operation
from ulmkit.text.operations.letters import of_table
from ulmkit.text.script import every_mark


@operation
def match_characters(settings: Settings) -> Operation:
    """The language's second table, match.tsv: letters that count as one when texts are compared."""
    return of_table("match_characters", CharacterTable.of(settings.match_characters, "match.tsv"), settings)


@operation
def drop_joiners(settings: Settings) -> Operation:
    """U+200C, U+200D, U+FE0F and what else the alphabet declares as a joiner are deleted."""
    return table_operation("drop_joiners", dict.fromkeys("\u200c\u200d\ufe0f" + settings.joiners, ""))


@cache
def _points_of(*categories: str) -> str:
    return "".join(chr(p) for p in range(0x10000) if unicodedata.category(chr(p)) in categories)


@operation
def drop_marks(settings: Settings) -> Operation:
    """Combining marks are deleted, whether they stand for themselves or in a composed letter; but a mark that a letter
    of the alphabet has stays on all (õ is a letter), and where no alphabet is given composed letters keep theirs."""
    kept = frozenset(filter(unicodedata.combining, unicodedata.normalize("NFD", settings.letters)))
    kept = kept.intersection(_LATIN_MARKS)
    mapping = dict.fromkeys(_points_of("Mn", "Me"), "")
    if settings.letters:
        mapping |= _without_marks("".join(sorted(kept)))
    return table_operation("drop_marks", {c: target for c, target in mapping.items() if c not in kept})


_LATIN_MARKS = frozenset(map(chr, range(0x300, 0x370)))  # of Latin, Greek and Cyrillic letters


@cache
def _without_marks(kept: str) -> dict[str, str]:
    """Composed letters of Latin, Greek and Cyrillic without the marks that are not `kept`."""
    found = {}
    for point in (*range(0xC0, 0x530), *range(0x1E00, 0x2000)):
        apart = unicodedata.normalize("NFD", chr(point))
        left = "".join(c for c in apart if c not in _LATIN_MARKS or c in kept)
        if apart[1:] and left != apart and left:
            found[chr(point)] = unicodedata.normalize("NFC", left)
    return found


@operation
def hold_words(settings: Settings) -> Operation:
    """What holds a word together (`word_joiners`) goes between letters and digits: `EU:n` is one word here too."""
    holding = "".join(c for c in settings.word_joiners if c not in "'\u2019\u200c\u200d")
    if not holding:
        return Operation("hold_words")  # the others go by tables
    body = character_class(holding)
    held = f"[{body}](?<=[^\\W_].|[{character_class(every_mark())}].)"
    # what stands between two numbers parts them
    pattern = f"{held}(?:(?<!\\d.)[{body}]*+(?=[^\\W_])|[{body}]*+(?=[^\\W\\d_]))"
    return Operation("hold_words", rules=(substitution(pattern, "", ("", body)),))


@operation
def drop_punctuation(_: Settings) -> Operation:
    """Punctuation becomes a space; an apostrophe inside a word goes, and holds the word together."""
    points = _points_of("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po")
    mapping = dict.fromkeys(points, " ") | dict.fromkeys("$+<=>^`|~", " ")
    return table_operation("drop_punctuation", mapping | {"'": "", "\u2019": ""})


@operation
def digits_to_zero(_: Settings) -> Operation:
    """Every decimal digit becomes 0, and every other numeral too: Ⅻ, ௰."""
    return table_operation("digits_to_zero", {c: "0" for c in _points_of("Nd", "Nl", "No") if c != "0"})


@operation
def lower(_: Settings) -> Operation:
    """Lower case, letter by letter."""
    mapping = {}
    for point in range(0x10000):
        character = chr(point)
        if not 0xD800 <= point < 0xE000 and (small := character.lower()) != character and len(small) == 1:
            mapping[character] = small
    return table_operation("lower", mapping | {"\u0130": "i"})


MATCH_ONLY = (
    "match_characters", "drop_joiners", "drop_marks", "hold_words", "drop_punctuation", "digits_to_zero", "lower",
)  # fmt: skip
