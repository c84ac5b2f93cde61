"""fastai's `Learner` around our model, batches and step: fit_one_cycle, lr_find and stock callbacks work as they do.

For notebooks, and for who wants fastai's callbacks; `ulmkit lm pretrain` trains with a loop of our own, which takes the
very same steps.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.artifacts.tokens import TokenFile
from ulmkit.errors import ArtifactError
from ulmkit.files import require_regular
from ulmkit.learner.fastai_imports import (
    Callback,
    CancelBackwardException,
    CancelStepException,
    DataLoaders,
    L,
    Learner,
    ParamScheduler,
    TrainEvalCallback,
)
from ulmkit.learner.optimizer import opt_func
from ulmkit.learner.recorder import Accuracy, LMLoss, Perplexity, TokenRecorder
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.averages import WeightAverage
from ulmkit.lm.batches import EvaluationBatches, TokenBatch, TrainBatches
from ulmkit.lm.checkpoint import load_weights
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.graphs import capture_on
from ulmkit.lm.ingredients import CrossEntropy, Forward, Ingredient, LossScale, StepState, Unscale, Update
from ulmkit.lm.machine import pick_device
from ulmkit.lm.optimizer import layer_groups, optimizer_tensors, restore_optimizer
from ulmkit.lm.probe import resolve
from ulmkit.lm.schedule import highest_rates
from ulmkit.lm.setup import Training, set_up
from ulmkit.lm.step import Step


class StateKeeper(Callback):
    """The model forgets before every epoch and every validation, as fastai's ModelResetter has it."""

    order = -5  # after TrainEvalCallback, before anything that may look

    def before_train(self) -> None:
        self.model.reset()

    def before_validate(self) -> None:
        self.model.reset()

    def after_fit(self) -> None:
        self.model.reset()


class AverageInValidation(Callback):
    """The model is validated with the average of its weights, where it has one."""

    order = 54  # before anything that looks at the validation and saves

    def __init__(self, average: WeightAverage) -> None:
        self.average = average
        self.exchange = contextlib.ExitStack()

    def before_validate(self) -> None:
        self.exchange.enter_context(self.average.in_place())

    def after_validate(self) -> None:
        self.exchange.close()

    def after_epoch(self) -> None:
        loss = self.learn.recorder.loss.value
        if loss is not None:
            self.average.validated(loss)


class Loader:
    """Batches as fastai's DataLoaders ask for them: with a data set, and how many parts of a batch the model reads."""

    n_inp = 1

    def __init__(self, batches: TrainBatches | EvaluationBatches) -> None:
        self.batches = batches

    @property
    def dataset(self) -> TokenFile:
        return self.batches.tokens

    def to(self, device: Any) -> "Loader":
        self.batches.to(device)
        return self

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[TokenBatch]:
        return iter(self.batches)


class LossFunction(Ingredient):
    """The Learner's loss function, which is `LMLoss` until somebody puts another in its place."""

    name = CrossEntropy.name

    def __init__(self, learn: Learner) -> None:
        self.learn = learn

    def __call__(self, state: StepState) -> None:
        assert state.output is not None
        state.loss = state.total = self.learn.loss_func(state.output, state.y)


class Event(Ingredient):
    """fastai's event at this place of a step: its callbacks see what there is, and may change the loss or end it."""

    capturable = False
    name = "event"

    def __init__(self, learn: Learner, event: str) -> None:
        self.learn, self.event = learn, event

    def __call__(self, state: StepState) -> None:
        learn = self.learn
        learn.pred = state.output
        if state.loss is not None:
            learn.loss, learn.loss_grad = state.loss, state.total
        try:
            learn(self.event)
        except (CancelBackwardException, CancelStepException):
            learn(f"after_cancel_{self.event.removeprefix('before_')}")
            state.skipped = True
        if state.loss is not None:
            state.loss, state.total = learn.loss, learn.loss_grad


# fastai's events between a batch's beginning and its end, by the ingredient that they follow or come before
AFTER = {Forward.name: ["after_pred"], Unscale.name: ["after_backward"]}
BEFORE = {LossScale.name: ["after_loss", "before_backward"], Update.name: ["before_step"]}
LAST = "after_step"
INSIDE = (*(event for events in (AFTER | BEFORE).values() for event in events), LAST)


class LMLearner(Learner):
    """fastai's Learner, whose saved files are safetensors under fastai's file name."""

    _heard: dict[str, list[Callback]] | None = None  # by event, who listens
    training_of: Training  # what a run of the same config would train
    lm_step: Step | None = None  # what takes the training steps

    def fit_schedule(self, epochs: int, config: LMConfig) -> None:
        """`epochs` on the schedule of `config`, in fastai's own loop."""
        rates = highest_rates(config, len(layer_groups(self.model)))
        if config.schedule == "constant":
            # set anew for each batch, because a short window changes it
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

    def prepare_step(self) -> Step:
        """The step of these callbacks and this optimizer: with fastai's events in it where a callback listens."""
        listed = self._ingredients()
        step = self.lm_step
        if step is None or step.optimizer is not self.opt:
            average = self.training_of.step.average
            self.lm_step = step = Step(
                self.model, self.opt, listed, average=average, capture=capture_on(self.dls.device)
            )
        step.ingredients = listed
        return step

    def _ingredients(self) -> list[Ingredient]:
        heard = {event for event in INSIDE if any(hasattr(cb, event) for cb in self.cbs)}
        listed: list[Ingredient] = []
        for each in self.training_of.step.ingredients:
            listed += [Event(self, event) for event in BEFORE.get(each.name, []) if event in heard]
            listed.append(LossFunction(self) if isinstance(each, CrossEntropy) else each)
            listed += [Event(self, event) for event in AFTER.get(each.name, []) if event in heard]
        return [*listed, *([Event(self, LAST)] if LAST in heard else [])]

    def _do_epoch_train(self) -> None:
        self.prepare_step()
        super()._do_epoch_train()

    def _do_one_batch(self) -> None:
        if not self.training or self.lm_step is None:
            super()._do_one_batch()
            return
        self.pred = None
        self.loss = self.loss_grad = self.lm_step(*self.xb, *self.yb)

    def _do_fit(self) -> None:
        with kept_memory():
            super()._do_fit()

    def save(self, file: str | Path, with_opt: bool = True, **_: Any) -> Path:
        """Weights and, with `with_opt`, the optimizer to `<path>/<model_dir>/<file>.pth`."""
        path = _model_file(self, file)
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        hypers = None
        if with_opt and self.opt is not None:
            state = optimizer_tensors(self.opt, self.model.named_parameters())
            tensors |= {f"optimizer.{name}": value for name, value in state.items()}
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
            require_regular(path)
            with safe_open(path, "pt") as source:
                tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118 (no mapping)
                hypers = json.loads((source.metadata() or {}).get("hypers", "null"))
        except (SafetensorError, OSError, ValueError) as error:
            raise ArtifactError(f"{path}: not a file that this learner saved ({error}).") from error
        load_weights(self.model, _below(tensors, "model."), path)
        if with_opt and hypers is not None:
            restore_optimizer(self.opt, self.model.named_parameters(), _below(tensors, "optimizer."))
            for group, saved in zip(self.opt.hypers, hypers, strict=True):
                group.update(saved)
        return self


def _model_file(learn: Learner, file: str | Path) -> Path:
    """fastai's name; its learning-rate finder looks for the suffix."""
    path = Path(learn.path) / learn.model_dir / file
    return path if path.suffix == ".pth" else path.with_name(f"{path.name}.pth")


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


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
    picked = pick_device(device)
    training = set_up(train, valid, config, picked, world=world)
    resolve(training.step)
    average = training.step.average
    learn = LMLearner(
        DataLoaders(Loader(training.batches), Loader(training.validation), path=folder, device=picked),
        training.model,
        loss_func=LMLoss(config.label_smoothing),
        opt_func=opt_func(config),
        lr=config.lr,
        splitter=layer_groups,
        cbs=[
            TrainEvalCallback(),
            TokenRecorder(world, picked),
            StateKeeper(),
            *([AverageInValidation(average)] if average is not None else []),
            *callbacks,
        ],
        metrics=[Accuracy(world, picked), Perplexity(world, picked)],
        path=folder,
        wd=config.wd,
        moms=config.moms,
        default_cbs=False,  # fastai's Recorder reads the loss back at every step; its progress bar prints
    )
    learn.training_of = training
    learn.logger = _silent
    return learn
