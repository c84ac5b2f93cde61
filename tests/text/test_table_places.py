"""A line of a character table may name its neighbours, hold an optional space, and map a range to a range."""

import pytest

from ulmkit.errors import LanguageError
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings
from ulmkit.text.table_file import parse_rows


def normalized(table: str, text: str) -> str:
    settings = Settings(characters=parse_rows(table, "t.tsv"))
    normalize = Normalizer(["characters"], settings)
    assert normalize.reference(text) == normalize(text)
    return normalize(text)


CASES = [
    # a sequence before the characters that it holds
    ("U+0060 U+0060\tU+201C\tquote\nU+0060\tU+0027\tapostrophe\n", "``E`` o`clock", "“E“ o'clock"),
    # a separator inside a word, and a bullet elsewhere
    (
        "U+00B7\tU+00B7\tdouble l\tbetween letters\nU+00B7\tU+0020\tbullet\telsewhere\n",
        "col·lecció · ·",
        "col·lecció    ",
    ),
    ("U+003A\tU+02D0\tlength\tbetween letters\n", "a:b 12:30 a: b", "aːb 12:30 a: b"),
    ("U+002C\tU+002E\tdecimal\tbetween digits\n", "1,5, 2,", "1.5, 2,"),
    ("U+0071\tU+2019\tglottal stop\tat a word's end\n", "naaq qaa", "naa’ qaa"),
    ("U+20AC\tU+0065 U+0075 U+0072\tcurrency\tword\n", "5€ €5 (€) € €", "5 eur eur 5 (eur) eur eur"),
    ("U+FF21..U+FF3A\tU+0041..U+005A\tfull width\n", "ＡＢＺ", "ABZ"),
    ("U+003A U+0020? U+003A\tU+002E\tfull stop\n", "a: : b:: c: d", "a. b. c: d"),
]


@pytest.mark.parametrize(("table", "text", "normal"), CASES)
def test_a_line_holds_where_it_says(table: str, text: str, normal: str) -> None:
    assert normalized(table, text) == normal


MISTAKES = [
    ("U+0041..U+0043\tU+0061..U+0062\tr\n", "t.tsv:1: 3 sources and 2 targets. Give ranges of the same length."),
    ("U+0041\tU+0041\tr\n", "t.tsv:1: U+0041 is mapped to itself. Remove the line."),
    ("U+0041\tU+0042\tr\tsomewhere\n", "t.tsv:1: 'somewhere' is no place. Known: between letters"),
]


@pytest.mark.parametrize(("table", "message"), MISTAKES)
def test_what_a_line_cannot_say_is_named(table: str, message: str) -> None:
    with pytest.raises(LanguageError) as error:
        parse_rows(table, "t.tsv")
    assert str(error.value).startswith(message)
