"""Pages of a crawl of Common Crawl: found in its columnar index, each brought by the range that its record lies at.

One request at a time, a second apart: the archive is everybody's, and its operators block who takes more. Its CDX
server, which searches for everybody, is never asked. What the index gave and what was brought stands in a frontier of
the source's own, so that a run that was killed goes on where it was. Files whole: `form = "wet"`.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import xxhash

import ulmkit
from ulmkit.acquire.address import address_of, shown_address
from ulmkit.acquire.archive import Archive, RecordPlace, segment_name, warc_date, write_segments
from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.copied import LONGEST, ForeignRecord, NotTheRecordError, record_in, texts_in
from ulmkit.acquire.crawl_lists import DATA, listed_paths, newest_crawl
from ulmkit.acquire.download import download
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.frontier import Batch, Frontier, Item, ListedUrls, OpenSegment, PlacedItem, Settled, Task, key_of
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.kinds.wikipedia import MIRROR as WIKIMEDIA_MIRROR
from ulmkit.acquire.ranged import RangedFile
from ulmkit.acquire.robots_today import Ask, RobotsToday, asking
from ulmkit.acquire.source_crawl import server_of
from ulmkit.artifacts.atomic import lock, read_json, write_json
from ulmkit.artifacts.manifest import fits_checksum, with_checksum, without_checksum
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.formats.canonical import canonical
from ulmkit.formats.crawl_index import CrawlIndex, IndexedPage, Selection
from ulmkit.formats.host_signals import host_signals
from ulmkit.language.sources import CommonCrawlSource
from ulmkit.progress import Progress, Report, silent

BETWEEN_S = 1.0
BUSY_STATUSES = frozenset((403, 429, 503))  # 403 is how its servers say that it was too much
BUSY_PAUSE_S = 60.0  # doubled with every answer in a row
BUSY_WAIT_S = 86_400.0
LEDGER, RESOLVED = "commoncrawl.sqlite", "commoncrawl.json"
AT_ONCE = 64  # tasks that are looked up at once
TEXTS_AT_ONCE = 500  # of a WET file, in one commit
PAGE, GROUP, FILE, WET = "page", "group", "file", "wet"  # roles: the sooner, the earlier in this row
NOT_SAID = "not said"  # of a page's language or top-level domain
_HOST = "commoncrawl"  # of the frontier's tasks, which are all of one server
_NOT_THERE = (404, 410, 416)


def fetch(
    spec: CommonCrawlSource,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    progress: Report = silent,
    client: Client | None = None,
    guard: Guard | None = None,
    contact: str = "",
    ask: Ask | None = None,
) -> Fetched:
    """The wanted pages of a crawl, as segments of WARC under `folder/<its name>/`, and what they cost.

    `mirror` is a server with the same files, its collinfo.json among them. `limit` is of pages in all, the budgets of
    `spec` are of a run. `contact` is said to every server that is asked. `ask` replaces how robots.txt files are asked
    for, which `guard` otherwise decides on. Raises `InputError` where nothing is to be had.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give the number of documents, 1 or more.")
    guard = guard or Guard()
    if mirror == os.environ.get(WIKIMEDIA_MIRROR):  # that is of dumps, for every source that has some
        mirror = None
    if client is None:
        least = 0.0 if mirror else BETWEEN_S
        client = Client(
            delay_s=max(spec.delay_s, least), backoff_s=BUSY_PAUSE_S, max_wait_s=BUSY_WAIT_S, contact=contact
        )
        client.guard = guard if guard.offline else None
    client.busy = BUSY_STATUSES
    home = folder / spec.name
    with ExitStack() as stack:
        stack.enter_context(lock(home, f"reading {spec.locator}"))
        frontier = Frontier(home / LEDGER)
        stack.callback(frontier.close)
        robots = RobotsToday(spec, frontier, ask or stack.enter_context(asking(guard, contact)), client.sleep)
        run = Retrieval(spec, home, client, frontier, robots, limit, progress, (mirror or "").rstrip("/"))
        stack.callback(run.archive.abandon)
        try:
            run.recover()
            run.go(guard.offline)
        except FetchError as error:
            run.stopped = f"{error.url}: {error.what}"
        run.close_segment()
        return run.fetched()


def selection_of(spec: CommonCrawlSource) -> Selection:
    """Which rows of the index are wanted."""
    return Selection(
        tuple(each.lower().lstrip(".") for each in spec.tld),
        tuple(each.lower() for each in spec.domains),
        spec.content_language.lower(),
        spec.mime,
    )


@dataclass
class Spent:
    """Requests and bytes."""

    requests: int = 0
    bytes: int = 0


@dataclass
class Retrieval:
    """One run of a source: what is wanted, what it has cost, and why it stopped."""

    spec: CommonCrawlSource
    home: Path
    client: Client
    frontier: Frontier
    robots: RobotsToday
    limit: int | None
    report: Report
    mirror: str = ""
    clock: Callable[[], float] = time.monotonic
    stopped: str = ""
    crawl: str = ""
    asked: int = 0  # records
    known: int = 0  # pages of this crawl that are wanted, as far as they are found
    kept: int = 0  # those that are here
    ranged: list[RangedFile] = field(default_factory=list)  # files of the index that were read
    records: Spent = field(default_factory=Spent)
    lists: Spent = field(default_factory=Spent)
    reasons: Counter[str] = field(default_factory=Counter)  # why pages were not kept
    refusing: set[str] = field(default_factory=set)  # servers whose robots.txt refuses pages today
    opened: CrawlIndex | None = None

    def __post_init__(self) -> None:
        self.selection = selection_of(self.spec)
        self.began, self.requests_before = self.clock(), self.client.requests
        self.first = self.last = ""  # dates of the open segment's records
        info = {
            "software": f"ulmkit/{ulmkit.__version__}",
            "source": self.spec.name,
            "locator": self.spec.locator,
            "format": "WARC File Format 1.1",
        }
        self.archive = Archive(self.home, info)
        self.base = self.mirror or DATA
        if self.mirror:
            try:
                address_of(self.mirror)
            except ValueError as error:
                raise UsageError(f"--mirror {shown_address(self.mirror)}: {error}. Give a server, https://….") from None

    @property
    def label(self) -> str:
        """What the frontier calls the pages of this crawl that this declaration wants."""
        asked = json.dumps([self.spec.form, asdict(self.selection)], sort_keys=True)
        return f"{self.crawl} {xxhash.xxh3_64_hexdigest(asked.encode())}"

    def recover(self) -> None:
        """Go on with the segment that a run before was writing."""
        if segment := self.frontier.open_segment(self.spec.name):
            self.archive.recover(segment.name, segment.length, segment.records)
            self.first, self.last = segment.first, segment.last

    def go(self, offline: bool) -> None:
        """Bring what is wanted and not here, until it is all here or a budget is used up. Raises `FetchError`."""
        if offline:
            self.crawl = (self._resolved() or {}).get("crawl", self.spec.locator)
            return
        self.crawl = self.resolve()
        if not self.frontier.counts(self.label):
            self.begin()
        states = self.frontier.counts(self.label).get(PAGE, {})
        self.known, self.kept = sum(states.values()), states.get("done", 0) + states.get("listed", 0)
        while not (self.stopped or self.budget()):
            tasks = self.frontier.take(self.label, _HOST, time.time(), AT_ONCE)
            if not tasks:
                return
            for task in tasks:
                if self.budget():
                    break
                self.settle(task)
                if task.role != PAGE:
                    break  # the pages that it gave come first
        self.stopped = self.stopped or self.budget()

    def resolve(self) -> str:
        """The crawl that is meant: the one that was begun, until it is through and time to look for a newer one."""
        if self.spec.locator != "latest":
            return self.spec.locator
        before = self._resolved()
        if before:
            self.crawl = before["crawl"]
            begun = self.frontier.next_due(self.label, _HOST) is not None
            if begun or time.time() - before["resolved"] < self.spec.refresh_days * 86_400:
                return self.crawl
        try:
            crawl = newest_crawl(self.client, self.mirror)
        except FetchError:
            if before:
                return str(before["crawl"])
            raise
        self.lists.requests += 1
        write_json(self.home / RESOLVED, with_checksum({"crawl": crawl, "resolved": time.time()}))
        return crawl

    def _resolved(self) -> dict[str, Any] | None:
        """What `latest` was, if that can be read."""
        try:
            kept = read_json(self.home / RESOLVED)
        except ArtifactError:
            return None
        return without_checksum(kept) if fits_checksum(kept) else None

    def begin(self) -> None:
        """List the files that pages are looked for in."""
        wet = self.spec.form == "wet"
        try:
            paths = listed_paths(self.client, self.base, self.crawl, "wet" if wet else "cc-index-table")
        except FetchError as error:
            if error.status in _NOT_THERE:
                raise FetchError(error.url, f"{error.what}. Is there a crawl {self.crawl}?", error.status) from error
            raise
        self.lists.requests += 1
        role, last = (WET, 3) if wet else (FILE, 2)
        self.commit([Item(f"{DATA}/{path}", role, priority=last, note=path) for path in paths], [])

    def budget(self, more: int = 0) -> str:
        """Which budget is used up, with so many pages that are not committed, in words; empty where none is."""
        if self.limit is not None and self.kept + more >= self.limit:
            return f"limit of {self.limit:,} documents"
        if self.asked >= self.spec.max_pages:
            return f"max_pages of {self.spec.max_pages:,}"
        if self.records.bytes >= self.spec.max_bytes:
            return f"max_bytes of {self.spec.max_bytes:,}"
        if self.clock() - self.began >= self.spec.max_hours * 3600:
            return f"max_hours of {self.spec.max_hours:g}"
        return ""

    def settle(self, task: Task) -> None:
        """Do one task and commit what became of it. Raises `FetchError` for a server that gives nothing more."""
        try:
            {PAGE: self.page, GROUP: self.group, FILE: self.file, WET: self.texts}[task.role](task)
        except FetchError as error:
            if error.status not in (*_NOT_THERE, 200, 206, 310):
                raise
            self.failed(task, error.what)
        except (NotTheRecordError, InputError) as error:
            self.failed(task, str(error))

    def failed(self, task: Task, why: str, state: str = "failed") -> None:
        """Commit that a task gave nothing."""
        self.reasons[why] += 1
        self.commit([], [Settled(task, state, why, when=time.time())])

    def table(self, path: str) -> CrawlIndex:
        """A file of the index; the last one stays open."""
        if self.opened is None or self.opened.name != path:
            self.opened = None
            self.ranged.append(RangedFile(self.client, f"{self.base}/{path}"))
            self.opened = CrawlIndex(self.ranged[-1], path)
        return self.opened

    def index_spent(self) -> Spent:
        """What the files of the index have cost."""
        return Spent(sum(each.requests for each in self.ranged), sum(each.received for each in self.ranged))

    def file(self, task: Task) -> None:
        """A file of the index: its row groups that may hold wanted pages."""
        groups = self.table(task.note).promising(self.selection)
        items = [
            Item(f"{task.url}?row_group={number}", GROUP, priority=1, note=f"{task.note} {number}") for number in groups
        ]
        self.commit(items, [Settled(task, "done", when=time.time())])
        self.told()

    def group(self, task: Task) -> None:
        """A row group of the index: its wanted pages."""
        path, _, number = task.note.rpartition(" ")
        table = self.table(path)
        found = table.captures(int(number), self.selection)
        items = [item for each in found if (item := _item(each))]
        if len(items) < len(found):
            self.reasons["no address of the web"] += len(found) - len(items)
        self.commit(items, [Settled(task, "done", when=time.time())])
        self.told()

    def page(self, task: Task) -> None:
        """A page: its record, by range."""
        said = self.allowed(task.url)
        if said is None:
            self.failed(task, "robots.txt refuses today", "refused")
            return
        if said.retry_at is not None:
            self.reasons["robots.txt cannot be had today"] += 1
            self.commit([], [Settled(task, "pending", "robots.txt cannot be had", due=said.retry_at)])
            return
        file, offset, length = task.note.rsplit(" ", 2)
        span = f"bytes={offset}-{int(offset) + int(length) - 1}"
        self.asked += 1
        member = self.client.read(f"{self.base}/{file}", LONGEST, {"Range": span})
        self.records.requests += 1
        self.records.bytes += len(member)
        record = record_in(member, task.url)
        place = self.append(record, f"{file} {offset} {length}", said.signals)
        self.commit([], [Settled(task, "done", status=200, place=place, when=time.time())])
        self.told()

    def texts(self, task: Task) -> None:
        """A WET file, whole: the texts in it that are wanted, a commit for some hundreds of them."""
        path = self.home / "wet" / task.note.rpartition("/")[2]
        if not path.exists():
            download(self.client, f"{self.base}/{task.note}", path, most=self.spec.max_bytes, report=self.report)
            self.records.requests += 1
        items: list[Item] = []
        try:
            for record in texts_in(path):
                if self.budget(len(items)):  # what of the file is not here is found again by its address
                    self.commit(items, [])
                    return
                if item := self.text(record, task.note):
                    items.append(item)
                if len(items) == TEXTS_AT_ONCE:
                    self.commit(items, [])
                    items = []
        except NotTheRecordError as error:
            self.commit(items, [])
            path.unlink()
            raise error
        self.commit(items, [Settled(task, "done", when=time.time())])
        self.records.bytes += path.stat().st_size
        path.unlink()
        self.told()

    def text(self, record: ForeignRecord, file: str) -> Item | None:
        """A text of a WET file, kept, if it is wanted and not here."""
        wanted = self.selection.wants(urlsplit(record.url).hostname or "", record.language)
        item = Item(record.url, PAGE, why=record.language[:20], listed=True, note=file)
        if not (wanted and _is_address(record.url)) or self.frontier.knows(self.label, key_of(record.url)):
            return None
        said = self.allowed(record.url)
        if said is None or said.retry_at is not None:
            self.reasons["robots.txt refuses today" if said is None else "robots.txt cannot be had today"] += 1
            return None
        self.asked += 1
        self.append(record, file, said.signals)
        return item

    def allowed(self, url: str) -> "Allowed | None":
        """What the server of a page says today of its use; None where its robots.txt refuses the page."""
        if not self.spec.respect_robots_now:
            return Allowed()
        said = self.robots.said(url)
        if said.retry_at is not None:
            return Allowed(retry_at=said.retry_at)
        if not said.rules.allows(url):
            self.refusing.add(server_of(url))
            return None
        signals = host_signals(url, robots=said.rules.signals, agents=said.rules.refused_agents(url))
        return Allowed(signals.to_json())

    def append(self, record: ForeignRecord, place: str, signals: str) -> RecordPlace:
        """Add a record to the open segment, which is begun where there is none."""
        member = record.as_ours(place, signals)
        if not self.archive.is_open:
            when = time.time()
            self.archive.begin(segment_name(self.frontier.segment_count(self.spec.name)), when)
            self.first = warc_date(record.when or when)
        self.last = warc_date(record.when or 0.0)
        return self.archive.append(member)

    def commit(self, items: Sequence[Item], settled: list[Settled]) -> None:
        """What was added is on disk, and the frontier says so, when this returns."""
        archive = self.archive
        segments = {}
        if archive.is_open:
            archive.sync()
            segments[self.spec.name] = OpenSegment(archive.name, archive.length, archive.records, self.first, self.last)
        found = [ListedUrls(self.label, tuple(PlacedItem.at(item, _HOST) for item in items))] if items else []
        new = self.frontier.commit(Batch(found, settled, segments=segments)).total()
        if items and items[0].role == PAGE:
            self.known += new
        self.kept += sum(each.task.role == PAGE and each.state == "done" for each in settled)
        self.kept += new if items and items[0].listed else 0
        if archive.is_open and archive.is_full:
            self.close_segment()

    def close_segment(self) -> None:
        """Give the open segment its final name, and say so in segments.json."""
        if self.archive.is_open:
            self.frontier.close_segment(self.spec.name, self.archive.close(self.first, self.last))
        if segments := self.frontier.segments(self.spec.name):
            write_segments(self.home, segments)

    def told(self) -> None:
        """Report how far it is."""
        self.report(Progress("fetch", self.kept, self.known, "pages", f"{self.spec.name} {self.crawl}"))

    def fetched(self) -> Fetched:
        """The closed segments, and what the run did. Raises `InputError` where there are none."""
        segments = self.frontier.segments(self.spec.name)
        if not segments:
            why = self.stopped or self.why_nothing()
            raise InputError(f"source '{self.spec.name}': {why}. What came is kept, and the same command goes on.")
        pins: dict[str, Any] = {
            "kind": "commoncrawl",
            "locator": self.spec.locator,
            "resolved": self.crawl,
            "form": self.spec.form,
            "selection": {name: value for name, value in asdict(self.selection).items() if value and name != "mime"},
            "segments": {segment.name: segment.sha256 for segment in segments},
            "first": min(segment.first for segment in segments),
            "last": max(segment.last for segment in segments),
            "answers": sum(segment.records - 1 for segment in segments),
            "run": self.summary(),
        }
        return Fetched([self.home / segment.name for segment in segments], pins, crawled=True)

    def rows(self) -> dict[str, dict[str, dict[str, int]]]:
        """By top-level domain and by language the wanted pages that the index has, and how many of them are here."""
        found: dict[str, dict[str, dict[str, int]]] = {"tld": {}, "language": {}}
        for (tld, language), (wanted, here) in self.frontier.tallied(self.label, _tld_of).items():
            for key, value in (("tld", tld), ("language", language or NOT_SAID)):
                each = found[key].setdefault(value, {"rows": 0, "here": 0})
                each["rows"] += wanted
                each["here"] += here
        return {key: dict(sorted(counts.items(), key=lambda e: (-e[1]["rows"], e[0]))) for key, counts in found.items()}

    def why_nothing(self) -> str:
        """Why no page is here, in a few words."""
        if self.client.guard is not None and self.client.guard.offline:
            return "nothing was fetched yet, and --offline asks for nothing"
        reasons = ", ".join(reason for reason, _ in self.reasons.most_common(3))
        return reasons or f"no page of {self.crawl} is what it asks for"

    def summary(self) -> dict[str, Any]:
        """What the run did, for the manifest."""
        index = self.index_spent()
        return {
            "requests": self.client.requests - self.requests_before,
            "index": {"requests": index.requests, "bytes": index.bytes},
            "records": {"requests": self.records.requests, "bytes": self.records.bytes},
            "robots_asked": self.robots.asked,
            "servers_refusing": len(self.refusing),
            "not_kept": dict(self.reasons.most_common()),
            "urls": self.frontier.counts(self.label),
            "rows": self.rows(),
            "stopped": self.stopped,
        }


@dataclass(frozen=True)
class Allowed:
    """What a server says of a page's use, as it stands in a record; `retry_at`: when it is asked, if it was not."""

    signals: str = ""
    retry_at: float | None = None


def _tld_of(url: str) -> str:
    """The top-level domain of a page's host; of an address none."""
    last = (urlsplit(url).hostname or "").rpartition(".")[2]
    return NOT_SAID if last.isdecimal() or not last or ":" in last else last


def _is_address(url: str) -> bool:
    """Whether a page can be called by this address."""
    try:
        return bool(canonical(url))
    except ValueError:
        return False


def _item(capture: IndexedPage) -> Item | None:
    """A page to bring; None for one that has no address."""
    if not _is_address(capture.url):
        return None
    place = f"{capture.file} {capture.offset} {capture.length}"
    return Item(capture.url, PAGE, priority=0, why=capture.language, note=place)
