"""From what a source delivers to text: the one door to the readers of HTML, wikitext, Markdown and plain text.

What comes out has one paragraph, heading, list item or line of verse a line, and a blank line between blocks. Letters
and joiners are as the page has them: folding them is the language's business, after the language is known.
"""

from collections.abc import Callable

from ulmkit.corpus.extract.asciidoc import asciidoc_to_text
from ulmkit.corpus.extract.bbcode import without_bbcode
from ulmkit.corpus.extract.blocks import encodable, joined
from ulmkit.corpus.extract.escaped import is_leftover, plainly_unescaped, without_written_escapes
from ulmkit.corpus.extract.holes import HOLE, without_holes
from ulmkit.corpus.extract.html import MAX_CHARACTERS, MainText, fragment_to_text, html_to_text
from ulmkit.corpus.extract.markdown import markdown_to_text
from ulmkit.corpus.extract.markup import kind_of
from ulmkit.corpus.extract.org import org_to_text
from ulmkit.corpus.extract.plain import plain_to_text
from ulmkit.corpus.extract.restructured import restructured_to_text
from ulmkit.corpus.extract.wikitext import is_redirect, wikitext_to_text
from ulmkit.corpus.extract.wrapped import Wrapping
from ulmkit.document import Document, Kind, RawDocument, Unreadable
from ulmkit.formats.publication import publication_of
from ulmkit.language.sections import Extraction
from ulmkit.text.encoding import Undecodable

Decode = Callable[[bytes, str], tuple[str, str]]

# markup that is read as text: what comes out is the text and the title it gives itself
LIGHT_MARKUP: dict[str, Callable[[str], tuple[str, str]]] = {
    "markdown": markdown_to_text,
    "asciidoc": asciidoc_to_text,
    "restructured": restructured_to_text,
    "org": org_to_text,
}

REASONS = {
    "encoding": "bytes that no known encoding makes sense of",
    "empty": "nothing is left when the markup is gone",
    "redirect": "a wiki page that only points to another",
    "too large": "a page larger than the limit",
    "nested too deep": "a page of elements nested so deep that it would exhaust a parser",
    "too many elements": "a page built of more elements than a parser should be given",
    "no main text": "a page of menus, forms or links",
    "other language": "the whole page, menus included, is in another language",
}


def extract(
    raw: RawDocument,
    extraction: Extraction,
    *,
    decode: Decode,
    refused: Callable[[str], str] | None = None,
    sentences: Callable[[str], list[str]] | None = None,
    left_out: Callable[[str], None] | None = None,
    wrapped: Callable[[Wrapping], None] | None = None,
) -> Document | Unreadable:
    """The document in `raw`, or why there is none (`REASONS`).

    `decode` turns bytes and the declared encoding into text and the encoding it was in. `refused` is asked
    which other language a page's whole text is in, if any, before the main text is looked for, which costs twenty times
    as much. A record that its source calls text is read as the markup it is written in. Of markup a sentence with a
    hole is left out, where `sentences` tells a line's sentences apart; `left_out` hears of it. `wrapped` hears of plain
    text whose lines were, or look, wrapped at a column.
    """
    content = raw.content
    if isinstance(content, bytes):
        try:
            content = decode(content, raw.encoding)[0]
        except Undecodable as error:
            return Unreadable(raw.id, "encoding", str(error))
    if len(content) > MAX_CHARACTERS and raw.kind != "text":
        return Unreadable(raw.id, "too large", f"{len(content)} characters, limit {MAX_CHARACTERS}")
    kind, content = _as_meant(content) if raw.kind == "text" else (raw.kind, content)
    title, published_at = raw.title, raw.published_at
    if kind == "html":
        # a record's text field holds a piece of a page, already cut out by whoever made the record
        page = _piece_to_text(content) if raw.kind == "text" else html_to_text(content, refused=refused)
        if page.reason:
            return Unreadable(raw.id, page.reason, page.detail, page.excerpt)
        text, title = page.text, title or page.title
        if raw.kind == "html":
            published_at = published_at or publication_of(content, raw.fetched_at)
    elif kind == "wikitext":
        if is_redirect(content, extraction):
            return Unreadable(raw.id, "redirect")
        text = wikitext_to_text(content, extraction, sentences=sentences, left_out=left_out)
    elif kind in LIGHT_MARKUP:
        text, heading = LIGHT_MARKUP[kind](content.replace(HOLE, ""))
        text, title = without_holes(text, sentences, left_out), title or heading.replace(HOLE, "")
    else:
        text = plain_to_text(content, wrapped)
    text = encodable(joined(text.split("\n\n"), title))
    if not text:
        return Unreadable(raw.id, "empty", f"{len(content)} characters of markup")
    return Document(
        id=raw.id,
        text=text,
        source=raw.source,
        licence=raw.licence,
        url=raw.url,
        title=encodable(title),
        fetched_at=raw.fetched_at,
        published_at=published_at,
    )


def _as_meant(text: str) -> tuple[Kind, str]:
    """What a record's text is written in, and the text without an escaping that it was never meant to have."""
    text = without_written_escapes(text)
    markup = plainly_unescaped(text)
    if markup is not None:
        return "html", markup
    kind = kind_of(text)
    return (kind, without_bbcode(text)) if kind == "text" else (kind, text)


def _piece_to_text(piece: str) -> MainText:
    page = fragment_to_text(piece)
    return fragment_to_text(page.text) if is_leftover(page.text) else page
