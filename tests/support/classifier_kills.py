"""Trainings killed in each of their stages and begun again: the same bytes as of one that nobody killed.

python tests/support/classifier_kills.py --times 20
python tests/support/classifier_kills.py --times 20 --stage "minutes: steps" --stage "valid: tuning"

How many steps fit into --minutes the clock says, so that what a killed training with them made is compared with one
that nobody killed and that was given the plan which the killed one had made.

A kill is SIGKILL to a child, at a random moment after it has said that its stage begins. This process only forks: what
computes has threads, and a fork of it might wait for ever for one that it has not inherited.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import ulmkit
from tests.classifier.test_classifier import TEST, TRAIN, comments
from tests.support.reader_data import make_readers
from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import MANIFEST
from ulmkit.classifier import cotrain, learn, run, selftrain, tuning
from ulmkit.classifier.form import TextForm
from ulmkit.classifier.learn import How
from ulmkit.classifier.reader import reader_of_run
from ulmkit.classifier.settings import changed_settings
from ulmkit.classifier.stages import TuningStage
from ulmkit.classifier.table import Examples
from ulmkit.lm import records
from ulmkit.lm import run as training
from ulmkit.workflow import finetune

UNLABELLED = comments(220, 1_000).texts
VALID = comments(24, 2_000)
UNEVEN = TRAIN.part([row for row, label in enumerate(TRAIN.labels) if label == "hea" or row % 6 == 1])
FINETUNED = "fine-tuned"  # in the place of a recipe: a language model, and no classifier
KILLED, WHOLE = "killed", "whole"  # the run that is, and the one that it is compared with
MADE_BY_THE_CLOCK = ("seconds", "tokens_per_second")
OFTEN = ("tuned encoder", "tuned encoders", "stack", "steps", "a checkpoint")  # ends of what comes several times
TOOK_MOST = 5.0  # seconds: longer no stage is waited for


@dataclass(frozen=True)
class Options:
    """What a training of a classifier is told."""

    how: How
    train: Examples = TRAIN
    valid: Examples | None = None


# by the names that stages have for what comes to them
ASKED = {
    "frozen": Options(How("frozen")),
    "1cycle": Options(How("1cycle")),
    "minutes": Options(How("1cycle", minutes=0.02, settings=changed_settings({"length_mult": 25}))),
    "valid": Options(How("1cycle"), valid=VALID),
    "weights": Options(
        How("1cycle", seeds=2, settings=changed_settings({"balance": "weights", "label_smoothing": 0.1})), UNEVEN
    ),
    "sample": Options(How("gradual", settings=changed_settings({"balance": "sample", "length_mult": 0.04})), UNEVEN),
}


@dataclass(frozen=True)
class KillStage:
    """A function, by the module that calls it and its name there, and what comes to it: of `ASKED`, or fine-tuning."""

    module: Any
    function: str
    needs: str


STAGES: dict[str, KillStage] = {
    "folds": KillStage(learn, "stratified_folds", "frozen"),
    "n-grams counted": KillStage(learn, "counted", "frozen"),
    "n-grams fitted": KillStage(learn, "choose_recipe", "frozen"),
    "self-training": KillStage(selftrain, "sure_texts", "frozen"),
    "co-training": KillStage(cotrain, "frozen_student", "frozen"),
    "frozen features": KillStage(learn, "_frozen", "frozen"),
    "tuned encoder": KillStage(tuning, "tune", "1cycle"),
    "stack": KillStage(learn, "fit_stack", "1cycle"),
    "evaluation": KillStage(run, "evaluated", "1cycle"),
    "writing": KillStage(run, "write_classifier", "1cycle"),
    "sealing": KillStage(run, "_finish", "1cycle"),
    "minutes: steps are tried": KillStage(tuning, "affordable_share", "minutes"),
    "minutes: steps": KillStage(tuning, "tune", "minutes"),
    "minutes: stack": KillStage(learn, "fit_stack", "minutes"),
    "minutes: sealing": KillStage(run, "_finish", "minutes"),
    "valid: n-grams fitted": KillStage(learn, "choose_recipe", "valid"),
    "valid: tuning": KillStage(tuning, "tune", "valid"),
    "valid: writing": KillStage(run, "write_classifier", "valid"),
    "balance weights and smoothing: tuned encoders": KillStage(tuning, "tune", "weights"),
    "balance sample: tuned encoder": KillStage(tuning, "tune", "sample"),
    "fine-tuning: texts": KillStage(finetune, "_collected", FINETUNED),
    "fine-tuning: token files": KillStage(finetune, "_write_own_texts", FINETUNED),
    "fine-tuning: steps": KillStage(training.Loop, "run", FINETUNED),
    "fine-tuning: a checkpoint": KillStage(records, "save_checkpoint", FINETUNED),
}


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """A child's process id, and where to read what it says; `work` gets where to write it."""
    said, says = os.pipe()
    if pid := os.fork():
        os.close(says)
        return pid, said
    status = 1
    try:
        work(says)
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def ended(child: tuple[int, int]) -> tuple[int, bytes]:
    """How a child ended, and what it said."""
    with open(child[1], "rb") as file:
        told = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]), told


class Ground:
    """A root with a tiny language model in `folder`, and what trainings there make that nobody kills."""

    def __init__(self, folder: Path, stages: Sequence[str] = ()) -> None:
        self.stages = stages or tuple(STAGES)
        torch.set_num_threads(1)
        self.language = ulmkit.load("et")
        TextForm(self.language)  # compiled once, for all children
        self.home = Layout(folder, self.language.code)
        tuning.STAGES["1cycle"] = (TuningStage(1, 1e-2, steps=2), TuningStage(None, 1e-2, steps=2))
        tuning.Kept.due = True  # type: ignore[method-assign,assignment] # a place is kept at each step
        self.last_plan, write = folder / tuning.PLAN, tuning.write_json

        def copied(path: Path, plan: Any) -> None:
            write(self.last_plan, plan)
            write(path, plan)

        tuning.write_json = copied
        child = forked(lambda _: self._make())
        assert ended(child)[0] == 0
        self.took: dict[str, float] = {}
        self.whole: dict[str, dict[str, Any]] = {}
        for needs in dict.fromkeys(STAGES[name].needs for name in self.stages):
            status, told = ended(forked(lambda says, needs=needs: self._timed(needs, says)))  # type: ignore[misc]
            assert status == 0, needs
            self.took |= json.loads(told)
            self.whole[needs] = self.files(needs, needs)
            self.last_plan.unlink(missing_ok=True)

    def _make(self) -> None:
        make_readers(self.home.root, self.language, list(TRAIN.texts))

    def train(self, name: str, needs: str) -> None:
        """Make run `name`, or go on with what is there of it."""
        if needs == FINETUNED:
            source = finetune.TextSource(given=TRAIN.texts)
            changes = {"epochs": 2, "batch_size": 2, "bptt": 10, "checkpoint_minutes": 0.0, "backend": "vendor",
                       "precision": "fp32"}  # fmt: skip
            finetune.finetune_run(
                self.language, self.home, name, source, start="ahead", changes=changes, resume=True, device="cpu"
            )
            return
        readers = [reader_of_run(self.home, "ahead", self.language)]
        folder, asked = self.home.classifier(name), ASKED[needs]
        run.train_run(
            self.language, folder, asked.train, unlabelled=UNLABELLED, test=TEST, valid=asked.valid, readers=readers,
            how=asked.how,
        )  # fmt: skip

    def plan(self, name: str) -> Path:
        """Where a training keeps how many of its steps fit into its time."""
        return self.home.home / "work/classify" / name / "forward" / tuning.PLAN

    def unbroken(self, needs: str) -> dict[str, Any]:
        """What a training leaves that nobody kills; where minutes count, by the plan that was made last."""
        if not self.last_plan.exists():
            return self.whole[needs]
        copy = self.plan(WHOLE)
        copy.parent.mkdir(parents=True)
        shutil.move(self.last_plan, copy)
        assert ended(forked(lambda _: self.train(WHOLE, needs)))[0] == 0
        found = self.files(WHOLE, needs)
        shutil.rmtree(self.folder(WHOLE, needs))
        return found

    def folder(self, name: str, needs: str) -> Path:
        return self.home.run(name) if needs == FINETUNED else self.home.classifier(name)

    def files(self, name: str, needs: str) -> dict[str, Any]:
        """What a run left, without what the clock wrote and without a folder that was never put in its place."""
        folder = self.folder(name, needs)
        found: dict[str, Any] = {}
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in inner.parts):
                found[str(inner)] = path.read_bytes()
        if needs != FINETUNED:
            return found
        lines = found["metrics.jsonl"].splitlines()
        curve = [{k: v for k, v in json.loads(line).items() if k not in MADE_BY_THE_CLOCK} for line in lines]
        kept = {name: data for name, data in found.items() if name.endswith((".safetensors", ".bin", ".npy"))}
        return {**dict.fromkeys(found), **kept, "metrics.jsonl": curve}

    def _timed(self, needs: str, says: int) -> None:
        """Train undisturbed, and say how long each stage took at the most."""
        took: dict[str, float] = {}
        for name, stage in STAGES.items():
            if stage.needs == needs:
                setattr(stage.module, stage.function, _measured(getattr(stage.module, stage.function), name, took))
        self.train(needs, needs)
        os.write(says, json.dumps(took).encode())

    def _until(self, stage: KillStage, times: int, says: int) -> None:
        """Train, and say when `stage` begins for the so manieth time; behind its end nothing more happens."""
        does, calls = getattr(stage.module, stage.function), 0

        def waits(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == times:
                os.write(says, b"begun")
            found = does(*args, **options)
            while calls >= times:
                signal.pause()
            return found

        setattr(stage.module, stage.function, waits)
        self.train(KILLED, stage.needs)

    def kill(self, stage: KillStage, after: float, times: int) -> bool:
        """Kill a training so many seconds after `stage` began; whether it came there."""
        pid, said = forked(lambda says: self._until(stage, times, says))
        begun = os.read(said, 5)
        if begun:
            time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return ended((pid, said))[0] == -signal.SIGKILL and bool(begun)

    def wrong_after(self, name: str, rng: random.Random) -> str:
        """Kill a training in the stage called `name`, then run it again: what is wrong, empty where nothing is."""
        stage = STAGES[name]
        folder, plan = self.folder(KILLED, stage.needs), b""
        standing: list[dict[str, Any]] = []
        for number in range(rng.choice((1, 1, 2))):  # a training that goes on may be killed, too
            times = rng.choice((1, 2, 3)) if name.endswith(OFTEN) else 1
            after = rng.uniform(0, min(1.1 * self.took[name], TOOK_MOST))
            if not self.kill(stage, after, times) and not number:
                return "was not killed"
            if stage.needs != FINETUNED and (folder / MANIFEST).exists():
                standing.append(self.files(KILLED, stage.needs))
            plan = self.plan(KILLED).read_bytes() if self.plan(KILLED).exists() else b""
        if ended(forked(lambda _: self.train(KILLED, stage.needs)))[0]:
            return "did not go on"
        if plan and plan != self.last_plan.read_bytes():
            return "another plan was made"
        whole = self.unbroken(stage.needs)
        if any(each != whole for each in standing):
            return "half of a classifier stood"
        found = self.files(KILLED, stage.needs)
        other = [
            each for each in {*found, *whole} if each not in found or each not in whole or found[each] != whole[each]
        ]
        kept = self.home.home / "work/classify" / KILLED
        beside = (*folder.parent.iterdir(), *folder.iterdir())
        left = [path.name for path in beside if path.name.startswith(".") and path.name != ".lock"]
        left += [kept.name] if kept.exists() else []
        shutil.rmtree(folder)
        return f"other bytes: {sorted(other)}" if other else f"left behind: {left}" if left else ""


def _measured(does: Callable[..., Any], name: str, took: dict[str, float]) -> Callable[..., Any]:
    def measured(*args: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return does(*args, **options)
        finally:
            took[name] = max(took.get(name, 0.0), time.monotonic() - began)

    return measured


def killed_in_each(
    ground: Ground, times: int, seed: int = 0, told: Callable[[str], None] = lambda line: None
) -> Mapping[str, list[str]]:
    """What was wrong in each stage, after so many kills in each."""
    found = {}
    for name in ground.stages:
        each = [ground.wrong_after(name, random.Random(f"{name} {seed + number}")) for number in range(times)]
        found[name] = [wrong for wrong in each if wrong]
        told(f"{name}: {times} killed, {len(found[name])} wrong {' · '.join(found[name])}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="in each stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", action="append", choices=STAGES, help="again for more; else all")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name).resolve(), given.stage or ())
        found = killed_in_each(ground, given.times, given.seed, lambda line: print(line, flush=True))
    wrong = sum(map(len, found.values()))
    print(f"{given.times} kills in each of {len(ground.stages)} stages: {wrong} wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
