"""Writes requirements/corpus.txt, what a corpus and a tokenizer need, from pyproject.toml.

python docs/make_requirements.py
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "requirements" / "corpus.txt"
INTRODUCTION = """\
# Made by `python docs/make_requirements.py` from pyproject.toml; a test notices when it is stale.
# What `ulmkit corpus`, `tokenizer`, `normalize` and `language` need, a fifteenth of a plain install on Linux:
#     pip install -r requirements/corpus.txt && pip install --no-deps ulmkit
"""


def page() -> str:
    """The whole file."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    left_out = set(settings["tool"]["ulmkit"]["not-for-corpora"])
    lines = settings["project"]["dependencies"]
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]
    if unknown := left_out - set(names):
        raise ValueError(f"not-for-corpora names what is no dependency: {', '.join(sorted(unknown))}")
    kept = [line for line, name in zip(lines, names, strict=True) if name not in left_out]
    return INTRODUCTION + "".join(f"{line}\n" for line in kept)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
