"""The shared operations, by name: what each does to a text, and which neighbouring characters it needs to act.

An operation is a character table, or rules, or both (the table first). A rule carries *triggers*: pairs of character
classes. A text in which no such pair stands side by side cannot be changed by the rule, so the rule is not run; one
look at every pair of a text answers that for all rules together (`normalize`). An empty class stands for any
character; the text counts as bordered by newlines.

Every operation is idempotent, alone and in sequence, and linear in the text.
"""

import html
import operator
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any

from ulmkit.errors import LanguageError
from ulmkit.text.characters import CharacterTable, Row, character_class, compatibility, drop_surrogates
from ulmkit.text.protect import KINDS, NUMBER, OPAQUE
from ulmkit.text.script import letters, marks, viramas

Apply = Callable[[str], tuple[str, int]]  # text -> (text, how often it acted)
Triggers = tuple[tuple[str, str], ...]
# raised by hand when a change here makes another text of the same input: fingerprints change with it
VERSION = 5
NEVER: Triggers = (("\x00", "\x00"),)


@dataclass(frozen=True)
class Settings:
    """What the operations ask a language; plain values, so that a normalizer can be rebuilt in another process."""

    script: str = "Latn"
    native_digits: str = "0123456789"
    digits: str = "keep"  # native, ascii or keep
    joiners: str = ""
    non_joining: str = ""  # letters after which a joiner shows nothing
    joiner_forms: str = ""  # other characters that people type for a joiner
    zwj_after: str = ""  # letters that keep U+200D, to show their initial form
    quotes: str = ""  # the opening and the closing mark
    punctuation: tuple[tuple[str, str], ...] = ()  # ASCII mark -> the script's own
    native_marks: str = ""  # marks that are set like the script's own: no space before them
    max_letter_run: int = 4
    letter_run_to: int = 2
    protect: tuple[str, ...] = ("url", "email", "ip", "version", "user", "hashtag", "code", "number")
    watched: str = ""  # what the operation `watched` counts
    characters: tuple[Row, ...] = ()
    match_characters: tuple[Row, ...] = ()
    # the two that are no part of a fingerprint
    rules: str = ""  # path of rules.py
    limited: bool = False  # its functions are stopped when they run for too long: it did not come with ulmkit


@dataclass(frozen=True)
class Rule:
    """One substitution and what it needs: one of the pairs `triggers` side by side, and one of the characters
    `literals` anywhere, which is asked when it is to run."""

    apply: Apply
    triggers: Triggers = ()
    literals: str = ""
    enables: tuple[str, ...] | None = None  # operations it may call for; None: look again


@dataclass(frozen=True)
class Operation:
    """A named step: a table, rules, or both. `watched`: a pattern that is counted and changes nothing."""

    name: str
    table: CharacterTable | None = None
    rules: tuple[Rule, ...] = ()
    watched: re.Pattern[str] | None = field(default=None, compare=False)

    def apply(self, text: str) -> tuple[str, int]:
        """`text` after this operation, without looking at triggers, and how often it acted."""
        count = 0
        if self.table:
            text, count = self.table.substitute(text)
        for rule in self.rules:
            before = text
            text, hits = rule.apply(text)
            count += hits if text != before else 0
        if self.watched:
            count += sum(1 for _ in self.watched.finditer(text))
        return text, count


Factory = Callable[[Settings], Operation]
OPERATIONS: dict[str, Factory] = {}


def operation(factory: Factory) -> Factory:
    OPERATIONS[factory.__name__] = factory
    return factory


def substitution(
    pattern: str, replacement: str | Callable[[re.Match[str]], str], *triggers: tuple[str, str], **options: Any
) -> Rule:
    compiled = re.compile(pattern)
    return Rule(lambda text: compiled.subn(replacement, text), tuple(triggers), **options)


def table(name: str, mapping: dict[str, str]) -> Operation:
    return Operation(name, CharacterTable.of(mapping, name))


def _delete(*ranges: tuple[int, int]) -> dict[str, str]:
    return {chr(point): "" for first, last in ranges for point in range(first, last + 1)}


# ---------------------------------------------------------------- every language, before anything else


@operation
def surrogates(_: Settings) -> Operation:
    """Lone surrogates are deleted: they are no characters, and cannot be written as UTF-8."""

    def apply(text: str) -> tuple[str, int]:
        clean = drop_surrogates(text)
        return clean, len(text) - len(clean)

    return Operation("surrogates", rules=(Rule(apply, NEVER),))  # reading a text as UTF-16 has dropped them


_ENTITY = re.compile(r"&(?:amp;|#0*38;|#[xX]0*26;)*(?:#[0-9]{1,7};|#[xX][0-9A-Fa-f]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
_KEEP_ENTITIES = (
    "`(?!\\s)(?:[^`\n\r\x0b\x0c\x85\u2028\u2029 ]| (?! ))+`|[A-Za-z]{2,6}://(?:[^\\s&`]|&(?:amp;|[A-Za-z0-9_]+=))+|"
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
def controls(_: Settings) -> Operation:
    """Control characters go; tab is a space; vertical tab, form feed, U+0085 and U+2028 end a line, U+2029 two."""
    mapping = _delete((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F))
    mapping |= {"\t": " ", "\x0b": "\n", "\x0c": "\n", "\r": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"}
    return table("controls", mapping)


@operation
def invisible(_: Settings) -> Operation:
    """Characters that show nothing are deleted: direction marks, byte order marks, soft hyphens, noncharacters.

    U+FE0F and the joiners U+200C and U+200D may matter; `emoji_joiners`, `joiners` and `zero_width` decide on them.
    """
    ranges = [(0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x180B, 0x180F), (0x200E, 0x200F)]
    ranges += [(0x202A, 0x202E), (0x2060, 0x206F), (0xFDD0, 0xFDEF), (0xFE00, 0xFE0E), (0xFEFF, 0xFEFF)]
    ranges += [(0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0xE0000, 0xE0FFF)]
    ranges += [(plane + 0xFFFE, plane + 0xFFFF) for plane in range(0x10000, 0x110000, 0x10000)]
    return table("invisible", _delete(*ranges))


@operation
def space_forms(_: Settings) -> Operation:
    """Spaces of every width become U+0020."""
    widths = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    return table("space_forms", dict.fromkeys(widths, " "))


@operation
def word_boundary(_: Settings) -> Operation:
    """U+2581 becomes a low line: SentencePiece writes the space with it, and could not tell the two apart."""
    return table("word_boundary", {"\u2581": "_"})


@cache
def _points() -> str:
    """The characters that can have a composition: all but ASCII, ideographs, Hangul syllables and private use."""
    spans = ((0x80, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20), (0xE0000, 0xE0200))
    return "".join(chr(point) for first, last in spans for point in range(first, last))


@cache
def _marks() -> str:
    """Class body: every character with a combining class."""
    return character_class(filter(unicodedata.combining, _points()))


@cache
def _compositions() -> tuple[list[str], dict[str, set[str]]]:
    """The characters that NFC replaces; and second character -> the first ones that it composes with."""
    replaced = []
    firsts: dict[str, set[str]] = {}
    composed: dict[str, set[str]] = {}  # letter -> characters that are it and marks
    for character in _points():
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
    near = character_class(c for c in _points() if unicodedata.combining(c) and c < "\U00010000")
    beyond = [c for c in (*replaced, *common, *filter(unicodedata.combining, _points())) if c > "\uffff"]
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
    everywhere = re.compile(f"[{_unstable()}]+")
    # `re` asks for every range beyond U+FFFF in turn, at every character: not where a text has none
    near = re.compile(f"[{_RANGES_BEYOND.sub('', _unstable())}]+")

    def apply(text: str) -> tuple[str, int]:
        out: list[str] = []
        last = hits = 0
        for match in (everywhere if _BEYOND.search(text) else near).finditer(text):
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


# ---------------------------------------------------------------- letters


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
    return table("presentation_forms", mapping)


@operation
def widths(_: Settings) -> Operation:
    """Full-width ASCII (U+FF01-FF5E) and Latin ligatures (U+FB00-FB06) become plain; ½, ², ° and № stay."""
    return table("widths", compatibility(0xFF01, 0xFF5E) | compatibility(0xFB00, 0xFB06))


@operation
def tatweel(settings: Settings) -> Operation:
    """U+0640 is deleted beside a letter; held off by U+200C it is a hyphen between words; a rule line of it stays."""
    letter = letters(settings.script) + _MARKS
    dash = substitution("\u200c+\u0640+\u200c*|\u0640+\u200c+", "-", ("\u200c", "\u0640"), ("\u0640", "\u200c"))
    rule = substitution(f"(?<=[{letter}])\u0640+|\u0640+(?=[{letter}])", "", (letter, "\u0640"), ("\u0640", letter))
    return Operation("tatweel", rules=(dash, rule))


_MARKS = "\u064b-\u0655\u0670"
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"


# ---------------------------------------------------------------- joiners


@operation
def zero_width(_: Settings) -> Operation:
    """U+200B and U+200C are deleted, where the script has no use for them."""
    return table("zero_width", _delete((0x200B, 0x200C)))


@operation
def pseudo_joiners(settings: Settings) -> Operation:
    """What people and converters write for U+200C (U+200B, U+00AC) becomes it between two letters, and goes
    otherwise; a ¬ that touches no letter is a sign of its own and stays."""
    letter = letters(settings.script)
    rules = []
    for form in settings.joiner_forms:
        left, right = f"(?<=[{letter}{_MARKS}])", f"(?=[{letter}])"
        rules.append(substitution(f"{left}{form}+{right}", "\u200c", (form, ""), enables=("joiners", "tatweel")))
        if form == "\u200b":
            rules.append(substitution(form, "", (form, ""), enables=None))
        else:
            rules.append(substitution(f"{left}{form}+|{form}+{right}", "", (letter + _MARKS, form), (form, letter)))
    return Operation("pseudo_joiners", rules=tuple(rules))


@operation
def joiners(settings: Settings) -> Operation:
    """U+200C stays where it shows: between two letters of the script, the first of which would join the second.

    Deleted at edges, beside spaces, digits, marks and Latin, when doubled, and after letters that never join
    forward (there two byte strings would look the same).
    """
    letter = letters(settings.script)
    every = re.compile(f"[{letter}{_MARKS}]")
    before = "".join(c for c in map(chr, range(0x600, 0x780)) if every.match(c) and c not in settings.non_joining)
    joining = character_class(before) + "\u0870-\u08c9"
    single = re.compile(f"\u200c(?:(?<![{joining}]\u200c)|(?![{letter}]))")

    def apply(text: str) -> tuple[str, int]:
        before = len(text)
        if "\u200c\u200c" in text:
            text = re.sub("\u200c{2,}", "\u200c", text)
        text = single.sub("", text)
        return text, before - len(text)

    triggers = ((f"^{joining}", "\u200c"), ("\u200c", f"^{letter}"))
    return Operation("joiners", rules=(Rule(apply, triggers),))


@operation
def virama_joiners(settings: Settings) -> Operation:
    """U+200C and U+200D stay where a script with viramas needs them, as Unicode says (UAX #31, contexts A2 and B):
    either after a virama, U+200C only before a letter; U+200D also between a letter and a virama (Bengali ya-phala).

    Elsewhere they show nothing and are deleted, doubled ones too, and so is U+200B where it is none of the language's
    joiners. An emoji sequence keeps its own.
    """
    letter, virama = letters(settings.script), viramas()
    word = re.compile(f"[{letter}{marks(settings.script)}]")
    starts, emoji = re.compile(f"[{letter}]"), re.compile(f"[{_EMOJI}\ufe0f]")
    after_virama = re.compile(f"[{virama}]")

    def joiner(match: re.Match[str]) -> str:
        before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
        if after_virama.match(before):
            return match[0][0] if match[0][0] == "\u200d" or starts.match(after) else ""
        holds = "\u200d" in match[0]
        if holds and (
            (after_virama.match(after) and word.match(before)) or (emoji.match(before) and emoji.match(after))
        ):
            return "\u200d"
        return ""

    zero = {} if "\u200b" in settings.joiners else {"\u200b": ""}
    rule = substitution("[\u200c\u200d]+", joiner, ("", "\u200c\u200d"), enables=())
    return Operation("virama_joiners", CharacterTable.of(zero, "virama_joiners"), (rule,))


_EMOJI = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"


@operation
def emoji_joiners(settings: Settings) -> Operation:
    """U+200D stays inside an emoji sequence (after `zwj_after` where no letter follows; beside a virama where it is one
    of the language's joiners), U+FE0F after an emoji and before a keycap."""
    kept = f"(?<=[{_EMOJI}\ufe0f]\u200d)(?=[{_EMOJI}])"
    if settings.zwj_after:
        kept += f"|(?<=[{settings.zwj_after}]\u200d)(?![{letters(settings.script)}\u200c\u200d])"
    if "\u200d" in settings.joiners:
        kept += f"|(?<=[{viramas()}]\u200d)|(?=[{viramas()}])"  # `virama_joiners` looks further
    # a span may end in a digit: were its keycap's selector deleted, the span would grow by a piece a pass
    key = f"0-9#*{NUMBER}{OPAQUE}"
    selector = f"\ufe0f(?:(?<![{_EMOJI}{key}]\ufe0f)|(?<=[{key}]\ufe0f)(?!\u20e3))"
    return Operation(
        "emoji_joiners",
        rules=(
            substitution(f"\u200d(?!{kept})", "", ("\u200d", "")),
            substitution(selector, "", ("\ufe0f", "")),
        ),
    )


# ---------------------------------------------------------------- digits and marks


@operation
def digits(settings: Settings) -> Operation:
    """Plain numerals in the digits that the language chose.

    `native`: ASCII digits become the script's, but not in a Latin span: touching a Latin letter, or joined to a Latin
    word by one space or mark (`Windows 10`, `COVID-19`). `ascii`: the other way round, everywhere.
    """
    native, ascii_digits = settings.native_digits, "0123456789"
    if settings.digits == "keep" or native == ascii_digits:
        return Operation("digits")
    if settings.digits == "ascii":
        return table("digits", dict(zip(native, ascii_digits, strict=True)))
    to_native = str.maketrans(ascii_digits, native)
    joint = r" \-\u2013.+/&'_"
    pattern = (
        f"[0-9](?<![{_LATIN}_{OPAQUE}0-9].)(?<![{_LATIN}{OPAQUE}][{joint}].)[0-9]*+"
        f"(?![{_LATIN}_{OPAQUE}\ufe0f\u20e3]|[{joint}][{_LATIN}])"
    )
    rule = substitution(pattern, lambda match: match[0].translate(to_native), ("", "0-9"), enables=())
    return Operation("digits", rules=(rule,))


@operation
def ellipsis(_: Settings) -> Operation:
    """Three dots and more become U+2026, and so does a run of it; `...args` before Latin is code and stays."""
    rules = (
        substitution(r"\.{3,}+[.\u2026\u22ef]*+(?![A-Za-z_$\[{(])", "\u2026", (r"\.", r"\.")),
        substitution(r"\u2026[.\u2026\u22ef]++|\u22ef[.\u2026\u22ef]*+", "\u2026", *_DOTS),
    )
    return Operation("ellipsis", rules=rules)


_DOTS = (("\u2026", r".\u2026\u22ef"), ("", "\u22ef"))


@operation
def repeats(settings: Settings) -> Operation:
    """`!` and `?` stand three times at most; a letter's run of `max_letter_run` or more shrinks to `letter_run_to`
    (never where `max_letter_run` is 0)."""
    letter, most, to = letters(settings.script), settings.max_letter_run, settings.letter_run_to
    rules = [substitution(r"([!?\u061f])\1{3,}", r"\1\1\1", (r"!?\u061f", r"!?\u061f"), enables=())]
    if most:
        run = rf"([{letter}])\1{{{most - 1},}}"
        rules.append(substitution(run, r"\1" * to, ("=3" if most == 3 else "=4", letter), enables=()))
    return Operation("repeats", rules=tuple(rules))


# pictures, arrows and stars, without skin tones and the letters of flags; what may follow one
_PICTURE = (
    "\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2b00-\u2bff"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)
_TONE = "\ufe0f\U0001f3fb-\U0001f3ff"
_SEQUENCE = f"[{_PICTURE}][{_TONE}]{{0,2}}(?:\u200d[{_PICTURE}][{_TONE}]{{0,2}}){{0,5}}"
_SIGNS = "()\u060c\u061b*~^"


@operation
def sign_runs(_: Settings) -> Operation:
    """A picture (with its skin tone or family), a flag, or one of ( ) ، ؛ * ~ ^ that is repeated stays three times.

    For comments: 😂😂😂😂😂, )))))). In a table or a program a row of signs is meant.
    """
    flag = "[\U0001f1e6-\U0001f1ff]{2}"
    run = f"({flag}|{_SEQUENCE})\\1{{3,}}(?![\u200d{_TONE}])"
    picture = substitution(run, r"\1\1\1", ("", f"{_PICTURE}\U0001f1e6-\U0001f1ff"), enables=())
    sign = substitution(rf"([{_SIGNS}])\1{{3,}}", r"\1\1\1", ("=4", _SIGNS), enables=())
    return Operation("sign_runs", rules=(picture, sign))


# as the left class of a trigger: so many equal characters in a row, of the right class (borders are two newlines)
RUNS = {"=3": 3, "=4": 4}


@operation
def punctuation(settings: Settings) -> Operation:
    """ASCII marks become the script's own where the nearest neighbour on one side is a letter of the script."""
    letter = letters(settings.script) + _MARKS + marks(settings.script) + "\u200c"
    near = f'{letter}{settings.native_digits}\u00bb\u00ab)(\\]"!…'
    rules = []
    for mark, own in settings.punctuation:
        m = re.escape(mark)
        pattern = f'{m}(?:(?<=[{letter}]{m})|(?<=[{letter}][»)\\]"!…]{m})|(?<=[{letter}] {m})'
        # the space before a closing mark goes in `spacing`
        pattern += f"|(?<=[{letter}] [»)\\]!…]{m})|(?= ?[{letter}«]))"
        triggers = ((m, f" {near}\n"), (f" {near}", m), (own, m), (m, own))
        rules.append(Rule(_own_mark(mark, own, re.compile(pattern)), triggers, mark))
    return Operation("punctuation", rules=tuple(rules))


def _own_mark(mark: str, own: str, pattern: re.Pattern[str]) -> Apply:
    """`mark` becomes `own` where `pattern` matches, and then throughout a run of both, which single spaces may part."""
    either = f"[{re.escape(mark)}{own}]"
    mixed = re.compile(f"{either}(?: ?{either})+")
    beside = (mark + own, own + mark, f"{mark} {own}", f"{own} {mark}")

    def apply(text: str) -> tuple[str, int]:
        before = text.count(mark)
        text = pattern.sub(own, text)
        if any(pair in text for pair in beside):
            text = mixed.sub(lambda match: match[0].replace(mark, own) if own in match[0] else match[0], text)
        return text, before - text.count(mark)

    return apply


@operation
def quotes(settings: Settings) -> Operation:
    """Curly and straight quotation marks become the language's pair.

    In a line with an even number of curly marks they open and close in turn; otherwise each by its own shape.
    Straight marks change when their number in the line is even and the quotation holds a letter of the script.
    """
    if len(settings.quotes) != 2:
        raise LanguageError("operation 'quotes' needs the language's 'quotes', an opening and a closing mark.")
    opening, closing = settings.quotes[0], settings.quotes[1]
    letter = re.compile(f"[{letters(settings.script)}]")
    curly = re.compile(f"[{_CURLY}]")
    straight = re.compile('"([^"]*)"')
    marks = re.compile(f'["{_CURLY}]')
    shapes = {"\u201c": opening, "\u201d": closing, "\u201e": opening, "\u201f": opening}

    def line(text: str) -> str:
        found = curly.findall(text)
        if found:
            turn = iter([opening, closing] * len(found))
            even = len(found) % 2 == 0
            text = curly.sub(lambda m: next(turn) if even else shapes[m[0]], text)
        if text.count('"') % 2 == 0:
            text = straight.sub(lambda m: f"{opening}{m[1]}{closing}" if letter.search(m[1]) else m[0], text)
        return text

    def apply(text: str) -> tuple[str, int]:
        out: list[str] = []
        last = hits = 0
        while mark := marks.search(text, last):
            start = text.rfind("\n", last, mark.start()) + 1 or last
            end = text.find("\n", mark.end())
            given = text[start : end if end >= 0 else len(text)]
            made = line(given)
            hits += sum(map(operator.ne, given, made))
            out += (text[last:start], made)
            last = start + len(given)
        out.append(text[last:])
        return "".join(out), hits

    return Operation("quotes", rules=(Rule(apply, ((f'"{_CURLY}', ""),)),))


_CURLY = "\u201c\u201d\u201e\u201f"


@operation
def spacing(settings: Settings) -> Operation:
    """No space before a closing mark, none after an opening one, one after a closing mark that a letter follows.

    A dot between two words takes a space only where it is no abbreviation: both words have two letters or more, and
    one of them three. Beside protected spans, Latin and code nothing changes.
    """
    letter = letters(settings.script)
    word = letter + _MARKS + marks(settings.script)
    solid = word + settings.native_digits + "\u00bb)\\]!?…\"'%\u066a" + settings.native_marks
    own = settings.native_marks + "\u00bb"
    digit = settings.native_digits + "0-9" + NUMBER
    # a rule for each mark: two literal characters lead its pattern, and few of the marks stand beside a space in a text
    tight = [
        substitution(f" {m}(?<![ {OPAQUE}] {m})", mark, (" ", m), enables=())
        for mark, m in zip(own, map(re.escape, own), strict=True)
    ]
    for mark in ".:!…)]}":
        m = re.escape(mark)
        run = "" if mark not in ".…" else f"(?<!… {m})"
        after_it = f"(?![{_LATIN}{digit}{OPAQUE}.:()/\\\\=\\-_])"
        tight.append(substitution(f" {m}{after_it}(?<=[{solid}] {m}){run}", mark, (" ", m), enables=()))
    for mark in "«([{":
        m = re.escape(mark)
        tight.append(substitution(f"{m} (?=[{word}{settings.native_digits}{NUMBER}])", mark, (m, " "), enables=()))
    after = substitution(
        f"[{settings.native_marks}!»)\\]}}:…](?=[{letter}])",
        r"\g<0> ",
        (f"{settings.native_marks}!»)\\]}}:…", letter),
        enables=(),
    )
    dot = substitution(
        f"\\.(?=[{letter}]{{2}})(?:(?<=[{word}]{{3}}\\.)|(?<=[{word}]{{2}}\\.)(?=[{letter}]{{3}}))",
        ". ",
        (r"\.", letter),
        enables=(),
    )
    return Operation("spacing", rules=(*tight, after, dot))


@operation
def dashes(_: Settings) -> Operation:
    """Hyphens and the minus sign become U+002D, the longer dashes U+2013."""
    return table(
        "dashes",
        dict.fromkeys("\u2010\u2011\u2212\ufe63\uff0d\u02d7", "-") | dict.fromkeys("\u2012\u2014\u2015", "\u2013"),
    )


# ---------------------------------------------------------------- every language, at the end


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


# ---------------------------------------------------------------- the match form


@operation
def match_characters(settings: Settings) -> Operation:
    """The language's second table, match.tsv: letters that count as one when texts are compared."""
    return with_sequences("match_characters", CharacterTable.of(settings.match_characters, "match.tsv"))


@operation
def drop_joiners(_: Settings) -> Operation:
    """U+200C, U+200D and U+FE0F are deleted."""
    return table("drop_joiners", {"\u200c": "", "\u200d": "", "\ufe0f": ""})


@cache
def _points_of(*categories: str) -> str:
    return "".join(chr(p) for p in range(0x10000) if unicodedata.category(chr(p)) in categories)


@operation
def drop_marks(_: Settings) -> Operation:
    """Combining marks that stand for themselves are deleted (composed letters keep theirs: õ is a letter)."""
    return table("drop_marks", dict.fromkeys(_points_of("Mn", "Me"), ""))


@operation
def drop_punctuation(_: Settings) -> Operation:
    """Punctuation becomes a space; an apostrophe inside a word goes, and holds the word together."""
    points = _points_of("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po")
    mapping = dict.fromkeys(points, " ") | dict.fromkeys("$+<=>^`|~", " ")
    return table("drop_punctuation", mapping | {"'": "", "\u2019": ""})


@operation
def digits_to_zero(_: Settings) -> Operation:
    """Every decimal digit becomes 0."""
    return table("digits_to_zero", {c: "0" for c in _points_of("Nd") if c != "0"})


@operation
def lower(_: Settings) -> Operation:
    """Lower case, letter by letter."""
    mapping = {}
    for point in range(0x10000):
        character = chr(point)
        if not 0xD800 <= point < 0xE000 and (small := character.lower()) != character and len(small) == 1:
            mapping[character] = small
    return table("lower", mapping | {"\u0130": "i"})


MATCH_ONLY = ("match_characters", "drop_joiners", "drop_marks", "drop_punctuation", "digits_to_zero", "lower")
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


@operation
def protect(settings: Settings) -> Operation:
    """Takes the protected spans out; they come back, byte for byte, after the last operation."""
    unknown = [kind for kind in settings.protect if kind not in KINDS]
    if unknown:
        raise LanguageError(f"no protected span '{unknown[0]}'. Known: {', '.join(KINDS)}.")
    return Operation("protect")


@operation
def restore(_: Settings) -> Operation:
    """Puts the protected spans back. What follows (the match form) sees them as text."""
    return Operation("restore")
