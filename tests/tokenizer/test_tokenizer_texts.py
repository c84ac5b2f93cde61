"""Texts of one's own as token files: each once, however short, and the same text never on both sides."""

from pathlib import Path

import numpy as np
import pytest
from tokenizer_data import documents, language

from ulmkit.artifacts.manifest import write_manifest
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.errors import InputError
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.texts import PieceFit, TextCollection, texts_inputs, write_texts

pytestmark = pytest.mark.parametrize("trained", ["unigram"], indirect=True, scope="session")
TEXTS = [row["text"].split("\n")[0] for row in documents(80)]


def collection(tokenizer: Tokenizer, *batches: list[str], out: list[str] | None = None) -> TextCollection:
    found = TextCollection(language(), tokenizer)
    found.keep_out(out or [])
    for batch in batches:
        found.add(batch)
    return found


def decoded(tokenizer: Tokenizer, part: tuple[np.ndarray, np.ndarray]) -> list[str]:
    ids, rows = part
    starts = [0, *rows["end"][:-1]]
    assert all(ids[start] == tokenizer.bos for start in starts)
    return [tokenizer.decode(ids[start + 1 : end]) for start, end in zip(starts, rows["end"], strict=True)]


def test_every_text_stands_once_on_one_of_two_sides(tokenizer: Tokenizer):
    given = collection(tokenizer, TEXTS[:50], [*TEXTS[50:], "نان", "  ", TEXTS[0], "نان"])
    splits = given.splits()
    train, valid = (decoded(tokenizer, splits[split]) for split in ("train", "valid"))
    assert sorted(train + valid) == sorted({*TEXTS, "نان"})
    assert (given.counts.given, given.counts.empty, given.counts.repeated) == (84, 1, 2)
    assert (given.counts.train, given.counts.valid) == (len(train), len(valid)) == (65, 16)  # a fifth of so few


def test_the_side_is_a_matter_of_what_a_text_says_not_of_its_place_or_spelling(tokenizer: Tokenizer):
    mixed = [text.replace("ی", "ي") for text in TEXTS[::-1]]
    sides = [collection(tokenizer, texts).splits() for texts in (TEXTS, mixed)]
    for split in ("train", "valid"):
        assert sorted(decoded(tokenizer, sides[0][split])) == sorted(decoded(tokenizer, sides[1][split]))
    spelled = collection(tokenizer, [variant for text in TEXTS for variant in (text, f" {text.replace(' ', '  ')}")])
    train, valid = (decoded(tokenizer, spelled.splits()[split]) for split in ("train", "valid"))
    assert not {" ".join(text.split()) for text in train} & {" ".join(text.split()) for text in valid}


@pytest.mark.parametrize(("texts", "held"), [(10, 2), (300, 60), (1_000, 100), (4_000, 200), (50_000, 2_000)])
def test_a_twentieth_is_held_out_but_a_hundred_to_two_thousand(tokenizer: Tokenizer, texts: int, held: int):
    found = collection(tokenizer)
    found._keys = list(np.random.default_rng(0).integers(0, 1 << 63, texts))
    rows = np.zeros(texts, [("end", "<i8"), ("words", "<i4")])
    rows["end"] = np.arange(1, texts + 1)
    found._parts = [(np.full(texts, tokenizer.bos), rows)]
    assert len(found.splits()["valid"][1]) == held


def test_texts_of_the_test_are_left_out_however_spelled(tokenizer: Tokenizer):
    given = collection(tokenizer, TEXTS, out=[f"  {TEXTS[3].replace('ی', 'ي')} ", TEXTS[5], "", "nowhere"])
    splits = given.splits()
    kept = [text for split in splits.values() for text in decoded(tokenizer, split)]
    assert given.counts.left_out == 2
    assert sorted(kept) == sorted({*TEXTS} - {TEXTS[3], TEXTS[5]})


def test_texts_that_differ_in_a_number_are_two(tokenizer: Tokenizer):
    given = collection(tokenizer, ["سال ۱۳۰", "سال ۱۳۱", "سال ۱۳۲"], out=["سال  ۱۳۱"])
    assert (given.counts.repeated, given.counts.left_out, len(set(given._keys))) == (0, 1, 2)


def test_signs_that_folding_takes_away_are_told_apart(tokenizer: Tokenizer):
    given = collection(tokenizer, ["!!", "🙂", "؟"], out=["🙂"])
    assert given.counts.left_out == 1
    assert sorted(t for split in given.splits().values() for t in decoded(tokenizer, split)) == ["!!", "؟"]


def test_nothing_to_learn_from_is_said(tokenizer: Tokenizer):
    for texts in ([], ["", " "], ["نان", "نان "]):
        with pytest.raises(InputError, match=r"nothing to learn from and to measure on\. Give more texts"):
            collection(tokenizer, texts).splits()


def test_files_are_read_back_and_named_by_what_they_hold(tokenizer: Tokenizer, tmp_path: Path):
    given = collection(tokenizer, TEXTS)
    splits = given.splits()
    content = write_texts(tmp_path, given, splits)
    write_manifest(tmp_path, "tokens", content | {"files": {}})
    for split, (ids, rows) in splits.items():
        tokens = open_token_file(tmp_path, split)
        tokens.refuse_damage()
        assert np.array_equal(tokens.ids, ids)
        assert np.array_equal(tokens.documents, rows)
    assert content["inputs"] == texts_inputs(given, collection(tokenizer, TEXTS).splits())
    assert content["inputs"] != texts_inputs(given, collection(tokenizer, TEXTS[1:]).splits())


def test_the_fit_counts_pieces_words_and_single_bytes(tokenizer: Tokenizer):
    given = collection(tokenizer, ["نان نان", "ไ ไ"])
    ids, rows = (np.concatenate(parts) for parts in zip(*given.splits().values(), strict=True))
    fit = PieceFit.of(ids, rows)
    assert (fit.words, fit.byte_pieces) == (4, 6)  # three bytes a letter that nobody has seen
    assert fit.a_word == (len(ids) - 2) / 4
