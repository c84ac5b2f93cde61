"""What the commands of `classify` share: options, and what was asked with them as values."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import FilePath, Terminal
from ulmkit.cli.completion import classifier_names, tuning_names
from ulmkit.cli.training import changes
from ulmkit.errors import UsageError
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.classifier.learn import How
    from ulmkit.classifier.reader import TextReader
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
