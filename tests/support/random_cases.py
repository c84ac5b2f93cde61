"""How many random cases a test draws: all that it names in `make test-slow`, an eighth of them in `make test`.

A test with so many that it counts is marked `thorough`: it runs in both.
"""

import os

from hypothesis import settings

THOROUGH = bool(os.environ.get("ULMKIT_THOROUGH"))


def cases(full: int) -> int:
    """Of `full` cases, those that this run has time for."""
    return full if THOROUGH else full // 8


def examples(full: int) -> settings:
    """Hypothesis draws so many, or an eighth."""
    return settings(max_examples=cases(full))
