"""What every stage counts."""

import pytest

from ulmkit.document import count_joiners

# text, joiners in it, those inside a word
TEXTS = [
    ("می\u200cروم \u200c", "U+200C", 2, 1),
    ("वाङ्\u200cमय वाक्\u200c", "U+200C", 2, 1),  # a virama is a mark, and stands before the joiner
    ("क्\u200dष", "U+200D", 1, 1),
    ("র\u200d্যাব", "U+200D", 1, 1),
    ("👨\u200d👩", "U+200D", 1, 0),
]


@pytest.mark.parametrize(("text", "name", "count", "inside"), TEXTS)
def test_a_joiner_acts_inside_a_word(text: str, name: str, count: int, inside: int) -> None:
    counts = count_joiners([text])
    assert (counts[name], counts[f"{name} in words"]) == (count, inside)
