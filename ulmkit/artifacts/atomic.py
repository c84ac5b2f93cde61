"""Files appear under their final name only when whole, and one writer at a time."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ulmkit.errors import CLOSED, ArtifactError, BusyError, system_error
from ulmkit.files import open_regular

TEMPORARY = ".part"  # what a killed writer leaves behind ends in this, and nothing ever reads it


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable: the directory entry is data too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """The name under which this process writes `path` until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn whatever the system refuses in the block into one `ArtifactError` that says where and what next.

    Named is the file that the error itself names, or else `path`.
    """
    try:
        yield
    except OSError as error:
        cannot = "cannot write here" if error.errno in CLOSED else "cannot be used"
        raise ArtifactError(system_error(error, path, cannot=cannot, advice="Choose another --root.")) from error


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Write beside `path`, flush to the disk, then rename over it; on any error `path` stays as it was."""
    temporary = temporary_beside(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, mode, **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):  # what went wrong first is what is told
                temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """`value` as indented UTF-8 JSON with sorted keys, so that equal values are equal bytes."""
    with atomic_write(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, sort_keys=True)
        file.write("\n")


def read_json(path: Path) -> Any:
    """The JSON in `path`, or an `ArtifactError` that names it."""
    try:
        with open_regular(path) as file:
            text = file.read().decode("utf-8")
        value = json.loads(text)
        if "\\u" in text:  # half a pair can be spelled so, and could not be written again
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: not there.") from error
    except OSError as error:
        raise ArtifactError(system_error(error, path, cannot="cannot be read")) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number or a nesting without end
        raise ArtifactError(f"{path}: damaged ({error}). Remove it and run the stage again.") from error


def replace_folder(new: Path, final: Path) -> None:
    """Put the finished folder `new` in the place of `final`.

    Two renames, because a directory cannot be renamed over a full one; `recover_folder` finishes an
    interrupted exchange.
    """
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    new.replace(final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(final: Path) -> None:
    """Undo an exchange that was killed between its two renames: the previous folder comes back."""
    old = final.with_name(f".{final.name}.old")
    if old.exists():
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(final)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in `folder` (the caller holds its lock)."""
    for path in folder.rglob(f".*{TEMPORARY}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def lock(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder` for one writer. The kernel drops the lock with the process, so a kill leaves none behind."""
    path = folder / ".lock"
    with contextlib.ExitStack() as held:
        with storage_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(open(path, "r+", encoding="utf-8", errors="replace", opener=_open_lock))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = file.read(200).strip() or "another process"
                raise BusyError(
                    f"{folder}: {what} is already running here ({holder}). Wait for it, or stop it."
                ) from None
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}")
            file.flush()
        yield


def lock_holder(folder: Path) -> str | None:
    """Who holds the lock of `folder` at this moment; None where nobody does."""
    try:
        with open_regular(folder / ".lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(200).decode("utf-8", "replace").strip() or "another process"
    except OSError:  # no lock, or none that can be looked at
        pass
    return None


def _open_lock(path: str, flags: int) -> int:
    """A descriptor of the lock, made where it is not there; what is no regular file is refused, and not waited for."""
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise ArtifactError(f"{path}: no regular file, as a lock is. Remove it, then run the same command again.")
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def read_regular(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a regular file; a device or a pipe, which may never end, and a file beyond `limit` are refused."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if limit is not None and size > limit:
                raise ArtifactError(f"{path}: {size:,} bytes, at most {limit:,} are read.")
            return file.read()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: not there.") from error
    except OSError as error:
        raise ArtifactError(system_error(error, path, cannot="cannot be read")) from error
