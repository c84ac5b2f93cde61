"""A loopback server that answers as the API of the Hugging Face hub does, for one data set."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

FOLDER_A_PAGE = 3  # entries of a list on one page; the hub gives a thousand


def commit_name(number: int) -> str:
    return hashlib.sha1(b"commit %d" % number, usedforsecurity=False).hexdigest()


@dataclass
class Hub:
    """Commits of a data set, each with its files; `faults[path]` is used up one request at a time (see dump_server)."""

    name: str = "owner/set"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    large: int = 100  # bytes from which a file is listed with its SHA-256
    token: str = ""  # asked for where it is given
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    sent: int = 0  # bytes of files

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """The branch moves on."""
        name = commit_name(len(self.commits))
        self.commits[name] = files
        self.branches[branch] = name
        return name

    def listed(self, commit: str) -> list[dict[str, Any]]:
        """The tree of a commit as `list_repo_tree(recursive=True)` gets it."""
        entries: list[dict[str, Any]] = []
        for path, data in self.commits[commit].items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            entry: dict[str, Any] = {"type": "file", "oid": git, "size": len(data), "path": path}
            if len(data) >= self.large:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        folders = {path.rpartition("/")[0] for path in self.commits[commit]} - {""}
        return [{"type": "directory", "oid": "0" * 40, "size": 0, "path": each} for each in sorted(folders)] + entries

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


class HubHandler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, data: bytes, fields: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:cut])
        self.close_connection = True

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.path, dict(self.headers.items())))
        fault = hub.faults[path].pop(0) if hub.faults.get(path) else None
        if callable(fault):
            fault = fault()
        if isinstance(fault, int):
            fault = (fault, {})
        if fault and isinstance(fault[0], int):
            return self.answer(fault[0], b"", fault[1])
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(401, b"", {"X-Error-Code": "GatedRepo"})
        if match := re.fullmatch(f"/api/datasets/{hub.name}/revision/(.+)", path):
            commit = hub.branches.get(match[1], match[1])
            if commit not in hub.commits:
                return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return self.answer(200, json.dumps({"id": hub.name, "sha": commit, "private": False}).encode(), {})
        if match := re.fullmatch(f"/api/datasets/{hub.name}/tree/([0-9a-f]+)", path):
            entries = hub.listed(match[1])
            start = int((re.search(r"cursor=(\d+)", self.path) or ["", "0"])[1])
            end = start + FOLDER_A_PAGE
            link = f'<{hub.url}{path}?recursive=true&expand=false&cursor={end}>; rel="next"'
            fields = {"Link": link} if end < len(entries) else {}
            return self.answer(200, json.dumps(entries[start:end]).encode(), fields)
        if match := re.fullmatch(f"/datasets/{hub.name}/resolve/([0-9a-f]+)/(.+)", path):
            data = hub.commits.get(match[1], {}).get(match[2])
            if data is None:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return self.send_file(data, fault[1] if fault else None)
        return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def send_file(self, data: bytes, cut: int | None) -> None:
        def sent(part: bytes) -> bytes:
            self.hub.sent += len(part)
            return part

        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag) != etag:
            return self.answer(200, sent(data), {"ETag": etag}, cut)
        start, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
        if start >= len(data):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        span = {"ETag": etag, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        return self.answer(206, sent(data[start:end]), span, cut)


@contextmanager
def hub_server(**keys: Any) -> Iterator[Hub]:
    """A hub on a free loopback port."""
    hub = Hub(**keys)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (HubHandler,), {"hub": hub}))
    http.daemon_threads = True
    hub.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
