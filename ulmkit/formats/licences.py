"""Which licence is meant, as SPDX names it, and whether a corpus may be made under it."""

import re
from functools import lru_cache

# CC-BY and CC-BY-SA, what gives up all rights, and texts that are nobody's; other names stand for terms to be read
_OPEN = re.compile(
    r"CC0-1\.0|(?:LicenseRef-)?CC-BY(?:-SA)?(?:-\d\.\d)?(?:-[A-Z]{2,3})?|PDDL-1\.0|ODC-By-1\.0|ODbL-1\.0|GFDL-\d\.\d.*"
    r"|MIT|MIT-0|Apache-2\.0|Unlicense|LicenseRef-(?:public-domain|no-copyright|EU-reuse)",
    re.I,
)
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/licen[sc]es/(by(?:-(?:nc|nd|sa))*)(?:/(\d\.\d))?(?![a-z0-9-])", re.I
)
_PUBLIC_DOMAIN = re.compile(r"creativecommons\.org/(?:publicdomain/(zero|mark)\b|licen[sc]es/(publicdomain)\b)", re.I)
_IN_WORDS = re.compile(r"\bcc[ -](by(?:[ -](?:nc|nd|sa))*)(?:[ -](\d\.\d))?(?![\w-])", re.I)
_CC0 = re.compile(r"\bcc[ -]?0\b|\bcc zero\b", re.I)
_OTHER = (
    (re.compile(r"opendatacommons\.org/licenses/by\b", re.I), "ODC-By-1.0"),
    (re.compile(r"opendatacommons\.org/licenses/odbl\b", re.I), "ODbL-1.0"),
    (re.compile(r"opendatacommons\.org/licenses/pddl\b", re.I), "PDDL-1.0"),
    (re.compile(r"gnu\.org/(?:licenses|copyleft)/fdl", re.I), "GFDL-1.3-or-later"),
)
_SPDX = re.compile(r"https?://spdx\.org/licenses/([A-Za-z0-9.+-]{1,60}?)(?:\.html)?/?", re.I)


@lru_cache(1 << 12)
def spdx_of(value: str) -> str:
    """The licence that an address or a few words name, as SPDX; empty where they name none that is known.

    >>> spdx_of("https://creativecommons.org/licenses/by-nc-nd/3.0/de/deed.et"), spdx_of("© 2020, all rights reserved")
    ('CC-BY-NC-ND-3.0', '')
    """
    value = value[:500]
    if found := _CREATIVE_COMMONS.search(value) or _IN_WORDS.search(value):
        name = "CC-" + re.sub(r"\s", "-", found[1]).upper()
        return f"{name}-{found[2]}" if found[2] else f"LicenseRef-{name}"
    if found := _PUBLIC_DOMAIN.search(value):
        return "CC0-1.0" if (found[1] or "").lower() == "zero" else "LicenseRef-public-domain"
    if _CC0.search(value):
        return "CC0-1.0"
    if found := _SPDX.fullmatch(value.strip()):
        return found[1]
    return next((name for pattern, name in _OTHER if pattern.search(value)), "")


def is_open(licence: str) -> bool:
    """Whether a corpus may be made and passed on under `licence`.

    >>> [is_open(name) for name in ("CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-3.0-DE", "unknown")]
    [True, False, True, False]
    """
    return bool(_OPEN.fullmatch(licence))


def forbids_changes(licence: str) -> bool:
    """Whether it is one of those without derivatives: a corpus is one."""
    return "-ND" in licence.upper()


def forbids_trade(licence: str) -> bool:
    """Whether it is one of those for uses that are not commercial."""
    return "-NC" in licence.upper()
