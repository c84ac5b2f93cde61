"""One file from a server to the disk: resumed where it stopped, checked before it gets its name.

Bytes gather in `<name>.download`, and `<name>.download.json` says which version of the file they are of (RFC 9110,
If-Range): when the server's file has changed since, the download starts over by itself.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

from ulmkit.acquire.client import NETWORK_ERRORS, Client, FetchError, reason_of, status_error
from ulmkit.artifacts.atomic import read_json, storage_errors, sync_folder, write_json
from ulmkit.errors import ArtifactError
from ulmkit.files import open_regular
from ulmkit.progress import Progress, Report, silent


def require_space(folder: Path, needed: int) -> None:
    """Refuse, before the first byte, a download that the disk cannot hold."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ArtifactError(
            f"{folder}: {needed:,} bytes are needed, {free:,} are free. Make room, choose another --root, take a "
            "first taste with --limit 1000, or give files with --input."
        )


def download(
    client: Client,
    url: str,
    path: Path,
    *,
    size: int | None = None,
    checksums: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """`url` as `path`. `checksums` are hex digests by algorithm ("sha1", "md5" …), as published.

    A file that does not have them is kept as `<name>.rejected` and fetched once more; the second time is an error.
    Raises `FetchError`, or `ArtifactError` where the disk cannot hold it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".download")
    for last_chance in (False, True):
        with storage_errors(path):
            _collect(client, url, part, size, report)
            wrong = mismatch(part, size, checksums or {})
            if not wrong:
                with open_regular(part) as file:
                    os.fsync(file.fileno())
                part.replace(path)
                _note(part).unlink(missing_ok=True)
                sync_folder(path.parent)
                return
            part.replace(path.with_name(path.name + ".rejected"))
            _note(part).unlink(missing_ok=True)
        if last_chance:
            raise FetchError(url, f"{wrong}, twice; the last copy is kept as {path.name}.rejected", 200)


def mismatch(path: Path, size: int | None, checksums: Mapping[str, str]) -> str:
    """What is wrong with a file against its published size and digests; empty when nothing is."""
    if size is not None and path.stat().st_size != size:
        return f"{path.stat().st_size:,} bytes instead of {size:,}"
    for algorithm, expected in checksums.items():
        with open_regular(path) as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected.lower():
            return f"{algorithm} is {found}, published is {expected}"
    return ""


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(headers: Mapping[str, Any]) -> str:
    """What tells two versions of a file apart: a strong ETag, else the time of its last change."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _known_version(part: Path, url: str) -> str:
    """The validator of the bytes in `part`, empty where they are of nothing known."""
    if not part.exists() or not _note(part).exists():
        return ""
    try:
        note = read_json(_note(part))
    except ArtifactError:
        return ""
    return str(note.get("version", "")) if isinstance(note, dict) and note.get("url") == url else ""


def _collect(client: Client, url: str, part: Path, size: int | None, report: Report) -> None:
    """All bytes of `url` in `part`; what is there already of the same version is kept."""
    fruitless = 0
    while True:
        version = _known_version(part, url)
        have = part.stat().st_size if version else 0
        if size is not None and have == size:
            return
        headers = {"Range": f"bytes={have}-", "If-Range": version} if have else {}
        before = have
        problem = ""
        with client.open(url, headers) as response:
            if response.status == 416 or (response.status == 206 and not _continues(response, have)):
                part.unlink(missing_ok=True)
                problem = f"answers {response.status} to a range"
            elif response.status not in (200, 206):
                raise status_error(url, response)
            else:
                if response.status == 200:
                    have = 0
                    write_json(_note(part), {"url": url, "version": _validator(response.headers)})
                total = size if size is not None else _total(response, have)
                with open(part, "r+b" if have else "wb") as file:
                    file.seek(have)
                    file.truncate()
                    try:
                        for chunk in client.body(response):
                            file.write(chunk)
                            have += len(chunk)
                            report(Progress("fetch", have, total, "bytes", part.name.removesuffix(".download")))
                        return
                    except NETWORK_ERRORS as error:
                        if isinstance(error, OSError) and error.errno is not None and not _of_network(error):
                            raise  # the disk's, not the network's
                        problem = f"breaks off ({reason_of(error)})"
        # a connection that brought something earns new attempts
        fruitless = 0 if have > before else fruitless + 1
        if fruitless >= client.attempts:
            raise FetchError(url, f"{problem}, {client.attempts} attempts")
        client.sleep(client.backoff_s * 2**fruitless)


def _of_network(error: OSError) -> bool:
    return isinstance(error, ConnectionError | TimeoutError)


def _continues(response: urllib3.BaseHTTPResponse, have: int) -> bool:
    """Whether a partial answer begins where we stopped."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == have


def _total(response: urllib3.BaseHTTPResponse, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdecimal() else None
