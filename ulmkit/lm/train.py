"""One training run in its folder: from token files to checkpoints, through kills and signals."""

import contextlib
import hashlib
import json
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, Literal

import numpy as np
import torch

from ulmkit.artifacts.atomic import lock, recover_folder, remove_leftovers, storage_errors, write_json
from ulmkit.artifacts.manifest import describe_files, fingerprint, package_versions, read_manifest, signature
from ulmkit.artifacts.manifest import write_manifest as write_stage_manifest
from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError, Interrupted, UlmkitError, UsageError
from ulmkit.lm.audit import Finding, audit
from ulmkit.lm.batches import EvaluationBatches, TrainBatches
from ulmkit.lm.checkpoint import load_weights, read_checkpoint, read_state, save_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, ShareGradients, joined, launched, whole_state
from ulmkit.lm.fastai_imports import Callback, CancelFitException
from ulmkit.lm.identity import Identity
from ulmkit.lm.kernels import LayerState
from ulmkit.lm.learner import LMLearner, LRFinding, find_lr, learner, pick_device
from ulmkit.lm.optimizer import optimizer_tensors, restore_optimizer
from ulmkit.lm.probe import resolve

__all__ = ["LRFinding", "TrainProgress", "TrainResult", "find_lr", "learner", "pretrain"]

STAGE = "lm"
LAST, BEST, METRICS, CONFIG, AUDIT = "last", "best", "metrics.jsonl", "config.json", "audit.json"

# a resumed run may save or report more often; anything else would make it another run
FREE_SETTINGS = ("checkpoint_minutes",)

Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}


@dataclass(frozen=True)
class TrainProgress:
    """Where a run stands. `loss` is the mean since the last report; `valid_loss` the latest, None before the first."""

    step: int
    steps: int | None  # None while a time budget is still being measured
    epoch: int
    loss: float
    perplexity: float
    valid_loss: float | None
    valid_perplexity: float | None
    lr: float
    tokens_per_second: float
    seconds: float  # since the start, earlier lives of a resumed run included
    seconds_left: float | None


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


@dataclass
class Position:
    """How far the run is, and how far it goes. The data cursor is (epoch, batch)."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    total: int | None = None  # steps; None while a time budget is still being measured
    tokens: int = 0

    @property
    def done(self) -> bool:
        return self.total is not None and self.step >= self.total

    @property
    def share(self) -> float:
        """Place in the 1cycle schedule: a function of the step alone, so that a resumed run has the same."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def planned_steps(batches: TrainBatches, config: LMConfig) -> int:
    """Steps that `config` asks for: its `steps`, or those of its epochs."""
    return config.steps or sum(len(batches.windows(epoch)) for epoch in range(config.epochs))


@dataclass
class Budget:
    """Turns seconds into a number of steps: measured at doubling times, and fixed at a quarter of the budget.

    Until then each measurement corrects the one before, while the rate is still rising; afterwards the schedule is
    a function of the step, and the run can be resumed exactly.
    """

    seconds: float
    validation_share: float  # cost of one validation, in training steps
    steps_per_epoch: int
    fixed: bool = False
    first: tuple[int, float] | None = None  # step and time from which the rate is measured
    next_look: float = 0.0

    MARGIN = 0.98  # saving and writing at the end take their part
    FIX_AT = 0.25

    def look(self, position: Position, elapsed: float) -> None:
        """Correct `position.total` when it is time to."""
        if self.fixed:
            return
        if self.first is None:
            # the first step also pays for memory and threads
            self.first, self.next_look = (position.step, elapsed), elapsed + self.seconds / 200
            return
        if elapsed < self.next_look and position.total is not None:
            return
        if position.step - self.first[0] < 2:
            return
        per_step = (elapsed - self.first[1]) / (position.step - self.first[0])
        validation = self.validation_share * per_step
        left = self.seconds * self.MARGIN - elapsed - validation
        # every epoch's end is followed by a validation
        more = left / (per_step + validation / self.steps_per_epoch)
        position.total = position.step + max(1, int(more))
        self.next_look = 2 * elapsed
        self.fixed = elapsed >= self.FIX_AT * self.seconds or self.next_look > self.FIX_AT * self.seconds


class MetricsFile:
    """metrics.jsonl: one line every few steps and one for each validation, flushed as written."""

    def __init__(self, path: Path, length: int) -> None:
        """Go on after the first `length` bytes: what a killed process wrote beyond its checkpoint is dropped."""
        with storage_errors(path):
            path.touch()
            if path.stat().st_size < length:
                raise ArtifactError(f"{path}: shorter than its checkpoint says. Start a new run.")
            os.truncate(path, length)
            self.file: IO[bytes] = open(path, "ab")  # noqa: SIM115 (closed by close)
        self.path = path

    def write(self, line: dict[str, Any]) -> None:
        with storage_errors(self.path):
            self.file.write(json.dumps(line).encode() + b"\n")
            self.file.flush()

    def settle(self) -> int:
        """Make it durable; its length."""
        with storage_errors(self.path):
            os.fsync(self.file.fileno())
        return self.file.tell()

    def close(self) -> None:
        self.file.close()


@dataclass
class Signals:
    """Remembers SIGINT and SIGTERM while training, so that a step is never cut in two."""

    number: int | None = None
    before: dict[int, Any] = field(default_factory=dict)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._restore()  # the second one means it

    def _restore(self) -> None:
        while self.before:
            number, handler = self.before.popitem()
            signal.signal(number, handler)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Only the main thread may have handlers; elsewhere signals keep their meaning."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
            yield
        finally:
            self._restore()


class Schedule(Callback):
    """Tells fastai's schedulers where the run is, by its step."""

    order = 0  # after TrainEvalCallback's own guess, before ParamScheduler

    def __init__(self, position: Position) -> None:
        self.position = position

    def before_epoch(self) -> None:
        if self.position.done:
            raise CancelFitException

    def before_batch(self) -> None:
        if self.training:
            self.learn.pct_train = self.position.share


class RunKeeper(Callback):
    """Writes down what happens: metrics, progress, checkpoints; and ends the run when it must.

    Its own errors end the fit first and are raised after it: fastai would rewrite their message.
    """

    order = 55  # after Recorder, before trackers: EarlyStopping may end the fit, SaveModel load other weights

    def __init__(self, course: "Run") -> None:
        self.course = course

    def after_loss(self) -> None:
        course, loss = self.course, self.learn.loss
        # on a GPU reading the loss back waits for it, so there only every few steps
        looks = loss.device.type == "cpu" or course.at_line(course.position.step + 1)
        if self.training and looks and not math.isfinite(loss.item()):
            course.fail(course.not_finite(loss.item()))

    def after_batch(self) -> None:
        with self.course.guarded():
            if self.training:
                self.course.stepped(self.learn.loss.detach(), self.learn.yb[0].numel())
            self.course.obey()

    def after_epoch(self) -> None:
        with self.course.guarded():
            self.course.validated(self.learn.recorder.loss.value, self.learn.metrics[0].value)

    def after_fit(self) -> None:
        if self.course.failure is None:
            with self.course.guarded():
                self.course.settle()


class Run:
    """The state of one run beside the weights, and its files."""

    def __init__(
        self,
        folder: Path,
        learn: LMLearner,
        config: LMConfig,
        about: dict[str, Any],
        budget: Budget | None,
        clock: Callable[[], float],
        started: float,
        progress: Callable[[TrainProgress], None] | None,
        share: ShareGradients | None,
    ) -> None:
        self.share = share  # with other processes; None where there are none
        self.world = share.world if share else ALONE
        self.folder, self.learn, self.config, self.about = folder, learn, config, about
        self.budget, self.clock, self.progress = budget, clock, progress
        self.started = started  # on `clock`; moved back by earlier lives
        self.position = Position(total=None if budget else planned_steps(learn.dls.train, config))
        self.versions = package_versions(["torch", "fastai", "safetensors", "numpy"])
        self.signals = Signals()
        self.failure: UlmkitError | None = None
        self.sum, self.count = 0.0, 0  # of losses since the last line
        self.line_time, self.line_tokens = started, 0
        self.valid_loss: float | None = None
        self.best_loss, self.best_step = math.inf, 0
        self.saved_step, self.saved_time = -1, time.monotonic()
        self.pending: list[torch.Tensor] = []
        self.metrics: MetricsFile | None = None
        learn.dls.train.stop = lambda: self.position.done

    # -- failing and stopping

    def fail(self, error: UlmkitError) -> None:
        """End the fit; `error` is raised once fastai has unwound."""
        self.failure = error
        raise CancelFitException

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        try:
            yield
        except UlmkitError as error:
            self.fail(error)

    def not_finite(self, loss: float) -> UlmkitError:
        kept = f"last/ holds step {self.saved_step}" if self.saved_step >= 0 else "nothing was saved yet"
        return UlmkitError(
            f"{self.folder}: the loss became {loss} at step {self.position.step + 1}; {kept}. "
            "Try a lower --lr, or clip gradients."
        )

    def obey(self) -> None:
        """Where a signal came, save and stop; of several processes all do, when one was told to."""
        number = int(self.share.wished[1]) if self.share else self.signals.number
        if not number:
            return
        self.save_last()
        name = signal.Signals(number).name
        raise Interrupted(
            f"{self.folder}: stopped by {name} at step {self.position.step}, everything is saved. "
            "Run the same command with --resume to go on.",
            number,
        )

    # -- what happens

    def at_line(self, step: int) -> bool:
        return step % self.config.log_every == 0 or step == self.position.total

    def stepped(self, loss: torch.Tensor, tokens: int) -> None:
        """One step was taken."""
        position = self.position
        position.step, position.batch = position.step + 1, position.batch + 1
        position.tokens += tokens * self.world.size
        self.pending.append(loss)
        if self.budget:
            self.budget.look(position, self.elapsed)
        if self.at_line(position.step):
            self._write_line()
        due = time.monotonic() - self.saved_time >= self.config.checkpoint_minutes * 60
        if self.share:
            due, self.share.mine = self.share.wished[0] > 0, [float(due), float(self.signals.number or 0)]
        if due:
            self.save_last()

    def _collect(self) -> None:
        """Add up the losses that are still on the device."""
        if self.pending:
            for loss in torch.stack(self.pending).double().tolist():
                self.sum, self.count = self.sum + loss, self.count + 1
            self.pending = []

    def _gather_losses(self) -> None:
        """The first process takes over what the others have added up."""
        self._collect()
        if not self.world.alone:
            sums = torch.tensor([self.sum, self.count], dtype=torch.float64, device=self.learn.dls.device)
            total, count = self.world.sum(sums).tolist()
            self.sum, self.count = (total, int(count)) if self.world.first else (0.0, 0)

    def _write_line(self) -> None:
        self._gather_losses()
        mean = self.sum / max(1, self.count)
        if not math.isfinite(mean):
            raise self.not_finite(mean)
        hyper, position = self.learn.opt.hypers[-1], self.position
        now = self.clock()
        rate = (position.tokens - self.line_tokens) / max(now - self.line_time, 1e-9)
        self.line_time, self.line_tokens = now, position.tokens
        self._write(
            {
                "step": position.step,
                "epoch": position.epoch,
                "tokens": position.tokens,
                "loss": mean,
                "lr": float(hyper["lr"]),
                "mom": float(hyper["mom"]),
                "seconds": round(self.elapsed, 3),
                "tokens_per_second": round(rate, 1),
            }
        )
        self.sum, self.count = 0.0, 0
        self._report(mean, float(hyper["lr"]), rate)

    def _report(self, loss: float, lr: float, rate: float) -> None:
        if not self.progress:
            return
        position, left = self.position, None
        if position.total and position.step:
            left = self.elapsed / position.step * (position.total - position.step)
        self.progress(
            TrainProgress(
                step=position.step,
                steps=position.total,
                epoch=position.epoch,
                loss=loss,
                perplexity=_exp(loss),
                valid_loss=self.valid_loss,
                valid_perplexity=None if self.valid_loss is None else _exp(self.valid_loss),
                lr=lr,
                tokens_per_second=rate,
                seconds=self.elapsed,
                seconds_left=left,
            )
        )

    def validated(self, valid_loss: float | None, accuracy: float | None) -> None:
        """An epoch and its validation are over; no loss where a callback left the validation out."""
        position = self.position
        position.epoch, position.batch = position.epoch + 1, 0
        if valid_loss is None:
            return
        self.valid_loss = valid_loss
        better = valid_loss < self.best_loss
        if better:
            self.best_loss, self.best_step = valid_loss, position.step
        self._write(
            {
                "step": position.step,
                "epoch": position.epoch,
                "tokens": position.tokens,
                "valid_loss": valid_loss,
                "valid_perplexity": _exp(valid_loss),
                "valid_accuracy": accuracy,
                "best": better,
                "seconds": round(self.elapsed, 3),
            }
        )
        if better:
            self._save_best()
        # saving all of a tiny model after each of its short epochs would take longer than training it
        due = time.monotonic() - self.saved_time >= min(60.0, self.config.checkpoint_minutes * 60) / 4
        if position.done or self.world.any(due, self.learn.dls.device):
            self.save_last()
        self._report(valid_loss, float(self.learn.opt.hypers[-1]["lr"]), 0.0)

    # -- saving and resuming

    @property
    def elapsed(self) -> float:
        return self.clock() - self.started

    def _write(self, line: dict[str, Any]) -> None:
        """A line of metrics.jsonl, by the process that has the file."""
        if self.metrics:
            self.metrics.write(line)

    def _state(self) -> dict[str, Any]:
        self._collect()
        return {
            **self.about,
            "position": asdict(self.position),
            "budget": asdict(self.budget) if self.budget else None,
            "losses": [self.sum, self.count],
            "valid_loss": self.valid_loss,
            "average": self.learn.average.memory() if self.learn.average is not None else None,
            "best": [self.best_loss if math.isfinite(self.best_loss) else None, self.best_step],
            "metrics_bytes": self.metrics.settle() if self.metrics else 0,
            "seconds": self.elapsed,
            "threads": torch.get_num_threads(),
            "versions": self.versions,
        }

    def _save_best(self) -> None:
        """What was validated: the average of the weights where there is one."""
        if not self.world.first:
            return
        save_checkpoint(self.folder / BEST, self.learn.weights(averaged=True), None, self._state())

    def save_last(self) -> None:
        """Everything that is needed to go on as if nothing had happened."""
        model, average = self.learn.model, self.learn.average
        training = optimizer_tensors(self.learn.opt, model)
        if average is not None:
            training |= {f"average.{name}": value for name, value in average.average().items()}
        self._gather_losses()
        device = self.learn.dls.device
        # one row a process
        training["random.cpu"] = self.world.rows_of_all(torch.get_rng_state()[None].to(device))
        if device.type == "cuda":
            training["random.cuda"] = self.world.rows_of_all(torch.cuda.get_rng_state(device)[None].to(device))
        # between epochs there is nothing to carry on: what the model holds then is the validation's
        carried = model.state if self.position.batch and model.state else []
        for index, layer in enumerate(whole_state(self.world, carried)):
            training[f"hidden.{index}.h"], training[f"hidden.{index}.c"] = layer
        self.saved_step, self.saved_time = self.position.step, time.monotonic()
        if not self.world.first:
            return
        save_checkpoint(self.folder / LAST, self.learn.weights(averaged=False), training, self._state())

    def restore(self) -> None:
        """Take up what `save_last` left. Random numbers come last: nothing may draw between here and the fit."""
        checkpoint = read_checkpoint(self.folder / LAST, training=True)
        state, tensors, learn = checkpoint.state, checkpoint.training, self.learn
        load_weights(learn.model, checkpoint.model, checkpoint.folder)
        learn.create_opt()
        restore_optimizer(learn.opt, learn.model, tensors)
        if learn.average is not None:
            kept = {name.removeprefix("average."): t for name, t in tensors.items() if name.startswith("average.")}
            learn.average.recall(state["average"], {name: t.to(learn.dls.device) for name, t in kept.items()})
        for name, value in state["position"].items():
            setattr(self.position, name, value)
        if self.budget and state["budget"]:
            saved = {key: value for key, value in state["budget"].items() if key in ("fixed", "next_look")}
            for name, value in saved.items():
                setattr(self.budget, name, value)
        self.sum, self.count = state["losses"] if self.world.first else (0.0, 0)
        self.valid_loss = state["valid_loss"]
        best, self.best_step = state["best"]
        self.best_loss = math.inf if best is None else best
        self.started -= state["seconds"]
        self.line_tokens = self.position.tokens
        self.saved_step = self.position.step
        if self.world.first:
            self.metrics = MetricsFile(self.folder / METRICS, state["metrics_bytes"])
        learn.first_epoch = self.position.epoch
        learn.dls.train.seek(self.position.epoch, self.position.batch)
        layers = sum(name.startswith("hidden.") for name in tensors) // 2
        if self.position.batch and layers:
            device, rows = learn.dls.device, self.world.rows(self.config.batch_size)
            learn.state_keeper.carried = [
                LayerState(*(tensors[f"hidden.{i}.{part}"][rows].to(device) for part in "hc")) for i in range(layers)
            ]
        if len(tensors["random.cpu"]) != self.world.size:
            self.world.seed(self.config.seed + self.position.step)  # another number of processes: other random numbers
            return
        # a copy: torch reads a view of another row from where it does not begin
        torch.set_rng_state(tensors["random.cpu"][self.world.rank].clone())
        if "random.cuda" in tensors and learn.dls.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"][self.world.rank].clone(), learn.dls.device)

    # -- the fit

    def fit(self) -> None:
        """Train until the schedule's end, a failure, or a callback that ends it early."""
        config, learn = self.config, self.learn
        # with a time budget nobody knows the epochs yet; the position ends the fit
        epochs = 10**9 if self.budget else epochs_for(learn.dls.train, self.position.total or 0)
        try:
            with self.signals.watched(), contextlib.suppress(CancelFitException):
                learn.fit_schedule(epochs, config)
        except torch.OutOfMemoryError as error:
            half = max(1, config.batch_size // 2)
            raise UlmkitError(
                f"{self.folder}: the device is out of memory at --batch-size {config.batch_size}. Use {half}."
            ) from error
        finally:
            if self.metrics:
                self.metrics.close()
        if self.failure is not None:
            raise self.failure

    def settle(self) -> None:
        """The fit is over: nothing of it may be missing on disk, also where a callback ended it early."""
        if self.saved_step != self.position.step:
            self.save_last()
        if self.best_step == 0 and math.isinf(self.best_loss):  # nothing was ever validated
            self._save_best()


def epochs_for(batches: TrainBatches, steps: int) -> int:
    """How many epochs it takes to make `steps` steps."""
    epochs = 0
    while steps > 0:
        steps -= len(batches.windows(epochs))
        epochs += 1
    return epochs


def _exp(loss: float) -> float:
    return math.exp(min(loss, 700.0))


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
    for name in state["config"].keys() | about["config"].keys():
        before, after = state["config"].get(name), about["config"].get(name)
        if before != after and name not in FREE_SETTINGS:
            raise UsageError(f"{where}: began with {name} {before}, now {after}. Start a new run for the change.")


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
) -> TrainResult:
    """Train a language model on `train`, validating on `valid` after each epoch, in run folder `folder`.

    Before the first step every ingredient is audited: one that is on and does nothing stops the run; `audited` gets
    the findings. The folder gets config.json, audit.json, metrics.jsonl, last/ (to resume from), best/ (lowest
    validation loss) and, at the end, manifest.json. With `resume` an interrupted run goes on from last/ as if it had
    never stopped: on a CPU in float32 with the same number of threads, to the bit. A run that was killed before its
    first checkpoint begins again; one that is finished only returns its result. `callbacks` are fastai's; their own
    memory is not saved.
    `time_budget_s` stretches one 1cycle schedule over that many seconds of `budget_clock` instead of `epochs`.

    Raises `UsageError` where the folder holds a run and `resume` is not given, or where its settings differ;
    `ArtifactError` where tokens, tokenizer or checkpoint do not fit; `BusyError` where another process trains here;
    `Interrupted` after SIGINT or SIGTERM, everything saved; `UlmkitError` where the loss is no number any more.
    """
    clock = CLOCKS[budget_clock]
    started = clock()
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
        about = {
            "config": config.to_json(),
            "probe": state["probe"] if there else [asdict(candidate) for candidate in probed],
            "identity": asdict(Identity.of(train)),
            "data": {"train": data_fingerprint(train), "valid": data_fingerprint(valid)},
            "time_budget_s": time_budget_s,
            "clock": budget_clock,
        }
        if there:
            _refuse_changes(state, about, folder / LAST)
            if (folder / "manifest.json").exists():
                return _result(folder, read_manifest(folder, STAGE))
        elif (folder / "manifest.json").exists():
            raise UsageError(f"{folder}: holds a model that was imported. Choose another --run name.")
        torch.manual_seed(config.seed)
        share = None if world.alone else ShareGradients(world, wishes=2)
        together = [] if share is None else [share]
        learn = learner(
            train, valid, config, folder=folder, device=device, callbacks=[*together, *callbacks], world=world
        )
        budget = _budget(learn, time_budget_s) if time_budget_s else None
        run = Run(folder, learn, config, about, budget, clock, started, progress if world.first else None, share)
        learn.add_cbs([Schedule(run.position), RunKeeper(run)])
        if there:
            run.restore()
        else:
            findings = audit(train, config, device=str(picked))
            if world.first:
                _begin(folder, about)
                write_json(folder / AUDIT, [asdict(finding) | {"acts": finding.acts} for finding in findings])
                run.metrics = MetricsFile(folder / METRICS, 0)
            if audited and world.first:
                audited(findings)
            world.seed(config.seed)
        run.fit()
        if world.first:
            _finish(run)
        world.meet(picked)
        return _result(folder, read_manifest(folder, STAGE))


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
    shutil.rmtree(folder / BEST, ignore_errors=True)
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
        steps=position.step,
        seed=run.config.seed,
    )
    valid_loss = run.valid_loss if run.valid_loss is not None else math.nan
    result = {
        "step": position.step,
        "epoch": position.epoch,
        "tokens": position.tokens,
        "valid_loss": valid_loss,
        "valid_perplexity": _exp(valid_loss),
        "best_valid_loss": run.best_loss,
        "best_step": run.best_step,
        "seconds": run.elapsed,
        "tokens_per_second": position.tokens / max(run.elapsed, 1e-9),
        "backend": run.config.backend,
        "precision": run.config.precision,
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
