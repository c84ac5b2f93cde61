"""What an address says: where it leads, who asks, and how it may be shown. A password is sent, never shown or kept."""

import base64
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"http": 80, "https": 443}
_SHOWN = 200  # characters of an address in an error
_USER = re.compile(r"^((?:[a-z][a-z0-9+.-]*:(?=[/\\]))?[/\\]*)[^/\\?#]*@", re.I)
_NOT_WRITTEN = re.compile(r"[ \\]")  # beside what is not printable; a browser takes \ for / and goes elsewhere


def without_user(url: str) -> str:
    """`url` without user name and password, however it is malformed.

    >>> without_user("http://user:pass@host/a@b"), without_user("user:pass@[::1")
    ('http://host/a@b', '[::1')
    """
    return _USER.sub(r"\1", url)


def shown_address(url: str) -> str:
    """`url` as an error may repeat it."""
    plain = without_user(url)
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"


@dataclass(frozen=True)
class Address:
    """An address of the web. `url` holds no user; `authorization` is what a request says instead, or nothing."""

    url: str
    scheme: str
    host: str
    port: int
    authorization: str = ""

    @property
    def server(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port


def address_of(url: str) -> Address:
    """`url` taken apart. Raises `ValueError`, with what is wrong in a few words, for what is no address of the web."""
    if not url.isprintable() or _NOT_WRITTEN.search(url):
        raise ValueError("a space, a backslash or a character that cannot be seen in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(str(error)[:80]) from None
    if parts.scheme not in PORTS:
        raise ValueError("neither http:// nor https://")
    host = (parts.hostname or "").rstrip(".")
    if not host or (not port and port is not None):
        raise ValueError("no host in it" if not host else "no port has the number 0")
    try:
        host.encode("idna") if not host.isascii() else host.encode("ascii")
    except UnicodeError as error:
        raise ValueError(f"no host is called so ({error})"[:120]) from None
    if max(map(len, host.split("."))) > 63 and ":" not in host:
        raise ValueError("no host has a name so long")
    return Address(without_user(url), parts.scheme, host, port or PORTS[parts.scheme], _authorization(parts))


def _authorization(parts: SplitResult) -> str:
    """What Basic authentication (RFC 7617) says for the user in the address."""
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
