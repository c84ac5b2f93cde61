"""Token file to batches: (x, y), both (T, B), time first, where y is x one token later."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError
from ulmkit.lm.loss import IGNORE

TokenBatch = tuple[torch.Tensor, torch.Tensor]

ALL = slice(None)
GATHER = 1 << 24  # ids that are put in order at a time: the places they come from take 24 bytes each
SHORTEST_WINDOW = 5  # as in the paper's code: below it a step costs more than it teaches
WINDOW_SPREAD = 5  # standard deviation of a drawn window, same source


def document_starts(tokens: TokenFile) -> np.ndarray:
    """Index of each document's first id, shape (documents,)."""
    ends = tokens.documents["end"]
    return np.concatenate([np.zeros(1, np.int64), ends[:-1]])


def backward(tokens: TokenFile) -> TokenFile:
    """`tokens` with every document's pieces in reverse order behind its `bos`, for models that read from the end."""
    starts, ends = document_starts(tokens)[: len(tokens.documents)], tokens.documents["end"]
    # place i of document [s, e) holds what stood at s + e - i; the `bos` at s stays
    place = np.repeat(starts + ends, ends - starts) - np.arange(len(tokens.ids))
    place[starts] = starts
    return dataclasses.replace(tokens, ids=tokens.ids[place])


def document_order(tokens: TokenFile, seed: int, epoch: int) -> np.ndarray:
    """Indices of all documents in the order of (seed, epoch), which is a function of the two and nothing else.

    Documents that are one text, in its order (`ordered`), keep it.
    """
    if tokens.ordered:
        return np.arange(len(tokens.documents))
    return np.random.default_rng([seed, epoch]).permutation(len(tokens.documents))


def shuffled_ids(tokens: TokenFile, seed: int, epoch: int) -> np.ndarray:
    """All ids with the documents in the order of (seed, epoch)."""
    order = document_order(tokens, seed, epoch)
    starts, ends = document_starts(tokens), tokens.documents["end"]
    if tokens.ordered or not len(order):
        return np.asarray(tokens.ids)
    return np.concatenate([tokens.ids[starts[i] : ends[i]] for i in order])


def windows(row: int, bptt: int, variable: bool, seed: int, epoch: int) -> np.ndarray:
    """Lengths of the windows that cut `row` steps, in order; they sum to `row`.

    Variable ones follow the paper: `bptt` (or, one time in twenty, half of it) give or take a few.
    """
    if variable:
        return _drawn_windows(row, bptt, seed, epoch)
    full, rest = divmod(row, bptt)
    return np.array([bptt] * full + [rest] * (rest > 0), np.int64)


def _drawn_windows(row: int, bptt: int, seed: int, epoch: int) -> np.ndarray:
    random = np.random.default_rng([seed, epoch, 1])
    upper = row // SHORTEST_WINDOW + 1
    base = np.where(random.random(upper) < 0.95, bptt, bptt / 2)
    drawn = np.maximum(SHORTEST_WINDOW, random.normal(base, WINDOW_SPREAD)).astype(np.int64)
    ends = np.minimum(drawn.cumsum(), row)
    lengths = np.diff(ends, prepend=0)
    return lengths[lengths > 0]


def as_batch(ids: np.ndarray) -> torch.Tensor:
    """Ids of a file's two- or four-byte type as torch indexes with them."""
    return torch.from_numpy(ids.astype(np.int64))


class ResidentIds:
    """The ids of a file in a device's memory, put in each epoch's order there: a step then costs the host nothing."""

    BYTES = 8  # an id, with its copy in order

    def __init__(self, tokens: TokenFile, device: torch.device) -> None:
        self.tokens, self.device = tokens, device
        self.ids = torch.from_numpy(tokens.ids.astype(np.int32)).to(device)

    def shuffled(self, seed: int, epoch: int) -> torch.Tensor:
        """What `shuffled_ids` gives, int32 on the device; nothing is read back."""
        order = document_order(self.tokens, seed, epoch)
        if self.tokens.ordered or not len(order):
            return self.ids
        starts, ends = document_starts(self.tokens)[order], self.tokens.documents["end"][order]
        after = (ends - starts).cumsum()  # where each document ends in the new order
        shuffled = torch.empty_like(self.ids)
        first, done = 0, 0
        while first < len(order):
            last = max(first + 1, int(np.searchsorted(after, done + GATHER, "right")))
            lengths = torch.from_numpy(ends[first:last] - starts[first:last]).to(self.device)
            # what stands at place i of the new order stood at i + moved of its document
            moved = torch.from_numpy(starts[first:last] - (after[first:last] - (ends - starts)[first:last]))
            total = int(after[last - 1]) - done
            places = torch.repeat_interleave(moved.to(self.device), lengths, output_size=total)
            places += torch.arange(done, done + total, device=self.device)
            torch.index_select(self.ids, 0, places, out=shuffled[done : done + total])
            first, done = last, done + total
        return shuffled


def memory_left(device: torch.device) -> int:
    """Bytes that are free on a device."""
    return torch.cuda.mem_get_info(device)[0]


def resident_ids(tokens: TokenFile, device: torch.device) -> ResidentIds | None:
    """All ids in a GPU's memory, where they take a quarter of what is free: the model and its gradients come after."""
    fits = len(tokens.ids) * ResidentIds.BYTES <= memory_left(device) // 4
    return ResidentIds(tokens, device) if fits else None


class TrainBatches:
    """Every epoch reads all documents in a new order, as `batch_size` continuous streams side by side.

    Documents of one text (`ordered`) keep theirs.
    `mine` are the rows that are given out; all, or those of one process of several.
    Iterating gives one epoch and moves to the next; `seek` chooses which epoch and at which batch to begin. The
    ids that do not fill a row are left out, fewer than `batch_size` an epoch, others each time.
    On a GPU with room for them all ids lie in its memory, and a batch is a slice of them.
    """

    def __init__(
        self,
        tokens: TokenFile,
        batch_size: int,
        bptt: int,
        *,
        seed: int = 0,
        variable_bptt: bool = False,
        mine: slice = ALL,
    ) -> None:
        self.tokens, self.batch_size, self.bptt, self.mine = tokens, batch_size, bptt, mine
        self.seed, self.variable_bptt = seed, variable_bptt
        self.row = (len(tokens.ids) - 1) // batch_size  # the last id of all is only a target
        if self.row < 1:
            raise _too_few(tokens, batch_size, bptt)
        self.device = torch.device("cpu")
        self.resident: ResidentIds | None = None
        self.cursor = (0, 0)  # epoch, batch

    def to(self, device: Any) -> "TrainBatches":
        self.device = torch.device(device)
        self.resident = resident_ids(self.tokens, self.device) if self.device.type == "cuda" else None
        return self

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Let the next iteration begin at `batch` of `epoch`."""
        self.cursor = (epoch, batch)

    def windows(self, epoch: int) -> np.ndarray:
        """Lengths of the epoch's windows, in order."""
        return windows(self.row, self.bptt, self.variable_bptt, self.seed, epoch)

    def __len__(self) -> int:
        return len(self.windows(self.cursor[0]))

    def __iter__(self) -> Iterator[TokenBatch]:
        epoch, first = self.cursor
        self.cursor = (epoch + 1, 0)  # now, not at the end: an epoch cut short is over too
        lengths = self.windows(epoch)
        if first >= len(lengths):
            return
        give = self._resident(epoch) if self.resident is not None else self._mapped(epoch)
        ends = lengths.cumsum()
        for start, end in zip(ends[first:] - lengths[first:], ends[first:], strict=True):
            yield give(int(start), int(end))

    def _mapped(self, epoch: int) -> Callable[[int, int], TokenBatch]:
        """Steps `start` to `end` of all rows, from the file on disk."""
        ids = shuffled_ids(self.tokens, self.seed, epoch)
        used = self.row * self.batch_size
        x = ids[:used].reshape(self.batch_size, self.row)[self.mine]  # a view: row b is one stream
        y = ids[1 : used + 1].reshape(self.batch_size, self.row)[self.mine]

        def part(rows: np.ndarray, start: int, end: int) -> torch.Tensor:
            ids = as_batch(rows[:, start:end].T)  # (B, T) view -> (T, B)
            # a GPU takes what lies in pinned memory without the host's waiting for it
            return ids.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else ids

        return lambda start, end: (part(x, start, end), part(y, start, end))

    def _resident(self, epoch: int) -> Callable[[int, int], TokenBatch]:
        """Steps `start` to `end` of all rows, from the device's memory."""
        assert self.resident is not None
        ids = self.resident.shuffled(self.seed, epoch)
        used = self.row * self.batch_size
        x = ids[:used].view(self.batch_size, self.row)[self.mine]
        y = ids[1 : used + 1].view(self.batch_size, self.row)[self.mine]

        def part(rows: torch.Tensor, start: int, end: int) -> torch.Tensor:
            # (B, T) view -> (T, B)
            return rows[:, start:end].T.to(torch.int64, memory_format=torch.contiguous_format)

        return lambda start, end: (part(x, start, end), part(y, start, end))


def _too_few(tokens: TokenFile, batch_size: int, bptt: int) -> ArtifactError:
    fits = max(1, (len(tokens.ids) - 1) // bptt)
    return ArtifactError(
        f"{tokens.path}: {len(tokens.ids):,} tokens do not fill one batch of {batch_size}. "
        + (f"Use --batch-size {fits}." if len(tokens.ids) > 1 else "Encode a corpus first.")
    )


def row_bounds(tokens: TokenFile, rows: int) -> np.ndarray:
    """Cut the documents, in their order, into at most `rows` rows of similar length, each beginning with a document.

    Returns the rows' first ids and the end of the last: strictly rising, from 0 to the number of tokens.
    """
    starts, total = document_starts(tokens), len(tokens.ids)
    rows = min(rows, total)  # with a row for each token every document has its own
    wanted = np.arange(rows) * total / rows
    nearest = np.searchsorted(starts, wanted).clip(0, max(len(starts) - 1, 0))
    return np.unique(np.append(starts[nearest], total))


class EvaluationBatches:
    """A split in its own order, each token a target once: the pieces of every document and then its end.

    Rows begin with a document, so every target has its own document's beginning as context or, where the state is
    carried, more. The end of a document is predicted as the next one's `bos`; the first `bos` is never a target.
    Shorter rows are filled up with targets that are ignored. Of `parts` parts of the rows, part `part` is given out.
    """

    def __init__(self, tokens: TokenFile, batch_size: int, bptt: int, *, part: int = 0, parts: int = 1) -> None:
        if not len(tokens.ids):
            raise ArtifactError(f"{tokens.path}: no tokens to evaluate on. Encode a larger corpus.")
        self.tokens, self.bptt = tokens, bptt
        bounds = row_bounds(tokens, batch_size)
        first, last = ((len(bounds) - 1) * each // parts for each in (part, part + 1))
        self.bounds = bounds[first : last + 1]
        self.longest = int(np.diff(self.bounds).max(initial=0))
        self.device = torch.device("cpu")

    def to(self, device: Any) -> "EvaluationBatches":
        self.device = torch.device(device)
        return self

    def __len__(self) -> int:
        return -(-self.longest // self.bptt)

    def positions(self, start: int) -> np.ndarray:
        """Which token of the file stands at each place of the batch that begins at `start`; -1 where none does."""
        steps = np.arange(start, min(start + self.bptt, self.longest))[:, None]  # (T, 1)
        place = self.bounds[:-1][None, :] + steps  # (T, B)
        return np.where(place < self.bounds[1:], place, -1)

    def with_positions(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, np.ndarray]]:
        """Batches with the place in the file of each input; its target is the token after it."""
        ids, total = self.tokens.ids, len(self.tokens.ids)
        for start in range(0, self.longest, self.bptt):
            place = self.positions(start)
            x = as_batch(ids[place.clip(0)])
            following = place + 1
            y = as_batch(np.where(following < total, ids[following.clip(0, total - 1)], self.tokens.bos))
            y[torch.from_numpy(place < 0)] = IGNORE
            yield x.to(self.device), y.to(self.device), place

    def __iter__(self) -> Iterator[TokenBatch]:
        for x, y, _ in self.with_positions():
            yield x, y
