"""UTF-8 that was once read as another encoding, put right line by line where that is certain."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ulmkit.text.encoding import alphabet_of, byte_table, plausibility, python_name

# one class in front, which `re` searches fast; what it was is asked afterwards
SUSPICIOUS = re.compile("[ÂÃÄÅÐÑØÙÚÛâãïð][\u0080-\uffff]")
LEFT_OVER = re.compile("[ÂÃÄÅĆØÙÚÛ][\u0080-\u009f¡-ª¬-º¼-¾]")  # a line that holds it was put right in half
ALWAYS = ("windows-1256",)  # which ftfy does not undo
# of UTF-8: what may begin a character of two or three bytes below U+3000, or U+FE00 and more; and what goes on
_FIRST, _FURTHER = bytes([*range(0xC3, 0xE0), 0xE0, 0xE1, 0xE2, 0xEF]), bytes(range(0x80, 0xC0))


@dataclass(frozen=True)
class Misreading:
    """How UTF-8 looks when it is read in a single-byte encoding, and what turns its characters into bytes again."""

    pattern: re.Pattern[str]
    bytes_of: Any  # for `codecs.charmap_encode`

    def undone(self, line: str) -> str:
        """`line` before its UTF-8 was misread, where all of it was, else `line`."""
        try:
            data, _ = codecs.charmap_encode(line, "strict", self.bytes_of)
            text = data.decode()
        except UnicodeError:
            return line
        # three characters that all happen to be well-formed UTF-8 do not happen by chance
        return text if sum(char > "\x7f" for char in text) >= 3 else line


@lru_cache(maxsize=64)
def misreadings(encodings: tuple[str, ...]) -> tuple[Misreading, ...]:
    """One for each single-byte encoding among `encodings`.

    Where many of its further bytes are letters, only two characters of UTF-8 in a row are a sign of it.
    """
    found = []
    for name in dict.fromkeys(python_name(label) for label in encodings):
        if not name or not (table := byte_table(name)):
            continue
        # what the encoding lacks was left as it was by those who misread it
        table = "".join(chr(byte) if char == "\ufffe" else char for byte, char in enumerate(table))
        first, further = ("".join(map(table.__getitem__, some)) for some in (_FIRST, _FURTHER))
        times = "{2}" if sum(map(str.isalpha, further)) > 8 else ""
        pattern = re.compile(f"(?:[{re.escape(first)}][{re.escape(further)}]){times}")
        found.append(Misreading(pattern, codecs.charmap_build(table)))
    return tuple(found)


def repair(text: str, encodings: Sequence[str] = (), letters: str = "") -> str:
    """`text` with UTF-8 that was once read as another encoding put right, a whole line or not at all.

    Tried are `encodings`, which are those the language was written in, windows-1256, and what ftfy knows; what one of
    them shows in any line is tried on all. Of several readings the best is taken: by the language's `letters`, where
    these are told, since ä read as ISO-8859-15 can be undone as windows-1252 to À. Quotes stay curled and joiners stay:
    only the encoding is undone.

    >>> repair("TÃ¤na on ilus Ãµhtu"), repair("“Ära”")
    ('Täna on ilus õhtu', '“Ära”')
    >>> repair("tĆ¶Ć¶d on ööd, krĆµbe", ["windows-1257"]), repair("tĆ¶Ć¶d ja krĆµbe", ["windows-1257"])
    ('tĆ¶Ć¶d on ööd, krĆµbe', 'tööd ja krõbe')
    """
    known = misreadings((*encodings, *ALWAYS))
    signed = [other for other in known if other.pattern.search(text)]
    if not signed and not SUSPICIOUS.search(text):
        return text
    alphabet = alphabet_of(letters)
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if line.isascii():
            continue
        readings = [undone for other in signed if (undone := other.undone(line)) != line]
        if not readings and (fixed := _undone_by_ftfy(line)) != line:
            readings = [fixed]
        if readings and letters:
            readings += [undone for other in known if (undone := other.undone(line)) != line]
        # the first of equals: a language's encodings come in order of preference
        lines[i] = max(readings, key=lambda reading: plausibility(reading, alphabet)) if readings else line
    return "\n".join(lines)


def _undone_by_ftfy(line: str) -> str:
    if SUSPICIOUS.search(line) is None:
        return line
    from ftfy import TextFixerConfig, fix_encoding_and_explain
    from ftfy.badness import badness

    if not badness(line):
        return line
    config = TextFixerConfig(replace_lossy_sequences=False, fix_c1_controls=False, unescape_html=False)
    fixed = fix_encoding_and_explain(line, config).text
    return line if "\ufffd" in fixed or badness(fixed) or LEFT_OVER.search(fixed) else fixed
