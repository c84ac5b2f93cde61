"""The tokenizer's folder gives its ids to whoever opens it: `tokenizers`, `transformers`, plain SentencePiece."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
from tokenizer_data import documents, language, row, write_corpus

from ulmkit.artifacts.manifest import Manifest, verify_folder
from ulmkit.artifacts.shards import finished_corpus
from ulmkit.errors import ArtifactError
from ulmkit.tokenizer import elsewhere
from ulmkit.tokenizer.elsewhere import TOKENIZER_JSON, ElsewhereReader, made_up_texts, write_elsewhere
from ulmkit.tokenizer.evaluate import evaluate_tokenizer
from ulmkit.tokenizer.grid import EXACT, best_path, is_on_grid, on_grid
from ulmkit.tokenizer.marks import Marks, glued_punctuation
from ulmkit.tokenizer.model import FIRST_PIECE, NEWLINE, PROBES, Tokenizer
from ulmkit.tokenizer.train import held_out_texts, train_tokenizer

SPELLINGS = ["<s>", "</s>", "<unk>", "<pad>", "<0x0A>", "<0xE2>", "▁", "\n", " ", "<", "s", ">", "0x41", "/", "\u200c"]
CHARACTERS = [
    *"ابیکمن، .؟!«»۱۲2aB\n\n  ▁\t",
    "\u200c",
    "\u200d",
    "👨\u200d👩\u200d👧",
    "🏳️",
    "𐍈",
    "é",
    "e\u0301",
    "\x00",
    "\ufffd",
]


def fuzz_texts(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    alphabet = [*SPELLINGS, *CHARACTERS, *documents(1, seed=seed)[0]["text"].split()]
    return ["".join(rng.choices(alphabet, k=rng.randint(0, 40))) for _ in range(count)]


def ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [found.tolist() for found in tokenizer.encode_normalized(texts)]


def test_tokenizers_reads_the_same_ids_and_gives_the_texts_back(trained: Path, tokenizer: Tokenizer):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer.from_file(str(trained / TOKENIZER_JSON))
    texts = [*made_up_texts(tokenizer), *fuzz_texts(600), *(one["text"] for one in documents(40, seed=9))]
    found = [one.ids for one in theirs.encode_batch(texts)]
    assert found == ids(tokenizer, texts)
    assert theirs.decode_batch(found, skip_special_tokens=False) == texts


def test_plain_sentencepiece_gives_the_same_ids_by_the_rule_that_the_readme_names(trained: Path, tokenizer: Tokenizer):
    """Not for a text with U+2581, which it takes for a space."""
    readme = (trained / "README.md").read_text()
    assert r're.sub(r"\n(?=[^\n])", "\n ", text)' in readme
    plain = sentencepiece.SentencePieceProcessor(model_file=str(trained / "spm.model"))
    texts = [text for text in (*PROBES, *fuzz_texts(200, seed=1)) if "▁" not in text]
    assert [plain.encode(re.sub(r"\n(?=[^\n])", "\n ", text)) for text in texts] == ids(tokenizer, texts)


@pytest.mark.slow
def test_transformers_reads_the_same_ids_from_the_folder(trained: Path, tokenizer: Tokenizer, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(str(trained))
    texts = [*made_up_texts(tokenizer), *fuzz_texts(600)]
    found = [theirs(text)["input_ids"] for text in texts]
    assert found == ids(tokenizer, texts)
    assert [theirs.decode(one, clean_up_tokenization_spaces=False) for one in found] == texts
    assert (theirs.pad_token_id, theirs.unk_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 1, 2, 3)
    assert theirs(["متن", "دو متن"], padding=True)["input_ids"][0][-1] == 0


def test_training_says_that_every_held_out_document_was_compared(trained: Path, corpus: Path):
    pytest.importorskip("tokenizers")
    manifest = Manifest.read(trained, "tokenizer")
    assert {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "README.md"} <= manifest.files.keys()
    held_out = len(list(held_out_texts(finished_corpus(corpus))))
    assert held_out == 21
    assert manifest.content["elsewhere"]["compared"] > held_out
    assert verify_folder(trained, "tokenizer") == []
    (trained / TOKENIZER_JSON).write_bytes((content := (trained / TOKENIZER_JSON).read_bytes())[:-9])
    assert verify_folder(trained, "tokenizer") == [
        f"{trained / TOKENIZER_JSON}: {len(content) - 9:,} bytes, written with {len(content):,}"
    ]
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: tokenizers cannot read it"):
        ElsewhereReader.of(trained)
    (trained / TOKENIZER_JSON).write_bytes(content)


def test_a_folder_from_before_still_loads(trained: Path, tmp_path: Path):
    """One without tokenizer.json, whose manifest names none."""
    from ulmkit.artifacts.manifest import describe_files, write_manifest

    for name in ("spm.model", "vocab.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    content = dict(Manifest.read(trained, "tokenizer").content)
    files = describe_files(tmp_path, tmp_path.iterdir())
    del content["elsewhere"]
    write_manifest(tmp_path, "tokenizer", content | {"files": files})
    assert Tokenizer.load(tmp_path, language()).fingerprint == content["fingerprint"]
    assert ElsewhereReader.of(tmp_path) is None


def test_where_one_document_differs_nothing_is_written_and_it_is_named(tokenizer: Tokenizer, tmp_path: Path):
    pytest.importorskip("tokenizers")
    kind = "unigram" if is_on_grid(tokenizer.model, NEWLINE) else "bpe"
    made = write_elsewhere(
        tokenizer, kind, tmp_path, [("first", "متن"), ("second", "نیم \ud800".encode("utf-8", "replace").decode())]
    )
    assert made.compared
    wrong = Tokenizer(tokenizer.model, normalization="x")
    wrong.inventory = (*tokenizer.inventory[:-2], tokenizer.inventory[-1], tokenizer.inventory[-2])
    other = write_elsewhere(wrong, kind, tmp_path / "other", [("third", tokenizer.inventory[-1].replace("▁", " "))])
    assert re.fullmatch(r"tokenizer\.json not written: tokenizers [\d.]+ gives other ids for .+", other.summary())
    assert not (tmp_path / "other").exists()


def test_without_tokenizers_the_file_is_written_and_that_it_was_not_compared_is_said(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(elsewhere, "can_compare", lambda: False)
    made = write_elsewhere(tokenizer, "bpe", tmp_path, [])
    assert (tmp_path / TOKENIZER_JSON).exists()
    assert "not compared" in made.summary()
    assert "pip install tokenizers" in made.summary()


def test_evaluation_counts_the_documents_whose_ids_are_the_same(trained: Path, tokenizer: Tokenizer, corpus: Path):
    pytest.importorskip("tokenizers")
    found = evaluate_tokenizer(language(), tokenizer, corpus, elsewhere=ElsewhereReader.of(trained))
    assert found.elsewhere == found.whole.documents == 21
    assert (found.glued_marks, found.mark_uses > 0) == (0, True)
    assert "the same ids from tokenizer.json: 21 of 21" in found.summary()


@pytest.fixture(scope="module")
def unigram(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("unigram")
    train_tokenizer(language(), corpus, folder, vocabulary=400)
    return Tokenizer.load(folder, language())


def test_a_long_text_has_the_ids_of_its_words(unigram: Tokenizer):
    """Sums of 32 bits would round; ids are those of the words one by one, with spaces or without."""
    limit = unigram.exact_length
    assert limit is not None
    space = unigram.inventory.index("▁")
    known = [word for one in documents(90) for word in one["text"].split()]
    for text in ("  ".join(known), "\n".join(known), " " * (limit + 7), "x" * limit + " "):
        assert len(text) > limit
        words = text.replace("\n", "\n ").split(" ")
        alone = [found.tolist() or [space] for found in unigram.encode_normalized(words)]
        assert unigram.encode_normalized([text])[0].tolist() == [one for word in alone for one in word]


def test_a_stretch_without_a_space_is_cut_by_sums_that_never_round(unigram: Tokenizer):
    pytest.importorskip("tokenizers")
    reader = ElsewhereReader(json.dumps(elsewhere.tokenizer_json(unigram, "unigram"), ensure_ascii=False))
    parts = ("ا" * 9_000, "".join(documents(1)[0]["text"].split()) * 9, "é𐍈ب" * 3_000)
    texts = ["".join(parts).ljust(unigram.exact_length + 1, "ب")]
    assert all(reader.agreeing(texts, unigram.encode_normalized(texts)))


def test_the_best_path_is_sentencepieces(unigram: Tokenizer):
    plain = {
        unigram.inventory[i]: unigram.scores[i] for i in range(unigram.vocabulary) if i == NEWLINE or i >= FIRST_PIECE
    }
    processor = sentencepiece.SentencePieceProcessor(model_proto=unigram.model)
    for text in fuzz_texts(200, seed=3):
        if "▁" not in text and text:
            path = best_path("▁" + text.replace(" ", "▁"), plain)
            numbers = [
                n
                for piece in path
                for n in ([processor.piece_to_id(piece)] if piece in plain else [5 + b for b in piece.encode()])
            ]
            assert numbers == processor.encode(text)


def test_scores_on_the_grid_add_up_in_32_bits_as_in_64(unigram: Tokenizer):
    import numpy as np

    scores = np.array(unigram.scores[FIRST_PIECE:])
    assert (scores * 32 == np.round(scores * 32)).all()
    many = np.random.default_rng(0).choice(scores, int(EXACT / -scores.min()))
    assert np.cumsum(many.astype(np.float32))[-1] == many.sum()
    assert on_grid(unigram.model) == unigram.model


def test_a_scripts_own_end_mark_shares_no_piece_with_a_letter(tmp_path: Path):
    """Without the cut it grows together with the words that end sentences, in plain SentencePiece too."""
    scripts = {"۔": "ہےتھاکی", "။": "ကခဂငစသ", "།": "ཀཁགངཅད", "។": "កខគឃងច"}
    rng = random.Random(5)
    texts = []
    for mark, letters in scripts.items():
        known = ["".join(rng.choices(letters, k=rng.randint(2, 5))) for _ in range(30)]
        texts += [
            f"{' '.join(rng.choices(known, k=5))} {known[0]}{mark} «{known[1]}»{mark}{known[2]}" for _ in range(60)
        ]
    rows = [row(str(number), text) for number, text in enumerate(texts)]
    corpus = write_corpus(tmp_path / "corpus", {"train": [rows], "valid": [rows[:1]]})
    xx = language(letters="")
    xx = replace(xx, segmentation=replace(xx.segmentation, sentence_ends=".!?" + "".join(scripts)))
    train_tokenizer(xx, corpus, tmp_path / "out", vocabulary=360)
    tokenizer = Tokenizer.load(tmp_path / "out", xx)
    assert not any(Marks.of(xx).glued_in(tokenizer.inventory[FIRST_PIECE:]))
    for mark, text in zip(scripts, texts[::60], strict=True):
        assert tokenizer.pieces(text).count(mark) == 2


def test_what_holds_words_together_and_the_alphabets_letters_are_no_marks():
    marks = Marks.of(language(letters="ʻ”"))
    assert not {"'", "’", "”", "\u200c"} & set(marks.characters)
    assert marks.apart("«کتاب».", "|") == "«|کتاب|»."
    assert marks.apart("a...b", "|") == "a|...|b"
    assert glued_punctuation(["▁کتاب۔", "۔", "▁«", "o'k", "a-b"], "'") == {"۔": 1, "-": 1}
