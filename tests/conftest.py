"""The same random cases in every run, so that a change and not the dice decides; ULMKIT_FUZZ=1 throws them anew."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
if not os.environ.get("ULMKIT_FUZZ"):
    settings.load_profile("repeatable")
