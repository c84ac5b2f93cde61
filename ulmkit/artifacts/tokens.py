"""A token file: the ids of one split in a row, and where each document ends."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.manifest import MANIFEST, Manifest, changed_files
from ulmkit.artifacts.steady import unchanged
from ulmkit.errors import ArtifactError
from ulmkit.files import require_regular

LARGEST_VOCABULARY = 1 << 32  # of ids that take four bytes
COUNTABLE = 1 << 48  # tokens that a file may say it holds: their bytes still are a number of 64 bits
# end: index just past the document's last id; the sizes are of its normalized text, for bits per character and byte
DOCUMENT = np.dtype([("end", "<i8"), ("characters", "<i4"), ("bytes", "<i4"), ("words", "<i4"), ("source", "<i2")])


ID_TYPES: dict[str, np.dtype] = {"<u2": np.dtype("<u2"), "<u4": np.dtype("<u4")}


def id_dtype(vocabulary: int) -> np.dtype:
    """Two bytes an id while they suffice."""
    return ID_TYPES["<u2" if vocabulary <= 1 << 16 else "<u4"]


@dataclass(frozen=True)
class TokenFile:
    """One split as numbers, mapped from disk.

    `ids` has shape (tokens,), `documents` shape (documents,) and dtype `DOCUMENT`. Every document starts with
    `bos`. `sources` names what `documents["source"]` counts. `tokenizer` is the tokenizer's fingerprint. Where they are
    `ordered`, the documents are one text in its order, which no epoch changes.
    """

    ids: np.ndarray
    documents: np.ndarray
    vocabulary: int
    bos: int
    tokenizer: str
    language: str
    sources: tuple[str, ...]
    path: Path
    ordered: bool = False
    sha256: str | None = None  # of the ids as they were written; None where no file was

    def refuse_damage(self) -> None:
        """Raise `ArtifactError` where the ids are not as they were written, or one is beyond the vocabulary.

        It reads the whole file: once, before a use.
        """
        if self.sha256 and hashlib.sha256(np.ascontiguousarray(self.ids)).hexdigest() != self.sha256:
            raise ArtifactError(f"{self.path}: content changed since it was encoded. Encode again.")
        largest = int(self.ids.max()) if len(self.ids) else 0
        if largest >= self.vocabulary:  # it would end in an index error deep inside a kernel
            raise ArtifactError(f"{self.path}: id {largest:,} in a vocabulary of {self.vocabulary:,}. Encode again.")

    @property
    def characters(self) -> int:
        return int(self.documents["characters"].sum(dtype=np.int64))

    @property
    def bytes(self) -> int:
        return int(self.documents["bytes"].sum(dtype=np.int64))


def write_token_file(
    folder: Path, split: str, chunks: Iterable[tuple[np.ndarray, np.ndarray]], *, vocabulary: int
) -> dict[str, Any]:
    """Write `<split>.bin` and `<split>.docs.npy` from (ids, documents) chunks; return their manifest entry.

    Each chunk's `documents["end"]` counts within the chunk; it becomes an offset in the file here.
    """
    dtype = id_dtype(vocabulary)
    total, parts = 0, []
    with atomic_write(folder / f"{split}.bin") as file:
        for ids, documents in chunks:
            file.write(np.ascontiguousarray(ids, dtype).tobytes())
            documents = documents.astype(DOCUMENT)
            documents["end"] += total
            total += len(ids)
            parts.append(documents)
    documents = np.concatenate(parts) if parts else np.empty(0, DOCUMENT)
    with atomic_write(folder / f"{split}.docs.npy") as file:
        np.save(file, documents, allow_pickle=False)
    return {
        "dtype": dtype.str,
        "tokens": total,
        "documents": len(documents),
        "characters": int(documents["characters"].sum(dtype=np.int64)),
        "bytes": int(documents["bytes"].sum(dtype=np.int64)),
        "words": int(documents["words"].sum(dtype=np.int64)),
    }


def open_token_file(folder: Path, split: str) -> TokenFile:
    """The token file of `split` under `folder` (which holds `manifest.json`), checked against its sizes.

    Its ids are not read: `refuse_damage` looks at them.
    """
    path = folder / f"{split}.bin"
    changed = ArtifactError(f"{folder}: was encoded anew while it was opened. Run the same command again.")
    with unchanged([folder / MANIFEST, path, folder / f"{split}.docs.npy"], lambda _: changed):
        return _opened(folder, split, path)


def _opened(folder: Path, split: str, path: Path) -> TokenFile:
    manifest = Manifest.read(folder, "tokens")
    about, files = _described(manifest, split), manifest.files
    size = path.stat().st_size if path.exists() else -1
    if size != about.tokens * about.dtype.itemsize:
        raise ArtifactError(
            f"{path}: {'missing' if size < 0 else f'{size:,} bytes'}, the manifest says "
            f"{about.tokens * about.dtype.itemsize:,}. Run `ulmkit tokenizer encode {about.language}` again."
        )
    ids = np.memmap(path, about.dtype, "r", shape=(about.tokens,)) if about.tokens else np.empty(0, about.dtype)
    documents = _documents(folder / f"{split}.docs.npy", path.name, about)
    if wrong := changed_files(folder, {name: files[name] for name in (f"{split}.docs.npy",) if name in files}):
        raise ArtifactError(f"{wrong[0]}. Encode again.")
    sha256 = files[path.name].sha256 if path.name in files else None
    named = (about.vocabulary, about.bos, about.tokenizer, about.language, about.sources)
    return TokenFile(ids, documents, *named, path, about.ordered, sha256)


@dataclass(frozen=True)
class _Described:
    """What a manifest says of a token file."""

    dtype: np.dtype
    tokens: int
    vocabulary: int
    bos: int
    tokenizer: str
    language: str
    sources: tuple[str, ...]
    ordered: bool


def _described(manifest: Manifest, split: str) -> _Described:
    """What `manifest` says of `split`; `ArtifactError` where that cannot be true."""
    content, path = manifest.content, manifest.folder / MANIFEST
    try:
        entry, sources = content["splits"][split], content["sources"]
        about = _Described(
            ID_TYPES[entry["dtype"]],
            entry["tokens"],
            content["vocabulary"],
            content["bos"],
            content["tokenizer"],
            content["language"],
            tuple(sources),
            content.get("ordered", False),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: no token file '{split}' in it. Encode again.") from error
    counts = (about.tokens, about.vocabulary, about.bos)
    if not (
        all(type(number) is int for number in counts)
        and isinstance(sources, list)
        and all(isinstance(text, str) for text in (about.tokenizer, about.language, *sources))
        and isinstance(about.ordered, bool)
        and 0 <= about.tokens <= COUNTABLE
        and 0 <= about.bos < about.vocabulary <= LARGEST_VOCABULARY
    ):
        raise ArtifactError(f"{path}: what it says of the token file '{split}' cannot be so. Encode again.")
    return about


def _documents(path: Path, of: str, about: _Described) -> np.ndarray:
    """Ends, sizes and sources of documents, shape (documents,); `ArtifactError` where they do not fit the file `of`."""
    try:
        # mapped first: what its header claims is compared with its size before any memory is taken
        require_regular(path)
        documents = np.array(np.lib.format.open_memmap(path, mode="r"))
    except (OSError, ValueError, OverflowError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error}). Encode again.") from error
    if documents.dtype != DOCUMENT or documents.ndim != 1:
        raise ArtifactError(f"{path}: does not belong to {of}. Encode again.")
    ends, source = documents["end"], documents["source"]
    rising = bool((ends[:1] >= 1).all() and (ends[1:] > ends[:-1]).all())
    if not rising or about.tokens != int(ends[-1] if len(ends) else 0):
        raise ArtifactError(f"{path}: does not belong to {of}. Encode again.")
    if any(bool((documents[name] < 0).any()) for name in ("characters", "bytes", "words")):
        raise ArtifactError(f"{path}: has documents of a negative size. Encode again.")
    if bool(((source < 0) | (source >= len(about.sources))).any()):
        raise ArtifactError(f"{path}: names sources beyond the {len(about.sources)} of the manifest. Encode again.")
    return documents
