"""What an operation is: a character table, or rules, or both (the table first).

A rule carries *triggers*: pairs of character classes. A text in which no such pair stands side by side cannot be
changed by the rule, so the rule is not run; one look at every pair of a text answers that for all rules together
(`normalize`). An empty class stands for any character; the text counts as bordered by newlines.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from ulmkit.text.characters import CharacterRow, CharacterTable
from ulmkit.text.rules import NO_RULES, Rules

Apply = Callable[[str], tuple[str, int]]  # text -> (text, how often it acted)
Triggers = tuple[tuple[str, str], ...]
# raised by hand when a change here makes another text of the same input: fingerprints change with it
VERSION = 7
NO_TRIGGER: Triggers = (("\x00", "\x00"),)
# as the left class of a trigger: so many equal characters in a row, of the right class (borders are two newlines)
RUNS = {"=3": 3, "=4": 4}
# class bodies: vowel signs of the Arabic script and what is written like them; Latin letters
VOWEL_SIGNS = "\u064b-\u0655\u0670"
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"


@dataclass(frozen=True)
class Settings:
    """What the operations ask a language; plain values, so that a normalizer can be rebuilt in another process."""

    script: str = "Latn"
    native_digits: str = "0123456789"
    digits: str = "keep"  # native, ascii or keep
    letters: str = ""  # of the standard alphabet
    word_joiners: str = ""  # what holds a word together between two letters
    joiners: str = ""
    non_joining: str = ""  # letters after which a joiner shows nothing
    joiner_forms: str = ""  # other characters that people type for a joiner
    zwj_after: str = ""  # letters that keep U+200D, to show their initial form
    quotes: str = ""  # the opening and the closing mark
    punctuation: tuple[tuple[str, str], ...] = ()  # ASCII mark -> the script's own
    native_marks: str = ""  # marks that are set like the script's own: no space before them
    dash: str = ""  # in the place of all longer dashes
    unspaced: str = ""  # marks that a letter may follow without a space
    max_letter_run: int = 0
    letter_run_to: int = 2
    protect: tuple[str, ...] = ("url", "email", "ip", "version", "user", "hashtag", "code", "placeholder", "number")
    watched: str = ""  # what the operation `watched` counts
    characters: tuple[CharacterRow, ...] = ()
    match_characters: tuple[CharacterRow, ...] = ()
    rules: Rules = NO_RULES  # the folder's own; the last, because of it only the source is part of a fingerprint


@dataclass(frozen=True)
class Rule:
    """One substitution and what it needs: one of the pairs `triggers` side by side, and one of the characters
    `literals` anywhere, which is asked when it is to run."""

    apply: Apply
    triggers: Triggers = ()
    literals: str = ""
    enables: tuple[str, ...] | None = None  # operations it may call for; None: look again


@dataclass(frozen=True)
class Operation:
    """A named step: a table, rules, or both. `watched`: a pattern that is counted and changes nothing."""

    name: str
    table: CharacterTable | None = None
    rules: tuple[Rule, ...] = ()
    watched: re.Pattern[str] | None = field(default=None, compare=False)

    @property
    def acts(self) -> bool:
        """Whether there is anything that it can change or count; an empty table changes nothing."""
        return bool((self.table and self.table.rows) or self.rules or self.watched)

    def apply(self, text: str) -> tuple[str, int]:
        """`text` after this operation, without looking at triggers, and how often it acted."""
        count = 0
        if self.table:
            text, count = self.table.substitute(text)
        for rule in self.rules:
            before = text
            text, hits = rule.apply(text)
            count += hits if text != before else 0
        if self.watched:
            count += sum(1 for _ in self.watched.finditer(text))
        return text, count


Factory = Callable[[Settings], Operation]
OPERATIONS: dict[str, Factory] = {}


def operation(factory: Factory) -> Factory:
    OPERATIONS[factory.__name__] = factory
    return factory


def substitution(
    pattern: str, replacement: str | Callable[[re.Match[str]], str], *triggers: tuple[str, str], **options: Any
) -> Rule:
    """The rule that substitutes what `pattern` finds; the pattern is compiled when a text first needs it."""
    compiled = cache(partial(re.compile, pattern))
    return Rule(lambda text: compiled().subn(replacement, text), tuple(triggers), **options)


def table_operation(name: str, mapping: dict[str, str]) -> Operation:
    return Operation(name, CharacterTable.of(mapping, name))


def delete(*ranges: tuple[int, int]) -> dict[str, str]:
    return {chr(point): "" for first, last in ranges for point in range(first, last + 1)}
