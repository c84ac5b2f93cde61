"""A stage leaves its whole result or what stood there, and says what is not as it was."""

import contextlib
import json
from pathlib import Path

import pytest

from ulmkit.artifacts.atomic import lock, write_json
from ulmkit.artifacts.manifest import Manifest, write_manifest
from ulmkit.artifacts.stage import Stage, differences, stage
from ulmkit.errors import ArtifactError, BusyError


def written(work: Stage, text: str) -> Manifest:
    (work.new / "deep").mkdir()
    (work.new / "deep" / "a.txt").write_text(text)
    return work.finish({"fingerprint": text})


@pytest.fixture(params=[False, True], ids=["in place", "exchanged whole"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The folder whose lock is taken, where it is another."""
    return tmp_path / "work" if request.param else None


def test_the_new_result_takes_the_place_of_the_old(tmp_path: Path, held: Path | None):
    folder = tmp_path / "out"
    for text in ("one", "two"):
        with stage(folder, "corpus", doing="a build", held=held) as work:
            before = work.standing()
            assert (before.fingerprint if before else "one") == "one"
            assert written(work, text).problems() == []
        assert (folder / "deep" / "a.txt").read_text() == text
        assert list(Manifest.read(folder, "corpus").files) == ["deep/a.txt"]
    assert not list(tmp_path.rglob("*.part"))


def test_an_error_leaves_what_stood_there_and_nothing_beside_it(tmp_path: Path, held: Path | None):
    folder = tmp_path / "out"
    with stage(folder, "corpus", doing="a build", held=held) as work:
        written(work, "one")

    def stopped() -> None:
        with stage(folder, "corpus", doing="a build", held=held) as work:
            (work.new / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert Manifest.read(folder, "corpus").problems() == []
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_kill_left_is_removed_by_the_next_run(tmp_path: Path, held: Path | None):
    folder = tmp_path / "out"
    left = [tmp_path / ".out.77.part"] if held else [folder / ".new.77.part"]
    left.append((held or folder) / ".a.json.77.part")
    for path in left:
        path.mkdir(parents=True)
    with stage(folder, "corpus", doing="a build", held=held):
        assert not any(path.exists() for path in left)


def test_what_others_put_into_the_folder_stays(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with stage(tmp_path, "tokens", doing="encoding") as work:
        written(work, "one")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_damaged_result_does_not_stand(tmp_path: Path):
    with stage(tmp_path, "tokens", doing="encoding") as work:
        written(work, "one")
    (tmp_path / "deep" / "a.txt").write_text("two")
    with stage(tmp_path, "tokens", doing="encoding") as work:
        assert work.standing() is None


def test_two_at_once_refuse_each_other(tmp_path: Path):
    with lock(tmp_path, "encoding"), pytest.raises(BusyError), stage(tmp_path, "tokens", doing="encoding"):
        raise AssertionError


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "'files' is missing"),
        ({"files": []}, "'files' is a list"),
        ({"files": {"a": None}}, "'files' is damaged"),
        ({"files": {"a": {"bytes": 1}}}, "'files' is damaged"),
    ],
)
def test_a_malformed_manifest_is_one_line_and_does_not_stand(tmp_path: Path, content: dict, says: str):
    write_manifest(tmp_path, "tokens", content)
    manifest = Manifest.read(tmp_path, "tokens")
    for ask in (manifest.problems, lambda: manifest.files):
        with pytest.raises(ArtifactError, match=says) as caught:
            ask()
        assert "\n" not in str(caught.value)
    with stage(tmp_path, "tokens", doing="encoding") as work:
        assert work.standing() is None


ATTRIBUTES = ("fingerprint", "language", "normalization", "language_fingerprint", "kind", "ids", "inputs", "splits")


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_of_another_type_is_one_line_that_names_it(tmp_path: Path, name: str):
    write_manifest(tmp_path, "tokens", {"files": {}, name: 7})
    with pytest.raises(ArtifactError, match=f"manifest.json: '{name}' is a int. Run the stage again"):
        getattr(Manifest.read(tmp_path, "tokens"), name)


@pytest.mark.parametrize("content", [[], None, 3, {"stage": "tokens", "format": 0}, {"stage": "corpus", "format": 2}])
def test_another_json_is_no_manifest(tmp_path: Path, content: object):
    write_json(tmp_path / "manifest.json", content)
    with pytest.raises(ArtifactError, match="not a tokens manifest of format 2"):
        Manifest.read(tmp_path, "tokens")


def test_a_bit_of_a_manifest_that_is_another_is_found(tmp_path: Path):
    write_manifest(
        tmp_path, "tokens", {"files": {}, "fingerprint": "5c2", "share": 0.25, "title": "گزیده", "counts": {"b": 1}}
    )
    path = tmp_path / "manifest.json"
    whole = path.read_bytes()
    before = json.loads(whole)
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with contextlib.suppress(ArtifactError):
            assert Manifest.read(tmp_path, "tokens").content == before, f"bit {bit} changed what is believed"


def test_a_manifest_without_its_checksum_is_not_believed(tmp_path: Path):
    write_manifest(tmp_path, "tokens", {"files": {}})
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    write_json(path, {key: value for key, value in content.items() if key != "checksum"})
    with pytest.raises(ArtifactError, match=r"damaged \(its checksum does not fit\)"):
        Manifest.read(tmp_path, "tokens")


def test_differences_are_named():
    before = {"recipe": 1, "corpus": "aa", "settings": {"vocabulary": 900, "model": "bpe"}}
    now = {"recipe": 2, "corpus": "aa", "settings": {"vocabulary": 800, "model": "bpe"}, "new": 1}
    assert differences(before, now) == ["recipe changed", "vocabulary was 900, is 800", "new changed"]
    assert differences(now, now) == []
