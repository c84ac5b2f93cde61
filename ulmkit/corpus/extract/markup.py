"""Which markup a text is written in when its container does not say: conservative, plain text unless sure."""

import re

from ulmkit.corpus.extract.escaped import is_markup
from ulmkit.document import Kind

_SAMPLE = 20_000  # characters that are looked at

_HTML_START = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I)
_HTML_TAG = re.compile(
    r"<(/?)(?:p|div|br|span|a|td|tr|table|li|ul|ol|h[1-6]|strong|em|b|i|img|blockquote)\b[^<>]*>", re.I
)

_WIKI_LINK = re.compile(r"\[\[[^\[\]\n]+\]\]")
_WIKI_OTHER = (
    re.compile(r"\{\{[^{}]+\}\}|^\{\|", re.M),
    re.compile(r"'''[^'\n]+'''"),
    re.compile(r"^==+[^=\n]+==+[ \t]*$", re.M),
    re.compile(r"<ref[\s>/]"),
)

# what must be in the text before a pattern is tried, and the pattern
_MARKDOWN = (
    ("---", re.compile(r"\A\ufeff?---[ \t]*\r?\n(?:[\w.-]+:.*\r?\n)")),  # front matter
    ("# ", re.compile(r"^#{1,6} +\S", re.M)),
    ("](", re.compile(r"(?<!!)\[[^\[\]\n]+\]\((?:https?:|/|\.|#|mailto:)[^\s()]*")),
    ("![", re.compile(r"!\[[^\[\]\n]*\]\([^\s()]+")),
    ("```", re.compile(r"^[ \t]*```", re.M)),
    ("~~~", re.compile(r"^[ \t]*~~~", re.M)),
    ("**", re.compile(r"\*\*[^\s*][^*\n]*\*\*")),
    ("---", re.compile(r"^\|?[ \t]*:?-{3,}:?[ \t]*\|[-| :\t]*$", re.M)),  # a table's rule
    ("[!", re.compile(r"^>[ \t]*\[!\w+\]", re.M)),
)


def looks_like_html(text: str) -> bool:
    """Whether `text` is a page or a piece of one; an article that mentions a tag or two is not."""
    sample = text[:_SAMPLE]
    if _HTML_START.match(sample):
        return True
    tags = [match[1] for match in _HTML_TAG.finditer(sample)]
    return len(tags) >= 4 and tags.count("/") * 4 >= len(tags) and len(tags) * 400 >= len(sample)


def looks_like_wikitext(text: str) -> bool:
    """Whether `text` has wiki links and something else that only wikis write."""
    sample = text[:_SAMPLE]
    return len(_WIKI_LINK.findall(sample)) >= 3 and any(pattern.search(sample) for pattern in _WIKI_OTHER)


def looks_like_markdown(text: str) -> bool:
    """Whether two different marks of Markdown are in `text`; a heading alone or a starred word alone may be chance."""
    sample = text[:_SAMPLE]
    return sum(1 for mark, pattern in _MARKDOWN if mark in sample and pattern.search(sample)) >= 2


_ASCIIDOC = (
    ("= ", re.compile(r"^={1,5} \S", re.M)),
    ("[source", re.compile(r"^\[source[,\]]", re.M)),
    ("----", re.compile(r"^-{4,}[ \t]*\n(?:.*\n)*?-{4,}[ \t]*$", re.M)),
    ("::", re.compile(r"^(?:image|include|video|ifdef|toc)::\S*\[[^\]\n]*\][ \t]*$", re.M)),
    ("[", re.compile(r"^\[(?:NOTE|TIP|WARNING|IMPORTANT|CAUTION|\[[\w-]+\])\][ \t]*$", re.M)),
    ("|===", re.compile(r"^\|===", re.M)),
    ("<<", re.compile(r"<<[\w-]+(?:,[^<>\n]+)?>>")),
    ("link:", re.compile(r"\blink:\S+\[[^\]\n]+\]")),
)
_RESTRUCTURED = (
    (".. ", re.compile(r"^\.\. [\w-]+::", re.M)),
    (".. _", re.compile(r"^\.\. _[^:\n]+:", re.M)),
    ("`_", re.compile(r"`[^`\n]+`__?(?!\w)")),
    (":`", re.compile(r"(?<!\w):[a-z][\w:+-]*:`[^`\n]+`")),
    ("::\n", re.compile(r"::\n\n[ \t]+\S")),
    ("``", re.compile(r"(?<!`)``[^`\n]+``(?!`)")),
    ("\n==", re.compile(r"^\w.*\n={3,}[ \t]*$", re.M)),
)


def looks_like_asciidoc(text: str) -> bool:
    """Whether two different marks of AsciiDoc are in `text`."""
    sample = text[:_SAMPLE]
    return sum(1 for mark, pattern in _ASCIIDOC if mark in sample and pattern.search(sample)) >= 2


def looks_like_restructured(text: str) -> bool:
    """Whether `text` has a directive, a target or a role, and another mark of reStructuredText."""
    sample = text[:_SAMPLE]
    found = [mark for mark, pattern in _RESTRUCTURED if mark in sample and pattern.search(sample)]
    return len(found) >= 2 and any(mark in (".. ", ".. _", ":`", "`_") for mark in found)


def kind_of(text: str) -> Kind:
    """What `text` is written in.

    >>> kind_of("Tere, 5 < 6 ja #silt"), kind_of("# Pealkiri\\n\\n**rõhk** ja [link](https://a.ee)")
    ('text', 'markdown')
    """
    if _HTML_START.match(text):
        return "html"
    if "[[" in text and looks_like_wikitext(text):
        return "wikitext"
    if looks_like_restructured(text):
        return "restructured"
    if looks_like_asciidoc(text):
        return "asciidoc"
    if looks_like_markdown(text):
        return "markdown"
    if "<" in text and (looks_like_html(text) or is_markup(text[:_SAMPLE])):
        return "html"
    return "text"
