"""From a folder of data to a `Language`; what is wrong with the folder is said with file and line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ulmkit.errors import LanguageError, shown
from ulmkit.language.places import bundled, folder_bytes, folder_text, folders, read_words, text_in
from ulmkit.language.sections import LISTS, SECTIONS, LanguageIdentity, frozen
from ulmkit.language.spec import Language
from ulmkit.language.toml import TomlFile, nearest, record, records, values_of
from ulmkit.language.validate import validate
from ulmkit.text.characters import CharacterRow, CharacterTable
from ulmkit.text.rules import Rules
from ulmkit.text.table_file import parse_rows

SHAPING = ("characters.tsv", "match.tsv", "rules.py", "stopwords.txt")  # files that shape what a stage makes of a text


def _script_file(folder: Path, script: str) -> TomlFile | None:
    """The script's own settings: beside the folder, else among the languages that came with the package."""
    for root in (folder.parent, bundled()):
        path = root / "_scripts" / f"{script}.toml"
        if os.path.lexists(path):
            return TomlFile(path)
    return None


def _open(folder: Path) -> tuple[TomlFile, LanguageIdentity]:
    """The language.toml of `folder`, its sections known, and who it says that it is."""
    file = TomlFile(folder / "language.toml")
    for section in file.data:
        if section not in SECTIONS:
            line = file.line(section) if isinstance(file.data[section], dict | list) else file.line("", section)
            raise LanguageError(f"{file.name}:{line}: no section [{section}]. {nearest(section, SECTIONS)}")
    if "language" not in file.data:
        raise LanguageError(f"{file.name}:1: no [language] section. It says code, names and script.")
    return file, record(file.data["language"], LanguageIdentity, file, "language")


def _bases(folder: Path, file: TomlFile, identity: LanguageIdentity) -> list[TomlFile]:
    """The language.toml of each folder that this one inherits from, the nearest first.

    A base is looked for beside the folder that names it, then among all languages.
    """
    found: list[TomlFile] = []
    path = [identity.code]
    while code := identity.inherits:
        if code in path:
            circle = " → ".join([*path, code])
            raise file.fail(
                "language", "inherits", f"'inherits' goes in a circle: {circle}. Take it out of one of them."
            )
        path.append(code)
        beside = folder.parent / code
        known = {} if (beside / "language.toml").is_file() else folders()
        if known and code not in known:
            raise file.fail("language", "inherits", f"no language '{code}' to inherit from. {nearest(code, known)}")
        folder = known.get(code, beside)
        file, identity = _open(folder)
        found.append(file)
    return found


def _table(path: Path) -> tuple[CharacterRow, ...]:
    """The closed rows of a table; what only explains them is left behind, so that it is no part of a fingerprint."""
    if not os.path.lexists(path):
        return ()
    table = CharacterTable.of(parse_rows(folder_text(path), shown(path)), shown(path))
    return tuple(CharacterRow(row.source, row.target, where=row.where) for row in table.rows)


def _nearest_file(folders: Sequence[Path], name: str) -> Path:
    return next((folder / name for folder in folders if os.path.lexists(folder / name)), folders[0] / name)


def load_language(folder: Path, *, limited: bool = False) -> Language:
    """The language in `folder`: the defaults of `sections`, its script's file, what it inherits, then its own file.

    The functions of its rules.py are stopped when they run for too long where they did not come with ulmkit, or where
    it is `limited`.
    Raises `LanguageError`, with file and line, for whatever is wrong in the folder.
    """
    folder = Path(folder)
    file, identity = _open(folder)
    if identity.code != folder.name:
        raise file.fail("language", "code", f"code '{identity.code}' in a folder called '{folder.name}'. Rename one.")
    bases = _bases(folder, file, identity)
    inherited = tuple(base.path.parent for base in bases)
    script = _script_file(folder, identity.script)
    parts: dict[str, Any] = {"identity": identity}
    for section, (name, kind) in SECTIONS.items():
        if section in LISTS:
            parts[name] = records(file.data.get(section, ()), kind, file, section)
        elif section != "language":
            parts[name] = kind(**_inherited(section, kind, (script, *reversed(bases), file)))
    files = {name: _nearest_file((folder, *inherited), name) for name in SHAPING}
    parts |= {
        "characters": _table(files["characters.tsv"]),
        "match_characters": _table(files["match.tsv"]),
        "listed_stop_words": read_words(files["stopwords.txt"]),
        "rules": _rules(files["rules.py"], limited or folder.parent.resolve() != bundled()),
    }
    validate(parts, file)
    return Language(**parts, folder=folder, inherited=inherited)


def _inherited(section: str, kind: type, files: Sequence[TomlFile | None]) -> dict[str, Any]:
    """The settings of a section, of which a later file's win. The last file is the folder's own."""
    values: dict[str, Any] = {}
    for each in files:
        if each and section in each.data:
            own = values_of(each.data[section], kind, each, section)
            if each is not files[-1]:
                own.pop("baselines", None)  # results of another language
            if "origins" in own:  # each file tells of its own numbers
                own["origins"] = frozen({**values.get("origins", {}), **own["origins"]})
            values |= own
    return values


def _rules(path: Path, limited: bool) -> Rules:
    """The folder's own functions, as their file says now."""
    if not os.path.lexists(path):
        return Rules(limited=limited)
    source = folder_bytes(path)
    text_in(source, path)  # says what is wrong with the file before Python does
    return Rules(str(path), source, limited)
