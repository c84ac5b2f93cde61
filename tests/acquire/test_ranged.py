"""A file on a server reads as one on disk, of which only what is needed comes."""

import io
import os
import random
from collections.abc import Iterator

import pytest
from dump_server import Server, serving
from raw_server import ok, raw_server

from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.ranged import RangedFile

DATA = os.urandom(100_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as state:
        state.put("/file", DATA)
        yield state


def remote(server: Server, **keys: int) -> RangedFile:
    return RangedFile(Client(delay_s=0.0, attempts=2, sleep=lambda _: None), server.url + "/file", **keys)


def test_it_reads_as_a_file_on_disk(server: Server) -> None:
    here, there = io.BytesIO(DATA), remote(server, size=len(DATA), block=5000)
    dice = random.Random(1)
    for _ in range(200):
        offset, whence = dice.choice(
            [(dice.randrange(120_000), 0), (dice.randrange(-200, 200), 1), (-dice.randrange(99_000), 2)]
        )
        if whence != 1 or here.tell() + offset >= 0:
            assert here.seek(offset, whence) == there.seek(offset, whence)
        size = dice.choice([0, 1, 10, 4999, 5000, 5001, 30_000])
        assert here.read(size) == there.read(size)
        assert here.tell() == there.tell()
    assert there.seek(0) == 0
    assert there.read() == DATA


def test_what_is_read_in_small_pieces_comes_in_blocks(server: Server) -> None:
    file = remote(server, size=len(DATA), block=10_000)
    assert b"".join(iter(lambda: file.read(100), b"")) == DATA
    assert (file.requests, file.received) == (10, len(DATA))


def test_without_a_size_the_end_tells_it(server: Server) -> None:
    """A server that knows no ranges from the end is an error, not a download."""
    file = remote(server, block=1000)
    with pytest.raises(FetchError, match="range asked for"):
        assert file.size == len(DATA)
    assert remote(server, size=len(DATA)).seek(-5, 2) == len(DATA) - 5


def test_a_servers_end_of_a_file_tells_its_size_and_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    end = ok(DATA[-1000:], b"Content-Range: bytes 99000-99999/100000", status=b"206 Partial Content")
    with raw_server(end) as server:
        file = RangedFile(Client(delay_s=0.0), server.url, block=1000)
        assert file.seek(-8, 2) == 99_992
        assert file.read() == DATA[-8:]
        assert [b"Range: bytes=-1000" in request for request in server.requests] == [True]


def test_a_file_that_becomes_another_is_noticed(server: Server) -> None:
    file = remote(server, size=len(DATA), block=1000)
    assert file.read(10) == DATA[:10]
    server.put("/file", bytes(reversed(DATA)))
    file.seek(50_000)
    with pytest.raises(FetchError, match="became another file"):
        file.read(10)


@pytest.mark.parametrize(
    "answer",
    [
        (206, {"Content-Range": "bytes 5-14/100000"}),
        (206, {"Content-Range": "bytes 0-9/5"}),
        (206, {"Content-Range": "nonsense"}),
        (206, {}),
        (200, {}),
        416,
    ],
)
def test_another_range_than_was_asked_for_is_refused(server: Server, answer: object) -> None:
    server.faults["/file"] = [answer] * 3
    with pytest.raises(FetchError, match=r"range|answers 416"):
        remote(server, size=len(DATA)).read(10)
