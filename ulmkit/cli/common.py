"""What every command shares: where data and languages are, progress on stderr, results on stdout."""

import contextlib
import functools
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulmkit.artifacts.layout import Layout, folder_name
from ulmkit.cli.streams import remark, write_out
from ulmkit.names import json_text, readable, readable_lines
from ulmkit.progress import Progress, Report, paced, silent

if TYPE_CHECKING:
    from ulmkit.language.spec import Language
    from ulmkit.tokenizer.model import Tokenizer
    from ulmkit.tokenizer.words import Words


CELL_LIMIT = 300  # characters of a table's cell
LEAST_WIDTH = 8  # columns that a cell of words keeps on a narrow terminal
LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal


@dataclass(frozen=True)
class Terminal:
    """The options every command takes."""

    root: Path
    languages: Path | None
    as_json: bool
    quiet: bool

    @classmethod
    def plain(cls, as_json: bool) -> "Terminal":
        """For a command that reads no data and no folder of languages."""
        return cls(Path(), None, as_json, quiet=False)

    def language(self, code: str) -> "Language":
        from ulmkit.language.registry import get

        return get(code, self.languages)

    def layout(self, code: str) -> Layout:
        return Layout(self.root, folder_name(code, "language"))

    def stage_language(self, code: str) -> "Language | None":
        """The language of what is built as `code`; None where that is only the label of a benchmark of words."""
        from ulmkit.workflow.prepare import stage_language

        return stage_language(self.layout(code), self.languages)

    def tokenizer(self, code: str) -> "Tokenizer | Words":
        """The tokenizer of `code`: of words, where the code is only a label, or of a language's pieces."""
        from ulmkit.workflow.prepare import open_tokenizer

        return open_tokenizer(self.layout(code), self.stage_language(code))

    def print(self, text: str = "") -> None:
        """A result, on stdout; not under --json, where one object holds them all."""
        if not self.as_json:
            write_out(readable_lines(text))

    def note(self, text: str) -> None:
        """A remark, on stderr."""
        if not self.quiet:
            remark(readable_lines(text))

    def warn(self, remarks: Iterable[str]) -> None:
        """What whoever uses the result should know, a line each, on stderr."""
        for each in remarks:
            self.note(f"Warning: {each}")

    def finish(self, value: dict[str, Any]) -> None:
        """The end of a command: with --json the whole result as one object, else its signature alone."""
        if self.as_json:
            write_out(json_text(value))
        elif signature := value.get("signature"):
            write_out(readable(signature, None))

    @contextlib.contextmanager
    def progress(self) -> Iterator[Report]:
        """A report that draws a bar on a terminal, prints a line now and then elsewhere, nothing when quiet."""
        if self.quiet:
            yield silent
        elif sys.stderr.isatty():
            with bars() as report:
                yield report
        else:
            yield paced(lambda progress: remark(str(progress)), LINE_SECONDS)


class Commands(click.Group):
    """A group whose help says of each command its whole first sentence, which click would cut at the line's end."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, " ".join((each.help or "").split("\n\n")[0].split())) for name, each in found if each]
            )


class FilePath(click.Path):
    """A path of a file or folder; none is not the working directory, which Python takes it for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("an empty path names no place. Give a file or a folder, or leave the option out.", param, ctx)
        return super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A number within bounds: `nan` lies within any by click's comparisons, and what has no end no file can keep."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"'{readable(str(value))}' is no number that can be reckoned with.", param, ctx)
        return found


table_option = click.option(
    "--table",
    "table_layout",
    metavar="NAME=VALUE,…",
    default="",
    help="How tables are written, where it is not found: delimiter=tab|comma|semicolon|pipe|space|none or a mark, "
    "quote=double|single|none, escape=backslash|none. What is said is believed.",
)


def shared(function: Callable[..., Any], *, languages_exist: bool = True) -> Callable[..., Any]:
    """Give a command the options every command takes; it receives them as a `Terminal` first.

    `languages_exist`: the folder of languages has to be there, because the command reads it.
    """

    @click.option(
        "--root",
        type=FilePath(path_type=Path, file_okay=False),
        default=Path("data"),
        envvar="ULMKIT_ROOT",
        show_default=True,
        show_envvar=True,
        help="Where data lies.",
    )
    @click.option(
        "--languages",
        type=FilePath(path_type=Path, file_okay=False, exists=languages_exist),
        envvar="ULMKIT_LANGUAGES",
        show_envvar=True,
        help="A folder of language folders of your own.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
    @click.option("-q", "--quiet", is_flag=True, help="No progress, no remarks.")
    @functools.wraps(function)
    def wrapped(root: Path, languages: Path | None, as_json: bool, quiet: bool, **options: Any) -> Any:
        return function(Terminal(root, languages, as_json, quiet), **options)

    return wrapped


@contextlib.contextmanager
def bars() -> Iterator[Report]:
    """A bar for each stage, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        """The time that is left, where the line does not say it: a stage that goes on for days does."""

        def render(self, task: Task) -> Text:
            return Text("") if task.fields["long"] else super().render(task)

    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeLeft(table_column=Column(min_width=7, no_wrap=True)),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bar.add_task(
                    progress.stage, total=progress.total, said="", long=progress.pause_s > 0
                )
            bar.update(
                tasks[progress.stage],
                completed=progress.done,
                total=progress.total,
                said=f"{progress.amount} {readable(progress.detail, 70)}".rstrip(),
            )

        yield report


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A plain table: the first columns, of words, to the left, numbers to the right. Cells may hold anything.

    On a terminal the columns of words are cut until a row fits into a line; a file or a pipe gets them whole.
    """
    cells = [[readable(cell, CELL_LIMIT) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    if sys.stdout.isatty():
        widths = fitted(widths, words, shutil.get_terminal_size().columns)
        cells = [[readable(cell, max(width, 1)) for cell, width in zip(row, widths, strict=True)] for row in cells]
    lines = []
    for number, row in enumerate(cells):
        padded = [c.ljust(w) if i < words else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(padded))
        if number == 0:
            lines.append("  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def fitted(widths: Sequence[int], words: int, columns: int) -> list[int]:
    """Widths of columns, the widest of the first `words` made narrower until all stand in a line of `columns`.

    >>> fitted([40, 30, 9], 2, 60)
    [23, 24, 9]
    """
    found = list(widths)
    while sum(found) + 2 * (len(found) - 1) > columns and words and max(found[:words]) > LEAST_WIDTH:
        found[found.index(max(found[:words]))] -= 1
    return found


def word_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table of words: every column to the left."""
    return text_table(headers, rows, words=len(headers))
