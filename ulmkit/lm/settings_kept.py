"""Which settings a run that is resumed may change, found out without loading torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import read_json
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.config import LMConfig, config_from_json

# a resumed run may save or report more often; anything else would make it another run
FREE_SETTINGS = ("checkpoint_minutes",)
MEASURED = ("backend", "precision")  # of "auto" what was once measured stays


def refuse_other_settings(began: LMConfig, now: Mapping[str, Any], where: Path) -> None:
    """Raise `UsageError` for the first setting of `now`, as `to_json` gives it, that differs from `began`."""
    for name, before in began.to_json().items():
        measured = name in MEASURED and now[name] == "auto"
        if now[name] != before and not measured and name not in FREE_SETTINGS:
            raise UsageError(f"{where}: began with {name} {before}, now {now[name]}. Start a new run for the change.")


def refuse_other_settings_of(checkpoint: Path, config: LMConfig) -> None:
    """`refuse_other_settings` of a checkpoint, where it says what it began with; whether it is whole is asked later."""
    try:
        began = config_from_json(read_json(checkpoint / "state.json")["config"])
    except (ArtifactError, UsageError, KeyError, TypeError, AttributeError):
        return
    refuse_other_settings(began, config.to_json(), checkpoint)
