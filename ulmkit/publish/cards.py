"""The README of an export: how to load it, as code that runs, and what its reader must know."""

from collections.abc import Mapping

from ulmkit.lm.config import LMConfig
from ulmkit.names import code_span, json_text, markdown_text
from ulmkit.publish.source import Source, of_words
from ulmkit.tokenizer.card import NEWLINE_REASON, NEWLINE_RULE


def fastai_readme(source: Source) -> str:
    """How to load it into fastai, and to fine-tune it there."""
    weights, pretrained = json_text(f"models/{source.name}.pth"), json_text(source.name)
    weights_file, language = code_span(f"models/{source.name}.pth"), code_span(source.checkpoint.identity.language)
    return f"""# {markdown_text(source.name)}: an AWD-LSTM language model for fastai

Written by ulmkit and checked: fastai loaded these files and gave the same logits.

```python
import json
from pathlib import Path

import torch
from fastai.text.all import AWD_LSTM, get_language_model

folder = Path(".")  # where this file lies
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
model = get_language_model(AWD_LSTM, len(vocab), config=config)
model.load_state_dict(torch.load(folder / {weights}, weights_only=True))
model.eval()
model.reset()
```

To fine-tune it, `dls` being DataLoaders of texts cut into the pieces of `tokenizer/spm.model`:

```python
from fastai.text.all import language_model_learner

learn = language_model_learner(dls, AWD_LSTM, config=config, path=folder, pretrained_fnames=[{pretrained}, "vocab"])
```

This last call makes fastai unpickle {weights_file} and `models/vocab.pkl`. Python code can hide in a pickle: load
them only as you got them from someone you trust. The first listing runs no pickle.

- `vocab.json` and `models/vocab.pkl` hold the same list: row *i* of the embedding is its word *i*. The order is
  fastai's (`xxunk`, `xxpad`, `xxbos`, `xxeos`, then the pieces); the tokenizer's own ids have padding before
  unknown, and agree from id 2 on.
- {NEWLINE_REASON}
  `{NEWLINE_RULE}`; `tokenizer/README.md` names other ways.
- The pieces are those of text normalized by ulmkit's {language}. fastai's text rules (`xxmaj`, `xxrep`, …) were never
  applied: give it `rules=[]`, and put `xxbos` before each document.
- A dropout of exactly 0 on the recurrent weights would make fastai fail in training, so `config.json` says
  1e-12 for it.
{_reading(source.checkpoint.config)}"""


def safetensors_readme(source: Source) -> str:
    """How to load it with ulmkit, and what its tensors are."""
    loads = (
        ("ulmkit.tokenizer.words import Words", 'Words.load(folder / "tokenizer")')
        if of_words(source)
        else (
            "ulmkit.language.registry import get\nfrom ulmkit.tokenizer.model import Tokenizer",
            f'Tokenizer.load(folder / "tokenizer", get({json_text(source.checkpoint.identity.language)}))',
        )
    )
    return f"""# {markdown_text(source.name)}: an AWD-LSTM language model

```python
from pathlib import Path

from ulmkit.publish.safetensors import load_exported
from {loads[0]}

folder = Path(".")  # where this file lies
model = load_exported(folder)
tokenizer = {loads[1]}
```

`model.safetensors` holds `embedding` (vocabulary, embedding_size), which is the decoder too, `decoder_bias`, and for
each layer `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` in torch's layout (gates input, forget, cell, output).
{_pointing(source.checkpoint.config)}`config.json` has the sizes, and the fingerprints of tokenizer and normalization.
{_reading(source.checkpoint.config)}"""


def onnx_readme(source: Source, state: Mapping[str, int]) -> str:
    """How to run it. `state`: name of each input that carries state -> its width."""
    widths = ", ".join(f'"{name}": {width}' for name, width in state.items())
    return f"""# {markdown_text(source.name)}: an AWD-LSTM language model as ONNX

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
widths = {{{widths}}}
ids = np.array([[{source.checkpoint.identity.bos}], [300], [301]])  # (T, B), time first; the first begins a document
state = {{name: np.zeros((ids.shape[1], width), np.float32) for name, width in widths.items()}}
logits, *after = session.run(None, {{"ids": ids, **state}})  # (T, B, vocabulary)
state = dict(zip(widths, after))  # to go on from here
```

{_ids_of(source)}
{_reading(source.checkpoint.config)}"""


def _reading(config: LMConfig) -> str:
    """What the reader of a README must know of a backward model."""
    return (
        "\nThis model reads backwards: give it each document's ids from the last to the first.\n"
        if config.backward
        else ""
    )


def _ids_of(source: Source) -> str:
    """What the reader of a README must know of the ids."""
    if of_words(source):
        return "Ids are those of `tokenizer/vocab.json`; 0, `<eos>`, stands before every line."
    language = code_span(source.checkpoint.identity.language)
    return f"""Ids are those of `tokenizer/spm.model`, for text normalized by ulmkit's {language}.
{NEWLINE_REASON}
`{NEWLINE_RULE}`; `tokenizer/README.md` names other ways."""


def _pointing(config: LMConfig) -> str:
    """What a README says of a pointer's weights."""
    if not config.memory:
        return ""
    return f"""`pointer.query` (embedding_size, embedding_size) and the other `pointer.` weights belong to a pointer
over the last {config.memory} pieces (Merity et al. 2016, arXiv 1609.07843).
"""
