"""A run while it trains: fastai's events become metrics, checkpoints and, where it must be, an end."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ulmkit.artifacts.manifest import package_versions
from ulmkit.errors import Interrupted, UlmkitError
from ulmkit.lm.checkpoint import load_weights, read_checkpoint, save_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, ShareGradients
from ulmkit.lm.fastai_imports import Callback, CancelBatchException, CancelFitException
from ulmkit.lm.learner import LMLearner
from ulmkit.lm.metrics import MetricsFile
from ulmkit.lm.optimizer import optimizer_tensors, restore_optimizer
from ulmkit.lm.position import Budget, Position, epochs_for, planned_steps
from ulmkit.lm.signals import Signals
from ulmkit.lm.trackers import TensorBoard

LAST, BEST, METRICS, BOARD = "last", "best", "metrics.jsonl", "tensorboard"
MOST_SKIPS = 10  # in a row; beyond, no further step will mend it
HIDDEN = "hidden."  # before the names of what the model remembers, among a checkpoint's tensors


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


class Schedule(Callback):
    """Tells fastai's schedulers where the run is, by its step."""

    order = 0  # after TrainEvalCallback's own guess, before ParamScheduler

    def __init__(self, position: Position) -> None:
        self.position = position

    def before_epoch(self) -> None:
        # a run may have been killed between its last step and the validation after it: then that is still to come
        if self.position.done and not self.position.batch:
            raise CancelFitException

    def before_batch(self) -> None:
        if self.training:
            self.learn.pct_train = self.position.share


class RunKeeper(Callback):
    """Writes down what happens: metrics, progress, checkpoints; and ends the run when it must.

    Its own errors end the fit first and are raised after it: fastai would rewrite their message.
    """

    order = 55  # after Recorder, before trackers: EarlyStopping may end the fit, SaveModel load other weights
    whole_steps = True  # where a step is taken as one, its loss is looked at with the next line

    def __init__(self, course: "Run") -> None:
        self.course = course

    def after_loss(self) -> None:
        course, loss = self.course, self.learn.loss
        if not self.training:
            return
        # on a GPU reading the loss back waits for it, so there only every few steps
        looks = loss.device.type == "cpu" or course.skips or course.at_line(course.position.step + 1)
        if not looks or math.isfinite(loss.item()):
            return
        if not course.skips:
            course.fail(course.not_finite("loss", loss.item()))
        if course.share:
            course.share.mine[2] = 1.0  # what one process must not do, none does

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


class SkipBadSteps(Callback):
    """Where the run's `on_nan` is skip: a step whose loss or gradient is no number is not taken."""

    order, run_valid = 6, False  # the gradients of all processes are together, and not yet clipped

    def __init__(self, course: "Run") -> None:
        self.course = course

    def before_step(self) -> None:
        course = self.course
        # the norm is no number where one element is none, or where they are too large to be squared
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        loss = course.share.wished[2] == 0 if course.share else bool(self.learn.loss.isfinite())
        if loss and bool(norm.isfinite()):
            course.skipped_in_a_row = 0
            return
        self.learn.opt.zero_grad()
        self.model.reset()  # what it remembers may be the cause, and is no number either
        course.skip()
        raise CancelBatchException


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
        self.worse = 0  # validations since the best
        self.skipped, self.skipped_in_a_row = 0, 0
        self.saved_step, self.saved_time = -1, time.monotonic()
        self.pending: list[torch.Tensor] = []
        self.metrics: MetricsFile | None = None
        self.board: TensorBoard | None = None
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

    @property
    def skips(self) -> bool:
        """Whether a step without a number is skipped."""
        return self.config.on_nan == "skip"

    def not_finite(self, what: str, value: float) -> UlmkitError:
        """What to say where `what` is no number any more."""
        kept = f"last/ holds step {self.saved_step}" if self.saved_step >= 0 else "nothing was saved yet"
        hint = "" if self.skips else ", or skip such steps (--set on_nan=skip)"
        return UlmkitError(
            f"{self.folder}: the {what} became {value} at step {self.position.step + 1}; {kept}. "
            f"Try a lower --lr, or clip gradients (--set clip=0.4){hint}."
        )

    def skip(self) -> None:
        """The step under way is not taken: it counts in the schedule, and its tokens as read."""
        self.skipped, self.skipped_in_a_row = self.skipped + 1, self.skipped_in_a_row + 1
        if self.skipped_in_a_row > MOST_SKIPS:
            self.fail(self.not_finite(f"gradient of {MOST_SKIPS + 1} steps in a row", math.nan))

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
        if not self.skipped_in_a_row:
            self.pending.append(loss)
        if self.budget:
            if loss.is_cuda and self.budget.due(position, self.elapsed):
                torch.cuda.synchronize(loss.device)  # steps that were only ordered have taken no time yet
            self.budget.look(position, self.elapsed)
        if self.at_line(position.step):
            self._write_line()
        due = time.monotonic() - self.saved_time >= self.config.checkpoint_minutes * 60
        if self.share:
            due, self.share.mine = self.share.wished[0] > 0, [float(due), float(self.signals.number or 0), 0.0]
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
        mean = self.sum / self.count if self.count else None  # None: every step was skipped
        if mean is not None and not math.isfinite(mean):
            raise self.not_finite("loss", mean)
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
            | ({"skipped": self.skipped} if self.skips else {})
        )
        self.sum, self.count = 0.0, 0
        self._report(math.nan if mean is None else mean, float(hyper["lr"]), rate)

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
                perplexity=perplexity(loss),
                valid_loss=self.valid_loss,
                valid_perplexity=None if self.valid_loss is None else perplexity(self.valid_loss),
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
        if not math.isfinite(valid_loss):
            raise self.not_finite("validation loss", valid_loss)
        self.valid_loss = valid_loss
        better = valid_loss < self.best_loss
        self.worse = 0 if better else self.worse + 1
        if better:
            self.best_loss, self.best_step = valid_loss, position.step
        if self.config.patience and self.worse >= self.config.patience:
            position.total = position.step  # the end is here; a run that is killed now and resumed knows it too
        self._write(
            {
                "step": position.step,
                "epoch": position.epoch,
                "tokens": position.tokens,
                "valid_loss": valid_loss,
                "valid_perplexity": perplexity(valid_loss),
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
        if self.board:
            self.board.write(line)

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
            "worse": self.worse,
            "skipped": [self.skipped, self.skipped_in_a_row],
            "metrics_bytes": self.metrics.settle() if self.metrics else 0,
            "seconds": self.elapsed,
            "threads": torch.get_num_threads(),
            "versions": self.versions,
        }

    def _save_best(self) -> None:
        """What was validated: the average of the weights where there is one."""
        if not self.world.first:
            return
        weights = self.learn.weights(averaged=True)
        self._refuse_damage(weights)
        save_checkpoint(self.folder / BEST, weights, None, self._state())

    def _refuse_damage(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """The checkpoint that stands was good: nothing that is no number may take its place."""
        for name, value in tensors.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise self.not_finite(name, float(value.sum()))

    def save_last(self) -> None:
        """Everything that is needed to go on as if nothing had happened."""
        model, average = self.learn.model, self.learn.average
        training = optimizer_tensors(self.learn.opt, model)
        if average is not None:
            training |= {f"average.{name}": value for name, value in average.average().items()}
        self._gather_losses()
        if self.learn.scaling is not None:
            training |= {f"scaling.{name}": value for name, value in self.learn.scaling.memory().items()}
        device = self.learn.dls.device
        # one row a process
        training["random.cpu"] = self.world.rows_of_all(torch.get_rng_state()[None].to(device))
        if device.type == "cuda":
            training["random.cuda"] = self.world.rows_of_all(torch.cuda.get_rng_state(device)[None].to(device))
        # between epochs there is nothing to carry on: what the model holds then is the validation's
        if self.position.batch:
            training |= {f"{HIDDEN}{name}": self.world.rows_of_all(value) for name, value in model.carried().items()}
        weights = self.learn.weights(averaged=False)
        self._refuse_damage(weights | training)
        self.saved_step, self.saved_time = self.position.step, time.monotonic()
        if not self.world.first:
            return
        save_checkpoint(self.folder / LAST, weights, training, self._state())

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
        if learn.scaling is not None:
            learn.scaling.recall({name: tensors[f"scaling.{name}"] for name in learn.scaling.memory()})
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
        self.worse = state["worse"]
        self.skipped, self.skipped_in_a_row = state["skipped"]
        self.started -= state["seconds"]
        self.line_tokens = self.position.tokens
        self.saved_step = self.position.step
        if self.world.first:
            self.metrics = MetricsFile(self.folder / METRICS, state["metrics_bytes"])
        learn.first_epoch = self.position.epoch
        learn.dls.train.seek(self.position.epoch, self.position.batch)
        if self.position.batch:
            device, rows = learn.dls.device, self.world.rows(self.config.batch_size)
            hidden = {name: tensor for name, tensor in tensors.items() if name.startswith(HIDDEN)}
            learn.state_keeper.begin = {n.removeprefix(HIDDEN): t[rows].to(device) for n, t in hidden.items()}
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
        finally:
            for file in (self.metrics, self.board):
                if file:
                    file.close()
        if self.failure is not None:
            raise self.failure

    def settle(self) -> None:
        """The fit is over: nothing of it may be missing on disk, also where a callback ended it early."""
        if self.saved_step != self.position.step:
            self.save_last()
        if self.best_step == 0 and math.isinf(self.best_loss):  # nothing was ever validated
            self._save_best()


def perplexity(loss: float) -> float:
    """e to the loss; where that is no float any more, the largest that comes near."""
    return math.exp(min(loss, 700.0))
