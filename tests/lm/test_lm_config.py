"""Settings stand once, survive JSON, and refuse what they do not know."""

import json

import pytest

from ulmkit.errors import UsageError
from ulmkit.lm.config import PRESETS, LMConfig, config_from_json, preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name: str) -> None:
    config = preset(name)
    assert config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_origin_is_the_recipe_it_is_named_for() -> None:
    origin = preset("origin")
    assert (origin.embedding_size, origin.hidden_size, origin.layers) == (400, 1152, 3)
    assert (origin.batch_size, origin.bptt, origin.epochs) == (128, 72, 10)
    assert (origin.drop_mult, origin.wd, origin.lr, origin.moms) == (0.1, 0.1, 5.33e-4, (0.8, 0.7, 0.8))
    assert (origin.ar, origin.tar, origin.clip) == (0, 0, 0)


def test_dropouts_are_fastais_times_the_multiplier() -> None:
    from fastai.text.models.awdlstm import awd_lstm_lm_config

    config = preset("origin", drop_mult=0.5)
    for name in ("embed", "input", "hidden", "weight", "output"):
        assert config.dropout(name) == pytest.approx(0.5 * awd_lstm_lm_config[f"{name}_p"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bach_size": 3}, "Did you mean 'batch_size'"),
        ({"quantum": 3}, "Known: ar,"),
        ({"batch_size": "3"}, "not its type"),
        ({"batch_size": True}, "not its type"),
        ({"batch_size": 0}, "at least 1"),
        ({"lr": -1.0}, "above 0"),
        ({"moms": [0.8, 0.7]}, "three numbers"),
        ({"weight_p": 0.9, "drop_mult": 2.0}, "below 1"),
        ({"backend": "magic"}, "auto or vendor or stepwise or fused or reference"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(values: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_from_json(values)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'small'"):
        preset("smal")


def test_an_integer_may_stand_for_a_float() -> None:
    assert config_from_json({"ar": 2, "steps": None}) == LMConfig(ar=2.0)
