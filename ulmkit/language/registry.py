"""Languages by their code, loaded once a process."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ulmkit.errors import UlmkitError
from ulmkit.language.load import load_language
from ulmkit.language.places import find, folders_by_code, refuse
from ulmkit.language.spec import Language


@dataclass(frozen=True)
class Known:
    """A language folder that was found; `error` says why it cannot be loaded, and is empty where it can."""

    code: str
    folder: Path
    language: Language | None
    error: str = ""
    hides: tuple[Path, ...] = ()  # folders of the same code that it is used instead of


@cache
def _loaded(folder: Path) -> Language:
    return load_language(folder)


def get(code: str, languages_dir: Path | None = None) -> Language:
    """The language `code`, loaded once a process. Raises `UsageError` (unknown) or `LanguageError` (broken)."""
    return _loaded(find(code, languages_dir))


def known(languages_dir: Path | None = None) -> list[Known]:
    """Every language there is, in order of code; a broken one stands there with its error and stops no other."""
    found = []
    for code, (*hidden, folder) in folders_by_code(languages_dir).items():
        language, error = None, ""
        try:
            refuse(code, folder)
            language = _loaded(folder)
        except UlmkitError as mistake:
            error = str(mistake)
        except Exception as mistake:  # nobody foresaw it; the other languages are still there
            error = f"{folder}: {type(mistake).__name__}: {mistake}. Report it."
        found.append(Known(code, folder, language, error, tuple(hidden)))
    return found
