"""The loop that tunes a network to labelled texts, through kills: the same bits whether it was stopped or not.

Batches, and what dropout drops, are functions of seed, stage and step, so that weights, the optimizer's memory and a
place are all there is to keep.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ulmkit.artifacts.manifest import fingerprint
from ulmkit.classifier.batches import padded, shuffled
from ulmkit.classifier.reader import TextReader
from ulmkit.classifier.stages import (
    CLIP,
    DIV,
    DIV_FINAL,
    EPS,
    LOWER,
    MOMS,
    PCT_START,
    SQR_MOM,
    STAGES,
    WD,
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


@dataclass
class Kept:
    """Where a tuning keeps its place: a `folder`, and the `key` of what is tuned with what."""

    folder: Path
    key: str
    every_s: float = KEPT_EVERY_S
    clock: Callable[[], float] = time.monotonic

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
        if key != self.key:
            shutil.rmtree(self.folder, ignore_errors=True)
            return 0, 0, {}
        net.load_state_dict(saved.model)
        return stage, step, saved.training


@dataclass(frozen=True)
class Tuning:
    """What a network is tuned to: ids of texts, their classes, and a seed."""

    ids: Sequence[np.ndarray]
    classes: np.ndarray
    seed: int

    def batches(self, stage: int, epoch: int) -> list[np.ndarray]:
        """Of one epoch of one stage, always the same."""
        lengths = np.array([len(each) for each in self.ids])
        return shuffled(lengths, batch_size(len(self.ids)), np.random.default_rng((self.seed, stage, epoch)))


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
    with torch.random.fork_rng(devices=[]):
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
    optimizer = Adam(groups, lr=stage.lr, mom=MOMS[0], sqr_mom=SQR_MOM, eps=EPS, wd=WD)
    restore_optimizer(optimizer, net.named_parameters(), memory)
    changing = [p for group in groups[frozen:] for p in group]
    count = len(tuning.batches(number, 0))
    total = stage.length(count)
    epoch, batches = -1, []
    net.train()
    for step in range(begin, total):
        if step // count != epoch:
            epoch = step // count
            batches = tuning.batches(number, epoch)
        rows = batches[step % count]
        torch.manual_seed(int(np.random.SeedSequence((tuning.seed, number, step, 1)).generate_state(1)[0]))
        for place, hyper in enumerate(optimizer.hypers):
            top = stage.lr / LOWER ** (len(groups) - 1 - place)
            hyper["lr"] = one_cycle(step / total, PCT_START, top / DIV, top, top / DIV_FINAL)
            hyper["mom"] = one_cycle(step / total, PCT_START, *MOMS)
        optimizer.zero_grad()
        scores = net(*padded([tuning.ids[row] for row in rows]))
        cross_entropy(scores, torch.from_numpy(tuning.classes[rows])).backward()
        torch.nn.utils.clip_grad_norm_(changing, CLIP)
        optimizer.step()
        if kept and kept.due:
            kept.save(net, optimizer, number, step + 1)
        report(Progress("tune", step + 1, total, "steps", f"stage {number + 1}"))
        after_step(number, step)


def tuned_member(
    reader: TextReader,
    texts: Sequence[str],
    classes: np.ndarray,
    count: int,
    folds: np.ndarray,
    recipe: str,
    *,
    seeds: Sequence[int] = (0,),
    kept: Path | None = None,
    report: Report = silent,
) -> tuple[TunedMember, np.ndarray]:
    """Networks tuned to `texts` of `classes` below `count`, one for each seed, and scores of rows that none had seen.

    Each fold is scored by a network that was tuned without it, and the member's see all. Where some rows are in no fold
    (-1), the member's are tuned to these alone, and score the others; of rows that all have seen the scores are NaN.
    """
    ids = reader.ids_of(texts)
    made = fingerprint([reader.fingerprint, list(texts), classes.tolist(), count, recipe])

    def tuned(rows: np.ndarray, seed: int, name: str) -> TextNet:
        net = fresh_net(reader, count, batchnorm=recipe == "fastai", seed=seed)
        part = Tuning([ids[row] for row in rows], classes[rows], seed)
        place = Kept(kept / name, fingerprint([made, rows.tolist(), seed])) if kept else None
        tune(net, part, STAGES[recipe], kept=place, report=report)
        return net

    unseen = np.full((len(ids), count), np.nan)
    everything = np.flatnonzero(folds < 0) if folds.min() < 0 else np.arange(len(ids))
    if len(everything) == len(ids):
        for fold in np.unique(folds):
            held = np.flatnonzero(folds == fold)
            net = tuned(np.flatnonzero(folds != fold), seeds[0], f"fold-{fold}")
            unseen[held] = net_scores(net, [ids[row] for row in held])
    member = TunedMember(reader, tuple(tuned(everything, seed, f"seed-{seed}") for seed in seeds))
    if len(everything) < len(ids):
        held = np.flatnonzero(folds >= 0)
        unseen[held] = np.mean([net_scores(net, [ids[row] for row in held]) for net in member.nets], axis=0)
    return member, unseen
