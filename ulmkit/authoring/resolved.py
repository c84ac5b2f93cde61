"""A language as it is resolved: every section with its defaults, operations in order, and where numbers come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ulmkit.corpus.filters import limits_of
from ulmkit.language.cases import EXAMPLES, read_examples
from ulmkit.language.forms import FOLD, STANDARD
from ulmkit.language.sections import SECTIONS
from ulmkit.language.spec import Language, plain
from ulmkit.text.operations.make import about_operation


def resolved(language: Language) -> dict[str, Any]:
    """The whole language as JSON values: every section, operations with what they do and an example each."""
    sections = {section: plain(getattr(language, name)) for section, (name, _) in SECTIONS.items()}
    judging, origins = limits_of(language), language.filters.origins
    rest = {
        field.name: {"limit": sections["filters"][field.name], "drops": [], "from": origins.get(field.name, "default")}
        for field in fields(language.filters)
        if field.name not in {"origins", *judging}
    }
    sections["filters"] = plain(judging) | rest
    return sections | {
        "code": language.code,
        "fingerprint": language.fingerprint,
        "folder": str(language.folder),
        "inherited": [str(folder) for folder in language.inherited],
        "forms": {form: list(language.operations(form)) for form in language.forms},
        "operations": {form: described_operations(language, form) for form in (STANDARD, FOLD)},
    }


def described_operations(language: Language, form: str) -> list[dict[str, str]]:
    """The operations of a form in order: name, what it does, and the first example that names it (raw, normal)."""
    standard = [each for each in read_examples(language.file(EXAMPLES)) if each.form == STANDARD]
    examples = {each.operation: each for each in reversed(standard)}
    settings = language.operation_settings(form)
    found = []
    for name in language.operations(form):
        example = examples.get(name)
        one = {"name": name, "about": about_operation(name, settings)}
        found.append(one | ({"raw": example.raw, "normal": example.normal} if example else {}))
    return found


def profile_changes(changes: Mapping[str, Any], train: Sequence[str]) -> Iterator[str]:
    """What a profile does differently: operations beside the standard's as + and -, other settings as they are."""
    for key, value in changes.items():
        if key != "train":
            yield f"{key} = {value!r}"
            continue
        yield from (f"+ {name}" for name in dict.fromkeys(value) if name not in train)
        yield from (f"- {name}" for name in train if name not in value)
