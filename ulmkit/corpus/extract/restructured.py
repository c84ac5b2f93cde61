"""reStructuredText to text: prose and titles kept; programs, directives, tables of figures and marks left out.

https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html
"""

import re

from ulmkit.corpus.extract.blocks import BlockReader, folded, is_prose

_LINE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}")  # under or over a title, or between parts
_EXPLICIT = re.compile(r"\.\.(?:[ \t]+(.*))?")
_DIRECTIVE = re.compile(r"([\w:-]+?)::(?:[ \t]+(.*))?")
# directives whose content is text, and of those, the ones whose argument is none
_READ = frozenset((
    "note", "warning", "tip", "important", "caution", "attention", "danger", "error", "hint", "seealso", "admonition",
    "topic", "sidebar", "rubric", "centered", "epigraph", "pull-quote", "highlights", "glossary", "only", "container",
    "compound", "versionadded", "versionchanged", "deprecated", "figure",
))  # fmt: skip
_NO_WORDS = frozenset((
    "highlights", "glossary", "only", "container", "compound", "versionadded", "versionchanged", "deprecated", "figure",
))  # fmt: skip
_REPLACED = re.compile(r"\.\.[ \t]+\|([^|]+)\|[ \t]+replace::[ \t]+(.+)")
_CELL = re.compile(r"[ \t]*(?:\*[ \t]+)?-(?:[ \t]+|\Z)")
_FIELD = re.compile(r":[^:\s`][^:`]{0,60}:(?:[ \t]+.*)?")
_ITEM = re.compile(r"[ \t]*(?:[*+•-]|\(?(?:\d{1,3}|#|[a-zA-Z])[.)])[ \t]+")
_GRID = re.compile(r"\+(?:[-=]+\+)+")
_RULE = re.compile(r"=+(?:[ \t]+=+)+|=+(?:[ \t]+=+)*")

_ROLE = re.compile(r"(?::[\w:+.-]{1,40}:)?`([^`<]{0,300}?)(?:\s{0,3}<[^<>`]{0,500}>)?`(?:__?(?!\w))?")
_LITERAL = re.compile(r"``(.{1,300}?)``")
_STRONG = re.compile(r"(?<![\w\\*])\*{1,2}(?=\S)([^*]{1,300}+)(?<=\S)\*{1,2}(?![\w*])")
_NOTE = re.compile(r"[ \t]?\[(?:#[\w-]*|\*|\d{1,3}|[A-Za-z][\w.-]*)\]_")
_SUBSTITUTION = re.compile(r"\|[\w][^|\n]{0,40}\|_{0,2}")
_REFERENCE = re.compile(r"(?<![\w_])([^\W_](?:[\w.-]{0,60}[^\W_])?)__?(?!\w)")


def restructured_to_text(source: str) -> tuple[str, str]:
    """The text, and the first title in it.

    >>> restructured_to_text("Tere\\n====\\n\\nSee on *tekst* ja `link <a.ee>`_::\\n\\n   ls\\n\\n- üks\\n- kaks")
    ('See on tekst ja link:\\n\\nüks\\nkaks', 'Tere')
    """
    lines = source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").expandtabs(8).split("\n")
    reader = _Restructured([line.rstrip() for line in lines])
    reader.read()
    return reader.text(), reader.title


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


class _Restructured(BlockReader):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(self._said)
        self._source = lines
        replaced = (_REPLACED.fullmatch(line.strip()) for line in lines if "replace::" in line)
        self._words = {match[1]: match[2] for match in replaced if match}
        self._at = 0

    def read(self) -> None:
        while self._at < len(self._source):
            line = self._source[self._at]
            self._at += 1
            stripped = line.strip()
            if not stripped:
                self.close()
            elif not self._is_mark(line, stripped):
                self._continue(line, stripped)

    def _is_mark(self, line: str, stripped: str) -> bool:
        """Whether the line is markup and no text, or a title; what belongs to it is passed over."""
        if match := _EXPLICIT.fullmatch(stripped):
            self.close()
            self._explicit(match[1] or "", _indent(line))
        elif _GRID.fullmatch(stripped):
            self.close()
            self._grid()
        elif " " in stripped and _RULE.fullmatch(stripped):
            self.close()
            while self._at < len(self._source) and not (
                _RULE.fullmatch(self._source[self._at].strip() or "x")
                and not "".join(self._source[self._at + 1 : self._at + 2]).strip()
            ):
                self._at += 1
            self._at += 1
        elif _LINE.fullmatch(stripped):
            self._title(line)
        elif stripped.startswith(">>> "):
            self.close()
            while self._at < len(self._source) and self._source[self._at].strip():
                self._at += 1
        elif not self._open and _FIELD.fullmatch(stripped):
            self._skip_deeper(_indent(line))
        else:
            return False
        return True

    def _title(self, line: str) -> None:
        """A line of marks: under a title, over one, or between parts."""
        if len(self._open) == 1 and not self._lines:
            self._heading(self._open.pop())
            return
        self.close()
        following = self._source[self._at : self._at + 2]
        if len(following) == 2 and following[1].strip() == line.strip() and following[0].strip():
            self._at += 2
            self._heading(following[0])

    def _heading(self, text: str) -> None:
        text = _inline(text)
        self.title = self.title or text
        self.blocks.append(text)

    def _explicit(self, said: str, indent: int) -> None:
        """What begins with two dots: a directive, a note, a target or a comment."""
        match = _DIRECTIVE.fullmatch(said)
        if match and match[1].lower() == "list-table":
            self._list_table(indent)
            return
        if match is None or match[1].lower() not in _READ:
            self._skip_deeper(indent)
            return
        if match[2] and match[1].lower() not in _NO_WORDS:
            self._open.append(match[2])
        while self._at < len(self._source) and _FIELD.fullmatch(self._source[self._at].strip() or "x"):
            self._at += 1

    def _skip_deeper(self, indent: int) -> None:
        while self._at < len(self._source) and (
            not self._source[self._at].strip() or _indent(self._source[self._at]) > indent
        ):
            self._at += 1

    def _list_table(self, indent: int) -> None:
        """A table written as a list of lists: cells that are prose, as in other tables."""
        start = self._at
        self._skip_deeper(indent)
        cell: list[str] = []
        for line in (*self._source[start : self._at], "* -"):
            if (match := _CELL.match(line)) or not line.strip() or _FIELD.fullmatch(line.strip()):
                if is_prose(words := self._said(" ".join(cell))):
                    self.blocks.append(words)
                cell = [line[match.end() :]] if match else []
            else:
                cell.append(line.strip())

    def _said(self, text: str) -> str:
        """A line's words, with what its substitutions stand for."""
        text = _SUBSTITUTION.sub(lambda m: self._words.get(m[0].strip("|_"), m[0]), text) if "|" in text else text
        return _inline(text)

    def _grid(self) -> None:
        cells: list[str] = []
        while self._at < len(self._source) and self._source[self._at].lstrip()[:1] in ("|", "+"):
            row = self._source[self._at].strip()
            self._at += 1
            if row.startswith("+"):
                self.blocks.extend(cell for cell in map(_inline, cells) if is_prose(cell))
                cells = []
                continue
            for place, cell in enumerate(row.strip("|").split("|")):
                cells += [""] * (place + 1 - len(cells))
                cells[place] += f" {cell.strip()}"

    def _continue(self, line: str, stripped: str) -> None:
        if match := _ITEM.match(line):
            self._close_line()
            stripped = line[match.end() :]
        elif stripped.startswith("| "):
            self._close_line()
            stripped = stripped[2:]
        if stripped.endswith("::"):
            self._open.append(stripped[:-1] if stripped != "::" else "")
            following = self._at
            while following < len(self._source) and not self._source[following].strip():
                following += 1
            if following > self._at:  # a program follows
                self.close()
                self._skip_deeper(_indent(line))
            return
        self._open.append(stripped)


def _inline(text: str) -> str:
    masked: list[str] = []

    def aside(match: re.Match[str]) -> str:
        masked.append(match[1])
        return f"\x1a{len(masked) - 1}\x1a"

    text = _LITERAL.sub(aside, text.replace("\x1a", ""))
    if "`" in text:
        text = _ROLE.sub(lambda m: m[1].lstrip("~!"), text)
    text = _NOTE.sub("", text)
    text = _SUBSTITUTION.sub("", text)
    text = _STRONG.sub(r"\1", text)
    if "_" in text:
        text = _REFERENCE.sub(r"\1", text)
    text = text.replace("\\ ", "").replace("\\", "")
    return folded(re.sub("\x1a([0-9]+)\x1a", lambda m: masked[int(m[1])], text))
