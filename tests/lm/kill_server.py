"""Runs trainings in forked children, so that a hundred of them import torch once.

One JSON request a line on stdin: {"folder", "config", "save"}; answers {"pid"} and, when the child is gone,
{"status"}. With "save" the child does nothing but save one checkpoint after another.
"""

import json
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from lm_data import patterned

from ulmkit.lm.checkpoint import save_checkpoint
from ulmkit.lm.config import config_from_json
from ulmkit.lm.train import pretrain


def save_forever(folder: Path) -> None:
    """Checkpoint `n` holds nothing but the number n, in each of its files."""
    number = 0
    while True:
        number += 1
        tensors = {"number": torch.full((20_000,), float(number))}
        save_checkpoint(folder, tensors, tensors, {"number": number})


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
                pretrain(train, valid, Path(request["folder"]), config, resume=True, device="cpu")
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
