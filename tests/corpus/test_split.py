"""The split is a hash of the cluster: shares are kept, and an article keeps its side."""

from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.split import boundaries_for, cluster_number, split_of, wanted_splits


def test_shares_of_the_split_are_what_was_asked():
    places = [split_of(cluster_number(f"doc{i}"), 0.02, 0.1) for i in range(20_000)]
    assert abs(places.count("valid") / 20_000 - 0.02) < 0.004
    assert abs(places.count("test") / 20_000 - 0.1) < 0.008


@given(st.text(), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_growing_share_never_moves_a_test_document_to_train(id_: str, share: float, more: float):
    number = cluster_number(id_)
    if split_of(number, 0.0, share) == "test":
        assert split_of(number, 0.0, share + more) == "test"


NUMBERS = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), unique=True, max_size=12)
SHARES = st.sampled_from([0.0, 0.001, 0.02, 0.3, 0.49])


@given(NUMBERS, SHARES, SHARES)
def test_no_wanted_split_is_empty_where_there_are_clusters_for_each(numbers: list[int], valid: float, test: float):
    wanted = wanted_splits(valid, test)
    ends = boundaries_for(numbers, valid, test)
    split = ends.split_of if ends else lambda number: split_of(number, valid, test)
    splits = [split(number) for number in numbers]
    if len(numbers) >= len(wanted):
        assert set(splits) == set(wanted)
    assert boundaries_for(numbers[::-1], valid, test) == ends


@given(NUMBERS, SHARES, SHARES)
def test_at_most_one_cluster_for_each_empty_split_is_not_where_its_number_falls(
    numbers: list[int], valid: float, test: float
):
    natural = [split_of(number, valid, test) for number in numbers]
    if ends := boundaries_for(numbers, valid, test):
        moved = sum(ends.split_of(number) != split for number, split in zip(numbers, natural, strict=True))
        assert moved <= 2
        assert not set(wanted_splits(valid, test)) <= set(natural)


def test_of_few_documents_each_split_gets_one_and_they_stay_as_the_corpus_grows():
    """The fault: 35 documents gave 33, 0 and 2, and four stages later the model asked for a larger corpus."""
    numbers = [cluster_number(f"doc{i}") for i in range(35)]
    small = boundaries_for(numbers, 0.02, 0.02)
    assert small
    assert {small.split_of(number) for number in numbers} == {"train", "valid", "test"}
    assert boundaries_for((cluster_number(f"doc{i}") for i in range(5000)), 0.02, 0.02) is None
