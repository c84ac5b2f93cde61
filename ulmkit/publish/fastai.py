"""Our parameters, vocabulary and settings under fastai's names and in its order, both ways."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ulmkit.errors import ArtifactError
from ulmkit.lm.config import LMConfig

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
