"""A loopback server with the files of a crawl of Common Crawl, in the layout that is public: lists, index, WARC, WET.

The index has three files in the order of reversed hosts, with many row groups each. Most of its rows are of pages that
nobody asks for, and whose records are nowhere.
"""

import gzip
import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

CRAWL = "CC-MAIN-2026-43"
ROWS_A_GROUP = 3000
FILLER = 24_000  # rows of other pages a file
SEGMENT = f"crawl-data/{CRAWL}/segments/1761000000.1"
SCHEMA = pa.schema(
    {
        "url_surtkey": pa.string(),
        "url": pa.string(),
        "url_host_name": pa.string(),
        "url_host_tld": pa.string(),
        "url_host_registered_domain": pa.string(),
        "fetch_time": pa.timestamp("ms"),
        "fetch_status": pa.int16(),
        "content_digest": pa.string(),
        "content_mime_type": pa.string(),
        "content_mime_detected": pa.string(),
        "content_languages": pa.string(),
        "warc_filename": pa.string(),
        "warc_record_offset": pa.int32(),
        "warc_record_length": pa.int32(),
        "warc_segment": pa.string(),
    }
)


@dataclass(frozen=True)
class Page:
    """A page of the crawl."""

    url: str
    languages: str
    text: str = ""
    mime: str = "text/html"
    status: int = 200
    record_url: str = ""  # of its record, where that is another's
    header: str = ""  # a further line of its answer

    @cached_property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @cached_property
    def surt(self) -> str:
        return ",".join(reversed(self.host.split("."))) + ")" + urlsplit(self.url).path

    def html(self) -> bytes:
        return f"<html><head><title>A page</title></head><body><p>{self.text}</p></body></html>".encode()

    def record(self) -> bytes:
        """Its response as the crawl stores it: a gzip member."""
        body = self.html()
        head = f"HTTP/1.1 {self.status} OK\r\nContent-Type: {self.mime}; charset=utf-8\r\n{self.header}"
        block = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        return gzip.compress(warc("response", self.record_url or self.url, block, "application/http; msgtype=response"))

    def plain(self) -> bytes:
        """Its text as a WET file has it."""
        more = f"WARC-Identified-Content-Language: {self.languages}\r\n"
        return gzip.compress(warc("conversion", self.url, self.text.encode(), "text/plain", more))


def warc(kind: str, url: str, block: bytes, content_type: str, more: str = "") -> bytes:
    name = hashlib.md5(f"{kind} {url}".encode(), usedforsecurity=False).hexdigest()
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2026-10-20T11:22:33Z\r\nWARC-Record-ID: <urn:uuid:{name}>\r\n"
        f"Content-Length: {len(block)}\r\nContent-Type: {content_type}\r\nWARC-IP-Address: 192.0.2.7\r\n"
        f"WARC-Target-URI: {url}\r\n{more}\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def row(page: Page, file: str, offset: int, length: int) -> dict[str, Any]:
    labels = page.host.split(".")
    return {
        "url_surtkey": page.surt,
        "url": page.url,
        "url_host_name": page.host,
        "url_host_tld": labels[-1],
        "url_host_registered_domain": ".".join(labels[-2:]),
        "fetch_time": None,
        "fetch_status": page.status,
        "content_digest": hashlib.sha1(page.url.encode(), usedforsecurity=False).hexdigest().upper()[:32],
        "content_mime_type": page.mime,
        "content_mime_detected": page.mime,
        "content_languages": page.languages or None,
        "warc_filename": file,
        "warc_record_offset": offset,
        "warc_record_length": length,
        "warc_segment": "1761000000.1",
    }


@dataclass
class CommonCrawl:
    """The files by path, and what was asked for. `faults[path]` are statuses, or calls, used up one a request."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)  # path and range
    sent: int = 0
    url: str = ""

    def publish(self, pages: list[Page], crawl: str = CRAWL, filler: int = FILLER) -> None:
        """Make the crawl's files: a third of the top-level domains, and `filler` other rows, in each of the index."""
        segment = SEGMENT.replace(CRAWL, crawl)
        rows: list[dict[str, Any]] = []
        for number in range(2):
            file, data = f"{segment}/warc/part-{number:05d}.warc.gz", io.BytesIO()
            data.write(gzip.compress(warc("warcinfo", "", b"software: test\r\n", "application/warc-fields")))
            texts = [gzip.compress(warc("warcinfo", "", b"software: test\r\n", "application/warc-fields"))]
            for page in pages[number::2]:
                record = page.record()
                rows.append(row(page, file, data.tell(), len(record)))
                data.write(record)
                texts.append(page.plain())
            self.files[file] = data.getvalue()
            self.files[file.replace("/warc/", "/wet/").replace(".warc.gz", ".warc.wet.gz")] = b"".join(texts)
        paths = []
        for number, (first, last) in enumerate((("0", "d"), ("e", "h"), ("i", "z"))):
            path = f"cc-index/table/cc-main/warc/crawl={crawl}/subset=warc/part-{number:05d}-x.c000.gz.parquet"
            mine = [each for each in rows if first <= each["url_host_tld"][0] <= last]
            mine += [*fillers(f"{first}{last}m", filler // 2), *fillers(f"{last}um", filler // 2)]
            mine.sort(key=lambda each: each["url_surtkey"])
            table = pa.Table.from_pylist(mine, SCHEMA)
            out = io.BytesIO()
            pq.write_table(table, out, row_group_size=ROWS_A_GROUP, compression="gzip")
            self.files[path] = out.getvalue()
            paths.append(path)
        others = [path.replace("subset=warc", "subset=robotstxt") for path in paths]
        self.files[f"crawl-data/{crawl}/cc-index-table.paths.gz"] = lines([*others, *paths])
        wet = sorted(path for path in self.files if path.endswith(".wet.gz") and f"/{crawl}/" in path)
        self.files[f"crawl-data/{crawl}/wet.paths.gz"] = lines(wet)
        crawls = sorted({path.split("/")[1] for path in self.files if path.startswith("crawl-data/")}, reverse=True)
        self.files["collinfo.json"] = json.dumps([{"id": each, "name": each} for each in crawls]).encode()

    def asked_for(self, ending: str) -> list[tuple[str, str]]:
        """The requests for files whose names end so."""
        return [each for each in self.requests if each[0].endswith(ending)]


def lines(paths: list[str]) -> bytes:
    return gzip.compress("".join(f"{path}\n" for path in paths).encode())


@cache
def fillers(tld: str, count: int) -> list[dict[str, Any]]:
    """Rows of pages that nobody asks for."""
    return [filler(number, tld) for number in range(count)]


def filler(number: int, tld: str) -> dict[str, Any]:
    page = Page(f"https://site{number // 50}.{tld}/{hashlib.md5(b'%d' % number).hexdigest()}", "eng")
    return row(page, f"{SEGMENT}/warc/nowhere.warc.gz", number * 1000, 900)


class CommonCrawlHandler(BaseHTTPRequestHandler):
    crawl: CommonCrawl
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet: apart, the second waits 40 ms for what the first is answered

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, data: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(data))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        crawl, path = self.crawl, self.path.lstrip("/")
        asked = self.headers.get("Range", "")
        crawl.requests.append((path, asked))
        fault = crawl.faults[path].pop(0) if crawl.faults.get(path) else None
        if callable(fault):
            fault = fault()
        if isinstance(fault, int):
            return self.answer(fault)
        data = crawl.files.get(path)
        if data is None:
            return self.answer(404)
        etag = f'"{len(data)}"'
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
        if found is None:
            crawl.sent += len(data)
            return self.answer(200, data, ETag=etag)
        start = int(found[1]) if found[1] else max(0, len(data) - int(found[2]))
        end = min(int(found[2]) + 1, len(data)) if found[1] and found[2] else len(data)
        if start >= len(data):
            return self.answer(416)
        crawl.sent += end - start
        return self.answer(206, data[start:end], ETag=etag, Content_Range=f"bytes {start}-{end - 1}/{len(data)}")


@cache
def published(pages: tuple[Page, ...], filler: int) -> dict[str, bytes]:
    """The files of a crawl with these pages."""
    crawl = CommonCrawl()
    crawl.publish(list(pages), filler=filler)
    return crawl.files


@contextmanager
def commoncrawl_server(pages: list[Page], filler: int = FILLER) -> Iterator[CommonCrawl]:
    """A crawl with these pages on a free loopback port."""
    crawl = CommonCrawl(dict(published(tuple(pages), filler)))
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (CommonCrawlHandler,), {"crawl": crawl}))
    http.daemon_threads = True
    crawl.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield crawl
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
