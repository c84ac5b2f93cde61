"""Labels for a table of any size: rows come and go in their order, a few thousand at a time."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ulmkit.classifier.model import TextClassifier
from ulmkit.classifier.table import Columns, Table, cell_text, text_column
from ulmkit.document import Unreadable
from ulmkit.formats.rows import TableRow
from ulmkit.progress import Progress, Report, silent

_ROWS = 4_096  # at a time: among many, texts of one length stand together, and little is padded
_CHARACTERS = 4_000_000  # of texts at a time, of long ones
EMPTY = "empty"


@dataclass(frozen=True)
class Wanted:
    """What is said of each text: `top` classes, none below `threshold`, and `explain` n-grams that spoke."""

    top: int = 1
    threshold: float = 0.0
    explain: int = 0


@dataclass
class Predicted:
    """What was done: rows read, those without a label because none was likely enough, empty and unreadable ones.

    `remarks`: what whoever uses the labels should know of the table.
    """

    rows: int = 0
    unsure: int = 0
    empty: int = 0
    unreadable: int = 0
    called: dict[str, int] | None = None
    remarks: list[str] = field(default_factory=list)


class Labeller:
    """A classifier at a table: rows in, rows out."""

    def __init__(self, classifier: TextClassifier, wanted: Wanted) -> None:
        self.classifier, self.wanted = classifier, wanted
        self.done = Predicted(called=dict.fromkeys(classifier.classes, 0))

    @property
    def columns(self) -> list[str]:
        """The columns that are added."""
        more = range(2, min(self.wanted.top, len(self.classifier.classes)) + 1)
        names = ["predicted", "probability", *(f"{each}{n}" for n in more for each in ("predicted", "probability"))]
        return [*names, *(["because"] if self.wanted.explain else []), "note"]

    def said(self, texts: Sequence[str]) -> list[list[Any]]:
        """The cells that are added for each of `texts`."""
        classes = self.classifier.classes
        likely = self.classifier.probabilities(texts)
        found = []
        for text, p in zip(texts, likely, strict=True):
            order = np.argsort(-p, kind="stable")[: max(1, self.wanted.top)].tolist()
            note = "" if text.strip() else EMPTY
            sure = bool(p[order[0]] >= self.wanted.threshold)
            self.done.rows += 1
            self.done.empty += bool(note)
            self.done.unsure += not sure
            if sure and self.done.called is not None:
                self.done.called[classes[order[0]]] += 1
            cells: list[Any] = []
            for place, each in enumerate(order):
                cells += [classes[each] if sure or place else "", round(float(p[each]), 4)]
            if self.wanted.explain:
                spoke = self.classifier.reasons(text, order[0], self.wanted.explain)
                cells.append("  ".join(f"{gram.replace(' ', '·')} {weight:+.2f}" for gram, weight in spoke))
            found.append([*cells, note])
        return found


def label_table(
    classifier: TextClassifier,
    path: Path,
    out: AbstractContextManager[IO[str]],
    *,
    form: str = "csv",
    columns: Columns | None = None,
    layout: str = "",
    wanted: Wanted | None = None,
    report: Report = silent,
) -> Predicted:
    """Write every row of the table `path` with its label to `out`, in order, as `csv`, `tsv` or `jsonl`.

    A row that cannot be read is written empty, with why in column `note`; of an empty text the shares of the classes
    in training are said. `layout` says how the table is written (see `table_told`).
    Nothing is written before the table and its column of texts were found.
    """
    labeller = Labeller(classifier, wanted or Wanted())
    table = Table(path, layout=layout)
    labeller.done.remarks += table.remarks
    text = text_column(table, columns or Columns())
    with out as file:
        write = _writer(file, form, table.columns, labeller.columns)
        for rows in _some(table, text):
            good = [row for row in rows if not isinstance(row, Unreadable)]
            said = iter(labeller.said([cell_text(cells.get(text)) for _, cells in good]))
            for row in rows:
                if isinstance(row, Unreadable):
                    labeller.done.unreadable += 1
                    empty: list[Any] = [""] * (len(labeller.columns) - 1)
                    write({}, [*empty, f"line {row.where.rpartition('#')[2]}: {row.reason} {row.detail}".strip()])
                else:
                    write(row[1], next(said))
            report(Progress("predict", labeller.done.rows, None, "texts"))
    return labeller.done


def _some(table: Iterable[TableRow | Unreadable], text: str) -> Iterator[list[TableRow | Unreadable]]:
    """Rows in their order, a bounded number of them and of their texts' characters at a time."""
    found: list[TableRow | Unreadable] = []
    size = 0
    for row in table:
        found.append(row)
        size += 0 if isinstance(row, Unreadable) else len(cell_text(row[1].get(text)))
        if len(found) >= _ROWS or size >= _CHARACTERS:
            yield found
            found, size = [], 0
    if found:
        yield found


def _writer(file: IO[str], form: str, columns: Sequence[str], added: Sequence[str]) -> Any:
    """A function that writes a row's cells and what is added; a column that is there already keeps its name."""
    names = [name if name not in columns else f"{name}_by_ulmkit" for name in added]
    if form == "jsonl":

        def as_json(cells: dict[str, Any], more: Sequence[Any]) -> None:
            line = {**cells, **dict(zip(names, more, strict=True))}
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

        return as_json
    writer = csv.writer(file, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    writer.writerow([*columns, *names])

    def as_cells(cells: dict[str, Any], more: Sequence[Any]) -> None:
        writer.writerow([*(cell_text(cells.get(name)) for name in columns), *more])

    return as_cells
