"""Exact and near duplicates as clusters.

Signatures are MinHash (Broder 1997) of word n-grams of the match form; candidates share a band of the signature
(locality-sensitive hashing), and become a pair where the signatures agree on at least the threshold.
"""

from collections.abc import Sequence

import numpy as np
import rensa

from ulmkit.corpus.shingles import ngrams
from ulmkit.language.spec import Dedup

SEED = 42


def signatures(hashes: Sequence[np.ndarray], settings: Dedup) -> np.ndarray:
    """MinHash signatures of texts given as word hashes: (documents, permutations), dtype uint32."""
    if not hashes:
        return np.empty((0, settings.permutations), np.uint32)
    grams = [ngrams(words, settings.ngram) for words in hashes]
    offsets = np.zeros(len(grams) + 1, np.uint64)
    np.cumsum([len(g) for g in grams], out=offsets[1:])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(grams), offsets, settings.permutations, SEED
    )
    return np.array(matrix.to_rows(), np.uint32)


class Clusters:
    """Union-find over documents by number; a cluster's root is its smallest member."""

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


def _runs(keys: np.ndarray) -> list[np.ndarray]:
    """Positions that share a key, for each key that at least two share; each run ascending."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    return [order[a:b] for a, b in zip(starts, ends, strict=True) if b - a > 1]


def cluster(match_hashes: np.ndarray, signature: np.ndarray, settings: Dedup) -> np.ndarray:
    """The cluster of each document as the number of its smallest member, shape (documents,).

    `match_hashes`: (documents,) a fixed-width hash of the match form; equal hashes are exact duplicates.
    `signature`: (documents, permutations) uint32, or (documents, 0) to look for exact duplicates only. It may
    be a memory map: one band of it is held at a time.
    """
    clusters = Clusters(len(match_hashes))
    for run in _runs(match_hashes):
        for other in run[1:]:
            clusters.join(int(run[0]), int(other))
    rows = signature.shape[1] // settings.bands
    if rows == 0:
        return clusters.roots()
    needed = settings.threshold * signature.shape[1]
    for band in range(settings.bands):
        part = np.ascontiguousarray(signature[:, band * rows : (band + 1) * rows])
        # the columns of a band rolled into one number; what collides falls to the threshold
        for run in _runs(ngrams(part.ravel().astype(np.uint64), rows)[::rows]):
            _join_run(run, signature, needed, clusters)
    return clusters.roots()


def _join_run(run: np.ndarray, signature: np.ndarray, needed: float, clusters: Clusters) -> None:
    """Join the documents of one band's bucket that agree well enough with a leader of it.

    Each document that no leader takes becomes a leader itself, so a bucket of different texts is still
    searched, at a cost of members times leaders.
    """
    rest = run
    while len(rest) > 1:
        leader, rest = rest[0], rest[1:]
        agree = (signature[rest] == signature[leader]).sum(axis=1) >= needed
        for other in rest[agree]:
            clusters.join(int(leader), int(other))
        rest = rest[~agree]
