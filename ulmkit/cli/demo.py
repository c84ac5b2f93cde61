"""`ulmkit demo`: the whole chain on a language's bundled samples."""

import dataclasses
import time
from typing import Any

import click

from ulmkit.cli.common import Scene, shared, table

VALID_SHARE = 0.12  # a few dozen articles: one in fifty would be one article


@click.command()
@click.argument("code", metavar="LANGUAGE")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@shared
def command(scene: Scene, code: str, seed: int) -> None:
    """The whole chain on the bundled samples of LANGUAGE: a few minutes on a laptop, no network.

    What it makes lies under <root>/demo, apart from your own data.

    \b
    ulmkit demo fa
    """
    from ulmkit.artifacts.layout import Layout
    from ulmkit.artifacts.manifest import signature
    from ulmkit.errors import UsageError

    started = time.monotonic()
    language = scene.language(code)
    if not language.samples.is_dir():
        raise UsageError(f"{language.folder}: no samples/ to demonstrate with. Give your own files: --input.")
    layout = Layout(scene.root / "demo", language.code)
    scene.say(f"ulmkit demo {code}: {language.identity.name}, bundled samples → {layout.home}\n")
    scene.say("1  corpus: read, extract, identify, normalize, filter, deduplicate, split")
    corpus = demo_corpus(scene, language, layout)
    scene.say("2  tokenizer: SentencePiece, nothing lost")
    tokenizer, tokenizer_figures = demo_tokenizer(scene, language, layout)
    scene.say("3  language model: AWD-LSTM, preset tiny")
    models, trained, texts = demo_model(scene, language, layout, tokenizer, seed)
    seconds = time.monotonic() - started
    scene.say(results(corpus, tokenizer_figures, models, seconds))
    scene.say("It writes (a model this small learns the sound of a language, not its sense):\n")
    for text in texts:
        scene.say(f"  {text}\n")
    scene.say(
        f"Now with a real corpus, from Wikipedia or from files of your own:\n\n"
        f"  ulmkit corpus build {code} --limit 20000       or   ulmkit corpus build {code} --input FILE_OR_FOLDER\n"
        f"  ulmkit tokenizer train {code} --vocab {language.tokenizer.vocabulary}\n"
        f"  ulmkit lm pretrain {code} --preset small       or, on a GPU,   ulmkit lm pretrain {code}\n"
    )
    scene.finish(
        {
            "documents": {split: entry["documents"] for split, entry in corpus["splits"].items()},
            "tokenizer": tokenizer_figures,
            "models": {name: dataclasses.asdict(result) for name, result in models.items()},
            "texts": texts,
            "seconds": round(seconds, 1),
            "signature": signature(
                "demo",
                language=f"{language.code}@{language.fingerprint}",
                tokenizer=tokenizer.fingerprint,
                steps=trained.step,
                seed=seed,
                bpc=f"{models['AWD-LSTM'].bits_per_character:.4f}",
            ),
        }
    )


def demo_corpus(scene: Scene, language: Any, layout: Any) -> dict[str, Any]:
    """The corpus of the samples, and a table of what happened to them."""
    from ulmkit.cli.corpus import summary
    from ulmkit.corpus.build import BuildOptions, build_corpus
    from ulmkit.formats.inputs import named_inputs

    inputs = named_inputs([str(language.samples)], licence="Apache-2.0")
    with scene.progress() as report:
        # a few dozen pages are read sooner than worker processes start
        options = BuildOptions(valid_share=VALID_SHARE, test_share=0.0, workers=0)
        manifest = build_corpus(language, layout, inputs, options=options, report=report)
    scene.say("\n" + summary(manifest, language))
    return manifest


def demo_tokenizer(scene: Scene, language: Any, layout: Any) -> tuple[Any, dict[str, Any]]:
    from ulmkit.cli.stages import train_demo
    from ulmkit.tokenizer.encode import encode_corpus
    from ulmkit.tokenizer.evaluate import evaluate_tokenizer
    from ulmkit.tokenizer.model import Tokenizer

    with scene.progress() as report:
        train_demo(language, layout.corpus, layout.tokenizer, report)
        tokenizer = Tokenizer.load(layout.tokenizer, language)
        encode_corpus(language, tokenizer, layout.corpus, layout.tokens, workers=1, report=report)
        evaluation = evaluate_tokenizer(language, tokenizer, layout.corpus, report=report)
    scene.say("\n" + evaluation.summary() + "\n")
    return tokenizer, evaluation.to_json()


def demo_model(
    scene: Scene, language: Any, layout: Any, tokenizer: Any, seed: int
) -> tuple[dict[str, Any], Any, list[str]]:
    """Train, evaluate beside the baselines, and let it write."""
    import shutil

    from ulmkit.artifacts.tokens import open_token_file
    from ulmkit.cli.lm import continuations, training_progress
    from ulmkit.lm.checkpoint import load_model
    from ulmkit.lm.config import preset
    from ulmkit.lm.evaluate import baselines, evaluate
    from ulmkit.lm.train import pretrain

    train, valid = (open_token_file(layout.tokens, split) for split in ("train", "valid"))
    folder = layout.run("demo")
    shutil.rmtree(folder, ignore_errors=True)  # a demo shows the whole chain every time
    with training_progress(scene) as progress:
        trained = pretrain(train, valid, folder, preset("tiny", seed=seed), device="cpu", progress=progress)
    model, _ = load_model(folder, "last")  # `best` was chosen on the very articles that it is judged by here
    models = baselines(train, valid) | {"AWD-LSTM": evaluate(model, valid)}
    texts = continuations(model, tokenizer, language.lm.prompts[:3], length=40, seed=seed)
    return models, trained, texts


def results(corpus: dict[str, Any], tokenizer: dict[str, Any], models: dict[str, Any], seconds: float) -> str:
    """The table at the end."""
    from ulmkit.cli.lm import evaluation_table

    splits = corpus["splits"]
    model, trips = models["AWD-LSTM"], tokenizer["round_trips"]
    rows = [
        ("documents (train, valid)", f"{splits['train']['documents']:,}, {splits['valid']['documents']:,}"),
        ("words", f"{sum(split['words'] for split in splits.values()):,}"),
        ("vocabulary", f"{tokenizer['vocabulary']:,}"),
        ("tokens in valid", f"{model.tokens:,}"),
        ("exact round trips", f"{trips['exact']:,} of {trips['total']:,}"),
        ("seconds", f"{seconds:,.0f}"),
    ]
    return "\n" + table(("result", ""), rows) + "\n\n" + evaluation_table(models) + "\n"
