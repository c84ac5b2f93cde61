"""What a kind of source tells the crawl: where to begin, and what an answer lists. A plan is a value and can travel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ulmkit.acquire.frontier import Item, Task
from ulmkit.acquire.scope import Scope
from ulmkit.language.sources import SourceSpec

if TYPE_CHECKING:
    from ulmkit.acquire.robots import RobotRules

# documents that a record holds: of a list those that are whole, or all; a page's; none
MANY, ALL, ONE, NONE = "posts", "entries", "page", "none"


@dataclass(frozen=True)
class Reply:
    """An answer with status 200, for a plan to read: its body with the content coding undone."""

    url: str
    body: bytes
    content_type: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Expansion:
    """What an answer listed."""

    items: tuple[Item, ...] = ()
    follow: Item | None = None  # the list's next page, asked for where some of `items` is new
    left: Mapping[str, int] = field(default_factory=dict)  # why URLs were left -> how many
    problem: str = ""  # what was wrong with the list itself


class Plan(Protocol):
    """How a source is crawled."""

    @property
    def spec(self) -> SourceSpec: ...

    @property
    def scope(self) -> Scope: ...

    def seeds(self, rules: "RobotRules") -> list[Item]:
        """Where to begin; `rules` are the robots.txt of the locator's host, which may name sitemaps."""
        ...

    def holds(self, task: Task) -> str:
        """What the record of a task's answer holds: MANY, ALL, ONE or NONE."""
        ...

    def reads(self, task: Task) -> bool:
        """Whether the answer lists something."""
        ...

    def expand(self, task: Task, reply: Reply) -> Expansion:
        """What the answer lists. Pure, and never raises for what a server sent."""
        ...

    def instead(self, task: Task, reason: str) -> list[Item]:
        """What to ask for where a list could not be had."""
        ...


def scoped(scope: Scope, items: Iterable[tuple[Item, str, datetime | None]]) -> tuple[tuple[Item, ...], dict[str, int]]:
    """Those of `items` (each with its language and date) that are of the source, and why the others are not."""
    kept: list[Item] = []
    left: dict[str, int] = {}
    for item, language, changed in items:
        if reason := scope.refuses(item.url, changed, language):
            left[reason] = left.get(reason, 0) + 1
        else:
            kept.append(item)
    return tuple(kept), left
