"""A machine trains with what is right, then with what is fastest; a run keeps what it began with."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import patterned

import ulmkit.lm.kernels
import ulmkit.lm.probe
from ulmkit.errors import UlmkitError
from ulmkit.lm.checkpoint import read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.probe import SMALLEST, TOLERANCE, Candidate, relative_error, resolve
from ulmkit.lm.run import pretrain
from ulmkit.lm.step import Step, make_step

CPU = torch.device("cpu")
OPEN = LMConfig(
    embedding_size=16, hidden_size=SMALLEST, layers=2, batch_size=4, bptt=10, epochs=1, lr=1e-2, valid_batch_size=2
)


@pytest.mark.parametrize(
    ("backend", "precision"),
    [
        # its kernels are interpreted here, which takes seconds
        pytest.param(*pair, marks=[pytest.mark.slow] if pair[0] == "fused" and pair[1] != "fp32" else [])
        for pair in itertools.product(ulmkit.lm.kernels.BACKENDS, TOLERANCE)
    ],
)
def test_every_backend_is_right(backend: str, precision: Any) -> None:
    assert relative_error(backend, precision, CPU) < TOLERANCE[precision]


def test_bfloat16_is_really_bfloat16() -> None:
    assert relative_error("stepwise", "bf16", CPU) > 100 * relative_error("stepwise", "fp32", CPU)


def chosen(config: LMConfig) -> tuple[LMConfig, list[Candidate]]:
    """What a run of `config` would train with, and what was measured for it."""
    step = make_step(AWDLSTM(50, config), config)
    found = resolve(step)
    return step.model.config, found


def _times(monkeypatch: pytest.MonkeyPatch, seconds: dict[tuple[str, str], float]) -> None:
    monkeypatch.setattr(ulmkit.lm.probe, "_seconds", lambda _, c: seconds[c.backend, c.precision])


@pytest.mark.parametrize(
    ("bf16", "expected"),
    [(2.0, ("vendor", "fp32")), (0.6, ("stepwise", "bf16")), (0.9, ("vendor", "fp32"))],
)
def test_the_fastest_is_taken_and_bfloat16_only_where_it_is_worth_it(
    bf16: float, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {("vendor", "fp32"): 1.0, ("stepwise", "fp32"): 1.3}
    _times(monkeypatch, times | {("vendor", "bf16"): 0.1, ("stepwise", "bf16"): bf16})
    config, found = chosen(OPEN)
    assert (config.backend, config.precision) == expected
    # torch's own kernel is no choice in bfloat16 on a CPU, where it keeps the cell in bfloat16
    assert [(one.backend, one.precision) for one in found] == [*times, ("stepwise", "bf16")]


def test_a_backend_that_computes_something_else_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast: here a gradient is off by a thousandth."""
    real = ulmkit.lm.kernels.LAYERS["stepwise"]

    def off(x: torch.Tensor, state: Any, weights: Any) -> Any:
        return real(x, state, weights._replace(hidden_hidden=weights.hidden_hidden * 1.001))

    monkeypatch.setitem(ulmkit.lm.kernels.LAYERS, "stepwise", off)
    config, found = chosen(dataclasses.replace(OPEN, precision="fp32"))
    assert config.backend == "vendor"
    assert [one.right for one in found] == [True, False]
    monkeypatch.setitem(ulmkit.lm.kernels.LAYERS, "vendor", off)
    with pytest.raises(UlmkitError, match=r"no LSTM backend computes what it should on cpu: vendor in fp32 \(error"):
        chosen(dataclasses.replace(OPEN, precision="fp32"))


def test_what_is_settled_or_small_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ulmkit.lm.probe, "measured_candidates", None)
    settled = dataclasses.replace(OPEN, backend="reference", precision="bf16")
    assert chosen(settled) == (settled, [])
    small, _ = chosen(dataclasses.replace(OPEN, hidden_size=SMALLEST - 1, precision="bf16"))
    assert (small.backend, small.precision) == ("vendor", "bf16")


def test_measuring_leaves_random_numbers_weights_and_optimizer_alone() -> None:
    torch.manual_seed(3)
    step = make_step(AWDLSTM(50, OPEN), OPEN)
    weights = [p.detach().clone() for p in step.model.parameters()]
    expected = torch.rand(1)
    torch.manual_seed(3)
    step = make_step(AWDLSTM(50, OPEN), OPEN)
    resolve(step)
    assert torch.rand(1) == expected
    assert all(torch.equal(p, before) for p, before in zip(step.model.parameters(), weights, strict=True))
    assert not any(step.optimizer.state.values())
    assert step.model.state is None


def test_a_run_is_resumed_with_what_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another backend would be the fastest now."""
    for fastest in (("stepwise", "bf16"), ("vendor", "fp32")):

        def measured(step: Step, *_: Any, fastest: tuple[Any, Any] = fastest) -> list[Candidate]:
            step.model.config = dataclasses.replace(OPEN, backend=fastest[0], precision=fastest[1])
            return [Candidate(*fastest, 0.0, 1.0)]

        monkeypatch.setattr("ulmkit.lm.run.resolve", measured)
        result = pretrain(patterned(40), patterned(8, seed=1), tmp_path, OPEN, resume=True, device="cpu")
        (tmp_path / "manifest.json").unlink()
    state = read_checkpoint(tmp_path / "last").state
    assert (state["config"]["backend"], state["config"]["precision"]) == ("stepwise", "bf16")
    assert state["probe"] == [json.loads(json.dumps(dataclasses.asdict(Candidate("stepwise", "bf16", 0.0, 1.0))))]
    assert result.step > 0
