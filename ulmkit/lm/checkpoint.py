"""A checkpoint is a folder: model.safetensors, optimizer.safetensors, state.json. Nothing in it can run."""

import hashlib
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ulmkit.artifacts.atomic import (
    read_regular,
    replace_folder,
    storage_errors,
    sync_folder,
    temporary_beside,
)
from ulmkit.artifacts.layout import names_beside
from ulmkit.artifacts.steady import read_again_if_changed
from ulmkit.errors import ArtifactError
from ulmkit.lm.config import LMConfig
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.state import FORMAT, MODEL, OPTIMIZER, STATE, read_state, saved_config, write_state

LARGEST_WEIGHT = 1e9  # no training comes near, and no sum of products of such leaves what numbers can hold


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds; `training` is empty where only the weights were kept or wanted."""

    folder: Path
    model: dict[str, torch.Tensor]
    training: dict[str, torch.Tensor]
    state: dict[str, Any]

    @property
    def config(self) -> LMConfig:
        return saved_config(self.state, self.folder / STATE)

    @property
    def identity(self) -> Identity:
        return Identity.from_json(self.state.get("identity"), self.folder / STATE)


def write_bytes(path: Path, content: bytes) -> str:
    """Write and flush `content`; its SHA-256."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def tensor_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """`tensors` as a safetensors file."""
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
            files = {MODEL: write_bytes(new / MODEL, tensor_bytes(model))}
            if training is not None:
                files[OPTIMIZER] = write_bytes(new / OPTIMIZER, tensor_bytes(training))
            write_state(new / STATE, {"format": FORMAT, **state, "files": files})
            sync_folder(new)
            replace_folder(new, folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise


def standing_folder(folder: Path) -> Path:
    """`folder`, or where its content is if a writer was killed between the two renames of an exchange."""
    old = folder.with_name(f".{folder.name}.old")
    return old if not folder.exists() and old.exists() else folder


def read_tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file whose SHA-256 is known."""
    content = read_regular(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArtifactError(
            f"{path}: damaged (its checksum does not fit). Use another copy, or the other of last and best."
        )
    try:
        # copies, because these begin anywhere in memory, and MKL rounds by where its operands begin
        return {name: value.clone() for name, value in safetensors.torch.load(content).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error}).") from error


def read_checkpoint(folder: Path, *, training: bool = False) -> Checkpoint:
    """The checkpoint in `folder`, every byte checked; with `training` also what is needed to go on.

    A run that trains may save while it is read: it is then read again. Raises `ArtifactError` where it is missing,
    damaged or of another format. Only JSON and safetensors are read.
    """
    return read_again_if_changed(folder / STATE, lambda: _read_checkpoint(folder, training))


def _read_checkpoint(folder: Path, training: bool) -> Checkpoint:
    folder = standing_folder(folder)
    state = read_state(folder)
    files = state["files"]
    if training and OPTIMIZER not in files:
        raise ArtifactError(f"{folder}: weights only, nothing to resume from. Resume from last.")
    return Checkpoint(
        folder,
        read_tensors(folder / MODEL, files[MODEL]),
        read_tensors(folder / OPTIMIZER, files[OPTIMIZER]) if training else {},
        state,
    )


def load_weights(model: AWDLSTM, weights: Mapping[str, torch.Tensor], where: Path) -> None:
    """Put `weights` into `model`; names, shapes and types must be the model's own, and every value a number."""
    own = model.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        expected, found = own.get(name), weights.get(name)
        if expected is None or found is None or expected.shape != found.shape:
            raise ArtifactError(
                f"{where}: {name} is {'missing' if found is None else tuple(found.shape)}, "
                f"this model has {'no such weight' if expected is None else tuple(expected.shape)}."
            )
        if expected.dtype != found.dtype:
            raise ArtifactError(f"{where}: {name} is {found.dtype}, this model has {expected.dtype}.")
    refuse_no_numbers(weights, where)
    # a model that is only an outline takes the tensors themselves
    model.load_state_dict(dict(weights), assign=any(value.is_meta for value in own.values()))


def refuse_no_numbers(tensors: Mapping[str, torch.Tensor], where: Path, largest: float = math.inf) -> None:
    """Raise `ArtifactError` where one of `tensors` holds NaN or an infinity, since all that is computed from it would.

    So it does of numbers that are not below `largest`, whose sums and products might be none.
    """
    for name, value in tensors.items():
        # both ends are no number where one value is none; cheaper than a look at each
        if value.is_floating_point() and value.numel() and not all(bool(v.abs() < largest) for v in value.aminmax()):
            raise ArtifactError(
                f"{where}: {name} holds values that are no numbers. Use the other of last and best, or train again."
            )


def model_sizes(weights: Mapping[str, torch.Tensor], where: Path) -> dict[str, int]:
    """Vocabulary and the sizes of the config, as the shapes of our `weights` have them."""
    embedding, first = weights.get("embedding"), weights.get("rnns.0.weight_hh")
    if embedding is None or first is None or embedding.dim() != 2 or first.dim() != 2:
        raise ArtifactError(f"{where}: no AWD-LSTM (it has no embedding, or no first layer).")
    layers = len({name.split(".")[1] for name in weights if name.startswith("rnns.")})
    sizes = {"vocabulary": embedding.shape[0], "embedding_size": embedding.shape[1], "layers": layers}
    # a single layer is as wide as the embedding, whatever hidden_size says
    return sizes | ({"hidden_size": first.shape[1]} if layers > 1 else {})


def build_model(identity: Identity, config: LMConfig, weights: Mapping[str, torch.Tensor], where: Path) -> AWDLSTM:
    """A model of `weights`, in evaluation mode. What they should be like is compared before any memory is taken."""
    sizes = model_sizes(weights, where)
    for name, declared in (
        ("vocabulary", identity.vocabulary),
        *((n, getattr(config, n)) for n in sizes if n != "vocabulary"),
    ):
        if declared != sizes[name]:
            raise ArtifactError(f"{where}: {name} is {sizes[name]:,} in the weights and {declared:,} in the settings.")
    with torch.device("meta"):  # the caller's random numbers stay as they were
        model = AWDLSTM(identity.vocabulary, config)
    load_weights(model, weights, where)
    model.identity = identity
    return model.eval()


def load_model(folder: Path, which: str = "best", *, device: str = "cpu") -> tuple[AWDLSTM, Checkpoint]:
    """The model of run `folder`, in evaluation mode, and the checkpoint that it comes from.

    `which` is `best` or `last`. The checkpoint says with which tokenizer, config and step it was made.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no run here.{names_beside(folder)} Train one with `ulmkit lm pretrain`.")
    checkpoint = read_checkpoint(folder / which)
    model = build_model(checkpoint.identity, checkpoint.config, checkpoint.model, checkpoint.folder / MODEL)
    return model.to(device), checkpoint
