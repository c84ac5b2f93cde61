"""Where pages come from: one module a kind, found by the kind's name in the language's `[[sources]]`."""

import importlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulmkit.acquire.fetched import Fetched
from ulmkit.artifacts.layout import Layout
from ulmkit.errors import LanguageError, UsageError
from ulmkit.language.sources import SourceSpec
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent

if TYPE_CHECKING:
    from ulmkit.formats.inputs import Input

# kind → the module whose `fetch` brings it; an installed package adds its own under the entry-point group below
SOURCE_KINDS = {kind: f"ulmkit.acquire.kinds.{kind}" for kind in ("files", "hub", "wikipedia")}
SOURCE_GROUP = "ulmkit.sources"

Fetch = Callable[..., Fetched]


def fetcher(kind: str) -> Fetch:
    """The function that brings sources of this kind. Raises `LanguageError` for a kind nobody knows."""
    if kind in SOURCE_KINDS:
        return importlib.import_module(SOURCE_KINDS[kind]).fetch
    found = importlib.metadata.entry_points(group=SOURCE_GROUP, name=kind)
    for entry in found:
        return entry.load()
    known = sorted({*SOURCE_KINDS, *importlib.metadata.entry_points(group=SOURCE_GROUP).names})
    raise LanguageError(f"no source kind '{kind}'. Known: {', '.join(known)}.")


def fetch_source(
    spec: SourceSpec,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    progress: Report = silent,
) -> Fetched:
    """The files of a declared source, brought to `folder` (the language's `raw`), and what pins them down."""
    return fetcher(spec.kind)(spec, folder, mirror=mirror, limit=limit, progress=progress)


def fetch_sources(
    language: Language,
    layout: Layout,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    report: Report = silent,
) -> tuple[list["Input"], dict[str, Any]]:
    """Every source that `language` declares, as inputs of a build, and by source what pins it down.

    `limit` is the number of articles to take of each. Raises `UsageError` where the language declares none.
    """
    from ulmkit.formats.inputs import Input

    if not language.sources:
        raise UsageError(f"language '{language.code}' declares no sources. Give files with --input.")
    inputs: list[Input] = []
    pins: dict[str, Any] = {}
    for spec in language.sources:
        fetched = fetch_source(spec, layout.raw, mirror=mirror, limit=limit, progress=report)
        inputs += [Input(path, spec.name, path.name, spec.licence) for path in fetched.files]
        pins[spec.name] = fetched.pins
    return inputs, pins
