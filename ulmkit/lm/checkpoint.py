"""A checkpoint is a folder: model.safetensors, optimizer.safetensors, state.json. Nothing in it can run."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ulmkit.artifacts.atomic import read_json, replace_folder, storage_errors, sync_folder, temporary_beside, write_json
from ulmkit.artifacts.manifest import fingerprint
from ulmkit.errors import ArtifactError
from ulmkit.lm.config import LMConfig, config_from_json
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM

FORMAT = 1
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds; `training` is empty where only the weights were kept or wanted."""

    folder: Path
    model: dict[str, torch.Tensor]
    training: dict[str, torch.Tensor]
    state: dict[str, Any]

    @property
    def config(self) -> LMConfig:
        return config_from_json(self.state["config"])

    @property
    def identity(self) -> Identity:
        return Identity(**self.state["identity"])


def _write(path: Path, content: bytes) -> str:
    """Write and flush `content`; its SHA-256."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    return safetensors.torch.save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})


def save_checkpoint(
    folder: Path,
    model: Mapping[str, torch.Tensor],
    training: Mapping[str, torch.Tensor] | None,
    state: Mapping[str, Any],
) -> None:
    """Write a whole checkpoint beside `folder`, then put it in its place: at any moment there is one or the other."""
    new = temporary_beside(folder)
    with storage_errors(folder):
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            files = {MODEL: _write(new / MODEL, _bytes(model))}
            if training is not None:
                files[OPTIMIZER] = _write(new / OPTIMIZER, _bytes(training))
            content = {"format": FORMAT, **state, "files": files}
            write_json(new / STATE, content | {"checksum": fingerprint(content)})
            sync_folder(new)
            replace_folder(new, folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise


def standing_folder(folder: Path) -> Path:
    """`folder`, or where its content is if a writer was killed between the two renames of an exchange."""
    old = folder.with_name(f".{folder.name}.old")
    return old if not folder.exists() and old.exists() else folder


def read_state(folder: Path) -> dict[str, Any]:
    """`state.json` of a checkpoint, checked against its own checksum."""
    path = folder / STATE
    if not path.exists():
        raise ArtifactError(f"{folder}: no checkpoint here.")
    state = read_json(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise ArtifactError(f"{path}: checkpoint format {found}, this version reads {FORMAT}.")
    content = {key: value for key, value in state.items() if key != "checksum"}
    if state.get("checksum") != fingerprint(content):
        raise ArtifactError(f"{path}: damaged (its checksum does not fit). Use the other of last and best.")
    if not isinstance(state.get("files"), dict) or MODEL not in state["files"]:
        raise ArtifactError(f"{path}: names no {MODEL}. It was not written by this program.")
    return state


def _read_tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}).") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArtifactError(f"{path}: damaged (its checksum does not fit). Use the other of last and best.")
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error}).") from error


def read_checkpoint(folder: Path, *, training: bool = False) -> Checkpoint:
    """The checkpoint in `folder`, every byte checked; with `training` also what is needed to go on.

    Raises `ArtifactError` where it is missing, damaged or of another format. Only JSON and safetensors are read.
    """
    folder = standing_folder(folder)
    state = read_state(folder)
    files = state["files"]
    if training and OPTIMIZER not in files:
        raise ArtifactError(f"{folder}: weights only, nothing to resume from. Resume from last.")
    return Checkpoint(
        folder,
        _read_tensors(folder / MODEL, files[MODEL]),
        _read_tensors(folder / OPTIMIZER, files[OPTIMIZER]) if training else {},
        state,
    )


def load_weights(model: AWDLSTM, weights: Mapping[str, torch.Tensor], where: Path) -> None:
    """Put `weights` into `model`; names and shapes must be the model's own."""
    own = model.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        expected, found = own.get(name), weights.get(name)
        if expected is None or found is None or expected.shape != found.shape:
            raise ArtifactError(
                f"{where}: {name} is {'missing' if found is None else tuple(found.shape)}, "
                f"this model has {'no such weight' if expected is None else tuple(expected.shape)}."
            )
    model.load_state_dict(dict(weights))


def load_model(folder: Path, which: str = "best", *, device: str = "cpu") -> tuple[AWDLSTM, Checkpoint]:
    """The model of run `folder`, in evaluation mode, and the checkpoint that it comes from.

    `which` is `best` or `last`. The checkpoint says with which tokenizer, config and step it was made.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no run here. Train one with `ulmkit lm pretrain`.")
    checkpoint = read_checkpoint(folder / which)
    # the weights come from the file, so the caller's random numbers stay as they were
    with torch.random.fork_rng(devices=[]):
        model = AWDLSTM(checkpoint.identity.vocabulary, checkpoint.config)
    load_weights(model, checkpoint.model, checkpoint.folder / MODEL)
    model.identity = checkpoint.identity
    return model.to(device).eval(), checkpoint
