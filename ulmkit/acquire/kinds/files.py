"""Files at addresses, whatever they hold: each is what its hash says, or what it was when it was first brought."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ulmkit.acquire.address import address_of, shown_address, without_user
from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.download import download
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.guard import Guard
from ulmkit.artifacts.atomic import lock, read_json, write_json
from ulmkit.artifacts.manifest import file_sha256, fits_checksum, with_checksum, without_checksum
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.language.sources import FilesSource
from ulmkit.progress import Progress, Report, silent

PINS = "pins.json"
NAME_LENGTH = 120  # characters of a file's name
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNNAMED = re.compile(r"[^\w.+-]+", re.ASCII)


def fetch(
    spec: FilesSource,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    progress: Report = silent,
    client: Client | None = None,
    guard: Guard | None = None,
    contact: str = "",
) -> Fetched:
    """The files of `spec` under `folder/files/<its name>/`, with their hashes.

    A file of which the declaration gives no hash is pinned by its first download, and `progress` is told so. One that
    is there with its pinned hash is not asked for again. `guard` decides what may be connected to: the internet, on
    the ports of web servers and of the addresses themselves. `mirror` and `limit` mean nothing for files.
    Raises `InputError` for a file that is not to be had, or is another one than it was.
    """
    wanted = declared(spec)
    guard = guard or Guard()
    opened = replace(guard, ports=guard.ports | {address_of(url).port for url in wanted})
    client = client or Client(delay_s=spec.delay_s, guard=opened, contact=contact)
    home = folder / "files" / spec.name
    try:
        with lock(home, f"downloading {spec.name}"):
            pinned = read_pins(home)
            for url, sha256 in wanted.items():
                entry = pinned.get(without_user(url))
                if entry is None or not here(home, entry) or (sha256 and sha256 != entry["sha256"]):
                    pinned[without_user(url)] = bring(client, spec, home, url, sha256, entry, progress)
                    write_json(home / PINS, with_checksum({"files": pinned}))
    except FetchError as error:
        raise InputError(
            f"source '{spec.name}': {error.url}: {error.what}. Give a file at hand with --input."
        ) from error
    entries = {without_user(url): pinned[without_user(url)] for url in wanted}
    return Fetched([home / entry["name"] for entry in entries.values()], {"kind": "files", "files": entries})


def declared(spec: FilesSource) -> dict[str, str]:
    """The addresses that `spec` names, each with its SHA-256 in lower case or "". Raises `UsageError`."""
    wanted: dict[str, str] = {}
    for url, sha256 in {spec.locator: spec.sha256, **spec.more}.items():
        try:
            address_of(url)
        except ValueError as error:
            raise UsageError(f"source '{spec.name}': {shown_address(url)}: {error}. Give https://….") from None
        wanted[url] = sha256.lower()
        if sha256 and not _SHA256.fullmatch(wanted[url]):
            raise UsageError(f"source '{spec.name}': '{sha256[:80]}' is no SHA-256. Give its 64 hexadecimal digits.")
    return wanted


def read_pins(home: Path) -> dict[str, dict[str, Any]]:
    """What was brought before, by address; nothing where that cannot be read or is not as it was written."""
    try:
        pins = read_json(home / PINS)
    except ArtifactError:
        return {}
    return dict(without_checksum(pins)["files"]) if fits_checksum(pins) else {}


def here(home: Path, entry: dict[str, Any]) -> bool:
    """Whether a file that was brought is there with its size."""
    path = home / entry["name"]
    return path.is_file() and path.stat().st_size == entry["bytes"]


def bring(
    client: Client, spec: FilesSource, home: Path, url: str, sha256: str, before: dict[str, Any] | None, report: Report
) -> dict[str, Any]:
    """Download one file; how it stands among the pins. Raises `FetchError`."""
    path = home / file_name(url)
    expected = sha256 or (before["sha256"] if before else "")
    if not (sha256 and path.is_file() and file_sha256(path) == sha256):
        try:
            checksums = {"sha256": expected} if expected else {}
            download(client, url, path, checksums=checksums, most=spec.max_bytes, report=report)
        except FetchError as error:
            if sha256 or not before or not error.what.startswith("sha256"):
                raise
            why = f"is not what it was when it was first brought ({error.what}). To take it as it is now, remove {home}"
            raise FetchError(url, why, error.status) from error
    found = expected or file_sha256(path)
    if not expected:
        report(Progress("fetch", path.stat().st_size, None, "bytes", f"{path.name} is pinned: sha256 = {found}"))
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": found, "declared": bool(sha256)}


def file_name(url: str) -> str:
    """What a file is called on disk: the end of its address, with a few digits that tell two of one name apart.

    >>> file_name("https://example.org/a/laws.jsonl.zst?x=1")
    'c3648c85-laws.jsonl.zst'
    """
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = _UNNAMED.sub("-", last).strip(".-")[-NAME_LENGTH:]
    digits = hashlib.sha256(without_user(url).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{digits}-{plain}" if plain else digits
