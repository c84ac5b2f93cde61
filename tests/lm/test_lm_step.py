"""A whole step in memory that stays equals fastai's Learner to the bit, and is captured when it is time to."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import SaveModelCallback
from fastai.callback.training import GradientClip
from lm_data import TINY, patterned
from torch.utils._python_dispatch import TorchDispatchMode

from ulmkit.lm.config import LMConfig
from ulmkit.lm.fastai_imports import Callback
from ulmkit.lm.learner import LMLearner, find_lr, learner
from ulmkit.lm.step import WARM_UP, Parts, WholeStep
from ulmkit.lm.train import pretrain

EVERYTHING = dataclasses.replace(
    TINY,
    memory=14,
    drop_mult=1.0,
    ar=2.0,
    tar=1.0,
    clip=0.2,
    ema=0.95,
    label_smoothing=0.1,
    variable_bptt=True,
    layer_rate=0.5,
)


@pytest.fixture
def whole_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def switch(on: bool) -> None:
        monkeypatch.setattr("ulmkit.lm.learner.WHOLE_STEPS", {"cpu"} if on else set())

    return switch


def result_of(folder: Path, config: LMConfig, **options: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Metrics without what a clock says, and the checkpoint's tensors."""
    pretrain(patterned(20), patterned(4, seed=1), folder, config, device="cpu", **options)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in lines]
    files = [folder / "last" / name for name in ("model.safetensors", "optimizer.safetensors")]
    return kept, b"".join(path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "config",
    [TINY, EVERYTHING, dataclasses.replace(TINY, backend="stepwise", precision="bf16", ar=1.0)],
    ids=["plain", "everything", "bf16"],
)
def test_a_run_of_whole_steps_is_the_same_run_to_the_bit(
    tmp_path: Path, whole_steps: Callable[[bool], None], config: LMConfig
) -> None:
    whole_steps(False)
    expected = result_of(tmp_path / "learner", config)
    whole_steps(True)
    assert result_of(tmp_path / "whole", config) == expected


def test_whole_steps_resume_exactly(tmp_path: Path, whole_steps: Callable[[bool], None]) -> None:
    class Stop(Callback):
        order = 90

        def after_batch(self) -> None:
            if self.training and self.learn.run_keeper.course.position.step == 27:
                self.learn.run_keeper.course.signals.number = 15
                self.learn.run_keeper.course.obey()

    whole_steps(True)
    expected = result_of(tmp_path / "whole", EVERYTHING)
    with pytest.raises(BaseException, match="stopped by SIGTERM at step 27"):
        result_of(tmp_path / "cut", EVERYTHING, callbacks=[Stop()])
    assert result_of(tmp_path / "cut", EVERYTHING, resume=True) == expected


def test_stock_callbacks_and_the_finder_see_the_same(tmp_path: Path, whole_steps: Callable[[bool], None]) -> None:
    found = []
    for on in (False, True):
        whole_steps(on)
        callbacks = [SaveModelCallback(with_opt=True), CSVLogger(), GradientClip(0.1)]
        lines, files = result_of(tmp_path / str(on), TINY, callbacks=callbacks)
        history = (tmp_path / str(on) / "history.csv").read_text().splitlines()
        finding = find_lr(patterned(20), TINY, device="cpu", steps=40)
        found.append((lines, files, [row.rpartition(",")[0] for row in history], finding))
    assert found[0] == found[1]


def test_a_callback_that_looks_into_a_step_gets_to_see_it(whole_steps: Callable[[bool], None]) -> None:
    whole_steps(True)

    class Look(Callback):
        seen = 0

        def before_step(self) -> None:
            type(self).seen += self.learn.model.embedding.grad is not None

    class Listen(Callback):
        losses = 0

        def after_batch(self) -> None:
            type(self).losses += self.training and self.learn.loss > 0

    learn = learner(patterned(40), patterned(8, seed=1), TINY, device="cpu", callbacks=[Listen()])
    learn.fit_one_cycle(1)
    assert learn.whole is not None
    assert Listen.losses == len(learn.dls.train)
    learn.add_cb(Look())
    learn.fit_one_cycle(1)
    assert learn.whole is None
    assert Look.seen > 0


def test_frozen_layers_and_other_optimizers_go_the_learners_way(whole_steps: Callable[[bool], None]) -> None:
    whole_steps(True)
    learn = learner(patterned(40), patterned(8, seed=1), TINY, device="cpu")
    learn.create_opt()
    learn.freeze_to(1)
    learn.fit_one_cycle(1)
    assert learn.whole is None
    learn = learner(patterned(40), patterned(8, seed=1), dataclasses.replace(TINY, optimizer="nt-asgd"), device="cpu")
    learn.fit(1)
    assert learn.whole is None


# -- what a GPU does with it, as far as a CPU can tell


def made(config: LMConfig, **options: Any) -> tuple[LMLearner, WholeStep]:
    """A learner and its whole step with rates on the device."""
    torch.manual_seed(0)
    learn = learner(patterned(60), patterned(8, seed=1), config, device="cpu")
    learn.create_opt()
    parts = learn._parts()
    assert parts is not None
    learn.model.train()
    return learn, WholeStep(parts, torch.device("cpu"), on_device=True, **options)


def test_rates_on_the_device_give_the_same_steps_to_rounding() -> None:
    losses, weights, averages = [], [], []
    for device in (False, True):
        learn, step = made(EVERYTHING, capture=None)
        if not device:
            step = WholeStep(step.parts, torch.device("cpu"), capture=None, on_device=False)
        torch.manual_seed(1)
        found = []
        for number, batch in enumerate(learn.dls.train):
            learn.opt.set_hyper("lr", [1e-2 * (1 + number % 7) * share for share in (0.5, 0.7, 1.0)])
            learn.opt.set_hyper("mom", 0.8 - number / 1000)
            found.append(float(step(*batch)))
        losses.append(found)
        weights.append({name: p.detach().clone() for name, p in learn.model.named_parameters()})
        assert learn.average is not None
        averages.append(learn.average.average())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    for pair in (weights, averages):
        for name, expected in pair[0].items():
            assert torch.allclose(pair[1][name], expected, rtol=1e-3, atol=1e-5), name


class Recorder:
    """Captures by running: what a replay would do on a GPU."""

    def __init__(self) -> None:
        self.captured, self.replayed = 0, 0

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            run()

        return replay


def test_a_length_is_captured_once_it_is_warm() -> None:
    recorder = Recorder()
    learn, step = made(dataclasses.replace(EVERYTHING, bptt=30), capture=recorder)
    lengths: dict[int, int] = {}
    for batch in [*learn.dls.train, *learn.dls.train, *learn.dls.train]:
        step(*batch)
        lengths[len(batch[0])] = lengths.get(len(batch[0]), 0) + 1
    warm = [number for number in lengths.values() if number > WARM_UP]
    assert 1 < len(warm) < len(lengths)
    assert recorder.captured == len(step.graphs) == len(warm)
    assert recorder.replayed == sum(warm) - WARM_UP * len(warm)


def test_beyond_so_many_lengths_steps_run_op_by_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.lm.step.GRAPHS", 3)
    recorder = Recorder()
    learn, step = made(TINY, capture=recorder)
    x, y = next(iter(learn.dls.train))
    for length in range(1, 7):
        for _ in range(WARM_UP + 2):
            step(x[:length], y[:length])
    assert recorder.captured == len(step.graphs) == 3


def test_tensors_that_were_exchanged_are_captured_anew() -> None:
    recorder = Recorder()
    learn, step = made(dataclasses.replace(TINY, ema=0.9), capture=recorder)
    batch = next(iter(learn.dls.train))
    for _ in range(6):
        step(*batch)
    assert recorder.captured == 1
    learn.average._exchange()  # a validation exchanges and gives back
    learn.average._exchange()
    step(*batch)
    assert recorder.captured == 1
    state = learn.opt.state[learn.model.embedding]
    state["grad_avg"] = state["grad_avg"].clone()  # as a restored checkpoint does
    for _ in range(WARM_UP):
        step(*batch)
    assert not step.graphs
    step(*batch)
    assert recorder.captured == 2


def test_a_step_that_cannot_be_captured_goes_on_op_by_op() -> None:
    def refuse(_: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing")

    learn, step = made(TINY, capture=refuse)
    batch = next(iter(learn.dls.train))
    for _ in range(WARM_UP):
        step(*batch)
    with pytest.warns(UserWarning, match="could not be captured as a CUDA graph .operation not permitted"):
        losses = [float(step(*batch)) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_the_parts_are_those_of_the_callbacks(whole_steps: Callable[[bool], None]) -> None:
    learn = learner(patterned(40), patterned(8, seed=1), EVERYTHING, device="cpu", callbacks=[GradientClip(0.1)])
    learn.create_opt()
    parts = learn._parts()
    assert isinstance(parts, Parts)
    assert (parts.ar, parts.tar, parts.clips, parts.average) == (2.0, 1.0, (0.2, 0.1), learn.average)


class Syncs(TorchDispatchMode):
    """Notes operations for which a GPU would have to tell its host something, also those of the backward pass."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else []
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        if name in self.ASKING or by_mask:
            self.found.append(name)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize(
    "config",
    [
        EVERYTHING,
        dataclasses.replace(EVERYTHING, backend="stepwise", precision="bf16", memory=20),
        dataclasses.replace(EVERYTHING, backend="stepwise", precision="fp16"),
    ],
    ids=["vendor", "stepwise with a pointer in bf16", "stepwise in fp16"],
)
def test_nothing_in_a_step_waits_for_a_value(config: LMConfig) -> None:
    learn, step = made(config, capture=None)
    batches = iter(learn.dls.train)
    for _ in range(3):
        step(*next(batches))
    x, y = next(batches)
    with Syncs() as syncs:
        loss = step(x, y)
    assert syncs.found == []
    with Syncs() as syncs:
        loss.item()
        (x[x > 3], x.nonzero())
    assert syncs.found == ["_local_scalar_dense", "index", "nonzero"]
