"""What of a text is an address (of a page, a mailbox, an account, a file), and so in no language and no script."""

import re

from ulmkit.text.protect import find_spans

KINDS = ("url", "email", "user")  # a domain alone is a name, as is its brand
# /usr/share/dict/words, ~/notes/a.txt, C:\Users\me; a lone /word may be the second half of either/or
FILE_PATH = re.compile(r"(?:(?<![\w:/.])~?/|(?<!\w)[A-Za-z]:[\\/])(?:[A-Za-z0-9_.\-]+[\\/])+[A-Za-z0-9_.\-]*")
FOLDER = re.compile(r"[\\/][A-Za-z0-9_.\-]+[\\/]")  # which a path holds; to look for one takes a tenth of the time


def without_addresses(text: str) -> str:
    """`text` with a space where an address stood; the very `text` where none does.

    >>> without_addresses("Loe lähemalt: https://example.org/a?b=1 või kirjuta info@example.org.")
    'Loe lähemalt:   või kirjuta  .'
    """
    parts, end = [], 0
    for start, stop, _ in find_spans(text, KINDS) if "@" in text or "://" in text or "ww." in text.lower() else ():
        parts += [text[end:start], " "]
        end = stop
    if parts:
        text = "".join([*parts, text[end:]])
    return FILE_PATH.sub(" ", text) if FOLDER.search(text) else text
