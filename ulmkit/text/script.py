"""Which script a letter belongs to, and how much of a text is written in it.

A script's letters are those of Unicode's Script property, which scripts.tsv lists: they become the body of a plain
character class, which `re` and the lookups search at full speed.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np

from ulmkit.errors import UsageError
from ulmkit.text import census
from ulmkit.text.census import Census


def _spans() -> dict[str, list[tuple[int, int]]]:
    """scripts.tsv: ISO 15924 code -> the spans of code points that hold the script's letters and marks."""
    table: dict[str, list[tuple[int, int]]] = {}
    for line in Path(__file__).with_name("scripts.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            code, spans = line.split("\t")
            ends = [[int(end, 16) for end in span.split("-")] for span in spans.split()]
            table[code] = [(each[0], each[-1]) for each in ends]
    return table


_SPANS = _spans()
# the scripts that CLDR's languages are written in (likely subtags) and that have letters
SCRIPTS = frozenset(_SPANS)
# codes that stand for several scripts together, or for a style of one (ISO 15924); with letters that Unicode calls
# common to several scripts
COMPOSED: dict[str, tuple[tuple[str, ...], str]] = {
    "Jpan": (("Hani", "Hira", "Kana"), "\u30fc\uff70"),  # the mark of a long vowel
    "Hrkt": (("Hira", "Kana"), "\u30fc\uff70"),
    "Kore": (("Hang", "Hani"), ""),
    "Hans": (("Hani",), ""),
    "Hant": (("Hani",), ""),
    "Hanb": (("Hani", "Bopo"), ""),
    "Aran": (("Arab",), ""),
    "Latf": (("Latn",), ""),
    "Latg": (("Latn",), ""),
}
SCRIPT_CODES = SCRIPTS | COMPOSED.keys()


def parts(script: str) -> tuple[str, ...]:
    """The scripts of Unicode that `script` stands for: itself, mostly."""
    return COMPOSED[script][0] if script in COMPOSED else (script,)


# letters that are signs in a fixed style: mathematical 𝔸 is an A to look at alone
_STYLED = ((0x1D400, 0x1D7FF), (0x1EE00, 0x1EEFF))


def _characters(script: str) -> list[str]:
    """Whatever lies in the spans of `script`, in order; what Python does not know as a letter or mark is none."""
    spans = sorted(span for part in parts(script) for span in _SPANS[part])
    return [chr(point) for first, last in spans for point in range(first, last + 1)]


@cache
def letter_list(script: str) -> list[str]:
    """The letters of `script`, one by one; a `UsageError` lists the known scripts."""
    if script not in SCRIPT_CODES:
        raise UsageError(f"no script '{script}'. Known: {', '.join(sorted(SCRIPT_CODES))}.")
    plain = [c for c in _characters(script) if not any(first <= ord(c) <= last for first, last in _STYLED)]
    return [*filter(str.isalpha, plain), *COMPOSED.get(script, ((), ""))[1]]


def class_body(characters: list[str]) -> str:
    """The body of a character class of `characters`, ranges folded, with no escapes: none may mean something in one.

    >>> class_body(["c", "a", "b", "x"])
    'a-cx'
    """
    points = np.array(sorted(map(ord, characters)))
    spans = np.split(points, np.flatnonzero(np.diff(points) > 1) + 1) if len(points) else []
    return "".join(chr(s[0]) if len(s) == 1 else f"{chr(s[0])}-{chr(s[-1])}" for s in spans)


@cache
def letters(script: str) -> str:
    """The body of the character class of `script`'s letters; a `UsageError` lists the known scripts."""
    return class_body(letter_list(script))


@cache
def every_mark() -> str:
    """All combining marks, of any script, in order: vowel signs, viramas, accents."""
    unlike_words = re.findall(r"\W", "".join(map(chr, range(0x300, 0x1E950))))  # what no mark is goes at a glance
    return "".join([c for c in unlike_words if c.isprintable() and unicodedata.category(c)[0] == "M"])


def mark_list(script: str) -> list[str]:
    """The combining marks that are `script`'s own, one by one: vowel signs, viramas."""
    return [c for c in _characters(script) if unicodedata.category(c)[0] == "M"]


@cache
def marks(script: str) -> str:
    """The body of the character class of `mark_list(script)`."""
    return class_body(mark_list(script))


VIRAMA = 9  # the combining class that Unicode gives to viramas and their like in every script of India and beyond


@cache
def viramas() -> str:
    """The body of the character class of every script's virama: the sign that a consonant has no vowel."""
    return class_body([c for c in every_mark() if unicodedata.combining(c) == VIRAMA])


@cache
def _census(script: str) -> Census:
    return Census({"letters": census.letter_mask(), "script": census.members(letters(script))})


def script_share(text: str, script: str) -> float:
    """The share of `text`'s letters that are written in `script`; 0.0 for a text without letters.

    >>> script_share("سلام Tallinn!", "Arab")
    0.36363636363636365
    """
    counts = _census(script)(census.code_points(text))
    return min(1.0, counts["script"] / counts["letters"]) if counts["letters"] else 0.0


VIRAMA_CLASS = 9  # canonical combining class


def shows(character: str) -> bool:
    """Whether a reader sees that `character` is there: not a control or joiner, nor a mark on a letter.

    A virama shows: words of its scripts are full of it, and no letter has it composed.
    """
    return character.isprintable() and unicodedata.combining(character) in (0, VIRAMA_CLASS)
