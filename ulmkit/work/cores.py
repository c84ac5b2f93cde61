"""How many cores there are to work with."""

import os


def available_cores() -> int:
    """Cores this process may use, which a container or `taskset` may make fewer than the machine has."""
    return len(os.sched_getaffinity(0))
