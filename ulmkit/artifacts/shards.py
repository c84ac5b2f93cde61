"""Parquet shards: the corpus on disk, one row a document."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.manifest import MANIFEST, Manifest, changed_files, fingerprint
from ulmkit.artifacts.stage import reading
from ulmkit.errors import ArtifactError, system_error
from ulmkit.files import require_regular

ROW_GROUP = 2_000  # documents; fewer cost compression, more cost memory (3.30 against 3.31 at 30,000)

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("title", pa.string()),
        ("url", pa.string()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("licence", pa.dictionary(pa.int32(), pa.string())),
        ("consent", pa.dictionary(pa.int32(), pa.string())),
        ("consent_ground", pa.dictionary(pa.int32(), pa.string())),
        ("language", pa.string()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
        ("published_at", pa.timestamp("us", tz="UTC")),
        ("content_hash", pa.binary(16)),
        ("cluster", pa.int64()),
        ("cluster_size", pa.int32()),
        ("characters", pa.int32()),
        ("words", pa.int32()),
    ]
)


class DocumentRow(TypedDict):
    """A document's columns, before it is known which others say the same."""

    id: str
    text: str
    title: str
    url: str
    source: str
    licence: str
    consent: str
    consent_ground: str
    language: str
    fetched_at: datetime | None
    published_at: datetime | None
    content_hash: bytes
    characters: int
    words: int


class ShardRow(DocumentRow):
    """A row of a shard: one value for each column of `SCHEMA`."""

    cluster: int
    cluster_size: int


def write_shard(path: Path, rows: Sequence[ShardRow]) -> None:
    """Write one shard whole. Equal rows are equal bytes: nothing of the clock or the machine goes in."""
    with atomic_write(path) as file:
        pq.write_table(
            pa.Table.from_pylist(list(rows), schema=SCHEMA),
            file,
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=3,
            use_dictionary=[
                "source",
                "licence",
                "consent",
                "consent_ground",
                "language",
            ],  # text gains nothing from one
            write_statistics=["source", "characters", "cluster"],  # min and max of a text are whole texts
            write_page_checksum=True,
            store_schema=True,
        )


def finished_corpus(corpus: Path) -> Manifest:
    """The manifest of a built corpus. Raises `ArtifactError` where there is none, or it is damaged."""
    _require_corpus(corpus)
    return Manifest.read(corpus, "corpus")


def _require_corpus(corpus: Path) -> None:
    if not (corpus / MANIFEST).exists():
        raise ArtifactError(f"{corpus}: no finished corpus here. Run `ulmkit corpus build` first.")


def shard_paths(corpus: Manifest, split: str) -> list[Path]:
    """The shards of one split in order, as the manifest names them."""
    return [path for path in corpus.paths(split) if path.suffix == ".parquet"]


def corpus_digest(corpus: Manifest, splits: Iterable[str]) -> str:
    """What names the documents of some splits: a hash over their shards' bytes, in order.

    Raises `ArtifactError` where those are not the bytes that were written.
    """
    paths = [path for split in splits for path in shard_paths(corpus, split)]
    names = [path.relative_to(corpus.folder).as_posix() for path in paths]
    if wrong := changed_files(corpus.folder, {name: corpus.files[name] for name in names}):
        raise ArtifactError(f"{wrong[0]}. Build the corpus again.")
    return fingerprint([corpus.files[name].sha256 for name in names])


@contextlib.contextmanager
def corpus_read(corpus: Path) -> Iterator[Manifest]:
    """Read a built corpus, and find out whether it was another one by the end (see `stage.reading`)."""
    _require_corpus(corpus)
    with reading(corpus, "corpus") as manifest:
        yield manifest


def native_file(path: Path) -> pa.NativeFile:
    """The file at `path` for Arrow to read, which takes only names in UTF-8 where they are strings."""
    return pa.OSFile(os.fsencode(path))


def read_batches(
    paths: Iterable[Path], columns: Sequence[str] | None = None, batch_size: int = ROW_GROUP
) -> Iterator[pa.RecordBatch]:
    """Row batches of the shards, in order; a damaged shard is an `ArtifactError` that names it."""
    for path in paths:
        try:
            require_regular(path)
            with (
                native_file(path) as source,
                pq.ParquetFile(source, page_checksum_verification=True) as file,
            ):
                yield from file.iter_batches(batch_size=batch_size, columns=columns)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the system's; Arrow's own have no number
                raise ArtifactError(system_error(error, path, cannot="cannot be read")) from error
            raise ArtifactError(f"{path}: damaged ({str(error).splitlines()[0]}). Build the corpus again.") from error


def shard_texts(paths: Iterable[Path]) -> Iterator[str]:
    """The text of every document, in order."""
    for batch in read_batches(paths, ["text"]):
        yield from batch.column("text").to_pylist()


def read_frame(shards: Mapping[str, Iterable[Path]]) -> Any:
    """A pandas DataFrame of all rows, by split, whose name stands in a last column `split`; read whole.

    Text that repeats (source, licence) is categorical. A damaged shard is an `ArtifactError` that names it.
    """
    tables = []
    for split, paths in shards.items():
        rows = pa.Table.from_batches(read_batches(paths), SCHEMA)
        names = pa.array([split] * len(rows), pa.string()).dictionary_encode()
        tables.append(rows.append_column("split", names))
    return pa.concat_tables(tables, promote_options="default").to_pandas()


def logical_hash(path: Path) -> str:
    """A hash of the rows themselves: equal however Parquet laid them out."""
    digest = xxhash.xxh3_128()
    for batch in read_batches([path]):
        for row in batch.to_pylist():
            digest.update(repr(sorted(row.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
