"""The sources of a language before anything is fetched: what is declared, what is here, and what a site would give."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ulmkit.acquire.frontier import Frontier
from ulmkit.acquire.sources import CONTACT, CRAWL_KINDS, Fetching, chosen_sources, require_contact
from ulmkit.artifacts.layout import Layout
from ulmkit.language.sources import SourceSpec
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent
from ulmkit.workflow.probe import Probe, probe_sources


@dataclass(frozen=True)
class SourceState:
    """A declared source, and what is on disk of it."""

    spec: SourceSpec
    pages: int  # documents that were fetched
    segments: int
    last: str  # when it was last visited; empty for never


def source_states(language: Language, root: Path) -> list[SourceState]:
    """Every declared source with what is here of it; nothing is asked for."""
    layout = Layout(root, language.code)
    path = layout.raw / "frontier.sqlite"
    if not path.is_file():
        return [SourceState(spec, 0, 0, "") for spec in language.sources]
    frontier = Frontier(path)
    try:
        found = []
        for spec in language.sources:
            segments = frontier.segments(spec.name)
            counts = frontier.counts(spec.name)
            pages = counts.get("page", {})
            found.append(
                SourceState(
                    spec,
                    pages.get("done", 0) + pages.get("listed", 0),
                    len(segments),
                    max((segment.last for segment in segments), default=""),
                )
            )
        return found
    finally:
        frontier.close()


def probe(language: Language, how: Fetching, *, report: Report = silent) -> list[Probe]:
    """What the chosen sources that are crawled would give: a few requests each (see `workflow.probe`).

    Raises `UsageError` where strangers would be asked by nobody.
    """
    how = replace(how, contact=how.contact or os.environ.get(CONTACT, ""))
    specs = [spec for spec in chosen_sources(language, how) if spec.kind in CRAWL_KINDS]
    require_contact([spec.locator for spec in specs], how)
    return probe_sources(language, specs, how, report=report)


def as_row(state: SourceState) -> dict[str, Any]:
    """A source's state for machines."""
    spec = state.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "locator": spec.locator,
        "licence": spec.licence,
        "ground": spec.ground,
        "enabled": spec.enabled,
        "pages": state.pages,
        "segments": state.segments,
        "last_visit": state.last,
    }
