"""Where pages come from: the sources of a language, brought to disk; what fails is named, and the rest goes on."""

import asyncio
import dataclasses
import importlib
import importlib.metadata
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ulmkit.acquire.address import PORTS
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.frontier import Frontier
from ulmkit.acquire.guard import WEB_PORTS, Guard
from ulmkit.acquire.source_crawl import server_of
from ulmkit.artifacts.atomic import lock
from ulmkit.artifacts.layout import Layout
from ulmkit.errors import InputError, Interrupted, LanguageError, UsageError
from ulmkit.formats.canonical import page_id
from ulmkit.formats.consent import ConsentPolicy, ConsentRules, LicencePolicy, consent_list
from ulmkit.language.source_mistakes import INSIDE_ADDRESS, mistake_in
from ulmkit.language.sources import SOURCE_TYPES, SourceSpec
from ulmkit.language.spec import Language
from ulmkit.progress import Report, silent

if TYPE_CHECKING:
    from ulmkit.acquire.plan import Plan
    from ulmkit.formats.inputs import Input

# kind → the module whose `fetch` brings it; an installed package adds its own under the entry-point group below
SOURCE_KINDS = {kind: f"ulmkit.acquire.kinds.{kind}" for kind in ("commoncrawl", "files", "hub", "wikipedia")}
# kind → the module and the function that plans its crawl
CRAWL_KINDS = {
    "blog": ("ulmkit.acquire.kinds.blog", "blog_plan"),
    "feed": ("ulmkit.acquire.kinds.feed", "feed_plan"),
    "site": ("ulmkit.acquire.kinds.site", "site_plan"),
}
SOURCE_GROUP = "ulmkit.sources"
CONTACT = "ULMKIT_CONTACT"
GONE_S = 7 * 86_400.0  # a page that is gone, and was gone so long before, has left the web

Fetch = Callable[..., Fetched]


@dataclass(frozen=True)
class Fetching:
    """How sources are brought. `allowed`: (address, port) pairs inside of a network that may be connected to."""

    names: tuple[str, ...] = ()  # the sources to bring; none: those that are enabled
    extra: tuple[SourceSpec, ...] = ()  # sources of this run, beside or instead of the language's
    mirror: str | None = None  # a server of dumps
    limit: int | None = None  # documents of each source
    contact: str = ""  # whom a server's owner may write to
    offline: bool = False  # what is on disk, and nothing else
    refresh: bool = False  # ask again for pages that are due
    max_hours: float | None = None
    consent: ConsentPolicy = "strict"  # a page whose use its host refuses is asked for under `record` only
    licences: LicencePolicy = "open"
    allowed: frozenset[tuple[str, int]] = frozenset()

    def guard(self, ports: Iterable[int] = ()) -> Guard:
        """What may be connected to, at `ports` beside those of web servers."""
        return Guard(self.allowed, WEB_PORTS | frozenset(ports), offline=self.offline)


@dataclass
class Brought:
    """What the sources left: files to read, what pins them down, and which sources failed, with the reason."""

    inputs: list["Input"] = field(default_factory=list)
    pins: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)  # ids of documents whose pages have left the web


class NothingBroughtError(InputError):
    """No source could be had; `failed` says of each why."""

    def __init__(self, failed: Mapping[str, str]) -> None:
        only = next(iter(failed.items())) if len(failed) == 1 else None
        what = f"source '{only[0]}': {only[1]}" if only else f"none of {len(failed)} sources brought anything."
        super().__init__(what if only else f"{what} Give files at hand with --input.")
        self.failed = dict(failed)


def fetcher(kind: str) -> Fetch:
    """The function that brings sources of this kind. Raises `LanguageError` for a kind nobody knows."""
    if kind in SOURCE_KINDS:
        return importlib.import_module(SOURCE_KINDS[kind]).fetch
    found = importlib.metadata.entry_points(group=SOURCE_GROUP, name=kind)
    for entry in found:
        return entry.load()
    known = sorted({*SOURCE_KINDS, *CRAWL_KINDS, *importlib.metadata.entry_points(group=SOURCE_GROUP).names})
    raise LanguageError(f"no source kind '{kind}'. Known: {', '.join(known)}.")


def fetch_source(
    spec: SourceSpec,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    guard: Guard | None = None,
    contact: str = "",
    progress: Report = silent,
) -> Fetched:
    """The files of a declared source, brought to `folder` (the language's `raw`), and what pins them down.

    `guard` says what may be connected to; with one that is offline, what an earlier run brought whole is used.
    `contact` is whom the owner of a server may write to. Raises `InputError` where it cannot be had.
    """
    fetch = fetcher(spec.kind)
    how: dict[str, Any] = {"mirror": mirror, "limit": limit, "guard": guard or Guard(), "contact": contact}
    return fetch(spec, folder, **how, progress=progress)


def plan_of(spec: SourceSpec) -> "Plan":
    """How a source is crawled."""
    module, name = CRAWL_KINDS[spec.kind]
    return getattr(importlib.import_module(module), name)(spec)


def chosen_sources(language: Language, how: Fetching) -> list[SourceSpec]:
    """The sources to bring: those that were named, else this run's own, else the enabled ones.

    Raises `UsageError` for a name that no source has, and where nothing is left.
    """
    known = {spec.name: spec for spec in (*language.sources, *how.extra)}
    if unknown := [name for name in how.names if name not in known]:
        raise UsageError(
            f"language '{language.code}' has no source '{unknown[0]}'. Known: {', '.join(sorted(known)) or 'none'}."
        )
    if how.names:
        return [known[name] for name in how.names]
    chosen = list(how.extra) or [spec for spec in language.sources if spec.enabled]
    if not chosen:
        what = "declares no sources" if not language.sources else "has no source that is enabled"
        then = "Give files with --input" + (", or name a source with --source." if language.sources else ".")
        raise UsageError(f"language '{language.code}' {what}. {then}")
    return chosen


def fetch_sources(language: Language, layout: Layout, how: Fetching, *, report: Report = silent) -> Brought:
    """The chosen sources, as inputs of a build, and by source what pins it down.

    A source that cannot be had is named in `failed` and the others go on. Raises `UsageError` where nothing is
    declared, or strangers would be asked by nobody; `InputError` where no source brought anything; `Interrupted` after
    a signal, with all that came committed.
    """
    specs = chosen_sources(language, how)
    if how.max_hours is not None:
        specs = [dataclasses.replace(spec, max_hours=min(spec.max_hours, how.max_hours)) for spec in specs]
    crawled = [spec for spec in specs if spec.kind in CRAWL_KINDS]
    require_contact([] if how.offline else [spec.locator for spec in crawled], how)
    brought = Brought()
    if crawled:
        _crawl(language, layout, crawled, how, brought, report)
    for spec in specs:
        if spec.kind not in CRAWL_KINDS:
            _bring(spec, layout, how, brought, report)
    if not brought.inputs:
        raise NothingBroughtError(brought.failed)
    brought.inputs.sort(key=lambda item: [spec.name for spec in specs].index(item.source))
    return brought


def source_at(
    url: str, kind: str, licence: str, *, delay_s: float | None, allowed: frozenset[tuple[str, int]]
) -> SourceSpec:
    """The source of one run at `url`, called by its host.

    Raises `UsageError` for what cannot be asked for, and for a licence that nobody named: a page may be asked to name
    its own (`page`).
    """
    option = f"--{kind} {url[:100]}"
    url = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = (address_named(host), parts.port or PORTS.get(parts.scheme, 0))
    except ValueError:
        raise UsageError(f"{option}: no URL.") from None
    if licence == "unknown":
        raise UsageError(
            f"{option}: under which licence? --licence CC-BY-4.0, say, or --licence page to keep only pages that name "
            "an open one themselves."
        )
    spec = SOURCE_TYPES[kind](name=source_name_of(url), kind=kind, locator=url, licence=licence)
    if address in allowed:
        return dataclasses.replace(spec, delay_s=spec.delay_s if delay_s is None else delay_s)
    if delay_s is not None:
        spec = dataclasses.replace(spec, delay_s=delay_s)
    if mistake := mistake_in(spec):
        own = (
            f" If it is yours: --allow-address {address[0]}:{address[1]}."
            if mistake[1].endswith(INSIDE_ADDRESS)
            else ""
        )
        raise UsageError(f"{option}: {mistake[1]}{own}")
    return spec


def address_named(host: str) -> str:
    """`host`, or the address of this machine that it is a name of."""
    return "127.0.0.1" if host == "localhost" else host


def source_name_of(url: str) -> str:
    """What a source of one run is called: by its host, and its port where it has one of its own.

    >>> source_name_of("https://www.example.org/feed")
    'www.example.org'
    """
    return re.sub(r"[^\w.\-]", "-", server_of(url))[:60]


def forget_hosts(layout: Layout, hosts: Sequence[str]) -> int:
    """Forget what the frontier knows of hosts; how many URLs that were. Pages stay in their segments."""
    with lock(layout.root / "crawl", "crawling"):
        frontier = Frontier(layout.raw / "frontier.sqlite")
        try:
            return sum(map(frontier.forget, hosts))
        finally:
            frontier.close()


def require_contact(urls: Iterable[str], how: Fetching) -> None:
    """Refuse to ask the servers of `urls`, where they are other people's, without saying who asks."""
    own = {address for address, _ in how.allowed}
    strangers = [host for url in urls if address_named(host := urlsplit(url).hostname or "") not in own]
    if strangers and not how.contact:
        raise UsageError(
            f"no contact. Sites such as {strangers[0]} want to know who asks: "
            f"--contact you@example.org (or {CONTACT}); --offline builds from what is here."
        )
    if how.contact and not (how.contact.isascii() and how.contact.isprintable() and len(how.contact) <= 200):
        raise UsageError("--contact: give a mail address or a URL in plain ASCII.")


def _bring(spec: SourceSpec, layout: Layout, how: Fetching, brought: Brought, report: Report) -> None:
    """A source of whole files."""
    from ulmkit.formats.inputs import Input

    try:
        asked: dict[str, Any] = {"mirror": how.mirror, "limit": how.limit, "guard": how.guard()}
        fetched = fetch_source(spec, layout.raw, **asked, contact=how.contact, progress=report)
    except InputError as error:
        brought.failed[spec.name] = str(error).removeprefix(f"source '{spec.name}': ")
        return
    columns: dict[str, Any] = {
        "text_field": getattr(spec, "text_field", "") or None,
        "licence_field": getattr(spec, "licence_field", ""),
        **({"crawled": True, "ai_agents": spec.ai_agents} if fetched.crawled else {}),
    }
    brought.inputs += [
        Input(path, spec.name, fetched.names.get(path, path.name), spec.licence, **columns) for path in fetched.files
    ]
    brought.pins[spec.name] = fetched.pins


def _crawl(
    language: Language,
    layout: Layout,
    specs: Sequence[SourceSpec],
    how: Fetching,
    brought: Brought,
    report: Report,
) -> None:
    """The sources whose pages are asked for one by one, in one crawl."""
    from ulmkit.formats.inputs import Input

    with lock(layout.root / "crawl", "crawling"):
        frontier = Frontier(layout.raw / "frontier.sqlite")
        try:
            done: dict[str, Any] = {}
            if not how.offline:
                done = on_a_loop(_crawled(language, layout, specs, how, frontier, report))
            for spec in specs:
                segments = frontier.segments(spec.name)
                summary = done.get(spec.name, {})
                if not segments or not frontier.holds_text(spec.name):
                    brought.failed[spec.name] = _why_nothing(summary, how.offline)
                    continue
                folder = layout.raw / spec.name
                brought.inputs += [
                    Input(
                        folder / segment.name,
                        spec.name,
                        segment.name,
                        spec.licence,
                        crawled=True,
                        ai_agents=spec.ai_agents,
                    )
                    for segment in segments
                ]
                brought.gone += [page_id(spec.name, url) for url in frontier.gone(spec.name, GONE_S)]
                brought.pins[spec.name] = {
                    "kind": spec.kind,
                    "locator": spec.locator,
                    "segments": {segment.name: segment.sha256 for segment in segments},
                    "first": min(segment.first for segment in segments),
                    "last": max(segment.last for segment in segments),
                    "answers": sum(segment.records - 1 for segment in segments),  # the first record says who wrote it
                    "crawl": summary,
                }
        finally:
            frontier.close()


def on_a_loop[T](work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; on a loop in another thread where one runs here, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _crawled(
    language: Language,
    layout: Layout,
    specs: Sequence[SourceSpec],
    how: Fetching,
    frontier: Frontier,
    report: Report,
) -> dict[str, Any]:
    """One run of the crawl; by source, what it did."""
    from ulmkit.acquire.client import Session, user_agent
    from ulmkit.acquire.clock import CrawlClock
    from ulmkit.acquire.crawl import Crawl
    from ulmkit.acquire.source_crawl import SourceCrawl

    clock = CrawlClock()
    rules = ConsentRules(how.consent, how.licences, consent_list(layout.consent_list))
    agent = user_agent(language.code, how.contact)
    guard = how.guard(own_ports(specs))
    for spec in specs:
        frontier.reconsider(spec.name)
        frontier.ask_again(spec.name, clock.wall() - spec.refresh_days * 86_400, pages=how.refresh)
    async with Session(agent=agent, guard=guard, contact=how.contact) as session:
        runs = [
            SourceCrawl(
                plan_of(spec),
                frontier,
                layout.raw / spec.name,
                {"software": agent, "source": spec.name, "locator": spec.locator, "format": "WARC File Format 1.1"},
                clock.monotonic(),
            )
            for spec in specs
        ]
        crawl = Crawl(frontier, runs, session, clock=clock, limit=how.limit, consent=rules, report=report)
        done = await crawl.run()
    if crawl.interrupted:
        raise Interrupted("the crawl.")
    return done


def own_ports(specs: Sequence[SourceSpec]) -> list[int]:
    """The ports that the locators of sources name."""
    return [port for spec in specs if (port := urlsplit(spec.locator).port)]


def _why_nothing(summary: dict[str, Any], offline: bool) -> str:
    """Why a crawled source has nothing on disk, in one line."""
    if offline:
        return "nothing was fetched yet, and --offline asks for nothing"
    reasons = [*summary.get("list_problems", {}), *summary.get("not_kept", {}), *summary.get("left", {})]
    return f"nothing came ({', '.join(reasons[:3]) or 'no page was found'})"
