"""The loop that tunes a network to labelled texts, through kills: the same bits whether it was stopped or not.

Batches, and what dropout drops, are functions of seed, stage and step, so that weights, the optimizer's memory and a
place are all there is to keep.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ulmkit.artifacts.atomic import read_json, write_json
from ulmkit.artifacts.manifest import fingerprint
from ulmkit.classifier.batches import balanced, padded, shuffled
from ulmkit.classifier.reader import TextReader
from ulmkit.classifier.settings import USUAL, TuningSettings
from ulmkit.classifier.stages import (
    DIV,
    DIV_FINAL,
    EPS,
    MOMS,
    SQR_MOM,
    STAGES,
    TuningStage,
    batch_size,
)
from ulmkit.classifier.tuned import TextNet, TunedMember, fresh_net, net_scores
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import read_checkpoint, save_checkpoint
from ulmkit.lm.optimizer import Adam, optimizer_tensors, restore_optimizer
from ulmkit.lm.schedule import one_cycle
from ulmkit.progress import Progress, Report, silent

KEPT_EVERY_S = 30.0
PLAN = "plan.json"
TIME_MARGIN = 0.9  # of the time that was given: rows that were held out are scored, and a machine has other work
MOST_TRIED = 20  # steps that say how long one takes
TRIED_SHARE = 0.02  # of the time that was given, for these


def untold(line: str) -> None:
    """For who need not be told."""


@dataclass
class Kept:
    """Where a tuning keeps its place: a `folder`, and the `key` of what is tuned with what.

    `told` hears what became of the place that a killed tuning left.
    """

    folder: Path
    key: str
    every_s: float = KEPT_EVERY_S
    clock: Callable[[], float] = time.monotonic
    told: Callable[[str], None] = untold

    def __post_init__(self) -> None:
        self._last = self.clock()

    def save(self, net: TextNet, optimizer: Adam | None, stage: int, step: int) -> None:
        """Whole or not at all; without an optimizer what is there is between two stages."""
        training = optimizer_tensors(optimizer, net.named_parameters()) if optimizer else {}
        save_checkpoint(self.folder, net.state_dict(), training, {"tuning": [self.key, stage, step]})
        self._last = self.clock()

    @property
    def due(self) -> bool:
        return self.clock() - self._last >= self.every_s

    def restore(self, net: TextNet) -> tuple[int, int, dict[str, torch.Tensor]]:
        """The place that was kept, with the optimizer's tensors; the beginning where there is none, or another's."""
        try:
            saved = read_checkpoint(self.folder, training=True)
        except ArtifactError:
            return 0, 0, {}
        key, stage, step = saved.state.get("tuning") or ("", 0, 0)
        name = f"{self.folder.parent.name}/{self.folder.name}"
        if key != self.key:
            self.told(f"{name}: a tuning of other tables or settings was killed here; this one begins anew.")
            shutil.rmtree(self.folder, ignore_errors=True)
            return 0, 0, {}
        done = f"in stage {stage + 1}, behind step {step:,}" if step else f"behind stage {stage}"
        self.told(f"{name}: a tuning that was killed goes on {done}.")
        net.load_state_dict(saved.model)
        return stage, step, saved.training


@dataclass(frozen=True)
class Tuning:
    """What a network is tuned to: ids of texts, their classes, and a seed; and `share`, how much of each stage is done.

    The share is one for all networks of a member, and less than 1 where time is short.
    """

    ids: Sequence[np.ndarray]
    classes: np.ndarray
    seed: int
    settings: TuningSettings = USUAL
    share: float = 1.0

    def batches(self, stage: int, epoch: int) -> list[np.ndarray]:
        """Of one epoch of one stage, always the same, and as many in each."""
        lengths = np.array([len(each) for each in self.ids])
        size, rng = self.settings.batch_size or batch_size(len(self.ids)), (self.seed, stage, epoch)
        if self.settings.balance != "sample":
            return shuffled(lengths, size, np.random.default_rng(rng))
        drawn = balanced(self.classes, np.random.default_rng((*rng, 2)))
        return [drawn[rows] for rows in shuffled(lengths[drawn], size, np.random.default_rng(rng))]

    def steps(self, stage: TuningStage) -> int:
        """How many steps a stage has here."""
        return stage.length(len(self.batches(0, 0)), self.settings.length_mult * self.share)

    @property
    def row_weights(self) -> np.ndarray:
        """How much each row counts in the loss, 1 on average: alike, or each class as much as any other."""
        if self.settings.balance != "weights":
            return np.ones(len(self.classes), np.float32)
        times = np.bincount(self.classes)
        return (len(self.classes) / (np.count_nonzero(times) * times[self.classes])).astype(np.float32)


def tuning_loss(scores: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The mean over rows of each one's weight times its cross-entropy, in nats. `scores` (B, classes), the rest (B,).

    With `smoothing` s a row's target is 1 - s of its class and s of all classes alike (Szegedy et al. 2016).
    """
    return (weights * cross_entropy(scores, classes, reduction="none", label_smoothing=smoothing)).mean()


def tune(
    net: TextNet,
    tuning: Tuning,
    stages: Sequence[TuningStage],
    *,
    kept: Kept | None = None,
    report: Report = silent,
    after_step: Callable[[int, int], None] = lambda stage, step: None,
) -> None:
    """Tune `net` in place, stage by stage, from where `kept` has it. `after_step` hears of each stage and step."""
    with torch.random.fork_rng(devices=_cuda(net)):
        stage, step, memory = kept.restore(net) if kept else (0, 0, {})
        for number in range(stage, len(stages)):
            _tune_stage(net, tuning, stages[number], number, step, memory, kept, report, after_step)
            step, memory = 0, {}
            if kept:
                kept.save(net, None, number + 1, 0)
    for p in net.parameters():
        p.requires_grad_(True)
        p.grad = None
    net.eval()


def _cuda(net: TextNet) -> list[torch.device]:
    """The GPU that a network lies on, where it does."""
    device = net.encoder.embedding.device
    return [device] if device.type == "cuda" else []


def _tune_stage(
    net: TextNet,
    tuning: Tuning,
    stage: TuningStage,
    number: int,
    begin: int,
    memory: dict[str, torch.Tensor],
    kept: Kept | None,
    report: Report,
    after_step: Callable[[int, int], None],
) -> None:
    groups = net.groups
    frozen = max(0, len(groups) - (stage.groups or len(groups)))
    for place, group in enumerate(groups):
        for p in group:
            p.requires_grad_(place >= frozen)
            p.grad = None
    settings, device = tuning.settings, net.encoder.embedding.device
    optimizer = Adam(groups, lr=stage.lr, mom=MOMS[0], sqr_mom=SQR_MOM, eps=EPS, wd=settings.wd)
    restore_optimizer(optimizer, net.named_parameters(), memory)
    changing = [p for group in groups[frozen:] for p in group]
    count, total, weights = len(tuning.batches(number, 0)), tuning.steps(stage), tuning.row_weights
    epoch, batches = -1, []
    net.train()
    for step in range(begin, total):
        if step // count != epoch:
            epoch = step // count
            batches = tuning.batches(number, epoch)
        rows = batches[step % count]
        torch.manual_seed(int(np.random.SeedSequence((tuning.seed, number, step, 1)).generate_state(1)[0]))
        for place, hyper in enumerate(optimizer.hypers):
            top = settings.lr_mult * stage.lr / (1 / settings.layer_rate) ** (len(groups) - 1 - place)
            hyper["lr"] = one_cycle(step / total, settings.pct_start, top / DIV, top, top / DIV_FINAL)
            hyper["mom"] = one_cycle(step / total, settings.pct_start, *MOMS)
        optimizer.zero_grad()
        scores = net(*padded([tuning.ids[row] for row in rows], device=device))
        classes = torch.from_numpy(tuning.classes[rows]).to(device)
        tuning_loss(scores, classes, torch.from_numpy(weights[rows]).to(device), settings.label_smoothing).backward()
        torch.nn.utils.clip_grad_norm_(changing, settings.clip)
        optimizer.step()
        if kept and kept.due:
            kept.save(net, optimizer, number, step + 1)
        report(Progress("tune", step + 1, total, "steps", f"stage {number + 1}"))
        after_step(number, step)


def affordable_share(
    net: TextNet,
    tuning: Tuning,
    stages: Sequence[TuningStage],
    steps: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """How much of `steps` fits into `seconds`, at most all: what a step takes is tried on `net`, which is spent by it.

    All groups change in the steps that are tried, so that stages which change few take less. The first of them, which
    pays for memory and threads, is not counted.
    """
    began = first = clock()
    tried = 0

    def step_over(stage: int, step: int) -> None:
        nonlocal first, tried
        if step == 0:
            first = clock()
            return
        tried = step
        if step >= MOST_TRIED or clock() - began > TRIED_SHARE * seconds:
            raise _EnoughError

    whole = replace(stages[-1], groups=None, steps=MOST_TRIED + 1, epochs=0)
    with contextlib.suppress(_EnoughError):
        tune(net, replace(tuning, settings=replace(tuning.settings, length_mult=1.0)), [whole], after_step=step_over)
    now = clock()
    return min(1.0, max(0.0, TIME_MARGIN * seconds - (now - began)) / (steps * (now - first) / tried))


def _planned(path: Path, key: str) -> float | None:
    """The share that a plan holds, where it is whole and of the same tuning."""
    try:
        plan = read_json(path)
    except ArtifactError:
        return None
    found = plan.get("share") if isinstance(plan, dict) and plan.get("key") == key else None
    return found if isinstance(found, float) and 0 <= found <= 1 else None


class _EnoughError(Exception):
    """Enough steps were tried."""


@dataclass(frozen=True)
class TuningRun:
    """What networks are tuned with: recipe, settings, one network for each of `seeds`.

    `kept` is a folder for places and the plan; `seconds` is how long all may take together, by `clock`.
    """

    recipe: str
    seeds: Sequence[int] = (0,)
    settings: TuningSettings = USUAL
    seconds: float | None = None
    kept: Path | None = None
    told: Callable[[str], None] = untold
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    def share(self, key: str, net: Callable[[], TextNet], tunings: Sequence[Tuning]) -> float:
        """How much of each stage is done: all, or what fits into the time, which is measured once and then kept."""
        if self.seconds is None:
            return 1.0
        path = self.kept and self.kept / PLAN
        if path and (kept := _planned(path, key)) is not None:
            return kept
        stages = STAGES[self.recipe]
        steps = sum(tuning.steps(stage) for tuning in tunings for stage in stages)
        found = affordable_share(net(), tunings[-1], stages, steps, self.seconds, self.clock)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"key": key, "share": found})
        return found


def tuned_member(
    reader: TextReader,
    texts: Sequence[str],
    classes: np.ndarray,
    count: int,
    folds: np.ndarray,
    run: TuningRun,
    *,
    report: Report = silent,
) -> tuple[TunedMember, np.ndarray, float]:
    """Networks tuned to `texts` of `classes` below `count`, one for each seed, and scores of rows that none had seen.

    Each fold is scored by a network that was tuned without it, and the member's see all. Where some rows are in no fold
    (-1), the member's are tuned to these alone, and score the others; of rows that all have seen the scores are NaN.
    Last, the share of the recipe's steps that was done.
    """
    ids = reader.ids_of(texts)
    asked = [asdict(run.settings), run.seconds]
    made = fingerprint([reader.fingerprint, list(texts), classes.tolist(), count, folds.tolist(), run.recipe, asked])
    everything = np.flatnonzero(folds < 0) if folds.min() < 0 else np.arange(len(ids))
    alone = np.unique(folds).tolist() if len(everything) == len(ids) else []  # folds with a network of their own

    def fresh(seed: int) -> TextNet:
        return fresh_net(reader, count, batchnorm=run.recipe == "fastai", seed=seed, settings=run.settings)

    def part(rows: np.ndarray, seed: int) -> Tuning:
        return Tuning([ids[row] for row in rows], classes[rows], seed, run.settings)

    parts = [part(np.flatnonzero(folds != fold), run.seeds[0]) for fold in alone]
    parts += [part(everything, seed) for seed in run.seeds]
    share = run.share(made, lambda: fresh(run.seeds[0]), parts)

    def tuned(name: str, number: int) -> TextNet:
        net, each = fresh(parts[number].seed), replace(parts[number], share=share)
        place = Kept(run.kept / name, fingerprint([made, name, share]), told=run.told) if run.kept else None
        tune(net, each, STAGES[run.recipe], kept=place, report=report)
        return net

    unseen = np.full((len(ids), count), np.nan)
    for number, fold in enumerate(alone):
        held = np.flatnonzero(folds == fold)
        unseen[held] = net_scores(tuned(f"fold-{fold}", number), [ids[row] for row in held])
    nets = [tuned(f"seed-{seed}", len(alone) + number) for number, seed in enumerate(run.seeds)]
    member = TunedMember(reader, tuple(nets))
    if len(everything) < len(ids):
        held = np.flatnonzero(folds >= 0)
        unseen[held] = np.mean([net_scores(net, [ids[row] for row in held]) for net in member.nets], axis=0)
    return member, unseen, share
