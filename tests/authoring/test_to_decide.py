"""A new folder offers lines for a speaker to decide, made of the alphabet, the script and Unicode's data."""

import pytest

from ulmkit.authoring.cldr import facts
from ulmkit.authoring.to_decide import character_rows, match_rows, own_marks, punctuation_of
from ulmkit.text.table_file import parse_rows

OFFERED = [
    ("ckb", "ك", "ک"),
    ("ckb", "ه\u200c", "ە"),
    ("ar", "ک", "ك"),
    ("hi", "।।", "॥"),
    ("hi", "|", "।"),
    ("yo", "E\u0329", "Ẹ"),
    ("ja", "Ａ", "A"),
    ("ja", "ｶﾞ", "ガ"),
]


@pytest.mark.parametrize(("code", "typed", "meant"), OFFERED)
def test_what_is_typed_for_a_letter_is_offered(code: str, typed: str, meant: str) -> None:
    lines = list(character_rows(facts(code)))
    assert all(line.startswith("# U+") for line in lines)  # nothing changes until somebody decides
    rows = parse_rows("\n".join(line.removeprefix("# ") for line in lines), "offered")
    assert {row.source: row.target for row in rows}[typed] == meant


def test_marks_of_the_script_and_letters_that_are_often_left_bare_are_offered() -> None:
    arabic = facts("ar")
    assert any(line.startswith("# U+0629\tU+0647\t") for line in match_rows(arabic))
    assert punctuation_of(arabic) == {",": "،", ";": "؛", "?": "؟"}
    assert set("،؛؟") <= set(own_marks(arabic))
    assert own_marks(facts("hi")) == "।॥"
    assert own_marks(facts("sw")) == ""
