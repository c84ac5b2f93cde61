"""What the commands that train share: options that shape a run, what is said before it, and how far it is."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import FiniteRange, Terminal, text_table
from ulmkit.cli.completion import preset_names, run_names, setting_names
from ulmkit.cli.streams import remark
from ulmkit.errors import UsageError

if TYPE_CHECKING:
    from ulmkit.lm.audit import Finding
    from ulmkit.lm.config import LMConfig
    from ulmkit.lm.loop import TrainProgress
    from ulmkit.lm.records import TrainResult

RUN_OPTION = click.option(
    "--run",
    "run_name",
    default="pretrained",
    show_default=True,
    help="Name of the run's folder.",
    shell_complete=run_names,
)
DEVICE_OPTION = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
SEED_OPTION = click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random.")


def recipe(function: Any) -> Any:
    """The options that shape a training run, a preset before the others."""
    preset = click.option(
        "--preset",
        default="default",
        show_default=True,
        shell_complete=preset_names,
        help="origin, default, small, tiny, wikitext-2, beyond (small with a pointer into what was read last).",
    )
    return preset(shape(function))


def shape(function: Any) -> Any:
    """The options that change what a preset says."""
    options = (
        click.option("--epochs", type=click.IntRange(min=1), help="Passes over the texts."),
        click.option("--steps", type=click.IntRange(min=1), help="Optimizer steps, instead of epochs."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Streams trained side by side."),
        click.option("--bptt", type=click.IntRange(min=2), help="Tokens per step in time."),
        click.option("--lr", type=float, help="Highest learning rate of the cycle."),
        click.option("--drop-mult", type=float, help="Factor on every dropout."),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            help="Of matrix products in training; auto (the default): the faster one here.",
        ),
        click.option("--backward", is_flag=True, default=None, help="Read from the end of each document."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            shell_complete=setting_names,
            help="Any other setting of the preset, in JSON; `ulmkit lm settings` lists them.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def course(function: Any) -> Any:
    """The options that say how a run goes on and ends, and where it computes."""
    options = (
        click.option(
            "--minutes", type=FiniteRange(min=0, min_open=True), help="Fit the whole schedule into this time."
        ),
        click.option("--resume", is_flag=True, help="Go on from the run's last checkpoint."),
        click.option(
            "--patience", type=click.IntRange(min=1), help="End after so many validations without a better one."
        ),
        click.option("--tensorboard", is_flag=True, help="Also write what metrics.jsonl gets for TensorBoard."),
        click.option("-v", "--verbose", is_flag=True, help="Show what each ingredient of a step changes."),
        SEED_OPTION,
        DEVICE_OPTION,
    )
    for option in reversed(options):
        function = option(function)
    return function


def configure(preset: str, settings: tuple[str, ...], **given: Any) -> "LMConfig":
    """The preset with what was given at the prompt."""
    from ulmkit.lm.config import preset as named

    return named(preset, **changes(settings, given))


def changes(settings: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    """What was given at the prompt, by options of its own and by `--set`."""
    import json

    found = {key: value for key, value in given.items() if value is not None}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: expected NAME=VALUE, such as ar=2.")
        try:
            found[name] = json.loads(f"0{value}" if value.startswith(".") else value)
        except (ValueError, RecursionError):  # no JSON, or an integer or a nesting without end
            found[name] = value
    return found


def reached(result: "TrainResult", patience: int) -> str:
    """What a finished run reached, for people."""
    return (
        f"{result.folder}: {result.step:,} steps, {result.tokens:,} tokens in {result.seconds:,.0f} s "
        f"({result.tokens_per_second:,.0f} a second, {result.backend} LSTM, {result.precision} products)\n"
        f"valid loss {result.valid_loss:.4f}, perplexity {result.valid_perplexity:.2f}; "
        f"best {result.best_valid_loss:.4f} at step {result.best_step:,}"
        + (f"\nended early: {patience} validations without a better one" if result.stopped_early else "")
        + (f"\n{result.skipped:,} steps were skipped: their loss or gradient was no number" if result.skipped else "")
    )


def audit_told(terminal: Terminal, verbose: bool) -> "Callable[[Sequence[Finding]], None]":
    """Says how the ingredients of the step fared: in a line, or each."""

    def tell(findings: "Sequence[Finding]") -> None:
        if verbose:
            terminal.note(audit_table(findings))
            return
        off = [finding.ingredient for finding in findings if finding.effect is None]
        terminal.note(
            f"Checked: {len(findings) - len(off)} ingredients of a step change what they should"
            + (f"; off: {', '.join(off)}" if off else "")
        )

    return tell


def audit_table(findings: "Sequence[Finding]") -> str:
    """What every ingredient changes, as measured before the first step."""
    rows = [
        (
            finding.ingredient,
            finding.setting,
            "off" if finding.effect is None else f"{finding.effect:.2e}",
            finding.measured,
        )
        for finding in findings
    ]
    return text_table(("ingredient", "setting", "change", "of"), rows)


@contextlib.contextmanager
def training_progress(terminal: Terminal) -> Iterator["Callable[[TrainProgress], None] | None"]:
    """Loss, perplexity, tokens a second and the time left, on stderr: one line rewritten, or one every ten seconds."""
    if terminal.quiet:
        yield None
        return
    redraws = sys.stderr.isatty()
    shown = 0.0

    def report(p: "TrainProgress") -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < (0.5 if redraws else 10.0):
            return
        shown = now
        left = "" if p.seconds_left is None else f", {clock(p.seconds_left)} left"
        line = f"step {p.step:,}{'' if p.steps is None else f' of {p.steps:,}'}{left}: {p.summary}"
        # what runs over the terminal's edge stands on two lines, of which one is rewritten and the other stays for ever
        shown_line = f"\r\x1b[K{one_row(line, shutil.get_terminal_size().columns - 1)}" if redraws else line
        remark(shown_line, newline=not redraws)

    try:
        yield report
    finally:  # an error, or what Ctrl-C is answered with, has a line of its own
        if redraws:
            remark("\r\x1b[K", newline=False)


def one_row(line: str, columns: int) -> str:
    """`line`, or as much of it as has room, with a sign that it goes on.

    >>> one_row("step 20 of 40: loss 4.5", 12)
    'step 20 of …'
    """
    return line if len(line) <= columns else line[: max(columns - 1, 0)] + "…"


def clock(seconds: float) -> str:
    """Seconds as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
