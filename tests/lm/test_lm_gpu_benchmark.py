"""The program that measures a GPU runs every branch on a CPU, writes its JSON, and prints all of it."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program, with few and short timings of small things."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("gpu")
    # the fused backend has its own tests: on a CPU it is interpreted, slowly
    for name, value in (("REPEATS", 2), ("ROUNDS", 2), ("BACKENDS", ("reference", "stepwise", "vendor"))):
        monkeypatch.setattr(module, name, value)
    small = {
        "sizes": (8, 12, 2),
        "batches": (2, 4),
        "contended": (2, 4),
        "tokens": 4000,
        "round_seconds": 0.0,
        "workers": 0,
    }
    monkeypatch.setattr(module, "TINY", dataclasses.replace(module.TINY, **small, look_seconds=0.0))
    yield module
    for name in ("gpu", "lm_cpu"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:CUDA is not available", "ignore:torch.cuda.amp.GradScaler is enabled")
def test_part_one_measures_everything_and_goes_on_where_it_stopped(gpu: Any, tmp_path: Path) -> None:
    sheet = gpu.Sheet(tmp_path / "gpu.json", 300)
    gpu.part_one(sheet, CPU, gpu.TINY)
    values = json.loads((tmp_path / "gpu.json").read_text())
    assert all(section["whole"] for section in values.values()), {n: s.get("error") for n, s in values.items()}
    assert values["contest"]["failed"] == {}
    figures = gpu.figures(values)
    assert figures["M1"]["median"] > 0
    assert figures["M2"]["n"] == 2
    assert len(figures["M3"]) == 3
    assert all(one["low"] > 0 for one in figures["M3"].values())
    for cells in (values["against float64"], values["against fastai"]):
        assert all(cells[f"{backend} fp32"]["gradient"] < 1e-5 for backend in ("reference", "stepwise", "vendor"))
    assert values["replays"]["largest difference"] == 0  # on a CPU both run op by op
    seconds = values["contest"]["seconds"]
    again = gpu.Sheet(tmp_path / "gpu.json", 300)
    gpu.part_one(again, CPU, gpu.TINY)
    assert again.values["contest"]["seconds"] == seconds
    text = gpu.report(values)
    for title in ("Side by side", "LSTM stack alone", "Cross-entropy", "What Python takes", "against fastai"):
        assert title in text
    assert "What failed" not in text


def test_a_section_that_fails_is_written_down_and_the_next_one_runs(gpu: Any, tmp_path: Path) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise RuntimeError("no kernel image is available")

    sheet = gpu.Sheet(tmp_path / "gpu.json", 300)
    sheet.fill("one", fail)
    sheet.fill("two", lambda section: section.update(found=1))
    values = json.loads((tmp_path / "gpu.json").read_text())
    assert values["one"]["error"] == "RuntimeError: no kernel image is available"
    assert values["two"]["found"] == 1
    assert "one: RuntimeError" in gpu.report(values)
    late = gpu.Sheet(tmp_path / "gpu.json", 0)
    with pytest.raises(gpu.OutOfTimeError):
        late.fill("three", lambda section: None)


@pytest.mark.slow
def test_the_recipes_run_stop_and_reach_the_origins_loss(gpu: Any, tmp_path: Path) -> None:
    arguments = ["--device", "cpu", "--tiny", "--output", str(tmp_path / "gpu.json"), "--runs", str(tmp_path / "runs")]
    settings = ["--set", "lr=0.01", "--set", "epochs=1"]
    gpu.main([*arguments, *settings, "--part", "2", "--minutes", "0.334"])  # 20 seconds are kept for saving
    stopped = json.loads((tmp_path / "gpu.json").read_text())["origin"]
    assert not stopped["finished"]
    assert "by SIGTERM" in stopped["stopped"]
    gpu.main([*arguments, *settings, "--part", "3", "--minutes", "1.5"])
    values = json.loads((tmp_path / "gpu.json").read_text())
    assert values["origin"]["finished"]
    steps = [point["step"] for point in values["origin"]["curve"]]
    assert steps == sorted(steps)
    assert steps[-1] == values["origin"]["result"]["step"]
    assert values["default"]["target"] == values["origin"]["curve"][-1]["loss"]
    found = gpu.figures(values)
    assert found["M4"]["tokens"] == values["origin"]["result"]["tokens"]
    assert (found["M5"] is not None) == values["default"]["reached"]
    assert "The `default` recipe" in gpu.report(values)
