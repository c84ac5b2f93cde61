"""Memory that a training step frees is there for the next one."""

import resource
from pathlib import Path

import pytest
import torch

from ulmkit.lm import memory
from ulmkit.lm.memory import kept_memory

PAGE = resource.getpagesize()
BLOCK = 64 << 20  # bytes; above what malloc ever keeps by itself

pytestmark = pytest.mark.skipif(memory._glibc() is None, reason="a matter of glibc alone")


def faults_of(rounds: int) -> int:
    """Pages that the kernel had to hand out while a block was taken, filled and freed `rounds` times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(BLOCK, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def test_a_block_is_handed_out_once() -> None:
    """Of ten more blocks of 64 MB at most two are new to the process."""
    with kept_memory():
        faults_of(1)
        assert faults_of(10) < 2.5 * BLOCK / PAGE


def test_everything_is_given_back_at_the_end() -> None:
    """A process that has trained is no larger than before, also when two trainings overlapped."""
    with kept_memory():
        before = resident()
        with kept_memory():
            torch.ones(BLOCK, dtype=torch.uint8)
        torch.ones(BLOCK, dtype=torch.uint8)
        assert resident() > before + BLOCK // 2
    assert resident() < before + BLOCK // 2
    with kept_memory():
        pass
    torch.ones(BLOCK, dtype=torch.uint8)
    assert resident() < before + BLOCK // 2, "afterwards memory is freed as usual"
