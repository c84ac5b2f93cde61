"""Where a reference leads: the address of the web that it stands for on its page, as browsers have it, or none."""

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

MAX_ADDRESS = 2_048  # bytes of an address; longer ones are traps and accidents
_TRIMMED = "".join(map(chr, range(33)))  # what browsers take off both ends
_INSIDE = re.compile("[\t\n\r]")  # and out of the middle
_NO_HOST = re.compile(
    r"(?:https?:)?/{3,}", re.I
)  # browsers look for the host behind them, the standard library does not
_ASCII = "".join(chr(code) for code in range(33, 127))  # stays as written: an escape is not escaped again


def absolute(base: str, reference: str) -> str:
    """`reference` on the page `base` as an address of the web, in ASCII but for its host; empty where it is none.

    Nothing is raised. Addresses with a user, over `MAX_ADDRESS` bytes or of another scheme are none.

    >>> absolute("https://a.ir/x/y", "../خبر‌ها?q=1"), absolute("https://a.ir/x", "javascript:void(0)")
    ('https://a.ir/%D8%AE%D8%A8%D8%B1%E2%80%8C%D9%87%D8%A7?q=1', '')
    """
    if len(reference) > MAX_ADDRESS:
        return ""
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
    return url if len(url) <= MAX_ADDRESS else ""


_QUOTED = ("path", "query", "fragment")


def without_fragment(url: str) -> str:
    """`url` up to its `#`.

    >>> without_fragment("https://a.ir/x#y")
    'https://a.ir/x'
    """
    return url.partition("#")[0]
