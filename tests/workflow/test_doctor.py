"""`ulmkit doctor` names what is wrong with data, one line each, and leaves good data alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from at_prompt import run

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import describe_files, with_checksum
from ulmkit.artifacts.tokens import DOCUMENT, open_token_file, write_token_file
from ulmkit.language.registry import get
from ulmkit.workflow import environment
from ulmkit.workflow.doctor import diagnose

BOS, UNK, BYTE = 2, 1, 70
Documents = list[list[int]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpus, tokenizer and token files from the bundled samples."""
    root = tmp_path_factory.mktemp("data")
    shares = ("--valid-share", 0.15, "--test-share", 0.1)
    assert (
        run("corpus", "build", "fa", "--root", root, "--input", get("fa").samples, "--workers", 0, "-q", *shares) == 0
    )
    assert run("tokenizer", "train", "fa", "--root", root, "--vocab", 700, "-q") == 0
    assert run("tokenizer", "encode", "fa", "--corpus", "--root", root, "-q") == 0
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copytree(built, tmp_path / "data"))


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """What a manifest says, its files as they are by now: sealed as if a stage had left them so."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = describe_files(folder, [folder / name for name in manifest["files"]])
    change(manifest)
    path.write_text(json.dumps(with_checksum(manifest)))


def read_documents(root: Path, split: str) -> Documents:
    tokens = open_token_file(root / "fa/tokens", split)
    return [part.tolist() for part in np.split(np.asarray(tokens.ids), tokens.documents["end"])[:-1]]


def write_documents(root: Path, split: str, documents: Documents) -> None:
    folder = root / "fa/tokens"
    ids = np.array([i for doc in documents for i in doc], np.int64)
    records = np.zeros(len(documents), DOCUMENT)
    records["end"] = np.cumsum([len(doc) for doc in documents])
    entry = write_token_file(folder, split, [(ids, records)] if documents else [], vocabulary=700)
    change_manifest(folder, lambda manifest: manifest["splits"].update({split: entry}))


def changed(split: str, change: Callable[[Documents], Documents]) -> Callable[[Path], None]:
    return lambda root: write_documents(root, split, change(read_documents(root, split)))


def replaced(share: float, token: int) -> Callable[[Documents], Documents]:
    """`share` of each document's tokens become `token`."""

    def change(documents: Documents) -> Documents:
        return [[token if place % 100 < 100 * share and place else i for place, i in enumerate(d)] for d in documents]

    return change


def copied(source: str, target: str) -> Callable[[Path], None]:
    """One document of `source` also stands in `target`."""

    def spoil(root: Path) -> None:
        longest = max(read_documents(root, source), key=len)
        write_documents(root, target, [*read_documents(root, target), longest])

    return spoil


def field(stage: str, name: str, value: Any) -> Callable[[Path], None]:
    return lambda root: change_manifest(root / "fa" / stage, lambda manifest: manifest.update({name: value}))


def inputs_of_tokens(root: Path) -> None:
    change_manifest(root / "fa/tokens", lambda manifest: manifest["inputs"].update(corpus="0" * 12))


def truncated(root: Path) -> None:
    path = root / "fa/tokens/train.bin"
    path.write_bytes(path.read_bytes()[:-2])


def broken_model(root: Path) -> None:
    (root / "fa/tokenizer/spm.model").write_bytes(b"no model")


def no_manifest(root: Path) -> None:
    (root / "fa/corpus/manifest.json").write_text("{")


def two_ids(documents: Documents) -> Documents:
    return [[300 + i % 2 for i in doc] for doc in documents]


def joined(documents: Documents) -> Documents:
    return [[i for doc in documents[1:] for i in doc], documents[0][:20]]


def lines(documents: Documents) -> Documents:
    ids = [i for doc in documents for i in doc]
    return [ids[start : start + 5] for start in range(0, len(ids) - 5, 5)]


# what was done to the data, the question that notices, how bad it is, and words of the answer
OTHER = "c" * 12
SPOILED: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "empty train": (changed("train", lambda _: []), "splits", "error", "train is empty"),
    "empty valid": (changed("valid", lambda _: []), "splits", "error", "valid is empty"),
    "empty test": (changed("test", lambda _: []), "splits", "warning", "test is empty"),
    "tiny valid": (changed("valid", lambda d: [d[0][:99]]), "splits", "warning", "valid has 99 tokens"),
    "tiny train": (changed("train", lambda d: d[:2]), "splits", "warning", "for a vocabulary of 700"),
    "all unknown": (changed("train", replaced(0.9, UNK)), "unknown", "error", "of train is unknown"),
    "much unknown": (changed("test", replaced(0.2, UNK)), "unknown", "warning", "of test is unknown"),
    "another script": (changed("train", replaced(0.6, BYTE)), "unknown", "error", "of train is spelled in bytes"),
    "another tokenizer": (field("tokens", "tokenizer", "b" * 12), "tokenizer", "error", "encoded with tokenizer bbbb"),
    "another corpus": (inputs_of_tokens, "corpus", "error", "another state of the corpus"),
    "other corpus": (field("corpus", "normalization", OTHER), "normalization", "error", "normalization cccccc"),
    "other pieces": (field("tokenizer", "normalization", OTHER), "tokenizer", "error", "other pieces"),
    "valid in train": (copied("valid", "train"), "leaks", "error", "1 of"),
    "test in train": (copied("test", "train"), "leaks", "error", "of test also stand in train"),
    "test in valid": (copied("test", "valid"), "leaks", "error", "of test also stand in valid"),
    "train twice": (changed("train", lambda d: 2 * d), "leaks", "warning", "50% of train's documents"),
    "two ids": (changed("train", two_ids), "vocabulary", "error", "train holds 2 different ids"),
    "one id": (changed("train", replaced(0.8, 400)), "vocabulary", "error", "id 400 is"),
    "ids beyond": (changed("train", replaced(0.01, 700)), "ids", "error", "id 700 in a vocabulary of 700"),
    "one document": (changed("train", joined), "documents", "warning", "one document is"),
    "lines": (changed("train", lines), "documents", "warning", "fewer than 6 tokens"),
    "truncated tokens": (truncated, "tokens", "error", "the manifest says"),
    "a broken tokenizer": (broken_model, "tokenizer", "error", "not the file its manifest describes"),
    "a broken corpus": (no_manifest, "corpus", "error", "damaged"),
}  # fmt: skip


def test_what_a_build_leaves_has_no_error(built: Path) -> None:
    findings = diagnose(Layout(built, "fa"), get("fa"))
    assert [finding for finding in findings if finding.level == "error"] == []
    assert {finding.check for finding in findings if finding.level == "ok"} >= {"leaks", "normalization", "ids"}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_data_is_named_with_what_to_do(name: str, root: Path) -> None:
    spoil, check, level, words = SPOILED[name]
    before = {finding.found for finding in diagnose(Layout(root, "fa"), get("fa"))}
    spoil(root)
    found = [f for f in diagnose(Layout(root, "fa"), get("fa")) if (f.check, f.level) == (check, level)]
    named = [finding for finding in found if words in finding.found]
    assert named, found
    assert all(finding.advice and "\n" not in finding.found + finding.advice for finding in named)
    assert named[0].found not in before


def test_a_vocabulary_that_train_does_not_use_is_a_warning(root: Path) -> None:
    write_documents(root, "train", [[300 + (i + n) % 90 for i in range(600)] for n in range(20)])
    levels = {f.level for f in diagnose(Layout(root, "fa"), get("fa")) if f.check == "vocabulary"}
    assert levels == {"warning"}


def test_nothing_built_is_a_note_that_names_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "fa", "--root", tmp_path) == 0
    out = capsys.readouterr().out
    assert "not built yet → ulmkit corpus build fa" in out


def test_at_the_prompt_an_error_is_exit_code_1_and_json_has_every_finding(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("doctor", "fa", "--root", root) == 0
    capsys.readouterr()
    copied("test", "train")(root)
    assert run("doctor", "fa", "--root", root) == 1
    assert "error   leaks: " in capsys.readouterr().out
    assert run("doctor", "fa", "--root", root, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["errors"] == 1
    assert {"packages", "device", "disk", "leaks", "splits"} <= {finding["check"] for finding in said["findings"]}


@pytest.mark.parametrize(("free", "level"), [(1 << 20, "error"), (2 << 30, "warning"), (1 << 40, "ok")])
def test_a_full_disk_is_noticed(free: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    monkeypatch.setattr(environment, "torch_findings", list)
    found = [finding for finding in environment.environment(tmp_path / "new") if finding.check == "disk"]
    assert [finding.level for finding in found] == [level]
