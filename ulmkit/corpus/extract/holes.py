"""Sentences in which something stood that has no letters: a template that nobody knows, a formula."""

import re
from collections.abc import Callable

from ulmkit.corpus.extract.blocks import folded, has_word

HOLE = "\ufffc"  # OBJECT REPLACEMENT CHARACTER: something stood here that has no letters

_BRACKET = re.compile(r"\(([^()\n]*+)\)")


def without_holes(
    text: str, sentences: Callable[[str], list[str]] | None, left_out: Callable[[str], None] | None
) -> str:
    """`text` without the sentences that have a hole, which `left_out` hears of; `sentences` tells a line's apart."""
    if HOLE not in text:
        return text
    if sentences is None:
        return text.replace(HOLE, "")
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if HOLE not in line:
            continue
        if "(" in line:
            line = _BRACKET.sub(_without_pieces, line)
        found = sentences(folded(line))
        lines[place] = " ".join(sentence for sentence in found if HOLE not in sentence)
        if left_out is not None:
            for sentence in found:
                if HOLE in sentence:
                    left_out(sentence)
    return "\n".join(lines)


def _without_pieces(bracket: re.Match[str]) -> str:
    """A bracket without what in it has a hole: it says something beside the sentence, which is whole without it."""
    if HOLE not in bracket[0]:
        return bracket[0]
    pieces = re.split("([;؛])", bracket[1])
    if len(pieces) == 1:
        pieces = re.split("([,،])", bracket[1])
        if any(HOLE in piece and has_word(piece) for piece in pieces):
            return ""
    kept = [piece for piece in pieces[::2] if HOLE not in piece and has_word(piece)]
    return f"({f'{pieces[1]} '.join(map(str.strip, kept))})" if kept else ""
