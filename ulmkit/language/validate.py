"""What a language may not say, though every value in it is of its field's type."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ulmkit.errors import LanguageError
from ulmkit.language.forms import FOLD, MATCH, STANDARD, in_profile, lineage, operations_of, settings_of
from ulmkit.language.sections import Normalization
from ulmkit.language.source_mistakes import mistake_in
from ulmkit.language.toml import Where, nearest
from ulmkit.text.characters import in_code_points
from ulmkit.text.operations import REQUIRED
from ulmkit.text.operations.make import check_operation
from ulmkit.text.pii import compiled
from ulmkit.text.protect import SPAN_KINDS
from ulmkit.text.script import SCRIPT_CODES


def validate(language: Mapping[str, Any], where: Where) -> None:
    """Raise what `where` makes of the first mistake in the fields of a `Language`, given by name."""
    identity, alphabet = language["identity"], language["alphabet"]
    if identity.script not in SCRIPT_CODES:
        raise where.fail(
            "language", "script", f"no script '{identity.script}'. {nearest(identity.script, SCRIPT_CODES)}"
        )
    if len(alphabet.digits) != 10:
        raise where.fail("alphabet", "digits", f"'digits' must be ten characters, not {len(alphabet.digits)}.")
    if [unicodedata.decimal(c, None) for c in alphabet.digits] != list(range(10)):
        raise where.fail("alphabet", "digits", "'digits' must be the script's digits from zero to nine.")
    _check_forms(language, where)
    for index, source in enumerate(language["sources"]):
        if not source.licence.strip():
            raise where.fail("sources", "licence", f"source '{source.name}' has no licence. Name it (SPDX).", index)
        if mistake := mistake_in(source):
            raise where.fail("sources", mistake[0], f"source '{source.name}': {mistake[1]}", index)
    names = [source.name for source in language["sources"]]
    if again := next((index for index, name in enumerate(names) if name in names[:index]), None):
        raise where.fail("sources", "name", f"two sources are called '{names[again]}'. Rename one.", again)
    for index, task in enumerate(language["tasks"]):
        if not task.licence.strip():
            raise where.fail("tasks", "licence", f"task '{task.name}' has no licence. Name it (SPDX).", index)
    for index, kind in enumerate(language["pii"]):
        try:
            compiled(kind, language["rules"])
        except LanguageError as error:
            key = str(error).partition(" ")[0].rstrip(":")
            raise where.fail("pii", key, str(error), index) from error
    segmentation = language["segmentation"]
    if len(segmentation.whole_quotes) % 2:
        raise where.fail(
            "segmentation", "whole_quotes", "'whole_quotes' must be pairs of an opening and a closing mark."
        )
    _check_values(language, where)
    if wrong := next((name for name, place in language["extraction"].text_templates.items() if place < 1), None):
        raise where.fail("extraction", "text_templates", f"'{wrong}': arguments are counted from 1.")
    for name, form in language["extraction"].text_forms.items():
        other = form.strip("{}") if form.startswith("{{") else ""
        if other.casefold() in (key.casefold() for key in language["extraction"].text_forms):
            raise where.fail("extraction", "text_forms", f"'{name}': '{form}' must name a template that is known.")
    for key in ("abbreviations", "ending_abbreviations"):
        if dotted := next((word for word in getattr(segmentation, key) if word.endswith(".")), None):
            raise where.fail("segmentation", key, f"'{dotted}' can never be found: leave its last dot out.")
    _check_patterns(language, where)


def _check_patterns(language: Mapping[str, Any], where: Where) -> None:
    """Each is a regular expression; those of `[segmentation]` match a character, and those of words have no groups."""
    segmentation = language["segmentation"]
    patterns = [("filters", "boilerplate", language["filters"].boilerplate)]
    patterns += [
        ("segmentation", key, getattr(segmentation, key)) for key in ("no_break", "break_after", "word_patterns")
    ]
    for section, key, expressions in patterns:
        for expression in expressions:
            try:
                pattern = re.compile(expression)
            except re.error as error:
                raise where.fail(section, key, f"'{expression}' is no regular expression ({error}).") from error
            if section == "segmentation" and pattern.fullmatch(""):
                raise where.fail(
                    section, key, f"'{expression}' matches nothing at all, everywhere. Ask for a character."
                )
            if key == "word_patterns" and pattern.groups:
                raise where.fail(section, key, f"'{expression}' has a group that captures. Write it as (?:…).")


def _check_values(language: Mapping[str, Any], where: Where) -> None:
    """Values of the right type that say nothing: no sentence would end, no word be short or long enough."""
    if not language["segmentation"].sentence_ends:
        raise where.fail("segmentation", "sentence_ends", "'sentence_ends' is empty. Leave it out, or name a mark.")
    forms = language["alphabet"].joiner_forms
    if shown := next((c for c in forms if c.isalnum() or c in " \t\n\r\u00a0\u200c\u200d"), ""):
        why = (
            f"U+{ord(shown):04X} in 'joiner_forms' is a letter, a space or a joiner, and stands for none. Leave it out."
        )
        raise where.fail("alphabet", "joiner_forms", why)
    low, high = language["filters"].mean_word_length
    if low > high:
        raise where.fail("filters", "mean_word_length", f"'mean_word_length' keeps nothing: {low} is above {high}.")


def _check_forms(language: Mapping[str, Any], where: Where) -> None:
    """Every form has the operations that each language needs, and all of its operations can be made."""
    normalization: Normalization = language["normalization"]
    for form in (STANDARD, *normalization.profiles):
        section = "normalization" if form == STANDARD else f"normalization.profiles.{form}"
        if form != STANDARD:
            if form in (STANDARD, MATCH, FOLD, "train"):
                message = f"'{form}' is no name for a profile, it has a meaning. Choose another."
                raise where.fail(section, "", message)
            for name in reversed(lineage(normalization, form)):
                _check_profile(normalization, name, where, f"normalization.profiles.{name}")
        _check_normalization(in_profile(normalization, form), where, section)
        _check_operations(language, form, where, section)


def _check_profile(normalization: Normalization, name: str, where: Where, section: str) -> None:
    """What a profile builds on is there."""
    changes = normalization.profiles[name]
    base = changes.get("extends", STANDARD)
    known = {STANDARD, *normalization.profiles} - {name}
    if base not in known:
        raise where.fail(section, "extends", f"no profile '{base}' to extend. {nearest(base, known)}")
    chain = lineage(normalization, name)
    if normalization.profiles[chain[-1]].get("extends", STANDARD) in chain:
        circle = " → ".join([*chain, name])
        raise where.fail(section, "extends", f"'extends' goes in a circle: {circle}. Take it out of one of them.")
    train = changes.get("train", in_profile(normalization, base).train)
    for key in ("without", "after"):
        for operation in changes.get(key, ()):
            if operation not in train:
                message = f"'{operation}' is not among the operations of 'train' here. {nearest(operation, train)}"
                raise where.fail(section, key, message)
    if both := set(changes.get("without", ())).intersection(changes.get("after", ())):
        raise where.fail(section, "after", f"'{min(both)}' is left out, nothing can follow it.")


def _check_operations(language: Mapping[str, Any], form: str, where: Where, section: str) -> None:
    normalization: Normalization = in_profile(language["normalization"], form)
    sources = {row.source for row in language["characters"]}
    for character in normalization.keep_characters:
        if character not in sources:
            message = f"characters.tsv has no line for {in_code_points(character)}. Nothing to keep."
            raise where.fail(section, "keep_characters", message)
    standard = operations_of(normalization, STANDARD)
    if missing := [name for name in REQUIRED if name not in standard]:
        key = "tail" if missing[0] in Normalization.tail else "head"
        raise where.fail(section, key, f"operation '{missing[0]}' is needed by every language. Put it back.")
    tables = {name: language[name] for name in ("characters", "match_characters", "rules")}
    settings = settings_of(language["identity"], language["alphabet"], normalization, STANDARD, **tables)
    for name in dict.fromkeys(operations_of(normalization, MATCH if form == STANDARD else STANDARD)):
        try:
            check_operation(name, settings)
        except LanguageError as error:
            if not str(error).startswith(("operation ", "no operation ")):
                raise
            keys = (
                key for key in ("train", "match", "head", "tail", "match_tail") if name in getattr(normalization, key)
            )
            key = next(keys)
            if (
                key == "train"
                and form != STANDARD
                and name not in language["normalization"].profiles[form].get(key, ())
            ):
                key = "after"
            raise where.fail(section, key, str(error)) from error


def _check_normalization(normalization: Normalization, where: Where, section: str) -> None:
    if len(normalization.quotes) not in (0, 2):
        raise where.fail(section, "quotes", "'quotes' must be two characters, the opening and the closing mark.")
    if normalization.dash not in ("", "\u2013", "\u2014"):
        raise where.fail(section, "dash", "'dash' must be – (U+2013), — (U+2014), or empty for both.")
    for kind in normalization.protect:
        if kind not in SPAN_KINDS:
            raise where.fail(section, "protect", f"no protected span '{kind}'. {nearest(kind, SPAN_KINDS)}")
    most, to = normalization.max_letter_run, normalization.letter_run_to
    if most and not (most >= 3 and 1 <= to < most):
        message = f"runs of {most} letters cannot shrink to {to}. Use 0 for never, or 3 or more and a smaller number."
        raise where.fail(section, "max_letter_run", message)
