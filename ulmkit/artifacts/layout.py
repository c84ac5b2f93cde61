"""Names of folders and files under the data root."""

from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Layout:
    """Where everything of one language lies: `<root>/<code>/…`."""

    root: Path
    code: str

    @property
    def home(self) -> Path:
        return self.root / self.code

    @property
    def raw(self) -> Path:
        return self.home / "raw"

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
        return self.lm / name

    def exported(self, run: str, form: str) -> Path:
        return self.home / "export" / f"{run}-{form}"
