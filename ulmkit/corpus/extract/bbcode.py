"""BBCode, which forums and their dumps write: `[b]…[/b]`, `[quote="Mari"]…[/quote]`, `[url=…]…[/url]`.

Read only where a tag of a known name is opened and closed; a text that has brackets for something else keeps them.
"""

import re

_BLOCKS = "quote|list|ul|ol|li|table|tr|td|th|center|left|right|justify|align|indent|spoiler|hr|p|h[1-6]"
_INLINE = "b|i|u|s|strike|sub|sup|size|colou?r|font|highlight|url|email|user|mention|post|tt"
_MEDIA = "img|youtube|video|media|attach|attachment|flash|audio|gallery"  # which hold an address or a number
_CODE = "code|php|html"
_ADDRESS = 2_000  # characters, at most
_UNREAD = f"{_MEDIA}|{_CODE}"
_END = r"(?:[=:\s][^\[\]\n]{0,300})?\]"
_TAG = re.compile(rf"\[(/?)((?i:{_BLOCKS}|{_INLINE}|{_UNREAD})){_END}")
_UNREAD_TAG = re.compile(rf"\[({_UNREAD}){_END}", re.I)
_BLOCK_TAG = re.compile(rf"(?:\[/?(?i:{_BLOCKS}){_END}|\[\*\])[ \t]*+")
_INLINE_TAG = re.compile(rf"\[/?(?i:{_INLINE}|{_UNREAD}){_END}")


def without_bbcode(text: str) -> str:
    """`text` without its tags and what is in those that show no text; `text` itself where it has none.

    >>> without_bbcode("[b]Tere[/b]![quote=Mari]Kuidas läheb?[/quote]Hästi [1]. [img]a.png[/img]")
    'Tere!\\n\\nKuidas läheb?\\n\\nHästi [1].'
    >>> without_bbcode("Loend a[i] ja märk [b].")
    'Loend a[i] ja märk [b].'
    """
    if "[/" not in text:
        return text
    opened, closed = ({tag[2].lower() for tag in _TAG.finditer(text) if tag[1] == mark} for mark in ("", "/"))
    pairs = opened & closed
    read = _without_unread(text) if pairs else text
    if read == text and pairs <= set(_UNREAD.split("|")):
        return text  # it has none, or speaks of them: "write [img] link [/img]"
    text = read
    text = _BLOCK_TAG.sub("\n\n", text)
    return re.sub("\n{3,}", "\n\n", _INLINE_TAG.sub("", text)).strip()


def _without_unread(text: str) -> str:
    """`text` without programs, and without pictures and films: of those whose address has no space in it."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text  # letters that are two in small form
    kept: list[str] = []
    reached = 0
    missing: set[str] = set()  # names of programs that are not closed any more
    for tag in _UNREAD_TAG.finditer(text):
        name = tag[1].lower()
        if tag.start() < reached or name in missing:
            continue
        close, code = f"[/{name}]", name in _CODE.split("|")
        end = lower.find(close, tag.end(), len(lower) if code else tag.end() + _ADDRESS)
        if end < 0 and code:
            missing.add(name)
        elif end >= 0 and (code or not any(map(str.isspace, text[tag.end() : end]))):
            kept += (text[reached : tag.start()], " ")
            reached = end + len(close)
    return "".join((*kept, text[reached:]))
