"""Of the documents that say the same one stays, and which one does not depend on where the others lie."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.gather import Captures, Duplicates
from ulmkit.language.sections import Dedup

# id, characters, match: few of each, so that they often agree; the ids are of one to four bytes in UTF-8
DOCUMENTS = st.lists(
    st.tuples(st.text("aZé\u200cی\ud7ff\ue000\U00010348", max_size=3), st.integers(1, 3), st.integers(0, 5)),
    min_size=1,
    max_size=24,
)


class Staged:
    """Units of documents as `Staging` gives them, without signatures, each of a source that is called as it is."""

    language = SimpleNamespace(dedup=Dedup())

    def __init__(self, units: dict[str, list[tuple[str, int, int]]]) -> None:
        self.units = units

    def columns(self, key: str, names: list[str]) -> pa.Table:
        ids, characters, match = zip(*self.units[key], strict=True) if self.units[key] else ((), (), ())
        table = {
            "id": pa.array(ids, pa.string()),
            "source": pa.array([key] * len(ids), pa.dictionary(pa.int32(), pa.string())),
            "characters": pa.array(characters, pa.int32()),
            "match": pa.array(match, pa.uint64()),
            "fetched_at": pa.array([1_000_000 * each for each in characters], pa.timestamp("us", tz="UTC")),
        }
        return pa.table({name: table[name] for name in names})

    def signatures(self, key: str) -> np.ndarray:
        return np.empty((len(self.units[key]), 0), np.uint32)


def duplicates(staged: Staged, crawled: list[bool]) -> Duplicates:
    captures = Captures(staged, list(staged.units), crawled)  # type: ignore[arg-type]
    return Duplicates(staged, list(staged.units), captures)  # type: ignore[arg-type]


@given(DOCUMENTS, st.integers(0, 24))
def test_of_several_captures_of_a_page_the_newest_stays_and_alone_is_compared(
    documents: list[tuple[str, int, int]], cut: int
):
    units = {"a": documents[:cut], "b": documents[cut:]}
    found = duplicates(Staged(units), [True, True])
    newest: dict[str, int] = {}
    for number, (id_, fetched, _) in enumerate(documents):
        if id_ not in newest or documents[newest[id_]][1] <= fetched:
            newest[id_] = number
    kept = sorted(newest.values())
    assert np.flatnonzero(found.captures.newest).tolist() == kept
    alone = duplicates(Staged({"a": [documents[number] for number in kept]}), [False])
    assert found.stays.tolist() == alone.stays.tolist()
    assert found.roots.tolist() == alone.roots.tolist()


@given(DOCUMENTS, st.integers(0, 24))
def test_the_longest_stays_and_the_smallest_id_names_the_cluster(documents: list[tuple[str, int, int]], cut: int):
    """Python orders strings by code points, Arrow by bytes: for ids that is one order."""
    units = {"a": documents[:cut], "b": documents[cut:]}
    found = duplicates(Staged(units), [False, False])
    sizes = Counter(match for _, _, match in documents)
    assert len(found) == len(documents)
    for number, (id_, _, match) in enumerate(documents):
        alike = [(n, other) for n, other in enumerate(documents) if other[2] == match]
        best = min(alike, key=lambda item: (-item[1][1], item[1][0], item[0]))
        assert found.size(number) == sizes[match]
        assert bool(found.stays[number]) == (best[0] == number)
        assert found.smallest_id(number, id_) == min(other[0] for _, other in alike)
        if len(alike) > 1:
            assert found.kept_id(number) == best[1][0]


@given(DOCUMENTS, st.integers(0, 24))
def test_the_overlap_counts_the_documents_of_a_source_that_say_what_one_of_another_says(
    documents: list[tuple[str, int, int]], cut: int
):
    units = {"a": documents[:cut], "b": documents[cut:]}
    found = duplicates(Staged(units), [False, False])
    wanted: dict[str, dict[str, int]] = {}
    for name, mine in units.items():
        for other, theirs in units.items():
            matches = Counter(match for _, _, match in theirs)
            same = sum(matches[match] > (name == other) for _, _, match in mine)
            if same:
                wanted.setdefault(name, {})[other] = same
    assert found.overlap() == wanted
    for number, (_, _, match) in enumerate(documents):
        names = {name for name, mine in units.items() if match in {each[2] for each in mine}}
        assert found.is_shared(number) == (len(names) > 1)
