"""What texts are compared by: folds that lose what a reader would miss, for keys and never for training."""

import unicodedata
from functools import cache

from ulmkit.text.characters import CharacterTable
from ulmkit.text.operations.base import Operation, Settings, operation, table_operation
from ulmkit.text.operations.letters import of_table


@operation
def match_characters(settings: Settings) -> Operation:
    """The language's second table, match.tsv: letters that count as one when texts are compared."""
    return of_table("match_characters", CharacterTable.of(settings.match_characters, "match.tsv"), settings)


@operation
def drop_joiners(_: Settings) -> Operation:
    """U+200C, U+200D and U+FE0F are deleted."""
    return table_operation("drop_joiners", {"\u200c": "", "\u200d": "", "\ufe0f": ""})


@cache
def _points_of(*categories: str) -> str:
    return "".join(chr(p) for p in range(0x10000) if unicodedata.category(chr(p)) in categories)


@operation
def drop_marks(_: Settings) -> Operation:
    """Combining marks that stand for themselves are deleted (composed letters keep theirs: õ is a letter)."""
    return table_operation("drop_marks", dict.fromkeys(_points_of("Mn", "Me"), ""))


@operation
def drop_punctuation(_: Settings) -> Operation:
    """Punctuation becomes a space; an apostrophe inside a word goes, and holds the word together."""
    points = _points_of("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po")
    mapping = dict.fromkeys(points, " ") | dict.fromkeys("$+<=>^`|~", " ")
    return table_operation("drop_punctuation", mapping | {"'": "", "\u2019": ""})


@operation
def digits_to_zero(_: Settings) -> Operation:
    """Every decimal digit becomes 0."""
    return table_operation("digits_to_zero", {c: "0" for c in _points_of("Nd") if c != "0"})


@operation
def lower(_: Settings) -> Operation:
    """Lower case, letter by letter."""
    mapping = {}
    for point in range(0x10000):
        character = chr(point)
        if not 0xD800 <= point < 0xE000 and (small := character.lower()) != character and len(small) == 1:
            mapping[character] = small
    return table_operation("lower", mapping | {"\u0130": "i"})


MATCH_ONLY = ("match_characters", "drop_joiners", "drop_marks", "drop_punctuation", "digits_to_zero", "lower")
