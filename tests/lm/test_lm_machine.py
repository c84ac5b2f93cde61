"""What a machine multiplies with is measured in a moment, whatever it is."""

import itertools

import pytest
import torch

from ulmkit.lm.machine import _gflops


@pytest.mark.parametrize(
    ("dtype", "product_s", "products", "rows"),
    [(torch.float32, 0.01, 8, 128), (torch.bfloat16, 0.5, 2, 4)],
    ids=["a batch is timed", "where four rows take long no batch is"],
)
def test_a_slow_product_is_not_waited_for(dtype: torch.dtype, product_s: float, products: int, rows: int) -> None:
    """By a clock on which each product takes as long as is said."""
    ticks = itertools.count(1)
    speed = _gflops(dtype, torch.device("cpu"), lambda: product_s * next(ticks))
    assert speed == pytest.approx(2 * rows * 1152 * 4608 / product_s / 1e9)
    assert next(ticks) == 2 * products + 1
