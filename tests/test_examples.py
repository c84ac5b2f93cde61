"""The examples in docstrings are true."""

import doctest
import importlib
import warnings
from pathlib import Path

import pytest

import ulmkit

PACKAGE = Path(ulmkit.__file__).parent
# modules that need a package which not every machine can have: which
OPTIONAL = {"ulmkit.lm.kernels.fused": "triton"}  # Triton comes with torch on Linux only

with_examples = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", with_examples)
def test_examples_print_what_they_say(name: str) -> None:
    if name in OPTIONAL:
        pytest.importorskip(OPTIONAL[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what packages say of each other while they are imported
        module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
