"""`ulmkit tokenizer`: shards to a SentencePiece model, and text to numbers."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulmkit.cli.common import Commands, FilePath, Terminal, shared, table_option, text_table
from ulmkit.cli.completion import language_code
from ulmkit.cli.streams import input_lines, write_out
from ulmkit.errors import InputError, UlmkitError, UsageError
from ulmkit.names import readable

if TYPE_CHECKING:
    from ulmkit.tokenizer.evaluate import RoundTrips


@click.group(cls=Commands)
def command() -> None:
    """Shards → SentencePiece model → token files."""


@command.command()
@language_code
@click.option("--vocab", "vocabulary", type=click.IntRange(min=300), help="Pieces; the language's own number if not.")
@click.option("--model", type=click.Choice(["unigram", "bpe"]), help="Kind of model.")
@click.option("--split-by-script/--no-split-by-script", default=None, help="Whether a piece may hold two scripts.")
@click.option("--force", is_flag=True, help="Train again even where the same tokenizer is there.")
@shared
def train(
    terminal: Terminal, code: str, vocabulary: int | None, model: str | None, split_by_script: bool | None, force: bool
) -> None:
    """Train the tokenizer of LANGUAGE on its corpus.

    \b
    ulmkit tokenizer train fa --vocab 30000
    """
    from ulmkit.tokenizer.train import train_tokenizer

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    with terminal.progress() as report:
        trained = train_tokenizer(
            language,
            layout.corpus,
            layout.tokenizer,
            vocabulary=vocabulary,
            model=model,
            split_by_script=split_by_script,
            force=force,
            report=report,
        )
    terminal.print(trained.summary())
    terminal.note(f"Next: ulmkit tokenizer evaluate {code}, ulmkit lm pretrain {code}")
    terminal.finish(trained.to_json())


@command.command()
@language_code
@click.option("--corpus", is_flag=True, help="Encode the whole corpus to token files.")
@click.option("--workers", type=click.IntRange(min=0), help="Processes; all cores unless told, 0 for this one alone.")
@shared
def encode(terminal: Terminal, code: str, corpus: bool, workers: int | None) -> None:
    """Text on stdin to ids on stdout, a line each; with --corpus, the corpus to token files.

    \b
    echo "می‌روم" | ulmkit tokenizer encode fa
    ulmkit tokenizer encode fa --corpus
    """
    from ulmkit.tokenizer.encode import encode_corpus
    from ulmkit.tokenizer.model import Tokenizer

    if corpus:
        language = terminal.language(code)
        layout = terminal.layout(language.code)
        tokenizer = Tokenizer.load(layout.tokenizer, language)
        with terminal.progress() as report:
            manifest = encode_corpus(language, tokenizer, layout.corpus, layout.tokens, workers=workers, report=report)
        terminal.finish(manifest)
        return
    coder = terminal.tokenizer(code)
    for line in input_lines(errors="replace", newline="\n"):
        write_out(" ".join(map(str, coder.encode(line.rstrip("\n")))))


@command.command()
@language_code
@shared
def decode(terminal: Terminal, code: str) -> None:
    """Ids on stdin, a line each, back to text on stdout.

    \b
    echo "می‌روم" | ulmkit tokenizer encode fa | ulmkit tokenizer decode fa
    """
    tokenizer = terminal.tokenizer(code)
    for number, line in enumerate(input_lines(errors="replace"), 1):
        try:
            ids = [int(word) for word in line.split()]
        except ValueError as error:
            raise UsageError(f"stdin:{number}: ids are whole numbers separated by spaces ({error}).") from None
        write_out(tokenizer.decode(ids))


TEXT_FILE = FilePath(path_type=Path, exists=True, dir_okay=False)


@command.command()
@click.argument("code", metavar="LABEL")
@click.option("--train", type=TEXT_FILE, required=True, help="Its words are the vocabulary.")
@click.option("--valid", type=TEXT_FILE, required=True)
@click.option("--test", type=TEXT_FILE, required=True)
@shared
def words(terminal: Terminal, code: str, train: Path, valid: Path, test: Path) -> None:
    """Token files of a benchmark that comes cut into words, such as WikiText-2 or Penn Treebank, as published.

    Text files, plain or .gz: words between spaces, `<unk>` for rare ones; each line ends with `<eos>`, which is added.
    Nothing is normalized, and the lines stay in their order. LABEL names the folder under --root; it need be no
    language. After it come `lm pretrain LABEL --preset wikitext-2` and the other commands of `lm`.

    \b
    ulmkit tokenizer words wt2 --train wiki.train.tokens \\
        --valid wiki.valid.tokens --test wiki.test.tokens
    """
    from ulmkit.tokenizer.words import encode_words

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", code):
        raise UsageError(f"label {readable(code)!r}: expected letters, digits and -._, since it names a folder.")
    layout = terminal.layout(code)
    files = {"train": train, "valid": valid, "test": test}
    with terminal.progress() as report:
        manifest = encode_words(code, files, layout.tokenizer, layout.tokens, report=report)
    rows = [
        (split, *(f"{entry[name]:,}" for name in ("documents", "tokens", "words", "replaced")))
        for split, entry in ((split, manifest["splits"][split]) for split in files)
    ]
    terminal.print(text_table(("split", "lines", "tokens", "words", "unknown words"), rows))
    terminal.print(f"\n{layout.tokens}: a vocabulary of {manifest['vocabulary']:,}, <eos> included")
    terminal.note(f"Next: ulmkit lm pretrain {code} --preset wikitext-2")
    terminal.finish(manifest)


@command.command()
@language_code
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="PATH",
    help="Round-trip the raw text of these files too.",
)
@table_option
@shared
def evaluate(terminal: Terminal, code: str, inputs: tuple[str, ...], table_layout: str) -> None:
    """Measure the tokenizer of LANGUAGE on the held-out documents, and prove that it loses nothing.

    \b
    ulmkit tokenizer evaluate fa
    """
    from ulmkit.tokenizer.elsewhere import ElsewhereReader
    from ulmkit.tokenizer.evaluate import evaluate_tokenizer
    from ulmkit.tokenizer.model import Tokenizer
    from ulmkit.workflow.round_trips import round_trips_of_files

    language = terminal.language(code)
    layout = terminal.layout(language.code)
    tokenizer = Tokenizer.load(layout.tokenizer, language)
    with terminal.progress() as report:
        elsewhere = ElsewhereReader.of(layout.tokenizer)
        evaluation = evaluate_tokenizer(language, tokenizer, layout.corpus, report=report, elsewhere=elsewhere)
    terminal.print(evaluation.summary())
    result = evaluation.to_json()
    if inputs:
        remarks: list[str] = []
        found = list(round_trips_of_files(language, tokenizer, inputs, table=table_layout, remark=remarks.append))
        terminal.warn(remarks)
        rows = [(file, f"{trips.total:,}", f"{trips.exact:,}") for file, trips in found]
        terminal.print(text_table(("file", "texts", "exact"), rows))
        result["inputs"] = [{"file": file} | dataclasses.asdict(trips) for file, trips in found]
        result["remarks"] = remarks
        _refuse_failed(found)
    terminal.finish(result)


def _refuse_failed(found: "list[tuple[str, RoundTrips]]") -> None:
    """Raise where no text was read from any file, or one did not come back."""
    if not any(trips.total for _, trips in found):
        files = readable(found[0][0]) if len(found) == 1 else f"{len(found):,} files"
        raise InputError(f"{files}: no text was read. Give files that `corpus build` reads.")
    for file, trips in found:
        if trips.exact < trips.total:
            raise UlmkitError(
                f"{readable(file)}: {trips.total - trips.exact:,} of {trips.total:,} texts did not come back exactly, "
                f"text {trips.first_failing} first. Report it: the tokenizer is lossless by design."
            )
