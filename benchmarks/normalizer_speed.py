"""How fast Persian's normalizer is beside hazm's, on the same texts, one core, one run, in alternating rounds.

CPU seconds of this process; medians of the rounds; neither constructor counts, and both have normalized a text before.
The texts are taken whole (documents), cut into lines, and joined to pieces of 64 and 512 KB, each as one batch; the
lines by a call for each, too. Then the time for twice
the text over the time for the text, and where our time goes, rule by rule.

    python benchmarks/normalizer_speed.py isna_news.jsonl.zst fars_news.jsonl.zst --megabytes 2 --out report
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import hazm

from ulmkit.document import Unreadable
from ulmkit.formats.inputs import named_inputs
from ulmkit.formats.read import read_file
from ulmkit.language.registry import get
from ulmkit.text.characters import from_utf16, utf16_units
from ulmkit.text.normalize import Normalizer

PERSIAN = get("fa")
Work = Callable[[list[str]], object]


def seconds(work: Work, texts: list[str]) -> float:
    start = time.process_time()
    work(texts)
    return time.process_time() - start


def size(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def documents_of(path: str) -> Iterator[str]:
    """The texts of a file of JSON lines, as they are."""
    for item in named_inputs([path]):
        for raw in read_file(item.path, name=item.source, key=item.key):
            if not isinstance(raw, Unreadable) and isinstance(raw.content, str):
                yield raw.content


def cut(texts: Iterator[str], limit: int) -> list[str]:
    """Texts from the first on, of `limit` bytes together."""
    taken, total = [], 0
    for text in texts:
        if total >= limit:
            break
        taken.append(text)
        total += len(text.encode())
    return taken


def pieces(texts: list[str], limit: int) -> Iterator[str]:
    """The texts joined to pieces of about `limit` bytes."""
    part: list[str] = []
    for text in texts:
        part.append(text)
        if size(part) >= limit:
            yield "\n\n".join(part)
            part = []
    if part:
        yield "\n\n".join(part)


def medians(works: dict[str, Work], texts: list[str], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, in alternating rounds."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds(work, texts))
    return {name: statistics.median(each) for name, each in taken.items()}


def timed(normalizer: Normalizer) -> tuple[Normalizer, Counter[str]]:
    """A copy of `normalizer` that adds up how long each of its rules runs."""
    spent: Counter[str] = Counter()
    copy = Normalizer(normalizer.operations, normalizer.settings)
    for stage in (*copy._before, *copy._stages):
        for place, step in enumerate(stage.rules):
            if step.rule is not None:
                apply = clocked(step.rule.apply, step.name, spent)
                stage.rules[place] = dataclasses.replace(step, rule=dataclasses.replace(step.rule, apply=apply))
    return copy, spent


def clocked(apply: Callable, name: str, spent: Counter[str]) -> Callable:
    def run(text: str) -> tuple[str, int]:
        start = time.process_time_ns()
        made = apply(text)
        spent[name] += time.process_time_ns() - start
        return made

    return run


def anatomy(texts: list[str]) -> dict[str, float]:
    """CPU seconds of the parts: everything, the first pass alone, encoding and decoding, and each rule."""
    normalizer = PERSIAN.normalizer("standard")
    parts = {
        "all": seconds(normalizer.batch, texts),
        "one pass": seconds(lambda each: [normalizer._pass(text) for text in each], texts),
        "a text in normal form": seconds(normalizer.batch, normalizer.batch(texts)),
        "UTF-16 and back": seconds(lambda each: [from_utf16(utf16_units(text)) for text in each], texts),
    }
    copy, spent = timed(normalizer)
    copy.batch(texts)
    return parts | {f"rule {name}": ns / 1e9 for name, ns in spent.most_common()}


def measure(paths: list[str], megabytes: float, rounds: int) -> dict:
    ours, theirs = PERSIAN.normalizer("standard"), hazm.Normalizer()
    works: dict[str, Work] = {"ulmkit": ours.batch, "hazm": lambda texts: [theirs.normalize(text) for text in texts]}
    one_by_one = works | {"ulmkit": lambda texts: [ours(text) for text in texts]}
    rows, growth, parts = [], [], {}
    for item in paths:
        name = Path(item).name.split(".")[0]
        documents = cut(documents_of(item), int(megabytes * 1e6))
        shapes = {
            "documents": documents,
            "lines": (lines := [line for text in documents for line in text.split("\n") if line]),
            "lines, a call each": lines,
            "64 KB": list(pieces(documents, 64_000)),
            "512 KB": list(pieces(documents, 512_000)),
        }
        for work in works.values():
            work(documents[:1])
        for shape, texts in shapes.items():
            took = medians(one_by_one if "call" in shape else works, texts, rounds)
            total = size(texts)
            row = {"source": name, "shape": shape, "texts": len(texts), "bytes": total}
            rows.append(row | {f"{each}_mb_s": total / 1e6 / taken for each, taken in took.items()})
            rows[-1]["ratio"] = took["hazm"] / took["ulmkit"]
        half = "\n\n".join(documents)[:200_000]
        for each, work in works.items():
            both = (half, f"{half}\n\n{half}")  # the same text twice calls for the same rules
            short, long = (statistics.median(seconds(work, [text]) for _ in range(5)) for text in both)
            growth.append({"source": name, "who": each, "characters": len(half), "twice_over_once": long / short})
        parts[name] = anatomy(documents) | {"bytes": size(documents)}
    return {"rows": rows, "growth": growth, "anatomy": parts}


def page(found: dict, rounds: int) -> str:
    today = datetime.now(UTC).date().isoformat()
    lines = [
        "# Persian's normalizer beside hazm's: speed",
        "",
        f"{PERSIAN.code}@{PERSIAN.fingerprint}, standard form, beside hazm {version('hazm')} `Normalizer()`; {today}; "
        f"CPU time, median of {rounds} alternating rounds, one process.",
        "",
        "| source | texts | how many | MB | ulmkit MB/s | hazm MB/s | times as fast |",
        f"| {' | '.join(['---'] * 7)} |",
    ]
    for r in found["rows"]:
        speeds = f"{r['ulmkit_mb_s']:.1f} | {r['hazm_mb_s']:.2f} | {r['ratio']:.1f}"
        lines.append(f"| {r['source']} | {r['shape']} | {r['texts']:,} | {r['bytes'] / 1e6:.2f} | {speeds} |")
    lines += ["", "## Twice the text", "", "| source | who | characters | time for twice over time for once |"]
    lines.append(f"| {' | '.join(['---'] * 4)} |")
    lines += [
        f"| {g['source']} | {g['who']} | {g['characters']:,} | {g['twice_over_once']:.2f} |" for g in found["growth"]
    ]
    lines += ["", "## Where our time goes", ""]
    lines += ["Milliseconds a megabyte, on whole documents; a rule runs only where a text may need it.", ""]
    names = list(dict.fromkeys(name for parts in found["anatomy"].values() for name in parts if name != "bytes"))
    sources = list(found["anatomy"])
    lines += [f"| part | {' | '.join(sources)} |", f"| --- {'| --- ' * len(sources)}|"]
    for name in names:
        cells = [1e3 * parts.get(name, 0.0) / (parts["bytes"] / 1e6) for parts in found["anatomy"].values()]
        lines.append(f"| {name} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("paths", nargs="+")
    arguments.add_argument("--megabytes", type=float, default=2.0, help="how much of each file")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--out", type=Path, help="writes OUT.md and OUT.json")
    options = arguments.parse_args()
    found = measure(options.paths, options.megabytes, options.rounds)
    report = page(found, options.rounds)
    sys.stdout.write(report)
    if options.out:
        options.out.with_suffix(".md").write_text(report, encoding="utf-8")
        options.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
