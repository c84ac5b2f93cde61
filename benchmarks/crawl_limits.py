"""What a crawl holds where a site has no end, and where clocks step: memory over a million URLs, the fastest request.

    python benchmarks/crawl_limits.py [--urls 1000000] [--requests 10000] [--names 100000]

Both run the crawl's own loop, frontier, hosts and archive, with an internet that is a function: no socket is opened,
and time is a clock that sleeping sets forward. The trap is a calendar of which each page links to five hundred more;
another gives every page a name of its own below one domain, all of which are one machine.
The fastest request is measured by the servers, not by the crawl, over requests of which some are answered with 429 and
Retry-After, while the wall clock is set forward and back.
"""

import argparse
import asyncio
import contextlib
import heapq
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ulmkit.acquire.client import Answer
from ulmkit.acquire.clock import CrawlClock
from ulmkit.acquire.crawl import Crawl
from ulmkit.acquire.frontier import Frontier
from ulmkit.acquire.source_crawl import SourceCrawl
from ulmkit.acquire.sources import plan_of
from ulmkit.language.sources import SiteSource

LINKS = 500  # on a page of the trap
HTML = ((b"Content-Type", b"text/html; charset=utf-8"),)
STEP_S = 7200.0  # that the wall clock is set forward or back


class Clock:
    """Time that passes when everybody sleeps: the earliest sleeper is woken next."""

    def __init__(self) -> None:
        self.now, self.wall = 1000.0, 1_700_000_000.0
        self.sleepers: list[tuple[float, int]] = []
        self.number = 0

    async def sleep(self, seconds: float) -> None:
        self.number += 1
        mine = (self.now + max(seconds, 0.0), self.number)
        heapq.heappush(self.sleepers, mine)
        try:
            while self.now < mine[0]:
                for _ in range(4):
                    await asyncio.sleep(0)  # whoever can go on does
                if self.now < mine[0] and self.sleepers[0] == mine:
                    self.wall += mine[0] - self.now
                    self.now = mine[0]
        finally:
            with contextlib.suppress(ValueError):
                self.sleepers.remove(mine)
            heapq.heapify(self.sleepers)

    @property
    def clock(self) -> CrawlClock:
        return CrawlClock(lambda: self.now, lambda: self.wall, self.sleep)


class Internet:
    """Servers that are a function of the address; each notes when it is asked."""

    def __init__(self, clock: Clock, draw: random.Random) -> None:
        self.clock, self.draw = clock, draw
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.told: dict[str, float] = {}  # until when a server that was busy wants to be left alone
        self.early = 0  # requests that came before that

    async def get(self, url: str, headers: object = None, bounds: object = None) -> Answer:
        host = urlsplit(url).netloc
        self.asked[host].append(self.clock.now)
        self.early += self.clock.now < self.told.get(host, 0.0)
        seconds = self.draw.uniform(0.02, 0.4)
        await self.clock.sleep(seconds)
        status, fields, body = self.answer(url, host)
        return Answer(url, status, b"OK", "HTTP/1.1", fields, body, seconds=seconds, address="192.0.2.1")

    def answer(self, url: str, host: str) -> tuple[int, Any, bytes]:
        raise NotImplementedError

    def smallest_gap(self) -> float:
        """Seconds between the two requests to one server that came closest."""
        return min(b - a for times in self.asked.values() for a, b in pairwise(times))


class Calendar(Internet):
    """A page has `LINKS` links, none of which another page has."""

    def answer(self, url: str, host: str) -> tuple[int, Any, bytes]:
        parts = urlsplit(url)
        if parts.path != "/":
            return 404, (), b""
        number = int(parts.query.removeprefix("month=") or 0)
        links = "".join(f'<a href="/?month={number * LINKS + each}">{each}</a>' for each in range(1, LINKS + 1))
        return 200, HTML, f"<html><body>{links}<p>{number}</p></body></html>".encode()


class Wildcard(Calendar):
    """The same, each page on a host of its own."""

    def answer(self, url: str, host: str) -> tuple[int, Any, bytes]:
        number = int(host.partition(".")[0].removeprefix("n") or 0) if urlsplit(url).path == "/" else -1
        if number < 0:
            return 404, (), b""
        links = "".join(
            f'<a href="https://n{number * LINKS + each}.trap.example/">{each}</a>' for each in range(1, LINKS)
        )
        return 200, HTML, f"<html><body>{links}<p>{number}</p></body></html>".encode()

    def smallest_gap(self) -> float:
        times = sorted(time for each in self.asked.values() for time in each)
        return min(b - a for a, b in pairwise(times))


class Busy(Internet):
    """Pages in a long list; one in forty answers asks for patience, and the wall clock steps now and then."""

    pages = 0

    def answer(self, url: str, host: str) -> tuple[int, Any, bytes]:
        parts = urlsplit(url)
        if self.draw.random() < 0.01:
            self.clock.wall += self.draw.choice((-STEP_S, STEP_S, 40.0, -40.0))
        if parts.path == "/sitemap.xml":
            urls = "".join(f"<url><loc>https://{host}/{n}</loc></url>" for n in range(self.pages))
            body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
            return 200, ((b"Content-Type", b"application/xml"),), body.encode()
        if parts.path.strip("/").isdigit():
            if self.draw.random() < 0.025:
                pause = self.draw.choice((3, 10, 90))
                self.told[host] = self.clock.now + pause
                return 429, ((b"Retry-After", b"%d" % pause),), b""
            return 200, HTML, f"<html><body><p>{url}</p></body></html>".encode()
        return 404, (), b""


def crawled(internet: Internet, clock: Clock, specs: Iterable[SiteSource], folder: Path, watch: Any = None) -> Any:
    """One run of the loop; what it did by source."""

    async def run() -> Any:
        frontier = Frontier(folder / "frontier.sqlite")
        try:
            runs = [SourceCrawl(plan_of(spec), frontier, folder / spec.name, {}, clock.now) for spec in specs]
            crawl = Crawl(frontier, runs, internet, clock=clock.clock, report=watch or (lambda _: None))  # type: ignore[arg-type]
            return await crawl.run()
        finally:
            frontier.close()

    return asyncio.run(run())


def memory_mb() -> float:
    """What this process holds, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def trap(urls: int, *, names: bool = False) -> dict[str, Any]:
    """Memory while a calendar without end gives so many URLs, or with `names` so many hosts of one domain."""
    clock = Clock()
    asked = urls // LINKS
    internet = (Wildcard if names else Calendar)(clock, random.Random(1))
    spec = SiteSource("trap", "site", f"https://{'n1.' if names else ''}trap.example/", "CC0-1.0", delay_s=2.0,
                      discover=("links",), depth=10**6, max_pages=10**6 if names else asked, max_hours=10_000.0,
                      hosts=("*.trap.example",))  # fmt: skip
    held: list[tuple[int, float]] = []

    def watch(progress: Any) -> None:
        if not held or progress.done - held[-1][0] >= asked / 20:
            held.append((progress.done, memory_mb()))

    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        done = crawled(internet, clock, [spec], Path(folder), watch)["trap"]
        size = (Path(folder) / "frontier.sqlite").stat().st_size
    tenth = next(mb for count, mb in held if count >= asked / 10)
    return {
        "urls": sum(done["urls"]["page"].values()),
        "asked": done["asked"],
        "stopped": done["stopped"],
        "left": done["left"],
        "hosts_asked": len(internet.asked),
        "largest_rate_of_the_machine": round(60 / internet.smallest_gap(), 2),
        "cpu_s": round(time.process_time() - begun, 1),
        "mb_at_a_tenth": round(tenth, 1),
        "mb_at_the_end": round(held[-1][1], 1),
        "mb_most": round(max(mb for _, mb in held), 1),
        "frontier_mb": round(size / 1e6, 1),
    }


def fastest(requests: int) -> dict[str, Any]:
    """The two requests to one server that came closest, as the servers saw them and as the crawl reports it."""
    clock = Clock()
    internet = Busy(clock, random.Random(2))
    hosts, delay_s = 8, 2.0
    internet.pages = requests // hosts
    specs = [
        SiteSource(
            f"s{n}",
            "site",
            f"https://s{n}.example{n}/",
            "CC0-1.0",
            delay_s=delay_s,
            discover=("sitemap",),
            max_hours=10_000.0,
        )
        for n in range(hosts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        done = crawled(internet, clock, specs, Path(folder))
    statuses: dict[str, int] = defaultdict(int)
    for each in done.values():
        for status, count in each["statuses"].items():
            statuses[status] += count
    return {
        "requests": sum(map(len, internet.asked.values())),
        "statuses": dict(statuses),
        "cpu_s": round(time.process_time() - begun, 1),
        "largest_rate_seen_by_servers": round(60 / internet.smallest_gap(), 4),
        "largest_rate_reported": max(each["largest_rate"] for each in done.values()),
        "promised_rate": 60 / delay_s,
        "before_retry_after_was_over": internet.early,
    }


def main() -> None:
    """All three, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--names", type=int, default=100_000)
    options = parser.parse_args()
    print(json.dumps({"fastest": fastest(options.requests)}))
    print(json.dumps({"trap": trap(options.urls)}))
    print(json.dumps({"names": trap(options.names, names=True)}))


if __name__ == "__main__":
    main()
