"""`ulmkit doctor`: is this machine, and is this data, fit to train with?"""

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ulmkit.cli.common import Scene, readable, shared
from ulmkit.cli.sanity import Finding, diagnose
from ulmkit.errors import UlmkitError

LEAST_FREE, LITTLE_FREE = 1 << 30, 10 << 30  # bytes on disk: a full-size checkpoint is 0.4 GB, and two stand at a time
LEAST_MEMORY = 4 << 30  # bytes: what a full-size model of 30,000 pieces trains in
MARKS = {"ok": "ok     ", "note": "note   ", "warning": "warning", "error": "error  "}


@click.command()
@click.argument("code", metavar="LANGUAGE")
@shared
def command(scene: Scene, code: str) -> None:
    """Look at this machine and at everything built for LANGUAGE, and say what would spoil a training.

    Each line names what was found and what to do. Exit code 1 where there is an error.

    \b
    ulmkit doctor fa
    """
    from ulmkit.tokenizer.words import holds_words

    layout = scene.layout(code)
    # a benchmark of words needs no language: its code is a label
    language = None if holds_words(layout.tokenizer) else scene.language(code)
    findings = [*environment(scene.root), *diagnose(layout, language)]
    for finding in findings:
        advice = f" → {finding.advice}" if finding.advice else ""
        scene.say(readable(f"{MARKS[finding.level]} {finding.check}: {finding.found}{advice}", 1_000))
    errors = [finding for finding in findings if finding.level == "error"]
    if scene.as_json:
        scene.finish({"findings": [dataclasses.asdict(finding) for finding in findings], "errors": len(errors)})
    if errors:
        click.get_current_context().exit(1)


def environment(root: Path) -> Iterator[Finding]:
    """What the machine has: Python, torch, threads, devices, memory and room on the disk."""
    from ulmkit.artifacts.manifest import package_versions

    versions = package_versions(["torch", "fastai", "sentencepiece", "safetensors", "pyarrow", "numpy"])
    yield Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))
    yield from torch_findings()
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 2**30:.1f} GiB free under {root}"
    if free < LITTLE_FREE:
        yield Finding("disk", "error" if free < LEAST_FREE else "warning", found, "make room, or choose another --root")
    else:
        yield Finding("disk", "ok", found)
    available = memory_available()
    if available is not None:
        found = f"{available / 2**30:.1f} GiB of memory available"
        short = available < LEAST_MEMORY
        advice = "a smaller --batch-size, or --preset small" if short else ""
        yield Finding("memory", "warning" if short else "ok", found, advice)


def torch_findings() -> Iterator[Finding]:
    """Whether torch loads, and how fast it multiplies."""
    try:
        from ulmkit.lm.machine import measure

        machine = measure()
    except (ImportError, OSError, RuntimeError, UlmkitError) as error:
        yield Finding("torch", "error", f"does not work here ({error})", "install torch again")
        return
    speed = f"{machine.gflops:,.0f} GFLOP/s in float32, bfloat16 {machine.bf16:.1f} times as fast"
    if machine.devices:
        yield Finding("device", "ok", f"{'; '.join(machine.devices)}: {speed}")
    else:
        yield Finding("device", "ok", f"no GPU; CPU with {machine.threads} threads: {speed}")
        if machine.threads > machine.cores:
            found = f"{machine.threads} threads on {machine.cores} cores"
            yield Finding("threads", "warning", found, f"OMP_NUM_THREADS={machine.cores}")


def memory_available() -> int | None:
    """Bytes that a new process can have; None where the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
