"""Annex A of the design: what 60 servers do, and what must follow, as far as it is the wire's to see to it.

Deadlines are the design's, scaled down by bounds of the test's own. What an answer then means for its page is told by
answers.py, whose word is asked where the annex's is a page's.
"""

import asyncio
import gzip
import ssl
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from bombs import BROTLI, gzip_bomb, zstd_bomb
from raw_server import Behaviour, RawServer, Send, ok, raw_server

from ulmkit.acquire.answers import page_outcome
from ulmkit.acquire.client import Answer, Bounds, Session, user_agent
from ulmkit.acquire.connections import address_record
from ulmkit.acquire.guard import Guard
from ulmkit.formats.coding import ExpandsTooMuchError

QUICK = Bounds(connect_s=0.4, total_s=0.4)
SLOW = Bounds(total_s=20, min_speed=20_000, window_s=0.4)
PATIENT = Bounds(total_s=20)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def asked(
    server: RawServer,
    bounds: Bounds = PATIENT,
    headers: Mapping[str, str] | None = None,
    paths: tuple[str, ...] = ("/",),
) -> list[Answer]:
    """The answers to requests one after the other; afterwards no connection is held, and the next server is asked."""

    async def ask() -> list[Answer]:
        with raw_server(ok(b"another")) as other:
            guard = Guard(allowed=frozenset({server.pair, other.pair}))
            async with Session(agent=user_agent("xx"), guard=guard) as session:
                answers = [await session.get(server.url + path, headers or {}, bounds) for path in paths]
                assert (session.in_flight, session.open_connections) == (0, 0)
                assert (await session.get(other.url)).body == b"another"
                return answers

    return asyncio.run(ask())


def repeating(first: bytes, piece: bytes, pause_s: float = 0.02) -> Behaviour:
    """Sends `first`, and then `piece` for ever."""

    async def send_on(send: Send, request: bytes) -> None:
        await send(first)
        while True:
            await send(piece)
            await asyncio.sleep(pause_s)

    return send_on


def in_parts(*parts: bytes, pause_s: float = 0.02) -> Behaviour:
    """Sends one part after the other, each in a packet of its own."""

    async def send_all(send: Send, request: bytes) -> None:
        for part in parts:
            await send(part)
            await asyncio.sleep(pause_s)

    return send_all


async def silent(send: Send, request: bytes) -> None:
    await asyncio.sleep(60)


async def on_the_line(send: Send, request: bytes) -> None:
    """A body at exactly the least speed, on time."""
    piece_s = 0.05
    begun = time.monotonic()
    await send(HEAD + b"Content-Length: 40000\r\n\r\n")
    for number in range(40):
        await asyncio.sleep(max(0.0, begun + (number + 1) * piece_s - time.monotonic()))
        await send(b"x" * 1000)


@dataclass(frozen=True)
class Row:
    """What a server does, and the answer that must follow; None: whatever it is."""

    number: str
    does: str
    behaviour: Behaviour
    problem: str | None = ""
    status: int | None = 200
    body: bytes | None = b"hi"
    truncated: str = ""
    page: str | None = None  # state and reason of the page
    bounds: Bounds = PATIENT
    within_s: float | None = None  # the bound that is passed; a second later at most
    fields: tuple[tuple[bytes, bytes], ...] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    conditional: bool = False
    content: bytes | type[Exception] | None = None


def refused(number: str, does: str, answer: bytes) -> Row:
    return Row(number, does, answer, "bad http", None, b"", page="failed bad http")


def with_status(number: str, status: bytes, page: str, **more: object) -> Row:
    code = int(status[:4])
    return Row(number, f"status {status.decode()}", ok(b"hi", status=status), status=code, page=page, **more)  # type: ignore[arg-type]


ROWS = [
    Row("A1", "never answers", silent, "timeout", 0, b"", page="retry timeout", bounds=QUICK, within_s=0.4),
    Row("A2", "drips its header", repeating(HEAD + b"X: ", b"x"), "timeout", 0, b"", bounds=QUICK, within_s=0.4),
    Row(
        "A3",
        "says 100 Continue for ever",
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "timeout",
        0,
        b"",
        bounds=QUICK,
        within_s=0.4,
    ),
    Row(
        "A3",
        "floods with 100 Continue",
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0),
        "timeout",
        0,
        b"",
        bounds=QUICK,
        within_s=0.4,
    ),
    Row("A4", "hints before it answers", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(b"hi"), page="kept "),
    Row(
        "A5",
        "sends its body a byte at a time",
        repeating(HEAD + b"\r\n", b"x"),
        "too slow",
        200,
        b"",
        page="retry too slow",
        bounds=SLOW,
        within_s=0.4,
    ),
    Row(
        "A5",
        "stops in its body",
        in_parts(HEAD + b"Content-Length: 99\r\n\r\n", b"x", pause_s=30),
        "too slow",
        200,
        b"",
        bounds=SLOW,
        within_s=0.4,
    ),
    Row(
        "A5",
        "sends its body at half the least speed",
        repeating(HEAD + b"\r\n", b"x" * 500, 0.05),
        "too slow",
        200,
        b"",
        bounds=SLOW,
        within_s=0.7,
    ),
    Row(
        "A6",
        "sends its body at just the least speed",
        on_the_line,
        body=b"x" * 40_000,
        bounds=replace(SLOW, window_s=1.5),  # a busy machine lets a packet come late
    ),
    Row(
        "A7",
        "sends its body without end",
        repeating(HEAD + b"\r\n", b"x" * 65_536, 0.0),
        "too large",
        200,
        b"",
        page="failed too large",
    ),
    Row("A7", "announces too large a body", HEAD + b"Content-Length: 10000001\r\n\r\n", "too large", 200, b""),
    Row(
        "A8",
        "announces more than it sends",
        HEAD + b"Content-Length: 9\r\n\r\nhi",
        "broken off",
        truncated="disconnect",
        page="retry broken off",
    ),
    Row("A9", "announces less than it sends", HEAD + b"Content-Length: 2\r\n\r\nhigh", page="kept "),
    refused("A10", "two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi "),
    refused("A11", "a length and chunks", HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused("A11", "chunks and a length", HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
    *(
        refused("A12", f"a length of {length.decode()}", HEAD + b"Content-Length: " + length + b"\r\n\r\nhi")
        for length in (b"-1", b"+5", b"5 5", b"0x5")
    ),
    refused("A13", "a chunk that is none", CHUNKED + b"xyz\r\nhi\r\n0\r\n\r\n"),
    refused("A13", "a negative chunk", CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n"),
    Row("A13", "a chunk that is none, later", in_parts(CHUNKED, b"2\r\nhi\r\n", b"xyz\r\n"), "bad http", None, b""),
    Row("A14", "a chunk's extension of 200 KB", CHUNKED + b"2;" + b"x" * 200_000 + b"\r\nhi\r\n0\r\n\r\n"),
    Row("A15", "no last chunk", CHUNKED + b"2\r\nhi\r\n", "broken off", truncated="disconnect"),
    Row(
        "A16",
        "a trailer that leads elsewhere",
        CHUNKED + b"2\r\nhi\r\n0\r\nLocation: /x\r\n\r\n",
        page="kept ",
        fields=((b"Transfer-Encoding", b"chunked"),),
    ),
    refused("A17", "no header", b"<html>hi</html>"),
    refused("A18", "no HTTP", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    Row("A19", "LF alone", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", page="kept "),
    refused("A20", "a field of 1 MB", HEAD + b"X: " + b"x" * 1_000_000 + b"\r\nContent-Length: 2\r\n\r\nhi"),
    Row("A20", "a field of 32,000 bytes", HEAD + b"X: " + b"x" * 32_000 + b"\r\nContent-Length: 2\r\n\r\nhi"),
    refused("A21", "100,000 fields", HEAD + b"X: x\r\n" * 100_000 + b"Content-Length: 2\r\n\r\nhi"),
    Row("A21", "100 fields", HEAD + b"X: x\r\n" * 99 + b"Content-Length: 2\r\n\r\nhi"),
    refused("A21", "101 fields", HEAD + b"X: x\r\n" * 100 + b"Content-Length: 2\r\n\r\nhi"),
    refused("A22", "NUL in a field", HEAD + b"X: a\0b\r\nContent-Length: 2\r\n\r\nhi"),
    refused("A22", "NUL in a field's name", HEAD + b"X\0: a\r\nContent-Length: 2\r\n\r\nhi"),
    refused("A22", "CR alone in a field", HEAD + b"X: a\rY: b\r\nContent-Length: 2\r\n\r\nhi"),
    Row(
        "A24",
        "letters beyond ASCII in a field",
        HEAD + "X: نام\r\n".encode() + b"Content-Length: 2\r\n\r\nhi",
        fields=((b"X", "نام".encode()), (b"Content-Length", b"2")),
    ),
    Row(
        "A25",
        "a field twice",
        ok(b"hi", b"X-A: 1", b"x-a: 2"),
        fields=((b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Length", b"2")),
    ),
    with_status("A26", b"999 No", "failed 999"),
    Row("A26", "status 099", b"HTTP/1.1 099 No\r\n\r\n", status=99, body=None, page="failed 99"),
    refused("A26", "status 2000", b"HTTP/1.1 2000 No\r\n\r\n"),
    Row("A27", "an empty page", ok(), body=b"", page="failed empty"),
    Row("A28", "status 204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204, body=b"", page="failed 204"),
    Row("A28", "status 205", ok(status=b"205 Reset"), status=205, body=b"", page="failed 205"),
    with_status("A29", b"206 Partial Content", "failed 206"),
    Row("A30", "304 unasked", b"HTTP/1.1 304 No\r\n\r\n", status=304, body=b"", page="failed 304 unasked"),
    Row("A30", "304", b"HTTP/1.1 304 No\r\n\r\n", status=304, body=b"", page="revisit ", conditional=True),
    Row("A34", "gzip in gzip", ok(gzip.compress(gzip.compress(b"hi")), b"Content-Encoding: gzip"), body=None),
    Row(
        "A37",
        "deflate without zlib's header",
        ok(zlib.compress(b"hi")[2:-4], b"Content-Encoding: deflate"),
        body=None,
        content=b"hi",
    ),
    Row("A37", "deflate", ok(zlib.compress(b"hi"), b"Content-Encoding: deflate"), body=None, content=b"hi"),
    Row("A38", "gzip that is none", ok(b"hi", b"Content-Encoding: gzip"), content=b"hi"),
    Row("A38", "Brotli that is none", ok(b"hi", b"Content-Encoding: br"), content=b"hi"),
    Row(
        "A40",
        "a large body of a 404",
        ok(b"x" * 1_000_000, status=b"404 No"),
        body=b"x" * 65_536,
        status=404,
        truncated="length",
        page="gone 404",
    ),
    *(
        Row("A44", does, answer, status=302, body=b"", page="failed redirect to no address")
        for does, answer in (
            ("a redirect without an address", ok(status=b"302 Found")),
            ("a redirect to nothing", ok(b"", b"Location:", status=b"302 Found")),
        )
    ),
    refused("A44", "a redirect of 100 KB", ok(b"", b"Location: /" + b"x" * 100_000, status=b"302 Found")),
    Row(
        "A59",
        "a page that is no page",
        ok(b"\x89PNG\r\n\x1a\n\0", b"Content-Type: text/html"),
        body=b"\x89PNG\r\n\x1a\n\0",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number} {row.does}")
def test_what_a_server_does_leads_to_one_answer(row: Row) -> None:
    with raw_server(row.behaviour) as server:
        begun = time.monotonic()
        (answer,) = asked(server, row.bounds, row.headers)
        took = time.monotonic() - begun
    assert row.problem is None or answer.problem == row.problem, answer.detail
    assert row.status is None or answer.status == row.status
    assert row.body is None or answer.body == row.body
    assert answer.truncated == row.truncated
    if row.fields is not None:
        assert answer.fields == row.fields
    if row.within_s is not None:
        assert row.within_s <= answer.seconds <= row.within_s + 1
        assert took < row.within_s + 2
    if row.page is not None:
        outcome = page_outcome(answer, 0, conditional=row.conditional)
        assert f"{outcome.state} {outcome.reason}" == row.page
    if isinstance(row.content, bytes):
        assert answer.content() == row.content
    assert len(server.requests) == 1


def test_a_connection_on_which_more_was_sent_is_left_a9() -> None:
    with raw_server(HEAD + b"Content-Length: 2\r\n\r\nhigh", keep=True) as server:
        assert [answer.body for answer in asked(server, paths=("/1", "/2"))] == [b"hi", b"hi"]
    assert server.connections == 2


def test_a_folded_field_is_joined_a23() -> None:
    with raw_server(ok(b"hi", b"X: a\r\n  b\r\n\tc")) as server:
        (answer,) = asked(server)
    assert answer.header("X").split() == ["a", "b", "c"]
    assert b"\r" not in dict(answer.fields)[b"X"]


@pytest.mark.parametrize("etag", [b'W/"1"', b'"' + b"x" * 8190 + b'"', b'"a\r\n b"'], ids=["weak", "huge", "folded"])
def test_an_etag_is_sent_back_as_it_is_or_not_at_all_a32(etag: bytes) -> None:
    with raw_server(ok(b"hi", b"ETag: " + etag)) as server:
        (answer,) = asked(server)
        found = answer.header("ETag")
        assert found
        asked(server, headers={"If-None-Match": found})
    sent = [line for line in server.requests[1].split(b"\r\n") if line.lower().startswith(b"if-none-match")]
    assert sent in ([], [b"If-None-Match: " + etag.replace(b"\r\n", b"")])
    assert all(line.count(b":") for line in server.requests[1].strip().split(b"\r\n")[1:])


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip_bomb(1)),
        ("br", BROTLI),
        ("zstd", zstd_bomb(100_000)),
        ("zstd", zstd_bomb(100, window_log=31)),
        ("zstd", zstd_bomb(400)),
    ],
    ids=["A33 gzip", "A35 br", "A36 zstd", "A36 zstd window of 2 GB", "A36 zstd small"],
)
def test_what_expands_too_much_is_not_unpacked(coding: str, body: bytes) -> None:
    with raw_server(ok(body, b"Content-Encoding: " + coding.encode())) as server:
        (answer,) = asked(server)
    assert (answer.problem, answer.body) == ("", body)
    with pytest.raises(ExpandsTooMuchError):
        answer.content()


def test_one_layer_is_undone_a34() -> None:
    inner = gzip.compress(gzip.compress(b"hi"))
    with raw_server(ok(gzip.compress(inner), b"Content-Encoding: gzip")) as server:
        (answer,) = asked(server)
    assert answer.content() == inner


def test_gzip_that_is_cut_gives_what_came_and_says_so_a39() -> None:
    page = "".join(f"<p>{number}</p>" for number in range(5000)).encode()
    packed = gzip.compress(page)
    with raw_server(ok(packed[: len(packed) // 2], b"Content-Encoding: gzip")) as server:
        (answer,) = asked(server)
    data, whole = answer.unpacked()
    assert page.startswith(data)
    assert len(data) > 1000
    assert not whole


@pytest.mark.parametrize("status", [b"302 Found", b"404 Not Found", b"500 Oops"])
def test_a_bomb_of_a_redirect_or_an_error_is_not_unpacked_a40(status: bytes) -> None:
    bomb = gzip_bomb(1)
    with raw_server(ok(bomb, b"Content-Encoding: gzip", b"Location: /x", status=status)) as server:
        (answer,) = asked(server)
    assert (answer.body, answer.truncated) == (bomb[:65_536], "length")
    assert answer.content() == bomb[:65_536]


@pytest.mark.parametrize("number", ["A41 itself", "A43 on and on"])
def test_no_redirect_is_followed(number: str) -> None:
    with raw_server(ok(b"", b"Location: /", status=b"301 Moved"), keep=True) as server:
        (answer,) = asked(server)
    assert (answer.status, answer.header("Location"), len(server.requests)) == (301, "/", 1)


def test_what_is_no_address_is_not_asked_for_a45() -> None:
    with raw_server(ok(b"hi")) as server:

        async def ask() -> None:
            async with Session(agent="x", guard=Guard(allowed=frozenset({server.pair}))) as session:
                for url in (
                    "//127.0.0.1/",
                    "?x",
                    "/x",
                    "",
                    f"http:\\\\127.0.0.1:{server.port}",
                    "http://a b/",
                    "http:///",
                ):
                    assert (await session.get(url)).problem == "bad address", url
                assert not server.requests
                assert (await session.get(server.url + "/سلام?q=خوب")).body == b"hi"

        asyncio.run(ask())
    path = "/%D8%B3%D9%84%D8%A7%D9%85?q=%D8%AE%D9%88%D8%A8"
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_no_cookie_is_kept_a60() -> None:
    with raw_server(ok(b"", b"Set-Cookie: a=1; Path=/", b"Location: /", status=b"302 Found"), keep=True) as server:
        asked(server, paths=("/", "/"))
    assert len(server.requests) == 2
    assert not [request for request in server.requests if b"cookie" in request.lower()]


CERTIFICATES = Path(__file__).parents[1] / "support" / "certificates"  # EC P-256, valid to 2120 but for `expired`


class One(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: object = None) -> list[ResolveResult]:
        return [address_record(host, "127.0.0.1", port)]

    async def close(self) -> None:
        pass


def believing(authority: bool = True) -> ssl.SSLContext:
    return (
        ssl.create_default_context(cafile=CERTIFICATES / "authority.pem") if authority else ssl.create_default_context()
    )


def serving(certificate: str, adapt: Callable[[ssl.SSLContext], None] = lambda _: None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    adapt(context)
    return context


def old(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1


def knowing_another_name(context: ssl.SSLContext) -> None:
    def refuse(connection: object, name: str | None, context: ssl.SSLContext) -> int | None:
        return None if name == "another.example" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = refuse


def over_tls(
    server_side: ssl.SSLContext, name: str = "site.example", trust: ssl.SSLContext | None = None
) -> tuple[Answer, RawServer]:
    with raw_server(ok(b"hi"), tls=server_side) as server:

        async def ask() -> Answer:
            guard = Guard(allowed=frozenset({server.pair}))
            async with Session(agent="x", guard=guard, trust=trust or believing(), resolver=One()) as session:
                return await session.get(f"https://{name}:{server.port}/", {}, PATIENT)

        return asyncio.run(ask()), server


@pytest.mark.parametrize("name", ["site.example", "127.0.0.1"])
def test_a_certificate_of_a_known_authority_is_believed(name: str) -> None:
    answer, _ = over_tls(serving("good"), name)
    assert (answer.problem, answer.body) == ("", b"hi")


@pytest.mark.parametrize(
    ("server_side", "trust"),
    [
        pytest.param(lambda: serving("expired"), True, id="expired"),
        pytest.param(lambda: serving("another-name"), True, id="of another name"),
        pytest.param(lambda: serving("self-signed"), True, id="self-signed"),
        pytest.param(lambda: serving("unknown-authority"), True, id="of an unknown authority"),
        pytest.param(lambda: serving("good"), False, id="of an authority that the system does not know"),
        pytest.param(lambda: serving("good", old), True, id="TLS 1.0 alone"),
        pytest.param(lambda: serving("good", knowing_another_name), True, id="SNI mismatch"),
    ],
)
def test_what_no_certificate_vouches_for_is_not_asked_a58(
    server_side: Callable[[], ssl.SSLContext], trust: bool
) -> None:
    """Nor is it tried again without: no request is heard. A server that hangs up in its handshake is unreachable."""
    answer, server = over_tls(server_side(), trust=believing(trust))
    hangs_up = server_side().sni_callback is not None or server_side().maximum_version == ssl.TLSVersion.TLSv1
    assert (answer.problem, answer.status) == ("unreachable" if hangs_up else "certificate", 0)
    assert (server.connections, server.requests) == (0, [])  # a connection counts when its handshake is done
    assert page_outcome(answer, 0, conditional=False).state == "retry"


def test_what_does_not_check_certificates_is_not_taken_a58() -> None:
    unchecked, unnamed, ancient = believing(), believing(), believing()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    unnamed.check_hostname = False
    ancient.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED

    async def ask(trust: ssl.SSLContext) -> None:
        async with Session(agent="x", guard=Guard(), trust=trust):
            pass

    for trust in (unchecked, unnamed, ancient):
        with pytest.raises(ValueError, match="always checked"):
            asyncio.run(ask(trust))


def test_through_a_proxy_the_certificate_is_the_servers_own() -> None:
    """And the proxy is told of the server's name alone: it hands bytes on."""
    with raw_server(ok(b"hi"), tls=serving("good")) as server, handing_on(server.port) as proxy:

        async def ask(name: str) -> Answer:
            guard = Guard(allowed=frozenset({proxy.pair}))
            settings = {"trust": believing(), "resolver": One(), "proxy": proxy.url}
            async with Session(agent="x", guard=guard, **settings) as session:  # type: ignore[arg-type]
                return await session.get(f"https://{name}/secret", {}, PATIENT)

        good, bad = asyncio.run(ask("site.example")), asyncio.run(ask("other.example"))
    assert (good.body, good.problem, good.address) == (b"hi", "", "")
    assert bad.problem == "certificate"
    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [
        b"CONNECT site.example:443 HTTP/1.1",
        b"CONNECT other.example:443 HTTP/1.1",
    ]
    assert len(server.requests) == 1


@contextmanager
def handing_on(port: int) -> Iterator[RawServer]:
    """A proxy that hands everything on to a port of this machine."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()

    async def connect(send: Send, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        try:
            await send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
        finally:
            there[1].close()

    with raw_server(connect) as proxy:
        yield proxy


MEMORY = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from bombs import BROTLI, gzip_bomb, zstd_bomb
from raw_server import ok, raw_server
from ulmkit.acquire.client import Session
from ulmkit.acquire.guard import Guard

def most():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024

async def flood(send, request):
    await send(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    while True:
        await send(bytes(65536))

head = b"HTTP/1.1 200 OK\\r\\n"
servers = [
    ("A7", flood, b""),
    ("A14", head + b"Transfer-Encoding: chunked\\r\\n\\r\\n2;" + b"x" * 200000 + b"\\r\\nhi\\r\\n0\\r\\n\\r\\n", b""),
    ("A20", head + b"X: " + b"x" * 1000000 + b"\\r\\n\\r\\n", b""),
    ("A21", head + b"X: x\\r\\n" * 100000 + b"\\r\\n", b""),
    ("A33", gzip_bomb(9), b"gzip"),
    ("A35", BROTLI, b"br"),
    ("A36", zstd_bomb(100000, 31), b"zstd"),
    ("A36", zstd_bomb(100000), b"zstd"),
    ("A40", gzip_bomb(9), b"404"),
]
async def main():
    for number, behaviour, coding in servers:
        if coding == b"404":
            behaviour = ok(behaviour, b"Content-Encoding: gzip", status=b"404 No")
        elif coding:
            behaviour = ok(behaviour, b"Content-Encoding: " + coding)
        with raw_server(behaviour) as server:
            async with Session(agent="x", guard=Guard(allowed=frozenset({server.pair}))) as session:
                await session.get("http://127.0.0.1:1/")  # all is loaded
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # the most so far is forgotten
                before = most()
                answer = await session.get(server.url)
                try:
                    answer.content()
                except ValueError:
                    pass
                print(number, most() - before)
asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the most memory there was")
def test_memory_stays_flat_whatever_is_sent() -> None:
    """At most 64 MB more than before, with what the server itself holds."""
    support = Path(__file__).parents[1] / "support"
    done = subprocess.run([sys.executable, "-c", MEMORY, str(support)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    grown = [line.split() for line in done.stdout.splitlines()]
    assert len(grown) == 9
    assert not [(number, megabytes) for number, megabytes in grown if int(megabytes) > 64], done.stdout
