"""`verify` looks at everything under a language's folder, and names each file that is not as it was written."""

import json
import shutil
from pathlib import Path

import pytest
from corpus_text import articles

from ulmkit.artifacts.atomic import lock
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import with_checksum, write_manifest
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.errors import ArtifactError, BusyError
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.registry import get
from ulmkit.workflow.corpus import Corpus
from ulmkit.workflow.verify import verify_stages


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("verify")
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in articles(12)]
    (folder / "news.jsonl").write_text("".join(lines), encoding="utf-8")
    layout = Layout(folder / "data", "fa")
    build_corpus(get("fa"), layout, named_inputs([str(folder / "news.jsonl")]), options=BuildOptions(workers=0))
    return layout


@pytest.fixture
def layout(built: Layout, tmp_path: Path) -> Layout:
    shutil.copytree(built.root, tmp_path / "data")
    return Layout(tmp_path / "data", "fa")


def problems(layout: Layout) -> list[str]:
    return [line for item in verify_stages(layout) for line in item.problems]


def notes(layout: Layout) -> dict[str, str]:
    return {item.folder.relative_to(layout.home).as_posix(): item.note for item in verify_stages(layout)}


def test_what_is_whole_and_what_is_not_there_is_said(layout: Layout) -> None:
    assert problems(layout) == []
    assert notes(layout) == {
        "work/corpus": "1 staged unit, whole", "corpus": "whole", "tokenizer": "not here", "tokens": "not here",
    }  # fmt: skip
    with pytest.raises(ArtifactError, match=r"nothing is built here yet. Start with `ulmkit corpus build xx`"):
        verify_stages(Layout(layout.root, "xx"))


def test_a_file_that_the_manifest_does_not_name_is_named(layout: Layout) -> None:
    shutil.copy(layout.corpus / "test/part-00000.parquet", layout.corpus / "train/part-00001.parquet")
    (line,) = problems(layout)
    assert line == (
        f"{layout.corpus}/train/part-00001.parquet: not named in manifest.json, and read by nothing. Remove it"
    )


def test_what_killed_writers_left_is_not_named(layout: Layout) -> None:
    (layout.corpus / ".new.7.part").mkdir()
    (layout.corpus / ".new.7.part/a.parquet").touch()
    (layout.corpus / "train/.part-00000.parquet.7.part").touch()
    (layout.corpus / ".lock").touch()
    assert problems(layout) == []


def test_a_folder_without_its_manifest_is_named(layout: Layout) -> None:
    (layout.corpus / "manifest.json").unlink()
    assert problems(layout) == [f"{layout.corpus}: no manifest.json. Run the stage again"]


def test_a_stage_that_is_being_put_in_its_place_is_busy_and_not_damaged(layout: Layout) -> None:
    """Its manifest goes first and comes last; the lock says that somebody is at it."""
    layout.tokens.mkdir()
    (layout.tokens / "train.bin").touch()
    with lock(layout.tokens, "encoding"), pytest.raises(BusyError, match=r"tokens: is being written \(pid \d+ on .*\)"):
        verify_stages(layout)
    assert problems(layout) == [f"{layout.tokens}: no manifest.json. Run the stage again"]


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"stage": "corpus", "format": 2}', "[" * 10**5])
def test_a_malformed_manifest_is_one_line_and_a_build_builds_again(content: str, layout: Layout, built: Layout) -> None:
    (layout.corpus / "manifest.json").write_text(content)
    (line,) = problems(layout)
    assert "\n" not in line
    assert line.startswith(f"{layout.corpus}/manifest.json: ")
    source = named_inputs([str(built.root.parent / "news.jsonl")])
    again = build_corpus(get("fa"), layout, source, options=BuildOptions(workers=0))
    assert "unchanged" not in again
    assert problems(layout) == []


def test_a_list_of_files_that_was_emptied_is_damage(layout: Layout) -> None:
    path = layout.corpus / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": {}}))
    assert problems(layout) == [f"{path}: damaged (its checksum does not fit). Run the stage again"]


def test_every_file_of_a_staged_unit_is_looked_at(layout: Layout) -> None:
    for path in sorted(layout.units.iterdir()):
        if path.name == ".lock":
            continue
        content = path.read_bytes()
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
        (line,) = problems(layout)
        assert line.startswith(f"{path}: ")
        path.write_bytes(content)


def test_downloads_are_compared_with_what_they_were_published_with(layout: Layout) -> None:
    folder = layout.raw / "wikipedia/xxwiki-20260101"
    folder.mkdir(parents=True)
    (folder / "dump.bz2").write_bytes(b"dump")
    sha1 = "3ad1a8ea90df3a4d2d3ec7a4ef9ebd7a0c7c6a3c"
    pins = {"files": {"dump.bz2": {"bytes": 4, "sha1": sha1}}}
    (folder / "pins.json").write_text(json.dumps(with_checksum(pins)))
    assert problems(layout) == [f"{folder}/dump.bz2: content changed"]
    (folder / "pins.json").write_text(json.dumps(with_checksum({"files": {"dump.bz2": {"bytes": 4}}})))
    (folder / "mine.txt").touch()
    assert problems(layout) == []
    assert notes(layout)["raw"] == "2 files, whole; 1 others were not looked at"
    (folder / "pins.json").write_text(json.dumps(pins))
    assert problems(layout) == [f"{folder}/pins.json: content changed. Fetch again"]
    (folder / "pins.json").write_text(json.dumps(with_checksum(pins)))
    (folder / "dump.bz2").write_bytes(b"dumps")
    assert problems(layout) == [f"{folder}/dump.bz2: 5 bytes, written with 4"]


def test_a_run_that_is_not_finished_is_looked_at_by_its_checkpoints(layout: Layout) -> None:
    run = layout.run("pretrained")
    (run / "last").mkdir(parents=True)
    assert problems(layout) == [f"{run}: neither manifest.json nor config.json. Train it again, or remove it"]
    (run / "config.json").write_text("{}")
    (run / "last/model.safetensors").write_bytes(b"weights")
    sha256 = "9a7b14d1c7a4a2b4b2a3fbd26e1a1e2d4f0b4f58b5a0c3a0f2b1d5b9f8e7a6c5"
    state = with_checksum({"files": {"model.safetensors": sha256}})
    (run / "last/state.json").write_text(json.dumps(state))
    assert problems(layout) == [f"{run}/last/model.safetensors: content changed"]
    (run / "last/state.json").write_text(json.dumps(state | {"files": {}}))
    assert problems(layout) == [f"{run}/last/state.json: content changed"]
    (run / "last/state.json").write_text(json.dumps(with_checksum({"files": {}})))
    assert problems(layout) == []
    assert notes(layout)["lm/pretrained"] == "unfinished, its checkpoints are whole"


def test_exports_are_looked_at(layout: Layout) -> None:
    export = layout.exported("pretrained", "fastai")
    export.mkdir(parents=True)
    (export / "model.pth").write_bytes(b"weights")
    assert problems(layout) == [f"{export}: no manifest.json. Run the stage again"]
    write_manifest(export, "export", {"files": {"model.pth": {"bytes": 3, "sha256": "00"}}})
    assert problems(layout) == [f"{export}/model.pth: 7 bytes, written with 3"]


@pytest.mark.parametrize("content", [{}, {"files": None}, {"files": {"a": 1}}, {"files": {"../../x": {"bytes": 1}}}])
def test_seals_that_fit_but_say_nothing_are_damage(content: dict[str, object], layout: Layout) -> None:
    """A checksum says that nobody changed a file by chance; what it holds may still be of another version."""
    seal = next(layout.units.glob("*.json"))
    seal.write_text(json.dumps(with_checksum(content)))
    folder = layout.raw / "wiki"
    folder.mkdir(parents=True)
    (folder / "pins.json").write_text(json.dumps(with_checksum(content)))
    last = layout.run("pretrained") / "last"
    last.mkdir(parents=True)
    (last.parent / "config.json").write_text("{}")
    (last / "state.json").write_text(json.dumps(with_checksum(content)))
    found = problems(layout)
    assert {line.split("/fa/")[1].split("/")[0] for line in found} == {"raw", "work", "lm"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("counts", None), ("counts", {}), ("splits", []), ("signature", 1), ("splits", {"train": {"documents": "x"}})],
)
def test_a_sealed_manifest_without_its_fields_is_one_line_and_a_build_builds_again(
    field: str, value: object, layout: Layout, built: Layout
) -> None:
    path = layout.corpus / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(with_checksum(content | {field: value})))
    with pytest.raises(ArtifactError, match=f"'{field}.*' is missing or damaged. Run the stage again"):
        Corpus.load(layout.corpus)
    source = named_inputs([str(built.root.parent / "news.jsonl")])
    again = build_corpus(get("fa"), layout, source, options=BuildOptions(workers=0))
    assert again[field] == content[field]


@pytest.mark.parametrize("content", [b"\xff", b"[]\n", b'{"reason": 1}\n', b"[" * 10**5])
def test_samples_that_are_damaged_are_one_line(content: bytes, layout: Layout) -> None:
    corpus = Corpus.load(layout.corpus)
    samples = layout.corpus / "dropped/samples.jsonl"
    samples.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"samples.jsonl: damaged. Build the corpus again"):
        corpus.dropped_samples()
    samples.unlink()
    with pytest.raises(ArtifactError, match=r"samples.jsonl: cannot be read"):
        corpus.dropped_samples()
