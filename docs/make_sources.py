"""Writes docs/sources.md, the keys of `[[sources]]`, from the classes of source kinds.

python docs/make_sources.py
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ulmkit.language.schema import json_schema
from ulmkit.language.sources import SOURCE_TYPES, SourceSpec

PAGE = Path(__file__).with_name("sources.md")
INTRODUCTION = """\
# What a source may say

Made by `python docs/make_sources.py` from `ulmkit/language/sources.py`; a test notices when it is stale.

A `[[sources]]` block of `language.toml` says where text comes from. A key that its kind does not know is an error with
the nearest known one and the line. How to use them: [crawl.md](crawl.md).
"""


def table(names: list[str]) -> Iterator[str]:
    """A line for each key."""
    told = json_schema()["properties"]["sources"]["items"]["properties"]
    yield "| key | default | meaning |"
    yield "| --- | --- | --- |"
    for name in names:
        described = told[name]
        default = f"`{described['default']}`" if described.get("default") not in (None, "") else "–"
        meaning = described.get("description", "")
        if meaning.startswith("Of kind "):
            meaning = meaning.partition(": ")[2]
        if values := described.get("enum"):
            meaning += " (" + ", ".join(f"`{value}`" for value in values) + ")"
        yield f"| `{name}` | {default} | {meaning} |"


def page() -> str:
    """The whole page."""
    common = [each.name for each in dataclasses.fields(SourceSpec)]
    parts = [INTRODUCTION, "## Of every kind", "", *table(common)]
    for kind, made in SOURCE_TYPES.items():
        own = [each.name for each in dataclasses.fields(made) if each.name not in common]
        about = " ".join((made.__doc__ or "").split())
        parts += ["", f'## `kind = "{kind}"`', "", about, ""]
        parts += table(own) if own else ["It has no keys of its own."]
    return "\n".join([*parts, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
