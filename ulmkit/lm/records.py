"""A run's folder: config, metrics, checkpoints, manifest; what is written there, and how a run is taken up from it."""

import math
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import Manifest, changed_files, describe_files, fingerprint, package_versions, signature
from ulmkit.artifacts.manifest import write_manifest as write_stage_manifest
from ulmkit.errors import ArtifactError
from ulmkit.files import files_below
from ulmkit.lm.audit import Finding
from ulmkit.lm.checkpoint import save_checkpoint
from ulmkit.lm.loop import Loop, perplexity
from ulmkit.lm.metrics import MetricsFile
from ulmkit.lm.optimizer import optimizer_tensors
from ulmkit.lm.trackers import TensorBoard

LM_STAGE = "lm"
LAST, BEST, METRICS, BOARD = "last", "best", "metrics.jsonl", "tensorboard"
CONFIG, AUDIT = "config.json", "audit.json"
OWN_TOKENS, TEXTS = "tokens", "texts.json"  # of a run on texts of its own: its token files, and what they were made of
CARRIED, AVERAGE = "hidden.", "average."  # before the names of what the model carries, and of averaged weights


@dataclass(frozen=True)
class TrainResult:
    """What a finished run reached. Losses in nats a token; `tokens` counts targets trained on."""

    folder: Path
    step: int
    epoch: int
    tokens: int
    valid_loss: float
    valid_perplexity: float
    best_valid_loss: float
    best_step: int
    seconds: float
    tokens_per_second: float
    backend: str
    precision: str
    signature: str
    stopped_early: bool = False  # validation had not become better for `patience` validations
    skipped: int = 0  # steps that were not taken, because their loss or gradient was no number


class RunFolder:
    """The files of one run. Of several processes only the first one writes; all of them call all of this."""

    def __init__(self, folder: Path, about: dict[str, Any], *, writes: bool) -> None:
        self.folder, self.about, self.writes = folder, about, writes
        self.versions = package_versions(["torch", "safetensors", "numpy"])
        self.saved_step, self.saved_time = -1, time.monotonic()
        self.remarks: list[str] = []
        self.metrics: MetricsFile | None = None
        self.board: TensorBoard | None = None

    @property
    def finished(self) -> bool:
        return (self.folder / LAST).exists() and (self.folder / "manifest.json").exists()

    def remark_to(self, remark: Callable[[str], None] | None) -> Callable[[str], None]:
        """What keeps remarks for the manifest and hands each on once; without `remark`, as warnings."""
        said: set[str] = set()  # in this life of the run: one that is resumed may stand on another machine

        def keep(line: str) -> None:
            if line in said:
                return
            said.add(line)
            if line not in self.remarks:
                self.remarks.append(line)
            if remark is not None:
                remark(line)
            else:
                warnings.warn(line, stacklevel=2)

        return keep

    def show_on(self, board: type[Any] | None, step: int) -> None:
        """Every line of metrics also goes to TensorBoard, from `step` on."""
        if board is not None and self.writes:
            self.board = TensorBoard(board(str(self.folder / BOARD), purge_step=step + 1))

    def begin(self, findings: list[Finding]) -> None:
        """Clear what an earlier attempt without a checkpoint left, and put down what this run is."""
        if not self.writes:
            return
        (self.folder / "manifest.json").unlink(missing_ok=True)
        for name in (BEST, BOARD):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / METRICS).unlink(missing_ok=True)
        write_json(self.folder / CONFIG, self.about)
        write_json(self.folder / AUDIT, [asdict(finding) | {"acts": finding.acts} for finding in findings])
        self.metrics = MetricsFile(self.folder / METRICS, 0)

    def write(self, line: dict[str, Any]) -> None:
        """A line of metrics.jsonl."""
        if self.metrics:
            self.metrics.write(line)
        if self.board:
            self.board.write(line)

    def close(self) -> None:
        for file in (self.metrics, self.board):
            if file:
                file.close()

    # -- checkpoints

    def _state(self, loop: Loop) -> dict[str, Any]:
        loop.collect_losses()
        average = loop.step.average
        return {
            **self.about,
            "way": loop.step.way,
            "position": asdict(loop.position),
            "budget": asdict(loop.budget) if loop.budget else None,
            "losses": [loop.sum, loop.count],
            "valid_loss": loop.valid_loss,
            "average": average.state() if average is not None else None,
            "best": [loop.best_loss if math.isfinite(loop.best_loss) else None, loop.best_step],
            "worse": loop.worse,
            "skipped": [loop.skipped, loop.skipped_in_a_row],
            "remarks": self.remarks,
            "metrics_bytes": self.metrics.settle() if self.metrics else 0,
            "seconds": loop.elapsed,
            "threads": torch.get_num_threads(),
            "versions": self.versions,
        }

    def save_best(self, loop: Loop) -> None:
        """What was validated: the average of the weights where there is one."""
        if not self.writes:
            return
        weights = loop.step.weights(averaged=True)
        _refuse_damage(loop, weights)
        save_checkpoint(self.folder / BEST, weights, None, self._state(loop))

    def save_last(self, loop: Loop) -> None:
        """Everything that is needed to go on as if nothing had happened."""
        step, model, world, device = loop.step, loop.step.model, loop.world, loop.device
        kept = optimizer_tensors(step.optimizer, model.named_parameters())
        if step.average is not None:
            kept |= {f"{AVERAGE}{name}": value for name, value in step.average.averaged().items()}
        loop.gather_losses()
        if step.scale is not None and model.config.precision == "fp16":
            kept |= {"scaling.scale": step.scale.scale, "scaling.quiet": step.scale.quiet}
        # one row a process
        kept["random.cpu"] = world.rows_of_all(torch.get_rng_state()[None].to(device))
        if device.type == "cuda":
            kept["random.cuda"] = world.rows_of_all(torch.cuda.get_rng_state(device)[None].to(device))
        # between epochs there is nothing to carry on: what the model holds then is the validation's
        if loop.position.batch:
            kept |= {f"{CARRIED}{name}": world.rows_of_all(value) for name, value in model.carried().items()}
        weights = step.weights(averaged=False)
        _refuse_damage(loop, weights | kept)
        self.saved_step, self.saved_time = loop.position.step, time.monotonic()
        if self.writes:
            save_checkpoint(self.folder / LAST, weights, kept, self._state(loop))

    # -- the end

    def finish(self, loop: Loop) -> TrainResult:
        """The run is over: write its manifest; what it reached."""
        if self.writes:
            self._write_manifest(loop)
        loop.world.meet(loop.device)
        return self.result()

    def _write_manifest(self, loop: Loop) -> None:
        """What the run reached, and what its files are."""
        position, identity, about = loop.position, self.about["identity"], self.about
        line = signature(
            LM_STAGE,
            language=identity["language"] or None,
            tokenizer=identity["tokenizer"],
            train=about["data"]["train"],
            config=fingerprint(about["config"]),
            start=about["start"]["weights"][:12] if about["start"] else None,
            steps=position.step,
            seed=loop.config.seed,
        )
        valid_loss = loop.valid_loss if loop.valid_loss is not None else math.nan
        way = loop.step.way
        result = {
            **position.counts,
            "valid_loss": valid_loss,
            "valid_perplexity": perplexity(valid_loss),
            "best_valid_loss": loop.best_loss,
            "best_step": loop.best_step,
            "seconds": loop.elapsed,
            "tokens_per_second": position.tokens / max(loop.elapsed, 1e-9),
            "backend": way["backend"],
            "precision": way["precision"],
            "stopped_early": bool(loop.config.patience) and loop.worse >= loop.config.patience,
            "skipped": loop.skipped,
        }
        files = [self.folder / CONFIG, self.folder / AUDIT, self.folder / METRICS]
        if (self.folder / OWN_TOKENS).is_dir():
            files += [self.folder / TEXTS, *files_below(self.folder / OWN_TOKENS)]
        files += [path for name in (LAST, BEST) for path in (self.folder / name).iterdir()]
        manifest = {
            **about,
            "result": result,
            "remarks": self.remarks,
            "files": describe_files(self.folder, files),
            "versions": self.versions,
            "threads": torch.get_num_threads(),
            "processes": loop.world.size,
            "device": str(loop.device),
            "signature": line,
        }
        write_stage_manifest(self.folder, LM_STAGE, manifest)

    def result(self) -> TrainResult:
        """What the manifest says. Raises `ArtifactError` where what it is about, best/, is not as it was written."""
        manifest = Manifest.read(self.folder, LM_STAGE)
        best = {name: entry for name, entry in manifest.files.items() if name.startswith(f"{BEST}/")}
        if problems := changed_files(self.folder, best):
            raise ArtifactError(f"{problems[0]}. The run is finished and not whole: use another copy, or train again.")
        content = manifest.content
        return TrainResult(folder=self.folder, signature=content["signature"], **content["result"])


def _refuse_damage(loop: Loop, tensors: Mapping[str, torch.Tensor]) -> None:
    """The checkpoint that stands was good: nothing that is no number may take its place."""
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise loop.not_finite(name, float(value.sum()))
