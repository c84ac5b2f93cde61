"""A token file: the ids of one split in a row, and where each document ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.atomic import atomic_write, read_json
from ulmkit.errors import ArtifactError
from ulmkit.files import require_regular

# end: index just past the document's last id; the sizes are of its normalized text, for bits per character and byte
DOCUMENT = np.dtype([("end", "<i8"), ("characters", "<i4"), ("bytes", "<i4"), ("words", "<i4"), ("source", "<i2")])


def id_dtype(vocabulary: int) -> np.dtype:
    """Two bytes an id while they suffice."""
    return np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")


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
    """The token file of `split` under `folder` (which holds `manifest.json`), checked against its sizes."""
    manifest = read_json(folder / "manifest.json")
    path = folder / f"{split}.bin"
    try:
        entry = manifest["splits"][split]
        dtype, tokens = np.dtype(entry["dtype"]), int(entry["tokens"])
        vocabulary, bos = int(manifest["vocabulary"]), int(manifest["bos"])
        tokenizer, language = str(manifest["tokenizer"]), str(manifest["language"])
        sources: Sequence[str] = manifest["sources"]
        ordered = manifest.get("ordered", False) is True
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder / 'manifest.json'}: no token file '{split}' in it. Encode again.") from error
    size = path.stat().st_size if path.exists() else -1
    if size != tokens * dtype.itemsize:
        raise ArtifactError(
            f"{path}: {'missing' if size < 0 else f'{size:,} bytes'}, the manifest says "
            f"{tokens * dtype.itemsize:,}. Run `ulmkit tokenizer encode {language}` again."
        )
    ids = np.memmap(path, dtype, "r", shape=(tokens,)) if tokens else np.empty(0, dtype)
    try:
        # mapped first: what its header claims is compared with its size before any memory is taken
        require_regular(folder / f"{split}.docs.npy")
        documents = np.array(np.lib.format.open_memmap(folder / f"{split}.docs.npy", mode="r"))
    except (OSError, ValueError, OverflowError) as error:
        raise ArtifactError(f"{folder / f'{split}.docs.npy'}: cannot be read ({error}). Encode again.") from error
    shaped = documents.dtype == DOCUMENT and documents.ndim == 1
    if not shaped or np.any(np.diff(documents["end"], prepend=0) < 1) or tokens != sum(documents["end"][-1:]):
        raise ArtifactError(f"{folder / f'{split}.docs.npy'}: does not belong to {path.name}. Encode again.")
    return TokenFile(ids, documents, vocabulary, bos, tokenizer, language, tuple(sources), path, ordered)
