"""Languages whose normalizers a test wrote."""

from dataclasses import replace
from typing import Any

from ulmkit.language.spec import Language


def with_normalizers(language: Language, **forms: Any) -> Language:
    """A copy of `language` that has these normalizers in the place of its own; they do not travel to a worker."""
    changed = replace(language)
    changed._compiled.update(forms)
    return changed
