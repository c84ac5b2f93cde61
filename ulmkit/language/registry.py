"""Where languages are found: a folder that was named, installed packages, then the ones that came with ulmkit."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ulmkit.errors import LanguageError, UlmkitError, UsageError
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
    hides: tuple[Path, ...] = ()  # folders of the same code that it is used instead of


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
    return tuple(_declared(entry) for entry in entry_points(group=GROUP))


def _declared(entry: EntryPoint) -> Installed:
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


def candidates(languages_dir: Path | None = None) -> dict[str, tuple[Path, ...]]:
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
    return {code: found[-1] for code, found in candidates(languages_dir).items()}


def _refuse(code: str, folder: Path) -> None:
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
        _refuse(code, known[code])
        return known[code]
    near = get_close_matches(code, known, 1, 0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if languages_dir and (languages_dir / code).is_dir():
        hint = f" {languages_dir / code} has no language.toml."
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
    for code, (*hidden, folder) in candidates(languages_dir).items():
        language, error = None, ""
        try:
            _refuse(code, folder)
            language = _loaded(folder)
        except UlmkitError as mistake:
            error = str(mistake)
        except Exception as mistake:  # nobody foresaw it; the other languages are still there
            error = f"{folder}: {type(mistake).__name__}: {mistake}. Report it."
        found.append(Known(code, folder, language, error, tuple(hidden)))
    return found
