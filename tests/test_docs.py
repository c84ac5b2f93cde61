"""What the documents say is still so."""

import importlib.util
import re
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import ulmkit
from ulmkit.cli.main import cli
from ulmkit.lm.config import PRESETS, replace_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
PLANNED: set[str] = set()  # what docs/architecture.md says is not built


def maker(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_line_page_is_fresh():
    module = maker("make_cli")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_page_on_normalization_is_fresh():
    module = maker("make_normalization")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_page_on_filters_is_fresh():
    module = maker("make_filters")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_page_on_sources_is_fresh():
    module = maker("make_sources")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_light_set_of_packages_is_fresh():
    module = maker("make_requirements")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_page_on_settings_is_fresh():
    made = maker("make_settings")
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run `make docs`"


def test_every_command_in_the_documents_exists():
    """Each `ulmkit …` line of the README and docs is understood up to its first argument."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = {
        line
        for page in pages
        for line in re.findall(r"^ulmkit ([a-z].*?)(?:\s{2,}.*|\s*#.*)?$", page.read_text(), re.M)
    }
    assert lines
    for line in lines:
        words = re.split(r"\s", line)
        known = words[:2] if isinstance(cli.get_command(click.Context(cli), words[0]), click.Group) else words[:1]
        assert CliRunner().invoke(cli, [*known, "--help"]).exit_code == 0, line
        options = CliRunner().invoke(cli, [*known, "--help"]).output
        for option in re.findall(r"(?<!\S)--[a-z-]+", line):
            assert option in options, f"{option} in: {line}"


def test_links_between_documents_lead_somewhere():
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_that_the_documents_name_are_there():
    for page in PAGES:
        for name in re.findall(r"(?<![\w./-])((?:ulmkit|docs|benchmarks|tests)/[\w./-]*\w)", page.read_text()):
            assert (ROOT / name).exists() or name in PLANNED, f"{page.name}: {name}"


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


PYTHON_PAGES = [page for page in PAGES if python_blocks(page)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every page may count on: corpus, tokenizer and token files of the bundled samples."""
    root = tmp_path_factory.mktemp("documents") / "data"
    language = ulmkit.load("fa")
    corpus = ulmkit.build(language, language.samples, root=root, valid_share=0.1, test_share=0.1, workers=0)
    ulmkit.train_tokenizer(language, corpus, vocabulary=2_000)
    assert CliRunner().invoke(cli, ["tokenizer", "encode", "fa", "--corpus", "--root", str(root)]).exit_code == 0
    return root


def test_there_is_python_in_the_readme_and_in_the_reference():
    assert {"README.md", "python.md"} <= {page.name for page in PYTHON_PAGES}


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_its_top(
    page: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As it is written, block after block, in a folder that holds `data` and nothing else; presets with few cells."""
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for name, config in PRESETS.items():
        monkeypatch.setitem(PRESETS, name, replace_config(config, {"embedding_size": 16, "hidden_size": 24}))
    names: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(python_blocks(page), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_every_decision_has_a_day_and_stands_in_the_index():
    text = (ROOT / "docs" / "decisions.md").read_text()
    index, _, entries = text.partition("\n## Layout\n")
    titles = re.findall(r"^### (.+)$", entries, re.M)
    assert titles == re.findall(r"^- \[(.+)\]\(#", index, re.M)
    assert len(re.findall(r"^### .+\n\n\*\d{4}-\d\d-\d\d\.\* ", entries, re.M)) == len(titles) > 50
    assert not re.search(r"^\*\*", entries, re.M), "an entry is a heading and a day: see the others"
