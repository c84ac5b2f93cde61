"""How a text is read by a classifier: in the language's normal form and lower case, on one line."""

from collections.abc import Sequence
from functools import lru_cache

from ulmkit.artifacts.manifest import fingerprint
from ulmkit.language.spec import Language
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings

MOST_CHARACTERS = 1_000_000  # of one text that are read: 200,000 words say what it is about
_PLAIN = ("nfc", "spaces")  # operations for a text whose language nobody named


class TextForm:
    """`form(text)` is `text` as n-grams are taken from: normal form, lower case, single spaces.

    Without a language only what every text needs is done. `fingerprint` names the form: equal ones read equally.
    """

    def __init__(self, language: Language | None) -> None:
        self.language, self.code = language, language.code if language else ""
        if language:
            operations = (*language.operations("standard"), "lower")
            self._normalizer = _compiled(operations, language.operation_settings("standard"))
        else:
            self._normalizer = _compiled((*_PLAIN, "lower"), Settings())
        self.fingerprint = fingerprint(
            [self._normalizer.operations, language.fingerprint if language else "", MOST_CHARACTERS]
        )

    def __call__(self, text: str) -> str:
        return " ".join(self._normalizer(text[:MOST_CHARACTERS]).split())

    def all_of(self, texts: Sequence[str]) -> list[str]:
        """Each of `texts` in this form."""
        normal = self._normalizer.batch(text[:MOST_CHARACTERS] for text in texts)
        return [" ".join(text.split()) for text in normal]


@lru_cache(maxsize=8)
def _compiled(operations: tuple[str, ...], settings: Settings) -> Normalizer:
    """One normalizer for all forms that are the same: to compile one takes .2 s."""
    return Normalizer(operations, settings)
