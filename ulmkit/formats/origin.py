"""Where records come from and what is known about all of them: what every reader is handed beside the bytes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from ulmkit.document import Kind, RawDocument, Unreadable, UsageTerms
from ulmkit.formats import reasons
from ulmkit.formats.canonical import page_id
from ulmkit.formats.excerpt import CONTROL, excerpt
from ulmkit.formats.streams import LIMITS, Limits, Stream
from ulmkit.names import stored_name
from ulmkit.text.encoding import Undecodable, decode

if TYPE_CHECKING:
    from ulmkit.language.spec import Language

Record = RawDocument | Unreadable

SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Reading:
    """What is known of a language before its files are read: its encodings, and how its wikis write a redirect."""

    encodings: tuple[str, ...] = ()  # to try, likeliest first
    letters: str = ""  # of the alphabet, to tell near-equal encodings apart
    redirect_words: tuple[str, ...] = ("REDIRECT",)
    namespaces: tuple[int, ...] = (0,)  # of a wiki, that are wanted

    @classmethod
    def of(cls, language: "Language") -> "Reading":
        """How files in `language` are read."""
        extraction = language.extraction
        return cls(extraction.encodings, language.alphabet.letters, extraction.redirect_words)

    def decode(self, data: bytes, declared: str = "") -> tuple[str, str]:
        """`data` as text, and the encoding it is in; raises `Undecodable`."""
        return decode(data, declared, self.encodings, self.letters)


READING = Reading()  # of files in no language that is known


@dataclass(frozen=True)
class Origin:
    """One input, or one member inside it. `where` is the start of every id and of every complaint.

    `crawled`: its records are our own crawl's, and pages are called by their URL; `terms`: what was said of the use of
    the one that is read.
    """

    source: str
    where: str
    name: str = ""  # of the file or member, for its suffix
    licence: str = "unknown"
    text_field: str | None = None
    documents: str = ""  # what is one document of a plain text: `line`, `blank-line`, `file`; empty: it is guessed
    table: str = ""  # what a person says of a table's layout, as `table_told` writes it
    licence_field: str = ""  # where records say their own licence, beside the fields that are usual for it
    crawled: bool = False
    terms: UsageTerms | None = None
    reading: Reading = READING
    limits: Limits = LIMITS
    depth: int = 0
    taken: set[int] = field(default_factory=set)  # hashes of member names, so that equal names get equal-proof ids

    def member(self, name: str) -> "Origin":
        """The origin of a member of this archive; a name that comes twice is told apart by a number."""
        shown = stored_name(name.removeprefix("./")) or "unnamed"
        where, again = f"{self.where}/{shown}", 1
        while hash(where) in self.taken:
            again += 1
            where = f"{self.where}/{shown}~{again}"
        self.taken.add(hash(where))
        return replace(self, where=where, name=name, depth=self.depth + 1)

    def inside(self, name: str) -> "Origin":
        """The origin of what one layer of compression held: the same place under a shorter name."""
        return replace(self, name=name, depth=self.depth + 1)

    def unreadable(self, reason: str, detail: object = "", record: object = None, *, shown: str = "") -> Unreadable:
        """A complaint about this origin, or about one record of it; `shown` is an excerpt of it."""
        where = self.where if record is None else f"{self.where}#{record}"
        return Unreadable(where, reason, CONTROL.sub(" ", str(detail))[:300], shown)

    def document(
        self,
        content: str | bytes,
        kind: Kind,
        *,
        record: object = None,
        title: str = "",
        url: str = "",
        licence: str = "",
        encoding: str = "",
        fetched_at: datetime | None = None,
        published_at: datetime | None = None,
    ) -> Record:
        """The record as a document, or as `empty`. What no file can hold is gone from its facts."""
        if not content.strip():
            return self.unreadable(reasons.EMPTY_TEXT, record=record)
        title, url, licence = scalar(title), scalar(url), scalar(licence)
        return RawDocument(
            id=self._page_id(url) or (self.where if record is None else f"{self.where}#{record}"),
            content=content,
            kind=kind,
            source=self.source,
            licence=licence or self.licence,
            url=url,
            title=title,
            encoding=encoding,
            fetched_at=fetched_at,
            published_at=published_at,
            terms=replace(self.terms, own_licence=licence) if self.terms and licence else self.terms,
        )

    def _page_id(self, url: str) -> str:
        """What a crawled page is called, whenever it was fetched; empty for what is none."""
        if not self.crawled:
            return ""
        try:
            return page_id(self.source, url)
        except ValueError:
            return ""

    def decode(self, data: bytes, declared: str = "") -> str:
        """`data` as text; raises `Undecodable`."""
        return self.reading.decode(data, declared)[0]

    def whole(self, stream: Stream) -> bytes | Unreadable:
        """All of `stream` as one record, or the complaint that it is too large for one."""
        data = stream.read(self.limits.record + 1)
        if len(data) > self.limits.record:
            return self.unreadable(
                reasons.TOO_LARGE,
                f"over {self.limits.record:,} bytes; give one document a line as JSON lines",
                shown=excerpt(data),
            )
        return data


def scalar(text: str) -> str:
    """`text` without lone surrogates: JSON can spell them, and no file can hold them."""
    return SURROGATE.sub("", text) if SURROGATE.search(text) else text


def decoded(origin: Origin, data: bytes) -> str | Unreadable:
    """`data` as text, or the complaint about its encoding."""
    try:
        return origin.decode(data)
    except Undecodable as error:
        return origin.unreadable(reasons.ENCODING, error, shown=excerpt(data))


ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?")
SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})\b")
COMPACT = re.compile(r"\d{14}|(?:19|20)\d{6}")
SINCE_1970 = re.compile(r"\d{10}(?:\d{3})?(?:\.\d+)?")
ZONE = re.compile(r"[ T]?(?:UTC|GMT|Z)$| (?=[+-]\d\d:?\d\d$)")


def moment(value: object) -> datetime | None:
    """A time in any of the forms that cannot be misread, in UTC; None for every other.

    A date of Python, ISO 8601, 14 digits as in web archives or the first 8 of them, year/month/day, seconds since 1970
    or their thousandths, RFC 2822; in a list the first, in a mapping `$date`, as databases export it. Years outside
    1980 to 2100 are other calendars or mistakes.

    >>> moment("2021-03-04T05:06:07Z").isoformat(), moment("۱۳۹۹/۱۲/۱۴"), moment("04/03/2021")
    ('2021-03-04T05:06:07+00:00', None, None)
    """
    try:
        found = _moment(value)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
    return found if found and 1980 <= found.year <= 2100 else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, list | Mapping):
        inner = value.get("$date", value.get("$numberLong")) if isinstance(value, Mapping) else next(iter(value), None)
        return _moment(inner)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        while value > 1e11:  # thousandths, millionths or billionths
            value /= 1000
        return datetime.fromtimestamp(value, UTC) if value > 3e8 else None
    return _written_moment(value.strip()) if isinstance(value, str) and value.isascii() else None


@lru_cache(1 << 12)  # days are written many times over
def _written_moment(text: str) -> datetime | None:
    if text.isdecimal() and COMPACT.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%S" if len(text) == 14 else "%Y%m%d").replace(tzinfo=UTC)
    if SINCE_1970.fullmatch(text):
        return _moment(float(text))
    if ISO.match(text):
        text = text if len(text) == 10 else ZONE.sub("", text)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            parts = ISO.match(text)
            assert parts
            found = datetime(*(int(part) for part in parts.groups() if part))  # type: ignore[arg-type]
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if match := SLASHED.match(text):
        return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
    if "," in text or ":" in text:
        from email.utils import parsedate_to_datetime

        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return None


CREATIVE_COMMONS = re.compile(r"creativecommons\.org/(?:licenses|licences)/([a-z-]+)/(\d\.\d)", re.I)
LICENCE_KEYS = ("identifier", "spdx_id", "spdx", "id", "url", "@id", "name", "title", "value")


def licence_name(value: object) -> str:
    """A licence field as SPDX where it is a Creative Commons address, else as it stands, on one line.

    Of a mapping it is the address or the short name, of a list each, once.

    >>> licence_name("https://creativecommons.org/licenses/by-sa/3.0/ee/legalcode")
    'CC-BY-SA-3.0'
    """
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(filter(None, map(licence_name, value))))[:100]
    if isinstance(value, Mapping):
        said = {key: name for key in LICENCE_KEYS if (name := licence_name(value.get(key)))}
        return next((name for name in said.values() if name.startswith("CC")), next(iter(said.values()), ""))
    return _written_licence(value) if isinstance(value, str) else ""


@lru_cache(1 << 8)  # a file names few licences
def _written_licence(value: str) -> str:
    if match := CREATIVE_COMMONS.search(value):
        return f"CC-{match[1].upper()}-{match[2]}"
    if "creativecommons.org/publicdomain/zero" in value:
        return "CC0-1.0"
    return " ".join(value.split())[:100]


def with_suffix_gone(name: str, suffixes: Sequence[str]) -> str:
    """`name` without the last of `suffixes` that it ends in."""
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
