"""Which texts are near copies of each other: five characters at a time, of which most stand in both."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ulmkit.classifier.features import once
from ulmkit.corpus.shingles import MULTIPLIER, mixed_bits, rolled
from ulmkit.text.census import code_points

ALIKE = 0.6  # Jaccard: shared runs of five characters over all runs of both
_RUN = 5
MOST_COMPARED = 200_000  # texts of which near copies are sought; of more, equal ones are
_BLOCK = 512


def _runs(text: str) -> np.ndarray:
    """The runs of five characters in `text`, each once; of a shorter text, the whole."""
    bare = "".join(character for character in text if character.isalnum() or character.isspace())
    codes = code_points(" ".join((bare or text).split()))
    numbers = mixed_bits((codes.astype(np.uint64) + np.uint64(1)) * MULTIPLIER)
    if not len(numbers):
        return numbers
    order = min(_RUN, len(numbers))
    places = len(numbers) - order + 1
    return once(rolled([numbers[offset : offset + places] for offset in range(order)]))


def _by_rarity(texts: list[str]) -> csr_matrix:
    """A row for each text: its runs as columns, the rarest of all texts first."""
    runs = [_runs(text) for text in texts]
    ends = np.concatenate(([0], np.cumsum([len(each) for each in runs])))
    _, columns, times = np.unique(
        np.concatenate(runs) if runs else np.empty(0, np.uint64), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(times), np.int64)
    rank[np.argsort(times, kind="stable")] = np.arange(len(times))
    found = csr_matrix((np.ones(len(columns), np.int32), rank[columns], ends), shape=(len(texts), len(times)))
    found.sort_indices()
    return found


def _beginnings(rows: csr_matrix) -> csr_matrix:
    """Of each row the rarest runs, so many that a near copy holds one of them, too."""
    sizes = np.diff(rows.indptr)
    kept = sizes - np.ceil(ALIKE * sizes).astype(np.int64) + 1
    place = np.arange(len(rows.indices)) - np.repeat(rows.indptr[:-1], sizes)
    inside = place < np.repeat(kept, sizes)
    ends = np.concatenate(([0], np.cumsum(np.minimum(kept, sizes))))
    return csr_matrix((np.ones(int(inside.sum()), np.int32), rows.indices[inside], ends), shape=rows.shape)


def _pairs(texts: list[str], first: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of near copies: one of the `first` texts beside one of the others; with `first` 0 any two."""
    rows = _by_rarity(texts)
    heads, sizes = _beginnings(rows), np.diff(rows.indptr)
    left = range(first or len(texts))
    others = heads[first:].T.tocsr()
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for begin in range(0, len(left), _BLOCK):
        shared = (heads[begin : min(begin + _BLOCK, len(left))] @ others).tocoo()
        a, b = shared.row + begin, shared.col + first
        fit = (sizes[a] >= ALIKE * sizes[b]) & (sizes[b] >= ALIKE * sizes[a]) & ((a < b) | bool(first))
        a, b = a[fit], b[fit]
        for part in range(0, len(a), 50_000):
            one, two = a[part : part + 50_000], b[part : part + 50_000]
            both = np.asarray(rows[one].multiply(rows[two]).sum(axis=1)).ravel()
            alike = both >= ALIKE * (sizes[one] + sizes[two] - both)
            found.append((one[alike], two[alike]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def copy_groups(texts: Sequence[str]) -> np.ndarray:
    """A number for each text: near copies, and copies of these, have the same."""
    _, same = np.unique(np.array(texts, object), return_inverse=True)
    if len(texts) > MOST_COMPARED:
        return same
    _, firsts = np.unique(same, return_index=True)
    a, b = _pairs([texts[place] for place in firsts], 0)
    graph = csr_matrix((np.ones(len(a)), (a, b)), shape=(len(firsts), len(firsts)))
    return connected_components(graph, directed=False)[1][same]


def have_copies(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Which of `texts` have a near copy among `others`, shape (texts,)."""
    known = set(others)
    found = np.array([text in known for text in texts], bool)
    if len(texts) + len(others) <= MOST_COMPARED and texts and others:
        found[_pairs([*texts, *others], len(texts))[0]] = True
    return found
