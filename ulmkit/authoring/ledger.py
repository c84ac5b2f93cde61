"""What each operation of a normalizer did to a body of text, and what it is worth: an account, entry by entry.

Counting needs only the language. What happens where one operation alone is switched off needs a tokenizer and a
language model; who has them hands in `fit`.

The figures of two variants are comparable because they divide by the same numbers: bits by the bytes, and tokens by
the words, of the held-out documents in their full normal form. A variant's model has to spell the documents as that
variant writes them, so what an operation left behind is paid for in bits, and a text that merely got longer or shorter
gains nothing by it. An operation lowers the bits for either of two reasons: it takes away noise, or it takes away what
somebody meant. The ledger cannot tell them apart; the examples can. Differences come with their standard error over
the held-out documents, paired: what lies within two of them is nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ulmkit.errors import UsageError
from ulmkit.progress import Progress, Report, silent
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import REQUIRED
from ulmkit.text.script import shows

EXAMPLES = 3
AROUND = 24  # characters on either side of the first that differs
HELD_OUT = 5  # one document in five


@dataclass(frozen=True)
class Fit:
    """What a model made of the held-out documents: `tokens` in all, and `bits` by document, shape (documents,)."""

    tokens: int
    bits: np.ndarray


Fitter = Callable[[Sequence[str], Sequence[str]], Fit]  # (to learn from, to spell), in a variant's form


@dataclass(frozen=True)
class Figures:
    """One variant: different words in all documents, tokens per word and bits per byte of the held-out ones."""

    words: int
    tokens_per_word: float
    bits_per_byte: float


@dataclass(frozen=True)
class Ablation:
    """A normalizer without one operation. `error` is that of its bits per byte less those of the whole one."""

    figures: Figures
    error: float


@dataclass
class Entry:
    """One operation, however often it stands in the list: how often it acted, where, on how much; and `without` it.

    `bytes` are those of the characters that went and of those that came.
    """

    operation: str
    hits: int = 0
    documents: int = 0
    bytes: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    without: Ablation | None = None

    @property
    def required(self) -> bool:
        return self.operation in REQUIRED


@dataclass(frozen=True)
class Ledger:
    """The account of `documents` texts of `bytes` bytes; `whole` are the figures with every operation in place."""

    documents: int
    held_out: int
    bytes: int
    entries: tuple[Entry, ...]
    whole: Figures | None

    def change(self, entry: Entry) -> tuple[float, float, float, float] | None:
        """Words, tokens per word and bits per byte without the operation, as shares of those with it, less one; and
        the error of the last."""
        if self.whole is None or entry.without is None:
            return None
        figures, whole = entry.without.figures, self.whole
        return (
            figures.words / max(whole.words, 1) - 1,
            figures.tokens_per_word / whole.tokens_per_word - 1,
            figures.bits_per_byte / whole.bits_per_byte - 1,
            entry.without.error / whole.bits_per_byte,
        )

    def verdict(self, entry: Entry) -> str:
        """`pays` where the text costs more bits without it, `costs` where less, beyond two standard errors."""
        if entry.required:
            return "required"
        change = self.change(entry)
        if not entry.bytes:
            return "counts" if entry.hits else "idle"
        if change is None:
            return ""
        _, _, bits, error = change
        return "even" if abs(bits) <= 2 * error else "pays" if bits > 0 else "costs"

    def to_json(self) -> dict[str, Any]:
        entries = [
            asdict(entry) | {"verdict": self.verdict(entry), "change": self.change(entry)} for entry in self.entries
        ]
        return {
            "documents": self.documents,
            "held_out": self.held_out,
            "bytes": self.bytes,
            "whole": asdict(self.whole) if self.whole else None,
            "operations": entries,
        }


def visible(text: str) -> str:
    r"""`text` with whatever shows nothing, or only on something else, as an escape.

    >>> visible("a\u200cb\n")
    'a\\u200cb\\n'
    """
    return "".join(c if shows(c) else c.encode("unicode_escape").decode() for c in text)


def changed_bytes(before: str, after: str) -> int:
    """UTF-8 bytes of the characters that went and of those that came.

    >>> changed_bytes("5 km", "5\u00a0km")
    3
    """
    was, now = Counter(before), Counter(after)
    return sum(n * len(c.encode("utf-8", "surrogatepass")) for c, n in ((was - now) + (now - was)).items())


def account(normalizer: Normalizer, texts: Sequence[str], *, report: Report = silent) -> dict[str, Entry]:
    """Every operation's entry over `texts`, in order, with examples from different documents of different changes."""
    entries = {name: Entry(name) for name in normalizer.operations}
    kinds: dict[str, set[tuple[str, str]]] = {name: set() for name in entries}
    for number, text in enumerate(texts, 1):
        touched = set()
        for step in normalizer.trace(text):
            entry = entries[step.operation]
            entry.hits += step.count
            touched.add(step.operation)
            if step.operation in ("protect", "restore") or step.before == step.after:
                continue
            entry.bytes += changed_bytes(step.before, step.after)
            if len(entry.examples) < EXAMPLES:
                place = _first_difference(step.before, step.after)
                kind = (step.before[place : place + 1], step.after[place : place + 1])
                if kind not in kinds[step.operation]:
                    kinds[step.operation].add(kind)
                    around = slice(max(0, place - AROUND), place + AROUND)
                    entry.examples.append((visible(step.before[around]), visible(step.after[around])))
        for name in touched:
            entries[name].documents += 1
        report(Progress("count", number, len(texts), "documents"))
    return entries


def _first_difference(before: str, after: str) -> int:
    """The length of what the two begin with: by halving, as comparing slices is faster than comparing characters."""
    same, most = 0, min(len(before), len(after))
    while same < most:
        half = (same + most + 1) // 2
        if before[same:half] == after[same:half]:
            same = half
        else:
            most = half - 1
    return same


def is_held_out(text: str) -> bool:
    """One text in `HELD_OUT`, by a hash of it: the same whatever stands beside it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()[0] % HELD_OUT == 0


def keep_ledger(
    normalizer: Normalizer, texts: Sequence[str], *, fit: Fitter | None = None, report: Report = silent
) -> Ledger:
    """The ledger of `normalizer` over `texts`; with `fit`, each operation that may be missed and acted is ablated.

    Raises `UsageError` where there are too few texts to hold some out.
    """
    texts = list(dict.fromkeys(texts))  # a text that came twice would be learned and then spelled
    entries = account(normalizer, texts, report=report)
    held_out = [is_held_out(text) for text in texts]
    whole = None
    if fit is not None:
        if len(set(held_out)) < 2:
            raise UsageError(f"{len(texts)} different documents are too few to hold some out. Give more input.")
        trial = _Trial(normalizer, texts, held_out, fit)
        whole, bits = trial(())
        acted = [entry for entry in entries.values() if entry.bytes and not entry.required]
        for number, entry in enumerate(acted, 1):
            report(Progress("ablate", number, len(acted), "operations", entry.operation))
            figures, others = trial((entry.operation,))
            difference = others - bits
            # of a sum over documents that were drawn; the bytes are given
            error = float(np.sqrt(len(bits)) * difference.std(ddof=1) / trial.bytes) if len(bits) > 1 else 0.0
            entry.without = Ablation(figures, error)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return Ledger(len(texts), sum(held_out), size, tuple(entries.values()), whole)


class _Trial:
    """The same documents, normalized without some operations, learned and spelled."""

    def __init__(self, normalizer: Normalizer, texts: Sequence[str], held_out: Sequence[bool], fit: Fitter) -> None:
        self.normalizer, self.texts, self.held_out, self.fit = normalizer, texts, held_out, fit
        spelled = [text for text, out in zip(normalizer.batch(texts), held_out, strict=True) if out]
        self.bytes = sum(len(text.encode()) for text in spelled)
        self.words = sum(len(text.split()) for text in spelled)

    def __call__(self, without: tuple[str, ...]) -> tuple[Figures, np.ndarray]:
        operations = [name for name in self.normalizer.operations if name not in without]
        texts = Normalizer(operations, self.normalizer.settings).batch(self.texts)
        split: tuple[list[str], list[str]] = ([], [])
        for text, out in zip(texts, self.held_out, strict=True):
            split[out].append(text)
        fitted = self.fit(*split)
        different = len({word for text in texts for word in text.split()})
        return Figures(different, fitted.tokens / self.words, float(fitted.bits.sum()) / self.bytes), fitted.bits
