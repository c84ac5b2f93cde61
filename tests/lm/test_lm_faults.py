"""Kills at random moments leave nothing broken: a resumed run is the unbroken one, to the bit.

Counts are small here; `make faults` sets ULMKIT_KILLS (runs killed) and ULMKIT_SAVE_KILLS (saves killed).
"""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lm_data import patterned

from ulmkit.artifacts.atomic import recover_folder
from ulmkit.artifacts.manifest import verify_folder
from ulmkit.errors import ArtifactError
from ulmkit.lm.checkpoint import read_checkpoint, save_checkpoint, standing_folder
from ulmkit.lm.config import LMConfig
from ulmkit.lm.run import pretrain

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("ULMKIT_KILLS", "3"))
SAVE_KILLS = int(os.environ.get("ULMKIT_SAVE_KILLS", "12"))
SEED = int(os.environ.get("ULMKIT_SEED", str(random.SystemRandom().randrange(10**6))))

CONFIG = LMConfig(
    embedding_size=12,
    hidden_size=16,
    layers=2,
    drop_mult=1.0,
    ar=2.0,
    tar=1.0,
    batch_size=4,
    bptt=8,
    variable_bptt=True,
    epochs=3,
    lr=5e-3,
    clip=0.5,
    log_every=7,
    valid_batch_size=2,
    checkpoint_minutes=0.02 / 60,  # every few steps, wherever they are
)
# every kind of memory that a run can have: the optimizer's, a pointer's, an average's, and of when an average began
RECIPES = [
    CONFIG,
    dataclasses.replace(
        CONFIG, ema=0.95, label_smoothing=0.1, layer_rate=0.5, backend="stepwise", precision="bf16", memory=20
    ),
    dataclasses.replace(
        CONFIG, optimizer="nt-asgd", schedule="constant", lr=5.0, nonmono=1, epochs=6, backward=True, wd=1e-6, memory=5
    ),
]
MADE_BY_THE_CLOCK = ("seconds", "tokens_per_second")


class Server:
    """The process of kill_server.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[1] / "support" / "kill_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def start(self, **request: Any) -> int:
        """Start a child; its pid."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        return self._answer()["pid"]

    def wait(self) -> int:
        """How the child ended, as the kernel tells it."""
        return self._answer()["status"]

    def _answer(self) -> dict[str, int]:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    assert server.process.stdin
    assert server.process.stdout
    server.process.stdin.close()
    server.process.stdout.close()
    server.process.wait(20)


def curve(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what the clock wrote."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in MADE_BY_THE_CLOCK} for line in lines]


def outcome(folder: Path) -> tuple[Any, ...]:
    """Everything that must be equal: both sets of weights, the optimizer's memory, and the curve."""
    return (
        (folder / "best/model.safetensors").read_bytes(),
        (folder / "last/model.safetensors").read_bytes(),
        (folder / "last/optimizer.safetensors").read_bytes(),
        curve(folder),
    )


Unbroken = Callable[[LMConfig], tuple[tuple[Any, ...], float]]


@pytest.fixture(scope="module")
def unbroken(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """The run of a recipe that nobody disturbed, and how many seconds it took."""

    @cache
    def run(config: LMConfig) -> tuple[tuple[Any, ...], float]:
        folder = tmp_path_factory.mktemp("unbroken") / "run"
        started = time.monotonic()
        server.start(folder=folder, config=config.to_json())
        assert server.wait() == 0
        return outcome(folder), time.monotonic() - started

    return run


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_and_resumed_run_equals_the_unbroken_one(
    number: int, server: Server, unbroken: Unbroken, tmp_path: Path
) -> None:
    """SIGKILL once or several times, at any moment from the first import of data to the manifest."""
    config = RECIPES[number % len(RECIPES)]
    expected, seconds = unbroken(config)
    chance = random.Random(f"{SEED} {number}")
    folder, killed = tmp_path / "run", 0
    for _ in range(chance.choice((1, 1, 2, 3))):
        pid = server.start(folder=folder, config=config.to_json())
        stop = threading.Timer(chance.uniform(0.01, 1.05 * seconds), os.kill, (pid, signal.SIGKILL))
        stop.start()
        status = server.wait()
        stop.cancel()
        killed += status == signal.SIGKILL
        assert status in (0, signal.SIGKILL), f"seed {SEED} {number}"
    server.start(folder=folder, config=config.to_json())
    assert server.wait() == 0, f"seed {SEED} {number}"
    assert outcome(folder) == expected, f"seed {SEED} {number}, {killed} kills"
    assert verify_folder(folder, "lm") == []
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]


@pytest.mark.parametrize("number", range(2 + KILLS // 10))
def test_a_stopped_run_says_so_saves_and_goes_on(
    number: int, server: Server, unbroken: Unbroken, tmp_path: Path
) -> None:
    """SIGTERM and SIGINT: exit status 143 or 130 before the run is through, and nothing is lost."""
    expected, _ = unbroken(CONFIG)
    folder = tmp_path / "run"
    code = (signal.SIGTERM, signal.SIGINT)[number % 2]
    patient = CONFIG.to_json() | {"checkpoint_minutes": 60.0}  # so that only the signal can have saved
    pid = server.start(folder=folder, config=patient, wait=20)
    metrics = folder / "metrics.jsonl"
    while not metrics.exists() or not metrics.read_text():
        os.kill(pid, 0)  # an error where it is gone
        time.sleep(0.005)
    os.kill(pid, code)
    assert os.waitstatus_to_exitcode(server.wait()) == 128 + code
    assert read_checkpoint(folder / "last", training=True).state["position"]["step"] > 0
    server.start(folder=folder, config=patient)
    assert server.wait() == 0
    assert outcome(folder)[0:2] == expected[0:2]
    assert curve(folder) == expected[3]


class Killed(BaseException):
    """Nobody catches it, so nothing but the files outlives it."""


@pytest.mark.parametrize("recipe", RECIPES, ids=["adam", "average of bfloat16", "nt-asgd"])
def test_a_run_killed_after_each_of_its_saves_equals_the_unbroken_one(
    recipe: LMConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one, by count: a kill between the last step and the validation after it is rare where moments are drawn."""
    train, valid = patterned(3), patterned(2, seed=1)
    config = dataclasses.replace(recipe, epochs=2, checkpoint_minutes=0.0)
    monkeypatch.setattr("ulmkit.lm.run.audit", lambda *_, **__: [])  # it takes longer than the run

    def life(folder: Path, *, kill_at: int = 0) -> int:
        """Train until the end or behind save `kill_at`; how many saves there were."""
        saves = 0

        def save(*given: Any) -> None:
            nonlocal saves
            saves += 1
            save_checkpoint(*given)
            if saves == kill_at:
                raise Killed

        monkeypatch.setattr("ulmkit.lm.records.save_checkpoint", save)
        with contextlib.suppress(Killed):
            pretrain(train, valid, folder, config, resume=True, device="cpu")
        return saves

    saves = life(tmp_path / "unbroken")
    expected = outcome(tmp_path / "unbroken")
    assert saves >= 10
    for number in range(1, saves + 1):
        folder = tmp_path / str(number)
        assert life(folder, kill_at=number) == number
        life(folder)
        assert outcome(folder) == expected, f"killed after save {number} of {saves}"


def number_in(folder: Path) -> int:
    try:
        return int(read_checkpoint(folder).state["number"])
    except (ArtifactError, OSError):  # it is being exchanged
        return 0


def test_a_kill_while_saving_leaves_a_whole_checkpoint(server: Server, tmp_path: Path) -> None:
    """Whatever the moment, what stands is one checkpoint, all of its files from the same save."""
    chance, folder, newest = random.Random(SEED), tmp_path / "last", 0
    for attempt in range(SAVE_KILLS):
        pid = server.start(folder=folder, save=True)
        # a slow machine may never get beyond its first save; once it must
        while not standing_folder(folder).exists() or (attempt == 0 and number_in(folder) < 2):
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(pid, signal.SIGKILL)
        assert server.wait() == signal.SIGKILL
        before = read_checkpoint(folder, training=True)  # as another process finds it
        recover_folder(folder)
        after = read_checkpoint(folder, training=True)  # as a resumed run finds it
        for found in (before, after):
            number = found.state["number"]
            assert (found.model["number"] == number).all(), f"seed {SEED}"
            assert (found.training["number"] == number).all(), f"seed {SEED}"
        newest = max(newest, after.state["number"])
    assert newest > 1
