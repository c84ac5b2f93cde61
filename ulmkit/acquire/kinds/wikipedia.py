"""A Wikipedia from Wikimedia's dump server or a mirror: the newest complete dump, in the parts it is published in.

How dumps lie on the server: https://meta.wikimedia.org/wiki/Data_dumps ; `dumpstatus.json` says for every date which
files are done, with size and checksums. A multistream file is bz2 streams of a hundred pages one after the other, and
its index has `offset:page id:title` for each page, so that a first taste costs a few ranges and not gigabytes.
"""

import bz2
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ulmkit.acquire.address import address_of, shown_address
from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.download import download, require_space
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.guard import Guard
from ulmkit.artifacts.atomic import atomic_write, lock, read_json, write_json
from ulmkit.artifacts.manifest import file_sha256, fits_checksum, with_checksum, without_checksum
from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.formats.mediawiki import Site, page_document, pages, redirect_pattern, site_of
from ulmkit.formats.origin import Origin
from ulmkit.formats.streams import BUFFER, CODECS, LIMITS, ByteBudget, SectionBytes, Stream, decompressed
from ulmkit.language.sources import WikimediaSource
from ulmkit.progress import Progress, Report, silent

SERVER = "https://dumps.wikimedia.org"
MIRROR = "ULMKIT_WIKIMEDIA_MIRROR"
JOB = "articlesmultistreamdump"
DATES_TRIED = 8  # dumps come twice a month and old ones are removed: more than there usually are
PAGE_LIMIT = 1 << 25  # bytes of a listing or a status file
INDEX_PIECE = 1 << 17  # bytes of an index read at a time: some ten thousand pages
PAGES_A_BLOCK = 100
BLOCK_LIMIT = 1 << 28  # bytes asked for at a time
# what a range or an index may expand to: dumps expand to 4 to 20 times their size, bombs to a million times
UNPACKED = replace(LIMITS, floor=1 << 25, ratio=100)
UNPACKED_LIMIT = 1 << 30  # bytes, whatever the ratio: two hundred blocks have half of it
INDEX_LINE = 1 << 16  # bytes; a title has at most 255


@dataclass(frozen=True)
class DumpPart:
    """One multistream file with its index; sizes and digests as published (nothing where they are not)."""

    name: str
    index: str
    size: int | None = None
    index_size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dump:
    """One wiki on one date, complete."""

    wiki: str
    date: str
    base: str
    parts: tuple[DumpPart, ...]

    def url(self, name: str) -> str:
        return f"{self.base}/{self.wiki}/{self.date}/{name}"


def fetch(
    spec: WikimediaSource,
    folder: Path,
    *,
    mirror: str | None = None,
    limit: int | None = None,
    guard: Guard | None = None,
    contact: str = "",
    progress: Report = silent,
    client: Client | None = None,
) -> Fetched:
    """The wiki `spec.locator` as files under `folder/wikipedia/<wiki>-<date>/`.

    The newest complete date is taken, unless `spec.date` names one. `mirror` (or the environment
    variable) replaces the dump server. `limit` brings only the first so many articles, as one small dump.
    Without a network, or where `guard` is offline, what an earlier run brought whole is used; else `InputError` says
    what to do instead.
    """
    wiki = spec.locator
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,60}", wiki):
        raise UsageError(f"source '{spec.name}': '{wiki}' is no wiki. Give its database name, such as fawiki.")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give the number of articles, 1 or more.")
    given, base = _server(mirror)
    home = folder / "wikipedia"
    if guard is not None and guard.offline:
        if earlier := brought_before(home, wiki, limit):
            return earlier
        raise InputError(f"nothing of {wiki} was fetched yet, and --offline asks for nothing.")
    client = client or Client(delay_s=spec.delay_s, contact=contact)
    try:
        with lock(home, f"downloading {wiki}"):
            try:
                dump = newest(client, given, wiki, spec.date or None)
            except FetchError as error:
                if error.status == 0 and (earlier := brought_before(home, wiki, limit)):
                    return earlier
                raise
            target = home / f"{wiki}-{dump.date}"
            pins: dict[str, Any] = {"wiki": wiki, "date": dump.date, "mirror": base, "limit": limit}
            if limit is None:
                described = bring_parts(client, dump, target, progress)
            else:
                described = bring_articles(client, dump, target, limit, progress)
            pins["files"] = described
            write_json(target / pins_name(limit), with_checksum(pins))
            return Fetched([target / name for name in described], pins)
    except FetchError as error:
        raise InputError(
            f"{error.url}: {error.what}. Give files at hand with --input, another server with --mirror, "
            f"or see it work with `ulmkit demo {folder.parent.name}`."
        ) from error
    except ArtifactError as error:
        if "--input" in str(error):
            raise
        raise ArtifactError(f"{error} Files at hand can be given with --input.") from error


def _server(mirror: str | None) -> tuple[str, str]:
    """The dump server's address as it was given, and without a user in it. Raises `UsageError` for none."""
    given = (mirror or os.environ.get(MIRROR) or SERVER).rstrip("/")
    try:
        return given, address_of(given).url
    except ValueError as error:
        message = f"--mirror {shown_address(given)}: {error}. Give the address of a server, https://…."
        raise UsageError(message) from None


def pins_name(limit: int | None) -> str:
    return "pins.json" if limit is None else f"pins-first-{limit}.json"


def brought_before(home: Path, wiki: str, limit: int | None) -> Fetched | None:
    """The newest download of this wiki that is whole on disk."""
    for path in sorted(home.glob(f"{wiki}-[0-9]*/{pins_name(limit)}"), reverse=True):
        pins = read_json(path)
        if not fits_checksum(pins):
            continue
        files = {path.parent / name: entry["bytes"] for name, entry in pins["files"].items()}
        if all(file.is_file() and file.stat().st_size == size for file, size in files.items()):
            return Fetched(list(files), without_checksum(pins))
    return None


def newest(client: Client, base: str, wiki: str, date: str | None = None) -> Dump:
    """The newest date on which the multistream dump is complete. Raises `FetchError` where there is none."""
    listing = f"{base}/{wiki}/"
    if date is not None:
        dates = [str(date)]
    else:
        page_text = client.read(listing, PAGE_LIMIT).decode("utf-8", "replace")
        dates = sorted(set(re.findall(r"""href=["'](?:[^"']*/)?(\d{8})/?["']""", page_text)), reverse=True)
    for tried in dates[:DATES_TRIED]:
        if parts := complete_parts(client, base, wiki, tried):
            return Dump(wiki, tried, base, parts)
    seen = f"none of {', '.join(dates[:DATES_TRIED])} is complete" if dates else "no dump in the listing"
    raise FetchError(listing, seen, 200)


def complete_parts(client: Client, base: str, wiki: str, date: str) -> tuple[DumpPart, ...]:
    """The multistream parts of one date, none while they are being made.

    By `dumpstatus.json`; a mirror that leaves it out has the checksum list, which is written at the end.
    """
    try:
        status = json.loads(client.read(f"{base}/{wiki}/{date}/dumpstatus.json", PAGE_LIMIT))
        job = status["jobs"][JOB]
        if job["status"] != "done":
            return ()
        return paired(wiki, date, {str(name): dict(entry) for name, entry in job["files"].items()})
    except FetchError as error:
        if error.status != 404:
            raise
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ()  # a status file being written
    try:
        lines = client.read(f"{base}/{wiki}/{date}/{wiki}-{date}-sha1sums.txt", PAGE_LIMIT).decode("ascii", "replace")
    except FetchError as error:
        if error.status != 404:
            raise
        return ()
    return paired(
        wiki, date, {name: {"sha1": digest} for digest, name in re.findall(r"^([0-9a-f]{40})\s+(\S+)$", lines, re.M)}
    )


def paired(wiki: str, date: str, files: Mapping[str, Mapping[str, Any]]) -> tuple[DumpPart, ...]:
    """Dump files with their indexes, in the order of their pages; numbered parts rather than the whole."""
    found: list[tuple[int, DumpPart]] = []
    stem = re.escape(f"{wiki}-{date}-pages-articles-multistream")
    for name, entry in files.items():
        match = re.fullmatch(rf"{stem}(\d*)\.xml((?:-p\d+p\d+)?)\.bz2", name)
        if match is None:
            continue
        index = f"{wiki}-{date}-pages-articles-multistream-index{match[1]}.txt{match[2]}.bz2"
        size, index_size = published_size(entry), published_size(files.get(index, {}))
        checksums = {kind: str(entry[kind]) for kind in ("sha1", "md5") if entry.get(kind)}
        first = re.match(r"-p(\d+)p", match[2])
        order = int(first[1]) if first else -1
        found.append((order, DumpPart(name, index, size, index_size, checksums)))
    found.sort(key=lambda item: item[0])
    numbered = [part for order, part in found if order >= 0]
    return tuple(numbered or (part for _, part in found))


def published_size(entry: Mapping[str, Any]) -> int | None:
    """The size of a file in bytes, as published; None where that is no number of bytes."""
    size = entry.get("size")
    return size if type(size) is int and 0 <= size < 1 << 63 else None


def bring_parts(client: Client, dump: Dump, target: Path, report: Report) -> dict[str, dict[str, Any]]:
    """All parts, whole and checked; those on disk with the published size are not asked for again."""
    missing = [
        part
        for part in dump.parts
        if not (target / part.name).is_file()
        or (part.size is not None and (target / part.name).stat().st_size != part.size)
    ]
    begun = sum(path.stat().st_size for part in missing if (path := target / f"{part.name}.download").is_file())
    require_space(target, sum(part.size or 0 for part in missing) - begun)
    for part in missing:
        download(
            client,
            dump.url(part.name),
            target / part.name,
            size=part.size,
            checksums=part.checksums,
            report=report,
        )
    return {
        part.name: {
            "bytes": (target / part.name).stat().st_size,
            "verified": bool(part.checksums),
            # ours, where none is published: what `verify` compares with
            **(part.checksums or {"sha256": file_sha256(target / part.name)}),
        }
        for part in dump.parts
    }


def bring_articles(client: Client, dump: Dump, target: Path, limit: int, report: Report) -> dict[str, dict[str, Any]]:
    """The first `limit` articles as one well-formed multistream file, of as many blocks as it takes."""
    name = f"{dump.wiki}-{dump.date}-pages-articles-multistream-first-{limit}.xml.bz2"
    path = target / name
    if not path.is_file():
        with atomic_write(path) as file:
            for piece in first_articles(client, dump, limit, report):
                file.write(piece)
    # a part of a published file has no published checksum: bz2's own were checked on every block
    return {name: {"bytes": path.stat().st_size, "verified": False, "sha256": file_sha256(path)}}


def first_articles(client: Client, dump: Dump, limit: int, report: Report) -> Iterator[bytes]:
    """bz2 streams: the dump's head, whole blocks, the last one cut after the last wanted article, and an end."""
    found = 0
    site: Site | None = None

    def wanted() -> int:
        return limit - found

    for part in dump.parts:
        for start, end in blocks(client, dump, part, wanted):
            packed = ranged(client, dump.url(part.name), start, end)
            text = unpacked(packed, dump.url(part.name))
            if site is None:
                site = site_of(text)
            elif start == 0:
                continue  # the head of a further part
            kept, count = up_to(text, site, limit - found)
            found += count
            yield packed if kept is None else bz2.compress(kept)
            report(Progress("fetch", found, limit, "articles", dump.wiki))
            if found >= limit:
                yield bz2.compress(b"</mediawiki>\n")
                return
    if site is not None:
        yield bz2.compress(b"</mediawiki>\n")


def up_to(text: bytes, site: Site, limit: int) -> tuple[bytes | None, int]:
    """What to keep of a block so that it has at most `limit` articles (None: it stays as it is), and how many."""
    redirect = redirect_pattern(())
    origin = Origin("", "")
    stream = Stream(SectionBytes(io.BytesIO(text), len(text)))
    count = at = 0
    for piece in pages(stream, LIMITS.record):
        if isinstance(piece, Unreadable):
            break
        before, body = piece
        if not body:
            break
        at += len(before) + len(body) + len(b"</page>")
        count += isinstance(page_document(body, site, redirect, origin), RawDocument)
        if count == limit:
            return text[:at] + b"\n", count
    closing = text.rfind(b"</mediawiki>")
    return (text[:closing] if closing >= 0 else None), count


def blocks(client: Client, dump: Dump, part: DumpPart, wanted: Callable[[], int]) -> Iterator[tuple[int, int | None]]:
    """(first byte, byte after the last) of the head, then of runs of blocks about as long as articles are wanted."""
    bounds = offsets(client, dump, part)
    at = 0
    start = next(bounds, None)
    yield at, start
    while start is not None:
        # one page in three is an article; the rest are redirects and other namespaces
        run = max(1, min(3 * wanted() // PAGES_A_BLOCK, 200))
        end: int | None = start
        for _ in range(run):
            end = next(bounds, None)
            if end is None:
                break
        yield start, end
        start = end


def offsets(client: Client, dump: Dump, part: DumpPart) -> Iterator[int]:
    """Where the blocks of a part begin, from as much of its index as is asked for."""
    url = dump.url(part.index)
    decoder = bz2.BZ2Decompressor()
    line, last, at, unpacked_bytes = b"", -1, 0, 0
    while not decoder.eof:
        if part.index_size is not None and at >= part.index_size:
            return
        end = at + INDEX_PIECE if part.index_size is None else min(at + INDEX_PIECE, part.index_size)
        data = ranged(client, url, at, end)
        at += len(data)
        given = data
        while given or not (decoder.needs_input or decoder.eof):
            try:
                text = decoder.decompress(given, BUFFER)
            except (OSError, EOFError) as error:
                raise FetchError(url, f"damaged ({error})", 200) from error
            given = b""
            unpacked_bytes += len(text)
            *lines, line = (line + text).split(b"\n")
            if len(line) > INDEX_LINE or unpacked_bytes > max(UNPACKED.floor, UNPACKED.ratio * at):
                raise FetchError(url, f"no index: {at:,} bytes expand to more than {unpacked_bytes:,}", 200)
            for entry in lines:
                number = entry.partition(b":")[0]
                if re.fullmatch(rb"[0-9]{1,18}", number) and int(number) != last:
                    last = int(number)
                    yield last
        if len(data) < INDEX_PIECE:
            return


def ranged(client: Client, url: str, start: int, end: int | None) -> bytes:
    """Bytes `start` to `end` (not included; None: to the last) of `url`."""
    span = f"bytes={start}-{'' if end is None else end - 1}"
    try:
        return client.read(url, BLOCK_LIMIT if end is None else end - start, {"Range": span})
    except FetchError as error:
        if error.status == 416:
            return b""
        raise


def unpacked(data: bytes, url: str) -> bytes:
    """All bz2 streams in `data`, at most as many bytes as a dump expands to."""
    packed = Stream(SectionBytes(io.BytesIO(data), len(data)))
    stream = decompressed(packed, CODECS["bzip2"], UNPACKED, ByteBudget(len(data), UNPACKED))
    text = bytearray()
    while len(text) <= UNPACKED_LIMIT and (piece := stream.read(BUFFER)):
        text += piece
    if stream.failure or len(text) > UNPACKED_LIMIT:
        why = " ".join(stream.failure) if stream.failure else f"more than {UNPACKED_LIMIT:,} bytes"
        raise FetchError(url, f"a block is damaged or no dump's ({why})", 200)
    return bytes(text)
