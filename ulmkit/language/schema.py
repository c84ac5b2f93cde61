"""The schema of language.toml as JSON Schema, for editors: made from `sections`, so the two cannot part.

A field's description is the comment beside or above it in sections.py, a section's is its docstring. Editors that read
`#:schema <path>` in a TOML file's first line (Taplo, and what is built on it) then complete keys and mark mistakes;
what only the loader can know (that a function exists, that a table ends) the loader says.
"""

import ast
import dataclasses
import inspect
import io
import json
import tokenize
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ulmkit.language import sections
from ulmkit.language.places import bundled
from ulmkit.language.sections import LISTS, SECTIONS
from ulmkit.language.sources import SOURCE_TYPES, SourceSpec
from ulmkit.text.operations import OPERATIONS
from ulmkit.text.protect import SPAN_KINDS
from ulmkit.text.script import SCRIPT_CODES

FILE = "language.schema.json"  # beside the bundled languages
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_OPERATION = {"anyOf": [{"enum": sorted(OPERATIONS)}, {"type": "string", "pattern": r"^rules\.\w+$"}]}
# (class, field) -> what its values, or the items of its list, are beyond their type
_KNOWN: dict[tuple[type, str], dict[str, Any]] = {
    **{(sections.Normalization, name): _OPERATION for name in ("head", "train", "tail", "match", "match_tail")},
    (sections.Profile, "without"): _OPERATION,
    (sections.Normalization, "protect"): {"enum": list(SPAN_KINDS)},
    (sections.LanguageIdentity, "script"): {"enum": sorted(SCRIPT_CODES)},
}


def json_schema() -> dict[str, Any]:
    """The whole schema, draft 7, which is what editors of TOML read."""
    tables = {}
    for section, (_, kind) in SECTIONS.items():
        described = _sources() if kind is SourceSpec else _record(kind)
        tables[section] = {"type": "array", "items": described} if section in LISTS else described
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "language.toml of ulmkit",
        "description": "A language as data. What is not written here is the script's, or the default.",
        "type": "object",
        "properties": tables,
        "required": ["language"],
        "additionalProperties": False,
    }


def text() -> str:
    """The schema as the file beside the bundled languages holds it."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=1) + "\n"


def _record(kind: type) -> dict[str, Any]:
    """The schema of a table that becomes `kind`."""
    hints, told = typing.get_type_hints(kind), field_comments(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        value = _value(hints[field.name], _KNOWN.get((kind, field.name), {}))
        if field.name in told:
            value["description"] = told[field.name]
        if field.default is not dataclasses.MISSING:
            value["default"] = _plain(field.default)
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = value
    described: dict[str, Any] = {"type": "object", "description": _about(kind), "properties": properties}
    if required:
        described["required"] = required
    if kind is sections.Normalization:
        properties["profiles"]["additionalProperties"] = _profile(properties)
    return described | {"additionalProperties": False}


def _sources() -> dict[str, Any]:
    """The schema of a source: the keys of every kind; which kind knows which, the loader says."""
    described = _record(SourceSpec)
    for name, kind in SOURCE_TYPES.items():
        for key, value in _record(kind)["properties"].items():
            if key not in described["properties"]:
                told = value.get("description", "")
                described["properties"][key] = value | {"description": f"Of kind {name}: {told}"}
    return described


def _profile(settings: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of a profile: what only profiles have, and the `settings` of the standard form without defaults."""
    described = _record(sections.Profile)
    for name, value in settings.items():
        if name not in sections.NO_PART_OF_A_PROFILE:
            described["properties"][name] = {key: part for key, part in value.items() if key != "default"}
    return described


def _value(wanted: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _record(typing.cast(type, wanted))
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _value(arguments[0], {}) if not known else dict(known)}
    if origin is tuple:
        items = [_value(argument, {}) for argument in arguments]
        return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(arguments[1], {})}
    return dict(known) if known else ({} if wanted is Any else {"type": _PLAIN[wanted]})


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _about(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def field_comments(kind: type) -> dict[str, str]:
    """Field -> the comment beside it, or the comment lines right above it, in `kind`'s source."""
    source = inspect.getsource(kind)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    lines = source.split("\n")
    told = {}
    body = typing.cast(ast.ClassDef, ast.parse(source).body[0]).body
    for node in body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        last = node.end_lineno or node.lineno
        beside = [comments[line] for line in range(node.lineno, last + 1) if line in comments]
        above = list(_above(node.lineno, lines, comments))
        if found := beside or above:
            told[node.target.id] = " ".join(found)
    return told


def _above(line: int, lines: list[str], comments: Mapping[int, str]) -> Iterable[str]:
    """The comment lines that end right above `line`, in order."""
    first = line
    while first - 1 in comments and lines[first - 2].strip().startswith("#"):
        first -= 1
    return (comments[number] for number in range(first, line))


def path() -> Path:
    """Where the schema lies for editors: beside the bundled languages."""
    return bundled() / FILE
