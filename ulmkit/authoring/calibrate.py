"""Limits from a trusted sample: where most good documents lie, so that the filters keep them.

`authoring.measure` measures, with the functions that judge in a build; this turns measurements into limits and writes
them into language.toml. A limit that keeps the sample stays: to narrow it where the sample lies throws away a hundredth
of the next one, which is as good. One that drops too much is widened. What the language decides (its words' length, and
how many are function words or hold a letter) is narrowed where a page of junk.txt passes every limit and would not pass
that one. Each is set with a margin. `tighten` narrows by the sample alone: it must then be as mixed as the corpus.
"""

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.corpus.filters import FILTERS, DecidedBy, Direction, filters_of
from ulmkit.errors import LanguageError, UsageError
from ulmkit.language.load import load_language
from ulmkit.language.places import folder_bytes
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language

MIN_DOCUMENTS = 200  # a hundredth of fewer is less than two documents
IDENTIFICATION = "min_share"  # of [identification]; every other limit is one of [filters]

Limit = float | tuple[float, ...]


def calibrated_limits() -> tuple[str, ...]:
    """The limits of `[filters]` that a sample can say something about, in the order in which pages are judged."""
    return tuple(dict.fromkeys(row.limit for row in FILTERS if row.decided_by != DecidedBy.CHOICE))


def decided_by(limit: str) -> DecidedBy:
    return DecidedBy.MIXTURE if limit == IDENTIFICATION else filters_of(limit)[0].decided_by


def directions(limit: str) -> tuple[Direction, ...]:
    """Which way each number of `limit` limits."""
    return ("at least",) if limit == IDENTIFICATION else tuple(row.direction for row in filters_of(limit))


@dataclass(frozen=True)
class TrustedSample:
    """What the limits were measured on. `sha256` is of its files' bytes, in order; `sources` names each document's."""

    name: str
    documents: int
    sha256: str
    sources: tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Source -> which documents are of it, shape (documents,); sources too small to say anything are left out, and
        "" is the whole."""
        names = np.array(self.sources)
        found = {name: names == name for name in sorted(set(self.sources))} if len(set(self.sources)) > 1 else {}
        large = {name: mask for name, mask in found.items() if mask.sum() >= MIN_DOCUMENTS}
        return {"": np.ones(self.documents, bool)} | large


@dataclass(frozen=True)
class Proposal:
    """A limit as it is, where the sample's edge lies, and what is proposed, with the shares that are kept."""

    name: str
    present: Limit
    keeps: float
    edge: Limit
    proposed: Limit
    would_keep: float

    @property
    def section(self) -> str:
        return "identification" if self.name == IDENTIFICATION else "filters"

    @property
    def changed(self) -> bool:
        return self.proposed != self.present


@dataclass(frozen=True)
class Calibration:
    """All limits. `each`: the share that each keeps at least. `together`: source -> what all limits keep of it now, and
    what they would keep; "" stands for the whole sample."""

    sample: TrustedSample
    proposals: tuple[Proposal, ...]
    each: float
    together: Mapping[str, tuple[float, float]]
    lost: int = 0  # documents of the sample that all limits keep now, and would not

    @property
    def changes(self) -> tuple[Proposal, ...]:
        return tuple(proposal for proposal in self.proposals if proposal.changed)

    def origin(self, proposal: Proposal, date: str) -> str:
        sample = self.sample
        return (
            f"calibrated: keeps {proposal.would_keep:.1%} of {sample.documents:,} documents of {sample.name} "
            f"(SHA-256 {sample.sha256}), {date}"
        )


def passes(name: str, values: np.ndarray, limit: Limit) -> np.ndarray:
    """Which documents keep `limit`, shape (documents,), bool. NaN is what the filter does not ask: it passes."""
    numbers = limit if isinstance(limit, tuple) else (limit,)
    kept = [
        ~(column < number) if direction == "at least" else ~(column > number)
        for column, number, direction in zip(values.T, numbers, directions(name), strict=True)
    ]
    return np.logical_and.reduce(kept)


def quantile_limit(name: str, values: np.ndarray, keep: float) -> Limit:
    """The tightest rounded limit that keeps the share `keep` of each column of `values`, shape (documents, numbers).

    >>> quantile_limit("min_stop_words", np.array([[3.0], [8.0], [9.0], [9.0], [9.0]]), 0.75)
    8
    """
    found = []
    for column, direction in zip(values.T, directions(name), strict=True):
        down = direction == "at least"
        found.append(_rounded(np.nanquantile(column, 1 - keep if down else keep), down=down))
    default = getattr(Filters, name, 0.0)
    return tuple(found) if isinstance(default, tuple) else type(default)(found[0])


def _rounded(value: float, *, down: bool) -> float:
    """`value` to the side where it keeps more, at three decimals of a share or two of a length."""
    scale = 1000 if value < 1 else 100
    return (math.floor(value * scale) if down else math.ceil(value * scale)) / scale


def wider(name: str, one: Limit, other: Limit) -> Limit:
    """Of two limits, number by number, the one that keeps more."""
    pick = {"at least": min, "at most": max}
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(pick[d](a, b) for a, b, d in zip(one, other, directions(name), strict=True))
    return pick[directions(name)[0]](one, other)


def present_limit(language: Language, name: str) -> Limit:
    return language.identification.min_share if name == IDENTIFICATION else getattr(language.filters, name)


def calibrate(
    language: Language,
    sample: TrustedSample,
    measured: Mapping[str, np.ndarray],
    *,
    each: float = 0.99,
    jointly: float = 0.95,
    tighten: bool = False,
    only: Collection[str] = (),
    junk: Mapping[str, np.ndarray] | None = None,
) -> Calibration:
    """Limits of which each keeps the share `each` of the sample, and all together `jointly`.

    `measured`: limit -> what its numbers are limits of, shape (documents, numbers); NaN where it is not asked.
    Both hold for the whole and for each of its sources that has documents enough, so that a large one does not decide
    for a small one of another kind. Where the limits together drop too much, each is widened until they do not.
    `tighten` lets the sample narrow limits; `only` names those that may change, where not all; `junk` is what pages
    that no corpus wants measure, as `measured`.
    Raises `UsageError` for a sample too small to say where its hundredth lies, and for a limit that is not measured.
    """
    _expect_sample(sample, each, jointly)
    asked = {name: values for name, values in measured.items() if not np.isnan(values).all()}
    if unknown := next((name for name in only if name not in asked), None):
        raise UsageError(f"--only {unknown}: no such limit is measured here. Known: {', '.join(asked)}.")
    present = {name: present_limit(language, name) for name in asked}
    set_by_sample = {DecidedBy.LANGUAGE, DecidedBy.MIXTURE} if tighten else set()
    escaped = _escaped(junk or {}, present)
    groups = sample.groups
    share = each
    while True:
        edges = {name: _edge(name, values, groups, share) for name, values in asked.items()}
        proposed = present | {
            name: _eased(name, edges[name])
            if decided_by(name) in set_by_sample or _stops(name, _eased(name, edges[name]), escaped)
            else _widened(name, values, present[name], _eased(name, edges[name]), groups, share)
            for name, values in asked.items()
            if name in (only or asked)
        }
        then = _together(asked, proposed, groups)
        if min(then.values()) >= jointly or share > 0.9999:
            break
        share = 1 - (1 - share) / 2
    proposals = tuple(
        Proposal(
            name,
            present[name],
            _share(name, values, present),
            edges[name],
            proposed[name],
            _share(name, values, proposed),
        )
        for name, values in asked.items()
    )
    now = _together(asked, present, groups)
    lost = int((_kept(asked, present) & ~_kept(asked, proposed)).sum())
    return Calibration(sample, proposals, share, {name: (now[name], then[name]) for name in groups}, lost)


def _expect_sample(sample: TrustedSample, each: float, jointly: float) -> None:
    """Raise `UsageError` for a sample that says too little, and for shares that contradict each other."""
    if sample.documents < MIN_DOCUMENTS:
        raise UsageError(
            f"{sample.name}: {sample.documents} documents of a page's length; to calibrate takes {MIN_DOCUMENTS}. "
            "Give more --sample."
        )
    if not 0.5 <= jointly <= each < 1:
        raise UsageError(f"--keep {each} and --jointly {jointly}: give shares from 0.5 up, the second not larger.")


def _share(name: str, values: np.ndarray, limits: Mapping[str, Limit]) -> float:
    """The share of documents that one of the limits keeps."""
    return float(passes(name, values, limits[name]).mean())


LIMIT_MARGIN = 0.1  # of a limit: the next sample's edge lies elsewhere


def _eased(name: str, limit: Limit) -> Limit:
    """`limit` with a margin, rounded to where it keeps more."""
    numbers = limit if isinstance(limit, tuple) else (limit,)
    found = [
        _rounded(number * (1 - LIMIT_MARGIN if way == "at least" else 1 + LIMIT_MARGIN), down=way == "at least")
        for number, way in zip(numbers, directions(name), strict=True)
    ]
    default = getattr(Filters, name, 0.0)
    return tuple(found) if isinstance(default, tuple) else type(default)(found[0])


def _escaped(junk: Mapping[str, np.ndarray], present: Mapping[str, Limit]) -> Mapping[str, np.ndarray]:
    """What the pages of `junk` measure that every present limit lets pass."""
    asked = {name: values for name, values in junk.items() if name in present}
    if not asked:
        return {}
    passing = _kept(asked, present)
    return {name: values[passing] for name, values in asked.items()} if passing.any() else {}


def _stops(name: str, limit: Limit, escaped: Mapping[str, np.ndarray]) -> bool:
    """Whether `limit`, which the language decides, turns away a page that all others let pass."""
    return name in escaped and decided_by(name) == DecidedBy.LANGUAGE and not passes(name, escaped[name], limit).all()


def _edge(name: str, values: np.ndarray, groups: Mapping[str, np.ndarray], share: float) -> Limit:
    """The widest of the groups' limits; a group that the filter does not ask has none."""
    parts = [values[mask] for mask in groups.values()]
    found = [quantile_limit(name, part, share) for part in parts if not np.isnan(part).all()]
    return functools.reduce(functools.partial(wider, name), found)


def _widened(
    name: str, values: np.ndarray, present: Limit, edge: Limit, groups: Mapping[str, np.ndarray], share: float
) -> Limit:
    """The present limit where it keeps enough of every group, else wide enough."""
    kept = passes(name, values, present)
    return present if all(kept[mask].mean() >= share for mask in groups.values()) else wider(name, present, edge)


def _together(
    measured: Mapping[str, np.ndarray], limits: Mapping[str, Limit], groups: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Group -> the share of it that all limits keep."""
    kept = _kept(measured, limits)
    return {name: float(kept[mask].mean()) for name, mask in groups.items()}


def _kept(measured: Mapping[str, np.ndarray], limits: Mapping[str, Limit]) -> np.ndarray:
    """Which documents all limits keep, shape (documents,), bool."""
    kept: np.ndarray = np.logical_and.reduce([passes(name, each, limits[name]) for name, each in measured.items()])
    return kept


# ---------------------------------------------------------------- writing


def write(language: Language, calibration: Calibration, *, date: str) -> Path:
    """Put the changed limits and their origins into the folder's language.toml; comments and order stay.

    Raises `LanguageError` where the file would not load with them; it is then as it was.
    """
    import tomlkit

    path = language.folder / "language.toml"
    before = folder_bytes(path)
    document = tomlkit.parse(before.decode("utf-8"))
    new_table = "origins" not in document.get("filters", {})
    for proposal in calibration.changes:
        section = _table(document, proposal.section)
        proposed = proposal.proposed
        value = tomlkit.item(list(proposed) if isinstance(proposed, tuple) else proposed)
        origin = calibration.origin(proposal, date)
        if proposal.section == "identification":
            value.comment(origin)
            section[proposal.name] = value
            continue
        section[proposal.name] = value
        _table(section, "origins")[proposal.name] = origin
    if new_table and "origins" in document.get("filters", {}):
        document["filters"]["origins"].add(tomlkit.nl())  # an empty line before what follows
    _replace(path, tomlkit.dumps(document).encode("utf-8"))
    try:
        load_language(language.folder)
    except LanguageError:
        _replace(path, before)
        raise
    return path


def _table(parent: Any, name: str) -> Any:
    import tomlkit

    if name not in parent:
        parent[name] = tomlkit.table()
    return parent[name]


def _replace(path: Path, data: bytes) -> None:
    with atomic_write(path) as file:
        file.write(data)


def write_stop_words(language: Language, words: Sequence[str], sample: TrustedSample, *, date: str) -> Path:
    """Write stopwords.txt with `words`. Raises `UsageError` where there is one."""
    path = language.folder / "stopwords.txt"
    if path.exists():
        raise UsageError(f"{path}: there already. Remove it, or leave --stop-words out.")
    head = [
        f"# The {len(words)} words that stand in most of {sample.documents:,} documents of {sample.name} (SHA-256",
        f"# {sample.sha256}), {date}. Counted, not chosen: strike out what belongs to the",
        "# sample's subject, and add the closed classes of the grammar that are missing.",
    ]
    _replace(path, ("\n".join([*head, *words]) + "\n").encode("utf-8"))
    return path


def with_stop_words(language: Language, words: Collection[str]) -> Language:
    """`language` as it would be with these stop words."""
    return replace(language, listed_stop_words=tuple(words))
