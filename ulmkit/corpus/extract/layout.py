"""A page as a browser lays it out: blocks of text in their order, and the elements that hold them.

The page is parsed by lexbor as HTML5 says, so nothing is lost behind an early </html>, in a table that is none or in an
element that nobody closed. Its serialization is then read in one pass: there every tag is closed, every attribute is
quoted, and `<` stands nowhere but before a tag. That is several times faster than asking the tree node by node.
"""

import re
from dataclasses import dataclass, field

LINE = "\u2028"  # in a block's text: where the page breaks a line
BLANK = "\u2029"  # and where a preformatted text has a blank line

# Elements that are read as lines of their own; the judge knows them by their place here.
BLOCK_TAGS = (
    "body", "div", "p", "li", "td", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "article", "section",
    "main", "nav", "aside", "header", "footer", "form", "ul", "ol", "dl", "dt", "dd", "table", "tr", "th", "figure",
    "figcaption", "address", "details", "summary", "fieldset", "center", "caption", "hr",
)  # fmt: skip
_OTHER_BLOCKS = (
    "tbody", "thead", "tfoot", "hgroup", "menu", "dir", "legend", "dialog", "search", "optgroup", "html", "frameset",
    "noscript", "template", "label", "multicol", "marquee", "listing", "picture", "video", "audio",
)  # fmt: skip
TAG_NUMBERS = {tag: number for number, tag in enumerate(BLOCK_TAGS)} | dict.fromkeys(_OTHER_BLOCKS, len(BLOCK_TAGS))
_PRE = TAG_NUMBERS["pre"]
_SKIPPED = frozenset(("head", "svg", "math", "select", "textarea", "button", "object", "canvas", "datalist", "map",
                      "applet", "rp", "rt", "title"))  # fmt: skip
_BOLD = frozenset(("b", "strong", "em", "i"))
_GROUPS = frozenset(("ul", "ol", "dl"))
_NO_PROGRAM = frozenset(("table", "p"))  # in a <pre>: it was opened for something else, and not closed

# What an element is inside of, a bit each.
ANCESTRY = (
    "article", "main", "nav", "aside", "header", "footer", "form", "table", "li", "figure", "blockquote", "hidden",
    "dl", "details", "address", "code",
)  # fmt: skip
_BITS = {name: 1 << number for number, name in enumerate(ANCESTRY)}
HIDDEN, CODE = _BITS["hidden"], _BITS["code"]

# What a tag is to the reader, by its name as it stands behind "<".
_OPENS, _CLOSES, _BREAKS, _SKIPS, _LINKS, _UNLINKS, _BOLDS, _UNBOLDS, _SHOWS, _CODES = range(10)
_KINDS = (
    dict.fromkeys(TAG_NUMBERS, _OPENS)
    | {"/" + name: _CLOSES for name in TAG_NUMBERS}
    | dict.fromkeys(_SKIPPED, _SKIPS)
    | dict.fromkeys(_BOLD, _BOLDS)
    | {"/" + name: _UNBOLDS for name in _BOLD}
    | {"br": _BREAKS, "a": _LINKS, "/a": _UNLINKS, "img": _SHOWS, "code": _CODES, "span": _CODES}
)

_RAW = re.compile(r"<(?:!--|(script|style|iframe|noembed|noframes|xmp|plaintext)(?=[ >]))")
_NAMES = re.compile(r' (?:class|id|role|itemprop)="([^"]+)"')
_HIDES = re.compile(r' hidden=| aria-hidden="true"|display: ?none|visibility: ?hidden')
_AS_BLOCK = re.compile(r"display: ?(?:block|flex|grid|table|list-item)")  # of an element that is none by its name
# Joomla writes mail addresses by scripts; what stands in their place, to be hidden or written over, is no text
_CLOAK = re.compile(r'<span id="cloak[0-9a-f]+">[^<]*+(?:<a\b[^<>]*+>[^<]*+</a>[^<]*+)?</span>')
_CLOAKED = re.compile(r"display: ?none;?\\?['\"]>['\"] ?\)")  # how a script ends that hides what follows it
_CLOAK_TAIL = 100  # characters of such a script's end
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_VERSE_LINE = 60  # characters: preformatted lines up to this are verses or an address; longer ones were wrapped
_REFERENCES = (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&quot;", '"'), ("&amp;", "&"))


@dataclass(slots=True)
class PageLayout:
    """Blocks and elements of a page as parallel lists: a block's element is the innermost that holds it."""

    texts: list[str] = field(default_factory=list)
    links: list[int] = field(default_factory=list)  # characters of a block that are inside links
    link_counts: list[int] = field(default_factory=list)
    bolds: list[int] = field(default_factory=list)  # characters in bold or italics
    images: list[int] = field(default_factory=list)  # between the block before and this one
    elements: list[int] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)  # of elements: their TAG_NUMBERS
    parents: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)  # an element holds the blocks from its first to before its last
    lasts: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # the outermost list around an element, -1 without one
    names: list[str] = field(default_factory=list)  # class, id and role


def serialized(page: str) -> str:
    """`page` as a browser would understand it, written out again."""
    from resiliparse.parse.html import HTMLTree

    document = HTMLTree.parse(page).document
    return "" if document is None else document.html


def unescaped(text: str) -> str:
    """A serialization's text: it refers to five characters by name, and to none by number."""
    if "&" in text:
        for reference, character in _REFERENCES:
            text = text.replace(reference, character)
    return text


def _without_raw(source: str) -> str:
    """`source` less comments and elements whose content is no markup."""
    kept, start = [], 0
    while found := _RAW.search(source, start):
        kept.append(source[start : found.start()])
        close = f"</{found[1]}>" if found[1] else "-->"
        end = source.find(close, found.end())
        if end < 0:
            return "".join(kept)
        start = end + len(close)
        if found[1] == "script" and _CLOAKED.search(source, max(found.end(), end - _CLOAK_TAIL), end):
            start = max(start, source.find("<", start))
    kept.append(source[start:])
    return "".join(kept)


def _folded_lines(text: str) -> str:
    return LINE.join(filter(None, [" ".join(line.split()) for line in text.split(LINE)]))


def _short_lines(text: str) -> str:
    """Preformatted text with its line breaks, if all of its lines are short."""
    lines = text.split("\n")
    return text if max(map(len, lines)) > _VERSE_LINE else LINE.join(lines)


class _Reader:
    """Where a serialized page is being read."""

    __slots__ = (
        "anchors",
        "bold",
        "images",
        "in_bold",
        "in_link",
        "known",
        "linked",
        "links",
        "page",
        "parts",
        "stack",
    )

    def __init__(self) -> None:
        self.page = PageLayout()
        self.stack = [-1]
        self.parts: list[str] = []
        self.linked: list[str] = []
        self.bold: list[str] = []
        self.anchors: list[bool] = []
        self.known: dict[str, tuple[str, int]] = {}  # of tags: names, and whether they hide
        self.in_bold = self.in_link = self.links = self.images = 0

    def flush(self) -> None:
        """What was read since the last block is a block, if there is a letter or a digit in it."""
        page, parts = self.page, self.parts
        text = parts[0] if len(parts) == 1 else "".join(parts)
        parts.clear()
        if "&" in text:
            text = unescaped(text)
        if LINE in text or BLANK in text:
            text = BLANK.join(filter(None, map(_folded_lines, text.split(BLANK))))
        else:
            text = " ".join(text.split())
        if text and (text[0].isalnum() or any(map(str.isalnum, text))):
            page.texts.append(text)
            page.links.append(len(" ".join("".join(self.linked).split())) if self.linked else 0)
            page.bolds.append(len("".join(self.bold)) if self.bold else 0)
            page.link_counts.append(self.links)
            page.images.append(self.images)
            page.elements.append(max(0, self.stack[-1]))
            self.images = 0
        self.links = 1 if self.in_link else 0
        self.linked.clear()
        self.bold.clear()

    def open(self, name: str, tag: str) -> None:
        page, parent = self.page, self.stack[-1]
        number, first = len(page.tags), len(page.texts)
        flags, group = (page.flags[parent], page.groups[parent]) if parent >= 0 else (0, -1)
        if name in _BITS:
            flags |= _BITS[name]
        if name in _NO_PROGRAM:
            flags &= ~CODE
        names = ""
        if len(tag) > len(name):
            told = self.known.get(tag)
            if told is None:
                told = self.known[tag] = " ".join(_NAMES.findall(tag)), HIDDEN if _HIDES.search(tag) else 0
            names = told[0]
            flags |= told[1]
        page.tags.append(TAG_NUMBERS[name])
        page.parents.append(parent)
        page.firsts.append(first)
        page.lasts.append(first)
        page.flags.append(flags)
        page.groups.append(number if group < 0 and name in _GROUPS else group)
        page.names.append(names)
        if name != "hr":
            self.stack.append(number)

    def close(self) -> None:
        if len(self.stack) > 1:
            self.page.lasts[self.stack.pop()] = len(self.page.texts)

    def inline(self, kind: int, tag: str) -> None:
        """An inline element opens or closes: what that changes is what is known of the text that follows."""
        if kind == _LINKS:  # one that leads nowhere is a mark, and often not closed
            leads = " href=" in tag
            self.anchors.append(leads)
            self.in_link += leads
            self.links += leads
        elif kind == _UNLINKS:
            self.in_link -= self.anchors.pop() if self.anchors else 0
        elif kind == _BOLDS:
            self.in_bold += 1
        elif kind == _UNBOLDS:
            self.in_bold = max(0, self.in_bold - 1)
        elif kind == _SHOWS:
            self.images += 1
        elif (number := self.stack[-1]) >= 0 and self.page.tags[number] == _PRE:
            self.page.flags[number] |= CODE

    def read(self, text: str) -> None:
        """Text that is more than white space; of a <pre> its blank lines count, and the ends of short lines."""
        if "\n" in text and (number := self.stack[-1]) >= 0 and self.page.tags[number] == _PRE:
            text = BLANK.join(map(_short_lines, _BLANK_LINE.split(text)))
        self.parts.append(text)
        if self.in_link:
            self.linked.append(text)
        if self.in_bold:
            self.bold.append(text)


def layout(source: str, noscript: bool = False) -> PageLayout:
    """The blocks of a serialized page; what browsers show only where scripts are off, if `noscript`."""
    reader = _Reader()
    parts, kinds = reader.parts, _KINDS
    if 'id="cloak' in source:
        source = _CLOAK.sub("", source)
    skipping = breaks = 0
    skipped = ""
    for piece in _without_raw(source).split("<"):
        tag, _, text = piece.partition(">")
        name = tag.partition(" ")[0]
        if skipping:
            skipping += (name == skipped) - (name == "/" + skipped)
            if skipping:
                continue
        elif (kind := kinds.get(name)) is not None:
            if kind <= _CLOSES:
                if parts:
                    reader.flush()
                breaks = 0
                if kind == _CLOSES:
                    reader.close()
                elif (name == "template" and "shadowrootmode" not in tag) or (name == "noscript" and not noscript):
                    skipping, skipped = 1, name
                    continue
                else:
                    reader.open(name, tag)
            elif kind == _BREAKS:
                breaks += 1
                if parts and breaks > 1:
                    reader.flush()
                elif parts:
                    parts.append(LINE)
            elif kind == _SKIPS:
                skipping, skipped = 1, name
                continue
            else:
                reader.inline(kind, tag)
        if parts and "display:" in tag and name not in TAG_NUMBERS and _AS_BLOCK.search(tag):
            reader.flush()
        if not text:
            continue
        if not text.isspace():
            breaks = 0
            reader.read(text)
        elif parts:
            parts.append(" ")
    reader.flush()
    while len(reader.stack) > 1:
        reader.close()
    if not reader.page.tags and reader.page.texts:
        reader.open("body", "body")
        reader.close()
    return reader.page
