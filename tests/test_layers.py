"""Imports point downwards, and each heavy package has one home."""

import ast
from pathlib import Path

import pytest

import ulmkit

PACKAGE = Path(ulmkit.__file__).parent

FLOORS = (
    ("document", "errors", "progress"),
    ("text",),
    ("language", "artifacts", "work"),
    ("formats", "report"),
    ("acquire", "corpus", "tokenizer", "lm"),
    ("learner", "classify", "publish", "authoring"),
    ("workflow",),
    ("cli",),
    ("__main__",),
)
LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# the rooms that may import it
HOMES = {
    "torch": {"lm", "learner", "classify", "publish"},
    "triton": {"lm"},
    "fastai": {"lm", "learner", "publish"},
    "fastcore": {"lm", "learner", "publish"},
    "safetensors": {"lm", "learner", "classify", "publish"},
    "sentencepiece": {"text", "tokenizer"},
    "pyarrow": {"artifacts", "formats", "corpus"},
    "lxml": {"formats", "corpus"},
    "trafilatura": {"corpus"},
    "urllib3": {"acquire"},
    "click": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    inner = path.relative_to(PACKAGE)
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def imports(path: Path) -> list[tuple[str, bool]]:
    """Names imported, each with whether it stands at the top of the module (and so runs on import)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append((node.module or "", id(node) in top))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_from_its_own_room_and_from_below(path: Path):
    own = room(path)
    if own == "__init__":
        return
    for name, _ in imports(path):
        if not name.startswith("ulmkit."):
            continue
        other = name.split(".")[1]
        assert other in LAYERS, f"{path}: no room '{other}' in the plan"
        assert other == own or LAYERS[other] < LAYERS[own], f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_heavy_import_stays_at_home(path: Path):
    for name, _ in imports(path):
        package = name.split(".")[0]
        if package in HOMES:
            assert room(path) in HOMES[package], f"{path} imports {package}"


def test_the_command_line_loads_nothing_heavy_at_its_top():
    for path in (PACKAGE / "cli").glob("*.py"):
        top = {name for name, at_top in imports(path) if at_top}
        heavy = {name for name in top if name.split(".")[0] in HOMES and not name.startswith("click")}
        rooms = {name for name in top if name.startswith("ulmkit.") and 3 <= LAYERS[name.split(".")[1]] < LAYERS["cli"]}
        assert not heavy | rooms, f"{path}: {heavy | rooms}"


def test_languages_know_nothing_of_the_program():
    from ulmkit.language.registry import bundled

    for path in bundled().rglob("*.py"):
        assert not [name for name, _ in imports(path) if name.split(".")[0] == "ulmkit"], path


def test_shared_code_names_no_language():
    """Neither its code in a string, nor its name anywhere, comments included."""
    from ulmkit.language.registry import bundled, known

    names = [entry.language.identity.name for entry in known() if entry.language]
    codes = {path.name for path in bundled().iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert {"et", "fa"} <= codes
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert not [name for name in names if name in text], path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in codes, f"{path}:{node.lineno} names a language"
