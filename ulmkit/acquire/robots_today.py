"""What does a server say today of pages that somebody else fetched? Its robots.txt, asked for once and kept a day."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ulmkit.acquire.blocking import LoopThread
from ulmkit.acquire.client import ROBOTS, Answer
from ulmkit.acquire.frontier import Batch, Frontier
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.robots import ROBOTS_AGE_S, RobotRules, robots_target, rules_of
from ulmkit.acquire.robots_kept import kept_answer, robots_row
from ulmkit.acquire.source_crawl import server_of
from ulmkit.language.sources import SourceSpec

PAUSE_S = 1.0  # between two servers: many names may be one machine

Ask = Callable[[str], Answer]


@dataclass(frozen=True)
class RulesToday:
    """The rules of a server; `retry_at` (seconds since 1970): when it is asked again, where it could not be."""

    rules: RobotRules
    retry_at: float | None = None


@dataclass
class RobotsToday:
    """Robots.txt files by origin: in memory, in the frontier, and else asked for with `ask`."""

    spec: SourceSpec
    frontier: Frontier
    ask: Ask
    sleep: Callable[[float], None] = time.sleep
    wall: Callable[[], float] = time.time
    asked: int = 0  # servers, in this run
    known: dict[str, RulesToday] = field(default_factory=dict)
    last: float = float("-inf")

    def said(self, url: str) -> RulesToday:
        """What the server of `url` says."""
        origin = f"{urlsplit(url).scheme}://{server_of(url)}"
        if origin not in self.known:
            self.known[origin] = self._kept(origin) or self._asked(origin)
        return self.known[origin]

    def _kept(self, origin: str) -> RulesToday | None:
        """What was answered within a day, or that it is too early to ask again."""
        row, body = self.frontier.robots(origin) or ({}, b"")
        if not row or abs(self.wall() - row["asked"]) >= ROBOTS_AGE_S:
            return None
        if row["retry_at"] is not None and self.wall() >= row["retry_at"]:
            return None
        return RulesToday(rules_of(kept_answer(row, body), denied=self.spec.robots_denied), row["retry_at"])

    def _asked(self, origin: str) -> RulesToday:
        """Ask a server, its redirects followed, and keep what it says."""
        pause = self.last + PAUSE_S - time.monotonic()
        if pause > 0:
            self.sleep(pause)
        self.last = time.monotonic()
        self.asked += 1
        url, hops = f"{origin}/robots.txt", 0
        while target := robots_target(answer := self.ask(url), hops):
            url, hops = target, hops + 1
        rules = rules_of(answer, denied=self.spec.robots_denied)
        before, _ = self.frontier.robots(origin) or ({}, b"")
        failures = before.get("failures", 0) + 1 if rules.state == "unreachable" else 0
        row = robots_row(answer, self.wall(), failures=failures)
        self.frontier.commit(Batch(robots={origin: (row, answer.body)}))
        return RulesToday(rules, row["retry_at"])


@contextmanager
def asking(guard: Guard, contact: str = "") -> Iterator[Ask]:
    """Asks any server that `guard` permits, on a loop of its own; `contact` is whom its owner may write to."""
    threads: list[LoopThread] = []

    def ask(url: str) -> Answer:
        if not threads:
            threads.append(LoopThread())
        session = threads[0].result(threads[0].session("", guard, contact))
        return threads[0].result(session.get(url, {}, ROBOTS))

    try:
        yield ask
    finally:
        for thread in threads:
            thread.end()
