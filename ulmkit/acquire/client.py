"""What does a server answer? One answer a request, bounded in time, size and shape, whatever the other side does.

A session follows no redirect, keeps no cookie, asks no proxy that it was not given, and connects only to what its guard
permits. A network and a server never raise here: what went wrong stands in the answer.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import ulmkit
from ulmkit.acquire.address import address_of
from ulmkit.acquire.guard import Guard
from ulmkit.formats.coding import Content, content_of

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientSession, ClientTimeout
    from aiohttp.abc import AbstractResolver
    from yarl import URL

    from ulmkit.acquire.connections import Connector, Response

PROGRAM = f"ulmkit/{ulmkit.__version__} (+https://github.com/ulmkit/ulmkit; builds text corpora)"
# what can go wrong between us and an answer
PROBLEMS = (
    "timeout",  # not done in the time there is
    "too slow",  # a body that comes slower than the least speed
    "too large",
    "broken off",  # the connection ended before the answer did
    "bad http",
    "no such host",
    "unreachable",
    "certificate",  # or anything else that a TLS handshake fails of
    "forbidden address",
    "bad address",
    "offline",
)
SENT_FIELD = 1 << 12  # bytes of a field that we send: an ETag that is longer is not sent back
ALWAYS_UNPACKED = 1 << 20  # bytes that a body may always unpack to, whatever the ratio
CODINGS = 3  # content codings of one body that are undone
_SENDABLE = re.compile(r"[\t\x20-\x7e]*")
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Bounds:
    """How long and how large an answer may be. Seconds and bytes.

    A body's speed is an account: `min_speed` is taken off it each second, what comes is put on it, and it holds no more
    than `window_s` seconds' worth. A body is too slow when nothing is left.
    """

    connect_s: float = 15.0  # name, connection and TLS
    total_s: float = 60.0  # all of it
    min_speed: float = 1024.0
    window_s: float = 15.0
    sent: int = 10_000_000  # a body as sent
    unpacked: int = 50_000_000  # without its content coding
    ratio: int = 200  # unpacked bytes for one that was sent
    other: int = 65_536  # bodies of statuses other than 200 (and 206, where a range was asked for): cut there
    cut: bool = False  # a body that is too large is cut, not refused


PAGE = Bounds()
LIST = Bounds(sent=50_000_000)
ROBOTS = Bounds(sent=600_000, unpacked=600_000, cut=True)


@dataclass(frozen=True)
class Answer:
    """What a server answered to one request, as it was received; `status` is 0 where no header came."""

    url: str
    status: int = 0
    reason: bytes = b""
    version: str = ""  # "HTTP/1.1"
    fields: tuple[tuple[bytes, bytes], ...] = ()  # in order, doubles kept
    body: bytes = b""  # without transfer coding, with its content coding
    truncated: str = ""  # "length": cut by us; "disconnect"
    problem: str = ""  # one of PROBLEMS
    detail: str = ""
    address: str = ""  # of the server, if it was connected to directly
    seconds: float = 0.0
    bounds: Bounds = field(default=PAGE, repr=False, compare=False)

    def header(self, name: str) -> str:
        """The first field of this name as text, "" where there is none."""
        wanted = name.lower().encode()
        for found, value in self.fields:
            if found.lower() == wanted:
                return _text(value)
        return ""

    def headers(self, name: str) -> list[str]:
        """All fields of this name, in order."""
        wanted = name.lower().encode()
        return [_text(value) for found, value in self.fields if found.lower() == wanted]

    def content(self) -> bytes:
        """The body without its content coding. Raises `ExpandsTooMuchError` (a `ValueError`) beyond its bounds."""
        return self.unpacked().data

    def unpacked(self) -> Content:
        """The body without its content coding, and whether all of it came.

        Only what was asked for is unpacked: of a redirect or an error the body is as it was sent.
        """
        limit = min(self.bounds.unpacked, max(ALWAYS_UNPACKED, self.bounds.ratio * len(self.body)))
        content = Content(self.body, not self.truncated)
        if self.status in (200, 206):
            codings = ",".join(self.headers("Content-Encoding")).lower().split(",")
            for coding in codings[: -CODINGS - 1 : -1]:
                data, whole = content_of(content.data, coding.strip(), limit, cut=self.bounds.cut)
                content = Content(data, whole and content.whole)
        return content


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()


def user_agent(languages: str = "", contact: str = "") -> str:
    """What a crawl calls itself: the program, what for, and whom to write to.

    >>> user_agent("fa", "you@example.org").partition(" ")[2]
    '(+https://github.com/ulmkit/ulmkit; text corpora for fa; you@example.org)'
    """
    aim = f"text corpora for {languages}" if languages else "builds text corpora"
    inside = "; ".join(filter(None, ("+https://github.com/ulmkit/ulmkit", aim, contact)))
    return f"ulmkit/{ulmkit.__version__} ({inside})"


class Session:
    """Requests over connections that are kept open, one a host as long as one request at a time is made of it.

    `trust` replaces the certificates that are believed (never whether they are checked), `resolver` the system's,
    and `proxy` is asked where it is given: its own address has to be one that `guard` permits.
    """

    def __init__(
        self,
        *,
        agent: str,
        guard: Guard,
        contact: str = "",
        proxy: str = "",
        trust: "ssl.SSLContext | None" = None,
        resolver: "AbstractResolver | None" = None,
    ) -> None:
        self.guard = guard
        self.in_flight = 0
        self.proxy = proxy
        self._headers = {"User-Agent": agent, "Accept-Encoding": "gzip, br, zstd"}
        if "@" in contact:  # RFC 9110: a mailbox
            self._headers["From"] = contact
        for name, value in self._headers.items():
            if not _SENDABLE.fullmatch(value):
                raise ValueError(f"{name} {value!r}: only printable ASCII can be sent")
        self._trust, self._resolver = trust, resolver
        self._client: ClientSession | None = None
        self._connector: Connector | None = None
        self._timeouts: dict[float, ClientTimeout] = {}

    async def __aenter__(self) -> "Session":
        from ulmkit.acquire.connections import aiohttp_session

        self._client, self._connector = aiohttp_session(self.guard, self._headers, self._trust, self._resolver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def open_connections(self) -> int:
        """Connections that a request holds at this moment."""
        return 0 if self._connector is None else self._connector.held

    async def get(self, url: str, headers: Mapping[str, str] = _NO_HEADERS, bounds: Bounds = PAGE) -> Answer:
        """The answer to one GET of `url`, which is sent as it is written. Redirects are the caller's.

        A field of `headers` that cannot be sent (line breaks, beyond ASCII, over 4 KB) is left out.
        """
        if self.guard.offline:
            return Answer(url, problem="offline", detail="nothing is asked for without a network")
        try:
            target = requestable(url)
        except ValueError as error:
            return Answer(url, problem="bad address", detail=str(error)[:200])
        self.in_flight += 1
        try:
            return await self._bounded(url, target, headers, bounds)
        finally:
            self.in_flight -= 1

    async def _bounded(self, url: str, target: "URL", headers: Mapping[str, str], bounds: Bounds) -> Answer:
        from ulmkit.acquire.connections import problem_of

        exchange = Exchange(bounds, "range" in map(str.lower, headers))
        sent = {name: value for name, value in headers.items() if sendable(value)} if headers else None
        problem, detail = "", ""
        try:
            async with asyncio.timeout_at(exchange.ends) as timer:
                response = await self._opened(target, sent, bounds)
                try:
                    exchange.header(response)
                    await exchange.body(response, timer)
                finally:
                    response.close()  # what was read to its end is back among the idle ones already
        except TimeoutError as error:
            problem, detail = exchange.late(error)
        except TooLargeError as error:
            problem, detail = "too large", str(error)
        except Exception as error:
            problem, detail = problem_of(error)
        return exchange.answer(url, "" if self.proxy else exchange.peer, problem, detail)

    async def _opened(self, target: "URL", headers: dict[str, str] | None, bounds: Bounds) -> "Response":
        from ulmkit.acquire.connections import Response, timeouts

        if self._client is None:
            raise RuntimeError("a Session is used inside of `async with`")
        timeout = self._timeouts.get(bounds.connect_s)
        if timeout is None:
            timeout = self._timeouts[bounds.connect_s] = timeouts(bounds.connect_s)
        response = await self._client.get(
            target, headers=headers, timeout=timeout, allow_redirects=False, proxy=self.proxy or None
        )
        assert isinstance(response, Response)
        return response


class TooLargeError(Exception):
    """A body of more bytes than its bounds."""


class Exchange:
    """One request under way: what came so far, and when it has to end."""

    def __init__(self, bounds: Bounds, ranged: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.bounds, self.ranged = bounds, ranged
        self.begun = self.loop.time()
        self.ends = self.begun + bounds.total_s
        self.starves = float("inf")  # when the body is too slow
        self.status, self.reason, self.version, self.peer = 0, b"", "", ""
        self.fields: tuple[tuple[bytes, bytes], ...] = ()
        self.pieces: list[bytes] = []
        self.truncated = ""

    def header(self, response: "Response") -> None:
        """Keep what the header says. Raises `TooLargeError` where it announces too large a body."""
        self.status = response.status
        self.reason = (response.reason or "").encode("utf-8", "surrogateescape")
        version = response.version
        self.version = f"HTTP/{version.major}.{version.minor}" if version else ""
        self.fields = response.raw_headers
        self.peer = response.peer
        if self.wanted and not self.bounds.cut:
            announced = response.headers.get("Content-Length", "")
            if announced.isascii() and announced.isdigit() and len(announced) < 20:
                self._fits(int(announced))

    @property
    def wanted(self) -> bool:
        """Whether this is the answer that was hoped for: other bodies are of little use, and cut early."""
        return self.status == 200 or (self.status == 206 and self.ranged)

    def _fits(self, size: int) -> None:
        if size > self.bounds.sent:
            raise TooLargeError(f"more than {self.bounds.sent:,} bytes")

    async def body(self, response: "Response", timer: asyncio.Timeout) -> None:
        """Read the body to its end or its bound."""
        content = response.content
        limit = self.bounds.sent if self.wanted else self.bounds.other
        size, speed, most = 0, self.bounds.min_speed, self.bounds.min_speed * self.bounds.window_s
        left, seen = most, self.loop.time()
        while True:
            if speed > 0 and not content.is_eof():
                self.starves = self.loop.time() + left / speed
                timer.reschedule(min(self.ends, self.starves))
            piece = await content.readany()
            if not piece:
                return
            now = self.loop.time()
            left = min(most, left - (now - seen) * speed + len(piece))
            seen = now
            size += len(piece)
            self.pieces.append(piece)
            if size > limit:
                if self.wanted and not self.bounds.cut:
                    self._fits(size)
                self.pieces[-1] = piece[: len(piece) - (size - limit)]
                self.truncated = "length"
                return

    def late(self, error: TimeoutError) -> tuple[str, str]:
        """Which of the bounds was passed."""
        if self.starves < self.ends:
            return "too slow", f"under {self.bounds.min_speed:.0f} bytes a second"
        return "timeout", str(error)[:200] or f"not done in {self.bounds.total_s:g} s"

    def answer(self, url: str, address: str, problem: str, detail: str) -> Answer:
        """All that came. Of a body that was given up nothing is kept, of one that broke off what there is."""
        kept = not problem or problem == "broken off"
        if problem == "broken off" and self.status:
            self.truncated = "disconnect"
        return Answer(
            url,
            self.status,
            self.reason,
            self.version,
            self.fields,
            b"".join(self.pieces) if kept else b"",
            self.truncated,
            problem,
            detail,
            address,
            self.loop.time() - self.begun,
            self.bounds,
        )


def sendable(value: str) -> bool:
    """Whether a header field of this value reaches the server as it is."""
    return len(value) <= SENT_FIELD and _SENDABLE.fullmatch(value) is not None


def requestable(url: str) -> "URL":
    """`url` as it is asked for. Raises `ValueError` for what is no address of the web, or has a user in it."""
    from yarl import URL

    at = address_of(url)
    if at.url != url:
        raise ValueError("a user name in it")
    if "%" in at.host and ":" not in at.host:
        raise ValueError("no host is called so")
    return URL(url, encoded=True) if url.isascii() else URL(url)
