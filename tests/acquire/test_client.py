"""One answer a request, whatever the other side does; and nothing is connected to that the guard does not permit."""

import asyncio
from collections.abc import Mapping

import pytest
from raw_server import RawServer, Send, ok, raw_server

from ulmkit.acquire.client import PAGE, ROBOTS, Answer, Bounds, Session, user_agent
from ulmkit.acquire.guard import Guard


def opened_to(*servers: RawServer) -> Guard:
    return Guard(allowed=frozenset(server.pair for server in servers))


def asked(
    server: RawServer, path: str = "/", bounds: Bounds = PAGE, headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer to one request, in a session of its own that holds nothing afterwards."""

    async def ask() -> Answer:
        async with Session(agent=user_agent("xx", "me@example.org"), guard=opened_to(server)) as session:
            answer = await session.get(server.url + path, headers or {}, bounds)
            assert (session.in_flight, session.open_connections) == (0, 0)
            return answer

    return asyncio.run(ask())


def test_an_answer_is_kept_as_it_was_received() -> None:
    fields = (b"Set-Cookie: a=1", b"set-cookie: b=2", "X-Name: نام".encode())
    with raw_server(ok(b"page", *fields, status="200 خوب".encode())) as server:
        answer = asked(server)
    assert answer == Answer(
        server.url + "/",
        200,
        "خوب".encode(),
        "HTTP/1.1",
        ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Name", "نام".encode()), (b"Content-Length", b"4")),
        b"page",
        address="127.0.0.1",
        seconds=answer.seconds,
    )
    assert (answer.header("x-name"), answer.headers("SET-COOKIE"), answer.header("none")) == ("نام", ["a=1", "b=2"], "")


def test_a_request_says_who_asks_and_nothing_of_what_was_asked_before() -> None:
    with raw_server(ok(b"", b"Set-Cookie: a=1"), keep=True) as server:

        async def ask() -> None:
            agent = user_agent("xx", "me@example.org")
            async with Session(agent=agent, contact="me@example.org", guard=opened_to(server)) as session:
                for each in ("/%d8%B3?q=a+b%20c", "/2"):
                    assert (await session.get(server.url + each)).status == 200

        asyncio.run(ask())
    first, second = (request.split(b"\r\n") for request in server.requests)
    assert first[0] == b"GET /%d8%B3?q=a+b%20c HTTP/1.1"
    assert sorted(first[1:]) == sorted(second[1:])
    assert b"From: me@example.org" in second
    assert b"Accept-Encoding: gzip, br, zstd" in second
    assert [line for line in second if line.startswith(b"User-Agent: ulmkit/") and line.endswith(b"me@example.org)")]
    assert not [line for line in second if line.lower().startswith((b"cookie", b"referer"))]
    assert server.connections == 1


def test_a_redirect_is_an_answer() -> None:
    with raw_server(ok(b"", b"Location: /elsewhere", status=b"302 Found")) as server:
        answer = asked(server)
    assert (answer.status, answer.header("Location"), len(server.requests)) == (302, "/elsewhere", 1)


def test_an_offline_guard_asks_nothing() -> None:
    async def ask() -> Answer:
        async with Session(agent="x", guard=Guard(offline=True)) as session:
            return await session.get("http://example.org/")

    assert asyncio.run(ask()).problem == "offline"


def test_a_request_that_is_called_off_gives_its_connection_back() -> None:
    async def never(send: Send, request: bytes) -> None:
        await send(b"HTTP/1.1 200 OK\r\n\r\nbegun")
        await asyncio.sleep(60)

    with raw_server(never) as server:

        async def ask() -> tuple[int, int]:
            async with Session(agent="x", guard=opened_to(server)) as session:
                task = asyncio.create_task(session.get(server.url))
                while not server.requests:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                return session.in_flight, session.open_connections

        assert asyncio.run(ask()) == (0, 0)


@pytest.mark.parametrize("etag", ['"a\r\nX: y"', "a\nb", "x" * 8192, "نام", "\0"])
def test_a_field_that_cannot_be_sent_is_left_out(etag: str) -> None:
    with raw_server(ok()) as server:
        assert asked(server, headers={"If-None-Match": etag, "If-Modified-Since": "now"}).status == 200
    assert b"If-Modified-Since: now" in server.requests[0]
    assert b"If-None-Match" not in server.requests[0]


def test_what_robots_txt_has_beyond_its_bound_is_cut() -> None:
    with raw_server(ok(b"#" * 700_000)) as server:
        answer = asked(server, bounds=ROBOTS)
    assert (answer.problem, answer.truncated, len(answer.body)) == ("", "length", 600_000)


def test_a_range_that_was_asked_for_comes_whole() -> None:
    with raw_server(ok(b"x" * 100_000, status=b"206 Partial Content")) as server:
        assert len(asked(server, headers={"Range": "bytes=0-99999"}).body) == 100_000
        assert asked(server).truncated == "length"


def test_only_printable_letters_are_sent_as_who_asks() -> None:
    with pytest.raises(ValueError, match="printable"):
        Session(agent="x\r\nHost: y", guard=Guard())


def test_a_guard_is_opened_for_pairs_alone() -> None:
    guard = Guard(allowed=frozenset({("0:0:0:0:0:0:0:1", 8000)}))
    assert [guard.permits(*each) for each in (("::1", 8000), ("::1", 80), ("127.0.0.1", 8000), ("8.8.8.8", 8000))] == [
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(ValueError):
        Guard(allowed=frozenset({("localhost", 8000)}))


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_what_follows_an_answer_on_its_connection_is_no_answer_to_the_next_request(pause_s: float) -> None:
    """Neither in the same packet nor after a while: the connection is left."""

    async def speaks_unasked(send: Send, request: bytes) -> None:
        number = b"%d" % len(server.requests)
        await send(ok(number) + (b"" if pause_s else ok(b"stale")))
        if pause_s:
            await asyncio.sleep(pause_s)
            await send(ok(b"stale"))

    with raw_server(speaks_unasked, keep=True) as server:

        async def ask() -> list[bytes]:
            bodies = []
            async with Session(agent="x", guard=opened_to(server)) as session:
                for _ in range(3):
                    bodies.append((await session.get(server.url)).body)
                    await asyncio.sleep(2 * pause_s)
            return bodies

        assert asyncio.run(ask()) == [b"1", b"2", b"3"]
    assert server.connections == 3


def test_what_came_of_a_body_before_it_broke_off_is_kept() -> None:
    async def breaks_off(send: Send, request: bytes) -> None:
        await send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        await asyncio.sleep(0.02)
        await send(b"begun")

    with raw_server(breaks_off) as server:
        answer = asked(server)
    assert (answer.problem, answer.truncated, answer.body) == ("broken off", "disconnect", b"begun")


def test_a_chunk_that_is_none_ends_a_body_at_once() -> None:
    async def breaks_http(send: Send, request: bytes) -> None:
        await send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await asyncio.sleep(0.02)
        await send(b"no chunk\r\n")

    with raw_server(breaks_http) as server:
        answer = asked(server, bounds=Bounds(total_s=20))
    assert (answer.problem, answer.body) == ("bad http", b"")
    assert answer.seconds < 10


def test_a_connection_that_was_closed_meanwhile_costs_one_more_request_and_no_page() -> None:
    async def hangs_up(send: Send, request: bytes) -> None:
        if len(server.requests) in (2, 5, 6):
            raise ConnectionResetError
        await send(ok(b"page"))

    with raw_server(hangs_up, keep=True) as server:

        async def ask() -> list[tuple[str, int]]:
            async with Session(agent="x", guard=opened_to(server)) as session:
                return [((await session.get(server.url)).problem, len(server.requests)) for _ in range(4)]

        assert asyncio.run(ask()) == [("", 1), ("", 3), ("", 4), ("broken off", 6)]
