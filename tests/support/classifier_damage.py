"""Hostile tables, classifiers and language models: each is refused in one line or gives a right result.

python tests/support/classifier_damage.py tables --times 4000
python tests/support/classifier_damage.py classifiers --times 3000
python tests/support/classifier_damage.py models --times 2000
python tests/support/classifier_damage.py texts --times 500
python tests/support/classifier_damage.py imports --times 500
python tests/support/classifier_damage.py options --times 2000

Commands run in this process, as `ulmkit` would run them, since starting Python for each takes longer than they do.
"""

import argparse
import contextlib
import csv
import io
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ulmkit
from tests.support.hostile_bytes import broken_bytes, damage_folder, hostile_table, pickled, seal_again
from tests.support.reader_data import make_readers
from ulmkit.classifier.model import TextClassifier, read_classifier
from ulmkit.cli.main import main as command

GOOD, BAD = ["soe", "maitsev", "kiire", "sõbralik"], ["külm", "hiline", "vana", "kallis"]
DISHES = ["supp", "kook", "salat", "pirukas", "kala", "puder", "leib"]
SECONDS = 600  # of any case: what waits for ever is a fault
HOSTILE = "hostile"  # the run that a case may make
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|[\w./*-]*\d[\w./*-]*|\S*/\S*")  # what of a line is the case's own


def comments(rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Texts and their labels, two classes in turn."""
    found = []
    for n in range(count):
        words = (GOOD, BAD)[n % 2]
        text = f"{rng.choice(DISHES)} nr {n} oli {rng.choice(words)} ja {rng.choice(words)}"
        found.append((text, ("hea", "halb")[n % 2]))
    return found


class Ground:
    """A root with a tokenizer, two language models and a classifier in `folder`, and cases tried there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, folder / "payload-ran"
        self.language = ulmkit.load("et")
        rows = comments(random.Random(0), 60)
        self.texts = [text for text, _ in rows]
        self.home = make_readers(folder / "root", self.language, self.texts)
        self.table, self.out = folder / "good.csv", folder / "out.csv"
        self.table.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
        self.whole = self.home.classifier("whole")
        status, said = self.ran("classify train et --run whole --lm ahead --backward-lm back", "--train", self.table)
        assert not status, said
        self.said = read_classifier(self.whole, self.language).probabilities(self.texts)
        self.read = [self.home.run("ahead"), self.home.tokenizer]  # what cases damage
        for each in self.read:
            shutil.copytree(each, folder / "kept" / each.name)
        self.before = self._files()

    def ran(self, line: str, *words: Any) -> tuple[int, str]:
        """Run `ulmkit LINE WORDS…` in this process: its exit status and what it said on stderr."""
        err, status = io.StringIO(), -1
        given = [*line.split(), "--root", str(self.home.root), "-q", *map(str, words)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            try:
                command(given)
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 3
        return status, err.getvalue()

    def _files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.name != ".lock" and not path.is_dir()}

    @property
    def left(self) -> list[str]:
        """Names of files that were not here before, of a case's table apart."""
        new = [path.relative_to(self.folder) for path in self._files() - self.before]
        return sorted(str(path) for path in new if not path.name.startswith("t."))

    def clear(self) -> None:
        """Everything as it was before a case."""
        for path in self._files() - self.before:
            path.unlink()
        kept = self.home.home / "work/classify" / HOSTILE
        for folder in (self.home.classifier(HOSTILE), self.home.run(HOSTILE), kept):
            shutil.rmtree(folder, ignore_errors=True)
        for each in self.read:
            shutil.rmtree(each)
            shutil.copytree(self.folder / "kept" / each.name, each)


@dataclass
class Outcome:
    """How a case ended: what was done, what was said of it, and what is wrong, empty where nothing is."""

    done: str
    status: int
    said: str
    wrong: str = ""

    @property
    def line(self) -> str:
        """What was said, without the names and numbers of this case."""
        return _NAMES.sub("…", self.said.rpartition("Error: ")[2].strip())[:70] if self.status else ""


def ended(ground: Ground, done: str, status: int, said: str) -> Outcome:
    """The outcome of a command: wrong where it did not end with one line, or left something half-written."""
    found = Outcome(done, status, said)
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    if status not in (0, 1, 2) or "Nobody foresaw" in said or "Traceback" in said or "Out of memory" in said:
        found.wrong = f"status {status}: {said[-600:]}"
    elif status and (len(errors) != 1 or not said.replace("\n", "").isprintable() or len(errors[0]) > 1_000):
        found.wrong = f"{len(errors)} lines of error: {said[-600:]!r}"
    elif status and ground.left:
        found.wrong = f"half-written: {ground.left} {said}"
    return found


def doubtful(classifier: TextClassifier, texts: Sequence[str]) -> str:
    """What is wrong with the probabilities of a classifier that could be read; empty where nothing is."""
    with np.errstate(all="raise", under="ignore"):
        p = classifier.probabilities(texts)
    fine = np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(axis=1), 1)
    return "" if fine else f"probabilities {p[:1]}"


def tables(ground: Ground, rng: random.Random) -> Outcome:
    """One hostile table is trained on, or labelled."""
    rows = comments(rng, rng.choice([1, 4, 12, 24, 40, 40]))
    name, data, plain = hostile_table(rng, rows, ground.mark)
    path = ground.folder / name
    path.write_bytes(data)
    kind = "a table as it should be, " if plain else ""
    if rng.random() < 0.3:
        asked = ("--input", path, "--output", ground.out)
        found = ended(ground, kind + "labelled", *ground.ran("classify predict et --run whole", *asked))
        if not found.wrong and plain:
            called = list(csv.DictReader(ground.out.read_text(encoding="utf-8").splitlines()))
            found.wrong = "" if [each["text"] for each in called] == [text for text, _ in rows] else "other rows"
        return found
    more = [[], [], ["--skip-bad"], ["--test", path], ["--labels", "hea,halb"], ["--text-column", "1"],
            ["--unlabelled", path]]  # fmt: skip
    asked = ("--train", path, *rng.choice(more))
    found = ended(ground, kind + "trained on", *ground.ran(f"classify train et --run {HOSTILE}", *asked))
    if not found.wrong and not found.status:
        classifier = read_classifier(ground.home.classifier(HOSTILE), ground.language)
        found.wrong = doubtful(classifier, ground.texts[:2])
        if plain and classifier.rows != len(rows):
            found.wrong = f"{classifier.rows} rows of {len(rows)}"
    elif not found.wrong and plain and len(rows) >= 4:
        found.wrong = f"refused: {found.said}"
    return found


def classifiers(ground: Ground, rng: random.Random) -> Outcome:
    """One damaged folder of a classifier labels a table."""
    folder = ground.home.classifier(HOSTILE)
    shutil.copytree(ground.whole, folder)
    hurt = damage_folder(rng, folder, ground.mark, [ground.table, ground.whole / "config.json"])
    sealed = rng.random() < 0.75
    if sealed:
        seal_again(folder)
    there = set(ground.left)
    asked = ("--input", ground.table, "--output", ground.out)
    status, said = ground.ran(f"classify predict et --run {HOSTILE}", *asked)
    found = ended(ground, hurt.split()[0] + ", sealed again" * sealed, status, said)
    if found.wrong.startswith("half-written"):
        found.wrong = f"half-written: {new} {said}" if (new := set(ground.left) - there) else ""
    if not found.wrong and not status:
        classifier = read_classifier(folder, ground.language)
        found.wrong = doubtful(classifier, ground.texts)
        if not found.wrong and not sealed and (classifier.probabilities(ground.texts) != ground.said).any():
            found.wrong = "other labels in silence"
    found.wrong = found.wrong and f"{hurt}: {found.wrong}"
    return found


def models(ground: Ground, rng: random.Random) -> Outcome:
    """One damaged language model, or tokenizer, is read with or fine-tuned."""
    folder = rng.choice([ground.read[0], *ground.read])
    hurt = damage_folder(rng, folder, ground.mark, [ground.table, ground.whole / "config.json"])
    sealed = rng.random() < 0.75
    if sealed:
        seal_again(folder)
    there = set(ground.left)
    asked = (f"classify train et --run {HOSTILE} --lm ahead --recipe frozen", "--train", ground.table)
    if tuned := rng.random() < 0.2:
        asked = (f"lm finetune et --run {HOSTILE} --from ahead --steps 1 --batch-size 2", "--input", ground.table)
    status, said = ground.ran(*asked)
    found = ended(ground, hurt.split()[0] + ", sealed again" * sealed + ", fine-tuned" * tuned, status, said)
    if found.wrong.startswith("half-written"):
        found.wrong = f"half-written: {new} {said}" if (new := set(ground.left) - there) else ""
    if not found.wrong and not status and not tuned:
        found.wrong = doubtful(read_classifier(ground.home.classifier(HOSTILE), ground.language), ground.texts[:3])
    if rng.random() < 0.2:
        try:
            ulmkit.LM.load(ground.read[0])
        except ulmkit.UlmkitError as error:
            found.wrong = found.wrong or ("LM.load: two lines" if "\n" in str(error) else "")
    found.wrong = found.wrong and f"{hurt}: {found.wrong}"
    return found


def texts(ground: Ground, rng: random.Random) -> Outcome:
    """A language model is fine-tuned with one hostile table."""
    rows = comments(rng, rng.choice([4, 12, 40, 60]))
    name, data, plain = hostile_table(rng, rows, ground.mark)
    path = ground.folder / name
    path.write_bytes(data)
    start = rng.choice(["none --preset tiny", "ahead"])
    more = rng.choice([[], [], ["--test", path], ["--text-column", "text"], ["--text-column", "1"]])
    asked = ("--input", path, *more)
    line = f"lm finetune et --run {HOSTILE} --from {start} --steps 2 --batch-size 2 --bptt 5"
    found = ended(ground, "a table as it should be" * plain or "a table", *ground.ran(line, *asked))
    if not found.wrong and not found.status:
        ulmkit.LM.load(ground.home.run(HOSTILE))
    return found


def imports(ground: Ground, rng: random.Random) -> Outcome:
    """Weights and words of another library, with a payload or broken, are taken over."""
    import torch

    weights, words = ground.folder / "t.pth", ground.folder / rng.choice(["t.pkl", "t.json"])
    out = io.BytesIO()
    torch.save({"0.module.encoder.weight": torch.zeros(4, 3), "1.layers.0.0.weight": torch.zeros(6)}, out)
    data = [out.getvalue(), b'["xxunk", "xxpad", "a", "b"]']
    for n in range(2):
        kind = rng.randrange(3)
        data[n] = pickled(rng, ground.mark) if kind == 0 else broken_bytes(rng, data[n]) if kind == 1 else data[n]
    for path, content in zip((weights, words), data, strict=True):
        path.write_bytes(content)
    asked = ("--weights", weights, "--vocab", words, "--labels", "a,b")
    return ended(ground, "taken over", *ground.ran(f"classify import et --run {HOSTILE}", *asked))


_NUMBERS = (
    "0", "-1", "1", "2", "3", "0.1", ".5", "1e-9", "1e-300", "1e9", "1e308", "1e999", "nan", "inf", "-inf", "-0.0",
    "0x10", "1_0", "٣", "½", "", " ", "true", "null", "[]", "{}", '"1"', "9" * 400, "1;2", "\u202e1", "١٢", "--run",
)  # fmt: skip
_SETTINGS = (
    "balance", "label_smoothing", "output_p", "hidden_p", "input_p", "embed_p", "weight_p", "drop_mult", "lr_mult",
    "length_mult", "layer_rate", "pct_start", "wd", "clip", "batch_size", "seed", "", "__class__", "Δ", "lr", "=",
)  # fmt: skip


def options(ground: Ground, rng: random.Random) -> Outcome:
    """A classifier is tuned with options that nobody would give, and with a hostile table to choose on."""
    asked: list[Any] = ["--train", ground.table, "--recipe", rng.choice(["1cycle", "1cycle", "auto", "gradual"])]
    models = [["--lm", "ahead"], ["--backward-lm", "back"], ["--lm", rng.choice([*_NUMBERS, "back"])]]
    if rng.random() < 0.9:
        asked += rng.choice(models)
    if rng.random() < 0.3:
        name, data, _ = hostile_table(rng, comments(rng, rng.choice([1, 4, 12, 40])), ground.mark)
        (ground.folder / name).write_bytes(data)
        asked += ["--valid", ground.folder / name]
    odd = {
        "--minutes": ("0.0001", "0.01", *_NUMBERS),
        "--balance": ("weights", "sample", *_NUMBERS),
        "--smoothing": ("0.1", "0.999", *_NUMBERS),
        "--max-pieces": ("1", "7", "100000", *_NUMBERS),
        "--device": ("cpu", "auto", "cuda", "cuda:9", "meta", "cpu:1", *_NUMBERS),
        "--seeds": ("1", "2", *_NUMBERS),
    }
    for name in rng.sample(list(odd), rng.choice([1, 1, 2, 3])):
        asked += [name, rng.choice(odd[name][:2]) if rng.random() < 0.7 else rng.choice(odd[name])]
    for _ in range(rng.choice([0, 0, 1, 2])):
        asked += ["--set", f"{rng.choice(_SETTINGS)}{rng.choice(['=', '=', '=', '', '=='])}{rng.choice(_NUMBERS)}"]
    short = ("--set", "length_mult=0.02")  # later ones win, so that cases take a moment and not minutes
    found = ended(ground, "tuned", *ground.ran(f"classify train et --run {HOSTILE}", *asked, *short))
    if not found.wrong and not found.status:
        found.wrong = doubtful(read_classifier(ground.home.classifier(HOSTILE), ground.language), ground.texts[:3])
    found.wrong = found.wrong and f"{' '.join(map(str, asked))}: {found.wrong}"
    return found


KINDS: dict[str, Callable[[Ground, random.Random], Outcome]] = {
    each.__name__: each for each in (tables, classifiers, models, texts, imports, options)
}


@contextlib.contextmanager
def no_longer(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` where what is within takes longer."""

    def late(*_: Any) -> None:
        raise TimeoutError(f"over {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Tried:
    """How cases came out: how often each thing was done, each line said, and what was wrong with which seed."""

    done: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)  # CPU seconds, and the seed


def tried(kind: str, ground: Ground, seeds: range, told: Callable[[str], None] = lambda line: None) -> Tried:
    """Cases of one kind, a seed each."""
    found = Tried()
    for seed in seeds:
        began = time.process_time()
        try:
            with no_longer(SECONDS):
                case = KINDS[kind](ground, random.Random(f"{kind} {seed}"))
        except Exception as error:
            case = Outcome("raised", 3, "", f"{type(error).__name__}: {error}")
        if ground.mark.exists():
            case.wrong = "a payload ran"
        ground.clear()
        found.done[case.done + (": refused" if case.status else ": done")] += 1
        found.lines.update([case.line] if case.line else [])
        found.slowest = max(found.slowest, (time.process_time() - began, seed))
        if case.wrong:
            found.wrong.append(f"{kind} {seed}: {case.wrong}")
            told(found.wrong[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name).resolve())
        began = time.process_time()
        seeds = range(given.seed, given.seed + given.times)
        found = tried(given.kind, ground, seeds, lambda line: print(f"  WRONG {line}", flush=True))
        seconds, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{given.kind}: {found.done.total():,} in {seconds:.0f} CPU s, {len(found.wrong)} wrong; the slowest "
          f"{found.slowest[0]:.1f} CPU s (seed {found.slowest[1]}), at most {peak:,} MB")  # fmt: skip
    for counts in (found.done, found.lines):
        for what, count in counts.most_common():
            print(f"  {count:6,} {what}")
    return bool(found.wrong)


if __name__ == "__main__":
    sys.exit(main())
