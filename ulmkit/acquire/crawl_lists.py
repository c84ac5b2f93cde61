"""Which crawls of Common Crawl there are, and which files one has: the lists that its server publishes."""

import json
import re
import zlib

from ulmkit.acquire.blocking import Client, FetchError

DATA = "https://data.commoncrawl.org"
CRAWLS = "https://index.commoncrawl.org/collinfo.json"  # the list of crawls; nothing else of that server is asked for
LIST_BYTES = 1 << 26
_CRAWL = re.compile(r"CC-MAIN-\d{4}-\d{2}")
_PATH = re.compile(r"[\w.=-]+(?:/[\w.=-]+){1,12}", re.ASCII)


def newest_crawl(client: Client, mirror: str) -> str:
    """The newest crawl that is listed. Raises `FetchError`."""
    url = f"{mirror}/collinfo.json" if mirror else CRAWLS
    try:
        listed = json.loads(client.read(url, LIST_BYTES))
    except (ValueError, RecursionError):
        raise FetchError(url, "does not answer with JSON", 200) from None
    names = [each.get("id") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    crawls = [name for name in names if isinstance(name, str) and _CRAWL.fullmatch(name)]
    if not crawls:
        raise FetchError(url, "lists no crawl", 200)
    return max(crawls)


def listed_paths(client: Client, base: str, crawl: str, name: str) -> list[str]:
    """The files of a crawl that `name` lists (`cc-index-table`, `wet`). Raises `FetchError`."""
    url = f"{base}/crawl-data/{crawl}/{name}.paths.gz"
    unpacker = zlib.decompressobj(47)  # gzip or bare zlib
    data = client.read(url, LIST_BYTES)
    try:
        text = unpacker.decompress(data, LIST_BYTES) if data[:2] == b"\x1f\x8b" else data
    except zlib.error:
        raise FetchError(url, "is damaged", 200) from None
    paths = text.decode("utf-8", "replace").split()
    if unsound := [path for path in paths if not _PATH.fullmatch(path) or ".." in path]:
        raise FetchError(url, f"lists what is no file: {unsound[0][:80]!r}", 200)
    if name == "cc-index-table":
        paths = [path for path in paths if "/subset=warc/" in path and path.endswith(".parquet")]
    if not paths:
        raise FetchError(url, "lists no file", 200)
    return paths
