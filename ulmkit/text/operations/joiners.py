"""Characters that show nothing and join or part letters: where they mean something, they stay."""

import re
import unicodedata

from ulmkit.text.characters import CharacterTable, character_class
from ulmkit.text.operations.base import (
    VOWEL_SIGNS,
    Operation,
    Rule,
    Settings,
    delete,
    operation,
    substitution,
    table_operation,
)
from ulmkit.text.protect import NUMBER, OPAQUE
from ulmkit.text.script import letters, marks, viramas

_EMOJI = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"


@operation
def zero_width(_: Settings) -> Operation:
    """U+200B and U+200C are deleted, where the script has no use for them."""
    return table_operation("zero_width", delete((0x200B, 0x200C)))


@operation
def pseudo_joiners(settings: Settings) -> Operation:
    """What people and converters write for U+200C (`joiner_forms`: U+200B, ¬, direction marks, soft hyphens) becomes it
    between two letters, and goes otherwise; a ¬ that touches no letter is a sign of its own and stays."""
    forms = settings.joiner_forms
    if not forms:
        return Operation("pseudo_joiners")
    shown = "".join(form for form in forms if unicodedata.category(form) not in ("Cf", "Cc", "Mn"))
    hidden = "".join(form for form in forms if form not in shown)
    letter = letters(settings.script)
    left, right = f"(?<=[{letter}{VOWEL_SIGNS}])", f"(?=[{letter}])"
    every = character_class(forms)
    # a class leads the pattern, which `re` searches fast; what stands before it is asked then
    between = f"[{every}](?<=[{letter}{VOWEL_SIGNS}].)[{every}]*+{right}"
    rules = [substitution(between, "\u200c", (every, ""), enables=())]
    if hidden:  # before the others: what one held off a letter touches it then
        rules.append(substitution(f"[{character_class(hidden)}]+", "", (character_class(hidden), ""), enables=None))
    for form in shown:
        pattern = f"{left}{form}+|{form}+{right}"
        rules.append(substitution(pattern, "", (letter + VOWEL_SIGNS, form), (form, letter), enables=None))
    return Operation("pseudo_joiners", rules=tuple(rules))


@operation
def joiners(settings: Settings) -> Operation:
    """U+200C stays where it shows: between two letters of the script, the first of which would join the second.

    Deleted at edges, beside spaces, digits, marks and Latin, when doubled, and after letters that never join
    forward (there two byte strings would look the same).
    """
    letter = letters(settings.script)
    every = re.compile(f"[{letter}{VOWEL_SIGNS}]")
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
