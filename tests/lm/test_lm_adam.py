"""Adam with its rates on the device takes torch's fused steps, leaves out what overflowed, and moves the average."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch.optim.adamw import adamw as fused

from ulmkit.lm.kernels.adam import in_many_passes
from ulmkit.lm.kernels.types import AdamTensors, StepScalars

WAYS: list[Callable[..., None]] = [in_many_passes]
if importlib.util.find_spec("triton") is not None:
    from ulmkit.lm.kernels.adam_triton import in_one_pass  # in the interpreter, which conftest.py asks for

    WAYS.append(in_one_pass)


def number(value: float) -> torch.Tensor:
    return torch.tensor(value)


def tensors(p: torch.Tensor, *, average: bool = False) -> AdamTensors:
    zeros = [torch.zeros_like(p) for _ in range(2)]
    return AdamTensors(p.clone(), torch.empty(0), *zeros, torch.zeros(()), p.clone() if average else None)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("decays", [True, False])
def test_it_takes_torchs_fused_steps_with_cycled_momentum(way: Callable[..., None], decays: bool) -> None:
    torch.manual_seed(0)
    start = torch.randn(37, 41)
    ours, theirs = tensors(start), tensors(start)
    for step in range(25):
        lr, mom = 1e-2 * (1 + step) / 25, 0.8 - step / 100
        gradient = torch.randn_like(start)
        ours.step.add_(1)
        way(
            ours._replace(gradient=3 * gradient.T.contiguous().T),  # another order of the same numbers
            torch.tensor([lr, mom, 0.99, 1e-5, 0.1]),
            StepScalars(number(1 / 3), number(1), number(0)),
            decays,
        )
        fused(
            [theirs.p],
            [gradient],
            [theirs.grad_avg],
            [theirs.sqr_avg],
            [],
            [theirs.step],
            fused=True,
            amsgrad=False,
            beta1=mom,
            beta2=0.99,
            lr=lr,
            weight_decay=0.1 if decays else 0.0,
            eps=1e-5,
            maximize=False,
        )
    assert torch.allclose(ours.p, theirs.p, rtol=1e-5, atol=1e-6)
    assert torch.allclose(ours.grad_avg, theirs.grad_avg, rtol=1e-5, atol=1e-6)
    assert torch.allclose(ours.sqr_avg, theirs.sqr_avg, rtol=1e-5, atol=1e-6)
    assert ours.step == theirs.step == 25


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_step_that_is_not_taken_changes_nothing_but_the_average(way: Callable[..., None]) -> None:
    torch.manual_seed(0)
    start = torch.randn(2000)
    ours = tensors(start, average=True)
    hypers, bad = torch.tensor([1e-2, 0.0, 0.99, 1e-5, 0.1]), torch.full_like(start, torch.inf)
    assert ours.average is not None
    ours.average.zero_()
    way(ours._replace(gradient=bad), hypers, StepScalars(number(1), number(0), number(0.25)), True)
    assert torch.equal(ours.p, start)
    assert not ours.grad_avg.any()
    assert not ours.sqr_avg.any()
    assert torch.allclose(ours.average, start / 4)
    ours.step.add_(1)
    way(ours._replace(gradient=torch.ones_like(start)), hypers, StepScalars(number(1), number(1), number(1.0)), True)
    assert torch.allclose(ours.average, ours.p)
    assert (ours.p != start).all()


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from ulmkit.lm.kernels.adam_triton import BLOCK, _adamw

constants = {"DECAYS": True, "AVERAGED": True, "BLOCK": BLOCK}
signature = {name: "*fp32" for name in _adamw.arg_names} | {"n": "i32"} | dict.fromkeys(constants, "constexpr")
for capability in (70, 90):
    source = ASTSource(fn=_adamw, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": True})
    assert compiled.asm["cubin"]
"""


@pytest.mark.slow
@pytest.mark.skipif(len(WAYS) == 1 or sys.platform != "linux", reason="no Triton, or no compiler of its")
def test_the_kernel_compiles_for_gpus_that_are_not_there() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    run = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
