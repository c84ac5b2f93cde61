"""One process of several that train together; `torchrun` starts it.

Arguments: folder, config as JSON; and perhaps what becomes infinite at the fifth step of one of them, `loss` or
`gradient`, with the rank of that one.
"""

import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from lm_data import patterned

from ulmkit.lm.config import config_from_json
from ulmkit.lm.fastai_imports import Callback
from ulmkit.lm.run import TrainProgress
from ulmkit.lm.train import pretrain


class Bad(Callback):
    """At the fifth step, before gradients are shared, the loss or an element of a gradient is infinite."""

    order, steps = 3, 0

    def __init__(self, what: str) -> None:
        self.what = what

    def before_batch(self) -> None:
        self.steps += self.training

    def after_loss(self) -> None:
        if self.training and self.what == "loss" and self.steps == 5:
            self.learn.loss_grad = self.learn.loss_grad * math.inf
            self.learn.loss = self.learn.loss * math.inf

    def before_step(self) -> None:
        if self.what == "gradient" and self.steps == 5:
            with torch.no_grad():
                self.model.embedding.grad[0, 0] = math.inf


def main() -> None:
    folder, config = Path(sys.argv[1]), config_from_json(json.loads(sys.argv[2]))
    what, rank = (sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else ("", -1)
    mine = int(os.environ.get("RANK", "0"))
    bad = [Bad(what)] if what and rank == mine else []
    torch.set_num_threads(1)
    (folder.parent / f"pid.{mine}").write_text(str(os.getpid()))

    def note(progress: TrainProgress) -> None:
        (folder.parent / "step").write_text(str(progress.step))

    train, valid = patterned(50), patterned(9, seed=1)
    result = pretrain(train, valid, folder, config, resume=True, device="cpu", progress=note, callbacks=bad)
    sys.stdout.write(f"{result.signature}\n")


if __name__ == "__main__":
    main()
