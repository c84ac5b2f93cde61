"""A layout tried on the lines of a table: which rows it reads, and what of the lines it does not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ulmkit.formats.fields import NEVER_TEXT, TEXT_FIELDS
from ulmkit.formats.table_columns import Fits, column_fit, fits_columns, has_swallowed
from ulmkit.formats.table_grammar import Grammar, ReadRow, TableLayout, grammar_of

KNOWN_COLUMNS = frozenset((*TEXT_FIELDS, *NEVER_TEXT, "label", "category", "class", "topic", "row", "index", "lang"))
CUT_ROW = 60  # lines that a row may have in which the sample ends
OPEN_ENDED = 0.8  # how well a last column that holds the delimiter speaks for a layout
LAYOUT_SAMPLE = 1 << 18


@dataclass(frozen=True)
class FoundLayout:
    """A layout as it fits a sample: the share of the lines that are rows of the usual width, and these rows.

    `broken`: how many lines begin no row at all; `opened`: how many of these begin with a cell that nothing closes;
    `rival`: another layout that fits a short sample nearly as well and reads it otherwise.
    """

    layout: TableLayout
    share: float = 0.0
    width: int = 0
    rows: tuple[ReadRow, ...] = ()
    broken: int = 0
    opened: int = 0
    rival: TableLayout | None = None

    @property
    def quoted_rows(self) -> int:
        return sum(row.quoted > 0 for row in self.rows)

    @property
    def is_whole(self) -> bool:
        """Whether each line is a row of the usual width, or a part of one."""
        return self.share == 1 and not self.broken and not self.opened

    @property
    def usually_quotes(self) -> bool:
        """Whether half of its rows have a quoted cell."""
        return usually_quoted(self.rows)


def usually_quoted(rows: Sequence[ReadRow]) -> bool:
    """Whether half of `rows` have a quoted cell."""
    return 2 * sum(row.quoted > 0 for row in rows) >= len(rows) > 0


class _Read(NamedTuple):
    """The line that a row begins in, and the row; None for what breaks the layout, or is `open` at the end."""

    line: int
    row: ReadRow | None
    open: bool


class _LinesFrom:
    """The lines from `start` on; `ended`: one was asked for that is behind the last."""

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.lines, self.start, self.ended = lines, start, False

    def __call__(self, far: int) -> str | None:
        if self.start + far < len(self.lines):
            return self.lines[self.start + far]
        self.ended = True
        return None


def tried(lines: Sequence[str], layout: TableLayout) -> FoundLayout:
    """`layout` on `lines`: what breaks it costs its line, but for a row that the end of the lines cuts."""
    grammar, at = grammar_of(layout), 0
    read: list[_Read] = []
    while at < len(lines):
        start, following = at, _LinesFrom(lines, at)
        row = grammar.row(following, LAYOUT_SAMPLE)
        at += row.lines if row else 1
        if lines[start].strip("\r\n"):
            read.append(_Read(start, row, row is None and following.ended))
    if not any(each.row for each in read):
        return FoundLayout(layout)
    width = _width_of(read)
    opened = sum(each.open for each in read)
    if (cut := _cut_row(read, width)) < len(read):
        lines, read = lines[: read[cut].line], read[:cut]
    rows = [each.row for each in read if each.row]
    if not rows:
        return FoundLayout(layout)
    width = _width_of(read)
    # of columns is asked only where a cell goes over lines that might be rows
    columns = _columns_of(rows, width) if any(row.lines > 1 for row in rows) else []
    usual = not columns or usually_quoted(rows)
    sizes, broken = Counter[int](), len(read) - len(rows)
    for start, row, _ in read:
        if row and row.lines > 1 and has_swallowed(lines[start : start + row.lines], grammar, columns, usual):
            broken += 1
        elif row:
            sizes[len(row.cells)] += row.lines
    total = sum(1 for line in lines if line.strip("\r\n")) or 1
    if layout.escape:
        total -= sum(
            _lines_of_one(lines[start : start + row.lines], grammar, columns)
            for start, row, _ in read
            if row and row.lines > 1 and len(row.cells) != width
        )
    if _is_open_ended(rows, sizes, total):
        width = len(rows[0].cells)
        enough = sum(times for size, times in sizes.items() if size >= width)
        share = OPEN_ENDED * min(1.0, enough / total) * (0.5 if _looks_quoted(rows) and not layout.quote else 1.0)
        return FoundLayout(replace(layout, open_ended=True), share, width, tuple(rows), broken, opened)
    return FoundLayout(layout, min(1.0, sizes[width] / total), width, tuple(rows), broken, opened)


def _lines_of_one(lines: Sequence[str], grammar: Grammar, columns: Sequence[Fits]) -> int:
    """How many of the `lines` of a row that is too long or too short count no more: it is one damage, however long.

    0 where marks may have joined rows: where a line is one by itself, as the columns have them.
    """
    if grammar.layout.quote and (not columns or any(fits_columns(grammar.split(line), columns) for line in lines)):
        return 0
    return sum(1 for line in lines if line.strip("\r\n")) - 1


def _columns_of(rows: Sequence[ReadRow], width: int) -> list[Fits]:
    """What each column of the rows of `width` cells holds, those of the first row left out."""
    return [
        column_fit(cells) for cells in zip(*(row.cells for row in rows[1:] if len(row.cells) == width), strict=True)
    ]


def _width_of(read: Sequence[_Read]) -> int:
    """How many cells most rows have; where two numbers of cells are as usual, that of the names of columns.

    It is theirs too where the only row below them has no end, and where most have fewer: those are parts of rows.
    """
    widths = Counter(len(each.row.cells) for each in read if each.row)
    first = read[0].row
    named = len(first.cells) if first and names_columns(first.cells) else 0
    if named > 1 and widths[named] == 1 and 1 < len(read) <= CUT_ROW and read[1].row is None:
        return named
    most = max(widths, key=lambda width: (widths[width], width == named, width))
    whole = first is not None and names_alone(first.cells)
    return named if whole and most < named and widths[named] > 1 else most


def _looks_quoted(rows: Sequence[ReadRow]) -> bool:
    """Whether half of the rows below the first have cells that begin and cells that end with a quotation mark."""
    marked = sum(
        any(cell.startswith('"') for cell in row.cells) and any(cell.endswith('"') for cell in row.cells)
        for row in rows[1:]
    )
    return 2 * marked >= len(rows) - 1 > 0


def _cut_row(read: Sequence[_Read], width: int) -> int:
    """Where in `read` a row begins that goes on behind the end of the sample; its length where none does.

    No line behind that place is a row of `width` by itself, and two rows or the names of columns stand before it.
    """
    most = CUT_ROW if width > 1 else CUT_ROW // 10
    found = len(read)
    first = read[0].row
    least = 1 if first and (width > 1 or first.quoted) and names_columns(first.cells) else 2
    for place in range(len(read) - 1, max(len(read) - most, least) - 1, -1):
        row = read[place].row
        if read[place].open:
            found = place
        elif row and width > 1 and len(row.cells) == width:
            break
    return found


def _is_open_ended(rows: Sequence[ReadRow], sizes: Counter[int], total: int) -> bool:
    """Whether the rows below a header have more cells than it names, as prose has commas: not one more each."""
    width = len(rows[0].cells)
    if width < 2 or not names_columns(rows[0].cells) or rows[0].quoted:
        return False
    over = [row.cells[width:] for row in rows if len(row.cells) > width]
    # a delimiter behind a backslash is escaped, and parts no cells
    escaped = [row for row in rows if len(row.cells) > width and any(cell.endswith("\\") for cell in row.cells[:-1])]
    if 2 * len(escaped) >= len(over):
        return False
    if len(over) <= 0.1 * total or sizes[width] + sum(sizes[n] for n in sizes if n > width) < 0.9 * total:
        return False
    prose = all(cell.startswith(" ") for cells in over for cell in cells)
    return prose or (len(set(map(len, over))) > 1 and sizes.most_common(1)[0][1] < 0.9 * total)


def names_columns(cells: Sequence[str]) -> bool:
    """Whether one of `cells` is the name of a usual column."""
    return any(cell.strip().lower().lstrip("\ufeff") in KNOWN_COLUMNS for cell in cells)


def names_alone(cells: Sequence[str]) -> bool:
    """Whether each of `cells` is the name of a usual column; that of the numbers of the rows may be missing."""
    named = cells[1:] if len(cells) > 1 and not cells[0].strip("\ufeff ") else cells
    return all(names_columns([cell]) for cell in named)
