"""Small token files for the tests of this folder: made of nothing but numbers."""

from pathlib import Path

import numpy as np

from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, id_dtype

BOS = 1


def token_file(documents: list[list[int]], *, vocabulary: int = 50, tokenizer: str = "aaaaaaaaaaaa") -> TokenFile:
    """A token file in memory; each document gets its `bos`, two characters and three bytes a token."""
    ids = [[BOS, *pieces] for pieces in documents]
    ends = np.cumsum([len(pieces) for pieces in ids])
    records = np.array(
        [(end, 2 * len(p), 3 * len(p), len(p), i % 2) for i, (end, p) in enumerate(zip(ends, ids, strict=True))],
        DOCUMENT,
    )
    flat = np.array([token for pieces in ids for token in pieces], id_dtype(vocabulary))
    return TokenFile(flat, records, vocabulary, BOS, tokenizer, "xx", ("even", "odd"), Path("memory.bin"))


def patterned(documents: int, *, seed: int = 0, vocabulary: int = 50) -> TokenFile:
    """Documents in which each token mostly follows from the one before: something to learn."""
    random = np.random.default_rng(seed)
    result = []
    for _ in range(documents):
        pieces = [int(random.integers(2, vocabulary))]
        for _ in range(int(random.integers(5, 60))):
            jump = random.random() < 0.1
            pieces.append(int(random.integers(2, vocabulary)) if jump else 2 + (pieces[-1] * 3 + 1) % (vocabulary - 2))
        result.append(pieces)
    return token_file(result, vocabulary=vocabulary)
