"""Duplicates become clusters, and clusters decide the split."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.dedup import cluster, signatures
from ulmkit.corpus.shingles import WordHasher
from ulmkit.language.sections import Dedup

SETTINGS = Dedup()


def texts_of(seed: int, count: int, words: int = 200) -> list[list[str]]:
    draw = random.Random(seed)
    return [[f"w{draw.randrange(3000)}" for _ in range(words)] for _ in range(count)]


def clusters_of(texts: list[list[str]], settings: Dedup = SETTINGS) -> np.ndarray:
    hasher = WordHasher()
    hashes = [hasher(text) for text in texts]
    exact = np.array([hash(tuple(h.tolist())) & (2**64 - 1) for h in hashes], np.uint64)
    return cluster(exact, [signatures(hashes[:2], settings), signatures(hashes[2:], settings)], settings)


def edited(text: list[str], seed: int, changes: int) -> list[str]:
    draw = random.Random(seed)
    text = list(text)
    for _ in range(changes):
        text[draw.randrange(len(text))] = f"other{draw.random()}"
    return text


def test_different_texts_stay_apart():
    assert clusters_of(texts_of(1, 300)).tolist() == list(range(300))


def test_exact_duplicates_share_a_cluster_even_without_signatures():
    texts = texts_of(2, 5)
    texts.append(texts[3])
    hasher = WordHasher()
    exact = np.array([hash(tuple(hasher(t).tolist())) & (2**64 - 1) for t in texts], np.uint64)
    assert cluster(exact, [np.empty((6, 0), np.uint32)], SETTINGS).tolist() == [0, 1, 2, 3, 4, 3]


def test_near_duplicates_are_found():
    """Two of 200 words changed leaves Jaccard over 0.9 on 5-grams: the banding finds nearly all."""
    originals = texts_of(3, 200)
    texts = originals + [edited(text, i, 2) for i, text in enumerate(originals)]
    found = clusters_of(texts)
    assert np.mean(found[200:] == np.arange(200)) > 0.98


def test_texts_that_share_a_third_are_no_duplicates():
    originals = texts_of(4, 100)
    halves = [text[:70] + other for text, other in zip(originals, texts_of(5, 100, 130), strict=True)]
    assert clusters_of(originals + halves).tolist() == list(range(200))


def test_a_chain_of_edits_is_one_cluster():
    chain = [texts_of(6, 1)[0]]
    for step in range(4):
        chain.append(edited(chain[-1], step, 1))
    assert clusters_of(chain).tolist() == [0] * 5


@given(st.permutations(range(12)))
def test_clusters_do_not_depend_on_the_order_of_documents(order: list[int]):
    originals = texts_of(7, 4)
    texts = originals + [edited(t, i, 1) for i, t in enumerate(originals)] + originals
    found = clusters_of([texts[i] for i in order])
    groups = {frozenset(order[i] % 4 for i in np.flatnonzero(found == root)) for root in set(found.tolist())}
    assert groups == {frozenset([i]) for i in range(4)}


def searched(signature: np.ndarray, settings: Dedup) -> list[int]:
    """Clusters by the definition, a bucket at a time."""
    width, needed = signature.shape[1] // settings.bands, settings.threshold * signature.shape[1]
    parents = list(range(len(signature)))
    for at in range(0, width * settings.bands, width):
        buckets: dict[bytes, list[int]] = {}
        for number, row in enumerate(signature):
            buckets.setdefault(row[at : at + width].tobytes(), []).append(number)
        for rest in buckets.values():
            while rest:
                leader, *rest = rest
                alike = [n for n in rest if (signature[n] == signature[leader]).sum() >= needed]
                rest = [n for n in rest if n not in alike]
                roots = {parents[n] for n in (leader, *alike)}
                parents = [min(roots) if parent in roots else parent for parent in parents]
    return parents


@given(st.integers(0, 10**6), st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_clusters_are_those_of_the_definition_however_units_are_cut(seed: int, sizes: list[int]):
    settings = Dedup(permutations=8, bands=4, threshold=0.5)
    signature = np.random.default_rng(seed).integers(0, 3, (sum(sizes), 8)).astype(np.uint32)
    parts = np.split(signature, np.cumsum(sizes)[:-1])
    found = cluster(np.arange(sum(sizes), dtype=np.uint64), parts, settings)
    assert found.tolist() == searched(signature, settings)
