"""What a model needs before it can be trained or asked: its tokenizer, and the corpus as token files."""

import time
from pathlib import Path

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import MANIFEST
from ulmkit.errors import BusyError
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.lm.records import OWN_TOKENS
from ulmkit.progress import Report, silent
from ulmkit.tokenizer.encode import encode_corpus
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.words import Words, holds_words

WAIT_SECONDS = 1.0


def stage_language(layout: Layout, languages: Path | None = None) -> Language | None:
    """The language of what lies under `layout`; None where it is a benchmark of words, whose code is only a label.

    Raises `UsageError` for a language that is not known, `LanguageError` for one that is broken.
    """
    return None if holds_words(layout.tokenizer) else get(layout.code, languages)


def open_tokenizer(layout: Layout, language: Language | None) -> Tokenizer | Words:
    """The tokenizer under `layout`: of words where there is no `language`, or of its pieces.

    Raises `ArtifactError` where it is missing, damaged, or was trained with another normalization.
    """
    return Words.load(layout.tokenizer) if language is None else Tokenizer.load(layout.tokenizer, language)


def tokens_of_run(layout: Layout, run: str) -> Path:
    """The folder of the token files that run `run` reads: its own texts', or those of the corpus."""
    own = layout.run(run) / OWN_TOKENS
    return own if (own / MANIFEST).exists() else layout.tokens


def prepare_tokens(layout: Layout, language: Language | None, *, wait: bool = False, report: Report = silent) -> Path:
    """The folder of the token files, encoded now where the corpus was not yet, or has changed since.

    Of words (`language` None) they are there since `tokenizer words`. With `wait`, where another process is encoding,
    it is waited for: of several that begin together one encodes. Raises `BusyError` else.
    """
    if language is None:
        return layout.tokens
    tokenizer = Tokenizer.load(layout.tokenizer, language)
    while True:
        try:
            encode_corpus(language, tokenizer, layout.corpus, layout.tokens, report=report)
        except BusyError:
            if not wait:
                raise
            time.sleep(WAIT_SECONDS)
        else:
            return layout.tokens
