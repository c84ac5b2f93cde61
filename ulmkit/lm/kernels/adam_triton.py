"""The Adam step as one Triton kernel a parameter: each number is read once and written once."""

import torch
import triton
import triton.language as tl

from ulmkit.lm.kernels.types import AdamTensors, StepScalars

BLOCK = 1024  # numbers a program


@triton.jit
def _adamw(
    p_at,
    gradient_at,
    grad_avg_at,
    sqr_avg_at,
    average_at,
    step_at,
    hypers_at,
    gain_at,
    taken_at,
    weight_at,
    n,
    DECAYS: tl.constexpr,
    AVERAGED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    alive = place < tl.where(tl.load(taken_at) != 0, n, 0)
    lr, mom, sqr_mom = tl.load(hypers_at), tl.load(hypers_at + 1), tl.load(hypers_at + 2)
    eps, wd = tl.load(hypers_at + 3), tl.load(hypers_at + 4)
    step = tl.maximum(tl.load(step_at), 1).to(tl.float64)  # 0 where none was taken yet
    # 1 - mom ** step; a momentum of 0 has no logarithm
    first = 1 - tl.where(mom > 0, tl.exp(step * tl.log(tl.maximum(mom, 1e-30).to(tl.float64))), 0.0)
    second = 1 - tl.where(sqr_mom > 0, tl.exp(step * tl.log(tl.maximum(sqr_mom, 1e-30).to(tl.float64))), 0.0)
    rate = (lr / first).to(tl.float32)
    shrink = tl.sqrt(second).to(tl.float32)

    p = tl.load(p_at + place, mask=inside, other=0.0)
    gradient = tl.load(gradient_at + place, mask=alive, other=0.0) * tl.load(gain_at)
    grad_avg = tl.load(grad_avg_at + place, mask=alive, other=0.0)
    sqr_avg = tl.load(sqr_avg_at + place, mask=alive, other=0.0)
    grad_avg += (1 - mom) * (gradient - grad_avg)
    sqr_avg += (1 - sqr_mom) * (gradient * gradient - sqr_avg)
    moved = p
    if DECAYS:
        moved *= 1 - lr * wd
    moved -= rate * grad_avg / (tl.sqrt(sqr_avg) / shrink + eps)
    p = tl.where(alive, moved, p)
    tl.store(p_at + place, p, mask=alive)
    tl.store(grad_avg_at + place, grad_avg, mask=alive)
    tl.store(sqr_avg_at + place, sqr_avg, mask=alive)
    if AVERAGED:
        average = tl.load(average_at + place, mask=inside, other=0.0)
        tl.store(average_at + place, average + tl.load(weight_at) * (p - average), mask=inside)


def in_one_pass(tensors: AdamTensors, hypers: torch.Tensor, scalars: StepScalars, decays: bool) -> None:
    """`adamw` for float32 tensors; the gradient may lie in another order."""
    p, gradient, grad_avg, sqr_avg, step, average = tensors
    n = p.numel()
    _adamw[(triton.cdiv(n, BLOCK),)](
        p,
        gradient.contiguous(),
        grad_avg,
        sqr_avg,
        p if average is None else average,
        step,
        hypers,
        scalars.gain,
        scalars.taken,
        scalars.weight,
        n,
        DECAYS=decays,
        AVERAGED=average is not None,
        BLOCK=BLOCK,
        enable_fp_fusion=True,  # a * b + c rounded once, as torch's own kernels do
    )
