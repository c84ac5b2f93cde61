"""The network: what a declared source leaves on disk, and what pins it down."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fetched:
    """What a source was turned into: files to read, and what pins them down, for the manifest.

    `names`: what files are called in a build whose own name, without their folders, does not tell them apart;
    `crawled`: they are web archives that we wrote, whose documents are called by their URL.
    """

    files: list[Path]
    pins: dict[str, Any] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    crawled: bool = False
