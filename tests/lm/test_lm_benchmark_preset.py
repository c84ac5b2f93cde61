"""The preset of the paper's benchmark is the paper's: its numbers, its step, its order, its targets."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from lm_data import patterned, token_file, trained
from torch import nn
from torch.nn.functional import cross_entropy

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.lm.batches import EvaluationBatches, TrainBatches
from ulmkit.lm.config import preset
from ulmkit.lm.evaluate import evaluate
from ulmkit.lm.loss import IGNORE
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.schedule import set_rates

PAPER = preset("wikitext-2")
# small, without the randomness of dropout; the decay is strong enough to be seen
SMALL = dataclasses.replace(
    PAPER, embedding_size=12, hidden_size=20, batch_size=4, bptt=14, drop_mult=0.0, wd=2e-3, valid_batch_size=3
)
STEPS = 6


def ordered(documents: int = 40, seed: int = 0) -> TokenFile:
    return dataclasses.replace(patterned(documents, seed=seed), ordered=True)


def test_its_numbers_are_those_of_the_command_that_the_authors_give() -> None:
    """main.py's defaults, `--epochs 750 --dropouth 0.2`."""
    sizes = (PAPER.embedding_size, PAPER.hidden_size, PAPER.layers, PAPER.batch_size, PAPER.bptt, PAPER.epochs)
    assert sizes == (400, 1150, 3, 80, 70, 750)
    drops = [PAPER.dropout(name) for name in ("output", "hidden", "input", "embed", "weight")]
    assert drops == [0.4, 0.2, 0.65, 0.1, 0.5]
    assert (PAPER.lr, PAPER.clip, PAPER.ar, PAPER.tar, PAPER.wd, PAPER.nonmono) == (30, 0.25, 2, 1, 1.2e-6, 5)
    assert (PAPER.optimizer, PAPER.schedule, PAPER.variable_bptt) == ("nt-asgd", "constant", True)


class Paper(nn.Module):
    """The same model out of torch's own parts, beginning with our weights."""

    def __init__(self, ours: AWDLSTM) -> None:
        super().__init__()
        self.encoder = nn.Embedding.from_pretrained(ours.embedding.detach().clone(), freeze=False)
        self.rnns = nn.ModuleList(nn.LSTM(r.weight_ih.shape[1], r.weight_hh.shape[1]) for r in ours.layers())
        for theirs, mine in zip(self.rnns, ours.layers(), strict=True):
            theirs.load_state_dict({f"{name}_l0": p for name, p in mine.named_parameters()})
        self.decoder = nn.Linear(*reversed(ours.embedding.shape))
        self.decoder.weight = self.encoder.weight
        nn.init.zeros_(self.decoder.bias)
        self.hidden: list[Any] = [None] * len(self.rnns)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.encoder(x)
        for number, rnn in enumerate(self.rnns):
            h, state = rnn(h, self.hidden[number])
            self.hidden[number] = tuple(part.detach() for part in state)
        return self.decoder(h), h

    def by_our_names(self) -> dict[str, torch.Tensor]:
        layers = {
            f"rnns.{number}.{name.removesuffix('_l0')}": p
            for number, rnn in enumerate(self.rnns)
            for name, p in rnn.named_parameters()
        }
        return {"embedding": self.encoder.weight, "decoder_bias": self.decoder.bias} | layers


@pytest.mark.slow
def test_its_steps_are_those_of_torchs_sgd_with_the_papers_loss() -> None:
    """Windows drawn anew, the rate in proportion; AR and TAR; the clip before the decay, which biases share."""
    train = ordered()
    torch.manual_seed(0)
    training = trained(train, SMALL, valid=ordered(8, 1))
    paper = Paper(training.model)
    training.model.train()
    for _, (x, y) in zip(range(STEPS), training.batches, strict=False):
        set_rates(training.step.optimizer, SMALL, 0.0)
        training.step(x, y)

    optimizer = torch.optim.SGD(paper.parameters(), lr=SMALL.lr, weight_decay=SMALL.wd)
    norms, lengths = [], []
    for _, (x, y) in zip(range(STEPS), TrainBatches(train, 4, 14, seed=SMALL.seed, variable_bptt=True), strict=False):
        optimizer.param_groups[0]["lr"] = SMALL.lr * len(x) / SMALL.bptt
        logits, h = paper(x)
        loss = cross_entropy(logits.flatten(0, 1), y.flatten())
        loss = loss + 2 * h.pow(2).mean() + (h[1:] - h[:-1]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(paper.parameters(), 0.25)))
        optimizer.step()
        lengths.append(len(x))
    assert len(set(lengths)) > 2
    assert max(norms) > 0.25, "the clip is not seen here"

    ours, theirs = training.model.state_dict(), paper.by_our_names()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.allclose(tensor, theirs[name], rtol=1e-4, atol=1e-5), name
        undecayed = tensor / (1 - SMALL.lr * SMALL.wd)
        assert not torch.allclose(undecayed, theirs[name], rtol=1e-4, atol=1e-5), f"{name}: one decay is not seen here"


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_one_text_keeps_its_order_in_every_epoch(epoch: int) -> None:
    tokens = ordered()
    batches = TrainBatches(tokens, 3, 10, variable_bptt=True)
    batches.seek(epoch)
    windows = list(batches)
    x, y = (torch.cat([batch[part] for batch in windows]).T.reshape(-1).numpy() for part in (0, 1))
    assert np.array_equal(x, tokens.ids[: len(x)])
    assert np.array_equal(y, tokens.ids[1 : len(y) + 1])


@pytest.mark.parametrize("rows", [1, 3, 10, 500])
def test_each_token_is_a_target_once_however_many_rows_there_are(rows: int) -> None:
    """The first as well: it follows the `<eos>` before the first line, which itself stands for the last one."""
    tokens = ordered()
    targets: Counter[int] = Counter()
    for _, y in EvaluationBatches(tokens, rows, 7):
        targets.update(y[y != IGNORE].tolist())
    assert targets == Counter(tokens.ids.tolist())
    assert evaluate(AWDLSTM(tokens.vocabulary, SMALL), tokens, batch_size=rows).tokens == len(tokens.ids)


def test_the_whole_text_in_one_row_is_one_sequence_from_the_first_eos_to_the_last() -> None:
    tokens = dataclasses.replace(token_file([[2, 3], [], [4]]), ordered=True)
    (x, y), *more = EvaluationBatches(tokens, 1, 100)
    assert not more
    assert x[:, 0].tolist() == [1, 2, 3, 1, 1, 4]
    assert y[:, 0].tolist() == [2, 3, 1, 1, 4, 1]
