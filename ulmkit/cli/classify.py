"""`ulmkit classify`: labelled texts to a classifier, and what it is worth."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ulmkit.cli.common import Commands, FilePath, Terminal, shared, table_option
from ulmkit.cli.completion import classifier_names, language_code, tuning_names
from ulmkit.cli.streams import write_out
from ulmkit.cli.training import changes
from ulmkit.errors import UsageError
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.classifier.learn import How
    from ulmkit.classifier.predict import Predicted
    from ulmkit.classifier.reader import TextReader
    from ulmkit.classifier.run import Trained
    from ulmkit.classifier.table import Examples

ASKED = ("auto", "ngrams", "frozen", "1cycle", "gradual", "fastai")  # RECIPES of classifier.stages
TABLE = FilePath(path_type=Path, exists=True, dir_okay=False)
text_option = click.option("--text-column", metavar="NAME", help="Column of texts, by name or number from 1.")
label_option = click.option("--label-column", metavar="NAME", help="Column of labels, by name or number from 1.")
id_option = click.option("--id-column", metavar="NAME", help="Column of ids, kept beside predictions.")
skip_option = click.option("--skip-bad", is_flag=True, help="Leave rows without a text or label out, and count them.")
run_option = click.option(
    "--run", default="classifier", show_default=True, help="Name of the classifier.", shell_complete=classifier_names
)
labels_option = click.option("--labels", metavar="A,B", help="The classes, in order; else those of the table.")
train_option = click.option("--train", "train_files", type=TABLE, multiple=True, required=True, help="Labelled texts.")
unlabelled_option = click.option(
    "--unlabelled", type=TABLE, multiple=True, help="Texts without labels to learn from, too (under 2,000 labels)."
)
lm_option = click.option("--lm", metavar="RUN", help="A language model to read with, of `ulmkit lm pretrain`.")
backward_option = click.option("--backward-lm", metavar="RUN", help="Another that reads from the end.")
recipe_option = click.option(
    "--recipe", type=click.Choice(ASKED), default="auto", show_default=True,
    help="What is done with language models: read with them as they are (frozen), or tune them to the labels (1cycle, "
    "gradual, fastai). auto tunes from 2,000 labels.",
)  # fmt: skip
seeds_option = click.option(
    "--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Tuned so many times, and averaged."
)
pieces_option = click.option(
    "--max-pieces", type=int, help="How much of a long text language models read.  [default: 10000]"
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="Of language models: auto, cpu, cuda, cuda:1, …"
)


def tuning_options(function: Any) -> Any:
    """What can be changed of how encoders are tuned."""
    options = (
        click.option(
            "--balance", type=click.Choice(["weights", "sample"]),
            help="Tune as if classes were equally frequent: rare ones count more, or are drawn more often.",
        ),
        click.option(
            "--smoothing", type=float, help="Tune to labels smoothed by so much (.1 in MultiFiT).  [default: 0]"
        ),
        click.option(
            "--set", "settings", multiple=True, metavar="NAME=VALUE", shell_complete=tuning_names,
            help="Any other setting of tuning, in JSON, such as drop_mult=1; docs/classify.md lists them.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.group(cls=Commands)
def command() -> None:
    """Labelled texts → classifier."""


def examples(
    terminal: Terminal,
    files: tuple[Path, ...],
    text: str | None,
    label: str | None,
    id_: str | None = None,
    *,
    labelled: bool = True,
    skip_bad: bool = False,
    layout: str = "",
) -> "Examples":
    """The rows of tables; those left out are counted on stderr, and tables whose layout is not sure named."""
    from ulmkit.classifier.table import Columns, labelled_rows

    found, bad = labelled_rows(files, Columns(text, label, id_), labelled=labelled, skip_bad=skip_bad, layout=layout)
    if bad:
        terminal.note(
            f"{found.name}: {bad:,} rows left out: they cannot be read, or lack a text{' or label' * labelled}."
        )
    terminal.warn(found.remarks)
    return found


def readers_of(
    terminal: Terminal, code: str, lm: str | None, backward_lm: str | None, max_pieces: int | None, device: str
) -> "list[TextReader]":
    """The language models that are asked for, forward first."""
    from ulmkit.classifier.learn import refuse_pieces_unread

    refuse_pieces_unread(max_pieces, bool(lm or backward_lm))
    if not lm and not backward_lm:
        return []
    from ulmkit.classifier.reader import MOST_PIECES, reader_of_run

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    asked = ((lm, False), (backward_lm, True))
    return [
        reader_of_run(layout, run, language, backward=backward, most_pieces=max_pieces or MOST_PIECES, device=device)
        for run, backward in asked
        if run
    ]


def how_asked(
    terminal: Terminal,
    recipe: str,
    seeds: int,
    readers: "list[TextReader]",
    settings: tuple[str, ...],
    minutes: float | None = None,
    **given: Any,
) -> "How":
    """What is done with the language models; refused where there are none for it."""
    from ulmkit.classifier.learn import How
    from ulmkit.classifier.settings import changed_settings

    if not readers and recipe not in ("auto", "ngrams"):
        raise UsageError(f"--recipe {recipe}: needs a language model. Give --lm RUN, or --backward-lm RUN.")
    return How(recipe, seeds, changed_settings(changes(settings, given)), minutes, told=terminal.note)


def named(labels: str | None) -> tuple[str, ...]:
    """Classes as `--labels` gives them."""
    if labels is None:
        return ()
    found = tuple(label.strip() for label in labels.split(","))
    if len(found) < 2 or not all(found) or len(set(found)) < len(found):
        raise UsageError(f"--labels {readable(labels)}: expected two different names or more, with commas between.")
    return found


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
    type=click.FloatRange(min=0, min_open=True),
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
    ulmkit classify train fa --train train.csv --test test.csv --text-column comment --label-column label
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
    terminal.print(f"\n{folder}: {trained.classifier.about['recipe']}, {size_of(trained)}")
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
    ulmkit classify evaluate fa --input test.csv --text-column comment --label-column label
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
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0, help="No label where none is as probable.")
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
    ulmkit classify import fa --weights models/taste.pth --vocab vocab.json --labels bad,good --run theirs
    """
    from ulmkit.workflow.classify_fastai import import_classifier

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    found = import_classifier(weights, vocabulary, named(labels), layout, run, language, backward=backward)
    folder = layout.classifier(run)
    terminal.print(f"{folder}: {', '.join(found.members)} of {len(found.classes):,} classes")
    terminal.finish({"folder": str(folder), **found.about})
