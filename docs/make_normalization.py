"""Writes docs/normalization.md from Persian's own files: what is done to a text, in order, with an example.

python docs/make_normalization.py
"""

from collections.abc import Iterator
from pathlib import Path

from ulmkit.language import registry
from ulmkit.language.cases import EXAMPLES, KEEP, Example, read_examples, read_groups, read_keep
from ulmkit.language.forms import STANDARD
from ulmkit.language.spec import Language
from ulmkit.text.operations.make import about_operation

PAGE = Path(__file__).with_name("normalization.md")
CODE = "fa"  # the first language; another folder must not have to touch this page
INTRODUCTION = """\
# Normalization, operation by operation

Made by `python docs/make_normalization.py` from `languages/fa/examples.tsv`, `language.toml` and the operations' own
docstrings; a test notices when it is stale, and every example is a test. `\\uXXXX` stands for a character that shows
nothing. Spans that are taken out first and come back untouched (URL, e-mail, address, version, @user, #tag, `code`,
numbers and dates with separators) and strings that no operation changes stand in `languages/fa/keep.txt`.
"""


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def quoted(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    return f"{ticks} {cell(text)} {ticks}" if "`" in text else f"`{cell(text)}`"


def shown(example: Example) -> str:
    raw, normal = example.cells
    form = "" if example.form == STANDARD else f" ({example.form})"
    unchanged = example.raw == example.normal
    return f"{quoted(raw)} stays{form}" if unchanged else f"{quoted(raw)} → {quoted(normal)}{form}"


def entries(language: Language, examples: tuple[Example, ...]) -> Iterator[str]:
    """The language's own list: one row for each heading of examples.tsv."""
    yield "| id | what | default | operations | examples | |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for group in read_groups(language.file(EXAMPLES)):
        own = [example for example in examples if example.group == group]
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(example.operation for example in own))
        cases = "<br>".join(shown(example) for example in own)
        yield f"| {group.id} | {group.what} | {group.default} | {names} | {cases} | {cell(group.remark)} |"


def operations(language: Language, examples: tuple[Example, ...]) -> Iterator[str]:
    """Every operation in the order it runs, in which forms, and its first example."""
    forms = {name: language.normalizer(name) for name in (*language.profiles, "match")}
    standard = forms[STANDARD].operations
    yield "| operation | what it does | runs in | example |"
    yield "| --- | --- | --- | --- |"
    for name in dict.fromkeys(name for form in forms.values() for name in form.operations):
        settings = next(form.settings for form in forms.values() if name in form.operations)
        within = [form for form, normalizer in forms.items() if name in normalizer.operations]
        runs = "all forms" if name in standard else ", ".join(within)
        example = next((shown(example) for example in examples if example.operation == name), "keep.txt")
        yield f"| `{name}` | {cell(about_operation(name, settings))} | {runs} | {example} |"


def section(language: Language) -> Iterator[str]:
    examples, kept = read_examples(language.file(EXAMPLES)), read_keep(language.file(KEEP))
    yield f"## {language.identity.name}"
    yield ""
    profiles = ", ".join(f"`{profile}`" for profile in language.profiles)
    yield f"{len(examples)} examples, {len(kept)} strings that stay. Profiles: {profiles}; and the match form."
    yield ""
    if read_groups(language.file(EXAMPLES)):
        yield from entries(language, examples)
        yield ""
        yield "In the order they run:"
        yield ""
    yield from operations(language, examples)


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *section(registry.get(CODE)), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
