"""Where a page leads: what a browser would follow is found, what the page forbids is known, nothing takes long."""

import time

import pytest

from ulmkit.acquire.links import MAX_LINKS, PageLinks, read_links

URL = "https://blog.example.org/a/page"


def read(page: str, url: str = URL) -> PageLinks:
    return read_links(page.encode(), url)


HREFS = [
    ('<a href="/b">', "https://blog.example.org/b"),
    ("<A HREF='/b'>", "https://blog.example.org/b"),
    ("<a href=/b>", "https://blog.example.org/b"),
    ("<a class=x href = \n '/b' >", "https://blog.example.org/b"),
    ("<a title=\"a > b\" href='/b'>", "https://blog.example.org/b"),
    ("<a title=it's href='/b' x=\"y\">", "https://blog.example.org/b"),
    ("<a/href=/b>", "https://blog.example.org/b"),
    ('<a href="/b" href="/c">', "https://blog.example.org/b"),
    ('<area href="b">', "https://blog.example.org/a/b"),
    ('<a href="?x=1&amp;y=2&section=3#top">', "https://blog.example.org/a/page?x=1&y=2&section=3"),
    ('<a href="//other.example/">', "https://other.example/"),
    ('<a href="/می\u200cروم">', "https://blog.example.org/%D9%85%DB%8C%E2%80%8C%D8%B1%D9%88%D9%85"),
    ('<meta http-equiv="refresh" content="0; url=/b">', "https://blog.example.org/b"),
]


@pytest.mark.parametrize(("tag", "expected"), HREFS, ids=range(len(HREFS)))
def test_a_link_is_found(tag: str, expected: str):
    assert read(f"<p>x {tag}text</a>").links == (expected,)


NO_LINKS = [
    "<a>", "<a name=x>", '<a href="">', '<a href="#top">', '<a href="javascript:void(0)">', '<a href="mailto:a@b.ee">',
    '<a href="/a/page#top">', "<!-- <a href=/b> -->", "<script>'<a href=/b>'</script>", "<style><a href=/b></style>",
    "<textarea><a href=/b></textarea>", "<title><a href=/b></title>", '<p title="<a href=/b>">', "< a href=/b>",
    "<abbr href=/b>", '<a rel="ugc nofollow" href=/b>', '<a href=/x.jpg>', '<a href="/x.PDF?a=1">', "<a data-href=/b>",
    "<script><a href=/b>", "<!-- <a href=/b>", "&lt;a href=/b&gt;",
]  # fmt: skip


@pytest.mark.parametrize("page", NO_LINKS, ids=range(len(NO_LINKS)))
def test_what_is_no_link_to_follow_is_none(page: str):
    assert read(page).links == ()


def test_links_come_once_and_in_order():
    assert read("<a href=/b><a href=/c><a href=/b#x>").links == (
        "https://blog.example.org/b",
        "https://blog.example.org/c",
    )


def test_a_base_is_what_links_are_relative_to():
    assert read('<base href="/z/"><base href="/y/"><a href=b>').links == ("https://blog.example.org/z/b",)
    assert read('<base href="javascript:x"><a href=b>').links == ("https://blog.example.org/a/b",)


def test_feeds_are_found_and_those_of_comments_left():
    page = (
        '<link rel="alternate" type="application/rss+xml" href="/feed/">'
        '<link rel="alternate" type="application/rss+xml" href="/comments/feed/">'
        '<link rel="alternate" type="application/atom+xml; charset=utf-8" href="https://x.org/atom">'
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/posts/1">'
        '<link rel="stylesheet" type="text/css" href="/x.css">'
    )
    assert read(page).feeds == ("https://blog.example.org/feed/", "https://x.org/atom")


CANONICALS = [
    ('<link rel="canonical" href="/a/page?x">', "https://blog.example.org/a/page?x"),
    ('<link rel=canonical href="https://www.blog.example.org/p">', "https://www.blog.example.org/p"),
    ('<link rel="canonical" href="https://other.example/p">', ""),
    ('<link rel="canonical" href="/p"><link rel="canonical" href="/q">', ""),
    ('<link rel="canonical" href="/p"><link rel="canonical" href="/p">', "https://blog.example.org/p"),
    ('<link rel="canonical" href="">', ""),
    ('<link rel="canonical">', ""),
]


@pytest.mark.parametrize(("page", "expected"), CANONICALS, ids=range(len(CANONICALS)))
def test_a_canonical_address_is_believed_within_its_host(page: str, expected: str):
    assert read(page).canonical == expected


ROBOTS = [
    ('<meta name="robots" content="nofollow">', True, False),
    ('<META NAME=Robots CONTENT="NOINDEX, max-snippet:3">', False, True),
    ('<meta name="robots" content="none">', True, True),
    ('<meta name="ulmkit" content="noindex,nofollow">', True, True),
    ('<meta name="robots" content="index, follow"><meta name="ulmkit" content="noindex">', False, True),
    ('<meta name="googlebot" content="noindex">', False, False),
    ('<meta name="robots" content="all">', False, False),
    ('<!-- <meta name="robots" content="none"> -->', False, False),
]


@pytest.mark.parametrize(("page", "nofollow", "noindex"), ROBOTS, ids=range(len(ROBOTS)))
def test_what_a_page_asks_of_robots_is_known(page: str, nofollow: bool, noindex: bool):
    found = read(page)
    assert (found.nofollow, found.noindex) == (nofollow, noindex)


def test_language_versions_next_page_and_platform_are_told():
    page = (
        '<html xml:lang="x" lang="fa-IR"><meta http-equiv="content-language" content="et, en">'
        '<link rel="alternate" hreflang="et" href="/et/"><a rel="next" href="/page/2">'
        '<link rel="https://api.w.org/" href="/wp-json/"><meta name="generator" content="WordPress 6.9">'
    )
    found = read(page)
    assert (found.language, found.next, found.api, found.generator) == (
        "fa-IR",
        "https://blog.example.org/page/2",
        "https://blog.example.org/wp-json/",
        "WordPress 6.9",
    )
    assert found.versions == (("et", "https://blog.example.org/et/"),)
    assert read('<html><meta http-equiv="content-language" content="et, en">').language == "et"


def test_a_page_is_read_in_its_own_encoding():
    page = "<meta charset=windows-1256><p>سلام دنيا، اين خانه من است</p><a href='/x'>".encode("windows-1256")
    assert read_links(page, URL).links == ("https://blog.example.org/x",)
    assert read_links("<a href=/x>".encode("utf-16"), URL).links == ("https://blog.example.org/x",)


@pytest.mark.slow
def test_of_a_million_links_5000_are_read():
    found = read('<link rel="next" href="/n">' + "".join(f"<a href=/{i}>x</a>" for i in range(1_000_000)))
    assert len(found.links) == MAX_LINKS == 5_000
    assert found.left_out == 995_001


def test_a_long_address_is_left_out():
    found = read(f'<a href="/{"x" * 10_000_000}"><a href="/{"x/" * 5_000}"><a href="/{"x/" * 500}">')
    assert (len(found.links), found.left_out) == (1, 2)


BOMBS = {
    "deep": "<div>" * 100_000 + "<a href=/b>",
    "deep links": "<a href=/b>" * 100_000,
    "a long attribute": f'<a title="{"x" * 50_000_000}" href=/b>',
    "a long tag": f"<a {'x ' * 5_000_000}>",
    "attributes": f"<a {' '.join(f'a{i}=b' for i in range(300_000))} href=/b>",
    "open tags": "<a " * 1_000_000,
    "open quotes": "<a href=\"'" * 500_000,
    "equal signs": "<a " + "= " * 2_000_000,
    "comments": "<!--" * 2_000_000,
    "empty comments": "<!-->" * 1_000_000,
    "scripts": "<script>" * 1_000_000,
    "script ends": "<script></scrip" * 500_000,
    "brackets": "<" * 5_000_000,
    "ampersands": f'<a href="{"&a" * 2_000_000}">' * 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("page", BOMBS.values(), ids=BOMBS.keys())
def test_nothing_takes_long(page: str):
    start = time.process_time()
    read(page)
    assert time.process_time() - start < 20
