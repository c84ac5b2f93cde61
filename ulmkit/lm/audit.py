"""Does each ingredient act? Measured before the first step, on the step that will train, not read from its settings.

A setting that never reaches the model is invisible in a loss curve: for years fastai's own AWD-LSTM trained without
the AR and TAR that it was given (fastai issue 3605). So each ingredient that is on is switched off alone, with the
same weights, batches and random numbers, and what changes is written down. One that changes nothing stops the run.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import UlmkitError
from ulmkit.lm.batches import TrainBatches
from ulmkit.lm.config import LMConfig
from ulmkit.lm.ingredients import Backward, Ingredient, StepState
from ulmkit.lm.schedule import set_rates
from ulmkit.lm.setup import Training

AUDITED_ROWS, AUDITED_WINDOW = 2, 8  # of the batches that are read: the weights take the time, not the tokens
ROUNDING = 1e-6  # of rates and momentum
DROPOUT_NAMES = ("embed", "input", "hidden", "weight", "output")
AUDIT_SCALE = 128.0  # of the loss in float16: with few tokens and an amplified gradient the usual one overflows
WATCHED_STEPS = 8  # of the short training in which the schedule is watched


@dataclass(frozen=True)
class Finding:
    """One ingredient. `effect` is the relative change of what `measured` names; None where the ingredient is off.

    Of gradients it is that of the parameter that changes most: AR and TAR are a millionth of all gradients of a fresh
    model, and a good part of some. `noise` is the change between two equal measurements, 0 on a CPU.
    """

    ingredient: str
    setting: str
    measured: str
    effect: float | None
    noise: float = 0.0

    @property
    def acts(self) -> bool:
        return self.effect is not None and self.effect > 10 * self.noise and math.isfinite(self.effect)


class _Amplify(Ingredient):
    """A factor on the loss: a clip acts only on a large gradient, which a fresh model need not have."""

    name = "amplify"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, state: StepState) -> None:
        assert state.total is not None
        state.total = state.total * self.factor


class _Bench:
    """The run's own step, a corner of its first two batches, and what comes out of the second one."""

    def __init__(self, training: Training) -> None:
        self.training, self.step, self.model = training, training.step, training.model
        self.config = training.config
        self.batches = _corner(training)

    def seed(self) -> None:
        """The run's random numbers from their start. `torch.manual_seed` also asks each kind of device that could be
        there, and keeps a stack trace for it: a quarter of what an audit takes."""
        torch.default_generator.manual_seed(self.config.seed)
        if self.step.device.type == "cuda":
            torch.cuda.manual_seed(self.config.seed)

    def measure(self) -> list[torch.Tensor]:
        """Loss and each parameter's gradient of the second batch, after the first one's state."""
        self.seed()
        self.model.train()
        self.model.reset()
        if self.step.scale is not None:
            self.step.scale.scale.fill_(AUDIT_SCALE)
        for x, y in self.batches:
            loss, gradients = self.step.gradients(x, y)
        return [loss.double(), *gradients]


def _corner(training: Training) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A few rows and steps of time of the first two windows; halves of the only one where there is but one."""
    training.batches.seek(0)
    whole = iter(training.batches)
    batches = [next(whole)]
    batches += [next(whole, batches[0])]
    return [(x[:AUDITED_WINDOW, :AUDITED_ROWS], y[:AUDITED_WINDOW, :AUDITED_ROWS]) for x, y in batches]


def _change(on: list[torch.Tensor], off: list[torch.Tensor]) -> float:
    """The largest relative change of any one tensor."""
    return max(float((a - b).norm() / a.norm().clamp(min=1e-30)) for a, b in zip(on, off, strict=True))


@contextlib.contextmanager
def _set(thing: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(thing, name) for name in values}
    for name, value in values.items():
        setattr(thing, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(thing, name, value)


@contextlib.contextmanager
def _only(bench: _Bench, *dropouts: str) -> Iterator[None]:
    """No dropout but these."""
    off: dict[str, Any] = {f"{name}_p": 0.0 for name in DROPOUT_NAMES if name not in dropouts}
    with _set(bench.model, config=dataclasses.replace(bench.model.config, **off)):
        yield


def _dropout(bench: _Bench, none: list[torch.Tensor], name: str) -> float:
    """The change from `none`, measured without any dropout, to this one alone: so that a mask drawn and never used is
    not taken for one that acts, because it moves the random numbers of the others."""
    with _only(bench, name):
        return _change(bench.measure(), none)


def _switched_off(bench: _Bench, on: list[torch.Tensor], ingredient: str, **values: Any) -> float:
    """The change when attributes of one of the step's ingredients are set; none where there is no such ingredient."""
    found = bench.step.named(ingredient)
    if found is None or not all(hasattr(found, name) for name in values):
        return 0.0
    with _set(found, **values):
        return _change(on, bench.measure())


def _clip(bench: _Bench, on: list[torch.Tensor]) -> float:
    """A gradient ten times the limit, with the clip and without."""
    norm = math.hypot(*(float(gradient.norm()) for gradient in on[1:]))
    amplify = _Amplify(max(1.0, 10 * bench.config.clip / max(norm, 1e-30)))
    listed = bench.step.ingredients
    place = next((n for n, each in enumerate(listed) if each.name == Backward.name), 0)
    with _set(bench.step, ingredients=[*listed[:place], amplify, *listed[place:]]):
        return _switched_off(bench, bench.measure(), "clip", limit=1e30)


def _carried(bench: _Bench, loss: torch.Tensor, name: str) -> float:
    """How far from `loss`, measured without dropout, the second batch's is without the first's `state`, or `memory`."""
    with _only(bench):
        forgetting = bench.model.register_forward_pre_hook(lambda model, _: setattr(model, name, None))
        try:
            return float(abs(loss - bench.measure()[0]) / abs(loss))
        finally:
            forgetting.remove()


def _pointer(bench: _Bench, on: list[torch.Tensor]) -> float:
    """The loss without the pointer, and whether it learns: its query's part of all gradients."""
    model = bench.model
    assert model.pointer is not None
    query = model.pointer.query
    index = next(i for i, p in enumerate(model.parameters()) if p is query)
    everything = math.hypot(*(float(gradient.norm()) for gradient in on[1:]))
    learns = float(on[1 + index].norm()) / max(everything, 1e-30)
    with _set(model, pointer=None):
        off = bench.measure()
    return min(float(abs(on[0] - off[0]) / abs(on[0])), learns)


def _tied(bench: _Bench, on: list[torch.Tensor]) -> float:
    """The gradient of embedding rows that were never looked up: only a decoder made of the embedding gives them one."""
    index = next(i for i, p in enumerate(bench.model.parameters()) if p is bench.model.embedding)
    gradient = on[1 + index]
    unread = torch.ones(len(gradient), dtype=torch.bool, device=gradient.device)
    for x, _ in bench.batches:
        unread[x.flatten()] = False
    return float(gradient[unread].norm() / gradient.norm().clamp(min=1e-30))


def _decay(bench: _Bench) -> float:
    """The weights after one step, with decay and without."""
    after = []
    for wd in (bench.config.wd, 0.0):
        before = bench.step.snapshot()
        for group in bench.step.optimizer.hypers:
            group |= {"lr": bench.config.lr, "wd": group["wd"] and wd}
        bench.seed()
        bench.model.train()
        bench.model.reset()
        bench.step.take(*bench.batches[0])
        after.append([p.detach().clone() for p in bench.model.parameters()])
        before.restore()
    return _change(*after)


def _findings(training: Training, train: TokenFile) -> Iterator[Finding]:
    """Every ingredient in the order of a training step."""
    bench, config = _Bench(training), training.config
    on = bench.measure()
    noise = _change(on, bench.measure())
    gradient = "loss and gradient"

    def finding(name: str, setting: Any, measured: str, active: bool, effect: Callable[[], float]) -> Finding:
        return Finding(name, str(setting), measured, effect() if active else None, noise)

    with _only(bench):
        none = bench.measure()
    for name in DROPOUT_NAMES:
        p = config.dropout(name)
        active = p > 0 and not (name == "hidden" and config.layers == 1)  # which has no layer to stand between
        yield finding(f"{name} dropout", f"{p:g}", gradient, active, partial(_dropout, bench, none, name))
    loss = none[0]
    del none  # as large as the model
    yield finding("tied weights", "on", "gradient of unread rows", True, lambda: _tied(bench, on))
    yield finding("carried state", "on", "loss of the second batch", True, lambda: _carried(bench, loss, "state"))
    points = config.memory > 0
    yield finding("pointer", config.memory, "loss, gradient of its query", points, lambda: _pointer(bench, on))
    yield finding(
        "carried memory", config.memory, "loss of the second batch", points, lambda: _carried(bench, loss, "memory")
    )
    smoothed = partial(_switched_off, bench, on, "cross-entropy", smoothing=0.0)
    yield finding("label smoothing", config.label_smoothing, gradient, config.label_smoothing > 0, smoothed)
    for name in ("ar", "tar"):
        without = partial(_switched_off, bench, on, "penalty", **{name: 0.0})
        yield finding(name.upper(), getattr(config, name), "gradient", getattr(config, name) > 0, without)
    yield finding(
        "gradient clipping", config.clip, "gradient above the limit", config.clip > 0, lambda: _clip(bench, on)
    )
    yield finding("weight decay", config.wd, "weights after a step", config.wd > 0, lambda: _decay(bench))
    reads = partial(_reversed, training.batches, train)
    yield finding("backward", config.backward, "ids of the first batch", config.backward, reads)
    yield from _watched_findings(training)


def _reversed(batches: TrainBatches, train: TokenFile) -> float:
    """Share of the first batch's ids that differ when documents are read from their beginning."""
    plain = TrainBatches(
        train,
        batches.batch_size,
        batches.bptt,
        seed=batches.seed,
        variable_bptt=batches.variable_bptt,
        mine=batches.mine,
    )
    batches.seek(0)
    first, other = next(iter(batches))[0], next(iter(plain))[0]
    return float((first.cpu() != other).float().mean())


@dataclass(frozen=True)
class _Watched:
    """A training of a few steps through the whole schedule: what acts over time is seen in it.

    `lengths` are those of the steps' windows, `hypers` rate and momentum of every group in each step.
    """

    config: LMConfig
    lengths: list[int]
    hypers: list[list[dict[str, float]]]

    def rates(self) -> float:
        """How far the rate of the last group spreads, without what follows the windows."""
        per_length = self.config.bptt if self.config.variable_bptt else 0
        steps = zip(self.hypers, self.lengths, strict=True)
        return _spread([hypers[-1]["lr"] * (per_length / length if per_length else 1) for hypers, length in steps])

    def momentum(self) -> float:
        return _spread([hypers[-1]["mom"] for hypers in self.hypers])

    def windows(self) -> float:
        """How far the lengths spread; 0 where a constant rate was not scaled with them."""
        scaled = [hypers[-1]["lr"] / length for hypers, length in zip(self.hypers, self.lengths, strict=True)]
        if self.config.schedule != "1cycle" and _spread(scaled):
            return 0.0
        return _spread([float(length) for length in self.lengths])

    def layers(self) -> float:
        """How far the lowest layer's rate lies under the highest one's."""
        middle = self.hypers[len(self.hypers) // 2]
        return _spread([middle[0]["lr"], middle[-1]["lr"]])


def _spread(values: list[float]) -> float:
    """How far the values spread, beyond rounding."""
    spread = (max(values) - min(values)) / max(map(abs, values)) if max(map(abs, values)) else 0.0
    return spread if spread > ROUNDING else 0.0


def _watch(training: Training) -> _Watched:
    """Take a few steps through the whole schedule, on a corner of each batch."""
    step, config = training.step, training.config
    training.batches.seek(0)
    training.model.train()
    training.model.reset()
    lengths, seen = [], []
    for number, (x, y) in zip(range(WATCHED_STEPS), training.batches, strict=False):
        length = len(x) if config.variable_bptt else AUDITED_WINDOW
        set_rates(step.optimizer, config, number / WATCHED_STEPS)
        step.take(x[:length, :AUDITED_ROWS], y[:length, :AUDITED_ROWS])
        lengths.append(len(x))
        seen.append([{name: float(group[name]) for name in ("lr", "mom")} for group in step.optimizer.hypers])
    return _Watched(config, lengths, seen)


def _watched_findings(training: Training) -> Iterator[Finding]:
    """What acts over time: seen in a training of a few steps through the whole schedule."""
    seen, config = _watch(training), training.config
    cycle, averages = config.schedule == "1cycle", bool(config.ema) or config.optimizer == "nt-asgd"
    cycled = cycle and config.optimizer == "adam" and len(set(config.moms)) > 1
    moms, by_layer = "/".join(f"{mom:g}" for mom in config.moms), f"{config.layer_rate:g}"
    drawn, average = config.variable_bptt, f"ema {config.ema:g}" if config.ema else config.optimizer
    for name, setting, measured, active, effect in (
        ("cycled rate", config.schedule, "rate over the schedule", cycle, seen.rates),
        ("cycled momentum", moms, "momentum over the schedule", cycled, seen.momentum),
        ("variable windows", str(drawn), "lengths, the rate in proportion", drawn, seen.windows),
        ("rates by layer", by_layer, "lowest rate under the highest", config.layer_rate < 1, seen.layers),
        ("average of weights", average, "average against the weights", averages, partial(_averaged, training)),
    ):
        yield Finding(name, setting, measured, effect() if active else None)


def _averaged(training: Training) -> float:
    """How far the average stands from the newest weights; one that waits for validations is told to begin."""
    step, average = training.step, training.step.average
    if average is None:
        return 0.0
    if not average.begun:
        average.begun = True
        _watch(training)
    newest, mean = (list(step.weights(averaged=averaged).values()) for averaged in (False, True))
    return _change(newest, mean)


def audit(training: Training, train: TokenFile) -> list[Finding]:
    """What every ingredient does on the first tokens of `train`; afterwards `training` is as it was.

    Raises `UlmkitError`, naming it, where one that is on does nothing.
    """
    before = training.step.snapshot()
    findings = []
    try:
        for finding in _findings(training, train):
            if finding.effect is not None and not finding.acts:
                raise UlmkitError(
                    f"language model: {finding.ingredient} is on ({finding.setting}) and changes nothing "
                    f"({finding.measured}). The run would not be what it says; switch it off, or mend it."
                )
            findings.append(finding)
    finally:
        before.restore()
    return findings
