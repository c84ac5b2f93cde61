"""Wikitext to text: a cascade of regular expressions that each run in time linear in the page.

Order matters. What hides other markup goes first (comments, nowiki, references), then everything in braces
(templates and tables, which nest in each other), then files (their captions hold links), links, tags, and last
the lines: headings, lists, sections nobody reads. Nothing is expanded: a template's text stays on the wiki, except
for those whose only work is to mark a phrase (`{{lang|fr|…}}`, `{{nowrap|…}}`), which keep the phrase.
"""

import html
import re
from collections.abc import Iterable
from functools import lru_cache

from ulmkit.language.sections import Extraction

# Elements of which nothing is read. `ref` is the frequent one; the others are pictures, formulas, code and forms.
_UNREAD = (
    "ref|references|gallery|math|chem|ce|score|timeline|hiero|imagemap|graph|mapframe|maplink|syntaxhighlight|source"
    "|templatedata|templatestyles|categorytree|inputbox|section|includeonly|table|style|script|indicator|hieroglyph"
    "|pagelist|pages|dynamicpagelist|rss|charinsert|languages|tabber|phonos"
)
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
# `<x … />` or `<x …> … </x>` without another `<x` in it: so a tag that is never closed removes no text
_UNREAD_ELEMENT = re.compile(
    rf"<((?i:{_UNREAD}))\b[^<>]*+(?:(?<=/)>|>[^<]*+(?:<(?!/?\1\b)[^<]*+)*+</\1\s*>)",
)
_SUPERSCRIPT = re.compile(r"<su([pb])>\s*([-−+]?\d{1,4})\s*</su\1>")
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
_BREAK = re.compile(rf"</?(?i:br)\b[^<>]*>\n?|</?(?i:{_BLOCK})\b[^<>]*>")
_TAG = re.compile(rf"</?(?i:{_TRANSPARENT})\b[^<>]*>")

_LEAF = re.compile(r"\{\{[^{}]*+\}\}")
# '' around templates alone goes with them: left side by side, the marks '' and '' would be read as an apostrophe
_EMPHASIZED_LEAF = re.compile(r"('{2,5}+)(?:\s*+\{\{[^{}]*+\}\})++\s*+\1(?!')")
# Templates that mark a phrase or stand for a character, by their names on the English Wikipedia, which most wikis
# took over with them.
_PHRASE = re.compile(
    r"\{\{\s*+(?i:(?P<last>lang|transl|transliteration|lang-[a-z-]+)|(?P<first>nowrap|nobr|nobold|small|smaller|big"
    r"|larger|em|strong|abbr|tooltip|quote|blockquote|cquote|quotation|poem ?quote|ill|interlanguage link|nihongo"
    r"|formatnum)|(?P<measure>convert|cvt)|(?P<symbol>sp?nd|spaced (?:n|en ?)dash|[nm]dash|e[nm] dash|[–—•·]))"
    r"\s*+(?:[|:]([^{}]*+))?\}\}"
)
_DASHES = {"ndash": "–", "en dash": "–", "mdash": "—", "em dash": "—", "•": " • ", "·": " · ", "–": "–", "—": "—"}
_BRACE = re.compile(r"\{\{+|\}\}+|\n[ \t:]*+\{\||\n[ \t]*+\|\}(?!\})")
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

# Each round removes the innermost templates. Most articles need two at most; what is left is cut out brace by brace.
_LEAF_ROUNDS = 2
_PHRASE_DEPTH = 3  # {{nowrap|{{lang|la|{{small|…}}}}}}


def wikitext_to_text(source: str, extraction: Extraction) -> str:
    """The running text of an article: a paragraph, heading, list item or verse line a line, blocks a blank line apart.

    >>> wikitext_to_text("'''Oslo''' is a [[city]]{{ref}}.\\n* [[a|b]]s", Extraction())
    'Oslo is a city.\\nbs'
    """
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    text = f"\n{source}\n"
    if "<" in text:
        text = _without_hidden(text)
    if "{" in text:
        text = _without_braces(text, _text_templates(tuple(extraction.text_templates.items())))
    if "[" in text or "]" in text:
        text = _without_links(text, _unread_links(extraction.file_namespaces, extraction.category_namespaces))
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
        text = text.replace("{{", "").replace("}}", "")
    text = _TABLE_LINE.sub("", text)
    text = _sections(text, _folded_names(extraction.drop_sections))
    if "&" in text:
        text = text.replace("&nbsp;", " ")
        text = _ENTITY.sub(_character, text)
    return _tidy(text)


def is_redirect(source: str, extraction: Extraction) -> bool:
    """Whether the page only points to another one: `#REDIRECT [[…]]` in English or the wiki's own word."""
    head = source.lstrip("\ufeff \t\r\n")[:200]
    if not head.startswith("#"):
        return False
    word = _FOLDED.sub("", head[1:].split("[[", 1)[0]).rstrip(":").casefold()
    return word in {_FOLDED.sub("", w).lstrip("#").casefold() for w in (*extraction.redirect_words, "REDIRECT")}


@lru_cache(maxsize=32)
def _unread_links(files: tuple[str, ...], categories: tuple[str, ...]) -> re.Pattern[str]:
    """Links that are no text: files, categories, other languages; for a wiki's own names and the English ones."""

    def alternatives(*names: str) -> str:
        words = sorted({re.escape(name).replace(r"\ ", "[ _]") for name in names}, key=lambda w: (-len(w), w))
        return "|".join(words)

    file = rf"(?i:{alternatives(*files, 'File', 'Image', 'Media')})[ _]*:"
    # a prefix that nobody declared and a name that ends as pictures do: a file in a language we were not told of
    picture = rf"[^\W\d_]{{2,20}}:[^\[\]|\n]*\.{_FILE_SUFFIX} *(?=[|\]])"
    category = rf"(?i:{alternatives(*categories, 'Category')})[ _]*:[^\[\]]*+\]\](?:[ \t]*\n)?"
    return re.compile(rf"\[\[[ _]*+(?:(?::[ _]*)?(?:{file}|{picture}){_LINK_REST}\n?|{category}|{_INTERLANGUAGE})")


@lru_cache(maxsize=32)
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
    return _UNREAD_ELEMENT.sub("", text)


def _without_braces(text: str, templates: "_Templates") -> str:
    """Templates and tables out, phrases that templates only mark kept; unbalanced ones cost their own paragraph."""
    if "{{" in text:
        for _ in range(_LEAF_ROUNDS):
            for _ in range(_PHRASE_DEPTH):
                text, marked = _PHRASE.subn(_phrase, text)
                shown = 0
                if templates.pattern:
                    text, shown = templates.pattern.subn(templates.argument, text)
                if not marked + shown:
                    break
            if "'{{" in text:
                text = _EMPHASIZED_LEAF.sub("", text)
            text, removed = _LEAF.subn("", text)
            if not removed or "{" not in text:
                break
    return _cut(text, _brace_spans(text)) if "{" in text else text


def _phrase(match: re.Match[str]) -> str:
    if match["symbol"]:
        return _DASHES.get(match["symbol"].lower(), " – ")
    positional, values = _arguments(match[5] or "")
    if match["measure"]:
        return " ".join(positional[:2])
    if not positional:
        return values.get("1") or values.get("2") or values.get("text", "")
    if match["last"]:
        # {{lang|fr|mot}} has the code first, {{lang-fr|mot|gloss}} the phrase
        return positional[0] if "-" in match["last"] else positional[min(1, len(positional) - 1)]
    return positional[0]


def _arguments(content: str) -> tuple[list[str], dict[str, str]]:
    """The arguments of a template by place, and those that have a name; of links in them what they show."""
    if "[[" in content:
        content = _LINK_START.sub("", content).replace("]]", "")
    arguments = [part.strip() for part in content.split("|")]
    named = [part.partition("=") for part in arguments]
    positional = [
        part for part, (name, equals, _) in zip(arguments, named, strict=True) if not equals or not name.isalnum()
    ]
    return positional, {name.strip(): value.strip() for name, equals, value in named if equals}


class _Templates:
    """The templates of one wiki that show an argument: name -> which, from 1."""

    def __init__(self, shown: tuple[tuple[str, int], ...]) -> None:
        self.places = {_template_name(name): place for name, place in shown}
        names = "|".join(sorted((re.escape(name).replace(r"\ ", "[ _]") for name, _ in shown), key=len, reverse=True))
        self.pattern = re.compile(rf"\{{\{{\s*+((?i:{names}))\s*+\|([^{{}}]*+)\}}\}}") if shown else None

    def argument(self, match: re.Match[str]) -> str:
        positional, values = _arguments(match[2])
        place = self.places[_template_name(match[1])]
        return values.get(str(place)) or (positional[place - 1] if len(positional) >= place else "")


def _template_name(name: str) -> str:
    return name.replace("_", " ").casefold()


@lru_cache(maxsize=32)
def _text_templates(shown: tuple[tuple[str, int], ...]) -> _Templates:
    return _Templates(shown)


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


def _without_links(text: str, unread: re.Pattern[str]) -> str:
    text = unread.sub("", text)
    text = _LINK_START.sub("", text).replace("]]", "")
    return _EXTERNAL.sub(lambda m: m[1] or m[2] or "", text) if "[" in text else text


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
