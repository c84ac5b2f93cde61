"""Is every file of a language as it was written? Each finished stage against its manifest."""

from pathlib import Path

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.manifest import verify_folder
from ulmkit.errors import ArtifactError


def finished_stages(layout: Layout) -> list[tuple[str, Path]]:
    """Stage and folder of each finished stage and each finished run under `layout`, in the order of the work."""
    stages = [("corpus", layout.corpus), ("tokenizer", layout.tokenizer), ("tokens", layout.tokens)]
    if layout.lm.is_dir():
        stages += [("lm", run) for run in sorted(layout.lm.iterdir())]
    return [(stage, folder) for stage, folder in stages if (folder / "manifest.json").exists()]


def verify_stages(layout: Layout) -> dict[Path, list[str]]:
    """Folder → what differs from its manifest, a line a file; nothing where every byte is as it was written.

    Raises `ArtifactError` where nothing is built.
    """
    found = finished_stages(layout)
    if not found:
        raise ArtifactError(
            f"{layout.home}: nothing is built here yet. Start with `ulmkit corpus build {layout.code}`."
        )
    return {folder: verify_folder(folder, stage) for stage, folder in found}
