"""What people have: any file, folder or pattern, recognised by content, streamed, never unpacked."""

import errno
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from ulmkit.document import Unreadable, UsageTerms
from ulmkit.errors import InputError, UsageError, system_error
from ulmkit.files import NotRegularError, RegularFile, open_regular, require_regular, walk
from ulmkit.formats import reasons
from ulmkit.formats.containers import TAR_BLOCK, Member, tar_members, zip_members
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.feed_files import read_feed_file
from ulmkit.formats.json import read_json_document, read_json_lines
from ulmkit.formats.mail import read_mail, read_mailbox
from ulmkit.formats.mediawiki import read_mediawiki
from ulmkit.formats.origin import READING, Origin, Reading, Record, with_suffix_gone
from ulmkit.formats.pages import read_html, read_markdown, read_treebank, reader_of
from ulmkit.formats.plain_text import read_plain_text
from ulmkit.formats.recognise import Format, recognise
from ulmkit.formats.spoken import read_messages, read_subtitles
from ulmkit.formats.streams import CODECS, LIMITS, ByteBudget, FileBytes, Limits, Stream, decompressed
from ulmkit.formats.table_told import told_layout
from ulmkit.formats.tables import read_arrow, read_parquet, read_table
from ulmkit.formats.warc import read_arc, read_warc
from ulmkit.formats.xml_rows import read_xml_rows
from ulmkit.names import home_expanded, stored_name
from ulmkit.text.encoding import Undecodable

Reader = Callable[[Stream, Origin], Iterator[Record]]

READERS: dict[str, Reader] = {
    "json lines": read_json_lines,
    "json": read_json_document,
    "table": read_table,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "mediawiki": read_mediawiki,
    "warc": read_warc,
    "arc": read_arc,
    "treebank": read_treebank,
    "html": read_html,
    "markdown": read_markdown,
    "asciidoc": reader_of("asciidoc"),
    "restructured": reader_of("restructured"),
    "org": reader_of("org"),
    "wikitext": reader_of("wikitext"),
    "mail": read_mail,
    "mailbox": read_mailbox,
    "xml rows": read_xml_rows,
    "feed": read_feed_file,
    "subtitles": read_subtitles,
    "messages": read_messages,
    "text": read_plain_text,
}
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".bgz", ".gzip", ".lz4")
_SHORT = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar"}


def expand_inputs(patterns: Sequence[str]) -> list[Path]:
    """Files, folders (all files below, hidden ones left out) and globs as files, each once, in order.

    A folder's and a glob's files come sorted, and no folder is gone through twice, however links lead back to it.
    Raises `UsageError` for a pattern that matches nothing, `InputError` for a file that is no regular one; among the
    many of a folder or a pattern such a one is for `read_file` to count.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = home_expanded(pattern)
        if path.is_dir():
            files = _below(path)
        elif os.path.lexists(path):
            try:
                require_regular(path)
            except OSError as error:
                raise InputError(f"--input {pattern}: {error.strerror}. Give a file, or a folder of them.") from error
            files = [path]
        else:
            files = [file for match in _matches(path) for file in (_below(match) if match.is_dir() else [match])]
        if not files:
            what = "no files in it" if path.is_dir() else "no such file, and no file matches"
            raise UsageError(f"--input {pattern}: {what}. Give a file, a folder or a pattern in quotes.")
        found |= dict.fromkeys(files)
    return list(found)


def _matches(pattern: Path) -> list[Path]:
    """What a glob stands for, sorted: as the shell has it, hidden names left out unless the pattern names them.

    `**` follows no link: two links to their own folder would be gone through for as many times as there are paths.
    """
    parts = pattern.parts
    fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    # two stars beside letters are one
    rest = ["**" if part == "**" else re.sub(r"\*+", "*", part) for part in parts[fixed:]]
    if not rest:
        return []
    found = Path(*parts[:fixed]).glob("/".join([*rest, "*"] if rest[-1] == "**" else rest))
    if not any(part.startswith(".") for part in rest):
        found = (path for path in found if not any(part.startswith(".") for part in path.parts[fixed:]))
    return sorted(found)


def _below(folder: Path) -> list[Path]:
    """All files under `folder`, sorted by path, nothing hidden."""
    files = []
    try:
        for parent, folders, names in walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            files += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
    except OSError as error:
        advice = "Leave it out or change its rights."
        raise InputError(system_error(error, folder, cannot="cannot be listed", advice=advice)) from error
    return sorted(files)


def input_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each input by which its documents are called, unique among `paths`.

    The file's name; where two agree, as many of their folders as it takes to tell them apart. So an id does not
    depend on where a single file or a whole tree lies.
    """
    depth = dict.fromkeys(paths, 1)
    while True:
        names = {path: "/".join(path.absolute().parts[-depth[path] :]) for path in paths}
        count: dict[str, int] = {}
        for name in names.values():
            count[name] = count.get(name, 0) + 1
        again = [path for path in paths if count[names[path]] > 1 and depth[path] < len(path.absolute().parts)]
        if not again:
            return names
        for path in again:
            depth[path] += 1


def plain_name(name: str) -> str:
    """A file's name without what says how it is packed.

    >>> plain_name("news.jsonl.zst"), plain_name("dump.tgz")
    ('news.jsonl', 'dump.tar')
    """
    for short, long in _SHORT.items():
        if name.lower().endswith(short):
            return name[: -len(short)] + long
    return with_suffix_gone(name, SUFFIXES)


def source_name(name: str) -> str:
    """What documents of a file are called without a name for their source: the file's, without its suffixes.

    >>> source_name("news-1.0.jsonl.zst"), source_name("crawl.warc.wet.gz")
    ('news-1.0', 'crawl')
    """
    return re.sub(r"(?<=.)(?:\.[A-Za-z][A-Za-z0-9]{0,8})+$", "", name)


def read_file(
    path: Path,
    *,
    name: str = "",
    key: str = "",
    licence: str = "unknown",
    text_field: str | None = None,
    documents: str = "",
    table: str = "",
    licence_field: str = "",
    crawled: bool = False,
    ai_agents: Literal["any", "two", "ignore"] = "two",
    reading: Reading = READING,
    limits: Limits = LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """The documents of one file, whatever it is, and a complaint for each record that is none.

    `name` is the source's name (without it, the file's, bare); `key` names the file within the source and must be
    unique among its files (without it, the file's name; see `input_names`). An id is
    `<name>/<key>/<member>#<record>`, `<name>/` only where a name was given: it holds no folder of this machine. In a
    `crawled` archive it is `<name>/<hash of the page's URL>`, and `ai_agents` is what its pages' consent is found by.
    `table` says the layout of tables (see `table_told`).
    `reading` is what the language says of its files. `progress` hears how many bytes of the file were read since
    it was last called. Nothing is raised for what a file holds.
    """
    key = key or stored_name(path.name)
    source = name or stored_name(source_name(path.name))
    origin = Origin(
        source=source,
        where=f"{name}/{key}" if name else key,
        name=path.name,
        licence=licence,
        text_field=text_field,
        documents=documents,
        table=table,
        licence_field=licence_field,
        crawled=crawled,
        terms=UsageTerms(declared=licence, agents=ai_agents) if crawled else None,
        reading=reading,
        limits=limits,
    )
    try:
        file = RegularFile(path)
    except OSError as error:
        yield origin.unreadable(reasons.LINK if leads_nowhere(path, error) else reasons.STORAGE, error.strerror)
        return
    with file:
        stream = Stream(FileBytes(file, progress), path)
        yield from read_stream(stream, origin, ByteBudget(file.size, limits))


def leads_nowhere(path: Path, error: OSError) -> bool:
    """Whether `path` could not be opened because it is no file: a pipe, a device, a link to itself or to nothing."""
    if error.errno == errno.ENOENT:
        return path.is_symlink()  # what has gone meanwhile is another matter
    return isinstance(error, NotRegularError) or error.errno == errno.ELOOP


def read_stream(stream: Stream, origin: Origin, budget: ByteBudget) -> Iterator[Record]:
    """The records of a stream, each layer of packing taken off in turn."""
    head = stream.head()
    if not head:
        yield origin.unreadable(*(stream.failed() if stream.failure else (reasons.EMPTY_TEXT, "")))
        return
    if stream.failure and origin.name.lower().endswith(".tar") and len(head) < TAR_BLOCK:
        yield origin.unreadable(*stream.failed())  # too little of an archive to be known as one; it is no text
        return
    found = recognise(head, origin.name)
    if found.name == "text" and is_told_table(head, origin):
        found = Format("table")
    if not found.name:
        yield origin.unreadable(found.reason, found.detail, shown=excerpt(head))
    elif found.name in READERS:
        yield from with_failure(READERS[found.name](stream, origin), stream, origin)
    elif origin.depth >= origin.limits.nesting:
        yield origin.unreadable(reasons.NESTING, f"more than {origin.limits.nesting} layers")
    elif found.name in CODECS:
        inner = decompressed(stream, CODECS[found.name], origin.limits, budget)
        yield from read_stream(inner, origin.inside(plain_name(origin.name)), budget)
    else:
        members = tar_members(stream, origin) if found.name == "tar" else _zip(stream, origin, budget)
        yield from with_failure(_members(members, origin, budget), stream, origin)


def is_told_table(head: bytes, origin: Origin) -> bool:
    """Whether a text that begins with `head` is a table, since a person said what stands between its cells."""
    try:
        return bool(origin.table) and told_layout(origin.table).divides(origin.decode(head))
    except Undecodable:
        return False


def _zip(stream: Stream, origin: Origin, budget: ByteBudget) -> Iterator[Member]:
    """A zip's members; one that is not a file of its own has to fit in memory, since its contents stand at its end."""
    import io

    if stream.path is not None:
        with open_regular(stream.path) as file:
            yield from zip_members(file, origin, origin.limits, budget)
        return
    data = origin.whole(stream)
    if isinstance(data, Unreadable):
        yield data
    else:
        yield from zip_members(io.BytesIO(data), origin, origin.limits, budget)


def _members(members: Iterator[Member], origin: Origin, budget: ByteBudget) -> Iterator[Record]:
    """The records of an archive's members, each read like a file of its own."""
    for member in members:
        if isinstance(member, Unreadable):
            yield member
            continue
        name, stream = member
        yield from read_stream(stream, origin.member(name), budget)
        if budget.left < 0:
            return


def with_failure(records: Iterator[Record], stream: Stream, origin: Origin) -> Iterator[Record]:
    """`records`, and after them why the stream ended early, unless one of them has said so."""
    told = False
    for record in records:
        yield record
        told = told or (
            isinstance(record, Unreadable) and stream.failure is not None and record.reason == stream.failure.reason
        )
    if stream.failure and not told:
        yield origin.unreadable(*stream.failed(), shown=stream.tail())
