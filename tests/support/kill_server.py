"""Runs trainings in forked children, so that a hundred of them import torch once.

One JSON request a line on stdin: {"folder", "config", "save", "wait"}; answers {"pid"} and, when the child is gone,
{"status"}. With "save" the child does nothing but save one checkpoint after another; with "wait" it trains so many
steps and goes on when a signal has come.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from lm_data import patterned

from ulmkit.lm.checkpoint import save_checkpoint
from ulmkit.lm.config import config_from_json
from ulmkit.lm.loop import Loop
from ulmkit.lm.run import pretrain


def save_forever(folder: Path) -> None:
    """Checkpoint `n` holds nothing but the number n, in each of its files."""
    number = 0
    while True:
        number += 1
        tensors = {"number": torch.full((20_000,), float(number))}
        save_checkpoint(folder, tensors, tensors, {"number": number})


class Wait:
    """After step `step` nothing happens until a signal has come, so that no run is through before it comes."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.came, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)

    def __call__(self, loop: Loop) -> None:
        if loop.position.step == self.step:
            os.read(self.came, 1)


def main() -> None:
    torch.set_num_threads(1)
    train, valid = patterned(50), patterned(6, seed=1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if request.get("save"):
                    save_forever(Path(request["folder"]))
                config = config_from_json(request["config"])
                wait = Wait(request["wait"]) if "wait" in request else None
                pretrain(train, valid, Path(request["folder"]), config, resume=True, device="cpu", after_step=wait)
                status = 0
            except BaseException as error:
                status = getattr(error, "exit_code", 1)
                traceback.print_exc()
            finally:
                os._exit(status)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps({"status": os.waitpid(pid, 0)[1]}) + "\n")
        sys.stdout.flush()


main()
