"""Markdown to text: CommonMark and what documentation sites add to it, programs and tables of figures left out."""

import html
import re

from ulmkit.corpus.extract.blocks import BlockReader, has_word, is_prose, joined
from ulmkit.corpus.extract.holes import HOLE

MOST_SAID = 12  # characters of a formula that is said as a word is: a letter, a number

_FRONT_MATTER = re.compile(r"\A\ufeff?\s*(?:---|\+\+\+)[ \t]*\n(.*?)\n(?:---|\+\+\+|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE_SETTING = re.compile(r"^title[ \t]*[:=][ \t]*(.+?)[ \t]*$", re.M | re.I)

_FENCE = re.compile(r"^((?:[ \t]*>)*[ \t]*(?:[-*+][ \t]+)?)(`{3,}|~{3,})([^\n`]*)$")
# Spans of code: `name`. What is in them is text, and nothing in it is markup.
_CODE_SPAN = re.compile(r"(?<![`\\])(?:`([^`\n]++(?:\n[^`\n]++)?)`|``([^\n]*?[^`\n])``)(?!`)")
_MASK = re.compile("\x1a([0-9]+)\x1a")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

# A pattern that looks for an end stops at the next beginning: unclosed ones must not each read to the end of the text.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|\{/\*[^{*]*+(?:(?:\{(?!/\*)|\*(?!/\}))[^{*]*+)*+\*/\}", re.S)
_UNREAD_ELEMENT = re.compile(
    r"<((?i:script|style|svg|pre|table|iframe|video|audio|math|template|button|select|form|canvas|object|sandpack"
    r"|figure|picture|diagram|yt))\b[^<>]*+(?:(?<=/)>|>[^<]*+(?:<(?!/?\1\b)[^<]*+)*+</\1\s*>)",
    re.I,
)
_BREAK = re.compile(r"<br\s*/?>", re.I)
_BLOCK_END = re.compile(r"</(?:summary|details|p|li|h[1-6]|dt|dd|blockquote)\s*>", re.I)
# an attribute of a component may hold an arrow, so quoted and braced parts may hold a bracket
_TAG = re.compile(
    r"</?[A-Za-z][\w.:-]*+(?:[^<>\"'{}]|\"[^\"]*\"|'[^'\n]*'|\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\})*+>|</?>"
)
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[^\s<>@]+@[^\s<>@]+)>")

# Macros: the reference macros of MDN show their last word, all others are instructions.
_REFERENCE_MACRO = re.compile(
    r"\{\{\s*(?i:htmlelement|domxref|jsxref|cssxref|svgelement|svgattr|mathmlelement|httpheader|httpmethod|httpstatus"
    r"|glossary|csp|rfc|bug|webextapiref|interfacename)\s*\(([^{}]*)\)\s*\}\}"
)
_STRING = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_MACRO = re.compile(
    r"\{\{[^{}\n]*\}\}|\{%[^{%\n]*+(?:(?:\{(?!%)|%(?!\}))[^{%\n]*+)*+%\}"
    r"|\{[:#@][^{}\n]*\}|\{/[a-z]+\}|\{\.[A-Za-z][^{}\n]*\}"
)
_DIRECTIVE = re.compile(r"\[!(?:include|video|image|code|div|div-checklist|notebook)\b[^\n]*", re.I)
_CALLOUT = re.compile(r"^\[!([\w-]+)\][+-]?[ \t]*", re.M)
_MODULE = re.compile(
    r"^(?:import\s[^\n]*?(?:from\s)?['\"][^\n]*['\"];?|export\s+(?:default|const|function|\{|\*)[^\n]*)$", re.M
)

_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\((?:[^()\s]|\([^()]*\))*+(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)|\[[^\[\]]*\])")
_LINK = re.compile(
    r"\[([^\[\]]*)\]\(\s*(?:<[^<>\n]*>|(?:[^()\s]|\([^()\s]*\))*+)(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)"
)
_REFERENCE_LINK = re.compile(r"\[([^\[\]]+)\][ ]?\[[^\[\]]*\]")
_DEFINITION = re.compile(r"^ {0,3}\[(?!\^)([^\[\]\n]+)\]:[ \t]*\S+[^\n]*$|^\*\[[^\[\]\n]+\]:[^\n]*$", re.M)
# Obsidian: what is linked or embedded by name, comments, names of blocks, lines of tags
_WIKI_LINK = re.compile(r"(!?)\[\[([^\[\]|\n]+)(?:\|([^\[\]\n]*))?\]\]")
_OWN_COMMENT = re.compile(
    r"(?<!\S)%%(?!%)(?:[^%\n]|%(?!%)|\n(?!\n))*+%%(?!\S)|^%%[ \t]*$(?:[^%]|%(?!%))*?^%%[ \t]*$", re.M
)
_BLOCK_NAME = re.compile(r"(?:^|[ \t])\^(?:(?=[\w-]*[A-Za-z])[A-Za-z0-9-]{3,}|[0-9]{6})[ \t]*$", re.M)
_TAG_LINE = re.compile(r"^[ \t]*(?:#[^\W\d][\w/-]*[ \t]*)+$", re.M)
_HIGHLIGHT = re.compile(r"(?<![\w=])==(?=[^\s=])([^=\n]+?)(?<=\S)==(?![\w=])")
# Pandoc: spans with attributes, notes and citations in the sentence, raised and lowered letters, commands of TeX
_SPAN = re.compile(r"\[([^\[\]]*)\]\{[.#][^{}\n]*\}")
_ATTRIBUTES = re.compile(r"(?<=[\])])\{ ?[.#:]?[\w-]+(?:=(?:\"[^\"\n]*\"|[^\s{}\"]+))?(?:\s[^{}\n]*)?\}")
_INLINE_NOTE = re.compile(r"[ \t]*\^\[([^\[\]]*)\]")
_CITATION = re.compile(r"[ \t]*\[(?:[^\[\]@\n]{0,80} )?-?@[\w:.#$%&+?<>~/-]+(?:[^\[\]\n]*)\](?!\()")
_RAISED = re.compile(r"(?<=[^\s^~])(?:\^([\w+-]{1,12})\^|~([\w+-]{1,12})~)(?!~)")
_COMMAND = re.compile(r"^\\[a-zA-Z]+(?:\{[^{}\n]*\})*[ \t]*$", re.M)
# formulas of TeX: by Pandoc's rule no space stands inside of the signs, and no digit behind the second, as in prices
_SHOWN_FORMULA = re.compile(r"\$\$(?:[^$]|\\\$)*?\$\$|\\\[[^\[\]]*?\\\]")
_FORMULA = re.compile(r"(?<![\w$\\])\$(?=[^\s$])((?:[^$\\\n]|\\.)*?)(?<=[^\s\\])\$(?![\d$])")
_SIGNS = re.compile(r"[\\^_{}=<>]")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]+\](?::[ \t]*)?")
_STARS = re.compile(r"(?<![\s\d*])\*{1,3}|\*{1,3}(?![\s\d*])")
_UNDERSCORES = re.compile(r"(?<![\w_])_{1,3}(?=[^\s_])|(?<=[^\s_])_{1,3}(?![\w_])")
_EMOJI = re.compile(r"(?<!\S):[a-z][a-z0-9_+-]{1,30}:(?!\S)")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_QUOTE = re.compile(r"^(?:[ \t]*> ?)+")
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_RULE = re.compile(r"^[ \t]*(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|=+)[ \t]*$")
_ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)]|:(?=[ \t]))(?:[ \t]+|$)(?:\[[ xX/-]\][ \t]+|:[ \t]+)?")
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
_CONTAINER = re.compile(r"^[ \t]*:{3,}[ \t]*([\w-]*)[ \t]*(.*?)(?::::)?[ \t]*$")
_CODE_SIGN = re.compile(r"[{}();=<>$\\|#\[\]]")
_SPACES = re.compile(r"[ \t\xa0]+")


def markdown_to_text(source: str) -> tuple[str, str]:
    """The text, and the title that front matter or the first heading gives.

    A paragraph is a line, however the source wraps it; a break the source asks for is a line break. List items are
    lines; blocks are a blank line apart. Code blocks, images, and table cells that hold no sentence are left out.

    >>> markdown_to_text("# Tere\\n\\nSee on *tekst*\\nja [link](https://a.ee).\\n\\n- a\\n- b")
    ('See on tekst ja link.\\n\\na\\nb', 'Tere')
    """
    text = source.replace("\r\n", "\n").replace("\r", "\n").replace("\x1a", "")
    title = ""
    if front := _FRONT_MATTER.match(text):
        if setting := _TITLE_SETTING.search(front[1]):
            title = setting[1].strip("\"'")
        text = text[front.end() :]
    code: list[str] = []
    text = _without_markup(_masked(_without_formulas(_without_fences(text)), code))
    reader = _Reader()
    for line in text.split("\n"):
        reader.read(line)
    reader.close()
    title = _unmasked(_inline(title) or reader.title, code)
    return joined((_unmasked(block, code) for block in reader.blocks if has_word(block)), title), title


def _without_fences(text: str) -> str:
    """Blocks of code between ``` lines out; one that is never closed runs to the end, as everywhere."""
    if "```" not in text and "~~~" not in text:
        return text
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence:
            if match and match[2].startswith(fence) and not match[3].strip():
                fence = ""
        elif match:
            fence = match[2]
            kept.append("")
        else:
            kept.append(line)
    return "\n".join(kept)


def _without_formulas(text: str) -> str:
    """Formulas that stand alone out; in a sentence a letter or a number stays, and of another one a hole is left."""
    text = _COMMAND.sub("", text) if "\\" in text else text
    if "$$" in text or "\\[" in text:
        text = _SHOWN_FORMULA.sub("", text)
    return _FORMULA.sub(_formula_read, text) if text.count("$") > 1 else text


def _formula_read(match: re.Match[str]) -> str:
    formula = match[1]
    if not _SIGNS.search(formula):
        return formula if len(formula) <= MOST_SAID and " " not in formula else match[0]
    return HOLE


def _masked(text: str, code: list[str]) -> str:
    """`text` with its code spans and escaped characters put aside in `code`, numbered."""

    def aside(match: re.Match[str]) -> str:
        code.append((match[1] or match[2] or "").replace("\n", " ").strip())
        return f"\x1a{len(code) - 1}\x1a"

    def character(match: re.Match[str]) -> str:
        code.append(match[1])
        return f"\x1a{len(code) - 1}\x1a"

    if "`" in text:
        text = _CODE_SPAN.sub(aside, text)
    return _ESCAPE.sub(character, text) if "\\" in text else text


def _unmasked(text: str, code: list[str]) -> str:
    return _MASK.sub(lambda m: code[int(m[1])], text) if "\x1a" in text else text


def _without_markup(text: str) -> str:
    """Everything that may run over several lines: comments, elements, macros, images, links."""
    if "<!--" in text or "{/*" in text:
        text = _COMMENT.sub("", text)
    if "<" in text:
        text = _UNREAD_ELEMENT.sub("\n\n", text)
        text = _AUTOLINK.sub(r"\1", text)
        text = _BREAK.sub("  \n", text)
        text = _BLOCK_END.sub("\n\n", text)
        text = _TAG.sub("", text)
    if "{" in text:
        text = _ATTRIBUTES.sub("", _SPAN.sub(r"\1", text))
        text = _REFERENCE_MACRO.sub(_last_string, text)
        text = _MACRO.sub("", text)
    if "[!" in text:
        text = _DIRECTIVE.sub("", text)
    text = _MODULE.sub("", text)
    if "%%" in text:
        text = _OWN_COMMENT.sub("", text)
    if "[[" in text:
        text = _WIKI_LINK.sub(_linked, text)
    text = _IMAGE.sub("", text)
    defined = "]:" in text
    if defined:
        text = _DEFINITION.sub("", text)
    text = _LINK.sub(r"\1", text)
    if "](" in text:  # a label that held brackets or an image
        text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    if defined or "][" in text:
        text = _REFERENCE_LINK.sub(r"\1", text)
    if "@" in text and "[" in text:
        text = _CITATION.sub("", text)
    if "^" in text:
        text = _INLINE_NOTE.sub(r" (\1)", text) if "^[" in text else text
        text = _BLOCK_NAME.sub("", text)
    if "#" in text:
        text = _TAG_LINE.sub("", text)
    return _FOOTNOTE.sub("", text) if "[^" in text else text


def _linked(match: re.Match[str]) -> str:
    """What is shown of a link by name: its label, or the name as far as its place in the file."""
    if match[1]:
        return ""
    return match[3] or re.sub(r"\s*#\^?\s*", " > ", match[2]).removeprefix(" > ")


def _last_string(match: re.Match[str]) -> str:
    strings = [double or single for double, single in _STRING.findall(match[1])]
    return next((string for string in reversed(strings) if string), "")


class _Reader(BlockReader):
    """Lines in, blocks out: what a paragraph, an item, a heading and a table are."""

    def __init__(self) -> None:
        super().__init__(_inline)  # the title is the first heading of the first level
        self._in_list = False
        self._was_blank = True

    def read(self, line: str) -> None:
        hard = line.endswith(("  ", "\\"))
        line = _QUOTE.sub("", line) if ">" in line else line
        callout = _CALLOUT.match(line)
        line = line[callout.end() :] if callout else line
        stripped = line.strip()
        if callout and stripped:  # what is called out may have a title of its own
            self.close()
            self.blocks.append(_inline(stripped))
            return
        if not stripped:
            self._close_line()
            if not self._in_list:
                self.close()
        elif not self._is_block(line, stripped):
            self._continue(line, stripped.rstrip("\\"))
            if hard:
                self._close_line()
        self._was_blank = not stripped

    def _is_block(self, line: str, stripped: str) -> bool:
        """Whether the line was one of those that are a block, or begin one, whatever stands before them."""
        if match := _HEADING.match(line):
            self.close()
            self._in_list = False
            heading = _inline(match[2] or "")
            if len(match[1]) == 1:
                self.title = self.title or heading
            self.blocks.append(heading)
        elif _RULE.match(line):  # also the line under a heading that is written without #
            self.close()
            if stripped[0] == "=" and self.blocks and not self.title and "\n" not in self.blocks[-1]:
                self.title = self.blocks[-1]
        elif match := _CONTAINER.match(line):
            self.close()
            if "=" not in match[2]:
                self.blocks.append(_inline(match[2]))
        elif stripped.startswith("|") or (_TABLE_RULE.match(line) and "|" in line):
            self.close()
            cells = (_inline(cell) for cell in _CELL_EDGE.split(stripped.strip("|")))
            self.blocks.extend(cell for cell in cells if is_prose(cell))
        else:
            return self._is_code(line, stripped)
        return True

    def _is_code(self, line: str, stripped: str) -> bool:
        """An indented block of code; verse that is indented has no brackets."""
        indented = line.startswith(("    ", "\t"))
        return indented and self._was_blank and not self._in_list and bool(_CODE_SIGN.search(stripped))

    def _continue(self, line: str, stripped: str) -> None:
        if match := _ITEM.match(line):
            if self._in_list or stripped[0] == ":":  # a definition stands under its term
                self._close_line()
            else:
                self.close()
            self._in_list = True
            self._open.append(line[match.end() :].rstrip("\\"))
            return
        if self._in_list and self._was_blank and not line[0].isspace():
            self.close()
            self._in_list = False
        self._open.append(stripped)


def _inline(text: str) -> str:
    """One line without emphasis marks, entities decoded, white space folded."""
    if "*" in text:
        text = _STARS.sub("", text)
    if "_" in text:
        text = _UNDERSCORES.sub("", text)
    if "~~" in text:
        text = text.replace("~~", "")
    if "~" in text or "^" in text:
        text = _RAISED.sub(lambda m: m[1] or m[2], text)
    if "==" in text:
        text = _HIGHLIGHT.sub(r"\1", text)
    if ":" in text:
        text = _EMOJI.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m[0]).replace("\ufffd", ""), text)
    return _SPACES.sub(" ", text).strip()
