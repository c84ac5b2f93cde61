"""Labelled texts to members and their mix: folds, recipe, self-training, language models, calibration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from ulmkit.classifier.copies import copy_groups
from ulmkit.classifier.features import counted, strings_of
from ulmkit.classifier.folds import stratified_folds
from ulmkit.classifier.mix import Mix, fit_stack
from ulmkit.classifier.ngrams import (
    FEW_ROWS,
    LEAST,
    Linear,
    NGramModel,
    Recipe,
    choose_recipe,
    counting_columns,
    fit,
    matrix_of,
)
from ulmkit.classifier.selftrain import MOST_LABELS, sure_texts
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
STUDENT = Recipe(
    "svm", 0.003
)  # thousands of rows, some of them wrong, ask for a low C whatever the few labels asked for
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


@dataclass(frozen=True)
class _Rows:
    """All texts as rows: the first `labelled` have the `classes`."""

    matrix: csr_matrix
    words: np.ndarray
    classes: np.ndarray
    count: int

    @property
    def labelled(self) -> int:
        return len(self.classes)

    def fitted(self, rows: np.ndarray, classes: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, Linear]:
        """The n-grams that count in `rows`, and their weights."""
        chosen = self.matrix[rows]
        columns = counting_columns(chosen, self.words, self.count)
        return columns, fit(chosen[:, columns], classes, self.count, recipe)

    def self_trained(self, rows: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, Linear, int]:
        """As `fitted` from the labelled `rows`, and the unlabelled texts that these make it sure of; how many."""
        classes = self.classes[rows]
        columns, teacher = self.fitted(rows, classes, recipe)
        scores = teacher.scores(self.matrix[self.labelled :][:, columns])
        shares = (np.bincount(classes, minlength=self.count) + 0.5) / (len(classes) + 0.5 * self.count)
        sure, called = sure_texts(scores, shares, len(rows))
        both = np.concatenate((rows, sure + self.labelled))
        recipe = STUDENT if recipe.kind == "svm" else recipe
        return *self.fitted(both, np.concatenate((classes, called)), recipe), len(sure)


@dataclass
class _Found:
    """Members so far, and the scores of every labelled row from what did not see it."""

    members: dict[str, ClassifierMember] = field(default_factory=dict)
    unseen: dict[str, np.ndarray] = field(default_factory=dict)
    recipes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    shortened: dict[str, float] = field(default_factory=dict)


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
    learned_from = _ngrams(material, folds, found, report)
    for reader in readers if how.recipe != "ngrams" else ():
        if how.stages(material.labels):
            seconds = None if how.minutes is None else 60 * how.minutes / len(readers)
            _tuned(reader, material, folds, found, how, seconds, seed, report)
        else:
            _frozen(reader, material, folds, found, report)
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
        learned_from,
        tuple(weighed_on.tolist()),
        tuple(found.remarks),
        found.shortened,
    )


def _ngrams(material: Material, folds: np.ndarray, found: _Found, report: Report) -> int:
    """The members of n-grams; of how many unlabelled texts."""
    texts, classes, count = material.forms, material.classes, material.count
    unlabelled, labels = material.unlabelled_forms, material.labels
    if labels >= MOST_LABELS or len(unlabelled) < LEAST_UNLABELLED:
        unlabelled = ()
    every = [*texts, *unlabelled]
    report(Progress("n-grams", 0, len(every), "texts"))
    few = labels < FEW_ROWS
    grams = counted(every, least=1 if len(every) < FEW_ROWS else LEAST, first=labels if few else None)
    rows = _Rows(matrix_of(grams), grams.words, classes, count)
    labelled = rows.matrix[: len(texts)]
    recipe, found.unseen[NGRAMS] = choose_recipe(labelled, grams.words, classes, count, folds)
    found.recipes.append(str(recipe))
    report(Progress("weights", 0, None))
    seen = np.arange(labels)
    columns, linear = rows.fitted(seen, classes[seen], recipe)
    found.members[NGRAMS] = NGramModel(grams.keys[columns], strings_of(every, grams.keys[columns]), linear)
    if not unlabelled:
        return 0
    report(Progress("self-training", 0, None))
    unseen = found.unseen[SELF_TRAINED] = np.full_like(found.unseen[NGRAMS], np.nan)
    for fold in np.unique(folds[folds >= 0]):
        seen, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        columns, linear, _ = rows.self_trained(seen, recipe)
        unseen[held] = linear.scores(labelled[held][:, columns])
    columns, linear, learned_from = rows.self_trained(np.arange(labels), recipe)
    found.members[SELF_TRAINED] = NGramModel(grams.keys[columns], strings_of(every, grams.keys[columns]), linear)
    return learned_from


def _frozen(reader: "TextReader", material: Material, folds: np.ndarray, found: _Found, report: Report) -> None:
    from ulmkit.classifier.frozen import frozen_member

    name = f"{FROZEN} {reader.direction}"
    found.members[name], fit = frozen_member(
        reader, material.texts, material.classes, material.count, folds, material.unlabelled, report=report
    )
    found.unseen[name] = fit.unseen
    found.recipes.append(f"{name}, C {fit.strength:g}")


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
