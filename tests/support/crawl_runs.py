"""A crawl of a small site on loopback, on a clock of which sleeping costs nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from site_server import Site

from ulmkit.acquire.client import Session
from ulmkit.acquire.clock import CrawlClock
from ulmkit.acquire.crawl import Crawl
from ulmkit.acquire.frontier import Frontier
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.source_crawl import SourceCrawl
from ulmkit.acquire.sources import plan_of
from ulmkit.document import RawDocument
from ulmkit.formats.consent import DEFAULT_RULES, ConsentRules
from ulmkit.formats.inputs import Input, read_input
from ulmkit.formats.origin import READING
from ulmkit.language.sources import SiteSource, SourceSpec
from ulmkit.progress import Report, silent


class Steps:
    """A clock of which sleeping costs nothing: it is set forward, and others may run."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.days = 1_700_000_000.0

    async def sleep(self, seconds: float) -> None:
        before = self.now
        await asyncio.sleep(0.002)  # for answers on their way
        if self.now == before:
            self.now += seconds
            self.days += seconds

    @property
    def clock(self) -> CrawlClock:
        return CrawlClock(lambda: self.now, lambda: self.days, self.sleep)


def site_source(site: Site, **more: Any) -> SiteSource:
    place = more.pop("locator", f"{site.url}/")
    return SiteSource("s", "site", place, "CC0-1.0", **({"delay_s": 0.0} | more))


def crawl(site: Site, folder: Path, spec: SourceSpec, **how: Any) -> dict[str, Any]:
    """One run; what it did for the source."""
    return crawl_all(folder, [spec], **({"allowed": site.allowed} | how))[spec.name]


def crawl_all(
    folder: Path,
    specs: Sequence[SourceSpec],
    *,
    limit: int | None = None,
    steps: Steps | None = None,
    consent: ConsentRules = DEFAULT_RULES,
    refresh: bool = False,
    resolver: Any = None,
    report: Report = silent,
    **guard: Any,
) -> dict[str, Any]:
    """One run of several sources; by source, what it did."""
    clock = (steps or Steps()).clock

    async def run() -> dict[str, Any]:
        frontier = Frontier(folder / "frontier.sqlite")
        for spec in specs:
            frontier.reconsider(spec.name)
            frontier.ask_again(spec.name, clock.wall() - spec.refresh_days * 86_400, pages=refresh)
        try:
            async with Session(agent="test", guard=Guard(**guard), resolver=resolver) as session:
                runs = [SourceCrawl(plan_of(s), frontier, folder / s.name, {}, clock.monotonic()) for s in specs]
                how: dict[str, Any] = {"clock": clock, "limit": limit, "consent": consent, "report": report}
                return await Crawl(frontier, runs, session, **how).run()
        finally:
            frontier.close()

    return asyncio.run(run())


def documents(folder: Path, spec: SourceSpec) -> dict[str, RawDocument]:
    """URL → the newest document of it, as a build reads them."""
    found: dict[str, RawDocument] = {}
    for path in sorted((folder / spec.name).glob("*.warc.gz")):
        for record in read_input(Input(path, spec.name, path.name, spec.licence, crawled=True), READING):
            if isinstance(record, RawDocument):
                found[record.url] = record
    return found
