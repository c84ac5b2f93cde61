"""Every model is charged for the same tokens; Kneser-Ney is what the paper defines; sizes divide as they should."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lm_data import BOS, patterned, token_file
from random_cases import examples

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.config import LMConfig
from ulmkit.lm.evaluate import baselines, best_share, evaluate, mix, model_losses, summarize, with_ngrams
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.ngram import KneserNey
from ulmkit.lm.run import pretrain

V = 12


class SlowKneserNey:
    """Interpolated modified Kneser-Ney written from its definition, with dictionaries and recursion."""

    def __init__(self, documents: Sequence[Sequence[int]], order: int) -> None:
        self.order = order
        raw: dict[int, Counter[tuple[int, ...]]] = defaultdict(Counter)
        for pieces in documents:
            words = [BOS, *pieces, BOS]
            for end in range(1, len(words)):
                for n in range(1, order + 1):
                    if end - n + 1 >= 0:
                        raw[n][tuple(words[end - n + 1 : end + 1])] += 1
        self.counts: dict[int, dict[tuple[int, ...], int]] = {}
        for n in range(1, order + 1):
            before: dict[tuple[int, ...], set[int]] = defaultdict(set)
            for longer in raw[n + 1]:
                before[longer[1:]].add(longer[0])
            self.counts[n] = {
                gram: count if n == order or (n > 1 and gram[0] == BOS) else len(before[gram])
                for gram, count in raw[n].items()
            }
        self.discounts = {n: self._discounts(list(counts.values())) for n, counts in self.counts.items()}

    @staticmethod
    def _discounts(counts: list[int]) -> list[float]:
        n = [counts.count(k) for k in range(5)]
        if min(n[1:]) == 0:
            return [0, 0.5, 1, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        d = [0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))]
        return d if all(0 <= d[k] <= k for k in range(4)) else [0, 0.5, 1, 1.5]

    def p(self, word: int, history: tuple[int, ...]) -> float:
        """Probability of `word` after `history` (nearest last), by the order that the history allows."""
        n = len(history) + 1
        lower = self.p(word, history[1:]) if history else 1 / V
        of_history = {gram: count for gram, count in self.counts[n].items() if gram[:-1] == history}
        if not of_history:
            return lower
        discount, total = self.discounts[n], sum(of_history.values())
        taken = sum(discount[min(count, 3)] for count in of_history.values())
        count = of_history.get((*history, word), 0)
        return (count - discount[min(count, 3)] + taken * lower) / total

    def log_probabilities(self, documents: Sequence[Sequence[int]]) -> list[float]:
        result = []
        for pieces in documents:
            words = [BOS, *pieces, BOS]
            for end in range(1, len(words)):
                result.append(math.log(self.p(words[end], tuple(words[max(0, end - self.order + 1) : end]))))
        return result


documents = st.lists(st.lists(st.integers(2, V - 1), max_size=12), min_size=1, max_size=12)


@examples(60)
@given(documents, documents, st.integers(1, 5))
def test_kneser_ney_equals_its_definition(train: list[list[int]], test: list[list[int]], order: int) -> None:
    fast = KneserNey(token_file(train, vocabulary=V), order).log_probabilities(token_file(test, vocabulary=V))
    assert fast == pytest.approx(SlowKneserNey(train, order).log_probabilities(test))


def test_estimated_discounts_are_used_where_the_sample_carries_them() -> None:
    """The random documents above are mostly too small for that; this one is not."""
    random = np.random.default_rng(0)
    train = [(2 + random.zipf(1.5, 60) % 10).tolist() for _ in range(40)]
    test = [(2 + random.zipf(1.5, 30) % 10).tolist() for _ in range(5)]
    slow = SlowKneserNey(train, 3)
    assert slow.discounts[3] != [0, 0.5, 1, 1.5]
    fast = KneserNey(token_file(train, vocabulary=V), 3).log_probabilities(token_file(test, vocabulary=V))
    assert fast == pytest.approx(slow.log_probabilities(test))


@examples(30)
@given(documents, st.lists(st.integers(2, V - 1), max_size=4), st.integers(1, 4))
def test_kneser_ney_probabilities_sum_to_one(train: list[list[int]], history: list[int], order: int) -> None:
    model = KneserNey(token_file(train, vocabulary=V), order)
    # each word but bos once after the history; bos is every document's end
    each = [[*history, word] for word in range(V) if word != BOS]
    logs = np.split(model.log_probabilities(token_file(each, vocabulary=V)), len(each))
    end = model.log_probabilities(token_file([history], vocabulary=V))[-1]
    assert sum(math.exp(part[-2]) for part in logs) + math.exp(end) == pytest.approx(1)


def test_a_worked_example() -> None:
    """Documents "a b" and "a c", order 2. With so few counts the discounts are 0.5, 1 and 1.5.

    After a: b once, c once, so each (1 - 0.5) / 2 plus a backoff of (0.5 + 0.5) / 2 times its unigram share.
    Unigrams count different words before: a 1 (bos), b 1, c 1, end 2 (b, c), of 5; each loses 0.5, the end 1, and
    2.5 / 5 is spread over 12 words. So p(b) = 0.5 / 5 + 0.5 / 12 and p(b | a) = 0.25 + 0.5 p(b).
    """
    a, b, c = 2, 3, 4
    model = KneserNey(token_file([[a, b], [a, c]], vocabulary=V), 2)
    logs = model.log_probabilities(token_file([[a, b]], vocabulary=V))
    assert math.exp(logs[1]) == pytest.approx(0.25 + 0.5 * (0.5 / 5 + 0.5 / 12))


def test_orders_beyond_five_are_refused() -> None:
    with pytest.raises(UsageError, match="1 to 5"):
        KneserNey(token_file([[2]]), 6)


def test_figures_of_a_uniform_guess() -> None:
    """Five tokens at one bit each: 2 + 1 pieces and two ends; the maker gives 2 characters and 3 bytes a token."""
    tokens = token_file([[2, 3], [4]])
    result = summarize(tokens, np.full(5, math.log(2)), np.array([1, 0, 0, 1, 1], bool))
    assert result.tokens == 5
    assert result.perplexity == pytest.approx(2)
    assert result.bits_per_character == pytest.approx(5 / 10)
    assert result.bits_per_byte == pytest.approx(5 / 15)
    assert result.accuracy == pytest.approx(3 / 5)
    assert {name: part.tokens for name, part in result.sources.items()} == {"even": 3, "odd": 2}
    assert result.sources["even"].accuracy == pytest.approx(1 / 3)


def test_sources_add_up_to_the_whole() -> None:
    tokens = patterned(31)
    result = baselines(patterned(20, seed=1), tokens)["kneser-ney-3"]
    assert sum(part.tokens for part in result.sources.values()) == result.tokens == len(tokens.ids)
    weighted = sum(part.loss * part.tokens for part in result.sources.values())
    assert weighted / result.tokens == pytest.approx(result.loss)


def test_more_context_helps_on_data_that_depends_on_it() -> None:
    results = baselines(patterned(60, seed=1), patterned(20))
    assert results["kneser-ney-3"].loss < results["unigram"].loss - 0.5


def small_model(tokens: TokenFile) -> AWDLSTM:
    torch.manual_seed(0)
    model = AWDLSTM(tokens.vocabulary, LMConfig(embedding_size=8, hidden_size=12, layers=2, valid_batch_size=4))
    model.identity = Identity.of(tokens)
    return model


def test_model_losses_are_those_of_reading_document_after_document() -> None:
    """One row: the plain softmax over the whole stream at once."""
    tokens = patterned(7)
    model = small_model(tokens)
    losses, right = model_losses(model, tokens, batch_size=1)
    x = torch.from_numpy(tokens.ids.astype(np.int64)).unsqueeze(1)
    y = torch.cat([x[1:, 0], torch.tensor([BOS])])
    scores = model.eval().logits(x)[:, 0]
    expected = torch.nn.functional.cross_entropy(scores, y, reduction="none")
    assert losses == pytest.approx(expected.detach().numpy(), abs=1e-5)
    assert np.array_equal(right, (scores.argmax(1) == y).numpy())


def test_rows_differ_only_by_what_is_remembered_across_their_first_document() -> None:
    """With one document a row, each is read from an empty state, wherever it stands."""
    random = np.random.default_rng(0)
    tokens = token_file(random.integers(2, 50, (5, 40)).tolist())
    model = small_model(tokens)
    losses, _ = model_losses(model, tokens, batch_size=5)
    starts = [0, *tokens.documents["end"][:-1]]
    for start, end in zip(starts, tokens.documents["end"], strict=True):
        alone = token_file([tokens.ids[start + 1 : end].tolist()])
        assert losses[start:end] == pytest.approx(model_losses(model, alone)[0], abs=1e-5)


def test_evaluating_leaves_the_model_in_training() -> None:
    tokens = patterned(5)
    model = small_model(tokens).train()
    evaluate(model, tokens)
    assert model.training


def test_tokens_of_another_tokenizer_are_refused_with_both_fingerprints() -> None:
    model = small_model(patterned(3))
    other = token_file([[2]], tokenizer="bbbbbbbbbbbb")
    with pytest.raises(ArtifactError, match="tokenizer aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        evaluate(model, other)
    with pytest.raises(ArtifactError, match="aaaaaaaaaaaa, these tokens have bbbbbbbbbbbb"):
        baselines(patterned(3), other)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(ArtifactError, match="no tokens"):
        evaluate(small_model(patterned(3)), token_file([]))
    with pytest.raises(ArtifactError, match="no tokens"):
        baselines(patterned(3), token_file([]))


def test_a_mixture_is_the_mean_of_probabilities_and_its_share_the_best() -> None:
    """Two models of which each knows half of the targets; against a search over all shares."""
    random = np.random.default_rng(0)
    first, second = -np.log(random.uniform(0.01, 1, (2, 5000)))
    share = best_share(first, second)
    found = {s: mix(first, second, s).mean() for s in np.linspace(0, 1, 201)}
    assert abs(share - min(found, key=lambda s: found[s])) < 0.01
    assert mix(first, second, 0.25) == pytest.approx(-np.log(0.25 * np.exp(-first) + 0.75 * np.exp(-second)))
    assert (mix(first, second, 1.0) == first).all()
    assert (mix(first, second, 0.0) == second).all()
    assert best_share(np.zeros(9), np.full(9, 900.0)) == pytest.approx(1, abs=1e-3)  # no overflow


@pytest.mark.parametrize("reads_backward", [False, True])
def test_network_and_ngrams_together_are_no_worse_than_either(reads_backward: bool, tmp_path: Path) -> None:
    train, valid = patterned(60), patterned(20, seed=1)
    config = LMConfig(
        embedding_size=16, hidden_size=24, layers=2, batch_size=4, bptt=10, valid_batch_size=2, epochs=3, lr=1e-2,
        backward=reads_backward,
    )  # fmt: skip
    pretrain(train, valid, tmp_path, config, device="cpu")
    model, _ = load_model(tmp_path)
    share, mixed = with_ngrams(model, train, valid, valid, order=3)
    alone = evaluate(model, valid)
    assert 0 < share < 1
    assert mixed.loss < min(alone.loss, baselines(train, valid)["kneser-ney-3"].loss)
    assert (mixed.tokens, mixed.characters) == (alone.tokens, alone.characters)
