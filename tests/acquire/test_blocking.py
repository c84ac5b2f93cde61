"""Code that waits for an answer waits as long as it said, in a notebook too, and leaves nothing running."""

import asyncio
import gc
import socket
import threading
import time
from pathlib import Path

import pytest
from raw_server import Behaviour, Send, ok, raw_server

import ulmkit.acquire.connections  # noqa: F401 – loaded before a clock runs
from ulmkit.acquire.address import address_of
from ulmkit.acquire.blocking import Client, FetchError, opened_for
from ulmkit.acquire.download import download
from ulmkit.acquire.guard import Guard
from ulmkit.errors import InputError


def client(**settings: float) -> Client:
    return Client(delay_s=0.0, attempts=2, sleep=lambda _: None, **settings)  # type: ignore[arg-type]


async def drips(send: Send, request: bytes) -> None:
    await send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await send(b"x")
        await asyncio.sleep(0.02)


async def says_continue(send: Send, request: bytes) -> None:
    while True:
        await send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.02)


async def is_silent(send: Send, request: bytes) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("behaviour", [drips, says_continue, is_silent])
def test_a_header_that_does_not_come_is_given_up(behaviour: Behaviour) -> None:
    with raw_server(behaviour) as server:
        begun = time.monotonic()
        with pytest.raises(FetchError, match=r"cannot be reached \(not done in 0.3 s\), 2 attempts"):
            client(header_s=0.3).read(server.url, 100)
        assert 0.6 <= time.monotonic() - begun < 2.6
    assert len(server.requests) == 2


def test_a_body_that_crawls_is_given_up_and_resumed(tmp_path: Path) -> None:
    async def crawls(send: Send, request: bytes) -> None:
        if b"Range: bytes=3-" in request:
            await send(ok(b"def", b"Content-Range: bytes 3-5/6", status=b"206 Partial Content"))
        else:
            await send(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 6\r\n\r\nabc')
            await asyncio.sleep(60)

    with raw_server(crawls) as server:
        download(client(window_s=0.3), server.url, tmp_path / "x", size=6)
    assert (tmp_path / "x").read_bytes() == b"abcdef"


def test_requests_can_be_made_where_a_loop_runs_already() -> None:
    with raw_server(ok(b"page")) as server:

        async def cell() -> bytes:
            return client().read(server.url, 100)

        assert asyncio.run(cell()) == b"page"


def test_connections_are_used_again_and_end_with_their_client() -> None:
    with raw_server(ok(b"page"), keep=True) as server:
        asks = client()
        for _ in range(3):
            assert asks.read(server.url, 100) == b"page"
        assert server.connections == 1
        thread = asks.thread.thread
        assert thread in threading.enumerate()
        del asks
        gc.collect()
        thread.join(5)
        assert not thread.is_alive()


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it may know: what a redirect names inside of a network is not asked of a proxy either."""
    monkeypatch.setenv("no_proxy", "")
    with raw_server(ok(b"page")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pass@127.0.0.1:{proxy.port}")
        assert client().read("http://mirror.example/x", 100) == b"page"
    assert proxy.requests[0].startswith(b"GET http://mirror.example/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in proxy.requests[0]
    with raw_server(ok(b"", b"Location: http://127.0.0.1/keys", status=b"302 Found")) as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(FetchError, match="inside of a network"):
            client().read("http://mirror.example/x", 100)
        assert len(proxy.requests) == 1
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(InputError, match="no proxy that can be asked"):
        client().read("http://mirror.example/x", 100)


def test_a_server_of_the_internet_has_one_guard_and_one_inside_is_let_through_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def guard_of(*addresses: str) -> Guard:
        found = [(2, 1, 6, "", (address, 80)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        return opened_for(address_of("http://mirror.example/"))

    assert guard_of("8.8.8.8") == guard_of("93.184.216.34", "8.8.4.4") == Guard()
    assert guard_of("8.8.8.8", "10.0.0.5").allowed == {("10.0.0.5", 80)}
