"""What a page tells the filters: lengths of its words, repetitions, and whether it is verse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.genre import quantile
from ulmkit.corpus.page import Page, runs
from ulmkit.corpus.shingles import WordHasher
from ulmkit.language.registry import get

PERSIAN = get("fa")


def of_words(words: list[str], text: str = "") -> Page:
    return Page(text or " ".join(words), words, WordHasher()(words), PERSIAN)


def test_word_lengths_are_of_the_match_form():
    assert np.array_equal(of_words(["کتابها", "را"], "کتاب‌ها را").lengths, [6, 2])


def test_characters_are_counted_by_class():
    counts = of_words(["x"], "یک 1۲ \ufffd\ue000 ab").counts
    assert counts == {"digits": 2, "damage": 2, "letters": 4, "script": 2}


def test_empty_lines_are_no_lines():
    page = of_words(["یک"], "یک\n\nدو\nیک")
    assert page.lines == ["یک", "دو", "یک"]
    assert page.distinct_lines == {"یک", "دو"}


def test_repetition_is_measured_in_characters_of_words():
    run = ["یک", "دو", "سه", "چهار", "پنج", "شش"]
    words = [*run, "الف", "ب", "پ", "ت", "ث", *run]
    page = of_words(words)
    again = sum(map(len, words[:6]))
    assert page.duplicated_share(5, 1) == pytest.approx(again / sum(map(len, words)))
    assert page.duplicated_share(7, 1) == 0.0
    assert page.top_share(2) == page.duplicated_share(5, 2) == 0.0  # twice is a headline said again
    page = of_words([*words, *run])
    assert page.duplicated_share(5, 2) == pytest.approx(again / sum(map(len, page.words)))


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=1, max_size=60), st.integers(1, 12), st.integers(1, 3))
def test_longer_runs_that_occurred_before_cover_no_more(words: list[str], n: int, times: int):
    """Which is why the filters stop asking for longer ones once a shorter one is in order."""
    page = of_words(words)
    assert page.duplicated_share(n + 1, times) <= page.duplicated_share(n, times)


@pytest.mark.parametrize(
    ("lengths", "verse"),
    [
        ([30, 31, 29, 30, 32, 28], True),
        ([15, 30, 31, 29, 30, 32, 28, 31, 29, 30, 30, 5], True),  # with a title, and the poet's name
        ([30, 31, 29], False),  # too few to tell
        ([5, 40, 12, 7, 33, 21], False),  # a menu
        ([8, 8, 8, 8, 8], False),  # single words
        ([90, 91, 92, 90, 89], False),  # paragraphs
    ],
)
def test_lines_of_one_length_are_verse(lengths: list[int], verse: bool):
    assert of_words(["x"], "\n".join("x" * length for length in lengths)).verse == verse


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_runs_and_quantiles_are_those_of_numpy(numbers: list[int]):
    ordered = np.sort(np.array(numbers, np.int64))
    for mine, theirs in zip(runs(ordered), np.unique(ordered, return_counts=True), strict=True):
        assert np.array_equal(mine, theirs)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert quantile(ordered, share) == pytest.approx(float(np.quantile(ordered, share)), abs=1e-12)
