"""Lines that were broken at a column are one paragraph again; verse, lists and tables keep theirs."""

import random
import textwrap

import pytest

from ulmkit.corpus.extract.plain import plain_to_text
from ulmkit.corpus.extract.wrapped import Wrapping, words_whole

SAID = "Kevadel läks mees metsa. Ta nägi seal suurt põtra, kes jõi ojast vett. Siis tuli vihm ja mõlemad kadusid. "
PARAGRAPHS = [(SAID * n).strip() for n in (5, 4, 6)]


def typeset(text: str, width: int = 64, ragged: int = 6) -> str:
    """Lines as a printer breaks them, of widths that differ by some characters."""
    chance = random.Random(3)
    lines, left = [], text
    while len(left) > width:
        cut = left.rfind(" ", 0, width - chance.randrange(ragged))
        lines.append(left[:cut])
        left = left[cut + 1 :]
    return "\n".join([*lines, left])


def read(text: str) -> tuple[str, list[Wrapping]]:
    told: list[Wrapping] = []
    return plain_to_text(text, told.append), told


def test_a_printer_s_lines_are_joined_and_a_paragraph_s_last_line_ends_it() -> None:
    text, told = read("\n\n".join(map(typeset, PARAGRAPHS)))
    assert text == "\n\n".join(PARAGRAPHS)
    assert [each.sure for each in told] == [True]


def test_numbers_and_heads_of_pages_go_and_what_they_parted_goes_on() -> None:
    lines = textwrap.wrap(PARAGRAPHS[2] * 4, 70)
    pages = [lines[i : i + 6] for i in range(0, len(lines), 6)]
    printed = "\n\n".join(
        "\n".join(["Metsa raamat", "", *page, "", str(number)]) for number, page in enumerate(pages, 7)
    )
    text, _ = read(printed)
    assert "raamat" not in text
    assert not any(map(str.isdigit, text))
    assert text.replace("\n\n", " ") == " ".join(lines)
    assert text.count("\n") < 3


def test_an_item_and_a_heading_keep_their_lines_in_wrapped_text() -> None:
    wrapped = [textwrap.fill(text, 72) for text in PARAGRAPHS]
    text, _ = read("\n\n".join([*wrapped, "Loomad\n- põder\n- hunt", *wrapped]))
    assert "\n\nLoomad\n- põder\n- hunt\n\n" in text


def test_a_word_parted_by_a_hyphen_is_left_for_the_language() -> None:
    lines = [line + " sõna-" if i % 4 == 0 else line for i, line in enumerate(textwrap.wrap(PARAGRAPHS[0] * 2, 66))]
    text, _ = read("\n".join(lines))
    assert "sõna-\n" in text
    assert "sõna-\n" not in words_whole(text)


@pytest.mark.parametrize(
    "kept",
    [
        "\n".join(
            ["Tuul läks üle järve ja võttis kaasa kõik meie vanad päevad,", "ma ei tea, kuhu nad jäid ja kes"] * 8
        ),
        "\n".join(f"{i}. Esimene lause on siin. Teine lause on selles reas number {i * 7}." for i in range(20)),
        "\n".join(f"Nimi {i}    12,50    {i * 37}    tk    Ladu on täis. Tuleb veel {i}" for i in range(20)),
        "\n".join(["– Kas sa tuled täna? Ma ootan sind juba hommikust saadik.", "– Ei tule. Mul on palju tööd."] * 8),
        "\n".join(
            f"{first} ای دل! برو از کوی غریبان به سفر\nکه در این شهر {last} ندارد ز تو هیچ خبر"
            for first, last in zip(
                ["شب", "روز", "باغ", "کوه", "رود", "ماه", "مهر", "برف"],
                ["یار", "گل", "نی", "می", "دوست", "کس", "او", "آب"],
                strict=True,
            )
        ),
    ],
    ids=["verse", "list", "table", "speech", "couplets"],
)
def test_lines_that_mean_something_are_kept(kept: str) -> None:
    assert plain_to_text(kept) == kept


def test_lines_that_only_look_wrapped_are_told_of_and_kept() -> None:
    chance = random.Random(5)
    lines = [
        line if chance.random() < 0.78 else line[:29] + "a" for line in textwrap.wrap(" ".join(PARAGRAPHS * 2), 60)
    ]
    text, told = read("\n".join(lines))
    assert text == "\n".join(lines)
    assert told == [Wrapping(60, sure=False)]


def test_couplets_of_one_metre_with_words_left_out_keep_their_lines() -> None:
    """Their lines are of one length, and an ellipsis in a line is no sentence's end."""
    halves = ["باد آمد از سوی دریا و… را با خود ببرد", "ماه از پس کوه تا… برآمد و باز خفته شد",
              "یار من امشب کجا… که نیامد پیش ما",
              "هر شب آن… بر در خانه نشسته بی قرار", "دیگر از آن… نگفتم با کسی جز باغبان"]  # fmt: skip
    poem = "\n".join(f"{half} {word}"[:42] for word in ("بازآ", "یارا", "جانا") for half in halves)
    assert plain_to_text(poem) == poem
