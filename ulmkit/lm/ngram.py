"""Interpolated modified Kneser-Ney (Chen & Goodman 1999), exact, as sorted tables and array look-ups.

Every token of a token file but the first `bos` is predicted once, the end of a document as a `bos`; a history never
reaches back beyond its document's own `bos`. As in KenLM, an n-gram's count below the highest order is the number of
different tokens before it, except where it begins with `bos`, which nothing precedes: there it is the count itself.
"""

from dataclasses import dataclass

import numpy as np

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import UsageError
from ulmkit.lm.batches import document_starts

HIGHEST_ORDER = 5
FALLBACK_DISCOUNTS = np.array([0.0, 0.5, 1.0, 1.5])  # KenLM's, for samples too small to estimate them


@dataclass(frozen=True)
class TargetStream:
    """What is predicted from what: `words` (n + 1,) ends with a `bos`; target i is `words[i + 1]`.

    `reach[i]` tokens before target i belong to its document, its `bos` included.
    """

    words: np.ndarray
    reach: np.ndarray

    @staticmethod
    def of(tokens: TokenFile) -> "TargetStream":
        words = np.append(np.asarray(tokens.ids, np.int64), tokens.bos)
        starts = document_starts(tokens)[: len(tokens.documents)]
        lengths = tokens.documents["end"] - starts
        return TargetStream(words, np.arange(1, len(words)) - np.repeat(starts, lengths))

    def __len__(self) -> int:
        return len(self.reach)

    def sources(self, order: int) -> np.ndarray:
        """Targets that have `order` - 1 tokens of their document before them."""
        return np.flatnonzero(self.reach >= order - 1)


@dataclass(frozen=True)
class Order:
    """The table of one order: `keys` sorted, each an n-gram; and sums over the n-grams that share a history."""

    keys: np.ndarray
    discounted: np.ndarray  # by n-gram: its count less its discount
    total: np.ndarray  # by history: sum of counts
    backoff: np.ndarray  # by history: what the discounts took, to be spread by the lower order


def _discounts(counts: np.ndarray) -> np.ndarray:
    """D1, D2 and D3+ at places 1 to 3 (Chen & Goodman 1999, equation 17)."""
    n = np.bincount(np.minimum(counts, 5), minlength=5)[:5].astype(float)
    if (n[1:] == 0).any():
        return FALLBACK_DISCOUNTS
    y = n[1] / (n[1] + 2 * n[2])
    discounts = np.array([0.0] + [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)])
    fits = (discounts >= 0).all() and (discounts <= np.arange(4)).all()
    return discounts if fits else FALLBACK_DISCOUNTS


def _find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Place of each wanted key in the sorted `keys`, -1 where it is not there."""
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


class KneserNey:
    """A language model of `order` 1 to 5 over the pieces of a token file."""

    def __init__(self, train: TokenFile, order: int = 3) -> None:
        if not 1 <= order <= HIGHEST_ORDER:
            raise UsageError(f"n-gram model: order {order}, expected 1 to {HIGHEST_ORDER}.")
        self.order, self.vocabulary = order, train.vocabulary
        stream = TargetStream.of(train)
        self.orders: list[Order] = []
        # gram[i]: number of the n-gram that ends at words[i], -1 where there is none; of order 1, the word itself
        gram, grams = stream.words, self.vocabulary
        keys = np.arange(self.vocabulary)
        history = np.zeros(self.vocabulary, np.int64)  # by n-gram: its history's number, one order lower
        histories = 1
        counts = np.bincount(stream.words[1:], minlength=self.vocabulary)
        opens = np.zeros(self.vocabulary, bool)  # by n-gram: does it begin with a history's bos
        for n in range(1, order + 1):
            if n < order:
                longer, longer_gram = self._extend(stream, gram, grams, n + 1)
                # (n + 1)-gram -> the n-gram that it ends in
                suffix = longer % grams
                before = np.bincount(suffix, minlength=grams)
                counts = np.where(opens, counts, before)
            self.orders.append(self._order(keys, counts, history, histories))
            if n == order:
                break
            at = stream.sources(n + 1)
            first = np.empty(len(longer), np.int64)
            numbers = longer_gram[at + 1]
            first[numbers] = at  # any occurrence will do: an n-gram has one history
            history, histories = gram[first], grams
            opens = stream.reach[first] == n
            counts = np.bincount(numbers, minlength=len(longer))
            keys, gram, grams = longer, longer_gram, len(longer)

    @staticmethod
    def _extend(stream: TargetStream, gram: np.ndarray, grams: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The n-grams of the stream as sorted keys, and which of them ends at each word (-1: none)."""
        at = stream.sources(n)
        found, number = np.unique(stream.words[at + 2 - n] * grams + gram[at + 1], return_inverse=True)
        ends = np.full(len(stream.words), -1)
        ends[at + 1] = number
        return found, ends

    @staticmethod
    def _order(keys: np.ndarray, counts: np.ndarray, history: np.ndarray, histories: int) -> Order:
        discount = _discounts(counts)[np.minimum(counts, 3)]
        return Order(
            keys,
            counts - discount,
            np.bincount(history, counts, histories),
            np.bincount(history, discount, histories),
        )

    def log_probabilities(self, tokens: TokenFile) -> np.ndarray:
        """Natural logarithm of the probability of each target of `tokens`, shape (tokens,)."""
        stream = TargetStream.of(tokens)
        p = np.full(len(stream), 1 / self.vocabulary)
        # number in the training tables of the n-gram that ends at each word, and of the one before it as a history
        gram, grams, history_gram = stream.words, self.vocabulary, np.zeros(len(stream.words), np.int64)
        for n, table in enumerate(self.orders, 1):
            at = stream.sources(n)
            if n > 1:
                known = gram[at + 1] >= 0
                key = stream.words[at + 2 - n] * grams + gram[at + 1]
                found = np.where(known, _find(table.keys, key), -1)
                history_gram, gram = gram, np.full(len(stream.words), -1)
                gram[at + 1] = found
                grams = len(table.keys)
            p[at] = self._mix(table, history_gram[at], gram[at + 1], p[at])
        return np.log(p)

    @staticmethod
    def _mix(table: Order, history: np.ndarray, number: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """This order's probability where its history was seen, the lower order's elsewhere."""
        seen = np.flatnonzero(history >= 0)
        seen = seen[table.total[history[seen]] > 0]
        share = np.zeros(len(seen))
        known = number[seen] >= 0
        share[known] = table.discounted[number[seen][known]]
        mixed = lower.copy()
        mixed[seen] = (share + table.backoff[history[seen]] * lower[seen]) / table.total[history[seen]]
        return mixed
