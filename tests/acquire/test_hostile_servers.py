"""A server may send without end, expand without end, lead anywhere and say anything: none of it comes through."""

import base64
import bz2
import errno
import json
import socket
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dump_server import Server, articles, multistream, serving

from ulmkit.acquire import address
from ulmkit.acquire import download as downloading
from ulmkit.acquire.address import address_of, without_user
from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.download import download
from ulmkit.acquire.guard import ForbiddenAddressError, public, public_addresses
from ulmkit.acquire.kinds import wikipedia
from ulmkit.errors import ArtifactError, InputError, UlmkitError, UsageError
from ulmkit.language.sources import WikimediaSource

SPEC = WikimediaSource("wikipedia", "wikipedia", "xxwiki", "CC-BY-SA-4.0", delay_s=0.0)
DUMP, INDEX = multistream(articles(1, 20))
STATUS = "/xxwiki/20240201/dumpstatus.json"
STEM = "/xxwiki/20240201/xxwiki-20240201-pages-articles-multistream"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        state.add_dump("xxwiki", "20240201", [("", DUMP, INDEX)])
        yield state


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server on loopback that answers so; its address, and the headers of every request."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            heard.append({"path": self.path, **dict(self.headers.items())})
            with suppress(OSError):  # who asked has hung up
                answer(self)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}", heard
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def client() -> Client:
    return Client(delay_s=0.0, attempts=2, sleep=lambda _: None, connect_s=20, header_s=20, window_s=20)


def endless(stated: int | None) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that states a size (or none) and never stops."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if stated is not None:
            handler.send_header("Content-Length", str(stated))
        handler.end_headers()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            handler.wfile.write(b"x" * (1 << 16))

    return answer


@pytest.mark.parametrize("stated", [None, 908, 10**15])
def test_a_body_without_end_is_left_at_the_published_size(tmp_path: Path, stated: int | None) -> None:
    """Whatever the server's own header says of it."""
    with answering(endless(stated)) as (url, heard), pytest.raises(InputError) as error:
        download(client(), url, tmp_path / "x", size=907)
    assert "more than 907 bytes, twice" in str(error.value)
    assert len(heard) == 2
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"x.rejected": 908}


def test_a_body_of_which_nobody_states_a_size_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "UNSTATED_LIMIT", 1_000_000)
    with (
        answering(endless(None)) as (url, _),
        pytest.raises(InputError, match="more than 1,000,000 bytes, and no size"),
    ):
        download(client(), url, tmp_path / "x")


def test_a_body_that_the_disk_cannot_hold_is_not_begun(tmp_path: Path) -> None:
    """Where no size is published, the server's header says it."""
    with answering(endless(10**15)) as (url, _), pytest.raises(ArtifactError, match="1,000,000,000,000,000 bytes are"):
        download(client(), url, tmp_path / "x")


def test_a_full_disk_says_what_is_kept_and_where(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came is kept, since a download goes on from there."""
    told = 0

    def full(*_: object) -> None:
        nonlocal told
        told += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    server.put("/file", b"x" * 1_000_000)
    with pytest.raises(ArtifactError) as error:
        download(client(), f"{server.url}/file", tmp_path / "file", size=1_000_000, report=full)
    kept = tmp_path / "file.download"
    assert str(error.value).startswith(f"{kept}: no space left")
    assert f"The {kept.stat().st_size:,} bytes that came are kept there." in str(error.value)
    assert "Nothing" not in str(error.value)
    download(client(), f"{server.url}/file", tmp_path / "file", size=1_000_000)
    assert (tmp_path / "file").stat().st_size == 1_000_000


def packed_zeros(count: int) -> bytes:
    """bz2 of so many zero bytes, made of pieces."""
    packer = bz2.BZ2Compressor()
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)), packer.flush()])


@pytest.mark.parametrize("what", ["index", "lines", "block"])
def test_what_expands_without_end_is_refused(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index, an index of many short lines, and a block, each in a few hundred bytes."""
    monkeypatch.setattr(wikipedia, "UNPACKED", replace(wikipedia.UNPACKED, floor=1 << 18))
    bomb = bz2.compress(b"1:1:x\n" * 100_000) if what == "lines" else packed_zeros(10 << 20)
    with serving() as server:
        dump = bomb if what == "block" else DUMP
        server.add_dump("xxwiki", "20240201", [("", dump, INDEX if what == "block" else bomb)])
        with pytest.raises(InputError, match=r"block is damaged|no index") as error:
            wikipedia.fetch(SPEC, tmp_path, mirror=server.url, limit=5, client=client())
    assert "\n" not in str(error.value)


def test_a_status_file_nested_without_end_is_none(tmp_path: Path, server: Server) -> None:
    server.put(STATUS, b"[" * 1_000_000)
    with pytest.raises(InputError, match="none of 20240201 is complete"):
        wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client())


@pytest.mark.parametrize("size", [-5, 1e30, 1 << 70, True, "12", None, 2.5])
def test_a_size_that_is_no_number_of_bytes_is_none(tmp_path: Path, server: Server, size: object) -> None:
    """The checksum still says what the file has to be."""
    status = json.loads(server.files[STATUS])
    for entry in status["jobs"][wikipedia.JOB]["files"].values():
        entry["size"] = size
    server.put(STATUS, json.dumps(status).encode())
    fetched = wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client())
    assert [path.read_bytes() for path in fetched.files] == [DUMP]


FORBIDDEN = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[5f00::1]",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "2852039166",
    "[::ffff:169.254.169.254]",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", FORBIDDEN)
def test_no_spelling_of_an_inside_address_may_be_connected_to(host: str) -> None:
    """As it was resolved; a spelling that this system's resolver does not know leads nowhere."""
    with pytest.raises((ForbiddenAddressError, socket.gaierror)):
        public_addresses(host, 80)


def test_addresses_of_the_internet_may_be_connected_to() -> None:
    for each in ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert public(each), each


def test_of_a_name_with_two_addresses_the_one_inside_is_never_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", (each, 80)) for each in ("10.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert public_addresses("two.example", 80) == ["8.8.8.8"]


def redirecting(server: Server, target: str) -> None:
    server.faults["/xxwiki/"] = [(302, {"Location": target})] * 9


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "u:p@127.1"])
def test_a_redirect_to_another_service_of_this_machine_is_not_followed(
    server: Server, tmp_path: Path, host: str
) -> None:
    with answering(lambda handler: handler.send_error(500)) as (other, heard):
        port = other.rpartition(":")[2]
        redirecting(server, f"http://{host}:{port}/admin?delete=1")
        with pytest.raises(InputError, match="redirects to"):
            wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client())
    assert not heard


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "10.0.0.1", "2852039166", "localhost"])
def test_a_redirect_inside_is_never_connected_to(
    server: Server, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a web server's port as well: no socket is opened, and the error names --mirror."""
    tried: list[object] = []
    real = BaseSelectorEventLoop.sock_connect

    async def connect(loop: BaseSelectorEventLoop, sock: socket.socket, address: object) -> None:
        tried.append(address)
        await real(loop, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    redirecting(server, f"http://{host}/latest/meta-data/")
    with pytest.raises(InputError, match=r"inside of a network.*--mirror"):
        wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client())
    assert {address[1] for address in tried} == {int(server.url.rpartition(":")[2])}  # type: ignore[index]


def test_a_redirect_to_the_named_server_itself_is_followed(server: Server, tmp_path: Path) -> None:
    server.faults["/xxwiki/"] = [(302, {"Location": f"{server.url}/moved/"})]
    server.put("/moved/", server.files["/xxwiki/"])
    assert wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client()).pins["date"] == "20240201"


@pytest.mark.parametrize(
    "target",
    ["http://8.8.8.8:22/", "http://8.8.8.8:6379/", "http://[::1", "http://a b/", "gopher://x/", "h:\\\\x"],
)
def test_a_redirect_to_no_web_server_is_one_line(server: Server, tmp_path: Path, target: str) -> None:
    redirecting(server, target)
    with pytest.raises(InputError, match=r"redirects to .*not followed") as error:
        wikipedia.fetch(SPEC, tmp_path, mirror=server.url, client=client())
    assert "\n" not in str(error.value)


def test_what_a_server_says_is_cut(server: Server) -> None:
    def talks(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(404, "because " * 4000)
        handler.end_headers()

    with answering(talks) as (url, _), pytest.raises(FetchError) as error:
        client().read(url, 100)
    assert len(str(error.value)) < 200
    server.faults["/x"] = [(302, {"Location": "ftp://h/" + "x" * 9000})]
    with pytest.raises(FetchError) as error:
        client().read(f"{server.url}/x", 100)
    assert len(str(error.value)) < 600


MALFORMED = [
    "http://[::1",
    "http://[v1.x]/",
    "http://",
    "http:///x",
    "http://h:99999",
    "http://h:x",
    "http://h:0",
    "h",
    "",
    "//h",
    "file:///etc/passwd",
    "http://a b",
    "http://a\nb",
    "http://\x1b[31m",
    "http://h\\@i",
    "http://" + "a" * 64 + ".org",
    "http://xn--\u0660",
    "http://a..b",
    "http://\u202eh",
    "http://user:secret@[::1",
    "user:secret@h",
]


@pytest.mark.parametrize("mirror", MALFORMED)
def test_a_malformed_mirror_is_one_line_without_its_password(tmp_path: Path, mirror: str) -> None:
    if not mirror:
        mirror = " "
    with pytest.raises(UlmkitError) as error:
        wikipedia.fetch(SPEC, tmp_path, mirror=mirror, client=client())
    assert isinstance(error.value, UsageError | InputError)
    assert "secret" not in str(error.value)


def test_a_password_is_sent_and_never_shown_or_kept(server: Server, tmp_path: Path) -> None:
    """To the server that was named alone."""
    mirror = server.url.replace("://", "://user:s%C3%A4cret@")
    expected = "Basic " + base64.b64encode("user:säcret".encode()).decode()
    name = f"{STEM}.xml.bz2"
    server.faults[name] = [("cut", 500), ("cut", 100)]
    fetched = wikipedia.fetch(SPEC, tmp_path, mirror=mirror, client=client())
    wikipedia.fetch(SPEC, tmp_path, mirror=mirror, limit=3, client=client())
    assert all(headers.get("Authorization") == expected for _, headers in server.requests)
    assert fetched.pins["mirror"] == server.url
    server.faults[name] = [404]
    fetched.files[0].unlink()
    with pytest.raises(InputError) as error:
        wikipedia.fetch(SPEC, tmp_path, mirror=mirror, client=client())
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (str(error.value).encode(), *kept) if b"cret" in text or b"user" in text]


def test_a_password_is_not_sent_on_to_where_a_redirect_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda handler: handler.send_error(404)) as (other, heard):
        monkeypatch.setattr("ulmkit.acquire.guard.public", lambda _: True)
        monkeypatch.setitem(address.PORTS, "http", int(other.rpartition(":")[2]))
        with serving() as server:
            server.faults["/x"] = [
                (302, {"Location": other.replace("127.0.0.1", "localhost").replace("://", "://a:b@")})
            ]
            with pytest.raises(FetchError, match="answers 404"):
                client().read(server.url.replace("://", "://user:secret@") + "/x", 100)
    assert heard
    assert not [headers for headers in heard if "Authorization" in headers]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://u:p@h/a@b", "http://h/a@b"),
        ("http://u:p@@h", "http://h"),
        ("http:/\\u:p@h", "http:/\\h"),
        ("HTTPS://u@h?x=@y", "HTTPS://h?x=@y"),
        ("u:p@h", "h"),
        ("http://h/@", "http://h/@"),
    ],
)
def test_user_and_password_are_taken_out_of_any_address(url: str, plain: str) -> None:
    assert without_user(url) == plain


def test_an_address_is_taken_apart() -> None:
    at = address_of("https://u:p%40@Example.org/x?y")
    assert (at.url, at.scheme, at.server) == ("https://Example.org/x?y", "https", ("example.org", 443))
    assert base64.b64decode(at.authorization.removeprefix("Basic ")) == b"u:p@"
