"""A page as a browser lays it out: blocks of text in their order, and the elements that hold them.

The page is parsed by lexbor as HTML5 says, so nothing is lost behind an early </html>, in a table that is none or in an
element that nobody closed. Its serialization is then read in one pass: there every tag is closed, every attribute is
quoted, and `<` stands nowhere but before a tag. That is several times faster than asking the tree node by node.
"""

import re
from dataclasses import dataclass, field

LINE = "\u2028"  # in a block's text: where the page breaks a line

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
_SKIPPED = frozenset(("head", "svg", "math", "select", "textarea", "button", "object", "canvas", "datalist", "map",
                      "applet", "rp", "rt", "title"))  # fmt: skip
_BOLD = frozenset(("b", "strong", "em", "i"))
_GROUPS = frozenset(("ul", "ol", "dl"))

# What an element is inside of, a bit each.
ANCESTRY = (
    "article", "main", "nav", "aside", "header", "footer", "form", "table", "li", "figure", "blockquote", "hidden",
    "dl", "details", "address", "code",
)  # fmt: skip
_BITS = {name: 1 << number for number, name in enumerate(ANCESTRY)}
HIDDEN, CODE = _BITS["hidden"], _BITS["code"]

_RAW = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|iframe|noembed|noframes|xmp|plaintext)\b.*?(?:</\1>|\Z)", re.DOTALL
)
_NAMES = re.compile(r' (?:class|id|role|itemprop)="([^"]+)"')
_HIDES = re.compile(r' hidden=| aria-hidden="true"|display: ?none|visibility: ?hidden')
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


class _Reader:
    """Where a serialized page is being read."""

    __slots__ = ("anchors", "bold", "images", "in_link", "linked", "links", "page", "parts", "stack")

    def __init__(self) -> None:
        self.page = PageLayout()
        self.stack = [-1]
        self.parts: list[str] = []
        self.linked: list[str] = []
        self.bold: list[str] = []
        self.anchors: list[bool] = []
        self.in_link = self.links = self.images = 0

    def flush(self) -> None:
        """What was read since the last block is a block, if there is a letter or a digit in it."""
        page = self.page
        text = unescaped("".join(self.parts))
        self.parts.clear()
        if LINE in text:
            text = LINE.join(filter(None, [" ".join(line.split()) for line in text.split(LINE)]))
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
        number = len(page.tags)
        found = _NAMES.findall(tag) if len(tag) > len(name) else None
        flags = (page.flags[parent] if parent >= 0 else 0) | _BITS.get(name, 0)
        if found is not None and _HIDES.search(tag):
            flags |= HIDDEN
        group = page.groups[parent] if parent >= 0 else -1
        page.tags.append(TAG_NUMBERS[name])
        page.parents.append(parent)
        page.firsts.append(len(page.texts))
        page.lasts.append(len(page.texts))
        page.flags.append(flags)
        page.groups.append(number if group < 0 and name in _GROUPS else group)
        page.names.append(" ".join(found) if found else "")
        if name != "hr":
            self.stack.append(number)

    def close(self) -> None:
        if len(self.stack) > 1:
            self.page.lasts[self.stack.pop()] = len(self.page.texts)

    def inside_pre(self) -> bool:
        number = self.stack[-1]
        return number >= 0 and self.page.tags[number] == TAG_NUMBERS["pre"]

    def inline(self, name: str, tag: str) -> int:
        """An inline element opens: what it changes is what is known of the text in it. Whether that is bold."""
        if name == "a":  # one that leads nowhere is a mark, and often not closed
            leads = " href=" in tag
            self.anchors.append(leads)
            self.in_link += leads
            self.links += leads
        elif name == "img":
            self.images += 1
        elif name in ("code", "span") and self.inside_pre():
            self.page.flags[self.stack[-1]] |= CODE
        return 1 if name in _BOLD else 0


def layout(source: str, noscript: bool = False) -> PageLayout:
    """The blocks of a serialized page; what browsers show only where scripts are off, if `noscript`."""
    reader = _Reader()
    parts, linked, bold = reader.parts, reader.linked, reader.bold
    in_bold = skipping = breaks = 0
    skipped = ""
    for piece in _RAW.sub("", source).split("<"):
        tag, _, text = piece.partition(">")
        name = tag.partition(" ")[0]
        if skipping:
            skipping += (name == skipped) - (name == "/" + skipped)
            if skipping:
                continue
        elif name in TAG_NUMBERS:
            if parts:
                reader.flush()
            breaks = 0
            if (name == "template" and "shadowrootmode" not in tag) or (name == "noscript" and not noscript):
                skipping, skipped = 1, name
                continue
            reader.open(name, tag)
        elif name[:1] == "/":
            if name[1:] in TAG_NUMBERS:
                if parts:
                    reader.flush()
                breaks = 0
                reader.close()
            elif name == "/a":
                reader.in_link -= reader.anchors.pop() if reader.anchors else 0
            elif name[1:] in _BOLD:
                in_bold = max(0, in_bold - 1)
        elif name == "br":
            breaks += 1
            if parts and breaks > 1:
                reader.flush()
            elif parts:
                parts.append(LINE)
        elif name in _SKIPPED:
            skipping, skipped = 1, name
            continue
        elif name:
            in_bold += reader.inline(name, tag)
        if text and not text.isspace():
            breaks = 0
            parts.append(text)
            if reader.in_link:
                linked.append(text)
            if in_bold:
                bold.append(text)
        elif text and parts:
            parts.append(" ")
    reader.flush()
    while len(reader.stack) > 1:
        reader.close()
    if not reader.page.tags and reader.page.texts:
        reader.open("body", "body")
        reader.close()
    return reader.page
