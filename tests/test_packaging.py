"""The wheel holds the program and the languages, and nothing of this checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return folder / done.stdout.split()[-1]


def test_the_wheel_ships_languages_inside_the_package(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert "ulmkit/cli/main.py" in names
    assert "ulmkit/authoring/cldr.tsv" in names
    assert "ulmkit/text/scripts.tsv" in names
    assert "ulmkit/formats/training_agents.tsv" in names
    for code in ("fa", "et"):
        assert f"ulmkit/languages/{code}/language.toml" in names
        assert sum(name.startswith(f"ulmkit/languages/{code}/samples/") for name in names) >= 40
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"ulmkit"}


def test_languages_are_found_in_the_unpacked_wheel(wheel: Path, tmp_path: Path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "from ulmkit.language import places, registry; print(places.bundled()); print(registry.get('fa').code)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(tmp_path / "ulmkit" / "languages"), "fa"], done.stderr


def test_help_answers_at_once_and_without_the_heavy_packages():
    code = (
        "import sys\nfrom ulmkit.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch','fastai','pyarrow','sentencepiece','lxml','numpy','hazm','rich'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("Usage: ulmkit")
    assert done.stderr.split() == ["[]"]


@pytest.mark.slow
def test_the_light_set_builds_a_corpus_and_a_tokenizer_and_says_what_the_rest_needs(wheel: Path, tmp_path: Path):
    """requirements/corpus.txt in an environment of its own: each part that is left out is one line."""
    uv = shutil.which("uv") or str(ROOT / ".bootstrap/bin/uv")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], check=True, env=clean)
    install = [uv, "pip", "install", "--quiet", "--python", tmp_path / "env/bin/python"]
    subprocess.run([*install, "-r", ROOT / "requirements/corpus.txt"], check=True, env=clean)
    subprocess.run([*install, "--no-deps", wheel], check=True, env=clean)

    def ulmkit(*command: str, text: str = "") -> subprocess.CompletedProcess:
        started = [tmp_path / "env/bin/ulmkit", *command, "--root", "data"]
        return subprocess.run(started, cwd=tmp_path, env=clean, input=text, capture_output=True, text=True)

    samples = str(ROOT / "languages" / "et" / "samples")
    built = ulmkit("corpus", "build", "et", "--input", samples, "--json")
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["counts"]["kept"] >= 40
    for command in (
        ("tokenizer", "train", "et", "--vocab", "1000"),
        ("tokenizer", "encode", "et", "--corpus"),
        ("tokenizer", "evaluate", "et"),
        ("verify", "et"),
        ("language", "check", "et"),
    ):
        done = ulmkit(*command, text="ilus päev")
        assert done.returncode == 0, (command, done.stderr)
    (tmp_path / "table.csv").write_text("text,label\nilus päev,hea\nkole ilm,halb\n", encoding="utf-8")
    for command, package in (
        (("normalize", "fa", "--profile", "half_space"), "--no-deps hazm"),
        (("lm", "pretrain", "et"), "torch"),
        (("lm", "evaluate", "et"), "torch"),
        (("lm", "generate", "et"), "torch"),
        (("lm", "export", "et"), "torch"),
        (("classify", "train", "et", "--train", "table.csv"), "scipy"),
        (("demo", "et"), "torch"),
    ):
        done = ulmkit(*command, text="می روم")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (command, done.stderr)
        assert f"`pip install {package}` (docs/install.md)" in done.stderr, (command, done.stderr)
    code = "import ulmkit\ntry: ulmkit.pretrain\nexcept ulmkit.UsageError as error: print(error)"
    done = subprocess.run([tmp_path / "env/bin/python", "-c", code], env=clean, capture_output=True, text=True)
    assert "`pip install torch`" in done.stdout, done.stderr
