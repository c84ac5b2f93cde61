"""One process of several that train together; `torchrun` starts it. Arguments: folder, config as JSON."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from lm_data import patterned

from ulmkit.lm.config import config_from_json
from ulmkit.lm.run import TrainProgress
from ulmkit.lm.train import pretrain

folder, config = Path(sys.argv[1]), config_from_json(json.loads(sys.argv[2]))
torch.set_num_threads(1)
(folder.parent / f"pid.{os.environ.get('RANK', '0')}").write_text(str(os.getpid()))


def note(progress: TrainProgress) -> None:
    (folder.parent / "step").write_text(str(progress.step))


result = pretrain(patterned(50), patterned(9, seed=1), folder, config, resume=True, device="cpu", progress=note)
sys.stdout.write(f"{result.signature}\n")
