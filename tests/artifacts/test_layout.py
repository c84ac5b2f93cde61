"""Whatever becomes a part of a path names one folder below the root, and no other place."""

from pathlib import Path

import pytest

from ulmkit.artifacts.layout import Layout, folder_name
from ulmkit.errors import UsageError

PATHS = ["../x", "../../../escaped", "a/b", "/etc", ".."]
BAD = [*PATHS, "", " ", ".", "a\\b", "a\0b", "a\nb", "\x1b[31m", "\u202eb", "x" * 101, "ش" * 51, "\udcff"]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    layout = Layout(Path("data"), "fa")
    for use in (layout.run, lambda run: layout.exported(run, "onnx"), lambda code: folder_name(code, "language")):
        with pytest.raises(UsageError) as error:
            use(name)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 250


@pytest.mark.parametrize("code", PATHS)
def test_a_code_is_no_path(code: str) -> None:
    with pytest.raises(UsageError):
        Layout(Path("data"), code)


@pytest.mark.parametrize("name", ["best run", "wiki-2024.1", "اجرای\u200cنخست", "õ", ".x"])
def test_a_name_is_a_name(name: str) -> None:
    assert Layout(Path("data"), "fa").run(name) == Path("data/fa/lm") / name
