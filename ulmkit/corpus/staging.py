"""What a unit of input leaves: the rows it keeps, their signatures, and what was counted.

A unit is what is resumed, so its three files lie under `work/` by the hash of all that shaped them. They are sealed:
the last one, written when the unit is whole, has the SHA-256 of the others and its own checksum. A unit that is not as
it was written is none, and is staged again.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ulmkit.artifacts.atomic import atomic_write, read_json, write_json
from ulmkit.artifacts.manifest import (
    changed_files,
    describe_files,
    file_entries,
    fingerprint,
    fits_checksum,
    with_checksum,
)
from ulmkit.artifacts.shards import SCHEMA, DocumentRow, native_file
from ulmkit.corpus.chain import CHAIN, Chain, Judged, Part, PiiPolicy, chunked
from ulmkit.corpus.libraries import library_marks
from ulmkit.corpus.tally import LeftOut, Samples, Tally, unread_sample
from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import ArtifactError
from ulmkit.formats.consent import CONSENT, DEFAULT_RULES, ConsentRules
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.inputs import (
    ATTEMPTS,
    DescribedInput,
    Input,
    describe_input,
    read_input,
    refusing_storage,
    unsteady,
)
from ulmkit.formats.origin import Reading
from ulmkit.language.spec import Language
from ulmkit.work.pool import Broken

_DOCUMENT = list(DocumentRow.__annotations__)
STAGED = pa.schema([*(field for field in SCHEMA if field.name in _DOCUMENT), ("match", pa.uint64())])  # a `StagedRow`


@dataclass(frozen=True)
class Unit:
    """Inputs that are read together, as they were when their bytes were hashed."""

    inputs: tuple[DescribedInput, ...]

    @classmethod
    def described(cls, inputs: Sequence[Input]) -> "Unit":
        return cls(tuple(describe_input(item) for item in inputs))

    @property
    def name(self) -> str:
        """The key of its first input, for people."""
        return self.inputs[0].input.key

    @property
    def bytes(self) -> int:
        return sum(item.entry["bytes"] for item in self.inputs)

    @property
    def crawled(self) -> bool:
        """Whether a page may stand in it several times, and in others: it is of our own crawl."""
        return any(item.input.crawled for item in self.inputs)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """How its inputs stand in the manifest."""
        return [item.entry for item in self.inputs]

    def again(self) -> "Unit":
        """The unit with its inputs as they are now."""
        return Unit.described([item.input for item in self.inputs])


_RunChunks = Callable[[Iterator[list[RawDocument]]], Iterable[list[Part | Broken]]]


class Staging:
    """The folder of staged units of one language."""

    def __init__(
        self,
        folder: Path,
        language: Language,
        near_duplicates: bool,
        pii: PiiPolicy,
        consent: ConsentRules = DEFAULT_RULES,
    ) -> None:
        self.folder = folder
        self.language = language
        self.reading = Reading.of(language)
        self.near_duplicates = near_duplicates
        self.pii = pii
        self.consent = consent

    def key(self, unit: Unit) -> str:
        """What names the result of a unit."""
        return fingerprint(
            {
                "inputs": unit.entries,
                "language": self.language.fingerprint,
                "near_duplicates": self.near_duplicates,
                "pii": self.pii,
                "chain": CHAIN,
                "libraries": library_marks(self.language),
                "format": str(STAGED),
                "counts": [each.name for each in dataclasses.fields(Tally)],
                **({"consent": [CONSENT, dataclasses.asdict(self.consent)]} if unit.crawled else {}),
            }
        )

    def files(self, key: str) -> tuple[Path, Path, Path]:
        """Rows, signatures, and the seal with the counts, which is written last."""
        return self.folder / f"{key}.parquet", self.folder / f"{key}.npy", self.folder / f"{key}.json"

    def has(self, key: str) -> bool:
        """Whether the unit is there, every byte as it was written."""
        try:
            return not self.problems(key)
        except (ArtifactError, OSError):  # what cannot be read is not there
            return False

    def problems(self, key: str) -> list[str]:
        """What of a staged unit is not as it was written: one line a file."""
        return unit_problems(self.files(key)[-1])

    def stage(self, unit: Unit, run: _RunChunks, advance: Callable[[Input, int], None]) -> Unit:
        """Take one unit through the chain; the unit as it was read, which its key is of.

        `run` gives the parts that the chain makes of each chunk of documents, in order; `advance` hears of each input
        how many more bytes were read. A file that changed since it was hashed, or while it is read, is read again.
        Raises `InputError` where it never stands still, or cannot be read.
        """
        for _ in range(ATTEMPTS):
            if not all(item.still for item in unit.inputs):
                unit = unit.again()
                if self.has(self.key(unit)):
                    return unit
            if self._read(unit, run, advance):
                return unit
            unit = unit.again()
        moving = next((item for item in unit.inputs if not item.still), unit.inputs[0])
        raise unsteady(moving.input.path)

    def _read(self, unit: Unit, run: _RunChunks, advance: Callable[[Input, int], None]) -> bool:
        """Read and stage the unit; false, and nothing, where its inputs were others in the end."""
        tally, samples, unread, matrices = Tally(), Samples.dropped(), Samples.unread(), []
        rows, signatures, seal = self.files(self.key(unit))

        def refuse(item: Input, record: Unreadable) -> None:
            tally.refuse(f"{item.source}/{item.key}", record.reason)
            unread.add([unread_sample(record, item.source, item.key)])

        with atomic_write(rows) as file, pq.ParquetWriter(file, STAGED, write_page_checksum=True) as writer:
            for parts in run(chunked(self.documents([item.input for item in unit.inputs], advance, refuse))):
                for part in parts:
                    if isinstance(part, Broken):
                        part = quarantined(part)
                    tally.add(part.tally)
                    samples.add(part.samples)
                    if part.rows:
                        writer.write_table(pa.Table.from_pylist(part.rows, schema=STAGED))
                        matrices.append(part.signature)
        with atomic_write(signatures) as file:
            width = self.language.dedup.permutations if self.near_duplicates else 0
            np.save(file, np.concatenate(matrices) if matrices and width else np.empty((tally.kept, width), np.uint32))
        if unit.again() != unit:  # hashed again: a change within the clock's resolution leaves no trace in the times
            rows.unlink()
            signatures.unlink()
            return False
        counts = {"tally": tally.to_json(), "samples": samples.all(), "unread": unread.all()}
        write_json(seal, with_checksum(counts | {"files": describe_files(self.folder, [rows, signatures])}))
        return True

    def documents(
        self,
        unit: Sequence[Input],
        advance: Callable[[Input, int], None],
        refuse: Callable[[Input, Unreadable], None],
    ) -> Iterator[RawDocument]:
        """The documents of the unit's files; a record that is none goes to `refuse`."""
        for item in unit:

            def progress(count: int, item: Input = item) -> None:
                advance(item, count)

            for record in refusing_storage(item, read_input(item, self.reading, progress=progress)):
                if isinstance(record, Unreadable):
                    refuse(item, record)
                else:
                    yield record

    def counted(self, key: str) -> tuple[Tally, list[LeftOut], list[LeftOut]]:
        """The unit's counts, and samples of what was dropped and of what could not be read."""
        with _whole(self.files(key)[-1]) as path:
            staged = read_json(path)
            return Tally.from_json(staged["tally"]), staged["samples"], staged["unread"]

    def columns(self, key: str, names: list[str]) -> pa.Table:
        """Columns of the unit's rows, whole."""
        with _whole(self.files(key)[0]) as path, native_file(path) as file:
            return pq.read_table(file, columns=names, page_checksum_verification=True)

    def signatures(self, key: str) -> np.ndarray:
        """The signatures of the unit's rows, (rows, permutations), as a memory map."""
        with _whole(self.files(key)[1]) as path:
            return np.load(path, mmap_mode="r", allow_pickle=False)

    def rows(self, key: str) -> Iterator[list[DocumentRow]]:
        """The documents of the unit's rows, some at a time."""
        with (
            _whole(self.files(key)[0]) as path,
            native_file(path) as opened,
            pq.ParquetFile(opened, page_checksum_verification=True) as file,
        ):
            for batch in file.iter_batches(columns=_DOCUMENT):
                yield batch.to_pylist()


def unit_problems(seal: Path) -> list[str]:
    """What of the staged unit with this seal is not as it was written: one line a file. `ArtifactError` for no seal."""
    staged = read_json(seal)
    if not fits_checksum(staged):
        return [f"{seal}: content changed"]
    return changed_files(seal.parent, file_entries(staged.get("files"), seal))


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Read a file of a unit that was found whole: an error is one of what has happened to it since."""
    try:
        yield path
    except (pa.ArrowException, OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path}: changed while the build ran ({str(error).splitlines()[0][:100]}). Run the same command again: "
            "the unit is staged anew."
        ) from error


def stage_unit(folder: Path, chain: Chain, unit: Unit, tell: Callable[[tuple[str, int, Judged]], None]) -> Unit:
    """Stage a unit in a worker that reads it itself; the unit as it was read.

    `tell` hears the key of an input and how many more bytes of it were read, and what was judged of each chunk.
    """

    def run(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        for chunk in chunks:
            part = chain(chunk)
            yield [part]
            tell((unit.name, 0, Judged.of(part)))

    staging = Staging(folder, chain.language, chain.near_duplicates, chain.pii, chain.consent)
    return staging.stage(unit, run, lambda item, count: tell((item.key, count, Judged())))


def quarantined(broken: Broken) -> Part:
    """A document that no worker survived, as a part of its own."""
    part = Part()
    raw: RawDocument = broken.item
    part.read(raw)
    part.drop(raw, broken.reason, broken.detail, raw.content if isinstance(raw.content, str) else excerpt(raw.content))
    return part
