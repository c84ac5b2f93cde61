"""Personal data in text: found by the kinds that a language declares, counted, and masked on demand.

A kind is a pattern and a check, both data of the language. A pattern alone says too little: ten digits are a number
of something until their checksum is right. What stands inside a URL or in code is left alone, except by kinds that
are looked for `anywhere`.
"""

import ipaddress
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ulmkit.errors import LanguageError
from ulmkit.text.protect import find_spans
from ulmkit.text.rules import Rules, guarded_check, pattern_limit

# what every number of a person has at least: one fast look spares all others
NUMBER = re.compile(r"\d(?:[ .\-]?\d){6}")


@dataclass(frozen=True)
class Pii:
    """`[[pii]]`: one kind of personal data. `pattern` and `check` are the shared ones of that name, where there are."""

    name: str  # what finds are counted under
    mask: str  # what stands in its place; must be in normal form
    pattern: str = ""  # a regular expression; `\d` is a digit of any script. A group `pii` is what is masked of it
    check: str = ""  # a shared check's name, or rules.<function>: from the find, digits in ASCII, to true or false
    hints: tuple[str, ...] = ()  # one of these is in every text that holds it; without any, a run of seven digits
    anywhere: bool = False  # in URLs and code as well


def digits_of(text: str) -> str:
    """The digits of `text` in ASCII, nothing else.

    >>> digits_of("۰۹۱۲ 345")
    '0912345'
    """
    return "".join(str(unicodedata.digit(c)) for c in text if c.isdecimal())


def luhn(found: str) -> bool:
    """The checksum of payment cards (ISO/IEC 7812-1). Sixteen times one digit is nobody's card.

    >>> luhn("4539 1488 0343 6467"), luhn("4539 1488 0343 6468")
    (True, False)
    """
    digits = [int(c) for c in digits_of(found)]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(found: str) -> bool:
    """The checksum of international bank account numbers (ISO 13616: modulo 97).

    >>> iban("EE38 2200 2210 2014 5685"), iban("EE38 2200 2210 2014 5686")
    (True, False)
    """
    plain = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in found if c.isalnum()).upper()
    return plain.isascii() and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def public_ip(found: str) -> bool:
    """Whether it is an address on the public internet: private, local and reserved ones are nobody's.

    >>> public_ip("8.8.4.4"), public_ip("192.168.1.10"), public_ip("8.8.4.444")
    (True, False, False)
    """
    try:
        return ipaddress.ip_address(found).is_global
    except ValueError:
        return False


PII_CHECKS: dict[str, Callable[[str], bool]] = {"luhn": luhn, "iban": iban, "public_ip": public_ip}

# name -> what a kind of that name is where the language says nothing else
SHARED: dict[str, Pii] = {
    kind.name: kind
    for kind in (
        Pii(
            "email",
            "",
            r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}"
            r"(?:@| ?[(\[] ?-?(?:at|ät)-? ?[)\]] ?)"
            r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}",
            hints=("@", "(at)", "[at]", "-at-", "(ät)", "[ät]"),
            anywhere=True,
        ),
        Pii("card", "", r"(?<![\d.,\-])\d{4}(?:([ \-]?)\d{4})(?:\1\d{4}){2}(?![.,\-]?\d)", "luhn"),
        # a dot behind it: the number of a section, which the municipal pages we read held far more of
        Pii("ip", "", r"(?<![\w./\-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.\-])", "public_ip", hints=(".",)),
    )
}


@dataclass(frozen=True)
class PiiKind:
    """A declared kind, ready to search."""

    name: str
    mask: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None
    hints: tuple[str, ...]
    anywhere: bool


def compiled(declared: Pii, rules: Rules) -> PiiKind:
    """`declared` with the shared parts filled in. Raises `LanguageError` that begins with the key it is about."""
    shared = SHARED.get(declared.name)
    pattern = declared.pattern or (shared.pattern if shared else "")
    check = declared.check or (shared.check if shared and not declared.pattern else "")
    if not pattern:
        raise LanguageError(f"pattern: '{declared.name}' has no pattern, and none is shared ({', '.join(SHARED)}).")
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise LanguageError(f"pattern: '{pattern}' is no regular expression ({error}).") from error
    with pattern_limit(f"pattern: '{pattern}'", declared.mask):
        found = expression.search(declared.mask)
    if found:
        raise LanguageError(f"mask: '{declared.mask}' is itself found by the pattern. Choose another.")
    test: Callable[[str], bool] | None = None
    if check.startswith("rules."):
        test = guarded_check(rules.function(check, "check"), rules)
    elif check:
        if check not in PII_CHECKS:
            raise LanguageError(f"check: no check '{check}'. Known: {', '.join(PII_CHECKS)}, rules.<function>.")
        test = PII_CHECKS[check]
    hints = declared.hints or (shared.hints if shared else ())
    anywhere = declared.anywhere or (shared is not None and shared.anywhere)
    return PiiKind(declared.name, declared.mask, expression, test, hints, anywhere)


class PiiFinder:
    """The kinds of personal data of one language."""

    def __init__(self, declared: Sequence[Pii], rules: Rules) -> None:
        self.kinds = [compiled(kind, rules) for kind in declared]
        self.limited = rules.limited

    def find(self, text: str) -> list[tuple[int, int, PiiKind]]:
        """The finds as (start, end, kind), in order, without overlap: the first wins, and of two the longest.

        Raises `RuleError` where a pattern does not come to an end.
        """
        with pattern_limit("[[pii]]: a pattern", text, limited=self.limited):
            return self._find(text)

    def _find(self, text: str) -> list[tuple[int, int, PiiKind]]:
        number: bool | None = None
        found = []
        for place, kind in enumerate(self.kinds):
            if kind.hints:
                if not any(hint in text for hint in kind.hints):
                    continue
            else:
                number = NUMBER.search(text) is not None if number is None else number
                if not number:
                    continue
            for match in kind.pattern.finditer(text):
                start, end = match.span("pii" if "pii" in kind.pattern.groupindex else 0)
                if kind.check is None or kind.check(text[start:end]):
                    found.append((start, -end, place))
        if not found:
            return []
        closed = [(s, e) for s, e, _ in find_spans(text, ("url", "code"))]
        result, last = [], 0
        for start, minus_end, place in sorted(found):
            kind, end = self.kinds[place], -minus_end
            inside = not kind.anywhere and any(s < end and start < e for s, e in closed)
            if start >= last and not inside:
                result.append((start, end, kind))
                last = end
        return result

    def masked(self, text: str) -> tuple[str, Counter[str]]:
        """`text` with every find replaced by its kind's mask, and how many there were of each."""
        counts: Counter[str] = Counter()
        parts, last = [], 0
        for start, end, kind in self.find(text):
            counts[kind.name] += 1
            parts += [text[last:start], kind.mask]
            last = end
        parts.append(text[last:])
        return ("".join(parts) if counts else text), counts
