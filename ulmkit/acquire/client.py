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
# what nearly all addresses look like, and nothing that is to be looked at twice
_COMMON = re.compile(
    r"https?://[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,9}(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?/[!-\[\]-~]*"
)
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

        self._client, self._connector = aiohttp_session(self.guard, self._headers, self.certificates, self._resolver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def certificates(self) -> "ssl.SSLContext":
        """What is asked of a server's certificate."""
        from ulmkit.acquire.connections import web_certificates

        return self._trust or web_certificates()

    @property
    def open_connections(self) -> int:
        """Connections that a request holds at this moment."""
        return 0 if self._connector is None else self._connector.held

    async def get(self, url: str, headers: Mapping[str, str] = _NO_HEADERS, bounds: Bounds = PAGE) -> Answer:
        """The answer to one GET of `url`, which is sent as it is written. Redirects are the caller's.

        A field of `headers` that cannot be sent (line breaks, beyond ASCII, over 4 KB) is left out.
        """
        exchange = Exchange(url, headers, bounds)
        self.in_flight += 1
        try:
            async with asyncio.timeout_at(exchange.ends) as timer:
                try:
                    await exchange.begin(self)
                    await exchange.collect(timer)
                finally:
                    exchange.close()
        except Exception as error:
            exchange.fail(error)
        finally:
            self.in_flight -= 1
        return exchange.answer()

    async def begin(self, url: str, headers: Mapping[str, str] = _NO_HEADERS, bounds: Bounds = PAGE) -> "Incoming":
        """The answer to one GET when its header is here, for a body of any length. It has to be closed.

        Of `bounds`, the total time is for the header; the body is bounded by its speed alone.
        """
        exchange = Exchange(url, headers, bounds)
        try:
            async with asyncio.timeout_at(exchange.ends):
                await exchange.begin(self)
        except Exception as error:
            exchange.fail(error)
        except BaseException:
            exchange.close()
            raise
        return Incoming(exchange)

    async def response(self, url: str, headers: Mapping[str, str], bounds: Bounds) -> "Response":
        """aiohttp's own answer. Raises what it raises, and `ValueError` for an address that is none."""
        from ulmkit.acquire.connections import Response, timeouts

        if self._client is None:
            raise RuntimeError("a Session is used inside of `async with`")
        timeout = self._timeouts.get(bounds.connect_s)
        if timeout is None:
            timeout = self._timeouts[bounds.connect_s] = timeouts(bounds.connect_s)
        sent = {name: value for name, value in headers.items() if sendable(value)} if headers else None
        response = await self._client.get(
            requestable(url), headers=sent, timeout=timeout, allow_redirects=False, proxy=self.proxy or None
        )
        assert isinstance(response, Response)
        return response


class OfflineError(Exception):
    """Something was asked for where nothing may be."""


class TooLargeError(Exception):
    """A body of more bytes than its bounds."""


class Exchange:
    """One request under way: what came so far, and when it has to end."""

    def __init__(self, url: str, headers: Mapping[str, str], bounds: Bounds) -> None:
        self.loop = asyncio.get_running_loop()
        self.url, self.headers, self.bounds = url, headers, bounds
        self.begun = self.loop.time()
        self.ends = self.begun + bounds.total_s
        self.starves = float("inf")  # when the body is too slow
        self.account = bounds.min_speed * bounds.window_s
        self.response: Response | None = None
        self.pieces: list[bytes] = []
        self.truncated = self.problem = self.detail = self.address = ""

    async def begin(self, session: Session) -> None:
        """Wait for the header."""
        if session.guard.offline:
            raise OfflineError("nothing is asked for without a network")
        self.response = await session.response(self.url, self.headers, self.bounds)
        if not session.proxy:
            self.address = self.response.peer

    def close(self) -> None:
        """Give the connection up, unless the body was read to its end: then it is idle already."""
        if self.response is not None:
            self.response.close()

    @property
    def wanted(self) -> bool:
        """Whether this is the answer that was hoped for: other bodies are of little use, and cut early."""
        status = self.response.status if self.response else 0
        return status == 200 or (status == 206 and "range" in map(str.lower, self.headers))

    async def piece(self, timer: asyncio.Timeout) -> bytes:
        """The next bytes of the body, none at its end. Raises `TimeoutError` for a body that is too slow."""
        assert self.response is not None
        content, speed, begun = self.response.content, self.bounds.min_speed, self.loop.time()
        if speed > 0 and not content.is_eof():
            self.starves = begun + self.account / speed
            timer.reschedule(min(self.ends, self.starves))
        piece = await self.response.piece()
        if piece:
            self.account += len(piece) - (self.loop.time() - begun) * speed
            if self.account < 0:
                self.starves = begun
                raise TimeoutError
            self.account = min(self.account, speed * self.bounds.window_s)
        return piece

    async def collect(self, timer: asyncio.Timeout) -> None:
        """Read the body to its end or its bound. Raises `TooLargeError`, before it is read where that is announced."""
        wanted = self.wanted
        refused = wanted and not self.bounds.cut
        limit = self.bounds.sent if wanted else self.bounds.other
        size = self._announced() if refused else 0
        if size <= limit:
            size = 0
            while piece := await self.piece(timer):
                size += len(piece)
                self.pieces.append(piece)
                if size > limit:
                    break
        if size <= limit:
            return
        if refused:
            raise TooLargeError(f"more than {limit:,} bytes")
        self.pieces[-1] = self.pieces[-1][: len(self.pieces[-1]) - (size - limit)]
        self.truncated = "length"

    def _announced(self) -> int:
        """The size that the header tells."""
        assert self.response is not None
        size = self.response.headers.get("Content-Length", "")
        return int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0

    def fail(self, error: Exception) -> None:
        """Remember what went wrong. Raises `error` again if it is none of a network's or a server's."""
        from ulmkit.acquire.connections import problem_of

        if isinstance(error, TimeoutError) and self.starves < self.ends:
            self.problem, self.detail = "too slow", f"under {self.bounds.min_speed:.0f} bytes a second"
        elif isinstance(error, TimeoutError):
            self.problem, self.detail = "timeout", str(error)[:200] or f"not done in {self.bounds.total_s:g} s"
        elif isinstance(error, TooLargeError):
            self.problem, self.detail = "too large", str(error)
        elif isinstance(error, OfflineError):
            self.problem, self.detail = "offline", str(error)
        else:
            self.problem, self.detail = problem_of(error)
        if self.problem == "broken off" and self.response is not None:
            self.truncated = "disconnect"

    def answer(self) -> Answer:
        """All that came. Of a body that was given up nothing is kept, of one that broke off what there is."""
        response, version = self.response, self.response.version if self.response else None
        kept = not self.problem or self.problem == "broken off"
        return Answer(
            self.url,
            response.status if response else 0,
            ((response.reason if response else "") or "").encode("utf-8", "surrogateescape"),
            f"HTTP/{version.major}.{version.minor}" if version else "",
            response.raw_headers if response else (),
            b"".join(self.pieces) if kept else b"",
            self.truncated,
            self.problem,
            self.detail,
            self.address,
            self.loop.time() - self.begun,
            self.bounds,
        )


class Incoming:
    """An answer of which the header is here: `head` is all but the body, `piece` gives that as it comes."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.head = exchange.answer()

    async def piece(self) -> bytes:
        """The next bytes of the body, none at its end.

        Raises `TimeoutError` for a body that is too slow, `ConnectionError` for one that breaks off.
        """
        exchange = self.exchange
        exchange.ends = float("inf")
        try:
            async with asyncio.timeout(None) as timer:
                return await exchange.piece(timer)
        except Exception as error:
            exchange.fail(error)
            kind = TimeoutError if exchange.problem == "too slow" else ConnectionError
            raise kind(exchange.detail) from error

    def close(self) -> None:
        """Give the connection up, unless the body was read to its end."""
        self.exchange.close()


def sendable(value: str) -> bool:
    """Whether a header field of this value reaches the server as it is."""
    return len(value) <= SENT_FIELD and _SENDABLE.fullmatch(value) is not None


def requestable(url: str) -> "URL":
    """`url` as it is asked for. Raises `ValueError` for what is no address of the web, or has a user in it."""
    from yarl import URL

    if _COMMON.fullmatch(url):
        return URL(url, encoded=True)
    at = address_of(url)
    if at.url != url:
        raise ValueError("a user name in it")
    if "%" in at.host and ":" not in at.host:
        raise ValueError("no host is called so")
    return URL(url, encoded=True) if url.isascii() else URL(url)
