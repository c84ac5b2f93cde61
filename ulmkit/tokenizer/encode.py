"""The corpus as numbers: one token file a split, each document its start id and the ids of its text.

Only the text is encoded: a title is another kind of sentence, many documents have none, and bits per character
are of the text.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import Manifest, fingerprint, package_versions, signature
from ulmkit.artifacts.shards import corpus_digest, corpus_read, finished_corpus, read_batches, shard_paths
from ulmkit.artifacts.stage import differences, stage
from ulmkit.artifacts.tokens import DOCUMENT, id_dtype, write_token_file
from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import check_normal_form
from ulmkit.work.cores import available_cores
from ulmkit.work.pool import Broken, Pool

RECIPE = 1  # raised when the same corpus and tokenizer would give other token files
COLUMNS = ("text", "source", "words")
_BATCH = 1_000  # documents that go to a worker at once
_DEADLINE_S = 600.0  # for a batch, which takes about a second
WORTH_A_PROCESS = 50_000_000  # characters; a worker takes a second to start, in which another encodes 15 million


@dataclass(frozen=True)
class Encoded:
    """One batch: ids in a row, `DOCUMENT` rows with ends counted within, joiners in the text and in the pieces."""

    ids: np.ndarray
    documents: np.ndarray
    joiners: tuple[int, int]


@dataclass
class _SplitCounts:
    """Counts one split while its batches go by: characters for the report, joiners for the proof."""

    split: str
    done: int
    total: int
    report: Report
    joiners: int = 0
    joiners_kept: int = 0

    def watch(self, parts: Iterable[Encoded]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in parts:
            self.joiners += part.joiners[0]
            self.joiners_kept += part.joiners[1]
            self.done += int(part.documents["characters"].sum(dtype=np.int64))
            self.report(Progress("encode", self.done, self.total, "characters", self.split))
            yield part.ids, part.documents


class BatchEncoder:
    """Encodes batches of normalized documents; one per worker."""

    def __init__(self, tokenizer: Tokenizer, sources: Iterable[str], joiners: str) -> None:
        self.tokenizer = tokenizer
        self.numbers = {source: number for number, source in enumerate(sources)}
        self.joiners = joiners
        self.in_piece = np.array([sum(map(piece.count, joiners)) for piece in tokenizer.inventory], np.int64)
        self.dtype = id_dtype(tokenizer.vocabulary)
        self.start = np.array([tokenizer.bos], self.dtype)

    def __call__(self, batches: list[Any]) -> Encoded:
        """One record batch of pyarrow, in a list."""
        (batch,) = batches
        columns = batch.to_pydict()
        return self.encode(columns["text"], columns["words"], [self.numbers[source] for source in columns["source"]])

    def encode(self, texts: Sequence[str], words: Sequence[int], sources: Sequence[int]) -> Encoded:
        """Texts in normal form, how many words each has, and the number of its source."""
        encoded = self.tokenizer.encode_normalized(texts)
        parts = [part for ids in encoded for part in (self.start, ids.astype(self.dtype))]
        ids = np.concatenate(parts) if parts else np.empty(0, self.dtype)
        documents = np.empty(len(texts), DOCUMENT)
        documents["end"] = np.cumsum([len(one) + 1 for one in encoded])
        documents["characters"] = [len(text) for text in texts]
        documents["bytes"] = [len(text.encode()) for text in texts]
        documents["words"] = words
        documents["source"] = sources
        written = sum(text.count(joiner) for text in texts for joiner in self.joiners)
        kept = int(np.bincount(ids, minlength=len(self.in_piece)) @ self.in_piece)
        return Encoded(ids, documents, (written, kept))


def encode_corpus(
    language: Language,
    tokenizer: Tokenizer,
    corpus: Path,
    folder: Path,
    *,
    workers: int | None = None,
    force: bool = False,
    report: Report = silent,
) -> dict[str, Any]:
    """Write the token files of every split of `corpus` into `folder` and return their manifest.

    Documents stand in the order of the shards, whatever `workers` is (all cores unless told; a small corpus is
    encoded in this process). Where the same corpus was encoded with the same tokenizer before, nothing is done
    unless `force`.

    Raises `ArtifactError` for a corpus that is missing or not in the language's normal form, and where a joiner of
    the language got lost on the way to ids.
    """
    finished_corpus(corpus)
    with stage(folder, "tokens", doing="encoding") as work:
        with corpus_read(corpus) as built:
            inputs = {
                "recipe": RECIPE,
                "corpus": corpus_digest(built, SPLITS),
                "tokenizer": tokenizer.fingerprint,
                "language": language.code,
            }
            standing = work.standing()
            if standing and not force and not differences(standing.content.get("inputs", {}), inputs):
                return {**standing.content, "unchanged": True}
            check_normal_form(language, built)
            sources, splits = _write_splits(work.new, language, tokenizer, built, workers, report)
        return dict(work.finish(_content(language, tokenizer, inputs, sources, splits)).content)


def _write_splits(
    folder: Path, language: Language, tokenizer: Tokenizer, corpus: Manifest, workers: int | None, report: Report
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Write the token file of each split into `folder`; the sources' names, and the splits for the manifest."""
    paths = {split: shard_paths(corpus, split) for split in SPLITS}
    sources, characters = _survey([path for split in SPLITS for path in paths[split]])
    if not characters:
        raise ArtifactError(f"{corpus.folder}: no text in any split. Build the corpus from more input.")
    splits: dict[str, Any] = {}
    done = 0
    with _pool(tokenizer, sources, language.alphabet.joiners, _crew(workers, characters)) as pool:
        for split in SPLITS:
            counts = _SplitCounts(split, done, characters, report)
            chunks = counts.watch(_encoded(pool, paths[split]))
            entry = write_token_file(folder, split, chunks, vocabulary=tokenizer.vocabulary)
            if counts.joiners != counts.joiners_kept:
                raise lost_joiners(f"{corpus.folder}: {split}", counts.joiners, counts.joiners_kept)
            splits[split] = entry | {"joiners": counts.joiners}
            done = counts.done
    return sources, splits


def lost_joiners(where: str, written: int, kept: int) -> ArtifactError:
    """The error where a joiner of the language got lost on the way to ids."""
    return ArtifactError(
        f"{where}: {written:,} joiners in the text, {kept:,} in its pieces. Train the tokenizer again."
    )


def _content(
    language: Language,
    tokenizer: Tokenizer,
    inputs: dict[str, Any],
    sources: tuple[str, ...],
    splits: dict[str, Any],
) -> dict[str, Any]:
    """What the manifest says of the token files."""
    return {
        "fingerprint": fingerprint(inputs),
        "inputs": inputs,
        "language": language.code,
        "normalization": tokenizer.normalization,
        "tokenizer": tokenizer.fingerprint,
        "vocabulary": tokenizer.vocabulary,
        "bos": tokenizer.bos,
        "newline": tokenizer.newline,
        "sources": list(sources),
        "splits": splits,
        "versions": package_versions(["sentencepiece", "numpy", "pyarrow"]),
        "signature": signature(
            "tokens",
            language=language.code,
            tokenizer=tokenizer.fingerprint,
            corpus=inputs["corpus"],
            tokens="/".join(str(splits[split]["tokens"]) for split in SPLITS),
        ),
    }


def _survey(paths: Iterable[Path]) -> tuple[tuple[str, ...], int]:
    """The sources' names in order, and how many characters there are in all."""
    sources: set[str] = set()
    characters = 0
    for batch in read_batches(paths, ["source", "characters"]):
        sources.update(batch.column("source").to_pylist())
        characters += sum(batch.column("characters").to_pylist())
    return tuple(sorted(sources)), characters


def _crew(workers: int | None, characters: int) -> int:
    """How many processes encode; 0 for this one alone."""
    crew = min(available_cores(), 1 + characters // WORTH_A_PROCESS) if workers is None else workers
    return crew if crew > 1 else 0


def _pool(tokenizer: Tokenizer, sources: tuple[str, ...], joiners: str, crew: int) -> Pool:
    if not crew:
        return Pool(functools.partial(BatchEncoder, tokenizer, sources, joiners), workers=0)
    setup = functools.partial(_encoder, tokenizer.model, tokenizer.normalization, sources, joiners)
    return Pool(setup, workers=crew, deadline_s=_DEADLINE_S)


def _encoder(model: bytes, normalization: str, sources: tuple[str, ...], joiners: str) -> BatchEncoder:
    """What each worker process starts with."""
    return BatchEncoder(Tokenizer(model, normalization=normalization), sources, joiners)


def _encoded(pool: Pool, paths: list[Path]) -> Iterator[Encoded]:
    """Every batch of the shards, in order."""
    for parts in pool.map([batch] for batch in read_batches(paths, COLUMNS, _BATCH)):
        for part in parts:
            if isinstance(part, Broken):
                raise UlmkitError(
                    f"a batch cannot be encoded: {part.reason}, {part.detail}. If a process was killed for memory, "
                    "use fewer workers."
                )
            yield part
