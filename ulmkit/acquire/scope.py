"""Which of the URLs that are found belong to a source, and why the others do not."""

import functools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import jdatetime

_DATE = re.compile(r"/(\d{4})[/-](\d{1,2})(?:[/-](\d{1,2}))?(?=[/-]|$)")


@dataclass(frozen=True)
class Scope:
    """What a source says of its pages' URLs. Empty `hosts`: any."""

    hosts: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: str = ""
    calendar: str = "gregorian"
    languages: tuple[str, ...] = ()

    def refuses(self, url: str, changed: datetime | None = None, language: str = "") -> str:
        """Why a page at `url` is not of the source, in a word or two; empty where it is."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return "bad address"
        if parts.scheme not in ("http", "https") or not host:
            return "bad address"
        if self.hosts and not any(on_host(host, each) for each in self.hosts):
            return "other host"
        where = parts.path + (f"?{parts.query}" if parts.query else "")
        if any(re.search(expression, where) for expression in self.exclude):
            return "excluded"
        if self.include and not any(re.search(expression, where) for expression in self.include):
            return "not included"
        if self.languages and language and _base(language) not in {_base(each) for each in self.languages}:
            return "other language"
        if self.since:
            when = changed or day_in(parts.path, self.calendar)
            if when and when < datetime.fromisoformat(self.since).replace(tzinfo=UTC):
                return "older"
        return ""


def _base(language: str) -> str:
    return re.split(r"[-_]", language.strip().lower())[0]


@functools.lru_cache(maxsize=4096)
def on_host(host: str, pattern: str) -> bool:
    """Whether `host` is the one meant: the same, with or without www., or below one written with a star.

    >>> on_host("www.example.org", "example.org"), on_host("a.b.org", "*.b.org"), on_host("evilb.org", "*.b.org")
    (True, True, False)
    """
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) or host == pattern[2:]
    return host.removeprefix("www.") == pattern.removeprefix("www.")


def day_in(path: str, calendar: str = "gregorian") -> datetime | None:
    """The day that stands in a URL's path as year, month and perhaps day; None where none does.

    >>> day_in("/2024/03/20/title"), day_in("/news/1403/01/01/x", "jalali").date()
    (datetime.datetime(2024, 3, 20, 0, 0, tzinfo=datetime.timezone.utc), datetime.date(2024, 3, 20))
    """
    for match in _DATE.finditer(path):
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
        try:
            if calendar == "jalali":
                if not 1300 <= year <= 1500:
                    continue
                found = jdatetime.date(year, month, day).togregorian()
            else:
                if not 1990 <= year <= 2100:
                    continue
                found = date(year, month, day)
        except ValueError:
            continue
        return datetime(found.year, found.month, found.day, tzinfo=UTC)
    return None
