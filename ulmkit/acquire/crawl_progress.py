"""How far is a source of a crawl? What is kept, how fast, how long the rest takes, and what is not kept."""

from collections import deque
from dataclasses import dataclass, field

from ulmkit.acquire.hosts import Hosts
from ulmkit.acquire.source_crawl import SourceCrawl
from ulmkit.progress import Progress

LOG_PAUSE_S = 60.0  # between two lines of one source where there is no terminal: a crawl goes on for days
COUNTED_S = 60.0  # so old may the count of what is pending be: of a million it takes a tenth of a second
_WINDOW_S = 60.0  # over which the pace is taken
_REASONS = 2  # that are named


@dataclass
class SourceProgress:
    """One source, as it is told of. `now` is of the clock that the crawl's hosts go by."""

    run: SourceCrawl
    hosts: Hosts
    pending: dict[str, int] = field(default_factory=dict)  # by host
    counted_at: float = float("-inf")
    asked_then: int = 0  # when it was counted
    asked: deque[tuple[float, int]] = field(default_factory=deque)  # when -> how many were asked for

    def at(self, now: float, wall: float, limit: int | None, *, last: bool = False) -> Progress:
        """How far it is; `last` where nothing comes after."""
        counts = self.run.counts
        self._count(now, last)
        waiting = self.waiting
        said = [f"{counts.kept:,} kept", self._state(now, wall, limit)]
        said.append(f"{counts.bytes / 1e6:,.1f} MB")
        if (hosts := len(self.pending)) > 1:
            said.append(f"{hosts:,} hosts")
        if no := self._not_kept():
            said.append(no)
        done = counts.asked
        return Progress(self.run.name, done, done + waiting, "pages", " · ".join(said), LOG_PAUSE_S)

    def _count(self, now: float, last: bool) -> None:
        if now - self.counted_at >= COUNTED_S or last:
            self.pending, self.counted_at = self.run.frontier.pending(self.run.name), now
            self.asked_then = self.run.counts.asked
        self.asked.append((now, self.run.counts.asked))
        while len(self.asked) > 2 and now - self.asked[1][0] >= _WINDOW_S:
            self.asked.popleft()

    @property
    def waiting(self) -> int:
        """How many are pending, near enough."""
        return max(sum(self.pending.values()) - (self.run.counts.asked - self.asked_then), 0)

    @property
    def pace(self) -> float:
        """Pages a second, of the last minute."""
        (since, before), (until, after) = self.asked[0], self.asked[-1]
        return (after - before) / (until - since) if until > since else 0.0

    def _state(self, now: float, wall: float, limit: int | None) -> str:
        """Why it is not asked, or how fast it is and for how long."""
        if self.run.stopped:
            return f"stopped by {self.run.stopped}"
        if not self.pending:
            return "done"
        waits = [
            max(self.run.wakes[host] - wall, self.hosts.ready_at(host) - now)
            for host in self.pending
            if host in self.run.wakes
        ]
        if not waits:
            return "not now"
        if (soonest := min(waits)) > _WINDOW_S:
            return "stopped" if soonest == float("inf") else f"waits {time_in_words(soonest)}"
        pace = f"{self.pace:,.1f}/s" if self.pace >= 1 else f"{self.pace * 60:,.1f}/min"
        return f"{pace} · {time_in_words(self.seconds_left(now, limit))} left"

    def seconds_left(self, now: float, limit: int | None) -> float:
        """How long what is pending takes at this pace: as long as the slowest host, unless a budget ends it before."""
        spec, counts = self.run.plan.spec, self.run.counts
        left = max(
            count * max(self.hosts.current_delay(host), self._answer_s()) for host, count in self.pending.items()
        )
        each = left / max(sum(self.pending.values()), 1)
        left = min(
            each * self.waiting, (spec.max_pages - counts.asked) * each, spec.max_hours * 3600 - (now - self.run.began)
        )
        if limit is not None and counts.kept:
            left = min(left, (limit - counts.kept) * each * counts.asked / counts.kept)
        return max(left, 0.0)

    def _answer_s(self) -> float:
        counts = self.run.counts
        return counts.seconds / counts.asked if counts.asked else 0.0

    def _not_kept(self) -> str:
        """The share of what was asked for and did not stay, with the commonest reasons; empty where all stays."""
        reasons = self.run.counts.reasons
        if not (no := reasons.total()):
            return ""
        named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(_REASONS))
        return f"{no / max(no + self.run.counts.asked, 1):.0%} no ({named})"


def time_in_words(seconds: float) -> str:
    """A span of time, to two digits or so.

    >>> [time_in_words(each) for each in (3, 200, 8000, 400_000)]
    ['3 s', '3 min', '2.2 h', '4.6 d']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
