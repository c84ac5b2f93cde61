"""A loopback server that lays out Wikimedia dumps as the dump server does, and fails on demand."""

import bz2
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SITE = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="xx">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>xxwiki</dbname>
    <base>https://xx.wikipedia.org/wiki/Main_Page</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
    </namespaces>
  </siteinfo>
"""
END = "</mediawiki>\n"


def page(number: int, title: str, text: str, *, namespace: int = 0, redirect: str = "") -> str:
    """One page as the exporter writes it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    pointer = f'    <redirect title="{redirect}" />\n' if redirect else ""
    return (
        f"  <page>\n    <title>{title}</title>\n    <ns>{namespace}</ns>\n    <id>{number}</id>\n{pointer}"
        f"    <revision>\n      <id>{number}0</id>\n      <timestamp>2024-01-0{number % 9 + 1}T00:00:00Z</timestamp>\n"
        f"      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
        f'      <text bytes="{len(text.encode())}" xml:space="preserve">{escaped}</text>\n    </revision>\n  </page>\n'
    )


def articles(first: int, count: int, *, text: str = "Lause.") -> list[str]:
    """Pages of which every third is an article, the others redirects and talk pages."""
    made = []
    for number in range(first, first + 3 * count, 3):
        made.append(page(number, f"Artikkel {number}", f"{text} {number} & <ref>x</ref>"))
        made.append(
            page(number + 1, f"Vana {number}", f"#REDIRECT [[Artikkel {number}]]", redirect=f"Artikkel {number}")
        )
        made.append(page(number + 2, f"Talk:Artikkel {number}", "Arutelu.", namespace=1))
    return made


def multistream(pages: list[str], a_block: int = 6) -> tuple[bytes, bytes]:
    """(dump, index): bz2 streams of `a_block` pages between a head and an end, and their offsets."""
    dump, index = bz2.compress(SITE.encode()), []
    for start in range(0, len(pages), a_block):
        block = pages[start : start + a_block]
        for text in block:
            number, title = re.search(r"<id>(\d+)</id>", text), re.search(r"<title>(.*?)</title>", text)
            assert number
            assert title
            index.append(f"{len(dump)}:{number[1]}:{title[1]}\n")
        dump += bz2.compress("".join(block).encode())
    return dump + bz2.compress(END.encode()), bz2.compress("".join(index).encode())


@dataclass
class Server:
    """Files by path, what was asked for, and faults: `faults[path]` is used up one request at a time.

    A fault is a status (with headers), `("cut", n)` for a body that breaks off after n bytes, or
    `("slow", n)` for one that stops moving after n bytes.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    url: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, data: bytes) -> None:
        self.files[path] = data
        self.versions[path] = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'

    def add_dump(
        self, wiki: str, date: str, parts: list[tuple[str, bytes, bytes]], *, status: str = "done", listed: bool = True
    ) -> None:
        """A date of a wiki: parts are (range such as `1` and `-p1p20` joined by a space or "", dump, index)."""
        published: dict[str, Any] = {}
        for suffix, dump, index in parts:
            number, _, pages = suffix.partition(" ")
            for name, data in (
                (f"{wiki}-{date}-pages-articles-multistream{number}.xml{pages}.bz2", dump),
                (f"{wiki}-{date}-pages-articles-multistream-index{number}.txt{pages}.bz2", index),
            ):
                self.put(f"/{wiki}/{date}/{name}", data)
                published[name] = {
                    "size": len(data),
                    "url": f"/{wiki}/{date}/{name}",
                    "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                    "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                }
        jobs = {"articlesmultistreamdump": {"status": status, "updated": "", "files": published}}
        self.put(f"/{wiki}/{date}/dumpstatus.json", json.dumps({"version": "0.8", "jobs": jobs}).encode())
        if listed:
            dates = sorted({path.split("/")[2] for path in self.files if re.match(rf"/{wiki}/\d{{8}}/", path)})
            links = "".join(f'<a href="{date}/">{date}/</a>  01-Jan-2024 00:00  -\n' for date in dates)
            self.put(f"/{wiki}/", f'<html><a href="../">../</a>{links}<a href="latest/">latest/</a></html>'.encode())

    def ranges(self, path: str) -> list[str]:
        """The Range headers with which `path` was asked for."""
        return [headers.get("Range", "") for asked, headers in self.requests if asked == path]


class Handler(BaseHTTPRequestHandler):
    server_of: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state = self.server_of
        state.requests.append((self.path, dict(self.headers.items())))
        fault = state.faults[self.path].pop(0) if state.faults.get(self.path) else None
        self.close_connection = True
        if isinstance(fault, int):
            fault = (fault, {})
        if fault and isinstance(fault[0], int):
            self.send_response(fault[0])
            for name, value in fault[1].items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = state.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start, version = 0, state.versions[self.path]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and self.headers.get("If-Range", version) == version:
            start = int(wanted[1])
            end = min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            data = data[start:end]
        else:
            self.send_response(200)
        self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault:
            data = data[: fault[1]]
        state.sent[self.path] = state.sent.get(self.path, 0) + len(data)
        self.wfile.write(data)
        self.wfile.flush()
        if fault and fault[0] == "slow":
            state.done.wait(20)


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free loopback port."""
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"server_of": state}))
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.done.set()
        http.shutdown()
        http.server_close()
        thread.join()
