"""A data set of the Hugging Face hub, at one commit: its files as they are listed there, whole and checked, or none.

A branch is resolved to a commit before anything else, the files of that commit are listed with size and hash, and each
is downloaded from that commit: a branch that moves meanwhile changes nothing, and a run that was killed goes on at the
commit that it began with. What the API answers is described by the package huggingface_hub (hf_api.py, RepoFile); it is
not used, since it has a client of its own that knows neither our guard nor our bounds.
"""

import fnmatch
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from ulmkit.acquire.address import address_of, shown_address
from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.download import download, require_space
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.ranged import RangedFile
from ulmkit.artifacts.atomic import atomic_write, lock, read_json, write_json
from ulmkit.artifacts.manifest import file_sha256, fits_checksum, with_checksum, without_checksum
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.files import open_regular
from ulmkit.formats.beginning import beginning_name, copy_beginning
from ulmkit.language.sources import HubSource
from ulmkit.progress import Progress, Report, silent

HUB = "https://huggingface.co"
ENDPOINT_VARIABLE = "HF_ENDPOINT"  # a mirror, as the hub's own tools call it
TOKEN_VARIABLE = "HF_TOKEN"
READABLE = ("*.parquet", "*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.ndjson")  # what is taken where no pattern is given
PINNED = "pins.json"
PAGE_BYTES = 1 << 25
LIST_PAGES = 1000  # of a thousand files each
MAX_WAIT_S = 600.0  # the hub counts requests over five minutes
SHOWN_FILES = 5
_NAME = re.compile(r"[\w-][\w.-]{0,95}(?:/[\w-][\w.-]{0,95})?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it: large ones with their SHA-256, small ones with the hash that git gives them."""

    path: str
    size: int
    sha256: str = ""
    git: str = ""

    @property
    def entry(self) -> dict[str, Any]:
        """How it stands among the pins."""
        return {"bytes": self.size, **({"sha256": self.sha256} if self.sha256 else {"git": self.git})}


def fetch(
    spec: HubSource,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    progress: Report = silent,
    client: Client | None = None,
    guard: Guard | None = None,
    contact: str = "",
) -> Fetched:
    """The files of `spec` under `folder/hub/<its name>/<commit>/`, under their own names.

    The environment may name another hub; `mirror` is one of dumps, and nothing to this kind. With `limit`, the first so
    many rows are read by range, into files of their own. Before `spec.refresh_days` have passed, files that are whole
    are not asked after. Without a network, or where `guard` is offline, what an earlier run brought whole is used.
    Raises `UsageError` for what is no data set's name, `InputError` for one that is not to be had.
    """
    if not _NAME.fullmatch(spec.locator) or ".." in spec.locator:
        raise UsageError(f"source '{spec.name}': '{spec.locator[:80]}' is no data set. Give owner/name.")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give the number of documents, 1 or more.")
    base = (os.environ.get(ENDPOINT_VARIABLE) or HUB).rstrip("/")
    try:
        address_of(base)
    except ValueError as error:
        raise UsageError(f"{ENDPOINT_VARIABLE}={shown_address(base)}: {error}. Give a hub, https://….") from None
    client = client or Client(delay_s=spec.delay_s, guard=guard if guard and guard.offline else None, contact=contact)
    client.max_wait_s = max(client.max_wait_s, MAX_WAIT_S)
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        client.authorization = f"Bearer {token}"
    home = folder / "hub" / spec.name
    asked = {"kind": "hub", "locator": spec.locator, "revision": spec.revision, "patterns": list(spec.files)}
    where = home / (PINNED if limit is None else f"pins-first-{limit}.json")
    with lock(home, f"downloading {spec.locator}"):
        pins = read_pinned(where, asked)
        if pins and all_here(home, pins) and time.time() - pins["resolved"] < spec.refresh_days * 86_400:
            return as_fetched(home, pins)
        try:
            if limit is not None:
                pins = first_pins(client, base, spec, home, asked, limit, progress)
                write_json(where, with_checksum(pins))
            else:
                if pins is None or all_here(home, pins):
                    pins = resolved_pins(client, base, spec, asked)
                    require_within(spec, pins)
                    write_json(where, with_checksum(pins))
                bring_files(client, base, spec, home, pins, progress)
        except FetchError as error:
            if error.status == 0 and pins is not None and all_here(home, pins):
                return as_fetched(home, pins)
            raise InputError(explained(error, spec, base, home)) from error
        return as_fetched(home, pins)


def as_fetched(home: Path, pins: dict[str, Any]) -> Fetched:
    """What a build reads, called as the data set calls it, and what pins it down."""
    names = {home / pins["commit"] / path: path for path in pins["files"]}
    return Fetched(list(names), pins, names)


def first_pins(
    client: Client, base: str, spec: HubSource, home: Path, asked: Mapping[str, Any], limit: int, report: Report
) -> dict[str, Any]:
    """The first `limit` rows of the files that are wanted, by range, and what pins them. Raises `FetchError`."""
    pins = resolved_pins(client, base, spec, asked)
    commit, written, files = pins["commit"], 0, {}
    for path, entry in pins["files"].items():
        name = f"first-{limit}/{beginning_name(path)}"
        file = RangedFile(client, file_url(base, spec, commit, path), size=entry["bytes"])
        with atomic_write(home / commit / name) as target:
            written += copy_beginning(file, path, target, limit - written, entry["bytes"])
        here = home / commit / name
        # of a part nothing is published that it could be checked by
        files[name] = {"bytes": here.stat().st_size, "sha256": file_sha256(here)}
        report(Progress("fetch", written, limit, "rows", spec.locator))
        if written >= limit:
            break
    return {**pins, "files": files, "limit": limit}


def file_url(base: str, spec: HubSource, commit: str, path: str) -> str:
    """Where a file of a commit is."""
    return f"{base}/datasets/{spec.locator}/resolve/{commit}/{quote(path)}"


def read_pinned(where: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an earlier run resolved of the same declaration, if that can be read and is as it was written."""
    try:
        pins = read_json(where)
    except ArtifactError:
        return None
    if not fits_checksum(pins) or any(pins.get(key) != value for key, value in asked.items()):
        return None
    return without_checksum(pins)


def all_here(home: Path, pins: Mapping[str, Any]) -> bool:
    """Whether all files are there with their sizes: one that is there was checked when it came."""
    files = {home / pins["commit"] / path: entry["bytes"] for path, entry in pins["files"].items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in files.items())


def resolved_pins(client: Client, base: str, spec: HubSource, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The commit that the revision is now, and the files of it that are wanted. Raises `FetchError`, `InputError`."""
    commit = commit_of(client, base, spec)
    listed = files_at(client, base, spec, commit)
    patterns = spec.files or READABLE
    wanted = [each for each in listed if any(fnmatch.fnmatchcase(each.path, pattern) for pattern in patterns)]
    if not wanted:
        there = ", ".join(each.path[:80] for each in listed[:SHOWN_FILES])
        raise InputError(
            f"source '{spec.name}': no file of {spec.locator} at {commit[:12]} is {' or '.join(patterns)}. "
            f"It has {len(listed):,}: {there}{'…' if len(listed) > SHOWN_FILES else ''}"
        )
    files = {each.path: each.entry for each in sorted(wanted, key=lambda each: each.path)}
    return {**asked, "commit": commit, "resolved": time.time(), "files": files}


def commit_of(client: Client, base: str, spec: HubSource) -> str:
    """The commit that `spec.revision` is at this moment."""
    url = f"{base}/api/datasets/{spec.locator}/revision/{quote(spec.revision, safe='')}"
    info = as_json(client.read(url, PAGE_BYTES), url)
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise FetchError(url, "does not say which commit that is", 200)
    return commit


def files_at(client: Client, base: str, spec: HubSource, commit: str) -> list[HubFile]:
    """All files of a commit."""
    url = f"{base}/api/datasets/{spec.locator}/tree/{commit}?recursive=true&expand=false"
    found: list[HubFile] = []
    for _ in range(LIST_PAGES):
        answer = client.whole(url, PAGE_BYTES)
        page = as_json(answer.body, url)
        if not isinstance(page, list):
            raise FetchError(url, "is no list of files", 200)
        found += [listed_file(entry, url) for entry in page if not is_folder(entry)]
        following = _NEXT.search(answer.header("Link"))
        if following is None:
            return found
        target = urljoin(url, following[1])
        if address_of(target).server != address_of(base).server:
            raise FetchError(url, f"goes on at another server, {shown_address(target)}", 200)
        url = target
    raise FetchError(url, f"lists more than {LIST_PAGES:,} pages of files", 200)


def as_json(data: bytes, url: str) -> Any:
    """What the API said. Raises `FetchError` for what is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise FetchError(url, "does not answer with JSON", 200) from None


def is_folder(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "directory"


def listed_file(entry: Any, url: str) -> HubFile:
    """One entry of the list. Raises `FetchError` for one that could not be written or checked."""
    fields = entry if isinstance(entry, dict) else {}
    path, size, git, large = (fields.get(key) for key in ("path", "size", "oid", "lfs"))
    if not isinstance(path, str) or not is_plain(path):
        raise FetchError(url, f"lists a file that cannot be written: {str(path)[:80]!r}", 200)
    if type(size) is int and 0 <= size < 1 << 63:
        sha256 = large.get("oid") if isinstance(large, dict) else None
        if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
            return HubFile(path, size, sha256=sha256)
        if not large and isinstance(git, str) and _COMMIT.fullmatch(git):
            return HubFile(path, size, git=git)
    raise FetchError(url, f"lists {path[:80]} without its size and its hash", 200)


def is_plain(path: str) -> bool:
    """Whether a path stays in its folder, on any system.

    >>> is_plain("data/train-00000.parquet"), is_plain("../x"), is_plain("/x"), is_plain("a//b")
    (True, False, False, False)
    """
    parts = path.split("/")
    return path.isprintable() and not any(
        part in ("", ".", "..")
        or part.endswith((".download", ".download.json", ".rejected"))
        or len(part.encode()) > 200
        or any(each in part for each in '\\:*?"<>|')
        for part in parts
    )


def require_within(spec: HubSource, pins: Mapping[str, Any]) -> None:
    """Refuse, before the first byte, what is more than the declaration allows."""
    size = sum(entry["bytes"] for entry in pins["files"].values())
    if size > spec.max_bytes:
        raise InputError(
            f"source '{spec.name}': {len(pins['files']):,} files of {spec.locator} have {size:,} bytes, max_bytes is "
            f"{spec.max_bytes:,}. Name fewer with `files`, raise max_bytes, or take a first taste with --limit 1000."
        )


def bring_files(
    client: Client, base: str, spec: HubSource, home: Path, pins: Mapping[str, Any], report: Report
) -> None:
    """All files that are not there yet, each checked. Raises `FetchError`."""
    target = home / pins["commit"]
    missing = {
        path: entry
        for path, entry in pins["files"].items()
        if not (target / path).is_file() or (target / path).stat().st_size != entry["bytes"]
    }
    begun = sum(part.stat().st_size for path in missing if (part := target / f"{path}.download").is_file())
    require_space(target, sum(entry["bytes"] for entry in missing.values()) - begun)
    for path, entry in missing.items():
        url = file_url(base, spec, pins["commit"], path)
        sums = {"sha256": entry["sha256"]} if "sha256" in entry else {}
        download(client, url, target / path, size=entry["bytes"], checksums=sums, report=report)
        if "git" in entry and git_hash(target / path) != entry["git"]:
            (target / path).replace(target / f"{path}.rejected")
            raise FetchError(url, f"is not the file that is listed (git's hash is not {entry['git']})", 200)


def git_hash(path: Path) -> str:
    """What git calls a file of this content."""
    found = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open_regular(path) as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def explained(error: FetchError, spec: HubSource, base: str, home: Path) -> str:
    """One line that says what to do about it."""
    start = f"source '{spec.name}': {error.url}: {error.what}"
    page = f"{shown_address(base)}/datasets/{spec.locator}"
    if error.status in (401, 403):
        return (
            f"{start}. {spec.locator} asks for consent, or is private: accept it at {page}, then set {TOKEN_VARIABLE}."
        )
    if error.status == 404 and "/resolve/" in error.url:
        return f"{start}. The commit that was begun with is no longer there: remove {home} to take what is there now."
    if error.status == 404:
        return f"{start}. Is there a data set {page}, with a revision '{spec.revision}'?"
    return f"{start}. What came is kept, and the same command goes on. Or give files at hand with --input."
