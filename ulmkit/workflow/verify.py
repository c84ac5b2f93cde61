"""Is everything under a language's folder as it was written? Each stage, download, staged unit, run and export."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import lock_holder, read_json
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import MANIFEST, fits_checksum, verify_folder
from ulmkit.artifacts.steady import read_again_if_changed
from ulmkit.corpus.staging import unit_problems
from ulmkit.errors import ArtifactError, BusyError
from ulmkit.files import open_regular

DIGESTS = ("sha256", "sha1", "md5")  # in the order of trust
CHECKPOINTS = ("last", "best")
CONFIG, STATE = "config.json", "state.json"


@dataclass(frozen=True)
class Verified:
    """What was looked at: `problems` has a line for each file that is not as it was written."""

    folder: Path
    problems: tuple[str, ...] = ()
    note: str = "whole"

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.folder}: {self.note if not self.problems else f'{len(self.problems)} not as written'}"


def verify_stages(layout: Layout) -> list[Verified]:
    """What there is of a language under `layout`, in the order of the work, each compared with what it should be.

    Raises `ArtifactError` where nothing is there, `BusyError` where a stage is just being put in its place.
    """
    found = list(_looked_at(layout))
    if all(item.note == ABSENT for item in found):
        raise ArtifactError(
            f"{layout.home}: nothing is built here yet. Start with `ulmkit corpus build {layout.code}`."
        )
    return found


ABSENT = "not here"


def _looked_at(layout: Layout) -> Iterator[Verified]:
    if _results(layout.raw):
        yield _downloads(layout.raw)
    if _results(layout.units):
        yield _units(layout.units)
    for stage, folder in (("corpus", layout.corpus), ("tokenizer", layout.tokenizer), ("tokens", layout.tokens)):
        yield _stage(stage, folder) if _results(folder) else Verified(folder, note=ABSENT)
    for run in _folders(layout.lm):
        yield _stage("lm", run) if (run / MANIFEST).exists() else _unfinished_run(run)
    for run in _folders(layout.classifiers):
        yield _stage("classify", run)
    for export in _folders(layout.exports):
        yield _stage("export", export)


def _results(folder: Path) -> bool:
    """Whether anything lies in `folder` but locks, and what writers leave behind when they are killed."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if _results(path)] if folder.is_dir() else []


def _stage(stage: str, folder: Path) -> Verified:
    """A stage that is written while it is looked at is looked at again."""
    return read_again_if_changed(folder / MANIFEST, lambda: _finished(stage, folder), _is_whole)


def _is_whole(found: Verified) -> bool:
    return not found.problems


def _finished(stage: str, folder: Path) -> Verified:
    if not (folder / MANIFEST).exists():
        if holder := lock_holder(folder):  # the manifest is what comes last
            raise BusyError(f"{folder}: is being written ({holder}). Wait for it, then verify again.")
        return Verified(folder, (f"{folder}: no {MANIFEST}. Run the stage again",))
    try:
        return Verified(folder, tuple(verify_folder(folder, stage)))
    except ArtifactError as error:
        return Verified(folder, (str(error).removesuffix("."),))


def _unfinished_run(run: Path) -> Verified:
    """A run that was stopped, or still goes on, has no manifest, but checkpoints that are sealed."""
    marker = run / CHECKPOINTS[0] / STATE
    return read_again_if_changed(marker, lambda: _run_by_checkpoints(run), _is_whole)


def _run_by_checkpoints(run: Path) -> Verified:
    if not (run / CONFIG).exists():
        return Verified(run, (f"{run}: neither {MANIFEST} nor {CONFIG}. Train it again, or remove it",))
    problems = [line for name in CHECKPOINTS if (run / name).is_dir() for line in _checkpoint(run / name)]
    return Verified(run, tuple(problems), note="unfinished, its checkpoints are whole")


def _checkpoint(folder: Path) -> Iterator[str]:
    path = folder / STATE
    try:
        state = read_json(path)
    except ArtifactError as error:
        yield str(error).removesuffix(".")
        return
    if not fits_checksum(state):
        yield f"{path}: content changed"
        return
    files = state.get("files")
    if not isinstance(files, dict):
        yield f"{path}: 'files' is missing or damaged"
        return
    for name, sha256 in files.items():
        yield from _compared(folder / name, {"sha256": sha256})


def _units(folder: Path) -> Verified:
    """Staged units: one that is not whole is staged again by the next build."""
    seals = sorted(folder.glob("*.json"))
    problems = []
    for seal in seals:
        try:
            problems += unit_problems(seal)
        except ArtifactError as error:
            problems.append(str(error).removesuffix("."))
    return Verified(
        folder, tuple(problems), note=f"{len(seals):,} staged {'unit' if len(seals) == 1 else 'units'}, whole"
    )


def _downloads(folder: Path) -> Verified:
    """What was fetched, against the sizes and digests that it was published with; other files are only counted."""
    problems, named = [], set()
    for pins in sorted(folder.rglob("pins*.json")):
        named.add(pins)
        try:
            content = read_json(pins)
        except ArtifactError as error:
            problems.append(str(error).removesuffix("."))
            continue
        if not fits_checksum(content):
            problems.append(f"{pins}: content changed. Fetch again")
            continue
        if not isinstance(content.get("files"), dict):
            problems.append(f"{pins}: 'files' is missing or damaged. Fetch again")
            continue
        for name, entry in content["files"].items():
            named.add(pins.parent / name)
            problems += _compared(pins.parent / name, entry)
    others = sum(1 for path in folder.rglob("*") if path.is_file() and path not in named and path.name != ".lock")
    note = f"{len(named):,} files, whole" + (f"; {others:,} others were not looked at" if others else "")
    return Verified(folder, tuple(problems), note=note)


def _compared(path: Path, expected: Any) -> Iterator[str]:
    """What is wrong with a file whose size in bytes, or one of whose digests, is known."""
    if not _is_description(expected):
        yield f"{path}: what was noted of it is damaged"
        return
    if not path.is_file():
        yield f"{path}: missing"
        return
    size = path.stat().st_size
    if size != expected.get("bytes", size):
        yield f"{path}: {size:,} bytes, written with {expected['bytes']:,}"
        return
    algorithm = next((name for name in DIGESTS if expected.get(name)), None)
    if algorithm is None:
        return
    with open_regular(path) as file:
        if hashlib.file_digest(file, algorithm).hexdigest() != expected[algorithm].lower():
            yield f"{path}: content changed"


def _is_description(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("bytes", 0), int)
        and all(isinstance(entry.get(name) or "", str) for name in DIGESTS)
    )
