"""Whether a file is still what it was: what was hashed, and what was read, are the same bytes or it is found out."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileState:
    """What the file system says of a file that changes when its bytes do: its size in bytes, and two times in ns.

    The time of the last change of the entry itself (`changed`) cannot be set back, so a file that was replaced and put
    back is another one. The inode is left out: some network file systems number files anew at every look.
    """

    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The state of `path` now. Raises `OSError` where it is not there."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def state_of(path: Path) -> FileState | None:
    """The state of `path` now; None where it is not there."""
    try:
        return FileState.of(path)
    except OSError:
        return None


@contextlib.contextmanager
def unchanged(paths: Iterable[Path], problem: Callable[[Path], Exception]) -> Iterator[None]:
    """Raise `problem(path)` after the block for the first of `paths` that is not as it was before it.

    So it does, too, where the block failed: what it met may be half of one file and half of another.
    """
    before = {path: state_of(path) for path in paths}

    def first() -> Path | None:
        return next((path for path, state in before.items() if state_of(path) != state), None)

    try:
        yield
    except Exception as error:
        if path := first():
            raise problem(path) from error
        raise
    if path := first():
        raise problem(path)


def read_again_if_changed[T](marker: Path, read: Callable[[], T], whole: Callable[[T], bool] = bool) -> T:
    """What `read` gives of a folder that another process may exchange meanwhile.

    `marker` is a file that every exchange writes. Where `read` fails, or its result is not `whole`, and the marker is
    another than before, it reads again, three times at most.
    """
    for last in (False, False, True):
        before = state_of(marker)
        try:
            result = read()
        except Exception:
            if last or state_of(marker) == before:
                raise
        else:
            if last or whole(result) or state_of(marker) == before:
                return result
    raise AssertionError("unreachable")
