"""How much memory it takes to find the duplicates of a corpus: synthetic signatures, as a build stages them.

    python benchmarks/dedup_memory.py FOLDER --documents 1000000

makes units of 50,000 documents in FOLDER, one document in ten a near copy of another and one in fifty an exact one,
then clusters them. Printed: peak resident memory, and of it what is no page of a mapped file (the system takes those
back when it needs them).
"""

import argparse
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ulmkit.corpus.gather import Captures, Duplicates
from ulmkit.language.sections import Dedup

UNIT = 50_000
SETTINGS = Dedup()


def make(folder: Path, documents: int) -> None:
    """The units, each a Parquet file of ids, characters and match hashes, and a matrix of signatures."""
    draw = np.random.default_rng(0)
    earlier = draw.integers(0, 1 << 32, (UNIT, SETTINGS.permutations), np.uint32)
    for unit in range(-(-documents // UNIT)):
        rows = min(UNIT, documents - unit * UNIT)
        signature = draw.integers(0, 1 << 32, (rows, SETTINGS.permutations), np.uint32)
        match = draw.integers(0, 1 << 63, rows).astype(np.uint64)
        near = np.arange(0, rows - rows % 10, 10)
        # copies of documents of the unit before, one place in twenty changed
        signature[near] = earlier[near]
        changed = draw.random((len(near), SETTINGS.permutations)) < 0.05
        signature[near] = np.where(changed, signature[near] ^ np.uint32(1), signature[near])
        match[1::50] = match[0 : rows - 1 : 50][: len(match[1::50])]
        table = {
            "id": [f"news/news-{2000 + unit}.jsonl.zst#{number}" for number in range(rows)],
            "characters": pa.array(draw.integers(200, 20_000, rows), pa.int32()),
            "match": pa.array(match, pa.uint64()),
        }
        pq.write_table(pa.table(table), folder / f"{unit:04d}.parquet")
        np.save(folder / f"{unit:04d}.npy", signature)
        earlier[:rows] = signature


def staged(folder: Path) -> SimpleNamespace:
    """The units as `corpus.staging` gives them."""
    return SimpleNamespace(
        language=SimpleNamespace(dedup=SETTINGS),
        columns=lambda key, names: pq.read_table(folder / f"{key}.parquet", columns=names),
        signatures=lambda key: np.load(folder / f"{key}.npy", mmap_mode="r"),
    )


def resident() -> dict[str, int]:
    """This process's memory in bytes by kind."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines if line.startswith(("VmHWM", "RssAnon", "RssFile")))
    return {name: int(value.split()[0]) * 1024 for name, value in fields.items()}


class Watch:
    """The largest RssAnon seen while it runs, looked at a hundred times a second."""

    def __init__(self) -> None:
        self.most, self.done = 0, threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self.done.wait(0.01):
            self.most = max(self.most, resident()["RssAnon"])

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not any(asked.folder.iterdir()):
        make(asked.folder, asked.documents)
        print("made; run again to measure")
        return
    keys = sorted(path.stem for path in asked.folder.glob("*.npy"))
    before = resident()["RssAnon"]
    started, cpu = time.monotonic(), time.process_time()
    with Watch() as watch:
        staging = staged(asked.folder)
        captures = Captures(staging, keys, [False] * len(keys))  # type: ignore[arg-type]
        found = Duplicates(staging, keys, captures)  # type: ignore[arg-type]
    print(
        json.dumps(
            {
                "documents": len(found),
                "clusters": int(found.stays.sum()),
                "peak_resident_mb": round(resident()["VmHWM"] / 1e6),
                "peak_anonymous_mb": round(watch.most / 1e6),
                "anonymous_before_mb": round(before / 1e6),
                "wall_s": round(time.monotonic() - started, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
