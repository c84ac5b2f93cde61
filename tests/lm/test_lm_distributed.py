"""Two processes are one with twice the rows; when one dies all end, and a resumed run is the unbroken one."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from distributed_run import bad
from lm_data import patterned

from ulmkit.artifacts.manifest import Manifest, verify_folder
from ulmkit.errors import UsageError
from ulmkit.lm.batches import EvaluationBatches, TrainBatches
from ulmkit.lm.checkpoint import read_checkpoint
from ulmkit.lm.config import LMConfig
from ulmkit.lm.distributed import World, launched
from ulmkit.lm.run import pretrain

CONFIG = LMConfig(
    embedding_size=12,
    hidden_size=16,
    layers=2,
    memory=10,
    drop_mult=0.0,
    ar=2.0,
    tar=1.0,
    batch_size=4,
    bptt=8,
    variable_bptt=True,
    epochs=3,
    lr=5e-3,
    clip=0.5,
    ema=0.9,
    log_every=5,
    valid_batch_size=3,
    checkpoint_minutes=0.05 / 60,
    backend="vendor",
    precision="fp32",
)
NOISY = dataclasses.replace(CONFIG, drop_mult=1.0, epochs=12)
CLOCKS = ("seconds", "tokens_per_second")


def start(folder: Path, config: LMConfig, *bad: str) -> subprocess.Popen[str]:
    """Two processes in a session of their own, so that none outlives the test."""
    script = str(Path(__file__).parents[1] / "support" / "distributed_run.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    return subprocess.Popen(
        [*command, str(folder), json.dumps(config.to_json()), *bad],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finish(process: subprocess.Popen[str], seconds: float = 1_500) -> tuple[int, str]:
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, output


def curve(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_rows(tmp_path: Path) -> None:
    """Weights, average, hidden state and curve within rounding; the first process writes, and whole."""
    code, output = finish(start(tmp_path / "two", CONFIG))
    assert code == 0, output
    assert output.count("lm|language:xx") == 2
    pretrain(patterned(50), patterned(9, seed=1), tmp_path / "one", CONFIG, device="cpu")
    two, one = (read_checkpoint(tmp_path / name / "last", training=True) for name in ("two", "one"))
    for name, value in one.model.items():
        assert torch.allclose(two.model[name], value, atol=1e-5), name
    for name, value in one.training.items():
        if not name.startswith("random"):
            assert torch.allclose(two.training[name], value, atol=1e-4), name
    pairs = list(zip(curve(tmp_path / "two"), curve(tmp_path / "one"), strict=True))
    assert len(pairs) > 10
    for mine, other in pairs:
        assert mine == pytest.approx(other, rel=1e-3)
    assert verify_folder(tmp_path / "two", "lm") == []


def wait_for_step(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    path = folder.parent / "step"
    while not path.exists() or not path.read_text() or int(path.read_text()) < step:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


@pytest.mark.slow
def test_a_run_of_two_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    """With dropout, whose random numbers differ by process; and whoever is left ends too."""
    for name in ("whole", "killed", "told to stop"):
        (tmp_path / name).mkdir()
    code, output = finish(start(tmp_path / "whole/run", NOISY))
    assert code == 0, output
    for how in ("killed", "told to stop"):
        folder = tmp_path / how / "run"
        process = start(folder, NOISY)
        wait_for_step(process, folder, 20)
        if how == "killed":
            os.kill(int((tmp_path / how / "pid.1").read_text()), signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGTERM)
        code, output = finish(process)
        assert code != 0
        assert read_checkpoint(folder / "last").state["position"]["step"] > 0
        code, output = finish(start(folder, NOISY))
        assert code == 0, output
        for name in ("best/model.safetensors", "last/model.safetensors", "last/optimizer.safetensors"):
            assert (folder / name).read_bytes() == (tmp_path / "whole/run" / name).read_bytes(), (how, name)
        assert curve(folder) == curve(tmp_path / "whole/run"), how


@pytest.mark.slow
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_bad_in_one_process_is_skipped_by_all(what: str, tmp_path: Path) -> None:
    """As one process with all the rows skips it."""
    config = dataclasses.replace(CONFIG, on_nan="skip", epochs=1)
    code, output = finish(start(tmp_path / "two", config, what, "1"))
    assert code == 0, output
    pretrain(patterned(50), patterned(9, seed=1), tmp_path / "one", config, device="cpu", **bad(what).hooks)
    for name in ("one", "two"):
        assert Manifest.read(tmp_path / name, "lm").content["result"]["skipped"] == 1
    two, one = (read_checkpoint(tmp_path / name / "last", training=True) for name in ("two", "one"))
    for name, value in one.model.items():
        assert torch.allclose(two.model[name], value, atol=1e-5), name
    assert curve(tmp_path / "two")[-1] == pytest.approx(curve(tmp_path / "one")[-1], rel=1e-3)


@pytest.mark.slow
def test_a_step_that_is_bad_in_one_process_ends_all(tmp_path: Path) -> None:
    """With what was saved before it, and without waiting for one another."""
    code, output = finish(start(tmp_path / "two", CONFIG, "gradient", "1"))
    assert code != 0
    assert "Try a lower --lr" in output
    kept = read_checkpoint(tmp_path / "two/last", training=True)
    assert all(value.isfinite().all() for value in kept.model.values())
    code, output = finish(start(tmp_path / "two", CONFIG))  # without the cause it goes on
    assert code == 0, output


def test_rows_are_shared_out_and_every_token_is_read_once() -> None:
    tokens = patterned(20)
    whole = TrainBatches(tokens, 4, 8)
    parts = [TrainBatches(tokens, 4, 8, mine=World(rank, 2).rows(4)) for rank in range(2)]
    for (x, y), *halves in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([half[0] for half in halves], 1), x)
        assert torch.equal(torch.cat([half[1] for half in halves], 1), y)
    read: list[int] = []
    for part in range(3):
        for _, _, place in EvaluationBatches(tokens, 7, 8, part=part, parts=3).with_positions():
            read += place[place >= 0].tolist()
    assert sorted(read) == list(range(len(tokens.ids)))


def test_rows_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(UsageError, match="--batch-size 5 cannot be shared by 2 processes"):
        World(0, 2).rows(5)


def test_an_environment_that_is_no_number_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(UsageError, match="are no numbers"):
        launched()
