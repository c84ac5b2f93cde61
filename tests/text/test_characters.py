"""A character table says what is wrong with it, and means the same in both engines."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.errors import LanguageError
from ulmkit.language import registry
from ulmkit.text.characters import (
    CharacterRow,
    CharacterTable,
    Lookup,
    character_class,
    close,
    drop_surrogates,
    from_utf16,
    unit_mask,
    utf16_units,
)
from ulmkit.text.table_file import parse_table

MISTAKES = [
    ("U+0643\tU+06A9\ta\n\n# c\nU+0643\tU+06A9\tb\n", "t.tsv:4: U+0643 is mapped twice (first on line 1)."),
    ("0643\tU+06A9\ta\n", "t.tsv:1: '0643' is not a code point. Write it as U+06CC."),
    ("U+0643\tU+110000\ta\n", "t.tsv:1: 'U+110000' is not a code point. Write it as U+06CC."),
    ("U+0643\tU+06A9\n", "t.tsv:1: expected source, target and reason, separated by tabs."),
    ("U+0643\tU+0643\ta\n", "t.tsv:1: U+0643 is mapped to itself. Remove the line."),
    ("\tU+0643\ta\n", "t.tsv:1: no source. Name a code point, as in U+064A."),
    ("U+0645..U+0643\t\ta\n", "t.tsv:1: the range U+0645..U+0643 is empty. Put the lower end first."),
]


@pytest.mark.parametrize(("content", "message"), MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LanguageError) as caught:
        parse_table(path, "t.tsv")
    assert str(caught.value) == message


def test_a_range_deletes_every_character_in_it(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("U+0061..U+0063\t\tgone\n", encoding="utf-8")
    assert CharacterTable.of(parse_table(path)).substitute("abcd") == ("d", 3)


def test_closing_applies_the_table_to_its_targets() -> None:
    assert [row.target for row in close([CharacterRow("a", "b"), CharacterRow("b", "cd"), CharacterRow("d", "")])] == [
        "c",
        "c",
        "",
    ]


def test_a_circle_is_refused() -> None:
    with pytest.raises(LanguageError, match="U\\+0061 leads back to itself"):
        close([CharacterRow("a", "b"), CharacterRow("b", "a")])


def test_sequences_take_the_longest() -> None:
    table = CharacterTable.of({"ab": "X", "abc": "Y", "bd": "Z"})
    assert table.substitute("abc abd") == ("Y Xd", 2)


TABLE = CharacterTable.of({"a": "b", "c": "", "d": "xy", "be": "z", "\U0001d4b3": "b", "q": "\U0001d4b4"})


@examples(200)
@given(st.text(alphabet="abcdeqxyz ع\U0001d4b3\U0001d4b5", max_size=30))
def test_lookup_and_substitution_agree(text: str) -> None:
    singles = CharacterTable(tuple(row for row in TABLE.rows if len(row.source) == 1))
    assert from_utf16(Lookup([singles]).apply(utf16_units(text))) == singles.substitute(text)[0]


BODIES = [
    "a-c",
    "^a-c\\u0610-\\u061a",
    "-a",
    "a-",
    r"a\-z",
    r"\.-a",
    r"\]\^",
    "a^",
    "&|~",
    "\t-\r",
    "\\n",
    r"\wx",
    r"\d",
]


@pytest.mark.parametrize("body", [*BODIES, "\u2190-\U0001f010x", "\\U0001f000-\\U0001f010", "^a\U0001f000"])
def test_a_mask_holds_what_the_character_class_does(body: str) -> None:
    found = re.compile(f"[{body}]").findall
    mask = unit_mask(body)
    surrogate = range(0xD800, 0xE000)
    points = [point for point in range(0x10000) if point not in surrogate]
    assert [point for point in points if mask[point]] == list(map(ord, found("".join(map(chr, points)))))
    beyond = {unit for char in found("".join(map(chr, range(0x10000, 0x110000, 0x10)))) for unit in utf16_units(char)}
    assert all(mask[unit] for unit in beyond)


def test_a_character_class_that_is_none_is_refused() -> None:
    with pytest.raises(re.error, match="bad character range"):
        unit_mask("z-a")


@examples(100)
@given(st.text(alphabet="كيىیٔهۀاٱٓؤوة۔١٢ًَ ab\n", max_size=30))
def test_sentencepiece_agrees_with_the_persian_table(text: str) -> None:
    """The same table travels inside a model: one literal pass there, singles and then sequences here."""
    normalizer = registry.get("fa").normalizer("standard")
    table = CharacterTable(normalizer.settings.characters)
    assert _SENTENCEPIECE(text) == table.substitute(text)[0] or _deletes_inside(table, text)


def _deletes_inside(table: CharacterTable, text: str) -> bool:
    """A deleted mark between the parts of a sequence is the one thing that a literal pass cannot see."""
    kept = "".join(c for c in text if table.singles.get(c, c))
    return kept != text and _SENTENCEPIECE(kept) == table.substitute(text)[0]


_SENTENCEPIECE = CharacterTable(registry.get("fa").normalizer("standard").settings.characters).sentencepiece()


def test_surrogates_that_belong_together_become_their_character() -> None:
    assert drop_surrogates("a\ud83d\ude00b\ud800c\udc00") == "a😀bc"


def test_character_class_folds_ranges() -> None:
    assert character_class("cabx") == "\\u0061-\\u0063\\u0078"
