"""Is what stands under the data root fit to train on? A list of questions about one language's stages, and answers.

They are those that no single stage can ask: whether what one left is what the next was made from.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.manifest import Manifest
from ulmkit.artifacts.shards import corpus_digest, finished_corpus
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.errors import UlmkitError
from ulmkit.language.spec import Language
from ulmkit.tokenizer.model import FIRST_BYTE, FIRST_PIECE, Tokenizer
from ulmkit.tokenizer.words import Words, holds_words
from ulmkit.workflow.diagnosis import Diagnosis, Level
from ulmkit.workflow.environment import environment

UNKNOWN_SHARE = (0.05, 0.5)  # of tokens: above the first a warning, above the second an error
BYTE_SHARE = 0.2  # of tokens that spell characters no piece has; a fitting tokenizer is below a hundredth
COMMONEST_SHARE = 0.5  # of tokens that may be one id; a comma or a full stop is a twentieth
FEWEST_USED = 50  # different ids; below it there is nothing to predict
USED_SHARE = 0.5  # of the vocabulary that should occur in train
SHORTEST_COPY = 16  # tokens: shorter documents may be alike by chance
COPIED_SHARE = 0.05  # of train's documents that may stand there twice
SMALLEST_VALID = 1_000  # tokens; of fewer the perplexity is chance
TOKENS_PER_PIECE = 10  # in train: below it most rows of the embedding hardly ever move


@dataclass(frozen=True)
class BuiltData:
    """What the questions are asked of. A stage that is not built, or cannot be opened, is None or missing."""

    layout: Layout
    language: Language | None
    corpus: dict[str, Any] | None
    tokenizer: Tokenizer | Words | None
    tokens: dict[str, TokenFile]

    @property
    def code(self) -> str:
        return self.layout.code

    @property
    def encode(self) -> str:
        """The command that makes the token files."""
        return encode_command(self.layout)


def encode_command(layout: Layout) -> str:
    words = holds_words(layout.tokenizer)
    return f"ulmkit tokenizer words {layout.code}" if words else f"ulmkit tokenizer encode {layout.code} --corpus"


def opened(layout: Layout, language: Language | None) -> tuple[BuiltData, list[Diagnosis]]:
    """The stages of `layout` that can be opened, and a finding for each that cannot."""
    findings: list[Diagnosis] = []

    def tried(stage: str, folder: Path, command: str, read: Callable[[], Any]) -> Any:
        if not (folder / "manifest.json").exists():
            findings.append(Diagnosis(stage, "note", f"{folder}: not built yet", command))
            return None
        try:
            return read()
        except UlmkitError as error:
            findings.append(Diagnosis(stage, "error", str(error), command))
            return None

    words = holds_words(layout.tokenizer)
    corpus = None
    if not words:
        corpus = tried(
            "corpus",
            layout.corpus,
            f"ulmkit corpus build {layout.code}",
            lambda: Manifest.read(layout.corpus, "corpus").content,
        )
    load = Words.load if words else Tokenizer.load  # without the language: its normalization is a question of its own
    tokenizer = tried(
        "tokenizer", layout.tokenizer, f"ulmkit tokenizer train {layout.code}", lambda: load(layout.tokenizer)
    )
    tokens = tried(
        "tokens",
        layout.tokens,
        encode_command(layout),
        lambda: {split: open_token_file(layout.tokens, split) for split in SPLITS},
    )
    return BuiltData(layout, language, corpus, tokenizer, tokens or {}), findings


def normalization(data: BuiltData) -> Iterator[Diagnosis]:
    """Corpus and tokenizer were made with the normalization that the language has now."""
    if data.language is None:
        return
    now = data.language.normalizer("standard").fingerprint
    made = {
        "corpus": (data.corpus or {}).get("normalization"),
        "tokenizer": getattr(data.tokenizer, "normalization", None),
    }
    for stage, then in made.items():
        if then is not None and then != now:
            command = "corpus build" if stage == "corpus" else "tokenizer train"
            found = f"the {stage} has normalization {then[:6]}, {data.code} now has {now[:6]}"
            yield Diagnosis("normalization", "error", found, f"ulmkit {command} {data.code}, then what follows it")


def tokenizer_of_tokens(data: BuiltData) -> Iterator[Diagnosis]:
    """The token files were encoded with the tokenizer that stands beside them."""
    for split, tokens in data.tokens.items():
        if data.tokenizer is not None and tokens.tokenizer != data.tokenizer.fingerprint:
            found = f"{split} was encoded with tokenizer {tokens.tokenizer}, here is {data.tokenizer.fingerprint}"
            yield Diagnosis("tokenizer", "error", found, data.encode)
            return  # all were encoded together


def empty_splits(data: BuiltData) -> Iterator[Diagnosis]:
    """Every split has text, and enough of it."""
    for split, tokens in data.tokens.items():
        size = len(tokens.ids)
        if not size:
            level: Level = "warning" if split == "test" else "error"
            yield Diagnosis(
                "splits", level, f"{split} is empty", "build the corpus from more, or give it a larger share"
            )
        elif split == "valid" and size < SMALLEST_VALID:
            found = f"valid has {size:,} tokens; of fewer than {SMALLEST_VALID:,} a perplexity is chance"
            yield Diagnosis("splits", "warning", found, "build with a larger --valid-share")
        elif split == "train" and size < TOKENS_PER_PIECE * tokens.vocabulary:
            found = f"train has {size:,} tokens for a vocabulary of {tokens.vocabulary:,}"
            fits = max(500, size // TOKENS_PER_PIECE // 100 * 100)
            yield Diagnosis("splits", "warning", found, f"more text, or ulmkit tokenizer train --vocab {fits}")


def foreign_ids(data: BuiltData) -> Iterator[Diagnosis]:
    """No id is beyond the vocabulary."""
    for split, tokens in data.tokens.items():
        if len(tokens.ids) and (largest := int(tokens.ids.max())) >= tokens.vocabulary:
            found = f"{split} holds id {largest:,} in a vocabulary of {tokens.vocabulary:,}"
            yield Diagnosis("ids", "error", found, data.encode)


def unknown_tokens(data: BuiltData) -> Iterator[Diagnosis]:
    """The tokenizer knows the text: hardly anything is unknown or spelled in bytes."""
    unk = getattr(data.tokenizer, "unk", None)
    for split, tokens in data.tokens.items():
        if not len(tokens.ids) or data.tokenizer is None:
            continue
        unknown = float((tokens.ids == unk).mean()) if unk is not None else 0.0
        if unknown > UNKNOWN_SHARE[0]:
            level: Level = "error" if unknown > UNKNOWN_SHARE[1] else "warning"
            found = f"{unknown:.0%} of {split} is unknown to the tokenizer"
            yield Diagnosis("unknown", level, found, "train the tokenizer on this corpus and encode again")
        if data.tokenizer.vocabulary > FIRST_PIECE and not hasattr(data.tokenizer, "words"):
            spelled = float(((tokens.ids >= FIRST_BYTE) & (tokens.ids < FIRST_PIECE)).mean())
            if spelled > BYTE_SHARE:
                found = f"{spelled:.0%} of {split} is spelled in bytes: the tokenizer comes from text of another kind"
                yield Diagnosis("unknown", "error", found, "train the tokenizer on this corpus and encode again")


def vocabulary_in_use(data: BuiltData) -> Iterator[Diagnosis]:
    """Train uses its vocabulary, and no one id is all there is."""
    train = data.tokens.get("train")
    if train is None or not len(train.ids) or int(train.ids.max()) >= train.vocabulary:
        return
    counts = np.bincount(train.ids, minlength=train.vocabulary)
    used, commonest = int((counts > 0).sum()), int(counts.argmax())
    advice = "look at the corpus: ulmkit tokenizer evaluate, and samples of train"
    if used < FEWEST_USED:
        yield Diagnosis("vocabulary", "error", f"train holds {used} different ids", advice)
    elif used < USED_SHARE * train.vocabulary:
        found = f"train holds {used:,} of {train.vocabulary:,} ids"
        yield Diagnosis("vocabulary", "warning", found, "a smaller --vocab, or a tokenizer of this corpus")
    if (share := counts[commonest] / len(train.ids)) > COMMONEST_SHARE:
        yield Diagnosis("vocabulary", "error", f"id {commonest} is {share:.0%} of train", advice)


def _names(tokens: TokenFile) -> np.ndarray:
    """A hash of each document's ids, of those long enough to be compared; sixteen bytes each."""
    ends = tokens.documents["end"]
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
    ids = tokens.ids
    found = [
        hashlib.blake2b(np.ascontiguousarray(ids[start:end]), digest_size=16).digest()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if end - start >= SHORTEST_COPY
    ]
    return np.array(found, dtype="V16").view("S16") if found else np.empty(0, "S16")


def leaks(data: BuiltData) -> Iterator[Diagnosis]:
    """No document of valid or test stands in train, none of test in valid, and few stand twice in train."""
    names = {split: _names(tokens) for split, tokens in data.tokens.items()}
    for held, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        if held not in names or other not in names:
            continue
        copies = int(np.isin(names[held], names[other]).sum())
        if copies:
            # a benchmark of lines may repeat some; documents were deduplicated before they were split
            level: Level = "warning" if data.tokens[held].ordered else "error"
            found = f"{copies:,} of {len(names[held]):,} documents of {held} also stand in {other}"
            yield Diagnosis("leaks", level, found, f"ulmkit corpus build {data.code}: duplicates share a split")
    train = names.get("train")
    if train is not None and len(train):
        copied = 1 - len(np.unique(train)) / len(train)
        if copied > COPIED_SHARE:
            found = f"{copied:.0%} of train's documents stand there more than once"
            yield Diagnosis("leaks", "warning", found, f"ulmkit corpus build {data.code} drops duplicates")


def one_text(data: BuiltData) -> Iterator[Diagnosis]:
    """Train is made of documents: no single one is most of it, and they are longer than a few tokens."""
    train = data.tokens.get("train")
    if train is None or len(train.documents) < 2 or train.ordered:
        if train is not None and len(train.documents) == 1:
            yield Diagnosis("documents", "warning", "train is one document", "split the input into its documents")
        return
    lengths = np.diff(train.documents["end"], prepend=0)
    if (share := lengths.max() / lengths.sum()) > 0.5:
        found = f"one document is {share:.0%} of train"
        yield Diagnosis("documents", "warning", found, "split the input into its documents")
    if (middle := float(np.median(lengths))) < 8:
        found = f"half of train's documents have fewer than {middle + 1:.0f} tokens"
        yield Diagnosis("documents", "warning", found, "join lines that belong together before building the corpus")


def corpus_of_tokens(data: BuiltData) -> Iterator[Diagnosis]:
    """The token files come from the corpus that stands beside them."""
    if data.corpus is None or not data.tokens:
        return
    encoded = Manifest.read(data.layout.tokens, "tokens").content.get("inputs", {}).get("corpus")
    if encoded is not None and encoded != corpus_digest(finished_corpus(data.layout.corpus), SPLITS):
        found = "the token files were encoded from another state of the corpus"
        yield Diagnosis("corpus", "error", found, data.encode)


QUESTIONS: dict[str, Callable[[BuiltData], Iterator[Diagnosis]]] = {
    "normalization": normalization,
    "corpus": corpus_of_tokens,
    "tokenizer": tokenizer_of_tokens,
    "splits": empty_splits,
    "ids": foreign_ids,
    "unknown": unknown_tokens,
    "vocabulary": vocabulary_in_use,
    "leaks": leaks,
    "documents": one_text,
}


def examine(layout: Layout, language: Language | None) -> list[Diagnosis]:
    """What would spoil a training: on this machine, and in what is built under `layout`."""
    return [*environment(layout.root), *diagnose(layout, language)]


def diagnose(layout: Layout, language: Language | None) -> list[Diagnosis]:
    """What is wrong with the data of one language, as far as it is built. `language` is None for a mere label."""
    data, findings = opened(layout, language)
    for check, question in QUESTIONS.items():
        answers = list(question(data))
        if not answers and data.tokens:
            answers = [Diagnosis(check, "ok", _first_line(question))]
        findings += answers
    return findings


def _first_line(question: Callable[..., Any]) -> str:
    return (question.__doc__ or "").splitlines()[0].rstrip(".")
