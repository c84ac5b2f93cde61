"""The corpus as numbers: one token file a split, each document its start id and the ids of its text.

Only the text is encoded: a title is another kind of sentence, many documents have none, and bits per character
are of the text.
"""

import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.atomic import lock, remove_leftovers
from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import (
    describe_files,
    fingerprint,
    package_versions,
    read_manifest,
    signature,
    verify_folder,
    write_manifest,
)
from ulmkit.artifacts.shards import read_batches, shard_paths
from ulmkit.artifacts.tokens import DOCUMENT, id_dtype, write_token_file
from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import check_normal_form, corpus_digest

RECIPE = 1  # raised when the same corpus and tokenizer would give other token files
COLUMNS = ("text", "source", "words")
BATCH = 1_000  # documents that go to a worker at once
WORTH_A_PROCESS = 50_000_000  # characters; a worker takes a second to start, in which another encodes 15 million


@dataclass(frozen=True)
class Encoded:
    """One batch: ids in a row, `DOCUMENT` rows with ends counted within, joiners in the text and in the pieces."""

    ids: np.ndarray
    documents: np.ndarray
    joiners: tuple[int, int]


Batch = Any  # a record batch of pyarrow, which only `artifacts` imports
Engine = Callable[[Iterable[Batch]], Iterable[Encoded]]


@dataclass
class Tally:
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

    def __call__(self, batch: Batch) -> Encoded:
        columns = batch.to_pydict()
        texts = columns["text"]
        encoded = self.tokenizer.encode_normalized(texts)
        parts = [part for ids in encoded for part in (self.start, ids.astype(self.dtype))]
        ids = np.concatenate(parts) if parts else np.empty(0, self.dtype)
        documents = np.empty(len(texts), DOCUMENT)
        documents["end"] = np.cumsum([len(one) + 1 for one in encoded])
        documents["characters"] = [len(text) for text in texts]
        documents["bytes"] = [len(text.encode()) for text in texts]
        documents["words"] = columns["words"]
        documents["source"] = [self.numbers[source] for source in columns["source"]]
        written = sum(text.count(joiner) for text in texts for joiner in self.joiners)
        kept = int(np.bincount(ids, minlength=len(self.in_piece)) @ self.in_piece)
        return Encoded(ids, documents, (written, kept))


_encoder: BatchEncoder | None = None  # a worker's own, made once


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
    paths = {split: shard_paths(corpus, split) for split in SPLITS}
    inputs = {
        "recipe": RECIPE,
        "corpus": corpus_digest(corpus, SPLITS),
        "tokenizer": tokenizer.fingerprint,
        "language": language.code,
    }
    with lock(folder, "encoding"):
        remove_leftovers(folder)
        name = fingerprint(inputs)
        if not force and (standing := _standing(folder)) and standing["fingerprint"] == name:
            return standing | {"unchanged": True}
        check_normal_form(language, corpus)
        sources, characters = _survey([path for split in SPLITS for path in paths[split]])
        if not characters:
            raise ArtifactError(f"{corpus}: no text in any split. Build the corpus from more input.")
        (folder / "manifest.json").unlink(missing_ok=True)
        splits: dict[str, Any] = {}
        done = 0
        with _engine(tokenizer, sources, language.alphabet.joiners, _crew(workers, characters)) as encode:
            for split in SPLITS:
                tally = Tally(split, done, characters, report)
                chunks = tally.watch(encode(read_batches(paths[split], COLUMNS, BATCH)))
                entry = write_token_file(folder, split, chunks, vocabulary=tokenizer.vocabulary)
                if tally.joiners != tally.joiners_kept:
                    raise ArtifactError(
                        f"{folder}: {tally.joiners:,} joiners in the text of {split}, {tally.joiners_kept:,} in its "
                        "pieces. Train the tokenizer again."
                    )
                splits[split] = entry | {"joiners": tally.joiners}
                done = tally.done
        manifest = {
            "fingerprint": name,
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
            "files": describe_files(
                folder, [folder / f"{split}{end}" for split in SPLITS for end in (".bin", ".docs.npy")]
            ),
            "signature": signature(
                "tokens",
                language=language.code,
                tokenizer=tokenizer.fingerprint,
                corpus=inputs["corpus"],
                tokens="/".join(str(splits[split]["tokens"]) for split in SPLITS),
            ),
        }
        write_manifest(folder, "tokens", manifest)
        return read_manifest(folder, "tokens")


def _standing(folder: Path) -> dict[str, Any] | None:
    """The manifest of the token files that stand in `folder`, if every byte of them is there."""
    try:
        manifest = read_manifest(folder, "tokens")
        return None if verify_folder(folder, "tokens") else manifest
    except (ArtifactError, KeyError):
        return None


def _survey(paths: Iterable[Path]) -> tuple[tuple[str, ...], int]:
    """The sources' names in order, and how many characters there are in all."""
    sources: set[str] = set()
    characters = 0
    for batch in read_batches(paths, ["source", "characters"]):
        sources.update(batch.column("source").to_pylist())
        characters += sum(batch.column("characters").to_pylist())
    return tuple(sorted(sources)), characters


def _crew(workers: int | None, characters: int) -> int:
    """How many processes to use."""
    if workers is not None:
        return max(workers, 1)
    return min(len(os.sched_getaffinity(0)), 1 + characters // WORTH_A_PROCESS)


@contextlib.contextmanager
def _engine(tokenizer: Tokenizer, sources: tuple[str, ...], joiners: str, crew: int) -> Iterator[Engine]:
    """What maps batches to their ids, in order: in this process, or in `crew` others."""
    if crew == 1:
        encoder = BatchEncoder(tokenizer, sources, joiners)
        yield lambda batches: map(encoder, batches)
        return
    pool = ProcessPoolExecutor(
        crew,
        mp_context=get_context("spawn"),  # fork would copy locks that other threads hold
        initializer=_start_worker,
        initargs=(tokenizer.model, tokenizer.normalization, sources, joiners),
    )
    try:
        yield lambda batches: _in_order(pool, batches, ahead=2 * crew + 2)
    except BrokenProcessPool as error:
        raise UlmkitError("an encoding process was killed, most likely for memory. Use fewer workers.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, batches: Iterable[Batch], ahead: int) -> Iterator[Encoded]:
    """Results in the order of `batches`, with only `ahead` of them on their way, so that memory stays flat."""
    waiting: deque[Future[Encoded]] = deque()
    for batch in batches:
        waiting.append(pool.submit(_encode_in_worker, batch))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _start_worker(model: bytes, normalization: str, sources: tuple[str, ...], joiners: str) -> None:
    global _encoder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    _encoder = BatchEncoder(Tokenizer(model, normalization=normalization), sources, joiners)


def _encode_in_worker(batch: Batch) -> Encoded:
    assert _encoder is not None
    return _encoder(batch)
