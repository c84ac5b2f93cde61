"""One source while it is crawled: which URL is next, where its answers are kept, what this run did, why it stopped."""

import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ulmkit.acquire.archive import Archive, RecordPlace, segment_name, warc_date, write_segments
from ulmkit.acquire.frontier import Batch, Frontier, Item, ListedUrls, OpenSegment, PlacedItem, Task
from ulmkit.acquire.hosts import registered_domain
from ulmkit.acquire.plan import Plan

QUEUE = 64  # URLs of a host in memory
DAY_S = 86_400.0
# nearly all: a host in lower case, and a port that is not its scheme's own
_PLAIN = re.compile(
    r"https?://((?:[a-z0-9-]+\.)*[a-z0-9-]+(?::(?!0|80\b|443\b)[0-9]{1,4}|:[1-5][0-9]{4})?)(?=[/?#]|\Z)"
)


def server_of(url: str) -> str:
    """Host and port of a URL, as the frontier knows it.

    >>> server_of("http://Example.org:80/x"), server_of("http://127.0.0.1:8000/"), server_of("http://[2606:4700::1]/")
    ('example.org', '127.0.0.1:8000', '[2606:4700::1]')
    """
    if plain := _PLAIN.match(url):
        return plain[1]
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return host if port in (None, 80, 443) else f"{host}:{port}"


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: whose robots.txt is its.

    >>> origin_of("https://Example.org:443/x")
    'https://example.org'
    """
    return f"{url.partition(':')[0].lower()}://{server_of(url)}"


@dataclass
class Counts:
    """What one run did for a source."""

    asked: int = 0  # requests for URLs of the source
    kept: int = 0  # documents: pages, and entries whose text stands in a list
    revisits: int = 0  # answers that were as before
    bytes: int = 0
    seconds: float = 0.0  # of answers
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)  # why URLs were not kept
    left: Counter[str] = field(default_factory=Counter)  # why URLs that were found are not of the source
    problems: Counter[str] = field(default_factory=Counter)  # of lists


class SourceCrawl:
    """The state of one source in one run."""

    def __init__(self, plan: Plan, frontier: Frontier, folder: Path, info: Mapping[str, str], began: float) -> None:
        self.plan, self.frontier, self.folder, self.began = plan, frontier, folder, began
        self.name = plan.spec.name
        self.archive = Archive(folder, info)
        self.counts = Counts()
        self.stopped = ""  # why nothing more is asked for
        self.first, self.last = "", ""  # dates of the open segment's records
        self.wakes: dict[str, float] = dict.fromkeys(frontier.pending_hosts(self.name), 0.0)  # host -> when to look
        self.held: dict[str, float] = {}  # host -> until when nothing can come of it, in seconds since 1970
        self.queues: dict[str, deque[Task]] = {}
        self.taken: dict[int, str] = {}  # id -> host: asked for, and not committed yet
        self.names: dict[str, set[str]] = {}  # registered domain -> its hosts that are the source's
        for host in frontier.hosts_of(self.name):
            self.names.setdefault(registered_domain(host), set()).add(host)
        if segment := frontier.open_segment(self.name):
            self.archive.recover(segment.name, segment.length, segment.records)
            self.first, self.last = segment.first, segment.last
        write_segments_if_any(folder, frontier, self.name)

    def next_task(self, host: str, now: float) -> Task | None:
        """The most urgent URL on a host that is due, if any; it is this run's until the commit."""
        queue = self.queues.setdefault(host, deque())
        if not queue:
            queue.extend(self.frontier.take(self.name, host, now, QUEUE, self.taken))
        if queue:
            task = queue.popleft()
            self.taken[task.id] = host
            return task
        # until the commit the frontier calls pending what this run has asked for
        waits = host in self.taken.values()
        due = None if waits else self.frontier.next_due(self.name, host)
        if due is None:
            del self.wakes[host]
        else:
            self.wakes[host] = due
        return None

    def hold(self, host: str, until: float) -> None:
        """Ask nothing of a host before `until`: its robots.txt cannot be had."""
        self.held[host] = self.wakes[host] = until
        self.queues.pop(host, None)

    def give_back(self) -> None:
        """What waits in memory is pending: it was not asked for."""
        self.queues.clear()

    def append(self, record: Callable[[], bytes], when: float) -> RecordPlace:
        """Add a record to the open segment, which is begun where there is none; where it lies."""
        date = warc_date(when)
        if not self.archive.is_open:
            self.archive.begin(segment_name(self.frontier.segment_count(self.name)), when)
            self.first = date
        self.last = date
        return self.archive.append(record())

    def group(self, items: tuple[Item, ...], follow: Item | None = None, when: float = 0.0) -> ListedUrls:
        """Found URLs with their hosts. What is no address of the web, whoever wrote it, is left out and counted.

        So are hosts of one domain beyond `max_hosts`.
        """
        placed = tuple(each for item in items if (each := self._placed(item)) is not None)
        return ListedUrls(self.name, placed, self._placed(follow) if follow else None, when)

    def _placed(self, item: Item) -> PlacedItem | None:
        try:
            placed = PlacedItem.at(item, server_of(item.url))
        except ValueError:
            self.counts.left["bad address"] += 1
            return None
        domain = registered_domain(placed.host)
        names = self.names.setdefault(domain, set())
        if placed.host in names:
            return placed
        if len(names) >= self.plan.spec.max_hosts:
            self.counts.left[f"beyond max_hosts of {self.plan.spec.max_hosts:,}"] += 1
            return None
        names.add(placed.host)
        return placed

    def open_segment(self) -> OpenSegment | None:
        """What a commit says of the open segment."""
        archive = self.archive
        if not archive.is_open:
            return None
        return OpenSegment(archive.name, archive.length, archive.records, self.first, self.last)

    def committed(self, batch: Batch) -> None:
        """Look again at the hosts that a commit has changed."""
        for fetched in batch.fetched:
            if fetched.task.source == self.name:
                host = self.taken.pop(fetched.task.id, fetched.task.host)
                self.wakes[host] = self.held.get(host, 0.0)
        for group in batch.found:
            if group.source == self.name:
                for each in (*group.items, *((group.follow,) if group.follow else ())):
                    self.wakes[each.host] = self.held.get(each.host, 0.0)
                    queue = self.queues.get(each.host)
                    if queue and len(queue) < QUEUE // 2:  # what was found may be more urgent
                        queue.clear()

    def close_segment(self, commit_point: Callable[[str], None]) -> None:
        """Give the open segment its final name, and say so in segments.json."""
        if self.archive.is_open:
            commit_point("before close")
            segment = self.archive.close(self.first, self.last)
            commit_point("renamed")
            self.frontier.close_segment(self.name, segment)
            commit_point("after close")
            write_segments_if_any(self.folder, self.frontier, self.name)

    def over_budget(self, now: float, limit: int | None) -> str:
        """Which of the run's budgets is used up, in words; empty where none is."""
        spec, counts = self.plan.spec, self.counts
        if limit is not None and counts.kept >= limit:
            return f"limit of {limit:,} documents"
        if counts.asked >= spec.max_pages:
            return f"max_pages of {spec.max_pages:,}"
        if counts.bytes >= spec.max_bytes:
            return f"max_bytes of {spec.max_bytes:,}"
        if now - self.began >= spec.max_hours * 3600:
            return f"max_hours of {spec.max_hours:g}"
        return ""

    def summary(self, now: float) -> dict[str, Any]:
        """What the run did until `now`, of the clock that it began by, for the manifest and the screen."""
        counts = self.counts
        return {
            "asked": counts.asked,
            "kept": counts.kept,
            "revisits": counts.revisits,
            "bytes": counts.bytes,
            "requests": counts.statuses.total(),  # robots.txt and its like among them
            "seconds": round(now - self.began, 1),
            "answer_seconds": round(counts.seconds, 3),
            "statuses": dict(sorted(counts.statuses.items())),
            "not_kept": dict(counts.reasons.most_common()),
            "left": dict(counts.left.most_common()),
            "list_problems": dict(counts.problems.most_common(20)),
            "urls": self.frontier.counts(self.name),
            "stopped": self.stopped,
        }


def write_segments_if_any(folder: Path, frontier: Frontier, source: str) -> None:
    """`segments.json` of a source, as the frontier has it; a run may have been killed before it wrote it."""
    if segments := frontier.segments(source):
        write_segments(folder, segments)
