"""A language as a value: everything a stage asks it, the same in every process that it travels to."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ulmkit.errors import UsageError
from ulmkit.language.forms import FOLD, MATCH, STANDARD, changed_in, operations_of, settings_of
from ulmkit.language.sections import (
    LISTS,
    SECTIONS,
    Alphabet,
    Dedup,
    Extraction,
    Filters,
    Identification,
    LabelledSet,
    LanguageIdentity,
    LMSettings,
    Normalization,
    Segmentation,
    TextState,
    TokenizerSettings,
)
from ulmkit.language.sources import SourceSpec
from ulmkit.language.toml import nearest, records, values_of
from ulmkit.language.validate import validate
from ulmkit.notebook import html_table
from ulmkit.text.characters import CharacterRow
from ulmkit.text.normalize import Change, Normalizer, form_fingerprint
from ulmkit.text.operations import VERSION, Settings
from ulmkit.text.pii import Pii, PiiFinder
from ulmkit.text.rules import NO_RULES, Rules, pattern_limit
from ulmkit.text.segment import Segmenter

# what is made of a corpus later, and where its pages come from, is recorded by those stages
_SHAPES_NO_CORPUS = ("sources", "tokenizer", "lm", "tasks")


@dataclass(frozen=True, repr=False)
class Language:
    """Everything a stage asks a language.

    What is made of it, its normalizers and its fingerprint, is made of its fields, when it is asked for: a changed copy
    (`with_`, `dataclasses.replace`) is another language with another fingerprint.

    Pickled, it is its fields: another process needs no folder, and an edit of the folder changes nothing for it.
    """

    identity: LanguageIdentity
    alphabet: Alphabet
    normalization: Normalization
    segmentation: Segmentation
    identification: Identification
    filters: Filters
    dedup: Dedup
    extraction: Extraction
    sources: tuple[SourceSpec, ...]
    tokenizer: TokenizerSettings
    lm: LMSettings
    folder: Path  # where it was read
    tasks: tuple[LabelledSet, ...] = ()
    pii: tuple[Pii, ...] = ()
    characters: tuple[CharacterRow, ...] = ()  # characters.tsv, closed
    match_characters: tuple[CharacterRow, ...] = ()  # match.tsv, closed
    listed_stop_words: tuple[str, ...] = ()  # stopwords.txt, as it writes them
    rules: Rules = NO_RULES  # rules.py
    inherited: tuple[Path, ...] = ()  # folders that this one inherits from, the nearest first

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def with_(self, **sections: Any) -> "Language":
        """The language with other settings: sections as language.toml calls them, of each the keys that change.

        Tables within a section are merged key by key, lists are replaced. Raises `UsageError` for a section or key that
        nobody knows, with the nearest that there is, and for what the loader would refuse in a folder.

        For example `with_(filters={"min_characters": 100}, normalization={"profiles": {"p": {"dash": "–"}}})`.
        """
        where = _Asked(self.code)
        changed: dict[str, Any] = {}
        for section, settings in sections.items():
            if section not in SECTIONS:
                raise UsageError(f"{self.code}: no section '{section}'. {nearest(section, SECTIONS)}")
            name, kind = SECTIONS[section]
            if section in LISTS:
                changed[name] = records(settings, kind, where, section)
                continue
            now = getattr(self, name)
            if isinstance(settings, Mapping):
                settings = {key: _merged(getattr(now, key, None), value) for key, value in settings.items()}
            changed[name] = replace(now, **values_of(settings, kind, where, section))
        language = replace(self, **changed)
        if language.code != self.code:
            raise UsageError(f"{self.code}: 'code' names the folder. Copy the folder to make another language of it.")
        validate(vars(language), where)
        return language

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of a hash of all that shapes what a corpus holds of a text."""
        shaping = {name: plain(getattr(self, name)) for name, _ in SECTIONS.values() if name not in _SHAPES_NO_CORPUS}
        # not how a profile says what it changes, but what is changed
        shaping["normalization"]["profiles"] = {
            profile: plain(changed_in(self.normalization, profile))
            | ({"when": told["when"]} if told.get("when") else {})
            for profile, told in self.normalization.profiles.items()
        }
        # the standard form was called `train` when the first corpora were built
        names = {"train" if form == STANDARD else form: form for form in self.forms}
        shaping["normalizers"] = {
            name: form_fingerprint(self.operations(form), self.operation_settings(form)) for name, form in names.items()
        }
        shaping["stop_words"] = sorted(self.stop_words)
        shaping["version"] = VERSION
        return hashlib.blake2b(json.dumps(shaping, sort_keys=True).encode("utf-8"), digest_size=6).hexdigest()

    def file(self, name: str) -> Path:
        """The folder's own `name`, or that of the nearest folder it inherits from that has one."""
        return next(
            (path for path in (f / name for f in (self.folder, *self.inherited)) if os.path.lexists(path)),
            self.folder / name,
        )

    @property
    def code(self) -> str:
        return self.identity.code

    @property
    def profiles(self) -> tuple[str, ...]:
        """The forms of raw text that a reader may choose: `standard`, which the corpus is in, then the folder's own."""
        return (STANDARD, *self.normalization.profiles)

    def profile_for(self, state: TextState) -> str:
        """The form that a build reads texts in that are so: the first profile that names it, else the standard form."""
        profiles = self.normalization.profiles
        return next((name for name, told in profiles.items() if state and told.get("when") == state), STANDARD)

    @property
    def forms(self) -> tuple[str, ...]:
        """Every name that `normalizer` knows."""
        return (STANDARD, MATCH, FOLD, *self.normalization.profiles)

    def operations(self, form: str) -> tuple[str, ...]:
        """The names of the operations that make the form, in order."""
        return operations_of(self.normalization, self._known_form(form))

    def operation_settings(self, form: str) -> Settings:
        """What the operations that make the form ask the language."""
        return settings_of(
            self.identity,
            self.alphabet,
            self.normalization,
            self._known_form(form),
            characters=self.characters,
            match_characters=self.match_characters,
            rules=self.rules,
            word_joiners=self.segmentation.word_joiners,
        )

    def _known_form(self, name: str) -> str:
        if name not in self.forms:
            raise UsageError(f"{self.code} has no form '{name}'. Known: {', '.join(self.forms)}.")
        return name

    def normalizer(self, form: str = STANDARD) -> Normalizer:
        """The normalizer of a form, compiled when it is first asked for; a `UsageError` names those there are.

        `standard` is the form that the corpus is written in; a profile is a variation of it; `match` is the aggressive
        form, and `fold` makes it of a text in standard form.
        """
        if form not in self._compiled:
            self._compiled[form] = _compile(self.operations(form), self.operation_settings(form))
        return self._compiled[form]

    @cached_property
    def _compiled(self) -> dict[str, Normalizer]:
        return {}

    def normalize(self, text: str) -> str:
        """`text` in the form the corpus is written in; twice is once."""
        return self.normalizer(STANDARD)(text)

    def explain(self, text: str) -> list[Change]:
        """What each operation of `normalize` did to `text`, in order: its name, how often, the first place."""
        return self.normalizer(STANDARD).explain(text)

    def match(self, text: str) -> str:
        """`text` in the aggressive form for deduplication, counting and metrics; takes raw or normalized text."""
        return self.normalizer(MATCH)(text)

    def fold(self, text: str) -> str:
        """`match` of a text that is in normal form already: the same, without normalizing it again."""
        return self.normalizer(FOLD)(text)

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """The function words of stopwords.txt in standard form."""
        return frozenset(map(self.normalize, self.listed_stop_words))

    @cached_property
    def matched_stop_words(self) -> frozenset[str]:
        """`stop_words` in match form, as the words of a folded text are."""
        return frozenset(self.fold(word) for word in self.stop_words)

    @cached_property
    def _stop_word(self) -> re.Pattern[str]:
        """Any stop word in match form, the longest first."""
        known = sorted(self.matched_stop_words - {""}, key=lambda word: (-len(word), word))
        return re.compile("|".join(map(re.escape, known)) or "(?!)")

    def stop_words_of(self, words: Iterable[str]) -> list[str]:
        """Those of `words`, in match form, that are stop words; those inside `words` where they are phrases."""
        if self.segmentation.spaced or not self.stop_words:
            return list(filter(self.matched_stop_words.__contains__, words))
        return self._stop_word.findall(" ".join(words))

    def stop_word_share(self, words: Sequence[str]) -> float:
        """The share of `words`, in match form, that are stop words; of their characters where they are phrases."""
        found = self.stop_words_of(words)
        if self.segmentation.spaced:
            return len(found) / max(len(words), 1)
        return sum(map(len, found)) / max(sum(map(len, words)), 1)

    @cached_property
    def segmenter(self) -> Segmenter:
        return Segmenter(**{each.name: getattr(self.segmentation, each.name) for each in fields(Segmenter)})

    def sentences(self, text: str) -> list[str]:
        """The sentences of `text` in normal form, without the spaces between them."""
        with pattern_limit("[segmentation]: a pattern", text, limited=self.rules.limited):
            return self.segmenter.sentences(text)

    def words(self, text: str) -> list[str]:
        """The words of `text` in normal form, without punctuation."""
        with pattern_limit("[segmentation]: a pattern", text, limited=self.rules.limited):
            return self.segmenter.words(text)

    @cached_property
    def pii_finder(self) -> PiiFinder:
        """What finds the language's kinds of personal data."""
        return PiiFinder(self.pii, self.rules)

    @property
    def samples(self) -> Path:
        """The folder of short articles that came with the language."""
        return self.folder / "samples"

    def __repr__(self) -> str:
        return f"<Language {self.code}: {self.identity.name}, {self.fingerprint}, {self.folder}>"

    def _repr_html_(self) -> str:
        identity = self.identity
        rows: list[tuple[str, object]] = [
            ("name", f"{identity.name}, {identity.native_name}"),
            ("script", f"{identity.script}, {identity.direction}"),
            ("fingerprint", self.fingerprint),
            ("profiles", ", ".join(self.profiles)),
            ("sources", ", ".join(source.name for source in self.sources)),
        ]
        return html_table(str(self.folder), rows, direction=identity.direction)


@dataclass(frozen=True)
class _Asked:
    """Settings that came from Python."""

    code: str

    def fail(self, section: str, key: str, message: str, index: int = 0) -> UsageError:
        named = f"[{section}]" in message
        return UsageError(f"{self.code}: {message}" if named else f"{self.code}, [{section}]: {message}")


@lru_cache(maxsize=64)
def _compile(operations: tuple[str, ...], settings: Settings) -> Normalizer:
    """One normalizer for all languages that differ in something else."""
    return Normalizer(operations, settings)


def _merged(now: Any, new: Any) -> Any:
    """`new` over `now`, key by key where both are tables."""
    if not (isinstance(now, Mapping) and isinstance(new, Mapping)):
        return new
    return {**now, **{key: _merged(now.get(key), value) for key, value in new.items()}}


def plain(value: Any) -> Any:
    """`value` of a section of a language as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
