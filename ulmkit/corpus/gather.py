"""Steps 6 to 8 over all staged units: deduplicate, split, write. Only here one document knows of another."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.shards import logical_hash, write_shard
from ulmkit.corpus.dedup import cluster
from ulmkit.corpus.split import cluster_number, split_of
from ulmkit.corpus.staging import Staging
from ulmkit.corpus.tally import Samples, Tally, duplicate_sample
from ulmkit.document import count_joiners
from ulmkit.progress import Progress, Report

SHARD_CHARACTERS = 100_000_000


class Clusters:
    """Which documents say the same, by the number of a document in the order of the units."""

    def __init__(self, staging: Staging, keys: Sequence[str]) -> None:
        self.members: list[tuple[str, int]] = []  # id, characters
        match_hashes, matrices = [], []
        for key in keys:
            table = staging.columns(key, ["id", "characters", "match"])
            self.members += zip(table["id"].to_pylist(), table["characters"].to_pylist(), strict=True)
            match_hashes.append(table["match"].to_numpy())
            matrices.append(staging.signatures(key))
        self.roots: list[int] = cluster(
            np.concatenate(match_hashes), np.concatenate(matrices), staging.language.dedup
        ).tolist()
        self.size = Counter(self.roots)
        self.smallest: dict[int, str] = {}  # root -> the smallest id, which decides the split
        self.best: dict[int, int] = {}  # root -> the number of the document that stays
        for number, (root, (id_, characters)) in enumerate(zip(self.roots, self.members, strict=True)):
            if root not in self.smallest or id_ < self.smallest[root]:
                self.smallest[root] = id_
            # the longest stays, and of equals the smallest id: both hold whatever the order of the inputs
            if root not in self.best or (-characters, id_) < self.rank(self.best[root]):
                self.best[root] = number

    def rank(self, number: int) -> tuple[int, str]:
        id_, characters = self.members[number]
        return -characters, id_

    def kept(self, number: int) -> str:
        """The id of the document that stays for the document `number`: its own, or that of a copy."""
        return self.members[self.best[self.roots[number]]][0]

    def stays(self, number: int) -> bool:
        return self.best[self.roots[number]] == number


def gather(
    staging: Staging,
    keys: Sequence[str],
    folder: Path,
    tally: Tally,
    samples: Samples,
    *,
    valid_share: float,
    test_share: float,
    report: Report,
) -> dict[str, dict[str, Any]]:
    """Write one document of each cluster, the longest, to the shards of its split; the splits for the manifest.

    What goes as a duplicate is added to `tally` and `samples`.
    """
    report(Progress("deduplicate", 0, None, "documents"))
    clusters = Clusters(staging, keys)
    total = len(clusters.members)
    report(Progress("deduplicate", total, total, "documents"))
    writers = {split: ShardWriter(folder, split) for split in SPLITS}
    for number, row in numbered(staging, keys, total, report):
        if not clusters.stays(number):
            tally.duplicate(row)
            samples.add([duplicate_sample(row, clusters.kept(number))])
            continue
        del row["match"]
        root = clusters.roots[number]
        row["cluster"] = cluster_number(clusters.smallest[root])
        row["cluster_size"] = clusters.size[root]
        writers[split_of(row["cluster"], valid_share, test_share)].add(row)
    return {split: writer.close() for split, writer in writers.items()}


def numbered(staging: Staging, keys: Sequence[str], total: int, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
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
