"""What a stage made, from what, and the one line that names how."""

import hashlib
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import ulmkit
from ulmkit.artifacts.atomic import read_json, read_regular, write_json
from ulmkit.artifacts.layout import SPLITS, folder_name
from ulmkit.errors import ArtifactError
from ulmkit.files import files_below, open_regular

_FORMAT = 2
MANIFEST = "manifest.json"
CHECKSUM = "checksum"
# what may lie in a stage's folder that is no result: a lock, what killed writers left, and an LM's boards
BESIDE = re.compile(r"\.lock|(.*/)?\.[^/]*\.(part|old)(/.*)?|tensorboard/.*")


def fingerprint(value: Any) -> str:
    """Twelve hex digits that name `value` (JSON, sorted keys): equal content, equal name."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each path, by its name relative to `folder`: what `verify` compares with."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(paths)
    }


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the packages that shaped a result, with Python's and our own."""
    versions = {"python": platform.python_version(), "ulmkit": ulmkit.__version__}
    for name in names:
        versions[name] = importlib.metadata.version(name)
    return versions


def signature(stage: str, **fields: Any) -> str:
    """One line that says how a result was made: `corpus|language:fa|…|version:0.1.0`."""
    shown = "|".join(f"{key}:{value}" for key, value in fields.items() if value is not None)
    return f"{stage}|{shown}|version:{ulmkit.__version__}"


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` as JSON gives it back, and a checksum of it: what `fits_checksum` believes."""
    plain = json.loads(json.dumps(without_checksum(content)))
    return {**plain, CHECKSUM: fingerprint(plain)}


def fits_checksum(content: Any) -> bool:
    """Whether `content`, read from JSON, is what `with_checksum` gave."""
    return isinstance(content, dict) and content.get(CHECKSUM) == fingerprint(without_checksum(content))


def without_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """What `with_checksum` was given."""
    return {key: value for key, value in content.items() if key != CHECKSUM}


def write_manifest(folder: Path, stage: str, content: Mapping[str, Any]) -> None:
    """Write `manifest.json`: the last file of a stage, so its presence says that the stage is whole."""
    write_json(folder / MANIFEST, with_checksum({"format": _FORMAT, "stage": stage, **content}))


@dataclass(frozen=True)
class FileEntry:
    """A file as it was written: its size, and the SHA-256 of its bytes in hex."""

    bytes: int
    sha256: str


def file_entries(files: Any, where: Path) -> dict[str, FileEntry]:
    """What `describe_files` gave, as it comes from the JSON file `where`."""
    found = {}
    if not isinstance(files, dict):
        raise ArtifactError(f"{where}: 'files' is missing or damaged. Run the stage again.")
    for name, entry in files.items():
        size, sha256 = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        if not isinstance(size, int) or not isinstance(sha256, str) or not _lies_below(name):
            raise ArtifactError(f"{where}: 'files' is damaged at {name!r}. Run the stage again.")
        found[name] = FileEntry(size, sha256)
    return found


def _lies_below(name: str) -> bool:
    """Whether a manifest may name a file so: it lies in the folder of the manifest, or below."""
    return bool(name) and "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts


def changed_files(folder: Path, files: Mapping[str, FileEntry]) -> list[str]:
    """Which files below `folder` are not as they were written: one line a file."""
    found = []
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path}: missing")
        elif path.stat().st_size != expected.bytes:
            found.append(f"{path}: {path.stat().st_size:,} bytes, written with {expected.bytes:,}")
        elif file_sha256(path) != expected.sha256:
            found.append(f"{path}: content changed")
    return found


def whole_files(folder: Path, stage: str) -> dict[str, bytes]:
    """The files of the stage in `folder`, its manifest among them, by name, for a copy of it.

    Raises `ArtifactError` where one is missing or is not as it was written.
    """
    manifest = Manifest.read(folder, stage)
    names = [*manifest.files, MANIFEST]
    files = {folder_name(name, f"{folder}: file"): read_regular(folder / name) for name in names}
    for name, entry in manifest.files.items():
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise ArtifactError(f"{folder / name}: content changed. Run the stage again.")
    return files


# by stage, the fields that its readers take for granted: each type, or what a dictionary must hold
TAKEN_FOR_GRANTED: dict[str, Any] = {
    "corpus": {
        "language": str,
        "fingerprint": str,
        "signature": str,
        "counts": {
            "sources": Mapping[str, Mapping[str, int]],
            "dropped": Mapping[str, int],
            "unread": Mapping[str, Mapping[str, int]],
            "pii": Mapping[str, int],
            "joiners": dict.fromkeys(("extracted", "normalized", "kept"), Mapping[str, int]),
        },
        "splits": {
            split: {"documents": int, "words": int, "characters": int, "joiners": Mapping[str, int]} for split in SPLITS
        },
    }
}


def misfit(value: Any, form: Any, name: str = "") -> str:
    """The name of the first field of `value` that is not of the `form`; empty where all are.

    >>> misfit({"a": {"b": "x"}}, {"a": Mapping[str, int]}), misfit({"a": {"b": 1}}, {"a": {"b": int}})
    ('a.b', '')
    """
    if isinstance(form, type):
        return "" if type(value) is form else name
    if not isinstance(value, dict):
        return name or "content"
    wanted = form if isinstance(form, dict) else dict.fromkeys(value, get_args(form)[1])
    parts = (misfit(value.get(key), inner, f"{name}.{key}" if name else key) for key, inner in wanted.items())
    return next((part for part in parts if part), "")


@dataclass(frozen=True)
class Manifest:
    """What stands in a stage's `manifest.json`.

    Every attribute that is missing, or not of its type, is an `ArtifactError` of one line when it is asked for.
    `content` is everything, as it stands on disk.
    """

    folder: Path
    stage: str
    content: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, stage: str) -> "Manifest":
        """The manifest of a finished stage.

        Raises `ArtifactError` where there is none, where it is of another stage or format, and where it is not as it
        was written.
        """
        path = folder / MANIFEST
        if not path.exists():
            raise ArtifactError(f"{folder}: no finished {stage} here.")
        content = read_json(path)
        if not isinstance(content, dict) or content.get("stage") != stage or content.get("format") != _FORMAT:
            raise ArtifactError(f"{path}: not a {stage} manifest of format {_FORMAT}. Run the stage again.")
        if not fits_checksum(content):
            raise ArtifactError(f"{path}: damaged (its checksum does not fit). Run the stage again.")
        return cls(folder, stage, content)

    def required(self) -> "Manifest":
        """The manifest itself, which has every field of `TAKEN_FOR_GRANTED` for its stage."""
        if wrong := misfit(self.content, TAKEN_FOR_GRANTED[self.stage]):
            raise ArtifactError(f"{self.folder / MANIFEST}: '{wrong}' is missing or damaged. Run the stage again.")
        return self

    def _typed[T](self, name: str, kind: type[T]) -> T:
        value = self.content.get(name)
        if not isinstance(value, kind):
            what = "missing" if value is None else f"a {type(value).__name__}"
            raise ArtifactError(f"{self.folder / MANIFEST}: '{name}' is {what}. Run the stage again.")
        return value

    @property
    def fingerprint(self) -> str:
        """What names the result: equal fingerprints, equal results."""
        return self._typed("fingerprint", str)

    @property
    def language(self) -> str:
        """The code of its language."""
        return self._typed("language", str)

    @property
    def normalization(self) -> str | None:
        """The fingerprint of the normal form of its texts; None where nothing was normalized, or it is not said."""
        return None if self.content.get("normalization") is None else self._typed("normalization", str)

    @property
    def language_fingerprint(self) -> str | None:
        """The fingerprint of the language as it was; None where nothing of it shaped the result."""
        return None if self.content.get("language_fingerprint") is None else self._typed("language_fingerprint", str)

    @property
    def kind(self) -> str:
        """Of a tokenizer: "words", or "pieces"."""
        return self._typed("kind", str) if "kind" in self.content else "pieces"

    @property
    def ids(self) -> dict[str, int | None]:
        """Of a tokenizer: the ids of its special pieces by name."""
        return self._typed("ids", dict)

    @property
    def inputs(self) -> dict[str, Any]:
        """What shaped the result, by name."""
        return self._typed("inputs", dict)

    @property
    def splits(self) -> dict[str, dict[str, Any]]:
        """What each split holds."""
        return self._typed("splits", dict)

    @property
    def files(self) -> dict[str, FileEntry]:
        """Every file of the stage, by its name relative to the folder."""
        return file_entries(self._typed("files", dict), self.folder / MANIFEST)

    def paths(self, below: str = "") -> list[Path]:
        """The stage's own files below the folder `below`, in order; what lies beside them is nobody's."""
        return [self.folder / name for name in sorted(self.files) if name.startswith(f"{below}/" if below else "")]

    def unnamed(self) -> list[str]:
        """What lies in the folder and was not written by the stage: one line a file. Nothing reads it."""
        found = (path.relative_to(self.folder).as_posix() for path in files_below(self.folder))
        return [
            f"{self.folder / name}: not named in {MANIFEST}, and read by nothing. Remove it"
            for name in found
            if name not in self.files and name != MANIFEST and not BESIDE.fullmatch(name)
        ]

    def problems(self) -> list[str]:
        """What differs from the manifest: one line a file, none when every byte is as it was written."""
        return changed_files(self.folder, self.files)


def verify_folder(folder: Path, stage: str) -> list[str]:
    """What of a finished stage's folder is not as its manifest has it: one line a file (see `Manifest`)."""
    manifest = Manifest.read(folder, stage)
    return manifest.problems() + manifest.unnamed()
