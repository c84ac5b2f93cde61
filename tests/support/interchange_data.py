"""A run and its tokenizer's folder as they lie on disk, as small as they get."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import describe_files, write_manifest
from ulmkit.lm.checkpoint import save_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM

PIECES = [
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "\n",
    "<0x00>",
    "<0x01>",
    *(f"▁w{n}" for n in range(20)),
    "x",
    "▁",
    "ی\u200cه",
]
CONFIG = LMConfig(embedding_size=8, hidden_size=12, layers=3, drop_mult=0.5)
IDENTITY = Identity("f00dfeed0000", len(PIECES), 2, "xx")


class Home(NamedTuple):
    run: Path
    tokenizer: Path


def make_tokenizer(folder: Path, pieces: list[str] = PIECES, name: str = IDENTITY.tokenizer) -> Path:
    """What interchange reads of a tokenizer: its manifest and its pieces."""
    ids = {"pad": 0, "unk": 1, "bos": 2, "eos": 3, "newline": 4}
    write_json(folder / "vocab.json", {"ids": ids, "pieces": [[piece, 0.0] for piece in pieces]})
    (folder / "spm.model").write_bytes(b"pieces")
    files = describe_files(folder, [folder / "vocab.json", folder / "spm.model"])
    about = {"fingerprint": name, "language": "xx", "language_fingerprint": "l", "normalization": "n", "ids": ids}
    write_manifest(folder, "tokenizer", about | {"files": files})
    return folder


def make_home(folder: Path, config: LMConfig = CONFIG) -> Home:
    """A run with random weights, biases included, and its tokenizer."""
    torch.manual_seed(5)
    model = AWDLSTM(len(PIECES), config)
    torch.nn.init.normal_(model.decoder_bias)
    state = {"config": config.to_json(), "identity": asdict(IDENTITY), "position": {"step": 7}}
    for which in ("best", "last"):
        training = {"memory": torch.rand(3)} if which == "last" else None
        save_checkpoint(folder / "run" / which, model.state_dict(), training, state)
    return Home(folder / "run", make_tokenizer(folder / "tokenizer"))
