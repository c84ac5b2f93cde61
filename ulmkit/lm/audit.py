"""Does each ingredient act? Measured before the first step, on the step that will train, not read from its settings.

A setting that never reaches the model is invisible in a loss curve: for years fastai's own AWD-LSTM trained without
the AR and TAR that it was given (fastai issue 3605). So each ingredient that is on is switched off alone, with the
same weights, batches and random numbers, and what changes is written down. One that changes nothing stops the run.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import UlmkitError
from ulmkit.lm.batches import TrainBatches
from ulmkit.lm.ingredients import Backward, Ingredient, StepState
from ulmkit.lm.schedule import set_rates
from ulmkit.lm.setup import Training

AUDITED_ROWS, AUDITED_WINDOW = 2, 8  # of the batches that are read: the weights take the time, not the tokens
ROUNDING = 1e-6  # of rates and momentum
DROPOUT_NAMES = ("embed", "input", "hidden", "weight", "output")
AUDIT_SCALE = 128.0  # of the loss in float16: with few tokens and an amplified gradient the usual one overflows
GRADIENT, SECOND_LOSS = "loss and gradient", "loss of the second batch"
WATCHED_STEPS = 8  # of the short training in which the schedule is watched

Measured = list[torch.Tensor]  # a loss, then the gradient of each parameter
Row = tuple[str, Any, str, float | None]  # ingredient, setting, what is measured, its effect: None where it is off


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
        self.step, self.model, self.config = training.step, training.model, training.config
        self.batches = _corner(training)

    def begin(self) -> None:
        """Nothing is read yet, and random numbers are at the run's start. `torch.manual_seed` also asks each kind of
        device that could be there, and keeps a stack trace for it: a quarter of what an audit takes."""
        torch.default_generator.manual_seed(self.config.seed)
        if self.step.device.type == "cuda":
            torch.cuda.manual_seed(self.config.seed)
        self.model.train()
        self.model.reset()

    def measure(self, dropouts: Collection[str] = DROPOUT_NAMES, *, forget: str = "") -> Measured:
        """Loss and each parameter's gradient of the second batch, after the first one's state.

        No dropout acts but `dropouts`; the model's attribute `forget` is lost before each batch.
        """
        off: dict[str, Any] = {f"{name}_p": 0.0 for name in DROPOUT_NAMES if name not in dropouts}
        self.begin()
        if self.step.scale is not None:
            self.step.scale.scale.fill_(AUDIT_SCALE)
        with _set(self.model, config=dataclasses.replace(self.config, **off)):
            for x, y in self.batches:
                if forget:
                    setattr(self.model, forget, None)
                loss, gradients = self.step.gradients(x, y)
        return [loss.double(), *gradients]

    def without(self, ingredient: str, on: Measured, **values: Any) -> float:
        """The change from `on` when attributes of an ingredient of the step are set; none where there is none such."""
        found = self.step.named(ingredient)
        if found is None or not all(hasattr(found, name) for name in values):
            return 0.0
        with _set(found, **values):
            return _change(on, self.measure())

    def forgetting(self, name: str) -> float:
        """How far the second batch's loss is from itself without the first's `state`, or `memory`; no dropout acts."""
        loss = self.measure(())[0]
        return float(abs(loss - self.measure((), forget=name)[0]) / abs(loss))

    def index(self, parameter: torch.Tensor) -> int:
        """Where the parameter's gradient is among what was measured."""
        return 1 + next(i for i, p in enumerate(self.model.parameters()) if p is parameter)


def _corner(training: Training) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A few rows and steps of time of the first two windows; halves of the only one where there is but one."""
    training.batches.seek(0)
    whole = iter(training.batches)
    batches = [next(whole)]
    batches += [next(whole, batches[0])]
    return [(x[:AUDITED_WINDOW, :AUDITED_ROWS], y[:AUDITED_WINDOW, :AUDITED_ROWS]) for x, y in batches]


def _change(on: Measured, off: Measured) -> float:
    """The largest relative change of any one tensor."""
    return max(float((a - b).norm() / a.norm().clamp(min=1e-30)) for a, b in zip(on, off, strict=True))


def _length(gradients: Measured) -> float:
    return math.hypot(*(float(gradient.norm()) for gradient in gradients))


def _spread(values: list[float]) -> float:
    """How far the values spread, beyond rounding."""
    spread = (max(values) - min(values)) / max(map(abs, values)) if max(map(abs, values)) else 0.0
    return spread if spread > ROUNDING else 0.0


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


# -- ingredients of one step


def _dropouts(bench: _Bench) -> Iterator[Row]:
    """Each alone against none: so that a mask that is drawn and never used is not taken for one that acts, because it
    moves the random numbers of the others."""
    config, none = bench.config, bench.measure(())
    for name in DROPOUT_NAMES:
        p = config.dropout(name)
        on = p > 0 and not (name == "hidden" and config.layers == 1)  # which has no layer to stand between
        yield f"{name} dropout", f"{p:g}", GRADIENT, _change(bench.measure([name]), none) if on else None


def _parts(bench: _Bench, on: Measured, training: Training, train: TokenFile) -> Iterator[Row]:
    """Everything else that acts in each step."""
    config, pointer = bench.config, bench.config.memory > 0
    smoothing, ar, tar, clip, wd = config.label_smoothing, config.ar, config.tar, config.clip, config.wd
    yield "tied weights", "on", "gradient of unread rows", _tied(bench, on)
    yield "carried state", "on", SECOND_LOSS, bench.forgetting("state")
    yield "pointer", config.memory, "loss, gradient of its query", _pointer(bench, on) if pointer else None
    yield "carried memory", config.memory, SECOND_LOSS, bench.forgetting("memory") if pointer else None
    smoothed = bench.without("cross-entropy", on, smoothing=0.0) if smoothing else None
    yield "label smoothing", smoothing, GRADIENT, smoothed
    yield "AR", ar, "gradient", bench.without("penalty", on, ar=0.0) if ar else None
    yield "TAR", tar, "gradient", bench.without("penalty", on, tar=0.0) if tar else None
    yield "gradient clipping", clip, "gradient above the limit", _clip(bench, on) if clip else None
    yield "weight decay", wd, "weights after a step", _decay(bench) if wd else None
    reads = _reversed(training.batches, train) if config.backward else None
    yield "backward", config.backward, "ids of the first batch", reads


def _tied(bench: _Bench, on: Measured) -> float:
    """The gradient of embedding rows that were never looked up: only a decoder made of the embedding gives them one."""
    gradient = on[bench.index(bench.model.embedding)]
    unread = torch.ones(len(gradient), dtype=torch.bool, device=gradient.device)
    for x, _ in bench.batches:
        unread[x.flatten()] = False
    return float(gradient[unread].norm() / gradient.norm().clamp(min=1e-30))


def _pointer(bench: _Bench, on: Measured) -> float:
    """The loss without the pointer, and whether it learns: its query's part of all gradients."""
    pointer = bench.model.pointer
    assert pointer is not None
    learns = float(on[bench.index(pointer.query)].norm()) / max(_length(on[1:]), 1e-30)
    with _set(bench.model, pointer=None):
        off = bench.measure()
    return min(float(abs(on[0] - off[0]) / abs(on[0])), learns)


def _clip(bench: _Bench, on: Measured) -> float:
    """A gradient ten times the limit, with the clip and without."""
    amplify = _Amplify(max(1.0, 10 * bench.config.clip / max(_length(on[1:]), 1e-30)))
    listed = bench.step.ingredients
    place = next((n for n, each in enumerate(listed) if each.name == Backward.name), 0)
    with _set(bench.step, ingredients=[*listed[:place], amplify, *listed[place:]]):
        return bench.without("clip", bench.measure(), limit=1e30)


def _decay(bench: _Bench) -> float:
    """The weights after one step, with decay and without."""
    after = []
    for wd in (bench.config.wd, 0.0):
        before = bench.step.snapshot()
        for group in bench.step.optimizer.hypers:
            group |= {"lr": bench.config.lr, "wd": group["wd"] and wd}
        bench.begin()
        bench.step.take(*bench.batches[0])
        after.append([p.detach().clone() for p in bench.model.parameters()])
        before.restore()
    return _change(*after)


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


# -- what acts over time


def _over_time(training: Training) -> Iterator[Row]:
    """Seen in a training of a few steps through the whole schedule."""
    config, (lengths, rates, momentum) = training.config, _watch(training)
    cycle, drawn = config.schedule == "1cycle", config.variable_bptt
    highest, middle = [each[-1] for each in rates], rates[len(rates) // 2]
    # without what follows the windows
    steady = [rate * (config.bptt / length) for rate, length in zip(highest, lengths, strict=True)]
    cycled = _spread(steady if drawn else highest) if cycle else None
    yield "cycled rate", config.schedule, "rate over the schedule", cycled
    moms = "/".join(f"{mom:g}" for mom in config.moms)
    moved = _spread(momentum) if cycle and config.optimizer == "adam" and len(set(config.moms)) > 1 else None
    yield "cycled momentum", moms, "momentum over the schedule", moved
    scaled = cycle or not _spread(steady)  # a constant rate must follow them
    yield "variable windows", drawn, "lengths, the rate in proportion", scaled * _spread(lengths) if drawn else None
    layers = _spread([middle[0], middle[-1]]) if config.layer_rate < 1 else None
    yield "rates by layer", f"{config.layer_rate:g}", "lowest rate under the highest", layers
    average = f"ema {config.ema:g}" if config.ema else config.optimizer
    averaged = _averaged(training) if config.ema or config.optimizer == "nt-asgd" else None
    yield "average of weights", average, "average against the weights", averaged


def _watch(training: Training) -> tuple[list[float], list[list[float]], list[float]]:
    """Take a few steps through the whole schedule, on a corner of each batch.

    Lengths of the steps' windows, rates of all groups in each step, momentum of the last group.
    """
    step, config = training.step, training.config
    training.model.train()
    training.model.reset()
    lengths, rates, momentum = [], [], []
    for number, (x, y) in zip(range(WATCHED_STEPS), _every_epoch(training.batches), strict=False):
        length = len(x) if config.variable_bptt else AUDITED_WINDOW
        set_rates(step.optimizer, config, number / WATCHED_STEPS)
        step.take(x[:length, :AUDITED_ROWS], y[:length, :AUDITED_ROWS])
        lengths.append(float(len(x)))
        rates.append([float(group["lr"]) for group in step.optimizer.hypers])
        momentum.append(float(step.optimizer.hypers[-1]["mom"]))
    return lengths, rates, momentum


def _every_epoch(batches: TrainBatches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The windows of one epoch after another: of little text one has fewer than are watched."""
    for epoch in itertools.count():
        batches.seek(epoch)
        yield from batches


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


def _findings(training: Training, train: TokenFile) -> Iterator[Finding]:
    """Every ingredient in the order of a training step, then what acts over time, where nothing is measured twice."""
    bench = _Bench(training)
    on = bench.measure()
    noise = _change(on, bench.measure())
    for name, setting, measured, effect in itertools.chain(_dropouts(bench), _parts(bench, on, training, train)):
        yield Finding(name, str(setting), measured, effect, noise)
    for name, setting, measured, effect in _over_time(training):
        yield Finding(name, str(setting), measured, effect)


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
