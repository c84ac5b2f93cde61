"""What each operation of a normalizer did to a body of text, and what changes without it: an account, entry by entry.

Counting needs only the language. What happens where one operation alone is switched off, a small tokenizer and an
n-gram model say (`ablation.SmallModel`).

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
from typing import TYPE_CHECKING, Any

import numpy as np

from ulmkit.authoring.measure import read_documents, unheard
from ulmkit.errors import UsageError
from ulmkit.formats.inputs import Input
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import REQUIRED
from ulmkit.text.script import shows
from ulmkit.tokenizer.train import balanced_shares

if TYPE_CHECKING:
    from ulmkit.authoring.ablation import SmallModel  # which loads torch

EXAMPLES = 3
LEDGER_COLUMNS = ("operation", "hits", "documents", "bytes", "words", "tokens/word", "bits/byte", "±", "verdict")
AROUND = 24  # characters on either side of the first that differs
HELD_OUT_ONE_IN = 5  # one document in five


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
class LedgerEntry:
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
    entries: tuple[LedgerEntry, ...]
    whole: Figures | None

    def change(self, entry: LedgerEntry) -> tuple[float, float, float, float] | None:
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

    def verdict(self, entry: LedgerEntry) -> str:
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

    def rows(self) -> list[tuple[str, ...]]:
        """A row an operation, under `LEDGER_COLUMNS`: what it did, and what changes where it alone is switched off."""
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: LedgerEntry) -> tuple[str, ...]:
        did = (entry.operation, f"{entry.hits:,}", f"{entry.documents:,}", f"{entry.bytes:,}")
        change = self.change(entry)
        without = ("", "", "", "") if change is None else (*(f"{part:+.3%}" for part in change[:3]), f"{change[3]:.3%}")
        return (*did, *without, self.verdict(entry))

    def summary(self) -> str:
        """What the rows are of, in a line or two."""
        line = f"{self.documents:,} different documents, {self.bytes / 1e6:,.1f} MB"
        if self.whole is None:
            return f"{line}."
        whole = self.whole
        return (
            f"{line}; {self.held_out:,} held out. With every operation: {whole.words:,} different words, "
            f"{whole.tokens_per_word:.3f} tokens a word, {whole.bits_per_byte:.4f} bits a byte.\n"
            "words, tokens/word, bits/byte: the change where the operation alone is switched off; ± its standard error."
        )

    def to_markdown(self, title: str) -> str:
        """The ledger as a page, with the examples."""
        lines = [f"# {title}", "", self.summary().replace("\n", "  \n"), ""]
        lines += [
            "| " + " | ".join(line) + " |" for line in (LEDGER_COLUMNS, ("---",) * len(LEDGER_COLUMNS), *self.rows())
        ]
        for entry in self.entries:
            if entry.examples:
                lines += ["", f"## {entry.operation}", ""]
                lines += [f"- {_code(before)} → {_code(after)}" for before, after in entry.examples]
        return "\n".join(lines) + "\n"

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


def _code(text: str) -> str:
    """`text` as a span of code that backticks in it do not end."""
    fence = "`" * (1 + max((len(run) for run in text.split() if "`" in run), default=0))
    return f"{fence} {text} {fence}"


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


def account(normalizer: Normalizer, texts: Sequence[str], *, report: Report = silent) -> dict[str, LedgerEntry]:
    """Every operation's entry over `texts`, in order, with examples from different documents of different changes."""
    entries = {name: LedgerEntry(name) for name in normalizer.operations}
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
    """One text in `HELD_OUT_ONE_IN`, by a hash of it: the same whatever stands beside it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()[0] % HELD_OUT_ONE_IN == 0


def keep_ledger(
    normalizer: Normalizer, texts: Sequence[str], *, model: "SmallModel | None" = None, report: Report = silent
) -> Ledger:
    """The ledger of `normalizer` over `texts`; with `model`, each operation that may be missed and acted is ablated.

    Raises `UsageError` where there are too few texts to hold some out.
    """
    texts = list(dict.fromkeys(texts))  # a text that came twice would be learned and then spelled
    entries = account(normalizer, texts, report=report)
    held_out = [is_held_out(text) for text in texts]
    whole = None
    if model is not None:
        if len(set(held_out)) < 2:
            raise UsageError(f"{len(texts)} different documents are too few to hold some out. Give more input.")
        trial = _Trial(normalizer, texts, held_out, model)
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

    def __init__(
        self, normalizer: Normalizer, texts: Sequence[str], held_out: Sequence[bool], model: "SmallModel"
    ) -> None:
        self.normalizer, self.texts, self.held_out, self.model = normalizer, texts, held_out, model
        spelled = [text for text, out in zip(normalizer.batch(texts), held_out, strict=True) if out]
        self.bytes = sum(len(text.encode()) for text in spelled)
        self.words = sum(len(text.split()) for text in spelled)

    def __call__(self, without: tuple[str, ...]) -> tuple[Figures, np.ndarray]:
        operations = [name for name in self.normalizer.operations if name not in without]
        texts = Normalizer(operations, self.normalizer.settings).batch(self.texts)
        split: tuple[list[str], list[str]] = ([], [])
        for text, out in zip(texts, self.held_out, strict=True):
            split[out].append(text)
        fitted = self.model.fit(*split)
        different = len({word for text in texts for word in text.split()})
        return Figures(different, fitted.tokens / self.words, float(fitted.bits.sum()) / self.bytes), fitted.bits


def sample_texts(
    language: Language,
    inputs: Sequence[Input],
    count: int,
    *,
    remark: Callable[[str], None] = unheard,
    report: Report = silent,
) -> dict[str, list[str]]:
    """Source → raw texts: about `count` in all, as many from each source where it has them, by the hash of the text."""
    found: dict[str, dict[bytes, str]] = {}
    for number, doc in enumerate(read_documents(language, inputs, remark), 1):
        digest = hashlib.blake2b(doc.text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        found.setdefault(doc.source, {})[digest] = doc.text
        report(Progress("read", number, None, "documents", doc.id))
    shares = balanced_shares({source: len(texts) for source, texts in found.items()}, count)
    return {
        source: [texts[key] for key in sorted(texts)][: round(shares[source] * len(texts))]
        for source, texts in sorted(found.items())
    }
