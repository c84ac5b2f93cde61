"""Text from a language model, as ids: the CLI turns text into ids and back."""

import math
from collections.abc import Collection, Sequence

import torch

from ulmkit.errors import UlmkitError, UsageError
from ulmkit.lm.config import LARGEST_SEED
from ulmkit.lm.model import AWDLSTM

READ_AT_ONCE = 256  # ids of a prompt that are read at once
COLDEST = 1e-100  # a temperature below would take the scores beyond all numbers; the best id alone is left long before


def keep_likely(logits: torch.Tensor, *, top_k: int = 0, top_p: float = 1.0) -> torch.Tensor:
    """`logits` (B, V) with -inf outside the `top_k` best and outside the smallest set that holds `top_p`.

    The set of Holtzman et al. 2019 (arXiv 1904.09751): the best pieces until their probability reaches `top_p`, at
    least one. 0 and 1.0 switch either off.
    """
    if top_k and top_k < logits.shape[1]:
        weakest = logits.topk(top_k, 1).values[:, -1:]
        logits = logits.masked_fill(logits < weakest, -torch.inf)
    if top_p < 1:
        ranked, order = logits.sort(1, descending=True)
        p = ranked.softmax(1)
        outside = p.cumsum(1) - p >= top_p  # what the better ones hold already suffices
        logits = logits.masked_fill(torch.zeros_like(outside).scatter(1, order, outside), -torch.inf)
    return logits


def repeating(read: Sequence[int], n: int) -> set[int]:
    """The ids that would end a run of `n` ids that stands in `read` already; none where `n` is 0.

    >>> repeating([5, 6, 7, 5, 6], 3)
    {7}
    """
    if not n or len(read) < n:
        return set()
    tail = list(read[len(read) - n + 1 :])
    return {read[i + n - 1] for i in range(len(read) - n + 1) if list(read[i : i + n - 1]) == tail}


def _check(model: AWDLSTM, prompts: Sequence[Sequence[int]], temperature: float, top_p: float, seed: int) -> None:
    if not 0 <= temperature < math.inf:
        raise UsageError(f"generate: temperature {temperature}, expected at least 0.")
    if not 0 < top_p <= 1:
        raise UsageError(f"generate: top_p {top_p}, expected above 0 and at most 1.")
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"generate: seed {str(seed)[:40]}, expected from 0 to {LARGEST_SEED}.")
    for number, prompt in enumerate(prompts):
        if not prompt:
            raise UsageError(f"generate: prompt {number} is empty. Begin it with the document's first id, bos.")
        for token in prompt:
            if not 0 <= token < model.vocabulary:
                raise UsageError(f"generate: id {token} in prompt {number}, the vocabulary has {model.vocabulary}.")


@torch.no_grad()
def generate(
    model: AWDLSTM,
    prompts: Sequence[Sequence[int]],
    *,
    length: int = 64,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 0.9,
    no_repeat: int = 0,
    seed: int = 0,
    forbidden: Collection[int] = (),
    stop: int | None = None,
) -> list[list[int]]:
    """Continue each prompt by at most `length` ids; the prompts themselves are not returned.

    `temperature` 0 takes the best id each time. Ids in `forbidden` (unknown, padding ...) never come out; nor does
    `bos`, which the model knows: where it is `stop`, it ends its row. With `no_repeat` n no run of n ids comes twice,
    those of the prompt included: a model with a pointer else says what it has just said, again and again. The same seed
    and prompts give the same ids.
    """
    _check(model, prompts, temperature, top_p, seed)
    for name, count in (("length", length), ("top_k", top_k), ("no_repeat", no_repeat)):
        if count < 0:
            raise UsageError(f"generate: {name} {count}, expected at least 0.")
    if not prompts:
        return []
    never = set(forbidden)
    if model.identity is not None:
        never.add(model.identity.bos)
    never.discard(-1 if stop is None else stop)
    if len(never) >= model.vocabulary:
        raise UsageError("generate: every id is forbidden.")
    banned = torch.tensor(sorted(i for i in never if 0 <= i < model.vocabulary), dtype=torch.long)
    random = torch.Generator().manual_seed(seed)
    training = model.training
    model.eval()
    heads = [_state_after(model, prompt[:-1]) for prompt in prompts]
    model.carry({name: torch.cat([head[name] for head in heads]) for name in heads[0]})
    results: list[list[int]] = [[] for _ in prompts]
    ended = [length == 0] * len(prompts)
    current = [prompt[-1] for prompt in prompts]
    while not all(ended):
        logits = _logits(model, torch.tensor([current]))  # (1, B) -> (B, V)
        logits[:, banned] = -torch.inf
        if no_repeat:
            for row, prompt in enumerate(prompts):
                again = sorted(repeating([*prompt, *results[row]], no_repeat))
                if len(again) + len(banned) < model.vocabulary:
                    logits[row, again] = -torch.inf
        current = _choose(logits, temperature, top_k, top_p, random).tolist()
        for row, (chosen, result) in enumerate(zip(current, results, strict=True)):
            if not ended[row] and chosen != stop:
                result.append(chosen)
            ended[row] |= chosen == stop or len(result) == length
    model.reset()
    model.train(training)
    return results


def _state_after(model: AWDLSTM, ids: Sequence[int]) -> dict[str, torch.Tensor]:
    """What the model carries once it has read `ids`, one row's: many at a time, and no scores are asked for."""
    model.state, model.memory = model.start(1), next(iter(model.recall(1)), None)
    for start in range(0, len(ids), READ_AT_ONCE):
        model(torch.tensor(ids[start : start + READ_AT_ONCE], device=model.embedding.device).unsqueeze(1))  # (T, 1)
    head = model.carried()
    model.reset()
    return head


def _logits(model: AWDLSTM, ids: torch.Tensor) -> torch.Tensor:
    """Scores after one id a row, (1, B) -> (B, V), on the CPU, where sampling makes one text of one seed."""
    logits = model.logits(ids.to(model.embedding.device))[0].double().cpu()
    if not bool(logits.isfinite().all()):
        raise UlmkitError("generate: the model's scores are no numbers: its weights are too large. Train it again.")
    return logits


def _choose(
    logits: torch.Tensor, temperature: float, top_k: int, top_p: float, random: torch.Generator
) -> torch.Tensor:
    """One id a row: (B, V) -> (B,)."""
    if temperature == 0:
        return logits.argmax(1)
    p = keep_likely(logits / max(temperature, COLDEST), top_k=top_k, top_p=top_p).softmax(1)
    return p.multinomial(1, generator=random).squeeze(1)
