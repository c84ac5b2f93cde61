"""Workers die, hang and raise; the rest of the work goes on, in order."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.work import pool as engine
from ulmkit.work.pool import Broken, Pool


def setup():
    def work(items):
        for item in items:
            if item == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if item == "hang":
                time.sleep(600)
            if item == "raise":
                raise ValueError("no such word")
            if item == "refuse":
                raise ArtifactError("disk: full.")
        return list(items)

    return work


def slow_setup():
    time.sleep(6)
    return setup()


def endless_setup():
    time.sleep(600)


def dying_setup(folder: Path, times: int):
    """The first so many workers are killed while they load."""
    folder.mkdir(exist_ok=True)
    for number in range(times):
        with contextlib.suppress(FileExistsError):
            (folder / str(number)).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return setup()


def failing_setup():
    raise KeyError("x")


def one_unit(work: Any, unit: str, tell: Any) -> str:
    return work([unit])[0]


def flat(results) -> list:
    return [item for parts in results for part in parts for item in (part if isinstance(part, list) else [part])]


def test_results_come_in_order_from_several_workers():
    chunks = [[f"{i}.{j}" for j in range(3)] for i in range(40)]
    with Pool(setup, workers=2) as pool:
        assert flat(pool.map(chunks)) == [item for chunk in chunks for item in chunk]


@pytest.mark.parametrize(
    ("bad", "reason"), [("die", "crash"), ("raise", "error"), pytest.param("hang", "timeout", marks=pytest.mark.slow)]
)
def test_only_the_guilty_item_is_set_aside(bad: str, reason: str):
    chunks = [["a", "b"], ["c", bad, "d"], ["e"]]
    with Pool(setup, workers=2, deadline_s=600 if bad != "hang" else 6) as pool:
        done = flat(pool.map(chunks))
    assert [item for item in done if isinstance(item, str)] == list("abcde")
    broken = [item for item in done if isinstance(item, Broken)]
    assert [(b.item, b.reason) for b in broken] == [(bad, reason)]
    assert done.index(broken[0]) == 3


def sleeping_setup():
    return lambda items: time.sleep(0.9)


def test_a_deadline_of_less_than_a_second_is_kept():
    with Pool(sleeping_setup, workers=1, deadline_s=0.1) as pool:
        (late,) = flat(pool.map([["a"]]))
    assert (late.item, late.reason) == ("a", "timeout")


@pytest.mark.slow
def test_a_start_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """A worker that takes long to load its language costs no document; one that never does is given up."""
    with Pool(slow_setup, workers=1, deadline_s=4.0) as pool:
        assert flat(pool.map([["a"], ["b"]])) == ["a", "b"]
    monkeypatch.setattr(engine, "START_SECONDS", 0.5)
    with Pool(endless_setup, workers=1) as pool, pytest.raises(UlmkitError, match=r"not started after 0.5 s.*3 times"):
        list(pool.map([["a"]]))


def test_a_worker_that_dies_before_it_has_begun_costs_no_document(tmp_path: Path):
    """Killed as by a machine without memory, twice: the third takes the very same chunk."""
    with Pool(partial(dying_setup, tmp_path, 2), workers=1) as pool:
        assert flat(pool.map([["a", "b"], ["c"]])) == ["a", "b", "c"]
    with Pool(partial(dying_setup, tmp_path / "unit", 2), workers=2) as pool:
        assert list(pool.map_units(one_unit, ["a", "b", "c"])) == ["a", "b", "c"]
    too_often = pytest.raises(UlmkitError, match=r"could not begin its work .* 3 times in a row. Use fewer --workers")
    with Pool(partial(dying_setup, tmp_path / "all", 99), workers=1) as pool, too_often:
        list(pool.map([["a"]]))


def test_a_setup_that_fails_ends_the_work_and_costs_no_document():
    with Pool(failing_setup, workers=1) as pool, pytest.raises(UlmkitError, match=r"could not begin .*KeyError: 'x'"):
        list(pool.map([["a"]]))


def test_an_answer_that_waits_is_taken_however_late(monkeypatch: pytest.MonkeyPatch):
    """All was stopped for longer than the deadline, worker and parent, and went on at once."""
    with Pool(setup, workers=1, deadline_s=60.0) as pool:
        assert flat(pool.map([["a"]])) == ["a"]
        waits = []

        def stopped_once(pipes: list[Connection], timeout: float) -> list[Any]:
            """Hears nothing the first time, by when an answer is there and an hour has passed."""
            waits.append(timeout)
            if len(waits) > 1:
                return wait(pipes, timeout)
            assert pipes[0].poll(60)
            hour = time.monotonic() + 3600
            monkeypatch.setattr("ulmkit.work.pool.time.monotonic", lambda: hour)
            return []

        monkeypatch.setattr(engine, "wait", stopped_once)
        assert flat(pool.map([["b"]])) == ["b"]
        assert len(waits) == 2


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


def test_a_script_without_a_guard_does_not_begin_again_in_its_workers(tmp_path: Path):
    """As a stranger writes it: no `if __name__ == "__main__"`."""
    script = tmp_path / "script.py"
    script.write_text(
        "import functools, operator\n"
        "from ulmkit.work.pool import Pool\n"
        "print('begun')\n"
        "with Pool(functools.partial(operator.itemgetter, slice(None)), workers=1) as pool:\n"
        "    print(list(pool.map([['a']])))\n"
        "print(__file__)\n"
    )
    said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert said == f"begun\n[[['a']]]\n{script}\n"


def unit(work, name, tell):
    for item in work(name.split()):
        tell(item)
        if item == "slow":
            time.sleep(2.5)
    return os.getpid(), name


def test_units_come_in_order_and_say_how_far_they_are():
    heard: list[str] = []
    names = [f"{i}.a {i}.b" for i in range(20)]
    with Pool(setup, workers=2) as pool:
        done = list(pool.map_units(unit, names, heard.append))
    assert [name for _, name in done] == names
    assert sorted(heard) == sorted(item for name in names for item in name.split())
    assert 1 <= len({process for process, _ in done} - {os.getpid()}) <= 2
    assert os.getpid() not in {process for process, _ in done}


def test_without_workers_units_are_done_here():
    heard: list[str] = []
    with Pool(setup, workers=0) as pool:
        assert list(pool.map_units(unit, ["a b"], heard.append)) == [(os.getpid(), "a b")]
    assert heard == ["a", "b"]


@pytest.mark.parametrize(
    ("bad", "reason"), [("die", "crash"), ("raise", "error"), pytest.param("hang", "timeout", marks=pytest.mark.slow)]
)
def test_a_unit_that_ends_its_worker_comes_back_and_the_others_go_on(bad: str, reason: str):
    names = ["a b", f"c {bad} d", "e f"]
    with Pool(setup, workers=2, deadline_s=600 if bad != "hang" else 6) as pool:
        first, broken, last = pool.map_units(unit, names)
        assert (first[1], last[1]) == ("a b", "e f")
        assert (broken.item, broken.reason) == (names[1], reason)
        assert flat(pool.map([["g"]])) == ["g"]


@pytest.mark.slow
def test_a_unit_has_time_as_long_as_it_goes_on():
    """Four steps of 2.5 seconds, each well within the deadline of a step."""
    with Pool(setup, workers=1, deadline_s=6.0) as pool:
        ((_, name),) = pool.map_units(unit, ["slow slow slow slow"])
    assert name == "slow slow slow slow"


def test_an_error_of_ours_in_a_unit_ends_the_work():
    with Pool(setup, workers=1) as pool, pytest.raises(ArtifactError, match="full"):
        list(pool.map_units(unit, ["a", "refuse"]))
