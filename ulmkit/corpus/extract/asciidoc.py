"""AsciiDoc to text: prose and titles kept; listings, tables of figures, attributes, macros and marks left out.

https://docs.asciidoctor.org/asciidoc/latest/
"""

import re

from ulmkit.corpus.extract.blocks import BlockReader, folded, is_prose

_UNREAD = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,}\S*)[ \t]*")  # listing, literal, passthrough, comment
_FRAME = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--)[ \t]*")  # example, sidebar, quotation, open: their content is read
_TABLE = re.compile(r"([|,:!])={3,}[ \t]*")
_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*")
_UNDERLINE = re.compile(r"(?:={3,}|-{3,}|~{3,}|\^{3,}|\+{3,})[ \t]*")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?")
_MACRO = re.compile(r"[a-z][\w-]*::\S*\[.*\][ \t]*")
_BLOCK_MARK = re.compile(r"\[.*\][ \t]*")
_PROGRAM = re.compile(r"\[(?:source|listing|literal|stem|latexmath|asciimath|plantuml|ditaa|mermaid|graphviz|,)", re.I)
_ITEM = re.compile(r"[ \t]*(?:[*]{1,5}|-|\.{1,5}|\d{1,3}\.|[a-zA-Z]\.|<[\d.]{1,3}>)[ \t]+(?:\[[ x*]\][ \t]+)?")
_TERM = re.compile(r"[ \t]*(\S.*?)(?::{2,4}|;;)(?:[ \t]+(.*))?")
_ADMONITION = re.compile(r"(?:NOTE|TIP|IMPORTANT|CAUTION|WARNING):[ \t]+")
_REVISION = re.compile(r"v?\d[\w.]*(?:,.*)?|.*<\S+@\S+>.*|v\d.*")
_CELL = re.compile(r"(?<!\\)(?:\d*[*+.<>^]*[aehlmsdv]?)\|")

_CONCEALED = re.compile(
    r"\(\(\([^()\n]{0,300}\)\)\)|\b(?:indexterm|footnote|footnoteref|image|icon|anchor|stem|latexmath):[^\s\[\]]{0,300}\[[^\[\]]{0,300}\]|\[\[[^\[\]\n]{0,200}\]\]"
)
_SHOWN_TERM = re.compile(r"\(\(([^()\n]{1,200})\)\)|\bindexterm2:\[([^\[\]]{0,200})\]")
_CROSS = re.compile(r"<<[^<>,]{0,200}(?:,([^<>]{0,300}))?>>")
_LINK = re.compile(r"\b(?:link:|xref:|mailto:|https?://|ftp://|irc://)[^\s\[\]]{0,2000}\[([^\[\]]{0,300})\]")
_KEY = re.compile(r"\b(?:kbd|btn|menu|pass|asciimath):[^\s\[\]]{0,200}\[([^\[\]]{0,300})\]")
_REFERENCE = re.compile(r"(?<!\\)\{([\w-]{1,60})\}")
_ROLE = re.compile(r"\[[.#%\w -]{1,60}\](?=[#*_`])")
_EMPHASIS = (
    re.compile(r"(?<![\w\\])([*_`#])\1(\S.{0,200}?)\1\1(?!\w)"),
    re.compile(r"(?<![\w\\])([*_`#+])(?=\S)((?:(?!\1).){1,200}+)(?<=\S)\1(?!\w)"),
    re.compile(r"()[\^~](\S{1,30}?)[\^~]"),
)
_CURVED = (('"`', "“"), ('`"', "”"), ("'`", "‘"), ("`'", "’"), ("+++", ""))


def asciidoc_to_text(source: str) -> tuple[str, str]:
    """The text, and the title of the document.

    >>> asciidoc_to_text("= Tere\\n\\nSee on *tekst*,\\nhttps://a.ee[link].\\n\\n----\\nls\\n----\\n\\n* üks\\n* kaks")
    ('See on tekst, link.\\n\\nüks\\nkaks', 'Tere')
    """
    reader = _AsciiDoc()
    for line in source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").split("\n"):
        reader.read(line.rstrip())
    return reader.text(), reader.title


class _AsciiDoc(BlockReader):
    def __init__(self) -> None:
        super().__init__(self._plain)
        self._attributes: dict[str, str] = {}
        self._until = ""  # the line that ends what is not read
        self._table: list[str] | None = None
        self._skips = False  # a paragraph of program text
        self._program = False  # a block of program text is announced
        self._in_header = False  # right below the document's title
        self._was_blank = True

    def read(self, line: str) -> None:
        stripped = line.strip()
        if self._until:
            self._until = "" if stripped == self._until else self._until
        elif self._table is not None:
            if _TABLE.fullmatch(stripped):
                cells = (self._inline(cell) for cell in _CELL.split(" ".join(self._table)))
                self.blocks.extend(cell for cell in cells if is_prose(cell))
                self._table = None
            else:
                self._table.append(stripped)
        elif not stripped:
            self.close()
            self._skips = self._in_header = False
        elif not self._skips and not self._is_mark(line, stripped):
            self._continue(line, stripped)
        self._was_blank = not stripped

    def _is_mark(self, line: str, stripped: str) -> bool:
        """Whether the line is markup and no text, or a title."""
        single = self._open[0] if len(self._open) == 1 and not self._lines else ""
        if single and _UNDERLINE.fullmatch(stripped) and abs(len(stripped) - len(single)) <= 2:
            self._open.clear()
            self._heading(single, 1 if stripped[0] == "=" else 2)
            return True
        if match := _UNREAD.fullmatch(stripped):
            self.close()
            self._program = False
            self._until = "```" if match[1].startswith("```") else match[1]
        elif _TABLE.fullmatch(stripped):
            self.close()
            self._table = []
        elif _FRAME.fullmatch(stripped) or stripped == "'''" or stripped == "<<<":
            self.close()
        elif match := _HEADING.fullmatch(line):
            self.close()
            self._heading(match[2], len(match[1]))
        elif match := _ATTRIBUTE.fullmatch(stripped):
            self._attributes[match[1]] = match[2] or ""
        elif _BLOCK_MARK.fullmatch(stripped) and not self._open:
            self._program = bool(_PROGRAM.match(stripped))
        elif stripped.startswith("//") or _MACRO.fullmatch(stripped) or stripped == "+":
            self._close_line()
        elif self._in_header and _REVISION.fullmatch(stripped):
            pass
        elif line[0] in " \t" and self._was_blank and not _ITEM.match(line) and re.search(r"[{}();=<>$\\|#]", line):
            self._skips = True
        else:
            return False
        return True

    def _heading(self, text: str, level: int) -> None:
        text = self._inline(text)
        self._in_header = level == 1 and not self.blocks
        if level == 1 and not self.title:
            self.title = text
        self.blocks.append(text)

    def _continue(self, line: str, stripped: str) -> None:
        if not self._open and not self._lines and self._program:
            self._skips, self._program = True, False
            return
        self._program = False
        if match := _ITEM.match(line):
            self._close_line()
            stripped = line[match.end() :]
        elif stripped[0] == "." and stripped[1:2] not in (" ", ".", "") and not self._open:
            self.close()
            self.blocks.append(self._inline(stripped[1:]))
            return
        elif match := _TERM.fullmatch(stripped):
            self._close_line()
            self._lines.append(self._inline(match[1]))
            stripped = match[2] or ""
        hard = stripped.endswith(" +")
        self._open.append(_ADMONITION.sub("", stripped.removesuffix(" +"), count=1) if stripped else "")
        if hard:
            self._close_line()

    def _plain(self, text: str) -> str:
        text = _CONCEALED.sub("", text)
        text = _SHOWN_TERM.sub(lambda m: m[1] or m[2] or "", text)
        text = _CROSS.sub(lambda m: m[1] or "", text)
        text = _LINK.sub(lambda m: m[1].split(",")[0].rstrip("^"), text)
        text = _KEY.sub(r"\1", text)
        text = _REFERENCE.sub(lambda m: self._attributes.get(m[1], ""), text)
        for mark, sign in _CURVED:
            text = text.replace(mark, sign)
        text = _ROLE.sub("", text)
        for pattern in _EMPHASIS:
            text = pattern.sub(r"\2", text)
        return folded(text.replace("\\", "") if "\\" in text else text)
