"""What a build counts, and what it keeps for reading of all that went."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ulmkit.document import Document, RawDocument, count_joiners

SAMPLES = 20  # kept for reading, for each source and reason
SAMPLE_CHARACTERS = 600

Sample = dict[str, str]  # id, source, reason, detail, url, text


@dataclass
class Tally:
    """Counts of a unit or of a whole build; JSON in and out."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    characters_read: int = 0
    bytes_read: int = 0
    characters_kept: int = 0
    boilerplate_lines: int = 0
    joiners: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        for name in ("read", "kept", "characters_read", "bytes_read", "characters_kept", "boilerplate_lines"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.dropped.update(other.dropped)
        self.unreadable.update(other.unreadable)
        for mine, theirs in ((self.joiners, other.joiners), (self.sources, other.sources)):
            for key, counts in theirs.items():
                mine.setdefault(key, Counter()).update(counts)

    def count_joiners(self, stage: str, texts: Iterable[str]) -> None:
        self.joiners.setdefault(stage, Counter()).update(count_joiners(texts))

    def source(self, name: str) -> Counter[str]:
        return self.sources.setdefault(name, Counter())

    def to_json(self) -> dict[str, Any]:
        """Counters as plain objects, the commonest first where a person reads them."""
        return vars(self) | {
            "dropped": dict(self.dropped.most_common()),
            "unreadable": dict(self.unreadable.most_common()),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Tally":
        counters = {name: Counter(value[name]) for name in ("dropped", "unreadable")}
        nested = {name: {key: Counter(c) for key, c in value[name].items()} for name in ("joiners", "sources")}
        return cls(**(value | counters | nested))


def document_sample(doc: RawDocument | Document, reason: str, detail: str, text: str) -> Sample:
    """A document that was dropped, with the head of its text in the form in which it was judged."""
    return {
        "id": doc.id,
        "source": doc.source,
        "reason": reason,
        "detail": detail,
        "url": doc.url,
        "text": text[:SAMPLE_CHARACTERS],
    }


def duplicate_sample(row: dict[str, Any], kept: str) -> Sample:
    """A row that was dropped for the document with the id `kept`."""
    return {
        "id": row["id"],
        "source": row["source"],
        "reason": "duplicate",
        "detail": f"of {kept}",
        "url": row["url"],
        "text": row["text"][:SAMPLE_CHARACTERS],
    }


class Samples:
    """The first few of what went, for each source and reason."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[Sample]] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            kept = self.kept.setdefault((sample["source"], sample["reason"]), [])
            if len(kept) < SAMPLES:
                kept.append(sample)

    def all(self) -> list[Sample]:
        """Everything kept, in the order of reason, source and id."""
        everything = [sample for kept in self.kept.values() for sample in kept]
        return sorted(everything, key=lambda s: (s["reason"], s["source"], s["id"]))
