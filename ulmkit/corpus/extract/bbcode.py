"""BBCode, which forums and their dumps write: `[b]…[/b]`, `[quote="Mari"]…[/quote]`, `[url=…]…[/url]`.

Read only where a tag of a known name is opened and closed; a text that has brackets for something else keeps them.
"""

import re

_BLOCKS = "quote|list|ul|ol|li|table|tr|td|th|center|left|right|justify|align|indent|spoiler|hr|p|h[1-6]"
_INLINE = "b|i|u|s|strike|sub|sup|size|colou?r|font|highlight|url|email|user|mention|post|tt"
_UNREAD = "img|code|php|html|youtube|video|media|attach|attachment|flash|audio|gallery"
_END = r"(?:[=:\s][^\[\]\n]{0,300})?\]"
_TAG = re.compile(rf"\[(/?)((?i:{_BLOCKS}|{_INLINE}|{_UNREAD})){_END}")
_UNREAD_PIECE = re.compile(rf"\[((?i:{_UNREAD})){_END}(?:(?!\[/\1\]).){{0,20000}}?\[/\1\]", re.S)
_BLOCK_TAG = re.compile(rf"[ \t]*(?:\[/?(?i:{_BLOCKS}){_END}|\[\*\])[ \t]*")
_INLINE_TAG = re.compile(rf"\[/?(?i:{_INLINE}|{_UNREAD}){_END}")


def without_bbcode(text: str) -> str:
    """`text` without its tags and what is in those that show no text; `text` itself where it has none.

    >>> without_bbcode("[b]Tere[/b]! [img]a.png[/img][quote=Mari]Kuidas läheb?[/quote]Hästi [1].")
    'Tere!\\n\\nKuidas läheb?\\n\\nHästi [1].'
    >>> without_bbcode("Loend a[i] ja märk [b].")
    'Loend a[i] ja märk [b].'
    """
    if "[/" not in text:
        return text
    opened, closed = ({tag[2].lower() for tag in _TAG.finditer(text) if tag[1] == mark} for mark in ("", "/"))
    if opened.isdisjoint(closed):
        return text
    text = _UNREAD_PIECE.sub(" ", text)
    text = _BLOCK_TAG.sub("\n\n", text)
    return re.sub("\n{3,}", "\n\n", _INLINE_TAG.sub("", text)).strip("\n")
