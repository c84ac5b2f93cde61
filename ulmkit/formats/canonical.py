"""One name for a page, however its address is spelled: what a crawl knows it by, and what its document is called.

A document keeps its split as long as its id stays, so the id must come from the page's address alone. Spelled alike
are what RFC 3986 (6.2.2, 6.2.3) calls equivalent, addresses that differ in who sent the reader (`utm_source`), in a
session, in the order of the query's parameters, or in the fragment, which is never sent.
"""

import ipaddress
import re
from functools import lru_cache
from operator import itemgetter
from urllib.parse import quote

import xxhash

LONGEST_URL = 2048  # bytes; longer ones are traps and mistakes
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OUTSIDE = "".join(map(chr, range(0x21)))  # what browsers take off both ends of an address
_UNSEEN = re.compile(r"[\t\r\n]+")  # and out of its middle
_PARTS = re.compile(r"(https?)://([^/?#\\]*)((?:[/\\][^?#]*)?)(\?[^#]*)?(?:#.*)?", re.I | re.S)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # what browsers read as IPv4, however it is spelled

# RFC 3986's, and the marks that RFC 2396 counted to them: some programs still encode them, some never did
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!*'()"
_ESCAPED = tuple(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256))
# what is in one form already: upper-case digits, nothing unreserved encoded, no parameter of a path
_IN_FORM = r"%(?:[0189A-F][0-9A-F]|2[02-6BCF]|3[A-F]|40|5[B-E]|60|7[BCDF])"
_PLAIN_PATH = re.compile(rf"(?:[A-Za-z0-9._~!$&'*,=:@/+-]++|{_IN_FORM})*+")  # where no segment starts with a dot
_PLAIN_QUERY = re.compile(rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|{_IN_FORM})*+")
_KEPT = "!$&'()*+,;=:@/?"
# else: letters beyond ASCII, encoded or not; what is encoded, a % that encodes nothing, what must not stand raw
_TO_ESCAPE = re.compile(
    rb"((?:%[89A-Fa-f][0-9A-Fa-f])+)|([\x80-\xff]+)|%([0-7][0-9A-Fa-f])|[^\w.~!$&'()*+,;=:@/?-]", re.A
)

_TRACKING = re.compile(r"utm_.*|(?:fb|g|d|msc|y|tt|twc)cl(?:k?id|id)|gbraid|wbraid|mc_[ce]id|igshid|_g[al]|_openstat")
_SESSION = re.compile(r"phpsessid|jsessionid|aspsessionid.*|cftoken|cfid|oscsid|zenid")
# names that sessions share with articles (?sid=1234): only a long value with a digit in it is a session's
_PERHAPS_SESSION = re.compile(r"sid|sess|session|sessid|session_?id|s_?id")
_ANY = re.compile(".*")
_SESSION_VALUE = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Za-z,_.-]{16,}")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid|sessionid)=[^;/]*", re.I)
_SEGMENT_SESSION = re.compile(r"/\((?:[A-Z]\([0-9A-Za-z_-]+\))+\)(?=/)", re.I)


def canonical(url: str) -> str:
    """The one address that stands for all spellings of `url`; of itself it is itself.

    Bytes of an address that are no UTF-8 may stand in it as Python's `surrogateescape` has them. Raises `ValueError`,
    with what is wrong in a few words, for what is no address of the web, names a user, or is over 2,048 bytes.

    >>> canonical("HTTP://Example.org:80/a/../%7Eb?y=2&utm_source=x&x=%d8%a7#top")
    'http://example.org/~b?x=%D8%A7&y=2'
    """
    url = url.strip(_OUTSIDE)
    if len(url) > LONGEST_URL:
        raise ValueError(f"over {LONGEST_URL:,} bytes")
    found = _PARTS.fullmatch(url if url.isprintable() else _UNSEEN.sub("", url))
    if found is None:
        raise ValueError("neither http:// nor https://")
    scheme, authority, path, query = found.groups()
    if path[:1] == "\\":
        raise ValueError("a backslash behind the host")
    result = _origin(scheme.lower(), authority) + (_path(path) if path else "/")
    if query is not None and len(query) > 1 and (query := _query(query[1:])):
        result = f"{result}?{query}"
    if len(result) > LONGEST_URL:
        raise ValueError(f"over {LONGEST_URL:,} bytes")
    return result


def page_id(source: str, url: str) -> str:
    """What the document of this page is called, in every crawl. Raises `ValueError` as `canonical` does."""
    return f"{source}/{xxhash.xxh3_128_hexdigest(canonical(url).encode())}"


def short_name(url: str) -> str:
    """What a page is called where many are named in a line: 16 digits. Raises `ValueError` as `canonical` does."""
    return xxhash.xxh3_64_hexdigest(canonical(url).encode())


@lru_cache(1 << 14)
def _origin(scheme: str, authority: str) -> str:
    """`scheme://host`, and the port where it is not the scheme's own."""
    if "@" in authority:
        raise ValueError("a user name in it")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", authority)
    if found is None:
        raise ValueError("a port that is no number")
    port = (found[2] or "").lstrip("0")
    if found[2] and not (port and len(port) <= 5 and int(port) < 65536):
        raise ValueError(f"no port has the number {found[2][:8]}")
    host = _address(found[1][1:-1]) if found[1].startswith("[") else _host(found[1])
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")


def _address(text: str) -> str:
    """An IPv6 address in brackets, as RFC 5952 writes it."""
    address = ipaddress.IPv6Address(text)
    if address.scope_id is not None:
        raise ValueError("an address of one machine's own interface")
    if mapped := address.ipv4_mapped:  # which Python spells in two ways, by its version; browsers in this one
        high, low = divmod(int(mapped), 1 << 16)
        return f"[::ffff:{high:x}:{low:x}]"
    return f"[{address.compressed}]"


def _host(text: str) -> str:
    """A host's name in ASCII, or its IPv4 address."""
    host = text.lower() if text.isascii() else _in_ascii(text)
    host = host.removesuffix(".")
    if not host:
        raise ValueError("no host in it")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError("no host is called so")
    if _NUMBER.fullmatch(host):
        return str(ipaddress.IPv4Address(host))  # other spellings of a number are nobody's but an attacker's
    return host


def _in_ascii(text: str) -> str:
    """An international name as the resolver gets it (UTS 46, which keeps joiners; RFC 3490 would lose them)."""
    import idna

    try:
        return idna.encode(text, uts46=True).decode().lower()
    except UnicodeError as error:  # which idna's own errors are
        raise ValueError(f"no host is called so ({error})"[:120]) from None


def percent_encoded(text: str) -> str:
    """`text` in one percent-encoding: unreserved characters as they are, the rest with upper-case digits."""
    data = text.encode("utf-8", "surrogateescape")
    if b"%" not in data:
        return quote(data, _KEPT)  # twice as fast where nothing is encoded yet
    return _TO_ESCAPE.sub(_one_form, data).decode("ascii")


def _one_form(found: re.Match[bytes]) -> bytes:
    encoded, raw, digits = found.groups()
    if encoded:
        return encoded.upper()
    if raw:
        return b"%" + raw.hex("%").upper().encode()
    return _ESCAPED[int(digits, 16) if digits else found[0][0]].encode()


def _path(path: str) -> str:
    """A path, not empty, without sessions and dot segments (RFC 3986, 5.2.4)."""
    if "/." not in path and _PLAIN_PATH.fullmatch(path):
        return path
    path = _SEGMENT_SESSION.sub("", _PATH_SESSION.sub("", percent_encoded(path.replace("\\", "/"))))
    if "/." not in path:
        return path or "/"
    result: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del result[-1:]
        elif segment != ".":
            result.append(segment)
    if segments[-1] in (".", ".."):
        result.append("")
    return "/" + "/".join(result)


def _query(query: str) -> str:
    """A query without what says who sent the reader, its parameters in the order of their names.

    Those of one name stay in the order they came in, which a server may go by.
    """
    parts = []
    for part in (query if _PLAIN_QUERY.fullmatch(query) else percent_encoded(query)).split("&"):
        name, _, value = part.partition("=")
        pattern = _of_the_visit(name)
        if part and (pattern is None or not pattern.fullmatch(value)):
            parts.append((name, part))
    if len(parts) > 1:
        parts.sort(key=itemgetter(0))
    return "&".join([part for _, part in parts])


@lru_cache(1 << 12)
def _of_the_visit(name: str) -> re.Pattern[str] | None:
    """What the value of a parameter so called is like where it belongs to the visit and not to the page."""
    name = name.lower()
    if _TRACKING.fullmatch(name) or _SESSION.fullmatch(name):
        return _ANY
    return _SESSION_VALUE if _PERHAPS_SESSION.fullmatch(name) else None
