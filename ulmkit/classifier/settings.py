"""What can be changed of how encoders are tuned to classes, and what each setting may be."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from ulmkit.classifier.stages import CLIP, LOWER, PCT_START, WD
from ulmkit.errors import UsageError
from ulmkit.names import readable

Balance = Literal["none", "weights", "sample"]
BALANCES: tuple[str, ...] = get_args(Balance)


@dataclass(frozen=True)
class TuningSettings:
    """`balance`: rows count as much as makes classes equal (`weights`), or are drawn as often (`sample`).

    Names are those of a language model's settings where they mean the same; `lr_mult` and `length_mult` are factors on
    the rate and the length of every stage of a recipe, since each has its own.
    """

    balance: str = "none"
    label_smoothing: float = 0.0
    # the dropouts of fastai's awd_lstm_clas_config, times drop_mult
    output_p: float = 0.4
    hidden_p: float = 0.3
    input_p: float = 0.4
    embed_p: float = 0.05
    weight_p: float = 0.5
    drop_mult: float = 0.5
    lr_mult: float = 1.0
    length_mult: float = 1.0
    layer_rate: float = 1 / LOWER  # of a group, as a share of that of the one above it
    pct_start: float = PCT_START
    wd: float = WD
    clip: float = CLIP
    batch_size: int = 0  # 0: by how many rows there are

    @property
    def dropouts(self) -> dict[str, float]:
        """By the names that a language model's configuration has for them."""
        names = ("output_p", "hidden_p", "input_p", "embed_p", "weight_p", "drop_mult")
        return {name: getattr(self, name) for name in names}

    @property
    def changed(self) -> dict[str, Any]:
        """All settings where one is not as usual; else nothing."""
        return {} if self == USUAL else asdict(self)


USUAL = TuningSettings()
_SHARES = "output_p hidden_p input_p embed_p weight_p label_smoothing"
# settings, what each must be, and how that is said
_RANGES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("balance", lambda value: value in BALANCES, f"one of {', '.join(BALANCES)}"),
    (_SHARES, lambda value: _number(value) and 0 <= value < 1, "a number of at least 0 and below 1"),
    ("drop_mult wd", lambda value: _number(value) and value >= 0, "a number of at least 0"),
    ("lr_mult length_mult clip", lambda value: _number(value) and value > 0, "a number above 0"),
    ("layer_rate", lambda value: _number(value) and 0 < value <= 1, "a number above 0 and at most 1"),
    ("pct_start", lambda value: _number(value) and 0 < value < 1, "a number between 0 and 1"),
    ("batch_size", lambda value: type(value) is int and (value == 0 or 2 <= value <= 65_536), "0, or 2 to 65536"),
)


def _number(value: Any) -> bool:
    """Whether `value` is a number that sums and products can be made of."""
    return type(value) in (int, float) and abs(value) < 1e9


def changed_settings(values: Mapping[str, Any], settings: TuningSettings = USUAL) -> TuningSettings:
    """`settings` with `values` in place of their own. Raises `UsageError` for a name or a value that is none.

    >>> changed_settings({"drop_mult": 1}).dropouts["drop_mult"]
    1
    """
    known = [field.name for field in fields(TuningSettings)]
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(known))}."
            raise UsageError(f"tuning: no setting '{readable(name)}'.{hint}")
        for names, fits, expected in _RANGES:
            if name in names.split() and not fits(value):
                raise UsageError(f"tuning: {name} is {readable(str(value), 40)}, expected {expected}.")
    return replace(settings, **values)
