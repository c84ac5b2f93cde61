"""What a run on texts of one's own trains with, and what is said of one that stays where counting pieces is."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from lm_data import TINY, patterned

from ulmkit.errors import UsageError
from ulmkit.lm.config import PRESETS
from ulmkit.lm.evaluate import baselines
from ulmkit.lm.finetuning import finetuning_config
from ulmkit.lm.plateau import plateau, unigram_loss
from ulmkit.lm.run import pretrain

SMALL, LARGE = PRESETS["small"], PRESETS["default"]


def test_sizes_and_noise_of_the_first_run_stay_and_rates_follow_its_size():
    before = dataclasses.replace(SMALL, memory=64, hidden_p=0.2, backward=True, seed=9, ema=0.5)
    config = finetuning_config(before, {})
    assert (config.embedding_size, config.hidden_size, config.layers, config.memory) == (128, 256, 2, 64)
    assert (config.hidden_p, config.backward, config.seed, config.ema) == (0.2, True, 0, 0)
    assert (config.lr, config.layer_rate, config.epochs, config.patience, config.clip) == (1e-2, 1, 10, 2, 0.4)
    large = finetuning_config(LARGE, {})
    assert (large.lr, large.layer_rate, large.ar, large.clip) == (4e-3, 1 / 2.6, 2.0, 0.4)


@pytest.mark.parametrize(
    ("changes", "timed", "factor"),
    [
        ({"epochs": 3}, False, 0.15), ({"epochs": 4}, False, 0.25), ({}, False, 0.5), ({"epochs": 20}, False, 0.5),
        ({}, True, 0.25), ({"epochs": 2}, True, 0.15), ({"epochs": 2, "drop_mult": 1.0}, False, 1.0),
    ],
)  # fmt: skip
def test_noise_grows_with_the_number_of_epochs(changes, timed, factor):
    assert finetuning_config(SMALL, changes, timed=timed).drop_mult == factor


def test_from_random_weights_all_layers_learn_at_the_presets_rate():
    config = finetuning_config(LARGE, {"backward": True}, begun=False)
    assert (config.lr, config.layer_rate, config.hidden_size, config.backward) == (LARGE.lr, 1.0, 1152, True)
    with pytest.raises(UsageError, match="Did you mean 'epochs'"):
        finetuning_config(SMALL, {"epoch": 3})


def test_the_unigram_is_that_of_the_baselines():
    train, valid = patterned(30), patterned(8, seed=1)
    assert math.isclose(unigram_loss(train, valid), baselines(train, valid)["unigram"].loss, rel_tol=0.05)
    ids = np.append(valid.ids[1:], valid.bos)
    counts = np.bincount(train.ids, minlength=50) + 1
    assert math.isclose(unigram_loss(train, valid), float(-np.log(counts[ids] / counts.sum()).mean()), rel_tol=1e-12)


def test_a_plateau_is_told_once_where_most_runs_have_left_it():
    def told(loss, before, step, *, done=False):
        return plateau(loss, math.log(400), steps=(before, step), done=done, lr=0.02)

    high, low = math.log(380), math.log(350)
    assert told(high, 0, 554) == (
        "after 554 steps the perplexity is 380; counting pieces alone reaches 400. If it stays there, train again at a "
        "lower rate, such as 0.005."
    )
    assert told(low, 0, 554) is None
    assert told(high, 0, 200) is None
    assert told(high, 200, 400) is not None
    assert told(high, 554, 1108) is None
    assert "So few steps teach nothing else" in told(high, 100, 200, done=True)


def test_a_run_that_learns_nothing_says_so_and_its_manifest_too(tmp_path: Path):
    heard: list[str] = []
    config = dataclasses.replace(TINY, lr=1e-9, wd=0.0, epochs=1)
    watched = {"remark": heard.append, "device": "cpu", "watch_plateau": True}
    pretrain(patterned(30), patterned(8, seed=1), tmp_path / "run", config, **watched)
    assert len(heard) == 1
    assert heard[0] in (tmp_path / "run/manifest.json").read_text()


def test_what_a_run_said_before_it_was_killed_stands_in_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    heard: list[str] = []
    config = dataclasses.replace(TINY, lr=1e-9, wd=0.0, epochs=1)
    watched = {"remark": heard.append, "device": "cpu", "watch_plateau": True}
    data = patterned(30), patterned(8, seed=1)

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("ulmkit.lm.records.RunFolder.finish", killed)
        with pytest.raises(KilledError):
            pretrain(*data, tmp_path / "run", config, **watched)
    assert not (tmp_path / "run/manifest.json").exists()
    pretrain(*data, tmp_path / "run", config, resume=True, **watched)
    assert json.loads((tmp_path / "run/manifest.json").read_text())["remarks"] == heard[:1]
    assert len(heard) == 1
