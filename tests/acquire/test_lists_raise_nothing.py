"""Whatever bytes a server sends, a reader of lists returns: it raises nothing, and addresses are addresses."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples
from synthetic_web import synthetic_web

from ulmkit.acquire.links import read_links
from ulmkit.acquire.sitemaps import read_sitemap
from ulmkit.formats.canonical import canonical
from ulmkit.formats.feeds import read_feed
from ulmkit.formats.posts import read_posts

URL = "https://a.example/x/y"
WEB = synthetic_web(articles=40)
LISTS = [
    WEB.sites[site].answer(path, query).body[:12_000]
    for site, path, query in (
        ("news-fa", "/sitemap_index.xml", {}),
        ("news-fa", "/news-sitemap.xml", {}),
        ("news-fa", "/", {}),
        ("news-feed", "/rss", {}),
        ("wordpress", "/feed/", {}),
        ("wordpress", "/wp-json/wp/v2/posts", {"per_page": "2"}),
        ("blogger", "/feeds/posts/default", {"alt": "json", "max-results": "1"}),
        ("blogger", "/feeds/posts/default", {"max-results": "1"}),
        ("listed", "/sitemap.txt", {}),
        ("static", "/atom.xml", {}),
    )
]
HOSTS = [f"{name}.example" for name in WEB.sites]
PIECES = [
    *(
        b"<",
        b">",
        b"&",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"<!DOCTYPE a>",
        b'"',
        b"'",
        b"\0",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *(b"&#0;", b"&#xD800;", b"&#99999999999;", b"\\ud800", b"http://[", b"//", b"null", b"{}", b"[]", b"1e999", b"-1"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A list with pieces of it cut out, doubled, turned, or with something put in."""
    data = draw(st.sampled_from(LISTS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 300))
        other = draw(st.sampled_from([b"", data[start:end] * 2, *PIECES]) | st.binary(max_size=8))
        data = data[:start] + other + data[end:]
    encoding = draw(st.sampled_from(["", "", "", "utf-16", "utf-16-be", "windows-1256", "gzip"]))
    if encoding == "gzip":
        return gzip.compress(data, 1)
    return data.decode("utf-8", "replace").encode(encoding, "replace") if encoding else data


def addresses(body: bytes) -> list[str]:
    """All that the readers take for an address in `body`."""
    feed, posts, listing = read_feed(body, URL), read_posts(body, URL), read_sitemap(body, URL, hosts=HOSTS)
    page = read_links(body, URL)
    found = [entry.url for entry in (*feed.entries, *posts.entries)] + [feed.next, posts.next, listing.next]
    found += [each.url for each in (*listing.found, *listing.lists)]
    found += [*page.links, *page.feeds, page.canonical, page.next, page.api, *(url for _, url in page.versions)]
    for entry in (*feed.entries, *posts.entries):
        (entry.html + entry.title + entry.language + entry.licence).encode()  # no lone surrogates: a file can hold it
    return [url for url in found if url]


@examples(400)
@given(damaged())
def test_a_damaged_list_raises_nothing(body: bytes):
    for url in addresses(body):
        assert url.startswith(("http://", "https://"))


@examples(300)
@given(st.binary(max_size=400))
def test_any_bytes_raise_nothing(body: bytes):
    addresses(body)


@pytest.mark.parametrize("body", LISTS, ids=range(len(LISTS)))
def test_whole_lists_lead_to_addresses_that_have_a_canonical_form(body: bytes):
    assert [canonical(url) for url in addresses(body)]
