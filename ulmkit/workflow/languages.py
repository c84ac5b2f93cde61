"""Which languages there are, and one of them as a value."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ulmkit.arguments import front_door
from ulmkit.errors import LanguageError, UsageError
from ulmkit.language.load import load_language
from ulmkit.language.places import find
from ulmkit.language.registry import Known, known
from ulmkit.language.spec import Language
from ulmkit.names import home_expanded
from ulmkit.notebook import html_table


@front_door
def load(code: str | Path, *, languages: str | Path | None = None) -> Language:
    """The language `code`, read from its folder now: a folder that was edited meanwhile is read as it is.

    `code` may also be the path of a language's folder. `languages` is a folder of language folders of your own; without
    it the environment variable ULMKIT_LANGUAGES is asked, then installed packages, then what came with ulmkit.

    Raises `UsageError` for a language that is not known (with the nearest that is), `LanguageError` for a folder that
    is broken (with file and line).

    >>> import ulmkit
    >>> ulmkit.load("fas")
    Traceback (most recent call last):
    ulmkit.errors.UsageError: no language 'fas'. Did you mean 'fa'? Known: et, fa.
    """
    if isinstance(code, Path) or "/" in code:
        return load_language(home_expanded(code))
    return load_language(find(code, _folder(languages)))


class Languages(Mapping[str, Language]):
    """Code → language, for every language that can be found. A broken one stands in `errors`, and stops no other."""

    def __init__(self, found: list[Known]) -> None:
        self._found = {each.code: each for each in found}

    @property
    def errors(self) -> dict[str, str]:
        """Code → what is wrong with the folder, of those that are broken."""
        return {code: each.error for code, each in self._found.items() if each.error}

    def __getitem__(self, code: str) -> Language:
        found = self._found[code]
        if found.language is None:
            raise LanguageError(found.error)
        return found.language

    def __iter__(self) -> Iterator[str]:
        return (code for code, each in self._found.items() if each.language is not None)

    def __len__(self) -> int:
        return sum(each.language is not None for each in self._found.values())

    def __repr__(self) -> str:
        return f"<Languages: {', '.join(self)}>"

    def _repr_html_(self) -> str:
        rows = []
        for code, each in self._found.items():
            identity = each.language.identity if each.language else None
            names = (identity.name, identity.native_name, identity.script) if identity else (each.error, "", "")
            rows.append((code, *names, each.folder))
        return html_table("languages", rows, headers=("code", "name", "own name", "script", "folder"))


@front_door
def languages(folder: str | Path | None = None) -> Languages:
    """Every language that can be found: those in `folder`, of installed packages, and those that came with ulmkit.

    Raises `UsageError` where `folder` is none.
    """
    return Languages(known(_folder(folder)))


def expect_language(value: object) -> None:
    """Raise `UsageError` where a code or something else stands in the place of a language."""
    if not isinstance(value, Language):
        raise UsageError(f"{value!r} is no Language. Load one: ulmkit.load(code).")


def _folder(path: str | Path | None) -> Path | None:
    return None if path is None else home_expanded(path)
