"""What a shell offers behind the cursor, and the lists of what there is."""

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from ulmkit.artifacts.layout import names_beside
from ulmkit.cli.common import fitted
from ulmkit.cli.main import cli, main
from ulmkit.lm.config import PRESETS, LMConfig


def offered(*words: str, so_far: str = "") -> list[str]:
    found = ShellComplete(cli, {}, "ulmkit", "_ULMKIT_COMPLETE").get_completions(list(words), so_far)
    return [item.value for item in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, lines in {
        "news": [{"step": 50, "tokens": 9_000, "loss": 5.0, "seconds": 60.0}, {"step": 50, "valid_loss": 4.5}],
        "new": [],
    }.items():
        folder = tmp_path / "fa" / "lm" / name
        folder.mkdir(parents=True)
        folder.joinpath("metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"st')
    (tmp_path / "fa" / "classify" / "taste").mkdir(parents=True)
    return tmp_path


def test_codes_commands_presets_and_settings_are_offered():
    assert {"fa", "et"} <= set(offered("lm", "pretrain"))
    assert offered("corpus", "build", so_far="e") == ["et"]
    assert set(offered("lm", "pretrain", "fa", "--preset")) == set(PRESETS)
    assert offered("lm", "pretrain", "fa", "--set", so_far="drop_") == ["drop_mult="]
    assert "runs" in offered("lm", so_far="r")


def test_runs_and_classifiers_of_the_language_are_offered(root: Path):
    assert offered("lm", "evaluate", "--root", str(root), "fa", "--run") == ["new", "news"]
    assert offered("lm", "pretrain", "--root", str(root), "fa", "--from", so_far="news") == ["news"]
    assert offered("classify", "evaluate", "--root", str(root), "fa", "--run") == ["taste"]
    assert offered("lm", "evaluate", "--root", str(root), "et", "--run") == []


def test_a_wrong_run_is_answered_with_those_that_there_are(root: Path):
    assert names_beside(root / "fa/lm/other") == " There is: new, news."
    assert names_beside(root / "xx/lm/other") == ""


def test_runs_are_listed_with_how_far_each_has_come(root: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["lm", "runs", "fa", "--root", str(root), "--json"])
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["name"], run["step"], run["valid_loss"], run["ended"]) for run in runs] == [
        ("new", 0, None, False),
        ("news", 50, 4.5, False),
    ]
    with pytest.raises(SystemExit):
        main(["lm", "runs", "et", "--root", str(root)])
    assert "no run yet" in capsys.readouterr().out


def test_every_setting_is_listed_with_what_it_is(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["lm", "settings", "small"])
    lines = capsys.readouterr().out.splitlines()
    settings = {line.split()[0]: line for line in lines[2:] if line}
    assert set(LMConfig.__dataclass_fields__) <= set(settings)
    assert settings["hidden_size"].split()[1] == "256"
    assert "variational" in settings["output_p"]


def test_a_table_gives_up_the_widest_words_first_and_numbers_never():
    assert fitted([40, 30, 9], 2, 60) == [23, 24, 9]
    assert fitted([40, 9, 9], 1, 10) == [8, 9, 9]
    assert fitted([4, 9], 1, 80) == [4, 9]
