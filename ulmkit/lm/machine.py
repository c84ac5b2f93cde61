"""What this machine trains with: torch, threads, devices, and whether bfloat16 products are worth it here."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ulmkit.errors import UsageError
from ulmkit.lm.distributed import local_device
from ulmkit.work.cores import available_cores

LONG_S = 0.1  # seconds of a product of four rows, which a machine that is good for it takes in a thousandth of that


@dataclass(frozen=True)
class Machine:
    """`bf16` says how many times as fast as float32 a bfloat16 matrix product is; `gflops` is of the float32 one."""

    torch: str
    threads: int
    cores: int
    devices: tuple[str, ...]  # GPUs, with their memory
    gflops: float
    bf16: float


def _gflops(dtype: torch.dtype, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> float:
    """How fast rows are multiplied with a recurrent matrix of the full-size model: few rows first, then a batch's.

    A CPU without instructions for bfloat16 takes seconds for a batch: where few rows already take long, they tell.
    """
    speed = 0.0
    with torch.random.fork_rng(devices=[]):
        matrix = torch.randn(1152, 4608).to(device, dtype)
        batch = torch.randn(128, 1152).to(device, dtype)
    for rows in (4, 128):
        best = float("inf")
        for number in range(4):  # the first also pays for memory
            started = clock()
            (batch[:rows] @ matrix).sum().item()
            best = min(best, clock() - started)
            if number and best > LONG_S:
                return 2 * rows * matrix.numel() / best / 1e9
        speed = 2 * rows * matrix.numel() / best / 1e9
    return speed


def measured_machine() -> Machine:
    """Look and time: a few products, in less than a second."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    exact, rounded = _gflops(torch.float32, device), _gflops(torch.bfloat16, device)
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return Machine(
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        cores=available_cores(),
        devices=tuple(f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in found),
        gflops=exact,
        bf16=rounded / exact,
    )


def pick_device(device: str) -> torch.device:
    """`auto` is the GPU where there is one, otherwise the CPU. Raises `UsageError` for one that is not there."""
    if device == "auto":
        return local_device(torch.device("cuda", 0)) if torch.cuda.is_available() else torch.device("cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"no device '{device}'. Use auto, cpu or cuda.") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device on this machine. Use --device cpu.")
    if picked.type == "cuda" and picked.index is None:
        picked = local_device(torch.device("cuda", 0))
    try:
        torch.zeros(1, device=picked).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch knows it, this machine has none
        raise UsageError(f"no device '{device}' on this machine. Use --device auto, cpu or cuda.") from error
    return picked
