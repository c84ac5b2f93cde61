"""XML from strangers: what stands before its first element, and small faults mended before a parser sees it."""

import html
import re

from ulmkit.text.encoding import declared_in, decode, guess

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NO_REFERENCE = re.compile(r"&(?!#\d{1,7};|#x[0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
_NAME_OF_HTML = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)[A-Za-z][A-Za-z0-9]{1,31};")
_DECLARATION = re.compile(r"\A<\?xml[^>]{0,300}\?>")
SECTION = "<![CDATA["
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.I)
DECLARES_TYPE = "document type declaration"
# how "<" begins in encodings that nothing marks: https://www.w3.org/TR/xml/#sec-guessing
_STARTS = ((b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


def xml_encoding(head: bytes) -> str:
    """The encoding of what begins with `head`; raises `Undecodable`."""
    return next((name for start, name in _STARTS if head.startswith(start)), "") or guess(head, declared_in(head))


def xml_text(data: bytes, declared: str = "") -> str:
    """`data` as text without what XML cannot hold and without space in front; raises `Undecodable`."""
    name = next((name for start, name in _STARTS if data.startswith(start)), "")
    text = data.decode(name, "replace") if name else decode(data, declared)[0]
    return without_forbidden(text).lstrip("\ufeff \t\r\n")


def after_prolog(text: str) -> int:
    """Where the first tag or declaration stands that is neither a comment nor an instruction; the end where none does.

    By hand: a pattern that goes through many comments goes back through all of them.

    >>> after_prolog("<?xml ?><!-- <a> --><b/>")
    20
    """
    place = 0
    while (place := text.find("<", place)) >= 0:
        opening, closing = ("<!--", "-->") if text.startswith("<!--", place) else ("<?", "?>")
        if not text.startswith(opening, place):
            return place
        end = text.find(closing, place + len(opening))
        if end < 0:
            break
        place = end + len(closing)
    return len(text)


def declares_type(text: str) -> bool:
    """Whether a document type or an entity is declared before the first element, where both belong.

    >>> declares_type("<?xml ?><!-- <a> --><!DOCTYPE a><a/>"), declares_type("<a><![CDATA[<!DOCTYPE a>]]></a>")
    (True, False)
    """
    place = after_prolog(text)
    return text[place : place + 9].lower().startswith(("<!doctype", "<!entity"))


def is_page(text: str) -> bool:
    """Whether `text` is HTML by its first tag."""
    return bool(_PAGE.match(text, after_prolog(text)))


def without_declaration(text: str) -> str:
    """`text` without its first line's encoding, which it is not in once it is text."""
    return _DECLARATION.sub("", text)


def without_forbidden(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("", text) if _FORBIDDEN.search(text) else text


def ampersands_mended(text: str) -> str:
    """`text` with names of HTML as their characters, and with every other `&` that begins no reference escaped.

    >>> ampersands_mended("a&nbsp;b <![CDATA[?a&b]]> &c &lt;")
    'a\\xa0b ?a&amp;b &amp;c &lt;'
    """
    if "&" not in text:
        return text
    if SECTION in text:
        first, *rest = text.split(SECTION)
        parts = [part.partition("]]>") for part in rest]
        text = first + "".join(
            html.escape(inside, quote=False) + after if end else SECTION + inside for inside, end, after in parts
        )
    return _NAME_OF_HTML.sub(_character, _NO_REFERENCE.sub("&amp;", text))


def _character(match: re.Match[str]) -> str:
    """The character that HTML calls so, or the name with its sign escaped."""
    character = html.unescape(match[0])
    return character if character != match[0] and character not in "<&" else f"&amp;{match[0][1:]}"
