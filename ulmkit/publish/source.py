"""What is exported: a run's model with its tokenizer; and what every format writes and is measured by."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ulmkit.artifacts.atomic import read_json
from ulmkit.artifacts.manifest import Manifest, whole_files
from ulmkit.artifacts.stage import reading
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import Checkpoint, write_bytes
from ulmkit.lm.model import AWDLSTM

CONFIG, PIECES, README = "config.json", "vocab.json", "README.md"  # in every export
TOKENIZER = "tokenizer"  # a copy of the tokenizer's folder, in the export

Logits = list[torch.Tensor]  # (T, B, V) of each batch


class Source(NamedTuple):
    """The model, the checkpoint that it came from, its tokenizer's folder and pieces by id, and a name for files."""

    model: AWDLSTM
    checkpoint: Checkpoint
    tokenizer: Path
    pieces: list[str]
    name: str


def our_logits(model: AWDLSTM, batches: torch.Tensor) -> Logits:
    """Logits (T, B, V) of each batch, the state carried from one to the next; the model's own state stays."""
    before = model.carried()
    model.reset()
    with torch.no_grad():
        logits = [model.logits(ids) for ids in batches]
    model.carry(before)
    return logits


def trained_pieces(tokenizer: Path, checkpoint: Checkpoint) -> list[str]:
    """The pieces (or words) of the tokenizer in folder `tokenizer`, which must be the one of the model's training."""
    manifest = Manifest.read(tokenizer, "tokenizer")
    trained = checkpoint.identity.tokenizer
    if manifest.fingerprint != trained:
        raise ArtifactError(
            f"{tokenizer}: tokenizer {manifest.fingerprint}, the model was trained with {trained}. "
            "Bring that one back, or export the run of this one."
        )
    if problems := manifest.problems():
        raise ArtifactError(f"{problems[0]}. Train the tokenizer again.")
    return read_pieces(tokenizer / PIECES)


def read_pieces(path: Path) -> list[str]:
    """The pieces by id of a tokenizer's vocab.json."""
    content = read_json(path)
    try:
        pieces = [piece for piece, _ in content["pieces"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: not the vocabulary of a tokenizer.") from error
    if not all(isinstance(piece, str) for piece in pieces):
        raise ArtifactError(f"{path}: not the vocabulary of a tokenizer.")
    return pieces


def copy_tokenizer(source: Source, folder: Path) -> dict[str, str]:
    """The tokenizer's files into `folder`/tokenizer; name → SHA-256."""
    with reading(source.tokenizer, "tokenizer"):
        files = whole_files(source.tokenizer, "tokenizer")
    (folder / TOKENIZER).mkdir()
    return {f"{TOKENIZER}/{name}": write_bytes(folder / TOKENIZER / name, content) for name, content in files.items()}


def language_of(source: Source) -> dict[str, Any]:
    """Which language, as it was when the tokenizer was trained."""
    manifest = Manifest.read(source.tokenizer, "tokenizer")
    return {
        "code": manifest.language,
        "fingerprint": manifest.language_fingerprint,
        "normalization": manifest.normalization,
    }


def of_words(source: Source) -> bool:
    """Whether its ids are words, not pieces."""
    return Manifest.read(source.tokenizer, "tokenizer").kind == "words"
