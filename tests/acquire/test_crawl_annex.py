"""What only a whole crawl can show of the design's annex: traps, lists that lead in circles, addresses inside."""

import itertools
import threading
from asyncio.selector_events import BaseSelectorEventLoop
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.abc import ResolveResult
from crawl_runs import Steps, crawl, crawl_all, documents, site_source
from inside_addresses import HOSTS, PORTS, SCHEMES, Names
from site_server import Reply, Site, article, serving_site

from ulmkit.acquire.connections import address_record
from ulmkit.acquire.frontier import Frontier
from ulmkit.formats.consent import ConsentRules
from ulmkit.language.sources import BlogSource, FeedSource

TEXT = "Kevad tuli sel aastal vara. Jõgi tõusis üle kallaste ja koolimaja ees õitsesid ülased."
LONG = " ".join([TEXT] * 8)
XML = "application/xml"


def page(*links: str, text: str = TEXT) -> Reply:
    return Reply(
        f"<html><body>{''.join(f'<a href="{each}">x</a>' for each in links)}<p>{text}</p></body></html>".encode()
    )


def feed(*entries: tuple[str, str], following: str = "") -> Reply:
    """An Atom feed of addresses and whole texts."""
    head = f"<link rel='next' href='{following}'/>" if following else ""
    body = "".join(
        f"<entry><id>{url}</id><title>T {url[-9:]}</title><link href='{url}'/><updated>2024-05-06T07:08:09Z</updated>"
        f"<content type='html'>&lt;p&gt;{text}&lt;/p&gt;</content></entry>"
        for url, text in entries
    )
    return Reply(f'<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title>{head}{body}</feed>'.encode(),
                 content_type="application/atom+xml")  # fmt: skip


# traps


def test_a_session_in_each_link_makes_no_new_page_a54(site: Site, tmp_path: Path) -> None:
    def visited(path: str) -> Reply:
        links = (f"/article/{n}?PHPSESSID={len(site.heard):08x}{n:08x}" for n in range(6))
        return page(*links, text=f"{TEXT} {urlsplit(path).path}")

    site.pages["/"] = visited("/")
    site.otherwise = lambda path: visited(path) if path.startswith("/article/") else Reply(b"", 404)
    done = crawl(site, tmp_path, site_source(site, discover=("links",), depth=100))
    assert done["kept"] == 6
    assert sum(count for path, count in site.asked.items() if path.startswith("/article/")) == 6


def test_the_same_page_under_720_orders_of_its_query_is_asked_for_once_a55(site: Site, tmp_path: Path) -> None:
    orders = ["/list?" + "&".join(f"{name}=1" for name in order) for order in itertools.permutations("abcdef")]
    site.pages["/"] = page(*orders)
    site.otherwise = lambda path: page(*orders) if path.startswith("/list") else Reply(b"", 404)
    done = crawl(site, tmp_path, site_source(site, discover=("links",), depth=100))
    assert (done["kept"], sum(path.startswith("/list") for path in site.asked)) == (1, 1)


@pytest.mark.slow
def test_of_a_million_links_five_thousand_are_read_and_no_long_one_a56(site: Site, tmp_path: Path) -> None:
    links = "".join(f"<a href=/n{number}>" for number in range(1_000_000))
    long = f"<a href='/{'x' * 10_000_000}'>x</a><a href='/{'a/' * 5_000}'>x</a><a href='/{'a/' * 1_000}'>x</a>"
    site.put("/", f"<html><body>{long}{links}</body></html>")
    done = crawl(site, tmp_path, site_source(site, discover=("links",), depth=1, max_pages=3))
    assert sum(done["urls"]["page"].values()) == 5_000
    assert done["left"]["beyond the limit"] == 1_000_000 + 3 - 5_000
    assert "/" + "a/" * 1_000 in site.asked


@pytest.mark.slow
@pytest.mark.parametrize("body", ["<div>" * 100_000 + "x", f"<a title='{'y' * 20_000_000}' href='/article/2'>x</a>"])
def test_a_page_that_is_hard_to_read_costs_itself_a57(site: Site, tmp_path: Path, body: str) -> None:
    site.put("/", f"<html><body><a href='/article/1'>x</a><a href='/hard'>x</a>{body}</body></html>")
    site.put("/hard", f"<html><body>{body[:9_000_000]}</body></html>")
    site.put_article(1, TEXT)
    site.put_article(2, TEXT + " teine")
    done = crawl(site, tmp_path, site_source(site, discover=("links",), depth=2))
    assert site.asked["/article/1"] == site.asked["/hard"] == 1
    assert done["kept"] >= 2


# lists that lead in circles


def index(*urls: str) -> Reply:
    inside = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return Reply(f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</sitemapindex>'.encode(),
                 content_type=XML)  # fmt: skip


def test_a_ring_of_three_sitemaps_and_one_that_holds_itself_are_read_once_each(site: Site, tmp_path: Path) -> None:
    site.pages |= {
        "/sitemap.xml": index(f"{site.url}/b.xml", f"{site.url}/sitemap.xml"),
        "/b.xml": index(f"{site.url}/c.xml", f"{site.url}/own.xml"),
        "/c.xml": index(f"{site.url}/sitemap.xml"),
    }
    site.put_sitemap([site.put_article(1, TEXT)], "/own.xml")
    assert crawl(site, tmp_path, site_source(site, discover=("sitemap",)))["kept"] == 1
    assert set(site.asked_for_pages.values()) == {1}


def test_a_ring_of_three_redirects_ends(site: Site, tmp_path: Path) -> None:
    for here, there in (("1", "2"), ("2", "3"), ("3", "1")):
        site.pages[f"/{here}"] = Reply(b"", 302, headers={"Location": f"/{there}"})
    site.put_sitemap(["/1", site.put_article(9, TEXT)])
    assert crawl(site, tmp_path, site_source(site, discover=("sitemap",)))["kept"] == 1
    assert sum(site.asked[f"/{number}"] for number in (1, 2, 3)) <= 6
    assert max(site.asked.values()) == 1  # a URL that was asked for stands in the frontier already


@pytest.mark.parametrize("beyond", ["the first again", 404, 400, "nothing new"])
def test_paging_stops_where_a_page_gives_nothing_new(site: Site, tmp_path: Path, beyond: object) -> None:
    entries = [(f"{site.url}/e/{number}", f"{LONG} {number}") for number in range(6)]

    def pages(path: str) -> Reply:
        number = int(path.rpartition("=")[2]) if "page=" in path else 1
        following = f"{site.url}/feed?page={number + 1}"
        if number <= 3:
            return feed(*entries[2 * number - 2 : 2 * number], following=following)
        if isinstance(beyond, int):
            return Reply(b"", beyond)
        return feed(*(entries[:2] if beyond == "the first again" else ()), following=following)

    site.otherwise = lambda path: pages(path) if path.startswith("/feed") else Reply(b"", 404)
    spec = FeedSource("s", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0)
    assert crawl(site, tmp_path, spec)["kept"] == 6
    assert list(site.asked_for_pages) == ["/feed", *(f"/feed?page={number}" for number in (2, 3, 4))]


def test_a_page_two_that_is_page_one_ends_a_feed(site: Site, tmp_path: Path) -> None:
    same = feed((f"{site.url}/e/1", LONG), (f"{site.url}/e/2", f"{LONG} 2"))
    site.otherwise = lambda path: same if path.startswith("/feed") else Reply(b"", 404)
    spec = FeedSource("s", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0, paging="wordpress")
    assert crawl(site, tmp_path, spec)["kept"] == 2
    assert list(site.asked_for_pages) == ["/feed", "/feed?paged=2"]


def test_a_platform_whose_lists_are_closed_falls_back_to_sitemap_and_feed(site: Site, tmp_path: Path) -> None:
    site.put("/", f"<html><head><link rel='https://api.w.org/' href='{site.url}/wp-json/'></head><body></body></html>")
    site.otherwise = lambda path: Reply(b'{"code": "rest_forbidden"}', 401 if "wp-json" in path else 404)
    site.put_sitemap([site.put_article(number, f"{LONG} {number}") for number in (1, 2)])
    site.pages["/feed"] = feed((f"{site.url}/e/1", LONG))
    spec = BlogSource("s", "blog", f"{site.url}/", "CC0-1.0", delay_s=0.0)
    done = crawl(site, tmp_path, spec)
    assert done["kept"] == 3
    assert done["statuses"]["401"] == sum("wp-json" in path for path in site.asked) == 1


# servers


def test_a_server_that_was_not_reached_for_thirty_days_is_reported_and_never_opened(site: Site, tmp_path: Path) -> None:
    site.pages["/robots.txt"] = Reply(b"", 503)
    site.put_sitemap([site.put_article(1, TEXT)])
    steps, told = Steps(), []
    for _ in range(5):
        done = crawl(site, tmp_path, site_source(site), steps=steps)
        told.append(next(iter(done["list_problems"])))
        steps.days += 8 * 86_400
    assert set(site.asked) == {"/robots.txt"}
    assert all("asked again in" in each for each in told[:4])
    assert "for 32 days: is the site gone?" in told[4]
    site.put("/robots.txt", "", content_type="text/plain")
    assert crawl(site, tmp_path, site_source(site), steps=steps)["kept"] == 1
    site.pages["/robots.txt"] = Reply(b"", 503)
    steps.days += 2 * 86_400
    assert "asked again in" in next(
        iter(crawl(site, tmp_path, site_source(site, refresh_days=0.0), steps=steps)["list_problems"])
    )


def test_a_slow_server_holds_up_no_other_where_a_crawl_begins(site: Site, tmp_path: Path) -> None:
    asked = threading.Event()
    waited: list[bool] = []

    def when_the_other_is_crawled(headers: dict[str, str]) -> Reply:
        waited.append(asked.wait(20))
        return Reply(b"", content_type="text/plain")

    def told(headers: dict[str, str]) -> Reply:
        asked.set()
        return Reply(article("T", TEXT).encode())

    with serving_site() as slow:
        slow.pages["/robots.txt"] = when_the_other_is_crawled
        slow.put_sitemap([slow.put_article(1, TEXT)])
        site.pages["/article/1"] = told
        site.put_sitemap(["/article/1"])
        specs = [site_source(each, discover=("sitemap",)) for each in (slow, site)]
        object.__setattr__(specs[1], "name", "t")
        done = crawl_all(tmp_path, specs, allowed=site.allowed | slow.allowed)
    assert waited == [True]
    assert (done["s"]["kept"], done["t"]["kept"]) == (1, 1)


# whose terms an entry is under


TRAINERS = "".join(f"User-agent: {agent}\nDisallow: /e/1\n\n" for agent in ("GPTBot", "CCBot"))


def test_an_entry_is_taken_from_a_list_only_under_the_terms_of_its_own_page(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", f"{TRAINERS}User-agent: *\nDisallow: /e/2\n", content_type="text/plain")
    site.put(
        "/.well-known/tdmrep.json", '[{"location": "/e/3", "tdm-reservation": 1}]', content_type="application/json"
    )
    site.pages["/feed"] = feed(*((f"{site.url}/e/{number}", f"{LONG} {number}") for number in range(5)))
    for number in range(5):
        site.put(f"/e/{number}", article("T", f"{LONG} {number}"))
    spec = FeedSource("s", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0)
    done = crawl(site, tmp_path, spec)
    assert set(site.asked_for_pages) == {"/feed"}
    assert set(documents(tmp_path, spec)) == {f"{site.url}/e/0", f"{site.url}/e/4"}
    assert done["not_kept"] == {"no consent": 2, "robots.txt": 1}
    done = crawl(site, tmp_path, spec, consent=ConsentRules("record"))
    assert set(site.asked_for_pages) == {"/feed", "/e/1", "/e/3"}
    assert set(documents(tmp_path, spec)) == {f"{site.url}/e/{number}" for number in (0, 1, 3, 4)}
    assert {url[-1]: doc.terms.signals for url, doc in documents(tmp_path, spec).items() if doc.terms} == {
        "0": "", "1": '{"agents":["CCBot","GPTBot"]}', "3": '{"tdm":"1"}', "4": ""
    }  # fmt: skip


def test_the_terms_of_an_entry_on_another_server_are_held_where_they_are_known(site: Site, tmp_path: Path) -> None:
    with serving_site() as other:
        other.put(
            "/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]', content_type="application/json"
        )
        other.put_sitemap([])
        site.pages["/feed"] = feed((f"{site.url}/e/1", LONG), (f"{other.url}/e/2", f"{LONG} 2"))
        allowed = site.allowed | other.allowed
        feeds = FeedSource("f", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0)
        crawl_all(tmp_path / "unknown", [feeds], allowed=allowed)
        assert len(documents(tmp_path / "unknown", feeds)) == 2  # nobody asked the other server
        crawl_all(tmp_path, [site_source(other)], allowed=allowed)
        done = crawl_all(tmp_path, [feeds], allowed=allowed)
    assert set(documents(tmp_path, feeds)) == {f"{site.url}/e/1"}
    assert done["f"]["not_kept"] == {"no consent": 1}


# addresses inside of a network (annex C), through lists


INSIDE = {
    **{f"C{number}": f"http://{host}/latest/meta-data/" for number, host in HOSTS.items()},
    "C56": "http://both.example/",
    "C57": "http://second.example/",
    "C58": "http://mapped.example/",
    **{f"C59 {scheme}": f"{scheme}://127.0.0.1/x" for scheme in SCHEMES},
    **{f"C60 {port}": f"http://93.184.216.34:{port}/" for port in PORTS},
}
TOLD = {
    "both.example": [["10.0.0.1", "93.184.216.34"]],
    "second.example": [["127.0.0.1"]],
    "mapped.example": [["::ffff:10.0.0.1"]],
}


@pytest.fixture
def tried(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Addresses and ports that somebody tried to connect to, but for the site's own."""
    attempts: list[tuple[str, int]] = []
    connect = BaseSelectorEventLoop.sock_connect

    async def watched(loop: BaseSelectorEventLoop, sock: object, address: tuple[str, int]) -> None:
        if address[:2] != ("127.0.0.1", site.port):
            attempts.append(address[:2])
            raise ConnectionRefusedError(111, "refused by the test")
        await connect(loop, sock, address)  # type: ignore[arg-type]

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", watched)
    return attempts


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def asked_after(folder: Path) -> set[str]:
    """The addresses that the frontier took."""
    frontier = Frontier(folder / "frontier.sqlite")
    try:
        return {row[0] for row in frontier.db.execute("SELECT url FROM urls")}
    finally:
        frontier.close()


def test_no_entry_of_a_sitemap_leads_inside(site: Site, tmp_path: Path, tried: list[tuple[str, int]]) -> None:
    hosts = tuple({host for url in INSIDE.values() if (host := host_of(url))} | {"127.0.0.1"})
    urls = "".join(f"<url><loc>{url}</loc></url>" for url in (*INSIDE.values(), f"{site.url}/article/1"))
    site.put(
        "/sitemap.xml", f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{urls}</urlset>", content_type=XML
    )
    site.put_article(1, TEXT)
    spec = site_source(site, discover=("sitemap",), hosts=hosts)
    done = crawl(site, tmp_path, spec, resolver=Names(TOLD))
    assert done["kept"] == 1
    assert set(tried) <= {("93.184.216.34", 80)}  # C56: the public address of the two
    assert set(site.asked_for_pages) == {"/sitemap.xml", "/article/1"}
    assert len(asked_after(tmp_path)) > 30  # they were of the source, and it is the guard that held


def test_no_sitemap_line_of_robots_txt_leads_inside(site: Site, tmp_path: Path, tried: list[tuple[str, int]]) -> None:
    lines = "".join(f"Sitemap: {url}\n" for url in (*INSIDE.values(), f"{site.url}/own.xml"))
    site.put("/robots.txt", lines, content_type="text/plain")
    site.put_sitemap([site.put_article(1, TEXT)], "/own.xml")
    done = crawl(site, tmp_path, site_source(site, discover=("sitemap",)), resolver=Names(TOLD))
    assert done["kept"] == 1
    assert set(tried) <= {("93.184.216.34", 80)}
    assert set(site.asked_for_pages) == {"/own.xml", "/article/1"}
    assert len(asked_after(tmp_path)) > 30


@pytest.mark.parametrize("way", [pytest.param("redirect", marks=pytest.mark.slow), "feed", "link"])
def test_no_redirect_entry_or_link_leads_inside(
    site: Site, tmp_path: Path, tried: list[tuple[str, int]], way: str
) -> None:
    urls = list(INSIDE.values())
    if way == "redirect":
        site.pages |= {
            f"/{n}": Reply(b"", 302, headers={"Location": u.encode("ascii", "ignore").decode()})
            for n, u in enumerate(urls)
        }
        site.put_sitemap([f"/{number}" for number in range(len(urls))])
    elif way == "feed":
        items = "".join(f"<item><title>T</title><link>{url}</link></item>" for url in urls)
        site.put(
            "/feed",
            f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>",
            content_type="application/rss+xml",
        )
    else:
        site.pages["/"] = page(*urls)
    hosts = tuple({host for url in urls if (host := host_of(url))} | {"127.0.0.1"})
    spec = (
        FeedSource("s", "feed", f"{site.url}/feed", "CC0-1.0", delay_s=0.0)
        if way == "feed"
        else site_source(site, discover=("links",) if way == "link" else ("sitemap",), hosts=hosts)
    )
    crawl(site, tmp_path, spec, resolver=Names(TOLD))
    assert set(tried) <= {("93.184.216.34", 80)}
    assert len(asked_after(tmp_path)) > 30


class Wildcard(Names):
    """Every name below one leads to the same machine."""

    async def resolve(self, host: str, port: int = 0, family: object = None) -> list[ResolveResult]:
        return [address_record(host, "127.0.0.1", port)]


@pytest.mark.parametrize("same", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_names_without_end_of_one_domain_are_asked_as_one_machine_within_its_bounds(
    site: Site, tmp_path: Path, same: bool
) -> None:
    steps, times = Steps(), []

    def at(headers: dict[str, str]) -> Reply:
        times.append(steps.now)
        number = 1 if same else len(times)
        links = (f"http://n{number * 200 + each}.trap.example:{site.port}/" for each in range(200))
        return page(*links, text=f"{TEXT} {number}")

    site.pages["/"] = at
    spec = site_source(
        site,
        locator=f"http://trap.example:{site.port}/",
        hosts=("*.trap.example",),
        discover=("links",),
        depth=10**6,
        delay_s=1.0,
        max_hosts=12,
    )
    done = crawl(site, tmp_path, spec, steps=steps, resolver=Wildcard({}))
    names = {headers["Host"] for _, headers in site.heard}
    assert len(names) <= 11 if same else len(names) == 12
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(times))
    assert done["left"]["beyond max_hosts of 12"] > 1000
    if same:
        assert any(problem.endswith("same page") for problem in done["list_problems"])
