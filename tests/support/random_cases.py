"""How many random cases a test draws: all that it names in `make test-slow`, a sixteenth of them in `make test`.

A test that draws them by Hypothesis, or is marked `thorough`, runs in both.
"""

import os

from hypothesis import settings

THOROUGH = bool(os.environ.get("ULMKIT_THOROUGH"))
FEWEST = 10


def cases(full: int) -> int:
    """Of `full` cases, those that this run has time for."""
    return full if THOROUGH else max(FEWEST, full // 16)


def examples(full: int) -> settings:
    """Hypothesis draws so many, or those that this run has time for."""
    return settings(max_examples=cases(full))
