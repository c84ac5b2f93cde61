"""The chain, in order: sources to shards.

Reading, extracting, identifying, normalizing and filtering are pure functions of one unit of input (a large file, or
several small ones), so a unit is what is resumed: its result lies under `work/` by the hash of all that shaped it.
Only deduplication remembers other documents.
"""

import contextlib
import dataclasses
import functools
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from ulmkit.artifacts.atomic import (
    TEMPORARY,
    atomic_write,
    lock,
    read_json,
    recover_folder,
    remove_leftovers,
    replace_folder,
    storage_errors,
    write_json,
)
from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.manifest import (
    describe_files,
    fingerprint,
    package_versions,
    read_manifest,
    signature,
    verify_folder,
    write_manifest,
)
from ulmkit.artifacts.shards import SCHEMA, logical_hash, write_shard
from ulmkit.corpus.card import write_card
from ulmkit.corpus.dedup import cluster, signatures
from ulmkit.corpus.encoding import decode, repair
from ulmkit.corpus.engine import Broken, Pool, available_cores
from ulmkit.corpus.extract import extract
from ulmkit.corpus.filters import Page, judge, without_boilerplate
from ulmkit.corpus.identify import identify
from ulmkit.corpus.shingles import WordHasher
from ulmkit.corpus.sources.files import expand_inputs, input_names, read_file, source_name
from ulmkit.corpus.split import cluster_number, split_of
from ulmkit.document import Document, RawDocument, Unreadable, count_joiners
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.language.load import load_language
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent

CHAIN = 1  # raised when the chain changes what it makes of the same input
CHUNK_DOCUMENTS = 64
CHUNK_CHARACTERS = 1_000_000  # a chunk is what a worker gets at once
UNIT_BYTES = 8_000_000  # small files are gathered up to this; a larger one is a unit of its own
SHARD_CHARACTERS = 100_000_000
SAMPLES = 20  # dropped documents kept for reading, for each source and reason
SAMPLE_CHARACTERS = 600

STAGED = pa.schema(
    [*(SCHEMA.field(name) for name in SCHEMA.names if not name.startswith("cluster")), ("match", pa.uint64())]
)


@dataclass(frozen=True)
class Input:
    """One file to read. `source` is the name its documents carry; `key` tells it apart within the build."""

    path: Path
    source: str
    key: str
    licence: str = "unknown"
    text_field: str | None = None


@dataclass(frozen=True)
class BuildOptions:
    """What a build may be told. The shares are of duplicate clusters."""

    valid_share: float = 0.02
    test_share: float = 0.02
    near_duplicates: bool = True
    workers: int | None = None  # None: all cores; 0: in this process
    deadline_s: float = 120.0  # for a chunk of documents, then for each of them


@dataclass
class Tally:
    """Counts of a unit or of a whole build; JSON in and out."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    characters_read: int = 0
    bytes_read: int = 0
    characters_kept: int = 0
    boilerplate_lines: int = 0
    joiners: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        for name in ("read", "kept", "characters_read", "bytes_read", "characters_kept", "boilerplate_lines"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.dropped.update(other.dropped)
        self.unreadable.update(other.unreadable)
        for mine, theirs in ((self.joiners, other.joiners), (self.sources, other.sources)):
            for key, counts in theirs.items():
                mine.setdefault(key, Counter()).update(counts)

    def count_joiners(self, stage: str, texts: Iterable[str]) -> None:
        self.joiners.setdefault(stage, Counter()).update(count_joiners(texts))

    def source(self, name: str) -> Counter[str]:
        return self.sources.setdefault(name, Counter())

    def to_json(self) -> dict[str, Any]:
        """Counters as plain objects, the commonest first where a person reads them."""
        return vars(self) | {
            "dropped": dict(self.dropped.most_common()),
            "unreadable": dict(self.unreadable.most_common()),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Tally":
        counters = {name: Counter(value[name]) for name in ("dropped", "unreadable")}
        nested = {name: {key: Counter(c) for key, c in value[name].items()} for name in ("joiners", "sources")}
        return cls(**(value | counters | nested))


@dataclass
class Part:
    """What became of one chunk: rows that stay (with their signatures), samples of what went, and the counts."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    signature: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint32))
    samples: list[dict[str, str]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def drop(self, doc: RawDocument | Document, reason: str, detail: str, text: str) -> None:
        self.tally.dropped[reason] += 1
        self.tally.source(doc.source)["dropped"] += 1
        self.samples.append(
            {
                "id": doc.id,
                "source": doc.source,
                "reason": reason,
                "detail": detail,
                "url": doc.url,
                "text": text[:SAMPLE_CHARACTERS],
            }
        )


class Chain:
    """Steps 1 to 5 for one chunk of raw documents; one per worker process."""

    def __init__(self, language: Language, near_duplicates: bool) -> None:
        self.language = language
        self.near_duplicates = near_duplicates
        self.hasher = WordHasher()
        self.decode = functools.partial(
            decode, candidates=language.extraction.encodings, letters=language.alphabet.letters
        )

    def __call__(self, raws: list[RawDocument]) -> Part:
        part = Part()
        docs = [doc for raw in raws if (doc := self.extracted(raw, part)) is not None]
        part.tally.count_joiners("extracted", (doc.text for doc in docs))
        texts = self.language.normalizers["train"].batch([doc.text for doc in docs])
        part.tally.count_joiners("normalized", texts)
        hashes = self.filtered(docs, texts, part)
        part.tally.count_joiners("kept", (row["text"] for row in part.rows))
        if self.near_duplicates:
            part.signature = signatures(hashes, self.language.dedup)
        return part

    def extracted(self, raw: RawDocument, part: Part) -> Document | None:
        """The document in `raw` if it has text, in this language; what goes is counted in `part`."""
        part.tally.read += 1
        part.tally.source(raw.source)["read"] += 1
        raw_text = raw.content if isinstance(raw.content, str) else ""
        doc = extract(raw, self.language.extraction, decode=self.decode, wanted=self.wanted)
        if isinstance(doc, Unreadable):
            part.drop(raw, doc.reason, doc.detail, raw_text)
            return None
        doc = dataclasses.replace(doc, text=repair(doc.text))
        part.tally.characters_read += len(doc.text)
        part.tally.bytes_read += len(doc.text.encode("utf-8", "surrogatepass"))
        if len(doc.text) < self.language.filters.min_characters:
            # a few words are no ground to call a language by, and would go for their length anyway
            part.drop(doc, "too short", f"{len(doc.text)} < {self.language.filters.min_characters}", doc.text)
            return None
        verdict = identify(doc.text, self.language)
        if not verdict.keep:
            part.drop(doc, verdict.reason, verdict.detail, doc.text)
            return None
        return doc

    def wanted(self, text: str) -> bool:
        """Whether a page's whole text, menus and all, can hold an article in this language."""
        return identify(text, self.language).reason != "other language"

    def filtered(self, docs: list[Document], texts: list[str], part: Part) -> list[np.ndarray]:
        """Add the rows that the filters keep to `part`; the word hashes of each, in order."""
        clean = []
        for text in texts:
            text, removed = without_boilerplate(text, self.language)
            part.tally.boilerplate_lines += removed
            clean.append(text)
        folded = self.language.normalizers["fold"].batch(clean)
        titles = self.language.normalizers["train"].batch([doc.title for doc in docs])
        kept = []
        for doc, title, text, match in zip(docs, titles, clean, folded, strict=True):
            words = match.split()
            hashes = self.hasher(words)
            verdict = judge(Page(text, words, hashes, self.language))
            if not verdict.keep:
                part.drop(doc, verdict.reason, verdict.detail, text)
                continue
            kept.append(hashes)
            part.tally.kept += 1
            part.tally.characters_kept += len(text)
            part.tally.source(doc.source)["kept"] += 1
            part.rows.append(
                {
                    "id": doc.id,
                    "text": text,
                    "title": title.replace("\n", " "),
                    "url": doc.url,
                    "source": doc.source,
                    "licence": doc.licence,
                    "language": self.language.code,
                    "fetched_at": doc.fetched_at,
                    "published_at": doc.published_at,
                    "content_hash": xxhash.xxh3_128_digest(text.encode()),
                    "characters": len(text),
                    "words": len(words),
                    "match": xxhash.xxh3_64_intdigest(hashes.tobytes()),
                }
            )
        return kept


def chain_for(folder: Path, near_duplicates: bool) -> Chain:
    """The chain of the language in `folder`: what each worker process starts with."""
    return Chain(load_language(folder), near_duplicates)


def chunked(documents: Iterable[RawDocument | Unreadable], refused: Counter[str]) -> Iterator[list[RawDocument]]:
    """Documents in chunks of bounded size; what could not be read is counted in `refused`."""
    chunk: list[RawDocument] = []
    size = 0
    for document in documents:
        if isinstance(document, Unreadable):
            refused[document.reason] += 1
            continue
        chunk.append(document)
        size += len(document.content)
        if len(chunk) >= CHUNK_DOCUMENTS or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def units(inputs: Sequence[Input]) -> list[list[Input]]:
    """Inputs in units, in the order of their names: each large file alone, small neighbours together."""
    result: list[list[Input]] = []
    size = 0
    for item in sorted(inputs, key=lambda item: (item.source, item.key)):
        bytes_ = file_size(item.path)
        if result and size + bytes_ <= UNIT_BYTES and result[-1][-1].source == item.source:
            result[-1].append(item)
            size += bytes_
        else:
            result.append([item])
            size = bytes_
    return result


@contextlib.contextmanager
def input_errors(path: Path) -> Iterator[None]:
    """Turn a file that is gone or closed to us into one line that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Leave it out or change its rights.") from error


def file_size(path: Path) -> int:
    """The file's size in bytes."""
    with input_errors(path):
        return path.stat().st_size


def file_hash(path: Path) -> str:
    """xxh3 of the file's bytes: names an input's content, at the disk's speed."""
    digest = xxhash.xxh3_128()
    with input_errors(path), open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Build:
    """One build under its lock: `stage` each unit, then `finish`."""

    def __init__(self, language: Language, layout: Layout, options: BuildOptions, report: Report) -> None:
        self.language = language
        self.layout = layout
        self.options = options
        self.report = report
        self.work = layout.home / "work" / "corpus"
        self.bytes_total = 0
        self.bytes_done = 0

    def key(self, unit: list[Input]) -> tuple[str, list[dict[str, Any]]]:
        """What names a unit's result, and the description of its inputs for the manifest."""
        described = [
            {
                "key": item.key,
                "source": item.source,
                "licence": item.licence,
                "text_field": item.text_field,
                "bytes": file_size(item.path),
                "xxh3": file_hash(item.path),
            }
            for item in unit
        ]
        shape = {
            "inputs": described,
            "language": self.language.fingerprint,
            "near_duplicates": self.options.near_duplicates,
            "chain": CHAIN,
            "format": str(STAGED),
        }
        return fingerprint(shape), described

    def documents(self, unit: list[Input]) -> Iterator[RawDocument | Unreadable]:
        for item in unit:
            finished = self.bytes_done + file_size(item.path)

            def advance(count: int, key: str = item.key) -> None:
                self.bytes_done += count
                self.report(Progress("read", self.bytes_done, self.bytes_total, "bytes", key))

            yield from read_file(
                item.path,
                name=item.source,
                key=item.key,
                licence=item.licence,
                text_field=item.text_field,
                redirect_words=self.language.extraction.redirect_words,
                candidates=self.language.extraction.encodings,
                letters=self.language.alphabet.letters,
                progress=advance,
            )
            self.bytes_done = finished  # a reader that gave up early leaves some unread

    def stage(self, unit: list[Input], key: str, pool: Pool) -> None:
        """Run steps 1 to 5 on one unit and leave rows, signatures and counts under its key."""
        tally = Tally()
        samples: dict[tuple[str, str], list[dict[str, str]]] = {}
        matrices = []
        with atomic_write(self.work / f"{key}.parquet") as file, pq.ParquetWriter(file, STAGED) as writer:
            for parts in pool.map(chunked(self.documents(unit), tally.unreadable)):
                for part in parts:
                    if isinstance(part, Broken):
                        part = self.quarantined(part)
                    tally.add(part.tally)
                    if part.rows:
                        writer.write_table(pa.Table.from_pylist(part.rows, schema=STAGED))
                        matrices.append(part.signature)
                    for sample in part.samples:
                        kept = samples.setdefault((sample["source"], sample["reason"]), [])
                        if len(kept) < SAMPLES:
                            kept.append(sample)
        with atomic_write(self.work / f"{key}.npy") as file:
            width = self.language.dedup.permutations if self.options.near_duplicates else 0
            np.save(file, np.concatenate(matrices) if matrices and width else np.empty((tally.kept, width), np.uint32))
        # written last: its presence says that the unit is whole
        write_json(
            self.work / f"{key}.json",
            {"tally": tally.to_json(), "samples": [sample for kept in samples.values() for sample in kept]},
        )

    @staticmethod
    def quarantined(broken: Broken) -> Part:
        """A document that no worker survived, as a part of its own."""
        part = Part()
        raw: RawDocument = broken.item
        part.tally.read += 1
        part.tally.source(raw.source)["read"] += 1
        part.drop(raw, broken.reason, broken.detail, raw.content if isinstance(raw.content, str) else "")
        return part

    def run(self, inputs: Sequence[Input], pins: dict[str, Any]) -> dict[str, Any]:
        remove_leftovers(self.work)
        remove_leftovers(self.layout.home)
        recover_folder(self.layout.corpus)
        planned = units(inputs)
        self.bytes_total = sum(file_size(item.path) for unit in planned for item in unit)
        keyed = [(unit, *self.key(unit)) for unit in planned]
        inputs_described = [entry for _, _, described in keyed for entry in described]
        options = {k: v for k, v in dataclasses.asdict(self.options).items() if k not in ("workers", "deadline_s")}
        name = fingerprint([[key for _, key, _ in keyed], options])
        if (self.layout.corpus / "manifest.json").exists():
            manifest = read_manifest(self.layout.corpus, "corpus")
            if manifest["fingerprint"] == name and not verify_folder(self.layout.corpus, "corpus"):
                return manifest | {"unchanged": True}
        workers = available_cores() if self.options.workers is None else self.options.workers
        setup = functools.partial(chain_for, self.language.folder, self.options.near_duplicates)
        with Pool(setup, workers=workers, deadline_s=self.options.deadline_s) as pool:
            for unit, key, _ in keyed:
                if (self.work / f"{key}.json").exists():
                    self.bytes_done += sum(file_size(item.path) for item in unit)
                    continue
                self.stage(unit, key, pool)
        return self.finish([key for _, key, _ in keyed], name, inputs_described, options, pins)

    def finish(
        self,
        keys: list[str],
        name: str,
        inputs: list[dict[str, Any]],
        options: dict[str, Any],
        pins: dict[str, Any],
    ) -> dict[str, Any]:
        """Deduplicate over all units, split, and put the finished corpus in its place."""
        tally = Tally()
        samples: list[dict[str, str]] = []
        for key in keys:
            staged = read_json(self.work / f"{key}.json")
            tally.add(Tally.from_json(staged["tally"]))
            samples += staged["samples"]
        self.check_joiners(tally)
        if not tally.kept:
            raise ArtifactError(empty_message(tally))
        duplicates, members = self.clusters(keys)
        new = self.layout.home / f".corpus{TEMPORARY}"
        shutil.rmtree(new, ignore_errors=True)
        splits = self.write_splits(keys, duplicates, members, new, tally, samples)
        with atomic_write(new / "dropped" / "samples.jsonl", "w", encoding="utf-8") as file:
            for sample in sorted(samples, key=lambda s: (s["reason"], s["source"], s["id"])):
                file.write(json.dumps(sample, ensure_ascii=False) + "\n")
        manifest = {
            "fingerprint": name,
            "language": self.language.code,
            "language_fingerprint": self.language.fingerprint,
            "options": options,
            "inputs": inputs,
            "pins": pins,
            "counts": tally.to_json(),
            "splits": splits,
            "versions": package_versions(
                ["pyarrow", "sentencepiece", "trafilatura", "pycld2", "py3langid", "rensa", "xxhash"]
            ),
        }
        manifest["signature"] = signature(
            "corpus",
            language=f"{self.language.code}@{self.language.fingerprint}",
            inputs=fingerprint(inputs),
            documents=sum(split["documents"] for split in splits.values()),
            splits="/".join(str(splits[split]["documents"]) for split in SPLITS),
        )
        write_card(new / "README.md", self.language, manifest)
        manifest["files"] = describe_files(new, [path for path in new.rglob("*") if path.is_file()])
        write_manifest(new, "corpus", manifest)
        with storage_errors(self.layout.corpus):
            replace_folder(new, self.layout.corpus)
        return read_manifest(self.layout.corpus, "corpus")

    def check_joiners(self, tally: Tally) -> None:
        """Fail where normalizing lost more joiners than the language allows."""
        before, after = tally.joiners.get("extracted", Counter()), tally.joiners.get("normalized", Counter())
        limit = self.language.alphabet.max_joiner_loss
        for joiner in self.language.alphabet.joiners:
            # beside a space or a mark a joiner does nothing, and goes
            code = f"U+{ord(joiner):04X} in words"
            lost = before[code] - after[code]
            # a handful says nothing
            if lost > max(limit * before[code], 50):
                raise ArtifactError(
                    f"{code}: normalization lost {lost:,} of {before[code]:,}, the language allows {limit:.0%}. "
                    f"Look with `ulmkit normalize {self.language.code} --explain`, or raise alphabet.max_joiner_loss."
                )

    def clusters(self, keys: list[str]) -> tuple[np.ndarray, list[tuple[str, int]]]:
        """The cluster root of every staged document, and (id, characters) of each."""
        self.report(Progress("deduplicate", 0, None, "documents"))
        members: list[tuple[str, int]] = []
        match_hashes, matrices = [], []
        for key in keys:
            table = pq.read_table(self.work / f"{key}.parquet", columns=["id", "characters", "match"])
            members += zip(table["id"].to_pylist(), table["characters"].to_pylist(), strict=True)
            match_hashes.append(table["match"].to_numpy())
            matrices.append(np.load(self.work / f"{key}.npy", mmap_mode="r", allow_pickle=False))
        roots = cluster(np.concatenate(match_hashes), np.concatenate(matrices), self.language.dedup)
        self.report(Progress("deduplicate", len(members), len(members), "documents"))
        return roots, members

    def write_splits(
        self,
        keys: list[str],
        roots: np.ndarray,
        members: list[tuple[str, int]],
        folder: Path,
        tally: Tally,
        samples: list[dict[str, str]],
    ) -> dict[str, dict[str, Any]]:
        """Write one document of each cluster, the longest, to the shards of its split."""
        size = Counter(roots.tolist())
        smallest: dict[int, str] = {}
        best: dict[int, int] = {}
        for number, (root, (id_, characters)) in enumerate(zip(roots.tolist(), members, strict=True)):
            if root not in smallest or id_ < smallest[root]:
                smallest[root] = id_
            # the longest stays, and of equals the smallest id: both hold whatever the order of the inputs
            if root not in best or (-characters, id_) < (-members[best[root]][1], members[best[root]][0]):
                best[root] = number
        chosen = {number: root for root, number in best.items()}
        writers = {split: ShardWriter(folder, split) for split in SPLITS}
        duplicates: Counter[str] = Counter()
        number = 0
        for key in keys:
            with pq.ParquetFile(self.work / f"{key}.parquet") as file:
                for batch in file.iter_batches():
                    for row in batch.to_pylist():
                        root = chosen.get(number)
                        if root is None:
                            root = int(roots[number])
                            duplicates[row["source"]] += 1
                            if duplicates[row["source"]] <= SAMPLES:
                                samples.append(duplicate_sample(row, members[best[root]][0]))
                        else:
                            del row["match"]
                            row["cluster"] = cluster_number(smallest[root])
                            row["cluster_size"] = size[root]
                            split = split_of(row["cluster"], self.options.valid_share, self.options.test_share)
                            writers[split].add(row)
                        number += 1
                    self.report(Progress("write", number, len(members), "documents"))
        for source, count in duplicates.items():
            tally.dropped["duplicate"] += count
            tally.source(source)["duplicate"] += count
        return {split: writer.close() for split, writer in writers.items()}


def duplicate_sample(row: dict[str, Any], kept: str) -> dict[str, str]:
    return {
        "id": row["id"],
        "source": row["source"],
        "reason": "duplicate",
        "detail": f"of {kept}",
        "url": row["url"],
        "text": row["text"][:SAMPLE_CHARACTERS],
    }


def empty_message(tally: Tally) -> str:
    """Why nothing is left, by the commonest reasons."""
    reasons = (tally.dropped + tally.unreadable).most_common(3)
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons) or "the inputs hold no documents"
    return (
        f"No document is left of {tally.read:,} read ({why}). Read dropped reasons with --json, or give more --input."
    )


class ShardWriter:
    """Rows of one split into shards of bounded size."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder / split
        self.folder.mkdir(parents=True)
        self.rows: list[dict[str, Any]] = []
        self.pending = 0
        self.totals: Counter[str] = Counter()
        self.hashes: list[str] = []
        self.joiners: Counter[str] = Counter()

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.pending += row["characters"]
        self.totals.update(documents=1, characters=row["characters"], words=row["words"])
        self.joiners.update(count_joiners([row["text"]]))
        if self.pending >= SHARD_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        path = self.folder / f"part-{len(self.hashes):05d}.parquet"
        write_shard(path, self.rows)
        self.hashes.append(logical_hash(path))
        self.rows, self.pending = [], 0

    def close(self) -> dict[str, Any]:
        """Write what is left; the split's entry in the manifest."""
        if self.rows or not self.hashes:
            self.flush()  # an empty split is a shard without rows: readers find what they expect
        return {
            "documents": self.totals["documents"],
            "characters": self.totals["characters"],
            "words": self.totals["words"],
            "joiners": dict(self.joiners),
            "logical_hashes": self.hashes,
        }


def build_corpus(
    language: Language,
    layout: Layout,
    inputs: Sequence[Input],
    *,
    options: BuildOptions = BuildOptions(),
    pins: dict[str, Any] | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Build the corpus of `language` from `inputs` under `layout`; the manifest, with `unchanged` where it stood.

    `pins` is what the sources resolved (dump dates). Raises `UsageError` on impossible options, `BusyError` while
    another build runs here, `ArtifactError` where nothing is left or the disk is full.
    """
    if not (options.valid_share >= 0 and options.test_share >= 0 and options.valid_share + options.test_share < 1):
        raise UsageError(
            f"valid share {options.valid_share} and test share {options.test_share}: "
            "neither may be negative, and together they must leave something to train on."
        )
    names = Counter((item.source, item.key) for item in inputs)
    if twice := [key for (_, key), count in names.items() if count > 1]:
        raise UsageError(f"input '{twice[0]}' is given twice. Give each file once.")
    build = Build(language, layout, options, report)
    started = time.monotonic()
    with lock(build.work, "corpus build"):
        manifest = build.run(inputs, pins or {})
    return manifest | {"seconds": round(time.monotonic() - started, 1)}


def named_inputs(
    patterns: Sequence[str], *, name: str = "", licence: str = "unknown", text_field: str | None = None
) -> list[Input]:
    """The files that `patterns` stand for, with names that do not depend on where they lie.

    A file's source is its own bare name; the files of a folder carry the folder's name; `name` replaces both.
    """
    result = []
    for pattern in patterns:
        files = expand_inputs([pattern])
        root = Path(pattern).expanduser()
        if root.is_dir():
            keys = {path: path.relative_to(root).as_posix() for path in files}
            sources = dict.fromkeys(files, name or root.resolve().name)
        else:
            keys = input_names(files)
            sources = {path: name or source_name(path.name) for path in files}
        result += [Input(path, sources[path], keys[path], licence, text_field) for path in files]
    return distinct(result)


def distinct(inputs: list[Input]) -> list[Input]:
    """`inputs` with as much of the path in the key as tells two of one name apart; the same file only once."""
    unique = list({item.path.resolve(): item for item in inputs}.values())
    names = Counter((item.source, item.key) for item in unique)
    longer = input_names([item.path for item in unique if names[item.source, item.key] > 1])
    return [dataclasses.replace(item, key=longer.get(item.path, item.key)) for item in unique]
