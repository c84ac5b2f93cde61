"""In a script with viramas the joiners stay where Unicode says they show (UAX #31, contexts A2 and B), else they go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings

OPERATIONS = ("surrogates", "controls", "invisible", "emoji_joiners", "nfc", "virama_joiners", "spaces")
NORMALIZE = Normalizer(OPERATIONS, Settings(script="Deva", joiners="\u200c\u200d"))
BENGALI = Normalizer(OPERATIONS, Settings(script="Beng", joiners="\u200c\u200d"))

KEPT = [
    "क्\u200dष",  # half form instead of the ligature
    "र्\u200dय",  # eyelash ra of Marathi
    "क्\u200d",  # a half form alone, as a grammar shows it
    "क्\u200cष",  # visible virama
    "👨\u200d👩\u200d👧",
    "❤\ufe0f",
]
CHANGED = [
    ("क\u200dष", "कष"),  # nothing to join
    ("की\u200cष", "कीष"),
    ("क्\u200c ष", "क् ष"),  # at the edge of a word
    ("क्\u200d\u200dष", "क्\u200dष"),
    ("क्\u200c\u200dष", "क्\u200cष"),
    ("\u200dक\u200d", "क"),
    ("क\u200bष", "कष"),
    ("a\u200db", "ab"),
]


@pytest.mark.parametrize("text", KEPT)
def test_a_joiner_that_shows_stays(text: str) -> None:
    assert NORMALIZE(text) == text
    assert NORMALIZE(f"कमल {text} कमल") == f"कमल {text} कमल"


@pytest.mark.parametrize(("text", "normal"), CHANGED)
def test_a_joiner_that_shows_nothing_goes(text: str, normal: str) -> None:
    assert NORMALIZE(text) == normal


def test_bengali_ya_phala_after_ra_keeps_its_joiner() -> None:
    assert BENGALI("র\u200d্যাব") == "র\u200d্যাব"


@given(st.text(st.sampled_from("कषय़ि्ीa 1।\u200c\u200d\u200b👨❤\ufe0f\n") | st.characters()))
def test_twice_is_once_and_the_fast_path_is_the_plain_order(text: str) -> None:
    once = NORMALIZE(text)
    assert NORMALIZE(once) == once
    assert NORMALIZE.reference(text) == once
