"""What a build counts, and what it keeps for reading of all that went."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.shards import DocumentRow
from ulmkit.document import JOINERS, Document, RawDocument, Unreadable, count_joiners, hidden_in_words
from ulmkit.errors import ArtifactError, system_error
from ulmkit.files import open_regular

NESTED = ("joiners", "sources", "unread", "consent", "dropped_of", "hidden", "written")
SAMPLE_CHARACTERS = 600
SUPERSEDED = "superseded"  # of several captures of a page the newest stays
GONE = "gone from the web"

# what went: source and reason, and beside them id, detail, url and text of a document that was dropped, or file,
# place, detail and excerpt of a record that could not be read
LeftOut = dict[str, str]


SUMS = (
    "read", "kept", "characters_read", "bytes_read", "characters_kept", "boilerplate_lines", "sentences_with_holes",
    "copies_cut", "lists_cut",
)  # fmt: skip


@dataclass
class Tally:
    """Counts of a unit or of a whole build; JSON in and out."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    pii: Counter[str] = field(default_factory=Counter)  # finds of personal data, by kind
    characters_read: int = 0
    bytes_read: int = 0
    characters_kept: int = 0
    boilerplate_lines: int = 0
    sentences_with_holes: int = 0  # of wiki pages: left out, for a template showed words in them that are not known
    copies_cut: int = 0  # articles that hold a long passage twice, and were kept with it once
    lists_cut: int = 0  # articles without the lists of captions, names or results that they held
    joiners: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, Counter[str]] = field(default_factory=dict)
    unread: dict[str, Counter[str]] = field(default_factory=dict)  # `unreadable` by file: source and key
    consent: dict[str, Counter[str]] = field(default_factory=dict)  # of crawled pages, by source: verdict and ground
    dropped_of: dict[str, Counter[str]] = field(default_factory=dict)  # `dropped` by source
    # invisible characters between letters, by source: U+200F, and of these "U+200F lost", which no joiner was made of
    hidden: dict[str, Counter[str]] = field(default_factory=dict)
    # texts by source: "joined 72", whose lines were wrapped at 72 characters, "looks wrapped 60", "tokenized"
    written: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.dropped.update(other.dropped)
        self.unreadable.update(other.unreadable)
        self.pii.update(other.pii)
        for mine, theirs in zip(self.nested(), other.nested(), strict=True):
            for key, counts in theirs.items():
                mine.setdefault(key, Counter()).update(counts)

    def nested(self) -> tuple[dict[str, Counter[str]], ...]:
        return self.joiners, self.sources, self.unread, self.consent, self.dropped_of, self.hidden, self.written

    def count_joiners(self, stage: str, texts: Iterable[str]) -> None:
        self.joiners.setdefault(stage, Counter()).update(count_joiners(texts))

    def count_hidden(self, source: str, text: str, normalize: Callable[[str], str]) -> None:
        """Count the invisible characters between letters of a text as it was read, and those that `normalize` deletes
        without making a joiner of them."""
        made: dict[str, bool] = {}
        for match in hidden_in_words(text):
            beside = text[match.start() - 1 : match.end() + 1]
            if beside not in made:
                made[beside] = any(joiner in normalize(beside) for joiner in JOINERS.values())
            counts = self.hidden.setdefault(source, Counter())
            for character in match[0]:
                counts[name := f"U+{ord(character):04X}"] += 1
                counts[f"{name} lost"] += not made[beside]

    def source(self, name: str) -> Counter[str]:
        return self.sources.setdefault(name, Counter())

    def states(self, name: str) -> Counter[str]:
        """How a source's texts were written down: wrapped, or cut into tokens."""
        return self.written.setdefault(name, Counter())

    def consents(self, name: str) -> Counter[str]:
        """Verdicts of a source's pages, with their grounds."""
        return self.consent.setdefault(name, Counter())

    def drop(self, source: str, reason: str) -> None:
        """Count a document of a source that does not stay."""
        self.dropped[reason] += 1
        self.dropped_of.setdefault(source, Counter())[reason] += 1

    def duplicate(self, row: DocumentRow) -> None:
        """Count a document that was kept until another turned out to be the same."""
        self._drop_kept(row, "duplicate")
        self.source(row["source"]).update(duplicate=1)

    def replaced(self, row: DocumentRow, reason: str) -> None:
        """Count a document that was kept until a newer capture of its page turned up, or that the page is gone."""
        self._drop_kept(row, reason)
        self.source(row["source"]).update(dropped=1)

    def _drop_kept(self, row: DocumentRow, reason: str) -> None:
        self.kept -= 1
        self.characters_kept -= row["characters"]
        self.drop(row["source"], reason)
        self.source(row["source"]).update(kept=-1)
        self.joiners.setdefault("kept", Counter()).subtract(count_joiners([row["text"]]))

    def refuse(self, file: str, reason: str) -> None:
        self.unreadable[reason] += 1
        self.unread.setdefault(file, Counter())[reason] += 1

    def to_json(self) -> dict[str, Any]:
        """Counters as plain objects, the commonest first where a person reads them."""
        return vars(self) | {
            "dropped": dict(self.dropped.most_common()),
            "unreadable": dict(self.unreadable.most_common()),
            "pii": dict(self.pii.most_common()),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Tally":
        counters = {name: Counter(value[name]) for name in ("dropped", "unreadable", "pii")}
        nested = {name: {key: Counter(c) for key, c in value[name].items()} for name in NESTED}
        return cls(**(value | counters | nested))


def document_sample(doc: RawDocument | Document, reason: str, detail: str, text: str) -> LeftOut:
    """A document that was dropped, with the head of its text in the form in which it was judged."""
    return {
        "id": doc.id,
        "source": doc.source,
        "reason": reason,
        "detail": detail,
        "url": doc.url,
        "text": text[:SAMPLE_CHARACTERS],
    }


def duplicate_sample(row: DocumentRow, kept: str) -> LeftOut:
    """A row that was dropped for the document with the id `kept`."""
    return _row_sample(row, "duplicate", f"of {kept}")


def replaced_sample(row: DocumentRow, reason: str) -> LeftOut:
    """A row that was dropped for a newer capture of its page, or since the page is gone."""
    return _row_sample(row, reason, f"fetched {row['fetched_at']:%Y-%m-%d %H:%M}" if row["fetched_at"] else "")


def _row_sample(row: DocumentRow, reason: str, detail: str) -> LeftOut:
    return {
        "id": row["id"],
        "source": row["source"],
        "reason": reason,
        "detail": detail,
        "url": row["url"],
        "text": row["text"][:SAMPLE_CHARACTERS],
    }


def unread_sample(record: Unreadable, source: str, key: str) -> LeftOut:
    """A record that could not be read: its file, its place in it (`member#record`), why, and what is there."""
    return {
        "source": source,
        "file": key,
        "place": record.where.removeprefix(f"{source}/{key}").removeprefix("/"),
        "reason": record.reason,
        "detail": record.detail,
        "excerpt": record.excerpt,
    }


class Samples:
    """The first `limit` of what went, for each value of the fields `by`."""

    def __init__(self, *by: str, limit: int) -> None:
        self.by = by
        self.limit = limit
        self.kept: dict[tuple[str, ...], list[LeftOut]] = {}

    @classmethod
    def dropped(cls) -> "Samples":
        """Of documents that were read and did not stay."""
        return cls("reason", "source", limit=20)

    @classmethod
    def unread(cls) -> "Samples":
        """Of records that could not be read: some of every file."""
        return cls("reason", "source", "file", limit=5)

    def add(self, samples: Iterable[LeftOut]) -> None:
        for sample in samples:
            kept = self.kept.setdefault(tuple(sample[name] for name in self.by), [])
            if len(kept) < self.limit:
                kept.append(sample)

    def all(self) -> list[LeftOut]:
        """Everything kept, in the order of the fields, then as it came."""
        return [sample for key in sorted(self.kept) for sample in self.kept[key]]

    def write(self, path: Path) -> None:
        """A line of JSON for each."""
        with atomic_write(path, "w", encoding="utf-8") as file:
            for sample in self.all():
                file.write(json.dumps(sample, ensure_ascii=False) + "\n")


def read_samples(path: Path) -> list[LeftOut]:
    """What `Samples.write` wrote. Raises `ArtifactError` where the file is not so any more."""
    try:
        with open_regular(path) as file:
            samples = [json.loads(line) for line in file]
    except OSError as error:
        raise ArtifactError(system_error(error, path, cannot="cannot be read")) from error
    except (ValueError, RecursionError):
        samples = [[]]
    if any(not isinstance(s, dict) or not all(isinstance(text, str) for text in s.values()) for s in samples):
        raise ArtifactError(f"{path}: damaged. Build the corpus again.")
    return samples
