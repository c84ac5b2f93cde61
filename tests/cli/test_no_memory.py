"""A machine without memory is told so in one line, wherever it runs out: also while torch itself is being loaded."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ulmkit.errors import out_of_memory

MB = 1 << 20


@pytest.mark.parametrize("room", [300, 600, 1200])
def test_a_limit_on_memory_is_one_line_even_before_torch_is_there(room: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ulmkit", "lm", "generate", "fa", "--root", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (room * MB, room * MB)),
    )
    assert done.returncode == 1
    assert done.stderr == "Error: Out of memory. Fewer --workers, or a smaller input at once, need less.\n"


def raised_from(cause: Exception) -> Exception:
    """An error that Python itself raised while it dealt with `cause`."""
    try:
        try:
            raise cause
        except Exception:
            {}["torch"]
    except KeyError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        OSError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libc10.so: cannot allocate memory in static TLS block"),
        raised_from(ImportError("libtorch.so: failed to map segment from shared object")),
    ],
)
def test_every_way_of_saying_so_is_known(error: Exception) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error", [OSError(28, "out of memory cards"), ImportError("No module named 'torch'"), raised_from(KeyError())]
)
def test_other_faults_are_not_taken_for_it(error: Exception) -> None:
    assert not out_of_memory(error)
