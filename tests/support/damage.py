"""Flipped bits, spoilt files, kills, inputs that change, two commands at once: nothing is silently another result.

As a program it gives the figures of each kind:

    python tests/support/damage.py flips --times 1000
    python tests/support/damage.py spoils --times 240
    python tests/support/damage.py kills --times 200
    python tests/support/damage.py changes --times 100
    python tests/support/damage.py pairs --times 1320

Commands run in forks of a warm process, as in fault_points.py, whose commands and comparisons these are.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fault_points import at_prompt, content, ended, forked, in_child, warm

BUILD = "corpus build fa --input {input} --workers 0 --valid-share 0.2 --test-share 0.1"
TRAIN, ENCODE = "tokenizer train fa --vocab 400", "tokenizer encode fa --corpus --workers 0"
PRETRAIN = "lm pretrain fa --preset tiny --steps 2 --set backend=vendor --set precision=fp32"
EXPORT = "lm export fa --format fastai"
CHAIN = (BUILD, TRAIN, ENCODE, PRETRAIN, EXPORT)
TEXTS = 12
# the stage whose files they are, and commands that read them
READERS = {
    "work": [f"{BUILD} --exact-duplicates"],
    "raw": ["verify fa"],
    "corpus": ["tokenizer train fa --vocab 410", BUILD],
    "tokenizer": [ENCODE, "lm generate fa --length 3"],
    "tokens": [f"{PRETRAIN} --run other"],
    "lm": ["lm evaluate fa", "lm export fa"],
    "export": ["verify fa"],
}
FINETUNE = (
    "lm finetune fa --input {table} --text-column text --steps 8 --set backend=vendor --precision fp32 --run tuned"
)
CLASSIFY = "classify train fa --train {table} --text-column text --label-column label --seed 1"
# what is read besides by who learns from a table; the table itself is in none of the stages
SPOILT = READERS | {
    "corpus": [ENCODE, "tokenizer train fa --vocab 410"],
    "tokenizer": [FINETUNE, f"{CLASSIFY} --lm pretrained --run other", ENCODE, "lm generate fa --length 3"],
    "lm": [FINETUNE, f"{CLASSIFY} --lm pretrained --run other", "lm evaluate fa", "lm export fa"],
    "classify": ["classify evaluate fa --input {table} --text-column text --label-column label", CLASSIFY],
    "table": [FINETUNE, f"{CLASSIFY} --run other"],
}
TOGETHER = [
    f"{BUILD} --exact-duplicates",
    "tokenizer train fa --vocab 410",
    ENCODE,
    "tokenizer evaluate fa",
    f"{PRETRAIN} --run other",
    "lm evaluate fa",
    "lm generate fa --length 3",
    "lm export fa",
    EXPORT,
    "verify fa",
    "doctor fa",
]


def told(number: int, times: int, wrong: list[str]) -> None:
    """Where a long measure stands, every twentieth time."""
    if number % 20 == 19:
        print(
            f"{number + 1} of {times}, {len(wrong)} wrong{''.join(chr(10) + line for line in wrong[-2:])}",
            file=sys.stderr,
        )


def complaint(status: int, said: str) -> str:
    """What is wrong with how a command ended; empty where it did its work or said one line."""
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    if "Traceback" in said or "Nobody foresaw" in said or "Exception ignored" in said:
        return f"traceback: {said[-700:]}"
    if status not in (0, 1, 2):
        return f"status {status}: {said[-300:]}"
    return f"{len(errors)} lines of error: {said[-300:]}" if status and len(errors) != 1 else ""


class Ground:
    """A root on which the whole chain has run, and copies of it to damage."""

    def __init__(self, folder: Path) -> None:
        from ulmkit.language.places import bundled

        self.folder = folder
        self.root, self.input, self.out = folder / "root", folder / "input", folder / "out"
        self.table = folder / "comments.csv"
        self.input.mkdir()
        samples = sorted((bundled() / "fa" / "samples").glob("*.html"))
        for path in samples[:TEXTS]:
            shutil.copy(path, self.input)
        self.after: dict[str, Path] = {"": folder / "nothing"}
        self.took: dict[str, float] = {}
        (folder / "nothing").mkdir()
        before = ""
        for name in CHAIN:
            self.place(self.after[before])
            started = time.monotonic()
            status = self.run(name)
            assert status == 0, self.out.read_text()
            self.took[name] = time.monotonic() - started
            self.after[name] = folder / f"after-{len(self.after)}"
            shutil.copytree(self.root, self.after[name])
            before = name
        self.whole = self.after[before]

    def place(self, state: Path) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(state, self.root)

    def words(self, command: str) -> list[str]:
        return [*command.format(root=self.root, input=self.input, table=self.table).split(), "--root", str(self.root)]

    def run(self, command: str) -> int:
        return in_child(lambda: at_prompt(self.words(command)), self.out)

    def start(self, command: str, out: Path) -> int:
        words = self.words(command)
        return forked(lambda: at_prompt(words), out)

    def said(self) -> str:
        return self.out.read_text(errors="replace")


def with_downloads(root: Path) -> None:
    """A download as the fetcher leaves it."""
    from ulmkit.artifacts.manifest import with_checksum

    folder = root / "fa/raw/wikipedia/fawiki-20260101"
    folder.mkdir(parents=True)
    dump = random.Random(1).randbytes(5_000)
    (folder / "dump.xml.bz2").write_bytes(dump)
    entry = {"bytes": len(dump), "sha1": hashlib.sha1(dump, usedforsecurity=False).hexdigest()}
    pins = {"wiki": "fawiki", "date": "20260101", "files": {"dump.xml.bz2": entry}}
    (folder / "pins.json").write_text(json.dumps(with_checksum(pins)))


def equal_content(before: bytes, after: bytes) -> bool:
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


def flips(ground: Ground, times: int, generator: random.Random) -> tuple[Counter[str], list[str]]:
    """One bit of one file at a time: `verify` finds it, and commands that read the file give the same, or one line."""
    with_downloads(ground.whole)
    files = [p for p in sorted(ground.whole.rglob("*")) if p.is_file() and not p.name.startswith(".")]
    kinds: Counter[str] = Counter()
    wrong = []
    # what each reader leaves, or says, on a root that nothing has happened to
    reference: dict[str, tuple[dict[str, str], str]] = {}
    for command in {command for commands in READERS.values() for command in commands}:
        ground.place(ground.whole)
        assert ground.run(command) == 0, ground.said()
        reference[command] = content(ground.root), ground.said()
    for number in range(times):
        told(number, times, wrong)
        path = files[number % len(files)]
        stage = path.relative_to(ground.whole).parts[1]
        before = path.read_bytes()
        if not before:
            kinds["empty file"] += 1
            continue
        bit = generator.randrange(len(before) * 8)
        flipped = bytearray(before)
        flipped[bit // 8] ^= 1 << bit % 8
        ground.place(ground.whole)
        target = ground.root / path.relative_to(ground.whole)
        target.write_bytes(flipped)
        where = f"{path.relative_to(ground.whole)}, bit {bit}"
        status = ground.run("verify fa")
        if problem := complaint(status, ground.said()):
            wrong.append(f"{where}: verify: {problem}")
        found = status == 1
        same = equal_content(before, bytes(flipped))
        if not found and not same:
            wrong.append(f"{where}: verify says whole")
        command = READERS[stage][number // len(files) % len(READERS[stage])]
        status = ground.run(command)
        if problem := complaint(status, ground.said()):
            wrong.append(f"{where}: {command}: {problem}")
        elif status == 0:
            # what the command made, beside what was damaged and is not its business
            made, expected = content(ground.root), reference[command][0]
            other = {n for n in made.keys() | expected.keys() if made.get(n) != expected.get(n)}
            other -= {path.relative_to(ground.whole).as_posix()}
            if other:
                wrong.append(f"{where}: {command}: went well with another {sorted(other)[:4]}")
        kinds[f"{stage}: {'found' if found else 'equal content'}, reader {'equal' if status == 0 else 'one line'}"] += 1
    return kinds, wrong


def other_json(before: bytes) -> bytes:
    return b'{"name": "another", "files": [1, null], "manifest": {}}\n'


def half_noise(before: bytes) -> bytes:
    middle = len(before) // 2
    return before[:middle] + random.Random(len(before)).randbytes(len(before) - middle)


# a file as a disk, a download or a wrong hand leaves it
SPOILS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda before: before[: len(before) // 2],
    "end missing": lambda before: before[:-1],
    "emptied": lambda before: b"",
    "noise": lambda before: random.Random(len(before)).randbytes(len(before)),
    "half noise": half_noise,
    "zeros": lambda before: bytes(len(before)),
    "zeros at the end": lambda before: before + bytes(4096),
    "page": lambda before: b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body></body></html>\n",
    "pointer": lambda before: (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0123" * 16)
    ),
    "other JSON": other_json,
    "UTF-16": lambda before: before.decode("utf-8", "replace").encode("utf-16"),
    "twice": lambda before: before + before,
}
GONE = "gone"


def spoils(ground: Ground, times: int, generator: random.Random) -> tuple[Counter[str], list[str]]:
    """One file at a time spoilt or gone: `verify` finds it; commands that read the stage give the same, or one line.

    A table of texts is no file of the root: what a command makes of a spoilt one may be another result, and is counted.
    """
    ground.place(ground.whole)
    table = ground.table
    table.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in comments(generator)))
    assert ground.run(CLASSIFY) == 0, ground.said()
    whole = ground.folder / "spoils"
    shutil.copytree(ground.root, whole)
    stages: dict[str, list[Path]] = {}
    for path in sorted(whole.rglob("*")):
        inner = path.relative_to(whole)
        if path.is_file() and not any(part.startswith(".") for part in inner.parts) and inner.parts[1] in SPOILT:
            stages.setdefault(inner.parts[1], []).append(path)
    stages["table"] = [table]
    reference: dict[str, dict[str, str]] = {}
    kinds: Counter[str] = Counter()
    wrong = []
    rows = [(stage, command) for stage in sorted(stages) for command in SPOILT[stage]]
    ways = [*SPOILS, GONE]
    for number in range(times):
        told(number, times, wrong)
        stage, command = rows[number % len(rows)]
        how, path = ways[(number + number // len(rows)) % len(ways)], generator.choice(stages[stage])
        if command not in reference:
            ground.place(whole)
            assert ground.run(command) == 0, ground.said()
            reference[command] = content(ground.root)
        ground.place(whole)
        before, inner = path.read_bytes(), "comments.csv" if stage == "table" else str(path.relative_to(whole))
        target = table if stage == "table" else ground.root / inner
        where = f"{inner}, {how}"
        after = None if how == GONE else SPOILS[how](before)
        if after is None:
            target.unlink()
        else:
            target.write_bytes(after)
        if stage != "table":
            status = ground.run("verify fa")
            if problem := complaint(status, ground.said()):
                wrong.append(f"{where}: verify: {problem}")
            # what is kept to go on from is made again where it is gone, and so is in no manifest; a stage without a
            # manifest is one that was not finished
            unmade = stage == "work" or path.name == "manifest.json"
            same = unmade if after is None else after == before or equal_content(before, after)
            if status == 0 and not same:
                wrong.append(f"{where}: verify says whole")
        status = ground.run(command)
        told_of = ground.said().strip()
        table.write_bytes(before) if stage == "table" else None
        kind = "one line"
        if problem := complaint(status, told_of):
            wrong.append(f"{where}: {command}: {problem}")
        elif status == 0:
            made, expected = content(ground.root), reference[command]
            other = {n for n in made.keys() | expected.keys() if made.get(n) != expected.get(n)} - {inner}
            kind = "equal"
            if other:
                kind = "of what the table holds" if stage == "table" else "another result"
            if other and stage != "table":
                wrong.append(f"{where}: {command}: went well with another {sorted(other)[:4]}")
        print(f"{where}: {command.split(' --')[0]}: {kind}{f': {told_of}' if kind != 'equal' else ''}", flush=True)
        kinds[f"{stage}, {command.split(' --')[0]}: {kind}"] += 1
    return kinds, wrong


def comments(generator: random.Random) -> list[tuple[str, str]]:
    """Two classes of made-up comments, in the letters of the samples."""
    things, good, bad = ["غذا", "کتاب", "فیلم", "گوشی"], ["خوب", "زیبا", "عالی"], ["بد", "زشت", "کند"]
    return [
        (
            f"{generator.choice(things)} شماره {n} بود و {generator.choice((good, bad)[n % 2])} بود",
            ("pos", "neg")[n % 2],
        )
        for n in range(60)
    ]


def kills(ground: Ground, times: int, generator: random.Random) -> tuple[Counter[str], list[str]]:
    """SIGKILL at a random moment of each stage, then the command again until it ends: the undisturbed result."""
    kinds: Counter[str] = Counter()
    wrong = []
    for number in range(times):
        told(number, times, wrong)
        name = CHAIN[number % len(CHAIN)]
        place = CHAIN.index(name)
        expected = content(ground.after[name])
        ground.place(ground.after[CHAIN[place - 1] if place else ""])
        pid = ground.start(name, ground.out)
        moment = generator.uniform(0, ground.took[name] * 1.1)
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet, or has ended
            os.killpg(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        killed = ended(pid) == -signal.SIGKILL
        command = name
        status = ground.run(command)
        if status and "--resume" in ground.said():
            status = ground.run(command + " --resume")
        where = f"{name}, killed after {moment:.2f} s"
        if problem := complaint(status, ground.said()) or (f"status {status}: {ground.said()}" if status else ""):
            wrong.append(f"{where}: {problem}")
        elif (made := content(ground.root)) != expected:
            other = sorted(n for n in made.keys() | expected.keys() if made.get(n) != expected.get(n))
            wrong.append(f"{where}: another {other[:4]}")
        kinds[f"{' '.join(name.split()[:2])}: {'killed' if killed else 'done before'}"] += 1
    return kinds, wrong


def changed_input(path: Path, how: str, generator: random.Random) -> None:
    before = path.read_bytes()
    middle = len(before) // 2
    if how == "grow":
        path.write_bytes(before + before[middle:])
    elif how == "cut":
        path.write_bytes(before[:middle])
    elif how == "replace":
        other = path.with_name(f".{path.name}.new")
        other.write_bytes(before.replace("ی".encode(), "ه".encode()))
        other.replace(path)
    elif how == "remove":
        path.unlink()
    elif how == "put back":
        path.write_bytes(before.replace("ی".encode(), "ه".encode()))
        time.sleep(generator.uniform(0, 0.2))
        path.write_bytes(before)


def changes(ground: Ground, times: int, generator: random.Random) -> tuple[Counter[str], list[str]]:
    """An input that changes at a random moment of a build: the corpus is the one of the bytes its manifest names.

    Proven by a build in peace over files with just the hashes that the manifest has.
    """
    from ulmkit.formats.inputs import file_hash

    kinds: Counter[str] = Counter()
    wrong = []
    pristine = ground.folder / "pristine"
    shutil.copytree(ground.input, pristine)
    command = BUILD
    for number in range(times):
        told(number, times, wrong)
        shutil.rmtree(ground.input)
        shutil.copytree(pristine, ground.input)
        ground.place(ground.after[""])
        how = ("grow", "cut", "replace", "remove", "put back")[number % 5]
        path = generator.choice(sorted(ground.input.iterdir()))
        pid = ground.start(command, ground.out)
        moment = generator.uniform(0, ground.took[BUILD])
        time.sleep(moment)
        changed_input(path, how, generator)
        status = ended(pid)
        where = f"{how} {path.name} after {moment:.2f} s"
        if problem := complaint(status, ground.said()):
            wrong.append(f"{where}: {problem}")
        elif status:
            named = path.name in ground.said()
            kinds[f"{how}: one line"] += 1
            if not named:
                wrong.append(f"{where}: the line does not name it: {ground.said()}")
        else:
            manifest = json.loads((ground.root / "fa/corpus/manifest.json").read_text())
            made = content(ground.root)
            versions = {file_hash(p): p for p in (pristine / path.name, path) if p.is_file()}
            entry = next((e for e in manifest["inputs"] if e["key"] == path.name), None)
            if entry is None or entry["xxh3"] not in versions:
                wrong.append(f"{where}: the manifest names bytes that never were")
                continue
            which = versions[entry["xxh3"]]
            kinds[f"{how}: built of {'the new' if which == path and how != 'put back' else 'the old'} bytes"] += 1
            kept = which.read_bytes()
            shutil.rmtree(ground.input)
            shutil.copytree(pristine, ground.input)
            (ground.input / path.name).write_bytes(kept)
            ground.place(ground.after[""])
            assert ground.run(command) == 0, ground.said()
            if content(ground.root) != made:
                wrong.append(f"{where}: not the corpus of the bytes that its manifest names")
    return kinds, wrong


def pairs(ground: Ground, times: int, generator: random.Random) -> tuple[Counter[str], list[str]]:
    """Two commands at once on one root, every pair: each does its work or says one line, and the root is whole."""
    kinds: Counter[str] = Counter()
    wrong = []
    outs = [ground.folder / "out-0", ground.folder / "out-1"]
    every = list(itertools.combinations_with_replacement(TOGETHER, 2))
    generator.shuffle(every)
    for number in range(times):
        told(number, times, wrong)
        ground.place(ground.whole)
        order = list(every[number % len(every)])
        generator.shuffle(order)
        first = ground.start(order[0], outs[0])
        time.sleep(generator.uniform(0, 0.6))
        second = ground.start(order[1], outs[1])
        for pid, command, out in zip((first, second), order, outs, strict=True):
            status, said = ended(pid), out.read_text(errors="replace")
            ill = (
                command.startswith("doctor") and status == 1
            )  # it says what does not fit together, in lines of its own
            if problem := complaint(0 if ill else status, said):
                wrong.append(f"{' | '.join(order)}: {command}: {problem}")
            line = next((line for line in said.splitlines() if line.startswith("Error: ")), "")
            kinds[what_was_said(line) if status and not ill else "done"] += 1
        if ground.run("verify fa"):
            wrong.append(f"{' | '.join(order)}: not whole after it: {ground.said()[-300:]}")
    return kinds, wrong


def what_was_said(line: str) -> str:
    """A line of error without its paths and numbers, to be counted by kind."""
    words = [word for word in line.split() if "/" not in word and not any(c.isdigit() for c in word)]
    return " ".join(words)[:90]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("flips", "spoils", "kills", "changes", "pairs"))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warm()
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name).resolve())
        started = time.monotonic()
        kinds, wrong = globals()[given.kind](ground, given.times, random.Random(given.seed))
        print(f"{given.kind}: {kinds.total()} in {time.monotonic() - started:.0f} s, {len(wrong)} wrong", flush=True)
        for kind, count in sorted(kinds.items()):
            print(f"  {count:5} {kind}")
        for line in wrong:
            print(f"  WRONG {line}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
