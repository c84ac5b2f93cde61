"""A fault at every k-th system call of a command: nothing half-written stands, one line is said, the rerun is right.

As a program it counts the points of each command on a small root and makes every one of them fail in turn:

    python tests/support/fault_points.py [--every 7] [--only "corpus build"]

Calls are counted, and fail, below Python (fault_points.c, loaded before the C library), so those of Arrow and torch are
among them. A warm process forks a child for each point. The failures take turns: a disk that is full from then on, a
disk that does not answer, a right that is missing, no descriptor left.
"""

import argparse
import ctypes
import errno
import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
FAILURES = ((errno.ENOSPC, True), (errno.EIO, False), (errno.EACCES, False), (errno.EMFILE, False))
TEXTS = 6

_BUILD = "corpus build fa --input {input} --workers 0 --valid-share 0.3 --test-share 0.2"
_PRETRAIN = "lm pretrain fa --preset tiny --steps 2 --set backend=vendor --set precision=fp32"
_MODEL = "{root}/fa/export/pretrained-fastai/models/fa-pretrained.pth"
_VOCAB = "{root}/fa/export/pretrained-fastai/vocab.json"

# what a command is called, what it types, the command whose result it begins with
COMMANDS = {
    "corpus build": (_BUILD, None),
    "corpus build again": (f"{_BUILD} --exact-duplicates", "corpus build"),
    "tokenizer train": ("tokenizer train fa --vocab 400", "corpus build"),
    "tokenizer encode": ("tokenizer encode fa --corpus --workers 1", "tokenizer train"),
    "tokenizer evaluate": ("tokenizer evaluate fa", "tokenizer train"),
    "lm pretrain": (_PRETRAIN, "tokenizer encode"),
    "lm pretrain --resume": (f"{_PRETRAIN} --resume", "lm pretrain"),
    "lm evaluate": ("lm evaluate fa", "lm pretrain"),
    "lm generate": ("lm generate fa --length 3", "lm pretrain"),
    "lm export": ("lm export fa", "lm pretrain"),
    "lm export fastai": ("lm export fa --format fastai", "lm pretrain"),
    "lm import": (f"lm import fa {_MODEL} --vocab {_VOCAB}", "lm export fastai"),
    "verify": ("verify fa", "lm export"),
    "language new": ("language new sw --into {root}/languages", None),
    "language check": ("language check sw --languages {root}/languages", "language new"),
    "language ledger": ("language ledger fa --input {input} --no-ablate --out {root}/ledger", None),
    "normalize": ("normalize fa --languages {root}/languages", "language new"),
}  # fmt: skip


@dataclass
class Outcome:
    """What became of the points of one command."""

    points: int = 0
    tried: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def shim(folder: Path) -> Path:
    """The compiled library; raises where there is no compiler."""
    library = folder / "fault_points.so"
    source = HERE / "fault_points.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
    return library


def forked(work: Callable[[], int], out: Path) -> int:
    """The process id of a child in a group of its own: it exits with the status of `work`, and prints into `out`."""
    pid = os.fork()
    if pid:
        return pid
    status = 99
    try:
        os.setsid()
        target = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(target, descriptor)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        status = work()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """The exit status of a child, once it has ended; negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(work: Callable[[], int], out: Path) -> int:
    """The exit status of `work` in a child whose output goes to `out`."""
    return ended(forked(work, out))


def at_prompt(words: list[str], arm: Callable[[], None] = lambda: None) -> int:
    from ulmkit.cli.main import main

    arm()
    try:
        main([*words, "-q"])
    except SystemExit as left:
        return int(left.code or 0)


def content(root: Path) -> dict[str, str]:
    """Every file that has a final name, with a hash of what in it does not tell of time, place or process."""
    found = {}
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        if path.is_file() and not any(part.startswith(".") for part in inner.parts) and "work" not in inner.parts:
            found[inner.as_posix()] = hashlib.sha256(told(path)).hexdigest()[:12]
    return found


# of time, of this process, or of how many digits a time has
TIMELY = (
    "bytes",
    "metrics_bytes",
    "seconds",
    "elapsed",
    "training_seconds",
    "state.json",
    "tokens_per_second",
    "tokens_a_second",
    "time",
    "gpu_memory",
    "memory",
    "checksum",
    "sha256",
)


def told(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix not in (".json", ".jsonl"):
        return data

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in TIMELY}
        return [plain(v) for v in value] if isinstance(value, list) else value

    try:
        lines = data.splitlines() if path.suffix == ".jsonl" else [data]
        return json.dumps([plain(json.loads(line)) for line in lines]).encode()
    except ValueError:
        return data


class Trial:
    """Commands on roots that begin as copies of what the command before left."""

    def __init__(self, folder: Path, library: ctypes.CDLL) -> None:
        self.folder, self.library = folder, library
        self.root, self.input, self.out = folder / "root", folder / "input", folder / "out"
        self.begun: dict[str | None, Path] = {None: folder / "nothing"}
        (folder / "nothing").mkdir()

    def words(self, name: str) -> list[str]:
        return COMMANDS[name][0].format(root=self.root, input=self.input).split() + (
            [] if name.startswith(("language", "normalize")) else ["--root", str(self.root)]
        )

    def place(self, state: Path) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(state, self.root, symlinks=True)

    def state(self, name: str | None) -> Path:
        """What stands after the command `name` undisturbed; made once."""
        if name not in self.begun:
            self.place(self.state(COMMANDS[name][1]))
            status = in_child(lambda: at_prompt(self.words(name)), self.out)
            assert status == 0, f"{name}: {self.out.read_text()}"
            kept = self.folder / f"after-{len(self.begun)}"
            shutil.copytree(self.root, kept, symlinks=True)
            self.begun[name] = kept
        return self.begun[name]

    def points(self, name: str) -> int:
        """How many calls of the command touch its files."""
        self.place(self.state(COMMANDS[name][1]))
        told = self.folder / "count"

        def work() -> int:
            status = at_prompt(self.words(name), lambda: self.library.fault_arm(1 << 40, 0, 0))
            told.write_text(str(self.library.fault_count()))
            return status

        in_child(work, self.out)
        return int(told.read_text())

    def run(self, name: str, every: int, offset: int = 0) -> Outcome:
        """The command once for each point, and once more after it."""
        before, after = content(self.state(COMMANDS[name][1])), content(self.state(name))
        outcome, call = Outcome(self.points(name)), self.folder / "call"
        for k in range(offset, outcome.points, every):
            outcome.tried += 1
            number, stays = FAILURES[k % len(FAILURES)]
            self.place(self.state(COMMANDS[name][1]))

            def work(k: int = k, number: int = number, stays: bool = stays) -> int:
                status = at_prompt(self.words(name), lambda: self.library.fault_arm(k, number, stays))
                met = self.library.fault_name().decode()
                self.library.fault_arm(-1, 0, 0)
                call.write_text(met)
                return status

            call.write_text("")
            status = in_child(work, self.out)
            where = f"{name}, point {k} ({call.read_text() or 'not met'}, {errno.errorcode[number]})"
            for complaint in self.judged(name, status, before, after):
                outcome.wrong.append(f"{where}: {complaint}")
            outcome.kinds[f"{call.read_text() or 'not met'}: {'held' if status == 0 else 'one line'}"] += 1
        return outcome

    def judged(self, name: str, status: int, before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
        """What is not as it should be after a fault, and after the command has run again."""
        said = self.out.read_text(errors="replace")
        errors = [line for line in said.splitlines() if line.startswith("Error: ")]
        if "Traceback" in said or "Nobody foresaw" in said or "Exception ignored" in said:
            yield f"unforeseen: {said[-600:]}"
        elif status not in (0, 1, 2):
            yield f"status {status}: {said[-300:]}"
        elif name == "language check" and status == 1 and "failed" in said and not errors:
            pass  # what cannot be read is what it has found, in a line of its table
        elif status and len(errors) != 1:
            yield f"{len(errors)} lines of error: {said[-300:]}"
        found = content(self.root)
        if status == 0 and found != after:
            yield f"went well, with another result: {difference(found, after)}"
        half = {n: h for n, h in found.items() if h not in (before.get(n), after.get(n))}
        if half:
            yield f"neither old nor new: {sorted(half)}"
        again = in_child(lambda: at_prompt(self.words(name)), self.out)
        if again != 0 and "Add --resume" in self.out.read_text(errors="replace"):  # what a run that has begun says
            again = in_child(lambda: at_prompt([*self.words(name), "--resume"]), self.out)
        if again != 0 and not self.done_already(name):
            yield f"the rerun ends with {again}: {self.out.read_text(errors='replace')[-300:]}"
        elif (found := content(self.root)) != after:
            yield f"the rerun ends otherwise: {difference(found, after)}"

    def done_already(self, name: str) -> bool:
        """Whether the rerun was refused because everything was done before the fault."""
        said = self.out.read_text(errors="replace")
        return any(word in said for word in ("there already", "holds a run"))


def difference(found: dict[str, str], expected: dict[str, str]) -> str:
    names = [n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n)]
    return ", ".join(
        f"{n} {'gone' if n not in found else 'new' if n not in expected else 'other'}" for n in sorted(names)[:6]
    )


def sample_input(folder: Path) -> None:
    """Some articles that build a corpus in a moment."""
    from ulmkit.language.places import bundled

    folder.mkdir()
    texts = [path for path in sorted((bundled() / "fa" / "samples").iterdir()) if path.suffix == ".html"][:TEXTS]
    for path in texts:
        shutil.copy(path, folder)


def warm() -> None:
    """Load what the commands load, so that a child begins at once."""
    import torch

    import ulmkit
    from ulmkit.corpus.chain import Chain
    from ulmkit.corpus.identify import known_labels
    from ulmkit.document import RawDocument
    from ulmkit.language.registry import get

    for module in pkgutil.walk_packages(ulmkit.__path__, "ulmkit."):
        if "kernels" not in module.name and module.name != "ulmkit.__main__":
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    page = "<html><body><p>" + "".join(get("fa").alphabet.letters) + "</p></body></html>"
    Chain(get("fa"), near_duplicates=True)([RawDocument("a", page, "html", "a")])
    known_labels()


def preloaded(arguments: list[str], folder: Path, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """This program once more, with the shim loaded before the C library; `stdout` as for `subprocess.run`."""
    env = os.environ | {
        "LD_PRELOAD": str(shim(folder)),
        "FAULT_ROOTS": f"{folder / 'root'}:{folder / 'input'}",
        "FAULT_FOLDER": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore:This process:DeprecationWarning",  # torch has threads, which are idle at each fork
    }
    return subprocess.run([sys.executable, __file__, *arguments], env=env, text=True, check=False, stdout=stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="Try every so many-th point only.")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--only", action="append", help="Try this command only; may be given again.")
    given = parser.parse_args()
    if not os.environ.get("FAULT_FOLDER"):
        with tempfile.TemporaryDirectory() as name:
            return preloaded(sys.argv[1:], Path(name).resolve()).returncode
    folder = Path(os.environ["FAULT_FOLDER"])
    library = ctypes.CDLL(str(folder / "fault_points.so"))
    library.fault_arm.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int]
    library.fault_count.restype, library.fault_name.restype = ctypes.c_long, ctypes.c_char_p
    sample_input(folder / "input")
    warm()
    trial, wrong = Trial(folder, library), 0
    for name in given.only or COMMANDS:
        started = time.monotonic()
        outcome = trial.run(name, given.every, given.offset)
        wrong += len(outcome.wrong)
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(outcome.kinds.items()))
        seconds = time.monotonic() - started
        line = f"{name}: {outcome.points} points, {outcome.tried} tried, {len(outcome.wrong)} wrong ({kinds})"
        sys.stdout.write("\n  ".join([f"{line}, {seconds:.0f} s", *outcome.wrong]) + "\n")
        sys.stdout.flush()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
