"""A model as safetensors: its weights, its config and its tokenizer, which ulmkit loads anywhere."""

from pathlib import Path

import torch

from ulmkit.artifacts.manifest import file_sha256
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import (
    Checkpoint,
    build_model,
    read_tensors,
    tensor_bytes,
    write_bytes,
)
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.state import FORMAT, MODEL, read_sealed, write_state
from ulmkit.publish.cards import safetensors_readme
from ulmkit.publish.source import CONFIG, README, Logits, Source, copy_tokenizer, language_of, our_logits


def write_safetensors(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """model.safetensors, config.json and the tokenizer: all that `load_exported` needs, anywhere."""
    state = source.checkpoint.state
    files = {MODEL: write_bytes(new / MODEL, tensor_bytes(source.checkpoint.model))}
    files |= copy_tokenizer(source, new)
    write_state(
        new / CONFIG,
        {
            "format": FORMAT,
            "model_type": "awd-lstm",
            "config": source.checkpoint.config.to_json(),
            "identity": state["identity"],
            "language": language_of(source),
            "files": files,
        },
    )
    write_bytes(new / README, safetensors_readme(source).encode())
    loaded = load_exported(new)
    loaded.config = source.model.config  # one backend, so that equal weights are equal bits
    return our_logits(loaded, batches)


def load_exported(folder: Path) -> AWDLSTM:
    """The model of a safetensors export, in evaluation mode, from whatever machine; every byte is checked.

    Its tokenizer is beside it: `Tokenizer.load(folder / "tokenizer", language)`.
    """
    state = read_sealed(folder / CONFIG)
    for name, sha256 in state["files"].items():
        if name != MODEL:
            _refuse_changed(folder / name, sha256)
    checkpoint = Checkpoint(folder, read_tensors(folder / MODEL, state["files"][MODEL]), {}, state)
    return build_model(checkpoint.identity, checkpoint.config, checkpoint.model, folder / MODEL)


def _refuse_changed(path: Path, sha256: str) -> None:
    if not path.is_file() or file_sha256(path) != sha256:
        raise ArtifactError(f"{path}: missing or changed since the export.")
