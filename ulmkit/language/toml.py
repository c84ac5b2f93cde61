"""Tables of settings as values: each key a known one, each value of its field's type.

The tables come from a TOML file, which knows on which line a key stands, or from Python.
"""

import dataclasses
import json
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, get_origin

from ulmkit.errors import LanguageError, UlmkitError, shown
from ulmkit.language.places import folder_text
from ulmkit.language.sections import NO_PART_OF_A_PROFILE, Normalization, Profile, frozen
from ulmkit.language.sources import SourceSpec, source_type

_MAX_NUMBER = 1 << 63  # what files of numbers hold
_NO_NUMBER = "a number must be finite, and below 2 to the 63rd"


def _holdable(value: Any) -> bool:
    """Whether every number in `value` is one that a file of numbers holds."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, int | float) and not abs(value) < _MAX_NUMBER:
            return False
    return True


def _line_of_digits(text: str) -> int:
    """The line with the longest run of digits."""
    longest = [max(map(len, re.findall(r"[0-9_]+", line)), default=0) for line in text.splitlines()]
    return longest.index(max(longest)) + 1


class Where(Protocol):
    """Where settings were written: makes the error that says so."""

    def fail(self, section: str, key: str, message: str, index: int = 0) -> UlmkitError:
        """The error for `key` of the `index`-th table of `section`; for the table itself without a key."""
        ...


class TomlFile:
    """A TOML file of a language folder, which knows on which line a key stands."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, shown(path)
        self.text = folder_text(path)
        try:
            self.data = tomllib.loads(self.text)
        except RecursionError as error:
            raise LanguageError(f"{self.name}:1: nested too deeply. A language needs three levels.") from error
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column \d+\)", str(error))
            message = re.sub(r"\s*\(at .*\)", "", str(error))
            raise LanguageError(f"{self.name}:{found[1] if found else '1'}: {message}.") from error
        except ValueError as error:  # more digits than Python makes a number of
            raise LanguageError(f"{self.name}:{_line_of_digits(self.text)}: {_NO_NUMBER}.") from error
        for section, table in self.data.items():
            inner = table.items() if isinstance(table, Mapping) else [("", table)]
            for key, value in inner:
                if not _holdable(value):
                    where = (section, key) if isinstance(table, Mapping) else ("", section)
                    raise self.fail(*where, f"'{key or section}': {_NO_NUMBER}.")

    def line(self, section: str, key: str = "", index: int = 0) -> int:
        """Where `key` stands under the `index`-th `[section]` or `[[section]]`; the section's own line without it."""
        current, seen, header = "", -1, 0
        for number, line in enumerate(self.text.splitlines(), 1):
            match = re.match(r"\s*\[\[?\s*([\w.\-]+)\s*\]\]?", line)
            if match:
                current = match[1]
                if current == section:
                    seen, header = seen + 1, number
                    if not key and seen == index:
                        return number
                continue
            if current == section and seen == index and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
            if not section and not current and re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
        return header or 1

    def fail(self, section: str, key: str, message: str, index: int = 0) -> LanguageError:
        return LanguageError(f"{self.name}:{self.line(section, key, index)}: {message}")


def _as_json(value: Any) -> str:
    """`value` as an error repeats it."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return "this"
    return text if len(text) <= 200 else f"{text[:200]}…"


def nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word, known, 1, 0.5)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def _convert(value: Any, wanted: Any, at: tuple[Where, str, str, int]) -> Any:
    """`value` as the type `wanted` of a field; `at` is where it stands: in whose section, under which key."""
    where, section, key, index = at
    origin, arguments = get_origin(wanted), get_args(wanted)

    def wrong(expected: str) -> UlmkitError:
        return where.fail(section, key, f"'{key}' must be {expected}, not {_as_json(value)}.", index)

    if isinstance(value, int | float) and not _holdable(value):
        raise where.fail(section, key, f"'{key}': {_NO_NUMBER}.", index)

    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, Mapping):
            raise wrong("a table")
        return record(value, typing.cast(type, wanted), where, f"{section}.{key}", index)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise wrong("a list")
        if arguments[-1] is Ellipsis:
            if dataclasses.is_dataclass(arguments[0]):
                return tuple(
                    record(item, typing.cast(type, arguments[0]), where, f"{section}.{key}", number)
                    for number, item in enumerate(value)
                )
            return tuple(_convert(item, arguments[0], at) for item in value)
        if len(value) != len(arguments):
            raise wrong(f"a list of {len(arguments)}")
        return tuple(_convert(item, kind, at) for item, kind in zip(value, arguments, strict=True))
    if origin is Literal:
        if value not in arguments:
            raise wrong(" or ".join(repr(argument) for argument in arguments))
        return value
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise wrong("a table")
        return frozen({name: _convert(item, arguments[1], at) for name, item in value.items()})
    if wanted is Any:
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise wrong({str: "a string", int: "a whole number", float: "a number", bool: "true or false"}[wanted])
    return value


def record(data: Any, kind: type, where: Where, section: str, index: int = 0) -> Any:
    """A dataclass of `sections` from a table; a source's is that of its kind."""
    if isinstance(data, kind):
        return data
    if kind is SourceSpec:
        kind = source_type(data)
    if not isinstance(data, Mapping):
        raise where.fail(section, "", f"[{section}] must be a table.", index)
    values = values_of(data, kind, where, section, index)
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise where.fail(section, "", f"[{section}] needs '{field.name}'.", index)
    return kind(**values)


def records(items: Any, kind: type, where: Where, section: str) -> tuple[Any, ...]:
    """The blocks of `[[section]]`, each as a dataclass of `sections`."""
    if not isinstance(items, list | tuple):
        raise where.fail(section, "", f"write [[{section}]], one block for each.")
    return tuple(record(item, kind, where, section, index) for index, item in enumerate(items))


def values_of(data: Any, kind: type, where: Where, section: str, index: int = 0) -> dict[str, Any]:
    """The settings of a table that are a dataclass's fields, by name; those that are not given are left out."""
    if not isinstance(data, Mapping):
        raise where.fail(section, "", f"[{section}] must be a table.", index)
    if kind is Normalization and isinstance(data.get("profiles"), Mapping):
        rest = {key: value for key, value in data.items() if key != "profiles"}
        return values_of(rest, kind, where, section, index) | {"profiles": _profiles(data["profiles"], where)}
    return _values(data, typing.get_type_hints(kind), where, section, index)


def _values(
    data: Mapping[str, Any], hints: Mapping[str, Any], where: Where, section: str, index: int
) -> dict[str, Any]:
    values = {}
    for key, value in data.items():
        if key not in hints:
            raise where.fail(section, key, f"no setting '{key}' in [{section}]. {nearest(key, hints)}", index)
        values[key] = _convert(value, hints[key], (where, section, key, index))
    return values


def _profiles(profiles: Mapping[str, Any], where: Where) -> Mapping[str, Mapping[str, Any]]:
    """What each `[normalization.profiles.<name>]` changes."""
    hints = typing.get_type_hints(Normalization) | typing.get_type_hints(Profile)
    found = {}
    for name, changes in profiles.items():
        section = f"normalization.profiles.{name}"
        if not isinstance(changes, Mapping):
            message = f"profile '{name}' must be a table, not {_as_json(changes)}."
            raise where.fail("normalization.profiles", name, message)
        for key in NO_PART_OF_A_PROFILE:
            if key in changes:
                raise where.fail(section, key, f"a profile is a form of raw text, '{key}' is no part of it. Remove it.")
        found[name] = frozen(_values(changes, hints, where, section, 0))
    return frozen(found)
