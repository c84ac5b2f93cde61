"""What a site would give, before it is crawled: a dozen requests, and what they tell."""

import dataclasses
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ulmkit.acquire.answers import page_outcome
from ulmkit.acquire.client import LIST, PAGE, Answer, Bounds, Session, user_agent
from ulmkit.acquire.clock import CrawlClock
from ulmkit.acquire.frontier import Batch, Frontier, Item, Task
from ulmkit.acquire.hosts import Hosts
from ulmkit.acquire.links import read_links
from ulmkit.acquire.origins import Origins
from ulmkit.acquire.plan import Expansion, Reply
from ulmkit.acquire.platforms import platform_of
from ulmkit.acquire.source_crawl import SourceCrawl, server_of
from ulmkit.acquire.sources import Fetching, on_a_loop, own_ports, plan_of
from ulmkit.corpus.extract.dispatch import extract
from ulmkit.corpus.identify import identify
from ulmkit.document import JOINERS, Document, RawDocument
from ulmkit.formats.origin import Reading
from ulmkit.formats.page_marks import page_marks
from ulmkit.language.sources import SourceSpec
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent

REQUESTS = 12  # of a source, robots.txt and its like among them
MOST_LISTS = 4
LONGEST_WAIT_S = 60.0


@dataclass
class Probe:
    """What a few requests told of a source. Empty or None: not known."""

    name: str
    locator: str
    problem: str = ""  # why it cannot be had
    allowed: bool = True  # by robots.txt
    delay_s: float = 0.0  # between two requests, as declared or as the server wants it
    platform: str = ""
    lists: dict[str, int] = dataclasses.field(default_factory=dict)  # address -> what it lists
    newest: str = ""  # day of the newest page in them
    licences: tuple[str, ...] = ()  # that the page names for itself
    page: str = ""  # the page that was looked at
    in_language: bool | None = None
    characters: int = 0  # of its text
    joiners: float = 0.0  # U+200C in a thousand characters of it
    requests: int = 0

    @property
    def pages(self) -> int:
        """How many pages the lists that were seen name."""
        return sum(self.lists.values())

    @property
    def hours(self) -> float:
        """How long it takes to ask for them at this delay."""
        return self.pages * max(self.delay_s, 0.01) / 3600

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"pages": self.pages, "hours": round(self.hours, 2)}


def probe_sources(
    language: Language, specs: Sequence[SourceSpec], how: Fetching, *, report: Report = silent
) -> list[Probe]:
    """What each source would give. At most `REQUESTS` requests of each, in its hosts' pace; nothing is kept."""
    work: Coroutine[Any, Any, list[Probe]] = _probed(language.code, language, specs, how, report)
    return on_a_loop(work)


def look_at(code: str, specs: Sequence[SourceSpec], how: Fetching, *, report: Report = silent) -> list[Probe]:
    """What the front page of each source tells, for a corpus in the language `code`: whether robots.txt lets us,
    platform, licence marks. At most seven requests of each; nothing is kept.
    """
    work: Coroutine[Any, Any, list[Probe]] = _probed(code, None, specs, how, report)
    return on_a_loop(work)


async def _probed(
    code: str, language: Language | None, specs: Sequence[SourceSpec], how: Fetching, report: Report
) -> list[Probe]:
    clock = CrawlClock()
    found = []
    agent = user_agent(code, how.contact)
    with tempfile.TemporaryDirectory() as scratch:
        async with Session(agent=agent, guard=how.guard(own_ports(specs)), contact=how.contact) as session:
            for number, spec in enumerate(specs):
                report(Progress("probe", number, len(specs), "sources", spec.name))
                frontier = Frontier(Path(scratch) / f"{number}.sqlite")
                try:
                    run = SourceCrawl(plan_of(spec), frontier, Path(scratch) / str(number), {}, clock.monotonic())
                    found.append(await _Prober(language, run, session, clock, frontier).probe())
                    run.archive.abandon()
                finally:
                    frontier.close()
    return found


class _Prober:
    """One source: its robots.txt, its front page, and for a known language a few lists and one page."""

    def __init__(
        self, language: Language | None, run: SourceCrawl, session: Session, clock: CrawlClock, frontier: Frontier
    ) -> None:
        self.language, self.run, self.session, self.clock = language, run, session, clock
        self.hosts = Hosts(clock.monotonic, wall=clock.wall)
        self.origins = Origins(session, self.hosts, frontier, clock, Batch)
        spec = run.plan.spec
        self.found = Probe(spec.name, spec.locator)

    async def probe(self) -> Probe:
        found, plan = self.found, self.run.plan
        standing = await self.origins.standing(plan.spec.locator, self.run)
        found.delay_s = self.hosts.current_delay(server_of(plan.spec.locator))
        if standing.retry_at is not None:
            found.problem = f"robots.txt {standing.rules.why}"
        elif not standing.rules.allows(plan.spec.locator):
            found.allowed, found.problem = False, "robots.txt forbids it"
        elif standing.too_slow:
            found.problem = f"wants {standing.rules.delay_s:g} s between two requests"
        else:
            await self._front_page()
            if self.language is not None:
                await self._lists(plan.seeds(standing.rules), self.language)
        found.requests = self.run.counts.asked + sum(self.run.counts.statuses.values())
        return found

    async def _get(self, url: str, bounds: Bounds) -> Answer | None:
        """The answer for a page, its redirects followed; None where it may not be asked for."""
        for _ in range(3):
            standing = await self.origins.standing(url, self.run)
            if standing.retry_at is not None or not standing.rules.allows(url):
                return None
            if not await self.origins.turn(server_of(url)):
                return None
            answer = await self.session.get(url, {}, bounds)
            self.hosts.answered(server_of(url), answer)
            self.run.counts.asked += 1
            outcome = page_outcome(answer, 0, conditional=False)
            if outcome.state != "redirect":
                return answer if outcome.state == "kept" else None
            url = outcome.target
        return None

    async def _front_page(self) -> None:
        locator = self.run.plan.spec.locator
        answer = await self._get(locator, PAGE)
        body = _content(answer)
        if body is None:
            return
        page = read_links(body, locator)
        platform = platform_of(page, locator)
        self.found.platform = platform.name if platform else page.generator
        self.found.licences = page_marks(body).licences

    async def _lists(self, seeds: list[Item], language: Language) -> None:
        """Read lists until one names pages, and look at one of those."""
        waiting, seen, page = list(seeds), 0, ""
        newest = 0.0
        while waiting and seen < MOST_LISTS and self.run.counts.asked < REQUESTS - 4:
            item = waiting.pop(0)
            seen += 1
            expansion = await self._expanded(item)
            pages = [each for each in expansion.items if each.role == "page"]
            self.found.lists[item.url] = len(pages)
            newest = max([newest, *(each.changed for each in pages if each.changed)])
            page = page or next((each.url for each in pages), "")
            further = [each for each in expansion.items if each.role != "page"]
            waiting = further[:MOST_LISTS] + waiting if not pages else waiting + further[:MOST_LISTS]
        if newest:
            self.found.newest = datetime.fromtimestamp(newest, UTC).date().isoformat()
        if page:
            await self._page(page, language)
        elif not self.found.problem:
            self.found.problem = "no list names a page"

    async def _expanded(self, item: Item) -> Expansion:
        answer = await self._get(item.url, LIST)
        body = _content(answer)
        task = Task(0, self.found.name, item.url, server_of(item.url), item.role, item.depth, 0, item.note,
                    None, 0, "", "", b"", None)  # fmt: skip
        if answer is None or body is None:
            return Expansion(tuple(self.run.plan.instead(task, "not there")))
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.fields}
        return self.run.plan.expand(task, Reply(item.url, body, answer.header("Content-Type"), fields))

    async def _page(self, url: str, language: Language) -> None:
        """What one page holds: its text, in which language, under which licence."""
        body = _content(await self._get(url, PAGE))
        if body is None:
            return
        found = self.found
        found.page = url
        found.licences = tuple(dict.fromkeys([*page_marks(body).licences, *found.licences]))
        raw = RawDocument(url, body, "html", found.name, url=url)
        document = extract(raw, language.extraction, decode=Reading.of(language).decode)
        if isinstance(document, Document):
            found.characters = len(document.text)
            found.joiners = 1000 * document.text.count(JOINERS["U+200C"]) / max(len(document.text), 1)
            found.in_language = identify(document.text, language).keep


def _content(answer: Answer | None) -> bytes | None:
    try:
        return answer.content() if answer is not None else None
    except ValueError:
        return None
