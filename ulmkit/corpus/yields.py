"""What did each source bring to a corpus? Characters, licences, ages, and which other source says the same."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ulmkit.artifacts.shards import DocumentRow
from ulmkit.corpus.tally import Tally
from ulmkit.document import JOINERS
from ulmkit.names import markdown_text

_JOINER = JOINERS["U+200C"]
NOT_ASKED = "not asked"  # the consent to the use of a document that nobody crawled


@dataclass
class Ages:
    """Days on which documents were published, or fetched; a day a count, so that it is small."""

    days: Counter[int] = field(default_factory=Counter)

    def add(self, moment: datetime | None) -> None:
        if moment is not None:
            self.days[moment.toordinal()] += 1

    def to_json(self) -> dict[str, Any]:
        """How many are dated, and the oldest, the median and the newest day; empty where none is."""
        total = self.days.total()
        if not total:
            return {}
        ordered, before, median = sorted(self.days), 0, 0
        for day in ordered:
            before += self.days[day]
            if 2 * before >= total:
                median = day
                break
        named = {"oldest": ordered[0], "median": median, "newest": ordered[-1]}
        return {"documents": total, **{name: date.fromordinal(day).isoformat() for name, day in named.items()}}


@dataclass
class SourceYield:
    """What stays of one source in the corpus."""

    documents: int = 0
    characters: int = 0
    own_characters: int = 0  # of documents that no other source has
    joiners: int = 0  # U+200C
    licences: Counter[str] = field(default_factory=Counter)
    consent: Counter[str] = field(default_factory=Counter)
    published: Ages = field(default_factory=Ages)
    fetched: Ages = field(default_factory=Ages)

    def add(self, row: DocumentRow, *, shared: bool) -> None:
        self.documents += 1
        self.characters += row["characters"]
        self.own_characters += 0 if shared else row["characters"]
        self.joiners += row["text"].count(_JOINER)
        self.licences[row["licence"]] += 1
        self.consent[row["consent"] or NOT_ASKED] += 1
        self.published.add(row["published_at"])
        self.fetched.add(row["fetched_at"])


class Yields:
    """What each source brought, counted while the shards are written."""

    def __init__(self) -> None:
        self.sources: dict[str, SourceYield] = {}
        # of the documents of a source that passed the filters, how many say what one of another's says
        self.overlap: dict[str, dict[str, int]] = {}

    def add(self, row: DocumentRow, *, shared: bool) -> None:
        """A document that stays; `shared`: a document of another source says the same."""
        self.sources.setdefault(row["source"], SourceYield()).add(row, shared=shared)

    def to_json(self, tally: Tally, pins: Mapping[str, Any]) -> dict[str, Any]:
        """By source, with what was counted on the way and, of one that was asked for, what an answer is worth."""
        return {name: self._of(name, tally, pins.get(name, {})) for name in sorted(tally.sources)}

    def _of(self, name: str, tally: Tally, pins: Mapping[str, Any]) -> dict[str, Any]:
        brought = self.sources.get(name, SourceYield())
        answers = pins.get("answers")  # that were kept of its servers, in all runs
        characters = brought.characters
        return {
            "documents": brought.documents,
            "characters": characters,
            "own_characters": brought.own_characters,
            "joiners_per_1000": round(1000 * brought.joiners / characters, 2) if characters else 0.0,
            "dropped": dict(tally.dropped_of.get(name, Counter()).most_common()),
            "overlap": dict(sorted(self.overlap.get(name, {}).items())),
            "licences": dict(brought.licences.most_common()),
            "consent": dict(brought.consent.most_common()),
            "published": brought.published.to_json(),
            "fetched": brought.fetched.to_json(),
            "answers": answers,
            "characters_per_answer": round(characters / answers, 1) if answers else None,
        }


def source_tables(yields: Mapping[str, Any]) -> list[str]:
    """What each source brought, for the card: as Markdown, with the matrix of what several of them say."""
    if not yields:
        return []
    names = {name: markdown_text(name) for name in yields}
    lines = [
        "| source | characters | of no other source | an answer | U+200C in 1,000 | median day | newest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, each in yields.items():
        age, worth = each["published"] or each["fetched"], each["characters_per_answer"]
        lines.append(
            f"| {names[name]} | {each['characters']:,} | {each['own_characters']:,} | "
            f"{'–' if worth is None else format(worth, ',.0f')} | {each['joiners_per_1000']} | "
            f"{age.get('median', '–')} | {age.get('newest', '–')} |"
        )
    lines += ["", "| source | licence of a document | documents |", "| --- | --- | ---: |"]
    lines += [
        f"| {names[name]} | {markdown_text(licence)} | {count:,} |"
        for name, each in yields.items()
        for licence, count in each["licences"].items()
    ]
    lines += ["", "| source | dropped because | documents |", "| --- | --- | ---: |"]
    lines += [
        f"| {names[name]} | {markdown_text(reason)} | {count:,} |"
        for name, each in yields.items()
        for reason, count in each["dropped"].items()
    ]
    if any(each["overlap"] for each in yields.values()):
        lines += [
            "",
            "Documents of a row's source, before duplicates went, that say what one of a column's says:",
            "",
            f"| | {' | '.join(names.values())} |",
            f"| --- |{' ---: |' * len(names)}",
            *(
                f"| {names[name]} | {' | '.join(f'{each["overlap"].get(other, 0):,}' for other in yields)} |"
                for name, each in yields.items()
            ),
        ]
    return [*lines, ""]


def index_tables(pins: Mapping[str, Any]) -> list[str]:
    """Of each source that an index of a crawl was read for, by top-level domain and language, for the card."""
    lines: list[str] = []
    for name, each in sorted(pins.items()):
        for key, what in (("tld", "top-level domain"), ("language", "main language")):
            counts = (each.get("run") or {}).get("rows", {}).get(key, {}) if isinstance(each, Mapping) else {}
            if counts:
                head = f"| {markdown_text(name)}: {what} | rows of the index | pages here |"
                lines += [head, "| --- | ---: | ---: |"]
                lines += [f"| {markdown_text(value)} | {n['rows']:,} | {n['here']:,} |" for value, n in counts.items()]
                lines.append("")
    return lines
