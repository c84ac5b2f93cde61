"""How every stage leaves its result: one writer, nothing half-written, what stood there until the new is whole.

    with stage(folder, "tokens", doing="encoding") as work:
        if (standing := work.standing()) and not differences(standing.inputs, inputs):
            return standing
        ...write files into work.new...
        return work.finish({"inputs": inputs, ...})

An error or a signal on the way leaves what stood in `folder`; so does a kill, whose leftovers the next run removes.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import (
    TEMPORARY,
    lock,
    recover_folder,
    remove_leftovers,
    replace_folder,
    storage_errors,
    sync_folder,
    temporary_beside,
)
from ulmkit.artifacts.manifest import MANIFEST, Manifest, describe_files, write_manifest
from ulmkit.artifacts.steady import unchanged
from ulmkit.errors import ArtifactError
from ulmkit.files import files_below


@dataclass(frozen=True)
class Stage:
    """A stage at work: `new` is the folder to write into, `folder` where its files go when they are whole."""

    folder: Path
    name: str
    new: Path

    def standing(self, *, required: bool = False) -> Manifest | None:
        """The manifest of what stands in the folder, where every byte of it is as it was written.

        With `required`, also every field that readers of the stage take for granted has to be there.
        """
        try:
            manifest = Manifest.read(self.folder, self.name)
            if required:
                manifest.required()
            return None if manifest.problems() else manifest
        except ArtifactError:
            return None

    def finish(self, content: Mapping[str, Any]) -> Manifest:
        """Describe what lies in `new`, add the manifest, and put all of it in its place; the manifest.

        A folder that is the stage's alone is exchanged whole. In one that holds its lock, and perhaps what others put
        there, the files are: the old manifest goes first and the new one comes last, so half a result is none.
        """
        files = describe_files(self.new, files_below(self.new))
        write_manifest(self.new, self.name, {**content, "files": files})
        with storage_errors(self.folder):
            if self.new.parent == self.folder:
                (self.folder / MANIFEST).unlink(missing_ok=True)
                for name in (*files, MANIFEST):
                    (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (self.new / name).replace(self.folder / name)
                sync_folder(self.folder)
            else:
                replace_folder(self.new, self.folder)
        return Manifest.read(self.folder, self.name)


@contextlib.contextmanager
def unlocked_stage(folder: Path, name: str, new: Path) -> Iterator[Stage]:
    """Work on `folder` without its lock: of two that do, the last to finish stays. `new` goes on any error.

    Whatever the system refuses meanwhile is an `ArtifactError` of one line.
    """
    try:
        with storage_errors(folder):
            new.mkdir(parents=True)
            yield Stage(folder, name, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def stage(folder: Path, name: str, *, doing: str, held: Path | None = None) -> Iterator[Stage]:
    """Work on `folder`, which is locked and cleared of what killed runs left; `doing` says what runs here.

    `held` is the folder whose lock is taken, where that is not `folder` itself: `folder` is then exchanged whole.
    Raises `BusyError` where another process holds it.
    """
    new = temporary_beside(folder if held else folder / "new")
    with lock(held or folder, doing):
        remove_leftovers(held or folder)
        if held:
            for path in folder.parent.glob(f".{folder.name}*{TEMPORARY}"):
                shutil.rmtree(path)
            recover_folder(folder)
        try:
            with unlocked_stage(folder, name, new) as work:
                yield work
        finally:
            remove_leftovers(held or folder)  # of workers that were stopped


@contextlib.contextmanager
def reading(folder: Path, name: str) -> Iterator[Manifest]:
    """Read what the stage `name` left in `folder`, and find out whether it was another result by the end.

    Nothing is locked, so that whoever writes the folder need not wait for its readers. Raises `ArtifactError` where
    there is no finished stage, and where the folder was written while the block read it: what it read is then of no one
    result, and an error on the way is of no use.
    """
    changed = ArtifactError(f"{folder}: the {name} changed while it was read. Run the same command again.")
    with unchanged([folder / MANIFEST], lambda path: changed):
        manifest = Manifest.read(folder, name)
        with unchanged(manifest.paths(), lambda path: changed):
            yield manifest


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of a stage's inputs is not as it was, in words.

    >>> differences({"recipe": 1, "settings": {"vocabulary": 900}}, {"recipe": 1, "settings": {"vocabulary": 800}})
    ['vocabulary was 900, is 800']
    """
    found = []
    for key, value in now.items():
        then = before.get(key)
        if then == value:
            continue
        if isinstance(value, dict) and isinstance(then, dict):
            found += [
                f"{name} was {then.get(name)}, is {value[name]}" for name in value if then.get(name) != value[name]
            ]
        else:
            found.append(f"{key} changed")
    return found
