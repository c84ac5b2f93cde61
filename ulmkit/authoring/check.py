"""Does a language folder keep what a language promises? Checks, a grade from L0 to L4, and what would raise it.

`SUITE` is the whole suite in order. A check is a function of a `Subject`: the language, and its samples as the
stages took them in. A check that cannot run says what is missing and counts as not passed: a grade is proof, not
absence of complaints.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ulmkit.authoring.checks.complete import (
    baseline,
    every_operation_shown,
    fertility,
    joiners_survive,
    junk_rejected,
    labelled_sets,
    licences,
    limits_explained,
    marks_apart,
    relatives_refused,
    round_trip,
    rules_documented,
    sentences,
)
from ulmkit.authoring.checks.corpus_ready import (
    alphabet_covers,
    identified,
    samples_enough,
    samples_kept,
    stop_words_fill_text,
)
from ulmkit.authoring.checks.normalizes import (
    composed,
    examples_hold,
    keeps,
    letters_kept,
    operations_idempotent,
    patterns_end,
    rules_keep_letters,
    schema,
    sequence_idempotent,
    speed,
)
from ulmkit.authoring.checks.subject import PASSED, Outcome, Subject, failed, missing
from ulmkit.errors import LanguageError, MissingPackageError, UlmkitError
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent

Grade = Literal["L0", "L1", "L2", "L3", "L4"]
# what each grade promises; a grade is reached when its own checks and those of all grades below are passed
GRADES: dict[Grade, tuple[str, str]] = {
    "L0": ("stub", "the folder is there"),
    "L1": ("normalizes", "loads; every text has one normal form, which its examples show and its keep-cases hold"),
    "L2": ("corpus-ready", "samples, alphabet, stop words, identification and filters agree with one another"),
    "L3": (
        "complete",
        "every part that the language needs is there, exemplified, licensed, and told from its relatives",
    ),
    "L4": ("trained baseline", "a language model's published result stands in the folder"),
}


@dataclass(frozen=True)
class Check:
    """A question, and the grade that it counts towards. `quick`: it needs neither samples nor a dictionary that
    an example of a profile may load, so `list` asks it too."""

    name: str
    question: Callable[[Subject], Outcome]
    grade: Grade
    quick: bool = False

    @property
    def about(self) -> str:
        return (self.question.__doc__ or "").split("\n")[0]


# in order of what to do first
SUITE: tuple[Check, ...] = (
    Check("schema", schema, "L1", quick=True),
    Check("examples hold", examples_hold, "L1"),
    Check("keeps", keeps, "L1", quick=True),
    Check("operations idempotent", operations_idempotent, "L1"),
    Check("sequence idempotent", sequence_idempotent, "L1"),
    Check("composed", composed, "L1"),
    Check("letters kept", letters_kept, "L1"),
    Check("rules keep letters", rules_keep_letters, "L1"),
    Check("patterns end", patterns_end, "L1"),
    Check("speed", speed, "L1"),
    Check("samples enough", samples_enough, "L2"),
    Check("alphabet covers", alphabet_covers, "L2"),
    Check("stop words", stop_words_fill_text, "L2"),
    Check("identified", identified, "L2"),
    Check("samples kept", samples_kept, "L2"),
    Check("every operation shown", every_operation_shown, "L3"),
    Check("rules documented", rules_documented, "L3", quick=True),
    Check("sentences", sentences, "L3", quick=True),
    Check("joiners survive", joiners_survive, "L3"),
    Check("relatives refused", relatives_refused, "L3"),
    Check("junk rejected", junk_rejected, "L3"),
    Check("licences", licences, "L3", quick=True),
    Check("limits explained", limits_explained, "L3", quick=True),
    Check("labelled sets", labelled_sets, "L3", quick=True),
    Check("round trip", round_trip, "L3"),
    Check("fertility", fertility, "L3"),
    Check("marks apart", marks_apart, "L3"),
    Check("baseline", baseline, "L4", quick=True),
)


@dataclass(frozen=True)
class Line:
    """A check and what it found."""

    name: str
    grade: Grade
    outcome: Outcome

    @property
    def passed(self) -> bool:
        return self.outcome.status in PASSED


@dataclass(frozen=True)
class Conformance:
    """What all checks found, the grade that follows, and what would raise it, first things first."""

    code: str
    lines: tuple[Line, ...]
    fingerprint: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def grade(self) -> Grade:
        """The highest grade that all checks of it and below it passed."""
        reached: Grade = "L0"
        for grade in GRADES:
            if any(line.grade == grade and not line.passed for line in self.lines):
                return reached
            reached = grade
        return reached

    @property
    def failed(self) -> bool:
        return any(line.outcome.status == "failed" for line in self.lines)

    @property
    def todo(self) -> tuple[str, ...]:
        """What to do, each once: the lowest grade first, in it what is wrong before what is missing."""
        rank = {"failed": 0, "missing": 1, "warning": 2}
        open_ = [line for line in self.lines if line.outcome.todo]
        open_.sort(key=lambda line: (line.grade, rank[line.outcome.status]))
        said: dict[str, Grade] = {}
        for line in open_:
            said.setdefault(line.outcome.todo, line.grade)
        return tuple(f"{grade}  {todo}" for todo, grade in said.items())

    def to_json(self) -> dict[str, Any]:
        name, promise = GRADES[self.grade]
        return {
            "code": self.code,
            "grade": self.grade,
            "grade_name": name,
            "grade_promise": promise,
            "failed": self.failed,
            "fingerprint": self.fingerprint,
            "checks": [
                {
                    "name": line.name,
                    "grade": line.grade,
                    "status": line.outcome.status,
                    "evidence": line.outcome.evidence,
                }
                for line in self.lines
            ],
            "todo": list(self.todo),
            "seconds": round(self.seconds, 1),
        }


def check_language(language: Language, *, report: Report = silent) -> Conformance:
    """Ask the whole suite of `language`: in under a minute, with nothing left on disk."""
    return ask(Subject(language, report))


def ask(subject: Subject, checks: Sequence[Check] = SUITE) -> Conformance:
    """Ask `checks` of `subject`. A check that raises has failed with what it raised, or could not run where a package
    is missing; the others are still asked."""
    language, report = subject.language, subject.report
    started = time.monotonic()
    lines = []
    for number, check in enumerate(checks):
        report(Progress("check", number, len(checks), "checks", check.name))
        try:
            outcome = check.question(subject)
        except MissingPackageError as error:
            outcome = missing(str(error), str(error))
        except UlmkitError as error:
            outcome = failed(str(error), "Correct what the message names.")
        lines.append(Line(check.name, check.grade, outcome))
    report(Progress("check", len(checks), len(checks), "checks"))
    return Conformance(language.code, tuple(lines), language.fingerprint, time.monotonic() - started)


def grade_at_most(language: Language) -> Grade:
    """The grade that `language` can have by the checks that need no samples: found in milliseconds."""
    quick = [check for check in SUITE if check.quick]
    return ask(Subject(language), quick).grade


def broken(code: str, error: LanguageError) -> Conformance:
    """What can be said of a folder that does not load."""
    return Conformance(code, (Line("schema", "L1", failed(str(error), "Correct what the message names.")),))
