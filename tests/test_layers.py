"""The house: imports point downwards and in no circle, files and functions are short, a name means one thing."""

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ulmkit

PACKAGE = Path(ulmkit.__file__).parent
REPOSITORY = PACKAGE.parent

FLOORS = (
    ("errors",),
    ("names",),
    ("notebook",),
    ("arguments", "document", "files", "progress"),
    ("text",),
    ("language", "artifacts", "work"),
    ("formats", "report"),
    ("acquire", "corpus", "tokenizer", "lm"),
    ("learner", "classifier", "publish", "authoring"),
    ("workflow",),
    ("cli",),
    ("__main__",),
)
LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# the rooms that may import it
HOMES = {
    "torch": {"lm", "learner", "classifier", "publish"},
    "triton": {"lm"},
    "fastai": {"learner", "publish"},
    "fastcore": {"learner", "publish"},
    "sklearn": {"classifier"},
    "scipy": {"classifier"},
    "safetensors": {"lm", "learner", "classifier", "publish"},
    "sentencepiece": {"text", "tokenizer"},
    "pyarrow": {"artifacts", "formats", "corpus"},
    "aiohttp": {"acquire"},
    "protego": {"acquire"},
    "feedparser": {"formats"},
    "click": {"cli"},
    "rich": {"cli"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
}

FILE_LINES = 500
FUNCTION_LINES = 60

# files over the limit: why
LONG_FILES: dict[str, str] = {}

# functions over the limit: why
LONG_FUNCTIONS = {
    "pretrain": "a command: a parameter for each option",
    "train": "a command: a parameter for each option",
    "forward": "loss and gradient in one pass over a few rows at a time: what one needs of the other is at hand",
    "forward_step": "a Triton kernel: what it keeps in registers cannot be handed to another",
}

# public names that mean something in two files: why
SAME_NAME = {
    "Tokenizer": "the front door's: the room's, with its folder and language at hand",
    "train_tokenizer": "the front door's: the room's, with a corpus in the place of folders",
    "pretrain": "the front door's: the room's, with a corpus and a tokenizer in the place of files",
    "fetch": "the one way into a kind of source; each kind has its module",
    "RECIPE": "raised by hand where a module's results change; each is its module's own",
}

# modules that meet in a circle of which an arrow is an import inside a function: why
LATE_CIRCLES: dict[frozenset[str], str] = {}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room(path: Path) -> str:
    inner = path.relative_to(PACKAGE)
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def imports(path: Path) -> list[tuple[str, bool]]:
    """Names imported, each with whether it stands at the top of the module (and so runs on import)."""
    tree = parsed(path)
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


def dotted(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(late: bool) -> dict[str, set[str]]:
    """Which module imports which; with `late` also inside of functions, which happens when they are called.

    The front door is left out: it stands above all rooms, opens them when it is touched, and lends them a version.
    """
    names = {dotted(path) for path in modules()} - {"ulmkit"}
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in modules():
        for node in ast.walk(parsed(path)) if late else parsed(path).body:
            if isinstance(node, ast.Import):
                wanted = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & names
                wanted = inner or {node.module or ""}
            else:
                continue
            if (own := dotted(path)) in names:
                found[own] |= wanted & names
    return found


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Circles of `graph`, one for each knot: its arrows are taken out until none is left."""
    graph = {name: set(targets) for name, targets in graph.items()}
    found = set()
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]  # each name is imported by the next
            found.add(frozenset(circle))
            graph[circle[1]].discard(circle[0])
        else:
            return found


def test_a_circle_is_found():
    """The search that the next two tests trust."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_module_waits_for_itself():
    assert not circles(arrows(late=False))


def test_imports_inside_of_functions_make_no_circle_but_those_listed():
    assert circles(arrows(late=True)) <= LATE_CIRCLES.keys()


def test_only_the_program_itself_opens_the_command_line():
    for path in modules():
        if room(path) not in ("cli", "__main__"):
            assert not [name for name, _ in imports(path) if name.startswith("ulmkit.cli")], path


def test_the_command_line_loads_nothing_heavy_at_its_top():
    for path in (PACKAGE / "cli").glob("*.py"):
        top = {name for name, at_top in imports(path) if at_top}
        heavy = {name for name in top if name.split(".")[0] in HOMES and not name.startswith("click")}
        rooms = {
            name
            for name in top
            if name.startswith("ulmkit.") and LAYERS["formats"] <= LAYERS[name.split(".")[1]] < LAYERS["cli"]
        }
        assert not heavy | rooms, f"{path}: {heavy | rooms}"


def test_languages_know_nothing_of_the_program():
    from ulmkit.language.places import bundled

    for path in bundled().rglob("*.py"):
        assert not [name for name, _ in imports(path) if name.split(".")[0] == "ulmkit"], path


def test_shared_code_names_no_language():
    """Neither its code in a string, nor its name anywhere, comments included."""
    from ulmkit.language.places import bundled

    settings = [tomllib.loads(path.read_text(encoding="utf-8")) for path in bundled().glob("[a-z]*/language.toml")]
    names = [each["language"]["name"] for each in settings]
    codes = {each["language"]["code"] for each in settings}
    assert {"et", "fa"} <= codes
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert not [name for name in names if name in text], path
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in codes, f"{path}:{node.lineno} names a language"


def test_files_are_short():
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    long = {name: lines for name, lines in lengths.items() if lines > FILE_LINES}
    assert long.keys() == LONG_FILES.keys(), long


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short_or_say_why():
    long = {
        node.name: f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in modules()
        for node in functions(path)
        if node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert long.keys() == LONG_FUNCTIONS.keys(), long


def registered(node: ast.stmt) -> bool:
    """Whether a function is named for who types its name: a command at the prompt, an operation in language.toml."""
    if not isinstance(node, ast.FunctionDef):
        return False
    marks = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
    names = {mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in marks}
    return bool(names & {"command", "group", "operation"})


def public_names(path: Path) -> Iterator[str]:
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not registered(node):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign | ast.TypeAlias):
            yield from (name.id for name in [getattr(node, "target", None) or node.name] if isinstance(name, ast.Name))


def test_a_public_name_means_one_thing():
    places: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        for name in public_names(path):
            if not name.startswith("_"):
                places[name].add(str(path.relative_to(PACKAGE)))
    twice = {name: sorted(files) for name, files in places.items() if len(files) > 1}
    assert twice.keys() == SAME_NAME.keys(), twice


def test_no_registry_of_packages_is_named():
    """Where packages come from is the machine's own setting: an address in here would overrule it, or leak it."""
    hosts = re.compile(
        r"pypi[.]org|pythonhosted[.]org|npmjs[.]|anaconda[.]org|crates[.]io|[-]index[-]url|index_url|[.]pytorch[.]org/whl"
    )
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no clone")
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if path.is_file() and path != Path(__file__):
            assert not hosts.search(path.read_text(encoding="utf-8", errors="replace")), name
