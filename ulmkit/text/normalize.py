"""Text to text: named operations in order, compiled once.

Most of a text needs little: so the character tables that follow one another are one lookup, and one look at every pair
of neighbouring characters says which rules can act at all. A rule that cannot is not run. `reference` runs everything
in plain order; the tests hold the two equal.

What a pass deletes can bring together what the next one would change (a mark inside a number, a control character
inside a URL), so a text is passed until a pass leaves it as it is. That is what makes twice the same as once.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ulmkit.text.characters import UNTOUCHED, CharacterTable, from_utf16, utf16_units
from ulmkit.text.operations import Rule, Settings
from ulmkit.text.operations.make import make_operation
from ulmkit.text.protect import put_back, take_out
from ulmkit.text.scan import LOOK_AGAIN, RuleStage, fuse

if TYPE_CHECKING:
    import numpy as np

# the most a text gets, so that time stays linear; plain text needs two, of which the second finds little. A prime: two
# operations that undo each other in turns are not hidden by a number of passes that brings a text back
PASSES = 5
# characters from which a text is taken a few paragraphs at a time: no operation looks across an empty line, and one odd
# character in a book then calls for its rule on a page of it. The value is the fastest of 4, 8, 16 and 32 thousand
PIECE = 4_000
_BETWEEN = "\uf8fe\uf8ff\uf8fe"  # a paragraph between texts that are taken together: private use, which nobody changes


def pieces(text: str, size: int) -> Iterator[str]:
    """`text` parted at empty lines into pieces of `size` characters and more; the last may be shorter.

    >>> list(pieces("one\\n\\ntwo\\n\\nthree", 5))
    ['one\\n\\ntwo', 'three']
    """
    start = 0
    while (end := text.find("\n\n", start + size)) >= 0:
        yield text[start:end]
        start = end + 2
    yield text[start:]


@dataclass(frozen=True)
class Change:
    """What one operation did to a text: how often it acted, and the first place, before and after."""

    operation: str
    count: int
    before: str
    after: str


@dataclass(frozen=True)
class TraceStep:
    """One operation at work: how often it acted, and the whole text before and after."""

    operation: str
    count: int
    before: str
    after: str


def form_fingerprint(operations: tuple[str, ...], settings: Settings) -> str:
    """Twelve hexadecimal digits of a hash of all that shapes what a `Normalizer` of these makes of a text."""
    digest = hashlib.blake2b(digest_size=6)
    plain = astuple(settings)[:-1]  # but for `rules`, of which the source counts
    digest.update(repr((operations, plain)).encode("utf-8", "surrogatepass"))
    digest.update(settings.rules.source)
    return digest.hexdigest()


class Normalizer:
    """Named operations in order, compiled: `normalizer(text)` is the text in normal form, and twice is once.

    `operations` are the names in order. Rebuilt from `operations` and `settings` when it is pickled.
    """

    def __init__(self, operations: Iterable[str], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.operations = tuple(operations)
        self._steps = [make_operation(name, self.settings) for name in self.operations]
        self._kinds = frozenset(self.settings.protect)
        # passes repeat up to where the spans are back; what follows (the match form) is tables, settled at once
        whole = self.operations[::-1].index("restore") if "restore" in self.operations else 0
        self._cut = len(self.operations) - whole
        self._passes = PASSES if "restore" in self.operations else 1
        self._after = Normalizer(self.operations[self._cut :], self.settings) if whole else None
        stages = self._compile()
        # what comes before the first table and looks only for literals
        lead = next((i for i, stage in enumerate(stages) if stage.lookup or not stage.asks_for_nothing), len(stages))
        self._before, self._stages = stages[:lead], stages[lead:]
        self._fused = fuse(self._stages)

    def _compile(self) -> list[RuleStage]:
        stages: list[RuleStage] = []
        tables: list[CharacterTable] = []
        rules: list[tuple[str, int, Rule | None]] = []
        for place, step in enumerate(self._steps[: self._cut]):
            if step.table is not None and step.table.singles:
                if rules:
                    stages.append(RuleStage(tables, rules, sorted(self._kinds)))
                    tables, rules = [], []
                tables.append(step.table)
            rules += [(step.name, number, rule) for number, rule in enumerate(step.rules)]
            if step.name == "protect" or (step.name == "restore" and place < self._cut - 1):
                rules.append((step.name, 0, None))  # a pass ends with the last `restore` anyway
        stages.append(RuleStage(tables, rules, sorted(self._kinds)))
        return stages

    def __reduce__(self) -> tuple[Any, ...]:
        return Normalizer, (self.operations, self.settings)

    def __repr__(self) -> str:
        return f"Normalizer({', '.join(self.operations)})"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of a hash of all that shapes the output."""
        return form_fingerprint(self.operations, self.settings)

    def __call__(self, text: str) -> str:
        if len(text) <= PIECE or self._passes == 1:
            text = self._settled(text)
        else:
            text = "\n\n".join(filter(None, map(self._settled, pieces(text, PIECE))))
        return self._after(text) if self._after else text

    def _settled(self, text: str) -> str:
        for _ in range(self._passes):
            before, text = text, self._pass(text)
            if text == before:
                break
        return text

    def _pass(self, text: str) -> str:
        """`text` after every operation once."""
        spans: list[str] = []
        for stage in self._before:  # rules that need no scan: they look for a literal
            for step in stage.rules:
                if step.rule and any(literal in text for literal in step.rule.literals):
                    text = step.rule.apply(from_utf16(utf16_units(text)))[0]  # without lone surrogates
        codes = utf16_units(text)
        start, met = 0, None
        if self._fused:
            lookup, scan = self._fused
            out = lookup.lookup.take(codes)
            if not len(out) or out.min() >= UNTOUCHED:
                both = scan(codes, out)
                if not both & 1:
                    codes, start, met = out, 1, both >> 1
        for number in range(start, len(self._stages)):
            codes = self._stage(self._stages[number], codes, met, spans)
            met = None
        return put_back(from_utf16(codes), spans)

    def _stage(self, stage: RuleStage, codes: "np.ndarray", met: int | None, spans: list[str]) -> "np.ndarray":
        """`codes` after the stage; `met` are its triggers where they are known (then its tables were applied)."""
        if met is None:
            if stage.lookup:
                codes = stage.lookup.apply(codes)
            met = stage.scan(codes)
        if not met and not stage.always:
            return codes
        text = from_utf16(codes)
        changed_any = False
        for step in stage.rules:
            if step.bits:
                if not met & step.bits:
                    continue
                ran, met = met, met & ~step.bits
            elif step.rule is None and not spans:
                continue
            if step.rule and step.rule.literals and not any(literal in text for literal in step.rule.literals):
                continue
            if step.rule is not None:
                changed = step.rule.apply(text)[0]
            elif step.name == "restore":
                changed = put_back(text, spans)
                spans.clear()
            else:
                changed = take_out(text, frozenset(kind for bit, kind in stage.kinds if ran & bit), spans)
            if changed is not text and changed != text:
                text, changed_any = changed, True
                if step.later:
                    met = stage.scan(utf16_units(text)) if step.later == LOOK_AGAIN else met | step.later
        return utf16_units(text) if changed_any else codes

    @cached_property
    def _together(self) -> bool:
        """Whether texts can be taken together: their paragraphs are looked at one by one, and `_BETWEEN` stays."""
        return self._passes > 1 and self._settled(_BETWEEN) == _BETWEEN

    def batch(self, texts: Iterable[str]) -> list[str]:
        """Every text in normal form, in order. Short ones are normalized together, with a paragraph between them that
        no operation changes: to look at a text costs more than the few characters of a short one do."""
        if not self._together:
            return [self(text) for text in texts]
        normal: list[str] = []
        group: list[str] = []
        size = 0
        for text in texts:
            if len(text) >= PIECE or _BETWEEN in text:
                normal += self._group(group)
                normal.append(self(text))
                group, size = [], 0
                continue
            group.append(text)
            size += len(text)
            if size >= PIECE:
                normal += self._group(group)
                group, size = [], 0
        return normal + self._group(group)

    def _group(self, texts: list[str]) -> list[str]:
        """Every one of a few short texts in normal form."""
        if len(texts) < 2:
            return [self(text) for text in texts]
        whole = self._settled(f"\n\n{_BETWEEN}\n\n".join(texts))
        parts = [part.strip("\n") for part in whole.split(_BETWEEN)]
        return [self._after(part) for part in parts] if self._after else parts

    # ------------------------------------------------------------ plain order, for counting, explaining and testing

    def _plain(self, text: str, seen: Callable[[str, int, str, str], None]) -> str:
        """Every operation in order, without triggers; `seen(name, hits, before, after)` for each that acted, which in
        a later pass is only what changed the text."""
        changed_only = {step.name for step in self._steps if step.watched} | {"protect", "restore"}

        def again(name: str, hits: int, before: str, after: str) -> None:
            if name not in changed_only:
                seen(name, hits, before, after)

        for number in range(self._passes):
            before, text = text, self._plain_pass(text, again if number else seen)
            if text == before:
                break
        return self._after._plain(text, seen) if self._after else text

    def _plain_pass(self, text: str, seen: Callable[[str, int, str, str], None]) -> str:
        spans: list[str] = []
        for step in self._steps[: self._cut]:
            before = text
            if step.name == "protect":
                text = take_out(text, self._kinds, spans)
                hits = len(spans)
            elif step.name == "restore":
                text, hits = put_back(text, spans), len(spans)
                spans.clear()
            else:
                text, hits = step.apply(text)
            if text != before or (step.watched and hits):
                # with the spans in their places, which a reader knows; `protect` itself shows what it does
                held = spans and step.name != "protect"
                shown = (put_back(before, spans), put_back(text, spans)) if held else (before, text)
                seen(step.name, hits, *shown)
        return put_back(text, spans)

    def reference(self, text: str) -> str:
        """What `normalizer(text)` must be: every operation in order, without any test whether it is needed."""
        return self._plain(text, lambda *_: None)

    def count(self, text: str) -> dict[str, int]:
        """How often each operation acted on `text`; `protect` counts the spans. All names, in order."""
        counts = dict.fromkeys(self.operations, 0)

        def seen(name: str, hits: int, before: str, after: str) -> None:
            counts[name] += hits

        self._plain(text, seen)
        return counts

    def trace(self, text: str) -> list[TraceStep]:
        """What each operation did to `text`, whole, in order; operations that did nothing are left out."""
        steps: list[TraceStep] = []
        self._plain(text, lambda *step: steps.append(TraceStep(*step)))
        return steps

    def explain(self, text: str) -> list[Change]:
        """What each operation did to `text`, in order; operations that did nothing are left out."""
        changes: list[Change] = []

        watched = {step.name: step.watched for step in self._steps if step.watched}

        def seen(name: str, hits: int, before: str, after: str) -> None:
            if name in watched:
                match = watched[name].search(before)
                place = _around(before, match.start() if match else 0)
                changes.append(Change(name, hits, place, place))
            elif name not in ("protect", "restore"):
                changes.append(Change(name, hits, *_excerpts(before, after)))

        self._plain(text, seen)
        return changes


def _around(text: str, place: int, around: int = 20) -> str:
    return text[max(0, place - around) : place + around]


def _excerpts(before: str, after: str) -> tuple[str, str]:
    """The first place where two texts differ, with a little of what stands around it."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    return _around(before, start), _around(after, start)
