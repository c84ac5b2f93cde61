"""Wikitext to text: a cascade of regular expressions that each run in time linear in the page.

Order matters. What hides other markup goes first (comments, nowiki, references), then everything in braces
(templates, of which some show words, and tables, which nest in each other), then files (their captions hold links),
links, tags, and last the lines: headings, lists, sections nobody reads.
"""

import functools
import html
import re
from collections.abc import Callable, Iterable

from ulmkit.corpus.extract.holes import HOLE, without_holes
from ulmkit.corpus.extract.wiki_templates import Templates
from ulmkit.language.sections import Extraction

# Elements of which nothing is read. `ref` is the frequent one; the others are pictures, formulas, code and forms.
_UNREAD = (
    "ref|references|gallery|math|chem|ce|score|timeline|hiero|imagemap|graph|mapframe|maplink|syntaxhighlight|source"
    "|templatedata|templatestyles|categorytree|inputbox|section|includeonly|table|style|script|indicator|hieroglyph"
    "|pagelist|pages|dynamicpagelist|rss|charinsert|languages|tabber|phonos"
)
_FORMULAS = frozenset(("math", "chem", "ce", "score", "hiero"))
# Elements whose tags go and whose text stays.
_TRANSPARENT = (
    "abbr|b|bdi|bdo|big|center|cite|code|data|del|dfn|em|font|i|includeonly|ins|kbd|mark|noinclude|nowiki|onlyinclude"
    "|poem|pre|q|rb|rbc|rp|rt|rtc|ruby|s|samp|small|span|strike|strong|sub|sup|time|tt|u|var|wbr|ref|references"
    "|translate|languages|tvar|small|gallery|section|templatestyles|math|mapframe"
)
_BLOCK = "p|div|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|tfoot|caption|blockquote|h1|h2|h3|h4|h5|h6|hr"

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_NOWIKI = re.compile(r"<nowiki\s*>([^<]*+(?:<(?!/nowiki\s*>)[^<]*+)*+)</nowiki\s*>")
_SHIELD = {ord(c): f"&#{ord(c)};" for c in "[]{}|'=*#:;<_~-"}
# `<x … />` or `<x …> … </x>` without another `<x` in it but one that is closed at once, as notes call each other: so a
# tag that is never closed removes no text. A `<x/>` that calls nothing is an end with its bar on the wrong side.
_UNREAD_ELEMENT = re.compile(
    rf"<((?i:{_UNREAD}))\b[^<>]*+(?:(?<=/)>"
    r"|>[^<]*+(?:<(?:(?!/?\1\b)|\1\s+[^\s/<>][^<>]*+(?<=/)>)[^<]*+)*+<(?:/\1\s*|\1\s*/)>)",
)
_NOTE_DEPTH = 4  # notes in notes
_SUPERSCRIPT = re.compile(r"<su([pb])>\s*([-−+]?\d{1,4})\s*</su\1>")
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
_BREAK = re.compile(rf"</?(?i:br)\b[^<>]*>\n?|</?(?i:{_BLOCK})\b[^<>]*>")
_TAG = re.compile(rf"</?(?i:{_TRANSPARENT})\b[^<>]*>")

_BRACE = re.compile(r"\{\{+|\}\}+|\n[ \t:]*+\{\||\n[ \t]*+\|\}(?!\})")
_STRAY_BRACES = re.compile(r"\{\{+|\}\}+\|?")
_PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?==)|\Z")

_FILE_SUFFIX = r"(?i:jpe?g|png|gif|svg|tiff?|xcf|webp|djvu|pdf|og[agv]|oga|webm|mp3|mp4|wav|midi?|flac|stl)"
# the rest of a link whose label may hold links and single brackets, closed
_LINK_REST = r"[^\[\]]*+(?:(?:\[\[[^\[\]]*+\]\]|\[[^\[\]]*+\]|\](?!\]))[^\[\]]*+)*+\]\]"
# how a link begins: with its target, if a label follows
_LINK_START = re.compile(r"\[\[:?(?:[^\[\]|\n]*+\|)?")
# `[[fr:Titre]]`: a link to the article in another language, shown beside the page and not in it
_INTERLANGUAGE = r"(?:[a-z]{2,3}|simple|[a-z]{2,3}-[a-z-]{2,12}) *:[^\[\]|\n]*+\]\](?:[ \t]*\n)?"
_EXTERNAL = re.compile(
    r"\[(?:(?:https?|ftps?|irc|news|gopher):)?//[^\s\[\]|]*+[ \t]*([^\[\]\n]*+)\]|\[mailto:\S*+[ \t]*([^\[\]\n]*+)\]"
)

_QUOTES = re.compile(r"'''''|'''|''")
_MAGIC = re.compile(r"__[^\Wa-z\d_]{2,30}(?:_[^\Wa-z\d_]{1,30}){0,4}__")
_VARIANT = re.compile(r"-\{(?:[A-Za-z+|-]{0,8}\|)?([^{}|]*+)\}-")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

# Patterns for line starts begin with a literal newline (the text is given one in front): the engine looks for a
# literal many times faster than it tries an anchor at every character.
_HEADING = re.compile(r"\n[ \t]*+(={1,6})[ \t]*([^\n]*?[^\n=])[ \t]*=+[ \t]*(?=\n|\Z)")
_LIST_MARK = re.compile(r"\n(?:[ \t]*+[*#:;][*#:; \t]*+|----+)")
_TABLE_LINE = re.compile(r"\n[ \t]*+(?:\{?\||!)[^\n]*+")
# What a removed template leaves of brackets: "( ؛ )" goes, "(; born" becomes "(born"
_BRACKET_HOLE = re.compile(r"\((?=[\s,;:،؛.\-–—/•·)])(?:[\s,;:،؛.\-–—/•·]*+(\))|[\s,;،؛]*+)")
_BRACKET_END = re.compile(r"[\s,;،؛]++\)")
_EMPTY_QUOTES = ("«»", "“”", "[]", "（）")
_SPACE_BEFORE_STOP = re.compile(r" (?=\.(?:\s|\Z))")
_SPACES = re.compile(r"  +")
_EMPTY_LINE = re.compile(r"\n[^\w\n]++(?=\n)")
_LETTER = re.compile(r"\w")
_FOLDED = re.compile(r"[\s\u200c\u200d_]+")


def wikitext_to_text(
    source: str,
    extraction: Extraction,
    *,
    sentences: Callable[[str], list[str]] | None = None,
    left_out: Callable[[str], None] | None = None,
) -> str:
    """The running text of an article: a paragraph, heading, list item or verse line a line, blocks a blank line apart.

    A sentence in which a template that is not known showed words is left out, where `sentences` tells a line's
    sentences apart; `left_out` hears of it.

    >>> wikitext_to_text("'''Oslo''' is a [[city]]{{ref}}.\\n* [[a|b]]s", Extraction())
    'Oslo is a city.\\nbs'
    """
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    text = f"\n{source}\n"
    if HOLE in text:
        text = text.replace(HOLE, "")
    if "<" in text:
        text = _without_hidden(text)
        if not text.endswith("\n"):  # a comment that is left open takes the end with it
            text += "\n"
    if "{{" in text:
        text = _templates(extraction).shown(text)
    if "{" in text:
        text = _cut(text, _brace_spans(text))
    if "[" in text or "]" in text:
        unread = _unread_links(extraction.file_namespaces, extraction.category_namespaces)
        text = _without_links(text, unread, functools.partial(_behind_open_file, sentences))
    if "<" in text:
        text = _SUPERSCRIPT.sub(_script_digits, text)
        text = _BREAK.sub("\n", text)
        text = _TAG.sub("", text)
    if "'" in text:
        text = _QUOTES.sub("", text)
    if "_" in text:
        text = _MAGIC.sub("", text)
    if "{" in text:
        text = _VARIANT.sub(r"\1", text)
    if "{" in text or "}" in text:
        text = _STRAY_BRACES.sub("", text)
    text = _TABLE_LINE.sub("", text)
    text = _sections(text, _folded_names(extraction.drop_sections))
    if "&" in text:
        text = text.replace("&nbsp;", " ")
        text = _ENTITY.sub(_character, text)
    return _tidy(without_holes(text, sentences, left_out))


def is_redirect(source: str, extraction: Extraction) -> bool:
    """Whether the page only points to another one: `#REDIRECT [[…]]` in English or the wiki's own word."""
    head = source.lstrip("\ufeff \t\r\n")[:200]
    if not head.startswith("#"):
        return False
    word = _FOLDED.sub("", head[1:].split("[[", 1)[0]).rstrip(":").casefold()
    return word in {_FOLDED.sub("", w).lstrip("#").casefold() for w in (*extraction.redirect_words, "REDIRECT")}


_last_templates: list[tuple[Extraction, Templates]] = []  # one wiki's pages come one after the other


def _templates(extraction: Extraction) -> Templates:
    if not _last_templates or _last_templates[0][0] is not extraction:
        _last_templates[:] = [(extraction, Templates(extraction))]
    return _last_templates[0][1]


@functools.lru_cache(maxsize=32)
def _unread_links(files: tuple[str, ...], categories: tuple[str, ...]) -> re.Pattern[str]:
    """Links that are no text: files, categories, other languages; for a wiki's own names and the English ones."""

    def alternatives(*names: str) -> str:
        words = sorted({re.escape(name).replace(r"\ ", "[ _]") for name in names}, key=lambda w: (-len(w), w))
        return "|".join(words)

    file = rf"(?i:{alternatives(*files, 'File', 'Image', 'Media')})[ _]*:"
    # a prefix that nobody declared and a name that ends as pictures do: a file in a language we were not told of
    picture = rf"[^\W\d_]{{2,20}}:[^\[\]|\n]*\.{_FILE_SUFFIX} *(?=[|\]])"
    category = rf"(?i:{alternatives(*categories, 'Category')})[ _]*:[^\[\]]*+\]\](?:[ \t]*\n)?"
    shown = rf":[ _]*+(?:{file}|{picture})[^\[\]|\n]*+\]\]"  # [[:File:a.jpg]], without words of its own
    # a file's link that is not closed: its options, and what stands on its line, up to a bracket that it might mean
    inside = r"[^\[\]|\n]*+(?:\[\[[^\[\]\n]*+\]\][^\[\]|\n]*+)*+"
    cut_off = rf"(?:{inside}\|)*+(?P<open>{inside})(?P<end>\]?)"
    return re.compile(
        rf"\[\[[ _]*+(?:(?:{file}|{picture})(?:{_LINK_REST}\n?|{cut_off})|{shown}|{category}|{_INTERLANGUAGE})"
    )


@functools.lru_cache(maxsize=32)
def _folded_names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_fold, names))


def _fold(heading: str) -> str:
    """A heading as it is compared: no spaces, joiners, case or closing colon."""
    return _FOLDED.sub("", heading).rstrip(":").casefold()


def _without_hidden(text: str) -> str:
    """Comments, nowiki (its text shielded as entities), and the elements of which nothing is read."""
    if "<!--" in text:
        text = _COMMENT.sub("", text)
    if "<nowiki" in text:
        text = _NOWIKI.sub(lambda m: m[1].translate(_SHIELD), text)
    formulas = any(f"<{name}" in text for name in _FORMULAS)
    left: str | Callable[[re.Match[str]], str] = _formula_hole if formulas else ""
    for _ in range(_NOTE_DEPTH):
        text, found = _UNREAD_ELEMENT.subn(left, text)
        if not found or "</ref" not in text:
            break
    return text


def _formula_hole(element: re.Match[str]) -> str:
    """What is left of an element: a hole where a formula is said in a sentence, as against one in lines of its own."""
    if element[1].lower() not in _FORMULAS:
        return ""
    text, (start, end) = element.string, element.span()
    before = text[text.rfind("\n", 0, start) + 1 : start].strip(" \t:*#;")
    return HOLE if before or text[end : end + 2].lstrip(" ")[:1].isalnum() else ""


def _brace_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every template and table, matched by one pass over the marks with a stack."""
    spans: list[tuple[int, int]] = []
    stack: list[tuple[int, bool]] = []  # where it opened, whether it is a table
    tables = 0
    for match in _BRACE.finditer(text):
        mark = match[0]
        start, end = match.span()
        if mark[0] == "{" and mark[-1] == "{":
            stack.extend((start + 2 * i, False) for i in range(len(mark) // 2))
        elif mark[-1] == "|":
            stack.append((start, True))
            tables += 1
        elif mark[0] == "}":
            for i in range(len(mark) // 2):
                # a table left open inside a template ends with it
                while stack and stack[-1][1] and len(stack) > tables:
                    stack.pop()
                    tables -= 1
                if not stack or stack[-1][1]:
                    break
                opened, _ = stack.pop()
                spans.append((opened, end if (i + 1) * 2 + 1 >= len(mark) else start + 2 * (i + 1)))
        elif tables:
            while not stack[-1][1]:  # templates left open inside the table end with it
                stack.pop()
            opened, _ = stack.pop()
            tables -= 1
            spans.append((opened, end))
    spans.extend(_open_ends(text, [start for start, _ in stack]))
    return spans


def _open_ends(text: str, starts: Iterable[int]) -> Iterable[tuple[int, int]]:
    """What was never closed takes the rest of its paragraph with it, not the rest of the page."""
    reached = -1
    for start in starts:
        if start < reached:
            continue
        end = _PARAGRAPH_END.search(text, start)
        reached = end.start() if end else len(text)
        yield start, reached


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` without the spans, which may nest and overlap."""
    kept: list[str] = []
    reached = 0
    for start, end in sorted(spans):
        if start > reached:
            kept.append(text[reached:start])
        reached = max(reached, end)
    kept.append(text[reached:])
    return "".join(kept)


def _without_links(text: str, unread: re.Pattern[str], left: Callable[[re.Match[str]], str]) -> str:
    """`text` with the words of its links; `left` is what stays of one that is no text."""
    text = unread.sub(left, text)
    text = _LINK_START.sub("", text).replace("]]", "")
    return _EXTERNAL.sub(lambda m: m[1] or m[2] or "", text) if "[" in text else text


def _behind_open_file(sentences: Callable[[str], list[str]] | None, link: re.Match[str]) -> str:
    """What follows the caption on the line of a file's link that nobody closed: the sentences behind its first.

    On the wiki such a link shows as it is written, with all that follows.
    """
    if not link["open"] or link["end"] or sentences is None:
        return ""
    return " ".join(sentences(link["open"])[1:])


def _script_digits(match: re.Match[str]) -> str:
    """`10<sup>6</sup>` is not 106."""
    return match[2].translate(_RAISED if match[1] == "p" else _LOWERED)


def _character(match: re.Match[str]) -> str:
    character = html.unescape(match[0])
    return "" if character == "\ufffd" else character  # a number that names no character


def _sections(text: str, dropped: frozenset[str]) -> str:
    """Headings as lines of their own; without the sections the language names and without empty ones."""
    headings = list(_HEADING.finditer(text)) if "=" in text else []
    if not headings:
        return _LIST_MARK.sub("\n", text)
    ends = [*(h.start() for h in headings[1:]), len(text)]
    parts = [text[: headings[0].start()].strip("\n")]
    waiting: list[tuple[int, str]] = []  # headings that have no text yet
    skip = 0  # level of the dropped section we are in, 0 outside
    for heading, end in zip(headings, ends, strict=True):
        level = len(heading[1])
        if skip and level > skip:
            continue
        skip = level if _fold(heading[2]) in dropped else 0
        while waiting and waiting[-1][0] >= level:
            waiting.pop()
        if skip:
            continue
        waiting.append((level, heading[2]))
        if _LETTER.search(text, heading.end(), end):
            parts.extend(title for _, title in waiting)
            waiting.clear()
            parts.append(text[heading.end() : end].strip("\n"))
    return _LIST_MARK.sub("\n", "\n" + "\n\n".join(parts))


def _tidy(text: str) -> str:
    """Holes that removed markup left: empty brackets, doubled spaces, lines without a letter or digit."""
    text = text.replace("\t", " ").replace("\xa0", " ")
    if "(" in text:
        text = _BRACKET_HOLE.sub(lambda m: "" if m[1] else "(", text)
        if " )" in text:
            text = _BRACKET_END.sub(")", text)
    for empty in _EMPTY_QUOTES:
        if empty[0] in text:  # one character is found an order of magnitude faster than two
            text = text.replace(empty, "")
    for mark in ",،":
        if mark in text:
            text = text.replace(" " + mark, mark)
    if " ." in text:
        text = _SPACE_BEFORE_STOP.sub("", text)
    text = _SPACES.sub(" ", text)
    text = "\n".join([line.strip() for line in text.split("\n")])
    text = _EMPTY_LINE.sub("\n", text)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()
