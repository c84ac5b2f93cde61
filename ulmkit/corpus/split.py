"""Train, valid, test: from the duplicate cluster, so near-copies never sit on both sides."""

from collections.abc import Iterable
from dataclasses import dataclass

import xxhash


def cluster_number(smallest_id: str) -> int:
    """A cluster's signed 64-bit number, from the smallest id among its documents."""
    return xxhash.xxh3_64_intdigest(smallest_id.encode("utf-8", "surrogatepass")) - (1 << 63)


def split_of(cluster: int, valid_share: float, test_share: float) -> str:
    """The split of a cluster: a hash, not a draw, so an article keeps its split as the corpus grows.

    >>> split_of(-(1 << 63), 0.02, 0.02), split_of((1 << 63) - 1, 0.02, 0.02)
    ('test', 'train')
    """
    place = (cluster + (1 << 63)) / (1 << 64)
    if place < test_share:
        return "test"
    return "valid" if place < test_share + valid_share else "train"


@dataclass(frozen=True)
class Boundaries:
    """Up to which cluster number documents are for testing, and up to which, from there, for validation."""

    test_end: int
    valid_end: int

    def split_of(self, cluster: int) -> str:
        """The split of a cluster."""
        if cluster < self.test_end:
            return "test"
        return "valid" if cluster < self.valid_end else "train"


def wanted_splits(valid_share: float, test_share: float) -> tuple[str, ...]:
    """The splits that are to hold something."""
    return ("train", *(("valid",) if valid_share else ()), *(("test",) if test_share else ()))


def boundaries_for(clusters: Iterable[int], valid_share: float, test_share: float) -> Boundaries | None:
    """Where the splits of a small corpus end, so that none that is wanted is empty; None where the shares see to that.

    A split in which no cluster falls gets the nearest one: of numbers in order the first are for testing, the next for
    validation. So the splits depend on the clusters alone. A corpus that grows has every cluster where its number falls
    as soon as each split has one of its own; until then at most one for each split that had none moves back. Fewer
    clusters than wanted splits are left where they fall. Reads no more clusters than it takes to know.
    """
    wanted = set(wanted_splits(valid_share, test_share))
    found: set[str] = set()
    numbers: list[int] = []
    for number in clusters:
        numbers.append(number)
        found.add(split_of(number, valid_share, test_share))
        if found >= wanted:
            return None
    if len(set(numbers)) < len(wanted):
        return None
    numbers = sorted(set(numbers))
    splits = [split_of(number, valid_share, test_share) for number in numbers]
    least = int("valid" in wanted)
    test = max(splits.count("test"), int("test" in wanted))
    valid = max(splits.count("test") + splits.count("valid"), test + least)
    valid = min(valid, len(numbers) - 1)
    test = min(test, valid - least)
    return Boundaries(numbers[test], numbers[valid])
