"""The JSON Schema for editors is made from the classes that the loader fills, and says what every setting is."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from ulmkit.language import schema
from ulmkit.language.places import bundled

FOLDERS = sorted(path.parent.name for path in bundled().glob("*/language.toml"))


def fields(described: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting with its place, tables inside tables too."""
    items = described.get("items")
    for inner in (described, items if isinstance(items, dict) else {}):
        for name, value in inner.get("properties", {}).items():
            yield f"{where}{name}", value
            yield from fields(value, f"{where}{name}.")


def mistakes(value: Any, described: dict[str, Any], where: str = "") -> Iterator[str]:
    """What an editor would mark: unknown keys, missing ones, values that are none of those known."""
    known = described.get("properties")
    if isinstance(value, dict) and known is not None:
        yield from (f"{where}{key}: unknown" for key in value if key not in known)
        yield from (f"{where}{key}: missing" for key in described.get("required", ()) if key not in value)
        for key in value.keys() & known.keys():
            yield from mistakes(value[key], known[key], f"{where}{key}.")
    if isinstance(value, list) and isinstance(described.get("items"), dict):
        for item in value:
            yield from mistakes(item, described["items"], where)
    if "enum" in described and value not in described["enum"]:
        yield f"{where}{value}: none of those known"
    options = described.get("anyOf")
    if options and not str(value).startswith("rules.") and value not in options[0]["enum"]:
        yield f"{where}{value}: none of those known"


def test_the_file_beside_the_languages_is_fresh() -> None:
    assert schema.path().read_text(encoding="utf-8") == schema.text(), "run `make docs`"


def test_every_setting_says_what_it_is() -> None:
    bare = [
        name
        for name, value in fields(schema.json_schema())
        if not value.get("description") and not (value.get("type") == "array" and value["items"].get("description"))
    ]
    assert bare == [], "write a comment beside the field in sections.py"


@pytest.mark.parametrize("code", FOLDERS)
def test_a_bundled_language_follows_it_and_names_it(code: str) -> None:
    text = (bundled() / code / "language.toml").read_text(encoding="utf-8")
    assert text.startswith(f"#:schema ../{schema.FILE}\n")
    assert list(mistakes(tomllib.loads(text), schema.json_schema())) == []


# what an editor must mark
WRONG = [
    ({"language": {}}, "language.code: missing"),
    ({"langauge": {}}, "langauge: unknown"),
    ({"language": {"code": "x", "script": "Latin"}}, "language.script.Latin: none of those known"),
    ({"normalization": {"train": ["dashs"]}}, "normalization.train.dashs: none of those known"),
    ({"sources": [{"name": "a"}]}, "sources.licence: missing"),
    ({"tasks": [{"scores": [{"modell": "a"}]}]}, "tasks.scores.modell: unknown"),
]


@pytest.mark.parametrize(("value", "mistake"), WRONG)
def test_what_the_loader_refuses_it_refuses(value: dict[str, Any], mistake: str) -> None:
    assert mistake in list(mistakes(value, schema.json_schema()))
