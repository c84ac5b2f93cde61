"""A language under test, with what several checks ask of it, and how an answer is given."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ulmkit.authoring.checks.hostile import fuzz_texts
from ulmkit.document import Verdict
from ulmkit.language import cases
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent
from ulmkit.text.operations import Operation
from ulmkit.text.operations.make import make_operation
from ulmkit.text.script import shows

if TYPE_CHECKING:
    from ulmkit.authoring.checks.trials import SampleArticle, TokenizerFigures

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
class Subject:
    """A language under test. What several checks ask for is made once; a test may put its own in the place of each."""

    language: Language
    report: Report = silent

    @cached_property
    def samples(self) -> "Sequence[SampleArticle]":
        """The articles of samples/: what holds text (a redirect of a wiki does not)."""
        from ulmkit.authoring.checks.trials import sample_articles

        if not self.language.samples.is_dir():
            return ()
        return [article for article in sample_articles(self.language, report=self.report) if article.text]

    @cached_property
    def tokenizer(self) -> "TokenizerFigures":
        """A small tokenizer of the samples, as figures."""
        from ulmkit.authoring.checks.trials import tokenizer_figures

        return tokenizer_figures(self.language, self.samples, report=self.report)

    def judge(self, text: str) -> Verdict:
        """What a build says of `text` as a plain document."""
        from ulmkit.authoring.checks.trials import build_verdict

        return build_verdict(self.language, text)

    def extract(self, page: str) -> str:
        """The main text of an HTML page."""
        from ulmkit.corpus.extract.html import html_to_text

        return html_to_text(page).text

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Every operation of the train and match forms, by name."""
        normalizer = self.language.normalizer("match")
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


def as_evidence(text: str, limit: int = 40) -> str:
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
    return f"{as_evidence(before[low : place + 12])} → {as_evidence(after[low : place + 12])}"
