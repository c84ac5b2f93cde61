"""Text that somebody escaped once too often: markup as `&lt;p&gt;`, newlines and letters as `\\n` and `\\u003c`.

It is read as what it was before only where all of it is so. A text that speaks about markup names tags inside of its
sentences, and keeps them as it has them.
"""

import html
import re

_LEVELS = 3  # of escaping: &amp;amp;lt;
_NAMES = (
    "p|div|br|span|a|td|th|tr|table|tbody|li|ul|ol|dl|dt|dd|h[1-6]|strong|em|b|i|u|img|blockquote|figure|figcaption|article"
    "|section|main|html|head|body|title|font|center|hr|small|sup|sub|cite|q"
)
_OPEN, _CLOSE = r"&(?:amp;)*+(?i:lt|#0*60|#x0*3c);", r"&(?:amp;)*+(?i:gt|#0*62|#x0*3e);"
_INSIDE = r"[^&<>]*+(?:&(?!(?:amp;)*+(?i:lt|gt|#0*6[02]|#x0*3[ce]);)[^&<>]*+)*+"
_ESCAPED_TAG = re.compile(rf"{_OPEN}(/?)\s*((?i:{_NAMES}))\b{_INSIDE}{_CLOSE}")
_ESCAPED_START = re.compile(rf"{_OPEN}(?:!doctype|\?xml)", re.I)
_TAG = re.compile(rf"<(/?)((?i:{_NAMES}))\b[^<>]*>")
_BLOCK = re.compile(r"(?i:p|div|li|h[1-6]|blockquote|td|th|dd|dt|article|section|main|body|html|figure|figcaption)")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.S)
_WORD = re.compile(r"\w+")

_WRITTEN = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([nrtbf\"'/\\]))")
_WRITTEN_LINES = re.compile(r"(?:(?:\\r)?\\n)+")
_DRIVE = re.compile(r"(?<![^\W\d_])[A-Za-z]:\\")
_MEANT = {"n": "\n", "r": "\n", "t": "\t", "b": "", "f": "\n", '"': '"', "'": "'", "/": "/", "\\": "\\"}


def plainly_unescaped(text: str) -> str | None:
    """The markup that `text` was before it was escaped; None where it is no escaped markup.

    >>> plainly_unescaped("&lt;p&gt;Tere.&lt;/p&gt;"), plainly_unescaped("HTML-is on &lt;p&gt; ja &lt;br&gt;.")
    ('<p>Tere.</p>', None)
    """
    if match := _CDATA.fullmatch(text):
        text = match[1]
        if _is_markup(text, list(_TAG.finditer(text))):
            return text
    found = False
    for _ in range(_LEVELS):
        if "&" not in text or _TAG.search(text):
            break
        tags = list(_ESCAPED_TAG.finditer(text))
        if not (_ESCAPED_START.match(text.lstrip()[:40]) and tags) and not _is_markup(text, tags):
            break
        text, found = html.unescape(text), True
    return text if found else None


def is_leftover(text: str) -> bool:
    """Whether what came out of markup is markup again: what was inside of it had been escaped."""
    return "</" in text and is_markup(text)


def is_markup(text: str) -> bool:
    """Whether the tags in `text` are its own: blocks that hold most words, or several line breaks, not named in it.

    >>> is_markup("Ilus päev.<br><br>Tuul tuleb."), is_markup("Rida lõpeb märgendiga <br> või <br />.")
    (True, False)
    """
    return _is_markup(text, list(_TAG.finditer(text)))


def _is_markup(text: str, tags: list[re.Match[str]]) -> bool:
    """Whether `tags` are those of the text, and not named in it: most words stand in blocks, or lines end in breaks."""
    if not tags:
        return False
    named = sum(_is_named(text, tag) for tag in tags)
    if named * 5 > len(tags):
        return False
    if not any(_BLOCK.fullmatch(tag[2]) for tag in tags):
        breaks = sum(tag[2].lower() == "br" for tag in tags)
        whole = not text[: tags[0].start()].strip() and not text[tags[-1].end() :].strip() and len(tags) > 1
        return breaks > 1 or whole
    inside = outside = depth = reached = 0
    for tag in tags:
        words = len(_WORD.findall(text[reached : tag.start()]))
        inside, outside = (inside + words, outside) if depth else (inside, outside + words)
        reached = tag.end()
        if _BLOCK.fullmatch(tag[2]):
            depth = max(0, depth - 1) if tag[1] else depth + 1
    outside += len(_WORD.findall(text[reached:]))
    return inside >= 4 * outside and inside > 0


def _is_named(text: str, tag: re.Match[str]) -> bool:
    before, after = text[max(0, tag.start() - 2) : tag.start()], text[tag.end() : tag.end() + 2]
    return (
        len(before) == 2
        and before[1] == " "
        and before[0].isalnum()
        and (after[:1] in ".,;:" or (after[1:].isalpha() and after[0] == " "))
    )


def without_written_escapes(text: str) -> str:
    r"""`text` with the newlines and letters that it has written out, where it has many and none of its own.

    >>> without_written_escapes(r"Esimene rida.\nTeine rida.\n\nKolmas.")
    'Esimene rida.\nTeine rida.\n\nKolmas.'
    >>> without_written_escapes(r"Reavahetus on \n ja tabeldus \t, failis C:\new\names.")
    'Reavahetus on \\n ja tabeldus \\t, failis C:\\new\\names.'
    """
    if "\\" not in text or _DRIVE.search(text):
        return text
    rest, count = _WRITTEN.subn("", text)
    if "\\" in rest or not count:
        return text  # a program, a formula, a path
    letters = text.count("\\u")
    lines = list(_WRITTEN_LINES.finditer(text))
    apart = sum(
        text[line.start() - 1 : line.start()] in " \"'`" and text[line.end() : line.end() + 1] in " \"'`"
        for line in lines
    )
    broken = "\n" not in text.strip() and sum(line[0].count("\\n") for line in lines) > 1 and apart * 5 < len(lines)
    if not broken and letters < 5 and text.lower().count("\\u003c") < 2:
        return text
    plain = _WRITTEN.sub(lambda m: chr(int(m[1], 16)) if m[1] else _MEANT[m[2]], text.replace("\\r\\n", "\\n"))
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
