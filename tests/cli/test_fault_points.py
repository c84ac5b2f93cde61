"""A fault at system calls of commands, below Python: nothing half-written, one line, and the rerun is right."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fault_points import preloaded

# a sample of the points; `make faults` tries every one of every command
SAMPLED = ("--every", "41", "--only", "corpus build", "--only", "language new", "--only", "verify")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the shim with")
def test_a_fault_at_any_call_leaves_nothing_half_written_and_the_rerun_is_right(tmp_path: Path):
    done = preloaded(["--offset", "5", *SAMPLED], tmp_path.resolve(), stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" tried, 0 wrong") == 3
