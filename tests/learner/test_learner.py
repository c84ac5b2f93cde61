"""The model as a fastai Learner: stock callbacks, its schedule and its finder work, and its steps are a run's own."""

import dataclasses
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.progress import CSVLogger
from fastai.callback.schedule import combined_cos
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.callback.training import GradientAccumulation, GradientClip
from fastai.optimizer import SGD, Adam
from lm_data import EVERYTHING, TINY, At, patterned, trained

from ulmkit.errors import ArtifactError
from ulmkit.learner.fastai_imports import Callback, CancelFitException, CancelStepException
from ulmkit.learner.find_lr import find_lr
from ulmkit.learner.learner import learner
from ulmkit.learner.optimizer import FastaiAdam, FastaiSGD
from ulmkit.learner.recorder import LMLoss
from ulmkit.lm.config import LMConfig
from ulmkit.lm.loop import Loop
from ulmkit.lm.loss import IGNORE, cross_entropy
from ulmkit.lm.model import Output
from ulmkit.lm.run import pretrain
from ulmkit.lm.schedule import one_cycle, set_rates


class Hostile:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def test_stock_callbacks_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = [
        SaveModelCallback(with_opt=True),
        EarlyStoppingCallback(patience=1, min_delta=100.0),
        CSVLogger(),
        GradientClip(0.1),
    ]
    torch.manual_seed(0)
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu", callbacks=callbacks)
    learn.fit_one_cycle(9, 1e-2)
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,valid_loss,accuracy,perplexity,time"
    assert len(rows) == 2  # nothing improves by 100
    assert all(math.isfinite(float(row.split(",")[2])) for row in rows)
    assert (tmp_path / "models/model.pth").exists()
    assert "early stopping" in capsys.readouterr().out  # fastai's own words; ours are silent


def test_a_learner_is_silent_and_fits_one_cycle_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.fit_one_cycle(2, 1e-2, moms=TINY.moms)
    assert learn.recorder.values[-1][1] < math.log(50) - 0.5
    accuracy, perplexity = learn.recorder.values[-1][2:]
    assert 0 < accuracy < 1
    assert perplexity == pytest.approx(math.exp(learn.recorder.values[-1][1]))
    assert capsys.readouterr().out == ""


def test_the_finder_suggests_a_rate_and_changes_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    found = find_lr(patterned(40), TINY, device="cpu", steps=60)
    assert torch.rand(1) == expected
    assert len(found.lrs) == len(found.losses) > 20
    assert 1e-4 < found.suggestion < 1e-0
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.fit_one_cycle(1)
    weights = {name: value.clone() for name, value in learn.model.state_dict().items()}
    memory = [state["grad_avg"].clone() for state in learn.opt.state_dict()["state"]]
    learn.lr_find(num_it=30, show_plot=False)
    assert all(torch.equal(value, weights[name]) for name, value in learn.model.state_dict().items())
    after = [state["grad_avg"] for state in learn.opt.state_dict()["state"]]
    assert all(torch.equal(one, other) for one, other in zip(memory, after, strict=True))


def test_layers_can_be_frozen_and_given_their_own_rates(tmp_path: Path) -> None:
    learn = learner(patterned(40), patterned(8, seed=1), TINY, folder=tmp_path, device="cpu")
    learn.freeze_to(1)
    before = {name: p.clone() for name, p in learn.model.named_parameters()}
    learn.fit_one_cycle(1, slice(1e-4, 1e-2))
    changed = {name for name, p in learn.model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if not name.startswith("rnns.0.")}


def test_a_pickle_under_a_learners_file_name_is_refused_unread(tmp_path: Path) -> None:
    """SaveModelCallback loads its file at the end of a fit, with weights_only=False."""
    learn = learner(patterned(40), patterned(8), TINY, folder=tmp_path, device="cpu")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/model.pth").write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
    with pytest.raises(ArtifactError, match="not a file that this learner saved"):
        learn.load("model", weights_only=False)
    assert not (tmp_path / "executed").exists()


# -- one step, whoever asks for it


class HeardLosses(Callback):
    """The training loss of each step."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def after_batch(self) -> None:
        if self.training:
            self.found.append(float(self.learn.loss))


class Place(Callback):
    """Where the run is, by its step, so that a Learner's schedule is a run's."""

    order, run_valid, number = 0, False, 0

    def __init__(self, total: int) -> None:
        self.total = total

    def before_batch(self) -> None:
        self.learn.pct_train = self.number / self.total
        self.number += 1


class Look(Callback):
    """Listens inside of a step, and changes nothing."""

    seen = 0

    def after_pred(self) -> None:
        self.seen += self.training

    def before_step(self) -> None:
        assert self.learn.model.embedding.grad is not None


@pytest.mark.parametrize("looks", [False, True], ids=["as one step", "with fastai's events in it"])
@pytest.mark.parametrize(
    "config",
    [
        TINY,
        EVERYTHING,
        pytest.param(dataclasses.replace(TINY, backend="stepwise", precision="bf16", ar=1.0), marks=pytest.mark.slow),
        dataclasses.replace(
            TINY, optimizer="nt-asgd", schedule="constant", lr=5.0, variable_bptt=True, wd=1e-4, nonmono=1
        ),
    ],
    ids=["plain", "everything", "bf16", "nt-asgd"],
)
def test_a_learner_and_a_run_take_the_same_steps_to_the_bit(config: LMConfig, looks: bool, tmp_path: Path) -> None:
    seen: list[float] = []
    losses: list[float] = []
    weights: list[dict[str, torch.Tensor]] = []
    files = patterned(20), patterned(4, seed=1)
    at = At("cross-entropy", lambda state: seen.append(float(state.loss.detach())), None)

    def keep(loop: Loop) -> None:
        losses.append(seen[-1])  # what came before was a look at the first batch
        weights[:] = [{name: p.clone() for name, p in loop.step.weights(averaged=False).items()}]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ulmkit.lm.run.audit", lambda *_: [])
        result = pretrain(*files, tmp_path, config, device="cpu", ingredients=at.into, after_step=keep)
    torch.manual_seed(config.seed)
    heard, look = HeardLosses(), Look()
    callbacks = [heard, Place(result.step), *([look] if looks else [])]
    learn = learner(*files, config, folder=tmp_path, device="cpu", callbacks=callbacks)
    learn.fit_schedule(config.epochs, config)
    assert heard.found == losses
    assert len(losses) == result.step
    assert look.seen == (result.step if looks else 0)
    found = learn.training_of.step.weights(averaged=False)
    assert all(torch.equal(value, found[name]) for name, value in weights[0].items())


def test_fastais_events_stand_in_a_step_only_where_somebody_listens() -> None:
    learn = learner(patterned(40), patterned(8, seed=1), EVERYTHING, device="cpu", callbacks=[HeardLosses()])
    learn.create_opt()
    quiet = learn.prepare_step()
    assert [each.name for each in quiet.ingredients] == [each.name for each in learn.training_of.step.ingredients]
    assert all(each.capturable for each in quiet.ingredients)
    learn.add_cb(GradientClip(0.1))
    heard = learn.prepare_step()
    assert [each.event for each in heard.ingredients if each.name == "event"] == ["before_step"]


def test_a_callback_may_change_the_loss_leave_a_step_out_and_end_the_fit() -> None:
    class Meddle(Callback):
        losses, steps = 0.0, 0

        def after_loss(self) -> None:
            if self.training:
                self.learn.loss_grad = self.learn.loss_grad * 0

        def before_step(self) -> None:
            self.steps += 1
            assert not self.learn.model.rnns[0].weight_hh.grad.any()
            if self.steps == 3:
                raise CancelFitException
            raise CancelStepException

    meddle = Meddle()
    torch.manual_seed(0)
    learn = learner(patterned(40), patterned(8, seed=1), TINY, device="cpu", callbacks=[meddle])
    before = {name: p.detach().clone() for name, p in learn.model.named_parameters()}
    learn.fit_one_cycle(1)
    assert meddle.steps == 3
    assert all(torch.equal(p, before[name]) for name, p in learn.model.named_parameters())


def test_gradients_are_accumulated_by_fastais_callback() -> None:
    """A step is taken once in four batches."""
    learn = learner(
        patterned(40), patterned(8, seed=1), TINY, device="cpu", callbacks=[GradientAccumulation(4 * TINY.bptt)]
    )
    learn.fit_one_cycle(1)
    steps = learn.opt.state[learn.model.embedding]["step"]
    assert 0 < steps <= len(learn.dls.train) / 4 + 1


# -- the numbers are fastai's


@pytest.mark.parametrize("rise", [0.25, 0.3, 0.1, 1 / 3])
def test_the_schedule_is_fastais_to_the_bit(rise: float) -> None:
    theirs = combined_cos(rise, 1e-2 / 25, 1e-2, 1e-2 / 1e5)
    total = 997
    assert [one_cycle(n / total, rise, 1e-2 / 25, 1e-2, 1e-2 / 1e5) for n in range(total + 1)] == [
        theirs(n / total) for n in range(total + 1)
    ]


@pytest.mark.parametrize("layer_rate", [1.0, 0.5, 1 / 2.6])
def test_rates_by_layer_and_momentum_are_those_of_fit_one_cycle_to_the_bit(layer_rate: float) -> None:
    config = dataclasses.replace(TINY, layers=3, layer_rate=layer_rate, epochs=1)
    seen: list[list[tuple[float, float]]] = []

    class Watch(Callback):
        order = 100

        def before_batch(self) -> None:
            if self.training:
                seen.append([(float(group["lr"]), float(group["mom"])) for group in self.opt.hypers])

    learn = learner(patterned(40), patterned(8), config, device="cpu")
    total = len(learn.dls.train)
    learn.add_cbs([Watch(), Place(total)])
    learn.fit_schedule(1, config)
    optimizer = trained(patterned(40), config).step.optimizer
    for number, theirs in enumerate(seen):
        set_rates(optimizer, config, number / total)
        assert [(group["lr"], group["mom"]) for group in optimizer.hypers] == theirs
    assert len(seen) == total


def test_the_optimizer_takes_fastais_steps() -> None:
    """Sixty steps with cycled momentum, decay on a matrix and none on a bias: fastai's Adam to rounding."""
    torch.manual_seed(0)
    start = [torch.randn(7, 5), torch.randn(7)]
    ours, theirs = ([torch.nn.Parameter(p.clone()) for p in start] for _ in range(2))
    fused, plain = FastaiAdam(ours, lr=1e-2, wd=0.1), Adam(theirs, lr=1e-2, wd=0.1)
    plain.state[theirs[1]]["do_wd"] = False
    for step in range(60):
        for optimizer in (fused, plain):
            optimizer.set_hypers(lr=1e-2 * (1 + step) / 60, mom=0.8 - step / 600)
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        fused.step()
        plain.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_plain_descent_is_fastais_to_the_bit() -> None:
    torch.manual_seed(0)
    start = [torch.randn(7, 5), torch.randn(7)]
    ours, theirs = ([torch.nn.Parameter(p.clone()) for p in start] for _ in range(2))
    mine, other = FastaiSGD(ours, lr=1.0, wd=0.1), SGD(theirs, lr=1.0, mom=0.0, wd=0.1)
    for _ in range(10):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        mine.step()
        other.step()
    assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))


def test_the_loss_function_counts_in_validation() -> None:
    torch.manual_seed(0)
    out = Output(*(torch.randn(size) for size in ((7, 3, 6), (7, 3, 6), (11, 6), (11,))))
    y = torch.randint(0, 11, (7, 3))
    y[0, 0] = IGNORE
    counting = LMLoss()
    with torch.no_grad():
        assert torch.allclose(counting(out, y), cross_entropy(out, y))
    right = ((out.dropped @ out.weight.T + out.bias).argmax(2) == y).sum()
    assert (counting.count, counting.right) == (20, right)
