"""What backslashes stand before in a table, and whether that makes them escapes."""

import re
from collections import Counter

FEW_ODD = 0.05  # share of escapes that stand before a character which needs none: damage
_ESCAPE = re.compile(r"\\(?:(?<=\b[A-Za-z]:\\)(?=[A-Za-z])|(.))", re.S)  # C:\temp escapes no letter


def escaped_characters(text: str) -> Counter[str]:
    """How often which character stands behind a backslash, but for the one behind the letter of a drive."""
    return Counter(filter(None, _ESCAPE.findall(text)))


def backslashes_pair_inside(text: str, quote: str, start: str, end: str) -> bool:
    """Whether within the quoted cells of `text` backslashes stand before backslashes and marks alone.

    `start` and `end`: the patterns of what stands before and behind a cell. A lost mark costs one cell.
    """
    inside = "".join(re.findall(f"{start}({quote}(?:[^{quote}]|{quote}{quote})*+{quote})(?={end})", text, re.M))
    return "\\\\" in inside and set(re.findall(r"\\(.)", inside, re.S)) <= {"\\", quote}


def marks_escape_themselves(follows: Counter[str]) -> bool:
    """Whether backslashes stand before marks and line ends themselves, and no letters stand for these."""
    return follows['"'] + follows["\n"] > follows["n"] + follows["t"]


def escapes_stand_alone(follows: Counter[str], delimiter: str) -> bool:
    """Whether backslashes before these characters escape them where nothing is quoted; a few may be damage."""
    needed = {"\\", "\n", '"', delimiter}
    allowed = {*needed, "\r", "'", *("ntr0NbfvZ" if delimiter == "\t" else "N")}
    known = sum(follows[char] for char in (needed | set("tnN") if delimiter == "\t" else needed))
    odd = follows.total() - sum(follows[char] for char in allowed)
    return known >= max(1, odd) and odd <= max(1, FEW_ODD * known)
