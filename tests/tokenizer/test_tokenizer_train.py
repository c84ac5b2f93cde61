"""Training: exactly what was asked, the same every time, and one line where it cannot be."""

import itertools
import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_data import documents, language, row, write_corpus

from ulmkit.artifacts.manifest import Manifest, describe_files, verify_folder, write_manifest
from ulmkit.artifacts.shards import finished_corpus, shard_paths
from ulmkit.errors import ArtifactError, BusyError, UlmkitError, UsageError
from ulmkit.language.sections import TokenizerSettings
from ulmkit.tokenizer import isolated
from ulmkit.tokenizer.marks import Marks
from ulmkit.tokenizer.model import FIRST_PIECE, MODEL, VOCABULARY, Tokenizer
from ulmkit.tokenizer.train import (
    CUT,
    balanced_shares,
    count_words,
    explain_failure,
    train_tokenizer,
    training_rows,
)


@pytest.mark.parametrize("vocabulary", [400, 601])
def test_the_vocabulary_is_exactly_what_was_asked_for(corpus: Path, tmp_path: Path, vocabulary: int):
    report = train_tokenizer(language(), corpus, tmp_path, vocabulary=vocabulary)
    tokenizer = Tokenizer.load(tmp_path, language())
    assert tokenizer.vocabulary == len(tokenizer.inventory) == report.vocabulary == vocabulary
    assert len(set(tokenizer.inventory)) == vocabulary
    assert json.loads((tmp_path / VOCABULARY).read_text())["pieces"][4][0] == "\n"


def test_the_same_corpus_gives_the_same_bytes_in_another_folder_and_order(tmp_path: Path, corpus: Path):
    """Shards cut otherwise and documents in another order: the model file is equal, byte for byte."""
    rows = documents(150) + documents(60, seed=1, source="verse")
    random.Random(4).shuffle(rows)
    other = write_corpus(tmp_path / "corpus", {"train": [rows[:20], rows[20:100], rows[100:]]})
    for source, name in ((corpus, "a"), (other, "b")):
        train_tokenizer(language(), source, tmp_path / name / "tokenizer", vocabulary=500)
    for file in (MODEL, VOCABULARY):
        assert (tmp_path / "a/tokenizer" / file).read_bytes() == (tmp_path / "b/tokenizer" / file).read_bytes()


def test_too_large_a_vocabulary_names_the_largest_and_that_one_can_be_had(corpus: Path, tmp_path: Path):
    with pytest.raises(
        UsageError, match=r"more than this corpus carries: [\d,]+ at most. Ask for --vocab \d+"
    ) as caught:
        train_tokenizer(language(), corpus, tmp_path, vocabulary=500_000)
    assert "\n" not in str(caught.value)
    largest = int(str(caught.value).split("--vocab ")[1].split()[0])
    assert train_tokenizer(language(), corpus, tmp_path, vocabulary=largest).vocabulary == largest


def test_too_small_a_vocabulary_names_the_smallest(corpus: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"no room for the \d+ characters .* --vocab \d+ at the very least") as caught:
        train_tokenizer(language(), corpus, tmp_path, vocabulary=FIRST_PIECE + 5)
    assert list(tmp_path.glob("*.part")) == []
    smallest = int(str(caught.value).split("--vocab ")[1].split()[0])
    assert train_tokenizer(language(), corpus, tmp_path, vocabulary=smallest).vocabulary == smallest


@pytest.mark.parametrize(
    "wrong", [{"vocabulary": 261}, {"vocabulary": -1}, {"model": "word"}, {"sample_characters": 0}]
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, wrong: dict):
    with pytest.raises(UsageError):
        train_tokenizer(language(), tmp_path / "nowhere", tmp_path / "out", **wrong)


def test_a_missing_or_empty_corpus_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no finished corpus"):
        train_tokenizer(language(), tmp_path, tmp_path / "out")
    for rows in ([], [row("only", " \n ")]):
        empty = write_corpus(tmp_path / f"empty{len(rows)}", {"train": [rows]})
        with pytest.raises(ArtifactError, match="holds no words"):
            train_tokenizer(language(), empty, tmp_path / "out")


def test_a_corpus_in_another_normal_form_is_refused(tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", {"train": [[row("old", "كتاب")]]})
    with pytest.raises(ArtifactError, match=r"not in the normal form xx has now \(document old"):
        train_tokenizer(language(), corpus, tmp_path / "out")


def test_a_corpus_says_with_which_normalizer_it_was_written(tmp_path: Path, corpus: Path):
    """Of a corpus built here the fingerprints are compared; where they are equal no document is looked at."""
    now = language().normalizer("standard").fingerprint
    corpus = shutil.copytree(corpus, tmp_path / "copy")
    files = {"files": describe_files(corpus, corpus.rglob("*.parquet"))}
    write_manifest(corpus, "corpus", files | {"normalization": "1b77ad"})
    with pytest.raises(ArtifactError, match=f"written with normalization 1b77ad, xx now has {now}"):
        train_tokenizer(language(), corpus, tmp_path / "out", vocabulary=400)
    write_manifest(corpus, "corpus", files | {"normalization": now})
    train_tokenizer(language(), corpus, tmp_path / "out", vocabulary=400)


def test_training_again_does_nothing_and_says_what_changed_when_it_must(tmp_path: Path, corpus: Path):
    first = train_tokenizer(language(), corpus, tmp_path, vocabulary=400)
    assert not first.unchanged
    again = train_tokenizer(language(), corpus, tmp_path, vocabulary=400)
    assert again.unchanged
    assert again.manifest == first.manifest
    assert not train_tokenizer(language(), corpus, tmp_path, vocabulary=400, force=True).unchanged
    other = train_tokenizer(language(), corpus, tmp_path, vocabulary=420)
    assert other.changed == ("vocabulary was 400, is 420",)
    assert verify_folder(tmp_path, "tokenizer") == []


def test_a_damaged_tokenizer_is_trained_again(tmp_path: Path, corpus: Path):
    train_tokenizer(language(), corpus, tmp_path, vocabulary=400)
    good = (tmp_path / MODEL).read_bytes()
    (tmp_path / MODEL).write_bytes(b"x" + good[1:])
    assert not train_tokenizer(language(), corpus, tmp_path, vocabulary=400).unchanged
    assert (tmp_path / MODEL).read_bytes() == good


def test_two_trainings_in_one_folder_refuse_each_other(tmp_path: Path, corpus: Path):
    from ulmkit.artifacts.atomic import lock

    with lock(tmp_path, "training a tokenizer"), pytest.raises(BusyError):
        train_tokenizer(language(), corpus, tmp_path, vocabulary=400)


def test_letters_digits_and_joiners_are_pieces_however_rare(tmp_path: Path):
    """ڤ stands in the alphabet and nowhere in the corpus."""
    corpus = write_corpus(tmp_path / "corpus", {"train": [documents(30)]})
    xx = language(letters="ابکیڤ")
    train_tokenizer(xx, corpus, tmp_path / "out", vocabulary=400)
    tokenizer = Tokenizer.load(tmp_path / "out", xx)
    assert "ڤ" in tokenizer.inventory
    assert "\u200c" in tokenizer.inventory


def test_a_piece_holds_letters_with_punctuation_only_where_scripts_are_not_split(tmp_path: Path):
    texts = [" ".join(f"کتاب،{word}" for word in r["text"].split()) for r in documents(60)]
    corpus = write_corpus(tmp_path / "corpus", {"train": [[row(str(n), text) for n, text in enumerate(texts)]]})

    def mixed(split_by_script: bool) -> int:
        folder = tmp_path / str(split_by_script)
        train_tokenizer(language(), corpus, folder, vocabulary=600, split_by_script=split_by_script)
        pieces = Tokenizer.load(folder).inventory[FIRST_PIECE:]
        return sum("،" in piece and any(c.isalpha() for c in piece) for piece in pieces)

    assert mixed(True) == 0
    assert mixed(False) > 0


def test_an_endless_paragraph_is_not_left_out(tmp_path: Path):
    """SentencePiece drops lines beyond a length without a word; ours never are."""
    text = " ".join(f"کلمه{r['text'][:20]}" for r in documents(2000)) + " ژژژژژژژژ" * 5000
    corpus = write_corpus(tmp_path / "corpus", {"train": [[row("long", text.replace("\n", " "))]]})
    train_tokenizer(language(), corpus, tmp_path / "out", vocabulary=400)
    assert any("ژژژژ" in piece for piece in Tokenizer.load(tmp_path / "out").inventory)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10**9)), st.integers(1, 10**10))
def test_a_balanced_sample_fills_its_budget_and_takes_no_more_from_one_source_than_from_a_larger(sizes, budget):
    shares = balanced_shares(sizes, budget)
    taken = {name: size * shares[name] for name, size in sizes.items()}
    assert sum(taken.values()) == pytest.approx(min(budget, sum(sizes.values())), abs=len(sizes) + 1)
    ordered = sorted(sizes, key=lambda name: sizes[name])
    assert all(taken[a] <= taken[b] + len(sizes) + 1 for a, b in itertools.pairwise(ordered))


def test_a_small_source_is_taken_whole_and_a_large_one_cut():
    assert balanced_shares({"news": 10, "verse": 90}, 40) == {"news": 1.0, "verse": pytest.approx(1 / 3)}


def test_the_sample_is_a_matter_of_content_not_of_order(tmp_path: Path):
    rows = documents(400) + documents(20, seed=1, source="verse")
    one = write_corpus(tmp_path / "one", {"train": [rows]})
    other = write_corpus(tmp_path / "other", {"train": [rows[300:], rows[:300][::-1]]})
    results = [count_words(shard_paths(finished_corpus(corpus), "train"), 60_000) for corpus in (one, other)]
    assert results[0] == results[1]
    sample = results[0][1]
    assert sample["verse"]["characters"] == sample["verse"]["of_characters"]
    assert 0 < sample["news"]["characters"] < sample["news"]["of_characters"]


def test_rows_are_cut_at_digits_of_every_script_and_at_nothing_else():
    words = Counter({"سال۱۴": 3, "2024": 2, "می\u200cروم،": 1, "بد▁": 9, "x" * 1500: 1})
    rows = list(training_rows(words, split_digits=True, marks=Marks("")))
    cut = CUT
    assert rows[:2] == [f"سال{cut}۱{cut}۴\t3", f"2{cut}0{cut}2{cut}4\t2"]
    assert "می\u200cروم،\t1" in rows
    assert not any("▁" in r for r in rows)
    assert [len(r.split("\t")[0]) for r in rows if r.startswith("x")] == [1000, 500]


@pytest.mark.parametrize(
    ("status", "last", "says"),
    [
        (1, "failed: INTERNAL: x Vocabulary size too high (900). Please set it to a value <= 26.", "26 at most"),
        (1, "failed: something new", "could not train: something new"),
        (1, "failed: [Errno 27] File too large", "data: no space left"),
        (1, "failed: [Errno 5] Input/output error", "data: cannot be used (Input/output error)"),
        (-9, "EM sub_iter=1", "killed, most likely for memory"),
        (-6, "Check failed: x", "ended with status -6: Check failed: x"),
    ],
)
def test_what_sentencepiece_says_becomes_one_line(status: int, last: str, says: str):
    error = explain_failure(status, last, TokenizerSettings(vocabulary=900), Path("data"))
    assert isinstance(error, UlmkitError)
    assert says in str(error)
    assert "\n" not in str(error)


def test_an_abort_in_the_trainer_leaves_this_process_alive(tmp_path: Path, corpus: Path, monkeypatch):
    """The trainer's process dies by a signal in the middle of its input; what stood in the folder still stands."""
    train_tokenizer(language(), corpus, tmp_path / "out", vocabulary=400)
    before = Manifest.read(tmp_path / "out", "tokenizer").content
    dying = tmp_path / "dying.py"
    dying.write_text("import os, sys\nsys.stdin.buffer.read(10)\nsys.stderr.write('F0000 boom\\n')\nos.abort()\n")
    monkeypatch.setattr(isolated, "__file__", str(dying))
    with pytest.raises(UlmkitError, match="ended with status -6: F0000 boom"):
        train_tokenizer(language(), corpus, tmp_path / "out", vocabulary=410)
    assert Manifest.read(tmp_path / "out", "tokenizer").content == before
    assert Tokenizer.load(tmp_path / "out").vocabulary == 400
    assert list((tmp_path / "out").glob(".*.part")) == []


# --- loading


def test_another_normalization_is_refused_by_name(trained: Path):
    with pytest.raises(ArtifactError, match=r"trained with normalization aaaaaa, xx now has bbbbbb\. Train it again"):
        Tokenizer.load(trained, language(fingerprint="bbbbbb000000"))


def test_another_model_file_is_refused(trained: Path, tmp_path: Path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    content = bytearray((tmp_path / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / MODEL).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="not the file its manifest describes"):
        Tokenizer.load(tmp_path)


def test_no_tokenizer_says_how_to_get_one(tmp_path: Path):
    with pytest.raises(ArtifactError, match="Run `ulmkit tokenizer train xx` first"):
        Tokenizer.load(tmp_path, language())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"normalization_rule_name": "nmt_nfkc"}, "this model normalizes text itself"),
        ({"remove_extra_whitespaces": True}, "comes back as"),
        ({"byte_fallback": False}, "ids are laid out otherwise"),
        ({"pad_id": -1, "unk_id": 0, "bos_id": 1, "eos_id": 2}, "ids are laid out otherwise"),
    ],
)
def test_a_model_that_cannot_keep_the_promise_is_refused(changes: dict, says: str):
    """Models as other tools train them, each with one thing that loses text."""
    import io

    import sentencepiece

    made = io.BytesIO()
    keeping = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True}
    ids = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "user_defined_symbols": ["\n"]}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(r["text"].split("\n")[0] for r in documents(50)),
        model_writer=made,
        vocab_size=350,
        minloglevel=2,
        **(keeping | ids | changes),
    )
    with pytest.raises(ArtifactError, match=says):
        Tokenizer(made.getvalue(), normalization="none").check_round_trips()
