"""The members that read with language models, in a classifier's folder: tokenizer, encoders, and what was fitted.

tokenizer/                          one for all
forward/encoder/  backward/encoder/ weights, as a checkpoint of a language model
forward/frozen.safetensors          scale and weights of the frozen member
forward/tuned-0/encoder/, head.safetensors   one of the networks of the tuned member
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.manifest import Manifest
from ulmkit.classifier.frozen import FrozenMember, Scale
from ulmkit.classifier.learn import LARGEST_MOST_PIECES, TUNED, ClassifierMember
from ulmkit.classifier.ngrams import Linear
from ulmkit.classifier.reader import (
    ENCODER,
    MOST_PIECES,
    TOKENIZER,
    TextReader,
    read_encoder,
    write_encoder,
)
from ulmkit.classifier.tensors import LARGEST, LEAST_SIZE, tensors_of
from ulmkit.classifier.tuned import TextNet, TunedMember, read_net
from ulmkit.errors import ArtifactError
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import tensor_bytes, write_bytes
from ulmkit.lm.machine import pick_device

_FROZEN_FILE, _HEAD_FILE = "frozen.safetensors", "head.safetensors"
_MOST = "most_pieces"  # tensor: how much is read of a text


def write_neural(folder: Path, members: Mapping[str, ClassifierMember]) -> None:
    """Write `members` into `folder`, beside the members of n-grams."""
    for member in members.values():
        if isinstance(member, FrozenMember):
            reader = member.reader
            _write_tokenizer(folder / TOKENIZER, reader.files)
            write_encoder(folder / reader.direction / ENCODER, reader.encoder)
            tensors = {
                "centre": member.scale.centre,
                "size": member.scale.size,
                "weights": np.ascontiguousarray(member.linear.weights),
                "bias": member.linear.bias,
                _MOST: np.array([reader.most_pieces]),
            }
            with atomic_write(folder / reader.direction / _FROZEN_FILE) as file:
                file.write(safetensors.numpy.save(tensors))
        elif isinstance(member, TunedMember):
            _write_tokenizer(folder / TOKENIZER, member.reader.files)
            for number, net in enumerate(member.nets):
                place = folder / member.reader.direction / f"{TUNED}-{number}"
                write_encoder(place / ENCODER, net.encoder)
                most = {_MOST: torch.tensor([member.reader.most_pieces])}
                write_bytes(place / _HEAD_FILE, tensor_bytes(net.head.state_dict() | most))


def _write_tokenizer(folder: Path, files: Mapping[str, bytes]) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, content in files.items():
            write_bytes(folder / name, content)


def read_neural(
    folder: Path, names: Sequence[str], classes: int, manifest: Manifest, language: Language | None
) -> dict[str, ClassifierMember]:
    """The members called `names`, every field checked; all files were compared with `manifest` already."""
    if language is None:
        raise ArtifactError(f"{folder}: reads with a language model, and says of which language nothing. Train again.")
    found: dict[str, ClassifierMember] = {}
    for name in names:
        kind, _, direction = name.partition(" ")
        if kind == TUNED:
            found[name] = _tuned(folder, direction, classes, manifest, language)
            continue
        reader = _reader(folder, f"{direction}/{ENCODER}", direction, manifest, language)
        file = f"{direction}/{_FROZEN_FILE}"
        found[name] = _frozen(tensors_of(folder, file, manifest), reader, classes, folder / file)
    return found


def move_neural(members: Mapping[str, ClassifierMember], device: str) -> None:
    """Let those of `members` that read with a language model compute on `device`: auto, cpu, cuda, cuda:1."""
    picked = pick_device(device)
    for member in members.values():
        if isinstance(member, FrozenMember):
            member.reader.encoder.to(picked)
        elif isinstance(member, TunedMember):
            for net in member.nets:
                net.to(picked)


def _reader(folder: Path, encoder: str, direction: str, manifest: Manifest, language: Language) -> TextReader:
    for wanted in (f"{encoder}/state.json", f"{TOKENIZER}/manifest.json"):
        if wanted not in manifest.files:
            raise ArtifactError(f"{folder / wanted}: not named in the manifest. Use another copy, or train again.")
    reader = read_encoder(folder / encoder, folder / TOKENIZER, language, "kept here")
    if reader.direction != direction:
        raise ArtifactError(f"{folder / encoder}: holds a model that reads {reader.direction}. Train again.")
    return reader


def _tuned(folder: Path, direction: str, classes: int, manifest: Manifest, language: Language) -> TunedMember:
    nets: list[TextNet] = []
    while (place := f"{direction}/{TUNED}-{len(nets)}/{_HEAD_FILE}") in manifest.files or not nets:
        tensors = tensors_of(folder, place, manifest)
        most = _most_pieces(tensors.pop(_MOST, np.array([MOST_PIECES])), folder / place)
        head = {name: torch.from_numpy(each) for name, each in tensors.items()}
        reader = _reader(folder, str(Path(place).with_name(ENCODER)), direction, manifest, language)
        reader = replace(reader, most_pieces=most)
        nets.append(read_net(reader.encoder, head, classes, folder / place))
    return TunedMember(reader, tuple(nets))


def _most_pieces(value: np.ndarray | None, path: Path) -> int:
    """How many pieces of a text are read, as a tensor of one number says it."""
    if value is None or value.shape != (1,) or value.dtype != np.int64 or not 1 <= value[0] <= LARGEST_MOST_PIECES:
        raise ArtifactError(f"{path}: '{_MOST}' is missing or damaged. Use another copy, or train again.")
    return int(value[0])


def _frozen(tensors: Mapping[str, np.ndarray], reader: TextReader, classes: int, path: Path) -> FrozenMember:
    width, columns = sum(reader.blocks), 1 if classes == 2 else classes
    shapes = {"centre": (width,), "size": (width,), "weights": (width, columns)}
    expected: dict[str, tuple[tuple[int, ...], Any]] = {n: (shape, np.dtype(np.float32)) for n, shape in shapes.items()}
    expected |= {"bias": ((columns,), np.dtype(np.float64))}
    for name, (shape, kind) in expected.items():
        value = tensors.get(name)
        if value is None or value.shape != shape or value.dtype != kind or not (abs(value) < LARGEST).all():
            raise ArtifactError(f"{path}: '{name}' is missing or damaged. Use another copy, or train again.")
    most = _most_pieces(tensors.get(_MOST), path)
    if not (tensors["size"] >= LEAST_SIZE).all():
        raise ArtifactError(f"{path}: 'size' is not above 0. Use another copy, or train again.")
    return FrozenMember(
        replace(reader, most_pieces=most),
        Scale(tensors["centre"], tensors["size"]),
        Linear(tensors["weights"], tensors["bias"]),
    )
