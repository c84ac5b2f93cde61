"""Write ulmkit/authoring/cldr.tsv from `cldr-misc-full` and `cldr-core`, Unicode's own release of CLDR as JSON.

    for p in misc-full core; do npm pack cldr-$p@48.2.0 && mkdir $p && tar xzf cldr-$p-48.2.0.tgz -C $p; done
    python docs/make_cldr.py misc-full/package core/package

Babel, which knows the names, scripts and directions of languages, leaves out what this table holds: exemplar
characters, digits, quotation marks, and which of several codes is that of ISO 639-3. A script's locale stands in it
where it differs from what its language has already; those of regions are left out.
"""

import json
import re
import sys
from pathlib import Path

TABLE = Path(__file__).parent.parent / "ulmkit" / "authoring" / "cldr.tsv"
COLUMNS = ("locale", "iso639_3", "letters", "auxiliary", "index", "punctuation", "digits", "quotes")


def characters(pattern: str) -> str:
    """The characters of a set as CLDR writes it, in its order; digraphs in braces are taken apart.

    >>> characters("[a {ch} \\\\u200C \\\\- x-z]")
    'ach\\u200c-xyz'
    """
    found: list[str] = []
    tokens = re.findall(r"\\u([0-9A-Fa-f]{4})|\\(.)|([^\s{}])", pattern.removeprefix("[").removesuffix("]"))
    span = False
    for code, escaped, plain in tokens:
        character = chr(int(code, 16)) if code else escaped or plain
        if plain == "-" and found:
            span = True
            continue
        first = ord(found[-1]) + 1 if span else ord(character)
        found += map(chr, range(first, ord(character) + 1))
        span = False
    return "".join(dict.fromkeys(found))


def row(folder: Path) -> tuple[str, ...] | None:
    """What CLDR says of the locale in `folder`, or None where it has no letters of its own."""
    name = folder.name
    said = json.loads((folder / "characters.json").read_text(encoding="utf-8"))["main"][name]["characters"]
    marks = json.loads((folder / "delimiters.json").read_text(encoding="utf-8"))["main"][name]["delimiters"]
    sets = [characters(said.get(key, "")) for key in ("exemplarCharacters", "auxiliary", "index", "punctuation")]
    digits = "".join(sorted(c for c in characters(said.get("numbers", "")) if c.isdecimal() and not c.isascii()))
    quotes = marks["quotationStart"] + marks["quotationEnd"]
    return (*sets, digits if len(digits) == 10 else "", quotes if len(quotes) == 2 else "") if sets[0] else None


def codes(core: Path) -> dict[str, str]:
    """Language code -> the code of ISO 639-3 that it shortens."""
    path = core / "supplemental" / "aliases.json"
    aliases = json.loads(path.read_text(encoding="utf-8"))["supplemental"]["metadata"]["alias"]["languageAlias"]
    return {a["_replacement"]: code for code, a in aliases.items() if a["_reason"] == "overlong" and len(code) == 3}


def main(misc: Path, core: Path) -> None:
    version = json.loads((misc / "package.json").read_text(encoding="utf-8"))["version"]
    licence = (misc / "LICENSE").read_text(encoding="utf-8").strip()
    rows: dict[str, tuple[str, ...]] = {}
    for folder in sorted((misc / "main").iterdir(), key=lambda path: (path.name.count("-"), path.name)):
        language, _, script = folder.name.partition("-")
        found = row(folder)
        if found and (not script or len(script) == 4) and found != rows.get(language):
            rows[folder.name] = found
    iso = codes(core)
    for code in iso.keys() - rows.keys():
        rows[code] = ("",) * 6
    head = [
        f"# Unicode CLDR {version}: ISO 639-3 codes, exemplar characters, digits other than ASCII, quotation marks.",
        "# Written by docs/make_cldr.py; characters in CLDR's order, digraphs taken apart.",
        "#",
        *(f"# {line}".rstrip() for line in licence.splitlines()),
        "#",
        "\t".join(COLUMNS),
    ]
    lines = []
    for name in sorted(rows):
        cells = (name, iso.get(name, ""), *(json.dumps(cell, ensure_ascii=False)[1:-1] for cell in rows[name]))
        lines.append("\t".join(cells))
    TABLE.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
