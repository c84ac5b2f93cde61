"""How many cores there are to work with."""

import os


def available_cores() -> int:
    """Cores this process may use, which a container or `taskset` may make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS, which binds no process to a core
