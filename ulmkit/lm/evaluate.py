"""How good a model is: per token, per character and per byte, beside models that anybody can beat or should.

All models predict the same targets: each document's pieces after its `bos`, then its end (as a `bos`). So every token
of the file counts once, the first `bos` standing for the last document's end. Bits per character and byte divide
the whole by the normalized text's size, the ends' cost included, and so compare across tokenizers.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.batches import EvaluationBatches, backward, document_starts
from ulmkit.lm.identity import Identity
from ulmkit.lm.loss import token_losses
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.ngram import KneserNey

EVALUATION_WINDOW = 128  # steps at a time; the state is carried, so it changes nothing but speed


@dataclass(frozen=True)
class Evaluation:
    """One model on one split, or on one source of it. `loss` is nats a token; `accuracy` None where not computed."""

    loss: float
    perplexity: float
    bits_per_character: float
    bits_per_byte: float
    accuracy: float | None
    tokens: int
    documents: int
    characters: int
    bytes: int
    sources: dict[str, "Evaluation"] = field(default_factory=dict)


def summarize(tokens: TokenFile, losses: np.ndarray, right: np.ndarray | None = None) -> Evaluation:
    """Figures from the loss in nats of each target (tokens,), and whether each was the best guess.

    Target i is the token after token i and belongs to the same document as token i.
    """
    documents = tokens.documents
    starts = document_starts(tokens)[: len(documents)]
    nats = _sum_by_document(losses, starts)
    correct = None if right is None else _sum_by_document(right, starts)

    def figures(chosen: np.ndarray, sources: dict[str, Evaluation]) -> Evaluation:
        size = int((documents["end"] - starts)[chosen].sum())
        characters = int(documents["characters"][chosen].sum(dtype=np.int64))
        size_bytes = int(documents["bytes"][chosen].sum(dtype=np.int64))
        total = float(nats[chosen].sum())
        loss = total / size if size else math.nan
        return Evaluation(
            loss=loss,
            perplexity=math.exp(min(loss, 700.0)),
            bits_per_character=total / math.log(2) / characters if characters else math.nan,
            bits_per_byte=total / math.log(2) / size_bytes if size_bytes else math.nan,
            accuracy=None if correct is None else float(correct[chosen].sum()) / size if size else math.nan,
            tokens=size,
            documents=int(chosen.sum()),
            characters=characters,
            bytes=size_bytes,
            sources=sources,
        )

    by_source = {
        name: figures(documents["source"] == number, {})
        for number, name in enumerate(tokens.sources)
        if (documents["source"] == number).any()
    }
    return figures(np.ones(len(documents), bool), by_source)


def _sum_by_document(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.float64), starts) if len(starts) else np.zeros(0)


def model_losses(model: AWDLSTM, tokens: TokenFile, *, batch_size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Loss in nats of each target (tokens,), and whether it was the best guess.

    The state is carried from document to document along `batch_size` rows (the model's own `valid_batch_size`).
    """
    batches = EvaluationBatches(tokens, batch_size or model.config.valid_batch_size, EVALUATION_WINDOW)
    batches.to(model.embedding.device)
    losses, right = np.zeros(len(tokens.ids)), np.zeros(len(tokens.ids), bool)
    training = model.training
    model.eval()
    model.reset()
    with torch.no_grad(), kept_memory():
        for x, y, place in batches.with_positions():
            batch_losses, batch_right = token_losses(model(x), y)
            real = place >= 0
            losses[place[real]] = batch_losses.cpu().numpy()[real]
            right[place[real]] = batch_right.cpu().numpy()[real]
    model.reset()
    model.train(training)
    if not np.isfinite(losses).all():
        raise UlmkitError(f"{tokens.path}: the model's loss is no number here: its weights are too large. Train again.")
    return losses, right


def evaluate(model: AWDLSTM, tokens: TokenFile, *, batch_size: int | None = None) -> Evaluation:
    """`model` on every token of `tokens`.

    Raises `ArtifactError` where the model was trained with another tokenizer, or there is nothing to evaluate on.
    """
    if model.identity is not None:
        model.identity.refuse_other(Identity.of(tokens), tokens.path)
    tokens.refuse_damage()
    if model.config.backward:
        tokens = backward(tokens)
    return summarize(tokens, *model_losses(model, tokens, batch_size=batch_size))


def baselines(train: TokenFile, tokens: TokenFile, *, order: int = 3) -> dict[str, Evaluation]:
    """A smoothed unigram and an interpolated modified Kneser-Ney model of `order`, counted on `train`.

    Keys: `unigram` and `kneser-ney-<order>`.
    """
    Identity.of(train).refuse_other(Identity.of(tokens), tokens.path)
    for file in (train, tokens):
        if not len(file.ids):
            raise ArtifactError(f"{file.path}: no tokens. Encode a larger corpus.")
        file.refuse_damage()
    models = {"unigram": KneserNey(train, 1), f"kneser-ney-{order}": KneserNey(train, order)}
    return {name: summarize(tokens, -model.log_probabilities(tokens)) for name, model in models.items()}


def best_share(first: np.ndarray, second: np.ndarray) -> float:
    """The share of the first model in the mixture of two that fits best, from their losses in nats of each target.

    Expectation maximization, which rises to the one maximum there is.
    """
    advantage = np.exp(np.clip(second - first, -700, 700))  # p_first / p_second
    share = 0.5
    for _ in range(100):
        gain = share * advantage
        better = float(np.mean(gain / (gain + 1 - share)))
        if abs(better - share) < 1e-6:
            break
        share = better
    return share


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Losses in nats of the mixture that gives the first model `share` of the say."""
    if not 0 < share < 1:
        return first if share else second
    mixed: np.ndarray = -np.logaddexp(math.log(share) - first, math.log1p(-share) - second)
    return mixed


def with_ngrams(
    model: AWDLSTM, train: TokenFile, tuned_on: TokenFile, tokens: TokenFile, *, order: int
) -> tuple[float, Evaluation]:
    """The network and a Kneser-Ney model of `order` as one: a strong model for little, because they err differently.

    Returns the network's share, which is the best for `tuned_on`, and what the mixture reaches on `tokens`.
    """
    for file in (train, tuned_on, tokens):
        Identity.of(file).refuse_other(Identity.of(tokens), tokens.path)
        file.refuse_damage()
    if model.config.backward:
        train, tuned_on, tokens = (backward(file) for file in (train, tuned_on, tokens))
    counted = KneserNey(train, order)

    def losses(file: TokenFile) -> tuple[np.ndarray, np.ndarray]:
        return model_losses(model, file)[0], -counted.log_probabilities(file)

    tuned = losses(tuned_on)
    share = best_share(*tuned)
    return share, summarize(tokens, mix(*(tuned if tokens is tuned_on else losses(tokens)), share))
