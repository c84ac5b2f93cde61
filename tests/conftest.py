"""The same random cases in every run, so that a change and not the dice decides; ULMKIT_FUZZ=1 throws them anew.

Nor does the clock decide: no case has a deadline, and drawing cases may take long.
"""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

# what several test modules share; importlib mode does not put it on the path
sys.path.insert(0, str(Path(__file__).parent / "support"))

from random_cases import cases

gc.disable()  # until everything is imported: nothing of it is garbage
anew = bool(os.environ.get("ULMKIT_FUZZ"))
settings.register_profile(
    "untimed",
    derandomize=not anew,
    deadline=None,
    max_examples=cases(100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever draws random cases draws few in `make test` and all in `make test-slow`."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("thorough")


def pytest_collection_finish() -> None:
    """What was imported is left out of every search for garbage: a million objects, and a quarter second each time."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()
