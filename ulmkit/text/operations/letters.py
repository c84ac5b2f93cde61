"""Letters: the language's table, and the forms in which a script's letters are typed."""

import re
import unicodedata

from ulmkit.text.characters import CharacterTable, character_class, compatibility
from ulmkit.text.operations.base import VOWEL_SIGNS, Operation, Rule, Settings, operation, substitution, table_operation
from ulmkit.text.script import letters


@operation
def watched(settings: Settings) -> Operation:
    """Changes nothing and counts what is never folded: `alphabet.watched` (letters of close languages), U+FFFD and
    private use. The filters and the identification of relatives drop a text that has too many."""
    body = character_class(settings.watched) + "\ufffd\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
    return Operation("watched", watched=re.compile(f"[{body}]"))


@operation
def characters(settings: Settings) -> Operation:
    """The language's own table, characters.tsv."""
    return with_sequences("characters", CharacterTable.of(settings.characters, "characters.tsv"))


def with_sequences(name: str, table: CharacterTable) -> Operation:
    """An operation of `table`: its single characters as a table, its sequences as a rule."""
    if not table.sequences:
        return Operation(name, table)
    rows = tuple(row for row in table.rows if len(row.source) > 1)
    sequences = CharacterTable(rows)
    triggers = tuple({(re.escape(source[0]), re.escape(source[1])) for source in sequences.sequences})
    singles = CharacterTable(tuple(row for row in table.rows if len(row.source) == 1))
    return Operation(name, singles, (Rule(sequences.substitute, triggers),))


@operation
def presentation_forms(_: Settings) -> Operation:
    """Arabic letters as shapes (U+FB50-FDFF, U+FE70-FEFC) become letters; the space that NFKC sets before a lone
    mark is left out. Symbols of a whole phrase stay, unless the language's table says otherwise before."""
    mapping = {}
    for first, last in ((0xFB50, 0xFDFF), (0xFE70, 0xFEFC)):
        for source, form in compatibility(first, last).items():
            if source not in "\ufdfa\ufdfb":
                mapping[source] = unicodedata.normalize("NFC", form.replace(" ", "") if len(form) <= 3 else form)
    return table_operation("presentation_forms", mapping)


@operation
def widths(_: Settings) -> Operation:
    """Full-width ASCII (U+FF01-FF5E) and Latin ligatures (U+FB00-FB06) become plain; ½, ², ° and № stay."""
    return table_operation("widths", compatibility(0xFF01, 0xFF5E) | compatibility(0xFB00, 0xFB06))


@operation
def tatweel(settings: Settings) -> Operation:
    """U+0640 is deleted beside a letter; held off by U+200C it is a hyphen between words; a rule line of it stays."""
    letter = letters(settings.script) + VOWEL_SIGNS
    dash = substitution("\u200c+\u0640+\u200c*|\u0640+\u200c+", "-", ("\u200c", "\u0640"), ("\u0640", "\u200c"))
    rule = substitution(f"(?<=[{letter}])\u0640+|\u0640+(?=[{letter}])", "", (letter, "\u0640"), ("\u0640", letter))
    return Operation("tatweel", rules=(dash, rule))
