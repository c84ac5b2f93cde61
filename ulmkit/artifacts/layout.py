"""Names of folders and files under the data root."""

from dataclasses import dataclass
from pathlib import Path

from ulmkit.errors import UsageError

SPLITS = ("train", "valid", "test")
MAX_NAME_BYTES = 100  # a file system takes 255, and what is being written has a longer name


def folder_name(name: str, what: str) -> str:
    """`name`, which somebody gave as `what`, where it can name a folder and lead nowhere else; else `UsageError`.

    >>> folder_name("wiki-2024", "--run")
    'wiki-2024'
    """
    wrong = ""
    if not name.strip() or name in (".", ".."):
        wrong = "names no folder"
    elif "/" in name or "\\" in name:
        wrong = "holds a separator of paths, and a name is no path"
    elif not name.replace("\u200c", "").replace("\u200d", "").isprintable():
        wrong = "holds a character that cannot be seen"
    elif len(name.encode()) > MAX_NAME_BYTES:
        wrong = f"is longer than {MAX_NAME_BYTES} bytes"
    if wrong:
        shown = name[:40] if name.isprintable() else ascii(name[:40])[1:-1]
        raise UsageError(f"{what} '{shown}' {wrong}. Give a short name of letters and digits.")
    return name


def names_in(folder: Path) -> list[str]:
    """Names of what was made in `folder`, such as the runs of a language, sorted; none where it is not."""
    try:
        return sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []


def names_beside(folder: Path) -> str:
    """What a message says of `folder`, which is not there: what is, in the folder that it would stand in."""
    found = names_in(folder.parent)
    more = f", and {len(found) - 10} more" if len(found) > 10 else ""
    return f" There is: {', '.join(found[:10])}{more}." if found else ""


@dataclass(frozen=True)
class Layout:
    """Where everything of one language lies: `<root>/<code>/…`."""

    root: Path
    code: str

    def __post_init__(self) -> None:
        if "\0" in str(self.root):
            raise UsageError("the root holds a zero byte, which no path can. Give another.")
        if self.code == ".." or self.code != Path(self.code).name:  # nothing above the root is its language
            folder_name(self.code, "language")

    @property
    def home(self) -> Path:
        return self.root / self.code

    @property
    def raw(self) -> Path:
        return self.home / "raw"

    @property
    def units(self) -> Path:
        """What a build has staged of each unit of input, and the lock of builds."""
        return self.home / "work" / "corpus"

    @property
    def consent_list(self) -> Path:
        """What those who may have said to the operator of the use of their texts (see docs/formats.md)."""
        return self.root / "consent.toml"

    @property
    def corpus(self) -> Path:
        return self.home / "corpus"

    @property
    def tokenizer(self) -> Path:
        return self.home / "tokenizer"

    @property
    def tokens(self) -> Path:
        return self.home / "tokens"

    @property
    def lm(self) -> Path:
        return self.home / "lm"

    def run(self, name: str) -> Path:
        return self.lm / folder_name(name, "run")

    @property
    def classifiers(self) -> Path:
        return self.home / "classify"

    def classifier(self, name: str) -> Path:
        return self.classifiers / folder_name(name, "run")

    @property
    def exports(self) -> Path:
        return self.home / "export"

    def exported(self, run: str, form: str) -> Path:
        return self.exports / f"{folder_name(run, 'run')}-{form}"
