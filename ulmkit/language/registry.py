"""Where languages are found: a folder that was named, installed packages, then the ones that came with ulmkit."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from ulmkit.errors import UlmkitError, UsageError
from ulmkit.language.load import load_language
from ulmkit.language.spec import Language

VARIABLE = "ULMKIT_LANGUAGES"
GROUP = "ulmkit.languages"  # entry points: name = a language's code, value = the package that is its folder


@dataclass(frozen=True)
class Known:
    """A language folder that was found; `error` says why it cannot be loaded, and is empty where it can."""

    code: str
    folder: Path
    language: Language | None
    error: str = ""


def bundled() -> Path:
    """The languages that came with ulmkit: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "languages"
    return inside if inside.is_dir() else package.parent / "languages"


def _is_language(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith((".", "_")) and (folder / "language.toml").is_file()


@cache
def _installed() -> dict[str, Path]:
    """Folders that installed packages declare. The package is found, not run."""
    from importlib.util import find_spec

    found = {}
    for entry in entry_points(group=GROUP):
        try:
            spec = find_spec(entry.module)
        except (ImportError, ValueError):
            spec = None
        locations = list(spec.submodule_search_locations or []) if spec else []
        # a package that cannot be found still has a name: asking for it says what is wrong
        found[entry.name] = Path(locations[0]) if locations else Path(entry.value)
    return found


def folders(languages_dir: Path | None = None) -> dict[str, Path]:
    """Code → folder of every language there is; the folder that was named wins, then installed, then bundled.

    `languages_dir` is `--languages`; without it the environment variable `ULMKIT_LANGUAGES` is used.
    """
    named = languages_dir or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None and not named.is_dir():
        raise UsageError(f"{named}: no such folder of languages. Give --languages a folder that holds <code>/ folders.")
    found: dict[str, Path] = {}
    for root in (bundled(), None, named):
        if root is None:
            found |= _installed()
        elif root.is_dir():
            found |= {folder.name: folder for folder in sorted(root.iterdir()) if _is_language(folder)}
    return dict(sorted(found.items()))


def find(code: str, languages_dir: Path | None = None) -> Path:
    """The folder of the language `code`, or a `UsageError` with the nearest known one."""
    known = folders(languages_dir)
    if code in known:
        return known[code]
    near = get_close_matches(code, known, 1, 0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(f"no language '{code}'.{hint} Known: {', '.join(known) or 'none'}.")


@cache
def _loaded(folder: Path) -> Language:
    return load_language(folder)


def get(code: str, languages_dir: Path | None = None) -> Language:
    """The language `code`, loaded once a process. Raises `UsageError` (unknown) or `LanguageError` (broken)."""
    return _loaded(find(code, languages_dir))


def known(languages_dir: Path | None = None) -> list[Known]:
    """Every language there is, in order of code; a broken one stands there with its error and stops no other."""
    found = []
    for code, folder in folders(languages_dir).items():
        try:
            found.append(Known(code, folder, _loaded(folder)))
        except (UlmkitError, OSError) as error:
            found.append(Known(code, folder, None, str(error)))
    return found
