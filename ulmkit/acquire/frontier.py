"""What a crawl knows: URLs, robots.txt files, hosts and segments of all sources of a language, in one SQLite file.

A commit is one transaction behind the archive's `fsync`: found URLs are inserted first and fetched ones marked after,
so that a page which was found and fetched in one batch is not pending again. What is not committed was not fetched.
"""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from ulmkit.acquire.archive import RecordPlace, Segment
from ulmkit.errors import ArtifactError
from ulmkit.formats.canonical import canonical
from ulmkit.formats.consent import NO_CONSENT

FRONTIER_VERSION = 1
# states of a URL: pending; done, and kept; listed: its text stands in a list that was kept; moved: another URL took its
# place; gone: 404 or 410; refused: by robots.txt, by a reservation, by the server; failed: after the last try
STATES = ("pending", "done", "listed", "moved", "gone", "refused", "failed")
ROLES = ("page", "home", "feed", "sitemap", "posts", "links")
_SCHEMA = """
CREATE TABLE urls (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, key BLOB NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL,
  role TEXT NOT NULL, depth INTEGER NOT NULL, priority INTEGER NOT NULL, hops INTEGER NOT NULL, note TEXT NOT NULL,
  why TEXT NOT NULL, changed REAL, state TEXT NOT NULL DEFAULT 'pending', reason TEXT NOT NULL DEFAULT '',
  tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, status INTEGER, segment TEXT, offset INTEGER,
  length INTEGER, digest BLOB, etag TEXT NOT NULL DEFAULT '', modified TEXT NOT NULL DEFAULT '', fetched REAL,
  gone_since REAL, UNIQUE (source, key));
CREATE INDEX urls_pending ON urls (source, host, priority, id) WHERE state = 'pending';
CREATE TABLE hosts (host TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE robots (origin TEXT PRIMARY KEY, row TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE segments (
  source TEXT NOT NULL, name TEXT NOT NULL, length INTEGER NOT NULL, records INTEGER NOT NULL, closed INTEGER NOT NULL,
  sha256 TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, PRIMARY KEY (source, name));
"""


@dataclass(frozen=True)
class Item:
    """A URL that was found: what for, and what is known of it."""

    url: str
    role: str = "page"
    depth: int = 0
    priority: int = 5  # the smaller the earlier
    why: str = ""  # where it was found
    changed: float | None = None  # seconds since 1970, as the list says
    hops: int = 0  # redirects that led here
    note: str = ""  # what its kind wants to remember
    listed: bool = False  # its text stands in the list that was read: it is not asked for


@dataclass(frozen=True)
class Task:
    """A pending URL of the frontier."""

    id: int
    source: str
    url: str
    host: str
    role: str
    depth: int
    hops: int
    note: str
    changed: float | None
    tries: int
    etag: str
    modified: str
    digest: bytes
    gone_since: float | None


@dataclass(frozen=True)
class Settled:
    """What became of a task: its new state, and where its record lies."""

    task: Task
    state: str
    reason: str = ""
    status: int = 0
    place: RecordPlace | None = None
    digest: bytes = b""
    etag: str = ""
    modified: str = ""
    when: float = 0.0
    due: float = 0.0  # of a pending one: when to try again
    gone_since: float | None = None


@dataclass(frozen=True)
class OpenSegment:
    """The segment that is being written: how far it is committed, and the dates of its first and last record."""

    name: str
    length: int
    records: int
    first: str
    last: str


@dataclass(frozen=True)
class PlacedItem:
    """A URL that was found, with its host and with what the frontier knows it by."""

    item: Item
    host: str
    key: bytes

    @classmethod
    def at(cls, item: Item, host: str) -> "PlacedItem":
        """`item` on `host`. Raises `ValueError` where it has no address of the web."""
        return cls(item, host, key_of(item.url))


@dataclass(frozen=True)
class ListedUrls:
    """What one answer listed, and the list's next page, which is of use if some of it is new."""

    source: str
    items: tuple[PlacedItem, ...] = ()
    follow: PlacedItem | None = None
    when: float = 0.0


@dataclass
class Batch:
    """What one commit holds."""

    found: list[ListedUrls] = field(default_factory=list)
    fetched: list[Settled] = field(default_factory=list)
    hosts: dict[str, Any] = field(default_factory=dict)
    robots: dict[str, tuple[Any, bytes]] = field(default_factory=dict)
    segments: dict[str, "OpenSegment"] = field(default_factory=dict)  # source -> what is committed of it


def key_of(url: str) -> bytes:
    """What names a URL in the frontier: 16 bytes of a hash of its canonical form. Raises `ValueError` for none."""
    return xxhash.xxh3_128_digest(canonical(url).encode("utf-8", "surrogatepass"))


class Frontier:
    """The URLs of a language's sources. One writer: the caller holds the crawl's lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with self._damage():
            self.db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False
            )  # one at a time, by its owner
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.execute("PRAGMA cache_size=-8000")  # 8 MB: memory stays flat over a million URLs
            found = self.db.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, FRONTIER_VERSION):
                raise ArtifactError(f"{path}: of another version of ulmkit ({found}). Remove it to crawl anew.")
            if not found:
                self.db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={FRONTIER_VERSION}; COMMIT;")

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def _damage(self) -> Iterator[None]:
        """Turn what SQLite makes of a damaged or full disk into one line."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            advice = "Make room" if "full" in str(error) else "Remove it to crawl anew"
            raise ArtifactError(
                f"{self.path}: {error}. {advice}; pages that were kept stay in their segments."
            ) from error

    def commit(self, batch: Batch) -> Counter[str]:
        """One transaction; by source, how many of the found URLs were new, or are asked for again as they changed."""
        new: Counter[str] = Counter()
        with self._damage():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                for group in batch.found:
                    new[group.source] += self._insert(group)
                self._mark(batch.fetched)
                rows = [(host, json.dumps(row)) for host, row in batch.hosts.items()]
                self.db.executemany("INSERT OR REPLACE INTO hosts VALUES (?, ?)", rows)
                kept = [(origin, json.dumps(row), body) for origin, (row, body) in batch.robots.items()]
                self.db.executemany("INSERT OR REPLACE INTO robots VALUES (?, ?, ?)", kept)
                for source, segment in batch.segments.items():
                    self.db.execute(
                        "INSERT INTO segments VALUES (?, ?, ?, ?, 0, '', ?, ?) ON CONFLICT (source, name) DO UPDATE "
                        "SET length = excluded.length, records = excluded.records, last = excluded.last",
                        (source, segment.name, segment.length, segment.records, segment.first, segment.last),
                    )
                self.db.execute("COMMIT")
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
        return new

    def _insert(self, group: ListedUrls) -> int:
        """Add what a list named; how much of it is new. The list's next page is added where some is."""
        new = self._insert_items(group.source, group.items)
        if group.follow and (new or not group.items):
            follow = group.follow
            if new == len(group.items):  # so much is new that the next page has changed as well
                follow = replace(follow, item=replace(follow.item, changed=group.when))
            new += self._insert_items(group.source, [follow])
        return new

    def _insert_items(self, source: str, items: Sequence[PlacedItem]) -> int:
        rows = [
            (source, each.key, item.url, each.host, item.role, item.depth, item.priority, item.hops, item.note,
             item.why, item.changed, "listed" if item.listed else "pending")
            for each in items
            for item in (each.item,)
        ]  # fmt: skip
        before = self.db.total_changes
        self.db.executemany(
            "INSERT INTO urls (source, key, url, host, role, depth, priority, hops, note, why, changed, state) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, key) DO UPDATE SET "
            "changed = excluded.changed, state = excluded.state, due = 0, tries = 0 "
            "WHERE urls.state IN ('done', 'listed') AND excluded.changed > coalesce(urls.changed, urls.fetched, 0)",
            rows,
        )
        return self.db.total_changes - before

    def _mark(self, fetched: Sequence[Settled]) -> None:
        for each in fetched:
            place = each.place
            kept = each.state == "done" and place is not None
            self.db.execute(
                "UPDATE urls SET state = ?, reason = ?, status = ?, tries = ?, due = ?, gone_since = ?, "
                "fetched = coalesce(?, fetched), etag = CASE WHEN ? THEN ? ELSE etag END, "
                "modified = CASE WHEN ? THEN ? ELSE modified END, digest = coalesce(?, digest), "
                "segment = coalesce(?, segment), offset = coalesce(?, offset), length = coalesce(?, length) "
                "WHERE id = ?",
                (
                    each.state, each.reason, each.status,
                    each.task.tries + 1 if each.state == "pending" else 0,
                    each.due, each.gone_since, each.when or None,
                    kept, each.etag, kept, each.modified, each.digest or None,
                    place.segment if place else None, place.offset if place else None,
                    place.length if place else None, each.task.id,
                ),
            )  # fmt: skip

    def knows(self, source: str, key: bytes) -> bool:
        """Whether a source has the URL with this key already."""
        with self._damage():
            row = self.db.execute("SELECT 1 FROM urls WHERE source = ? AND key = ?", (source, key)).fetchone()
        return row is not None

    def take(self, source: str, host: str, now: float, count: int, without: Iterable[int] = ()) -> list[Task]:
        """Pending URLs of a source on a host that are due, the most urgent first, except those with the ids given."""
        left_out = ",".join(str(int(each)) for each in without)
        with self._damage():
            rows = self.db.execute(
                "SELECT id, source, url, host, role, depth, hops, note, changed, tries, etag, modified, "
                "coalesce(digest, x''), gone_since FROM urls "
                "WHERE source = ? AND host = ? AND state = 'pending' AND due <= ? "
                f"AND id NOT IN ({left_out}) ORDER BY priority, id LIMIT ?",
                (source, host, now, count),
            ).fetchall()
        return [Task(*row) for row in rows]

    def next_due(self, source: str, host: str) -> float | None:
        """When the next pending URL of a source on a host may be asked for; None where there is none."""
        with self._damage():
            row = self.db.execute(
                "SELECT min(due) FROM urls WHERE source = ? AND host = ? AND state = 'pending'", (source, host)
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def pending(self, source: str) -> dict[str, int]:
        """Host → how many URLs of a source are pending on it."""
        with self._damage():
            return dict(
                self.db.execute(
                    "SELECT host, count(*) FROM urls WHERE source = ? AND state = 'pending' GROUP BY host", (source,)
                ).fetchall()
            )

    def pending_hosts(self, source: str) -> list[str]:
        """The hosts on which URLs of a source are pending."""
        with self._damage():
            rows = self.db.execute("SELECT DISTINCT host FROM urls WHERE source = ? AND state = 'pending'", (source,))
            return [row[0] for row in rows.fetchall()]

    def hosts_of(self, source: str) -> list[str]:
        """The hosts of a source's URLs."""
        with self._damage():
            return [row[0] for row in self.db.execute("SELECT DISTINCT host FROM urls WHERE source = ?", (source,))]

    def ask_again(self, source: str, before: float, *, pages: bool) -> int:
        """Make pending what was fetched before a moment: lists, and with `pages` the pages too. How many."""
        # a list's further pages are asked again where the page before has something new
        roles = "" if pages else "AND (role IN ('home', 'sitemap', 'links') OR role != 'page' AND depth = 0)"
        with self._damage():
            return self.db.execute(
                "UPDATE urls SET state = 'pending', due = 0, tries = 0, hops = 0 WHERE source = ? AND fetched < ? "
                f"{roles} AND state IN ('done', 'moved', 'failed', 'gone', 'refused')",
                (source, before),
            ).rowcount

    def reconsider(self, source: str) -> int:
        """Make pending what was refused for want of consent: of another policy it may not be. How many."""
        with self._damage():
            return self.db.execute(
                "UPDATE urls SET state = 'pending', due = 0 WHERE source = ? AND state = 'refused' AND reason = ?",
                (source, NO_CONSENT),
            ).rowcount

    def forget(self, host: str) -> int:
        """Remove all that is known of a host, so that it is asked as if for the first time; how many URLs."""
        with self._damage():
            gone = self.db.execute("DELETE FROM urls WHERE host = ?", (host,)).rowcount
            self.db.execute("DELETE FROM hosts WHERE host = ?", (host,))
            self.db.execute("DELETE FROM robots WHERE origin LIKE ?", (f"%://{host}",))
        return gone

    def host_rows(self) -> dict[str, Any]:
        """What the last commit said of each host."""
        with self._damage():
            return {host: json.loads(row) for host, row in self.db.execute("SELECT host, row FROM hosts")}

    def robots(self, origin: str) -> tuple[Any, bytes] | None:
        """What is kept of an origin's robots.txt."""
        with self._damage():
            row = self.db.execute("SELECT row, body FROM robots WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else (json.loads(row[0]), row[1])

    def open_segment(self, source: str) -> OpenSegment | None:
        """The segment that is being written, as far as it is committed."""
        with self._damage():
            row = self.db.execute(
                "SELECT name, length, records, first, last FROM segments WHERE source = ? AND NOT closed", (source,)
            ).fetchone()
        return None if row is None else OpenSegment(*row)

    def close_segment(self, source: str, segment: Segment) -> None:
        """Commit that a segment has its final name."""
        with self._damage():
            self.db.execute(
                "UPDATE segments SET closed = 1, length = ?, records = ?, sha256 = ?, first = ?, last = ? "
                "WHERE source = ? AND name = ?",
                (segment.bytes, segment.records, segment.sha256, segment.first, segment.last, source, segment.name),
            )

    def segments(self, source: str) -> list[Segment]:
        """The closed segments of a source, in order."""
        with self._damage():
            rows = self.db.execute(
                "SELECT name, length, records, sha256, first, last FROM segments WHERE source = ? AND closed "
                "ORDER BY name",
                (source,),
            ).fetchall()
        return [Segment(*row) for row in rows]

    def segment_count(self, source: str) -> int:
        with self._damage():
            return int(self.db.execute("SELECT count(*) FROM segments WHERE source = ?", (source,)).fetchone()[0])

    def gone(self, source: str, for_s: float) -> list[str]:
        """URLs of pages that were kept once and have been gone for so long."""
        with self._damage():
            rows = self.db.execute(
                "SELECT url FROM urls WHERE source = ? AND state = 'gone' AND digest IS NOT NULL "
                "AND fetched - gone_since >= ?",
                (source, for_s),
            )
            return sorted(row[0] for row in rows)

    def counts(self, source: str) -> dict[str, dict[str, int]]:
        """Role → state, with the reason where there is one → how many URLs."""
        found: dict[str, dict[str, int]] = {}
        with self._damage():
            rows = self.db.execute(
                "SELECT role, state, reason, count(*) FROM urls WHERE source = ? GROUP BY 1, 2, 3", (source,)
            ).fetchall()
        for role, state, reason, count in rows:
            told = f"{state}: {reason}" if reason else state
            found.setdefault(role, {})[told] = count
        return found

    def tallied(self, source: str, of: Callable[[str], str]) -> dict[tuple[str, str], tuple[int, int]]:
        """What `of` says of a page's URL, and why it was found → how many pages, and how many of them were kept."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        with self._damage():
            rows = self.db.execute(
                "SELECT url, why, state IN ('done', 'listed') FROM urls WHERE source = ? AND role = 'page'", (source,)
            )
            for url, why, kept in rows:
                pages, here = found.get((of(url), why), (0, 0))
                found[of(url), why] = pages + 1, here + kept
        return found

    def holds_text(self, source: str) -> bool:
        """Whether any document of the source was ever kept."""
        with self._damage():
            row = self.db.execute(
                "SELECT 1 FROM urls WHERE source = ? AND (state = 'listed' OR role = 'page' AND segment IS NOT NULL) "
                "LIMIT 1",
                (source,),
            ).fetchone()
        return row is not None

    def captures(self, source: str) -> list[tuple[str, bytes]]:
        """URL and payload digest of each page that is kept."""
        with self._damage():
            return self.db.execute(
                "SELECT url, digest FROM urls WHERE source = ? AND state = 'done' AND role = 'page' ORDER BY url",
                (source,),
            ).fetchall()
