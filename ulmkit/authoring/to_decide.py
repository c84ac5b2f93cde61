"""Lines that a new folder's tables offer, for a speaker to decide: what is typed for a letter, a mark or a digit of it.

Nothing here names a language: the lines come of the alphabet, the script and Unicode's data. Each stands behind a `# `,
so that nothing is changed until somebody takes that away.
"""

import unicodedata
from collections.abc import Iterator

from ulmkit.authoring.cldr import Facts, is_wide, sentence_terminals
from ulmkit.text.characters import in_code_points
from ulmkit.text.script import parts

# letters that look alike in some form, of which a text may hold another than its alphabet
LOOK_ALIKES = ("كکڪ", "يیىې", "هہھە", "ےۓ")
# marks that are typed for each other: a line and a dot below, a comma and a cedilla below
MARKS = (("\u0329", "\u0323"), ("\u0323", "\u0329"), ("\u0327", "\u0326"), ("\u0326", "\u0327"))
# two letters that look like one, in scripts where a vowel stands before its consonant
LOOK_DOUBLE = {"เเ": "แ", "ເເ": "ແ"}
# letters that are often written without their mark; of each the plain one, as texts are compared
WITHOUT = {"أ": "ا", "إ": "ا", "آ": "ا", "ؤ": "و", "ئ": "ي", "ة": "ه"}
DANDA, DOUBLE_DANDA = "\u0964", "\u0965"


def _row(source: str, target: str, reason: str, where: str = "") -> str:
    return "\t".join([f"# {in_code_points(source)}", in_code_points(target), reason, *([where] if where else [])])


def character_rows(found: Facts) -> Iterator[str]:
    """Lines for characters.tsv."""
    letters = frozenset(found.letters)
    for group in LOOK_ALIKES:
        own = [c for c in group if c in letters]
        if len(own) == 1:
            others = (c for c in group if c not in letters)
            yield from (_row(c, own[0], f"{c} typed for {own[0]}") for c in others)
    if "ە" in letters and "ه" in letters:
        yield _row("ه\u200c", "ە", "heh held off by a joiner, typed for ە")
    for letter in found.letters:
        apart = unicodedata.normalize("NFD", letter)
        for typed, mark in MARKS:
            if apart[1:2] == mark and len(apart) == 2 and unicodedata.normalize("NFC", apart[0] + typed) not in letters:
                source = unicodedata.normalize("NFC", apart[0] + typed)
                yield _row(source, letter, f"{unicodedata.name(typed).lower()}, typed for {letter}")
    yield from _in_parts(found.letters)
    yield from (_row(two, one, f"{two[0]} typed twice for {one}") for two, one in LOOK_DOUBLE.items() if one in letters)
    if any(map(is_wide, found.sentence_ends)):
        for first, last, to, what in (
            ("Ａ", "Ｚ", "A", "capitals"),
            ("ａ", "ｚ", "a", "letters"),
            ("０", "９", "0", "digits"),
        ):
            end = chr(ord(to) + ord(last) - ord(first))
            yield f"# {_point(first)}..{_point(last)}\t{_point(to)}..{_point(end)}\tfull-width {what}"
        if "ア" in letters or "あ" in letters:
            for half in map(chr, range(0xFF66, 0xFF9E)):
                for mark in ("ﾞ", "ﾟ", ""):
                    whole = unicodedata.normalize("NFKC", half + mark)
                    if len(whole) == 1:
                        yield _row(half + mark, whole, "half-width kana")
    if DANDA in found.sentence_ends:
        yield _row(DANDA * 2, DOUBLE_DANDA, "two dandas typed for the double one")
        yield _row("|", DANDA, "a bar typed for the danda", "at a word's end")


def _in_parts(letters: str) -> Iterator[str]:
    """Letters of two parts that composing leaves apart: U+0E4D U+0E32 is typed for U+0E33, with a tone between, too.

    Parts that are both marks are left: of those Unicode advises to write the parts.
    """
    highest = max(map(unicodedata.combining, letters), default=0)  # of marks that stand over a letter's other marks
    tones = [c for c in letters if highest and unicodedata.combining(c) == highest]
    for letter in letters:
        kind, *points = unicodedata.decomposition(letter).split() or [""]
        both = [chr(int(point, 16)) for point in points]
        if kind == "<compat>" and len(both) == 2 and unicodedata.category(both[1])[0] == "L":
            yield _row("".join(both), letter, f"{letter} typed in two parts")
            if unicodedata.category(both[0])[0] == "M":
                yield from (
                    _row(tone.join(both), tone + letter, f"{letter} in two parts, a tone between") for tone in tones
                )


def _point(character: str) -> str:
    return f"U+{ord(character):04X}"


def match_rows(found: Facts) -> Iterator[str]:
    """Lines for match.tsv: letters that count as one when texts are compared."""
    letters = frozenset(found.letters)
    for marked, plain in WITHOUT.items():
        if marked in letters:
            target = plain if plain in letters else {"ي": "ی"}.get(plain, plain)
            yield _row(marked, target, f"{marked} is often written {target}")


def own_marks(found: Facts) -> str:
    """The script's own marks that close a clause or a sentence and take a space behind them only: `native_marks`."""
    import regex

    points = "".join(c for c in map(chr, range(0xA0, 0x11FFF)) if unicodedata.category(c) == "Po" and not is_wide(c))
    scripts = "".join(rf"\p{{scx={part}}}" for part in parts(found.script))
    own = regex.findall(rf"[\p{{Terminal_Punctuation}}&&[{scripts}]]", points, flags=regex.V1)
    held = frozenset(found.exemplars.punctuation) | frozenset(sentence_terminals(found.script))
    return "".join(c for c in own if c in held)


def punctuation_of(found: Facts) -> dict[str, str]:
    """ASCII mark -> the script's own, of those that CLDR says the language writes."""
    pairs = {",": "،", ";": "؛", "?": "؟"}
    return {plain: own for plain, own in pairs.items() if own in found.exemplars.punctuation}
