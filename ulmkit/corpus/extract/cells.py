"""Which cells of a page's tables are no text, and which belong together: in a recipe what is needed, and how much."""

from ulmkit.corpus.extract.blocks import is_prose
from ulmkit.corpus.extract.layout import TAG_NUMBERS, PageLayout

_CELLS = (TAG_NUMBERS["td"], TAG_NUMBERS["th"])
_ROW, _TABLE = TAG_NUMBERS["tr"], TAG_NUMBERS["table"]
_PAIRS = 3  # rows, at least, in a table of pairs

TablePlace = tuple[int, int]  # a table and a row of it, as numbers of elements


def is_label(text: str) -> bool:
    """Whether it is of one or two words."""
    return text.count(" ") < 2


def is_short_cell(page: PageLayout, block: int) -> bool:
    """Whether a block is all of a table's cell, and no prose."""
    element = page.elements[block]
    alone = page.tags[element] in _CELLS and page.lasts[element] - page.firsts[element] == 1
    return alone and not is_prose(page.texts[block])


def paired_cells(page: PageLayout) -> dict[int, TablePlace]:
    """Where the cells of tables stand that are nothing but pairs of short cells with letters, by their blocks.

    A fourth of them are labels, at least, of one or two words: else they are verses of two halves, a line each. What is
    left of a row without its label says nothing, so it is read as one line.
    """
    rows: dict[int, list[int]] = {}
    for block, element in enumerate(page.elements) if _TABLE in page.tags else ():
        row = page.parents[element]
        if is_short_cell(page, block) and row >= 0 and page.tags[row] == _ROW:
            rows.setdefault(row, []).append(block)
    tables: dict[int, dict[int, list[int]]] = {}
    for row, blocks in rows.items():
        table = row
        while table >= 0 and page.tags[table] != _TABLE:
            table = page.parents[table]
        if table >= 0:
            tables.setdefault(table, {})[row] = blocks
    return {
        block: (table, row)
        for table, held in tables.items()
        if _are_pairs(page, table, list(held.values()))
        for row, blocks in held.items()
        for block in blocks
    }


def _are_pairs(page: PageLayout, table: int, rows: list[list[int]]) -> bool:
    texts = [page.texts[cell] for row in rows for cell in row]
    whole = len(texts) == page.lasts[table] - page.firsts[table]
    if not whole or len(rows) < _PAIRS or any(len(row) != 2 for row in rows):
        return False
    return 4 * sum(map(is_label, texts)) >= len(texts) and all(any(map(str.isalpha, text)) for text in texts)
