"""Several processes that train one model, each on its own rows of every batch: `torchrun` starts them.

What one process does with a batch of B rows, N processes do with B / N rows each: gradients are averaged before every
step, so all weights stay equal; the first process alone writes. Dropout masks differ from process to process.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from ulmkit.errors import UlmkitError, UsageError

SILENCE = timedelta(seconds=60)  # a process that is silent for so long is taken for dead


@dataclass(frozen=True)
class World:
    """This process among `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1

    def rows(self, batch_size: int) -> slice:
        """The rows of a batch that are this process's. Raises `UsageError` where they cannot be shared out evenly."""
        if batch_size % self.size:
            raise UsageError(f"--batch-size {batch_size} cannot be shared by {self.size} processes. Use a multiple.")
        rows = batch_size // self.size
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of `values` over all processes, in place."""
        if not self.alone:
            distributed.all_reduce(values)
        return values

    def any(self, mine: bool, device: torch.device) -> bool:
        """Whether it holds in any process."""
        return mine if self.alone else bool(self.sum(torch.tensor([float(mine)], device=device)).item())

    def meet(self, device: torch.device) -> None:
        """Wait until all are here."""
        self.any(False, device)

    def of_first(self, values: list[int], device: torch.device) -> list[int]:
        """The first process's `values`, for all."""
        if self.alone:
            return values
        sent = torch.tensor(values, device=device)
        distributed.broadcast(sent, 0)
        return sent.tolist()

    def seed(self, seed: int) -> None:
        """Random numbers of its own for each process but the first, which goes on with what it has."""
        if not self.first:
            torch.manual_seed(seed + 1_000_003 * self.rank)

    def rows_of_all(self, mine: torch.Tensor) -> torch.Tensor:
        """Every process's rows (B / N, …) as the whole batch's (B, …)."""
        if self.alone:
            return mine
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(parts, mine.contiguous())
        return torch.cat(parts)


ALONE = World()


def launched() -> World:
    """What `torchrun` says of this process; alone where nothing was said."""
    return _launched() if {"RANK", "WORLD_SIZE"} & os.environ.keys() else ALONE


def _launched() -> World:
    try:
        return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError as error:
        raise UsageError(
            "RANK and WORLD_SIZE are set and are no numbers. Start with torchrun, or unset them."
        ) from error


def local_device(device: torch.device) -> torch.device:
    """Each process of a machine takes its own GPU."""
    if device.type != "cuda" or launched().alone:
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def connected(world: World, device: torch.device) -> Iterator[None]:
    """The processes of `world`, connected while the block runs. What another process's death breaks is one error."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(backend, rank=world.rank, world_size=world.size, timeout=SILENCE)
    except (RuntimeError, ValueError) as error:
        raise UlmkitError(
            f"process {world.rank} of {world.size} finds no other ({error}). Start with torchrun."
        ) from error
    try:
        yield
    except distributed.DistBackendError as error:
        raise lost(world) from error
    except RuntimeError as error:
        if "onnection closed" in str(error) or "imed out" in str(error) or "onnection reset" in str(error):
            raise lost(world) from error
        raise
    finally:
        distributed.destroy_process_group()


def lost(world: World) -> UlmkitError:
    return UlmkitError(
        f"process {world.rank} of {world.size} lost another one. What was saved stands: "
        "run the same command with --resume to go on."
    )
