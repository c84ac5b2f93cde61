"""Which texts are read together: by length, so that little is padded."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

PIECES = 16_384  # of a batch that is only read, padding counted
_ROWS = 128
ALIKE_ROWS = 32  # that a batch has, whatever their lengths: fewer at once take longer than some padding
ALIKE_LENGTH = 0.85  # of the longest; beyond these rows no text of a batch is shorter
_POOL = 50  # batches whose rows are sorted by length together


def by_length(lengths: np.ndarray, window: int) -> Iterator[np.ndarray]:
    """Numbers of texts, batch by batch, the longest first; of a batch at most `PIECES` are in memory at once."""
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        longest = max(1, min(int(lengths[order[begin]]), window))
        end = begin + max(1, min(_ROWS, PIECES // longest))
        several = lengths[order[begin]] > window  # beside a text of many windows a short one would be padding in most
        share = 0.5 if several else ALIKE_LENGTH
        alike = int((lengths[order[begin:end]] >= share * lengths[order[begin]]).sum())
        end = begin + (alike if several else max(alike, min(ALIKE_ROWS, end - begin)))
        yield order[begin:end]
        begin = end


def shuffled(lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every text once, in batches of about `size` of similar length, in no order; none of a single text.

    Fewer than two texts are one batch as they are.
    """
    order = rng.permutation(len(lengths))
    found: list[np.ndarray] = []
    for pool in np.array_split(order, max(1, len(order) // (size * _POOL))):
        pool = pool[np.argsort(-lengths[pool], kind="stable")]
        found += np.array_split(pool, max(1, min(-(-len(pool) // size), len(pool) // 2)))
    return [found[place] for place in rng.permutation(len(found))]


def padded(
    ids: Sequence[np.ndarray], pad: int = 0, *, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts as columns (T, B), padded at the end, and their lengths (B,), on `device`."""
    lengths = torch.tensor([len(each) for each in ids])
    x = torch.full((int(lengths.max()), len(ids)), pad, dtype=torch.long)
    for column, each in enumerate(ids):
        x[: len(each), column] = torch.from_numpy(np.asarray(each, np.int64))
    return x.to(device), lengths.to(device)


def balanced(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many rows as there are, each class as often as any other, drawn anew each time.

    Rows of a rare class come several times, at most once more often than its others; of a frequent one some rest.
    """
    present = np.unique(classes)
    wanted = np.full(len(present), len(classes) // len(present))
    wanted[rng.permutation(len(present))[: len(classes) % len(present)]] += 1
    found = []
    for each, times in zip(present.tolist(), wanted.tolist(), strict=True):
        rows = np.flatnonzero(classes == each)
        whole, rest = divmod(times, len(rows))
        found += [np.tile(rows, whole), rng.permutation(rows)[:rest]]
    return np.concatenate(found)
