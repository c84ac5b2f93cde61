"""Connections as aiohttp makes them: a socket asks the guard, a certificate is checked, a name resolved anew."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import aiohttp
from aiohttp import http_exceptions as wrong_http
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.helpers import _EXC_SENTINEL as _NO_CAUSE

from ulmkit.acquire.guard import Guard

HEADER_FIELD = 1 << 15  # bytes of one header field; content policies are long
HEADER_FIELDS = 100
KEPT_OPEN = 20.0  # seconds that an idle connection is kept
RESOLVING = 32  # names at a time: a dead server of names holds a thread for half a minute
_DETAIL = 200


class NotPermittedError(OSError):
    """A socket that the guard did not permit; equal words, so that aiohttp hands it on as it is."""

    def __init__(self) -> None:
        super().__init__("inside of a network, or no port of a web server")


class SystemResolver(AbstractResolver):
    """The system's resolver, in threads that nothing waits for: a name that is asked for cannot be called back."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(RESOLVING)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`. Raises `socket.gaierror` where there are none."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def tell(addresses: list[Any], error: Exception | None) -> None:
            self.free.release()
            if found.done():
                return
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)

        def look() -> None:
            addresses: list[Any] = []
            problem: Exception | None = None
            try:
                addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            except Exception as error:
                problem = error
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody is left to tell
                loop.call_soon_threadsafe(tell, addresses, problem)

        await self.free.acquire()
        threading.Thread(target=look, name="resolving", daemon=True).start()
        # an address with a scope is inside of a network: the scope goes along so that the guard sees it
        return [address_record(host, _scoped(each[4]), port) for each in await found]

    async def close(self) -> None:
        """Nothing is held."""


def _scoped(address: tuple[Any, ...]) -> str:
    return f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] and "%" not in address[0] else address[0]


def address_record(name: str, address: str, port: int) -> ResolveResult:
    """One address of a name, in aiohttp's shape."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=name, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


class AnswerReader(ResponseHandler):
    """aiohttp's protocol, that reads a header before what follows it, and ends a body in which HTTP is broken.

    What comes after an answer in the same packet would else undo the answer, and a wrong chunk leave who reads the body
    waiting for his deadline (both so in aiohttp 3.14.5).
    """

    heading = False  # whether the header of an answer is still to come

    def set_response_params(self, **settings: Any) -> None:
        """Begin to wait for an answer."""
        self.heading = True
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        end = data.find(b"\r\n\r\n") + 4 if self.heading else 0
        if 4 <= end < len(data):
            self.heading = False
            super().data_received(data[:end])
            data = data[end:]
        super().data_received(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _NO_CAUSE) -> None:
        """Hand an error to who waits for the header, and to who reads the body."""
        super().set_exception(exc, exc_cause)
        body = self._payload
        if body is not None and not body.is_eof() and isinstance(exc, wrong_http.HttpProcessingError):
            broken = aiohttp.ClientPayloadError(exc.message)
            broken.__cause__ = exc
            body.set_exception(broken, exc)


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool, that uses no connection again on which a server spoke unasked."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory: Any = partial(AnswerReader, loop=self._loop)
        self._used: weakref.WeakSet[ResponseHandler] = weakref.WeakSet()

    @property
    def held(self) -> int:
        """Connections that a request has at this moment."""
        return len(self._acquired)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Connection:
        """A new connection or an idle one. One that has something to read before it was asked is closed."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or protocol not in self._used or not protocol.should_close:
                break
            connection.close()
        if protocol is not None:
            self._used.add(protocol)
        return connection


class Response(aiohttp.ClientResponse):
    """aiohttp's answer, that knows whom it is from."""

    peer = ""

    async def start(self, connection: Connection) -> "Response":
        """Read the header."""
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        if name:
            self.peer = str(name[0])
        await super().start(connection)
        return self

    async def piece(self) -> bytes:
        """The next bytes of the body, none at its end; what came before it broke off comes before the error."""
        try:
            return await self.content.readany()
        except aiohttp.ClientError:
            left = self.content._read_nowait(-1) if self.content._buffer else b""
            if not left:
                raise
            return left


def timeouts(connect_s: float) -> aiohttp.ClientTimeout:
    """A bound for connecting alone, to the fraction of a second; the rest is bounded by who asks."""
    return aiohttp.ClientTimeout(total=None, connect=connect_s, ceil_threshold=float("inf"))


@cache
def web_certificates() -> ssl.SSLContext:
    """What a browser asks of a server: TLS 1.2, a certificate of a known authority, and its name."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def aiohttp_session(
    guard: Guard, headers: Mapping[str, str], trust: ssl.SSLContext, resolver: AbstractResolver | None
) -> tuple[aiohttp.ClientSession, Connector]:
    """A session of aiohttp's with nothing of its own will, and its connections.

    Raises `ValueError` for a `trust` that does not check.
    """
    modern = trust.minimum_version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    if trust.verify_mode is not ssl.CERT_REQUIRED or not trust.check_hostname or not modern:
        raise ValueError("certificates and names are always checked")

    def permitted(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not guard.permits(str(address[0]), int(address[1])):
            raise NotPermittedError
        return socket.socket(family, kind, protocol)

    connector = Connector(
        socket_factory=permitted,
        use_dns_cache=False,
        resolver=resolver or SystemResolver(),
        ssl=trust,
        limit=0,  # how many at a time is for who asks
        keepalive_timeout=KEPT_OPEN,
        timeout_ceil_threshold=float("inf"),
    )
    connector._resolver_owner = resolver is None
    session = aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        raise_for_status=False,
        trust_env=False,
        response_class=Response,
        max_line_size=HEADER_FIELD,
        max_field_size=HEADER_FIELD,
        max_headers=HEADER_FIELDS,
    )
    return session, connector


def problem_of(error: Exception) -> tuple[str, str]:
    """Which of the client's problems an error of aiohttp's is, and its own words. Others are raised again."""
    cause = error.__cause__
    if isinstance(error, aiohttp.InvalidURL):
        problem = "bad address"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        problem = "no such host"
    elif isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        problem = "certificate"
    elif isinstance(error, aiohttp.ClientConnectorError):
        problem = "forbidden address" if isinstance(error.os_error, NotPermittedError) else "unreachable"
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        problem = "unreachable"
    elif isinstance(error, aiohttp.ClientResponseError | wrong_http.HttpProcessingError):
        problem = "bad http"
    elif isinstance(error, aiohttp.ClientPayloadError):
        problem = "broken off" if _ended(cause) else "bad http"
    elif isinstance(error, aiohttp.ClientError | OSError):
        problem = "broken off"
    elif isinstance(error, ValueError):  # of a name that cannot be written
        problem = "bad address"
    else:
        raise error
    return problem, _words(error)


def _ended(cause: BaseException | None) -> bool:
    """Whether a body is wrong because it ended, not because of what was in it."""
    return cause is None or isinstance(cause, OSError) or "Not enough data" in str(cause)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        resolving = cause.errno is None or isinstance(cause, socket.gaierror)
        said = (cause.strerror or str(cause)) if resolving else os.strerror(cause.errno or 0)
    elif isinstance(error, aiohttp.ClientResponseError):
        said = error.message
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        said = "closes the connection without an answer"
    else:
        said = str(error) or type(error).__name__
    return " ".join(said.split())[:_DETAIL]
