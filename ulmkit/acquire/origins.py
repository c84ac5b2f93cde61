"""What a server has said to all: its robots.txt, and whether its texts may be mined. Asked for once a day, and kept."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from ulmkit.acquire.archive import HTTP, digest_text, http_block, payload_digest, warc_member
from ulmkit.acquire.client import ROBOTS, Answer, Bounds, Session
from ulmkit.acquire.clock import CrawlClock
from ulmkit.acquire.frontier import Batch, Frontier
from ulmkit.acquire.hosts import SLOWEST_S, Hosts
from ulmkit.acquire.plan import NONE
from ulmkit.acquire.robots import ROBOTS_AGE_S, RobotRules, robots_target, rules_of
from ulmkit.acquire.robots_kept import kept_answer, robots_row
from ulmkit.acquire.source_crawl import DAY_S, SourceCrawl, origin_of, server_of
from ulmkit.formats.host_signals import NOTHING_SAID, HostSignals, host_signals

LOST_DAYS = 30  # after which a server that cannot be asked is reported as gone; it is never taken for open
LOOK_S = 0.5  # while another host of the same machine is answering
# where a server may reserve its texts, beside robots.txt; each is asked for once a day
RESERVATIONS = {"tdmrep": "/.well-known/tdmrep.json", "ai": "/ai.txt"}
SMALL = Bounds(sent=100_000, unpacked=200_000)


@dataclass(frozen=True)
class Standing:
    """What a server says to us. `retry_at`: when its robots.txt may be asked for again, where it could not be had."""

    rules: RobotRules
    reservations: dict[str, str] = field(default_factory=dict)  # file -> its text
    retry_at: float | None = None

    @property
    def too_slow(self) -> bool:
        """Whether it asks for pauses that no crawl holds."""
        return self.rules.delay_s > SLOWEST_S

    def signals(self, url: str) -> HostSignals:
        """What the server said of a page's use."""
        if not (self.rules.signals or self.rules.agents or self.reservations):
            return NOTHING_SAID
        return host_signals(
            url,
            robots=self.rules.signals,
            agents=self.rules.refused_agents(url),
            tdmrep=self.reservations.get("tdmrep", ""),
            ai_txt=self.reservations.get("ai", ""),
        )


class Origins:
    """Robots.txt files and reservations by origin: in memory, in the frontier, and else asked for."""

    def __init__(
        self, session: Session, hosts: Hosts, frontier: Frontier, clock: CrawlClock, batch: Callable[[], Batch]
    ) -> None:
        self.session, self.hosts, self.frontier, self.clock, self.batch = session, hosts, frontier, clock, batch
        self.known: dict[str, tuple[Standing, float]] = {}  # origin -> what it says, and when that was asked for

    async def turn(self, host: str) -> bool:
        """Wait until a host may be asked, and say that it is; false where nothing more is asked of it."""
        while (pause := self.hosts.ready_at(host) - self.clock.monotonic()) > 0:
            if self.hosts.stopped(host):
                return False
            await self.clock.sleep(min(pause, LOOK_S))
        self.hosts.asked(host)
        return True

    async def standing(self, url: str, run: SourceCrawl) -> Standing:
        """What the server of `url` says, asked for where nothing of today is at hand. Its host is the caller's."""
        origin = origin_of(url)
        wall = self.clock.wall()
        if origin not in self.known and (kept := self.frontier.robots(origin)):
            self.known[origin] = await self._restored(origin, *kept, run)
        if origin in self.known:
            standing, asked = self.known[origin]
            good = standing.retry_at is None and abs(wall - asked) < ROBOTS_AGE_S
            if good or (standing.retry_at is not None and wall < standing.retry_at):
                return standing
        standing = await self._ask(origin, run)
        self.known[origin] = (standing, self.clock.wall())
        return standing

    async def at_hand(self, url: str, run: SourceCrawl) -> Standing | None:
        """What the server of `url` said when it was asked last; None where it never was, or did not answer."""
        origin = origin_of(url)
        if origin not in self.known and (kept := self.frontier.robots(origin)):
            self.known[origin] = await self._restored(origin, *kept, run)
        standing = self.known[origin][0] if origin in self.known else None
        return standing if standing is not None and standing.retry_at is None else None

    async def _restored(
        self, origin: str, row: dict[str, Any], body: bytes, run: SourceCrawl
    ) -> tuple[Standing, float]:
        """What the frontier keeps, as when it was asked for."""
        answer = kept_answer(row, body)
        rules = await self._rules(answer, run)
        self._pace(origin, rules, run)
        return Standing(rules, row["reservations"], row["retry_at"]), row["asked"]

    async def _rules(self, answer: Answer, run: SourceCrawl) -> RobotRules:
        denied = run.plan.spec.robots_denied
        if len(answer.body) < 1 << 14:  # a few milliseconds at most
            return rules_of(answer, denied=denied)
        return await asyncio.to_thread(rules_of, answer, denied=denied)

    def _pace(self, origin: str, rules: RobotRules, run: SourceCrawl) -> None:
        host = server_of(origin)
        self.hosts.delay(host, declared_s=run.plan.spec.delay_s, robots_s=min(rules.delay_s, SLOWEST_S))

    async def _ask(self, origin: str, run: SourceCrawl) -> Standing:
        """Ask for robots.txt, its redirects followed, and for the reservations where it lets us."""
        host = server_of(origin)
        self.hosts.delay(host, declared_s=run.plan.spec.delay_s, robots_s=0.0)
        url, hops = f"{origin}/robots.txt", 0
        while True:
            answer = await self._get(url, run, ROBOTS)
            target = robots_target(answer, hops)
            if not target:
                break
            url, hops = target, hops + 1
        rules = await self._rules(answer, run)
        self._pace(origin, rules, run)
        wall = self.clock.wall()
        if rules.state == "unreachable":
            return self._unreachable(origin, rules, answer, run)
        reservations = {}
        for name, path in RESERVATIONS.items():
            place = urljoin(origin, path)
            if rules.allows(place) and not rules.delay_s > SLOWEST_S:
                found = await self._get(place, run, SMALL)
                text = _text_of(found)
                if text:
                    reservations[name] = text
        row = robots_row(answer, wall) | {"reservations": reservations}
        self.batch().robots[origin] = (row, answer.body)
        return Standing(rules, reservations)

    def _unreachable(self, origin: str, rules: RobotRules, answer: Answer, run: SourceCrawl) -> Standing:
        """Nothing is asked for while robots.txt cannot be had; one of less than a day is not asked for anew."""
        wall = self.clock.wall()
        before, _ = self.frontier.robots(origin) or ({"failures": 0}, b"")
        since = before.get("since", wall) if before["failures"] else wall
        row = robots_row(answer, wall, failures=before["failures"] + 1) | {"reservations": {}, "since": since}
        self.batch().robots[origin] = (row, b"")
        minutes, days = round((row["retry_at"] - row["asked"]) / 60), int((wall - since) / DAY_S)
        told = f"asked again in {minutes} min" if days < LOST_DAYS else f"for {days} days: is the site gone?"
        run.counts.problems[f"{origin}/robots.txt {rules.why}, {told}"] += 1
        return Standing(rules, retry_at=row["retry_at"])

    async def _get(self, url: str, run: SourceCrawl, bounds: Bounds) -> Answer:
        """Ask for a file that is no document, in the host's turn, and keep the answer."""
        host = server_of(url)
        if not await self.turn(host):
            return Answer(url, problem="unreachable", detail=self.hosts.stopped(host))
        answer = await self.session.get(url, {}, bounds)
        self.hosts.answered(host, answer)
        run.counts.statuses[str(answer.status) if answer.status else answer.problem] += 1
        if answer.status:
            when = self.clock.wall()
            fields = {
                "WARC-Target-URI": url,
                "WARC-IP-Address": answer.address,
                "Content-Type": HTTP,
                "WARC-Payload-Digest": digest_text(payload_digest(answer.body)),
                "WARC-Truncated": answer.truncated,
                "WARC-Ulmkit-Role": NONE,
            }
            block = http_block(answer.status, answer.reason, answer.fields, answer.body)
            run.append(lambda: warc_member("response", when, block, fields), when)
        return answer


def _text_of(answer: Answer) -> str:
    """The text of a small file that was there; empty where it was not."""
    if answer.status != 200 or answer.problem:
        return ""
    try:
        text = answer.content().decode("utf-8", "replace")
    except ValueError:
        return ""
    return "" if "<html" in text[:2000].lower() else text[:20_000]
