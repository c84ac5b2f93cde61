"""Measures, numbers and formulas of a wiki's templates, in the unit in which the article gives them.

`{{convert|5|to|10|km|mi}}` says 5 to 10 km; what it is in miles is worked out on the wiki, and nobody's text.
"""

import re

_NUMBER = re.compile(r"[-−+]?[\d٠-٩۰-۹][\d٠-٩۰-۹.,٫٬⁄/+ ]*(?:e[-+]?\d+)?|[½⅓⅔¼¾⅛]")
# what may stand between two numbers of one measure, and how it is written
_BETWEEN = {
    "-": " - ", "–": " – ", "—": " – ", "to": " to ", "to(-)": " to ", "to about": " to about ", "and": " and ",
    "and(-)": " and ", "&": " and ", "or": " or ", "or(-)": " or ", "by": " by ", "by(x)": " by ", "x": " x ",
    "xx": " x ", "×": " × ", "*": " × ", "±": " ± ", "+/-": " ± ", "+": " + ", "/": "/", ",": ", ", ", and": ", and ",
    ", or": ", or ", "till": " to ", "&to": " to ",
}  # fmt: skip
_UNITS = {
    "km2": "km²", "m2": "m²", "cm2": "cm²", "mm2": "mm²", "km3": "km³", "m3": "m³", "cm3": "cm³", "mm3": "mm³",
    "sqmi": "sq mi", "sqft": "sq ft", "sqin": "sq in", "sqyd": "sq yd", "cuft": "cu ft", "cuin": "cu in",
    "cumi": "cu mi", "C": "°C", "F": "°F", "degC": "°C", "degF": "°F", "impgal": "imp gal", "USgal": "US gal",
    "long ton": "long tons", "nmi": "nmi", "kph": "km/h", "km/h": "km/h", "m3/s": "m³/s", "cuft/s": "cu ft/s",
    "km/h/s": "km/h/s", "PD/sqkm": "/km²", "/km2": "/km²", "/sqmi": "/sq mi",
}  # fmt: skip
_POWER = re.compile(r"e([369]|12)(\D.*)")
_CHARGE = re.compile(r"\d{0,2}[-−+]")
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")


def measure(given: list[str], named: dict[str, str]) -> str:
    """Numbers, what stands between them, and the unit they are in; the units they are turned into are left out.

    >>> measure(["5", "to", "10", "km", "mi"], {"abbr": "on"}), measure(["6", "ft", "2", "in"], {})
    ('5 to 10 km', '6 ft 2 in')
    >>> measure(["2", "x", "4", "m"], {}), measure([], {"ft": "6", "in": "2"})
    ('2 x 4 m', '6 ft 2 in')
    """
    if not given:
        parts = [f"{said} {unit}" for unit, said in named.items() if _NUMBER.fullmatch(said) and unit in _SIZES]
        return " ".join(parts)
    shown: list[str] = []
    numbers = 0
    place = 0
    while place < len(given):
        part = given[place]
        following = given[place + 1] if place + 1 < len(given) else ""
        if _NUMBER.fullmatch(part):
            shown.append(part)
            numbers += 1
        elif numbers and part in _BETWEEN and (_NUMBER.fullmatch(following) or not _UNIT.match(part)):
            shown.append(_BETWEEN[part])
        elif numbers and part:
            if power := _POWER.fullmatch(part):  # {{convert|1.5|e6km2}}
                shown.append(f"×10{power[1].translate(_RAISED)}")
                part = power[2]
            unit = _UNITS.get(part, part)
            shown.append(unit if unit.startswith("/") else f" {unit}")
            if not (_NUMBER.fullmatch(following) and place + 2 < len(given) and _UNIT.match(given[place + 2])):
                break  # 6 ft 2 in goes on; all else is what it is turned into
            if given[place + 2] in _BETWEEN:
                break
            shown.append(" ")
        elif not numbers:
            return " ".join(filter(None, given[:1]))
        place += 1
    return "".join(shown)


_SIZES = ("ft", "in", "m", "cm", "mm", "st", "lb", "kg", "oz", "hands")
_UNIT = re.compile(r"[^\W\d]{1,12}")


def value(given: list[str], named: dict[str, str]) -> str:
    """A number of physics: `{{val|6.241|0.002|e=18|u=m/s}}`.

    >>> value(["6.241"], {"e": "18", "u": "m"})
    '6.241×10¹⁸ m'
    """
    if not given:
        return ""
    error = f" ± {given[1]}" if len(given) > 1 and given[1] and "(" not in given[0] else ""
    power = f"×10{raised(named['e'])}" if named.get("e") else ""
    unit = named.get("u") or named.get("ul") or ""
    return f"{named.get('p', '')}{given[0]}{error}{power}{' ' if unit else ''}{unit}"


def spelled(given: list[str], named: dict[str, str]) -> str:
    """A formula's parts side by side, its numbers lowered, its charge raised: `{{chem|H|2|O}}`.

    >>> spelled(["H", "2", "O"], {})
    'H₂O'
    """
    return "".join(
        part.translate(_LOWERED) if part.isdecimal() else raised(part) if _CHARGE.fullmatch(part) else part
        for part in given
    )


def raised(number: str) -> str:
    """An exponent: digits and signs raised, anything else as it is."""
    return number.translate(_RAISED) if _CHARGE.fullmatch(number) or re.fullmatch(r"[-−+]?\d{1,6}", number) else number
