"""What the numbers mean: the tokenizer that a model and its tokens must share."""

from dataclasses import dataclass
from pathlib import Path

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError


@dataclass(frozen=True)
class Identity:
    """What a model's ids mean: with another tokenizer the same numbers are other pieces."""

    tokenizer: str
    vocabulary: int
    bos: int
    language: str

    @staticmethod
    def of(tokens: TokenFile) -> "Identity":
        return Identity(tokens.tokenizer, tokens.vocabulary, tokens.bos, tokens.language)

    def refuse_other(self, other: "Identity", where: Path) -> None:
        """Raise `ArtifactError` where `other` has another tokenizer or vocabulary. The language is only a label."""
        for name, what in (("tokenizer", "tokenizer"), ("vocabulary", "vocabulary size"), ("bos", "bos id")):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ArtifactError(
                    f"{where}: trained with {what} {ours}, these tokens have {theirs}. "
                    "Encode with the first one's tokenizer, or train again."
                )
