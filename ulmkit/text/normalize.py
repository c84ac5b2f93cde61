"""Text to text: named operations in order, compiled once.

Most of a text needs little: so the character tables that follow one another are one lookup, and one look at every pair
of neighbouring characters says which rules can act at all. A rule that cannot is not run. `reference` runs everything
in plain order; the tests hold the two equal.

What a pass deletes can bring together what the next one would change (a mark inside a number, a control character
inside a URL), so a text is passed until a pass leaves it as it is. That is what makes twice the same as once.
"""

import hashlib
import importlib.util
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from ulmkit.errors import LanguageError, shown
from ulmkit.text.characters import UNTOUCHED, CharacterTable, Lookup, decode, encode, units
from ulmkit.text.operations import NEVER, OPERATIONS, RUNS, Operation, Rule, Settings, Triggers
from ulmkit.text.protect import KINDS, protect, restore
from ulmkit.text.watch import load_rules, watched

if TYPE_CHECKING:
    import numpy as np

# the most a text gets, so that time stays linear; plain text needs two, of which the second finds little. A prime: two
# operations that undo each other in turns are not hidden by a number of passes that brings a text back
PASSES = 5
_CHUNK = 1 << 15  # code units looked at together: the working set stays in the cache
MOST_TRIGGERS = 63  # of a scan: they are the bits of a number, and one is its own
LOOK_AGAIN = -1  # in place of the bits that a step may set: scan the changed text


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
class Step:
    """One operation at work: how often it acted, and the whole text before and after."""

    operation: str
    count: int
    before: str
    after: str


class Scan:
    """One look at every pair of neighbouring code units: which of up to 63 triggers are met.

    `images[k]` is what the k-th trigger sees in the place of each code unit (a lookup that is not applied yet), or
    None where it sees the text as it is.
    """

    def __init__(self, triggers: Sequence[Triggers], images: "Sequence[np.ndarray | None] | None" = None) -> None:
        import numpy as np

        if len(triggers) > MOST_TRIGGERS:
            raise LanguageError(f"{len(triggers)} rules between two tables, at most {MOST_TRIGGERS} can be told apart.")
        images = images or [None] * len(triggers)
        columns: dict[tuple[str, int], int] = {}  # (class, image) -> column
        membership: list[np.ndarray] = []

        def column(body: str, image: "np.ndarray | None") -> int:
            key = (body, id(image))
            if key not in columns:
                columns[key] = len(membership)
                membership.append(units(body) if image is None else units(body)[image])
            return columns[key]

        # a bit of its own says that two characters of a run's class stand side by side: only then runs are looked for
        kind: type[np.unsignedinteger] = np.uint32 if len(triggers) < 32 else np.uint64
        self.perhaps_runs = 1 << (8 * np.dtype(kind).itemsize - 1)
        self.runs: list[tuple[int, int, np.ndarray]] = []  # bit, length, characters
        wanted: list[tuple[int, int | None, int | None]] = []
        at_edges: list[tuple[int, int]] = []  # a run's bit, and the column of its class
        for place, (pairs, image) in enumerate(zip(triggers, images, strict=True)):
            bit = 1 << place
            for left, right in pairs:
                if left in RUNS:
                    mask, seen = units(right), column(right, image)
                    self.runs.append((bit, RUNS[left], mask))
                    wanted.append((self.perhaps_runs, seen, seen))
                    if mask[0x0A]:
                        at_edges.append((bit, seen))
                elif (left, right) not in NEVER:
                    wanted.append((bit, column(left, image) if left else None, column(right, image) if right else None))
        classes, members = _partition(membership)
        count = len(members)
        every = np.ones(count, bool)
        pairs_of = np.zeros((count, count), kind)
        for bit, first, second in wanted:
            a = every if first is None else members[:, first]
            b = every if second is None else members[:, second]
            pairs_of[np.ix_(a, b)] |= kind(bit)
        self.count = np.uint16(count)
        self.classes = classes
        self.pairs = pairs_of.reshape(-1)
        # what a text's first and last character meet beside the newlines that are thought to border it
        newline = int(classes[0x0A])
        self.first: list[int] = pairs_of[newline].tolist()
        self.last: list[int] = pairs_of[:, newline].tolist()
        for bit, seen in at_edges:  # a border is two newlines: a third one is a run
            self.first[newline] |= bit if members[newline, seen] else 0
            self.last[newline] |= bit if members[newline, seen] else 0
        self.nothing = not wanted

    def __call__(self, codes: "np.ndarray", final: "np.ndarray | None" = None) -> int:
        """The bits of all triggers that `codes` meets; its borders count as newlines.

        Runs of equal characters are looked for in `final`, the text after the tables, where that is another.
        """
        import numpy as np

        if self.nothing or not len(codes):
            return 0
        met: int = self.first[self.classes.item(codes.item(0))] | self.last[self.classes.item(codes.item(-1))]
        for start in range(0, len(codes), _CHUNK):
            classes = self.classes.take(codes[start : start + _CHUNK + 1])
            index = classes[:-1] * self.count
            index += classes[1:]
            met |= int(np.bitwise_or.reduce(self.pairs.take(index), initial=0))
        if met & self.perhaps_runs:
            met |= self._runs(codes if final is None else final)
        return met & ~self.perhaps_runs

    def _runs(self, codes: "np.ndarray") -> int:
        """The bits of the runs of equal characters in `codes`."""
        met = 0
        run = codes[1:] == codes[:-1]
        run = run[1:] & run[:-1]  # three equal ones
        if run.any():
            three, four = codes[:-2][run], codes[:-3][run[1:] & run[:-1]]
            for bit, length, mask in self.runs:
                if mask[three if length == 3 else four].any():
                    met |= bit
        return met


def _partition(membership: "list[np.ndarray]") -> "tuple[np.ndarray, np.ndarray]":
    """Code units that are in the same sets are one class: (class of each unit (65536,), members (classes, sets))."""
    import numpy as np

    if not membership:
        return np.zeros(0x10000, np.uint16), np.zeros((1, 0), bool)
    classes = np.zeros(0x10000, np.int64)
    for start in range(0, len(membership), 32):  # refine by 32 sets at a time
        key = classes << 32
        for bit, mask in enumerate(membership[start : start + 32]):
            key |= mask.astype(np.int64) << bit
        _, classes = np.unique(key, return_inverse=True)
    classes = classes.reshape(-1)
    _, first = np.unique(classes, return_index=True)
    return classes.astype(np.uint16), np.stack([mask[first] for mask in membership], axis=1)


@dataclass(frozen=True)
class _Step:
    """One rule of a stage with its bits; `rule` is None where spans are taken out (`protect`) and put back."""

    name: str
    rule: Rule | None
    bits: int
    later: int  # bits to set when it changed the text, or LOOK_AGAIN


class _Stage:
    """Tables that follow one another, then the rules up to the next table.

    `rules` are (operation, number of the rule in it, rule); the rule is None for `protect` and `restore`.
    """

    def __init__(
        self,
        tables: Sequence[CharacterTable],
        rules: Sequence[tuple[str, int, Rule | None]],
        kinds: Sequence[str],
    ) -> None:
        self.lookup = Lookup(tables)
        triggers: list[Triggers] = []
        self.kinds: list[tuple[int, str]] = []
        placed: dict[tuple[str, int], int] = {}
        bits_of = []
        for name, number, rule in rules:
            if name == "protect":
                bits = 0
                for kind in kinds:
                    self.kinds.append((1 << len(triggers), kind))
                    bits |= 1 << len(triggers)
                    triggers.append(KINDS[kind][1])
            elif rule is not None and rule.triggers:
                # the same operation a second time shares its bit, which is cleared when it has run
                bits = placed.get((name, number), 1 << len(triggers))
                if (name, number) not in placed:
                    triggers.append(rule.triggers)
                placed[name, number] = bits
            else:
                bits = 0
            bits_of.append(bits)
        self.steps = []
        for index, (name, _, rule) in enumerate(rules):
            enables = () if rule is None else rule.enables
            later = 0
            if enables is None:
                later = LOOK_AGAIN
            else:
                for (other, _, _), bits in zip(rules[index + 1 :], bits_of[index + 1 :], strict=True):
                    later |= bits if other in enables else 0
            self.steps.append(_Step(name, rule, bits_of[index], later))
        self.always = any(not step.bits for step in self.steps)  # a rule without triggers runs on every text
        self.triggers = triggers
        self.scan = Scan(triggers)


def _fuse(stages: Sequence[_Stage]) -> tuple[Lookup, Scan] | None:
    """The first two stages as one lookup and one scan, for texts in which the first one's rules have nothing to do.

    Bit 0 says that they have; the others are the second stage's, shifted by one. Holds only where no character is
    deleted or expanded, because the second stage's pairs are looked for before the first one's table is applied.
    """
    if len(stages) < 2 or len(stages[1].triggers) >= MOST_TRIGGERS or stages[0].always:
        return None
    first, second = stages[0], stages[1]
    both = Lookup([*first.lookup.tables, *second.lookup.tables])
    triggers = [tuple(pair for pairs in first.triggers for pair in pairs), *second.triggers]
    return both, Scan(triggers, [first.lookup.lookup] + [both.lookup] * len(second.triggers))


class _FromSource(SourceFileLoader):
    """Runs the file that can be read, never a .pyc beside it that only claims to be it."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@cache
def _rules_module(path: str) -> ModuleType:
    """The rules.py of a language folder, loaded by its path under a private name."""
    name = f"_ulmkit_rules_{hashlib.blake2b(path.encode(), digest_size=6).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, path))
    if spec is None or spec.loader is None:
        raise LanguageError(f"{path}: cannot be loaded as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    load_rules(module, spec.loader.exec_module, path)
    return module


def own_function(name: str, rules: str, what: str) -> Callable[..., Any]:
    """`rules.<function>` in the file `rules`; a `LanguageError` that begins with `what` asked for it."""
    if not rules:
        raise LanguageError(f"{what} '{name}': the folder has no rules.py. Write one, or remove the {what}.")
    function = getattr(_rules_module(rules), name.removeprefix("rules."), None)
    if not callable(function):
        raise LanguageError(f"{what} '{name}': {shown(Path(rules))} has no function '{name.removeprefix('rules.')}'.")
    return typing.cast(Callable[..., Any], function)


def _own_rule(name: str, settings: Settings) -> Operation:
    """`rules.<function>` of the language's rules.py; its attributes `triggers`, `literals`, `enables` are those of
    a `Rule`. A function without triggers is run on every text."""
    function = own_function(name, settings.rules, "operation")
    run = watched(function, settings.rules, limited=settings.limited)

    def apply(text: str) -> tuple[str, int]:
        changed = run(text)
        return changed, _differences(text, changed)

    enables = getattr(function, "enables", None)
    return Operation(
        name,
        rules=(
            Rule(
                apply,
                tuple(map(tuple, getattr(function, "triggers", ()))),
                getattr(function, "literals", ""),
                None if enables is None else tuple(enables),
            ),
        ),
    )


def _differences(before: str, after: str) -> int:
    """How often a function from text to text acted: the places that differ where both have one length, else by how
    many characters it is longer or shorter."""
    if before == after:
        return 0
    if len(before) != len(after):
        return abs(len(before) - len(after))
    return sum(a != b for a, b in zip(before, after, strict=True))


def make_operation(name: str, settings: Settings) -> Operation:
    """The operation called `name`, set up for a language; a `LanguageError` names the nearest known one."""
    if name.startswith("rules."):
        return _own_rule(name, settings)
    factory = OPERATIONS.get(name)
    if factory is None:
        near = get_close_matches(name, OPERATIONS, 1)
        hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(OPERATIONS))}."
        raise LanguageError(f"no operation '{name}'.{hint}")
    return factory(settings)


def about_operation(name: str, settings: Settings) -> str:
    """What the operation called `name` does: the first paragraph of its docstring, on one line."""
    if name.startswith("rules."):
        made: Any = getattr(_rules_module(settings.rules), name.removeprefix("rules."), None)
    else:
        made = OPERATIONS.get(name)
    return " ".join((getattr(made, "__doc__", "") or "").split("\n\n")[0].split())


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
        lead = next((i for i, stage in enumerate(stages) if stage.lookup or not stage.scan.nothing), len(stages))
        self._before, self._stages = stages[:lead], stages[lead:]
        self._fused = _fuse(self._stages)

    def _compile(self) -> list[_Stage]:
        stages: list[_Stage] = []
        tables: list[CharacterTable] = []
        rules: list[tuple[str, int, Rule | None]] = []
        for place, step in enumerate(self._steps[: self._cut]):
            if step.table is not None and step.table.singles:
                if rules:
                    stages.append(_Stage(tables, rules, sorted(self._kinds)))
                    tables, rules = [], []
                tables.append(step.table)
            rules += [(step.name, number, rule) for number, rule in enumerate(step.rules)]
            if step.name == "protect" or (step.name == "restore" and place < self._cut - 1):
                rules.append((step.name, 0, None))  # a pass ends with the last `restore` anyway
        stages.append(_Stage(tables, rules, sorted(self._kinds)))
        return stages

    def __reduce__(self) -> tuple[Any, ...]:
        return Normalizer, (self.operations, self.settings)

    def __repr__(self) -> str:
        return f"Normalizer({', '.join(self.operations)})"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of a hash of all that shapes the output."""
        digest = hashlib.blake2b(digest_size=6)
        digest.update(repr((self.operations, astuple(self.settings)[:-2])).encode("utf-8", "surrogatepass"))
        if self.settings.rules:
            digest.update(Path(self.settings.rules).read_bytes())
        return digest.hexdigest()

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
            for step in stage.steps:
                if step.rule and any(literal in text for literal in step.rule.literals):
                    text = step.rule.apply(decode(encode(text)))[0]  # without lone surrogates
        codes = encode(text)
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
        return restore(decode(codes), spans)

    def _stage(self, stage: _Stage, codes: "np.ndarray", met: int | None, spans: list[str]) -> "np.ndarray":
        """`codes` after the stage; `met` are its triggers where they are known (then its tables were applied)."""
        if met is None:
            if stage.lookup:
                codes = stage.lookup.apply(codes)
            met = stage.scan(codes)
        if not met and not stage.always:
            return codes
        text = decode(codes)
        changed_any = False
        for step in stage.steps:
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
                changed = restore(text, spans)
                spans.clear()
            else:
                changed = protect(text, frozenset(kind for bit, kind in stage.kinds if ran & bit), spans)
            if changed is not text and changed != text:
                text, changed_any = changed, True
                if step.later:
                    met = stage.scan(encode(text)) if step.later == LOOK_AGAIN else met | step.later
        return encode(text) if changed_any else codes

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
                text = protect(text, self._kinds, spans)
                hits = len(spans)
            elif step.name == "restore":
                text, hits = restore(text, spans), len(spans)
                spans.clear()
            else:
                text, hits = step.apply(text)
            if text != before or (step.watched and hits):
                # with the spans in their places, which a reader knows; `protect` itself shows what it does
                held = spans and step.name != "protect"
                shown = (restore(before, spans), restore(text, spans)) if held else (before, text)
                seen(step.name, hits, *shown)
        return restore(text, spans)

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

    def trace(self, text: str) -> list[Step]:
        """What each operation did to `text`, whole, in order; operations that did nothing are left out."""
        steps: list[Step] = []
        self._plain(text, lambda *step: steps.append(Step(*step)))
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
