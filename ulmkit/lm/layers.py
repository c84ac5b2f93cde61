"""The dropouts of AWD-LSTM: on whole words, along time, and on the recurrent weights."""

import torch
from torch.nn.functional import embedding


def dropout_mask(like: torch.Tensor, size: tuple[int, ...], p: float) -> torch.Tensor:
    """A mask of `size`: 0 with probability `p`, otherwise 1 / (1 - p), so that the mean stays."""
    return like.new_empty(size).bernoulli_(1 - p).div_(1 - p)


def locked_mask(like: torch.Tensor, B: int, features: int, p: float) -> torch.Tensor | None:
    """A mask (1, B, features): one draw, held over time (Gal & Ghahramani 2016). None where nothing is dropped."""
    return dropout_mask(like, (1, B, features), p) if p else None


def masked(x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """`x` times `mask`, or `x` itself where there is none."""
    return x if mask is None else x * mask


def embed(ids: torch.Tensor, weight: torch.Tensor, p: float) -> torch.Tensor:
    """Rows of `weight` (V, E) for `ids` (T, B) -> (T, B, E); with `p` > 0 a word is dropped everywhere or nowhere.

    The mask meets the gathered rows, not the whole table: the same distribution for a fraction of the work.
    """
    rows = embedding(ids, weight)
    if not p:
        return rows
    return rows * dropout_mask(weight, (weight.shape[0],), p)[ids].unsqueeze(-1)


def dropped_weight(weight: torch.Tensor, p: float) -> torch.Tensor:
    """DropConnect (Wan et al. 2013) on a weight: one draw a batch, shared by all its time steps.

    Of millions of weights torch's `bernoulli_` alone takes as long as a matrix product with them, so sixteen random
    bits decide on each: `p` to 1 / 65,536, and the mean stays.
    """
    if not p:
        return weight
    kept = min(max(round((1 - p) * 65_536), 1), 65_535)
    words = torch.empty((weight.numel() + 3) // 4, dtype=torch.int64, device=weight.device).random_(-(2**63), None)
    bits = words.view(torch.int16)[: weight.numel()].view(weight.shape)
    return weight * (bits < kept - 32_768) * (65_536 / kept)
