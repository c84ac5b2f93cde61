"""The title of a page's article, of all the names that pages give themselves."""

import re

from ulmkit.corpus.extract.blocks import folded, key, title_parts
from ulmkit.corpus.extract.layout import LINE, TAG_NUMBERS, PageLayout, unescaped

_META = re.compile(r"<meta [^>]*>")
_ANNOUNCES = re.compile(r' (?:property|name)="(?:og|twitter):title"')
_CONTENT = re.compile(r' content="([^"]*)"')
_WINDOW = re.compile(r"<title[^>]*>([^<]*)")
_PILCROW = re.compile(r"\s*[¶§#🔗]\s*$")  # the permanent link behind a heading
_MAX_HEADINGS = 20


def without_pilcrow(heading: str) -> str:
    return _PILCROW.sub("", heading)


def page_title(source: str, page: PageLayout) -> str:
    """What a page announces to other sites, its only main heading, or the window's title, in this order.

    `source` is the page serialized. Of `Article - Section - Site` only the part that is also a heading, if there is
    one.
    """
    announced = []
    for meta in _META.findall(source):
        if "title" in meta and _ANNOUNCES.search(meta) and (content := _CONTENT.search(meta)):
            announced.append(folded(unescaped(content[1])))
    window = [folded(unescaped(name)) for name in _WINDOW.findall(source)[:1]]
    headings = _headings(page)
    main = [text for text, tag in headings if tag == "h1"]
    candidates = announced + (main if len(main) == 1 else []) + window + main
    title = next(filter(None, candidates), "")
    known = {key(text) for text, _ in headings} - {""}
    return next((part for part in title_parts(title) if key(part) in known), title)


def _headings(page: PageLayout) -> list[tuple[str, str]]:
    """Texts of the first headings of the two highest levels, and their tags."""
    found = []
    levels = {TAG_NUMBERS["h1"]: "h1", TAG_NUMBERS["h2"]: "h2"}
    for tag, first, last in zip(page.tags, page.firsts, page.lasts, strict=True):
        if tag in levels:
            text = " ".join(page.texts[first:last]).replace(LINE, " ")
            found.append((without_pilcrow(text), levels[tag]))
            if len(found) == _MAX_HEADINGS:
                break
    return found
