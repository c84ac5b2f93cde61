"""A site: pages found by its sitemaps, its feeds and, where asked for, its links."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ulmkit.acquire.frontier import Item, Task
from ulmkit.acquire.kinds.feed import next_page, unix_seconds
from ulmkit.acquire.links import read_links
from ulmkit.acquire.plan import NONE, ONE, Expansion, Reply, scoped
from ulmkit.acquire.scope import Scope
from ulmkit.acquire.sitemaps import Found, Listing, read_sitemap
from ulmkit.formats.feeds import read_feed
from ulmkit.language.sources import SiteSource

if TYPE_CHECKING:
    from ulmkit.acquire.robots import RobotRules

SITEMAP_DEPTH = 3  # of sitemaps in sitemaps

# where sitemaps lie that robots.txt does not name, in the order in which they are tried
SITEMAPS = ("/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml")
NEWS_SITEMAPS = ("/news-sitemap.xml", "/sitemap-news.xml", "/sitemap_news.xml")


@dataclass(frozen=True)
class SitePlan:
    """How a site is crawled."""

    spec: SiteSource
    scope: Scope

    def seeds(self, rules: "RobotRules") -> list[Item]:
        """The lists in the order in which the source wants them; the earlier ones' pages come first."""
        found: list[Item] = []
        named = rules.sitemaps
        for order, way in enumerate(self.spec.discover):
            if way == "sitemap":
                urls = [url for url in named if not _of_news(url)] or [self._at(SITEMAPS[0])]
            elif way == "news-sitemap":
                urls = [url for url in named if _of_news(url)] or [self._at(NEWS_SITEMAPS[0])]
            else:
                continue
            found += [Item(url, "sitemap", priority=order, why=way) for url in urls]
        if {"feed", "links"} & set(self.spec.discover):
            found.append(Item(self.spec.locator, "home", priority=len(self.spec.discover), why="source"))
        return found

    def _at(self, path: str) -> str:
        return urljoin(self.spec.locator, path)

    def holds(self, task: Task) -> str:
        return ONE if task.role == "page" else NONE

    def reads(self, task: Task) -> bool:
        return task.role != "page" or "links" in self.spec.discover

    def expand(self, task: Task, reply: Reply) -> Expansion:
        if task.role == "sitemap":
            hosts = [host.removeprefix("*.") for host in self.scope.hosts]
            return self._of_sitemap(task, read_sitemap(reply.body, reply.url, hosts=hosts))
        if task.role == "feed":
            feed = read_feed(reply.body, reply.url, reply.content_type)
            entries = [
                (Item(entry.url, why="feed", changed=unix_seconds(changed)), "", changed)
                for entry in feed.entries
                if entry.url
                for changed in (entry.updated or entry.published,)
            ]
            items, left = scoped(self.scope, entries)
            return Expansion(items, next_page(feed, task, reply, "auto"), left, feed.problem)
        return self._of_page(task, reply)

    def _of_sitemap(self, task: Task, listing: Listing) -> Expansion:
        lists: list[Item] = []
        if task.depth < SITEMAP_DEPTH:
            lists = [
                Item(each.url, "sitemap", task.depth + 1, priority=1, why="sitemap", changed=unix_seconds(each.changed))
                for each in listing.lists
            ]
        newest_first = sorted(listing.found, key=lambda each: -(unix_seconds(_date(each)) or 0.0))
        pages = [
            (Item(each.url, why="sitemap", changed=unix_seconds(_date(each))), each.language, _date(each))
            for each in newest_first
        ]
        items, left = scoped(self.scope, pages)
        if beyond := len(listing.lists) - len(lists) + listing.left_out:
            left["beyond the limit"] = beyond
        return Expansion((*lists, *items), None, left, listing.problem)

    def _of_page(self, task: Task, reply: Reply) -> Expansion:
        """Links of a page: those that are pages of the source, and those that are only gone through."""
        page = read_links(reply.body, reply.url)
        items: list[Item] = []
        if task.role == "home" and "feed" in self.spec.discover:
            items += [Item(url, "feed", priority=1, why="home") for url in page.feeds]
        left: dict[str, int] = {}
        if "links" in self.spec.discover and not page.nofollow:
            for url in page.links:
                depth = 0 if task.role == "home" else task.depth + 1
                reason = self.scope.refuses(url)
                if not reason and depth <= self.spec.depth:
                    items.append(Item(url, "page", depth, why="links"))
                elif reason == "not included" and depth + 1 <= self.spec.depth + (task.role == "home"):
                    items.append(Item(url, "links", depth + 1, priority=4, why="links"))
                else:
                    reason = reason or "too deep"
                    left[reason] = left.get(reason, 0) + 1
            if page.left_out:
                left["beyond the limit"] = page.left_out
        return Expansion(tuple(items), None, left, page.problem)

    def instead(self, task: Task, reason: str) -> list[Item]:
        """The next place in which a sitemap may lie, where the one that was guessed is not there."""
        path = urlsplit(task.url).path
        for places in (SITEMAPS, NEWS_SITEMAPS):
            if task.role == "sitemap" and path in places[:-1]:
                return [Item(self._at(places[places.index(path) + 1]), "sitemap", task.depth, why=task.role)]
        return []


def _of_news(url: str) -> bool:
    return "news" in urlsplit(url).path.lower()


def _date(found: Found) -> datetime | None:
    return found.changed or found.published


def scope_of(spec: SiteSource) -> Scope:
    """The scope of a declared site."""
    hosts = spec.hosts or (urlsplit(spec.locator).hostname or "",)
    return Scope(hosts, spec.include, spec.exclude, spec.since, spec.calendar, spec.languages)


def site_plan(spec: SiteSource) -> SitePlan:
    """The plan for a declared site."""
    return SitePlan(spec, scope_of(spec))
