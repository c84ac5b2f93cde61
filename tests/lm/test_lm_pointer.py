"""The pointer is the mixture that its equations say, sees nothing that comes later, and remembers from call to call."""

import contextlib
import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interchange_data import CONFIG as INTERCHANGE
from interchange_data import make_home
from lm_data import patterned, token_file

import ulmkit.lm.evaluate
from ulmkit.errors import ArtifactError, Interrupted
from ulmkit.lm.checkpoint import read_checkpoint
from ulmkit.lm.config import PRESETS, LMConfig
from ulmkit.lm.evaluate import evaluate
from ulmkit.lm.generate import generate
from ulmkit.lm.loop import Loop
from ulmkit.lm.loss import cross_entropy, token_losses
from ulmkit.lm.model import AWDLSTM, Output
from ulmkit.lm.pointer import NO_ID
from ulmkit.lm.run import pretrain
from ulmkit.publish.export import export_model
from ulmkit.publish.safetensors import load_exported
from ulmkit.publish.source import our_logits

V, T, B, MEMORY = 11, 9, 4, 7
CONFIG = LMConfig(embedding_size=12, hidden_size=16, layers=2, memory=MEMORY, drop_mult=0.0, backend="reference")
PLAIN = dataclasses.replace(CONFIG, memory=0)


def pointing(config: LMConfig = CONFIG) -> AWDLSTM:
    """A model whose pointer has a word in everything."""
    torch.manual_seed(0)
    model = AWDLSTM(V, config)
    pointer = model.pointer
    assert pointer is not None
    with torch.no_grad():
        pointer.worth.copy_(torch.tensor([0.9, 0.5, 0.3]))
        pointer.fading.fill_(0.4)
        pointer.sentinel.uniform_(-1, 1)
        pointer.sentinel_bias.fill_(1.0)
    return model


def by_the_book(model: AWDLSTM, ids: torch.Tensor) -> torch.Tensor:
    """Probabilities (T, B, V) of a sequence read at once, place by place: equations, no memory, no tricks."""
    plain = AWDLSTM(V, dataclasses.replace(model.config, memory=0)).to(model.embedding.dtype)
    plain.load_state_dict({name: p for name, p in model.state_dict().items() if not name.startswith("pointer.")})
    for name, p in model.named_parameters():
        if not name.startswith("pointer."):
            owner, _, last = name.rpartition(".")
            plain.get_submodule(owner)._parameters[last] = p  # the same, so that gradients meet
    output, pointer = plain(ids), model.pointer
    assert pointer is not None
    rows = []
    for t in range(len(ids)):
        for b in range(ids.shape[1]):
            h = output.raw[t, b]
            scores, spoken = [pointer.sentinel @ h + pointer.sentinel_bias[0]], [NO_ID]
            for i in range(max(0, t - MEMORY), t):
                score = (pointer.query @ h) @ output.raw[i, b] / len(h) ** 0.5
                score = score - pointer.fading[0] * np.log(t - i)
                for n in range(3):
                    if i - n < 0 or ids[i - n, b] != ids[t - n, b]:
                        break
                    score = score + pointer.worth[n]
                scores.append(score)
                spoken.append(int(ids[i + 1, b]))
            say = torch.stack(scores).softmax(0)
            p = say[0] * (h @ output.weight.T + output.bias).softmax(0)
            for share, piece in zip(say[1:], spoken[1:], strict=True):
                p = p + share * torch.nn.functional.one_hot(torch.tensor(piece), V)
            rows.append(p)
    return torch.stack(rows).view(*ids.shape, V)


def test_loss_gradients_and_logits_are_the_equations() -> None:
    """In double precision, over three windows with the memory carried; the first has nothing to point at."""
    model = pointing().double().train()
    ids = torch.randint(0, V, (13, B))
    p = by_the_book(model, ids[:-1])
    assert torch.allclose(p.sum(2), torch.ones(12, B, dtype=torch.float64))
    outputs: list[Output] = []
    for start in (0, 4, 8):
        outputs.append(model(ids[start : start + 4]))
        losses, right = token_losses(outputs[-1], ids[start + 1 : start + 5])
        expected = p[start : start + 4]
        chosen = expected.gather(2, ids[start + 1 : start + 5].unsqueeze(2)).squeeze(2)
        assert torch.allclose(losses, -chosen.log())
        assert torch.equal(right, expected.argmax(2) == ids[start + 1 : start + 5])
    model.reset()
    whole = cross_entropy(model(ids[:-1]), ids[1:])
    loss = -p.gather(2, ids[1:].unsqueeze(2)).log().mean()
    assert torch.allclose(whole, loss)
    parameters = dict(model.named_parameters())
    found, expected = (torch.autograd.grad(one, list(parameters.values())) for one in (whole, loss))
    for name, one, other in zip(parameters, found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12), name
    model.reset()
    assert torch.allclose(model.logits(ids[:-1]), p.log())


def test_smoothed_labels_have_the_gradient_of_their_loss() -> None:
    """Along a random direction, in double precision; the decoder's labels are smoothed, the pointer's are not."""
    model = pointing().double().train()
    ids = torch.randint(0, V, (T + 1, B))
    ids[3, 1] = -100

    def loss() -> torch.Tensor:
        model.reset()
        return cross_entropy(model(ids[:-1].clamp(min=0)), ids[1:], 0.1)

    parameters = list(model.parameters())
    direction = [torch.randn_like(p) for p in parameters]
    gradients = torch.autograd.grad(loss(), parameters)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    ends = []
    for sign in (1, -2):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += sign * 1e-6 * d
        ends.append(loss().item())
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_nothing_that_comes_later_changes_what_was_said() -> None:
    model = pointing().eval()
    ids = torch.randint(0, V, (T, B))
    before = model.logits(ids)
    for t in range(1, T):
        changed = ids.clone()
        changed[t:] = (ids[t:] + 1 + torch.randint(0, V - 1, (T - t, B))) % V
        model.reset()
        after = model.logits(changed)
        assert torch.equal(after[:t], before[:t]), t
        assert not torch.equal(after[t:], before[t:])


@pytest.mark.parametrize("window", [1, 2, 5, MEMORY, 20, 40])
def test_windows_of_any_length_give_the_same(window: int) -> None:
    """Also where the text is longer than the memory."""
    model = pointing().eval()
    ids = torch.randint(0, V, (40, B))
    whole = model.logits(ids)
    model.reset()
    parts = torch.cat([model.logits(part) for part in ids.split(window)])
    assert torch.allclose(whole, parts, atol=1e-5)


def test_it_looks_back_as_far_as_its_memory_and_no_farther() -> None:
    """A network that sees nothing itself: what an id changes, it changes through the pointer."""
    model = pointing().eval()
    with torch.no_grad():
        for rnn in model.layers():
            rnn.weight_ih.zero_()
    ids = torch.randint(0, V, (30, 1))
    before = model.logits(ids)
    changed = ids.clone()
    changed[10] = (ids[10] + 1) % V
    model.reset()
    differs = [not torch.equal(a, b) for a, b in zip(model.logits(changed), before, strict=True)]
    # position 9 speaks for the id at 10 from there to 9 + MEMORY; later it is a piece in common, where at all
    assert not any(differs[:10])
    assert differs[10]
    assert differs[9 + MEMORY]
    assert not any(differs[10 + MEMORY + 3 :])


def test_what_is_carried_can_be_taken_out_and_put_back() -> None:
    model = pointing().eval()
    ids = torch.randint(0, V, (3, T, B))
    model.logits(ids[0])
    kept = {name: tensor.clone() for name, tensor in model.carried().items()}
    assert all(len(tensor) == B for tensor in kept.values())
    expected = model.logits(ids[1])
    model.logits(ids[2])
    model.carry(kept)
    assert torch.equal(model.logits(ids[1]), expected)
    model.carry({})
    forgotten = model.logits(ids[1])
    model.reset()
    assert torch.equal(model.logits(ids[1]), forgotten)
    assert not torch.allclose(forgotten, expected)


def test_a_model_without_one_is_what_it_was() -> None:
    """The same names, first weights and numbers drawn; and a pointer leaves those of the network alone."""
    torch.manual_seed(0)
    plain = AWDLSTM(V, PLAIN)
    torch.manual_seed(0)
    pointed = AWDLSTM(V, CONFIG)
    own = {name: p for name, p in pointed.state_dict().items() if name.startswith("pointer.")}
    assert set(pointed.state_dict()) - set(own) == set(plain.state_dict())
    assert all(torch.equal(p, pointed.state_dict()[name]) for name, p in plain.state_dict().items())
    assert plain(torch.zeros(T, B, dtype=torch.long)).pointed is None
    assert [name for name, config in PRESETS.items() if config.memory] == ["beyond"]


def test_bfloat16_products_are_near_those_of_float32() -> None:
    ids = torch.randint(0, V, (2, T + 1, B))
    losses = []
    for precision in ("fp32", "bf16"):
        model = pointing(dataclasses.replace(CONFIG, precision=precision, backend="stepwise")).train()
        for batch in ids:
            loss = cross_entropy(model(batch[:-1]), batch[1:])
            loss.backward()
        losses.append(loss.item())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert losses[0] == pytest.approx(losses[1], abs=0.02)


def repeating(documents: int, seed: int) -> Any:
    """Documents that say one random name of five pieces again and again, between pieces of no meaning."""
    random = np.random.default_rng(seed)
    result = []
    for _ in range(documents):
        name = random.integers(2, 50, 5).tolist()
        result.append([piece for _ in range(6) for piece in (*name, int(random.integers(2, 50)))])
    return token_file(result)


def test_it_learns_to_repeat_names_that_it_has_never_seen(tmp_path: Path) -> None:
    """Of 37 tokens a document 7 to 13 cannot be known; a plain model of this size knows none."""
    config = LMConfig(
        embedding_size=16, hidden_size=24, layers=1, memory=24, batch_size=8, bptt=20, epochs=8, lr=2e-2, wd=0.01
    )
    train, valid = repeating(80, 0), repeating(12, 1)
    pointed = pretrain(train, valid, tmp_path / "a", config, device="cpu")
    plain = pretrain(train, valid, tmp_path / "b", dataclasses.replace(config, memory=0), device="cpu")
    assert pointed.best_valid_loss < plain.best_valid_loss - 1


def test_evaluation_does_not_depend_on_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = patterned(12, vocabulary=V)
    model = pointing().eval()
    expected = evaluate(model, tokens)
    for window in (5, 64):
        monkeypatch.setattr(ulmkit.lm.evaluate, "EVALUATION_WINDOW", window)
        found = evaluate(model, tokens)
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert found.accuracy == pytest.approx(expected.accuracy, abs=0.002)


def test_generation_points_into_the_prompt_and_its_own_text() -> None:
    """One id at a time, it gives what reading the whole gives."""
    model = pointing().eval()
    prompt = [1, 5, 6, 7, 8, 5, 6]
    text = generate(model, [prompt], length=12, temperature=0)[0]
    model.reset()
    logits = model.logits(torch.tensor([[*prompt, *text[:-1]]]).T)[len(prompt) - 1 :, 0]
    assert logits.argmax(1).tolist() == text


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_run_that_was_stopped_goes_on_with_its_memory_to_the_bit(precision: Any, tmp_path: Path) -> None:
    def stop(loop: Loop) -> None:
        if loop.position.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    config = dataclasses.replace(
        CONFIG, backend="stepwise", precision=precision, batch_size=3, bptt=8, epochs=2, drop_mult=1.0, lr=1e-2
    )
    files = patterned(20), patterned(4, seed=1)
    for name in ("unbroken", "stopped"):
        with contextlib.suppress(Interrupted):
            pretrain(*files, tmp_path / name, config, device="cpu", after_step=stop if name == "stopped" else None)
    tensors = read_checkpoint(tmp_path / "stopped/last", training=True).training
    assert tensors["hidden.memory.keys"].shape == (3, MEMORY, 12)
    assert (tensors["hidden.memory.ids"] >= 0).all()
    pretrain(*files, tmp_path / "stopped", config, device="cpu", resume=True)
    for name in ("last/model.safetensors", "last/optimizer.safetensors", "best/model.safetensors"):
        unbroken, resumed = ((tmp_path / run / name).read_bytes() for run in ("unbroken", "stopped"))
        assert unbroken == resumed, name


REFUSALS: dict[str, str] = {"fastai": "for which fastai's AWD_LSTM has no layer", "onnx": "is not written as ONNX"}


@pytest.mark.parametrize("format", REFUSALS)
def test_a_format_without_a_place_for_it_refuses_in_one_line(format: str, tmp_path: Path) -> None:
    home = make_home(tmp_path, dataclasses.replace(INTERCHANGE, memory=MEMORY))
    with pytest.raises(ArtifactError, match=REFUSALS[format]) as caught:
        export_model(home.run, home.tokenizer, tmp_path / "out", format=format)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_safetensors_hold_all_of_it(tmp_path: Path) -> None:
    home = make_home(tmp_path, dataclasses.replace(INTERCHANGE, memory=MEMORY))
    result = export_model(home.run, home.tokenizer, tmp_path / "out", format="safetensors")
    model = load_exported(tmp_path / "out")
    assert result.difference == 0
    assert model.pointer is not None
    assert "`pointer.query`" in (tmp_path / "out/README.md").read_text()
    ids = torch.randint(0, model.vocabulary, (2, 9, 3))
    for logits in our_logits(model, ids):
        assert torch.allclose(logits.exp().sum(2), torch.ones(9, 3), atol=1e-5)
