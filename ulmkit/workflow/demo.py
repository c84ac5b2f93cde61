"""The whole chain on what a language bundles, samples to classifier: a few minutes on a laptop, without a network."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import signature
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.authoring.checks.trials import train_demo_tokenizer
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.table import Examples
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.errors import UsageError
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.cases import read_labelled
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.config import preset
from ulmkit.lm.evaluate import Evaluation, baselines, evaluate
from ulmkit.lm.loop import TrainProgress
from ulmkit.lm.run import pretrain
from ulmkit.progress import Report, silent
from ulmkit.tokenizer.encode import encode_corpus
from ulmkit.tokenizer.evaluate import TokenizerEvaluation, evaluate_tokenizer
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.workflow.write import continuations

if TYPE_CHECKING:
    from ulmkit.classifier.run import Trained
    from ulmkit.language.sections import LabelledSet

DEMO_VALID_SHARE = 0.12  # a few dozen articles: one in fifty would be one article
DEMO_RUN = "demo"
_PARTS = 3  # of a labelled set, of which one is the test


@dataclass(frozen=True)
class DemoModel:
    """The trained model beside n-gram models (name → what each reached), and what it wrote."""

    models: dict[str, Evaluation]
    texts: list[str]
    signature: str

    @property
    def result(self) -> Evaluation:
        """Of the network alone."""
        return self.models["AWD-LSTM"]


def demo_layout(language: Language, root: Path) -> Layout:
    """Where the demo's files lie: under `root`/demo, apart from real data. Raises `UsageError` without samples."""
    if not language.samples.is_dir():
        raise UsageError(f"{language.folder}: no samples/ to demonstrate with. Give your own files: --input.")
    return Layout(root / "demo", language.code)


def demo_corpus(language: Language, layout: Layout, *, report: Report = silent) -> dict[str, Any]:
    """Build the corpus of the samples; its manifest."""
    inputs = named_inputs([str(language.samples)], licence="Apache-2.0")
    # a few dozen pages are read sooner than worker processes start
    options = BuildOptions(valid_share=DEMO_VALID_SHARE, test_share=0.0, workers=0)
    return build_corpus(language, layout, inputs, options=options, report=report)


def demo_tokenizer(
    language: Language, layout: Layout, *, report: Report = silent
) -> tuple[Tokenizer, TokenizerEvaluation]:
    """Train a tokenizer of the demo's size, encode the corpus, and measure it on the held-out articles."""
    train_demo_tokenizer(language, layout.corpus, layout.tokenizer, report=report)
    tokenizer = Tokenizer.load(layout.tokenizer, language)
    encode_corpus(language, tokenizer, layout.corpus, layout.tokens, workers=1, report=report)
    return tokenizer, evaluate_tokenizer(language, tokenizer, layout.corpus, report=report)


def demo_model(
    language: Language,
    layout: Layout,
    tokenizer: Tokenizer,
    *,
    seed: int = 0,
    progress: Callable[[TrainProgress], None] | None = None,
) -> DemoModel:
    """Train the preset `tiny`, evaluate it beside the baselines, and let it write."""
    train, valid = (open_token_file(layout.tokens, split) for split in ("train", "valid"))
    folder = layout.run(DEMO_RUN)
    shutil.rmtree(folder, ignore_errors=True)  # a demo shows the whole chain every time
    trained = pretrain(train, valid, folder, preset("tiny", seed=seed), device="cpu", progress=progress)
    model, _ = load_model(folder, "last")  # `best` was chosen on the very articles that it is judged by here
    models = baselines(train, valid) | {"AWD-LSTM": evaluate(model, valid)}
    texts = continuations(model, tokenizer, language.lm.prompts[:3], length=40, seed=seed)
    line = signature(
        "demo",
        language=f"{language.code}@{language.fingerprint}",
        tokenizer=tokenizer.fingerprint,
        steps=trained.step,
        seed=seed,
        bpc=f"{models['AWD-LSTM'].bits_per_character:.4f}",
    )
    return DemoModel(models, texts, line)


def demo_set(language: Language) -> "LabelledSet | None":
    """The labelled set in the language's folder that the demo classifies, if there is one."""
    return next((task for task in language.tasks if task.bundled and task.kind == "classification"), None)


def demo_split(language: Language, task: "LabelledSet", *, seed: int = 0) -> tuple[Examples, Examples]:
    """Two thirds of a bundled set to learn from and a third to measure on; near copies stand on one side."""
    # what this needs is asked for after torch, which the demo needs first
    from ulmkit.classifier.copies import copy_groups

    rows = read_labelled(language.file(task.locator))
    _, classes = np.unique([row.name for row in rows], return_inverse=True)
    parts = stratified_folds(classes, copy_groups([language.match(row.text) for row in rows]), seed=seed, count=_PARTS)

    def part(name: str, chosen: np.ndarray) -> Examples:
        some = [rows[place] for place in np.flatnonzero(chosen)]
        return Examples(
            f"{task.locator}, {name}",
            tuple(row.text for row in some),
            tuple(row.name for row in some),
            (),
            tuple(row.line for row in some),
            (task.locator,) * len(some),
        )

    return part("train", parts != 0), part("test", parts == 0)


def demo_classifier(
    language: Language, layout: Layout, task: "LabelledSet", *, seed: int = 0, report: Report = silent
) -> "Trained":
    """Classify a bundled labelled set with n-grams and the demo's language model, measured on a third of it."""
    from ulmkit.classifier.reader import reader_of_run
    from ulmkit.classifier.run import train_run

    train, test = demo_split(language, task, seed=seed)
    reader = reader_of_run(layout, DEMO_RUN, language, which="last")
    folder = layout.classifier(DEMO_RUN)
    return train_run(
        language, folder, train, test=test, labels=task.labels, readers=[reader], seed=seed, force=True, report=report
    )
