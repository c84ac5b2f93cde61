"""The same random cases in every run, so that a change and not the dice decides; ULMKIT_FUZZ=1 throws them anew."""

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for at_prompt; importlib mode does not put this folder on the path

settings.register_profile("repeatable", derandomize=True)
if not os.environ.get("ULMKIT_FUZZ"):
    settings.load_profile("repeatable")
