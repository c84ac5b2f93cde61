"""The card says what is there, in Markdown that no file name can break."""

from pathlib import Path

import pytest

from ulmkit.corpus.card import write_card
from ulmkit.language.registry import get

SPLIT = {"documents": 1200, "words": 300_000, "characters": 1_700_000}


@pytest.mark.parametrize(("licences", "said"), [(["CC0-1.0"], "cc0-1.0"), (["CC0-1.0", "unknown"], "other")])
def test_the_card_holds_splits_sources_reasons_and_licences(tmp_path: Path, licences: list[str], said: str) -> None:
    manifest = {
        "counts": {
            "sources": {"a|b": {"read": 2000, "kept": 1200, "duplicate": 3}},
            "dropped": {"too short": 7, "long words": 790},
        },
        "splits": {"train": SPLIT},
        "inputs": [{"licence": licence} for licence in licences],
        "signature": "corpus|language:fa",
    }
    write_card(tmp_path / "README.md", get("fa"), manifest)
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert lines[1:3] == ["language: fa", f"license: {said}"]
    assert "| train | 1,200 | 300,000 | 1,700,000 |" in lines
    assert "| a\\|b | 2,000 | 1,200 | 3 |" in lines
    assert lines.index("| long words | 790 |") < lines.index("| too short | 7 |")
    assert "`corpus|language:fa`" in lines


def test_no_licence_and_no_name_breaks_out_of_its_place(tmp_path: Path) -> None:
    evil = "x\nevil: yes\n---\n# h | <img src=x> \x1b[31m \u202e"
    manifest = {
        "counts": {"sources": {evil: {"read": 1}}, "dropped": {evil: 1}},
        "splits": {"train": SPLIT},
        "inputs": [{"licence": evil}],
        "signature": f"corpus|`{evil}`",
    }
    write_card(tmp_path / "README.md", get("fa"), manifest)
    text = (tmp_path / "README.md").read_text()
    assert all(c.isprintable() or c == "\n" for c in text)
    front, body = text.removeprefix("---\n").split("\n---\n")
    assert [line.split(":")[0] for line in front.splitlines() if line[0].isalpha()] == [
        "language",
        "license",
        "configs",
    ]
    assert [line for line in body.splitlines() if line.startswith("#")] == ["# Persian corpus"]
    assert "\\<img" in body
    assert all(line.count("|") - line.count("\\|") in (4, 5, 3) for line in body.splitlines() if line.startswith("|"))
