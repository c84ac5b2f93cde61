"""A crawl of a synthetic web beside Scrapy doing the same: what is found and kept, CPU seconds, memory.

    python benchmarks/crawl.py [--articles 2000] [--rounds 3]

Three news sites, four blogs, a calendar without end and a mirror stand on loopback (tests/support/synthetic_web.py),
and know what was written in them. Both crawlers ask for the same lists and pages, hold robots.txt, keep every answer as
WARC on disk, and could be killed and go on (Scrapy by its JOBDIR). Each runs in a process of its own, by turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SUPPORT = ROOT / "tests" / "support"
LICENCE = "CC-BY-4.0"


def sources(sites: dict[str, str]) -> list[Any]:
    """What is declared of each site, by its name."""
    from ulmkit.language.sources import BlogSource, FeedSource, SiteSource

    def site(name: str, **more: Any) -> Any:
        return SiteSource(name, "site", sites[name], LICENCE, delay_s=0.0, **more)

    return [
        site("news-fa", discover=("news-sitemap", "sitemap")),
        site("news-et", discover=("sitemap",)),
        site("news-feed", discover=("feed",)),
        BlogSource("wordpress", "blog", sites["wordpress"], LICENCE, delay_s=0.0),
        BlogSource("blogger", "blog", sites["blogger"], LICENCE, delay_s=0.0),
        FeedSource("static", "feed", f"{sites['static']}atom.xml", LICENCE, delay_s=0.0),
        site("listed", discover=("sitemap",)),
    ]


def ours(sites: dict[str, str], root: Path, *, trap: bool = False) -> dict[str, Any]:
    """Our crawl, into `root`; what it did by source."""
    from urllib.parse import urlsplit

    from ulmkit.acquire.sources import Fetching, fetch_sources
    from ulmkit.artifacts.layout import Layout
    from ulmkit.language.registry import get
    from ulmkit.language.sources import SiteSource

    allowed = frozenset((parts.hostname or "", parts.port or 0) for parts in map(urlsplit, sites.values()))
    specs = sources(sites)
    if trap:
        specs = [SiteSource("trap", "site", sites["trap"], LICENCE, delay_s=0.0, discover=("links",), depth=10**6,
                            max_pages=200)]  # fmt: skip
    language = get("fa")
    brought = fetch_sources(language, Layout(root, "fa"), Fetching(extra=tuple(specs), allowed=allowed))
    return {name: pins["crawl"] for name, pins in brought.pins.items()}


def scrapy(sites: dict[str, str], root: Path) -> dict[str, Any]:
    """The same by Scrapy: sitemaps, feeds and the lists of two platforms; pages as gzip members in one file."""
    import gzip

    from scrapy import Request, Spider
    from scrapy.crawler import CrawlerProcess
    from scrapy.utils.sitemap import Sitemap

    archive = open(root / "pages.warc.gz", "ab")  # noqa: SIM115 - until the process ends
    starts = [
        f"{sites['news-fa']}news-sitemap.xml",
        f"{sites['news-fa']}sitemap_index.xml",
        f"{sites['news-et']}sitemap.xml",
        f"{sites['news-feed']}rss",
        f"{sites['wordpress']}wp-json/wp/v2/posts?per_page=100&page=1",
        f"{sites['blogger']}feeds/posts/default?alt=json&max-results=100&start-index=1",
        f"{sites['static']}atom.xml",
        f"{sites['listed']}sitemap.txt",
    ]

    def keep(response: Any) -> None:
        head = f"WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: {response.url}\r\n"
        head += f"Content-Length: {len(response.body)}\r\n\r\n"
        archive.write(gzip.compress(head.encode() + response.body + b"\r\n\r\n", 6))
        archive.flush()

    class Lists(Spider):
        name = "lists"

        async def start(self) -> Any:
            for url in starts:
                yield Request(url, callback=self.parse_list)

        def parse_list(self, response: Any) -> Any:
            keep(response)
            url, body = response.url, response.body
            if url.endswith(".txt"):
                for line in body.decode().split():
                    yield Request(line, callback=self.parse_page)
            elif "wp-json" in url:
                posts = json.loads(body)
                if len(posts) == 100:
                    page = int(url.rpartition("page=")[2])
                    yield Request(url.replace(f"&page={page}", f"&page={page + 1}"), callback=self.parse_list)
            elif "alt=json" in url:
                count = len(json.loads(body)["feed"].get("entry", ()))
                start = int(url.rpartition("=")[2])
                if count:
                    yield Request(f"{url.rpartition('=')[0]}={start + count}", callback=self.parse_list)
            elif "rss" in url or "atom" in url:
                response.selector.register_namespace("a", "http://www.w3.org/2005/Atom")
                for link in response.xpath("//item/link/text()").getall():
                    yield Request(link, callback=self.parse_page)
                for link in response.xpath("//a:link[@rel='next']/@href").getall():
                    yield Request(link, callback=self.parse_list)
            else:
                for entry in Sitemap(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body):
                    location = entry["loc"]
                    to = self.parse_list if "sitemap" in location else self.parse_page
                    yield Request(location, callback=to)

        def parse_page(self, response: Any) -> None:
            keep(response)

    process = CrawlerProcess(
        {
            "JOBDIR": str(root / "job"),
            "ROBOTSTXT_OBEY": True,
            "LOG_LEVEL": "ERROR",
            "DOWNLOAD_DELAY": 0,
            "CONCURRENT_REQUESTS": 16,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
            "TELNETCONSOLE_ENABLED": False,
        }
    )
    process.crawl(Lists)
    process.start()
    archive.close()
    return {}


def measured(mode: str, sites: dict[str, str], root: Path) -> dict[str, Any]:
    """One crawler in a process of its own: CPU and wall seconds, the most memory in MB, what it says."""
    begun = time.monotonic()
    command = [sys.executable, __file__, "--mode", mode, "--sites", json.dumps(sites), "--root", str(root)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**environment, "no_proxy": "127.0.0.1"})
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "wall_s": round(time.monotonic() - begun, 2),
        "mb": round(usage.ru_maxrss / 1024),
        "exit": child.returncode,
        "said": json.loads(said.splitlines()[-1]) if said.strip() else {},
    }


def kept(root: Path, truth: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What of the truth stands in the archive: articles, their characters and their U+200C, by exact paragraphs."""
    from ulmkit.corpus.extract.dispatch import extract
    from ulmkit.document import Document, RawDocument
    from ulmkit.formats.canonical import canonical
    from ulmkit.formats.inputs import Input, read_input
    from ulmkit.formats.origin import READING
    from ulmkit.language.registry import get

    language = get("fa")
    found: dict[str, list[str]] = {}
    for path in sorted((root / "fa" / "raw").rglob("*.warc.gz")):
        source = path.parent.name
        for record in read_input(Input(path, source, path.name, LICENCE, crawled=True), READING):
            if isinstance(record, RawDocument):
                document = extract(record, language.extraction, decode=READING.decode)
                text = document.text if isinstance(document, Document) else ""
                found.setdefault(canonical(record.url), []).append(text)
    characters = missing = joiners = joiners_missing = 0
    twice = [url for url, texts in found.items() if len(texts) > 1]
    for url, article in truth.items():
        text = (found.get(url) or [""])[0]
        for paragraph in article["text"].split("\n"):
            characters += len(paragraph)
            joiners += paragraph.count("\u200c")
            if paragraph not in text:
                missing += len(paragraph)
                joiners_missing += paragraph.count("\u200c")
    return {
        "articles": len(truth),
        "found": sum(url in found for url in truth),
        "found_twice": len([url for url in twice if url in truth]),
        "beside": len([url for url in found if url not in truth]),
        "characters": characters,
        "characters_kept": round(1 - missing / max(characters, 1), 6),
        "joiners": joiners,
        "joiners_kept": joiners - joiners_missing,
    }


def main() -> None:
    """Serve, crawl by turns, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=["ours", "scrapy", "trap"])
    parser.add_argument("--sites", type=json.loads)
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.mode:
        run = scrapy if options.mode == "scrapy" else ours
        more = {"trap": True} if options.mode == "trap" else {}
        print(json.dumps(run(options.sites, options.root, **more)))
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        command = [sys.executable, str(SUPPORT / "synthetic_web.py"), "--articles", str(options.articles)]
        server = subprocess.Popen(
            [*command, "--truth", str(scratch / "truth.jsonl")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline().split() for _ in range(9)]
            sites = {words[1]: words[0] for words in lines}
            while not (scratch / "truth.jsonl").exists():
                time.sleep(0.1)
            rounds = []
            for number in range(options.rounds):
                result = {}
                for mode in ("ours", "scrapy") if number % 2 else ("scrapy", "ours"):
                    (scratch / f"{mode}{number}").mkdir()
                    result[mode] = measured(mode, sites, scratch / f"{mode}{number}")
                rounds.append(result)
                print(json.dumps({name: {k: v for k, v in r.items() if k != "said"} for name, r in result.items()}))
            written = (scratch / "truth.jsonl").read_text(encoding="utf-8").splitlines()
            truth = {entry["url"]: entry for entry in map(json.loads, written)}
            print(json.dumps({"kept": kept(scratch / "ours0", truth)}, indent=1))
            (scratch / "trap").mkdir()
            trap = measured("trap", sites, scratch / "trap")
            crawl = trap["said"].get("trap", {})
            print(
                json.dumps({"trap": {"asked": crawl.get("asked"), "stopped": crawl.get("stopped"), "mb": trap["mb"]}})
            )
            print(
                json.dumps(
                    {"ours by source": {n: [c["asked"], c["kept"]] for n, c in rounds[0]["ours"]["said"].items()}}
                )
            )
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
