"""Every script that a language may be written in is known by its letters."""

import re
import unicodedata

import pytest
import regex

from ulmkit.errors import UsageError
from ulmkit.text.census import members
from ulmkit.text.script import (
    SCRIPT_CODES,
    SCRIPTS,
    class_body,
    every_mark,
    letter_list,
    letters,
    mark_list,
    script_share,
)

# script, letters of it, letters and signs that are not
EXAMPLES = [
    ("Arab", "سلامیٹڈێ", "aא\u0640ُ"),
    ("Latn", "aÕžəßŋ", "аα𝐀"),
    ("Cyrl", "аңіђ", "aα"),
    ("Deva", "मऱळऽॐ\u0958", "মa\u093e\u094d०"),
    ("Ethi", "ሀቨ", "።a"),
    ("Hebr", "אםש", "ّ־"),
    ("Geor", "აႠᲐ", "ա"),
    ("Jpan", "東おオー々", "가"),
    ("Kore", "한ㄱ韓", "お"),
    ("Hans", "汉", "お"),
    ("Adlm", "𞤀𞤢", "ا"),
    ("Olck", "ᱚᱛ", "᱐"),
]


@pytest.mark.parametrize(("script", "inside", "outside"), EXAMPLES)
def test_a_script_holds_its_letters_and_no_others(script: str, inside: str, outside: str) -> None:
    pattern = re.compile(f"[{letters(script)}]")
    assert all(pattern.match(c) for c in inside)
    assert not any(pattern.match(c) for c in outside)
    assert script_share(inside, script) == 1.0


@pytest.mark.parametrize("script", sorted(SCRIPT_CODES))
def test_every_known_script_has_letters_and_compiles(script: str) -> None:
    body = letters(script)
    assert re.compile(f"[{body}]")
    assert not re.search(r"[\]\\^]", body)


def test_scripts_do_not_share_a_letter() -> None:
    owners = sum(members(letters(script)).astype(int) for script in SCRIPTS)
    assert owners.max() == 1


def test_the_table_of_scripts_says_what_unicode_says() -> None:
    """A letter is listed wherever the `Script` property names a script for it: add to scripts.tsv what is missing."""
    characters = list(map(chr, range(0x32400)))
    marks = "".join(c for c in characters if unicodedata.category(c)[0] == "M")
    plain = "".join(c for c in characters if c.isalpha() and not regex.match("[𝐀-𝟿\U0001ee00-\U0001eeff]", c))
    assert every_mark() == marks
    for script in SCRIPTS:
        asked = regex.compile(rf"\p{{Script={script}}}")
        assert letter_list(script) == asked.findall(plain), script
        assert mark_list(script) == asked.findall(marks), script


def test_a_script_nobody_knows_is_asked_wrongly() -> None:
    with pytest.raises(UsageError, match=r"no script 'Arabic'. Known: Adlm"):
        letters("Arabic")


def test_characters_fold_to_ranges() -> None:
    assert class_body(["x", "b", "a", "c"]) == "a-cx"
    assert class_body([]) == ""
