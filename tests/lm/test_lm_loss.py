"""The chunked loss is the plain one, gradients included; the penalties are what their names say."""

import pytest
import torch
from lm_data import token_file
from torch.nn.functional import cross_entropy as plain

from ulmkit.lm import loss as loss_module
from ulmkit.lm.loss import IGNORE, activation_penalty, cross_entropy, token_losses
from ulmkit.lm.model import Output


def output(T: int = 7, B: int = 3, E: int = 5, V: int = 11) -> Output:
    torch.manual_seed(0)
    shapes = ((T, B, E), (T, B, E), (V, E), (V,))
    return Output(*(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes))


@pytest.mark.parametrize("chunk", [1, 4, 21, 100])
def test_loss_and_gradients_equal_those_over_all_logits(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "CPU_CHUNK", chunk)
    out = output()
    y = torch.randint(0, 11, (7, 3))
    y[2, 1] = y[6, 0] = IGNORE
    wanted = (out.dropped, out.weight, out.bias)
    ours = cross_entropy(out, y)
    theirs = plain((out.dropped @ out.weight.T + out.bias).flatten(0, 1), y.flatten(), ignore_index=IGNORE)
    assert torch.allclose(ours, theirs)
    for mine, other in zip(torch.autograd.grad(3 * ours, wanted), torch.autograd.grad(3 * theirs, wanted), strict=True):
        assert torch.allclose(mine, other)


def test_the_loss_of_padding_alone_is_zero() -> None:
    out = output()
    loss = cross_entropy(out, torch.full((7, 3), IGNORE))
    loss.backward()
    assert loss == 0
    assert out.weight.grad is not None
    assert not out.weight.grad.any()


def test_token_losses_sum_to_the_loss_and_know_the_best_guess() -> None:
    out = output()
    y = torch.randint(0, 11, (7, 3))
    y[0, 0] = IGNORE
    losses, right = token_losses(out, y)
    assert torch.allclose(losses.sum() / 20, cross_entropy(out, y))
    assert losses[0, 0] == 0
    assert torch.equal(right, (out.dropped @ out.weight.T + out.bias).argmax(2) == y)


def test_ar_reads_the_dropped_output_and_tar_the_raw_one() -> None:
    out = output()
    assert torch.allclose(activation_penalty(out, 2.0, 0.0), 2 * (out.dropped**2).mean())
    assert torch.allclose(activation_penalty(out, 0.0, 3.0), 3 * ((out.raw[1:] - out.raw[:-1]) ** 2).mean())
    one_step = Output(out.dropped[:1], out.raw[:1], out.weight, out.bias)
    assert activation_penalty(one_step, 0.0, 1.0) == 0


def test_penalties_of_half_precision_are_summed_in_single() -> None:
    big = torch.full((4, 1, 1), 300.0, dtype=torch.float16)  # its square is beyond float16
    assert activation_penalty(Output(big, big, big[0], big[0, 0]), 1.0, 0.0) == 90_000


def test_token_file_maker_counts_as_the_real_one() -> None:
    tokens = token_file([[2, 3], [4]])
    assert tokens.ids.tolist() == [1, 2, 3, 1, 4]
    assert tokens.characters == 10
