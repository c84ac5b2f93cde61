"""Standard input, output and error: any of them may be closed, full, or read by somebody who has left."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO

import click

from ulmkit.errors import InputError, UlmkitError, system_error

STANDARD_INPUT, STANDARD_OUTPUT = "standard input", "standard output"


def open_closed_streams() -> None:
    """Put something in the place of standard streams that were closed when the program began.

    Else the next file that is opened would have their number, and get what a library prints. Reading such an input and
    writing such an output fails as it should; what would go to standard error goes nowhere.
    """
    for descriptor, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 — as long as the program
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def silence(stream: IO[str]) -> None:
    """Lead `stream`, which takes no more, to nowhere: Python complains at its end of what it could not write."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_out(text: str) -> None:
    """A line on standard output, at once. Ends the program where nobody reads it any more."""
    try:
        click.echo(text)
    except BrokenPipeError:
        silence(sys.stdout)
        sys.exit(0)
    except OSError as error:
        silence(sys.stdout)
        raise UlmkitError(system_error(error, STANDARD_OUTPUT, cannot="cannot be written")) from error
    except UnicodeEncodeError as error:
        raise UlmkitError(
            f"{STANDARD_OUTPUT}: cannot show {error.object[error.start : error.end]!a} in {error.encoding}. "
            "Set PYTHONIOENCODING=utf-8, or a UTF-8 locale."
        ) from error


def remark(text: str, *, newline: bool = True) -> None:
    """A line on standard error; where that takes no more, work goes on without it."""
    try:
        click.echo(text, err=True, nl=newline)
    except (OSError, ValueError):
        silence(sys.stderr)


def input_lines(*, errors: str = "strict", newline: str | None = None) -> Iterator[str]:
    """The lines of standard input in UTF-8, `errors` and `newline` as for `open`.

    Raises `InputError` where it is closed, cannot be read, or is not UTF-8.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors=errors, newline=newline)
    try:
        yield from sys.stdin
    except OSError as error:
        advice = "Lead a file or a pipe to it."
        raise InputError(system_error(error, STANDARD_INPUT, cannot="cannot be read", advice=advice)) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{STANDARD_INPUT}: not UTF-8 ({error.reason}: {error.object[error.start : error.end]!r}). "
            "Convert it first, as with iconv."
        ) from error
