"""A file that is written while it is read is found out, or read again."""

import os
from pathlib import Path

import pytest

from ulmkit.artifacts.steady import FileState, read_again_if_changed, state_of, unchanged


def test_the_state_of_a_file_changes_with_its_bytes_even_where_its_time_is_set_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = FileState.of(path)
    assert FileState.of(path) == before
    path.write_bytes(b"two")
    os.utime(path, ns=(0, before.modified))
    assert FileState.of(path) != before
    path.unlink()
    assert state_of(path) is None


def test_a_change_is_raised_after_the_block_and_in_the_place_of_its_error(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    with unchanged([one, two], lambda path: ValueError(path.name)):
        one.read_bytes()
    with pytest.raises(ValueError, match="two"), unchanged([one, two], lambda path: ValueError(path.name)):
        two.write_bytes(b"2")
    with pytest.raises(KeyError), unchanged([one, two], lambda path: ValueError(path.name)):
        raise KeyError

    def fails_on_what_has_gone() -> None:
        with unchanged([one, two], lambda path: ValueError(path.name)):
            one.unlink()
            raise KeyError

    with pytest.raises(ValueError, match="one") as caught:
        fails_on_what_has_gone()
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_was_exchanged_meanwhile_is_read_again_and_what_is_damaged_is_not(tmp_path: Path) -> None:
    marker = tmp_path / "state.json"
    marker.write_text("0")
    reads = 0

    def read_while_it_is_saved() -> str:
        nonlocal reads
        reads += 1
        if reads < 3:
            marker.write_text("0" * (reads + 1))
            raise ValueError("torn")
        return "whole"

    assert read_again_if_changed(marker, read_while_it_is_saved) == "whole"
    assert reads == 3

    def damaged() -> str:
        nonlocal reads
        reads += 1
        raise ValueError("damaged")

    reads = 0
    with pytest.raises(ValueError, match="damaged"):
        read_again_if_changed(marker, damaged)
    assert reads == 1

    def never_still() -> list[str]:
        nonlocal reads
        reads += 1
        marker.write_text("1" * (reads + 10))
        return ["changed"]

    reads = 0
    assert read_again_if_changed(marker, never_still, lambda found: not found) == ["changed"]
    assert reads == 3
