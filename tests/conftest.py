"""The same random cases in every run, so that a change and not the dice decides; ULMKIT_FUZZ=1 throws them anew.

Nor does the clock decide: no case has a deadline, and drawing cases may take long.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# what several test modules share; importlib mode does not put it on the path
sys.path.insert(0, str(Path(__file__).parent / "support"))

anew = bool(os.environ.get("ULMKIT_FUZZ"))
settings.register_profile("untimed", derandomize=not anew, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
