"""What stays of a text that an encoder read: its own, whatever stands beside it and however it is cut."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lm_data import TINY
from ulmkit.classifier.batches import ALIKE_LENGTH, ALIKE_ROWS, by_length, padded, shuffled
from ulmkit.classifier.pooling import LEARNED, pool, pooled_levels
from ulmkit.classifier.reading import read_features
from ulmkit.lm.model import AWDLSTM


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(3)
    return AWDLSTM(50, dataclasses.replace(TINY, drop_mult=1.0)).eval()


def text(length, seed=0):
    return np.random.default_rng(seed + length).integers(5, 50, length)


@torch.no_grad()
def features(encoder, texts, **options):
    return torch.cat(pooled_levels(encoder, *padded(texts), **options), 1)


@given(st.lists(st.integers(1, 900), max_size=300))
def test_every_text_is_read_once_beside_those_of_its_length(lengths):
    """Beside a longer one only where a batch would have few rows, or where that one takes several windows."""
    found = np.array(lengths, int)
    batches = list(by_length(found, 512))
    assert sorted(row for rows in batches for row in rows.tolist()) == list(range(len(lengths)))
    for rows in batches:
        if found[rows].max() > 512:
            assert found[rows].min() * 2 >= found[rows].max()
        elif len(rows) > ALIKE_ROWS:
            assert found[rows].min() >= ALIKE_LENGTH * found[rows].max()


def test_last_maximum_and_mean_by_hand():
    h = torch.tensor([[1.0, -2.0], [3.0, 0.0], [2.0, 5.0]])[:, None]
    assert pool(h, torch.tensor([2])).tolist() == [[3.0, 0.0, 3.0, 0.0, 2.0, -1.0]]


def test_a_text_says_the_same_alone_and_among_any_neighbours(encoder):
    texts = [text(length) for length in (200, 140, 20, 1, 72)]
    together = features(encoder, texts)
    for place, each in enumerate(texts):
        assert (features(encoder, [each])[0] - together[place]).abs().max() < 1e-6


@given(
    lengths=st.lists(st.integers(1, 90), max_size=300),
    shared=st.integers(0, 40),
    odd=st.lists(st.sampled_from([150, 600, 1_100]), max_size=2),
)
@settings(max_examples=15, deadline=None)
def test_what_is_read_by_nobody_who_learns_is_what_each_text_says_alone(encoder, lengths, shared, odd):
    """Whatever ends first, however many begin alike or are equal, and however long one of them is."""
    start = text(shared, 5)
    texts = [np.concatenate((start, text(length, length % 3))) for length in [*lengths, *odd]]
    heard = []
    found = read_features(encoder, texts, heard.append)
    assert found.shape[0] == sum(heard) == len(texts)
    for place in range(0, len(texts), max(1, len(texts) // 12)):
        assert np.abs(found[place] - features(encoder, [texts[place]])[0].numpy()).max() < 1e-6


def test_beginnings_that_many_texts_share_are_read_once(encoder, monkeypatch):
    read, embedded = [], AWDLSTM.embedded

    def counted(encoder, x):
        read.append(x.numel())
        return embedded(encoder, x)

    monkeypatch.setattr(AWDLSTM, "embedded", counted)
    texts = [np.concatenate((text(30), text(10, seed))) for seed in range(200)]
    read_features(encoder, texts)
    assert sum(read) < 30 + 200 * 11
    read.clear()
    read_features(encoder, [text(30)] * 200)
    assert sum(read) == 30


def test_windows_give_what_one_pass_gives(encoder):
    texts = [text(1_200), text(513), text(512), text(40)]
    whole, cut = features(encoder, texts, window=2_000), features(encoder, texts)
    assert (whole - cut).abs().max() < 1e-5


def test_every_layer_is_the_one_that_the_language_model_reads_with(encoder):
    x = torch.from_numpy(text(30))[:, None]
    encoder.reset()
    layers = encoder.layers_of(x)
    encoder.reset()
    assert [tuple(h.shape) for h in layers] == [(30, 1, 24), (30, 1, 16)]
    assert torch.equal(layers[-1], encoder(x).raw)


def test_gradients_reach_the_last_pieces_of_a_long_text_alone(encoder):
    x, lengths = padded([text(LEARNED + 90), text(LEARNED + 3), text(60)])
    # ids that stand in one place alone: before the last pieces of both long texts, and among them
    x[0], x[5, 1], x[-1, 0] = 2, 3, 4
    x[0, 2] = 1
    levels = pooled_levels(encoder, x, lengths)
    with torch.no_grad():
        for ours, plain in zip(levels, pooled_levels(encoder, x, lengths), strict=True):
            assert (ours - plain).abs().max() < 1e-5
    torch.cat(levels, 1).sum().backward()
    moved = encoder.embedding.grad.abs().sum(1) > 0
    encoder.zero_grad()
    assert moved[:5].tolist() == [False, True, False, True, True]


def test_batches_hold_every_text_once_and_never_one_alone():
    lengths = np.random.default_rng(1).integers(1, 3_000, 1_001)
    assert sorted(np.concatenate(list(by_length(lengths, 512))).tolist()) == list(range(1_001))
    for count, size in ((1_001, 16), (65, 64), (3, 2), (2, 64), (129, 32)):
        found = shuffled(lengths[:count], size, np.random.default_rng(2))
        assert sorted(np.concatenate(found).tolist()) == list(range(count))
        assert min(map(len, found)) > 1
