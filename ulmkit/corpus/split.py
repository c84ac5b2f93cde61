"""Train, valid, test: from the duplicate cluster, so near-copies never sit on both sides."""

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
