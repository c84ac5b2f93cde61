"""`ulmkit demo`: the whole chain on what a language bundles: articles to a language model, comments to classes."""

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import Terminal, shared, text_table
from ulmkit.cli.completion import language_code

if TYPE_CHECKING:
    from types import ModuleType

    from ulmkit.artifacts.layout import Layout
    from ulmkit.language.spec import Language
    from ulmkit.tokenizer.evaluate import TokenizerEvaluation
    from ulmkit.workflow.demo import DemoModel


@click.command()
@language_code
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@shared
def command(terminal: Terminal, code: str, seed: int) -> None:
    """The whole chain on the bundled samples of LANGUAGE, a classifier at its end: a few minutes on a laptop, no
    network.

    What it makes lies under <root>/demo, apart from your own data.

    \b
    ulmkit demo fa
    """
    from ulmkit.cli.corpus import corpus_tables
    from ulmkit.cli.training import training_progress
    from ulmkit.workflow import demo

    started = time.monotonic()
    language = terminal.language(code)
    layout = demo.demo_layout(language, terminal.root)
    terminal.print(f"ulmkit demo {code}: {language.identity.name}, bundled samples → {layout.home}\n")
    terminal.print("1  corpus: read, extract, identify, normalize, filter, deduplicate, split")
    with terminal.progress() as report:
        corpus = demo.demo_corpus(language, layout, report=report)
    terminal.print("\n" + corpus_tables(corpus, language))
    terminal.print("2  tokenizer: SentencePiece, nothing lost")
    with terminal.progress() as report:
        tokenizer, measured = demo.demo_tokenizer(language, layout, report=report)
    terminal.print("\n" + measured.summary() + "\n")
    terminal.print("3  language model: AWD-LSTM, preset tiny")
    with training_progress(terminal) as progress:
        model = demo.demo_model(language, layout, tokenizer, seed=seed, progress=progress)
    terminal.print(results(corpus, measured, model, time.monotonic() - started))
    terminal.print("It writes (a model this small learns the sound of a language, not its sense):\n")
    for text in model.texts:
        terminal.print(f"  {text}\n")
    classified = _classify(terminal, demo, language, layout, seed)
    seconds = time.monotonic() - started
    terminal.print(f"{seconds:,.0f} seconds from articles to here.\n")
    first = next((f"--source {source.name} --limit 20000   or   " for source in language.sources if source.enabled), "")
    terminal.print(
        f"Now with a real corpus, from what the language declares or from files of your own:\n\n"
        f"  ulmkit corpus build {code} {first}--input FILE_OR_FOLDER\n"
        f"  ulmkit tokenizer train {code} --vocab {language.tokenizer.vocabulary}\n"
        f"  ulmkit lm pretrain {code} --preset small       or, on a GPU,   ulmkit lm pretrain {code}\n"
        f"  ulmkit classify train {code} --train FILE --test FILE --lm pretrained\n"
    )
    terminal.finish(
        {
            "documents": {split: entry["documents"] for split, entry in corpus["splits"].items()},
            "tokenizer": measured.to_json(),
            "models": {name: dataclasses.asdict(result) for name, result in model.models.items()},
            "texts": model.texts,
            "classifier": classified,
            "seconds": round(seconds, 1),
            "signature": model.signature,
        }
    )


def _classify(terminal: Terminal, demo: "ModuleType", language: "Language", layout: "Layout", seed: int) -> Any:
    """The demo's last step; its figures for machines, None where the language bundles no labelled set."""
    task = demo.demo_set(language)
    if task is None:
        terminal.print(f"4  classifier: left out, since the folder of '{language.code}' has no labelled set\n")
        return None
    terminal.print(f"4  classifier: {task.locator} of the language's folder, n-grams and what the model reads\n")
    with terminal.progress() as report:
        trained = demo.demo_classifier(language, layout, task, seed=seed, report=report)
    terminal.print("\n".join([*trained.lines, *(f"Warning: {each}" for each in trained.remarks)]))
    terminal.print("\n" + trained.evaluation.summary() + "\n")
    return trained.evaluation.to_json()


def results(corpus: dict[str, Any], tokenizer: "TokenizerEvaluation", model: "DemoModel", seconds: float) -> str:
    """The table at the end."""
    from ulmkit.cli.lm import evaluation_table

    splits, trips = corpus["splits"], tokenizer.round_trips
    rows = [
        ("documents (train, valid)", f"{splits['train']['documents']:,}, {splits['valid']['documents']:,}"),
        ("words", f"{sum(split['words'] for split in splits.values()):,}"),
        ("vocabulary", f"{tokenizer.vocabulary:,}"),
        ("tokens in valid", f"{model.result.tokens:,}"),
        ("exact round trips", f"{trips.exact:,} of {trips.total:,}"),
        ("seconds", f"{seconds:,.0f}"),
    ]
    return "\n" + text_table(("result", ""), rows) + "\n\n" + evaluation_table(model.models) + "\n"
