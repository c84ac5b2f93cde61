"""The wheel holds the program and the languages, and nothing of this checkout."""

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
