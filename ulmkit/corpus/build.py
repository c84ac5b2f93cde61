"""The build: read and judge each unit of input (steps 1 to 5), gather what stays (6 to 8), say what was made.

Where to look: `inputs` what is read, `chain` the steps on one document, `staging` what a unit leaves and how it is
resumed, `gather` duplicates, splits and shards, `tally` what is counted.
"""

import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.manifest import MANIFEST, fingerprint, package_versions, signature
from ulmkit.artifacts.stage import Stage, stage
from ulmkit.corpus.card import write_card
from ulmkit.corpus.chain import RULE_FAILED, Chain, Judged, Part, PiiPolicy
from ulmkit.corpus.filters import limits_of
from ulmkit.corpus.gather import gather
from ulmkit.corpus.libraries import SAMPLED, VERSIONED, library_marks
from ulmkit.corpus.notes import limit_that_took_most, notes_on
from ulmkit.corpus.staging import Staging, Unit, stage_unit
from ulmkit.corpus.tally import Samples, Tally
from ulmkit.corpus.yields import Yields
from ulmkit.errors import ArtifactError, UsageError, shown
from ulmkit.formats.consent import CONSENT, ConsentPolicy, ConsentRules, LicencePolicy, consent_list
from ulmkit.formats.inputs import Input, in_units
from ulmkit.formats.reasons import UNWANTED
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.work.cores import available_cores
from ulmkit.work.pool import Broken, Pool

DROPPED = "dropped"
PACKAGES = ["pyarrow", *VERSIONED, *SAMPLED]  # that shape a corpus


@dataclass(frozen=True)
class BuildOptions:
    """What a build may be told. The shares are of duplicate clusters."""

    valid_share: float = 0.02
    test_share: float = 0.02
    near_duplicates: bool = True
    pii: PiiPolicy = "keep"  # what becomes of personal data: documents stay as they are, are masked, or go
    workers: int | None = None  # None: all cores; 0: in this process
    deadline_s: float = 120.0  # for a chunk of documents, then for each of them
    consent: ConsentPolicy = "strict"  # crawled pages: not the refused, only the granted, or all that robots.txt allows
    licences: LicencePolicy = "open"  # whether licences that forbid trade let a page stay
    gone: tuple[str, ...] = ()  # ids of crawled documents whose pages have left the web
    filters: Mapping[str, Any] = field(default_factory=dict)  # limits that are others than the language's

    @property
    def shaping(self) -> dict[str, Any]:
        """The options that shape the corpus, and not only how it is made."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in ("workers", "deadline_s")}


def build_corpus(
    language: Language,
    layout: Layout,
    inputs: Sequence[Input],
    *,
    options: BuildOptions = BuildOptions(),
    pins: dict[str, Any] | None = None,
    report: Report = silent,
) -> dict[str, Any]:
    """Build the corpus of `language` from `inputs` under `layout`; the manifest, with `unchanged` where it stood.

    `pins` is what the sources resolved (dump dates). Raises `UsageError` on impossible options, `BusyError` while
    another build runs here, `ArtifactError` where nothing is left or the disk is full.
    """
    shares = (options.valid_share, options.test_share)
    if not (all(type(share) in (int, float) and 0 <= share < 1 for share in shares) and sum(shares) < 1):
        raise UsageError(
            f"valid share {str(shares[0])[:20]} and test share {str(shares[1])[:20]}: "
            "neither may be negative, and together they must leave something to train on."
        )
    if options.pii not in get_args(PiiPolicy):
        raise UsageError(f"pii is {options.pii!r}, expected {' or '.join(get_args(PiiPolicy))}.")
    if options.pii != "keep" and not language.pii:
        raise UsageError(
            f"{language.code} declares no kinds of personal data to {options.pii}: add [[pii]] to its folder."
        )
    for name, value, known in (
        ("consent", options.consent, ConsentPolicy),
        ("licences", options.licences, LicencePolicy),
    ):
        if value not in get_args(known):
            raise UsageError(f"{name} is {value!r}, expected {' or '.join(get_args(known))}.")
    if options.filters:
        origins = dict.fromkeys(options.filters, "told for this build")
        language = language.with_(filters={**options.filters, "origins": origins})
    names = Counter((item.source, item.key) for item in inputs)
    if twice := [key for (_, key), count in names.items() if count > 1]:
        raise UsageError(f"input '{twice[0]}' is given twice. Give each file once.")
    crawled = any(item.crawled for item in inputs)
    listed = consent_list(layout.consent_list) if crawled else ()
    build = Build(language, layout, options, ConsentRules(options.consent, options.licences, listed), report)
    started = time.monotonic()
    with stage(layout.corpus, "corpus", doing="corpus build", held=build.staging.folder) as work:
        manifest = build.run(work, inputs, pins or {})
    return manifest | {"seconds": round(time.monotonic() - started, 1)}


class Build:
    """One build under its lock: stage each unit, then finish."""

    def __init__(
        self, language: Language, layout: Layout, options: BuildOptions, consent: ConsentRules, report: Report
    ) -> None:
        self.language = language
        self.layout = layout
        self.options = options
        self.consent = consent
        self.report = report
        self.staging = Staging(layout.units, language, options.near_duplicates, options.pii, consent)

    def run(self, work: Stage, inputs: Sequence[Input], pins: dict[str, Any]) -> dict[str, Any]:
        units = [Unit.described(planned) for planned in in_units(inputs)]
        standing = work.standing(required=True)
        if standing and standing.content.get("fingerprint") == self.name(units):
            return {**standing.content, "unchanged": True}
        return self.finish(work, self.stage(units), pins)

    def name(self, units: list[Unit]) -> str:
        """What names the corpus of `units`."""
        return fingerprint([[self.staging.key(unit) for unit in units], self.options.shaping])

    def stage(self, units: list[Unit]) -> list[Unit]:
        """Steps 1 to 5 on every unit that an earlier run did not finish; the units as they were read."""
        workers = available_cores() if self.options.workers is None else self.options.workers
        shaping = (self.options.near_duplicates, self.options.pii, self.consent)
        setup = functools.partial(Chain, self.language, *shaping)
        total = sum(unit.bytes for unit in units)
        todo = [number for number, unit in enumerate(units) if not self.staging.has(self.staging.key(unit))]
        # a worker reads its unit itself; one that would keep a worker busy when the others are through is handed out in
        # chunks, as is one that killed its worker: so the document that did it is found
        shared = {number for number in todo if workers and units[number].bytes * 2 * workers > total}
        read = total - sum(units[number].bytes for number in todo)
        staged = list(units)

        judged = Judged()  # over the whole build: what earlier runs judged, and every worker
        for unit in (unit for number, unit in enumerate(units) if number not in set(todo)):
            tally = self.staging.counted(self.staging.key(unit))[0]
            judged = Judged(judged.documents + tally.read, judged.failed + tally.dropped[RULE_FAILED])

        def hear(far: tuple[str, int, Judged]) -> None:
            nonlocal read, judged
            key, count, more = far
            judged = judged.and_then(more)
            read += count
            self.report(Progress("read", min(read, total), total, "bytes", key))  # what changed was read again

        def counted(chunks: Iterator[list[Any]]) -> Iterator[list[Any]]:
            nonlocal judged
            for parts in pool.map(chunks):
                for part in parts:
                    judged = judged.and_then(Judged.of(part) if isinstance(part, Part) else Judged(1))
                yield parts

        with Pool(setup, workers=workers, deadline_s=self.options.deadline_s) as pool:
            alone = [number for number in todo if number not in shared]
            work = functools.partial(stage_unit, self.staging.folder)
            answers = pool.map_units(work, [units[number] for number in alone], hear)
            for number, answer in zip(alone, answers, strict=True):
                if isinstance(answer, Broken):
                    shared.add(number)
                else:
                    staged[number] = answer
            for number in sorted(shared):
                staged[number] = self.staging.stage(
                    units[number], counted, lambda item, count: hear((item.key, count, Judged()))
                )
        return staged

    def finish(self, work: Stage, units: list[Unit], pins: dict[str, Any]) -> dict[str, Any]:
        """Steps 6 to 8 over all units, and the finished corpus in its place."""
        keys = [self.staging.key(unit) for unit in units]
        inputs = [entry for unit in units for entry in unit.entries]
        tally, samples, unread, yields = Tally(), Samples.dropped(), Samples.unread(), Yields()
        for key in keys:
            counts, dropped, refused = self.staging.counted(key)
            tally.add(counts)
            samples.add(dropped)
            unread.add(refused)
        check_joiners(tally, self.language)
        new = work.new
        if not tally.kept:
            place = self.leave_dropped(work, samples, unread)
            why = empty_message(tally, samples, unread, limit_that_took_most(tally, self.language))
            raise ArtifactError(f"{why} What went: {shown(place)}.")
        splits = gather(
            self.staging,
            keys,
            new,
            tally,
            samples,
            yields,
            crawled=[unit.crawled for unit in units],
            gone=self.options.gone,
            valid_share=self.options.valid_share,
            test_share=self.options.test_share,
            report=self.report,
        )
        write_dropped(new, samples, unread)
        crawled = any(unit.crawled for unit in units)
        manifest = {
            "fingerprint": self.name(units),
            "language": self.language.code,
            "language_fingerprint": self.language.fingerprint,
            "normalization": self.language.normalizer("standard").fingerprint,
            "options": self.options.shaping,
            "inputs": inputs,
            "pins": pins,
            **({"consent_table": CONSENT} if crawled else {}),
            "filters": limits_of(self.language),
            "counts": tally.to_json(),
            "yields": yields.to_json(tally, pins),
            "splits": splits,
            "notes": notes_on(tally, splits, self.language, (self.options.valid_share, self.options.test_share)),
            "libraries": library_marks(self.language),
            "versions": package_versions(PACKAGES),
            "signature": signature(
                "corpus",
                language=f"{self.language.code}@{self.language.fingerprint}",
                inputs=fingerprint(inputs),
                consent=self.options.consent if crawled else None,
                documents=sum(split["documents"] for split in splits.values()),
                splits="/".join(str(splits[split]["documents"]) for split in SPLITS),
            ),
        }
        write_card(new / "README.md", self.language, manifest)
        return dict(work.finish(manifest).content)

    def leave_dropped(self, work: Stage, samples: Samples, unread: Samples) -> Path:
        """Leave what went of a build that keeps nothing: where its corpus would be, or, where one stands, at work."""
        home = self.staging.folder.parent if (work.folder / MANIFEST).exists() else work.folder
        write_dropped(home, samples, unread)
        return home / DROPPED


def write_dropped(folder: Path, samples: Samples, unread: Samples) -> None:
    """Samples of what was dropped, and of what could not be read, below `folder`."""
    samples.write(folder / DROPPED / "samples.jsonl")
    unread.write(folder / DROPPED / "unread.jsonl")


def check_joiners(tally: Tally, language: Language) -> None:
    """Fail where normalizing lost more joiners than the language allows."""
    before, after = tally.joiners.get("extracted", Counter()), tally.joiners.get("normalized", Counter())
    limit = language.alphabet.max_joiner_loss
    for joiner in language.alphabet.joiners:
        # beside a space or a mark a joiner does nothing, and goes
        code = f"U+{ord(joiner):04X} in words"
        lost = before[code] - after[code]
        # a handful says nothing
        if lost > max(limit * before[code], 50):
            raise ArtifactError(
                f"{code}: normalization lost {lost:,} of {before[code]:,}, the language allows {limit:.0%}. "
                f"Feed such words to `ulmkit normalize {language.code} --explain`; what goes rightly, or is spelled "
                "without one, is allowed by alphabet.max_joiner_loss."
            )


def empty_message(tally: Tally, dropped: Samples, unread: Samples, limit: str) -> str:
    """Why nothing is left, by the commonest reasons: what it was taken for, the first fault met in reading, and the
    sentence about the `limit` that took most, where one took any: else there is but more to give."""
    reasons = (tally.dropped + tally.unreadable).most_common(3)
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons) or "the inputs hold no documents"
    first = next(
        (
            f" First: {s['file']}{s['place']}: {s['reason']}, {s['detail']}."
            for s in unread.all()
            if s["reason"] not in UNWANTED
        ),
        "",
    )
    others = Counter(s["detail"].partition(" ")[0] for s in dropped.all() if s["reason"] == "other language")
    taken = ", ".join(label for label, _ in others.most_common(3))
    if sample := next((s for s in dropped.all() if s["reason"] != "other language" and s["detail"]), None):
        first = f" The first: {sample['id']}: {sample['reason']}, {sample['detail']}.{first}"
    if taken:
        first = f" Taken for {taken}: where that is wrong, give this language the label in [identification].{first}"
    return f"No document is left of {tally.read:,} read ({why}).{first} {limit or 'Give more --input.'}"
