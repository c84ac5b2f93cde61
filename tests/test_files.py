"""Only files that end are read, and no further than they reached when they were opened."""

import hashlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ulmkit.files import NOT_REGULAR, NotRegularError, RegularFile, open_regular, require_regular


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ENDLESS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": bound_socket,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_may_never_end_is_not_opened(tmp_path: Path, kind: str):
    path = tmp_path / "x"
    ENDLESS[kind](path)
    for read in (open_regular, require_regular):
        with pytest.raises(NotRegularError, match=f"{NOT_REGULAR} but {kind}"):
            read(path)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the look at the name and the opening there is a moment."""
    path = tmp_path / "x"
    path.write_bytes(b"x")
    status = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _: status)
    with pytest.raises(NotRegularError, match="a pipe"):
        open_regular(path)


def test_a_link_that_leads_to_itself_is_an_error_of_the_system(tmp_path: Path):
    path = tmp_path / "x"
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(path)


def test_a_growing_file_ends_where_it_ended(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"one\ntwo\n")
    with open_regular(path) as file, open(path, "ab") as more:
        assert file.read(4) == b"one\n"
        more.write(b"three\n" * 100_000)
        more.flush()
        assert file.read() == b"two\n"
        assert file.seek(0) == 0
        assert list(file) == [b"one\n", b"two\n"]
    with RegularFile(path) as raw, open(path, "ab") as more:
        more.write(b"four\n")
        more.flush()
        assert raw.read(3) == b"one"
        assert len(raw.readall()) == 8 + 600_000 - 3
        assert raw.read() == b""


def test_it_reads_what_open_reads(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(os.urandom(1_000_003))
    with open_regular(path) as file:
        assert hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(path.read_bytes()).digest()
        assert file.seek(-3, os.SEEK_END) == 1_000_000
        assert file.read() == path.read_bytes()[-3:]
        assert stat.S_ISREG(os.fstat(file.fileno()).st_mode)
