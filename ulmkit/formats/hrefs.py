"""Where a reference leads: the address of the web that it stands for on its page, as browsers have it, or none."""

import html
import re
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ulmkit.formats.canonical import LONGEST_URL

_TRIMMED = "".join(map(chr, range(33)))  # what browsers take off both ends
_INSIDE = re.compile("[\t\n\r]")  # and out of the middle
_NO_HOST = re.compile(
    r"(?:https?:)?/{3,}", re.I
)  # browsers look for the host behind them, the standard library does not
# nothing in it has to be changed: a whole address, or one from the host's root
_PLAIN = re.compile(
    r"(https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[1-5]?[0-9]{1,4})?(?=[/?#]|\Z))?(/(?!/)[\w.~!$&'()*+,;=:@%/-]*+)?(?:\?[\w.~!$&'()*+,;=:@%/?-]++)?"
    r"(?:#[\w.~!$&'()*+,;=:@%/?-]++)?",
    re.A,
)
_START = re.compile(r"https?://[A-Za-z0-9.-]+(?::[1-5]?[0-9]{1,4})?(?=[/?#]|\Z)")
_ASCII = "".join(chr(code) for code in range(33, 127))  # stays as written: an escape is not escaped again


def absolute(base: str, reference: str) -> str:
    """`reference` on the page `base` as an address of the web, in ASCII but for its host; empty where it is none.

    Nothing is raised. Addresses with a user, over `LONGEST_URL` bytes or of another scheme are none.

    >>> absolute("https://a.ir/x/y", "../خبر‌ها?q=1"), absolute("https://a.ir/x", "javascript:void(0)")
    ('https://a.ir/%D8%AE%D8%A8%D8%B1%E2%80%8C%D9%87%D8%A7?q=1', '')
    """
    if len(reference) > LONGEST_URL:
        return ""
    if (plain := _PLAIN.fullmatch(reference)) and "/." not in reference and "/." not in base:
        url = reference if plain[1] else (_origin(base) or "") + reference if plain[2] else ""
        if url.startswith("http"):
            return url if len(url) <= LONGEST_URL else ""
    reference = _INSIDE.sub("", reference.strip(_TRIMMED))
    if "\\" in reference:
        way, mark, rest = re.split(r"([?#]|$)", reference, maxsplit=1)
        reference = way.replace("\\", "/") + mark + rest
    if _NO_HOST.match(reference):
        return ""
    try:
        parts = urlsplit(urljoin(base, reference))
        parts.port  # noqa: B018 — raises where it is no number
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or " " in parts.netloc:
            return ""
        url = urlunsplit(parts._replace(**{part: quote(getattr(parts, part), _ASCII) for part in _QUOTED}))
    except ValueError:  # UnicodeError is one: a lone surrogate
        return ""
    return url if len(url) <= LONGEST_URL else ""


@lru_cache(64)
def _origin(base: str) -> str:
    """Scheme and host of a page, as they are written; empty where there is a user or no host."""
    found = _START.match(base)
    return found[0] if found else ""


_QUOTED = ("path", "query", "fragment")


def without_fragment(url: str) -> str:
    """`url` up to its `#`.

    >>> without_fragment("https://a.ir/x#y")
    'https://a.ir/x'
    """
    return url.partition("#")[0]


def host_of(url: str) -> str:
    """The host of an address, in lower case and without `www.`; empty where there is none.

    >>> host_of("https://WWW.a.ee:8080/x"), host_of("x")
    ('a.ee', '')
    """
    if plain := _START.match(url):
        return plain[0].split("/")[2].partition(":")[0].lower().removeprefix("www.")
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


_REFERENCE = re.compile(r"&(?:#\w{1,9};?|[A-Za-z][A-Za-z0-9]{0,31}(?:;|(?![=\w])))")


def attribute_value(text: str) -> str:
    """What an attribute of a page says: references as their characters, but `&sect` of `?a=1&section=2` as it is.

    https://html.spec.whatwg.org/#named-character-reference-state

    >>> attribute_value("?a=1&amp;b=2&section=3&copy=4&#38;")
    '?a=1&b=2&section=3&copy=4&'
    """
    return _REFERENCE.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text
