"""Labelled texts to members and their mix: folds, recipe, self-training, language models, calibration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.classifier.copies import copy_groups
from ulmkit.classifier.features import Counted, counted, strings_of
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.mix import Mix, fit_mix, fit_stack, log_loss
from ulmkit.classifier.ngrams import (
    FEW_ROWS,
    LEAST,
    Linear,
    NGramModel,
    Recipe,
    choose_recipe,
    matrix_of,
)
from ulmkit.classifier.selftrain import MOST_LABELS, NO_FOLD, GramRows, share_of_sure
from ulmkit.classifier.settings import USUAL, TuningSettings
from ulmkit.errors import UsageError
from ulmkit.progress import Progress, Report, silent

if TYPE_CHECKING:
    from ulmkit.classifier.frozen import FrozenMember
    from ulmkit.classifier.reader import TextReader
    from ulmkit.classifier.tuned import TunedMember

type ClassifierMember = NGramModel | "FrozenMember" | "TunedMember"

NGRAMS, SELF_TRAINED = "n-grams", "self-trained n-grams"
FROZEN, TUNED = "frozen", "tuned"
DIRECTIONS = ("forward", "backward")
# members that read with a language model
NEURAL = tuple(f"{kind} {direction}" for kind in (FROZEN, TUNED) for direction in DIRECTIONS)
TUNED_FROM = 2_000  # labels, where nobody says what to do with the language models
LARGEST_MOST_PIECES = 100_000  # of one text that a language model can be told to read
LEAST_UNLABELLED = 200  # texts that self-training begins to learn from


@dataclass(frozen=True)
class Material:
    """What is learned from: `texts` as they stand and as `forms`, of `classes` below `count`; texts without labels.

    No weight of a member is learned from the last `valid` rows: where there are some, all choices are made on them.
    """

    texts: Sequence[str]
    forms: Sequence[str]
    classes: np.ndarray
    count: int
    unlabelled: Sequence[str] = ()
    unlabelled_forms: Sequence[str] = ()
    valid: int = 0

    @property
    def labels(self) -> int:
        """Rows that are learned from."""
        return len(self.classes) - self.valid

    def folds(self, seed: int) -> np.ndarray:
        """The fold of each row; -1 of those that are in none, since others say what to choose."""
        if self.valid:
            return np.where(np.arange(len(self.classes)) < self.labels, -1, 0)
        return stratified_folds(self.classes, copy_groups(self.forms), seed=seed)


@dataclass(frozen=True)
class How:
    """What is done with language models: `recipe` is one of `stages.RECIPES`, tuned ones have so many `seeds`.

    `settings` and `minutes`, the most that all tuning may take, are of tuned ones, too. `kept` is a folder where a
    tuning that is killed is found again; what lies there may be removed. `told` hears what was found there.
    """

    recipe: str = "auto"
    seeds: int = 1
    settings: TuningSettings = USUAL
    minutes: float | None = None
    kept: Path | None = None
    told: Callable[[str], None] = field(default=lambda line: None, compare=False)

    def stages(self, labels: int) -> str:
        """The recipe that encoders are tuned by; empty where they stay as they are."""
        if self.recipe == "auto":
            return "1cycle" if labels >= TUNED_FROM else ""
        return "" if self.recipe in ("ngrams", "frozen") else self.recipe

    def inputs(self, readers: Sequence["TextReader"]) -> dict[str, Any]:
        """What makes another classifier of the same tables, in words that say what changed."""
        return {
            "recipe": self.recipe if readers else None,
            "seeds": self.seeds if self.seeds > 1 else None,
            "settings of tuning": self.settings.changed or None,
            "minutes": self.minutes,
            "language models": {reader.direction: reader.fingerprint for reader in readers} or None,
        }

    def refuse_without_effect(self, labels: int, readers: int) -> None:
        """Raise `UsageError` for what is asked of tuned members where none will be."""
        if readers and self.stages(labels):
            return
        options = {"balance": "--balance", "label_smoothing": "--smoothing"}
        asked = [
            options.get(name, f"--set {name}={value}")
            for name, value in self.settings.changed.items()
            if value != getattr(USUAL, name)
        ]
        asked += ["--minutes"] * (self.minutes is not None) + ["--seeds"] * (self.seeds > 1)
        if asked:
            why = f"with --recipe {self.recipe} and {labels:,} labels" if readers else "without a language model"
            raise UsageError(
                f"{', '.join(asked)}: nothing to change, since {why} no encoder is tuned. Give --lm RUN and --recipe "
                "1cycle, gradual or fastai, or leave it out."
            )


PLAINLY = How()


def refuse_pieces_unread(max_pieces: int | None, models: bool) -> None:
    """Raise `UsageError` for a limit of pieces that is none, or that no language model is there to keep."""
    if max_pieces is None:
        return
    if not models:
        raise UsageError(
            "--max-pieces: of what language models read, and none is given. Give --lm RUN, or leave it out."
        )
    if not 1 <= max_pieces <= LARGEST_MOST_PIECES:
        raise UsageError(f"--max-pieces is {max_pieces}, expected 1 to {LARGEST_MOST_PIECES:,}.")


@dataclass(frozen=True)
class Learned:
    """The members by name, how they are mixed, and how each does alone: `alone[name]` is its own calibration."""

    members: Mapping[str, ClassifierMember]
    mix: Mix
    alone: dict[str, Mix]
    recipe: str
    learned_from: int  # unlabelled texts
    weighed_on: tuple[int, ...] = ()  # rows of each class that the mix and the probabilities come from
    remarks: tuple[str, ...] = ()
    shortened: Mapping[str, float] = field(default_factory=dict)  # members, and what share of their steps was done


@dataclass
class _Found:
    """Members so far, and the scores of every labelled row from what did not see it."""

    members: dict[str, ClassifierMember] = field(default_factory=dict)
    unseen: dict[str, np.ndarray] = field(default_factory=dict)
    recipes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    shortened: dict[str, float] = field(default_factory=dict)
    learned_from: int = 0  # unlabelled texts

    def replace_if_better(
        self, name: str, member: ClassifierMember, unseen: np.ndarray, classes: np.ndarray, by: str
    ) -> bool:
        """Put `member`, a student of the members `by`, in the place of the one of its `name`, and say whether.

        It is better where its calibrated scores of rows that it did not see have the lower log loss.
        """
        judged = np.isfinite(unseen).all(axis=1)
        losses = [
            log_loss(
                fit_mix({name: each[judged]}, classes[judged]).probabilities({name: each[judged]}), classes[judged]
            )
            for each in (self.unseen[name], unseen)
        ]
        if losses[1] >= losses[0]:
            return False
        self.members[name], self.unseen[name] = member, unseen
        self.recipes.append(f"{name} taught by {by}")
        return True


def learn(
    material: Material,
    *,
    readers: Sequence["TextReader"] = (),
    how: How = PLAINLY,
    seed: int = 0,
    report: Report = silent,
) -> Learned:
    """Members and mix: n-grams, self-trained ones below 2,000 labels, and what each of `readers` reads, or is tuned to.

    Every weight of the mix comes from scores of rows that the member did not see: five folds, near copies in one; of
    tuned members from 2,000 labels on a tenth. Where rows to choose on are given it comes from these alone.
    """
    report(Progress("folds", 0, None))
    folds = material.folds(seed)
    found = _Found()
    grams = _ngrams(material, folds, found, report)
    if readers and how.recipe != "ngrams" and not how.stages(material.labels):
        _frozen(readers, material, folds, grams, found, report)
    for reader in readers if how.stages(material.labels) else ():
        seconds = None if how.minutes is None else 60 * how.minutes / len(readers)
        _tuned(reader, material, folds, found, how, seconds, seed, report)
    known = {name: np.isfinite(each).all(axis=1) for name, each in found.unseen.items()}
    alone = {n: fit_stack({n: each[known[n]]}, material.classes[known[n]]) for n, each in found.unseen.items()}
    common = np.logical_and.reduce(list(known.values()))
    mix = fit_stack({name: each[common] for name, each in found.unseen.items()}, material.classes[common])
    weighed_on = np.bincount(material.classes[common], minlength=material.count)
    return Learned(
        found.members,
        mix,
        alone,
        "; ".join(found.recipes),
        found.learned_from,
        tuple(weighed_on.tolist()),
        tuple(found.remarks),
        found.shortened,
    )


@dataclass(frozen=True)
class _Grams:
    """The n-grams of `texts`, those with labels first, and how their weights are found."""

    rows: GramRows
    grams: Counted
    texts: Sequence[str]
    recipe: Recipe
    labels: int  # rows that are learned from

    def model(self, columns: np.ndarray, linear: Linear) -> NGramModel:
        keys = self.grams.keys[columns]
        return NGramModel(keys, strings_of(self.texts, keys), linear)

    def self_trained(
        self, folds: np.ndarray, teacher: Callable[[int, np.ndarray], np.ndarray], share: float
    ) -> tuple[NGramModel, np.ndarray, int]:
        """What learned from the `share` of unlabelled texts that the teacher is surest of, scores of each row by one
        whose fold neither it nor its teacher saw, and of how many texts.

        `teacher(fold, rows)` scores the unlabelled texts by what learned from the labelled `rows`, all but `fold`.
        """
        unseen = np.full((len(folds), self.rows.count), np.nan)
        for fold in np.unique(folds[folds >= 0]).tolist():
            seen, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            columns, linear, _ = self.rows.student(seen, self.recipe, teacher(fold, seen), share)
            unseen[held] = linear.scores(self.rows.matrix[held][:, columns])
        seen = np.arange(self.labels)
        columns, linear, learned_from = self.rows.student(seen, self.recipe, teacher(NO_FOLD, seen), share)
        return self.model(columns, linear), unseen, learned_from


def _ngrams(material: Material, folds: np.ndarray, found: _Found, report: Report) -> _Grams:
    """The members of n-grams, and what another student of unlabelled texts is made of."""
    texts, classes, count = material.forms, material.classes, material.count
    unlabelled, labels = material.unlabelled_forms, material.labels
    if labels >= MOST_LABELS or len(unlabelled) < LEAST_UNLABELLED:
        unlabelled = ()
    every = [*texts, *unlabelled]
    report(Progress("n-grams", 0, len(every), "texts"))
    few = labels < FEW_ROWS
    counts = counted(every, least=1 if len(every) < FEW_ROWS else LEAST, first=labels if few else None)
    rows = GramRows(matrix_of(counts), counts.words, classes, count)
    recipe, found.unseen[NGRAMS] = choose_recipe(rows.matrix[: len(texts)], counts.words, classes, count, folds)
    found.recipes.append(str(recipe))
    report(Progress("weights", 0, None))
    grams = _Grams(rows, counts, every, recipe, labels)
    seen = np.arange(labels)
    found.members[NGRAMS] = grams.model(*rows.fitted(seen, classes[seen], recipe))
    if unlabelled:
        report(Progress("self-training", 0, None))
        found.members[SELF_TRAINED], found.unseen[SELF_TRAINED], found.learned_from = grams.self_trained(
            folds, lambda fold, seen: rows.taught(seen, recipe), share_of_sure(labels)
        )
    return grams


def _frozen(
    readers: Sequence["TextReader"],
    material: Material,
    folds: np.ndarray,
    grams: _Grams,
    found: _Found,
    report: Report,
) -> None:
    """The frozen members, and where texts without labels are at hand, what they and n-grams teach each other."""
    from ulmkit.classifier.cotrain import SHARE, Teacher, frozen_student, frozen_view, taken_of
    from ulmkit.classifier.frozen import frozen_member

    taught = SELF_TRAINED in found.members
    taken = taken_of(len(material.unlabelled) if taught else 0)
    pool = [material.unlabelled[each] for each in taken]
    views = {}
    for reader in readers:
        name = f"{FROZEN} {reader.direction}"
        reading = replace(reader, features_kept={}) if taught and reader.features_kept is None else reader
        member, fit = frozen_member(
            reading, material.texts, material.classes, material.count, folds, material.unlabelled, report=report
        )
        found.members[name], found.unseen[name] = replace(member, reader=reader), fit.unseen
        found.recipes.append(f"{name}, C {fit.strength:g}")
        if taught:
            reading.features(pool, report)
            views[name] = frozen_view(member, material.texts, pool, material.classes, folds, fit.strength)
    if views:
        report(Progress("co-training", 0, None))
        teacher = Teacher(grams.rows.of_texts(taken), grams.recipe, views)
        by = " and ".join([NGRAMS, *views])
        model, unseen, learned_from = replace(grams, rows=teacher.rows).self_trained(folds, teacher, SHARE)
        if found.replace_if_better(SELF_TRAINED, model, unseen, material.classes, by):
            found.learned_from = learned_from
        for reader, (name, view) in zip(readers, views.items(), strict=True):
            student, unseen = frozen_student(view, teacher, folds)
            found.replace_if_better(name, replace(student, reader=reader), unseen, material.classes, by)


def _tuned(
    reader: "TextReader",
    material: Material,
    folds: np.ndarray,
    found: _Found,
    how: How,
    seconds: float | None,
    seed: int,
    report: Report,
) -> None:
    from ulmkit.classifier.tuning import TuningRun, tuned_member

    name, recipe = f"{TUNED} {reader.direction}", how.stages(material.labels)
    if (
        material.labels >= TUNED_FROM and not material.valid
    ):  # a network is trained once: without a tenth, which it is then weighed on
        tenths = stratified_folds(material.classes, copy_groups(material.forms), seed=seed, count=10)
        folds = np.where(tenths == 0, 0, -1)
    kept = how.kept and how.kept / reader.direction
    run = TuningRun(recipe, range(seed, seed + how.seeds), how.settings, seconds, kept, how.told)
    found.members[name], found.unseen[name], share = tuned_member(
        reader, material.texts, material.classes, material.count, folds, run, report=report
    )
    parts = [name, recipe, *([f"{how.seeds} seeds"] if how.seeds > 1 else [])]
    if share < 1:
        found.shortened[name] = share
        parts.append(f"{100 * share:.3g} % of its steps")
        found.remarks.append(f"{name}: {100 * share:.3g} % of the steps of {recipe} fit into --minutes.")
    found.recipes.append(", ".join(parts))
