"""Workers die, hang and raise; the rest of the work goes on, in order."""

import os
import signal
import time

import pytest

from ulmkit.corpus.engine import Broken, Pool
from ulmkit.errors import ArtifactError


def setup():
    def work(items):
        for item in items:
            if item == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if item == "hang":
                time.sleep(60)
            if item == "raise":
                raise ValueError("no such word")
            if item == "refuse":
                raise ArtifactError("disk: full.")
        return list(items)

    return work


def flat(results) -> list:
    return [item for parts in results for part in parts for item in (part if isinstance(part, list) else [part])]


def test_results_come_in_order_from_several_workers():
    chunks = [[f"{i}.{j}" for j in range(3)] for i in range(40)]
    with Pool(setup, workers=2) as pool:
        assert flat(pool.map(chunks)) == [item for chunk in chunks for item in chunk]


@pytest.mark.parametrize(("bad", "reason"), [("die", "crash"), ("raise", "error"), ("hang", "timeout")])
def test_only_the_guilty_item_is_set_aside(bad: str, reason: str):
    chunks = [["a", "b"], ["c", bad, "d"], ["e"]]
    with Pool(setup, workers=2, deadline_s=60 if bad != "hang" else 6) as pool:
        done = flat(pool.map(chunks))
    assert [item for item in done if isinstance(item, str)] == list("abcde")
    broken = [item for item in done if isinstance(item, Broken)]
    assert [(b.item, b.reason) for b in broken] == [(bad, reason)]
    assert done.index(broken[0]) == 3


def test_an_error_of_ours_ends_the_work():
    with Pool(setup, workers=1) as pool, pytest.raises(ArtifactError, match="full"):
        list(pool.map([["a"], ["refuse"]]))


def test_without_workers_everything_runs_here():
    with Pool(setup, workers=0) as pool:
        assert flat(pool.map([["a"], ["b"]])) == ["a", "b"]


def test_a_pool_serves_several_inputs_and_none():
    with Pool(setup, workers=1) as pool:
        assert flat(pool.map([["a"]])) == ["a"]
        assert flat(pool.map([])) == []
        assert flat(pool.map([["b"]])) == ["b"]
