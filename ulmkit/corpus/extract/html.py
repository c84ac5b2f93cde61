"""Web pages to their main text: laid out as a browser does it, and judged block by block.

A page's whole text, menus too, comes first: pages that are too short or in another language are judged no further. Then
a judge that has learned from annotated pages says of each block whether it is main content; what it looks at is the
block, the elements around it and its neighbours, and no language's words. Nothing on the way deletes U+200C or U+200D.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ulmkit.corpus.extract.block_judge import KEPT_FROM, shipped_judge
from ulmkit.corpus.extract.blocks import encodable, folded, has_word, joined
from ulmkit.corpus.extract.cells import TablePlace, is_label, is_short_cell, paired_cells
from ulmkit.corpus.extract.layout import BLANK, CODE, LINE, TAG_NUMBERS, PageLayout, layout, serialized, unescaped
from ulmkit.corpus.extract.page_comments import comments
from ulmkit.corpus.extract.page_series import series, verses
from ulmkit.corpus.extract.page_title import page_title, without_pilcrow

MAX_CHARACTERS = 16_000_000  # a page; a parsed page takes some twenty times its size in memory
MAX_MARKS = 1_500_000  # "<" in a page: a parsed element takes 1 kB
MAX_DEPTH = 1_000  # of nested elements: browsers stop at 512; the parser's time grows with the square
MIN_RAW_CHARACTERS = 60  # of the page's whole text, menus too; less is a frameset, a redirect or an error message
_DOUBTFUL = 0.2  # likelihood of a block that is main content only where little else is, or between two that are
_LITTLE = 0.25  # of the doubtful text: where no more is likely, a page is of a kind that the judge does not know
_NEARLY = 0.35  # likelihood of a block that is main content beside one that is, in the same element
_LIST = 4  # blocks of a list that is whole where half of it is
# An article that a script writes stands in the page as a string: in schema.org's words, or as paragraphs of markup.
_PARAGRAPHS = re.compile(r'"((?:<|\\u003[cC])p(?:>|\\u003[eE]| )(?:[^"\\]|\\.)*+)"', re.DOTALL)
_SCRIPTED = 300  # characters of main text: where there is more, paragraphs in scripts are something else
_ARTICLE_BODY = re.compile(r'"articleBody"\s*:\s*("(?:[^"\\]|\\.)*+")', re.DOTALL)
_DATA_URI = re.compile(r"data:[\w/+.-]{0,60};base64,[A-Za-z0-9+/=\s]*+")
# Parsers take time that grows with the square of the number of attributes of an element.
_MAX_TAG = 60_000
_LONG_TAG = re.compile(r"<([A-Za-z][^\s<>/]{0,30})[^<>]{60000,}+>")
# Elements that close by themselves, or have no content: what is in them is not nested by them.
_UNNESTED = (
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "param", "source", "td", "th", "tr", "tbody", "track", "wbr",
)  # fmt: skip
_NAME = 8  # bytes: longer than each of them


# crawls keep feeds and sitemaps among pages, some of them sent as HTML
_LISTED = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:rss|feed|rdf:RDF|urlset|sitemapindex|opml)\b", re.S | re.I
)
# A page of frames has no text but what it shows where there are none; the parser drops that, unless these tags go.
_FRAMES = re.compile(r"</?(?:frameset|noframes)\b[^<>]*>", re.I)
_HEAD = 4_000  # characters of a page that are looked at for it


MAX_EXCERPT = 1_000  # characters of a page's whole text, to show what it was


@dataclass(frozen=True, slots=True)
class MainText:
    """The main text of a page and its title; `reason` is empty, or says why there is no text."""

    text: str = ""
    title: str = ""
    reason: str = ""
    detail: str = ""
    excerpt: str = ""  # of the page's whole text, where it is in another language


def html_to_text(page: str, *, refused: Callable[[str], str] | None = None) -> MainText:
    """The article of `page`: a paragraph, heading or list item a line, blocks a blank line apart.

    `refused` is asked about the page's whole text, menus included: which other language it is in, or nothing.
    """
    if len(page) > MAX_CHARACTERS:
        return MainText(reason="too large", detail=f"{len(page)} characters, limit {MAX_CHARACTERS}")
    if _LISTED.match(page, 0, _HEAD):
        return MainText(reason="no main text", detail="a feed or a sitemap, which lists pages")
    marks = page.count("<")
    if marks > MAX_MARKS:
        return MainText(reason="too many elements", detail=f"{marks} marks, limit {MAX_MARKS}")
    page = cheaper(page)
    if "<frameset" in page or "<FRAMESET" in page:
        page = _FRAMES.sub("", page)
    if marks > 2 * MAX_DEPTH and (depth := _depth(page)) > MAX_DEPTH:
        return MainText(reason="nested too deep", detail=f"{depth} elements in each other, limit {MAX_DEPTH}")
    source = serialized(page)
    title, characters = "", 0
    for noscript in (False, True):  # what shows without scripts alone is text where there is no other
        if noscript and "<noscript" not in source:
            break
        shown = layout(source, noscript)
        whole = "\n".join(shown.texts)
        characters = len(whole)
        if characters < MIN_RAW_CHARACTERS:
            continue
        if refused is not None and (other := refused(whole.replace(LINE, "\n"))):
            shown_first = whole.replace(LINE, "\n")[:MAX_EXCERPT]
            return MainText(reason="other language", detail=other, excerpt=shown_first)
        title = page_title(source, shown)
        if text := main_text(source, shown, shipped_judge().probabilities(shown, title), title):
            return MainText(text, title)
    if (
        characters < MIN_RAW_CHARACTERS
        and (told := article_told(source, characters))
        and (refused is None or not refused(told))
    ):
        title = page_title(source, shown)
        return MainText(joined(told.split("\n\n"), title), title)
    return MainText(title=title, reason="no main text", detail=f"{characters} characters on the whole page")


def main_text(source: str, page: PageLayout, likely: np.ndarray, title: str) -> str:
    """What a page shows as its article, or what it tells of one where it shows less than half of it."""
    text = article_text(page, likely, title)
    told = article_told(source, sum(map(len, page.texts)) if len(text) < _SCRIPTED else None)
    return joined(told.split("\n\n"), title) if 2 * len(text) < len(told) else text


def article_told(source: str, shown: int | None = None) -> str:
    """The longest article that a page tells machines (schema.org), for pages that scripts are to write from it.

    Of a page that shows no article also the paragraphs that its scripts and attributes hold as markup, if they are more
    than all the characters it has `shown`.
    """
    bodies = [""]
    if "articleBody" in source:
        bodies += [_plain(match[1]) for match in _ARTICLE_BODY.finditer(source)]
    if shown is not None and ("u003cp" in source.lower() or '"<p' in source or "&quot;&lt;p" in source):
        held = (f'"{match[1]}"' for match in _PARAGRAPHS.finditer(unescaped(source)))
        written = "\n\n".join(filter(None, dict.fromkeys(map(_plain, held))))
        bodies += [written] if len(written) > shown else []
    return max(bodies, key=len)


def _plain(told: str) -> str:
    """The text of a JSON string, which may be markup."""
    try:
        body: str = json.loads(told, strict=False)
    except ValueError:
        return ""
    body = fragment_to_text(body).text if "<" in body else body
    return "\n\n".join(filter(has_word, map(folded, body.split("\n"))))


def article_text(page: PageLayout, likely: np.ndarray, title: str) -> str:
    """The text of the blocks that are likely main content, as lines, less programs and what is nothing but links."""
    chosen = likely >= KEPT_FROM
    sentences = np.array([_is_sentences(page, i) for i in range(len(likely))], bool)
    chars = np.array([len(text) for text in page.texts])
    poems = verses(page)
    doubtful = sentences.copy()
    for poem in poems:
        doubtful[poem] = True
    doubtful &= likely >= _DOUBTFUL
    if chars[chosen].sum() < _LITTLE * chars[doubtful & ~chosen].sum():
        chosen |= doubtful  # the judge knows no such page: what stands in sentences and is no plain refuse is its text
    if 2 * chars[chosen & sentences].sum() < chars[sentences].sum():
        chosen |= series(page, likely, chosen, sentences)
    for poem in poems:
        if 2 * chosen[poem].sum() >= len(chosen[poem]):
            chosen[poem] |= doubtful[poem]  # a poem is whole
    chosen |= _lists_begun(page, chosen) & (likely >= _DOUBTFUL) & (3 * np.array(page.links) < chars)
    chosen |= _beside(page, chosen) & ((likely >= _NEARLY) | doubtful)
    chosen[:-1] |= chosen[1:] & (likely[:-1] >= _DOUBTFUL) & _headings(page)[:-1]
    chosen &= ~comments(page, chosen, sentences)
    paired = paired_cells(page)
    return joined(_joined_lists(page, _usable(page, chosen, paired), paired), title)


def _headings(page: PageLayout) -> np.ndarray:
    tags = np.array(page.tags)[np.array(page.elements)] if page.texts else np.empty(0, int)
    found: np.ndarray = (tags >= TAG_NUMBERS["h1"]) & (tags <= TAG_NUMBERS["h6"])
    return found


def _beside(page: PageLayout, chosen: np.ndarray) -> np.ndarray:
    """Which blocks stand next to a chosen one in the same element: parted by breaks, or siblings."""
    elements = np.array(page.elements, int)
    beside = np.zeros(len(chosen), bool)
    for holders in (elements, np.array(page.parents, int)[elements]):
        same = holders[1:] == holders[:-1]
        beside[1:] |= chosen[:-1] & same
        beside[:-1] |= chosen[1:] & same
    return beside


def _lists_begun(page: PageLayout, chosen: np.ndarray) -> np.ndarray:
    """Which blocks are items of a list of which half or more is chosen; of few items one may be a label or a date."""
    lists = np.array(page.groups, int)[np.array(page.elements, int)] + 1  # 0: in none
    items = np.bincount(lists)
    begun = (2 * np.bincount(lists, chosen) >= items) & (items >= _LIST)
    begun[:1] = False
    found: np.ndarray = begun[lists]
    return found


def _usable(page: PageLayout, chosen: np.ndarray, paired: dict[int, TablePlace]) -> list[int]:
    """Of the chosen blocks those that are no program, no figure, and in no run of links."""
    kept: list[int] = []
    run: list[int] = []
    for i in np.flatnonzero(chosen).tolist():
        element = page.elements[i]
        figure = i not in paired and is_label(page.texts[i]) and is_short_cell(page, i)
        if page.flags[element] & CODE or figure or not any(map(str.isalpha, page.texts[i])):
            continue
        if page.links[i] >= len(page.texts[i]):
            run.append(i)
            continue
        kept += run if len(run) == 1 else []
        run.clear()
        kept.append(i)
    return kept + (run if len(run) == 1 else [])


def _is_sentences(page: PageLayout, block: int) -> bool:
    text = page.texts[block]
    ended = len(text) >= 25 and text.rstrip("»”\"')")[-1:] in ".!?…؟۔。"
    return 3 * page.links[block] < len(text) and (len(text) >= 60 or ended)


def _joined_lists(page: PageLayout, kept: list[int], paired: dict[int, TablePlace]) -> Iterator[str]:
    """The blocks' texts, a list's items together, and pairs of cells on a line."""
    open_list, open_row, items = -1, -1, ""
    heading = _headings(page)
    for i in kept:
        element = page.elements[i]
        text = page.texts[i].replace(LINE, "\n").replace(BLANK, "\n\n")
        if heading[i]:
            text = without_pilcrow(text)
        group, row = paired.get(i, (page.groups[element], -1))
        if group >= 0 and group == open_list:
            items += (" " if row == open_row >= 0 else "\n") + text
        else:
            yield items
            open_list, items = group, text
        open_row = row
    yield items


def cheaper(page: str) -> str:
    """`page` without what costs parsers most and holds no text."""
    page = encodable(page)
    if "\x00" in page:
        page = page.replace("\x00", "")
    if ";base64," in page:
        page = _DATA_URI.sub("", page)
    if len(page) > _MAX_TAG and max(map(len, page.split("<"))) > _MAX_TAG:
        page = _LONG_TAG.sub(r"<\1>", page)
    return page


def _depth(page: str) -> int:
    """How deep elements stand in each other, by counting tags; those that close by themselves do not count."""
    held = np.frombuffer(page.encode() + b"\0" * (_NAME + 2), np.uint8)
    starts = np.flatnonzero(held == ord("<")) + 1
    closing = held[starts] == ord("/")
    starts += closing
    names = held[starts[:, None] + np.arange(_NAME)]
    lower = names | 0x20
    letters = (lower >= ord("a")) & (lower <= ord("z"))
    within = letters | ((names >= ord("0")) & (names <= ord("9"))) | (names == ord("-")) | (names >= 0x80)
    lower[~np.logical_and.accumulate(within, axis=1)] = 0
    codes = np.ascontiguousarray(lower).view(np.uint64)[:, 0]
    nests = letters[:, 0] & ~np.isin(codes, _codes_of_unnested())
    depths = np.cumsum(np.where(closing[nests], -1, 1))
    floors = np.minimum(np.minimum.accumulate(depths), 0)  # closing what was not open changes nothing
    return int((depths - floors).max(initial=0))


@functools.cache
def _codes_of_unnested() -> np.ndarray:
    return np.frombuffer(b"".join(name.encode().ljust(_NAME, b"\0") for name in _UNNESTED), np.uint64)


def _whole_text(page: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(page, preserve_formatting=True, list_bullets=False, alt_texts=False)
    return text


def fragment_to_text(piece: str) -> MainText:
    """All text of a piece of a page that holds nothing but its article, such as a feed's or a database's field."""
    if len(piece) > MAX_CHARACTERS or piece.count("<") > MAX_MARKS:
        return MainText(reason="too large", detail=f"{len(piece)} characters, limit {MAX_CHARACTERS}")
    lines = [folded(line) for line in _whole_text(cheaper(piece)).split("\n")]
    blocks = re.split(r"\n\n+", "\n".join(line if has_word(line) else "" for line in lines))
    text = joined(block.strip("\n") for block in blocks)
    return MainText(text) if text else MainText(reason="no main text", detail=f"{len(piece)} characters of markup")
