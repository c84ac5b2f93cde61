"""Web pages to their main text, with the joiners that the extractor deletes.

trafilatura finds the article; three things are built around it. A gate: a page's whole text is taken first by a
parser that is twenty times faster, and pages that are too short or in another language go no further. Substitutes:
trafilatura deletes every character that Python calls unprintable, U+200C and U+200D among them, so these travel as
letters that the page does not use. And a way down: what trafilatura cannot find, or may not try because the page is
built to exhaust it, is taken from the fast parser's own main content.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ulmkit.corpus.extract.blocks import encodable, folded, has_word, is_prose, joined, key, title_parts

Mode = Literal["default", "fast", "precision", "recall", "baseline", "simple"]

MAX_CHARACTERS = 16_000_000  # a page; a parsed page takes some twenty times its size in memory
MAX_MARKS = 1_500_000  # "<" in a page: a parsed element takes 1 kB
MAX_MARKS_THOROUGH = 200_000  # more go to the fast parser alone: trafilatura takes 20 µs for each mark
MAX_DEPTH = 1_000  # of nested elements: browsers stop at 512; the fast parser's time grows with the square
MIN_RAW_CHARACTERS = 60  # of the page's whole text, menus too; less is a frameset, a redirect or an error message
HIDDEN_JOINERS = "\u200c\u200d"
# Printable, stable under NFC, letters (nothing splits or trims them), and of scripts no page is written in.
_SUBSTITUTES = tuple(map(chr, (*range(0xA840, 0xA860), *range(0x1760, 0x176D))))
_NAMED_JOINER = re.compile(r"&(?:zwn?j;|#0*(?:8204|8205);?|#[xX]0*200[cdCD];?)")
_NUMERIC = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}))")
_DATA_URI = re.compile(r"data:[\w/+.-]{0,60};base64,[A-Za-z0-9+/=\s]*+")
# Parsers take time that grows with the square of the number of attributes of an element.
_LONG_TAG = re.compile(r"<([A-Za-z][^\s<>/]{0,30})[^<>]{60000,}+>")
_NESTING_TAG = re.compile(
    r"<(/?)(?!(?i:area|base|br|col|dd|dt|embed|hr|img|input|li|link|meta|option|p|param|source|t[dhr]|tbody|track|wbr)\b)"
    r"[A-Za-z]"
)

_PILCROW = re.compile(r"\s*[¶§#🔗]\s*$")  # the permanent link behind a heading

_BLOCKS = frozenset({"p", "head", "quote", "list", "table", "code", "div"})
_OWN_LINE = _BLOCKS | {"item", "row"}
# Marks put into a page's text for where a line ends, and a link begins and ends. Parsers delete the last two from pages
# and the first is folded to a space as white space, so none of them can be the page's own.
_LINE, _LINK, _END = "\u2028\x02\x03"
_LINKED = re.compile("\x02[^\x03]*\x03")


@dataclass(frozen=True, slots=True)
class MainText:
    """The main text of a page and its title; `reason` is empty, or says why there is no text."""

    text: str = ""
    title: str = ""
    reason: str = ""
    detail: str = ""


def html_to_text(page: str, *, mode: Mode = "fast", wanted: Callable[[str], bool] | None = None) -> MainText:
    """The article of `page`: a paragraph, heading or list item a line, blocks a blank line apart.

    Modes `default`, `fast`, `precision` and `recall` are trafilatura's; `baseline` is its simplest extractor and
    `simple` uses none of it. `wanted` is asked about the page's whole text, menus included.
    """
    if len(page) > MAX_CHARACTERS:
        return MainText(reason="too large", detail=f"{len(page)} characters, limit {MAX_CHARACTERS}")
    marks = page.count("<")
    if marks > MAX_MARKS:
        return MainText(reason="too many elements", detail=f"{marks} marks, limit {MAX_MARKS}")
    page = _cheaper(page)
    if marks > 2 * MAX_DEPTH and (depth := _depth(page)) > MAX_DEPTH:
        return MainText(reason="nested too deep", detail=f"{depth} elements in each other, limit {MAX_DEPTH}")
    whole = _whole_text(page)
    if len(whole) < MIN_RAW_CHARACTERS:
        return MainText(reason="no main text", detail=f"{len(whole)} characters on the whole page")
    if wanted is not None and not wanted(whole):
        return MainText(reason="other language")
    blocks: list[str] = []
    title = ""
    if mode != "simple" and marks <= MAX_MARKS_THOROUGH:
        blocks, title = _thorough(page, mode, whole)
    if not blocks:
        blocks = _simple(page)
    text = joined(blocks, title)
    if not text:
        return MainText(title=title, reason="no main text", detail=f"{len(whole)} characters on the whole page")
    return MainText(text, title)


def _cheaper(page: str) -> str:
    """`page` without what costs parsers most and holds no text."""
    page = encodable(page)
    if "\x00" in page:
        page = page.replace("\x00", "")
    if ";base64," in page:
        page = _DATA_URI.sub("", page)
    if len(page) > 60_000:
        page = _LONG_TAG.sub(r"<\1>", page)
    return page


def _depth(page: str) -> int:
    """How deep elements stand in each other, by counting tags; those that close by themselves do not count."""
    depth = deepest = 0
    for match in _NESTING_TAG.finditer(page):
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _whole_text(page: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(page, preserve_formatting=True, list_bullets=False, alt_texts=False)
    return text


def _simple(page: str) -> list[str]:
    """What the fast parser takes for main content, less its lines that no sentence ends and no paragraph fills."""
    from resiliparse.extract.html2text import extract_plain_text

    text = extract_plain_text(page, main_content=True, list_bullets=False, alt_texts=False)
    blocks = ["\n".join(map(folded, block.split("\n"))).strip() for block in re.split(r"\n\s*\n", text)]
    return [b for b in blocks if len(b) >= 60 or (len(b) >= 25 and b.rstrip("»”\"')")[-1:] in ".!?…؟۔。")]


def _thorough(page: str, mode: Mode, whole: str) -> tuple[list[str], str]:
    """Blocks and title by trafilatura; no blocks where it finds nothing or the page uses every substitute."""
    carried = _carry(page)
    if carried is None:
        return [], ""
    page, back = carried
    tree = _tree(page)
    if tree is None:
        return [], ""
    title = _title(tree)
    body = _body(tree, page, mode)
    if body is None or _is_flattened(body, whole, back):
        return [], title.translate(back)
    return [b.translate(back) for b in _without_menus(_blocks(body))], title.translate(back)


def _is_flattened(body: Any, whole: str, back: dict[int, str]) -> bool:
    """Whether the extractor, at a loss, ran many of the page's lines together into one paragraph, menus and all."""
    if len(body) != 1 or len(body[0]) or not (text := body[0].text):
        return False
    text = key(text.translate(back))
    lines = [key(line) for line in whole.split("\n")]
    # text that is in no single line but in the lines put together was run together; in neither, it is from the metadata
    return not any(text in line for line in lines) and text[:100] in "".join(lines)


def _carry(page: str) -> tuple[str, dict[int, str]] | None:
    """`page` with each joiner replaced by a letter it does not use, and the table that brings them back.

    >>> page, back = _carry("<p>می\u200cروم")
    >>> page.count("\u200c"), page.translate(back).count("\u200c")
    (0, 1)
    """
    if "&" in page:
        page = _NAMED_JOINER.sub(
            lambda m: (
                HIDDEN_JOINERS[1] if m[0].rstrip(";").lower()[-1] in "d5" or m[0] == "&zwj;" else HIDDEN_JOINERS[0]
            ),
            page,
        )
    if not any(j in page for j in HIDDEN_JOINERS):
        return page, {}
    written = {int(m[1], 16) if m[1] else int(m[2]) for m in _NUMERIC.finditer(page)} if "&#" in page else set()
    free = [c for c in _SUBSTITUTES if c not in page and ord(c) not in written]
    if len(free) < len(HIDDEN_JOINERS):
        return None
    back = {}
    for joiner, substitute in zip(HIDDEN_JOINERS, free, strict=False):
        page = page.replace(joiner, substitute)
        back[ord(substitute)] = joiner
    return page, back


def _tree(page: str) -> Any:
    """The parsed page, or nothing where there is no element in it."""
    from trafilatura.utils import load_html

    _quiet()
    try:
        return load_html(page)
    except (ValueError, TypeError, AssertionError):
        return None


def _body(tree: Any, page: str, mode: Mode) -> Any:
    """trafilatura's element tree of the main text."""
    import trafilatura

    if mode == "baseline":
        return trafilatura.baseline(page)[0]
    document: Any = trafilatura.bare_extraction(
        tree,
        fast=mode == "fast",
        favor_precision=mode == "precision",
        favor_recall=mode == "recall",
        include_comments=False,
        include_tables=True,
        include_links=True,
        deduplicate=False,
        output_format="txt",
    )
    return None if document is None else document.body


def _quiet() -> None:
    """trafilatura reports every page it finds nothing on as an error; here that is an answer."""
    for name in ("trafilatura", "htmldate", "justext"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _title(tree: Any) -> str:
    """The page's title: what it announces to other sites, its only main heading, or the window's, in this order.

    Of `Article - Section - Site` only the part that is also a heading, if there is one.
    """
    announced = tree.xpath("//meta[@property='og:title' or @name='og:title' or @name='twitter:title']/@content")
    headings = [_PILCROW.sub("", folded(h.text_content())) for h in tree.xpath("(//h1|//h2)[position() <= 20]")]
    main = [_PILCROW.sub("", folded(h.text_content())) for h in tree.xpath("//h1")]
    window = [folded(t.text_content()) for t in tree.xpath("//head/title|//title")[:1]]
    candidates = [folded(a) for a in announced] + (main if len(main) == 1 else []) + window + main
    title = next(filter(None, candidates), "")
    known = {key(h) for h in headings} - {""}
    return next((part for part in title_parts(title) if key(part) in known), title)


def _blocks(body: Any) -> Iterator[str]:
    """The body's blocks as text; lines inside a block only where the page breaks them: items, verse."""
    loose: list[str] = [body.text or ""]
    for element in body:
        if element.tag in _BLOCKS:
            yield "".join(loose)
            loose = []
            yield _inline(element)
        else:
            loose.append(_inline(element))
        loose.append(element.tail or "")
    yield "".join(loose)


def _inline(element: Any) -> str:
    """An element's text, marked: `_LINE` where a line ends, `_LINK` and `_END` around a link."""
    tag = element.tag
    if not isinstance(tag, str) or tag == "graphic":
        return ""
    if tag == "lb":
        return _LINE
    parts = [element.text or ""]
    for child in element:
        parts.append(_inline(child))
        parts.append(child.tail or "")
    text = "".join(parts)
    if tag == "ref":  # a link without a word is the permanent link behind a heading
        return f"{_LINK}{text}{_END}" if has_word(text) else ""
    if tag == "code":  # a name inside a sentence stays, a program goes
        return _LINE if "\n" in text.strip() or element.getparent().tag == "body" else text
    if tag == "head":
        return f"{_LINE}{_PILCROW.sub('', text)}{_LINE}"
    if tag == "cell":
        return f"{_LINE}{text}{_LINE}" if is_prose(text) else _LINE
    return f"{_LINE}{text}{_LINE}" if tag in _OWN_LINE else text


def _without_menus(blocks: Iterable[str]) -> list[str]:
    """Blocks as finished lines, without runs of lines that are nothing but links: menus, shares, related articles."""
    lines: list[tuple[str, bool]] = []  # text and whether it is a link; an empty text is where a block ends
    for block in blocks:
        found = [line for line in map(_line, block.split(_LINE)) if line[0]]
        if found:
            lines.extend((*found, ("", False)))
    kept: list[str] = []
    run: list[str] = []
    for text, link in (*lines, ("", False)):
        if link:
            run.append(text)
        elif text:
            if len(run) == 1:
                kept.append(run[0])
            run.clear()
            kept.append(text)
        elif not run:
            kept.append("")
    return [block for block in "\n".join(kept).split("\n\n") if block]


def _line(marked: str) -> tuple[str, bool]:
    """A line without its marks, empty if it has no letter or digit, and whether all of it is link."""
    text = folded(marked.replace(_LINK, "").replace(_END, ""))
    if not has_word(text):
        return "", False
    if _LINK not in marked:
        return text, False
    outside = _LINKED.sub("", marked)
    return text, not any(map(str.isalpha, outside))


def fragment_to_text(piece: str) -> MainText:
    """All text of a piece of a page that holds nothing but its article, such as a feed's or a database's field."""
    if len(piece) > MAX_CHARACTERS or piece.count("<") > MAX_MARKS:
        return MainText(reason="too large", detail=f"{len(piece)} characters, limit {MAX_CHARACTERS}")
    lines = [folded(line) for line in _whole_text(_cheaper(piece)).split("\n")]
    blocks = re.split(r"\n\n+", "\n".join(line if has_word(line) else "" for line in lines))
    text = joined(block.strip("\n") for block in blocks)
    return MainText(text) if text else MainText(reason="no main text", detail=f"{len(piece)} characters of markup")
