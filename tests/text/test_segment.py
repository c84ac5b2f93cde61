"""Sentences end where a reader ends them, and words keep what joins them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.language import registry
from ulmkit.text.segment import Segmenter, lines, words

ESTONIAN = [
    "26. juulil 1962. aastal sündis ta Tallinnas.|Nt. dr. Tamm jt. uurisid seda.",
    "A. H. Tammsaare kirjutas romaani.|See ilmus XX. sajandil.",
    "Kas tuled?|Ei!|No olgu…",
    "„Tere!“ ütles ta.|Siis läks ära.",
    "Koosolek on 31.12.2023 kell 14.30.|Palun tulge.",
]
PERSIAN = [
    "او رفت.|بعد آمد.",
    "آیا می‌آیی؟|نه!|باشد…",
    "در سال ۵۰ ق. م. ساخته شد.|ویران است.",
    "گفت: «می‌روم.»|و رفت.",
    "نسخهٔ 2.7 آمد؛ خوب است.|تمام.",
]


def segmenter(code: str) -> Segmenter:
    data = registry.get(code).segmentation
    return Segmenter(data.sentence_ends, data.closers, data.abbreviations, data.ordinal_dot)


@pytest.mark.parametrize(("code", "expected"), [("et", each) for each in ESTONIAN] + [("fa", each) for each in PERSIAN])
def test_sentences(code: str, expected: str) -> None:
    sentences = expected.split("|")
    assert segmenter(code).sentences(" ".join(sentences)) == sentences


@given(st.text(alphabet="aA.!? »\n…1«", max_size=60))
def test_sentences_lose_nothing_but_space(text: str) -> None:
    joined = "".join(Segmenter().sentences(text))
    assert joined.replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_words_keep_joiners_apostrophes_and_the_ezafe() -> None:
    assert words("می‌روم، خانهٔ ما؛ Peugeot'ga 3,5 #x_y") == ["می‌روم", "خانهٔ", "ما", "Peugeot'ga", "3", "5", "x", "y"]


def test_lines_are_those_that_hold_something() -> None:
    assert lines("a\n\nb\n") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("मराठी भाषा।", ["मराठी", "भाषा"]),  # vowel signs are marks, and belong to the word
        ("क्‍ष सर्व‌नाम", ["क्‍ष", "सर्व‌नाम"]),
        ("ẹ́kọ́ dára", ["ẹ́kọ́", "dára"]),
    ],
)
def test_a_mark_belongs_to_its_word(text: str, found: list[str]) -> None:
    assert words(text) == found
