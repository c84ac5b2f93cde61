"""Which layout a table has: what stands between cells, which mark quotes them, what escapes it. Found by looking."""

import re
from collections.abc import Sequence
from dataclasses import replace

from ulmkit.formats.table_escapes import (
    FEW_ODD,
    backslashes_pair_inside,
    escaped_characters,
    escapes_stand_alone,
    marks_escape_themselves,
)
from ulmkit.formats.table_grammar import NO_DELIMITER, ReadRow, TableLayout
from ulmkit.formats.table_told import ToldLayout
from ulmkit.formats.table_trial import (
    KNOWN_COLUMNS,
    LAYOUT_SAMPLE,
    FoundLayout,
    names_alone,
    names_columns,
    tried,
)

NAMED, ALL_NAMED = 0.2, 0.6  # what a header of names says for a layout, where one or all are usual ones
DELIMITERS = ("\t", ",", ";", "|")
ONE_COLUMN = 0.6  # of the lines have to be rows of a table of one column
FIRST_LINES = 100  # on which delimiters are compared before the whole sample is looked at
FAR_WORSE = 0.5
NEARLY, NEARLY_SHOWN = 0.3, 0.4
ONE_ROW = 3  # lines that may be the names of columns and one row below them
SHORT_SAMPLE = 24  # rows up to which two layouts may fit equally well
LAYOUT_ROWS = 1000
UNTOLD = ToldLayout()
SAYS_DELIMITER = re.compile(r"sep=(.)\r?\n\Z")  # Excel's first line


def _variants(text: str, delimiter: str, told: ToldLayout = UNTOLD) -> list[TableLayout]:
    """The layouts with `delimiter` that the marks in `text` allow, and what was `told` of them."""
    if told.quote is not None and told.escape is not None:
        follows = escaped_characters(text)
        alone = bool(told.escape) and (
            escapes_stand_alone(follows, delimiter) if told.quote else marks_escape_themselves(follows)
        )
        return [TableLayout(delimiter, told.quote, told.escape, all_escaped=alone)]
    start, end = rf"(?:^|{re.escape(delimiter)}) ?", rf" ?(?:{re.escape(delimiter)}|\r?$)"
    quotes = ['"']
    if '"' in text:
        quotes.append("")
    if "'" in text and re.search(f"{start}'", text, re.M) and re.search(f"'{end}", text, re.M):
        quotes.append("'")
    if told.quote is not None:
        quotes = [told.quote]
    found = [TableLayout(delimiter, quote) for quote in quotes]
    if "\\" in text:
        follows = escaped_characters(text)
        for quote in quotes:
            paired = "\\\\" in text and quote and backslashes_pair_inside(text, quote, start, end)
            if quote and (f"\\{quote}" in text or paired):
                found.append(TableLayout(delimiter, quote, "\\", all_escaped=escapes_stand_alone(follows, delimiter)))
        # where marks are escaped since they would quote, a cell that begins with a bare one is quoted;
        # behind an escaped line end none begins
        opened = rf'(?:(?<!\\\n)(?<!\\\r\n)^|{re.escape(delimiter)}) ?"'
        if escapes_stand_alone(follows, delimiter) and not (follows['"'] and re.search(opened, text, re.M)):
            found.append(TableLayout(delimiter, "", "\\", all_escaped=marks_escape_themselves(follows)))
    if told.escape == "\\":
        found += [TableLayout(delimiter, quote, "\\", all_escaped=not quote) for quote in quotes]
    allowed = [layout for layout in found if ToldLayout(None, told.quote, told.escape).allows(layout)]
    return list(dict.fromkeys(allowed))


def find_layout(lines: Sequence[str], name: str = "", told: ToldLayout = UNTOLD) -> FoundLayout:
    """The layout under which most of `lines` are rows of one width; `name` (lower case) breaks a tie.

    What was `told` of it is so, whatever the lines say.

    >>> find_layout(["id;text\\n", "1;'a; b'\\n", "2;'c'\\n"]).layout
    TableLayout(delimiter=';', quote="'", escape='', open_ended=False, all_escaped=False)
    """
    trial = _Trial(_sampled(lines), "\t" if name.endswith((".tsv", ".tab")) else ",", told)
    found = trial.likeliest()
    if told.strict:
        found = replace(found, layout=replace(found.layout, open_ended=False))
    return replace(found, rival=trial.rival(found))


class _Trial:
    """The layouts that a sample might have, each tried on it once; `favourite`: the delimiter that breaks a tie."""

    def __init__(self, lines: Sequence[str], favourite: str, told: ToldLayout) -> None:
        said = SAYS_DELIMITER.match(lines[0]) if lines else None
        self.said, self.favourite, self.told = told.delimiter or (said[1] if said else ""), favourite, told
        self.lines = lines[1:] if said else lines
        self.text = "".join(self.lines)
        self.found: dict[TableLayout, FoundLayout] = {}

    def of(self, layout: TableLayout) -> FoundLayout:
        """How `layout` fits the sample."""
        if layout not in self.found:
            self.found[layout] = tried(self.lines, layout)
        return self.found[layout]

    def likeliest(self) -> FoundLayout:
        """The layout that fits best."""
        layouts = [layout for each in self._delimiters() for layout in _variants(self.text, each, self.told)]
        found = max(map(self.of, layouts), key=self.worth)
        if self.said:
            return found
        # prose may hold as many marks in each line; a header of one known name says that there is one column
        alone = self.lines and self.lines[0].strip("\ufeff\"' \r\n").lower() in KNOWN_COLUMNS
        return (self._one_column() if alone or found.width == 1 else None) or found

    def worth(self, found: FoundLayout) -> tuple[float, ...]:
        """How well a layout fits, and which of two that fit as well is likelier."""
        return (_rank(found), *_preference(found, found.layout.delimiter == self.favourite))

    def _delimiters(self) -> list[str]:
        """What may stand between cells: of a long sample what is not far worse than another on its first lines."""
        if self.said:
            return [self.said]
        there = [each for each in DELIMITERS if each in self.text or each == self.favourite]
        if len(self.lines) < 2 * FIRST_LINES or len(there) < 2:
            return there
        ranks = {
            each: max(
                _rank(tried(self.lines[:FIRST_LINES], layout)) for layout in _variants(self.text, each, self.told)
            )
            for each in there
        }
        return [each for each in there if ranks[each] >= max(ranks.values()) - FAR_WORSE]

    def _one_column(self) -> FoundLayout | None:
        """The layout of a table of one column, if it is one: what is escaped may be a delimiter all the same."""
        text, layouts = self.text, _variants(self.text, NO_DELIMITER, self.told)
        escaped = escaped_characters(text)
        likely = max(DELIMITERS, key=lambda delimiter: (escaped[delimiter], delimiter == self.favourite))
        bare = text.count(likely) - escaped[likely]
        # no other writer escapes it; one that is bare makes a row too long, which is named
        shown = escaped[likely] > 0 and escaped[likely] >= bare
        if bare <= max(1, FEW_ODD * escaped[likely]) and (shown or likely == "\t"):
            slashed = [each for each in _variants(text, likely, self.told) if each.escape and not each.quote]
            layouts = [*slashed, *(each for each in layouts if not slashed or each.quote)]
        found = map(self.of, layouts)
        fitting = [
            each for each in found if each.width == 1 and each.share >= ONE_COLUMN and 5 * each.broken <= len(each.rows)
        ]
        return max(fitting, key=lambda each: (*_preference(each, False), each.share), default=None)

    def rival(self, best: FoundLayout) -> TableLayout | None:
        """Another layout that reads a short sample otherwise and fits it nearly as well as `best`; None for none."""
        # between tabs a text may begin and end in quotation marks of its own
        shown = best.layout.delimiter != "\t" and any(row.needed for row in best.rows) and not _spans_escapes(best)
        if len(best.rows) > SHORT_SAMPLE or (shown and best.is_whole):
            return None
        cells = [row.cells for row in best.rows]
        for found in self.found.values():
            if found is best or [row.cells for row in found.rows] == cells:
                continue
            if _rivals(found, best) or _is_open_question(found, best):
                return found.layout
        return None


def _is_open_question(found: FoundLayout, best: FoundLayout) -> bool:
    """Whether marks that quote cells in one of the two alone are the table's or its texts', and too few rows say which.

    They quote where one stands at the beginning of a cell, but for tables between tabs, which people write by hand. A
    sample that is damaged and in which nothing had to be quoted says nothing either, nor does one in which more rows
    leave marks bare than quote a cell: a writer that quotes does so with each cell that holds a mark. Where all
    marks within cells stand behind backslashes, these are escapes or belong to the texts.
    """
    if found.width != best.width or found.layout.delimiter != best.layout.delimiter:
        return False
    if found.layout.escape:
        return not best.layout.escape and _escapes_its_marks(best)
    if best.layout.quote and not found.layout.quote:
        needed = any(row.needed for row in best.rows)
        return (not best.is_whole and not needed) or _leaves_marks_bare(best)
    quote = found.layout.quote
    if not quote or best.layout.quote or best.layout.escape or best.layout.delimiter == "\t":
        return False
    return any(cell.startswith(quote) for row in best.rows for cell in row.cells)


def _rivals(found: FoundLayout, best: FoundLayout) -> bool:
    """Whether something speaks for `found`, which quotes otherwise than `best`: cells that had to be quoted, or rows.

    A mark that nothing closes speaks for it too: of a table that is cut, or of which a mark is lost.
    """
    if found.width != best.width:
        return False
    if found.layout.quote == best.layout.quote and found.layout.escape == best.layout.escape:
        return False
    if found.layout.quote == best.layout.quote and found.opened <= best.opened:
        return bool(found.layout.escape) and found.layout.delimiter == best.layout.delimiter and _spans_escapes(best)
    shown = found.opened > 0 or any(row.needed for row in found.rows) or _quotes_names(found.rows)
    if best.width == 1:
        # nothing is quoted but the last cell, which has no end: that is cut, or the mark is the text's own
        cut = best.opened > 0 and not best.quoted_rows and not found.layout.quote
        # of a table of one column too a writer quotes what holds the delimiter of its other tables
        held = any(row.quoted and any(each in row.cells[0] for each in DELIMITERS) for row in found.rows)
        quoted = (shown or held) and bool(found.layout.quote)
        return (cut or quoted) and found.layout.delimiter in (best.layout.delimiter, NO_DELIMITER)
    if found.layout.delimiter != best.layout.delimiter:
        return False
    escapes = found.layout.escape and not best.layout.escape and not found.layout.quote
    if escapes and any(cell.endswith("\\") for row in best.rows for cell in row.cells[:-1]):
        return True  # an escaped delimiter parts cells
    # between tabs a text may begin with a mark of its own, and a later one may end with one
    if not found.layout.quote and best.layout.delimiter == "\t" and any(map(_holds_a_row, best.rows)):
        return True
    # quotation marks round a delimiter speak for themselves, though the one row below the names be cut, and so does one
    # that nothing closes, though the rest of the only row look like another
    speaks = any(row.needed for row in found.rows) or (found.opened > 0 and len(best.rows) <= ONE_ROW)
    if _rank(found) < _rank(best) - (NEARLY_SHOWN if found.layout.quote and speaks else NEARLY):
        return False
    if escapes:
        return True  # whatever is behind its escapes needs one
    if shown and found.layout.quote:
        return True
    # few rows are quoted, and a mark breaks one, or opens the last where none had to be quoted: then the marks of the
    # others may be the texts' own
    breaks = best.broken or (best.opened and not any(row.needed for row in best.rows))
    if not found.layout.quote and breaks and 2 * best.quoted_rows < len(best.rows):
        return True
    return found.share >= best.share and len(found.rows) > len(best.rows)


def _leaves_marks_bare(found: FoundLayout) -> bool:
    """Whether more rows have a mark and no quoted cell than have a quoted one."""
    quote = found.layout.quote
    bare = sum(not row.quoted and any(quote in cell for cell in row.cells) for row in found.rows)
    return bare > found.quoted_rows > 0


def _escapes_its_marks(found: FoundLayout) -> bool:
    """Whether there are quotation marks in the cells, each of them behind a backslash."""
    cells = [cell for row in found.rows for cell in row.cells]
    marks = sum(cell.count('"') for cell in cells)
    return 0 < marks == sum(cell.count('\\"') for cell in cells)


def _spans_escapes(found: FoundLayout) -> bool:
    """Whether a cell over several lines holds a mark behind a backslash: what ends it may be another cell's mark."""
    mark = f"\\{found.layout.quote}"
    if not found.layout.quote or found.layout.escape:
        return False
    return any(mark in cell and "\n" in cell for row in found.rows if row.lines > 1 for cell in row.cells)


def _holds_a_row(row: ReadRow) -> bool:
    """Whether the last line of `row`, which goes over several within one cell, holds as many tabs as a whole row."""
    before, end, last = "\t".join(row.cells).rpartition("\n")
    return bool(end) and "\t" in before and last.count("\t") == len(row.cells) - 1 > 0


def _sampled(lines: Sequence[str]) -> Sequence[str]:
    """As many lines as are looked at; the last rows may be cut, and are looked at only where there are few."""
    size = 0
    for at, line in enumerate(lines[:LAYOUT_ROWS]):
        size += len(line)
        if size > LAYOUT_SAMPLE and at:
            return lines[:at]
    return lines[:LAYOUT_ROWS]


def _rank(found: FoundLayout) -> float:
    """How well a layout fits. One column fits everything, so it says little, unless its cells are quoted."""
    share = round(found.share, 2)
    if found.width > 1:
        first = found.rows[0].cells
        named = len(first) in (found.width, found.width - 1) and len(first) > 1 and names_columns(first)
        # what parts a line into names of columns alone parts cells, however odd the few rows below are
        told = (ALL_NAMED if names_alone(first) else NAMED) if named else 0.0
        # marks open cells or close them, and some have to; one that does neither among twice as many is damage
        needed = sum(row.needed > 0 for row in found.rows)
        believed = bool(found.layout.quote) and (needed >= max(1, 2 * found.broken) or _quotes_names(found.rows))
        return share + told + 0.15 * believed
    return max(0.3, 0.7 * share * found.usually_quotes)


def _quotes_names(rows: Sequence[ReadRow]) -> bool:
    """Whether the names of columns are quoted: then so is what has to be below them."""
    return rows[0].quoted > 0 and names_columns(rows[0].cells)


def _preference(found: FoundLayout, favourite: bool) -> tuple[float, ...]:
    """Which of two layouts that fit as well is likelier: quotation marks that are needed are marks of the table."""
    layout, rows = found.layout, max(len(found.rows), 1)
    needed = sum(row.needed for row in found.rows)
    usual = 2 * found.quoted_rows >= rows
    if layout.quote and layout.escape and not found.quoted_rows and not found.opened:
        believed = -1.0  # what is escaped stands outside of quotation marks
    elif layout.quote == '"':
        # between tabs a text may begin and end in quotation marks of its own
        believed = 3.0 if needed or usual else 1.0 if not found.quoted_rows or layout.delimiter != "\t" else -1.0
    elif layout.quote == "'":
        believed = 3.5 if usual else -2.0
    else:
        believed = 2.0 if layout.escape else 0.0
    return (float(favourite), believed, float(bool(layout.escape)))


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: known names, or short cells unlike all below them.

    The first name may be missing, where it stands over the numbers of the rows.

    >>> has_header([["text", "label"], ["Tere hommikust, armas maailm", "1"]])
    True
    >>> has_header([["neutraalne", "Tere hommikust"], ["neutraalne", "Head ööd"]])
    False
    """
    first, rest = rows[0], rows[1:]
    named = list(first)
    if len(first) > 2 and not first[-1].strip():
        named = named[:-1]  # where a delimiter stands at the end of each row
    if len(first) > 1 and not first[0].strip():
        named = named[1:]
    if any(not cell.strip() or len(cell) > 60 or "\n" in cell for cell in named) or len(set(first)) < len(first):
        return False
    if names_columns(named):
        return True
    if not rest or any(cell.replace(".", "", 1).lstrip("-").isdigit() for cell in first):
        return False
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    if not columns or any(cell in column for cell, column in zip(first, columns, strict=True)):
        return False
    lengths = [sum(map(len, column)) / len(column) for column in columns]
    longest = lengths.index(max(lengths))
    return len(first[longest]) * 4 < lengths[longest] and " " not in first[longest].strip()
