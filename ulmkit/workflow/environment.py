"""What the machine has: Python, torch, threads, devices, memory and room on the disk."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ulmkit.artifacts.manifest import package_versions
from ulmkit.errors import UlmkitError
from ulmkit.workflow.diagnosis import Diagnosis

LEAST_FREE, LITTLE_FREE = 1 << 30, 10 << 30  # bytes on disk: a full-size checkpoint is 0.4 GB, and two stand at a time
LEAST_MEMORY = 4 << 30  # bytes: what a full-size model of 30,000 pieces trains in


def environment(root: Path) -> Iterator[Diagnosis]:
    """An answer on each: versions, torch and its device, threads, the disk under `root`, memory."""
    packages = ("torch", "fastai", "sentencepiece", "safetensors", "pyarrow", "numpy")
    versions = package_versions(name for name in packages if importlib.util.find_spec(name))
    yield Diagnosis("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))
    yield from torch_findings()
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 2**30:.1f} GiB free under {root}"
    if free < LITTLE_FREE:
        yield Diagnosis(
            "disk", "error" if free < LEAST_FREE else "warning", found, "make room, or choose another --root"
        )
    else:
        yield Diagnosis("disk", "ok", found)
    available = memory_available()
    if available is not None:
        found = f"{available / 2**30:.1f} GiB of memory available"
        short = available < LEAST_MEMORY
        advice = "a smaller --batch-size, or --preset small" if short else ""
        yield Diagnosis("memory", "warning" if short else "ok", found, advice)


def torch_findings() -> Iterator[Diagnosis]:
    """Whether torch loads, and how fast it multiplies."""
    try:
        from ulmkit.lm.machine import measured_machine

        machine = measured_machine()
    except ModuleNotFoundError as error:
        yield Diagnosis(
            "torch", "error", f"no language model, no classifier: {error}", "`pip install torch` (docs/install.md)"
        )
        return
    except (ImportError, OSError, RuntimeError, UlmkitError) as error:
        yield Diagnosis("torch", "error", f"does not work here ({error})", "install torch again")
        return
    speed = f"{machine.gflops:,.0f} GFLOP/s in float32, bfloat16 {machine.bf16:.1f} times as fast"
    if machine.devices:
        yield Diagnosis("device", "ok", f"{'; '.join(machine.devices)}: {speed}")
    else:
        yield Diagnosis("device", "ok", f"no GPU; CPU with {machine.threads} threads: {speed}")
        if machine.threads > machine.cores:
            found = f"{machine.threads} threads on {machine.cores} cores"
            yield Diagnosis("threads", "warning", found, f"OMP_NUM_THREADS={machine.cores}")


def memory_available() -> int | None:
    """Bytes that a new process can have; None where the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
