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
from lm_data import At, patterned

from ulmkit.lm.config import config_from_json
from ulmkit.lm.ingredients import StepState
from ulmkit.lm.loop import TrainProgress
from ulmkit.lm.run import pretrain


def bad(what: str) -> At:
    """At the fifth step, before gradients are shared, the loss or an element of a gradient is infinite."""

    def loss(state: StepState) -> None:
        assert state.loss is not None
        assert state.total is not None
        state.loss, state.total = state.loss * math.inf, state.total * math.inf

    def gradient(state: StepState) -> None:
        assert state.model.embedding.grad is not None
        with torch.no_grad():
            state.model.embedding.grad[0, 0] = math.inf

    return At("cross-entropy", loss) if what == "loss" else At("backward", gradient)


def main() -> None:
    folder, config = Path(sys.argv[1]), config_from_json(json.loads(sys.argv[2]))
    what, rank = (sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else ("", -1)
    mine = int(os.environ.get("RANK", "0"))
    hooks = bad(what).hooks if what and rank == mine else {}
    torch.set_num_threads(1)
    (folder.parent / f"pid.{mine}").write_text(str(os.getpid()))

    def note(progress: TrainProgress) -> None:
        (folder.parent / "step").write_text(str(progress.step))

    train, valid = patterned(50), patterned(9, seed=1)
    result = pretrain(train, valid, folder, config, resume=True, device="cpu", progress=note, **hooks)
    sys.stdout.write(f"{result.signature}\n")


if __name__ == "__main__":
    main()
