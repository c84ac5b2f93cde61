"""Files are whole or absent, and one writer holds a folder."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ulmkit.artifacts.atomic import (
    atomic_write,
    lock,
    read_json,
    recover_folder,
    remove_leftovers,
    replace_folder,
    write_json,
)
from ulmkit.artifacts.manifest import Manifest, describe_files, fingerprint, verify_folder, write_manifest
from ulmkit.errors import ArtifactError, BusyError


def test_a_file_appears_only_when_whole(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text("old")

    def killed() -> None:
        with atomic_write(path, "w") as file:
            file.write("new")
            file.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("number", "says"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "cannot write here")])
def test_a_full_or_readonly_disk_is_one_line(tmp_path: Path, number: int, says: str):
    path = tmp_path / "deep" / "a"

    def refused() -> None:
        with atomic_write(path) as file:
            file.write(b"x")
            raise OSError(number, os.strerror(number))

    with pytest.raises(ArtifactError, match=says) as caught:
        refused()
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert list(path.parent.iterdir()) == []


def test_a_killed_exchange_of_folders_is_finished_or_undone(tmp_path: Path):
    final = tmp_path / "corpus"
    for content in ("one", "two"):
        new = tmp_path / ".corpus.part"
        new.mkdir()
        (new / "x").write_text(content)
        replace_folder(new, final)
    assert (final / "x").read_text() == "two"
    # killed after the first rename: the old one comes back
    final.replace(tmp_path / ".corpus.old")
    recover_folder(final)
    assert (final / "x").read_text() == "two"
    # killed after the second: the rest of the old one goes
    (tmp_path / ".corpus.old").mkdir()
    recover_folder(final)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus"]


def test_leftovers_of_killed_writers_go(tmp_path: Path):
    (tmp_path / ".a.json.123.part").write_text("half")
    (tmp_path / "b").write_text("whole")
    (tmp_path / ".c.part").mkdir()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_the_second_writer_is_told_who_holds_the_folder(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from ulmkit.artifacts.atomic import lock\n"
        "with lock(Path(sys.argv[1]), 'a build'): pass"
    )
    with lock(tmp_path, "a build"):
        with pytest.raises(BusyError, match=f"pid {os.getpid()} on "), lock(tmp_path, "a build"):
            pass
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
        assert f"pid {os.getpid()}" in other.stderr
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_damaged_json_names_the_file(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "ی"})
    assert read_json(path) == {"a": "ی", "b": 1}
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtifactError, match=r"a\.json: damaged"):
        read_json(path)


def test_equal_content_has_an_equal_fingerprint():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint(json.loads('{"b": [2], "a": 1}'))
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_every_changed_byte_is_found(tmp_path: Path):
    files = {"a": b"hello", "sub/b": bytes(range(256))}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write_manifest(tmp_path, "corpus", {"files": describe_files(tmp_path, [tmp_path / name for name in files])})
    assert verify_folder(tmp_path, "corpus") == []
    for name, content in files.items():
        for position in range(len(content)):
            changed = bytearray(content)
            changed[position] ^= 1
            (tmp_path / name).write_bytes(changed)
            assert verify_folder(tmp_path, "corpus") == [f"{tmp_path / name}: content changed"]
        (tmp_path / name).unlink()
        assert verify_folder(tmp_path, "corpus") == [f"{tmp_path / name}: missing"]
        (tmp_path / name).write_bytes(content)


def test_a_manifest_of_another_stage_is_refused(tmp_path: Path):
    write_manifest(tmp_path, "tokens", {"files": {}})
    with pytest.raises(ArtifactError, match="not a corpus manifest"):
        Manifest.read(tmp_path, "corpus")


def test_json_that_spells_half_a_character_is_damaged(tmp_path: Path) -> None:
    """It could not be written again; a whole pair is a character."""
    (tmp_path / "a.json").write_text('{"run": "\\ud800"}')
    (tmp_path / "b.json").write_text('{"run": "\\ud83d\\ude00"}')
    with pytest.raises(ArtifactError, match="damaged"):
        read_json(tmp_path / "a.json")
    assert read_json(tmp_path / "b.json") == {"run": "😀"}
