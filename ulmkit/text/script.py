"""Which script a letter belongs to, and how much of a text is written in it.

A script's letters are those of Unicode's Script property, asked of `regex` once for each script and kept as the body of
a plain character class, which `re` and the lookups search at full speed.
"""

import unicodedata
from functools import cache

import numpy as np
import regex

from ulmkit.errors import UsageError
from ulmkit.text import census
from ulmkit.text.census import Census

# ISO 15924 codes of the scripts that CLDR's languages are written in (likely subtags) and that have letters
_CODES = """
Adlm Aghb Ahom Arab Armi Armn Avst Bali Bamu Bass Batk Beng Bhks Bopo Brah Bugi Buhd Cakm Cans Cari Cham Cher
Chrs Copt Cpmn Cprt Cyrl Deva Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Geor Glag Gong Gonm Goth Gran Grek Gujr
Guru Hang Hani Hano Hatr Hebr Hira Hluw Hmng Hmnp Hung Ital Java Kali Kana Kawi Khar Khmr Khoj Kits Knda Kthi
Lana Laoo Latn Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Mlym Modi Mong
Mroo Mtei Mult Mymr Nagm Nand Narb Nbat Newa Nkoo Nshu Ogam Olck Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag
Phli Phlp Phnx Plrd Prti Rjng Rohg Runr Samr Sarb Saur Shaw Shrd Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sylo
Syrc Tagb Takr Tale Talu Taml Tang Tavt Telu Tfng Tglg Thaa Thai Tibt Tirh Tnsa Toto Ugar Vaii Vith Wara Wcho
Xpeo Xsux Yezi Yiii Zanb
"""
SCRIPTS = frozenset(_CODES.split())
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


@cache
def _every_letter() -> str:
    """All letters, without those that are signs in a fixed style: mathematical 𝔸 is an A to look at alone."""
    text = "".join(filter(str.isalpha, map(chr, range(0x32400))))  # beyond lie no letters
    return str(regex.sub(r"[\U0001d400-\U0001d7ff\U0001ee00-\U0001eeff]+", "", text))


def parts(script: str) -> tuple[str, ...]:
    """The scripts of Unicode that `script` stands for: itself, mostly."""
    return COMPOSED[script][0] if script in COMPOSED else (script,)


def _property(script: str) -> str:
    return "[" + "".join(rf"\p{{Script={part}}}" for part in parts(script)) + "]"


@cache
def letter_list(script: str) -> list[str]:
    """The letters of `script`, one by one; a `UsageError` lists the known scripts."""
    if script not in SCRIPT_CODES:
        raise UsageError(f"no script '{script}'. Known: {', '.join(sorted(SCRIPT_CODES))}.")
    return [*regex.findall(_property(script), _every_letter()), *COMPOSED.get(script, ((), ""))[1]]


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
    characters = list(map(chr, range(0x300, 0x1E950)))
    kinds = map(unicodedata.category, characters)
    return "".join([character for character, kind in zip(characters, kinds, strict=True) if kind[0] == "M"])


def mark_list(script: str) -> list[str]:
    """The combining marks that are `script`'s own, one by one: vowel signs, viramas."""
    return list(regex.findall(_property(script), every_mark()))


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
