"""Keep what a step frees for the next step, instead of giving it back to the system each time."""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator

# from glibc's <malloc.h>; without them blocks above a threshold, 32 MiB at most, are mapped and unmapped one by one
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KEEP_FREED = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1))
AS_USUAL = ((M_MMAP_MAX, 65536), (M_TRIM_THRESHOLD, 128 * 1024))

_lock = threading.Lock()
_holders = 0


def _glibc() -> ctypes.CDLL | None:
    """The C library where it is glibc, which alone needs this and understands it."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """While it lasts, freed memory stays in this process; afterwards it is given back.

    Logits, gates and gradients of a training step on a CPU are hundreds of megabytes in large blocks. glibc maps each
    anew, and the kernel fills it with zeros page by page: up to half of a step's time with a large vocabulary and a
    small model. No number changes. The process holds its peak until the end. Elsewhere than on glibc it does nothing.
    """
    global _holders
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _holders += 1
        if _holders == 1:
            for parameter, value in KEEP_FREED:
                library.mallopt(parameter, value)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                for parameter, value in AS_USUAL:
                    library.mallopt(parameter, value)
                library.malloc_trim(0)
