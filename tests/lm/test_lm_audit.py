"""Every ingredient that is on is seen to act; one that is wired to nothing stops the run, and is named."""

import contextlib
import copy
import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import TINY, patterned, token_file, trained

import ulmkit.lm.audit
import ulmkit.lm.ingredients
import ulmkit.lm.model
import ulmkit.lm.optimizer
import ulmkit.lm.setup
import ulmkit.lm.step
from ulmkit.errors import UlmkitError
from ulmkit.lm.audit import Finding, audit
from ulmkit.lm.config import PRESETS, LMConfig
from ulmkit.lm.ingredients import Ingredient, StepState
from ulmkit.lm.loss import cross_entropy
from ulmkit.lm.optimizer import optimizer_tensors
from ulmkit.lm.run import pretrain

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


def audited(config: LMConfig) -> list[Finding]:
    """The audit of a run of `config` that has just begun."""
    return audit(trained(TRAIN, config), TRAIN)


def test_every_ingredient_that_is_on_acts() -> None:
    found = {finding.ingredient: finding for finding in audited(ALL)}
    assert all(finding.acts for finding in found.values())
    assert len(found) == 20


def test_what_is_off_is_said_to_be_off() -> None:
    off = dataclasses.replace(
        ALL, drop_mult=0.0, ar=0.0, tar=0.0, label_smoothing=0.0, clip=0.0, ema=0.0, layer_rate=1.0, wd=0.0,
        variable_bptt=False, backward=False, schedule="constant", memory=0,
    )  # fmt: skip
    acting = {finding.ingredient for finding in audited(off) if finding.acts}
    assert acting == {"tied weights", "carried state"}


def test_nt_asgd_averages() -> None:
    found = {finding.ingredient: finding for finding in audited(ASGD)}
    assert found["average of weights"].setting == "nt-asgd"
    assert found["average of weights"].acts


@pytest.mark.parametrize("name", PRESETS)
def test_every_presets_ingredients_act(name: str) -> None:
    small = dataclasses.replace(PRESETS[name], embedding_size=16, hidden_size=24, batch_size=4, bptt=10)
    assert any(finding.acts for finding in audited(small))


def _without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The step forgets one ingredient, as fastai's Learner did with its regularizer."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = ulmkit.lm.step.ingredients
        monkeypatch.setattr(
            ulmkit.lm.step, "ingredients", lambda *given: [one for one in real(*given) if one.name != name]
        )

    return patch


def _instead(module: Any, name: str, other: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(module, name, other)


def _unused_mask(like: torch.Tensor, B: int, features: int, p: float) -> torch.Tensor:
    """Drawn, so that the random numbers move on, and of no effect."""
    torch.rand(B)
    return like.new_ones(1, B, features)


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
    "label smoothing": _instead(
        ulmkit.lm.ingredients, "cross_entropy", lambda output, y, smoothing: cross_entropy(output, y)
    ),
    "AR": _without("penalty"),
    "gradient clipping": _without("clip"),
    "weight decay": _instead(ulmkit.lm.optimizer.Adam, "decays", staticmethod(lambda p: False)),
    "backward": _instead(ulmkit.lm.setup, "backward", lambda tokens: tokens),
    "average of weights": _without("average"),
}


@pytest.mark.parametrize("ingredient", SABOTAGE)
def test_an_ingredient_that_does_nothing_stops_the_run_and_is_named(
    ingredient: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    SABOTAGE[ingredient](monkeypatch)
    with pytest.raises(UlmkitError, match=f"{ingredient} is on .* changes nothing"):
        pretrain(TRAIN, patterned(8, seed=1), tmp_path, ALL, device="cpu")
    assert not (tmp_path / "last").exists()


def _silent(name: str) -> Callable[[list[Ingredient]], list[Ingredient]]:
    """The run's own list with an ingredient in whose place another of that name does nothing."""

    def change(listed: list[Ingredient]) -> list[Ingredient]:
        silent = copy.copy(next(each for each in listed if each.name == name))
        silent.__class__ = type("Silent", (type(silent),), {"__call__": lambda *_: None, "before": lambda *_: None})
        return [silent if each.name == name else each for each in listed]

    return change


class Undo(Ingredient):
    """Takes back what the penalty has added, as a callback once could."""

    name = "undo"

    def __call__(self, state: StepState) -> None:
        state.total = state.loss


def _set(name: str, **values: Any) -> Callable[[list[Ingredient]], list[Ingredient]]:
    """The run's own list with other settings of one ingredient than the config says."""

    def change(listed: list[Ingredient]) -> list[Ingredient]:
        for each in listed:
            if each.name == name:
                vars(each).update(values)
        return listed

    return change


def _after(name: str, other: Ingredient) -> Callable[[list[Ingredient]], list[Ingredient]]:
    return lambda listed: [one for each in listed for one in ([each, other] if each.name == name else [each])]


def _before_loss(change: Callable[[StepState], None]) -> Callable[[list[Ingredient]], list[Ingredient]]:
    class Change(Ingredient):
        name = "change"

        def __call__(self, state: StepState) -> None:
            change(state)

    return lambda listed: [Change(), *listed]


def _drop_nothing(name: str) -> Callable[[list[Ingredient]], list[Ingredient]]:
    """An ingredient of the run's list that switches one of the model's dropouts off before each step."""

    def change(state: StepState) -> None:
        state.model.config = dataclasses.replace(state.model.config, **{f"{name}_p": 0.0})

    return _before_loss(change)


IN_THE_LIST: dict[str, tuple[str, Callable[[list[Ingredient]], list[Ingredient]]]] = {
    "a penalty that does nothing": ("AR", _silent("penalty")),
    "AR set to 0": ("AR", _set("penalty", ar=0.0)),
    "TAR set to 0": ("TAR", _set("penalty", tar=0.0)),
    "both taken back": ("AR", _after("penalty", Undo())),
    "a clip that does nothing": ("gradient clipping", _silent("clip")),
    "a limit that nothing reaches": ("gradient clipping", _set("clip", limit=1e30)),
    "labels that are not smoothed": ("label smoothing", _set("cross-entropy", smoothing=0.0)),
    "an average that does nothing": ("average of weights", _silent("average")),
} | {
    f"no {name} dropout": (f"{name} dropout", _drop_nothing(name))
    for name in ("embed", "input", "hidden", "weight", "output")
}


@pytest.mark.parametrize("case", IN_THE_LIST)
def test_what_is_silenced_in_the_runs_own_list_is_found(case: str, tmp_path: Path) -> None:
    """The step that is audited is the one that would train."""
    ingredient, change = IN_THE_LIST[case]
    with pytest.raises(UlmkitError, match=f"{ingredient} is on .* changes nothing"):
        pretrain(TRAIN, patterned(8, seed=1), tmp_path, ALL, device="cpu", ingredients=change)
    assert not (tmp_path / "last").exists()


def test_windows_whose_rate_is_not_scaled_are_found_in_the_runs_own_list(tmp_path: Path) -> None:
    change = _silent("rate by window")
    with pytest.raises(UlmkitError, match="variable windows is on"):
        pretrain(TRAIN, patterned(8, seed=1), tmp_path, ASGD, device="cpu", ingredients=change)


def test_the_audit_leaves_weights_optimizer_average_and_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    training = trained(TRAIN, ALL)
    x, y = training.first_batch()
    training.step(x, y)  # so that there is an optimizer's state and an average to be left alone
    step = training.step

    def everything() -> dict[str, torch.Tensor]:
        held = step.weights(averaged=False) | {f"a.{n}": t for n, t in step.average.tensors.items()}
        held |= optimizer_tensors(step.optimizer, step.model.named_parameters()) | step.model.carried()
        return {name: value.clone() for name, value in held.items()} | {"random": torch.get_rng_state()}

    before, steps = everything(), step.average.steps
    audit(training, TRAIN)
    after = everything()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert step.average.steps == steps


def test_a_pointer_that_does_not_learn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ulmkit.lm.model.Pointer, "forward", _unasked)
    with pytest.raises(UlmkitError, match="pointer is on"):
        audited(ALL)


def test_a_rate_that_does_not_follow_the_windows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _without("rate by window")(monkeypatch)
    with pytest.raises(UlmkitError, match="variable windows is on"):
        audited(ASGD)


@pytest.mark.parametrize(
    ("ingredient", "standing"),
    [("cycled rate", {"div": 1.0, "div_final": 1.0}), ("cycled momentum", {"moms": (0.8, 0.8, 0.8)})],
)
def test_a_schedule_that_stands_still_is_found(
    ingredient: str, standing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ulmkit.lm.audit.set_rates

    def still(optimizer: Any, config: LMConfig, fraction: float) -> None:
        real(optimizer, dataclasses.replace(config, **standing), fraction)

    monkeypatch.setattr(ulmkit.lm.audit, "set_rates", still)
    with pytest.raises(UlmkitError, match=f"{ingredient} is on"):
        audited(ALL)


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
        patch.setattr("ulmkit.lm.run.audit", lambda *_, **__: [])
        run(folder=tmp_path / "b")
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("windows", [1, 2, 3])
@pytest.mark.parametrize("variable_bptt", [False, True])
def test_a_text_of_few_windows_can_be_trained_on(windows: int, variable_bptt: bool, tmp_path: Path) -> None:
    """An epoch has fewer steps than the schedule is watched for; the next ones are looked at then."""
    config = dataclasses.replace(TINY, variable_bptt=variable_bptt, epochs=4)
    pieces = windows * config.bptt * config.batch_size
    tokens = token_file([[2 + number % 40 for number in range(pieces)]])
    pretrain(tokens, tokens, tmp_path, config, device="cpu")
    acts = {row["ingredient"]: row["acts"] for row in json.loads((tmp_path / "audit.json").read_text())}
    assert acts["cycled rate"]
