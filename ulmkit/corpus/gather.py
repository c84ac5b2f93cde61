"""Steps 6 to 8 over all staged units: deduplicate, split, write. Only here one document knows of another."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.shards import DocumentRow, ShardRow, logical_hash, write_shard
from ulmkit.corpus.dedup import cluster
from ulmkit.corpus.split import boundaries_for, cluster_number, split_of
from ulmkit.corpus.staging import Staging
from ulmkit.corpus.tally import GONE, SUPERSEDED, Samples, Tally, duplicate_sample, replaced_sample
from ulmkit.corpus.yields import Yields
from ulmkit.document import count_joiners
from ulmkit.progress import Progress, Report

SHARD_CHARACTERS = 100_000_000


class Captures:
    """Which documents are the newest of their URL, by the number of a document in the order of the units.

    A page that was crawled several times is one document, its newest capture: the others are no part of the corpus,
    nor of the search for duplicates, and neither is a document that is `gone`. Only units that were crawled hold any.
    """

    def __init__(
        self, staging: Staging, keys: Sequence[str], crawled: Sequence[bool], gone: Sequence[str] = ()
    ) -> None:
        self.lengths = [len(staging.columns(key, ["match"])) for key in keys]
        starts = np.cumsum([0, *self.lengths])
        self.newest = np.ones(starts[-1], bool)
        parts = [
            staging.columns(key, ["id", "fetched_at"]).append_column(
                "number", pa.array(np.arange(start, start + length))
            )
            for key, start, length, own in zip(keys, starts, self.lengths, crawled, strict=False)
            if own and length
        ]
        if parts:
            order = [("id", "ascending"), ("fetched_at", "ascending"), ("number", "ascending")]
            table = pa.concat_tables(parts).sort_by(order)
            ids = table["id"].combine_chunks()
            again = np.flatnonzero(pc.equal(ids[:-1], ids[1:]).to_numpy(zero_copy_only=False))
            self.newest[table["number"].to_numpy()[again]] = False
            left = pc.is_in(ids, value_set=pa.array(gone, ids.type)).to_numpy(zero_copy_only=False)
            self.newest[table["number"].to_numpy()[left]] = False

    def of(self, unit: int) -> np.ndarray:
        """Which of a unit's documents are the newest of their URL."""
        start = sum(self.lengths[:unit])
        return self.newest[start : start + self.lengths[unit]]


class Duplicates:
    """Which documents say the same, by the number of a document in the order of the units, `captures` of old left out.

    Ids are held of those documents alone that have a duplicate. Of the others this is, in bytes a document, 8 for the
    cluster, 4 for its size and 1 for whether it stays.
    """

    def __init__(self, staging: Staging, keys: Sequence[str], captures: Captures) -> None:
        self.captures = captures
        match = np.concatenate([staging.columns(key, ["match"])["match"].to_numpy() for key in keys])
        signatures = []
        for unit, key in enumerate(keys):
            newest, matrix = captures.of(unit), staging.signatures(key)
            signatures.append(matrix if newest.all() else matrix[newest])
        self.roots = cluster(match[captures.newest], signatures, staging.language.dedup)
        self.sizes = np.bincount(self.roots, minlength=len(self.roots)).astype(np.int32)  # by root
        copies = self._copies(staging, keys)
        names = copies["source"].cast(pa.string())  # each unit numbers its sources by itself
        copies = copies.set_column(copies.column_names.index("source"), "source", names)
        self.by_source = copies.group_by(["root", "source"]).aggregate([("number", "count")])
        several = self.by_source.group_by("root").aggregate([("source", "count")])
        self.shared = np.sort(several.filter(pc.greater(several["source_count"], 1))["root"].to_numpy())  # roots
        # the longest stays, and of equals the smallest id: both hold whatever the order of the inputs. Arrow orders
        # strings by their bytes, which in UTF-8 is the order of their code points
        order = [("root", "ascending"), ("characters", "descending"), ("id", "ascending"), ("number", "ascending")]
        best = copies.sort_by(order)
        smallest = copies.sort_by([("root", "ascending"), ("id", "ascending")])
        roots = best["root"].to_numpy()
        firsts = np.flatnonzero(np.append(True, roots[1:] != roots[:-1])[: len(roots)])
        self.clusters = roots[firsts]  # of more than one document, ascending; the two that follow are by its place
        self.best_ids = best["id"].take(pa.array(firsts))
        self.smallest_ids = smallest["id"].take(pa.array(firsts))
        self.stays = self.sizes[self.roots] == 1
        self.stays[best["number"].to_numpy()[firsts]] = True

    def __len__(self) -> int:
        return len(self.roots)

    def _copies(self, staging: Staging, keys: Sequence[str]) -> pa.Table:
        """Number, root, id, source and characters of every document that is not alone in its cluster."""
        several = self.sizes[self.roots] > 1
        parts, start = [], 0
        for unit, key in enumerate(keys):
            table = staging.columns(key, ["id", "source", "characters"])
            if not (newest := self.captures.of(unit)).all():
                table = table.filter(pa.array(newest))
            here = np.flatnonzero(several[start : start + len(table)])
            parts.append(
                table.take(pa.array(here))
                .append_column("number", pa.array(here + start))
                .append_column("root", pa.array(self.roots[here + start]))
            )
            start += len(table)
        return pa.concat_tables(parts)

    def size(self, number: int) -> int:
        """How many documents say what the document `number` says, itself among them."""
        return int(self.sizes[self.roots[number]])

    def is_shared(self, number: int) -> bool:
        """Whether a document of another source says what the document `number` says."""
        place = int(np.searchsorted(self.shared, self.roots[number]))
        return place < len(self.shared) and bool(self.shared[place] == self.roots[number])

    def overlap(self) -> dict[str, dict[str, int]]:
        """Source → source → how many documents of the first say what one of the second, or another of it, says."""
        pairs = self.by_source.join(self.by_source, "root", right_suffix="_other", join_type="inner")
        other = pc.not_equal(pairs["source"], pairs["source_other"])
        pairs = pairs.filter(pc.or_(other, pc.greater(pairs["number_count"], 1)))
        counted = pairs.group_by(["source", "source_other"]).aggregate([("number_count", "sum")])
        found: dict[str, dict[str, int]] = {}
        for row in counted.to_pylist():
            found.setdefault(row["source"], {})[row["source_other"]] = row["number_count_sum"]
        return found

    def smallest_id(self, number: int, own: str) -> str:
        """The smallest id in the cluster of `number`, whose own id is `own`: it decides the split."""
        return own if self.size(number) == 1 else self.smallest_ids[self._place(number)].as_py()

    def kept_id(self, number: int) -> str:
        """The id of the document that stays in the place of `number`, which has a duplicate."""
        return self.best_ids[self._place(number)].as_py()

    def _place(self, number: int) -> int:
        return int(np.searchsorted(self.clusters, self.roots[number]))


def gather(
    staging: Staging,
    keys: Sequence[str],
    folder: Path,
    tally: Tally,
    samples: Samples,
    yields: Yields,
    *,
    crawled: Sequence[bool],
    gone: Sequence[str] = (),
    valid_share: float,
    test_share: float,
    report: Report,
) -> dict[str, dict[str, Any]]:
    """Write one document of each cluster, the longest, to the shards of its split; the splits for the manifest.

    What goes as a duplicate, or as an older capture of a page, is added to `tally` and `samples`, and what stays to
    `yields`. `crawled` says of each unit whether it is of our own crawl, in which a page may stand several times.
    """
    report(Progress("deduplicate", 0, None, "documents"))
    captures = Captures(staging, keys, crawled, gone)
    duplicates = Duplicates(staging, keys, captures)
    yields.overlap = duplicates.overlap()
    total = len(captures.newest)
    report(Progress("deduplicate", total, total, "documents"))
    writers = {split: ShardWriter(folder, split) for split in SPLITS}
    ends = boundaries_for(cluster_numbers(staging, keys, captures, duplicates), valid_share, test_share)
    number, left = -1, frozenset(gone)
    for place, row in numbered(staging, keys, total, report):
        if not captures.newest[place]:
            reason = GONE if row["id"] in left else SUPERSEDED
            tally.replaced(row, reason)
            samples.add([replaced_sample(row, reason)])
            continue
        number += 1
        if not duplicates.stays[number]:
            tally.duplicate(row)
            samples.add([duplicate_sample(row, duplicates.kept_id(number))])
            continue
        cluster_id = cluster_number(duplicates.smallest_id(number, row["id"]))
        writer = writers[ends.split_of(cluster_id) if ends else split_of(cluster_id, valid_share, test_share)]
        yields.add(row, shared=duplicates.is_shared(number))
        writer.add({**row, "cluster": cluster_id, "cluster_size": duplicates.size(number)})
    return {split: writer.close() for split, writer in writers.items()}


def cluster_numbers(staging: Staging, keys: Sequence[str], captures: Captures, duplicates: Duplicates) -> Iterator[int]:
    """The number of the cluster of each document that stays."""
    number = 0
    for unit, key in enumerate(keys):
        ids = staging.columns(key, ["id"])["id"].filter(pa.array(captures.of(unit)))
        for own in ids:
            if duplicates.stays[number]:
                yield cluster_number(duplicates.smallest_id(number, own.as_py()))
            number += 1


def numbered(staging: Staging, keys: Sequence[str], total: int, report: Report) -> Iterator[tuple[int, DocumentRow]]:
    """Every staged row with its number, reported as it goes."""
    number = 0
    for key in keys:
        for rows in staging.rows(key):
            yield from enumerate(rows, number)
            number += len(rows)
            report(Progress("write", number, total, "documents"))


class ShardWriter:
    """Rows of one split into shards of bounded size."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder / split
        self.rows: list[ShardRow] = []
        self.pending = 0
        self.totals: Counter[str] = Counter()
        self.hashes: list[str] = []
        self.joiners: Counter[str] = Counter()

    def add(self, row: ShardRow) -> None:
        self.rows.append(row)
        self.pending += row["characters"]
        self.totals.update(documents=1, characters=row["characters"], words=row["words"])
        self.joiners.update(count_joiners([row["text"]]))
        if self.pending >= SHARD_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"part-{len(self.hashes):05d}.parquet"
        write_shard(path, self.rows)
        self.hashes.append(logical_hash(path))
        self.rows, self.pending = [], 0

    def close(self) -> dict[str, Any]:
        """Write what is left; the split's entry in the manifest. A split without documents has no shard."""
        if self.rows:
            self.flush()
        return {
            "documents": self.totals["documents"],
            "characters": self.totals["characters"],
            "words": self.totals["words"],
            "joiners": dict(self.joiners),
            "logical_hashes": self.hashes,
        }
