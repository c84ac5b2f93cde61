"""A new folder offers lines for a speaker to decide, made of the alphabet, the script and Unicode's data."""

from pathlib import Path

import pytest

from ulmkit.authoring.cldr import facts
from ulmkit.authoring.new import create
from ulmkit.authoring.to_decide import character_rows, match_rows, own_marks, punctuation_of
from ulmkit.language.load import load_language
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
    ("th", "\u0e4d\u0e32", "\u0e33"),
    ("th", "\u0e4d\u0e49\u0e32", "\u0e49\u0e33"),
    ("th", "\u0e40\u0e40", "\u0e41"),
    ("lo", "\u0ecd\u0eb2", "\u0eb3"),
    ("lo", "\u0ecd\u0ec8\u0eb2", "\u0ec8\u0eb3"),
    ("lo", "\u0ec0\u0ec0", "\u0ec1"),
    ("lo", "\u0eab\u0e99", "\u0edc"),
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
    assert own_marks(facts("my")) == "၊။"
    assert own_marks(facts("sw")) == ""


@pytest.mark.parametrize(
    ("code", "typed", "meant"),
    [
        (
            "th",
            "น\u0e4d\u0e32 น\u0e4d\u0e49\u0e32 น\u0e49\u0e4d\u0e32 น้ำ เเม่ เขา",
            "น\u0e33 น\u0e49\u0e33 น\u0e49\u0e33 น้ำ แม่ เขา",
        ),
        (
            "lo",
            "ນ\u0ecd\u0eb2 ນ\u0ecd\u0ec9\u0eb2 ນ\u0ec9\u0ecd\u0eb2 ເເມ່ ຫນູ ຫາ",
            "ນ\u0eb3 ນ\u0ec9\u0eb3 ນ\u0ec9\u0eb3 ແມ່ ໜູ ຫາ",
        ),
    ],
)
def test_a_folder_whose_offered_lines_are_taken_writes_each_letter_in_one_way(
    code: str, typed: str, meant: str, tmp_path: Path
) -> None:
    folder = create(code, tmp_path, labels=frozenset(), date="2026-12-03").folder
    table = folder / "characters.tsv"
    as_offered = load_language(folder)
    assert as_offered.normalize(typed) == typed  # nothing is changed until somebody decides
    table.write_text(table.read_text(encoding="utf-8").replace("# U+", "U+"), encoding="utf-8")
    language = load_language(folder)
    assert language.normalize(typed) == meant
    assert language.normalize(meant) == meant


def test_a_burmese_comma_ends_no_sentence(tmp_path: Path) -> None:
    language = load_language(create("my", tmp_path, labels=frozenset(), date="2026-12-03").folder)
    first, second = "မောင်မောင်၊ သူနှင့် သူမ သွားသည်။", "မနက်ဖြန်၊ပြန်မည်။"
    assert language.sentences(f"{first} {second}") == [first, second]
    assert language.sentences(first + second) == [first, second]
    assert "။" in language.filters.line_ends
    assert "၊" not in language.filters.line_ends
