"""Small token files for the tests of this folder, made of numbers, and a model that learns them in seconds."""

from pathlib import Path

import numpy as np

from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, id_dtype
from ulmkit.lm.config import LMConfig

BOS = 1
TINY = LMConfig(
    embedding_size=16,
    hidden_size=24,
    layers=2,
    batch_size=4,
    bptt=10,
    epochs=2,
    lr=1e-2,
    valid_batch_size=2,
    log_every=10,
)


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
