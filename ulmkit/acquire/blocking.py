"""HTTP as a guest should speak it: named, one request at a time, patient, and never without a checked certificate."""

import email.utils
import http.client
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import urllib3

import ulmkit
from ulmkit.acquire.address import PORTS, Address, address_of, shown_address, without_user
from ulmkit.acquire.guard import ForbiddenAddressError, only_to_the_internet, public_addresses
from ulmkit.errors import InputError

USER_AGENT = f"ulmkit/{ulmkit.__version__} (+https://github.com/ulmkit/ulmkit; builds text corpora)"
RETRIED = (429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
MAX_WAIT = 120.0  # seconds that a Retry-After may ask for
_CHUNK = 1 << 18
_REASON = 80  # characters of a server's own words in an error
NETWORK_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class FetchError(InputError):
    """A URL did not deliver; it is named without its user. `status` is 0 where no server answered."""

    def __init__(self, url: str, what: str, status: int = 0) -> None:
        super().__init__(f"{shown_address(url)}: {what}.")
        self.url, self.what, self.status = shown_address(url), what, status


def answer(response: urllib3.BaseHTTPResponse) -> str:
    """What the server answered, in its own words as far as they are few."""
    return f"answers {response.status} {(response.reason or '')[:_REASON]}".rstrip()


def status_error(url: str, response: urllib3.BaseHTTPResponse) -> FetchError:
    """The error for an answer of a status that was not hoped for."""
    if response.status == 200:
        return FetchError(url, "does not answer with the range asked for", 200)
    return FetchError(url, answer(response), response.status)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After asks for, between 0 and `MAX_WAIT`; None for none, or nonsense.

    >>> retry_after("3", 0), retry_after("-5", 0), retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 4)
    (3.0, None, 6.0)
    """
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return min(float(value), MAX_WAIT)
    try:
        seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(seconds, MAX_WAIT) if seconds >= 0 else None


@dataclass
class Client:
    """Requests to one server, at least `delay_s` apart, each tried `attempts` times.

    The server of the address that is asked for is connected to wherever it is, and hears the user name and password
    that stand in the address. A redirect to another server hears none, and is connected to on the internet only.

    A body that comes slower than `min_speed` bytes a second over `window_s` seconds is given up (and, for a
    download, asked for again from where it stopped).
    """

    delay_s: float = 1.0
    attempts: int = 5
    backoff_s: float = 1.0  # doubled with every attempt
    timeout: urllib3.Timeout = field(default_factory=lambda: urllib3.Timeout(connect=15, read=30))
    min_speed: float = 1024.0
    window_s: float = 30.0
    deadline_s: float = 120.0  # for a page that is read whole
    sleep: Callable[[float], None] = time.sleep
    last: float = float("-inf")
    reached: bool = False  # whether any server has answered yet
    pools: dict[tuple[str, bool], urllib3.PoolManager] = field(default_factory=dict)

    def pool(self, at: Address, named: bool) -> urllib3.PoolManager:
        """Connections to the server `at`, through the proxy that the environment names for it, if any.

        Where the user has not `named` it, only to addresses of the internet, else `ForbiddenAddressError`.
        """
        proxy = urllib.request.getproxies().get(at.scheme, "")
        if urllib.request.proxy_bypass(at.host):
            proxy = ""
        if proxy and not named:
            # the proxy resolves the name once more, but what we can see of it is looked at
            with suppress(OSError, UnicodeError):
                public_addresses(at.host, at.port)
        if (proxy, named) not in self.pools:
            settings: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "retries": False}
            if proxy:
                manager: urllib3.PoolManager = urllib3.ProxyManager(proxy, **settings)
            else:
                manager = urllib3.PoolManager(**settings)
                manager = manager if named else only_to_the_internet(manager)
            self.pools[proxy, named] = manager
        return self.pools[proxy, named]

    def wait_turn(self) -> None:
        """Hold the pause between two requests."""
        pause = self.last + self.delay_s - time.monotonic()
        if pause > 0:
            self.sleep(pause)
        self.last = time.monotonic()

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[urllib3.BaseHTTPResponse]:
        """The response to a GET, its body unread; busy servers and lost connections are tried again.

        Raises `FetchError` when no attempt was answered, or the answer is still a busy server's. Every other
        status is the caller's to judge.
        """
        response = self._answer(url, dict(headers or {}))
        try:
            yield response
        finally:
            response.close()  # not back to the pool: the body may be half read

    def _answer(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        problem, status, attempt = "", 0, 0
        while True:
            pause = self.backoff_s * 2**attempt
            attempt += 1
            try:
                response = self._follow(url, headers)
            except ForbiddenAddressError as error:
                why = f"redirects to {error}. Only a server that you name is asked there: give it with --mirror"
                raise FetchError(url, why, 310) from None
            except NETWORK_ERRORS as error:
                problem, status = f"cannot be reached ({reason_of(error)})", 0
            else:
                self.reached = True
                if response.status not in RETRIED:
                    return response
                problem, status = answer(response), response.status
                asked = retry_after(response.headers.get("Retry-After"), time.time())
                pause = pause if asked is None else max(asked, self.delay_s)
                response.close()
            # without a network there is nothing to be patient for
            if attempt >= (self.attempts if self.reached else min(self.attempts, 2)):
                raise FetchError(url, f"{problem}, {attempt} attempts", status)
            self.sleep(pause)

    def _follow(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """One request, its redirects followed: never from https to http, nor to anything but the two, nor inside."""
        try:
            at = named = address_of(url)
        except ValueError as error:
            raise FetchError(url, f"no address of the web: {error}") from None
        for _ in range(MAX_REDIRECTS + 1):
            self.wait_turn()
            own = at.server == named.server
            secret = {"Authorization": named.authorization} if own and named.authorization else {}
            response = self.pool(at, own).request(
                "GET",
                at.url,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"} | secret | headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
                timeout=self.timeout,
            )
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                return response
            response.close()
            at = self._target(at, location, named, response.status)
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

    def body(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body as it comes, in pieces. Raises what urllib3 raises, `TimeoutError` for one that crawls."""
        start, received = time.monotonic(), 0
        while chunk := response.read1(_CHUNK, decode_content=False):
            yield chunk
            received += len(chunk)
            passed = time.monotonic() - start
            if passed > self.window_s:
                if received < self.min_speed * passed:
                    raise TimeoutError(f"{received / passed:.0f} bytes a second")
                start, received = time.monotonic(), 0

    def read(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole page of at most `limit` bytes, or the range that `headers` ask for; any other answer is an error."""
        problem = ""
        for attempt in range(self.attempts):
            begun = time.monotonic()
            with self.open(url, headers) as response:
                if response.status != (206 if "Range" in (headers or {}) else 200):
                    raise status_error(url, response)
                data = bytearray()
                try:
                    for chunk in self.body(response):
                        data += chunk
                        if len(data) > limit:
                            raise FetchError(url, f"more than {limit:,} bytes", response.status)
                        if time.monotonic() - begun > self.deadline_s:
                            raise TimeoutError(f"not done in {self.deadline_s:.0f} s")
                    return bytes(data)
                except NETWORK_ERRORS as error:
                    problem = f"breaks off ({reason_of(error)})"
            if attempt + 1 < self.attempts:
                self.sleep(self.backoff_s * 2**attempt)
        raise FetchError(url, f"{problem}, {self.attempts} attempts")


def reason_of(error: BaseException) -> str:
    """What went wrong, in a few words: the last clause of what urllib3 and the system said.

    >>> reason_of(OSError("HTTPConnection(host='h', port=80): Failed to connect: Connection refused"))
    'Connection refused'
    """
    text = str(getattr(error, "reason", None) or error) or type(error).__name__
    return text.rpartition(": ")[2].strip()[:160]
