"""Which learning rate: fastai's finder, on fresh weights."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.learner.fastai_imports import Callback
from ulmkit.learner.learner import learner
from ulmkit.lm.config import LMConfig
from ulmkit.lm.machine import pick_device


@dataclass(frozen=True)
class LRFinding:
    """Losses while the rate grew, and the rate that fastai's `valley` suggests from them."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_lr(
    train: TokenFile,
    config: LMConfig,
    *,
    valid: TokenFile | None = None,
    device: str = "auto",
    start_lr: float = 1e-5,
    end_lr: float = 1.0,
    steps: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> LRFinding:
    """fastai's learning-rate finder on fresh weights: `steps` steps from `start_lr` to `end_lr`.

    Nothing is kept: a temporary folder, and the caller's random numbers as they were. `progress` gets (step, steps).
    """

    class Report(Callback):
        order = 100

        def after_batch(self) -> None:
            if progress:
                progress(self.train_iter, steps)

    picked = pick_device(device)
    with (
        tempfile.TemporaryDirectory() as folder,
        torch.random.fork_rng(devices=[picked] if picked.type == "cuda" else []),
    ):
        torch.manual_seed(config.seed)
        learn = learner(train, valid or train, config, folder=Path(folder), device=device, callbacks=[Report()])
        # nothing is validated: the finder cancels that part
        suggested = learn.lr_find(start_lr=start_lr, end_lr=end_lr, num_it=steps, show_plot=False)
        recorder = learn.recorder
        losses = tuple(float(loss) for loss in recorder.losses)
        return LRFinding(tuple(float(lr) for lr in recorder.lrs), losses, float(suggested.valley))
