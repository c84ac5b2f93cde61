"""A language folder's own functions: loaded as they were read, and run so that whatever they do wrong is named.

A function may raise, hang, or return no text. The module is made of the source that the language carries, not of the
file: in every process of a build the functions are the same, whatever becomes of the folder meanwhile.

The limit is one of processor time, so that no rule is blamed for a busy machine, or for a build that was put to sleep:
what a corpus holds may not depend on the clock. A rule that waits instead of computing is given more of the clock.
The system's timer makes it hold, whose signal interrupts even a regular expression that never ends. It is set in the
main thread only, which is where commands and worker processes do their work; elsewhere a rule runs without a limit.
"""

import contextlib
import hashlib
import signal
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from ulmkit.errors import LanguageError, RuleError, missing_package, shown

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


@contextlib.contextmanager
def pattern_limit(what: str, text: str, *, limited: bool = True) -> Iterator[None]:
    """Raise `RuleError` where a search of `text` for patterns of a language takes as long as no rule may.

    Does nothing where the language's rules are not `limited`: to set the timer costs a tenth of a millisecond.
    """
    if not limited:
        yield
        return
    try:
        with time_limit(RULE_SECONDS + RULE_SECONDS_A_CHARACTER * len(text)):
            yield
    except _TooLong as error:
        raise RuleError(
            f"{what} took more than {error} on a text of {len(text):,} characters. Is something repeated in it that "
            "repeats itself?"
        ) from None


def line_in(error: BaseException, path: str, otherwise: int = 1) -> int:
    """The line of the file at `path` where `error` came from."""
    line, trace = otherwise, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@dataclass(frozen=True)
class Rules:
    """The rules.py of a language folder as it was read; empty where the folder has none.

    `limited`: its functions are stopped when they run for too long, because it did not come with ulmkit.
    """

    path: str = ""  # what errors and tracebacks call it
    source: bytes = b""
    limited: bool = False

    def __bool__(self) -> bool:
        return bool(self.path)

    def function(self, name: str, asked_by: str) -> Callable[..., Any]:
        """The function that `rules.<function>` names; a `LanguageError` that begins with what asked for it.

        Runs the module, once a process: a `LanguageError` with its name and line where it raises, exits or hangs.
        """
        if not self:
            raise LanguageError(
                f"{asked_by} '{name}': the folder has no rules.py. Write one, or remove the {asked_by}."
            )
        function = getattr(_module(self.path, self.source), name.removeprefix("rules."), None)
        if not callable(function):
            where = shown(Path(self.path))
            raise LanguageError(f"{asked_by} '{name}': {where} has no function '{name.removeprefix('rules.')}'.")
        return typing.cast(Callable[..., Any], function)


NO_RULES = Rules()


@cache
def _module(path: str, source: bytes) -> ModuleType:
    """`source` as a module under a private name, as if it had been loaded from `path`."""
    digest = hashlib.blake2b(path.encode() + b"\0" + source, digest_size=6).hexdigest()
    module = ModuleType(f"_ulmkit_rules_{digest}")
    module.__file__ = path
    sys.modules[module.__name__] = module
    name = shown(Path(path))
    try:
        with time_limit(IMPORT_SECONDS):
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    except _TooLong as error:
        line = line_in(error, path)
        raise LanguageError(f"{name}:{line}: takes more than {error} to load. Define functions only.") from None
    except (Exception, SystemExit) as error:
        line = getattr(error, "lineno", None) or line_in(error, path)
        raise LanguageError(f"{name}:{line}: {type(error).__name__}: {error}.") from error
    return module


def guarded_check(function: Callable[[str], Any], rules: Rules) -> Callable[[str], bool]:
    """`function` of `rules`, which says yes or no of a find; a `RuleError` with its line for what it raises."""

    def check(found: str) -> bool:
        try:
            return bool(function(found))
        except (Exception, SystemExit) as error:
            where = f"{shown(Path(rules.path))}:{line_in(error, rules.path)}"
            raise RuleError(f"{where}: check '{function.__name__}' raised {type(error).__name__} ({error}).") from error

    return check


def guarded(function: Callable[[str], Any], rules: Rules) -> Callable[[str], str]:
    """`function` of `rules`, which raises `RuleError` for what it does wrong; where they are limited, in time too.

    What it loads before its first text (a lexicon) it names as its attribute `prepare`, which has a limit of its own.
    """
    prepare = getattr(function, "prepare", None)
    rule = getattr(function, "__name__", "?")
    starts = getattr(getattr(function, "__code__", None), "co_firstlineno", 1)

    def failure(line: int, what: str, text: str) -> RuleError:
        return RuleError(
            f"{shown(Path(rules.path))}:{line}: rule '{rule}' {what} on a text of {len(text):,} characters."
        )

    def plain(text: str) -> str:
        try:
            made = function(text)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and (missing := missing_package(error)):
                raise missing from error  # no text of this one's fault: all others would go the same way
            raised = f"raised {type(error).__name__} ({error})"
            raise failure(line_in(error, rules.path, starts), raised, text) from error
        if not isinstance(made, str):
            raise failure(starts, f"returned {type(made).__name__}, not a string,", text)
        return made

    def load() -> None:
        try:
            if prepare:
                prepare()
        except ModuleNotFoundError as error:
            raise missing_package(error) or error from None

    def timed(text: str) -> str:
        try:
            if prepare:
                with time_limit(PREPARE_SECONDS):
                    load()
            with time_limit(RULE_SECONDS + RULE_SECONDS_A_CHARACTER * len(text)):
                return plain(text)
        except _TooLong as error:
            raise failure(line_in(error, rules.path, starts), f"took more than {error}", text) from None

    return timed if rules.limited else plain
