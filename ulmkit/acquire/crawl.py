"""The crawl: frontier → hosts → client → archive → what was found, until a budget or the work ends.

One process, one loop. Answers are appended to the open segments as they come, and committed together: `fsync`, then one
transaction (see `frontier`). What was not committed when the process dies is asked for again, and nothing else is.
"""

import asyncio
import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ulmkit.acquire.answers import PageOutcome, page_outcome
from ulmkit.acquire.archive import HTTP, IDENTICAL, NOT_MODIFIED, digest_text, http_block, payload_digest, warc_member
from ulmkit.acquire.client import LIST, PAGE, Answer, Session
from ulmkit.acquire.clock import CrawlClock
from ulmkit.acquire.crawl_progress import SourceProgress
from ulmkit.acquire.entries import MOST_APART, entries_apart
from ulmkit.acquire.frontier import Batch, Frontier, Item, Settled, Task
from ulmkit.acquire.hosts import Hosts
from ulmkit.acquire.origins import Origins, Standing
from ulmkit.acquire.parse import Parser
from ulmkit.acquire.plan import ALL, MANY, NONE, ONE, Expansion, Reply
from ulmkit.acquire.source_crawl import SourceCrawl, server_of
from ulmkit.formats.consent import DEFAULT_RULES, NO_CONSENT, ConsentRules, Said, refused_unseen
from ulmkit.progress import Report, silent

COMMIT_S, COMMIT_PAGES, COMMIT_BYTES = 1.0, 32, 8_000_000  # whichever is first
IN_FLIGHT = 16
TELL_S = 1.0  # between two reports
PATIENCE_S = 1_200.0  # a run waits so long for what is due later (the last try after a server's error is), not longer
GRACE_S = 10.0  # for answers in flight after an interruption
WATCH_S = 5.0  # the longest pause before the state is looked at again


@dataclass(frozen=True)
class Visit:
    """What came of asking for a URL: an answer, or why there was no asking."""

    run: SourceCrawl
    task: Task
    standing: Standing | None = None
    answer: Answer | None = None
    digest: bytes = b""  # of the answer's body
    state: str = ""  # without an answer: what becomes of the URL
    reason: str = ""
    due: float = 0.0


class Crawl:
    """A crawl of several sources at once, one request at a time to each host."""

    def __init__(
        self,
        frontier: Frontier,
        runs: Sequence[SourceCrawl],
        session: Session,
        *,
        clock: CrawlClock | None = None,
        limit: int | None = None,
        consent: ConsentRules = DEFAULT_RULES,
        report: Report = silent,
        commit_point: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.frontier, self.runs, self.session, self.limit, self.report = frontier, list(runs), session, limit, report
        self.clock = clock or CrawlClock()
        self.consent = consent
        self.commit_point = commit_point
        self.hosts = Hosts(self.clock.monotonic, wall=self.clock.wall)
        self.hosts.restore(tuple(row) for row in frontier.host_rows().values())
        self.batch = Batch()
        self.origins = Origins(self.session, self.hosts, self.frontier, self.clock, self.batch_of)
        self.parser = Parser()
        self.told_at = float("-inf")
        self.told = {run.name: SourceProgress(run, self.hosts) for run in self.runs}
        self.busy: set[str] = set()  # hosts that are being asked
        self.pending: dict[asyncio.Task[Visit], str] = {}
        self.seeding: dict[asyncio.Task[None], str] = {}  # hosts of which it is found out where to begin
        self.committed_at = self.clock.monotonic()
        self.uncommitted = 0  # bytes
        self.interrupted = False

    def batch_of(self) -> Batch:
        """What the next commit will hold."""
        return self.batch

    async def run(self) -> dict[str, Any]:
        """Crawl until every source is done or stopped; by source, what was done."""
        with self._signals():
            try:
                self._seed()
                while not self.interrupted:
                    self._start()
                    if not (self.pending or self.seeding) and not await self._idle():
                        break
                    await self._wait()
                await self._drain()
            finally:
                for task in (*self.pending, *self.seeding):
                    task.cancel()
                await asyncio.gather(*self.pending, *self.seeding, return_exceptions=True)
                self._commit()
                self._tell(last=True)
                self._close()
        return {run.name: run.summary(self.clock.monotonic()) | self._pace(run) for run in self.runs}

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """An interruption ends the crawl after what is in flight; a second one is the program's as ever."""
        loop = asyncio.get_running_loop()

        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore(number: signal.Signals) -> None:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])

        def interrupt(number: signal.Signals) -> None:
            self.interrupted = True
            restore(number)

        here = threading.current_thread() is threading.main_thread()
        if here:
            for number in before:
                loop.add_signal_handler(number, interrupt, number)
        try:
            yield
        finally:
            for number in before if here else ():
                restore(number)

    # what is asked for next

    def _seed(self) -> None:
        """Find out where each source begins, those of different hosts side by side: a slow one holds up its own."""
        by_host: dict[str, list[SourceCrawl]] = {}
        for run in self.runs:
            by_host.setdefault(server_of(run.plan.spec.locator), []).append(run)
        turns = asyncio.Semaphore(IN_FLIGHT)
        for host, runs in by_host.items():
            self.busy.add(host)
            self.seeding[asyncio.ensure_future(self._begin(host, runs, turns))] = host

    async def _begin(self, host: str, runs: Sequence[SourceCrawl], turns: asyncio.Semaphore) -> None:
        """The lists of sources on one host, which the frontier knows already where they were crawled before."""
        async with turns:
            for run in runs:
                standing = await self.origins.standing(run.plan.spec.locator, run)
                self.batch.found.append(run.group(tuple(run.plan.seeds(standing.rules))))
                if standing.retry_at is not None:
                    run.hold(host, standing.retry_at)

    def _start(self) -> None:
        """Ask for as much as may be asked now."""
        now, wall = self.clock.monotonic(), self.clock.wall()
        for run in self.runs:
            if not run.stopped:
                run.stopped = run.over_budget(now, self.limit)
            if run.stopped:
                continue
            for host in list(run.wakes):
                if len(self.pending) >= IN_FLIGHT:
                    return
                if reason := self.hosts.stopped(host):
                    run.counts.problems[f"{host}: {reason}"] += 1
                    del run.wakes[host]
                elif run.wakes[host] > wall or host in self.busy or self.hosts.ready_at(host) > now:
                    continue
                elif self.hosts.reserve(host):
                    if task := run.next_task(host, wall):
                        self.busy.add(host)
                        self.pending[asyncio.ensure_future(self._visit(run, task))] = host
                    else:
                        self.hosts.release(host)

    async def _idle(self) -> bool:
        """Nothing is in flight: commit, and wait for what is due later. False where there is nothing to wait for."""
        wall, now = self.clock.wall(), self.clock.monotonic()
        waits = []
        for run in self.runs:
            if not run.stopped:
                for host, wake in run.wakes.items():
                    waits.append(max(wake - wall, self.hosts.ready_at(host) - now, 0.0))
        if self._dirty():
            soon = min(waits, default=COMMIT_S)
            if soon == 0.0 or self._due() or now + soon - self.committed_at >= COMMIT_S:
                self._commit()
                return True
        if not waits or (soonest := min(waits)) > PATIENCE_S:
            return False
        if soonest > 0:
            self._tell()
            await self.clock.sleep(min(soonest, WATCH_S))
        return True

    async def _wait(self) -> None:
        """Take what has come, and commit where it is time."""
        if not (self.pending or self.seeding):
            return
        pauses = [COMMIT_S] if self._dirty() else [WATCH_S]
        now = self.clock.monotonic()
        if len(self.pending) < IN_FLIGHT:
            ready = [
                self.hosts.ready_at(host) - now
                for run in self.runs
                for host in run.wakes
                if host not in self.busy and not run.stopped
            ]
            pauses += [pause for pause in ready if pause > 0]
        timer = asyncio.ensure_future(self.clock.sleep(min(pauses)))
        try:
            done, _ = await asyncio.wait({*self.pending, *self.seeding, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        begun = [task for task in self.seeding if task in done]
        for seeded in begun:
            self.busy.discard(self.seeding.pop(seeded))
            seeded.result()
        for task in self.pending.keys() & done:
            await self._take(task)
        if begun or self._due():
            self._commit()

    async def _take(self, task: "asyncio.Task[Visit]") -> None:
        host = self.pending.pop(task)
        self.busy.discard(host)
        self.hosts.release(host)
        await self._settle(task.result())

    async def _drain(self) -> None:
        """After an interruption: what is in flight may still end."""
        if self.pending:
            done, _ = await asyncio.wait(self.pending, timeout=GRACE_S)
            for task in done:
                await self._take(task)

    async def _visit(self, run: SourceCrawl, task: Task) -> Visit:
        """Ask for a URL, where its host's rules allow it."""
        standing = await self.origins.standing(task.url, run)
        if standing.retry_at is not None:
            return Visit(run, task, state="pending", reason="robots.txt unreachable", due=standing.retry_at)
        if not standing.rules.allows(task.url):
            return Visit(run, task, standing, state="refused", reason="robots.txt")
        if task.role == "page" and self._refused(run, task, standing):
            return Visit(run, task, standing, state="refused", reason=NO_CONSENT)
        if standing.too_slow:
            return Visit(run, task, standing, state="refused", reason="too slow")
        if not await self.origins.turn(task.host):
            return Visit(run, task, standing, state="pending", reason=self.hosts.stopped(task.host))
        headers = {}
        if task.etag:
            headers["If-None-Match"] = task.etag
        if task.modified:
            headers["If-Modified-Since"] = task.modified
        answer = await self.session.get(task.url, headers, PAGE if task.role == "page" else LIST)
        digest = payload_digest(answer.body)
        self.hosts.answered(task.host, answer, digest if answer.status == 200 and task.role == "page" else b"")
        return Visit(run, task, standing, answer, digest)

    def _refused(self, run: SourceCrawl, task: Task, standing: Standing) -> bool:
        """Whether the use of a page is refused by what is known before it is asked for."""
        spec = run.plan.spec
        said = Said(
            task.url,
            standing.signals(task.url),
            declared=spec.licence,
            agents=spec.ai_agents,
            rules=self.consent,
        )
        return bool(refused_unseen(said))

    # what becomes of an answer

    async def _settle(self, visit: Visit) -> None:
        """Add a visit to the open segment and to the next commit."""
        run, task, answer = visit.run, visit.task, visit.answer
        when = self.clock.wall()
        if answer is None:
            run.counts.reasons[visit.reason] += 1
            if visit.due:
                run.hold(task.host, visit.due)
            self.batch.fetched.append(Settled(task, visit.state, visit.reason, due=visit.due, when=when))
            return
        counts = run.counts
        counts.asked += 1
        counts.bytes += len(answer.body)
        counts.seconds += answer.seconds
        counts.statuses[str(answer.status) if answer.status else answer.problem] += 1
        outcome = page_outcome(answer, task.tries, conditional=bool(task.etag or task.modified), hops=task.hops)
        if outcome.state == "kept":
            await self._keep(visit, answer, when)
        elif outcome.state == "revisit":
            counts.revisits += 1
            place = run.append(lambda: self._revisit(visit, answer, when, NOT_MODIFIED), when)
            self._fetched(task, "done", answer, when, place=place, digest=task.digest)
        elif outcome.state == "redirect":
            self._redirect(visit, answer, outcome, when)
        else:
            self._not_kept(visit, answer, outcome, when)

    async def _keep(self, visit: Visit, answer: Answer, when: float) -> None:
        run, task, counts = visit.run, visit.task, visit.run.counts
        try:
            body = answer.content()
        except ValueError:
            self._not_kept(visit, answer, PageOutcome("failed", "expands too much"), when)
            return
        expansion = Expansion()
        if run.plan.reads(task):
            fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.fields}
            reply = Reply(task.url, body, answer.header("Content-Type"), fields)
            expansion = await self.parser.expand(run.plan, task, reply)
        items: tuple[Item, ...] = expansion.items
        apart: tuple[str, ...] = ()
        if visit.standing is not None and any(item.listed for item in items):
            at_hand = functools.partial(self.origins.at_hand, run=run)
            items, apart = await entries_apart(items, task.url, visit.standing, at_hand)
        counts.left.update(expansion.left)
        if expansion.problem:
            counts.problems[expansion.problem] += 1
        holds = run.plan.holds(task) if len(apart) <= MOST_APART else NONE
        if visit.digest == task.digest:
            counts.revisits += 1
            place = run.append(lambda: self._revisit(visit, answer, when, IDENTICAL), when)
        else:
            place = run.append(lambda: self._response(visit, answer, when, holds, apart), when)
        if apart and holds == NONE:
            items = tuple(replace(item, listed=False) for item in items)
        found = run.group(items, expansion.follow, when)
        if holds == ONE:
            counts.kept += 1
        elif holds in (MANY, ALL):  # a list may name again what another did
            new = (each for each in found.items if each.item.listed)
            counts.kept += sum(not self.frontier.knows(run.name, each.key) for each in new)
        self.batch.found.append(found)
        self._fetched(task, "done", answer, when, place=place, digest=visit.digest)

    def _redirect(self, visit: Visit, answer: Answer, outcome: PageOutcome, when: float) -> None:
        run, task = visit.run, visit.task
        if task.role == "page" and (reason := run.plan.scope.refuses(outcome.target)):
            self._not_kept(visit, answer, PageOutcome("failed", reason), when)
            return
        item = Item(outcome.target, task.role, task.depth, 1, "redirect", task.changed, task.hops + 1, task.note)
        self.batch.found.append(run.group((item,)))
        place = run.append(lambda: self._response(visit, answer, when, NONE), when)
        self._fetched(task, "moved", answer, when, place=place)

    def _not_kept(self, visit: Visit, answer: Answer, outcome: PageOutcome, when: float) -> None:
        run, task = visit.run, visit.task
        run.counts.reasons[outcome.reason] += 1
        if outcome.state == "retry":
            self._fetched(task, "pending", answer, when, reason=outcome.reason, due=when + outcome.again_s)
            return
        place = None
        if answer.status:
            place = run.append(lambda: self._response(visit, answer, when, NONE), when)
        if task.role != "page":
            self.batch.found.append(run.group(tuple(run.plan.instead(task, outcome.reason))))
        self._fetched(task, outcome.state, answer, when, reason=outcome.reason, place=place)

    def _fetched(self, task: Task, state: str, answer: Answer, when: float, **more: Any) -> None:
        gone_since = (task.gone_since or when) if state == "gone" else None
        self.uncommitted += len(answer.body)
        self.batch.fetched.append(
            Settled(
                task,
                state,
                status=answer.status,
                etag=answer.header("ETag"),
                modified=answer.header("Last-Modified"),
                when=when,
                gone_since=gone_since,
                **more,
            )
        )

    def _response(self, visit: Visit, answer: Answer, when: float, holds: str, apart: Sequence[str] = ()) -> bytes:
        """The record of an answer; of a redirect or an error that is no document. `apart`: entries not to be taken."""
        signals = visit.standing.signals(visit.task.url).to_json() if visit.standing else ""
        fields = {
            "WARC-Target-URI": visit.task.url,
            "WARC-IP-Address": answer.address,
            "Content-Type": HTTP,
            "WARC-Payload-Digest": digest_text(visit.digest),
            "WARC-Truncated": answer.truncated,
            "WARC-Ulmkit-Role": holds,
            "WARC-Ulmkit-Signals": signals,
            "WARC-Ulmkit-Apart": " ".join(apart) if holds != NONE else "",
        }
        return warc_member(
            "response", when, http_block(answer.status, answer.reason, answer.fields, answer.body), fields
        )

    def _revisit(self, visit: Visit, answer: Answer, when: float, profile: str) -> bytes:
        """The record that says: as before."""
        fields = {
            "WARC-Target-URI": visit.task.url,
            "WARC-IP-Address": answer.address,
            "Content-Type": HTTP,
            "WARC-Profile": profile,
            "WARC-Refers-To-Target-URI": visit.task.url,
            "WARC-Payload-Digest": digest_text(visit.digest) if profile == IDENTICAL else "",
        }
        return warc_member("revisit", when, http_block(answer.status, answer.reason, answer.fields, b""), fields)

    # commits

    def _dirty(self) -> bool:
        return bool(self.batch.fetched or self.batch.found or self.batch.robots)

    def _due(self) -> bool:
        late = self.clock.monotonic() - self.committed_at >= COMMIT_S
        return self._dirty() and (late or len(self.batch.fetched) >= COMMIT_PAGES or self.uncommitted >= COMMIT_BYTES)

    def _commit(self) -> None:
        """Segments to the disk, then the frontier; what is full is closed."""
        self.committed_at = self.clock.monotonic()
        if not self._dirty():
            return
        self.commit_point("before sync")
        batch, self.batch, self.uncommitted = self.batch, Batch(), 0
        for run in self.runs:
            run.archive.sync()
            if segment := run.open_segment():
                batch.segments[run.name] = segment
        batch.hosts = {row[0]: row for row in self.hosts.rows()}
        self.commit_point("before commit")
        self.frontier.commit(batch)
        self.commit_point("after commit")
        for run in self.runs:
            run.committed(batch)
            if run.archive.is_full:
                run.close_segment(self.commit_point)
        self._tell()

    def _tell(self, *, last: bool = False) -> None:
        """Report of each source how far it is, once in a second or so."""
        now = self.clock.monotonic()
        if last or now - self.told_at >= TELL_S:
            self.told_at = now
            for run in self.runs:
                self.report(self.told[run.name].at(now, self.clock.wall(), self.limit, last=last))

    def _close(self) -> None:
        """Close all segments: the next step reads them."""
        self.parser.close()
        for run in self.runs:
            run.give_back()
            run.close_segment(self.commit_point)

    def _pace(self, run: SourceCrawl) -> dict[str, Any]:
        """The largest measured rate of requests to one host, beside the one promised, in requests a minute."""
        largest = max(map(self.hosts.largest_rate, self.frontier.hosts_of(run.name)), default=0.0)
        delay = run.plan.spec.delay_s
        return {"largest_rate": round(largest, 3), "promised_rate": round(60 / delay, 3) if delay else None}
