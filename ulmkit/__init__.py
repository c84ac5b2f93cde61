"""Web text to corpus, tokenizer and language model, for one language after another.

The names of this module are all that a notebook needs. Each is loaded when it is first touched, so importing ulmkit
costs nothing.

    fa = ulmkit.load("fa")                                           a language
    corpus = ulmkit.build(fa, ["news.jsonl.zst"], root="data")       files → a corpus on disk
    tok = ulmkit.train_tokenizer(fa, corpus, vocabulary=30_000)      → a tokenizer
    lm = ulmkit.pretrain(fa, corpus, tok, preset="small")            → a language model
    lm.generate("…")
    own = ulmkit.finetune(fa, comments, lm)                          → one that knows the texts of a task
    ulmkit.classify(fa, texts, labels).predict(["…"])                labelled texts → a classifier

Every function does what the command of its name does at the prompt, with the same defaults; see docs/python.md.
"""

import os
from typing import TYPE_CHECKING, Any

# Threads of a training wait for each other hundreds of times a step. GNU's OpenMP, which torch brings, lets them wait
# without giving up the core, and reads this when it is loaded: beside other work a step then takes four times as long,
# while on an idle machine sleeping costs nothing that could be measured (docs/decisions.md, "Threads that wait, sleep")
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "0"

if TYPE_CHECKING:
    from ulmkit.errors import (
        ArtifactError,
        BusyError,
        InputError,
        Interrupted,
        LanguageError,
        MissingPackageError,
        RuleError,
        UlmkitError,
        UsageError,
        VocabularyError,
    )
    from ulmkit.workflow.classify import Classifier, classify
    from ulmkit.workflow.corpus import Corpus, build
    from ulmkit.workflow.finetune import finetune
    from ulmkit.workflow.languages import languages, load
    from ulmkit.workflow.model import LM, pretrain
    from ulmkit.workflow.tokenizer import Tokenizer, train_tokenizer

__version__ = "0.1.0"

__all__ = [
    "LM",
    "ArtifactError",
    "BusyError",
    "Classifier",
    "Corpus",
    "InputError",
    "Interrupted",
    "LanguageError",
    "MissingPackageError",
    "RuleError",
    "Tokenizer",
    "UlmkitError",
    "UsageError",
    "VocabularyError",
    "build",
    "classify",
    "finetune",
    "languages",
    "load",
    "pretrain",
    "train_tokenizer",
]

_HOMES = {
    "ulmkit.workflow.languages": ("load", "languages"),
    "ulmkit.workflow.corpus": ("build", "Corpus"),
    "ulmkit.workflow.classify": ("classify", "Classifier"),
    "ulmkit.workflow.finetune": ("finetune",),
    "ulmkit.workflow.tokenizer": ("train_tokenizer", "Tokenizer"),
    "ulmkit.workflow.model": ("pretrain", "LM"),
}


def __getattr__(name: str) -> Any:
    """The public name `name`, from the module where it lives."""
    import importlib

    if name not in __all__:
        raise AttributeError(f"module 'ulmkit' has no attribute '{name}'")
    home = next((home for home, names in _HOMES.items() if name in names), "ulmkit.errors")
    try:
        value = globals()[name] = getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        from ulmkit.errors import missing_package

        raise missing_package(error) or error from error
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
