"""The training loop: epochs of windows, validations between them, and everything that may end it."""

import contextlib
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import torch

from ulmkit.errors import Interrupted, UlmkitError
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.ingredients import ShareGradients
from ulmkit.lm.loss import IGNORE, token_losses
from ulmkit.lm.plateau import plateau
from ulmkit.lm.position import Position, TimeBudget, planned_steps
from ulmkit.lm.schedule import set_rates
from ulmkit.lm.setup import Training
from ulmkit.lm.signals import Signals

MOST_SKIPS = 10  # in a row; beyond, no further step will mend it


@dataclass(frozen=True)
class TrainProgress:
    """Where a run stands. `valid_loss` is the latest, None before the first.

    `loss` and `tokens_per_second` are means over the steps of the last line of metrics; before the first line the loss
    is no number.
    """

    step: int
    steps: int | None  # None while a time budget is still being measured
    epoch: int
    loss: float
    valid_loss: float | None
    lr: float
    tokens_per_second: float
    seconds: float  # since the start, earlier lives of a resumed run included
    seconds_left: float | None

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)

    @property
    def valid_perplexity(self) -> float | None:
        return None if self.valid_loss is None else perplexity(self.valid_loss)

    @property
    def summary(self) -> str:
        """Losses and speed in words, for a line that is rewritten; without a loss before the first line of metrics."""
        trained = f"loss {self.loss:.3f}, perplexity {self.perplexity:.1f}, {self.tokens_per_second:,.0f} tokens/s"
        valid = "" if self.valid_perplexity is None else f"valid perplexity {self.valid_perplexity:.1f}"
        return ", ".join(part for part in (trained if self.tokens_per_second else "", valid) if part)


class Records(Protocol):
    """Where a loop writes what happens."""

    folder: Path
    saved_step: int  # -1 before the first
    saved_time: float  # on the monotonic clock

    def write(self, line: dict[str, Any]) -> None:
        """A line of metrics."""

    def save_last(self, loop: "Loop") -> None:
        """Everything that is needed to go on as if nothing had happened."""

    def save_best(self, loop: "Loop") -> None:
        """What was validated."""


class Loop:
    """The state of a run beside its weights, and the loop that moves it on."""

    def __init__(
        self,
        training: Training,
        records: Records,
        *,
        budget: TimeBudget | None,
        clock: Callable[[], float],
        started: float,
        progress: Callable[[TrainProgress], None] | None,
        after_step: Callable[["Loop"], None] | None,
        unigram: float | None = None,
    ) -> None:
        self.training, self.config, self.records = training, training.config, records
        self.step, self.world, self.device = training.step, training.world, training.device
        self.share = self.step.share  # what carries requests between processes; None where there is only one
        self.budget, self.clock, self.progress, self.after_step = budget, clock, progress, after_step
        self.unigram = unigram  # nats a token of a model that only counts; None: nobody asks whether this one is better
        self.started = started  # by `clock`; moved back by earlier lives
        self.position = Position(total=None if budget else planned_steps(training.batches, self.config))
        self.signals = Signals()
        self.sum, self.count = 0.0, 0  # of losses since the last line
        self.pending: list[torch.Tensor] = []  # losses that are still on the device
        self.loss, self.rate = math.nan, 0.0  # of the last line: mean loss, tokens a second
        self.line_time, self.line_tokens = self.started, 0
        self.valid_loss: float | None = None
        self.best_loss, self.best_step = math.inf, 0
        self.worse = 0  # validations since the best
        self.skipped, self.skipped_in_a_row = 0, 0
        self.carried: dict[str, torch.Tensor] | None = None  # what a resumed epoch carries from before

    def run(self) -> None:
        """Train until the schedule's end, or until something else ends it. All is saved when it returns."""
        position = self.position
        with self.signals.watched(), kept_memory():
            # a run may have been killed between its last step and the validation after it: that is still to come
            while not position.done or position.batch:
                self.epoch()
                self.validated(*self.validate())
        if self.records.saved_step != position.step:
            self.records.save_last(self)

    def epoch(self) -> None:
        """All windows of an epoch, or those up to the schedule's end."""
        model, position = self.training.model, self.position
        model.train()
        model.reset()
        if self.carried:
            model.carry(self.carried)
            self.carried = None
        batches = self.training.batches
        batches.seek(position.epoch, position.batch)
        for x, y in batches:
            if position.done:
                break
            set_rates(self.step.optimizer, self.config, position.fraction)
            loss = self.step(x, y)
            self.look_at(loss)
            self.count_step(loss, y.numel())
            if self.after_step:
                self.after_step(self)
            self.stop_if_told()

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Loss and accuracy over all tokens of all processes, of the average of the weights where there is one."""
        model, average = self.training.model, self.step.average
        model.eval()
        model.reset()
        total, right, count = 0.0, 0, 0
        with average.in_place() if average is not None else contextlib.nullcontext():
            for x, y in self.training.validation:
                losses, hits = token_losses(model(x), y)
                total += float(losses.sum(dtype=torch.float64))
                right += int(hits.sum())
                count += int((y != IGNORE).sum())
                self.stop_if_told()
        sums = torch.tensor([total, right, count], dtype=torch.float64, device=self.device)
        total, right, count = self.world.sum(sums).tolist()
        model.reset()
        return total / count, right / count

    # -- what may end it

    def look_at(self, loss: torch.Tensor) -> None:
        """Stop where the loss is no number; or, where such steps are skipped, where too many are in a row."""
        if self.config.on_nan == "skip":
            self.skipped += self.step.skipped
            self.skipped_in_a_row = self.skipped_in_a_row + 1 if self.step.skipped else 0
            if self.skipped_in_a_row > MOST_SKIPS:
                raise self.not_finite(f"gradient of {MOST_SKIPS + 1} steps in a row", math.nan)
        # on a GPU reading the loss back waits for it, so there only every few steps
        elif (loss.device.type == "cpu" or self.at_line(self.position.step + 1)) and not math.isfinite(loss.item()):
            raise self.not_finite("loss", loss.item())

    def not_finite(self, what: str, value: float) -> UlmkitError:
        """The error where `what` is no number any more."""
        saved = self.records.saved_step
        kept = f"last/ holds step {saved}" if saved >= 0 else "nothing was saved yet"
        hint = "" if self.config.on_nan == "skip" else ", or skip such steps (--set on_nan=skip)"
        return UlmkitError(
            f"{self.records.folder}: the {what} became {value} at step {self.position.step + 1}; {kept}. "
            f"Try a lower --lr, or clip gradients (--set clip=0.4){hint}."
        )

    def stop_if_told(self) -> None:
        """Where a signal came, save and stop; of several processes all do, when one was told to."""
        number = int(self.share.answer[ShareGradients.STOP]) if self.share else self.signals.number
        if number:
            self.stop(number)

    def stop(self, number: int) -> NoReturn:
        """Save and end with signal `number`."""
        self.records.save_last(self)
        raise Interrupted(
            f"{self.records.folder}, by {signal.Signals(number).name} at step {self.position.step}; all is saved.",
            number,
            more=("--resume",),
        )

    # -- what is written down

    @property
    def elapsed(self) -> float:
        return self.clock() - self.started

    def at_line(self, step: int) -> bool:
        return step % self.config.log_every == 0 or step == self.position.total

    def count_step(self, loss: torch.Tensor, tokens: int) -> None:
        """One step is over: a line, a look at the budget, a checkpoint where they are due."""
        position, share = self.position, self.share
        position.step, position.batch = position.step + 1, position.batch + 1
        position.tokens += tokens * self.world.size
        if not self.skipped_in_a_row:
            self.pending.append(loss)
        if self.budget:
            self.look_at_budget(self.budget, loss.device)
        if self.at_line(position.step):
            self.write_line()
        due = time.monotonic() - self.records.saved_time >= self.config.checkpoint_minutes * 60
        if share:
            # what is asked for now rides with the next step's gradients
            due, share.asked = share.answer[ShareGradients.SAVE] > 0, [float(due), float(self.signals.number or 0)]
        if due:
            self.records.save_last(self)

    def look_at_budget(self, budget: TimeBudget, device: torch.device) -> None:
        """Correct how long the run is by the time that it took until here."""
        if device.type == "cuda" and budget.due(self.position, self.elapsed):
            torch.cuda.synchronize(device)  # steps that were only ordered have taken no time yet
        budget.look(self.position, self.elapsed)

    def write_line(self) -> None:
        """A line of metrics on the steps since the last one."""
        self.gather_losses()
        mean = self.sum / self.count if self.count else None  # None: every step was skipped
        if mean is not None and not math.isfinite(mean):
            raise self.not_finite("loss", mean)
        hyper, position, now = self.step.optimizer.hypers[-1], self.position, self.clock()
        rate = (position.tokens - self.line_tokens) / max(now - self.line_time, 1e-9)
        self.line_time, self.line_tokens = now, position.tokens
        line = position.counts | {"loss": mean, "lr": float(hyper["lr"]), "mom": float(hyper["mom"])}
        line |= {"seconds": round(self.elapsed, 3), "tokens_per_second": round(rate, 1)}
        self.records.write(line | ({"skipped": self.skipped} if self.config.on_nan == "skip" else {}))
        self.sum, self.count = 0.0, 0
        self.loss, self.rate = math.nan if mean is None else mean, rate
        self.report()

    def collect_losses(self) -> None:
        """Add up the losses that are still on the device."""
        if self.pending:
            for loss in torch.stack(self.pending).double().tolist():
                self.sum, self.count = self.sum + loss, self.count + 1
            self.pending = []

    def gather_losses(self) -> None:
        """The first process takes over what the others have added up."""
        self.collect_losses()
        if not self.world.alone:
            sums = torch.tensor([self.sum, self.count], dtype=torch.float64, device=self.device)
            total, count = self.world.sum(sums).tolist()
            self.sum, self.count = (total, int(count)) if self.world.first else (0.0, 0)

    def validated(self, valid_loss: float, accuracy: float) -> None:
        """An epoch and its validation are over: the best is kept, and patience may be at its end."""
        position, steps_before = self.position, self.position.step - self.position.batch
        if self.step.average is not None:
            self.step.average.validated(valid_loss)
        position.epoch, position.batch = position.epoch + 1, 0
        if not math.isfinite(valid_loss):
            raise self.not_finite("validation loss", valid_loss)
        self.valid_loss = valid_loss
        better = valid_loss < self.best_loss
        self.worse = 0 if better else self.worse + 1
        if better:
            self.best_loss, self.best_step = valid_loss, position.step
        if self.config.patience and self.worse >= self.config.patience:
            position.total = position.step  # the end is here; a run that is killed now and resumed knows it too
        if self.unigram is not None:
            steps, lr = (steps_before, position.step), self.config.lr
            if remark := plateau(valid_loss, self.unigram, steps=steps, done=position.done, lr=lr):
                self.step.remark(remark)
        line = {"valid_loss": valid_loss, "valid_perplexity": perplexity(valid_loss), "valid_accuracy": accuracy}
        self.records.write(position.counts | line | {"best": better, "seconds": round(self.elapsed, 3)})
        if better:
            self.records.save_best(self)
        # saving all of a tiny model after each of its short epochs would take longer than training it
        due = time.monotonic() - self.records.saved_time >= min(60.0, self.config.checkpoint_minutes * 60) / 4
        if position.done or self.world.any(due, self.device):
            self.records.save_last(self)
        self.report()

    def report(self) -> None:
        """Tell who watches where the run stands."""
        if not self.progress:
            return
        position, left = self.position, None
        if position.total and position.step:
            left = self.elapsed / position.step * (position.total - position.step)
        lr = float(self.step.optimizer.hypers[-1]["lr"])
        now = TrainProgress(
            position.step, position.total, position.epoch, loss=self.loss, valid_loss=self.valid_loss, lr=lr,
            tokens_per_second=self.rate, seconds=self.elapsed, seconds_left=left,
        )  # fmt: skip
        self.progress(now)


def perplexity(loss: float) -> float:
    """e to the loss; where that is no float any more, the largest that comes near."""
    return math.exp(min(loss, 700.0))
