"""`ulmkit classify`: labelled texts to a classifier, and what it is worth."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ulmkit.cli.classifying import (
    TABLE,
    backward_option,
    device_option,
    examples,
    how_asked,
    id_option,
    label_option,
    labels_option,
    lm_option,
    named,
    pieces_option,
    readers_of,
    recipe_option,
    run_option,
    seeds_option,
    skip_option,
    text_option,
    train_option,
    tuning_options,
    unlabelled_option,
)
from ulmkit.cli.common import Commands, FilePath, FiniteRange, Terminal, shared, table_option
from ulmkit.cli.completion import language_code
from ulmkit.cli.streams import write_out
from ulmkit.errors import UsageError
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.classifier.predict import Predicted
    from ulmkit.classifier.run import Trained
    from ulmkit.classifier.table import Examples


@click.group(cls=Commands)
def command() -> None:
    """Labelled texts → classifier."""


@command.command()
@language_code
@train_option
@click.option(
    "--valid",
    "valid_files",
    type=TABLE,
    multiple=True,
    help="Labelled texts to choose and calibrate on, in the place of parts of --train.",
)
@click.option("--test", "test_files", type=TABLE, multiple=True, help="Labelled texts to measure on.")
@unlabelled_option
@text_option
@table_option
@label_option
@id_option
@labels_option
@skip_option
@lm_option
@backward_option
@pieces_option
@recipe_option
@seeds_option
@click.option(
    "--minutes",
    type=FiniteRange(min=0, min_open=True),
    help="Fit all tuning into this time: of the recipe's steps as many as do.",
)
@tuning_options
@device_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the folds.")
@run_option
@click.option("--force", is_flag=True, help="Replace another classifier of this name.")
@shared
def train(
    terminal: Terminal,
    code: str,
    train_files: tuple[Path, ...],
    valid_files: tuple[Path, ...],
    test_files: tuple[Path, ...],
    unlabelled: tuple[Path, ...],
    text_column: str | None,
    table_layout: str,
    label_column: str | None,
    id_column: str | None,
    labels: str | None,
    skip_bad: bool,
    lm: str | None,
    backward_lm: str | None,
    max_pieces: int | None,
    recipe: str,
    seeds: int,
    minutes: float | None,
    balance: str | None,
    smoothing: float | None,
    settings: tuple[str, ...],
    device: str,
    seed: int,
    run: str,
    force: bool,
) -> None:
    """Train a classifier, and measure it beside the majority and n-grams.

    n-grams alone take seconds. With --lm and --backward-lm it reads with language models, too. Tables are CSV, TSV,
    JSON lines or Parquet, packed or not. Killed while it tunes, the same command goes on where it was.

    \b
    ulmkit classify train fa --train train.csv --test test.csv \\
        --text-column comment --label-column label
    """
    from ulmkit.classifier.run import train_run

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    of_train = examples(
        terminal, train_files, text_column, label_column, id_column, skip_bad=skip_bad, layout=table_layout
    )
    of_valid, of_test = (
        examples(terminal, files, text_column, label_column, id_column, skip_bad=skip_bad, layout=table_layout)
        if files
        else None
        for files in (valid_files, test_files)
    )
    pool = (
        examples(terminal, unlabelled, text_column, None, labelled=False, layout=table_layout) if unlabelled else None
    )
    folder = layout.classifier(run)
    readers = readers_of(terminal, code, lm, backward_lm, max_pieces, device)
    how = how_asked(terminal, recipe, seeds, readers, settings, minutes, balance=balance, label_smoothing=smoothing)
    with terminal.progress() as report:
        trained = train_run(
            language,
            folder,
            of_train,
            unlabelled=pool.texts if pool else (),
            test=of_test,
            valid=of_valid,
            labels=named(labels),
            readers=readers,
            how=how,
            seed=seed,
            force=force,
            report=report,
        )
    _show(terminal, trained)
    terminal.print(f"\n{folder}: {trained.classifier.about['recipe']}; {size_of(trained)}")
    if not readers:
        terminal.note(
            f"n-grams alone: no language model was given. Train one with `ulmkit lm pretrain {code}`, then add --lm "
            "pretrained: docs/classify.md says what that is worth."
        )
    name = "" if run == "classifier" else f" --run {run}"
    terminal.note(f"Next: ulmkit classify predict {code}{name} --input FILE --output labelled.csv")
    evaluation = trained.evaluation.to_json() if trained.evaluation else {}
    remarks = [*remarked(of_train, of_valid, of_test, pool), *trained.remarks]
    terminal.finish({"folder": str(folder), **trained.classifier.about, **evaluation, "remarks": remarks})


def remarked(*tables: "Examples | None") -> list[str]:
    """What was remarked of the tables that were given."""
    return [remark for table in tables if table for remark in table.remarks]


def size_of(trained: "Trained") -> str:
    """How many n-grams the members hold."""
    held = {name: getattr(member, "keys", ()) for name, member in trained.classifier.members.items()}
    return ", ".join(f"{len(keys):,} {name}" for name, keys in held.items() if len(keys))


def _show(terminal: Terminal, trained: "Trained") -> None:
    for line in trained.lines:
        terminal.print(line)
    terminal.warn(trained.remarks)
    if trained.evaluation:
        terminal.print("\n" + trained.evaluation.summary())
    else:
        terminal.note("No --test was given: nobody knows yet how good it is.")


@command.command()
@language_code
@click.option("--input", "inputs", type=TABLE, multiple=True, required=True, help="Labelled texts.")
@click.option("--against", metavar="RUN", help="Another classifier, for a paired comparison on the same rows.")
@text_option
@table_option
@label_option
@skip_option
@device_option
@run_option
@shared
def evaluate(
    terminal: Terminal,
    code: str,
    inputs: tuple[Path, ...],
    against: str | None,
    text_column: str | None,
    table_layout: str,
    label_column: str | None,
    skip_bad: bool,
    device: str,
    run: str,
) -> None:
    """Measure a classifier on labelled texts that it has not seen.

    \b
    ulmkit classify evaluate fa --input test.csv \\
        --text-column comment --label-column label
    """
    from ulmkit.classifier.results import columns_of, points
    from ulmkit.classifier.run import evaluate_classifier, open_run, runs_compared

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    classifier = open_run(layout.classifier(run), language, device=device)
    other = open_run(layout.classifier(against), language, device=device) if against else None
    test = examples(terminal, inputs, text_column, label_column, skip_bad=skip_bad, layout=table_layout)
    found = evaluate_classifier(classifier, test)
    terminal.print(found.summary())
    result = found.to_json() | {"remarks": remarked(test)}
    if other and against:
        compared = runs_compared(found, evaluate_classifier(other, test), against)
        value = compared.difference
        interval = f"[{points(value.low, True)}, {points(value.high, True)}]"
        row = (
            run,
            against,
            points(value.value, True),
            interval,
            "" if value.shown else "not shown",
            f"{compared.p:.2g}",
        )
        headers = ("accuracy against", "", "difference", "95 %", "", "McNemar p")
        terminal.print("\n" + columns_of([headers, row], words=2))
        result["against_run"] = {"run": against, "difference": value.value, "low": value.low, "high": value.high}
        result["against_run"] |= {"shown": value.shown, "mcnemar_p": compared.p}
    terminal.finish(result)


@contextlib.contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Standard output as a file that lines are written to."""

    class Lines:
        def write(self, text: str) -> int:
            write_out(text.removesuffix("\n"))
            return len(text)

    yield Lines()  # type: ignore[misc]


@command.command()
@language_code
@click.option("--input", "table", type=TABLE, required=True, help="Texts: CSV, TSV, JSON lines or Parquet.")
@click.option("--output", type=FilePath(path_type=Path, dir_okay=False), help=".csv, .tsv or .jsonl; stdout if not.")
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="Classes said of each text.")
@click.option("--threshold", type=FiniteRange(0, 1), default=0.0, help="No label where none is as probable.")
@click.option("--explain", type=click.IntRange(min=0), default=0, metavar="K", help="Say which K n-grams spoke.")
@text_option
@table_option
@device_option
@run_option
@shared
def predict(
    terminal: Terminal,
    code: str,
    table: Path,
    output: Path | None,
    top: int,
    threshold: float,
    explain: int,
    text_column: str | None,
    table_layout: str,
    device: str,
    run: str,
) -> None:
    """Add a label and its probability to every row of a table, of any size, in its order.

    \b
    ulmkit classify predict fa --input new.csv --output labelled.csv
    """
    from ulmkit.artifacts.atomic import atomic_write
    from ulmkit.classifier.predict import Wanted, label_table
    from ulmkit.classifier.run import open_run
    from ulmkit.classifier.table import Columns

    language = terminal.language(code)
    classifier = open_run(terminal.layout(language.code).classifier(run), language, device=device)
    if output is None and terminal.as_json:
        raise UsageError("--json: the table goes to standard output, so give --output FILE for it.")
    form = {".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(output.suffix.lower() if output else "", "csv")
    out: Any = standard_output() if output is None else atomic_write(output, "w", encoding="utf-8", newline="")
    with terminal.progress() as report:
        done = label_table(
            classifier,
            table,
            out,
            form=form,
            columns=Columns(text=text_column),
            layout=table_layout,
            wanted=Wanted(top, threshold, explain),
            report=report,
        )
    terminal.warn(done.remarks)
    terminal.note(_said(done, threshold))
    if output:
        terminal.finish({"output": str(output), "rows": done.rows, "unsure": done.unsure, "empty": done.empty,
                         "unreadable": done.unreadable, "called": done.called, "remarks": done.remarks})  # fmt: skip


def _said(done: "Predicted", threshold: float) -> str:
    called = sorted((done.called or {}).items(), key=lambda item: -item[1])
    parts = [f"{done.rows:,} texts: " + ", ".join(f"{readable(label, 30)} {times:,}" for label, times in called[:6])]
    parts += [f"{len(called) - 6:,} other classes"] if len(called) > 6 else []
    parts += [f"{done.unsure:,} under --threshold {threshold:g}"] if done.unsure else []
    parts += [f"{done.empty:,} empty"] if done.empty else []
    parts += [f"{done.unreadable:,} rows that cannot be read"] if done.unreadable else []
    return "; ".join(parts)


@command.command()
@language_code
@train_option
@click.option("--test", "test_files", type=TABLE, multiple=True, required=True, help="Labelled texts to measure on.")
@unlabelled_option
@click.option("--sizes", default="100,500,1000,all", show_default=True, help="Numbers of labels.")
@click.option("--samples", type=click.IntRange(min=1), default=3, show_default=True, help="Of each size.")
@text_option
@table_option
@label_option
@labels_option
@skip_option
@lm_option
@backward_option
@pieces_option
@recipe_option
@seeds_option
@tuning_options
@device_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@shared
def curve(
    terminal: Terminal,
    code: str,
    train_files: tuple[Path, ...],
    test_files: tuple[Path, ...],
    unlabelled: tuple[Path, ...],
    sizes: str,
    samples: int,
    text_column: str | None,
    table_layout: str,
    label_column: str | None,
    labels: str | None,
    skip_bad: bool,
    lm: str | None,
    backward_lm: str | None,
    max_pieces: int | None,
    recipe: str,
    seeds: int,
    balance: str | None,
    smoothing: float | None,
    settings: tuple[str, ...],
    device: str,
    seed: int,
) -> None:
    """How good a classifier gets with how many labels: several samples of each size, all measured on one test.

    With --unlabelled, training rows outside of a sample are read as texts without labels, too.

    \b
    ulmkit classify curve fa --train train.csv --test test.csv --sizes 100,500,all
    """
    from ulmkit.classifier.curve import learning_curve

    language = terminal.language(code)
    of_train = examples(terminal, train_files, text_column, label_column, skip_bad=skip_bad, layout=table_layout)
    of_test = examples(terminal, test_files, text_column, label_column, skip_bad=skip_bad, layout=table_layout)
    pool = (
        examples(terminal, unlabelled, text_column, None, labelled=False, layout=table_layout) if unlabelled else None
    )
    readers = readers_of(terminal, code, lm, backward_lm, max_pieces, device)
    how = how_asked(terminal, recipe, seeds, readers, settings, balance=balance, label_smoothing=smoothing)
    with terminal.progress() as report:
        found = learning_curve(
            language,
            of_train,
            of_test,
            [size_asked(each) for each in sizes.split(",")],
            samples=samples,
            unlabelled=pool.texts if pool else (),
            labels=named(labels),
            readers=readers,
            how=how,
            seed=seed,
            report=report,
        )
    terminal.print(found.summary())
    terminal.print("\nahead, behind: samples whose paired interval against n-grams leaves zero out")
    terminal.finish(found.to_json() | {"remarks": remarked(of_train, of_test, pool)})


def size_asked(word: str) -> int | None:
    """A number of labels; None for `all`."""
    if word.strip() == "all":
        return None
    if not word.strip().isdecimal():
        raise UsageError(f"--sizes {readable(word)}: expected numbers and `all`, with commas between.")
    return int(word)


@command.command()
@click.argument("code", metavar="LANGUAGE")
@click.option("--out", type=FilePath(path_type=Path, file_okay=False), help="Folder; else export/<run>-fastai.")
@run_option
@shared
def export(terminal: Terminal, code: str, out: Path | None, run: str) -> None:
    """Write a tuned classifier (--recipe fastai) in the files of fastai's text_classifier_learner, and check it there.

    \b
    ulmkit classify export fa --run taste
    """
    from ulmkit.workflow.classify_fastai import export_classifier

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    done = export_classifier(layout.classifier(run), out or layout.exported(run, "fastai"), language, name=run)
    terminal.print(f"{done.folder}: fastai's scores differ by {done.difference:.1e} at most")
    terminal.finish({"folder": str(done.folder), "difference": done.difference, "signature": done.signature})


@command.command("import")
@click.argument("code", metavar="LANGUAGE")
@click.option("--weights", type=TABLE, required=True, help="The .pth that Learner.save or torch.save wrote.")
@click.option("--vocab", "vocabulary", type=TABLE, required=True, help="Its words by number: .json or .pkl.")
@click.option("--labels", metavar="A,B", required=True, help="Its classes, in fastai's order.")
@click.option("--backward", is_flag=True, help="It reads texts from the end.")
@run_option
@shared
def import_(
    terminal: Terminal, code: str, weights: Path, vocabulary: Path, labels: str, backward: bool, run: str
) -> None:
    """Take a text classifier of fastai's over, whose pieces are those of the tokenizer here. No pickle is run.

    \b
    ulmkit classify import fa --weights models/taste.pth --vocab vocab.json \\
        --labels bad,good --run theirs
    """
    from ulmkit.workflow.classify_fastai import import_classifier

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    found = import_classifier(weights, vocabulary, named(labels), layout, run, language, backward=backward)
    folder = layout.classifier(run)
    terminal.print(f"{folder}: {', '.join(found.members)} of {len(found.classes):,} classes")
    terminal.finish({"folder": str(folder), **found.about})
