"""A language under test, what the checks ask of the stages, and how an answer is given."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from ulmkit.authoring.checks.hostile import fuzz_texts
from ulmkit.document import Verdict
from ulmkit.errors import UlmkitError
from ulmkit.language import cases
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent
from ulmkit.text.normalize import make_operation
from ulmkit.text.operations import Operation
from ulmkit.text.script import shows

MIN_SAMPLES = 10  # articles: fewer cannot show that 95 % are kept

Status = Literal["ok", "warning", "failed", "missing", "not applicable"]
PASSED: tuple[Status, ...] = ("ok", "warning", "not applicable")


@dataclass(frozen=True)
class Outcome:
    """What a check found. `evidence` holds figures or the first failing case, `todo` what to do about it."""

    status: Status
    evidence: str
    todo: str = ""


@dataclass(frozen=True)
class Sample:
    """An article of samples/ on its way: as extracted, in normal form, and what the build said of it."""

    name: str
    text: str
    normal: str
    verdict: Verdict


@dataclass(frozen=True)
class TokenizerFigures:
    """A tokenizer trained on most of the samples, and what it made of all of them."""

    vocabulary: int
    exact: int
    total: int
    first_failing: str
    fertility: float  # tokens a word, on held-out samples
    byte_share: float  # of held-out tokens
    joiners: Counter[str]  # as `count_joiners` counts, after decoding


@dataclass(frozen=True)
class Stages:
    """What the checks ask of the stages. Each is a function, so that a test can pass its own."""

    samples: Callable[[Language, Report], Sequence[Sample]]
    judge: Callable[[Language, str], Verdict]  # what a build says of a text
    extract: Callable[[str], str]  # the text of an HTML page
    tokenize: Callable[[Language, Sequence[Sample], Report], TokenizerFigures]


def _absent(*_: Any) -> Any:
    raise UlmkitError("this check asks a stage, and none was passed in.")


NO_STAGES = Stages(_absent, _absent, _absent, _absent)  # for the quick checks


@dataclass(frozen=True)
class Subject:
    """A language under test. What several checks ask for is made once."""

    language: Language
    stages: Stages
    report: Report = silent

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """The articles of samples/: what holds text (a redirect of a wiki does not)."""
        if not self.language.samples.is_dir():
            return ()
        return [sample for sample in self.stages.samples(self.language, self.report) if sample.text]

    @cached_property
    def tokenizer(self) -> TokenizerFigures:
        return self.stages.tokenize(self.language, self.samples, self.report)

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Every operation of the train and match forms, by name."""
        normalizer = self.language.normalizers["match"]
        names = dict.fromkeys(normalizer.operations)
        return {name: make_operation(name, normalizer.settings) for name in names}

    @cached_property
    def examples(self) -> tuple[cases.Example, ...]:
        return cases.read_examples(self.language.file(cases.EXAMPLES))

    @cached_property
    def fuzz(self) -> tuple[str, ...]:
        """Texts of the folder, whole and in pieces, mixed with what breaks normalizers; the same on every run."""
        return tuple(fuzz_texts(self.language, self.examples, [sample.text for sample in self.samples]))

    @cached_property
    def words(self) -> Counter[str]:
        """How often each word of the match form occurs in the samples."""
        words: Counter[str] = Counter()
        for sample in self.samples:
            words.update(self.language.fold(sample.normal).split())
        return words


def ok(evidence: str) -> Outcome:
    return Outcome("ok", evidence)


def failed(evidence: str, todo: str) -> Outcome:
    return Outcome("failed", evidence, todo)


def missing(evidence: str, todo: str) -> Outcome:
    return Outcome("missing", evidence, todo)


def not_applicable(evidence: str) -> Outcome:
    return Outcome("not applicable", evidence)


NO_SAMPLES = missing(
    "no samples/", f"Write samples/: {MIN_SAMPLES} articles or more, in files of any kind a build reads."
)


def quoted(text: str, limit: int = 40) -> str:
    """`text` as evidence: bounded, with what cannot be seen spelled out."""
    shown = "".join(c if shows(c) else _code(c) for c in text)
    return f"‘{shown if len(shown) <= limit else shown[: limit - 1] + '…'}’"


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def differing(before: str, after: str) -> str:
    """The first place where two texts differ, as evidence."""
    pairs = zip(before, after, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
    low = max(0, place - 12)
    return f"{quoted(before[low : place + 12])} → {quoted(after[low : place + 12])}"
