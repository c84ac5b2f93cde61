"""The corpus job beside hazm's Normalizer in a datatrove pipeline, on one core.

The job is the same for both: JSON lines → normalize → drop exact duplicates by hash → Parquet. A third row is the
whole `corpus build` (identify, filter, near-duplicates, split as well), which the peer has no equivalent of.

Steady state is the difference between a large and a small input, so that imports, hazm's dictionaries and
datatrove's start do not count; the whole-process figures are printed too. Rounds alternate, medians are reported.

    python benchmarks/corpus.py FOLDER_WITH_JSONL_ZST --language fa --out report.json
"""

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from backports import zstd


def texts(folder: Path) -> Iterator[str]:
    """The `text` field of every record of every .jsonl.zst under `folder`, in a fixed order."""
    for path in sorted(folder.rglob("*.jsonl.zst")):
        with zstd.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                if text := json.loads(line).get("text"):
                    yield text


def write_inputs(folder: Path, target: Path, small_mb: float, large_mb: float) -> dict[str, float]:
    """Two JSON-lines files, each a random draw over all sources; their sizes in MB of UTF-8 text."""
    import random

    pool = [text for text in texts(folder) if len(text) > 300]
    random.Random(7).shuffle(pool)
    sizes = {}
    for name, wanted in (("small", small_mb), ("large", large_mb)):
        size = 0.0
        with open(target / f"{name}.jsonl", "w", encoding="utf-8") as file:
            for number, text in enumerate(pool):
                file.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")
                size += len(text.encode()) / 1e6
                if size >= wanted:
                    break
        sizes[name] = size
    return sizes


def run_ours(source: Path, target: Path, code: str) -> None:
    """Read, normalize, hash, write, with ulmkit's own parts."""
    import xxhash

    from ulmkit.artifacts.shards import write_shard
    from ulmkit.document import RawDocument
    from ulmkit.formats.read import read_file
    from ulmkit.language.registry import get

    language = get(code)
    normalize = language.normalizer("standard").batch
    seen: set[bytes] = set()
    rows: list[Any] = []  # without the columns that nothing here asks for
    raws: list[RawDocument] = []

    def flush() -> None:
        for raw, text in zip(raws, normalize([str(raw.content) for raw in raws]), strict=True):
            digest = xxhash.xxh3_128_digest(text.encode())
            if digest in seen:
                continue
            seen.add(digest)
            rows.append(
                {"id": raw.id, "text": text, "source": raw.source, "licence": raw.licence, "content_hash": digest}
            )
        raws.clear()

    for raw in read_file(source, name=source.name):
        if isinstance(raw, RawDocument):
            raws.append(raw)
        if len(raws) == 256:
            flush()
    flush()
    write_shard(target / "part-00000.parquet", rows)


def run_build(source: Path, target: Path, code: str) -> None:
    """The whole chain of `ulmkit corpus build`, in this process."""
    from ulmkit.artifacts.layout import Layout
    from ulmkit.corpus.build import BuildOptions, build_corpus
    from ulmkit.formats.inputs import Input
    from ulmkit.language.registry import get

    inputs = [Input(source, source.stem, source.name)]
    build_corpus(get(code), Layout(target, code), inputs, options=BuildOptions(workers=0))


def run_peer(source: Path, target: Path, code: str) -> None:
    """hazm's Normalizer and an exact hash as steps of a local datatrove pipeline."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import ParquetWriter
    from hazm import Normalizer

    class Normalize(PipelineStep):
        name = "hazm"

        def run(self, data, rank: int = 0, world_size: int = 1):  # type: ignore[no-untyped-def]
            normalizer = Normalizer()
            for doc in data:
                doc.text = normalizer.normalize(doc.text)
                yield doc

    class Exact(PipelineStep):
        name = "exact"

        def run(self, data, rank: int = 0, world_size: int = 1):  # type: ignore[no-untyped-def]
            import xxhash

            seen = set()
            for doc in data:
                digest = xxhash.xxh3_128_digest(doc.text.encode())
                if digest not in seen:
                    seen.add(digest)
                    yield doc

    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(str(source.parent), glob_pattern=source.name),
            Normalize(),
            Exact(),
            ParquetWriter(str(target / "out"), compression="zstd"),
        ],
        tasks=1,
        workers=1,
        logging_dir=str(target / "logs"),
    ).run()


SIDES = {"ours": run_ours, "ours, whole build": run_build, "hazm in datatrove": run_peer}


def child(side: str, source: Path, code: str) -> None:
    """Run one side on one core in this process and print what it cost."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        SIDES[side](source, Path(folder), code)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "mb": used.ru_maxrss / 1024}))


def measure(side: str, source: Path, code: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", side, "--language", code, str(source)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{side}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--language", default="fa")
    arguments.add_argument("--small", type=float, default=6, help="MB of text")
    arguments.add_argument("--large", type=float, default=36, help="MB of text")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.child:
        child(options.child, options.folder, options.language)
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        sizes = write_inputs(options.folder, target, options.small, options.large)
        runs: dict[str, dict[str, list[dict[str, float]]]] = {s: {n: [] for n in sizes} for s in SIDES}
        for _ in range(options.rounds):
            for name in sizes:
                for side in SIDES:
                    runs[side][name].append(measure(side, target / f"{name}.jsonl", options.language))
    report = summarize(runs, sizes)
    print_report(report)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


def summarize(runs: dict, sizes: dict[str, float]) -> dict:
    """Steady-state MB/s of each side (CPU and wall), and its ratio to the peer."""
    text = sizes["large"] - sizes["small"]
    sides = {}
    for side, by_size in runs.items():
        entry: dict[str, float] = {}
        for clock in ("cpu", "wall"):
            seconds = {n: statistics.median(r[clock] for r in done) for n, done in by_size.items()}
            entry[f"{clock}_small_s"], entry[f"{clock}_large_s"] = seconds["small"], seconds["large"]
            entry[f"{clock}_mb_s"] = text / (seconds["large"] - seconds["small"])
            spread = [r[clock] for r in by_size["large"]]
            entry[f"{clock}_spread"] = (max(spread) - min(spread)) / statistics.median(spread)
        entry["peak_mb"] = max(r["mb"] for r in by_size["large"])
        sides[side] = entry
    peer = sides["hazm in datatrove"]
    for entry in sides.values():
        entry["ratio"] = entry["cpu_mb_s"] / peer["cpu_mb_s"]
        entry["ratio_whole_process"] = peer["cpu_large_s"] / entry["cpu_large_s"]
    return {
        "sizes_mb": sizes,
        "sides": sides,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("ulmkit", "hazm", "datatrove", "pyarrow", "sentencepiece")},
    }


def print_report(report: dict) -> None:
    out = io.StringIO()
    out.write(f"{'':20}{'MB/s':>8}{'ratio':>8}{'whole':>8}{'CPU s':>8}{'spread':>8}{'peak MB':>9}\n")
    for side, e in report["sides"].items():
        out.write(
            f"{side:20}{e['cpu_mb_s']:8.2f}{e['ratio']:8.1f}{e['ratio_whole_process']:8.1f}{e['cpu_large_s']:8.1f}"
            f"{e['cpu_spread']:8.0%}{e['peak_mb']:9.0f}\n"
        )
    print(out.getvalue())


if __name__ == "__main__":
    main()
