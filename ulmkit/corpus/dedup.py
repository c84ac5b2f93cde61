"""Exact and near duplicates as clusters.

Signatures are MinHash (Broder 1997) of word n-grams of the match form; candidates share a band of the signature
(locality-sensitive hashing), and become a pair where the signatures agree on at least the threshold.

Memory, in bytes a document: 8 each for the hash, the cluster and a band's key, and 16 while a band is sorted. The
signatures stay where they are, a memory map for each unit of input.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import rensa

from ulmkit.corpus.shingles import ngrams, rolled
from ulmkit.language.sections import Dedup

_SEED = 42
_ROWS = 1 << 14  # signatures that are compared, or turned into keys, at once: 8 MB of each side


def signatures(hashes: Sequence[np.ndarray], settings: Dedup) -> np.ndarray:
    """MinHash signatures of texts given as word hashes: (documents, permutations), dtype uint32."""
    if not hashes:
        return np.empty((0, settings.permutations), np.uint32)
    grams = [ngrams(words, settings.ngram) for words in hashes]
    offsets = np.zeros(len(grams) + 1, np.uint64)
    np.cumsum([len(g) for g in grams], out=offsets[1:])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(grams), offsets, settings.permutations, _SEED
    )
    return np.array(matrix.to_rows(), np.uint32)


class UnionFind:
    """Disjoint sets of documents by number; a set's root is its smallest member (Tarjan 1975)."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size, dtype=np.int64)

    def root(self, member: int) -> int:
        parent = self.parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = int(parent[member])
        return member

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self.parent[max(one, other)] = min(one, other)

    def roots(self) -> np.ndarray:
        """The root of every document, shape (documents,)."""
        parent = self.parent
        while True:
            grand = parent[parent]
            if np.array_equal(grand, parent):
                return parent
            parent = grand


class _Signatures:
    """The signatures of all units, by the number of a document over them all; none is copied."""

    def __init__(self, units: Sequence[np.ndarray]) -> None:
        self.units = units
        self.starts = np.cumsum([0, *map(len, units)])

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """The signatures of `numbers`, shape (len(numbers), permutations)."""
        of = np.searchsorted(self.starts, numbers, "right") - 1
        found = np.empty((len(numbers), self.units[0].shape[1]), np.uint32)
        for unit in np.unique(of).tolist():
            here = of == unit
            found[here] = self.units[unit][numbers[here] - self.starts[unit]]
        return found

    def band(self, first: int, width: int) -> np.ndarray:
        """The columns of a band rolled into one key a document, shape (documents,), dtype uint64."""
        keys = np.empty(self.starts[-1], np.uint64)
        for unit, start in zip(self.units, self.starts.tolist(), strict=False):
            for at in range(0, len(unit), _ROWS):
                part = unit[at : at + _ROWS, first : first + width].astype(np.uint64)
                keys[start + at : start + at + len(part)] = rolled(list(part.T))
        return keys


def _shared(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The documents whose key another has too, equal keys together and ascending; and the place of each run's first.

    Of the keys 7, 5, 7, 5, 9 that is (1, 3, 0, 2) and (0, 0, 2, 2). Shapes (documents with company,).
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    after, before = np.append(same, False)[: len(keys)], np.append(False, same)[: len(keys)]
    company = after | before
    return order[company], _firsts(~before[company])


def _firsts(begins: np.ndarray) -> np.ndarray:
    """The place at which the run of each place begins: of (yes, no, yes, no) (0, 0, 2, 2)."""
    return np.flatnonzero(begins)[np.cumsum(begins) - 1]


def _pairs(members: np.ndarray, first: np.ndarray, signature: _Signatures, needed: float) -> Iterator[tuple[int, int]]:
    """Pairs of documents of one bucket that agree in at least `needed` places, each with a leader of its bucket.

    The first of a bucket leads it. Documents that no leader takes get the first among them as the next leader, so a
    bucket of different texts is still searched, at a cost of members times leaders.
    """
    while len(members):
        follows = np.flatnonzero(first != np.arange(len(members)))
        taken = np.zeros(len(members), bool)
        for at in range(0, len(follows), _ROWS):
            places = follows[at : at + _ROWS]
            leaders, others = members[first[places]], members[places]
            agree = (signature.take(leaders) == signature.take(others)).sum(axis=1) >= needed
            taken[places[agree]] = True
            yield from zip(leaders[agree].tolist(), others[agree].tolist(), strict=True)
        left = follows[~taken[follows]]
        members, bucket = members[left], first[left]
        first = _firsts(np.append(True, bucket[1:] != bucket[:-1])[: len(left)])


def cluster(match_hashes: np.ndarray, signature: Sequence[np.ndarray], settings: Dedup) -> np.ndarray:
    """The cluster of each document as the number of its smallest member, shape (documents,).

    `match_hashes`: (documents,) a fixed-width hash of match form and digits; equal hashes are exact duplicates.
    `signature`: for each unit (documents of it, permutations) uint32, or (documents of it, 0) to look for exact
    duplicates only. They may be memory maps.
    """
    sets = UnionFind(len(match_hashes))
    members, first = _shared(match_hashes)
    for one, other in zip(members[first].tolist(), members.tolist(), strict=True):
        sets.join(one, other)
    rows = signature[0].shape[1] // settings.bands if signature else 0
    if rows:
        everyone = _Signatures(signature)
        needed = settings.threshold * signature[0].shape[1]
        for band in range(settings.bands):
            # different columns under one key fall to the threshold
            members, first = _shared(everyone.band(band * rows, rows))
            for one, other in _pairs(members, first, everyone, needed):
                sets.join(one, other)
    return sets.roots()
