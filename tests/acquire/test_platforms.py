"""Platforms of blogs are known by their front page, and their lists are gone through to the end and no further."""

import pytest

from ulmkit.acquire.links import read_links
from ulmkit.acquire.platforms import blogger, fewer_posts, next_posts, platform_of, wordpress
from ulmkit.formats.feeds import Entry, Feed

FIELDS = "_fields=id,link,date_gmt,modified_gmt,title,content,license"
LIST = f"?per_page=100&page=1&{FIELDS}"
FRONT_PAGES = [
    (
        '<link rel="https://api.w.org/" href="https://a.ee/wp-json/">',
        "https://a.ee/",
        f"https://a.ee/wp-json/wp/v2/posts{LIST}",
    ),
    (
        '<link rel="https://api.w.org/" href="/blog/wp-json/">',
        "https://a.ee/blog/",
        f"https://a.ee/blog/wp-json/wp/v2/posts{LIST}",
    ),
    (
        '<link rel="https://api.w.org/" href="https://a.ee/index.php?rest_route=/">',
        "https://a.ee/",
        f"https://a.ee/index.php?rest_route=/wp/v2/posts&{LIST[1:]}",
    ),
    ('<meta name="generator" content="WordPress 6.9">', "https://a.ee/", f"https://a.ee/wp-json/wp/v2/posts{LIST}"),
    ('<link rel="https://api.w.org/" href="https://evil.example/">', "https://a.ee/", ""),
    (
        '<meta content="blogger" name="generator"/>',
        "https://a.ee/p/x.html",
        "https://a.ee/feeds/posts/default?alt=json&max-results=100&start-index=1",
    ),
    (
        "<p>",
        "https://a.blogspot.com/",
        "https://a.blogspot.com/feeds/posts/default?alt=json&max-results=100&start-index=1",
    ),
    ('<meta name="generator" content="Hugo 0.150">', "https://a.ee/", ""),
    ("<p>", "https://blogspot.example.org/", ""),
]


@pytest.mark.parametrize(("page", "url", "expected"), FRONT_PAGES, ids=range(len(FRONT_PAGES)))
def test_a_platform_is_known_by_the_front_page(page: str, url: str, expected: str):
    platform = platform_of(read_links(page.encode(), url), url)
    assert (platform.posts if platform else "") == expected


def some(count: int, next_: str = "") -> Feed:
    return Feed(tuple(Entry(f"https://a.ee/{i}") for i in range(count)), next_)


def test_blogger_goes_on_behind_what_came():
    url = blogger("https://a.ee/").posts
    assert next_posts(url, some(37)) == url.replace("start-index=1", "start-index=38")
    assert next_posts(url.replace("start-index=1", "start-index=38"), some(100)).endswith("start-index=138")
    assert next_posts(url, some(0, "https://a.ee/more")) == ""


PAGES = [  # received, page, X-WP-TotalPages, whether there is a next
    (100, "1", "3", True),
    (100, "3", "3", True),  # a lie: the page is full
    (40, "3", "3", False),
    (40, "1", "3", True),  # some posts of a page may be hidden
    (40, "1", "", True),
    (40, "1", "x", True),
    (40, "1", "-1", True),
    (0, "4", "9", False),
]


@pytest.mark.parametrize(("received", "page", "told", "more"), PAGES, ids=range(len(PAGES)))
def test_wordpress_goes_on_until_both_its_count_and_the_page_say_that_it_ends(
    received: int, page: str, told: str, more: bool
):
    url = wordpress("https://a.ee/").posts.replace("page=1&", f"page={page}&")
    expected = url.replace(f"page={page}&", f"page={int(page) + 1}&") if more else ""
    assert next_posts(url, some(received), {"X-WP-TotalPages": told} if told else {}) == expected


def test_a_feed_goes_on_where_it_says():
    assert next_posts("https://a.ee/feed", some(3, "https://a.ee/feed?paged=2")) == "https://a.ee/feed?paged=2"


def test_a_server_that_refuses_a_hundred_is_asked_for_fewer():
    url = wordpress("https://a.ee/").posts
    assert fewer_posts(url) == url.replace("per_page=100", "per_page=20")
    assert fewer_posts(fewer_posts(url)) == url.replace("per_page=100", "per_page=10")
    assert fewer_posts(fewer_posts(fewer_posts(url))) == ""
    assert fewer_posts(url.replace("page=1&", "page=2&")) == ""
