"""Org Mode to text: prose and titles kept; programs, drawers, settings, tables of figures and marks left out.

https://orgmode.org/worg/org-syntax.html
"""

import re

from ulmkit.corpus.extract.blocks import BlockReader, folded, is_prose

_SETTING = re.compile(r"#\+([\w-]+)(?:\[[^\]]*\])?:[ \t]*(.*)")
_BEGIN = re.compile(r"#\+begin_(\S+).*", re.I)
_END = re.compile(r"#\+end_\S+.*", re.I)
_READ = frozenset(("quote", "center", "verse", "note", "tip", "warning", "important", "caution", "info", "abstract"))
_DRAWER = re.compile(r":[\w-]+:")
_HEADING = re.compile(
    r"\*+[ \t]+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)[ \t]+)?(?:\[#\w\][ \t]+)?(.*?)(?:[ \t]+(?::[\w@#%]+)+:)?"
)
_PLANNED = re.compile(r"(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):.*")
_RULE = re.compile(r"-{5,}")
_ITEM = re.compile(
    r"[ \t]*(?:[-+]|(?<=[ \t])\*|(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+(?:\[[ xX-]\][ \t]+)?(?:\[@\d+\][ \t]+)?"
)
_TERM = re.compile(r"(\S.*?)[ \t]+::(?:[ \t]+(.*))?")
_NOTE = re.compile(r"\[fn:[^\]\n]{0,60}\]|\[\d{1,3}\]")
_PICTURE = re.compile(r"(?:file:)?\S+\.(?:png|jpe?g|gif|svg|webp|pdf)", re.I)

_INLINE_NOTE = re.compile(r"\[fn:[\w-]*:[^\[\]\n]{0,500}\]|\[fn:[\w-]{1,60}\]")
_LINK = re.compile(r"\[\[([^\[\]\n]{1,2000})\](?:\[([^\[\]\n]{1,500})\])?\]")
_TARGET = re.compile(r"<{2,3}[^<>\n]{1,200}>{2,3}")
_TIME = re.compile(r"[<\[]\d{4}-\d\d-\d\d[^<>\[\]\n]{0,60}[>\]](?:--[<\[]\d{4}-\d\d-\d\d[^<>\[\]\n]{0,60}[>\]])?")
_MACRO = re.compile(r"\{\{\{[\w-]{1,60}(?:\([^{}\n]{0,300}\))?\}\}\}|\bsrc_\w+(?:\[[^\]\n]*\])?\{[^{}\n]*\}")
_CITED = re.compile(r"\[cite(?:/[\w/]+)?:[^\[\]\n]{0,300}\]")
# between what may stand before a mark and what may stand behind it
_EMPHASIS = re.compile(
    r"(?<![^\s\-–—({'\"«„“])([*/_+=~])(?=\S)((?:(?!\1).){1,300}+)(?<=\S)\1(?![^\s\-–—.,;:!?'\")}\]»“”…،؛؟])"
)


def org_to_text(source: str) -> tuple[str, str]:
    """The text, and the title of the document.

    >>> org_to_text("#+TITLE: Tere\\n* Algus :a:\\nSee on *tekst*,\\n[[https://a.ee][link]].\\n- üks\\n- kaks")
    ('Algus\\n\\nSee on tekst, link.\\nüks\\nkaks', 'Tere')
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    reader = _Org([line.rstrip() for line in source.split("\n")])
    for place, line in enumerate(reader.source):
        reader.read(place, line)
    return reader.text(), reader.title


class _Org(BlockReader):
    def __init__(self, source: list[str]) -> None:
        super().__init__(_inline)
        self.source = source
        self._last = {line.strip().lower(): place for place, line in enumerate(source)}  # where each line stands last
        self._passes = ""  # what ends the block or drawer that is passed over, lower case
        self._verse = False  # line ends are kept
        self._skips = False  # a footnote
        self._hidden = 0  # stars of a heading whose whole part is a comment
        self._item: int | None = None  # how far the mark of the item that is open stands in

    def read(self, place: int, line: str) -> None:
        stripped = line.strip()
        if self._passes:
            if stripped.lower() == self._passes:
                self._passes = ""
        elif not stripped:
            self.close()
            self._skips = False
        elif line[0] == "*" and (match := _HEADING.fullmatch(line)):
            self.close()
            self._skips = False
            self._heading(match[1], len(line) - len(line.lstrip("*")))
        elif not self._hidden and not self._skips and not self._is_mark(place, line, stripped):
            self._continue(line, stripped)

    def _pass_to(self, end: str, place: int) -> None:
        """Pass over what stands before the line `end`; one that never comes ends nothing."""
        if self._last.get(end, -1) > place:
            self._passes = end

    def _is_mark(self, place: int, line: str, stripped: str) -> bool:
        """Whether the line is markup and no text."""
        if match := _BEGIN.fullmatch(stripped):
            self.close()
            name = match[1].lower()
            if name not in _READ:
                self._pass_to(f"#+end_{name}", place)
            self._verse = name == "verse"
        elif _END.fullmatch(stripped):
            self.close()
            self._verse = False
        elif match := _SETTING.fullmatch(stripped):
            self.close()
            if match[1].lower() == "title":
                self.title = _inline(f"{self.title} {match[2]}")
            elif match[1].lower() == "caption":
                self.blocks.append(_inline(match[2]))
        elif _DRAWER.fullmatch(stripped):
            self.close()
            self._pass_to(":end:", place)
        elif stripped[0] == "|":
            self.close()
            self.blocks.extend(cell for cell in map(_inline, stripped.strip("|").split("|")) if is_prose(cell))
        elif _NOTE.match(line):
            self.close()
            self._skips = True
        else:
            return bool(
                stripped == "#" or stripped.startswith(("# ", ": ")) or stripped == ":"
                or _PLANNED.fullmatch(stripped) or _RULE.fullmatch(stripped)
            )  # fmt: skip
        return True

    def _heading(self, text: str, level: int) -> None:
        if self._hidden and level > self._hidden:
            return
        self._hidden = level if text.split(" ", 1)[0] == "COMMENT" else 0
        if not self._hidden:
            self.blocks.append(_inline(text))

    def close(self) -> None:
        super().close()
        self._item = None

    def _continue(self, line: str, stripped: str) -> None:
        indent = len(line) - len(line.lstrip())
        if match := _ITEM.match(line):
            self._close_line()
            self._item = indent
            stripped = line[match.end() :]
            if term := _TERM.fullmatch(stripped):
                self._lines.append(_inline(term[1]))
                stripped = term[2] or ""
        elif self._item is not None and indent <= self._item:  # no further in than the mark: the item ends
            if indent:
                self._close_line()
                self._item = indent - 1  # it goes on in the item around it
            else:
                self.close()
        hard = self._verse or stripped.endswith("\\\\")
        self._open.append(stripped.removesuffix("\\\\"))
        if hard:
            self._close_line()


def _inline(text: str) -> str:
    for pattern in (_INLINE_NOTE, _CITED, _TARGET, _TIME, _MACRO):
        text = pattern.sub("", text)
    text = _LINK.sub(lambda m: m[2] or ("" if _PICTURE.fullmatch(m[1]) else m[1]), text)
    return folded(_EMPHASIS.sub(r"\2", text))
