"""Text that editors keep as a tree of nodes: Slate, Lexical, Contentful, mobiledoc; as such or as a string of JSON."""

import json
import re
from collections.abc import Mapping
from typing import Any

_CHILDREN = ("children", "nodes", "leaves", "root", "document")
_BREAKS = frozenset(("linebreak", "hardBreak", "hard_break", "br"))
_INLINE = re.compile(r"link|mention|emoji|inline|text|leaf|hashtag|mark\b", re.I)
_BLOCK = re.compile(r"paragraph|list|item|heading|quote|table|row|cell|block", re.I)
_SOFT_RETURN = "soft-return"


def without_wrapping(value: Any) -> Any:
    """What a string holds that is JSON of an editor's text; any other value as it is.

    >>> without_wrapping('{"root": {"children": [{"type": "text", "text": "Tere"}]}}')["root"]["children"][0]["text"]
    'Tere'
    >>> without_wrapping('{"text": "Tere"}')
    '{"text": "Tere"}'
    """
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        held = json.loads(value, strict=False)
    except (ValueError, RecursionError):
        return value
    return held if _is_state(held) or tree_text(held) is not None else value


def _is_state(value: Any) -> bool:
    """Whether it is the state of ProseMirror, Draft.js or Editor.js, whose parts are read by their names."""
    if not isinstance(value, Mapping):
        return False
    if value.get("type") == "doc" and isinstance(value.get("content"), list):
        return True
    blocks = value.get("blocks")
    return (
        isinstance(blocks, list)
        and bool(blocks)
        and bool({"entityMap", "version", "time"} & value.keys())
        and all(isinstance(block, Mapping) and isinstance(block.get("type"), str) for block in blocks)
    )


def tree_text(value: Any) -> str | None:
    """The text of a tree: a block a line, runs of one block joined as they are; None where it is no such tree.

    >>> tree_text([{"type": "p", "children": [{"text": "Te"}, {"text": "re!", "bold": True}]}])
    'Tere!'
    """
    try:
        if _is_mobiledoc(value):
            return _mobiledoc(value)
        nodes = value if isinstance(value, list) else [value]
        if not nodes or not any(_children(node) is not None for node in nodes) or not _typed(nodes):
            return None
        return _joined(nodes) if all(map(_is_node, nodes)) else None
    except RecursionError:
        return None


def _children(node: Any) -> list[Any] | None:
    """The nodes below a node; a root or document that is a single node counts as one."""
    if not isinstance(node, Mapping):
        return None
    names = (*_CHILDREN, "content") if isinstance(node.get("nodeType"), str) else _CHILDREN
    for name in names:
        held = node.get(name)
        if isinstance(held, list):
            return held
        if isinstance(held, Mapping) and name in ("root", "document"):
            return [held]
    return None


def _kind(node: Mapping[str, Any]) -> str:
    return next((node[name] for name in ("nodeType", "type", "object", "kind") if isinstance(node.get(name), str)), "")


def _run(node: Mapping[str, Any]) -> str | None:
    """The text of a run; Contentful calls it a value."""
    text = node.get("value") if node.get("nodeType") == "text" else node.get("text")
    return text if isinstance(text, str) else None


def _is_node(node: Any) -> bool:
    """Whether it is a branch, a run, or something without text that says its type; a comment with answers is none."""
    if not isinstance(node, Mapping):
        return False
    below, run = _children(node), _run(node)
    if below is not None:
        return not run and all(map(_is_node, below))
    return run is not None or bool(_kind(node))


def _typed(nodes: list[Any]) -> bool:
    """Whether a branch among the nodes, or below the first branches, says what it is, and a run is somewhere."""
    waiting, typed, runs = list(nodes), False, False
    while waiting and not (typed and runs):
        node = waiting.pop()
        below = _children(node)
        if isinstance(node, Mapping):
            typed = typed or (below is not None and bool(_kind(node))) or "root" in node
            runs = runs or (below is None and _run(node) is not None)
        waiting.extend(below or ())
    return typed and runs


def _joined(nodes: list[Any]) -> str:
    """The text of neighbours: what stands in one line without blanks, blocks a line each."""
    in_line = any(_in_line(node) for node in nodes)
    text, after_block = "", False
    for node in nodes:
        below = _children(node)
        block = below is not None and (not in_line or (bool(_BLOCK.search(_kind(node))) and not _in_line(node)))
        part = "\n" if _kind(node) in _BREAKS else (_run(node) or "") if below is None else _joined(below)
        text += ("\n" if part and text and (block or after_block) else "") + part
        after_block = block if part else after_block
    return text


def _in_line(node: Mapping[str, Any]) -> bool:
    """Whether it is a run, a break or a link: a part of the line it stands in."""
    if _children(node) is None:
        return _run(node) is not None or _kind(node) in _BREAKS
    return "leaves" in node or bool(_INLINE.match(_kind(node)) or _kind(node).endswith(("link", "inline")))


def _is_mobiledoc(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and all(isinstance(value.get(name), list) for name in ("sections", "markups"))
        and all(isinstance(section, list) and section for section in value["sections"])
    )


def _mobiledoc(value: Mapping[str, Any]) -> str:
    """The text of mobiledoc (https://github.com/bustle/mobiledoc-kit): paragraphs and the items of lists."""
    lines: list[str] = []
    for section in value["sections"]:
        if len(section) > 2 and section[0] in (1, 3) and isinstance(section[2], list):
            lines += [_markers(m, value) for m in ([section[2]] if section[0] == 1 else section[2])]
    return "\n".join(line for line in lines if line)


def _markers(markers: Any, value: Mapping[str, Any]) -> str:
    text = ""
    for marker in markers if isinstance(markers, list) else ():
        if not isinstance(marker, list) or len(marker) < 4:
            continue
        if isinstance(marker[3], str):
            text += marker[3]
        elif isinstance(marker[3], int) and marker[3] < len(atoms := value.get("atoms") or []):
            atom = atoms[marker[3]]
            text += "\n" if atom[0] == _SOFT_RETURN else str(atom[1])
    return text
