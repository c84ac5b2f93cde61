"""How far a run is and how far it goes, in steps: asked for, or measured against a time budget."""

from dataclasses import dataclass

from ulmkit.lm.batches import TrainBatches
from ulmkit.lm.config import LMConfig


@dataclass
class Position:
    """How far the run is, and how far it goes. The data cursor is (epoch, batch)."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    total: int | None = None  # steps; None while a time budget is still being measured
    tokens: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What every line of metrics begins with."""
        return {"step": self.step, "epoch": self.epoch, "tokens": self.tokens}

    @property
    def done(self) -> bool:
        return self.total is not None and self.step >= self.total

    @property
    def fraction(self) -> float:
        """Place in the 1cycle schedule: a function of the step alone, so that a resumed run has the same."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def planned_steps(batches: TrainBatches, config: LMConfig) -> int:
    """Steps that `config` asks for: its `steps`, or those of its epochs."""
    return config.steps or sum(len(batches.windows(epoch)) for epoch in range(config.epochs))


@dataclass
class TimeBudget:
    """Turns seconds into a number of steps: measured at doubling times, and fixed at a third of the budget.

    Until then each measurement corrects the one before, while the rate is still rising; afterwards the schedule is
    a function of the step, and the run can be resumed exactly.
    """

    seconds: float
    validation_share: float  # cost of one validation, in training steps
    steps_per_epoch: int
    fixed: bool = False
    first: tuple[int, float] | None = None  # step and time from which the rate is measured: the look before
    next_look: float = 0.0

    MARGIN = 0.98  # saving and writing at the end take their part
    # 1cycle is near its highest rate here: to correct the number of steps so late hardly moves the rate, and what
    # another program took of the machine at first misleads no longer
    FIX_AT = 1 / 3

    def due(self, position: Position, elapsed: float) -> bool:
        """Whether `look` would measure."""
        return not self.fixed and (self.first is None or position.total is None or elapsed >= self.next_look)

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
        last = self.FIX_AT * self.seconds
        self.fixed = elapsed >= last
        # each stretch is at least as long as all before it, so what is measured is the machine as it is now
        self.first = (position.step, elapsed)
        self.next_look = 2 * elapsed if 4 * elapsed <= last else last
