"""Does each ingredient act? Measured before the first step, on the learner that will train, not read from its settings.

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
from ulmkit.lm.config import LMConfig
from ulmkit.lm.fastai_imports import Callback, CancelBatchException, CancelFitException
from ulmkit.lm.learner import LMLearner, layer_groups, learner

ROWS, WINDOW = 2, 8  # of the batches that are read: the weights take the time, not the tokens
ROUNDING = 1e-6  # of rates and momentum
DROPOUTS = ("embed", "input", "hidden", "weight", "output")
SCALE = 128.0  # of the loss in float16: with few tokens and an amplified gradient the usual one overflows
STEPS = 8  # of the short fit in which the schedule is watched


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


class _Probe(Callback):
    """Takes the gradients where the optimizer would step, and ends the batch there."""

    order = 1000

    def __init__(self) -> None:
        self.amplify = 1.0
        self.gradients: list[torch.Tensor] = []
        self.nats = math.nan

    def before_backward(self) -> None:
        # a clip acts only on a large gradient, which a fresh model need not have
        self.learn.loss_grad = self.learn.loss_grad * self.amplify

    def before_step(self) -> None:
        gradients = ((p, p.grad) for p in self.learn.model.parameters())
        self.gradients = [torch.zeros_like(p) if g is None else g.detach().clone() for p, g in gradients]
        self.nats = float(self.learn.loss.detach())
        raise CancelBatchException


class _Watch(Callback):
    """A fit of `STEPS` steps through the whole schedule; the rates and momentum of each."""

    order = 100  # after everything that sets them

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[dict[str, float]]]] = []

    def after_batch(self) -> None:
        if len(self.seen) == STEPS:
            raise CancelFitException

    def before_batch(self) -> None:
        hypers = [{name: float(value) for name, value in group.items()} for group in self.learn.opt.hypers]
        self.seen.append((len(self.learn.xb[0]), hypers))


class _Place(Callback):
    """Puts the schedule at step n of `STEPS`, however long an epoch is."""

    order, run_valid = 0, False

    def before_batch(self) -> None:
        self.learn.pct_train = min(1.0, self.train_iter / STEPS)


class _Bench:
    """The learner, its first two batches, and what comes out of the second one."""

    def __init__(self, learn: LMLearner, config: LMConfig) -> None:
        self.learn, self.config, self.probe = learn, config, _Probe()
        learn.create_opt()
        learn.add_cb(self.probe)
        if learn.scaling is not None:
            learn.scaling.scale.fill_(SCALE)
        learn.n_epoch, learn.n_iter, learn.epoch = 1, 1, 0
        batches = iter(learn.dls.train)
        self.batches = [next(batches), next(batches)]
        learn.dls.train.seek(0)
        learn("before_fit")

    def measure(self) -> list[torch.Tensor]:
        """Loss and each parameter's gradient of the second batch, after the first one's state."""
        torch.manual_seed(self.config.seed)
        learn = self.learn
        learn(["before_epoch", "before_train"])
        for number, batch in enumerate(self.batches):
            learn.one_batch(number, batch)
            learn.opt.zero_grad()
        return [torch.tensor(self.probe.nats, dtype=torch.float64), *self.probe.gradients]

    def close(self) -> None:
        self.learn.remove_cb(self.probe)


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
    config = bench.learn.model.config
    off = {f"{name}_p": 0.0 for name in DROPOUTS if name not in dropouts}
    with _set(bench.learn.model, config=dataclasses.replace(config, **off)):
        yield


def _dropout(bench: _Bench, name: str) -> float:
    """The change from no dropout at all to this one alone: so that a mask drawn and never used is not taken for one
    that acts, because it moves the random numbers of the others."""
    with _only(bench, name):
        alone = bench.measure()
    with _only(bench):
        return _change(alone, bench.measure())


def _switched_off(bench: _Bench, on: list[torch.Tensor], callback: str, **values: Any) -> float:
    """The change when attributes of one of the learner's callbacks are set; none where there is no such callback."""
    found = getattr(bench.learn, callback, None)
    if found is None:
        return 0.0
    with _set(found, **values):
        return _change(on, bench.measure())


def _clip(bench: _Bench, on: list[torch.Tensor]) -> float:
    """A gradient ten times the limit, with the clip and without."""
    norm = math.hypot(*(float(gradient.norm()) for gradient in on[1:]))
    amplified = max(1.0, 10 * bench.config.clip / max(norm, 1e-30))
    with _set(bench.probe, amplify=amplified):
        return _switched_off(bench, bench.measure(), "gradient_clip", max_norm=1e30)


def _carried(bench: _Bench, name: str) -> float:
    """The second batch read without the model's `state`, or `memory`, of the first; and without dropout."""
    with _only(bench):
        on = bench.measure()
        forgetting = bench.learn.model.register_forward_pre_hook(lambda model, _: setattr(model, name, None))
        try:
            return float(abs(on[0] - bench.measure()[0]) / abs(on[0]))
        finally:
            forgetting.remove()


def _pointer(bench: _Bench) -> float:
    """The loss without the pointer, and whether it learns: the share of all gradients that is its query's."""
    on = bench.measure()
    model = bench.learn.model
    index = next(i for i, p in enumerate(model.parameters()) if p is model.pointer.query)
    everything = math.hypot(*(float(gradient.norm()) for gradient in on[1:]))
    learns = float(on[1 + index].norm()) / max(everything, 1e-30)
    with _set(model, pointer=None):
        off = bench.measure()
    return min(float(abs(on[0] - off[0]) / abs(on[0])), learns)


def _tied(bench: _Bench) -> float:
    """The gradient of embedding rows that were never looked up: only a decoder made of the embedding gives them one."""
    bench.measure()
    model = bench.learn.model
    index = next(i for i, p in enumerate(model.parameters()) if p is model.embedding)
    gradient = bench.probe.gradients[index]
    unread = torch.ones(len(gradient), dtype=torch.bool, device=gradient.device)
    for x, _ in bench.batches:
        unread[x.flatten()] = False
    return float(gradient[unread].norm() / gradient.norm().clamp(min=1e-30))


def _decay(bench: _Bench) -> float:
    """One optimizer step from equal gradients, with decay and without."""
    bench.measure()
    learn = bench.learn
    weights = [p.detach().clone() for p in learn.model.parameters()]
    after = []
    for wd in (bench.config.wd, 0.0):
        learn.create_opt()
        learn.opt.set_hypers(wd=wd, lr=bench.config.lr)
        for p, gradient in zip(learn.model.parameters(), bench.probe.gradients, strict=True):
            p.grad = gradient.clone()
        learn.opt.step()
        after.append([p.detach().clone() for p in learn.model.parameters()])
        with torch.no_grad():
            for p, before in zip(learn.model.parameters(), weights, strict=True):
                p.copy_(before)
    learn.create_opt()
    return _change(*after)


def _schedule_effect(values: list[float]) -> float:
    """How far the values spread, beyond rounding."""
    spread = (max(values) - min(values)) / max(map(abs, values)) if max(map(abs, values)) else 0.0
    return spread if spread > ROUNDING else 0.0


def _watched(learn: LMLearner, config: LMConfig) -> _Watch:
    watch = _Watch()
    learn.add_cbs([watch, _Place()])
    with contextlib.suppress(CancelFitException):
        learn.fit_schedule(1, config)
    return watch


def _findings(learn: LMLearner, plain: LMLearner, config: LMConfig) -> Iterator[Finding]:
    """Every ingredient in the order of a training step; `plain` is a learner without `backward`."""
    bench = _Bench(learn, config)
    on = bench.measure()
    noise = _change(on, bench.measure())
    model, gradient = learn.model, "loss and gradient"

    def finding(name: str, setting: Any, measured: str, active: bool, effect: Callable[[], float]) -> Finding:
        return Finding(name, str(setting), measured, effect() if active else None, noise)

    for name in DROPOUTS:
        p = model.config.dropout(name)
        active = p > 0 and not (name == "hidden" and config.layers == 1)  # which has no layer to stand between
        yield finding(
            f"{name} dropout",
            f"{p:g}",
            gradient,
            active,
            partial(_dropout, bench, name),
        )
    yield finding("tied weights", "on", "gradient of unread rows", True, lambda: _tied(bench))
    yield finding("carried state", "on", "loss of the second batch", True, lambda: _carried(bench, "state"))
    points = config.memory > 0
    yield finding("pointer", config.memory, "loss, gradient of its query", points, lambda: _pointer(bench))
    yield finding(
        "carried memory", config.memory, "loss of the second batch", points, lambda: _carried(bench, "memory")
    )
    yield finding(
        "label smoothing",
        config.label_smoothing,
        gradient,
        config.label_smoothing > 0,
        lambda: _change(on, _smoothing_off(bench)),
    )
    for name in ("ar", "tar"):
        yield finding(
            name.upper(),
            getattr(config, name),
            "gradient",
            getattr(config, name) > 0,
            partial(_switched_off, bench, on, "activation_penalty", **{name: 0.0}),
        )
    yield finding(
        "gradient clipping", config.clip, "gradient above the limit", config.clip > 0, lambda: _clip(bench, on)
    )
    yield finding("weight decay", config.wd, "weights after a step", config.wd > 0, lambda: _decay(bench))
    first = bench.batches[0][0]
    yield finding(
        "backward", config.backward, "ids of the first batch", config.backward, lambda: _reversed(first, plain)
    )
    bench.close()
    yield from _watched_findings(learn, config)


def _smoothing_off(bench: _Bench) -> list[torch.Tensor]:
    with _set(bench.learn.loss_func, smoothing=0.0):
        return bench.measure()


def _reversed(first: torch.Tensor, plain: LMLearner) -> float:
    """Share of the first batch's ids that differ when documents are read from their beginning."""
    other = next(iter(plain.dls.train))[0].to(first.device)
    plain.dls.train.seek(0)
    return float((first != other).float().mean())


def _watched_findings(learn: LMLearner, config: LMConfig) -> Iterator[Finding]:
    """What acts over time: seen in a fit of a few steps through the whole schedule."""
    watch = _watched(learn, config)
    lengths = [length for length, _ in watch.seen]
    top = [hypers[-1] for _, hypers in watch.seen]
    base = [
        hyper["lr"] * (config.bptt / length if config.variable_bptt else 1)
        for hyper, length in zip(top, lengths, strict=True)
    ]
    cycle = config.schedule == "1cycle"
    yield Finding("cycled rate", config.schedule, "rate over the schedule", _schedule_effect(base) if cycle else None)
    momentum = [hyper["mom"] for hyper in top]
    cycled = cycle and config.optimizer == "adam" and len(set(config.moms)) > 1
    yield Finding(
        "cycled momentum",
        "/".join(f"{mom:g}" for mom in config.moms),
        "momentum over the schedule",
        _schedule_effect(momentum) if cycled else None,
    )
    scaled = [hyper["lr"] / length for hyper, length in zip(top, lengths, strict=True)]
    yield Finding(
        "variable windows",
        str(config.variable_bptt),
        "lengths, the rate in proportion",
        _windows(lengths, scaled, cycle) if config.variable_bptt else None,
    )
    groups = len(layer_groups(learn.model))
    rates = [group["lr"] for group in watch.seen[len(watch.seen) // 2][1]]
    spread = _schedule_effect([rates[0], rates[-1]]) if len(rates) == groups else 0.0
    yield Finding(
        "rates by layer",
        f"{config.layer_rate:g}",
        "lowest rate under the highest",
        spread if config.layer_rate < 1 else None,
    )
    yield Finding(
        "average of weights",
        f"ema {config.ema:g}" if config.ema else config.optimizer,
        "average against the weights",
        _averaged(learn) if config.ema or config.optimizer == "nt-asgd" else None,
    )


def _windows(lengths: list[int], scaled: list[float], cycle: bool) -> float:
    """How far the lengths spread; 0 where a constant rate was not scaled with them."""
    if not cycle and _schedule_effect(scaled):
        return 0.0
    return _schedule_effect([float(length) for length in lengths])


def _averaged(learn: LMLearner) -> float:
    """How far the average stands from the newest weights; one that waits for validations is told to begin."""
    average = learn.average
    if average is None:
        return 0.0
    if not average.begun:
        average.begun = True
        for shift in (0.0, 1e-3):
            with torch.no_grad():
                for p in learn.model.parameters():
                    p += shift
            average.after_step()
    newest, mean = (list(learn.weights(averaged=averaged).values()) for averaged in (False, True))
    return _change(newest, mean)


def audit(train: TokenFile, config: LMConfig, *, device: str = "auto") -> list[Finding]:
    """What every ingredient of `config` does to a fresh model on the first tokens of `train`.

    The caller's random numbers are left alone. Raises `UlmkitError`, naming it, where one that is on does nothing.
    """
    small = dataclasses.replace(
        config,
        batch_size=max(1, min(config.batch_size, ROWS, (len(train.ids) - 1) // 2)),
        bptt=min(config.bptt, WINDOW),
    )
    row = (len(train.ids) - 1) // small.batch_size
    small = dataclasses.replace(small, bptt=max(1, min(small.bptt, row // 2)))
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed)
        learn = learner(train, train, small, device=device)
        plain = (
            learner(train, train, dataclasses.replace(small, backward=False), device="cpu")
            if config.backward
            else learn
        )
        findings = list(_findings(learn, plain, small))
    for finding in findings:
        if finding.effect is not None and not finding.acts:
            raise UlmkitError(
                f"language model: {finding.ingredient} is on ({finding.setting}) and changes nothing "
                f"({finding.measured}). The run would not be what it says; switch it off, or mend it."
            )
    return findings
