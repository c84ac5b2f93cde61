"""Files that end: only regular ones are opened to be read, and no more of them than they held at that moment.

A pipe, a socket or a device may never answer, or never end; a file that grows while it is read has no end either.
"""

import errno
import io
import os
import stat
from collections.abc import Buffer, Iterator
from pathlib import Path

NOT_REGULAR = "not a regular file"
BUFFER_BYTES = 1 << 18
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularError(OSError):
    """What was to be read is no regular file; `strerror` says so, and what it is."""

    def __init__(self, path: Path, mode: int) -> None:
        kind = _KINDS.get(stat.S_IFMT(mode), "")
        super().__init__(errno.EINVAL, f"{NOT_REGULAR}{kind and f' but {kind}'}", str(path))


def require_regular(path: Path) -> os.stat_result:
    """The status of the file at `path`; `NotRegularError` for what is none, `OSError` for what is not there.

    For what another library opens by its name. What is opened here is opened with `open_regular`.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError(path, status.st_mode)
    return status


def _opened(path: str, flags: int) -> int:
    """A descriptor that did not wait for the other end of a pipe, and made no terminal ours."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


class RegularFile(io.FileIO):
    """A regular file opened to be read; `size` is its length at that moment, behind which nothing is read."""

    def __init__(self, path: Path) -> None:
        require_regular(path)  # to open a device may do something to it
        super().__init__(path, "rb", opener=_opened)
        try:
            status = os.fstat(self.fileno())  # what was opened, whatever has happened to the name since
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularError(path, status.st_mode)
        except BaseException:
            self.close()
            raise
        self.size = status.st_size

    def readinto(self, buffer: Buffer, /) -> int:
        left = max(0, self.size - self.tell())
        return super().readinto(memoryview(buffer)[:left]) or 0

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""

    def readall(self) -> bytes:
        """All that is left."""
        return b"".join(iter(lambda: self.read(BUFFER_BYTES), b""))


def open_regular(path: Path) -> io.BufferedReader:
    """The file at `path`, to be read in binary; `NotRegularError`, an `OSError`, where it is no regular file."""
    return io.BufferedReader(RegularFile(path), BUFFER_BYTES)


def _refused(error: OSError) -> None:
    raise error


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, but a folder that cannot be listed is an `OSError`: half of what is there is not all of it."""
    return os.walk(folder, onerror=_refused)


def files_below(folder: Path) -> list[Path]:
    """Everything below `folder` that is no folder, sorted; `OSError` where it cannot be listed."""
    return sorted(Path(parent, name) for parent, _, names in walk(folder) for name in names)
