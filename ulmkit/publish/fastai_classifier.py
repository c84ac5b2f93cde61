"""A tuned classifier in fastai's files: encoder and head under the names of its text classifier, both ways.

Only a head in fastai's own form fits (`--recipe fastai`): pool of the last layer, BatchNorm, two linear layers.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import model_sizes, write_bytes
from ulmkit.names import json_text, markdown_text
from ulmkit.publish.fastai import PAD, SPECIAL, fastai_names, fastai_order
from ulmkit.publish.importing import matching_rows, moved_rows, read_vocabulary
from ulmkit.publish.source import CONFIG, PIECES, README
from ulmkit.publish.torch_files import read_torch_file

_HEAD = {"0.": "1.layers.0.0.", "2.": "1.layers.0.2.", "4.": "1.layers.1.0.", "6.": "1.layers.1.2."}  # ours → theirs
_COUNTED = "num_batches_tracked"  # the one tensor of a BatchNorm that is a whole number
_DROPOUTS = {"output_p": 0.4, "hidden_p": 0.3, "input_p": 0.4, "embed_p": 0.05, "weight_p": 0.5}  # its config_clas
_CLASSES = "classes.json"


@dataclass(frozen=True)
class FastaiClassifier:
    """Encoder and head under our names, classes in order, and pieces by id."""

    encoder: Mapping[str, torch.Tensor]
    head: Mapping[str, torch.Tensor]


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    """`name` with another prefix; empty where it has none of them."""
    return next((new + name.removeprefix(old) for old, new in prefixes.items() if name.startswith(old)), "")


def _encoder_names(layers: int) -> dict[str, tuple[str, ...]]:
    names = {ours: theirs for ours, theirs in fastai_names(layers).items() if ours != "decoder_bias"}
    return {
        ours: tuple(name.replace("0.", "0.module.", 1) for name in theirs if name.startswith("0."))
        for ours, theirs in names.items()
    }


def classifier_to_fastai(found: FastaiClassifier) -> dict[str, torch.Tensor]:
    """The state dict that fastai's `get_text_classifier(AWD_LSTM, …)` loads strictly, rows as they are.

    Raises `ArtifactError` for a head of another form.
    """
    layers = len({name.split(".")[1] for name in found.encoder if name.startswith("rnns.")})
    renamed = {theirs: found.encoder[ours] for ours, copies in _encoder_names(layers).items() for theirs in copies}
    for name, value in found.head.items():
        place = _renamed(name, _HEAD)
        if not place or "0.running_mean" not in found.head:
            raise ArtifactError("a head without BatchNorm has no place in fastai. Train with --recipe fastai.")
        renamed[place] = value
    return renamed


def classifier_from_fastai(state: Mapping[str, torch.Tensor], source: str) -> FastaiClassifier:
    """fastai's state dict as ours. `source` is named in errors.

    Raises `ArtifactError` where a tensor is missing, unknown, or two copies of the embedding differ.
    """
    layers = len({name.split(".")[3] for name in state if name.startswith("0.module.rnns.")})
    encoder, head, known = {}, {}, set()
    for ours, copies in _encoder_names(layers).items():
        present = [state[name] for name in copies if name in state]
        if not present or any(not torch.equal(present[0], other) for other in present[1:]):
            raise ArtifactError(f"{source}: '{copies[0]}' is missing, or two copies differ. Is it a text classifier?")
        encoder[ours] = present[0]
        known |= {*copies, *(name.replace("weight_hh_l0_raw", "module.weight_hh_l0") for name in copies)}
    for name, value in state.items():
        place = next(
            (ours + name.removeprefix(theirs) for ours, theirs in _HEAD.items() if name.startswith(theirs)), ""
        )
        if place:
            head[place] = value.long() if name.endswith(_COUNTED) else value
        elif name not in known:
            raise ArtifactError(f"{source}: '{name}' is no part of fastai's text classifier of two linear layers.")
    if "embedding" not in encoder or "6.weight" not in head:
        raise ArtifactError(f"{source}: has no encoder or no head. Is it a text classifier?")
    encoder["decoder_bias"] = torch.zeros(len(encoder["embedding"]))
    return FastaiClassifier(encoder, head)


def read_fastai_classifier(weights: Path, vocabulary: Path, pieces: Sequence[str]) -> FastaiClassifier:
    """What `Learner.save` or `torch.save` wrote of a text classifier, its rows in the order of our `pieces`.

    Neither file is unpickled. Raises `ArtifactError` where one is damaged or hostile, they are no pair, or a piece of
    ours has no row: a classifier would read it as what it is not.
    """
    found = classifier_from_fastai(read_torch_file(weights), str(weights))
    words = read_vocabulary(vocabulary)
    sizes = model_sizes(found.encoder, weights)
    if len(words) != sizes["vocabulary"]:
        raise ArtifactError(
            f"{vocabulary}: {len(words):,} words, {weights.name} has {sizes['vocabulary']:,}. They are no pair."
        )
    rows = matching_rows(pieces, words)
    if lacking := [piece for piece, row in zip(pieces, rows, strict=True) if row is None]:
        raise ArtifactError(
            f"{vocabulary}: has no {json_text(lacking[0])}, nor {len(lacking) - 1:,} more pieces of the tokenizer "
            "here. Take the one that it was trained with."
        )
    return FastaiClassifier({**found.encoder, "embedding": moved_rows(found.encoder["embedding"], rows)}, found.head)


def classifier_settings(encoder: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The `config` that fastai's `text_classifier_learner` takes; its dropouts stand before `drop_mult`."""
    sizes = model_sizes(encoder, Path("encoder"))
    named = {"emb_sz": sizes["embedding_size"], "n_hid": sizes.get("hidden_size", 1), "n_layers": sizes["layers"]}
    return named | {"pad_token": PAD, "bidir": False, **_DROPOUTS}


def write_fastai_classifier(
    new: Path, found: FastaiClassifier, pieces: Sequence[str], classes: Sequence[str], *, name: str, backward: bool
) -> list[int]:
    """models/<name>.pth where `Learner.load` looks for it, vocab.json, classes.json, config.json; the order of rows."""
    if missing := [piece for piece in SPECIAL if piece not in pieces]:
        raise ArtifactError(f"the tokenizer has no {', '.join(missing)}, which fastai's files need.")
    order = fastai_order(pieces)
    moved = {**found.encoder, "embedding": found.encoder["embedding"][order]}
    weights = io.BytesIO()
    torch.save(classifier_to_fastai(FastaiClassifier(moved, found.head)), weights)
    (new / "models").mkdir(parents=True)
    write_bytes(new / "models" / f"{name}.pth", weights.getvalue())
    write_json(new / PIECES, [SPECIAL.get(pieces[i], pieces[i]) for i in order])
    write_json(new / _CLASSES, list(classes))
    write_json(new / CONFIG, classifier_settings(found.encoder))
    write_bytes(new / README, _readme(name, backward).encode())
    return order


def fastai_scores(folder: Path, name: str, texts: Sequence[np.ndarray], order: Sequence[int]) -> np.ndarray:
    """What current fastai says of each of `texts`, read alone, from the files alone; shape (texts, classes), float64.

    Texts are ids of ours, of which `order` says which stands at each of fastai's. The mean of each row is 0.
    """
    from fastai.text.models.awdlstm import AWD_LSTM
    from fastai.text.models.core import get_text_classifier

    settings, words, classes = (
        json.loads((folder / file).read_text(encoding="utf-8")) for file in (CONFIG, PIECES, _CLASSES)
    )
    with torch.random.fork_rng(devices=[]):
        model = get_text_classifier(AWD_LSTM, len(words), len(classes), config=settings, drop_mult=0.5)
    model.load_state_dict(torch.load(folder / "models" / f"{name}.pth", weights_only=True))
    model.eval()
    place = torch.tensor(order).argsort()  # our id → fastai's
    with torch.no_grad():
        found = torch.cat([model(place[torch.from_numpy(ids)][None])[0] for ids in texts]).double().numpy()
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def _readme(name: str, backward: bool) -> str:
    reads = "xxbos, then its pieces from the last to the first" if backward else "xxbos, then its pieces"
    return f"""# {markdown_text(name)}: a text classifier for fastai

Written by ulmkit and checked: fastai loaded these files and gave the same scores.

```python
import json
from pathlib import Path

import torch
from fastai.text.all import AWD_LSTM, get_text_classifier

folder = Path(".")  # where this file lies
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
classes = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
model = get_text_classifier(AWD_LSTM, len(vocab), len(classes), config=config, drop_mult=0.5)
model.load_state_dict(torch.load(folder / {json_text(f"models/{name}.pth")}, weights_only=True))
model.eval()
```

With `dls` whose vocabularies are `vocab` and `classes`, fastai's own learner takes them, too:

```python
from fastai.text.all import text_classifier_learner

learn = text_classifier_learner(dls, AWD_LSTM, config=config, pretrained=False, path=folder).load({json_text(name)})
```

- A text is {reads}, normalized and cut as `tokenizer/` says; fastai's text rules were never applied.
- Read texts one by one, or sorted so that none is padded in front by a whole chunk of 72: fastai's batches change a
  text's scores by its neighbours (fastai/fastai#3379). Of a text of more than 1,440 pieces it leaves the beginning out.
"""
