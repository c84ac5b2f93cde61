"""Nothing is silently another result: bits that flip, kills, inputs that change, and two commands at once.

`make faults` runs the full figures of tests/support/damage.py; here each kind is tried a few times.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "damage.py"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "times"), [("flips", 40), ("kills", 15), ("changes", 10), ("pairs", 12)])
def test_nothing_is_silently_another_result(kind: str, times: int) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, kind, "--times", str(times)],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=1_800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kind}: " in done.stdout
    assert ", 0 wrong" in done.stdout
