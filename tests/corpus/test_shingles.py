"""A word is one number wherever it stands, and a run of words another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.shingles import WordHasher, ngrams


def test_rolling_hashes_equal_for_equal_runs_only():
    hashes = WordHasher()(["a", "b", "c", "a", "b", "c", "d"])
    threes = ngrams(hashes, 3)
    assert len(threes) == 5
    assert threes[0] == threes[3]
    assert len(set(threes.tolist())) == 4


WORDS = st.lists(st.text(st.characters(exclude_characters=" "), min_size=1, max_size=12), max_size=40)


@given(WORDS, WORDS)
def test_a_word_has_one_hash_wherever_it_stands_and_another_word_another(words: list[str], others: list[str]):
    hasher = WordHasher()
    together = hasher([*others, *words])[len(others) :].tolist()
    assert together == hasher(words).tolist()
    assert len(set(together)) == len(set(words))


def test_hashes_of_like_words_share_no_bits_by_more_than_chance():
    words = [f"{stem}{ending}" for stem in ("کتاب", "خانه", "mets", "a") for ending in map(chr, range(0x41, 0x5B))]
    hashes = WordHasher()(words)
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(len(words), 64)
    assert len(set(hashes.tolist())) == len(words)
    assert abs(bits.mean() - 0.5) < 0.03
    assert abs((bits[1:] != bits[:-1]).mean() - 0.5) < 0.03
