"""Pages of a crawl: found in its index by range, brought by range, once each, whatever happens meanwhile."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commoncrawl_server import CRAWL, SEGMENT, CommonCrawl, Page, commoncrawl_server

from ulmkit.acquire.blocking import Client
from ulmkit.acquire.client import Answer
from ulmkit.acquire.fetched import Fetched
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.kinds.commoncrawl import fetch
from ulmkit.acquire.robots_today import asking
from ulmkit.acquire.sources import Fetching, fetch_source, fetch_sources
from ulmkit.artifacts.layout import Layout
from ulmkit.document import RawDocument
from ulmkit.errors import InputError, UsageError
from ulmkit.formats.canonical import page_id
from ulmkit.formats.inputs import Input, read_input
from ulmkit.formats.origin import READING
from ulmkit.language.load import load_language
from ulmkit.language.places import bundled
from ulmkit.language.sources import CommonCrawlSource

EE = [
    Page(f"https://www.leht{n % 5}.ee/lugu/{n}", "est,eng" if n % 3 else "eng", f"Lugu number {n}.") for n in range(40)
]
ORG = [Page(f"https://x{n}.org/p/{n}", "est", f"Maa number {n}.") for n in range(8)]
IR = [Page(f"https://s{n}.ir/p/{n}", "fas", f"متن {n}") for n in range(6)]
ODD = [
    Page("https://www.leht1.ee/pilt.png", "", mime="image/png"),
    Page("https://www.leht1.ee/kadunud", "est", status=404),
]
TEST = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def crawl() -> Iterator[CommonCrawl]:
    with commoncrawl_server([*EE, *ORG, *IR, *ODD]) as state:
        yield state


def source(**keys: Any) -> CommonCrawlSource:
    defaults: dict[str, Any] = {"delay_s": 0.0, "respect_robots_now": False}
    if not {"domains", "content_language"} & set(keys):
        defaults["tld"] = ("ee",)
    return CommonCrawlSource("cc", "commoncrawl", "latest", "CC-BY-4.0", **(defaults | keys))


def brought(
    crawl: CommonCrawl,
    raw: Path,
    *,
    slept: list[float] | None = None,
    limit: int | None = None,
    ask: Any = None,
    **keys: Any,
) -> Fetched:
    waits = slept if slept is not None else []
    client = Client(delay_s=0.0, backoff_s=60.0, max_wait_s=86_400.0, sleep=waits.append)
    return fetch(source(**keys), raw, mirror=crawl.url, client=client, limit=limit, ask=ask)


def documents(fetched: Fetched) -> list[RawDocument]:
    found = []
    for path in fetched.files:
        records = list(read_input(Input(path, "cc", path.name, "CC-BY-4.0", crawled=fetched.crawled), READING))
        found += [each for each in records if isinstance(each, RawDocument)]
    return found


def urls(pages: list[Page]) -> list[str]:
    return sorted(page.url for page in pages)


def records_asked(crawl: CommonCrawl) -> list[tuple[str, str]]:
    return [each for each in crawl.requests if "/warc/part-" in each[0] and each[0].endswith(".warc.gz")]


def index_bytes(crawl: CommonCrawl) -> int:
    return sum(len(data) for path, data in crawl.files.items() if path.endswith(".parquet"))


@pytest.mark.parametrize(
    ("keys", "wanted", "most"),
    [
        ({"tld": ("ee",)}, EE, 8),  # three ends of files, and of one row group the deciding columns and the others
        ({"tld": ("ir", "org")}, [*IR, *ORG], 12),
        ({"domains": ("leht2.ee",)}, [page for page in EE if "leht2.ee" in page.url], 8),
        ({"content_language": "est"}, [page for page in [*EE, *ORG] if page.languages.startswith("est")], 40),
    ],
)
def test_rows_are_found_by_range_and_requests_and_bytes_are_counted(
    crawl: CommonCrawl, tmp_path: Path, keys: dict[str, Any], wanted: list[Page], most: int
) -> None:
    fetched = brought(crawl, tmp_path, **keys)
    assert sorted(doc.url for doc in documents(fetched)) == urls(wanted)
    run = fetched.pins["run"]
    asked = crawl.asked_for(".parquet")
    assert run["index"]["requests"] == len(asked) <= most
    assert all(span for _, span in asked)
    assert run["index"]["bytes"] < index_bytes(crawl) / 3
    assert run["records"] == {"requests": len(wanted), "bytes": run["records"]["bytes"]}
    assert run["requests"] == len(crawl.requests)
    lists = len(crawl.files["collinfo.json"]) + len(crawl.files[f"crawl-data/{CRAWL}/cc-index-table.paths.gz"])
    assert run["index"]["bytes"] + run["records"]["bytes"] + lists == crawl.sent


def test_latest_is_resolved_and_pinned_and_another_crawl_must_be_there(crawl: CommonCrawl, tmp_path: Path) -> None:
    fetched = brought(crawl, tmp_path)
    assert (fetched.pins["locator"], fetched.pins["resolved"]) == ("latest", CRAWL)
    with pytest.raises(InputError, match=r"404.*Is there a crawl CC-MAIN-2020-05\?"):
        fetch(replace(source(), locator="CC-MAIN-2020-05", name="old"), tmp_path, mirror=crawl.url)


def test_a_new_crawl_is_taken_when_it_is_time_and_its_captures_are_beside_the_old(
    crawl: CommonCrawl, tmp_path: Path
) -> None:
    brought(crawl, tmp_path)
    crawl.publish([EE[0]], "CC-MAIN-2026-47")
    crawl.requests.clear()
    assert brought(crawl, tmp_path).pins["resolved"] == CRAWL
    assert not crawl.requests
    later = brought(crawl, tmp_path, refresh_days=0.0)
    assert later.pins["resolved"] == "CC-MAIN-2026-47"
    assert Counter(doc.url for doc in documents(later))[EE[0].url] == 2


def test_a_document_is_called_by_its_address_and_keeps_its_date_and_text(crawl: CommonCrawl, tmp_path: Path) -> None:
    (doc,) = documents(brought(crawl, tmp_path, limit=1))
    page = next(page for page in EE if page.url == doc.url)
    assert doc.id == page_id("cc", page.url)
    assert doc.fetched_at is not None
    assert doc.fetched_at.isoformat() == "2026-10-20T11:22:33+00:00"
    assert page.text.encode() in doc.content
    stored = gzip.decompress((tmp_path / "cc" / "pages-00000.warc.gz").read_bytes())
    assert f"WARC-Ulmkit-Copied-From: {SEGMENT}/warc/part-".encode() in stored
    assert b"WARC-IP-Address: 192.0.2.7" in stored


def test_what_an_answer_said_of_its_use_is_with_the_document(tmp_path: Path) -> None:
    page = Page("https://a.ee/", "est", "Tekst.", header="X-Robots-Tag: noai\r\n")
    with commoncrawl_server([page]) as crawl:
        (doc,) = documents(brought(crawl, tmp_path))
    assert doc.terms is not None
    assert doc.terms.fields == (("x-robots-tag", "noai"),)


def test_the_text_of_a_wet_file_is_no_header(tmp_path: Path) -> None:
    page = Page("https://a.ee/", "est", "X-Robots-Tag: noai\r\n\r\nTekst.")
    with commoncrawl_server([page]) as crawl:
        (doc,) = documents(brought(crawl, tmp_path, form="wet"))
    assert doc.terms is not None
    assert doc.terms.fields == ()


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"tld": ("ee",)}, EE),
        ({"content_language": "est"}, [page for page in [*EE, *ORG] if page.languages.startswith("est")]),
    ],
)
def test_wet_files_come_whole_and_only_what_is_wanted_of_them_stays(
    crawl: CommonCrawl, tmp_path: Path, keys: dict[str, Any], wanted: list[Page]
) -> None:
    found = {doc.url: doc.content.decode() for doc in documents(brought(crawl, tmp_path, form="wet", mime=(), **keys))}
    known = {page.url: page.text for page in wanted}
    assert {url: found.get(url) for url in known} == known
    assert set(found) - set(known) <= set(urls(ODD))
    assert not list((tmp_path / "cc" / "wet").iterdir())
    assert not crawl.asked_for(".parquet")


def test_a_wet_file_goes_on_where_a_limit_stopped_it(crawl: CommonCrawl, tmp_path: Path) -> None:
    first = documents(brought(crawl, tmp_path, form="wet", tld=("ir",), limit=2))
    crawl.requests.clear()
    both = documents(brought(crawl, tmp_path, form="wet", tld=("ir",)))
    assert len(first) == 2
    assert sorted(doc.url for doc in both) == urls(IR)
    assert len(crawl.asked_for("part-00000.warc.wet.gz")) == 0


@pytest.mark.slow
def test_killed_in_the_middle_and_run_again_it_is_as_if_it_never_was(crawl: CommonCrawl, tmp_path: Path) -> None:
    whole = documents(brought(crawl, tmp_path / "whole"))
    crawl.requests.clear()
    script = (
        "import sys; from pathlib import Path; from ulmkit.acquire.kinds.commoncrawl import fetch\n"
        "from ulmkit.language.sources import CommonCrawlSource\n"
        "spec = CommonCrawlSource('cc', 'commoncrawl', 'latest', 'CC-BY-4.0', tld=('ee',), delay_s=0.0,"
        " respect_robots_now=False)\n"
        "fetch(spec, Path(sys.argv[2]), mirror=sys.argv[1])\n"
    )
    files = sorted(path for path in crawl.files if path.endswith(".warc.gz"))
    index = sorted(path for path in crawl.files if path.endswith("00001-x.c000.gz.parquet"))
    for path, count in ((index[0], 1), (files[0], 7), (files[1], 5)):
        arrived, killed = threading.Event(), threading.Event()
        wait = lambda a=arrived, k=killed: a.set() or (k.wait(30) and None)  # noqa: E731
        crawl.faults[path] = [*[None] * count, wait]
        child = subprocess.Popen([sys.executable, "-c", script, crawl.url, tmp_path / "cut"], cwd=TEST.parent)
        assert arrived.wait(60)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        killed.set()
    again = documents(brought(crawl, tmp_path / "cut"))
    shown = [(doc.id, doc.url, doc.content, doc.fetched_at) for doc in whole]
    assert sorted((doc.id, doc.url, doc.content, doc.fetched_at) for doc in again) == sorted(shown)
    asked = Counter(records_asked(crawl))
    assert sum(asked.values()) <= len(EE) + 2  # what was in flight at a kill
    assert len(asked) == len(EE)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_busy_answer_is_waited_for_and_all_pages_come(crawl: CommonCrawl, tmp_path: Path, status: int) -> None:
    slept: list[float] = []
    crawl.faults[f"{SEGMENT}/warc/part-00000.warc.gz"] = [None, status, status]
    fetched = brought(crawl, tmp_path, slept=slept)
    assert sorted(doc.url for doc in documents(fetched)) == urls(EE)
    assert [pause for pause in slept if pause >= 60] == [60.0, 120.0]
    assert max(pause for pause in slept if pause < 60) > 1.9  # pauses are longer for the rest of the run


def test_five_busy_answers_end_the_run_and_what_came_is_kept(crawl: CommonCrawl, tmp_path: Path) -> None:
    crawl.faults[f"{SEGMENT}/warc/part-00000.warc.gz"] = [None, None, *[403] * 5]
    fetched = brought(crawl, tmp_path)
    assert "403" in fetched.pins["run"]["stopped"]
    assert 0 < len(documents(fetched)) < len(EE)
    assert sorted(doc.url for doc in documents(brought(crawl, tmp_path))) == urls(EE)


def test_one_request_at_a_time_a_second_apart(crawl: CommonCrawl, tmp_path: Path) -> None:
    slept: list[float] = []
    client = Client(delay_s=1.0, sleep=slept.append)
    fetch(source(), tmp_path, mirror=crawl.url, client=client)
    assert len(slept) == len(crawl.requests) - 1
    assert sum(slept) > 0.5 * len(slept)


def test_budgets_hold_and_the_next_run_goes_on(crawl: CommonCrawl, tmp_path: Path) -> None:
    first = brought(crawl, tmp_path, max_pages=7)
    assert len(documents(first)) == 7
    assert first.pins["run"]["stopped"] == "max_pages of 7"
    second = brought(crawl, tmp_path, max_bytes=2_000)
    assert 2_000 <= second.pins["run"]["records"]["bytes"] < 3_000
    third = brought(crawl, tmp_path, limit=20)
    assert len(documents(third)) == 20
    crawl.requests.clear()
    assert brought(crawl, tmp_path, limit=20).files == third.files
    assert not crawl.requests
    with pytest.raises(InputError, match="max_hours of 1e-09"):
        brought(crawl, tmp_path / "other", max_hours=1e-9)
    assert sorted(doc.url for doc in documents(brought(crawl, tmp_path))) == urls(EE)


def robots(rules: dict[str, str], asked: list[str]) -> Any:
    def ask(url: str) -> Answer:
        asked.append(url)
        said = next((text for host, text in rules.items() if f"//{host}/" in url), None)
        if said == "down":
            return Answer(url, problem="unreachable")
        return Answer(url, 200, body=said.encode()) if said is not None else Answer(url, 404)

    return ask


def test_a_server_that_refuses_us_today_is_left_out_asked_once_and_counted(crawl: CommonCrawl, tmp_path: Path) -> None:
    asked: list[str] = []
    rules = {
        "www.leht1.ee": "User-agent: *\nDisallow: /",
        "www.leht2.ee": "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\n",
        "www.leht3.ee": "down",
    }
    fetched = brought(crawl, tmp_path, respect_robots_now=True, ask=robots(rules, asked))
    found = documents(fetched)
    left = ("leht1.ee", "leht3.ee")
    assert sorted(doc.url for doc in found) == urls([page for page in EE if not any(each in page.url for each in left)])
    assert sorted(asked) == sorted(f"https://www.leht{n}.ee/robots.txt" for n in range(5))
    run = fetched.pins["run"]
    assert (run["servers_refusing"], run["robots_asked"]) == (1, 5)
    assert run["not_kept"] == {"robots.txt refuses today": 8, "robots.txt cannot be had today": 8}
    signals = {doc.url: doc.terms.signals for doc in found if doc.terms}
    assert {url for url, said in signals.items() if "GPTBot".lower() in said.lower()} == set(
        urls([page for page in EE if "leht2.ee" in page.url])
    )
    brought(crawl, tmp_path, respect_robots_now=True, ask=robots(rules, asked))
    assert len(asked) == 5


def test_a_server_inside_of_a_network_is_asked_for_its_robots_where_the_guard_is_opened_for_it(
    crawl: CommonCrawl,
) -> None:
    port = int(crawl.url.rpartition(":")[2])
    crawl.files["robots.txt"] = b"User-agent: *\nDisallow: /"
    with asking(Guard(ports=frozenset({port}))) as ask:
        assert ask(f"{crawl.url}/robots.txt").problem == "forbidden address"
    assert not crawl.requests
    with asking(Guard(allowed=frozenset({("127.0.0.1", port)}))) as ask:
        assert ask(f"{crawl.url}/robots.txt").status == 200


def test_records_that_are_not_what_the_index_says_are_left_and_counted(tmp_path: Path) -> None:
    pages = [Page("https://a.ee/1", "est", "x"), Page("https://a.ee/2", "est", record_url="https://b.ee/")]
    with commoncrawl_server([*pages, Page("https://a.ee/3", "est", "y")]) as crawl:
        path = f"{SEGMENT}/warc/part-00000.warc.gz"
        crawl.files[path] = crawl.files[path][:-20] + b"\0" * 20
        fetched = brought(crawl, tmp_path)
    assert [doc.url for doc in documents(fetched)] == ["https://a.ee/1"]
    assert fetched.pins["run"]["not_kept"] == {"another record": 1, "damaged": 1}


def test_an_index_file_that_is_gone_or_damaged_costs_itself(crawl: CommonCrawl, tmp_path: Path) -> None:
    index = sorted(path for path in crawl.files if path.endswith(".parquet"))
    del crawl.files[index[0]]
    crawl.files[index[2]] = b"PAR1" + b"x" * 5000
    fetched = brought(crawl, tmp_path)
    assert len(documents(fetched)) == len(EE)
    assert len(fetched.pins["run"]["not_kept"]) == 2


def test_offline_what_is_here_is_used_and_nothing_is_an_error(crawl: CommonCrawl, tmp_path: Path) -> None:
    here = brought(crawl, tmp_path, limit=3)
    crawl.requests.clear()
    assert fetch_source(source(), tmp_path, mirror=crawl.url, guard=Guard(offline=True)).files == here.files
    with pytest.raises(InputError, match="nothing was fetched yet"):
        fetch_source(source(), tmp_path / "new", mirror=crawl.url, guard=Guard(offline=True))
    assert not crawl.requests


def test_a_build_reads_it_as_a_crawled_source(crawl: CommonCrawl, tmp_path: Path) -> None:
    layout = Layout(tmp_path, "et")
    how = Fetching(extra=(source(),), mirror=crawl.url, limit=2)
    found = fetch_sources(load_language(bundled() / "et"), layout, how)
    assert [(item.source, item.key, item.crawled) for item in found.inputs] == [("cc", "pages-00000.warc.gz", True)]
    assert found.pins["cc"]["resolved"] == CRAWL


def test_what_is_no_server_or_no_number_is_asked_wrongly(crawl: CommonCrawl, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--mirror"):
        fetch(source(), tmp_path, mirror="ftp://x")
    with pytest.raises(UsageError, match="--limit 0"):
        fetch(source(), tmp_path, mirror=crawl.url, limit=0)
