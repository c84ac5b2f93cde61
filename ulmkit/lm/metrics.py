"""metrics.jsonl, the diary of a run, as long as its checkpoint says and no longer."""

import json
import os
from pathlib import Path
from typing import IO, Any

from ulmkit.artifacts.atomic import storage_errors
from ulmkit.errors import ArtifactError


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
