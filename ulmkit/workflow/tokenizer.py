"""A tokenizer as a value: trained on a corpus, with its language at hand."""

from pathlib import Path
from typing import Literal, Self, overload

import numpy as np

from ulmkit.arguments import front_door
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import Manifest
from ulmkit.errors import UsageError
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.names import home_expanded
from ulmkit.notebook import html_table
from ulmkit.progress import Report, paced, silent
from ulmkit.tokenizer import train as room
from ulmkit.tokenizer.evaluate import TokenizerEvaluation, evaluate_tokenizer
from ulmkit.tokenizer.model import FIRST_PIECE
from ulmkit.tokenizer.model import Tokenizer as PieceTokenizer
from ulmkit.workflow.corpus import REPORT_SECONDS, Corpus
from ulmkit.workflow.languages import expect_language


class Tokenizer(PieceTokenizer):
    """Text to ids and back, exactly: `decode(encode(x)) == language.normalize(x)`, for every text.

    `folder` is where it lies (`<root>/<code>/tokenizer`), `language` whose normal form it encodes, `vocabulary` how
    many ids there are, `fingerprint` its name: equal fingerprints give equal ids.

    `Tokenizer.load("data/fa/tokenizer").pieces(text)` shows how a text is cut.
    """

    folder: Path
    language: Language

    @classmethod
    @front_door
    def load(cls, folder: str | Path, language: Language | None = None) -> Self:
        """The tokenizer in `folder`, checked: its file, its normalization, and that it loses nothing.

        `language` is found by the code in the manifest, if it is not given. Raises `ArtifactError` where there is no
        tokenizer, where the file is not the one that was trained, or where the language normalizes otherwise now.
        """
        folder = home_expanded(folder)
        if language is None:
            language = get(Manifest.read(folder, "tokenizer").language)
        tokenizer = super().load(folder, language)
        tokenizer.folder, tokenizer.language = folder, language
        return tokenizer

    @overload
    def encode(self, text: str) -> np.ndarray: ...

    @overload
    def encode(self, text: list[str] | tuple[str, ...]) -> list[np.ndarray]: ...

    @front_door
    def encode(self, text: str | list[str] | tuple[str, ...]) -> np.ndarray | list[np.ndarray]:
        """The ids of `text`, normalized first; shape (tokens,), int32. Of a list of texts, a list with those of each.

        No id for the document's start is added.
        """
        return super().encode(text) if isinstance(text, str) else self.encode_batch(text)

    @property
    def layout(self) -> Layout:
        """The folders beside it: corpus, token files, models."""
        return Layout(self.folder.parent.parent, self.folder.parent.name)

    @front_door
    def evaluate(self, corpus: Corpus | None = None, *, report: Report = silent) -> TokenizerEvaluation:
        """How well the pieces fit the valid and test documents of `corpus` (the one beside it, if not given).

        The result's `whole` holds characters a token, tokens a word (fertility) and the share of bytes, `by_source` the
        same for each source, `round_trips` how many documents came back exactly. Raises `ArtifactError` where neither
        split holds a document.
        """
        folder = self.layout.corpus if corpus is None else corpus.folder
        return evaluate_tokenizer(self.language, self, folder, report=paced(report, REPORT_SECONDS))

    def __repr__(self) -> str:
        return f"<Tokenizer {self.folder}: {self.vocabulary:,} pieces>"

    def _repr_html_(self) -> str:
        longest = sorted(self.inventory[FIRST_PIECE:], key=len, reverse=True)[:10]
        rows: list[tuple[object, ...]] = [("language", self.language.code), ("ids", self.vocabulary)]
        rows += [("fingerprint", self.fingerprint), ("longest pieces", "  ".join(longest))]
        return html_table(str(self.folder), rows, direction=self.language.identity.direction)


@front_door
def train_tokenizer(
    language: Language,
    corpus: Corpus,
    *,
    vocabulary: int | None = None,
    model: Literal["unigram", "bpe"] | None = None,
    split_by_script: bool | None = None,
    force: bool = False,
    report: Report = silent,
) -> Tokenizer:
    """Train a SentencePiece tokenizer of exactly `vocabulary` ids on the train split of `corpus`.

    What is not given the language's [tokenizer] says. The tokenizer goes beside the corpus, to
    `<root>/<code>/tokenizer`. Where the same stands there already it is loaded, unless `force`. `report` hears of
    progress.

    Raises `VocabularyError` (its `most` says how many) where the text does not carry so many pieces, `ArtifactError`
    where the corpus is not in the normal form that the language has now, `BusyError` while another trains in the same
    folder.
    """
    refuse_other_language(language, corpus)
    folder = corpus.layout.tokenizer
    room.train_tokenizer(
        language,
        corpus.folder,
        folder,
        vocabulary=vocabulary,
        model=model,
        split_by_script=split_by_script,
        force=force,
        report=paced(report, REPORT_SECONDS),
    )
    return Tokenizer.load(folder, language)


def refuse_other_language(language: Language, corpus: Corpus) -> None:
    """Raise `UsageError` for a corpus of another language, and for what is no language or no corpus."""
    expect_language(language)
    if not isinstance(corpus, Corpus):
        raise UsageError(f"{corpus!r} is no Corpus. Open one: ulmkit.Corpus.load(folder).")
    if corpus.code != language.code:
        raise UsageError(f"{corpus.folder}: a corpus of '{corpus.code}', not of '{language.code}'.")
