"""Plain text keeps its lines, for they may be verse; only text that a program wrapped is unwrapped."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.extract.plain import plain_to_text

SENTENCE = (
    "باغبان\u200cها می\u200cگویند که باران امسال از همیشه بیشتر بوده است و درخت\u200cها شاداب\u200cتر شده\u200cاند."
)
VERSE = "توانا بود هر که دانا بود\nز دانش دل پیر برنا بود\nبه نام خداوند جان و خرد\nکزین برتر اندیشه برنگذرد\n" * 4


def test_verse_keeps_its_lines() -> None:
    assert plain_to_text(VERSE) == VERSE.strip()


def test_text_that_a_program_wrapped_is_unwrapped() -> None:
    paragraphs = [" ".join([SENTENCE] * n) for n in (5, 3, 6)]
    wrapped = "\n\n".join("\n".join(textwrap.wrap(p, 72, break_long_words=False)) for p in paragraphs)
    assert plain_to_text(wrapped) == "\n\n".join(paragraphs)


def test_an_item_list_keeps_its_lines() -> None:
    items = "\n".join(f"{i}. asi number {i} ja selle veidi pikem seletus, mis ei täida rida" for i in range(30))
    assert plain_to_text(items) == items


def test_lines_of_one_length_are_a_list_however_full_they_are() -> None:
    """A program that wraps prose leaves lines of many lengths."""
    rows = "\n".join(f"{i:03} " + "a" * 56 for i in range(30))
    assert plain_to_text(rows) == rows


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\u2028"])
def test_every_kind_of_line_end_becomes_one(end: str) -> None:
    assert plain_to_text(f"üks{end}kaks") == "üks\nkaks"


@pytest.mark.parametrize("gap", ["\n\n\n\n", "\n \n\t\n", "\f", "\u2029", "\n\n"])
def test_blocks_lie_one_blank_line_apart(gap: str) -> None:
    assert plain_to_text(f"üks{gap}kaks") == "üks\n\nkaks"


def test_what_begins_and_ends_a_file_is_no_text() -> None:
    assert plain_to_text("\ufeff\n\nüks \t\nka\x00ks\n\n") == "üks\nkaks"


def test_the_first_line_keeps_its_indent() -> None:
    assert plain_to_text("\n    üks\n  kaks") == "    üks\n  kaks"


@given(st.lists(st.sampled_from(["üks", "kaks kolm", " ", "\t", "\r\n", "\n", "\n\n", "\f", "\u2029"])).map("".join))
def test_reading_the_text_again_changes_nothing(source: str) -> None:
    once = plain_to_text(source)
    assert plain_to_text(once) == once
    assert "".join(once.split()) == "".join(source.split())
