"""Out of memory: which batch size fits, tried on the very model."""

import contextlib
import gc
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from ulmkit.errors import UlmkitError, out_of_memory
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.ingredients import ShareGradients, Unscale
from ulmkit.lm.setup import Training


def _release(training: Training) -> None:
    """Let go of everything that a step held."""
    training.step.optimizer.zero_grad()
    training.model.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def step_fits(training: Training, rows: int) -> bool:
    """Whether a training step of `rows` rows finds memory: forward, backward, and the optimizer's if it has none yet.

    On random ids and the longest window of the first epoch. Neither weights nor optimizer change.
    """
    model, optimizer = training.model, training.step.optimizer
    T = int(training.batches.windows(0).max())
    try:
        parameters = list(model.parameters())
        known = any("grad_avg" in optimizer.state[p] for p in parameters)
        moments = [] if known else [torch.zeros_like(p) for p in parameters for _ in range(2)]
        model.reset()
        model.train()
        ids = torch.randint(model.vocabulary, (T + 1, rows), device=training.device)
        training.step.gradients(ids[:-1], ids[1:], until=(ShareGradients.name, Unscale.name))
        del moments
    except Exception as error:
        if not out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the step
        return False
    finally:
        _release(training)
    return True


def largest_fitting(training: Training, rows: int) -> int | None:
    """The first of `rows` / 2, / 4, … that fits with a quarter to spare; None where not even one row fits.

    What is tried is a step of a quarter more rows: a new run also holds its audit, and memory in other pieces.
    """
    while rows > 1:
        rows //= 2
        with kept_memory():  # as in training: freed blocks do not always serve the next ones whole
            fits = all(step_fits(training, rows + rows // 4) for _ in range(2))
        if fits:
            return rows
    return None


@contextlib.contextmanager
def memory_errors(folder: Path, training: Training) -> Iterator[None]:
    """Turn an allocation that failed in the block into one line that names a batch size that fits."""
    try:
        yield
        return
    except Exception as error:
        if not out_of_memory(error):
            raise
        said = " ".join((str(error) or type(error).__name__).split())[:100]
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
    raise _advice(folder, training, said)


def _advice(folder: Path, training: Training, said: str) -> UlmkitError:
    """The error that says which batch size fits; it is looked for here and now."""
    _release(training)
    rows, bptt = training.batches.batch_size, training.batches.bptt
    fits = largest_fitting(training, rows)
    advice = (
        f"A step at --batch-size {fits} fits with a quarter to spare: start a new run with it."
        if fits
        else "Not even a step of one row fits: use a smaller --bptt or a smaller model (--preset small)."
    )
    return UlmkitError(
        f"{folder}: out of memory on {training.device} at --batch-size {rows}, --bptt {bptt} ({said}). {advice}"
    )
