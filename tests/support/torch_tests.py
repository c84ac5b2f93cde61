"""What the tests of rooms with torch share; their conftest.py imports it."""

import os
from collections.abc import Iterator

import pytest
import torch

# Triton reads it when it is first imported, which happens in a test: the kernels of the fused backend run on the CPU
os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The models here are too small for threads, and the bits depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
