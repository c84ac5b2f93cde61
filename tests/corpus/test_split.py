"""The split is a hash of the cluster: shares are kept, and an article keeps its side."""

from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.split import cluster_number, split_of


def test_shares_of_the_split_are_what_was_asked():
    places = [split_of(cluster_number(f"doc{i}"), 0.02, 0.1) for i in range(20_000)]
    assert abs(places.count("valid") / 20_000 - 0.02) < 0.004
    assert abs(places.count("test") / 20_000 - 0.1) < 0.008


@given(st.text(), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_growing_share_never_moves_a_test_document_to_train(id_: str, share: float, more: float):
    number = cluster_number(id_)
    if split_of(number, 0.0, share) == "test":
        assert split_of(number, 0.0, share + more) == "test"
