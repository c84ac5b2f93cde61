"""fastai's `Learner` around our model and batches: fit_one_cycle, lr_find and the stock callbacks work as they do."""

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.averages import MovingAverage, NonMonotonicAverage, WeightAverage
from ulmkit.lm.batches import EvaluationBatches, TrainBatches, backward
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, World, local_device
from ulmkit.lm.fastai_imports import (
    SGD,
    Callback,
    CancelEpochException,
    DataLoaders,
    GradientClip,
    L,
    Learner,
    Metric,
    ParamScheduler,
    Recorder,
    TrainEvalCallback,
)
from ulmkit.lm.identity import Identity
from ulmkit.lm.loss import LMLoss, activation_penalty
from ulmkit.lm.memory import kept_memory
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.optimizer import FusedAdam, optimizer_tensors, restore_optimizer
from ulmkit.lm.probe import resolve
from ulmkit.lm.scaling import LossScaling
from ulmkit.lm.step import Parts, WholeStep, whole_step

# where a step is taken as one: a GPU waits for its host between the thousands of kernels of a step, a CPU does not
WHOLE_STEPS = {"cuda"}
# fastai's events between a batch's beginning and its end: who listens to them wants to see, or change, a step's inside
INSIDE = (
    "after_pred",
    "after_loss",
    "before_backward",
    "after_backward",
    "after_cancel_backward",
    "before_step",
    "after_step",
    "after_cancel_step",
)


class _ValidationMean(Metric):
    """A mean over tokens, not over batches or rows: fastai's own counts a short last batch in full.

    Of several processes each has a part of the tokens; the first look at the value adds them up.
    """

    def __init__(self, world: World = ALONE, device: torch.device | None = None) -> None:
        self.world, self.device = world, device

    def reset(self) -> None:
        self.total, self.count, self.whole = 0.0, 0, self.world.alone

    def accumulate(self, learn: Learner) -> None:
        self.total += float(self.part(learn.loss_func))
        self.count += int(learn.loss_func.count)

    def part(self, loss: LMLoss) -> Any:
        """The batch's sum."""
        return loss.total

    @property
    def value(self) -> float | None:
        if not self.whole:
            sums = torch.tensor([self.total, self.count], dtype=torch.float64, device=self.device)
            self.total, self.count = self.world.sum(sums).tolist()
            self.whole = True
        return self.total / self.count if self.count else None

    @property
    def name(self) -> str:
        return "loss"


class Accuracy(_ValidationMean):
    """Share of tokens that were the model's best guess."""

    def part(self, loss: LMLoss) -> Any:
        return loss.right

    @property
    def name(self) -> str:
        return "accuracy"


class Perplexity(_ValidationMean):
    """e to the mean loss."""

    @property
    def value(self) -> float | None:
        mean = super().value
        return None if mean is None else math.exp(min(mean, 700.0))  # beyond, a float is at its end

    @property
    def name(self) -> str:
        return "perplexity"


class _SmoothLoss(Metric):
    """fastai's smoothed training loss, kept on the device: reading it back each step would stall a GPU."""

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        self.count, self.sum = 0, torch.zeros(())

    def accumulate(self, learn: Learner) -> None:
        self.count += 1
        loss, before = learn.loss.detach(), self.sum.to(learn.loss)
        # a step that was skipped must not spoil all that follow
        self.sum = torch.where(loss.isfinite(), torch.lerp(loss, before, self.beta), before)

    @property
    def value(self) -> torch.Tensor:
        return self.sum / (1 - self.beta**self.count) if self.count else self.sum * math.nan


class TokenRecorder(Recorder):
    """fastai's Recorder with token-weighted validation and no read-back per step."""

    name = "recorder"  # where Learner and other callbacks look for it

    def __init__(self, world: World, device: torch.device) -> None:
        super().__init__()
        self.loss, self.smooth_loss = _ValidationMean(world, device), _SmoothLoss()


class StateKeeper(Callback):
    """The model forgets before every epoch and every validation, as fastai's ModelResetter has it.

    `begin` is what a resumed epoch remembers from before it.
    """

    order = -5  # after TrainEvalCallback, before anything that may look
    begin: dict[str, torch.Tensor] | None = None

    def before_train(self) -> None:
        self.model.reset()
        if self.begin:
            self.model.carry(self.begin)
            self.begin = None

    def before_validate(self) -> None:
        self.model.reset()

    def after_fit(self) -> None:
        self.model.reset()


class ActivationPenalty(Callback):
    """AR and TAR join the gradient, not the loss that is reported: fastai's RNNRegularizer does the same."""

    run_valid = False

    def __init__(self, ar: float, tar: float) -> None:
        self.ar, self.tar = ar, tar

    def after_loss(self) -> None:
        self.learn.loss_grad = self.learn.loss_grad + activation_penalty(self.learn.pred, self.ar, self.tar)


class ScaleRate(Callback):
    """With variable windows, a short one gets a smaller step (Merity et al. 2017, section 5)."""

    order, run_valid = 61, False  # after ParamScheduler has set the rate

    def __init__(self, bptt: int) -> None:
        self.bptt = bptt

    def before_batch(self) -> None:
        share = len(self.learn.xb[0]) / self.bptt
        for group in self.opt.hypers:
            group["lr"] = group["lr"] * share


class LMLearner(Learner):
    """fastai's Learner, whose saved files are safetensors under fastai's file name, and which may start late."""

    first_epoch = 0
    _heard: dict[str, list[Callback]] | None = None  # by event, who listens
    average: WeightAverage | None = None
    scaling: LossScaling | None = None
    whole: WholeStep | None = None  # takes the training steps, where none of the callbacks looks inside of one

    def weights(self, *, averaged: bool) -> dict[str, torch.Tensor]:
        """The model's state dict: what is evaluated, or what is trained; the same where there is no `average`."""
        weights: dict[str, torch.Tensor] = self.model.state_dict()
        return weights if self.average is None else self.average.weights(averaged=averaged)

    def fit_schedule(self, epochs: int, config: LMConfig) -> None:
        """`epochs` on the schedule of `config`, in fastai's own loop."""
        groups = len(layer_groups(self.model))
        rates = [config.lr * config.layer_rate ** (groups - 1 - group) for group in range(groups)]
        if config.schedule == "constant":
            # set anew for each batch, because ScaleRate changes it
            self.fit(epochs, slice(rates[0], rates[-1]), wd=config.wd, cbs=ParamScheduler({"lr": lambda _: rates}))
            return
        self.fit_one_cycle(
            epochs,
            slice(rates[0], rates[-1]),
            div=config.div,
            div_final=config.div_final,
            pct_start=config.pct_start,
            moms=config.moms,
            wd=config.wd,
        )

    def __call__(self, event_name: Any) -> None:
        """fastai's, but at each event only those callbacks are asked that listen to it, in an order found once."""
        for name in L(event_name):
            for cb in self._listeners(name):
                cb(name)

    def _listeners(self, name: str) -> list[Callback]:
        if self._heard is None:
            self._heard = {}
        if name not in self._heard:
            # after the fit all are asked: those that were switched off are on again
            self._heard[name] = list(self.cbs.sorted("order") if name == "after_fit" else self.ordered_cbs(name))
        return self._heard[name]

    def add_cb(self, cb: Any) -> "LMLearner":
        self._heard = None
        super().add_cb(cb)
        return self

    def remove_cb(self, cb: Any) -> "LMLearner":
        self._heard = None
        super().remove_cb(cb)
        return self

    def prepare_steps(self) -> None:
        """Choose how steps are taken from here on, by where the model is and which callbacks there are."""
        parts = self._parts() if self.dls.device.type in WHOLE_STEPS else None
        if parts is None:
            self.whole = None
        elif self.whole is None or self.whole.parts != parts:
            self.whole = whole_step(parts, torch.device(self.dls.device))

    def _parts(self) -> Parts | None:
        """What the callbacks make of a step; None where one is not known, or a parameter does not learn."""
        known: dict[str, Any] = {}
        clips = []
        for cb in self.cbs:
            if isinstance(cb, ActivationPenalty):
                known |= {"ar": cb.ar, "tar": cb.tar}
            elif isinstance(cb, GradientClip) and cb.norm_type == 2:
                clips.append(float(cb.max_norm))
            elif isinstance(cb, MovingAverage):
                known["average"] = cb
            elif isinstance(cb, LossScaling):
                known["scaling"] = cb
            elif any(hasattr(cb, event) for event in INSIDE) and not getattr(cb, "whole_steps", False):
                return None
        frozen = not all(p.requires_grad for p in self.model.parameters())
        if frozen or not isinstance(self.opt, FusedAdam) or not isinstance(self.loss_func, LMLoss):
            return None
        return Parts(self.model, self.loss_func, self.opt, clips=tuple(clips), **known)

    def _do_epoch_train(self) -> None:
        self.prepare_steps()
        super()._do_epoch_train()

    def _do_one_batch(self) -> None:
        if not self.training or self.whole is None:
            super()._do_one_batch()
            return
        self.pred = None
        self.loss = self.loss_grad = self.whole(*self.xb, *self.yb)

    def _do_fit(self) -> None:
        with kept_memory():
            for epoch in range(self.first_epoch, self.n_epoch):
                self.epoch = epoch
                self._with_events(self._do_epoch, "epoch", CancelEpochException)

    def save(self, file: str | Path, with_opt: bool = True, **_: Any) -> Path:
        """Weights and, with `with_opt`, the optimizer to `<path>/<model_dir>/<file>.pth`."""
        path = _model_file(self, file)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        hypers = None
        if with_opt and self.opt is not None:
            memory = optimizer_tensors(self.opt, self.model)
            tensors |= {f"optimizer.{name}": value for name, value in memory.items()}
            hypers = [{name: float(value) for name, value in group.items()} for group in self.opt.hypers]
        # a copy: safetensors wants plain storage on the CPU
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        with atomic_write(path) as out:
            out.write(safetensors.torch.save(tensors, {"hypers": json.dumps(hypers)}))
        return path

    def load(self, file: str | Path, device: Any = None, with_opt: bool = True, **_: Any) -> "LMLearner":
        """What `save` wrote. Anything but safetensors is refused, whatever its name."""
        path = _model_file(self, file)
        if self.opt is None:
            self.create_opt()
        try:
            with safe_open(path, "pt") as source:
                tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118 (no mapping)
                hypers = json.loads((source.metadata() or {}).get("hypers", "null"))
        except (SafetensorError, OSError, ValueError) as error:
            raise ArtifactError(f"{path}: not a file that this learner saved ({error}).") from error
        self.model.load_state_dict(_below(tensors, "model."))
        if with_opt and hypers is not None:
            restore_optimizer(self.opt, self.model, _below(tensors, "optimizer."))
            for group, saved in zip(self.opt.hypers, hypers, strict=True):
                group.update(saved)
        return self


def _model_file(learn: Learner, file: str | Path) -> Path:
    """fastai's name; its learning-rate finder looks for the suffix."""
    path = Path(learn.path) / learn.model_dir / file
    return path if path.suffix == ".pth" else path.with_name(f"{path.name}.pth")


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def layer_groups(model: AWDLSTM) -> list[list[torch.nn.Parameter]]:
    """Parameters from the first layer to the decoder, as fastai's `awd_lstm_lm_split` groups them."""
    pointer = model.pointer.parameters() if model.pointer is not None else []
    return [*(list(rnn.parameters()) for rnn in model.layers()), [model.embedding, model.decoder_bias, *pointer]]


def pick_device(device: str) -> torch.device:
    """`auto` is the GPU where there is one, otherwise the CPU."""
    if device == "auto":
        return local_device(torch.device("cuda", 0)) if torch.cuda.is_available() else torch.device("cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"no device '{device}'. Use auto, cpu or cuda.") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device on this machine. Use --device cpu.")
    if picked.type != "cuda":
        return picked
    return torch.device("cuda", picked.index) if picked.index is not None else local_device(torch.device("cuda", 0))


def _ingredients(config: LMConfig) -> list[Any]:
    """The callbacks that `config` asks for: those of the recipe, not of the bookkeeping."""
    found: list[Any] = []
    if config.ar or config.tar:
        found.append(ActivationPenalty(config.ar, config.tar))
    if config.clip:
        found.append(GradientClip(config.clip))
    if config.variable_bptt:
        found.append(ScaleRate(config.bptt))
    if config.ema:
        found.append(MovingAverage(config.ema))
    if config.optimizer == "nt-asgd":
        found.append(NonMonotonicAverage(config.nonmono))
    return found


def _silent(*_: Any) -> None:
    """A library does not print; `CSVLogger` and others put their own logger in this place."""


def learner(
    train: TokenFile,
    valid: TokenFile,
    config: LMConfig,
    *,
    folder: Path = Path(),
    device: str = "auto",
    callbacks: Sequence[Any] = (),
    world: World = ALONE,
) -> LMLearner:
    """A fastai Learner for `config` with fresh weights: `learner(...).fit_one_cycle(3, 5e-3, moms=config.moms)`.

    `folder` is where callbacks write; in a `world` of several processes it reads this one's rows. Weights come from
    torch's random numbers; seed them before.
    """
    Identity.of(train).refuse_other(Identity.of(valid), valid.path)
    if config.backward:
        train, valid = backward(train), backward(valid)
    batches = TrainBatches(
        train,
        config.batch_size,
        config.bptt,
        seed=config.seed,
        variable_bptt=config.variable_bptt,
        mine=world.rows(config.batch_size),
    )
    validation = EvaluationBatches(valid, config.valid_batch_size, config.bptt, part=world.rank, parts=world.size)
    picked = pick_device(device)
    config, _ = resolve(train.vocabulary, config, picked)
    loaders = DataLoaders(batches, validation, path=folder, device=picked)
    model = AWDLSTM(train.vocabulary, config).to(picked)
    model.identity = Identity.of(train)
    adam = partial(FusedAdam, sqr_mom=config.sqr_mom, eps=config.eps)
    ingredients = _ingredients(config)
    learn = LMLearner(
        loaders,
        model,
        loss_func=LMLoss(config.label_smoothing),
        opt_func=adam if config.optimizer == "adam" else partial(SGD, mom=0.0),
        lr=config.lr,
        splitter=layer_groups,
        cbs=[TrainEvalCallback(), TokenRecorder(world, picked), StateKeeper(), *ingredients, *callbacks],
        metrics=[Accuracy(world, picked), Perplexity(world, picked)],
        path=folder,
        wd=config.wd,
        moms=config.moms,
        default_cbs=False,  # fastai's Recorder reads the loss back at every step; its progress bar prints
    )
    learn.logger = _silent
    if config.precision == "fp16":
        learn.scaling = LossScaling(picked)
        learn.add_cb(learn.scaling)
    learn.average = next((one for one in ingredients if isinstance(one, WeightAverage)), None)
    return learn


@dataclass(frozen=True)
class LRFinding:
    """Losses while the rate grew, and the rate that fastai's `valley` suggests from them."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_lr(
    train: TokenFile,
    config: LMConfig,
    *,
    valid: TokenFile | None = None,
    device: str = "auto",
    start_lr: float = 1e-5,
    end_lr: float = 1.0,
    steps: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> LRFinding:
    """fastai's learning-rate finder on fresh weights: `steps` steps from `start_lr` to `end_lr`.

    Nothing is kept: a temporary folder, and the caller's random numbers as they were. `progress` gets (step, steps).
    """

    class Report(Callback):
        order = 100

        def after_batch(self) -> None:
            if progress:
                progress(self.train_iter, steps)

    picked = pick_device(device)
    with (
        tempfile.TemporaryDirectory() as folder,
        torch.random.fork_rng(devices=[picked] if picked.type == "cuda" else []),
    ):
        torch.manual_seed(config.seed)
        learn = learner(train, valid or train, config, folder=Path(folder), device=device, callbacks=[Report()])
        # nothing is validated: the finder cancels that part
        suggested = learn.lr_find(start_lr=start_lr, end_lr=end_lr, num_it=steps, show_plot=False)
        recorder = learn.recorder
        losses = tuple(float(loss) for loss in recorder.losses)
        return LRFinding(tuple(float(lr) for lr in recorder.lrs), losses, float(suggested.valley))
