"""What the numbers mean: the tokenizer that a model and its tokens must share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulmkit.artifacts.tokens import LARGEST_VOCABULARY, TokenFile
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

    @staticmethod
    def from_json(values: Any, where: Path) -> "Identity":
        """What `dataclasses.asdict` gave, checked field by field; `where` is named in errors."""
        kinds = {"tokenizer": str, "vocabulary": int, "bos": int, "language": str}
        if not isinstance(values, dict) or values.keys() != kinds.keys():
            raise ArtifactError(f"{where}: does not say which tokenizer the model belongs to.")
        for name, kind in kinds.items():
            if type(values[name]) is not kind:
                raise ArtifactError(f"{where}: {name} of the identity is {str(values[name])[:40]!r}.")
        identity = Identity(**values)
        if not 0 <= identity.bos < identity.vocabulary <= LARGEST_VOCABULARY:
            raise ArtifactError(
                f"{where}: bos id {str(identity.bos)[:40]} in a vocabulary of {str(identity.vocabulary)[:40]}."
            )
        return identity

    def refuse_other(self, other: "Identity", where: Path) -> None:
        """Raise `ArtifactError` where `other` has another tokenizer or vocabulary. The language is only a label."""
        for name, what in (("tokenizer", "tokenizer"), ("vocabulary", "vocabulary size"), ("bos", "bos id")):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ArtifactError(
                    f"{where}: trained with {what} {ours}, these tokens have {theirs}. "
                    "Encode with the first one's tokenizer, or train again."
                )
