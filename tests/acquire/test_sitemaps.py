"""Sitemaps: what they list is found, what is wrong with them is said, and no size, depth or lie of theirs does harm."""

import gzip
import time
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ulmkit.acquire import sitemaps
from ulmkit.acquire.sitemaps import Found, Listing

NOW = datetime(2026, 12, 1, tzinfo=UTC)
URL = "https://news.example.org/sitemap.xml"
NAMES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml" '
    'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
    'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
)


def urlset(inside: str, names: str = NAMES, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> bytes:
    return f"{head}<urlset {names}>{inside}</urlset>".encode()


def index(inside: str) -> bytes:
    return f'<?xml version="1.0"?><sitemapindex {NAMES}>{inside}</sitemapindex>'.encode()


def place(url: str, more: str = "") -> str:
    return f"<url><loc>{url}</loc>{more}</url>"


def read(body: bytes, **options: object) -> Listing:
    return sitemaps.read_sitemap(body, URL, now=NOW, **options)


def found(body: bytes, **options: object) -> list[str]:
    return [each.url for each in read(body, **options).found]


def test_pages_are_found_with_when_they_changed():
    listing = read(urlset(place("https://news.example.org/1", "<lastmod>2026-11-02</lastmod><priority>1</priority>")))
    assert listing == Listing((Found("https://news.example.org/1", datetime(2026, 11, 2, tzinfo=UTC)),))


def test_an_index_lists_sitemaps():
    listing = read(
        index(
            "<sitemap><loc>https://news.example.org/a.xml.gz</loc><lastmod>2026-11-02T10:00:00+03:30</lastmod></sitemap>"
            "<sitemap><loc>/b.xml</loc></sitemap>"
        )
    )
    assert listing.found == ()
    assert listing.lists == (
        Found("https://news.example.org/a.xml.gz", datetime(2026, 11, 2, 6, 30, tzinfo=UTC)),
        Found("https://news.example.org/b.xml"),
    )


def test_a_news_sitemap_tells_date_language_and_title():
    news = (
        "<news:news><news:publication><news:name>خبر</news:name><news:language>fa</news:language></news:publication>"
        "<news:publication_date>2026-11-30T08:00Z</news:publication_date><news:title>می\u200cآید</news:title></news:news>"
        "<image:image><image:loc>https://news.example.org/x.jpg</image:loc><image:title>T</image:title></image:image>"
    )
    assert read(urlset(place("/1", news))).found == (
        Found(
            "https://news.example.org/1",
            published=datetime(2026, 11, 30, 8, tzinfo=UTC),
            language="fa",
            title="می\u200cآید",
        ),
    )


def test_versions_in_other_languages_are_pages_of_those_languages():
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href="https://news.example.org/{code}/1"/>'
        for code in ("fa", "en")
    )
    listing = read(urlset(place("https://news.example.org/fa/1", links)))
    assert [(each.url[-4:], each.language) for each in listing.found] == [("fa/1", "fa"), ("en/1", "en")]


DATES = [
    ("2026-11-02T10:20:30.45+01:00", datetime(2026, 11, 2, 10, 20, 30, 450_000, timezone(timedelta(hours=1)))),
    ("2026-11-02T10:20Z", datetime(2026, 11, 2, 10, 20, tzinfo=UTC)),
    ("2026-11-02T10:20:30", datetime(2026, 11, 2, 10, 20, 30, tzinfo=UTC)),
    ("2026-11-02", datetime(2026, 11, 2, tzinfo=UTC)),
    ("2026-11", datetime(2026, 11, 1, tzinfo=UTC)),
    ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
    (" 2026-11-02 ", datetime(2026, 11, 2, tzinfo=UTC)),
    ("2027-06-01", None),
    ("1405-08-11", None),
    ("۱۴۰۵-۰۸-۱۱", None),
    ("", None),
    ("2026-13-45", None),
    ("0000-00-00", None),
    ("yesterday", None),
]


@pytest.mark.parametrize(("written", "expected"), DATES, ids=range(len(DATES)))
def test_a_date_is_read_or_none(written: str, expected: datetime | None):
    assert read(urlset(place("/1", f"<lastmod>{written}</lastmod>"))).found[0].changed == expected


def test_addresses_are_trimmed_resolved_and_listed_once():
    body = urlset(place("\n  /1?a=1&amp;b=2\n") + place("/1?a=1&b=2") + place("<![CDATA[/2?a=1&b=2]]>") + place("/خ"))
    assert found(body) == [
        "https://news.example.org/1?a=1&b=2",
        "https://news.example.org/2?a=1&b=2",
        "https://news.example.org/%D8%AE",
    ]


def test_what_is_no_address_is_left_out_and_counted():
    body = urlset(
        "".join(map(place, ("", "mailto:a@b.ee", "http://[", "/" + "a" * 3000, "https://u:p@news.example.org/")))
    )
    assert read(body) == Listing(left_out=5)


def test_pages_of_another_host_are_left_out_unless_its_robots_named_this_list():
    body = urlset(place("https://other.example/1") + place("https://www.news.example.org/2"))
    assert found(body) == ["https://www.news.example.org/2"]
    assert read(body).left_out == 1
    assert found(body, hosts=["www.Other.example"]) == ["https://other.example/1", "https://www.news.example.org/2"]


def test_an_index_that_holds_itself_lists_the_others():
    listing = read(index(f"<sitemap><loc>{URL}</loc></sitemap><sitemap><loc>/b.xml</loc></sitemap>"))
    assert [each.url for each in listing.lists] == ["https://news.example.org/b.xml"]


def test_of_2001_sitemaps_in_an_index_2000_are_taken():
    listing = read(index("".join(f"<sitemap><loc>/{i}.xml</loc></sitemap>" for i in range(2001))))
    assert (len(listing.lists), listing.left_out) == (2000, 1)


@pytest.mark.slow
def test_of_50001_entries_50000_are_taken_in_little_time_and_memory():
    news = "<news:news><news:publication_date>2026-11-30</news:publication_date></news:news>"
    body = urlset("".join(place(f"/{i}", news) for i in range(50_001)))
    start = time.process_time()
    listing = read(body)
    assert time.process_time() - start < 20
    assert (len(listing.found), listing.left_out) == (50_000, 1)


@pytest.mark.slow
def test_a_list_of_51_mb_is_read_for_50():
    body = urlset(place("/1") + " " * 51_000_000 + place("/2"))
    listing = read(body)
    assert [each.url[-2:] for each in listing.found] == ["/1"]
    assert listing.problem == "over 50,000,000 bytes"


def test_a_compressed_list_is_known_by_its_bytes():
    body = urlset(place("/1"))
    assert found(gzip.compress(body)) == ["https://news.example.org/1"]
    cut = body.index(b"<url>")
    assert found(gzip.compress(body[:cut]) + gzip.compress(body[cut:])) == ["https://news.example.org/1"]


def test_a_compressed_list_that_breaks_off_gives_what_came():
    body = gzip.compress(urlset("".join(place(f"/{i * 7919 % 10007}") for i in range(5000))))
    listing = read(body[: len(body) // 2])
    assert 1000 < len(listing.found) < 5000
    assert listing.problem == "gzip: breaks off"
    assert read(b"\x1f\x8b" + b"\0" * 50).problem.startswith("gzip: ")


def test_a_bomb_is_unpacked_to_its_limit_and_costs_no_memory():
    spaces = gzip.compress(urlset(place("/1"))[:-9] + b" " * 60_000_000, 1)
    tracemalloc.start()
    listing = read(spaces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(listing.found), listing.problem) == (1, "expands too much")
    assert peak < 8_000_000
    assert read(gzip.compress(gzip.compress(b"\0" * 1_000_000))).found == ()  # one layer comes off


def test_what_stands_across_the_pieces_of_a_large_list_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sitemaps, "LIST_PIECE", 1_001)
    body = urlset("".join(place(f"<![CDATA[/{i}?a=1&b=>]]>" if i % 2 else f"/{i}?a=&amp;b=می") for i in range(2_000)))
    for data in (body, gzip.compress(body, 1), body.decode().replace("UTF-8", "UTF-16").encode("utf-16")):
        listing = read(data)
        assert (len(listing.found), listing.problem, listing.left_out) == (2_000, "", 0)
        assert listing.found[3].url == "https://news.example.org/3?a=1&b=>"
        assert listing.found[4].url == "https://news.example.org/4?a=&b=%D9%85%DB%8C"


def test_plain_lines_are_a_list():
    body = "\ufeffhttps://news.example.org/1\r\n\r\nhttps://news.example.org/خ\nwords\nhttps://other.example/\n"
    listing = read(body.encode())
    assert [each.url for each in listing.found] == ["https://news.example.org/1", "https://news.example.org/%D8%AE"]
    assert (listing.left_out, listing.problem) == (2, "")


def test_a_feed_in_the_place_of_a_sitemap_is_read():
    body = (
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><atom:link rel="next" href="?page=2"/>'
        "<item><link>/1</link><title>T</title><pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate></item></channel></rss>"
    )
    when = datetime(2026, 11, 2, 10, tzinfo=UTC)
    listing = read(body.encode())
    assert listing.found == (Found("https://news.example.org/1", when, when, title="T"),)
    assert listing.next == "https://news.example.org/sitemap.xml?page=2"


NO_LISTS = [
    (b"<!DOCTYPE html><html><body>404</body></html>", "not a sitemap: a page"),
    (b" <html lang=fa>", "not a sitemap: a page"),
    (b'<?xml version="1.0"?><svg/>', "not a sitemap: <svg>"),
    (b"", "not a sitemap"),
    (b"404 not found", "not a sitemap"),
    (b'2000\r\n<html>\n<a href="http://news.example.org/1">\nhttps://news.example.org/2 x\n', "not a sitemap"),
    (b"<", "no XML"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\0", ""),
    (urlset(place("/&a;"), head='<!DOCTYPE urlset [<!ENTITY a "b">]>'), "document type declaration"),
    (
        urlset(place("/&a;"), head='<!-- <a> --><!DOCTYPE urlset SYSTEM "http://127.0.0.1/">'),
        "document type declaration",
    ),
    (urlset("", head="<!DOCTYPE urlset []>").decode().encode("utf-16-be"), "document type declaration"),
]


@pytest.mark.parametrize(("body", "problem"), NO_LISTS, ids=range(len(NO_LISTS)))
def test_what_is_no_sitemap_says_so(body: bytes, problem: str):
    listing = read(body)
    assert listing.problem
    assert listing.problem.startswith(problem)
    assert not listing.found


@pytest.mark.parametrize("names", ["", 'xmlns="http://www.google.com/schemas/sitemap/0.84"', 'xmlns="x" a:b="c"'])
def test_a_wrong_namespace_does_not_matter(names: str):
    assert found(urlset(place("/1", "<news:news><news:title>T</news:title></news:news>"), names)) == [
        "https://news.example.org/1"
    ]


BROKEN = [
    urlset(place("/1") + place("/2")).replace(b"</url></urlset>", b"</urlset>"),
    urlset(place("/1") + place("/2"))[:-30],
    urlset(place("/1") + "<url><loc>/2</url>"),
    urlset(place("/1") + place("/2") + "<"),
    urlset(place("/1") + place("/2") + "\x00<url><loc>/3</loc>"),
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_what_came_before_a_break_is_kept(body: bytes):
    listing = read(body)
    assert listing.found[0].url == "https://news.example.org/1"
    assert listing.problem.startswith("no XML")


def test_other_encodings_are_read():
    body = urlset(place("/خبر"), head='<?xml version="1.0" encoding="UTF-16"?>').decode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        assert found(body.encode(encoding)) == ["https://news.example.org/%D8%AE%D8%A8%D8%B1"], encoding


def test_of_more_elements_than_a_list_has_the_first_are_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sitemaps, "MAX_LIST_ELEMENTS", 1_000)
    listing = read(urlset(place("/1") + "<a/>" * 1_000))
    assert (len(listing.found), listing.problem) == (1, "too many elements")


BOMBS = {
    "deep": urlset("<url>" * 500_000),
    "a long address": urlset(place("a" * 20_000_000)),
    "a long attribute": urlset('<url a="' + "x" * 20_000_000),
    "ampersands": urlset("&" * 5_000_000),
    "sections": urlset("<![CDATA[&" * 500_000),
    "comments": urlset("<!--" * 1_000_000),
    "many comments": b"<!-- -->" * 300_000,
    "lines": b"https://a.ee/\n" * 300_000,
    "versions": urlset(place("/1", '<xhtml:link hreflang="a" href="/x"/>' * 200_000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_nothing_takes_long(body: bytes):
    start = time.process_time()
    read(body)
    assert time.process_time() - start < 20
