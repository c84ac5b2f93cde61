"""Token files hold every document, in order, whole."""

from pathlib import Path

import numpy as np
import pytest
from tokenizer_data import documents, language, row, write_corpus

from ulmkit.artifacts.manifest import verify_folder
from ulmkit.artifacts.shards import finished_corpus, read_batches, shard_paths
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.errors import ArtifactError
from ulmkit.tokenizer import encode as encode_module
from ulmkit.tokenizer.encode import encode_corpus
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import train_tokenizer

FILES = [f"{split}{end}" for split in ("train", "valid", "test") for end in (".bin", ".docs.npy")]


@pytest.fixture(scope="module")
def tokenizer(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(language(), corpus, folder, vocabulary=500)
    return Tokenizer.load(folder, language())


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_document_decodes_from_its_place_in_the_file(
    corpus: Path, tokenizer: Tokenizer, tmp_path: Path, split: str
):
    encode_corpus(language(), tokenizer, corpus, tmp_path)
    tokens = open_token_file(tmp_path, split)
    rows = [r for batch in read_batches(shard_paths(finished_corpus(corpus), split)) for r in batch.to_pylist()]
    assert len(tokens.documents) == len(rows) > 0
    start = 0
    for stored, document in zip(rows, tokens.documents, strict=True):
        ids = tokens.ids[start : document["end"]]
        assert ids[0] == tokens.bos == tokenizer.bos
        assert tokenizer.bos not in ids[1:]
        assert tokenizer.decode(ids[1:]) == stored["text"]
        assert document["characters"] == len(stored["text"])
        assert document["bytes"] == len(stored["text"].encode())
        assert document["words"] == len(stored["text"].split())
        assert tokens.sources[document["source"]] == stored["source"]
        start = document["end"]
    assert start == len(tokens.ids)


def test_workers_write_the_same_files(corpus: Path, tokenizer: Tokenizer, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(encode_module, "_BATCH", 7)  # many batches a worker
    one = encode_corpus(language(), tokenizer, corpus, tmp_path / "one", workers=1)
    two = encode_corpus(language(), tokenizer, corpus, tmp_path / "two", workers=2)
    assert one == two
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_manifest_says_what_open_token_file_and_verify_need(corpus: Path, tokenizer: Tokenizer, tmp_path: Path):
    manifest = encode_corpus(language(), tokenizer, corpus, tmp_path)
    tokens = open_token_file(tmp_path, "train")
    assert tokens.ids.dtype == np.uint16
    assert (tokens.vocabulary, tokens.tokenizer, tokens.language) == (500, tokenizer.fingerprint, "xx")
    assert tokens.sources == ("news", "verse")
    assert manifest["splits"]["train"]["tokens"] == len(tokens.ids)
    texts = [
        t
        for batch in read_batches(shard_paths(finished_corpus(corpus), "train"), ["text"])
        for t in batch["text"].to_pylist()
    ]
    assert manifest["splits"]["train"]["joiners"] == sum(text.count("\u200c") for text in texts) > 0
    assert sorted(manifest["files"]) == sorted(FILES)
    assert verify_folder(tmp_path, "tokens") == []


def test_encoding_again_does_nothing_until_a_byte_or_the_tokenizer_changes(
    corpus: Path, tokenizer: Tokenizer, tmp_path: Path
):
    folder = tmp_path / "tokens"
    first = encode_corpus(language(), tokenizer, corpus, folder)
    assert "unchanged" not in first
    assert encode_corpus(language(), tokenizer, corpus, folder)["unchanged"]
    with open(folder / "valid.bin", "r+b") as file:
        file.write(b"\x00\x01")
    assert encode_corpus(language(), tokenizer, corpus, folder) == first
    train_tokenizer(language(), corpus, tmp_path / "tokenizer", vocabulary=510)
    other = encode_corpus(language(), Tokenizer.load(tmp_path / "tokenizer", language()), corpus, folder)
    assert "unchanged" not in other
    assert other["vocabulary"] == 510


def test_a_failure_half_way_leaves_what_stood_there(corpus: Path, tokenizer: Tokenizer, tmp_path: Path):
    encode_corpus(language(), tokenizer, corpus, tmp_path)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_corpus(language(), tokenizer, corpus, tmp_path, force=True, report=stop)
    assert verify_folder(tmp_path, "tokens") == []
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(KeyboardInterrupt):
        encode_corpus(language(), tokenizer, corpus, tmp_path / "first", report=stop)
    with pytest.raises(ArtifactError):
        open_token_file(tmp_path / "first", "train")


def test_an_empty_split_is_an_empty_file_and_an_empty_corpus_an_error(tokenizer: Tokenizer, tmp_path: Path):
    some = write_corpus(tmp_path / "some", {"train": [documents(3)], "valid": [[]]})
    encode_corpus(language(), tokenizer, some, tmp_path / "tokens")
    assert len(open_token_file(tmp_path / "tokens", "valid").ids) == 0
    none = write_corpus(tmp_path / "none", {"train": [[]]})
    with pytest.raises(ArtifactError, match="no text in any split"):
        encode_corpus(language(), tokenizer, none, tmp_path / "tokens2")


def test_a_corpus_in_another_normal_form_is_refused(tokenizer: Tokenizer, tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", {"train": [[row("old", "كتاب")]]})
    with pytest.raises(ArtifactError, match="not in the normal form"):
        encode_corpus(language(), tokenizer, corpus, tmp_path / "tokens")
