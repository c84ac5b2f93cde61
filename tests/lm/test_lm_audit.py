"""Every ingredient that is on is seen to act; one that is wired to nothing stops the run, and is named."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import patterned

import ulmkit.lm.learner
import ulmkit.lm.model
from ulmkit.errors import UlmkitError
from ulmkit.lm.audit import audit
from ulmkit.lm.config import PRESETS, LMConfig
from ulmkit.lm.loss import LMLoss
from ulmkit.lm.optimizer import FusedAdam
from ulmkit.lm.train import pretrain

ALL = LMConfig(
    embedding_size=16,
    hidden_size=24,
    layers=2,
    memory=12,
    drop_mult=1.0,
    ar=2.0,
    tar=1.0,
    label_smoothing=0.1,
    clip=0.25,
    ema=0.99,
    layer_rate=0.5,
    variable_bptt=True,
    backward=True,
    batch_size=4,
    bptt=10,
    epochs=1,
    lr=1e-2,
    valid_batch_size=2,
)
ASGD = dataclasses.replace(ALL, ema=0.0, optimizer="nt-asgd", schedule="constant", lr=5.0)
TRAIN = patterned(60)


def test_every_ingredient_that_is_on_acts() -> None:
    found = {finding.ingredient: finding for finding in audit(TRAIN, ALL, device="cpu")}
    assert all(finding.acts for finding in found.values())
    assert len(found) == 20


def test_what_is_off_is_said_to_be_off() -> None:
    off = dataclasses.replace(
        ALL, drop_mult=0.0, ar=0.0, tar=0.0, label_smoothing=0.0, clip=0.0, ema=0.0, layer_rate=1.0, wd=0.0,
        variable_bptt=False, backward=False, schedule="constant", memory=0,
    )  # fmt: skip
    acting = {finding.ingredient for finding in audit(TRAIN, off, device="cpu") if finding.acts}
    assert acting == {"tied weights", "carried state"}


def test_nt_asgd_averages() -> None:
    found = {finding.ingredient: finding for finding in audit(TRAIN, ASGD, device="cpu")}
    assert found["average of weights"].setting == "nt-asgd"
    assert found["average of weights"].acts


@pytest.mark.parametrize("name", PRESETS)
def test_every_presets_ingredients_act(name: str) -> None:
    small = dataclasses.replace(PRESETS[name], embedding_size=16, hidden_size=24, batch_size=4, bptt=10)
    assert any(finding.acts for finding in audit(TRAIN, small, device="cpu"))


def _without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The learner forgets one callback, as fastai's did with its regularizer."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = ulmkit.lm.learner._ingredients
        monkeypatch.setattr(
            ulmkit.lm.learner,
            "_ingredients",
            lambda config: [one for one in real(config) if type(one).__name__ != name],
        )

    return patch


def _instead(module: Any, name: str, other: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(module, name, other)


def _unused_mask(like: torch.Tensor, B: int, features: int, p: float) -> torch.Tensor:
    """Drawn, so that the random numbers move on, and of no effect."""
    torch.rand(B)
    return like.new_ones(1, B, features)


def _no_decay(params: Any, **options: Any) -> FusedAdam:
    optimizer = FusedAdam(params, **options)
    for p, *_ in optimizer.all_params():
        optimizer.state[p]["do_wd"] = False
    return optimizer


def _forgetful(self: Any, B: int) -> Any:
    self.state = None
    return _START(self, B)


_START = ulmkit.lm.model.AWDLSTM.start


def _untied(self: Any, x: torch.Tensor) -> Any:
    output = _FORWARD(self, x)
    return output._replace(weight=output.weight.detach().clone())


_FORWARD = ulmkit.lm.model.AWDLSTM.forward


def _unpointed(self: Any, x: torch.Tensor) -> Any:
    return _FORWARD(self, x)._replace(pointed=None)


def _unasked(self: Any, x: torch.Tensor, dropped: torch.Tensor, raw: torch.Tensor, memory: Any) -> Any:
    """A pointer whose query learns nothing."""
    pointed, memory = _POINT(self, x, dropped, raw, memory)
    return pointed._replace(query=pointed.query.detach()), memory


def _remembering_nothing(self: Any, x: torch.Tensor, dropped: torch.Tensor, raw: torch.Tensor, memory: Any) -> Any:
    return _POINT(self, x, dropped, raw, self.nothing(x.shape[1]))


_POINT = ulmkit.lm.model.Pointer.forward

SABOTAGE: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "embed dropout": _instead(ulmkit.lm.model, "embed", lambda x, weight, p: weight[x]),
    "input dropout": _instead(ulmkit.lm.model, "locked_mask", _unused_mask),
    "weight dropout": _instead(ulmkit.lm.model, "dropped_weight", lambda weight, p: weight),
    "tied weights": _instead(ulmkit.lm.model.AWDLSTM, "forward", _untied),
    "carried state": _instead(ulmkit.lm.model.AWDLSTM, "start", _forgetful),
    "pointer": _instead(ulmkit.lm.model.AWDLSTM, "forward", _unpointed),
    "carried memory": _instead(ulmkit.lm.model.Pointer, "forward", _remembering_nothing),
    "label smoothing": _instead(ulmkit.lm.learner, "LMLoss", lambda smoothing: LMLoss()),
    "AR": _without("ActivationPenalty"),
    "gradient clipping": _without("GradientClip"),
    "weight decay": _instead(ulmkit.lm.learner, "FusedAdam", _no_decay),
    "backward": _instead(ulmkit.lm.learner, "backward", lambda tokens: tokens),
    "average of weights": _without("MovingAverage"),
}


@pytest.mark.parametrize("ingredient", SABOTAGE)
def test_an_ingredient_that_does_nothing_stops_the_run_and_is_named(
    ingredient: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    SABOTAGE[ingredient](monkeypatch)
    with pytest.raises(UlmkitError, match=f"{ingredient} is on .* changes nothing"):
        pretrain(TRAIN, patterned(8, seed=1), tmp_path, ALL, device="cpu")
    assert not (tmp_path / "last").exists()


def test_a_pointer_that_does_not_learn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ulmkit.lm.model.Pointer, "forward", _unasked)
    with pytest.raises(UlmkitError, match="pointer is on"):
        audit(TRAIN, ALL, device="cpu")


def test_a_rate_that_does_not_follow_the_windows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _without("ScaleRate")(monkeypatch)
    with pytest.raises(UlmkitError, match="variable windows is on"):
        audit(TRAIN, ASGD, device="cpu")


@pytest.mark.parametrize(
    ("ingredient", "standing"),
    [("cycled rate", {"div": 1.0, "div_final": 1.0}), ("cycled momentum", {"moms": (0.8, 0.8, 0.8)})],
)
def test_a_schedule_that_stands_still_is_found(
    ingredient: str, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ulmkit.lm.learner.LMLearner.fit_one_cycle

    def still(self: Any, *arguments: Any, **options: Any) -> None:
        real(self, *arguments, **options | standing)

    monkeypatch.setattr(ulmkit.lm.learner.LMLearner, "fit_one_cycle", still)
    with pytest.raises(UlmkitError, match=f"{ingredient} is on"):
        audit(TRAIN, ALL, device="cpu")


def test_the_findings_stay_with_the_run_and_change_nothing_of_it(tmp_path: Path) -> None:
    heard: list[Any] = []
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run = partial(pretrain, TRAIN, patterned(8, seed=1), config=dataclasses.replace(ALL, steps=12), device="cpu")
    run(folder=tmp_path / "a", audited=heard.extend)
    assert torch.rand(1) == expected
    kept = json.loads((tmp_path / "a/audit.json").read_text())
    assert [entry["ingredient"] for entry in kept] == [finding.ingredient for finding in heard]
    assert all(entry["acts"] for entry in kept)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("ulmkit.lm.train.audit", lambda *_, **__: [])
        run(folder=tmp_path / "b")
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
