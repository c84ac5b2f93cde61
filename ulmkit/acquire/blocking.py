"""Requests from code that waits for them: named, one at a time, patient, and never without a checked certificate.

The same session as a crawl's, on a loop in a thread of its own: a notebook has one that runs already.
"""

import asyncio
import email.utils
import re
import socket
import threading
import time
import urllib.request
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin

from ulmkit.acquire.address import PORTS, Address, address_of, shown_address, without_user
from ulmkit.acquire.client import Answer, Bounds, Incoming, Session, user_agent
from ulmkit.acquire.guard import ForbiddenAddressError, Guard, public_addresses
from ulmkit.errors import InputError

RETRIED = (429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
MAX_WAIT = 120.0  # seconds that a Retry-After may ask for
LEAST_DELAY, SLOWEST_DELAY = 0.5, 60.0  # seconds between requests to a server that was busy
_REASON = 80  # characters of a server's own words in an error
NETWORK_ERRORS = (ConnectionError, TimeoutError)


class FetchError(InputError):
    """A URL did not deliver; it is named without its user. `status` is 0 where no server answered."""

    def __init__(self, url: str, what: str, status: int = 0) -> None:
        super().__init__(f"{shown_address(url)}: {what}.")
        self.url, self.what, self.status = shown_address(url), what, status


def answered(answer: Answer) -> str:
    """What the server answered, in its own words as far as they are few."""
    reason = answer.reason[:_REASON].decode("utf-8", "replace")
    return f"answers {answer.status} {reason if reason.isprintable() else ''}".rstrip()


def status_error(url: str, answer: Answer) -> FetchError:
    """The error for an answer of a status that was not hoped for."""
    if answer.status == 200:
        return FetchError(url, "does not answer with the range asked for", 200)
    return FetchError(url, answered(answer), answer.status)


def retry_after(value: str | None, now: float, most: float = MAX_WAIT) -> float | None:
    """Seconds that a Retry-After asks for, between 0 and `most`; None for none, or nonsense.

    >>> retry_after("3", 0), retry_after("-5", 0), retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 4)
    (3.0, None, 6.0)
    """
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return min(float(value), most)
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(seconds, most) if seconds >= 0 else None


def limit_ends(value: str, most: float) -> float | None:
    """Seconds until a RateLimit field (a draft of the IETF's) gives new requests, of a limit that is used up.

    >>> limit_ends('"api";r=0;t=55', 60), limit_ends('"api";r=3;t=55', 60)
    (56.0, None)
    """
    used_up = re.search(r";\s*r=0;\s*t=([0-9]{1,9})", value)
    return min(float(used_up[1]) + 1, most) if used_up else None


class LoopThread:
    """An event loop in a thread, and the sessions that live on it. It ends with whoever uses it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.sessions: dict[tuple[str, Guard, str], Session] = {}
        self.thread = threading.Thread(target=self.loop.run_forever, name="network", daemon=True)
        self.thread.start()

    def result[Value](self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """What `coroutine` returns on the loop; it is called off where the wait for it is interrupted."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def session(self, proxy: str, guard: Guard, contact: str = "") -> Session:
        """The session of this guard and proxy, opened where it is none yet; `contact` is whom a server may write to."""
        key = proxy, guard, contact
        if key not in self.sessions:
            made = Session(agent=user_agent(contact=contact), guard=guard, contact=contact, proxy=proxy)
            self.sessions[key] = await made.__aenter__()
        return self.sessions[key]

    def end(self) -> None:
        """Close all connections and let the thread end."""

        async def close() -> None:
            for session in self.sessions.values():
                await session.__aexit__(None, None, None)
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(close(), self.loop)
        if threading.current_thread() is not self.thread:  # which may be the one that collects garbage
            self.thread.join(5)
            self.loop.close()


@dataclass
class Client:
    """Requests to one server, at least `delay_s` apart, each tried `attempts` times.

    The server of the address that is asked for is connected to wherever it is, and hears `authorization`, or the user
    name and password that stand in the address. A redirect to another server hears none, and is connected to on the
    internet only. With a `guard` of the caller's own, that decides of every server, of the first as well.

    A header that is not here in `header_s` seconds, and a body that comes slower than `min_speed` bytes a second for
    `window_s` seconds, are given up (and, for a download, asked for again from where it stopped).
    """

    delay_s: float = 1.0
    attempts: int = 5
    backoff_s: float = 1.0  # doubled with every attempt
    connect_s: float = 15.0
    header_s: float = 60.0
    min_speed: float = 1024.0
    window_s: float = 30.0
    deadline_s: float = 120.0  # for a page that is read whole
    max_wait_s: float = MAX_WAIT  # that a busy server may ask for
    busy: frozenset[int] = frozenset()  # statuses that are tried again, and after which pauses are twice as long
    authorization: str = field(default="", repr=False)
    contact: str = ""  # whom a server's owner may write to
    guard: Guard | None = None
    sleep: Callable[[float], None] = time.sleep
    last: float = float("-inf")
    requests: int = 0  # that were made, with those that were not answered
    reached: bool = False  # whether any server has answered yet
    _thread: LoopThread | None = field(default=None, repr=False)

    @property
    def thread(self) -> LoopThread:
        """Where requests are made; it ends with this client."""
        if self._thread is None:
            self._thread = LoopThread()
            weakref.finalize(self, self._thread.end)
        return self._thread

    def session(self, at: Address, named: bool) -> Session:
        """The session that asks the server `at`, through the proxy that the environment names for it, if any.

        Where the user has not `named` it, only at addresses of the internet, else `ForbiddenAddressError`.
        """
        proxy = urllib.request.getproxies().get(at.scheme, "")
        if urllib.request.proxy_bypass(at.host):
            proxy = ""
        if not named and self.guard is None:
            # a proxy resolves the name once more, and so does the session; but what we can see of it is looked at
            with suppress(OSError, UnicodeError):
                public_addresses(at.host, at.port)
        if proxy:
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            try:
                through = address_of(proxy)
            except ValueError as error:
                raise FetchError(proxy, f"no proxy that can be asked: {error}") from None
            return self.thread.result(self.thread.session(proxy, opened_for(through), self.contact))
        guard = self.guard or (opened_for(at) if named else Guard(ports=_web_ports()))
        return self.thread.result(self.thread.session("", guard, self.contact))

    def wait_turn(self) -> None:
        """Hold the pause between two requests."""
        pause = self.last + self.delay_s - time.monotonic()
        if pause > 0:
            self.sleep(pause)
        self.last = time.monotonic()
        self.requests += 1

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Incoming]:
        """The answer to a GET, its body unread; busy servers and lost connections are tried again.

        Raises `FetchError` when no attempt was answered, or the answer is still a busy server's. Every other
        status is the caller's to judge.
        """
        incoming = self._answer(url, dict(headers or {}))
        try:
            yield incoming
        finally:
            self._close(incoming)

    def _close(self, incoming: Incoming) -> None:
        async def close() -> None:
            incoming.close()

        self.thread.result(close())

    def _answer(self, url: str, headers: dict[str, str]) -> Incoming:
        problem, attempt = "", 0
        while True:
            pause = self.backoff_s * 2**attempt
            attempt += 1
            try:
                incoming = self._follow(url, headers)
            except ForbiddenAddressError as error:
                why = f"redirects to {error}. Only a server that you name is asked there: give it with --mirror"
                raise FetchError(url, why, 310) from None
            head = incoming.head
            if head.status and not head.problem:
                self.reached = True
                if head.status in self.busy:
                    self.delay_s = min(max(self.delay_s, LEAST_DELAY) * 2, SLOWEST_DELAY)
                elif head.status not in RETRIED:
                    return incoming
                problem = answered(head)
                asked = retry_after(head.header("Retry-After"), time.time(), self.max_wait_s)
                if asked is None:
                    asked = limit_ends(head.header("RateLimit"), self.max_wait_s)
                pause = pause if asked is None else max(asked, self.delay_s)
            else:
                problem = f"cannot be reached ({reason_of(head)})"
            self._close(incoming)
            # without a network there is nothing to be patient for
            if attempt >= (self.attempts if self.reached else min(self.attempts, 2)):
                raise FetchError(url, f"{problem}, {attempt} attempts", head.status)
            self.sleep(pause)

    def _follow(self, url: str, headers: dict[str, str]) -> Incoming:
        """One request, its redirects followed: never from https to http, nor to anything but the two, nor inside."""
        try:
            at = named = address_of(url)
        except ValueError as error:
            raise FetchError(url, f"no address of the web: {error}") from None
        bounds = Bounds(self.connect_s, self.header_s, self.min_speed, self.window_s)
        for _ in range(MAX_REDIRECTS + 1):
            self.wait_turn()
            own = at.server == named.server
            authorization = named.authorization or self.authorization
            secret = {"Authorization": authorization} if own and authorization else {}
            sent = {"Accept-Encoding": "identity"} | secret | headers
            incoming = self.thread.result(self.session(at, own).begin(at.url, sent, bounds))
            head = incoming.head
            if head.problem == "forbidden address":
                if not own:
                    raise ForbiddenAddressError(f"{at.host}, {head.detail}")
                why = f"is not connected to: {head.detail}. --allow-address ADDRESS:PORT lets it"
                raise FetchError(at.url, why, 310)
            if head.problem == "offline":
                raise FetchError(at.url, "is not asked offline", 0)
            if head.problem == "bad address":
                raise FetchError(at.url, f"no address that can be asked: {head.detail}")
            location = head.header("Location")
            if head.status not in REDIRECTS or not location:
                return incoming
            self._close(incoming)
            at = self._target(at, location, named, head.status)
        raise FetchError(url, f"more than {MAX_REDIRECTS} redirects", 310)

    @staticmethod
    def _target(at: Address, location: str, named: Address, status: int) -> Address:
        """Where a redirect leads, if it may lead there; who asks is nobody's but the named server's to know."""
        why = "which is not followed"
        try:
            target = address_of(without_user(urljoin(at.url, location)))
            if at.scheme == "https" and target.scheme != "https":
                why = "which is not followed: it would be open to read"
            elif target.server == named.server or target.port == PORTS[target.scheme]:
                return target
            else:
                why = f"which is not followed: port {target.port} is no web server's"
        except ValueError as error:
            why = f"which is not followed: {error}"
        raise FetchError(at.url, f"redirects to {shown_address(location)}, {why}", status)

    def body(self, incoming: Incoming) -> Iterator[bytes]:
        """The body as it comes, in pieces. Raises one of `NETWORK_ERRORS` for one that crawls or breaks off."""
        while piece := self.thread.result(incoming.piece()):
            yield piece

    def read(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole page of at most `limit` bytes, or the range that `headers` ask for; any other answer is an error."""
        return self.whole(url, limit, headers).body

    def whole(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> Answer:
        """What `read` reads, with its header."""
        problem = ""
        for attempt in range(self.attempts):
            begun = time.monotonic()
            with self.open(url, headers) as incoming:
                status = incoming.head.status
                if status != (206 if "Range" in (headers or {}) else 200):
                    raise status_error(url, incoming.head)
                data = bytearray()
                try:
                    for piece in self.body(incoming):
                        data += piece
                        if len(data) > limit:
                            raise FetchError(url, f"more than {limit:,} bytes", status)
                        if time.monotonic() - begun > self.deadline_s:
                            raise TimeoutError(f"not done in {self.deadline_s:.0f} s")
                    return replace(incoming.head, body=bytes(data))
                except NETWORK_ERRORS as error:
                    problem = f"breaks off ({error})"
            if attempt + 1 < self.attempts:
                self.sleep(self.backoff_s * 2**attempt)
        raise FetchError(url, f"{problem}, {self.attempts} attempts")


def _web_ports() -> frozenset[int]:
    return frozenset(PORTS.values())


def opened_for(at: Address) -> Guard:
    """A guard that lets through what a user named: beside the internet, the addresses that its name has now.

    A server of the internet has the same guard, and so the same session, whichever of its addresses it is today.
    """
    guard = Guard(ports=_web_ports() | {at.port})
    try:
        found = socket.getaddrinfo(at.host.strip("[]"), at.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return guard  # the session says that there is no such host
    inside = {str(entry[4][0]) for entry in found if not guard.permits(str(entry[4][0]), at.port)}
    return replace(guard, allowed=frozenset((address, at.port) for address in inside))


def reason_of(answer: Answer) -> str:
    """Why there is no answer, in a few words."""
    return answer.detail or answer.problem
