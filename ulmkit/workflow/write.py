"""Prompt in, text out; and what the model holds in its state while it reads a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import Checkpoint
from ulmkit.lm.generate import generate
from ulmkit.lm.hidden import hidden_states
from ulmkit.lm.model import AWDLSTM
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.words import Words


def continuations(model: AWDLSTM, tokenizer: Tokenizer | Words, prompts: Sequence[str], **options: Any) -> list[str]:
    """Each prompt, normalized, with what the model adds: behind it, or before it where the model reads backward.

    `options` are those of `lm.generate.generate`: length, temperature, top_k, top_p, no_repeat, seed.
    """
    order = -1 if model.config.backward else 1
    heads = [[tokenizer.bos, *[int(i) for i in tokenizer.encode(prompt)][::order]] for prompt in prompts]
    tails = generate(model, heads, forbidden=tokenizer.unwritten, stop=tokenizer.bos, **options)
    return [tokenizer.decode((head[1:] + tail)[::order]) for head, tail in zip(heads, tails, strict=True)]


def states_of_text(model: AWDLSTM, tokenizer: Tokenizer | Words, text: str) -> np.ndarray:
    """The last layer's output after each piece of `text`; shape (T, E), float32, without dropout.

    T is the number of pieces of the normalized text, E the embedding's size, which the last layer shares. Row t has
    read the document's start and the pieces up to t; of a model that reads backward, those from t to the end.
    """
    order = -1 if model.config.backward else 1
    ids = [tokenizer.bos, *[int(i) for i in tokenizer.encode(text)][::order]]
    return hidden_states(model, ids)[1:][::order].copy()


def refuse_other_tokenizer(checkpoint: Checkpoint, tokenizer: Tokenizer | Words) -> None:
    """Raise `ArtifactError` where the checkpoint was trained with another tokenizer: its ids would be other pieces."""
    if checkpoint.identity.tokenizer != tokenizer.fingerprint:
        raise ArtifactError(
            f"{checkpoint.folder}: trained with tokenizer {checkpoint.identity.tokenizer}, here is "
            f"{tokenizer.fingerprint}. Pretrain again, or bring its tokenizer back."
        )
