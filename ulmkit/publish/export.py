"""A run's model for others: in fastai's files, as safetensors, as ONNX. Each is read back and compared.

An export is a folder. What was written there is loaded from there and given random ids over two batches, the second
continuing from the state that the first left; where its logits are not ours, nothing is kept.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ulmkit.artifacts.atomic import temporary_beside
from ulmkit.artifacts.manifest import Manifest, package_versions, signature
from ulmkit.artifacts.stage import unlocked_stage
from ulmkit.errors import ArtifactError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.state import MODEL
from ulmkit.publish.fastai import write_fastai
from ulmkit.publish.onnx import write_onnx
from ulmkit.publish.safetensors import write_safetensors
from ulmkit.publish.source import Logits, Source, our_logits, trained_pieces

EXPORT = "export"  # the stage that the manifest names
T, B = 12, 5  # of the two batches that are compared


class ExportFormat(NamedTuple):
    """How a format is written, and how far its logits, from the written files alone, may be from ours in float32."""

    write: Callable[[Path, Source, torch.Tensor], Logits]
    allowed: float
    packages: tuple[str, ...]  # that checked it


FORMATS = {
    "safetensors": ExportFormat(write_safetensors, 0.0, ("safetensors",)),
    "fastai": ExportFormat(write_fastai, 1e-5, ("fastai",)),
    "onnx": ExportFormat(write_onnx, 1e-4, ("onnx", "onnxruntime")),
}


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from ours at most."""

    folder: Path
    format: str
    files: tuple[str, ...]
    difference: float
    allowed: float
    signature: str


def export_model(
    run: Path, tokenizer: Path, out: Path, *, format: str, which: str = "best", name: str = "model"
) -> Exported:
    """Write the model of `run` and its tokenizer to folder `out` as `fastai`, `safetensors` or `onnx`.

    `which` is the checkpoint, best or last; `name` names fastai's .pth. An export that stands in `out` is replaced;
    a folder of anything else is not.

    Raises `UsageError` for another format or a folder in the way; `ArtifactError` where run and tokenizer do not fit
    or the model has parts that the format has no place for; `UlmkitError` where what was written is not the model.
    """
    if format not in FORMATS:
        raise UsageError(f"no export format '{format}'. Known: {', '.join(FORMATS)}.")
    write, allowed, packages = FORMATS[format]
    _refuse_other_folder(out)
    model, checkpoint = load_model(run, which)
    model.config = dataclasses.replace(model.config, backend="vendor")  # the one that torch's exporter knows
    source = Source(model, checkpoint, tokenizer, trained_pieces(tokenizer, checkpoint), name)
    ids = torch.randint(0, model.vocabulary, (2, T, B), generator=torch.Generator().manual_seed(0))
    with unlocked_stage(out, EXPORT, temporary_beside(out)) as work:
        theirs = write(work.new, source, ids)
        difference = _largest_difference(our_logits(model, ids), theirs)
        if not difference <= allowed:  # also not where it is no number
            raise UlmkitError(
                f"{out}: what was written as {format} gives logits that differ by {difference:.2e}, allowed are "
                f"{allowed:.0e}. Nothing was kept."
            )
        identity = checkpoint.identity
        line = signature(
            EXPORT,
            language=identity.language or None,
            format=format,
            tokenizer=identity.tokenizer,
            weights=checkpoint.state["files"][MODEL][:12],
            step=checkpoint.state.get("position", {}).get("step"),
        )
        content = {
            "export": format,
            "identity": dataclasses.asdict(identity),
            "difference": difference,
            "allowed": allowed,
            "versions": package_versions(["torch", *packages]),
            "signature": line,
        }
        manifest = work.finish(content)
    return Exported(out, format, tuple(manifest.files), difference, allowed, line)


def _largest_difference(ours: Logits, theirs: Logits) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def _refuse_other_folder(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        Manifest.read(out, EXPORT)
    except ArtifactError as error:
        raise UsageError(f"{out}: is there and is no export. Choose another --out.") from error
