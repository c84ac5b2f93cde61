"""Streams continue from batch to batch, orders depend on (seed, epoch) alone, and every token is read."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lm_data import BOS, patterned, token_file

from ulmkit.errors import ArtifactError
from ulmkit.lm.batches import EvaluationBatches, ResidentIds, TrainBatches, shuffled_ids, windows
from ulmkit.lm.loss import IGNORE


def test_each_target_is_its_input_plus_one_where_the_stream_counts_up() -> None:
    counting = token_file([list(range(2, 400))], vocabulary=400)
    x, y = next(iter(TrainBatches(counting, 4, 7)))
    assert x.shape == y.shape == (7, 4)
    inside = x > 1
    assert torch.equal(y[inside], x[inside] + 1)


def test_a_row_goes_on_where_its_last_batch_ended() -> None:
    tokens = patterned(40)
    batches = list(TrainBatches(tokens, 3, 10))
    stream = shuffled_ids(tokens, 0, 0)
    rows = torch.cat([x for x, _ in batches]).T.numpy()
    row = (len(stream) - 1) // 3
    for number, ids in enumerate(rows):
        assert np.array_equal(ids, stream[number * row : (number + 1) * row])


def test_every_epoch_reads_every_document_whole_in_another_order() -> None:
    tokens = patterned(30)
    first, second = shuffled_ids(tokens, 5, 0), shuffled_ids(tokens, 5, 1)
    whole = {tuple(part) for part in np.split(tokens.ids, tokens.documents["end"][:-1])}
    for epoch in (first, second):
        assert {tuple(part) for part in np.split(epoch, np.flatnonzero(epoch == BOS)[1:])} == whole
    assert not np.array_equal(first, second)
    assert np.array_equal(first, shuffled_ids(tokens, 5, 0))
    assert not np.array_equal(first, shuffled_ids(tokens, 6, 0))


@given(st.integers(1, 900), st.integers(5, 90), st.booleans(), st.integers(0, 3), st.integers(0, 3))
def test_windows_cut_a_row_without_rest(row: int, bptt: int, variable: bool, seed: int, epoch: int) -> None:
    lengths = windows(row, bptt, variable, seed, epoch)
    assert lengths.sum() == row
    assert (lengths > 0).all()
    assert np.array_equal(lengths, windows(row, bptt, variable, seed, epoch))


def test_variable_windows_lie_around_the_one_asked_for() -> None:
    lengths = windows(100_000, 72, True, 0, 0)
    assert len(set(lengths.tolist())) > 10
    assert 65 < np.mean(lengths) < 75
    assert 0.02 < np.mean(lengths < 50) < 0.09  # one in twenty is about half as long


@pytest.mark.parametrize("variable", [False, True])
def test_an_epoch_begun_in_the_middle_equals_the_rest_of_a_whole_one(variable: bool) -> None:
    tokens = patterned(60)
    whole = TrainBatches(tokens, 4, 9, seed=3, variable_bptt=variable)
    whole.seek(2)
    late = TrainBatches(tokens, 4, 9, seed=3, variable_bptt=variable)
    late.seek(2, 5)
    for (x, y), (late_x, late_y) in zip(list(whole)[5:], list(late), strict=True):
        assert torch.equal(x, late_x)
        assert torch.equal(y, late_y)


@pytest.mark.parametrize(("variable", "mine", "gather"), [(False, slice(None), 1 << 24), (True, slice(1, 3), 50)])
def test_ids_that_lie_on_the_device_give_the_same_batches(
    monkeypatch: pytest.MonkeyPatch, variable: bool, mine: slice, gather: int
) -> None:
    monkeypatch.setattr("ulmkit.lm.batches.GATHER", gather)  # fewer ids than the longest document has, or all at once
    for tokens in (patterned(60), token_file([[2] * 200])):
        mapped, resident = (
            TrainBatches(tokens, 4, 9, seed=3, variable_bptt=variable, mine=mine).to("cpu") for _ in range(2)
        )
        assert resident.resident is None
        resident.resident = ResidentIds(tokens, torch.device("cpu"))
        for epoch, first in ((0, 0), (2, 2)):
            for batches in (mapped, resident):
                batches.seek(epoch, first)
            for batch, other in zip(mapped, resident, strict=True):
                for part, same in zip(batch, other, strict=True):
                    assert part.dtype == same.dtype
                    assert torch.equal(part, same)


def test_a_corpus_too_large_for_the_device_stays_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = patterned(60)
    monkeypatch.setattr("ulmkit.lm.batches.memory_left", lambda _: len(tokens.ids) * ResidentIds.BYTES * 4 - 1)
    assert TrainBatches(tokens, 4, 9).to("cuda").resident is None


def test_ids_of_four_bytes_lie_on_the_device_too() -> None:
    tokens = token_file([[70_000 + i for i in range(40)]], vocabulary=80_000)
    assert tokens.ids.dtype == np.uint32
    ids = ResidentIds(tokens, torch.device("cpu")).shuffled(0, 0)
    assert np.array_equal(ids.numpy(), shuffled_ids(tokens, 0, 0))


def test_the_length_is_the_number_of_batches() -> None:
    for variable in (False, True):
        batches = TrainBatches(patterned(60), 4, 9, variable_bptt=variable)
        length = len(batches)
        assert length == len(list(batches))


def test_too_little_data_says_which_batch_size_fits() -> None:
    with pytest.raises(ArtifactError, match="Use --batch-size 3"):
        TrainBatches(token_file([[2] * 29]), 64, 9)
    assert len(TrainBatches(token_file([[2] * 29]), 3, 9)) == 1
    with pytest.raises(ArtifactError, match="Encode a corpus first"):
        TrainBatches(token_file([]), 64, 9)


@given(st.lists(st.lists(st.integers(2, 49), max_size=30), min_size=1, max_size=20), st.integers(1, 12))
def test_evaluation_predicts_every_token_once_and_the_end_of_each_document(docs: list[list[int]], rows: int) -> None:
    tokens = token_file(docs)
    seen = np.zeros(len(tokens.ids), int)
    following = np.append(tokens.ids[1:], BOS)
    for x, y, place in EvaluationBatches(tokens, rows, 7).with_positions():
        real = place >= 0
        assert np.array_equal(x.numpy()[real], tokens.ids[place[real]])
        assert np.array_equal(y.numpy()[real], following[place[real]])
        assert (y.numpy()[~real] == IGNORE).all()
        np.add.at(seen, place[real], 1)
    assert (seen == 1).all()


def test_evaluation_rows_begin_with_a_document() -> None:
    batches = EvaluationBatches(patterned(50), 8, 16)
    x, _ = next(iter(batches))
    assert (x[0] == BOS).all()
    assert x.shape[1] == 8
