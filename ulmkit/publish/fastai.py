"""A model in fastai's files: our parameters, vocabulary and settings under its names and in its order, both ways."""

import io
import json
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import write_bytes
from ulmkit.lm.config import LMConfig
from ulmkit.publish.cards import fastai_readme
from ulmkit.publish.pickles import read_pickle_file
from ulmkit.publish.source import CONFIG, PIECES, README, Logits, Source, copy_tokenizer

# our first four pieces, each with fastai's word for it, in fastai's order: there padding is 1, not 0
SPECIAL = {"<unk>": "xxunk", "<pad>": "xxpad", "<s>": "xxbos", "</s>": "xxeos"}
PAD = 1  # fastai's pad_token: the row whose look-up gets no gradient

# fastai cannot be reset in training with a weight_p of 0: a TypeError in its WeightDropout
LEAST_WEIGHT_P = 1e-12


def fastai_names(layers: int) -> dict[str, tuple[str, ...]]:
    """Our name → fastai's names for the same tensor, in its `SequentialRNN(AWD_LSTM, LinearDecoder)`.

    The tied embedding has three names there; the recurrent weight is the `raw` one beneath weight drop.
    """
    names: dict[str, tuple[str, ...]] = {
        "embedding": ("0.encoder.weight", "0.encoder_dp.emb.weight", "1.decoder.weight"),
        "decoder_bias": ("1.decoder.bias",),
    }
    for layer in range(layers):
        ours, theirs = f"rnns.{layer}", f"0.rnns.{layer}"
        names[f"{ours}.weight_hh"] = (f"{theirs}.weight_hh_l0_raw",)
        for kind in ("weight_ih", "bias_ih", "bias_hh"):
            names[f"{ours}.{kind}"] = (f"{theirs}.module.{kind}_l0",)
    return names


def _layers(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def to_fastai(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our state dict as the one that fastai's `get_language_model(AWD_LSTM, ...)` loads strictly, rows as they are.

    In the order of fastai's own: its `load_pretrained` takes tensors by their place and ignores their names.
    Raises `ArtifactError` for a model that has more than an AWD-LSTM.
    """
    names = fastai_names(_layers(state, "rnns."))
    for name in state:
        if name not in names:
            raise ArtifactError(f"'{name}' has no place in fastai's AWD_LSTM. Export as safetensors or onnx.")
    renamed = {theirs: state[ours] for ours, copies in names.items() for theirs in copies}
    return dict(sorted(renamed.items(), key=lambda item: item[0].startswith("1.")))


def fastai_order(pieces: Sequence[str]) -> list[int]:
    """Which of our ids stands at each of fastai's: the special ones first, in its order, then the rest in ours."""
    first = [pieces.index(piece) for piece in SPECIAL]
    return [*first, *(i for i in range(len(pieces)) if i not in first)]


def fastai_settings(config: LMConfig) -> dict[str, Any]:
    """`config` as the dictionary that fastai's `get_language_model` and `language_model_learner` take."""
    return {
        "emb_sz": config.embedding_size,
        "n_hid": config.hidden_size,
        "n_layers": config.layers,
        "pad_token": PAD,
        "bidir": False,
        "output_p": config.dropout("output"),
        "hidden_p": config.dropout("hidden"),
        "input_p": config.dropout("input"),
        "embed_p": config.dropout("embed"),
        "weight_p": max(config.dropout("weight"), LEAST_WEIGHT_P),
        "tie_weights": True,
        "out_bias": True,
    }


def from_fastai(state: Mapping[str, torch.Tensor], source: str = "fastai weights") -> dict[str, torch.Tensor]:
    """fastai's state dict as ours. `source` is named in errors.

    Raises `ArtifactError` where a tensor is missing, unknown, or the decoder is not tied.
    """
    names = fastai_names(_layers(state, "0.rnns."))
    # weight drop leaves the masked weight of the last batch under the module's own name; it is a copy
    known = {theirs for copies in names.values() for theirs in copies}
    known |= {name.replace("weight_hh_l0_raw", "module.weight_hh_l0") for name in known}
    for name in state:
        if name not in known:
            raise ArtifactError(f"{source}: '{name}' is no part of an AWD-LSTM language model.")
    ours = {}
    for name, copies in names.items():
        present = [state[theirs] for theirs in copies if theirs in state]
        if not present:
            raise ArtifactError(f"{source}: '{copies[0]}' is missing. Is it an AWD-LSTM language model?")
        if any(not torch.equal(present[0], other) for other in present[1:]):
            raise ArtifactError(f"{source}: {' and '.join(copies)} differ; only tied embeddings can be taken over.")
        ours[name] = present[0]
    return ours


def write_fastai(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """models/<name>.pth and models/vocab.pkl where `language_model_learner(path=…)` looks for them, and what else."""
    if missing := [piece for piece in SPECIAL if piece not in source.pieces]:
        raise ArtifactError(
            f"{source.tokenizer}: has no {', '.join(missing)}, which fastai's files need. Export as safetensors."
        )
    order = fastai_order(source.pieces)
    config = source.checkpoint.config
    if config.memory:
        raise ArtifactError(
            f"{source.checkpoint.folder}: the model has a pointer over its last {config.memory} pieces, for which "
            "fastai's AWD_LSTM has no layer. Export as safetensors."
        )
    state = to_fastai(
        {n: t[order] if n in ("embedding", "decoder_bias") else t for n, t in source.checkpoint.model.items()}
    )
    weights = io.BytesIO()
    torch.save(state, weights)
    words = [SPECIAL.get(source.pieces[i], source.pieces[i]) for i in order]
    models = new / "models"
    models.mkdir()
    write_bytes(models / f"{source.name}.pth", weights.getvalue())
    write_bytes(models / "vocab.pkl", pickle.dumps(words, protocol=2))
    write_json(new / PIECES, words)
    write_json(new / CONFIG, fastai_settings(config))
    copy_tokenizer(source, new)
    write_bytes(new / README, fastai_readme(source).encode())
    return _logits_of(new, source, batches, order)


def _logits_of(folder: Path, source: Source, batches: torch.Tensor, order: list[int]) -> Logits:
    """What current fastai says, from the files alone, with its words back in our order."""
    words = read_pickle_file(folder / "models" / "vocab.pkl")
    theirs = fastai_model(len(words), json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    theirs.load_state_dict(torch.load(folder / "models" / f"{source.name}.pth", weights_only=True))
    theirs.eval().reset()
    place = torch.tensor(order).argsort()  # our id → fastai's
    with torch.no_grad():
        return [theirs(place[ids].T)[0].transpose(0, 1)[..., place] for ids in batches]  # (B, T, V) -> (T, B, V)


def fastai_model(vocabulary: int, settings: Mapping[str, Any]) -> Any:
    """fastai's own language model with fresh weights; the caller's random numbers stay as they were."""
    with warnings.catch_warnings():  # of what it does while it is imported, none of it ours
        warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", message="The 'mode.chained_assignment' option is deprecated")
        from fastai.text.models.awdlstm import AWD_LSTM
        from fastai.text.models.core import get_language_model

    with torch.random.fork_rng(devices=[]):
        return get_language_model(AWD_LSTM, vocabulary, dict(settings))
