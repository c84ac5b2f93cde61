"""Writes docs/filters.md from the table of filters: what each measures, its limit, and who decides it.

python docs/make_filters.py
"""

from collections.abc import Iterator
from pathlib import Path

from ulmkit.corpus.filters import FILTERS, DecidedBy, Filter
from ulmkit.language.schema import json_schema
from ulmkit.language.sections import Filters

PAGE = Path(__file__).with_name("filters.md")
INTRODUCTION = """\
# Filters, in the order in which they are asked

Made by `python docs/make_filters.py` from the table in `ulmkit/corpus/filters.py`; a test notices when it is stale.

A page is asked these questions after it is normalized and its boilerplate lines are taken out. The first whose limit it
breaks gives the reason under which it is counted in the manifest, with the measured value beside the limit in
`dropped/samples.jsonl`. The limits stand in `[filters]` of a language's `language.toml`; what does not stand there is
the default. Words are those of the match form: without letter case, marks and punctuation.

Some kinds of text are not asked what the table says. Verse is lines of nearly one length, or short ones in which
sentences go on from line to line, told by lines that begin with a function word; its lines end in nothing. A song is
verse with such lines, and may have refrains; lines of one length without them may be titles. Prose is paragraphs full
of function words, with marks or without: comments, letters, old books. A printed line is a line of 80 characters: a
paragraph counts as the lines that it would fill on paper.

Gopher is Rae et al. 2021 (arXiv 2112.11446, appendix A), FineWeb is Penedo et al. 2024 (arXiv 2406.17557). The command
`ulmkit language show fa` prints a language's own limits with where each comes from: calibrated on a sample, taken from
a reference, or guessed.
"""


def default(row: Filter) -> str:
    return f"{row.limit_in(Filters()):,}"


def rows() -> Iterator[str]:
    """A line for each question."""
    told = json_schema()["properties"]["filters"]["properties"]
    yield "| page is counted as | what is measured | limit | default | about the default | not asked of | decided by |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in FILTERS:
        spared = ", ".join(row.spares)
        decided = row.decided_by.value.partition(":")[0]
        about, origin = row.about.rstrip("."), told[row.limit].get("description", "")
        limit = f"{row.direction} `{row.name}`"
        yield f"| {row.reason} | {about} | {limit} | {default(row)} | {origin} | {spared} | {decided} |"


def page() -> str:
    """The whole page."""
    deciders = (f"- {decider.value[0].upper()}{decider.value[1:]}." for decider in DecidedBy)
    head = "## Who decides a limit\n\nWhat `ulmkit language calibrate` may make of it:\n"
    return "\n".join([INTRODUCTION, *rows(), "", head, *deciders, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
