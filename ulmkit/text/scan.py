"""One look at every pair of neighbouring characters: which rules can act on a text at all.

A normalizer's operations are grouped in stages: character tables that follow one another, which are one lookup, and
the rules up to the next table. The rules' triggers are bits of one number, and a stage's `Scan` finds them all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ulmkit.errors import LanguageError
from ulmkit.text.characters import CharacterTable, Lookup, unit_mask
from ulmkit.text.operations import NO_TRIGGER, RUNS, Rule, Triggers
from ulmkit.text.protect import SPAN_KINDS

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 1 << 15  # code units looked at together: the working set stays in the cache
MOST_TRIGGERS = 63  # of a scan: they are the bits of a number, and one is its own
LOOK_AGAIN = -1  # in place of the bits that a step may set: scan the changed text


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
                membership.append(unit_mask(body) if image is None else unit_mask(body).take(image))
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
                    mask, seen = unit_mask(right), column(right, image)
                    self.runs.append((bit, RUNS[left], mask))
                    wanted.append((self.perhaps_runs, seen, seen))
                    if mask[0x0A]:
                        at_edges.append((bit, seen))
                elif (left, right) not in NO_TRIGGER:
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
class PlacedRule:
    """One rule of a stage with its bits; `rule` is None where spans are taken out (`protect`) and put back."""

    name: str
    rule: Rule | None
    bits: int
    later: int  # bits to set when it changed the text, or LOOK_AGAIN


class RuleStage:
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
        bits_by: dict[tuple[str, int], int] = {}
        bits_of = []
        for name, number, rule in rules:
            if name == "protect":
                bits = 0
                for kind in kinds:
                    self.kinds.append((1 << len(triggers), kind))
                    bits |= 1 << len(triggers)
                    triggers.append(SPAN_KINDS[kind][1])
            elif rule is not None and rule.triggers:
                # the same operation a second time shares its bit, which is cleared when it has run
                bits = bits_by.get((name, number), 1 << len(triggers))
                if (name, number) not in bits_by:
                    triggers.append(rule.triggers)
                bits_by[name, number] = bits
            else:
                bits = 0
            bits_of.append(bits)
        self.rules: list[PlacedRule] = []
        for index, (name, _, rule) in enumerate(rules):
            enables = () if rule is None else rule.enables
            later = 0
            if enables is None:
                later = LOOK_AGAIN
            else:
                for (other, _, _), bits in zip(rules[index + 1 :], bits_of[index + 1 :], strict=True):
                    later |= bits if other in enables else 0
            self.rules.append(PlacedRule(name, rule, bits_of[index], later))
        self.always = any(not placed.bits for placed in self.rules)  # a rule without triggers runs on every text
        self.triggers = triggers

    @cached_property
    def scan(self) -> Scan:
        return Scan(self.triggers)

    @property
    def asks_for_nothing(self) -> bool:
        """Whether no pair of characters calls for one of the rules."""
        return all(pair in NO_TRIGGER for pairs in self.triggers for pair in pairs)


def fuse(stages: Sequence[RuleStage]) -> tuple[Lookup, Scan] | None:
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
