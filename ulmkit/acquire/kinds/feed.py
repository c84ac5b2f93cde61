"""A feed: its entries' own text where it is whole, else their pages; older entries by its paging."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ulmkit.acquire.frontier import Item, Task
from ulmkit.acquire.plan import ALL, MANY, NONE, ONE, Expansion, Reply
from ulmkit.acquire.platforms import with_parameter
from ulmkit.acquire.scope import Scope
from ulmkit.formats.feeds import Entry, Feed, read_feed
from ulmkit.language.sources import FeedSource

if TYPE_CHECKING:
    from ulmkit.acquire.robots import RobotRules

_WORDPRESS = re.compile(rb"<generator>\s*https?://wordpress\.org/", re.I)
_BLOGGER = re.compile(rb"<generator[^>]*>\s*Blogger\s*</generator>", re.I)
ANYWHERE = Scope()  # a feed speaks for its entries, wherever they lie
_HEAD = 1 << 14  # bytes in which a feed says what made it


@dataclass(frozen=True)
class FeedPlan:
    """How a feed is crawled."""

    spec: FeedSource
    scope: Scope = ANYWHERE

    def seeds(self, rules: "RobotRules") -> list[Item]:
        return [Item(self.spec.locator, "feed", priority=0, why="source")]

    def holds(self, task: Task) -> str:
        """Of a feed the entries whose text is whole, all of them where the source says so, or none."""
        return ONE if task.role == "page" else {"auto": MANY, "entry": ALL, "page": NONE}[self.spec.text]

    def reads(self, task: Task) -> bool:
        return task.role == "feed"

    def expand(self, task: Task, reply: Reply) -> Expansion:
        feed = read_feed(reply.body, reply.url, reply.content_type)
        items = entry_items(feed, self.spec.text)
        return Expansion(items, next_page(feed, task, reply, self.spec.paging), problem=feed.problem)

    def instead(self, task: Task, reason: str) -> list[Item]:
        return []


def entry_items(feed: Feed, text: str) -> tuple[Item, ...]:
    """A feed's entries as URLs: `text` says whose text is taken, the entry's where it is whole (auto), or which."""
    return tuple(
        Item(
            entry.url,
            why="feed",
            changed=unix_seconds(entry.updated or entry.published),
            listed=text != "page" and (text == "entry" or entry.whole),
        )
        for entry in feed.entries
        if _asked(entry)
    )


def _asked(entry: Entry) -> bool:
    return entry.url.startswith(("http://", "https://"))


def unix_seconds(moment: datetime | None) -> float | None:
    """A moment as seconds since 1970."""
    return None if moment is None else moment.timestamp()


def next_page(feed: Feed, task: Task, reply: Reply, paging: str) -> Item | None:
    """The feed's next page, by what the feed says or by how its platform counts; None where there is none."""
    if paging == "none" or not feed.entries:
        return None
    url = feed.next if paging in ("auto", "rfc5005", "blogger") else ""
    head = reply.body[:_HEAD]
    count = int(task.note) if task.note.isdecimal() else 1
    note = ""
    if url:
        pass
    elif paging == "blogger" or (paging == "auto" and _BLOGGER.search(head)):
        # Blogger gives fewer entries than asked for, so the next start is behind those that came
        count += len(feed.entries)
        url, note = with_parameter(task.url, "start-index", str(count)), str(count)
    elif paging == "wordpress" or (paging == "auto" and _WORDPRESS.search(head)):
        url, note = with_parameter(task.url, "paged", str(count + 1)), str(count + 1)
    elif "{n}" in paging:
        url, note = paging.replace("{n}", str(count + 1)), str(count + 1)
    return Item(url, "feed", task.depth + 1, priority=1, why="feed", note=note) if url else None


def feed_plan(spec: FeedSource) -> FeedPlan:
    """The plan for a declared feed."""
    return FeedPlan(spec)
