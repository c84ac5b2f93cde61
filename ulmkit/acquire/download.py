"""One file from a server to the disk: resumed where it stopped, checked before it gets its name.

Bytes gather in `<name>.download`, and `<name>.download.json` says which version of the file they are of (RFC 9110,
If-Range): when the server's file has changed since, the download starts over by itself.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ulmkit.acquire.address import without_user
from ulmkit.acquire.blocking import NETWORK_ERRORS, Client, FetchError, status_error
from ulmkit.acquire.client import Answer
from ulmkit.artifacts.atomic import read_json, storage_errors, sync_folder, write_json
from ulmkit.errors import ArtifactError
from ulmkit.files import open_regular
from ulmkit.progress import Progress, Report, silent

UNSTATED_LIMIT = 1 << 38  # bytes of a file whose size nobody states; the largest dump published has a tenth of it


@contextlib.contextmanager
def full_disk(part: Path) -> Iterator[None]:
    """Turn a disk that is full in the middle of a download into one line that says what of it is kept, and where."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or not part.is_file():
            raise
        raise ArtifactError(
            f"{part}: no space left ({shutil.disk_usage(part.parent).free:,} bytes free). The {part.stat().st_size:,} "
            "bytes that came are kept there. Make room and run the same command again: it goes on from there; "
            "or remove that file and choose another --root."
        ) from error


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
    most: int | None = None,
    report: Report = silent,
) -> None:
    """`url` as `path`. `checksums` are hex digests by algorithm ("sha1", "md5" …), as published.

    Without a published `size`, no more than `most` bytes are taken.

    A file that does not have them is kept as `<name>.rejected` and fetched once more; the second time is an error.
    Raises `FetchError`, or `ArtifactError` where the disk cannot hold it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".download")
    for last_chance in (False, True):
        with storage_errors(path), full_disk(part):
            if part.exists() and not part.is_file():
                raise ArtifactError(f"{part}: not a regular file. Remove it.")
            _collect(client, url, part, size, UNSTATED_LIMIT if most is None else most, report)
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
    found_size = path.stat().st_size
    if size is not None and found_size != size:
        return f"more than {size:,} bytes" if found_size > size else f"{found_size:,} bytes instead of {size:,}"
    for algorithm, expected in checksums.items():
        with open_regular(path) as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected.lower():
            return f"{algorithm} is {found}, published is {expected[:64]}"
    return ""


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(answer: Answer) -> str:
    """What tells two versions of a file apart: a strong ETag, else the time of its last change."""
    etag = answer.header("ETag")
    return etag if etag and not etag.startswith("W/") else answer.header("Last-Modified")


def _known_version(part: Path, url: str) -> str:
    """The validator of the bytes in `part`, empty where they are of nothing known."""
    if not part.exists() or not _note(part).exists():
        return ""
    try:
        note = read_json(_note(part))
    except ArtifactError:
        return ""
    return str(note.get("version", "")) if isinstance(note, dict) and note.get("url") == without_user(url) else ""


def _collect(client: Client, url: str, part: Path, size: int | None, most: int, report: Report) -> None:
    """All bytes of `url` in `part`, at most one more than `size`; what is there already of the same version is kept."""
    limit = most + 1 if size is None else size + 1
    fruitless = 0
    while True:
        version = _known_version(part, url)
        have = part.stat().st_size if version else 0
        if size is not None and have >= size:
            return
        headers = {"Range": f"bytes={have}-", "If-Range": version} if have else {}
        before = have
        problem = ""
        with client.open(url, headers) as incoming:
            head = incoming.head
            if head.status == 416 or (head.status == 206 and not _continues(head, have)):
                part.unlink(missing_ok=True)
                problem = f"answers {head.status} to a range"
            elif head.status not in (200, 206):
                raise status_error(url, head)
            else:
                if head.status == 200:
                    have = 0
                    write_json(_note(part), {"url": without_user(url), "version": _validator(head)})
                total = size if size is not None else _total(head, have)
                if size is None and total is not None:
                    require_space(part.parent, total - have)
                    if total > most:
                        raise FetchError(url, f"more than {most:,} bytes: {total:,}", 200)
                with open(part, "r+b" if have else "wb") as file:
                    file.seek(have)
                    file.truncate()
                    try:
                        for chunk in client.body(incoming):
                            file.write(chunk[: limit - have])
                            have = min(have + len(chunk), limit)
                            if have == limit:
                                break
                            report(Progress("fetch", have, total, "bytes", part.name.removesuffix(".download")))
                        if size is None and have == limit:
                            raise FetchError(url, f"more than {most:,} bytes, and no size is published", 200)
                        return
                    except NETWORK_ERRORS as error:
                        problem = f"breaks off ({error})"
        # a connection that brought something earns new attempts
        fruitless = 0 if have > before else fruitless + 1
        if fruitless >= client.attempts:
            raise FetchError(url, f"{problem}, {client.attempts} attempts")
        client.sleep(client.backoff_s * 2**fruitless)


def _continues(answer: Answer, have: int) -> bool:
    """Whether a partial answer begins where we stopped."""
    match = re.match(r"bytes (\d{1,19})-", answer.header("Content-Range"))
    return match is not None and int(match[1]) == have


def _total(answer: Answer, have: int) -> int | None:
    length = answer.header("Content-Length")
    return have + int(length) if length.isdecimal() else None
