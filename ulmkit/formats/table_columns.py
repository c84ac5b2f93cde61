"""What the columns of a table hold, and whether lines are rows of such columns by themselves."""

from collections.abc import Iterable, Sequence

from ulmkit.formats.table_grammar import Grammar

FEW_VALUES = 20  # of a column of classes
FEW_OTHERS = 0.02  # of a column of numbers that may be something else
SWALLOWED = 0.8  # of the lines in a row that are rows by themselves
SURE_ROWS = 5  # so many of them are enough, where beside them stand no more than the two lines of a broken row

_NUMBER = "0123456789.-+eE"
Fits = frozenset[str] | str | None  # the values of a column of classes, "number", or anything


def column_fit(values: Sequence[str]) -> Fits:
    """What a column holds, as far as it is one kind of thing: numbers, one of a few values, or anything (None)."""
    if len(values) < 3:
        return None
    if _are_numbers(values):
        return "number"
    if len(set(values[: 4 * FEW_VALUES])) > FEW_VALUES:
        return None
    distinct = frozenset(values)
    return distinct if len(distinct) * 3 <= len(values) and len(distinct) <= FEW_VALUES else None


def _are_numbers(values: Sequence[str]) -> bool:
    """Whether all but a fiftieth of `values` are."""
    others = FEW_OTHERS * len(values)
    for value in values:
        if not is_number(value):
            others -= 1
            if others < 0:
                return False
    return True


def fits_columns(cells: Sequence[str], columns: Sequence[Fits], but: int = -1) -> bool:
    """Whether each of `cells`, but for one, is what its column holds; an empty cell may stand in any."""
    return (
        len(cells) == len(columns)
        and any(map(str.strip, cells))
        and all(
            fit is None or column == but or not cell.strip() or (is_number(cell) if fit == "number" else cell in fit)
            for column, (fit, cell) in enumerate(zip(columns, cells, strict=True))
        )
    )


def is_number(cell: str) -> bool:
    """Whether a cell is a number, as ids and labels are.

    >>> is_number("-1.5e3"), is_number("e"), is_number("٣")
    (True, False, True)
    """
    cell = cell.strip()
    return cell.isdecimal() or (bool(cell) and not cell.strip(_NUMBER) and any(map(str.isdecimal, cell)))


def has_swallowed(lines: Sequence[str], grammar: Grammar, columns: Sequence[Fits], usual: bool) -> bool:
    """Whether the `lines` of one row are rows by themselves, as the columns have them: those inside, or all.

    All of them are not asked for where rows are quoted as is `usual`: lists may stand in the cells.
    """
    inner = lines[1:-1]
    if len(columns) > 1 and len(inner) >= (2 if columns[0] else 5):
        like = sum(fits_columns(grammar.split(line), columns) for line in inner)
        if are_mostly_rows(like, len(inner)):
            return True
    return not usual and are_whole_rows(lines, grammar, columns)


def are_mostly_rows(like: int, lines: int) -> bool:
    """Whether `lines` within one cell, of which so many are rows by themselves, are rows that it has swallowed."""
    return like >= SWALLOWED * lines or (like >= SURE_ROWS and like >= lines - 2)


def are_whole_rows(lines: Iterable[str], grammar: Grammar, columns: Sequence[Fits]) -> bool:
    """Whether each of `lines`, the first and the last ones too, is a row by itself that has a cell in each column.

    Prose holds a comma a line by chance, but not what the columns hold; a tab it does not hold.
    """
    if len(columns) < 2 or (grammar.layout.delimiter != "\t" and not any(columns)):
        return False
    return all(all(map(str.strip, cells)) and fits_columns(cells, columns) for cells in map(grammar.split, lines))
