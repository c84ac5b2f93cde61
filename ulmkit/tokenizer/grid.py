"""Scores that add up exactly, so that every program finds the same pieces.

A unigram model cuts a text into the pieces whose scores sum up highest. SentencePiece sums in 32 bits over the whole
text, others in 64 bits over each word: two ways of nearly equal sums are then told apart by rounding. On a grid of
1/32 every sum below 2^24 steps is exact in both; what is equal is decided alike, for the longer last piece. Moving a
score by 1/64 changes a piece's probability by less than two in a hundred, and the likelihood of held-out text by less
than one in a million (docs/decisions.md).
"""

import struct
from collections.abc import Iterator, Mapping

from ulmkit.errors import ArtifactError

_STEPS = 32  # of the grid, in one nat
EXACT = 2**24 / _STEPS  # nats: as far as sums on the grid are exact in 32 bits
UNKNOWN_PENALTY = 10.0  # nats below the lowest score: what SentencePiece gives a character that is no piece

# `sentencepiece_model.proto`: of a model its pieces, of a piece its score and its type
_PIECE, _SCORE, _TYPE = 1, 2, 3
_NORMAL, _USER_DEFINED = 1, 4


def on_grid(model: bytes) -> bytes:
    """A serialized unigram model with each score moved to the nearest on the grid.

    Pieces given by hand (the paragraph break) become plain ones: nothing else covers them, and SentencePiece would
    add a bonus that is on no grid.
    """
    moved = bytearray(model)
    for start, end in _pieces(model):
        kind, kind_at, score_at = _NORMAL, None, None
        for number, at, _ in _fields(model, start, end):
            if number == _SCORE:
                score_at = at
            elif number == _TYPE:
                kind, kind_at = model[at], at
        if kind == _USER_DEFINED and kind_at is not None:
            moved[kind_at] = _NORMAL
        if kind == _NORMAL and score_at is not None:
            (score,) = struct.unpack_from("<f", model, score_at)
            struct.pack_into("<f", moved, score_at, round(score * _STEPS) / _STEPS)
    return bytes(moved)


def is_on_grid(model: bytes, newline: int) -> bool:
    """Whether `on_grid` made this model, which is seen at the paragraph break, whose id is `newline`."""
    for number, (start, end) in enumerate(_pieces(model)):
        if number == newline:
            return all(model[at] != _USER_DEFINED for field, at, _ in _fields(model, start, end) if field == _TYPE)
    return False


def best_path(written: str, scores: Mapping[str, float]) -> list[str]:
    """The pieces of `written` whose scores sum up highest; a character that no piece covers stands for itself.

    What SentencePiece does, in sums that never round: for stretches without a space that are too long for 32 bits.
    """
    longest = max(map(len, scores))
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    sums = [0.0] + [float("-inf")] * len(written)
    starts = [0] * (len(written) + 1)
    for start, character in enumerate(written):
        here = sums[start]
        for end in range(start + 1, min(start + longest, len(written)) + 1):
            score = scores.get(written[start:end])
            if score is not None and here + score > sums[end]:
                sums[end], starts[end] = here + score, start
        if character not in scores and here + unknown > sums[start + 1]:
            sums[start + 1], starts[start + 1] = here + unknown, start
    found, end = [], len(written)
    while end:
        found.append(written[starts[end] : end])
        end = starts[end]
    return found[::-1]


def _pieces(model: bytes) -> Iterator[tuple[int, int]]:
    """Where each piece lies in a serialized model, in the order of ids."""
    for number, start, end in _fields(model, 0, len(model)):
        if number == _PIECE:
            yield start, end


def _fields(message: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field's value in a Protocol Buffers message."""
    while start < end:
        tag, start = _varint(message, start)
        match tag & 7:
            case 0:  # a varint
                _, stop = _varint(message, start)
            case 1:
                stop = start + 8
            case 2:  # counted bytes
                size, start = _varint(message, start)
                stop = start + size
            case 5:
                stop = start + 4
            case _:
                raise ArtifactError("not a SentencePiece model. Train the tokenizer again.")
        yield tag >> 3, start, stop
        start = stop


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, seven bits a byte, and where what follows it begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
