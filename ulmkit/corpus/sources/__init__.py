"""Where pages come from: one module a kind, found by the kind's name in the language's `[[sources]]`."""

import importlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

from ulmkit.corpus.fetch import Fetched, Report
from ulmkit.errors import LanguageError
from ulmkit.language.spec import SourceSpec

# kind → the module whose `fetch` brings it; an installed package adds its own under the entry-point group below
KINDS = {"wikipedia": "ulmkit.corpus.sources.wikipedia"}
GROUP = "ulmkit.sources"

Fetch = Callable[..., Fetched]


def fetcher(kind: str) -> Fetch:
    """The function that brings sources of this kind. Raises `LanguageError` for a kind nobody knows."""
    if kind in KINDS:
        return importlib.import_module(KINDS[kind]).fetch
    found = importlib.metadata.entry_points(group=GROUP, name=kind)
    for entry in found:
        return entry.load()
    known = sorted({*KINDS, *importlib.metadata.entry_points(group=GROUP).names})
    raise LanguageError(f"no source kind '{kind}'. Known: {', '.join(known)}.")


def fetch(
    spec: SourceSpec,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    progress: Report | None = None,
) -> Fetched:
    """The files of a declared source, brought to `folder` (the language's `raw`), and what pins them down."""
    return fetcher(spec.kind)(spec, folder, mirror=mirror, limit=limit, progress=progress)
