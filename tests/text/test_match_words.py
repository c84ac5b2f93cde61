"""The match form has the words that a text has: what holds one together, its marks and joiners count alike."""

import pytest

from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings

TONES = "àáèéẹìíòóọùú"
CASES = [
    (("hold_words", "drop_punctuation"), {"word_joiners": ":-"}, "EU:n s-e 4-5 a: b", "EUn se 4 5 a  b"),
    (("drop_marks",), {"letters": "abẹọ"}, "ọjọ\u0301 dára", "ọjọ dara"),  # no letter has the tone: it goes everywhere
    (("drop_marks",), {"letters": TONES}, "ọjọ\u0301 dára", "ọjọ\u0301 dára"),  # it is a letter's: it stays everywhere
    (("drop_marks",), {"letters": "õäöüšž"}, "õde café", "õde cafe"),
    (("drop_joiners",), {"joiners": "\u200b"}, "ภาษา\u200bไทย", "ภาษาไทย"),
    (("digits_to_zero",), {}, "௰௧ Ⅻ 12", "00 0 00"),
]


@pytest.mark.parametrize(("operations", "settings", "text", "matched"), CASES)
def test_what_counts_as_one(operations: tuple[str, ...], settings: dict[str, str], text: str, matched: str) -> None:
    assert Normalizer(operations, Settings(**settings))(text) == matched


def test_a_question_mark_takes_a_space_before_a_letter_unless_it_is_one() -> None:
    settings = {"script": "Deva", "native_marks": "।॥"}
    assert Normalizer(["spacing"], Settings(**settings))("क्या?हाँ!ठीक।चलो") == "क्या? हाँ! ठीक। चलो"
    assert Normalizer(["spacing"], Settings(unspaced="?", **settings))("क?ख") == "क?ख"
