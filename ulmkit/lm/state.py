"""What stands in a checkpoint's state.json, field by field: nothing of it is believed before it was looked at."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from ulmkit.artifacts.atomic import read_json, write_json
from ulmkit.artifacts.manifest import fits_checksum, with_checksum
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.config import AnyBackend, AnyPrecision, LMConfig, config_from_json
from ulmkit.lm.identity import Identity

FORMAT = 1
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
MOST = 2**53  # of anything that is counted: as far as JSON's numbers are whole for every reader

_Fits = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _number(value: Any) -> bool:
    """A float that is one: JSON, as Python reads it, has NaN and infinity, too, and integers of any size."""
    return type(value) in (int, float) and -sys.float_info.max <= value <= sys.float_info.max


def _seconds(value: Any) -> bool:
    return _number(value) and value >= 0


def _optional(kind: _Fits) -> _Fits:
    return lambda value: value is None or kind(value)


def _one_of(*known: Any) -> _Fits:
    return lambda value: isinstance(value, str) and value in known


def _row(*kinds: _Fits) -> _Fits:
    return lambda value: (
        isinstance(value, list) and len(value) == len(kinds) and all(k(v) for k, v in zip(kinds, value, strict=True))
    )


def _rows(kind: _Fits) -> _Fits:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _named(kind: _Fits) -> _Fits:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


def _fields(**kinds: _Fits) -> _Fits:
    return lambda value: (
        isinstance(value, dict) and value.keys() == kinds.keys() and all(kind(value[n]) for n, kind in kinds.items())
    )


def _either(*kinds: _Fits) -> _Fits:
    return lambda value: any(kind(value) for kind in kinds)


_average = {"begun": _flag, "steps": _count}
# all of a run that is resumed (`config` and `identity` have checks of their own)
RUN: dict[str, _Fits] = {
    "probe": _rows(_named(lambda value: True)),
    "data": _fields(train=_text, valid=_text),
    "time_budget_s": _optional(_number),
    "clock": _text,
    "start": _optional(_fields(run=_text, step=_optional(_count), weights=_text)),
    "way": _fields(backend=_one_of(*get_args(AnyBackend)), precision=_one_of(*get_args(AnyPrecision)), graphs=_flag),
    "position": _either(  # of an imported model only the step is known
        _fields(step=_count, epoch=_count, batch=_count, total=_optional(_count), tokens=_count), _fields(step=_count)
    ),
    "budget": _optional(
        _fields(
            seconds=_seconds,
            validation_share=_seconds,
            steps_per_epoch=_count,
            fixed=_flag,
            first=_optional(_row(_count, _seconds)),
            next_look=_seconds,
        )
    ),
    "losses": _row(_number, _count),
    "valid_loss": _optional(_number),
    "average": _optional(_either(_fields(**_average), _fields(**_average, losses=_rows(_number)))),
    "best": _row(_optional(_number), _count),
    "worse": _count,
    "skipped": _row(_count, _count),
    "remarks": _rows(_text),
    "metrics_bytes": _count,
    "seconds": _seconds,
}


def write_state(path: Path, content: Mapping[str, Any]) -> None:
    """JSON with its own checksum, for `read_sealed`."""
    write_json(path, with_checksum(content))


def read_sealed(path: Path) -> dict[str, Any]:
    """JSON that `write_state` wrote: its checksum, its format, and every field that is known are right."""
    state = read_json(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise ArtifactError(f"{path}: checkpoint format {str(found)[:40]}, this version reads {FORMAT}.")
    if not fits_checksum(state):
        raise ArtifactError(
            f"{path}: damaged (its checksum does not fit). Use another copy, or the other of last and best."
        )
    if not _named(_text)(state.get("files")) or MODEL not in state["files"]:
        raise ArtifactError(f"{path}: names no {MODEL}. It was not written by this program.")
    for name, kind in RUN.items():
        if name in state and not kind(state[name]):
            raise _wrong(path, name, state[name])
    if "config" in state:
        saved_config(state, path)
    if "identity" in state:
        Identity.from_json(state["identity"], path)
    return state


def read_state(folder: Path) -> dict[str, Any]:
    """`state.json` of a checkpoint, checked."""
    path = folder / STATE
    if not path.exists():
        raise ArtifactError(f"{folder}: no checkpoint here.")
    return read_sealed(path)


def read_run_state(folder: Path) -> dict[str, Any]:
    """`state.json` of a run that can be resumed: nothing is missing, and its parts agree."""
    # a run that was saved before remarks were kept is worth going on with
    state, path = {"remarks": []} | read_state(folder), folder / STATE
    for name in (*RUN, "config", "identity"):
        if name not in state:
            raise ArtifactError(f"{path}: says nothing of '{name}', nothing to resume from. Start a new run.")
    position, budget, config = state["position"], state["budget"], saved_config(state, path)
    if (state["time_budget_s"] is None) != (budget is None):
        raise _wrong(path, "budget", budget)
    # only a budget that is still being measured has no end yet
    if "total" not in position or (position["total"] is None and (budget is None or budget["fixed"])):
        raise _wrong(path, "position", position)
    average = state["average"] or {}
    if bool(average) != bool(config.ema or config.optimizer == "nt-asgd"):
        raise _wrong(path, "average", state["average"])
    if ("losses" in average) != (config.optimizer == "nt-asgd"):
        raise _wrong(path, "average", average)
    return state


def saved_config(state: Mapping[str, Any], path: Path) -> LMConfig:
    """The configuration in a state read from `path`, which is named in errors."""
    config = state.get("config")
    if not isinstance(config, dict):
        raise ArtifactError(f"{path}: holds no config.")
    try:
        return config_from_json(config)
    except UsageError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _wrong(path: Path, name: str, value: Any) -> ArtifactError:
    return ArtifactError(
        f"{path}: '{name}' is {str(value)[:60]!r}, as no run leaves it. "
        "Use another copy, or the other of last and best."
    )
