"""What a unit of input leaves: the rows it keeps, their signatures, and what was counted.

A unit is what is resumed, so its three files lie under `work/` by the hash of all that shaped them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ulmkit.artifacts.atomic import atomic_write, read_json, write_json
from ulmkit.artifacts.manifest import fingerprint
from ulmkit.artifacts.shards import SCHEMA, native_file
from ulmkit.corpus.chain import CHAIN, Chain, Judged, Part, PiiPolicy, chunked
from ulmkit.corpus.tally import LeftOut, Samples, Tally, unread_sample
from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.inputs import Input, read_input
from ulmkit.formats.origin import Reading
from ulmkit.language.spec import Language
from ulmkit.work.pool import Broken

STAGED = pa.schema(
    [*(SCHEMA.field(name) for name in SCHEMA.names if not name.startswith("cluster")), ("match", pa.uint64())]
)


_RunChunks = Callable[[Iterator[list[RawDocument]]], Iterable[list[Part | Broken]]]


class Staging:
    """The folder of staged units of one language."""

    def __init__(self, folder: Path, language: Language, near_duplicates: bool, pii: PiiPolicy) -> None:
        self.folder = folder
        self.language = language
        self.reading = Reading.of(language)
        self.near_duplicates = near_duplicates
        self.pii = pii

    def key(self, described: Sequence[dict[str, Any]]) -> str:
        """What names the result of a unit whose inputs are `described`."""
        return fingerprint(
            {
                "inputs": described,
                "language": self.language.fingerprint,
                "near_duplicates": self.near_duplicates,
                "pii": self.pii,
                "chain": CHAIN,
                "format": str(STAGED),
            }
        )

    def has(self, key: str) -> bool:
        return (self.folder / f"{key}.json").exists()

    def stage(self, unit: Sequence[Input], key: str, run: _RunChunks, advance: Callable[[Input, int], None]) -> None:
        """Take one unit through the chain; `advance` hears of each input how many more bytes were read.

        `run` gives the parts that the chain makes of each chunk of documents, in order.
        """
        tally, samples, unread, matrices = Tally(), Samples.dropped(), Samples.unread(), []

        def refuse(item: Input, record: Unreadable) -> None:
            tally.refuse(f"{item.source}/{item.key}", record.reason)
            unread.add([unread_sample(record, item.source, item.key)])

        with atomic_write(self.folder / f"{key}.parquet") as file, pq.ParquetWriter(file, STAGED) as writer:
            for parts in run(chunked(self.documents(unit, advance, refuse))):
                for part in parts:
                    if isinstance(part, Broken):
                        part = quarantined(part)
                    tally.add(part.tally)
                    samples.add(part.samples)
                    if part.rows:
                        writer.write_table(pa.Table.from_pylist(part.rows, schema=STAGED))
                        matrices.append(part.signature)
        with atomic_write(self.folder / f"{key}.npy") as file:
            width = self.language.dedup.permutations if self.near_duplicates else 0
            np.save(file, np.concatenate(matrices) if matrices and width else np.empty((tally.kept, width), np.uint32))
        # written last: its presence says that the unit is whole
        write_json(
            self.folder / f"{key}.json",
            {"tally": tally.to_json(), "samples": samples.all(), "unread": unread.all()},
        )

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

            for record in read_input(item, self.reading, progress=progress):
                if isinstance(record, Unreadable):
                    refuse(item, record)
                else:
                    yield record

    def counted(self, key: str) -> tuple[Tally, list[LeftOut], list[LeftOut]]:
        """The unit's counts, and samples of what was dropped and of what could not be read."""
        staged = read_json(self.folder / f"{key}.json")
        return Tally.from_json(staged["tally"]), staged["samples"], staged["unread"]

    def columns(self, key: str, names: list[str]) -> pa.Table:
        with native_file(self.folder / f"{key}.parquet") as file:
            return pq.read_table(file, columns=names)

    def signatures(self, key: str) -> np.ndarray:
        """The signatures of the unit's rows, (rows, permutations), as a memory map."""
        return np.load(self.folder / f"{key}.npy", mmap_mode="r", allow_pickle=False)

    def rows(self, key: str) -> Iterator[list[dict[str, Any]]]:
        """The unit's rows, some at a time."""
        with native_file(self.folder / f"{key}.parquet") as source, pq.ParquetFile(source) as file:
            for batch in file.iter_batches():
                yield batch.to_pylist()


def stage_unit(
    folder: Path, chain: Chain, unit: tuple[str, Sequence[Input]], tell: Callable[[tuple[str, int, Judged]], None]
) -> None:
    """Stage a unit, given as its key and its inputs, in a worker that reads it itself.

    `tell` hears the key of an input and how many more bytes of it were read, and what was judged of each chunk.
    """
    key, inputs = unit

    def run(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        for chunk in chunks:
            part = chain(chunk)
            yield [part]
            tell((inputs[0].key, 0, Judged.of(part)))

    staging = Staging(folder, chain.language, chain.near_duplicates, chain.pii)
    staging.stage(inputs, key, run, lambda item, count: tell((item.key, count, Judged())))


def quarantined(broken: Broken) -> Part:
    """A document that no worker survived, as a part of its own."""
    part = Part()
    raw: RawDocument = broken.item
    part.read(raw)
    part.drop(raw, broken.reason, broken.detail, raw.content if isinstance(raw.content, str) else excerpt(raw.content))
    return part
