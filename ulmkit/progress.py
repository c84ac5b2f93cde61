"""How far a long stage is: the library reports, the prompt draws."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ulmkit.names import readable


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None where nobody can know) in `unit`, within the named stage; stages may run side by side.

    `pause_s`: least seconds between two lines about this stage, where it goes on for days.

    >>> str(Progress("read", 1_500_000, 3_000_000, "bytes", "news.jsonl"))
    'read: 1.5 of 3.0 MB news.jsonl'
    """

    stage: str
    done: int
    total: int | None
    unit: str = ""
    detail: str = ""
    pause_s: float = 0.0

    @property
    def amount(self) -> str:
        """`done` of `total` in words: megabytes or counts."""
        if self.unit == "bytes":
            done = f"{self.done / 1e6:,.1f}"
            return f"{done} MB" if self.total is None else f"{done} of {self.total / 1e6:,.1f} MB"
        done = f"{self.done:,}"
        return f"{done} {self.unit}" if self.total is None else f"{done} of {self.total:,} {self.unit}"

    def __str__(self) -> str:
        return f"{self.stage}: {self.amount} {readable(self.detail, 100)}".rstrip()


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report to nobody."""


def paced(report: Report, seconds: float) -> Report:
    """`report`, called of each stage at most once in so many seconds, for the first time when they have passed."""
    due = {"": time.monotonic() + seconds}  # by stage; of none yet: when the first may be heard of

    def seldom(progress: Progress) -> None:
        now = time.monotonic()
        if now >= due.get(progress.stage, due[""]):
            due[progress.stage] = now + max(seconds, progress.pause_s)
            report(progress)

    return seldom
