"""What the tests of the language model share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import ulmkit.lm.fastai_imports  # noqa: F401 (first: it holds back what fastai warns of while it is imported)

# Triton reads it when it is first imported, which happens in a test: the kernels of the fused backend run on the CPU
os.environ.setdefault("TRITON_INTERPRET", "1")

# test folders are no packages; the data maker beside this file is imported by its name
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The models here are too small for threads, and the bits depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
