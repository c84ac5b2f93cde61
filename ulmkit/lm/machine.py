"""What this machine trains with: torch, threads, devices, and whether bfloat16 products are worth it here."""

import os
import time
from dataclasses import dataclass

import torch

from ulmkit.errors import UsageError
from ulmkit.lm.distributed import local_device


@dataclass(frozen=True)
class Machine:
    """`bf16` says how many times as fast as float32 a bfloat16 matrix product is; `gflops` is of the float32 one."""

    torch: str
    threads: int
    cores: int
    devices: tuple[str, ...]  # GPUs, with their memory
    gflops: float
    bf16: float


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    """The best of a few products."""
    best = float("inf")
    for _ in range(4):  # the first also pays for memory
        started = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - started)
    return best


def measured_machine() -> Machine:
    """Look and time: a product of 128 rows with a recurrent matrix of the full-size model, a few milliseconds each."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[]):
        a, b = torch.randn(128, 1152).to(device), torch.randn(1152, 4608).to(device)
    exact, rounded = _seconds(a, b), _seconds(a.bfloat16(), b.bfloat16())
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return Machine(
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        devices=tuple(f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in found),
        gflops=2 * 128 * 1152 * 4608 / exact / 1e9,
        bf16=exact / rounded,
    )


def pick_device(device: str) -> torch.device:
    """`auto` is the GPU where there is one, otherwise the CPU."""
    if device == "auto":
        return local_device(torch.device("cuda", 0)) if torch.cuda.is_available() else torch.device("cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"no device '{device}'. Use auto, cpu or cuda.") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device on this machine. Use --device cpu.")
    if picked.type != "cuda":
        return picked
    return torch.device("cuda", picked.index) if picked.index is not None else local_device(torch.device("cuda", 0))
