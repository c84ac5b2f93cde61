"""What stands at a place that could not be read, so that a person can look at it."""

import re

EXCERPT_LENGTH = 200  # characters or bytes
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def excerpt(data: str | bytes, at: int = 0) -> str:
    """What stands around `at`, on one line; bytes that are no UTF-8 as `\\xNN`.

    >>> excerpt(b"Tere \\xfe\\nmaailm", 5)
    'Tere \\\\xfe maailm'
    """
    start = max(0, at - EXCERPT_LENGTH // 2)
    part = data[start : start + EXCERPT_LENGTH]
    text = part.decode("utf-8", "backslashreplace") if isinstance(part, bytes) else part
    return _HIDDEN.sub(" ", text).strip()
