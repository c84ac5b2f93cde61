"""The network: what a declared source leaves on disk, and how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a download is: bytes done of the total, `None` where nobody said how many there are."""

    what: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Fetched:
    """What a source was turned into: files to read, and what pins them down, for the manifest."""

    files: list[Path]
    pins: dict[str, Any] = field(default_factory=dict)


Report = Callable[[Progress], None]
