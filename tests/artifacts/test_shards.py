"""Shards and token files give back what was written, and say so when they cannot."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ulmkit.artifacts.manifest import Manifest, describe_files, verify_folder, write_manifest
from ulmkit.artifacts.shards import (
    SCHEMA,
    ShardRow,
    corpus_digest,
    corpus_read,
    finished_corpus,
    logical_hash,
    read_batches,
    shard_paths,
    shard_texts,
    write_shard,
)
from ulmkit.artifacts.tokens import DOCUMENT, id_dtype, open_token_file, write_token_file
from ulmkit.errors import ArtifactError


def rows(count: int) -> list[dict]:
    return [
        {
            "id": f"s/{i}", "text": f"متن {i}\nمی\u200cروم", "title": "", "url": "", "source": "s",
            "licence": "CC0-1.0",
            "consent": "",
            "consent_ground": "",
            "language": "xx", "fetched_at": datetime(2024, 1, 2, tzinfo=UTC), "published_at": None,
            "content_hash": bytes(16), "cluster": -i, "cluster_size": 1, "characters": 9, "words": 3,
        }
        for i in range(count)
    ]  # fmt: skip


def test_rows_come_back_as_written(tmp_path: Path):
    path = tmp_path / "part-00000.parquet"
    write_shard(path, rows(5))
    (batch,) = read_batches([path])
    assert batch.schema.equals(SCHEMA)
    assert batch.to_pylist() == rows(5)
    assert list(shard_texts([path])) == [row["text"] for row in rows(5)]


def test_equal_rows_are_equal_bytes_and_hashes(tmp_path: Path):
    for name in "ab":
        write_shard(tmp_path / name, rows(5))
    write_shard(tmp_path / "c", rows(6))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert logical_hash(tmp_path / "a") == logical_hash(tmp_path / "b") != logical_hash(tmp_path / "c")


def test_a_damaged_shard_is_named(tmp_path: Path):
    path = tmp_path / "part-00000.parquet"
    write_shard(path, rows(2000))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet: damaged"):
        list(shard_texts([path]))


def test_an_unfinished_corpus_is_no_corpus(tmp_path: Path):
    with pytest.raises(ArtifactError, match="corpus build"):
        finished_corpus(tmp_path)


def chunk(ids: list[int], ends: list[int]) -> tuple[np.ndarray, np.ndarray]:
    documents = np.zeros(len(ends), DOCUMENT)
    documents["end"], documents["characters"], documents["bytes"] = ends, 10, 20
    return np.array(ids), documents


def manifest(folder: Path, entry: dict) -> None:
    content = {"splits": {"train": entry}, "vocabulary": 70_000, "bos": 1, "tokenizer": "t", "language": "xx"}
    write_manifest(folder, "tokens", content | {"sources": ["s"], "files": {}})


def test_only_the_shards_that_the_manifest_names_are_read(tmp_path: Path):
    for split, number in (("train", 0), ("train", 1), ("test", 0)):
        write_shard(tmp_path / split / f"part-{number:05d}.parquet", [])
    write_manifest(tmp_path, "corpus", {"files": describe_files(tmp_path, tmp_path.rglob("*.parquet"))})
    shutil.copy(tmp_path / "test/part-00000.parquet", tmp_path / "train/part-00002.parquet")
    corpus = finished_corpus(tmp_path)
    assert [path.name for path in shard_paths(corpus, "train")] == ["part-00000.parquet", "part-00001.parquet"]
    (line,) = verify_folder(tmp_path, "corpus")
    assert line.startswith(f"{tmp_path}/train/part-00002.parquet: not named in manifest.json")


def test_a_corpus_is_named_by_the_bytes_that_were_written(tmp_path: Path):
    write_shard(tmp_path / "train/part-00000.parquet", [])
    write_manifest(tmp_path, "corpus", {"files": describe_files(tmp_path, tmp_path.rglob("*.parquet"))})
    corpus = finished_corpus(tmp_path)
    digest = corpus_digest(corpus, ["train"])
    (tmp_path / "train/part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet: 4 bytes, written with .* Build the corpus again"):
        corpus_digest(corpus, ["train"])
    assert len(digest) == 12


def test_a_corpus_that_another_build_exchanges_is_noticed_by_its_reader(tmp_path: Path):
    def build(folder: Path, rows: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        write_shard(folder / "train/part-00000.parquet", [{"text": "x"}] * rows)
        write_manifest(folder, "corpus", {"files": describe_files(folder, folder.rglob("*.parquet"))})

    build(tmp_path / "corpus", 1)
    with corpus_read(tmp_path / "corpus") as corpus:
        assert list(shard_texts(shard_paths(corpus, "train"))) == ["x"]
    with (
        pytest.raises(ArtifactError, match=r"the corpus changed while it was read. Run the same command again"),
        corpus_read(tmp_path / "corpus"),
    ):
        build(tmp_path / "corpus", 2)

    def read_while_it_goes() -> None:
        with corpus_read(tmp_path / "corpus") as corpus:
            shutil.rmtree(tmp_path / "corpus")
            list(shard_texts(shard_paths(corpus, "train")))

    with pytest.raises(ArtifactError, match="the corpus changed while it was read") as caught:
        read_while_it_goes()
    assert caught.value.__cause__ is not None


def test_chunks_become_one_row_of_ids(tmp_path: Path):
    chunks = [chunk([1, 69_999, 1, 5], [2, 4]), chunk([1, 7, 8], [3])]
    manifest(tmp_path, write_token_file(tmp_path, "train", chunks, vocabulary=70_000))
    tokens = open_token_file(tmp_path, "train")
    assert tokens.ids.tolist() == [1, 69_999, 1, 5, 1, 7, 8]
    assert tokens.documents["end"].tolist() == [2, 4, 7]
    assert (tokens.characters, tokens.bytes) == (30, 60)


def test_two_bytes_an_id_while_they_suffice():
    assert [id_dtype(v).itemsize for v in (2, 65_536, 65_537)] == [2, 2, 4]


def test_a_cut_token_file_is_refused(tmp_path: Path):
    manifest(tmp_path, write_token_file(tmp_path, "train", [chunk([1, 2], [2])], vocabulary=70_000))
    (tmp_path / "train.bin").write_bytes(b"\0" * 4)
    with pytest.raises(ArtifactError, match=r"4 bytes, the manifest says 8"):
        open_token_file(tmp_path, "train")
    with pytest.raises(ArtifactError, match="no token file 'valid'"):
        open_token_file(tmp_path, "valid")


def test_a_token_file_of_which_a_bit_is_another_is_not_learnt_from(tmp_path: Path):
    entry = write_token_file(tmp_path, "train", [chunk([1, 69_999, 1, 5], [2, 4])], vocabulary=70_000)
    about = {"splits": {"train": entry}, "vocabulary": 70_000, "bos": 1, "tokenizer": "t", "language": "xx"}
    files = describe_files(tmp_path, [tmp_path / "train.bin", tmp_path / "train.docs.npy"])
    write_manifest(tmp_path, "tokens", about | {"sources": ["s"], "files": files})
    open_token_file(tmp_path, "train").refuse_damage()
    for name in ("train.bin", "train.docs.npy"):
        path = tmp_path / name
        content = path.read_bytes()
        path.write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])
        with pytest.raises(ArtifactError, match=r"content changed|cannot be so|does not belong|beyond"):
            open_token_file(tmp_path, "train").refuse_damage()
        path.write_bytes(content)


def test_a_rows_type_has_a_key_for_each_column():
    assert ShardRow.__annotations__.keys() == set(SCHEMA.names)


def test_reading_a_corpus_reads_its_manifest_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_shard(tmp_path / "train/part-00000.parquet", rows(2))
    write_manifest(tmp_path, "corpus", {"files": describe_files(tmp_path, tmp_path.rglob("*.parquet"))})
    read, real = [], Manifest.read.__func__
    monkeypatch.setattr(Manifest, "read", classmethod(lambda cls, *given: read.append(given) or real(cls, *given)))
    with corpus_read(tmp_path):
        pass
    assert len(read) == 1
