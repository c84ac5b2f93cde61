"""Which pages of a crawl are wanted? Rows of a file of Common Crawl's columnar index, read from where they lie.

Row groups that cannot hold a wanted row are known by their statistics, of the others one column is read first, and the
rest only where that has a wanted row. Columns: https://commoncrawl.org/columnar-index (schema of cc-index-table).
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ulmkit.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

TLD, DOMAIN, LANGUAGES = "url_host_tld", "url_host_registered_domain", "content_languages"
PLACE = ("warc_filename", "warc_record_offset", "warc_record_length")
NEEDED = ("url", "content_mime_detected", "fetch_status", *PLACE)
GAP = 1 << 17  # bytes between two columns that are sooner read than asked for around
LONGEST_RECORD = 1 << 26
_FILE = re.compile(r"crawl-data/[\w.=-]+(?:/[\w.=-]+){1,12}\.warc\.gz", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """The rows that are wanted: by one of top-level domain, registered domain and main language (ISO 639-3)."""

    tld: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    language: str = ""
    mime: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The column that decides."""
        return TLD if self.tld else DOMAIN if self.domains else LANGUAGES

    def wants(self, host: str, language: str) -> bool:
        """Whether a page of a host, mainly in a language, is wanted where no index says it."""
        if self.language:
            return language == self.language
        return any(f".{host.lower()}".endswith(f".{each}") for each in self.tld or self.domains)

    @property
    def bounds(self) -> dict[str, tuple[str, ...]]:
        """Columns whose least and greatest value tell of a row group that it holds nothing, each with what is sought.

        The index is in the order of reversed hosts, so that a top-level domain lies together.
        """
        if self.tld:
            return {TLD: self.tld}
        if not self.domains:
            return {}
        return {TLD: tuple(each.rpartition(".")[2] for each in self.domains), DOMAIN: self.domains}


@dataclass(frozen=True)
class IndexedPage:
    """A page of the crawl: where its record lies, in bytes of a WARC file."""

    url: str
    file: str
    offset: int
    length: int
    language: str = ""  # its main one (ISO 639-3), where the index says it


class SpannedFile(io.RawIOBase):
    """A file that may be told which spans of it are read next, so that each is read at once."""

    spans: tuple[tuple[int, int], ...] = ()


class CrawlIndex:
    """A file of the index. All that reads it raises `InputError` for what is none."""

    def __init__(self, file: SpannedFile, name: str) -> None:
        import pyarrow.parquet as pq

        self.file, self.name = file, name
        with self._sound():
            self.table = pq.ParquetFile(cast(Any, file), pre_buffer=False)

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return int(self.table.metadata.num_row_groups)

    def promising(self, selection: Selection) -> list[int]:
        """The row groups that may hold wanted rows, by their statistics."""
        missing = {*NEEDED, selection.column} - set(self.table.schema_arrow.names)
        if missing:
            raise InputError(f"{self.name}: no column {min(missing)}.")
        with self._sound():
            return [number for number in range(self.groups) if self._may_have(number, selection.bounds)]

    def extent(self) -> tuple[str, str] | None:
        """The least and the greatest top-level domain in the file, by its statistics; None where they are not there."""
        found: list[str] = []
        for number in range(self.groups):
            group = self.table.metadata.row_group(number)
            for each in (group.column(place) for place in range(group.num_columns)):
                statistics = each.statistics if each.path_in_schema == TLD and each.is_stats_set else None
                if statistics is not None and statistics.has_min_max:
                    found += [str(statistics.min), str(statistics.max)]
        return (min(found), max(found)) if found else None

    def domains(self, group: int, language: str) -> dict[str, tuple[int, int]]:
        """Registered domain → pages of a row group that are mainly in a language, and pages; of domains that have some.

        The languages' column is read first, and the domains' where it has a wanted row.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        missing = {DOMAIN, LANGUAGES} - set(self.table.schema_arrow.names)
        if missing:
            raise InputError(f"{self.name}: no column {min(missing)}.")
        with self._sound():
            wanted = self._in_language(self._read(group, (LANGUAGES,)).column(0), language)
            if not pc.any(wanted).as_py():
                return {}
            domains = self._read(group, (DOMAIN,)).column(0).cast(pa.string())
            counted = pa.table({"domain": domains, "wanted": wanted.cast(pa.int64())}).group_by("domain")
            rows = counted.aggregate([("wanted", "sum"), ("wanted", "count")]).to_pylist()
        found = {row["domain"]: (row["wanted_sum"], row["wanted_count"]) for row in rows if row["wanted_sum"]}
        return {domain: counts for domain, counts in found.items() if isinstance(domain, str) and domain}

    def captures(self, group: int, selection: Selection) -> list[IndexedPage]:
        """The wanted rows of a row group; a row that says no place of a record is left."""
        if group >= self.groups:
            raise InputError(f"{self.name}: no row group {group}.")
        with self._sound():
            rows = self._wanted(group, selection)
            if rows is None:
                return []
            columns = [rows.column(column).to_pylist() for column in ("url", *PLACE)]
            said = rows.column(LANGUAGES).to_pylist() if LANGUAGES in rows.schema.names else [""] * rows.num_rows
        places = zip(zip(*columns, strict=True), said, strict=True)
        return [IndexedPage(u, f, o, n, _main(said)) for (u, f, o, n), said in places if _is_place(u, f, o, n)]

    def _may_have(self, number: int, sought: Mapping[str, tuple[str, ...]]) -> bool:
        group = self.table.metadata.row_group(number)
        chunks = {group.column(each).path_in_schema: group.column(each) for each in range(group.num_columns)}
        return all(_may_hold(chunks.get(column), values) for column, values in sought.items())

    def _wanted(self, group: int, selection: Selection) -> "pa.Table | None":
        """The wanted rows; None where the deciding column, which is read first, has none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        deciding = self._read(group, (selection.column,)).column(0)
        if selection.column == LANGUAGES:
            wanted = self._in_language(deciding, selection.language)
        else:
            wanted = pc.is_in(deciding, value_set=pa.array(selection.tld or selection.domains, deciding.type))
            wanted = pc.fill_null(wanted, False)
        if not pc.any(wanted).as_py():
            return None
        rows = self._read(group, (*NEEDED, *({LANGUAGES} & {*self.table.schema_arrow.names}))).filter(wanted)
        good = pc.equal(rows.column("fetch_status"), 200)
        if selection.mime:
            kinds = rows.column("content_mime_detected")
            good = pc.and_kleene(good, pc.is_in(kinds, value_set=pa.array(selection.mime, kinds.type)))
        return rows.filter(pc.fill_null(good, False))

    @staticmethod
    def _in_language(column: "pa.ChunkedArray", language: str) -> "pa.ChunkedArray":
        """Which pages are mainly in a language: languages stand in the order of their share of the page."""
        import pyarrow.compute as pc

        mainly = pc.or_kleene(pc.equal(column, language), pc.starts_with(column, f"{language},"))
        return pc.fill_null(mainly, False)

    def _read(self, group: int, columns: tuple[str, ...]) -> "pa.Table":
        """Columns of a row group; those that lie together are read at once."""
        described = self.table.metadata.row_group(group)
        chunks = [described.column(number) for number in range(described.num_columns)]
        spans: list[tuple[int, int]] = []
        for start, end in sorted(_span(chunk) for chunk in chunks if chunk.path_in_schema in columns):
            if spans and start - spans[-1][1] <= GAP:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((start, end))
        self.file.spans = tuple(spans)
        return self.table.read_row_group(group, columns=list(columns), use_threads=False)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Turn what a damaged file makes of its reader into one line."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
            raise InputError(f"{self.name}: no index in Parquet ({str(error).splitlines()[0][:100]}).") from error


def _main(languages: Any) -> str:
    """The first of a page's languages, which is that of most of it."""
    first = languages.partition(",")[0] if isinstance(languages, str) else ""
    return first if re.fullmatch(r"[a-z]{3}", first) else ""


def _is_place(url: Any, file: Any, offset: Any, length: Any) -> bool:
    """Whether a row says where a record lies."""
    named = isinstance(url, str) and isinstance(file, str) and _FILE.fullmatch(file) and ".." not in file
    return bool(named and offset is not None and offset >= 0 and 0 < (length or 0) <= LONGEST_RECORD)


def _span(chunk: Any) -> tuple[int, int]:
    """The bytes of a column of a row group."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    return start, start + chunk.total_compressed_size


def _may_hold(chunk: Any, values: tuple[str, ...]) -> bool:
    """Whether a column of a row group may hold one of `values`: always where its statistics are not there."""
    statistics = chunk.statistics if chunk is not None and chunk.is_stats_set else None
    if statistics is None or not statistics.has_min_max:
        return True
    least, most = statistics.min, statistics.max
    if not isinstance(least, str) or not isinstance(most, str):
        return True
    # a writer may cut a long value short
    return any(least <= value and (value <= most or value.startswith(most)) for value in values)
