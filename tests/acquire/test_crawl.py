"""A crawl asks for each page once, keeps what it is sent, and goes on where it was."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crawl_runs import Steps, crawl, documents, site_source
from site_server import Reply, Site

from ulmkit.acquire.frontier import Frontier
from ulmkit.formats.canonical import page_id
from ulmkit.formats.consent import ConsentRules, HostConsent
from ulmkit.language.sources import FeedSource
from ulmkit.progress import Progress

TEXT = "Kevad tuli sel aastal vara. Jõgi tõusis üle kallaste ja koolimaja ees õitsesid ülased."


def test_every_page_of_a_sitemap_is_asked_for_once_and_is_called_by_its_url(site: Site, tmp_path: Path) -> None:
    paths = [site.put_article(number, f"{TEXT} {number}") for number in range(40)]
    site.put_sitemap(paths)
    spec = site_source(site)
    done = crawl(site, tmp_path, spec)
    kept = documents(tmp_path, spec)
    assert site.asked_for_pages == {"/": 1, "/sitemap.xml": 1, **dict.fromkeys(paths, 1)}
    assert done["kept"] == 40
    assert {doc.id for doc in kept.values()} == {page_id("s", f"{site.url}{path}") for path in paths}
    assert all(isinstance(doc.content, bytes) and TEXT.encode() in doc.content for doc in kept.values())
    assert not list(tmp_path.rglob("*.open"))


def test_other_readers_find_our_records_whole_and_their_digests_right(site: Site, tmp_path: Path) -> None:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    site.put_sitemap([site.put_article(number, f"{TEXT} می‌رود {number}") for number in range(3)])
    crawl(site, tmp_path, site_source(site))
    (segment,) = (tmp_path / "s").glob("*.warc.gz")
    with segment.open("rb") as file:
        assert all(record.verify_block_digest() for record in ArchiveIterator(file, parse_http=False))
        file.seek(0)
        answers = [r.verify_payload_digest() for r in ArchiveIterator(file, record_types=WarcRecordType.response)]
    assert answers == [True] * site.asked.total()


def test_a_second_run_within_the_days_of_refreshing_asks_for_nothing(site: Site, tmp_path: Path) -> None:
    site.put_sitemap([site.put_article(1, TEXT)])
    crawl(site, tmp_path, site_source(site))
    site.asked.clear()
    crawl(site, tmp_path, site_source(site))
    assert site.asked == {}


def test_what_robots_txt_forbids_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /article/2\nDisallow: /ai.txt", content_type="text/plain")
    site.put_sitemap([site.put_article(number, TEXT) for number in (1, 2, 3)])
    done = crawl(site, tmp_path, site_source(site))
    assert "/article/2" not in site.asked
    assert "/ai.txt" not in site.asked
    assert done["kept"] == 2
    assert done["not_kept"]["robots.txt"] == 1


RESERVED = '[{"location": "/article/2", "tdm-reservation": 1}]'
TRAINERS = "".join(f"User-agent: {agent}\nDisallow: /article/3\n\n" for agent in ("GPTBot", "CCBot"))


def test_a_page_whose_use_its_host_refuses_is_not_asked_for_but_under_another_policy(
    site: Site, tmp_path: Path
) -> None:
    site.put("/robots.txt", TRAINERS, content_type="text/plain")
    site.put("/.well-known/tdmrep.json", RESERVED, content_type="application/json")
    site.put_sitemap([site.put_article(number, f"{TEXT} {number}") for number in (1, 2, 3)])
    spec = site_source(site)
    done = crawl(site, tmp_path, spec)
    assert set(documents(tmp_path, spec)) == {f"{site.url}/article/1"}
    assert not {"/article/2", "/article/3"} & set(site.asked)
    assert done["not_kept"]["no consent"] == 2
    site.asked.clear()
    crawl(site, tmp_path, spec)
    assert site.asked == {}
    assert crawl(site, tmp_path, spec, consent=ConsentRules("record"))["kept"] == 2
    assert site.asked == {"/article/2": 1, "/article/3": 1}
    terms = {url[-1]: doc.terms.signals for url, doc in documents(tmp_path, spec).items() if doc.terms}
    assert terms == {"1": "", "2": '{"tdm":"1"}', "3": '{"agents":["CCBot","GPTBot"]}'}


def test_what_was_said_to_the_operator_is_held_before_a_page_is_asked_for(site: Site, tmp_path: Path) -> None:
    site.put_sitemap([site.put_article(1, TEXT)])
    rules = ConsentRules(listed=(HostConsent("127.0.0.1", "no", "owner@example.org", "2026-12-01"),))
    assert crawl(site, tmp_path, site_source(site), consent=rules)["not_kept"]["no consent"] == 1
    assert "/article/1" not in site.asked


@pytest.mark.parametrize("status", [429, 500, 503])
def test_where_robots_txt_cannot_be_had_nothing_else_is_asked_for(site: Site, tmp_path: Path, status: int) -> None:
    site.pages["/robots.txt"] = Reply(b"", status)
    site.put_sitemap([site.put_article(1, TEXT)])
    done = crawl(site, tmp_path, site_source(site))
    assert set(site.asked) == {"/robots.txt"}
    assert done["kept"] == 0
    assert f"robots.txt answers {status}" in next(iter(done["list_problems"]))


def test_a_server_is_asked_no_faster_than_declared_and_than_robots_txt_says(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 5", content_type="text/plain")
    site.put_sitemap([site.put_article(number, TEXT) for number in range(10)])
    steps = Steps()
    begun = steps.now
    done = crawl(site, tmp_path, site_source(site, delay_s=2.0), steps=steps)
    assert done["kept"] == 10
    assert done["largest_rate"] <= 30.0  # the first requests, before robots.txt is known, are at the declared pace
    assert steps.now - begun >= 5 * 12


def test_a_line_says_how_far_a_source_is_and_how_long_the_rest_takes(site: Site, tmp_path: Path) -> None:
    paths = [site.put_article(number, f"{TEXT} {number}") for number in range(40)]
    site.put_sitemap([*paths, "/gone"])
    heard: list[Progress] = []
    done = crawl(site, tmp_path, site_source(site, delay_s=30.0), report=heard.append)
    assert done["kept"] == 40
    middle = heard[len(heard) // 2]
    assert middle.stage == "s"
    assert middle.total is not None
    assert 0 < middle.done < middle.total
    found = re.fullmatch(r"(\d+) kept · \d\.\d/min · (\d+) min left · \d\.\d MB.*", middle.detail)
    assert found, middle.detail
    half_minutes = 41 - int(found[1])
    assert abs(half_minutes / 2 - int(found[2])) <= 3  # what is pending is counted now and then
    assert re.search(r" · done · .*\(404 \d\)$", heard[-1].detail), heard[-1].detail
    assert all(len(each.detail) <= 100 for each in heard)


def test_a_line_says_why_a_source_stands_still(site: Site, tmp_path: Path) -> None:
    site.put_sitemap([site.put_article(number, f"{TEXT} {number}") for number in range(50)])
    site.pages["/article/3"] = Reply(b"", 503, headers={"Retry-After": "600"})
    heard: list[Progress] = []
    crawl(site, tmp_path, site_source(site, delay_s=2.0, max_pages=20), report=heard.append)
    assert any("waits 10 min" in each.detail for each in heard)
    assert "stopped by max_pages of 20" in heard[-1].detail


def test_a_redirect_is_a_new_url_under_all_rules(site: Site, tmp_path: Path) -> None:
    def to(where: str) -> Reply:
        return Reply(b"", 301, headers={"Location": where})

    site.put("/robots.txt", "User-agent: *\nDisallow: /closed", content_type="text/plain")
    site.pages |= {
        "/1": to("/article/7"),
        "/2": to("/closed/x"),
        "/3": to("http://10.0.0.1/"),
        "/4": to("https://elsewhere.example/"),
        "/5": to("/5"),
        **{f"/hop{n}": to(f"/hop{n + 1}") for n in range(10)},
    }
    site.put_article(7, TEXT)
    site.put_sitemap(["/1", "/2", "/3", "/4", "/5", "/hop0"])
    done = crawl(site, tmp_path, site_source(site))
    assert done["kept"] == 1
    assert set(site.asked_for_pages) == {
        "/", "/sitemap.xml", "/1", "/2", "/3", "/4", "/5", "/article/7", *(f"/hop{n}" for n in range(6))
    }  # fmt: skip
    assert done["not_kept"]["redirects"] == 1
    assert done["not_kept"]["other host"] == 2
    assert max(site.asked_for_pages.values()) == 1


def test_a_page_that_has_not_changed_costs_a_line_and_stays(site: Site, tmp_path: Path) -> None:
    spec = site_source(site, refresh_days=1.0)

    def unless_known(headers: dict[str, str]) -> Reply:
        known = headers.get("If-None-Match") == '"v1"'
        return Reply(b"" if known else TEXT.encode(), 304 if known else 200, headers={"ETag": '"v1"'})

    site.pages["/article/1"] = unless_known
    path = site.put_article(2, TEXT)
    site.put_sitemap(["/article/1", path])
    steps = Steps()
    crawl(site, tmp_path, spec, steps=steps)
    before = documents(tmp_path, spec)
    steps.days += 2 * 86_400
    done = crawl(site, tmp_path, spec, steps=steps, refresh=True)
    assert done["statuses"]["304"] == 1
    assert done["revisits"] >= 2  # the other's digest is as before, and so is the sitemap's
    assert documents(tmp_path, spec) == before


def test_a_page_is_asked_for_again_where_its_list_says_that_it_changed(site: Site, tmp_path: Path) -> None:
    spec = site_source(site, refresh_days=1.0)
    paths = [site.put_article(number, f"{TEXT} old {number}") for number in (1, 2)]
    site.put_sitemap(paths, dates=dict.fromkeys(paths, "2023-01-01"))
    steps = Steps()
    crawl(site, tmp_path, spec, steps=steps)
    site.put_article(1, f"{TEXT} new")
    site.put_sitemap(paths, dates={paths[0]: "2023-11-15", paths[1]: "2023-01-01"})
    steps.days += 2 * 86_400
    site.asked.clear()
    crawl(site, tmp_path, spec, steps=steps)
    assert site.asked["/article/1"] == 1
    assert "/article/2" not in site.asked
    kept = documents(tmp_path, spec)
    assert b"new" in kept[f"{site.url}/article/1"].content  # type: ignore[operator]


def test_budgets_and_a_limit_stop_a_calendar_without_end_a53(site: Site, tmp_path: Path) -> None:
    def month(number: int) -> Reply:
        links = "".join(f"<a href='/month/{number * 2 + k}'>x</a>" for k in (1, 2))
        return Reply(f"<html><body>{links}<p>{TEXT} {number}</p></body></html>".encode())

    site.pages |= {f"/month/{n}": month(n) for n in range(1000)} | {"/": month(0)}
    spec = site_source(site, discover=("links",), depth=100, max_pages=50)
    done = crawl(site, tmp_path / "a", spec)
    assert done["stopped"] == "max_pages of 50"
    assert 50 <= done["asked"] <= 50 + 16  # with those that were in flight
    done = crawl(site, tmp_path / "b", site_source(site, discover=("links",), depth=100), limit=20)
    assert done["stopped"] == "limit of 20 documents"
    assert 20 <= done["kept"] <= 20 + 16


def test_an_entry_whose_text_is_whole_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    long = " ".join([TEXT] * 8)
    item = "<item><title>T{n}</title><link>{url}/article/{n}</link>{text}</item>"
    whole = f"<content:encoded><![CDATA[<p>{long}</p><p>{long}</p>]]></content:encoded>"
    items = "".join(item.format(n=n, url=site.url, text=whole if n < 3 else "") for n in range(5))
    feed = (
        '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>F</title>'
        f"<link>{site.url}/</link>{items}</channel></rss>"
    )
    site.put("/feed", feed, content_type="application/rss+xml")
    for number in range(5):
        site.put_article(number, long)
    spec = FeedSource("s", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0)
    done = crawl(site, tmp_path, spec)
    assert done["kept"] == 5
    assert set(site.asked_for_pages) == {"/feed", "/article/3", "/article/4"}


def test_a_page_that_is_gone_twice_a_week_apart_is_named(site: Site, tmp_path: Path) -> None:
    spec = site_source(site, refresh_days=1.0)
    site.put_sitemap([site.put_article(1, TEXT), site.put_article(2, TEXT)])
    steps = Steps()
    crawl(site, tmp_path, spec, steps=steps)
    del site.pages["/article/2"]
    gone = []
    for _ in range(3):
        steps.days += 5 * 86_400
        crawl(site, tmp_path, spec, steps=steps, refresh=True)
        frontier = Frontier(tmp_path / "frontier.sqlite")
        gone.append(frontier.gone("s", 7 * 86_400.0))
        frontier.close()
    assert gone == [[], [], [f"{site.url}/article/2"]]


KILLED = """
import asyncio, os, signal, sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
from ulmkit.acquire.client import Session
from ulmkit.acquire.crawl import Crawl
import ulmkit.acquire.crawl as loop
from ulmkit.acquire.frontier import Frontier
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.source_crawl import SourceCrawl
import ulmkit.acquire.source_crawl as one
from ulmkit.acquire.sources import plan_of
from ulmkit.language.sources import SiteSource
loop.COMMIT_PAGES, loop.COMMIT_S = 5, 0.1
port, folder, point, nth = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
seen = 0
def at(name):
    global seen
    seen += name == point
    if name == point and seen == nth:
        os.kill(os.getpid(), signal.SIGKILL)
async def main():
    spec = SiteSource("s", "site", f"http://127.0.0.1:{{port}}/", "CC0-1.0", delay_s=0.0)
    frontier = Frontier(folder / "frontier.sqlite")
    async with Session(agent="test", guard=Guard(frozenset({{("127.0.0.1", port)}}))) as session:
        run = SourceCrawl(plan_of(spec), frontier, folder / "s", {{}}, time.monotonic())
        run.archive.segment_bytes = 20_000
        await Crawl(frontier, [run], session, commit_point=at).run()
asyncio.run(main())
"""
POINTS = ("before sync", "before commit", "after commit", "before close", "renamed", "after close")


def run_killed(site: Site, folder: Path, point: str, nth: int) -> int:
    """A run in a process of its own that is killed when it comes to a point for the n-th time; its exit code."""
    return start_killed(site, folder, point, nth).wait()


def start_killed(site: Site, folder: Path, point: str, nth: int) -> "subprocess.Popen[bytes]":
    code = KILLED.format(paths=[path for path in sys.path if path])
    command = [sys.executable, "-c", code, str(site.port), str(folder), point, str(nth)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_commit_point_it_loses_nothing_and_asks_for_nothing_twice_after_its_commit(
    site: Site, tmp_path: Path, point: str
) -> None:
    paths = [site.put_article(number, f"{TEXT} {number}") for number in range(60)]
    site.put_sitemap(paths)
    folder = tmp_path / "root"
    assert run_killed(site, folder, point, 1) == -signal.SIGKILL
    for nth in (2, 3):
        assert run_killed(site, folder, point, nth) in (-signal.SIGKILL, 0)
    assert run_killed(site, folder, "never", 1) == 0
    records = uncut_records(folder / "s")
    urls = [re.search(rb"WARC-Target-URI: (\S+)", head)[1].decode() for head in records]  # type: ignore[index]
    pages = [url for url in urls if "/article/" in url]
    assert sorted(pages) == sorted(f"{site.url}{path}" for path in paths)
    assert not list(folder.rglob("*.open"))
    listed = json.loads((folder / "s" / "segments.json").read_text())["segments"]
    assert [entry["name"] for entry in listed] == sorted(path.name for path in (folder / "s").glob("*.warc.gz"))


@pytest.mark.slow
def test_killed_at_random_moments_the_archive_is_as_of_an_undisturbed_run(site: Site, tmp_path: Path) -> None:
    """`ULMKIT_CRAWL_KILLS` says how many kills."""
    draw = random.Random(7)
    wanted, kills, round_ = int(os.environ.get("ULMKIT_CRAWL_KILLS", "6")), 0, 0
    paths = [site.put_article(number, f"{TEXT} {number}") for number in range(150)]
    site.put_sitemap(paths)
    assert run_killed(site, tmp_path / "whole", "never", 1) == 0
    whole = kept_pages(tmp_path / "whole" / "s")
    assert len(whole) == 150
    while kills < wanted:
        folder, round_ = tmp_path / f"killed{round_}", round_ + 1
        for _ in range(min(6, wanted - kills)):
            asked = site.asked.total()
            child = start_killed(site, folder, "never", 1)
            while child.poll() is None and site.asked.total() == asked:  # until it has begun to ask
                time.sleep(0.01)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=draw.uniform(0, 1.0))
            child.kill()
            kills += child.wait() != 0
        assert run_killed(site, folder, "never", 1) == 0
        assert kept_pages(folder / "s") == whole
        shutil.rmtree(folder)


@pytest.mark.slow
def test_interrupted_it_asks_for_nothing_new_and_keeps_what_it_asked_for(site: Site, tmp_path: Path) -> None:
    paths = [site.put_article(number, f"{TEXT} {number}") for number in range(200)]
    site.put_sitemap(paths)
    child = start_killed(site, tmp_path, "never", 1)
    while site.asked_for_pages.get(paths[20]) is None:
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 0
    asked = {f"{site.url}{path}" for path in site.asked if path in paths}
    assert {url for url, _ in kept_pages(tmp_path / "s")} == asked
    assert len(asked) < 200
    assert not list(tmp_path.rglob("*.open"))
    assert run_killed(site, tmp_path, "never", 1) == 0
    assert all(site.asked[path] == 1 for path in paths)


def kept_pages(folder: Path) -> list[tuple[str, str]]:
    """URL and payload digest of every page that is kept, in order: one that is kept twice stands there twice."""
    found = []
    for head in uncut_records(folder):
        url = re.search(rb"WARC-Target-URI: (\S+)", head)
        digest = re.search(rb"WARC-Payload-Digest: (\S+)", head)
        if url and digest and b"/article/" in url[1]:
            found.append((url[1].decode(), digest[1].decode()))
    return sorted(found)


def uncut_records(folder: Path) -> list[bytes]:
    """The heads of all response records, read to the end without a fault."""
    import gzip

    heads = []
    for path in sorted(folder.glob("*.warc.gz")):
        data = gzip.decompress(path.read_bytes())
        heads += [part for part in data.split(b"WARC/1.1\r\n") if b"WARC-Type: response" in part[:200]]
    return heads
