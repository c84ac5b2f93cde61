"""What a stage made, from what, and the one line that names how."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ulmkit
from ulmkit.artifacts.atomic import read_json, write_json
from ulmkit.errors import ArtifactError

_FORMAT = 1


def fingerprint(value: Any) -> str:
    """Twelve hex digits that name `value` (JSON, sorted keys): equal content, equal name."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with open(path, "rb") as file:
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


def write_manifest(folder: Path, stage: str, content: dict[str, Any]) -> None:
    """Write `manifest.json`: the last file of a stage, so its presence says that the stage is whole."""
    write_json(folder / "manifest.json", {"format": _FORMAT, "stage": stage} | content)


def read_manifest(folder: Path, stage: str) -> dict[str, Any]:
    """The manifest of a finished stage.

    Raises `ArtifactError` where there is none, or where it is of another stage or format.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise ArtifactError(f"{folder}: no finished {stage} here.")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("stage") != stage or manifest.get("format") != _FORMAT:
        raise ArtifactError(f"{path}: not a {stage} manifest of format {_FORMAT}. Run the stage again.")
    return manifest


def verify_folder(folder: Path, stage: str) -> list[str]:
    """What differs from the manifest: one line a file, none when every byte is as it was written."""
    manifest = read_manifest(folder, stage)
    problems = []
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path}: missing")
        elif path.stat().st_size != expected["bytes"]:
            problems.append(f"{path}: {path.stat().st_size:,} bytes, written with {expected['bytes']:,}")
        elif file_sha256(path) != expected["sha256"]:
            problems.append(f"{path}: content changed")
    return problems
