"""Texts to features by an encoder that learns nothing from them: what `pooled_levels` makes of each, sooner on a CPU.

A beginning that many texts share is read once, and a batch goes on without the texts that have ended.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from ulmkit.classifier.batches import PIECES, by_length, padded
from ulmkit.classifier.pooling import READ_WINDOW, PooledReading, pooled_levels
from ulmkit.lm.model import AWDLSTM

_TEXTS = 4_096  # whose beginnings are compared, and whose lengths
_ROWS = 128  # of a batch
_LEAVING = 8  # one row of so many leaves a batch at once, and is padded till then
# what it takes to begin a product, as rows of one more piece or as pieces of a batch: to save less would cost more
_LEAST_SHARED, _LEAST_STEPS = 64, 4


@torch.no_grad()
def read_features(
    encoder: AWDLSTM, ids: Sequence[np.ndarray], done: Callable[[int], None] = lambda texts: None
) -> np.ndarray:
    """The mean embedding of each text of `ids`, then last, maximum and mean of every layer: (texts, features).

    No text is empty; each one's features are its own, whatever stands beside it. The encoder is one that is evaluated,
    and its state is forgotten. `done` hears of how many texts more that is known.
    """
    width = encoder.embedding.shape[1] + 3 * sum(rnn.weight_hh.shape[1] for rnn in encoder.layers())
    found = torch.zeros(len(ids), width, dtype=encoder.embedding.dtype)
    read = _stepping_out if encoder.embedding.device.type == "cpu" else _padded
    for begin in range(0, len(ids), _TEXTS):
        for rows, levels in read(encoder, ids[begin : begin + _TEXTS]):
            found[torch.from_numpy(begin + rows)] = torch.cat(levels, 1).cpu()
            done(len(rows))
    return found.numpy()


type _Some = Iterator[tuple[np.ndarray, list[torch.Tensor]]]  # numbers of texts, and what `pooled_levels` says of them


def _padded(encoder: AWDLSTM, ids: Sequence[np.ndarray]) -> _Some:
    """Batch by batch, each to the end of its longest text."""
    for rows in by_length(np.array([len(each) for each in ids]), READ_WINDOW):
        yield rows, pooled_levels(encoder, *padded([ids[row] for row in rows], device=encoder.embedding.device))


def _stepping_out(encoder: AWDLSTM, ids: Sequence[np.ndarray]) -> _Some:
    """Shared beginnings first, one piece of all texts at a time; then batch by batch, each text to its own end."""
    lengths = np.array([len(each) for each in ids])
    pieces, starts = np.concatenate(ids).astype(np.int64), np.cumsum(lengths) - lengths
    going, depth = np.arange(len(ids)), 0
    begun, own = PooledReading(encoder, torch.zeros(1)), np.zeros(len(ids), np.int64)
    while len(going):
        # one piece more: which beginnings there are now, and which of them each text has
        keys, now = np.unique(own * encoder.vocabulary + pieces[starts[going] + depth], return_inverse=True)
        if len(going) - len(keys) < max(_LEAST_SHARED, len(going) / 2):
            break
        before, piece = np.divmod(keys, encoder.vocabulary)
        begun = begun.rows(torch.from_numpy(before), torch.full((len(keys),), depth + 1))
        begun.read(torch.from_numpy(piece)[None], depth, 1)
        depth += 1
        ended = lengths[going] == depth
        if ended.any():
            rows = going[ended]
            yield rows, begun.rows(torch.from_numpy(now[ended]), torch.from_numpy(lengths[rows])).pooled()
        going, own = going[~ended], now[~ended]
    order = np.argsort(-lengths[going], kind="stable")
    for first in range(0, len(order), _ROWS):
        chosen = order[first : first + _ROWS]
        rows = going[chosen]
        reading = begun.rows(torch.from_numpy(own[chosen]), torch.from_numpy(lengths[rows]))
        for left, levels in _to_their_ends(reading, pieces, starts[rows], depth):
            yield rows[left], levels


def _to_their_ends(reading: PooledReading, pieces: np.ndarray, starts: np.ndarray, begin: int) -> _Some:
    """Texts from the longest to the shortest, read up to `begin`, each text's own from its place of `starts` on."""
    lengths = reading.lengths.numpy()
    going = len(lengths)
    while going:
        end = max(lengths[going - 1 - going // _LEAVING], begin + _LEAST_STEPS)
        end = min(end, lengths[0], begin + max(_LEAST_STEPS, PIECES // going))
        places = np.minimum(np.arange(begin, end)[:, None], lengths[:going] - 1) + starts[:going]
        reading.read(torch.from_numpy(pieces[places]), begin, end - begin)
        left = np.arange(int((lengths[:going] > end).sum()), going)
        if len(left):
            yield left, reading.rows(torch.from_numpy(left), torch.from_numpy(lengths[left])).pooled()
            going = int(left[0])
            reading = reading.rows(torch.arange(going), torch.from_numpy(lengths[:going]))
        begin = end
