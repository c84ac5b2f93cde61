"""A tokenizer and language models of random weights in a root, for classifiers to read with."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from tests.support.lm_data import TINY
from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import describe_files, fingerprint, write_manifest
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import save_checkpoint
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import learn_pieces


def make_readers(root: Path, language: Language, texts: list[str], *, vocabulary: int = 345) -> Layout:
    """The root's layout, with a tokenizer of `texts` and the runs `ahead` and `back`."""
    layout = Layout(root, language.code)
    tokenizer = learn_pieces(language, [language.normalize(text) for text in texts], vocabulary=vocabulary)
    identity = Identity(keep_tokenizer(layout.tokenizer, tokenizer, language), vocabulary, tokenizer.bos, language.code)
    torch.manual_seed(11)
    for name, backward in (("ahead", False), ("back", True)):
        config = replace(TINY, backward=backward)
        state = {"config": config.to_json(), "identity": asdict(identity), "position": {"step": 1}}
        save_checkpoint(layout.run(name) / "best", AWDLSTM(vocabulary, config).state_dict(), None, state)
    return layout


def keep_tokenizer(folder: Path, tokenizer: Tokenizer, language: Language) -> str:
    """Write a tokenizer's folder; its fingerprint."""
    folder.mkdir(parents=True)
    (folder / "spm.model").write_bytes(tokenizer.model)
    write_json(
        folder / "vocab.json",
        {"pieces": [list(each) for each in zip(tokenizer.inventory, tokenizer.scores, strict=True)]},
    )
    normalization = language.normalizer("standard").fingerprint
    name = fingerprint([tokenizer.inventory, tokenizer.scores, normalization])
    about = {"fingerprint": name, "language": language.code, "normalization": normalization, "inputs": {}}
    files = describe_files(folder, [folder / "spm.model", folder / "vocab.json"])
    write_manifest(folder, "tokenizer", about | {"files": files})
    return name
