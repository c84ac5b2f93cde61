"""What stays of a text when an encoder has read it: each layer's last output, its maxima and its means.

Texts stand side by side, padded at the end: what is valid cannot depend on what follows, so lengths matter here alone,
and no text's values depend on its neighbours'. Long texts are read window by window, and what was pooled is carried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ulmkit.lm.kernels import LayerState
from ulmkit.lm.model import AWDLSTM

READ_WINDOW = 512  # pieces that are in memory at once
LEARNED = 1_400  # pieces from the end that gradients flow through, as fastai's classifier: its max_len is 72 x 20


@dataclass(frozen=True)
class Pooled:
    """Of positions that were read so far, one layer: last output, maxima and sums of the valid ones, each (B, H)."""

    last: torch.Tensor
    most: torch.Tensor
    total: torch.Tensor

    def with_total(self, h: torch.Tensor, begin: int, lengths: torch.Tensor) -> "Pooled":
        """As `and_then`, of what nothing but the mean is asked."""
        total = self.total
        for part, padding in _parts(h, begin, lengths):
            total = total + (part if padding is None else part.masked_fill(padding, 0.0)).sum(0)
        return replace(self, total=total)

    def rows(self, chosen: torch.Tensor) -> "Pooled":
        """Of the rows whose numbers are `chosen`."""
        return Pooled(*(each.index_select(0, chosen) for each in (self.last, self.most, self.total)))

    @staticmethod
    def empty(like: torch.Tensor) -> "Pooled":
        """Of nothing, as wide as `like` (T, B, H)."""
        zeros = like.new_zeros(like.shape[1:])
        return Pooled(zeros, torch.full_like(zeros, -torch.inf), zeros)

    def and_then(self, h: torch.Tensor, begin: int, lengths: torch.Tensor) -> "Pooled":
        """With the outputs `h` (T, B, H) of the positions from `begin` on, of texts of `lengths` (B,)."""
        end = lengths - 1 - begin
        here = ((end >= 0) & (end < len(h)))[:, None]
        last = h[end.clamp(0, len(h) - 1), torch.arange(h.shape[1], device=h.device)]
        most = self.most
        for part, padding in _parts(h, begin, lengths):
            part = part if padding is None else part.masked_fill(padding, -torch.inf)
            most = torch.maximum(most, part.amax(0))
        return replace(self.with_total(h, begin, lengths), last=torch.where(here, last, self.last), most=most)


def _parts(h: torch.Tensor, begin: int, lengths: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """`h` (T, B, H) in two: what no text of `lengths` ends before, and the rest with its padding (T, B, 1)."""
    whole = min(max(int(lengths.min()) - begin, 0), len(h))
    found: list[tuple[torch.Tensor, torch.Tensor | None]] = [(h[:whole], None)] if whole else []
    if whole < len(h):
        place = torch.arange(begin + whole, begin + len(h), device=h.device)[:, None]
        found.append((h[whole:], (place >= lengths)[:, :, None]))
    return found


def pool(h: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Last, maximum and mean over the first `lengths` (B,) of `h` (T, B, H), beside each other: (B, 3H)."""
    return concatenated(Pooled.empty(h).and_then(h, 0, lengths), lengths)


def concatenated(pooled: Pooled, lengths: torch.Tensor) -> torch.Tensor:
    """Last, maximum and mean: (B, 3H)."""
    return torch.cat((pooled.last, pooled.most, pooled.total / lengths[:, None]), 1)


@dataclass
class PooledReading:
    """Texts of `lengths` (B,) on their way through an encoder: its state, and what was pooled of each level."""

    encoder: AWDLSTM
    lengths: torch.Tensor
    state: list[LayerState] | None = None
    levels: list[Pooled] | None = None

    def read(self, x: torch.Tensor, begin: torch.Tensor | int, window: int) -> None:
        """Ids `x` (T, B), window by window; they stand from `begin` on in their texts."""
        lengths = self.lengths - begin
        for place in range(0, len(x), window):
            self.encoder.state = self.state
            embedded = self.encoder.embedded(x[place : place + window])
            found = [embedded, *self.encoder.layers_of(embedded)]
            self.state = self.encoder.state
            before = self.levels or [Pooled.empty(h) for h in found]
            embedding, *layers = zip(before, found, strict=True)
            self.levels = [
                embedding[0].with_total(embedding[1], place, lengths),
                *(p.and_then(h, place, lengths) for p, h in layers),
            ]
        self.encoder.reset()

    def rows(self, chosen: torch.Tensor, lengths: torch.Tensor) -> "PooledReading":
        """Texts of `lengths` that begin as those whose numbers are `chosen` have begun."""
        if self.state is None or self.levels is None:
            return PooledReading(self.encoder, lengths)
        state = [LayerState(*(each.index_select(0, chosen) for each in layer)) for layer in self.state]
        return PooledReading(self.encoder, lengths, state, [level.rows(chosen) for level in self.levels])

    def pooled(self) -> list[torch.Tensor]:
        """Of texts that are read to their ends: the mean embedding (B, E), then of each layer what `pool` says."""
        assert self.levels is not None
        embedding, *layers = self.levels
        means = embedding.total / self.lengths[:, None]
        return [means, *(concatenated(layer, self.lengths) for layer in layers)]


def pooled_levels(
    encoder: AWDLSTM, x: torch.Tensor, lengths: torch.Tensor, *, window: int = READ_WINDOW
) -> list[torch.Tensor]:
    """Ids `x` (T, B) of texts of `lengths` (B,): the mean embedding (B, E), then of each layer what `pool` says.

    The encoder's own state is forgotten. Where gradients are wanted they flow through the last `LEARNED` pieces of
    each text; what stands before these is read and pooled without.
    """
    encoder.reset()
    reading = PooledReading(encoder, lengths)
    if torch.is_grad_enabled() and len(x) > LEARNED:
        x, begin = _begun(reading, x, window)
        reading.read(x, begin, window)
    else:
        reading.read(x, 0, window)
    return reading.pooled()


def _begun(reading: PooledReading, x: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Read what stands before the last `LEARNED` pieces of each text; the rest, and where it begins in each (B,)."""
    lengths = reading.lengths
    begin = (lengths - LEARNED).clamp(min=0)
    parts: list[PooledReading] = []
    with torch.no_grad():
        for column, first in enumerate(begin.tolist()):
            each = PooledReading(reading.encoder, lengths[column : column + 1].clamp(max=max(first, 1)))
            each.read(x[: max(first, 1), column : column + 1], 0, window)  # of a short text one piece, to be forgotten
            parts.append(each)
    reading.state, reading.levels = _side_by_side(parts, begin)
    kept = torch.arange(LEARNED, device=x.device)[:, None] + begin
    return x.gather(0, kept.clamp(max=len(x) - 1)), begin


def _side_by_side(parts: Sequence[PooledReading], begin: torch.Tensor) -> tuple[list[LayerState], list[Pooled]]:
    """One reading of many: state and pools of each, empty ones for texts that are still to begin."""
    states = [part.state for part in parts if part.state is not None]
    levels = [part.levels for part in parts if part.levels is not None]
    fresh = (begin == 0)[:, None]
    state = [
        LayerState(*(torch.cat(each).masked_fill(fresh, 0.0) for each in zip(*layer, strict=True)))
        for layer in zip(*states, strict=True)
    ]
    pooled = []
    for level in zip(*levels, strict=True):
        last, most, total = (torch.cat([getattr(each, name) for each in level]) for name in ("last", "most", "total"))
        pooled.append(
            Pooled(last.masked_fill(fresh, 0.0), most.masked_fill(fresh, -torch.inf), total.masked_fill(fresh, 0.0))
        )
    return state, pooled
