"""What the documents say is still so."""

import importlib.util
import re
from pathlib import Path

from click.testing import CliRunner

from ulmkit.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
PLANNED = {"ulmkit/classify", "ulmkit/learner"}  # docs/architecture.md says that it is not built


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
        known = words[:2] if words[0] in ("corpus", "tokenizer", "lm", "language") else words[:1]
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
