"""Letters: the language's table, and the forms in which a script's letters are typed."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import product

from ulmkit.text.characters import CharacterRow, CharacterTable, character_class, compatibility
from ulmkit.text.operations.base import (
    VOWEL_SIGNS,
    Operation,
    Rule,
    Settings,
    Triggers,
    operation,
    substitution,
    table_operation,
)
from ulmkit.text.protect import NUMBER, OPAQUE
from ulmkit.text.script import letters, marks


@operation
def watched(settings: Settings) -> Operation:
    """Changes nothing and counts what is never folded: `alphabet.watched` (letters of close languages), U+FFFD and
    private use. The filters and the identification of relatives drop a text that has too many."""
    body = character_class(settings.watched) + "\ufffd\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
    return Operation("watched", watched=re.compile(f"[{body}]"))


@operation
def characters(settings: Settings) -> Operation:
    """The language's own table, characters.tsv."""
    return of_table("characters", CharacterTable.of(settings.characters, "characters.tsv"), settings)


def of_table(name: str, table: CharacterTable, settings: Settings) -> Operation:
    """An operation of `table`: its single characters as a table, its sequences and what asks for neighbours as rules.

    A character that a sequence holds, or that has a line with a place, is no part of the table: what asks for more has
    to see it.
    """
    within = frozenset("".join(row.source for row in table.rows if len(row.source) > 1 or row.where))
    plain: list[CharacterRow] = []
    sequences: list[CharacterRow] = []
    rest: list[CharacterRow] = []
    placed = [row for row in table.rows if row.where or (len(row.source) == 1 and row.source in within)]
    asking = frozenset("".join(row.source for row in placed))
    for row in table.rows:
        if row.where or (len(row.source) == 1 and row.source in within) or (asking.intersection(row.source)):
            rest.append(row)
        else:
            (plain if len(row.source) == 1 else sequences).append(row)
    rules = []
    if sequences:
        rules.append(Rule(CharacterTable(tuple(sequences)).substitute, _first_two(sequences)))
    if rest:
        rules.append(substitution(*_leftmost(rest, settings), *_first_two(rest)))
    return Operation(name, CharacterTable(tuple(plain)) if rules else table, tuple(rules))


def _first_two(rows: Sequence[CharacterRow]) -> Triggers:
    return tuple({(re.escape(row.source[0]), re.escape(row.source[1:2])) for row in rows})


def _leftmost(rows: Sequence[CharacterRow], settings: Settings) -> tuple[str, Callable[[re.Match[str]], str]]:
    """A pattern that finds the sources of `rows`, the longest first and of these what asks for most, and what each
    becomes. Each alternative begins with a literal, which `re` searches fast, and ends with the group that names it."""
    word = letters(settings.script) + VOWEL_SIGNS + marks(settings.script)
    digit = f"[0-9{settings.native_digits}]"
    letter, beside = f"[{word}]", (r"[^\W_]", f"[{word}{NUMBER}{OPAQUE}]")
    # the classes before and behind the source; a ! says that none of them may stand there
    places: dict[str, tuple[tuple[str, ...], str]] = {
        "between letters": ((letter,), f"(?={letter})"),
        "between digits": ((digit,), f"(?={digit})"),
        "after a letter": ((letter,), ""),
        "before a letter": ((), f"(?={letter})"),
        "after a digit": ((digit,), ""),
        "before a digit": ((), f"(?={digit})"),
        "at a word's start": (("!", letter), f"(?={letter})"),
        "at a word's end": ((letter,), f"(?!{letter})"),
        "": ((), ""),
    }
    found: list[tuple[str, str]] = []
    for row in sorted(rows, key=lambda row: (-len(row.source), not row.where)):
        source = re.escape(row.source)
        if row.where != "word":
            before, behind = places[row.where]
            found.append((source + _after(before, source) + behind, row.target))
            continue
        for before, behind in product((beside, ()), (f"(?={'|'.join(beside)})", "")):
            target = " " * bool(before) + row.target + " " * bool(behind)
            found.append((source + _after(before, source) + behind, target))
    targets = [target for _, target in found]
    return "|".join(f"{pattern}()" for pattern, _ in found), lambda match: targets[(match.lastindex or 1) - 1]


def _after(classes: tuple[str, ...], source: str) -> str:
    """Asks, behind `source`, what stands before it."""
    if not classes:
        return ""
    sign, classes = ("!", classes[1:]) if classes[0] == "!" else ("=", classes)
    return f"(?<{sign}{'|'.join(each + source for each in classes)})"


@operation
def presentation_forms(settings: Settings) -> Operation:
    """Arabic letters as shapes (U+FB50-FDFF, U+FE70-FEFC) become letters; the space that NFKC sets before a lone
    mark is left out. Symbols of a whole phrase stay, and of what has a line in characters.tsv that decides."""
    kept = frozenset("\ufdfa\ufdfb").union(row.source for row in settings.characters)
    mapping = {}
    for first, last in ((0xFB50, 0xFDFF), (0xFE70, 0xFEFC)):
        for source, form in compatibility(first, last).items():
            if source not in kept:
                mapping[source] = unicodedata.normalize("NFC", form.replace(" ", "") if len(form) <= 3 else form)
    return table_operation("presentation_forms", mapping)


@operation
def widths(_: Settings) -> Operation:
    """Full-width ASCII (U+FF01-FF5E) and Latin ligatures (U+FB00-FB06) become plain; ½, ², ° and № stay."""
    return table_operation("widths", compatibility(0xFF01, 0xFF5E) | compatibility(0xFB00, 0xFB06))


@operation
def tatweel(settings: Settings) -> Operation:
    """U+0640 goes where it draws a letter out: between two letters, and doubled at a word's end. After a lone letter of
    `zwj_after` it shows the initial form and becomes U+200D. Elsewhere it stands for a dash: a hyphen where it touches
    something on both sides, else the language's dash."""
    word = re.compile(f"[{letters(settings.script)}{VOWEL_SIGNS}]")
    blank = (" ", "\n", "")
    dash = settings.dash or "\u2013"

    def stretch(match: re.Match[str]) -> str:
        text, start, end = match.string, match.start(), match.end()
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        if "\u200c" not in match[0] and word.match(before):
            if word.match(after):
                return ""
            alone = not word.match(text[max(0, start - 2) : start - 1])
            if alone and before in settings.zwj_after:
                return "\u200d"
            if len(match[0]) > 1 and before not in settings.non_joining and not after.isalnum():
                return ""
        return dash if before in blank or after in blank else "-"

    # with the U+200C around and inside it, by which it is held off a letter
    run = substitution("(?<!\u200c)\u200c*+\u0640[\u0640\u200c]*+", stretch, ("", "\u0640"))
    return Operation("tatweel", rules=(run,))
