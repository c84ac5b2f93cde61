"""Memory that a training step frees is there for the next one."""

import json
import subprocess
import sys

import pytest

from ulmkit.lm import allocator

BLOCK = 64 << 20  # bytes; above what malloc ever keeps by itself

pytestmark = pytest.mark.skipif(allocator._glibc() is None, reason="a matter of glibc alone")

# Each measurement has a process of its own: where others have trained before, the heap has holes to fill first.
MEASURE = f"""
import json, resource
from pathlib import Path
import torch
from ulmkit.lm.allocator import kept_memory

PAGE = resource.getpagesize()

def block():
    torch.ones({BLOCK}, dtype=torch.uint8)

def filled(rounds):  # bytes that the kernel had to hand out while a block was taken, filled and freed so often
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        block()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * PAGE

def resident():  # bytes of this process in memory
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
"""


def measured(program: str) -> dict[str, int]:
    """What `program`, run after MEASURE in a fresh process, leaves in `seen`; bytes."""
    source = MEASURE + "seen = {}\n" + program + "\nprint(json.dumps(seen))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    seen: dict[str, int] = json.loads(done.stdout)
    return seen


@pytest.mark.slow
def test_a_block_is_handed_out_once() -> None:
    """Ten more blocks of 64 MB cost no page, once they have settled; without it each is new.

    Until then glibc before 2.38 cuts what aligned a block off it and keeps that, up to seven times for each of a few
    sizes, depending on where the heap begins; the block no longer fits where it lay and the heap grows by another.
    """
    seen = measured("""
block()
seen["as usual"] = filled(10)
with kept_memory():
    filled(40)
    seen["kept"] = filled(10)
""")
    assert seen["as usual"] > 9.5 * BLOCK
    assert seen["kept"] < 0.5 * BLOCK


@pytest.mark.slow
def test_everything_is_given_back_at_the_end() -> None:
    """A process that has trained is no larger than before, also when two trainings overlapped."""
    seen = measured("""
with kept_memory():
    before = resident()
    with kept_memory():
        block()
    block()
    seen["held"] = resident() - before
seen["given back"] = resident() - before
with kept_memory():
    pass
block()
seen["afterwards"] = resident() - before
""")
    assert seen["held"] > BLOCK // 2
    assert seen["given back"] < BLOCK // 2
    assert seen["afterwards"] < BLOCK // 2, "afterwards memory is freed as usual"
