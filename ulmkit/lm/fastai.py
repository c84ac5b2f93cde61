"""Our parameter names and fastai's, both ways."""

from collections.abc import Mapping

import torch

from ulmkit.errors import ArtifactError


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
    """Our state dict as the one that fastai's `get_language_model(AWD_LSTM, ...)` loads strictly."""
    names = fastai_names(_layers(state, "rnns."))
    return {theirs: state[ours] for ours, copies in names.items() for theirs in copies}


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
