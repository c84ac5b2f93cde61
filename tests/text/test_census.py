"""One look at every character counts as many passes would."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.text.census import Census, code_points, digit_mask, letter_mask, members
from ulmkit.text.script import letters as letters_of

CLASSES = {
    "letters": letter_mask(),
    "digits": digit_mask(),
    "vowels": members("aeiou"),
    "range": members("a-cx\u0600-\u06ff"),
}
COUNT = Census(CLASSES)


@given(st.text(st.characters() | st.sampled_from("abcxyz ۱۲3سلام\ud800\U0001d400")))
def test_counts_are_those_of_asking_each_character(text: str):
    assert COUNT(code_points(text)) == {
        "letters": sum(map(str.isalpha, text)),
        "digits": sum(map(str.isdigit, text)),
        "vowels": sum(char in "aeiou" for char in text),
        "range": len(re.findall("[a-cx\u0600-\u06ff]", text)),
    }


def test_a_class_is_read_like_a_regular_expressions():
    every = "".join(map(chr, range(0x110000)))
    for body in map(letters_of, ("Arab", "Latn", "Deva", "Jpan", "Adlm")):
        assert np.flatnonzero(members(body)).tolist() == list(map(ord, re.findall(f"[{body}]", every)))
