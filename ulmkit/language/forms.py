"""The forms of a text that a language knows: which operations make each, and what these ask the language.

`standard` is the form that the corpus is written in, `match` the one that texts are compared by, `fold` makes the
second of the first, and every profile is a variation of the first.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ulmkit.language.sections import Alphabet, LanguageIdentity, Normalization, Profile
from ulmkit.text.characters import CharacterRow
from ulmkit.text.operations import Settings
from ulmkit.text.rules import Rules

STANDARD, MATCH, FOLD = "standard", "match", "fold"
PSEUDO_JOINERS = "pseudo_joiners"
_OF_PROFILES = frozenset(field.name for field in fields(Profile))


def lineage(normalization: Normalization, profile: str) -> tuple[str, ...]:
    """`profile` and what it extends, up to the standard form, which is left out; ends where it goes in a circle."""
    chain: list[str] = []
    while profile != STANDARD and profile in normalization.profiles and profile not in chain:
        chain.append(profile)
        profile = normalization.profiles[profile].get("extends", STANDARD)
    return tuple(chain)


def in_profile(normalization: Normalization, profile: str) -> Normalization:
    """`[normalization]` as it is in the profile."""
    for name in reversed(lineage(normalization, profile)):
        changes = normalization.profiles[name]
        normalization = replace(normalization, **{key: changes[key] for key in changes.keys() - _OF_PROFILES})
        train = [each for each in normalization.train if each not in changes.get("without", ())]
        for operation, added in changes.get("after", {}).items():
            place = len(train) - train[::-1].index(operation)  # behind the last of them
            train[place:place] = added
        normalization = replace(normalization, train=tuple(train))
    return normalization


def changed_in(normalization: Normalization, profile: str) -> Mapping[str, Any]:
    """The settings that are other in the profile, whichever way it says so."""
    keys: list[str] = []
    for name in reversed(lineage(normalization, profile)):
        changes = normalization.profiles[name]
        keys += [key for key in changes if key not in _OF_PROFILES]
        keys += ["train"] if changes.get("after") or changes.get("without") else []
    changed = in_profile(normalization, profile)
    return {key: getattr(changed, key) for key in keys}


def operations_of(normalization: Normalization, form: str) -> tuple[str, ...]:
    """The names of the operations that make the form, in order."""
    normalization = in_profile(normalization, form)
    standard = normalization.head + normalization.train + normalization.tail
    fold = normalization.match + normalization.match_tail
    return {MATCH: standard + fold, FOLD: fold}.get(form, standard)


def settings_of(
    identity: LanguageIdentity,
    alphabet: Alphabet,
    normalization: Normalization,
    form: str,
    *,
    characters: tuple[CharacterRow, ...],
    match_characters: tuple[CharacterRow, ...],
    rules: Rules,
    word_joiners: str = "",
) -> Settings:
    """What the operations that make the form ask the language."""
    normalization = in_profile(normalization, form)
    return Settings(
        script=identity.script,
        native_digits=alphabet.digits,
        digits=normalization.digits,
        letters=alphabet.letters,
        word_joiners=word_joiners,
        joiners=alphabet.joiners,
        non_joining=alphabet.non_joining,
        # where nothing turns them into joiners `invisible` deletes them
        joiner_forms=alphabet.joiner_forms if PSEUDO_JOINERS in operations_of(normalization, form) else "",
        zwj_after=alphabet.zwj_after,
        quotes=normalization.quotes,
        punctuation=tuple(normalization.punctuation.items()),
        native_marks=normalization.native_marks,
        dash=normalization.dash,
        unspaced=normalization.unspaced,
        max_letter_run=normalization.max_letter_run,
        letter_run_to=normalization.letter_run_to,
        protect=normalization.protect,
        watched=alphabet.watched,
        characters=tuple(row for row in characters if row.source not in normalization.keep_characters),
        match_characters=match_characters,
        rules=rules,
    )
