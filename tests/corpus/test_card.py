"""The card says what is there, in Markdown that no file name can break."""

from pathlib import Path

import pytest

from ulmkit.corpus.card import escape, write_card
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


def test_a_name_stays_in_its_cell() -> None:
    assert escape("a|b\n# `c`") == "a\\|b \\# \\`c\\`"
