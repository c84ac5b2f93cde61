"""Writes docs/settings.md: from what a text shows to the setting that says it, and every setting of a language folder.

The first table is shown.tsv, and each name in it is looked up; the rest is made from ulmkit/language/sections.py.

python docs/make_settings.py
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ulmkit.language.schema import json_schema
from ulmkit.language.sections import SECTIONS
from ulmkit.text.operations import OPERATIONS
from ulmkit.text.table_file import WHERE

PAGE = Path(__file__).with_name("settings.md")
INTRODUCTION = """\
# From what a text shows to the setting

Made by `python docs/make_settings.py`; a test notices when it is stale. [add-a-language.md](add-a-language.md) walks
through a whole folder. A first build needs none of this: a folder as `ulmkit language new` writes it is good enough to
build from and to read what comes out and what goes. Folders of HTML, TSV, text and JSON lines are read as they are, and
so are dumps.
"""
SHOWN = Path(__file__).with_name("shown.tsv")
FILES = ("characters.tsv", "match.tsv", "language calibrate", "pii")


def known(place: str) -> bool:
    """Whether the place of a row is a setting, an operation, or a file."""
    section, _, name = place.partition("] ")
    if not place.startswith("["):
        return place in FILES or place in OPERATIONS
    kind = SECTIONS[section.removeprefix("[")][1]
    return name in {field.name for field in dataclasses.fields(kind)}


def shown() -> Iterator[str]:
    yield "| the text shows | setting | for example |"
    yield "| --- | --- | --- |"
    for line in SHOWN.read_text(encoding="utf-8").splitlines()[1:]:
        what, place, example = line.split("\t")
        if not known(place):
            raise SystemExit(f"{place}: no such setting")
        yield f"| {what} | `{place}` | {example.replace('|', '&#124;')} |"


def told(kind: type, properties: dict[str, Any]) -> Iterator[str]:
    """A line for each setting of a section."""
    yield "| setting | default | what it says |"
    yield "| --- | --- | --- |"
    for field in dataclasses.fields(kind):
        made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        asked = made is dataclasses.MISSING
        value = "asked for" if asked else f"`{json.dumps(made, ensure_ascii=True, default=list)}`"
        about = properties.get(field.name, {}).get("description", "")
        yield f"| `{field.name}` | {value.replace('|', '&#124;')} | {about.replace('|', '&#124;')} |"


def page() -> str:
    """The whole page."""
    schema = json_schema()["properties"]
    lines = [
        INTRODUCTION,
        *shown(),
        "",
        f"Where a line of a table may hold: {', '.join(f'`{each}`' for each in WHERE)}.",
    ]
    for section, (_, kind) in SECTIONS.items():
        inner = schema[section]
        properties = inner.get("properties") or inner.get("items", {}).get("properties", {})
        lines += ["", f"## [{section}]", "", *told(kind, properties)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
