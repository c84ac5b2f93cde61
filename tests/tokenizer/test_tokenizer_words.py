"""A benchmark cut into words is taken as it is: each word and each line's end once, in the order of the file."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import Manifest, verify_folder, write_manifest
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.errors import ArtifactError, InputError, UlmkitError, UsageError
from ulmkit.tokenizer import words as module
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.words import EOS, Words, encode_words, holds_words, read_lines

TRAIN = b" b a \n\n = b = \nb <unk> a\n"


def encode(folder: Path, train: bytes = TRAIN, valid: bytes = b"a b\n", test: bytes = b"b\n") -> Path:
    """The token files of three texts."""
    folder.mkdir(exist_ok=True)
    for split, content in zip(SPLITS, (train, valid, test), strict=True):
        (folder / f"{split}.txt").write_bytes(content)
    encode_words("xx", {split: folder / f"{split}.txt" for split in SPLITS}, folder / "tokenizer", folder / "tokens")
    return folder / "tokens"


def test_a_line_is_its_words_behind_an_eos(tmp_path: Path) -> None:
    """By hand: three b, two a and two =, one <unk>; equal counts by spelling."""
    tokens = open_token_file(encode(tmp_path), "train")
    words = Words.load(tmp_path / "tokenizer")
    assert words.words == (EOS, "b", "=", "a", "<unk>")
    assert tokens.ids.tolist() == [0, 1, 3, 0, 0, 2, 1, 2, 0, 1, 4, 3]
    assert tokens.documents["end"].tolist() == [3, 4, 8, 12]
    assert tokens.documents["characters"].tolist() == [len("b a\n"), 1, len("= b =\n"), len("b <unk> a\n")]
    assert (tokens.bos, tokens.ordered, tokens.vocabulary, tokens.tokenizer) == (0, True, 5, words.fingerprint)
    assert open_token_file(tmp_path / "tokens", "valid").ids.tolist() == [0, 3, 1]


def test_both_folders_are_whole_and_say_what_they_are_made_of(tmp_path: Path) -> None:
    tokens = encode(tmp_path)
    assert verify_folder(tokens, "tokens") == verify_folder(tmp_path / "tokenizer", "tokenizer") == []
    assert holds_words(tmp_path / "tokenizer")
    manifest = Manifest.read(tokens, "tokens").content
    assert [manifest["splits"][split]["tokens"] for split in SPLITS] == [12, 3, 2]
    assert Manifest.read(tmp_path / "tokenizer", "tokenizer").content["inputs"] == manifest["inputs"]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ç", "<unk>"]), max_size=6), min_size=1, max_size=30))
def test_what_was_encoded_is_decoded(lines: list[list[str]]) -> None:
    words = Words((EOS, "a", "b", "ç", "<unk>"))
    text = "\n".join(map(" ".join, lines))
    assert words.decode(words.encode(text)) == text


@pytest.mark.parametrize(
    "train",
    [
        TRAIN.replace(b"\n", b"\r\n"),
        TRAIN.replace(b" ", b"\t"),
        TRAIN.replace(b" ", "\u00a0 \u2009".encode()),
        b"\xef\xbb\xbf" + TRAIN,
        TRAIN.removesuffix(b"\n"),
        gzip.compress(TRAIN),
    ],
    ids=["crlf", "tab", "unicode spaces", "byte order mark", "no last newline", "gzip"],
)
def test_however_it_is_written_the_words_are_the_same(train: bytes, tmp_path: Path) -> None:
    plain, other = (
        open_token_file(encode(tmp_path / name, text), "train") for name, text in (("plain", TRAIN), ("other", train))
    )
    assert plain.tokenizer == other.tokenizer
    assert np.array_equal(plain.ids, other.ids)


def test_a_file_is_read_a_few_lines_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode(tmp_path / "whole")
    monkeypatch.setattr(module, "LINES", 1)
    parts = encode(tmp_path / "parts")
    for name in ("train.bin", "train.docs.npy", "test.bin"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_unknown_words_become_unk_and_are_counted(tmp_path: Path) -> None:
    tokens = encode(tmp_path, valid=b"a c\nd\n")
    assert open_token_file(tokens, "valid").ids.tolist() == [0, 3, 4, 0, 4]
    splits = Manifest.read(tokens, "tokens").content["splits"]
    assert [splits[split]["replaced"] for split in SPLITS] == [0, 2, 0]


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_file_alone_in_a_zip_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(a=TRAIN, __MACOSX=b"x"))
    assert list(read_lines(tmp_path / "a.zip")) == [line.split() for line in TRAIN.decode().splitlines()]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"train": b""}, "train.txt: no words"),
        ({"train": b"\n \n\t\n"}, "train.txt: no words"),
        ({"test": b""}, "test.txt: empty"),
        ({"valid": b"a\nb \xff\n"}, r"valid.txt:2: not UTF-8 \(invalid start byte at byte 3"),
        ({"valid": "a b\n".encode("utf-16")}, "valid.txt:1: not UTF-8"),
        ({"train": b"a b\nb <eos>\n"}, "train.txt:2: holds <eos>"),
        ({"train": b"a b\n", "test": b"a\na c\n"}, "test.txt:2: 'c' is not in the training file, which has no <unk>"),
        ({"test": gzip.compress(TRAIN)[:-9]}, "test.txt: a damaged gzip file"),
        ({"train": b"PK\3\4" + TRAIN}, "train.txt: a damaged zip"),
        ({"train": zipped(a=TRAIN)[:-5]}, "train.txt: a damaged zip"),
        ({"train": zipped(a=TRAIN).replace(TRAIN, TRAIN.upper())}, "train.txt: a damaged zip"),
        ({"train": zipped(a=TRAIN, b=TRAIN)}, r"train.txt: a zip of 2 files \(a, b\). Unpack it"),
        ({"test": gzip.compress(TRAIN)[:12] + b"\xff" * 30}, "test.txt: a damaged gzip file"),
        ({"test": b"a " * 60}, "test.txt:1: a line of more than 100 bytes"),
    ],
)
def test_what_is_no_such_text_is_refused_in_one_line(
    texts: dict[str, bytes], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    with pytest.raises(InputError, match=says) as caught:
        encode(tmp_path, **texts)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "tokens" / "manifest.json").exists(), "half of it is nothing"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_and_a_folder_are_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "odd")
    with pytest.raises(InputError, match="not a regular file but a"):
        list(read_lines(tmp_path / "odd"))


def test_a_tokenizer_of_pieces_is_not_written_over(tmp_path: Path) -> None:
    write_manifest(tmp_path / "tokenizer", "tokenizer", {"files": {"spm.model": {}}})
    with pytest.raises(UsageError, match="holds a tokenizer of pieces"):
        encode(tmp_path)


def test_neither_tokenizer_is_taken_for_the_other(tmp_path: Path) -> None:
    encode(tmp_path)
    with pytest.raises(ArtifactError, match="of words, not of pieces"):
        Tokenizer.load(tmp_path / "tokenizer")
    write_manifest(tmp_path / "pieces", "tokenizer", {"files": {"spm.model": {}}})
    with pytest.raises(ArtifactError, match="of pieces, not of words"):
        Words.load(tmp_path / "pieces")


def test_a_changed_vocabulary_is_found(tmp_path: Path) -> None:
    encode(tmp_path)
    path = tmp_path / "tokenizer" / "vocab.json"
    path.write_text(path.read_text().replace('"a"', '"e"'))
    with pytest.raises(ArtifactError, match="content changed"):
        Words.load(tmp_path / "tokenizer")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Words((EOS, "a")).encode("a b"), "'b' is none of the 2 words"),
        (lambda: Words((EOS, "a")).decode([0, 2]), "2 is no id"),
        (lambda: Words((EOS, "a")).decode([-1]), "-1 is no id"),
    ],
)
def test_what_has_no_id_or_is_none_is_said(call: Callable[[], object], says: str) -> None:
    with pytest.raises(UlmkitError, match=says):
        call()
