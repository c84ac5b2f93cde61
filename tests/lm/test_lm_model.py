"""Our model is fastai's AWD_LSTM: same numbers from the same weights, and every ingredient acts."""

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy as plain

from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import BACKENDS, LayerState, LayerWeights, lstm_stack
from ulmkit.lm.loss import activation_penalty, cross_entropy
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.fastai import from_fastai, to_fastai

V, T, B = 97, 12, 5
SMALL = LMConfig(embedding_size=20, hidden_size=32, layers=3, drop_mult=0.0)
NEXT_TO_NOTHING = 1e-12  # fastai cannot be reset in training with a weight_p of 0: a TypeError in WeightDropout


def fastai_model() -> Any:
    """fastai's own language model of the same size, with its dropouts as good as off."""
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
    from fastai.text.models.core import get_language_model

    config = awd_lstm_lm_config | {"emb_sz": 20, "n_hid": 32, "n_layers": 3}
    config |= {name: 0.0 for name in config if name.endswith("_p")} | {"weight_p": NEXT_TO_NOTHING}
    return get_language_model(AWD_LSTM, V, config)


class RegularizerInputs:
    """As much of a Learner as fastai's RNNRegularizer asks for."""

    def __init__(self, loss: torch.Tensor, raw: torch.Tensor, out: torch.Tensor) -> None:
        self.loss_grad, self.training = loss, True
        self.rnn = dataclasses.make_dataclass("Rnn", ["raw_out", "out"])(raw, out)


def fastai_loss(model: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss as reported and as differentiated, AR 2 and TAR 1, by fastai's own parts. Batch first."""
    from fastai.callback.rnn import RNNRegularizer

    prediction, raw, out = model(x)
    loss = plain(prediction.flatten(0, 1), y.flatten())
    regularizer, learn = RNNRegularizer(alpha=2.0, beta=1.0), RegularizerInputs(loss.clone(), raw, out)
    regularizer.learn = learn
    regularizer.after_loss()
    return loss, learn.loss_grad


@pytest.mark.parametrize(
    ("backend", "precision", "loss_within", "gradients_within"),
    [
        *((backend, "fp32", 1e-6, 1e-5) for backend in BACKENDS),
        # the kernels of `fused` are interpreted here, which takes seconds
        *(
            pytest.param(backend, "bf16", 1e-3, 2e-2, marks=[pytest.mark.slow] if backend == "fused" else [])
            for backend in BACKENDS
        ),
    ],
)
def test_loss_and_all_gradients_equal_fastais_over_two_batches(
    backend: Any, precision: Any, loss_within: float, gradients_within: float
) -> None:
    """Equal weights, dropout off, AR and TAR on, hidden state carried from the first batch to the second."""
    torch.manual_seed(1)
    theirs = fastai_model().train()
    ours = AWDLSTM(V, dataclasses.replace(SMALL, backend=backend, precision=precision)).train()
    ours.load_state_dict(from_fastai(theirs.state_dict()))
    theirs.reset()
    ours.reset()
    steps = 4 if backend == "fused" else T  # its kernels are interpreted
    ids = torch.randint(2, V, (2, steps + 1, B))  # not 1, whose look-up gradient fastai zeroes as padding
    names = {name: copies[0] for name, copies in _names().items()}
    for batch in ids:
        x, y = batch[:-1], batch[1:]
        loss, total = fastai_loss(theirs, x.T, y.T)
        theirs.zero_grad()
        total.backward()
        output = ours(x)
        our_loss = cross_entropy(output, y)
        ours.zero_grad()
        (our_loss + activation_penalty(output, 2.0, 1.0)).backward()
        assert abs(our_loss.item() - loss.item()) < loss_within
        gradients = {name: p.grad for name, p in theirs.named_parameters()}
        for name, p in ours.named_parameters():
            expected = gradients[names[name]]
            assert p.grad.dtype == torch.float32
            assert (p.grad - expected).norm() <= gradients_within * expected.norm(), name


def _names() -> dict[str, tuple[str, ...]]:
    from ulmkit.publish.fastai import fastai_names

    return fastai_names(3)


def test_weights_go_to_fastai_and_back() -> None:
    ours = AWDLSTM(V, SMALL)
    theirs = fastai_model()
    theirs.load_state_dict(to_fastai(ours.state_dict()), strict=True)
    back = from_fastai(theirs.state_dict())
    for name, value in ours.state_dict().items():
        assert torch.equal(back[name], value)
    x = torch.randint(2, V, (T, B))
    theirs.eval().reset()
    assert torch.allclose(ours.eval().logits(x), theirs(x.T)[0].transpose(0, 1), atol=1e-6)


def test_foreign_weights_are_refused_by_name() -> None:
    state = to_fastai(AWDLSTM(V, SMALL).state_dict())
    with pytest.raises(ArtifactError, match=r"'9\.stranger' is no part"):
        from_fastai(state | {"9.stranger": torch.zeros(1)})
    with pytest.raises(ArtifactError, match=r"1\.decoder\.bias' is missing"):
        from_fastai({name: value for name, value in state.items() if name != "1.decoder.bias"})
    with pytest.raises(ArtifactError, match="only tied embeddings"):
        from_fastai(state | {"1.decoder.weight": torch.zeros(V, 20)})


def stack(dtype: torch.dtype) -> tuple[torch.Tensor, list[LayerState], list[LayerWeights], list[torch.Tensor]]:
    """Inputs, states, weights and masks of a stack of two layers, 6 -> 8 -> 4."""
    torch.manual_seed(3)
    sizes = [(6, 8), (8, 4)]

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=dtype).requires_grad_()

    weights = [LayerWeights(draw(4 * h, i), draw(4 * h, h), draw(4 * h), draw(4 * h)) for i, h in sizes]
    states = [LayerState(draw(B, h), draw(B, h)) for _, h in sizes]
    return draw(T, B, 6), states, weights, [torch.rand(1, B, 8, dtype=dtype)]


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "reference"])
def test_backends_agree_in_double_precision(backend: str) -> None:
    """Outputs, states and every gradient, through a mask between the layers."""
    x, states, weights, masks = stack(torch.float64)
    leaves = [x, *(tensor for group in (*states, *weights) for tensor in group)]
    results = []
    for name in ("reference", backend):
        output, after = lstm_stack(x, states, weights, masks, backend=name)
        total = output.sin().sum() + sum((layer.h.cos() + layer.c**2).sum() for layer in after)
        results.append([output, *(t for layer in after for t in layer), *torch.autograd.grad(total, leaves)])
    for mine, other in zip(*results, strict=True):
        assert torch.allclose(mine, other, atol=1e-10)


def test_the_reference_gradient_is_the_numerical_one() -> None:
    """Along a random direction of inputs and weights, in double precision."""
    x, states, weights, masks = stack(torch.float64)
    leaves = [x, *(tensor for layer in weights for tensor in layer)]

    def total() -> torch.Tensor:
        return lstm_stack(x, states, weights, masks, backend="reference")[0].sin().sum()

    direction = [torch.randn_like(leaf) for leaf in leaves]
    slope = sum((g * d).sum() for g, d in zip(torch.autograd.grad(total(), leaves), direction, strict=True))
    ends, step = [], 1e-6
    for sign in (1, -2):  # to one side, then to the other
        with torch.no_grad():
            for leaf, d in zip(leaves, direction, strict=True):
                leaf += sign * step * d
        ends.append(total().item())
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(slope), rel=1e-6)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="Known: reference, stepwise, vendor, fused"):
        lstm_stack(torch.zeros(1, 1, 1), [], [], [], backend="magic")


def gradient(config: LMConfig, seed: int = 7) -> torch.Tensor:
    """All gradients of one training step of a fixed model on fixed data, in a row; dropouts drawn from `seed`."""
    torch.manual_seed(0)
    model = AWDLSTM(V, config).train()
    x, y = torch.randint(2, V, (2, T, B))
    torch.manual_seed(seed)
    output = model(x)
    (cross_entropy(output, y) + activation_penalty(output, config.ar, config.tar)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


NONE = dataclasses.replace(
    SMALL, drop_mult=1.0, embed_p=0.0, input_p=0.0, hidden_p=0.0, weight_p=0.0, output_p=0.0, ar=0.0, tar=0.0
)


@pytest.mark.parametrize("ingredient", ["embed_p", "input_p", "hidden_p", "weight_p", "output_p", "ar", "tar"])
def test_every_ingredient_acts(ingredient: str) -> None:
    """Switched on alone, each changes the gradient; a dropout changes it anew with each draw."""
    plain_gradient = gradient(NONE)
    assert torch.equal(plain_gradient, gradient(NONE, seed=8))
    with_it = dataclasses.replace(NONE, **{ingredient: 0.4})
    assert not torch.allclose(gradient(with_it), plain_gradient)
    drawn_anew = not torch.allclose(gradient(with_it), gradient(with_it, seed=8))
    assert drawn_anew == ingredient.endswith("_p")


def test_no_dropout_acts_in_evaluation() -> None:
    noisy = AWDLSTM(V, dataclasses.replace(SMALL, drop_mult=2.0)).eval()
    x = torch.randint(2, V, (T, B))
    first = noisy.logits(x)
    noisy.reset()
    assert torch.equal(first, noisy.logits(x))


def test_the_embedding_drops_words_and_the_input_drops_features() -> None:
    """A dropped word is gone wherever it stands; a dropped feature is gone in its row at every time step."""
    from ulmkit.lm.layers import embed, locked_mask

    torch.manual_seed(0)
    x = torch.randint(2, V, (200, B))
    rows = embed(x, torch.ones(V, 4), 0.5)
    gone = {int(token) for token in x[(rows == 0).all(2)]}
    kept = {int(token) for token in x[(rows == 2).all(2)]}
    assert gone
    assert kept
    assert not gone & kept
    assert gone | kept == set(x.flatten().tolist())
    mask = locked_mask(rows, B, 1000, 0.25)
    assert mask is not None
    assert mask.shape == (1, B, 1000)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert mask.mean() == pytest.approx(1, abs=0.05)


def test_reading_in_two_parts_is_reading_at_once() -> None:
    model = AWDLSTM(V, SMALL).eval()
    x = torch.randint(2, V, (T, B))
    whole = model.logits(x)
    model.reset()
    parts = torch.cat([model.logits(x[:5]), model.logits(x[5:])])
    assert torch.allclose(whole, parts, atol=1e-6)
    model.reset()
    assert not torch.allclose(whole[5:], model.logits(x[5:]), atol=1e-3)


def test_evaluation_is_in_full_precision_whatever_training_is() -> None:
    """Logits of a bf16 model equal those of an fp32 one with its weights, to the bit."""
    model = AWDLSTM(V, dataclasses.replace(SMALL, precision="bf16", backend="stepwise"))
    other = AWDLSTM(V, dataclasses.replace(SMALL, backend="stepwise"))
    other.load_state_dict(model.state_dict())
    x = torch.randint(2, V, (T, B))
    assert torch.equal(model.eval().logits(x), other.eval().logits(x))
    model.reset()
    assert model.train()(x).raw.dtype == torch.bfloat16


@pytest.mark.parametrize("p", [0.0005, 0.02, 0.5, 0.9])
def test_dropped_weights_are_dropped_as_often_as_asked_and_keep_their_mean(p: float) -> None:
    """Of a million ones; four standard deviations, and a size that is no multiple of four."""
    from ulmkit.lm.layers import dropped_weight

    torch.manual_seed(0)
    weight = torch.ones(1001, 999, requires_grad=True)
    dropped = dropped_weight(weight, p)
    gone = dropped == 0
    spread = 4 * (p * (1 - p) / gone.numel()) ** 0.5 + 1 / 65_536
    assert abs(gone.double().mean().item() - p) < spread
    assert dropped[~gone].unique().numel() == 1
    assert dropped.double().mean().item() == pytest.approx(1, abs=spread / (1 - p))
    dropped.sum().backward()
    assert torch.equal(weight.grad, dropped.detach())
    lanes = gone.flatten()[: 4 * (gone.numel() // 4)].view(-1, 4).double().mean(0)  # four decisions come from a word
    assert (lanes - p).abs().max() < 2 * spread + 1e-4
