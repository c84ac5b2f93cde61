"""Where languages are found, and how the files of their folders are read.

A folder that was named comes first, then installed packages, then the languages that came with ulmkit.
"""

import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ulmkit.errors import LanguageError, UsageError, shown
from ulmkit.files import open_regular

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = "ULMKIT_LANGUAGES"
ENTRY_POINTS = "ulmkit.languages"  # entry points: name = a language's code, value = the package that is its folder
MAX_FILE_BYTES = 8_000_000  # of a file in a language folder; the largest word lists have a tenth of it


def bundled() -> Path:
    """The languages that came with ulmkit: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "languages"
    return inside if inside.is_dir() else package.parent / "languages"


def _is_language(folder: Path) -> bool:
    # a link that leads nowhere is a broken language, not none
    named = not folder.name.startswith((".", "_"))
    return named and folder.is_dir() and os.path.lexists(folder / "language.toml")


@dataclass(frozen=True)
class Installed:
    """A language that a package declares; `error` says why its folder was not found."""

    code: str
    package: str
    folder: Path
    error: str = ""


@cache
def _installed() -> tuple[Installed, ...]:
    """The languages that installed packages declare. The packages are looked for, not run (their parents may be)."""
    if not _perhaps_declared():
        return ()
    from importlib.metadata import entry_points

    return tuple(_declared(entry) for entry in entry_points(group=ENTRY_POINTS))


def _perhaps_declared() -> bool:
    """Whether some package may declare a language: a tenth of the time that to ask `importlib.metadata` takes."""
    for place in map(Path, dict.fromkeys(sys.path)):
        if place.is_file():  # an archive, which is for others to read
            return True
        for file in place.glob("*.*-info/entry_points.txt"):
            if ENTRY_POINTS.encode() in file.read_bytes():
                return True
    return False


def _declared(entry: "EntryPoint") -> Installed:
    from importlib.util import find_spec

    package = entry.dist.name if entry.dist else entry.module
    why = "there is no such package"
    try:
        spec = find_spec(entry.module)
        if spec and spec.submodule_search_locations:
            return Installed(entry.name, package, Path(next(iter(spec.submodule_search_locations))))
    except (Exception, SystemExit) as mistake:  # whatever a stranger's __init__ does
        why = f"{type(mistake).__name__}: {mistake}"
    error = f"package '{package}' declares language '{entry.name}' in '{entry.value}', which is not found ({why})."
    return Installed(entry.name, package, Path(entry.value), f"{error} Mend or uninstall it.")


def folders_by_code(languages_dir: Path | None = None) -> dict[str, tuple[Path, ...]]:
    """Code → every folder of that language, the one that is used last: bundled, installed, then the one named."""
    named = languages_dir or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None and not named.is_dir():
        raise UsageError(f"{named}: no such folder of languages. Give --languages a folder that holds <code>/ folders.")
    found: dict[str, tuple[Path, ...]] = {}
    roots = [bundled()] if named is None else [bundled(), named]
    places = [[(folder.name, folder) for folder in sorted(root.iterdir()) if _is_language(folder)] for root in roots]
    places.insert(1, [(installed.code, installed.folder) for installed in _installed()])
    for code, folder in (pair for place in places for pair in place):
        found[code] = (*found.get(code, ()), folder)
    return dict(sorted(found.items()))


def folders(languages_dir: Path | None = None) -> dict[str, Path]:
    """Code → folder of every language there is; the folder that was named wins, then installed, then bundled.

    `languages_dir` is `--languages`; without it the environment variable `ULMKIT_LANGUAGES` is used.
    """
    return {code: found[-1] for code, found in folders_by_code(languages_dir).items()}


def refuse(code: str, folder: Path) -> None:
    """Raise `LanguageError` where `folder` comes from a package that is broken, or not the only one with the code."""
    ours = [installed for installed in _installed() if installed.code == code]
    if folder not in [installed.folder for installed in ours]:
        return
    if broken := next((installed.error for installed in ours if installed.error), ""):
        raise LanguageError(broken)
    if len({installed.folder for installed in ours}) > 1:
        which = " and ".join(f"'{installed.package}' ({installed.folder})" for installed in ours)
        raise LanguageError(f"language '{code}' comes with two packages, {which}. Uninstall one, or name a folder.")


def find(code: str, languages_dir: Path | None = None) -> Path:
    """The folder of the language `code`, or a `UsageError` with the nearest known one."""
    known = folders(languages_dir)
    if code in known:
        refuse(code, known[code])
        return known[code]
    near = get_close_matches(code, known, 1, 0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if languages_dir and (languages_dir / code).is_dir():
        hint = f" {languages_dir / code} has no language.toml."
    raise UsageError(f"no language '{code}'.{hint} Known: {', '.join(known) or 'none'}.")


def folder_bytes(path: Path) -> bytes:
    """The bytes of a file of a language folder.

    Raises `LanguageError` for a file that is not there, cannot be read, or is larger than any folder's.
    """
    name = shown(path)
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_FILE_BYTES:
                raise LanguageError(
                    f"{name}: {size:,} bytes, at most {MAX_FILE_BYTES:,} are read. Keep data like this elsewhere."
                )
            return file.read()
    except FileNotFoundError as error:
        raise LanguageError(f"{name}: not there. A language folder needs one.") from error
    except OSError as error:
        raise LanguageError(
            f"{name}: cannot be read ({error.strerror}). Look at what it links to, and its rights."
        ) from error


def text_in(data: bytes, path: Path) -> str:
    """`data` of the file at `path` as text, with `\\n` at line ends and without a byte order mark.

    Raises `LanguageError` with the line where it is no UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LanguageError(f"{shown(path)}:{line}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def folder_text(path: Path) -> str:
    """The text of a file of a language folder; a `LanguageError` for what `folder_bytes` and `text_in` refuse."""
    return text_in(folder_bytes(path), path)


def read_words(path: Path) -> tuple[str, ...]:
    """The words of a list, one a line, as they are written; lines that start with `#` are remarks."""
    if not os.path.lexists(path):
        return ()
    lines = folder_text(path).split("\n")
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
