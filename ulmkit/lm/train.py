"""One training run in its folder: from token files to checkpoints, through kills and signals."""

import contextlib
import hashlib
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ulmkit.artifacts.atomic import lock, read_json, recover_folder, remove_leftovers, write_json
from ulmkit.artifacts.manifest import Manifest, describe_files, fingerprint, signature
from ulmkit.artifacts.manifest import write_manifest as write_stage_manifest
from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.audit import Finding, audit
from ulmkit.lm.batches import EvaluationBatches, TrainBatches
from ulmkit.lm.checkpoint import MODEL, load_weights, model_sizes, read_checkpoint, read_state
from ulmkit.lm.config import LMConfig, config_from_json
from ulmkit.lm.distributed import ShareGradients, joined, launched
from ulmkit.lm.fitting import memory_errors
from ulmkit.lm.identity import Identity
from ulmkit.lm.learner import LMLearner, learner, pick_device
from ulmkit.lm.metrics import MetricsFile
from ulmkit.lm.position import Budget
from ulmkit.lm.probe import resolve
from ulmkit.lm.run import BEST, BOARD, LAST, METRICS, Run, RunKeeper, Schedule, SkipBadSteps, TrainProgress, perplexity
from ulmkit.lm.trackers import TensorBoard, summary_writer

STAGE = "lm"
CONFIG, AUDIT = "config.json", "audit.json"

# a resumed run may save or report more often; anything else would make it another run
FREE_SETTINGS = ("checkpoint_minutes",)

Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}


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


def data_fingerprint(tokens: TokenFile) -> str:
    """Twelve hex digits that name the ids and where documents end."""
    digest = hashlib.sha256(np.ascontiguousarray(tokens.documents["end"]))
    digest.update(np.ascontiguousarray(tokens.ids))
    return digest.hexdigest()[:12]


def _refuse_foreign_ids(tokens: TokenFile) -> None:
    """Ids beyond the vocabulary would end in an index error deep inside a kernel."""
    if len(tokens.ids) and int(tokens.ids.max()) >= tokens.vocabulary:
        raise ArtifactError(
            f"{tokens.path}: id {int(tokens.ids.max())} in a vocabulary of {tokens.vocabulary}. Encode again."
        )


def _refuse_changes(state: dict[str, Any], about: dict[str, Any], where: Path) -> None:
    """A run is resumed with what it began with; the first difference is named."""
    then, now = Identity(**state["identity"]), Identity(**about["identity"])
    then.refuse_other(now, where)
    for name in ("train", "valid"):
        if state["data"][name] != about["data"][name]:
            raise ArtifactError(
                f"{where}: trained on {name} tokens {state['data'][name]}, these are {about['data'][name]}. "
                "Start a new run for them."
            )
    for name in ("time_budget_s", "clock"):
        if state[name] != about[name]:
            raise UsageError(f"{where}: began with {name} {state[name]}, now {about[name]}. Start a new run.")
    began = config_from_json(state["config"]).to_json()  # a setting that is younger than the run has its default there
    for name, after in about["config"].items():
        if began[name] != after and name not in FREE_SETTINGS:
            raise UsageError(f"{where}: began with {name} {began[name]}, now {after}. Start a new run for the change.")


def _as_begun(config: LMConfig, saved: dict[str, Any]) -> LMConfig:
    """`config` with what the run once measured in the place of `auto`."""
    names = [name for name in ("backend", "precision") if getattr(config, name) == "auto"]
    return replace(config, **{name: saved[name] for name in names})


def pretrain(
    train: TokenFile,
    valid: TokenFile,
    folder: Path,
    config: LMConfig,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Callable[[TrainProgress], None] | None = None,
    audited: Callable[[list[Finding]], None] | None = None,
    callbacks: Sequence[Any] = (),
    time_budget_s: float | None = None,
    budget_clock: Clock = "wall",
    start: Path | None = None,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a language model on `train`, validating on `valid` after each epoch, in run folder `folder`.

    Before the first step every ingredient is audited: one that is on and does nothing stops the run; `audited` gets
    the findings. The folder gets config.json, audit.json, metrics.jsonl, last/ (to resume from), best/ (lowest
    validation loss) and, at the end, manifest.json. With `resume` an interrupted run goes on from last/ as if it had
    never stopped: on a CPU in float32 with the same number of threads, to the bit. A run that was killed before its
    first checkpoint begins again; one that is finished only returns its result. `callbacks` are fastai's; their own
    memory is not saved.
    `start` is another run whose best weights this one begins with, on a schedule of its own; its tokenizer and sizes
    must be these. A resumed run keeps the weights it has, whatever became of the other.
    `tensorboard` also writes the numbers of metrics.jsonl into tensorboard/.
    `time_budget_s` stretches one 1cycle schedule over that many seconds of `budget_clock` instead of `epochs`.

    Raises `UsageError` where the folder holds a run and `resume` is not given, or where its settings differ;
    `ArtifactError` where tokens, tokenizer or checkpoint do not fit; `BusyError` where another process trains here;
    `Interrupted` after SIGINT or SIGTERM, everything saved; `UlmkitError` where the loss is no number any more.
    """
    clock = CLOCKS[budget_clock]
    started = clock()
    writer = summary_writer() if tensorboard else None
    world = launched()
    if time_budget_s is not None and not world.alone:
        raise UsageError("a time budget is one process's: each has its own clock. Use --epochs or --steps.")
    for tokens in (train, valid):
        _refuse_foreign_ids(tokens)
    if time_budget_s is not None and time_budget_s <= 0:
        raise UsageError(f"language model: a time budget of {time_budget_s} seconds, expected more than 0.")
    picked = pick_device(device)
    with (
        lock(folder, "training") if world.first else contextlib.nullcontext(),
        joined(world, picked),
        torch.random.fork_rng(devices=[picked] if picked.type == "cuda" else []),
    ):
        if world.first:
            for name in (LAST, BEST):
                recover_folder(folder / name)
            remove_leftovers(folder)
        world.meet(picked)
        there = (folder / LAST).exists()
        if there:
            state = read_state(folder / LAST)
            if not resume:
                raise UsageError(
                    f"{folder}: holds a run at step {state['position']['step']:,}. "
                    "Add --resume to go on with it, or choose another --run name."
                )
            config = _as_begun(config, state["config"])
        config, probed = resolve(train.vocabulary, config, picked, world)
        if config.precision == "fp16" and config.on_nan == "skip":
            raise UsageError("on_nan=skip is not for float16, whose loss scale leaves out such steps. Use stop.")
        about = {
            "config": config.to_json(),
            "probe": state["probe"] if there else [asdict(candidate) for candidate in probed],
            "identity": asdict(Identity.of(train)),
            "data": {"train": data_fingerprint(train), "valid": data_fingerprint(valid)},
            "time_budget_s": time_budget_s,
            "clock": budget_clock,
            "start": _begun_with(state.get("start"), start, folder) if there else None,
        }
        if there:
            _refuse_changes(state, about, folder / LAST)
            if (folder / "manifest.json").exists():
                return _result(folder, Manifest.read(folder, STAGE).content)
        elif (folder / "manifest.json").exists():
            raise UsageError(f"{folder}: holds a model that was imported. Choose another --run name.")
        torch.manual_seed(config.seed)
        share = None if world.alone else ShareGradients(world, wishes=3)
        together = [] if share is None else [share]
        learn = learner(
            train, valid, config, folder=folder, device=device, callbacks=[*together, *callbacks], world=world
        )
        budget = _budget(learn, time_budget_s) if time_budget_s else None
        if not there:
            about["start"] = _begin_with(start, learn, folder)
        run = Run(folder, learn, config, about, budget, clock, started, progress if world.first else None, share)
        learn.add_cbs([Schedule(run.position), RunKeeper(run), *([SkipBadSteps(run)] if run.skips else [])])
        if there:
            run.restore()
        else:
            with memory_errors(folder, learn):
                findings = audit(train, config, device=str(picked))
            if world.first:
                _begin(folder, about)
                write_json(folder / AUDIT, [asdict(finding) | {"acts": finding.acts} for finding in findings])
                run.metrics = MetricsFile(folder / METRICS, 0)
            if audited and world.first:
                audited(findings)
            world.seed(config.seed)
        if writer is not None and world.first:
            run.board = TensorBoard(writer(str(folder / BOARD), purge_step=run.position.step + 1))
        with memory_errors(folder, learn):
            run.fit()
        if world.first:
            _finish(run)
        world.meet(picked)
        return _result(folder, Manifest.read(folder, STAGE).content)


def _begin_with(start: Path | None, learn: LMLearner, folder: Path) -> dict[str, Any] | None:
    """Give `learn` the best weights of the run in `start`; which they were."""
    if start is None:
        if (folder / CONFIG).exists() and (before := read_json(folder / CONFIG).get("start")):
            raise UsageError(f"{folder}: began with --from {before['run']}; it saved nothing yet. Give --from again.")
        return None
    if not start.is_dir():
        raise UsageError(f"{start}: no run here to begin with.")
    checkpoint = read_checkpoint(start / BEST)
    checkpoint.identity.refuse_other(learn.model.identity, checkpoint.folder)
    sizes, own = model_sizes(checkpoint.model, checkpoint.folder), learn.model.config
    other = {name: size for name, size in sizes.items() if name != "vocabulary" and size != getattr(own, name)}
    if other:
        options = " ".join(f"--set {name}={size}" for name, size in other.items())
        raise UsageError(f"{start}: a model of other sizes. Add {options}.")
    for name, value in checkpoint.model.items():
        if not bool(value.isfinite().all()):
            raise ArtifactError(
                f"{checkpoint.folder}: {name} holds values that are no numbers. Begin with another run."
            )
    load_weights(learn.model, checkpoint.model, checkpoint.folder)
    step = checkpoint.state.get("position", {}).get("step")
    return {"run": start.name, "step": step, "weights": checkpoint.state["files"][MODEL]}


def _begun_with(saved: dict[str, Any] | None, start: Path | None, folder: Path) -> dict[str, Any] | None:
    """What a run that is resumed began with; to ask for something else is refused."""
    if start is not None and (saved is None or saved["run"] != start.name):
        before = "with random weights" if saved is None else f"with --from {saved['run']}"
        raise UsageError(f"{folder}: began {before}, now --from {start.name}. Start a new run for it.")
    return saved


def _budget(learn: LMLearner, seconds: float) -> Budget:
    batches: TrainBatches = learn.dls.train
    valid: EvaluationBatches = learn.dls.valid
    window = batches.batch_size * batches.bptt
    # forward is a third of a step; finding the best guess and narrower batches cost a little more
    share = 0.5 * valid.longest * (len(valid.bounds) - 1) / window
    return Budget(seconds, share, len(batches.windows(0)))


def _begin(folder: Path, about: dict[str, Any]) -> None:
    """Clear what an earlier attempt without a checkpoint left, and say what this run is."""
    (folder / "manifest.json").unlink(missing_ok=True)
    for name in (BEST, BOARD):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / METRICS).unlink(missing_ok=True)
    write_json(folder / CONFIG, about)


def _finish(run: Run) -> None:
    """The manifest: what the run reached, and what its files are."""
    position, identity = run.position, run.about["identity"]
    line = signature(
        STAGE,
        language=identity["language"] or None,
        tokenizer=identity["tokenizer"],
        train=run.about["data"]["train"],
        config=fingerprint(run.about["config"]),
        start=run.about["start"]["weights"][:12] if run.about["start"] else None,
        steps=position.step,
        seed=run.config.seed,
    )
    valid_loss = run.valid_loss if run.valid_loss is not None else math.nan
    result = {
        "step": position.step,
        "epoch": position.epoch,
        "tokens": position.tokens,
        "valid_loss": valid_loss,
        "valid_perplexity": perplexity(valid_loss),
        "best_valid_loss": run.best_loss,
        "best_step": run.best_step,
        "seconds": run.elapsed,
        "tokens_per_second": position.tokens / max(run.elapsed, 1e-9),
        "backend": run.config.backend,
        "precision": run.config.precision,
        "stopped_early": bool(run.config.patience) and run.worse >= run.config.patience,
        "skipped": run.skipped,
    }
    files = [run.folder / CONFIG, run.folder / AUDIT, run.folder / METRICS]
    files += [path for name in (LAST, BEST) for path in (run.folder / name).iterdir()]
    manifest = {
        **run.about,
        "result": result,
        "files": describe_files(run.folder, files),
        "versions": run.versions,
        "threads": torch.get_num_threads(),
        "processes": run.world.size,
        "device": str(run.learn.dls.device),
        "signature": line,
    }
    write_stage_manifest(run.folder, STAGE, manifest)


def _result(folder: Path, manifest: dict[str, Any]) -> TrainResult:
    return TrainResult(folder=folder, signature=manifest["signature"], **manifest["result"])
