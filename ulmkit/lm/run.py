"""One training run in its folder: from token files to checkpoints, through kills and signals."""

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ulmkit.artifacts.atomic import lock, read_json, recover_folder, remove_leftovers, storage_errors
from ulmkit.artifacts.layout import names_beside
from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import UsageError
from ulmkit.lm.audit import Finding, audit
from ulmkit.lm.checkpoint import load_weights, model_sizes, read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import World, connected, launched
from ulmkit.lm.fitting import memory_errors
from ulmkit.lm.identity import Identity
from ulmkit.lm.ingredients import Ingredient
from ulmkit.lm.loop import Loop, TrainProgress
from ulmkit.lm.machine import pick_device
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.plateau import unigram_loss
from ulmkit.lm.position import TimeBudget
from ulmkit.lm.probe import resolve
from ulmkit.lm.records import BEST, CONFIG, LAST, RunFolder, TrainResult
from ulmkit.lm.resume import restore, resumed_config
from ulmkit.lm.setup import Training, set_up
from ulmkit.lm.state import MODEL, read_run_state
from ulmkit.lm.trackers import summary_writer

Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}


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
    remark: Callable[[str], None] | None = None,
    ingredients: Callable[[list[Ingredient]], Sequence[Ingredient]] = list,
    after_step: Callable[[Loop], None] | None = None,
    time_budget_s: float | None = None,
    budget_clock: Clock = "wall",
    start: Path | None = None,
    tensorboard: bool = False,
    watch_plateau: bool = False,
) -> TrainResult:
    """Train a language model on `train`, validating on `valid` after each epoch, in run folder `folder`.

    The folder gets config.json, audit.json, metrics.jsonl, last/ (to resume from), best/ (lowest validation loss) and,
    at the end, manifest.json. Before the first step every ingredient is audited on the step that trains; `audited` gets
    the findings. With `resume` an interrupted run goes on from last/ as if it had never stopped: on a CPU in float32
    with the same number of threads, to the bit; one that is finished only returns its result. `start` is another run
    whose best weights this one begins with. `time_budget_s` stretches one schedule over that many seconds of
    `budget_clock` instead of `epochs`. `ingredients` may change the list that a step is made of, `after_step` looks at
    the run after each one; `remark` hears in one line of what fails on this machine and how the run goes on without,
    and with `watch_plateau` of a run that is no better than a unigram model.

    Raises `UsageError` where the folder holds a run and `resume` is not given, or where its settings differ;
    `ArtifactError` where tokens, tokenizer or checkpoint do not fit; `BusyError` where another process trains here;
    `Interrupted` after SIGINT or SIGTERM, everything saved; `UlmkitError` where an ingredient does nothing, and where
    the loss is no number any more.
    """
    clock, world, picked = CLOCKS[budget_clock], launched(), pick_device(device)
    started, board = clock(), summary_writer() if tensorboard else None
    if time_budget_s is not None:
        _refuse_budget(time_budget_s, world)
    with _only_run_in(folder, world, picked):
        about = _about(train, valid, config, time_budget_s, budget_clock)
        saved = saved_state(folder, resume)
        if saved is not None:
            config = resumed_config(about, saved, start, folder)
        records = RunFolder(folder, about, writes=world.first)
        if records.finished:
            return records.result()
        torch.manual_seed(config.seed)
        training = set_up(train, valid, config, picked, world=world)
        training.step.ingredients = list(ingredients(training.step.ingredients))
        training.step.remark = records.remark_to(remark)
        with memory_errors(folder, training), contextlib.closing(records):
            if saved is None:
                _prepare(training, records, train, start, audited)
            loop = Loop(
                training, records, budget=_budget(training, time_budget_s), clock=clock, started=started,
                progress=progress if world.first else None, after_step=after_step,
                unigram=unigram_loss(train, valid) if watch_plateau else None,
            )  # fmt: skip
            if saved is not None:
                restore(loop, records)
            records.show_on(board, loop.position.step)
            loop.run()
        return records.finish(loop)


def _refuse_budget(time_budget_s: float, world: World) -> None:
    if not world.alone:
        raise UsageError("a time budget is one process's: each has its own clock. Use --epochs or --steps.")
    if not 0 < time_budget_s < math.inf:
        raise UsageError(f"language model: a time budget of {time_budget_s} seconds, expected more than 0.")


@contextlib.contextmanager
def _only_run_in(folder: Path, world: World, device: torch.device) -> Iterator[None]:
    """Nobody else trains here meanwhile; processes are connected; the caller's random numbers stay as they were."""
    with (
        lock(folder, "training") if world.first else contextlib.nullcontext(),
        storage_errors(folder),
        contextlib.nullcontext() if world.alone else connected(world, device),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
    ):
        if world.first:
            for name in (LAST, BEST):
                recover_folder(folder / name)
            remove_leftovers(folder)
        world.meet(device)
        yield


def data_fingerprint(tokens: TokenFile) -> str:
    """Twelve hex digits that name the ids and where documents end."""
    digest = hashlib.sha256(np.ascontiguousarray(tokens.documents["end"]))
    digest.update(np.ascontiguousarray(tokens.ids))
    return digest.hexdigest()[:12]


def _about(
    train: TokenFile, valid: TokenFile, config: LMConfig, time_budget_s: float | None, clock: Clock
) -> dict[str, Any]:
    """What a run is: all that must be equal when it is resumed."""
    return {
        "config": config.to_json(),
        "probe": [],
        "identity": asdict(Identity.of(train)),
        "data": {"train": data_fingerprint(train), "valid": data_fingerprint(valid)},
        "time_budget_s": time_budget_s,
        "clock": clock,
        "start": None,
    }


def saved_state(folder: Path, resume: bool) -> dict[str, Any] | None:
    """What the last checkpoint of the run in `folder` says; None where there is none.

    Raises `UsageError` where one stands and `resume` is not given, and where the model was imported.
    """
    if (folder / LAST).exists():
        state = read_run_state(folder / LAST)
        if not resume:
            raise UsageError(
                f"{folder}: holds a run at step {state['position']['step']:,}. "
                "Add --resume to go on with it, or choose another --run name."
            )
        return state
    if (folder / "manifest.json").exists():
        raise UsageError(f"{folder}: holds a model that was imported. Choose another --run name.")
    return None


def _prepare(
    training: Training,
    records: RunFolder,
    train: TokenFile,
    start: Path | None,
    audited: Callable[[list[Finding]], None] | None,
) -> None:
    """Before the first step: who computes, another run's weights where asked for, and whether every ingredient acts."""
    step, world, about = training.step, training.world, records.about
    about["probe"] = [asdict(candidate) for candidate in resolve(step, world)]
    config = training.config
    about["config"] = config.to_json()
    if config.precision == "fp16" and config.on_nan == "skip":
        raise UsageError("on_nan=skip is not for float16, whose loss scale leaves out such steps. Use stop.")
    about["start"] = _begin_with(start, training.model, records.folder)
    training.settle()
    findings = audit(training, train)
    records.begin(findings)
    if audited and world.first:
        audited(findings)
    world.seed(config.seed)


def _begin_with(start: Path | None, model: AWDLSTM, folder: Path) -> dict[str, Any] | None:
    """Give `model` the best weights of the run in `start`, if any; which they were."""
    if start is not None:
        return _take_best(start, model)
    if (folder / CONFIG).exists() and (before := read_json(folder / CONFIG).get("start")):
        raise UsageError(f"{folder}: began with --from {before['run']}; it saved nothing yet. Give --from again.")
    return None


def _take_best(start: Path, model: AWDLSTM) -> dict[str, Any]:
    if not start.is_dir():
        raise UsageError(f"{start}: no run here to begin with.{names_beside(start)}")
    checkpoint = read_checkpoint(start / BEST)
    assert model.identity is not None
    checkpoint.identity.refuse_other(model.identity, checkpoint.folder)
    sizes = model_sizes(checkpoint.model, checkpoint.folder)
    other = {name: size for name, size in sizes.items() if name != "vocabulary" and size != getattr(model.config, name)}
    if other:
        options = " ".join(f"--set {name}={size}" for name, size in other.items())
        raise UsageError(f"{start}: a model of other sizes. Add {options}.")
    refuse_other_direction(checkpoint.config, model.config, start)
    load_weights(model, checkpoint.model, checkpoint.folder)
    step = checkpoint.state.get("position", {}).get("step")
    return {"run": start.name, "step": step, "weights": checkpoint.state["files"][MODEL]}


def refuse_other_direction(before: LMConfig, now: LMConfig, start: Path) -> None:
    """What comes next and what came before are two languages: such weights would look trained, and begin anew."""
    if before.backward != now.backward:
        ways = {False: "from the beginning", True: "from the end"}
        raise UsageError(
            f"{start}: reads texts {ways[before.backward]}, this run {ways[now.backward]}. "
            f"{'Add' if before.backward else 'Leave out'} --backward, or begin with another run."
        )


def _budget(training: Training, seconds: float | None) -> TimeBudget | None:
    if seconds is None:
        return None
    batches, valid = training.batches, training.validation
    window = batches.batch_size * batches.bptt
    # forward is a third of a step; finding the best guess and narrower batches cost a little more
    validation = 0.5 * valid.longest * (len(valid.bounds) - 1) / window
    return TimeBudget(seconds, validation, len(batches.windows(0)))
