"""How far a long stage is: the library reports, the prompt draws."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None where nobody can know) in `unit`, within the named stage."""

    stage: str
    done: int
    total: int | None
    unit: str = ""
    detail: str = ""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report to nobody."""
