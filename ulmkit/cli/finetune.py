"""`ulmkit lm finetune`: a language model goes on with texts of one's own."""

from pathlib import Path
from typing import Any

import click

from ulmkit.cli.classifying import TABLE
from ulmkit.cli.common import Terminal, shared, table_option
from ulmkit.cli.completion import language_code, run_names
from ulmkit.cli.training import audit_told, changes, course, reached, shape, training_progress


@click.command()
@language_code
@click.option(
    "--input", "files", type=TABLE, multiple=True, help="Texts: CSV, TSV, JSON lines, Parquet, or a text a line."
)
@click.option("--text-column", metavar="NAME", help="Column of texts, by name or number from 1.")
@table_option
@click.option("--test", "test_files", type=TABLE, multiple=True, help="Texts to leave out: what is measured on later.")
@click.option(
    "--from",
    "start",
    metavar="RUN|none",
    shell_complete=run_names,
    help="Begin with the best weights of this run, or with random ones.  [default: pretrained]",
)
@click.option("--preset", help="Whose sizes a run from none has.  [default: small]")
@shape
@course
@click.option("--run", "run_name", default="finetuned", show_default=True, help="Name of the run's folder.")
@shared
def finetune(
    terminal: Terminal,
    code: str,
    files: tuple[Path, ...],
    text_column: str | None,
    table_layout: str,
    test_files: tuple[Path, ...],
    start: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    minutes: float | None,
    resume: bool,
    tensorboard: bool,
    device: str,
    verbose: bool,
    run_name: str,
    **given: Any,
) -> None:
    """Go on training a language model with texts of your own: those that a classifier is for.

    Every text is read, each once, however short; a twentieth is held out. The run has token files of its own.

    \b
    ulmkit lm finetune fa --input comments.csv --text-column comment \\
        --test test.csv --run comments
    ulmkit lm finetune fa --input comments.csv --from none --backward \\
        --run comments-backward
    """
    from ulmkit.workflow.finetune import TextSource, finetune_run

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    with terminal.progress() as report, training_progress(terminal) as progress:
        done = finetune_run(
            language,
            layout,
            run_name,
            TextSource(files, text_column, layout=table_layout) if files else None,
            start=start,
            sizes=preset,
            changes=changes(settings, given),
            test=TextSource(test_files, text_column, layout=table_layout) if test_files else None,
            minutes=minutes,
            resume=resume,
            device=device,
            tensorboard=tensorboard,
            told=lambda own: _say(terminal, own),
            audited=audit_told(terminal, verbose),
            remark=lambda line: terminal.warn([line]),
            progress=progress,
            report=report,
        )
    terminal.print(reached(done.result, done.patience))
    terminal.note(
        f"Next: ulmkit lm evaluate {code} --run {run_name}, ulmkit classify train {code} --train FILE --lm {run_name}"
    )
    terminal.finish(done.to_json())


def _say(terminal: Terminal, own: Any) -> None:
    for line in own.lines:
        terminal.print(line)
    terminal.warn(own.remarks)
