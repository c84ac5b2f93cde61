"""A benchmark of words goes from text files to a model through the command, and its label need be no language."""

import io
import json
import random
from pathlib import Path

import pytest
from at_prompt import run


def text(lines: int, seed: int) -> str:
    """Lines in which one word calls for the next."""
    draw = random.Random(seed)
    words = [f"w{n}" for n in range(30)] + ["<unk>"]
    found = []
    for _ in range(lines):
        at = draw.randrange(31)
        found.append(" ".join(words[(at + step) % 31] for step in range(draw.randrange(12))))
    return "\n".join(found) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    files: list[object] = []
    for seed, (split, lines) in enumerate((("train", 300), ("valid", 40), ("test", 30))):
        path = root / f"{split}.txt"
        path.write_text(text(lines, seed))
        files += [f"--{split}", path]
    assert run("tokenizer", "words", "bench-1", *files, "--root", root, "-q") == 0
    sizes = [word for pair in ("embedding_size=16", "hidden_size=24", "layers=2") for word in ("--set", pair)]
    train = ("--preset", "wikitext-2", "--epochs", 2, "--batch-size", 4, "--device", "cpu", *sizes)
    assert run("lm", "pretrain", "bench-1", *train, "--root", root, "-q") == 0
    return root


@pytest.mark.parametrize("rows", [1, 5])
def test_every_word_and_every_line_end_is_evaluated(home: Path, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--split", "test", "--batch-size", rows, "--json")
    assert run("lm", "evaluate", "bench-1", "--root", home, *asked) == 0
    content = (home / "test.txt").read_text()
    for figures in json.loads(capsys.readouterr().out)["models"].values():
        assert figures["tokens"] == len(content.split()) + content.count("\n")
        assert figures["characters"] == len(content)


def test_it_writes_words(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lm", "generate", "bench-1", "--root", home, "--prompt", "w1  w2", "--length", 8, "--json") == 0
    (line,) = json.loads(capsys.readouterr().out)["texts"]
    assert line.startswith("w1 w2")
    assert set(line.split()) <= {f"w{n}" for n in range(30)}


def test_words_go_out_and_come_back(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("w3 w4 never\n"))
    assert run("tokenizer", "encode", "bench-1", "--root", home) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(capsys.readouterr().out))
    assert run("tokenizer", "decode", "bench-1", "--root", home) == 0
    assert capsys.readouterr().out == "w3 w4 <unk>\n"


def test_its_files_are_verified_and_its_model_exported(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "bench-1", "--root", home) == 0
    assert capsys.readouterr().out.count("whole") == 3
    assert run("lm", "export", "bench-1", "--root", home, "-q") == 0
    readme = (home / "bench-1" / "export" / "pretrained-safetensors" / "README.md").read_text()
    assert 'Words.load(folder / "tokenizer")' in readme
    capsys.readouterr()
    assert run("lm", "export", "bench-1", "--root", home, "--format", "fastai") == 1
    assert "has no <pad>" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["../up", "a/b", "", "-x "])
def test_a_label_that_is_no_name_of_a_folder_is_refused(
    home: Path, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [word for split in ("train", "valid", "test") for word in (f"--{split}", home / f"{split}.txt")]
    assert run("tokenizer", "words", *files, "--root", home, "--", label) == 2
    assert "expected letters, digits" in capsys.readouterr().err
