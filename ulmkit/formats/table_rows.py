"""The rows of a table, each read whole or complained of with its line: the layout is watched on the way."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.fields import TEXT_FIELDS, NumberedRecord
from ulmkit.formats.layout import LAYOUT_ROWS, SAYS_DELIMITER, find_layout, has_header
from ulmkit.formats.origin import Origin
from ulmkit.formats.table_columns import are_mostly_rows, are_whole_rows, column_fit, fits_columns
from ulmkit.formats.table_grammar import NO_DELIMITER, ReadRow, TableLayout, grammar_of
from ulmkit.formats.table_told import escape_said, quote_said, told_layout
from ulmkit.formats.table_trial import LAYOUT_SAMPLE, FoundLayout, tried

PATIENCE = 1 << 12  # characters that an open cell may go on at the least
LOOKED_ROUND = 16  # lines of an open cell after which it is asked whether they are rows
BAD_IN_A_ROW = 8  # lines that break the layout before another is looked for


class TableRows(Iterator[NumberedRecord]):
    """(number of its first line, column -> cell) for each row; a row that cannot be read comes as its complaint.

    `names` are the columns: the header's, or `column1` and so on. At most one row and the sample are held.
    """

    def __init__(self, numbered: Iterator[tuple[int, str | Unreadable]], origin: Origin) -> None:
        self.numbered, self.origin, self.told = numbered, origin, told_layout(origin.table)
        self.ahead: deque[tuple[int, str | Unreadable]] = deque()
        self.names: list[str] = []
        self.patience = origin.limits.record
        self.searched = 0  # the line up to which no other layout is looked for
        sample = self._fill()
        self._settle(sample)
        self.rows = self._read() if self._divided(sample) else iter([self._undivided()])

    def __iter__(self) -> Iterator[NumberedRecord]:
        return self.rows

    def __next__(self) -> NumberedRecord:
        return next(self.rows)

    @property
    def doubt(self) -> Unreadable | None:
        """That the table may be in another layout than it is read in: then rows may be joined, and no row says so."""
        if self.rival is None:
            return None
        if self.rival.quote != self.layout.quote:
            other, taken, part_said = self.rival.quotes_said, self.layout.quotes_said, quote_said
        else:
            other, taken, part_said = self.rival.escapes_said, self.layout.escapes_said, escape_said
        detail = (
            f"too few rows to tell whether {other}; read as if {taken}. Say which "
            f"with --table {part_said(self.layout)} or --table {part_said(self.rival)}"
        )
        return self.origin.unreadable(reasons.UNSURE, detail)

    def _divided(self, lines: Sequence[str]) -> bool:
        """Whether the delimiter that was said stands in any of `lines`; true where none was."""
        told = self.told.delimiter
        return not lines or told in (None, NO_DELIMITER) or any(told in line for line in lines)

    def _undivided(self) -> Unreadable:
        detail = f"nowhere a {self.told.delimiter_said}, which --table says stands between cells"
        return self.origin.unreadable(reasons.BAD_RECORD, detail)

    def _fill(self) -> list[str]:
        """The next lines, which stay ahead, as a sample."""
        size, lines = 0, []
        for at in range(LAYOUT_ROWS):
            if (line := self._line(at)) is None and at >= len(self.ahead):
                break
            if line is not None:
                lines.append(line)
                size += len(line)
                if size > LAYOUT_SAMPLE:
                    break
        return lines

    def _line(self, far: int) -> str | None:
        """The line so many further on; None behind the end, and where that line cannot be read."""
        while len(self.ahead) <= far:
            if (item := next(self.numbered, None)) is None:
                return None
            self.ahead.append(item)
        line = self.ahead[far][1]
        return line if isinstance(line, str) else None

    def _settle(self, lines: Sequence[str], found: FoundLayout | None = None) -> None:
        """Take the layout of `lines`, and the names of the columns if their first row is a header."""
        found = found or find_layout(lines, self.origin.name.lower(), self.told)
        self.layout, self.width, self.rival = found.layout, found.width, found.rival
        self.grammar = grammar_of(found.layout)
        cells = [row.cells for row in found.rows]
        self.header = cells[0] if cells and has_header(cells) else None
        if self.header or len(self.names) != self.width:
            names = [cell.strip().lstrip("\ufeff") for cell in self.header or []]
            while len(names) > 1 and not names[-1]:
                names.pop()  # a delimiter stands at the end of each row
            if self.header and len(self.header) == self.width - 1:
                names.insert(0, "row")  # numbers of rows, which R gives no name
            # as many as rows have cells: of names that are over nothing is known
            self.names = [*names, *(f"column{number}" for number in range(len(names) + 1, self.width + 1))][
                : self.width
            ]
        # what quotation marks turned out to be so far: the table's, or the text's own
        self.marks, self.own, self.usually_quotes = found.quoted_rows, 0, found.usually_quotes
        self.learned = [row for row in cells[bool(self.header) :] if len(row) == self.width]
        self.fits = [column_fit([row[column] for row in self.learned]) for column in range(self.width)]
        self.text = self._text_column()

    def _text_column(self) -> int:
        """The column that is most likely the text."""
        told = self.origin.text_field
        if told in self.names:
            return self.names.index(told)
        named = [name.lower() for name in self.names]
        if known := [named.index(name) for name in TEXT_FIELDS if name in named]:
            return known[0]
        lengths = [sum(len(row[column]) for row in self.learned) for column in range(self.width)]
        return lengths.index(max(lengths)) if lengths else 0

    def _read(self) -> Iterator[NumberedRecord]:
        if SAYS_DELIMITER.match(self._line(0) or ""):
            self.ahead.popleft()
        ahead = self.ahead
        while True:
            if not ahead:
                yield from self._straight()
                if not ahead:
                    return
            number, line = ahead[0]
            if not isinstance(line, str):
                ahead.popleft()
                yield line
            elif not line.strip("\r\n"):
                ahead.popleft()
            else:
                yield from self._next_row(number, line)

    def _straight(self) -> Iterator[NumberedRecord]:
        """The rows that are had at once, up to a line that has to be looked at: that stays ahead."""
        names, header, width = self.names, self.header, self.width
        (mark, second), delimiter = self.grammar.special, self.layout.delimiter
        # marks are the table's, and a row of them may be had at once
        quoted = self.grammar.at_once() if self.layout.quote and self.marks > self.own else None
        for item in self.numbered:
            number, line = item
            if not isinstance(line, str):
                yield line
                continue
            # as `is_plain` and `split` do it: this is the way of most rows
            if not mark or (mark not in line and not (second and second in line)):
                cells = line.rstrip("\r\n").split(delimiter)
            else:
                cells = (quoted(line) if quoted else None) or []
            if len(cells) == width > 1 and cells != header:
                yield number, dict(zip(names, cells, strict=True))
            else:
                self.ahead.append(item)
                return

    def _next_row(self, number: int, line: str) -> Iterator[NumberedRecord]:
        """The row that begins with `line`, or what is to be said of it."""
        rows = self._rows_at(line)
        if rows and (lines := self._lines_of_two(rows[0])):
            for _ in range(lines):
                self.ahead.popleft()
            detail = f"two rows without a line end between them: {lines} lines left out"
            yield self.origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(line))
            return
        if rows and self._is_rest(rows[0], line):
            rows = None
        if rows is None and (self._is_header(line) or self._changed(number)):
            return
        if rows is None:
            yield self._complaint(number, line)
            return
        for _ in range(sum(row.lines for row in rows)):
            self.ahead.popleft()
        for row in rows:
            if row.cells != self.header:
                yield number, dict(zip(self.names, row.cells, strict=True))

    def _is_header(self, line: str) -> bool:
        """Whether `line` is the header, which may lack a name; it is taken away."""
        row = self._alone(line)
        if row is None or self.header is None or row.cells != self.header:
            return False
        self.ahead.popleft()
        return True

    def _rows_at(self, line: str) -> list[ReadRow] | None:
        """The row at `line(0)` as the layout has it, else as it can be read without doubt; None where it cannot."""
        row = self.grammar.row(self._watched, self.patience)
        if row is not None and len(row.cells) == self.width and not self._swallows(row):
            self.marks += row.quoted > 0
            self.patience = min(2 * self.patience, self.origin.limits.record)
            return [row]
        if row is None:
            self.patience = max(PATIENCE, self.patience // 2)
        if self.told.strict:
            return None
        for other in self._otherwise(line, row):
            if len(other.cells) == self.width:
                return [other]
        if "\r" in line.rstrip("\r\n"):
            pieces = [self._alone(piece) for piece in line.rstrip("\r\n").split("\r") if piece]
            if all(piece is not None and len(piece.cells) == self.width for piece in pieces):
                return [replace(piece, lines=int(not at)) for at, piece in enumerate(pieces) if piece]
        joined = self._joined(row if row and row.lines == 1 else None, line)
        return None if joined is None else [joined]

    def _watched(self, far: int) -> str | None:
        """The lines of an open cell, until they look like rows of their own."""
        if far and far % LOOKED_ROUND == 0 and self._like_rows(1, far):
            return None
        return self._line(far)

    def _like_rows(self, start: int, end: int) -> bool:
        """Whether the lines between are rows by themselves, so that a cell which holds them has swallowed them."""
        if self.width < 2 or end - start < (2 if self.fits[0] else 5):
            return False
        like = 0
        for far in range(start, end):
            cells = self.grammar.split(self._line(far) or "")
            like += fits_columns(cells, self.fits, self.text)
        return are_mostly_rows(like, end - start)

    def _is_rest(self, row: ReadRow, line: str) -> bool:
        """Whether the row on `line` is the rest of one whose beginning was not read: marks close what none opens."""
        quote, delimiter = self.layout.quote, self.layout.delimiter
        if not quote or row.lines > 1 or self.marks <= self.own:
            return False
        if (escape := self.layout.escape) and escape in line:
            line = line.replace(escape * 2, "").replace(escape + quote, "")
            if (row := self._alone(line) or row).lines > 1:
                return False
        whole = f"{delimiter}{line.rstrip('\r\n')}{delimiter}"
        return any(
            cell.endswith(quote)
            and not cell.startswith(quote)
            and cell.count(quote) % 2 == 1
            and f"{delimiter}{cell}{delimiter}" in whole
            for cell in row.cells
        )

    def _lines_of_two(self, row: ReadRow) -> int:
        """The lines of `row` and of another that begins with a quoted cell inside of its last one; 0 where none does.

        The mark is no letter of the last cell where all from it on, over lines to come, is a whole row.
        """
        quote, last = self.layout.quote, row.cells[-1]
        at = last.find(quote) if quote else -1
        if at < 1 or len(row.cells) < 2 or self.told.strict:
            return 0
        if self.marks <= self.own and self.text == len(row.cells) - 1:
            return 0  # a text may hold marks of its own
        if self.fits[-1] is not None and fits_columns([last], self.fits[-1:]):
            return 0
        line = self._line(row.lines - 1) or ""
        bare = line.rstrip("\r\n")
        if not bare.endswith(f"{self.layout.delimiter}{last}"):
            return 0  # quoted, or escaped
        rest = line[len(bare) - len(last) + at :]
        other = self.grammar.row(lambda far: self._line(row.lines - 1 + far) if far else rest, self.patience)
        if other is None or other.lines == 1:
            return 0
        whole = [[*row.cells[:-1], last[:at]], other.cells]
        two = all(fits_columns(cells, self.fits, self.text) for cells in whole)
        return row.lines + other.lines - 1 if two else 0

    def _swallows(self, row: ReadRow) -> bool:
        """Whether `row` has joined other rows: a text's own mark began a cell and that of another text ended it."""
        if row.lines > 2 and self._like_rows(1, row.lines - 1):
            return True
        # tabs stand in few texts; where nothing was quoted so far, marks are the texts' own
        own = self.marks <= self.own or (self.layout.delimiter == "\t" and not self.usually_quotes)
        if row.lines == 1 or not row.quoted or not own:
            return False
        return are_whole_rows((self._line(far) or "" for far in range(row.lines)), self.grammar, self.fits)

    def _alone(self, line: str, layout: TableLayout | None = None) -> ReadRow | None:
        """The row that `line` is by itself."""
        grammar = grammar_of(layout) if layout else self.grammar
        return grammar.row(lambda far: None if far else line, 0)

    def _otherwise(self, line: str, row: ReadRow | None) -> Iterator[ReadRow]:
        """Other readings of `line` alone, likeliest first, for who takes the first of the right width."""
        layout = self.layout
        quotes = layout.quote or '"'
        if not layout.escape and f"\\{quotes}" in line:
            escaping = grammar_of(replace(layout, quote=quotes, escape="\\"))
            if (found := escaping.row(self._watched, self.patience)) and not self._swallows(found):
                yield found
        joined = line.rstrip("\r\n").replace("\r", "")
        goes_on = bool(layout.escape) and joined.endswith(layout.escape)
        if "\r" in line.rstrip("\r\n") and not goes_on and (found := self._alone(joined)):
            yield found
        exact = row is not None and row.lines == 1 and row.quoted > 0 and self.grammar.is_exact(line, row)
        if quotes in line and (layout.quote or not layout.escape) and not exact:
            sure = self.marks > self.own
            if sure and (found := self.grammar.lenient(line)):
                yield found
            literal = ReadRow(grammar_of(replace(layout, quote="", escape="")).split(line))
            if not sure and len(literal.cells) == self.width:
                self.own += 1
                yield literal
            if not sure and layout.quote and (found := self.grammar.lenient(line)):
                yield found
        if row is not None and len(row.cells) > self.width:
            for quote in {'"', "'"} - {layout.quote}:
                if f"{layout.delimiter}{quote}" in line or line.startswith(quote):
                    found = self._alone(line, replace(layout, quote=quote))
                    if found and found.quoted:
                        yield found

    def _joined(self, row: ReadRow | None, line: str) -> ReadRow | None:
        """A row with too many cells, what is over put back into the text, where it is sure that it is the text's."""
        delimiter = self.layout.delimiter
        cells = row.cells if row else self.grammar.split(line)
        over = len(cells) - self.width
        if over < 1 or self.width < 2 or (row is None and self.marks > self.own and not self.layout.open_ended):
            return None
        text = self.width - 1 if self.layout.open_ended else self.text
        parts = cells[text : text + over + 1]
        whole = [*cells[:text], delimiter.join(parts), *cells[text + over + 1 :]]
        if self.layout.open_ended:
            return ReadRow(whole)
        others = [fit for column, fit in enumerate(self.fits) if column != text]
        prose = delimiter in ",;" and all(part.startswith(" ") for part in parts[1:])
        if row and not row.quoted and prose and None not in others and fits_columns(whole, self.fits, text):
            return ReadRow(whole)
        return None

    def _changed(self, number: int) -> bool:
        """Whether the table goes on in another layout, which is taken from here on."""
        if number < self.searched or self._bad(BAD_IN_A_ROW) < BAD_IN_A_ROW - 1:
            return False
        lines = self._fill()
        self.searched = number + len(lines)
        found = find_layout(lines, self.origin.name.lower(), self.told)
        same = found.layout == self.layout and found.width == self.width
        if same or found.width < 2 or found.share < 0.9 or len(found.rows) < BAD_IN_A_ROW:
            return False
        # lines of a text that goes over several are no rows by themselves, and yet the table's
        own = [len(row.cells) == self.width for row in tried(lines, self.layout).rows]
        if 3 * sum(own) >= len(own) > 0:
            return False
        self._settle(lines, found)
        return True

    def _bad(self, count: int) -> int:
        """How many of the next lines are no rows by themselves."""
        lines = [line for far in range(count) if (line := self._line(far)) and line.strip()]
        rows = map(self._alone, lines)
        return sum(row is None or len(row.cells) != self.width for row in rows)

    def _complaint(self, number: int, line: str) -> Unreadable:
        """What is wrong with the row at `line`; it and what belongs to it is taken away, up to the next whole row."""
        # without quotation marks a row goes on only where its line ends are escaped, and so far it is known
        whole = None if self.layout.quote else self.grammar.row(self._watched, self.patience)
        self.ahead.popleft()
        if whole is not None and whole.lines > 1 and not self._begins_row():
            lines = 1
            while lines < whole.lines and not self._begins_row():
                self.ahead.popleft()
                lines += 1
            detail = f"{len(whole.cells)} cells instead of {self.width}: {lines} lines left out"
            return self.origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(line))
        row = self._alone(line)
        if row is not None and len(row.cells) != self.width:
            detail = f"{len(row.cells)} cells instead of {self.width}"
            return self.origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(line))
        detail, lines, size = "a quotation mark that is not closed, or not escaped", 1, len(line)
        while (text := self._line(0)) is not None and size < self.origin.limits.record:
            following = self._alone(text)
            if following is None or (fits_columns(following.cells, self.fits, self.text)):
                break  # a row, or the beginning of one
            self.ahead.popleft()
            lines, size = lines + 1, size + len(text)
        if lines > 1:
            detail = f"{detail}: {lines} lines left out"
        return self.origin.unreadable(reasons.BAD_RECORD, detail, number, shown=excerpt(line))

    def _begins_row(self) -> bool:
        """Whether the next line is a row, or one begins there: not told where the text, which goes on, comes first."""
        alone = self._alone(self._line(0) or "")
        row = self.grammar.row(self._watched, self.patience) if self.text else alone
        return any(found and fits_columns(found.cells, self.fits, self.text) for found in (alone, row))
