"""Out of memory: which batch size fits, tried on the very model."""

import contextlib
import gc
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from ulmkit.errors import UlmkitError
from ulmkit.lm.learner import LMLearner
from ulmkit.lm.loss import activation_penalty
from ulmkit.lm.memory import kept_memory

# how torch's allocator, oneDNN and std::bad_alloc say it on a CPU, where there is no class for it
CPU_WORDS = ("not enough memory", "DefaultCPUAllocator", "can't allocate memory", "std::bad_alloc", "out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that there was no memory left, on a GPU or a CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in CPU_WORDS)


def _release(learn: LMLearner) -> None:
    """Let go of everything that a step held."""
    for name in ("xb", "yb", "pred", "loss", "loss_grad"):
        if name in vars(learn):
            delattr(learn, name)
    learn.model.zero_grad(set_to_none=True)
    learn.model.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def step_fits(learn: LMLearner, rows: int) -> bool:
    """Whether a training step of `rows` rows finds memory: forward, backward, and the optimizer's if it has none yet.

    On random ids and the longest window of the first epoch. Neither weights nor optimizer change.
    """
    config, batches, device = learn.model.config, learn.dls.train, learn.dls.device
    T = int(batches.windows(0).max())
    try:
        parameters = list(learn.model.parameters())
        known = learn.opt is not None and any("grad_avg" in learn.opt.state[p] for p in parameters)
        memory = [] if known else [torch.zeros_like(p) for p in parameters for _ in range(2)]
        learn.model.reset()
        ids = torch.randint(learn.model.vocabulary, (T + 1, rows), device=device)
        learn.model.train()
        output = learn.model(ids[:-1])
        loss = learn.loss_func(output, ids[1:]) + activation_penalty(output, config.ar, config.tar)
        loss.backward()
        del memory
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the step
        return False
    finally:
        _release(learn)
    return True


def largest_fitting(learn: LMLearner, rows: int) -> int | None:
    """The first of `rows` / 2, / 4, … that fits with a quarter to spare; None where not even one row fits.

    What is tried is a step of a quarter more rows: a new run also holds its audit, and memory in other pieces.
    """
    while rows > 1:
        rows //= 2
        with kept_memory():  # as in training: freed blocks do not always serve the next ones whole
            fits = all(step_fits(learn, rows + rows // 4) for _ in range(2))
        if fits:
            return rows
    return None


@contextlib.contextmanager
def memory_errors(folder: Path, learn: LMLearner) -> Iterator[None]:
    """Turn an allocation that failed in the block into one line that names a batch size that fits."""
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        said = " ".join((str(error) or type(error).__name__).split())[:100]
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
    _release(learn)
    config = learn.model.config
    rows = learn.dls.train.batch_size
    fits = largest_fitting(learn, rows)
    advice = (
        f"A step at --batch-size {fits} fits with a quarter to spare: start a new run with it."
        if fits
        else "Not even a step of one row fits: use a smaller --bptt or a smaller model (--preset small)."
    )
    raise UlmkitError(
        f"{folder}: out of memory on {learn.dls.device} at --batch-size {rows}, --bptt {config.bptt} ({said}). {advice}"
    )
