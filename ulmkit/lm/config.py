"""Every size, rate and schedule of a language model: each default and preset once, with its reason."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ulmkit.errors import UsageError

Backend = Literal["vendor", "stepwise", "fused", "reference"]
Precision = Literal["fp32", "bf16", "fp16"]
AnyBackend = Literal["auto", "vendor", "stepwise", "fused", "reference"]
AnyPrecision = Literal["auto", "fp32", "bf16", "fp16"]
OptimizerName = Literal["adam", "nt-asgd"]
ScheduleName = Literal["1cycle", "constant"]
OnNan = Literal["stop", "skip"]

# what the libraries below can count with: a size, a seed, a float of four bytes
LARGEST_SIZE, LARGEST_SEED, LARGEST_FLOAT = 2**31 - 1, 2**63 - 1, 3.4e38


def _among(known: Any) -> tuple[Callable[[Any], bool], str]:
    """Whether a value is one of a `Literal`'s, and how they are listed."""
    names = typing.get_args(known)
    return (lambda value: value in names), " or ".join(names)


# settings, what each must be, and how that is said
RANGES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("embedding_size hidden_size layers batch_size bptt epochs", lambda value: value >= 1, "at least 1"),
    ("valid_batch_size log_every nonmono", lambda value: value >= 1, "at least 1"),
    ("steps", lambda value: value is None or value >= 1, "at least 1"),
    ("memory drop_mult ar tar wd clip checkpoint_minutes seed patience", lambda value: value >= 0, "at least 0"),
    ("lr div div_final eps", lambda value: value > 0, "above 0"),
    ("pct_start", lambda value: 0 < value < 1, "between 0 and 1"),
    ("layer_rate", lambda value: 0 < value <= 1, "above 0 and at most 1"),
    ("label_smoothing ema sqr_mom", lambda value: 0 <= value < 1, "at least 0 and below 1"),
    ("moms", lambda value: len(value) == 3, "three numbers"),
    ("moms", lambda value: all(0 <= mom < 1 for mom in value), "each at least 0 and below 1"),
    ("backend", *_among(AnyBackend)),
    ("precision", *_among(AnyPrecision)),
    ("optimizer", *_among(OptimizerName)),
    ("schedule", *_among(ScheduleName)),
    ("on_nan", *_among(OnNan)),
)


@dataclass(frozen=True)
class LMConfig:
    """The model, the recipe and the bookkeeping of one run.

    The defaults are the `origin` preset: fastai's `awd_lstm_lm_config` and the recipe that this project grew from.
    """

    # model: Merity et al. 2017 (arXiv 1708.02182), sizes as in fastai's awd_lstm_lm_config
    embedding_size: int = 400  # also the last layer's hidden size, because the decoder is tied
    hidden_size: int = 1152  # 1150 in the paper; fastai's multiple of 8 is kinder to matrix units
    layers: int = 3  # of the LSTM
    # positions that a pointer looks back over (lm/pointer.py, after Merity et al. 2016); 0: none, a plain AWD-LSTM
    memory: int = 0

    # dropouts, as in fastai's awd_lstm_lm_config: tuned together, scaled together by drop_mult
    drop_mult: float = 0.1  # origin's: a corpus far larger than the model needs little noise
    embed_p: float = 0.02  # whole words
    input_p: float = 0.25  # variational, on the embedded input
    hidden_p: float = 0.15  # variational, between layers
    weight_p: float = 0.2  # DropConnect on the hidden-to-hidden weights
    output_p: float = 0.1  # variational, before the decoder

    # regularization of the last layer's output; 0 in the origin, whose fastai most likely applied neither
    ar: float = 0.0  # times the mean square of the dropped output
    tar: float = 0.0  # times the mean square of the raw output's change from one step to the next
    label_smoothing: float = 0.0  # Szegedy et al. 2016; in training alone, so validation stays a plain cross-entropy

    # data
    batch_size: int = 128  # streams that are read side by side
    bptt: int = 72  # window: tokens per step in time
    variable_bptt: bool = False  # window drawn anew for each step, as in the paper; the rate is scaled with it
    backward: bool = False  # read every document from its end: ULMFiT averages a forward and a backward model

    # schedule: 1cycle (Smith 2018) with fastai's shape, which was tuned as a whole; or one rate throughout
    schedule: ScheduleName = "1cycle"
    epochs: int = 10  # passes over the corpus
    steps: int | None = None  # instead of epochs, when given
    lr: float = 5.33e-4  # the highest learning rate
    moms: tuple[float, float, float] = (0.8, 0.7, 0.8)  # start, at the highest rate, end
    pct_start: float = 0.25  # share of the steps in which the rate rises
    div: float = 25.0  # the rate starts at lr / div
    div_final: float = 1e5  # and ends at lr / div_final
    # a layer group's rate as a share of the next higher one's; ULMFiT fine-tunes with 1 / 2.6 (Howard & Ruder 2018)
    layer_rate: float = 1.0

    # optimizer: AdamW as in fastai, not as in torch (whose defaults are eps 1e-8 and 0.999); or plain SGD that begins
    # to average its weights when validation stops improving (NT-ASGD, Merity et al. 2017, algorithm 1)
    optimizer: OptimizerName = "adam"
    nonmono: int = 5  # NT-ASGD: validations that the latest may be worse than
    ema: float = 0.0  # decay a step of a moving average of the weights, which is validated and kept as best; 0: none
    # decoupled. Of plain SGD that is the same as the L2 term of torch's, p - lr (g + wd p), and as in the paper's code
    # biases decay with the rest; with adam they never do
    wd: float = 0.1
    eps: float = 1e-5  # below the square root, so that nothing is divided by 0
    sqr_mom: float = 0.99  # decay of the mean of squared gradients
    clip: float = 0.0  # largest gradient norm; 0: no clipping, as fastai by default

    # what ends a run early, and what does not
    patience: int = 0  # validations in a row without a new best after which it ends; 0: it goes to its schedule's end
    # a loss or gradient that is no number stops the run; or its step is skipped (on a GPU each step then waits for it)
    on_nan: OnNan = "stop"

    # bookkeeping
    seed: int = 0  # of everything random: weights, order, dropouts
    # who computes the LSTM, and the precision of matrix products in training (weights, sums and evaluation are always
    # fp32); `auto` is measured when a run begins and then stays with it
    backend: AnyBackend = "auto"
    precision: AnyPrecision = "auto"
    valid_batch_size: int = 32  # rows of the validation stream; each begins with a document
    log_every: int = 50  # steps between two lines of metrics.jsonl
    checkpoint_minutes: float = 10.0  # what a kill can cost, at most

    def __post_init__(self) -> None:
        _refuse_uncountable(self)
        for names, fits, expected in RANGES:
            for name in names.split():
                _require(fits(getattr(self, name)), name, getattr(self, name), expected)
        for name in ("embed_p", "input_p", "hidden_p", "weight_p", "output_p"):
            p = getattr(self, name)
            _require(0 <= p * self.drop_mult < 1, name, p, "with drop_mult at least 0 and below 1")
        averages = self.ema and self.optimizer == "nt-asgd"
        _require(not averages, "ema", self.ema, "0 with nt-asgd, which averages by itself")

    def dropout(self, name: str) -> float:
        """The probability that acts: `embed`, `input`, `hidden`, `weight` or `output`, times `drop_mult`."""
        return getattr(self, f"{name}_p") * self.drop_mult

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `config_from_json` gives an equal config back."""
        return dataclasses.asdict(self) | {"moms": list(self.moms)}


def _refuse_uncountable(config: LMConfig) -> None:
    """A number of another magnitude than any library counts with would end in an error deep inside one."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float):
                size = LARGEST_SEED if field.name == "seed" else LARGEST_SIZE
                most = size if isinstance(number, int) else LARGEST_FLOAT
                _require(-most <= number <= most, field.name, number, f"at most {most}")


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise UsageError(f"language model: {name} is {str(value)[:40]}, expected {expected}.")


def _parse(name: str, value: Any, wanted: Any) -> Any:
    """`value` as the field's type: an integer may stand for a float, nothing else is converted."""
    if isinstance(wanted, types.UnionType):
        return None if value is None else _parse(name, value, int)
    if wanted is bool:
        fits = isinstance(value, bool)
    elif wanted is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        value = _float(value) if fits else value
    elif wanted is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif typing.get_origin(wanted) is tuple:
        fits = isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value)
        value = tuple(_float(item) for item in value) if fits else value
    else:
        fits = isinstance(value, str)
    if not fits:
        raise UsageError(f"language model: {name} is {repr(value)[:40]}, which is not its type.")
    return value


def _float(value: float) -> float:
    """`value` as a float; an integer that none holds becomes infinite, and is refused as such."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def config_from_json(values: Mapping[str, Any]) -> LMConfig:
    """The config that `to_json` wrote. A key that no field knows is an error with the nearest known one."""
    return replace_config(LMConfig(), values)


def replace_config(config: LMConfig, values: Mapping[str, Any]) -> LMConfig:
    """`config` with `values` in place of its own; unknown keys and wrong types are refused."""
    hints = typing.get_type_hints(LMConfig)
    parsed = {}
    for name, value in values.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(sorted(hints))}."
            raise UsageError(f"language model: no setting '{name}'.{hint}")
        parsed[name] = _parse(name, value, hints[name])
    return dataclasses.replace(config, **parsed)


PRESETS: dict[str, LMConfig] = {
    # the recipe that this project grew from, as it was
    "origin": LMConfig(),
    # the same model with AR and TAR as in the paper, clipped, at a rate near fastai's for its own pretraining. With
    # `small`'s sizes, 600,000 tokens in batches of 16x36, 0.02 was best, then 0.01, then 0.005
    "default": LMConfig(ar=2.0, tar=1.0, clip=0.4, lr=1e-2, wd=0.01),
    # twenty to sixty minutes on one CPU core, a corpus of a few million tokens. A light choice: in single runs of two
    # CPU minutes on a busy machine (6 M tokens of news, 8,000 pieces) 16 rows of 36 reached 2.03 bits per
    # character, 16 of 72 2.10, 32 of 36 2.08, and 32 of 36 at twice the rate 2.00 with a quarter more tokens read
    "small": LMConfig(
        embedding_size=128,
        hidden_size=256,
        layers=2,
        batch_size=16,
        bptt=36,
        epochs=2,
        lr=1e-2,
        wd=0.01,
        clip=0.4,
        checkpoint_minutes=2.0,
    ),
    # a hundred kilobytes of text in a minute or two. It sees its text dozens of times, so it takes much noise;
    # the best of seven settings on four held-out articles (perplexity 244), so no more than a good guess
    "tiny": LMConfig(
        embedding_size=128,
        hidden_size=256,
        layers=2,
        drop_mult=2.0,
        ar=2.0,
        tar=1.0,
        batch_size=8,
        bptt=32,
        epochs=32,
        lr=1e-2,
        wd=0.01,
        clip=0.4,
        valid_batch_size=4,
        log_every=10,
        checkpoint_minutes=1.0,
    ),
    # WikiText-2 as Merity et al. 2017 trained it (validation 68.6, test 65.8), for token files of `tokenizer words`.
    # The numbers are those of the paper's code (github.com/salesforce/awd-lstm-lm): the defaults of its main.py with
    # the README's command for this set, `--epochs 750 --dropouth 0.2` (0.3 without it), said to give 68.7 and 65.6.
    # One thing is not as there: torch's ASGD, which it turns to, takes each step with the rate of the window before
    "wikitext-2": LMConfig(
        hidden_size=1150,
        drop_mult=1.0,
        embed_p=0.1,
        input_p=0.65,
        hidden_p=0.2,
        weight_p=0.5,
        output_p=0.4,
        ar=2.0,
        tar=1.0,
        batch_size=80,
        bptt=70,
        variable_bptt=True,
        schedule="constant",
        epochs=750,
        lr=30.0,
        optimizer="nt-asgd",
        nonmono=5,
        wd=1.2e-6,
        clip=0.25,
        precision="fp32",
        valid_batch_size=10,
    ),
}

# beyond AWD-LSTM: `small` with a pointer over what was read last; `--set memory=512` gives one to any other preset. At
# equal time (1,000 steps of `small`, news, one seed) 1.87 bits per character on valid where `small` reached 2.10, for
# one percent more parameters (benchmarks/beyond-2026-11-24.md). A step takes 8 to 11 % longer
PRESETS["beyond"] = replace_config(PRESETS["small"], {"memory": 512})


def preset(name: str, **changes: Any) -> LMConfig:
    """A preset by name, with `changes`; an unknown name is refused with the known ones."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"no preset '{name}'.{hint} Known: {', '.join(PRESETS)}.")
    return replace_config(PRESETS[name], changes)
