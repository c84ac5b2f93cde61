"""SIGINT and SIGTERM are remembered until a step is over."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


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
