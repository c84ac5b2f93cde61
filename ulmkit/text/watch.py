"""A function of a language folder, run so that whatever it does wrong is named: it raises, hangs, or returns no text.

The limit is one of processor time, so that no rule is blamed for a busy machine, or for a build that was put to sleep:
what a corpus holds may not depend on the clock. A rule that waits instead of computing is given more of the clock.
The system's timer makes it hold, whose signal interrupts even a regular expression that never ends. It is set in the
main thread only, which is where commands and worker processes do their work; elsewhere a rule runs without a limit.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from ulmkit.errors import LanguageError, RuleError, shown

RULE_SECONDS = 5.0  # on a text of any length; the slowest bundled rule takes a hundredth of it on a book
RULE_SECONDS_A_CHARACTER = 20e-6  # beyond that: a rule that reads a text character by character takes a hundredth
IMPORT_SECONDS = 20.0
PREPARE_SECONDS = 120.0  # hazm's imports and verbs take 10 s
WAITING = 4  # times as long by the clock, for what sleeps or reads


class _TooLong(BaseException):
    """Raised by the timer, with what was exceeded; no `except Exception` of a rule swallows it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` inside the block after `seconds` of the processor, or `WAITING` times as many of the clock.

    The clock is counted by the timer's signals, of which a process that stands still gets one, however long it stood.
    Raised again and again if it is swallowed. Does nothing where there is no such timer, outside of the main thread,
    and where somebody else's is running.
    """
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not usable or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    computed, interval = time.thread_time(), min(1.0, seconds / 4)
    passed = seconds - interval  # so that the first signal, which comes after `seconds`, makes it that

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal passed
        passed += interval
        if time.thread_time() - computed >= seconds:
            raise _TooLong(f"{seconds:.3g} s of the processor")
        if passed >= WAITING * seconds:
            raise _TooLong(f"{WAITING * seconds:.3g} s")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, interval)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def line_in(error: BaseException, path: str, otherwise: int = 1) -> int:
    """The line of the file at `path` where `error` came from."""
    line, trace = otherwise, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def load_rules(module: ModuleType, run: Callable[[ModuleType], None], path: str) -> None:
    """`run(module)`; a `LanguageError` with the file's name and line where that raises, exits or does not end."""
    name = shown(Path(path))
    try:
        with time_limit(IMPORT_SECONDS):
            run(module)
    except _TooLong as error:
        line = line_in(error, path)
        raise LanguageError(f"{name}:{line}: takes more than {error} to load. Define functions only.") from None
    except (Exception, SystemExit) as error:
        line = getattr(error, "lineno", None) or line_in(error, path)
        raise LanguageError(f"{name}:{line}: {type(error).__name__}: {error}.") from error


def watched(function: Callable[[str], Any], path: str, *, limited: bool) -> Callable[[str], str]:
    """`function` of the rules.py at `path`, which raises `RuleError` for what it does wrong; `limited` in time too.

    What it loads before its first text (a lexicon) it names as its attribute `prepare`, which has a limit of its own.
    """
    prepare = getattr(function, "prepare", None)
    rule = getattr(function, "__name__", "?")
    starts = getattr(getattr(function, "__code__", None), "co_firstlineno", 1)

    def failure(line: int, what: str, text: str) -> RuleError:
        return RuleError(f"{shown(Path(path))}:{line}: rule '{rule}' {what} on a text of {len(text):,} characters.")

    def plain(text: str) -> str:
        try:
            made = function(text)
        except (Exception, SystemExit) as error:
            raised = f"raised {type(error).__name__} ({error})"
            raise failure(line_in(error, path, starts), raised, text) from error
        if not isinstance(made, str):
            raise failure(starts, f"returned {type(made).__name__}, not a string,", text)
        return made

    def timed(text: str) -> str:
        try:
            if prepare:
                with time_limit(PREPARE_SECONDS):
                    prepare()
            with time_limit(RULE_SECONDS + RULE_SECONDS_A_CHARACTER * len(text)):
                return plain(text)
        except _TooLong as error:
            raise failure(line_in(error, path, starts), f"took more than {error}", text) from None

    return timed if limited else plain
