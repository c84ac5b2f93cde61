"""A blog: its posts through the lists of its platform, a hundred a request, else its sitemaps and its feed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ulmkit.acquire.frontier import Item, Task
from ulmkit.acquire.kinds.feed import entry_items, next_page
from ulmkit.acquire.kinds.site import SITEMAPS, SitePlan
from ulmkit.acquire.links import read_links
from ulmkit.acquire.plan import MANY, NONE, ONE, Expansion, Reply
from ulmkit.acquire.platforms import blogger, fewer_posts, next_posts, platform_of, wordpress
from ulmkit.acquire.scope import Scope
from ulmkit.formats.feeds import read_feed
from ulmkit.formats.posts import read_posts
from ulmkit.language.sources import BlogSource, SiteSource

if TYPE_CHECKING:
    from ulmkit.acquire.robots import RobotRules


@dataclass(frozen=True)
class BlogPlan:
    """How a blog is crawled. What its platform does not give is looked for as on any site: `site`."""

    spec: BlogSource
    site: SitePlan

    @property
    def scope(self) -> Scope:
        return self.site.scope

    def seeds(self, rules: "RobotRules") -> list[Item]:
        """The platform's list where it is known; the front page, which tells it, where it is not."""
        locator, platform = self.spec.locator, self.spec.platform
        if platform == "wordpress":
            return [Item(wordpress(locator).posts, "posts", priority=0, why="wordpress")]
        if platform == "blogger":
            return [Item(blogger(locator).posts, "posts", priority=0, why="blogger")]
        if platform == "sitemap":
            return self.site.seeds(rules)
        return [Item(locator, "home", priority=0, why="source")]

    def holds(self, task: Task) -> str:
        return ONE if task.role == "page" else MANY if task.role in ("posts", "feed") else NONE

    def reads(self, task: Task) -> bool:
        return task.role != "page"

    def expand(self, task: Task, reply: Reply) -> Expansion:
        if task.role == "posts":
            return self._of_posts(task, reply)
        if task.role == "feed":
            feed = read_feed(reply.body, reply.url, reply.content_type)
            return Expansion(entry_items(feed, "auto"), next_page(feed, task, reply, "auto"), problem=feed.problem)
        if task.role == "home":
            return self._of_home(reply)
        return self.site.expand(task, reply)

    def _of_posts(self, task: Task, reply: Reply) -> Expansion:
        posts = read_posts(reply.body, reply.url, reply.content_type)
        url = next_posts(reply.url, posts, reply.fields)
        follow = Item(url, "posts", task.depth + 1, priority=0, why="posts") if url else None
        items = entry_items(posts, "auto")
        if not posts.entries and task.depth == 0:  # no list after all
            return Expansion(self._fallback(), problem=posts.problem or "no posts")
        return Expansion(items, follow, problem=posts.problem)

    def _of_home(self, reply: Reply) -> Expansion:
        page = read_links(reply.body, reply.url)
        if platform := platform_of(page, reply.url):
            return Expansion((Item(platform.posts, "posts", priority=0, why=platform.name),), problem=page.problem)
        feeds = tuple(Item(url, "feed", priority=2, why="home") for url in page.feeds)
        return Expansion((*self._fallback(), *feeds), problem=page.problem)

    def _fallback(self) -> tuple[Item, ...]:
        """Where posts are looked for without a platform's list."""
        return (
            Item(urljoin(self.spec.locator, SITEMAPS[0]), "sitemap", priority=1, why="fallback"),
            Item(urljoin(self.spec.locator, "/feed"), "feed", priority=2, why="fallback"),
        )

    def instead(self, task: Task, reason: str) -> list[Item]:
        """A list with fewer posts a request, then sitemaps and feed, where the platform gives none."""
        if task.role == "posts" and task.depth == 0:
            if reason != "forbidden" and (fewer := fewer_posts(task.url)):
                return [Item(fewer, "posts", priority=0, why="fewer")]
            return list(self._fallback())
        if task.role == "home":
            return list(self._fallback())
        return self.site.instead(task, reason)


def blog_plan(spec: BlogSource) -> BlogPlan:
    """The plan for a declared blog."""
    host = urlsplit(spec.locator).hostname or ""
    declared = SiteSource(spec.name, "site", spec.locator, spec.licence, hosts=(host,))
    return BlogPlan(spec, SitePlan(declared, Scope((host,))))
