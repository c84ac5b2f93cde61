"""What all readers of markup agree on: a text does not begin with its title, and decoration is no line."""

import pytest

from ulmkit.corpus.extract.blocks import encodable, folded, has_word, is_prose, joined, key, title_parts

TITLE = "Kevad tuli - Uudised | Vald"


@pytest.mark.parametrize("first", ["Kevad tuli", "KEVAD TULI!", "Uudised", TITLE])
def test_a_first_block_that_repeats_the_title_or_a_part_of_it_goes(first: str) -> None:
    assert joined([first, "Lumi sulas."], TITLE) == "Lumi sulas."


def test_two_blocks_may_repeat_the_title_and_the_third_stays() -> None:
    assert joined(["Vald", "Kevad tuli", "Uudised", "Lumi sulas."], TITLE) == "Uudised\n\nLumi sulas."


@pytest.mark.parametrize("first", ["Kevad tuli ja lumi sulas.", "***", "Kevad"])
def test_a_first_block_that_says_something_else_stays(first: str) -> None:
    assert joined([first, "Lumi sulas."], TITLE) == f"{first}\n\nLumi sulas."


def test_a_block_below_the_text_may_repeat_the_title() -> None:
    assert joined(["Lumi sulas.", "Kevad tuli"], TITLE) == "Lumi sulas.\n\nKevad tuli"


def test_a_title_of_signs_alone_is_no_title() -> None:
    assert joined(["***", "Lumi sulas."], "***") == "***\n\nLumi sulas."


def test_empty_blocks_leave_no_gap() -> None:
    assert joined(["", "üks", "", "kaks", ""]) == "üks\n\nkaks"


def test_a_hyphen_within_a_word_parts_no_title() -> None:
    assert title_parts("Kirde-Eesti: uudised") == ["Kirde-Eesti: uudised"]
    assert title_parts("Kirde-Eesti : uudised") == ["Kirde-Eesti : uudised", "Kirde-Eesti", "uudised"]


def test_titles_are_compared_by_letters_and_digits() -> None:
    assert key("Kevad  tuli, 2024!") == key("KEVAD TULI 2024") != key("Kevad tuli 2025")


@pytest.mark.parametrize(("text", "word"), [("* * *", False), ("—", False), ("", False), ("§ 5", True), ("آ", True)])
def test_a_line_without_letter_or_digit_is_decoration(text: str, word: bool) -> None:
    assert has_word(text) == word


@pytest.mark.parametrize(
    ("cell", "prose"),
    [
        ("Sel kevadel sulas lumi varem kui kunagi varem ja jõgi tõusis.", True),
        ("Sel kevadel sulas lumi varem kui kunagi varem.", False),  # a caption: too few characters
        ("Põllumajandusministeerium Keskkonnaministeerium Siseministeerium", False),  # names: too few words
    ],
)
def test_a_table_cell_is_prose_from_eight_words_and_sixty_characters(cell: str, prose: bool) -> None:
    assert is_prose(cell) == prose


def test_white_space_is_folded_to_single_spaces() -> None:
    assert folded(" üks\n\tkaks\u00a0kolm ") == "üks kaks kolm"


def test_what_no_file_can_hold_is_left_out() -> None:
    assert encodable("a\ud800b\u200cc") == "ab\u200cc"
    assert encodable("🙂") == "🙂"
