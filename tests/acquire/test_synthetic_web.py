"""The lists of a whole small web lead to each of its articles, once, and what they hold of the text is the text."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from synthetic_web import LICENCE, NewsWithSitemaps, Page, Site, Web, WordPressBlog, serving, synthetic_web

from ulmkit.acquire.links import read_links
from ulmkit.acquire.platforms import next_posts, platform_of
from ulmkit.acquire.sitemaps import read_sitemap
from ulmkit.corpus.extract.dispatch import fragment_to_text
from ulmkit.corpus.extract.html import html_to_text
from ulmkit.formats.canonical import canonical
from ulmkit.formats.feeds import Entry, Feed, read_feed
from ulmkit.formats.posts import read_posts

ARTICLES = 300


@pytest.fixture(scope="module")
def web() -> Web:
    return synthetic_web(articles=ARTICLES)


def get(site: Site, url: str) -> Page:
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == site.origin
    return site.answer(unquote(parts.path), dict(parse_qsl(parts.query)))


def listed(site: Site, start: str, limit: int = 50) -> list[str]:
    """The canonical address of each page in a sitemap and in those it lists."""
    waiting, found = [start], []
    while waiting:
        limit -= 1
        assert limit
        listing = read_sitemap(get(site, waiting[0]).body, waiting.pop(0))
        assert (listing.problem, listing.left_out) == ("", 0)
        waiting += [each.url for each in listing.lists]
        found += [canonical(each.url) for each in listing.found]
    return found


def pages_of_feed(site: Site, url: str) -> Iterator[Feed]:
    while url:
        feed = read_feed(get(site, url).body, url)
        assert not feed.problem
        yield feed
        url = feed.next


def same(entries: list[Entry], site: Site) -> None:
    """Each article of the site is an entry, once, with all of its text."""
    assert sorted(canonical(entry.url) for entry in entries) == sorted(site.truth)
    for entry in entries:
        truth = site.truth[canonical(entry.url)]
        assert (entry.title, entry.whole) == (truth.title, True)
        text = fragment_to_text(entry.html).text
        assert [line for line in text.split("\n") if line] == list(truth.paragraphs)


def test_equal_seeds_give_equal_webs():
    one, two, other = (synthetic_web(articles=40, seed=seed) for seed in (1, 1, 2))
    for name, site in one.sites.items():
        for post in site.posts:
            assert site.answer(post.path, {}) == two.sites[name].answer(post.path, {})
    assert not {text.text for text in one.truth.values()} & {text.text for text in other.truth.values()}


def test_no_two_articles_are_alike(web: Web):
    assert len(web.truth) == ARTICLES
    assert len({line for text in web.truth.values() for line in text.paragraphs}) == sum(
        len(text.paragraphs) for text in web.truth.values()
    )
    assert any("\u200c" in text.text for text in web.truth.values())


@pytest.mark.parametrize(
    ("name", "start"),
    [("news-fa", "/sitemap_index.xml"), ("news-et", "/sitemap.xml"), ("wordpress", "/wp-sitemap.xml"),
     ("blogger", "/sitemap.xml"), ("listed", "/sitemap.txt")],
)  # fmt: skip
def test_sitemaps_lead_to_each_article(web: Web, name: str, start: str):
    site = web.sites[name]
    found = listed(site, site.origin + start)
    copies = {canonical(site.url(path)) for path in site.copies} if isinstance(site, NewsWithSitemaps) else set()
    assert sorted(found) == sorted([*site.truth, *copies])


def test_the_news_sitemap_tells_title_and_date(web: Web):
    site = web.sites["news-fa"]
    url = site.origin + "/news-sitemap.xml"
    listing = read_sitemap(get(site, url).body, url)
    assert [(each.title, each.published, each.language) for each in listing.found] == [
        (post.article.title, post.published, "fa") for post in site.posts[:100]
    ]


def test_a_feed_of_summaries_leads_to_the_pages(web: Web):
    site = web.sites["news-feed"]
    (start,) = read_links(get(site, site.origin + "/").body, site.origin + "/").feeds
    entries = [entry for feed in pages_of_feed(site, start) for entry in feed.entries]
    assert sorted(canonical(entry.url) for entry in entries) == sorted(site.truth)
    assert {entry.cut for entry in entries} == {"summary only"}


def test_an_atom_feed_holds_the_articles(web: Web):
    site = web.sites["static"]
    (start,) = read_links(get(site, site.origin + "/").body, site.origin + "/").feeds
    feeds = list(pages_of_feed(site, start))
    assert {(feed.licence, feed.language) for feed in feeds} == {("CC-BY-4.0", "fa")}
    same([entry for feed in feeds for entry in feed.entries], site)


def posts_of_platform(site: Site) -> list[Entry]:
    front = site.origin + "/"
    platform = platform_of(read_links(get(site, front).body, front), front)
    assert platform is not None
    url, entries = platform.posts, []
    while url:
        page = get(site, url)
        posts = read_posts(page.body, url, page.kind)
        entries += posts.entries
        url = next_posts(url, posts, dict(page.fields))
    return entries


@pytest.mark.parametrize("name", ["wordpress", "blogger"])
def test_a_platforms_lists_hold_the_articles(web: Web, name: str):
    same(posts_of_platform(web.sites[name]), web.sites[name])


@pytest.mark.parametrize("told", [-1, 3])
def test_a_wrong_number_of_pages_and_a_complaint_lose_nothing(told: int):
    site = WordPressBlog("wordpress", 0, 225)
    site.pages_told, site.warns = told, True
    same(posts_of_platform(site), site)


def test_wordpress_feed_ends_with_a_page_that_is_not_there(web: Web):
    site = web.sites["wordpress"]
    entries: list[Entry] = []
    for page in range(1, 100):
        answer = get(site, f"{site.origin}/feed/?paged={page}")
        if answer.status != 200:
            break
        feed = read_feed(answer.body, f"{site.origin}/feed/")
        assert feed.licence == "CC-BY-4.0"
        entries += feed.entries
    same(entries, site)


@pytest.mark.parametrize("name", ["news-fa", "news-et", "news-feed", "wordpress", "blogger", "static", "listed"])
def test_pages_give_their_article_without_what_is_around_it(web: Web, name: str):
    site = web.sites[name]
    for post in site.posts[:5]:
        page = html_to_text(get(site, site.url(post.path)).body.decode())
        assert page.title == post.article.title
        assert [line for line in page.text.split("\n") if line] == list(post.article.paragraphs)


def test_near_copies_lead_to_their_articles(web: Web):
    assert len(web.copies) == 5
    for copy, original in web.copies.items():
        page = html_to_text(get(web.sites["news-fa"], copy).body.decode())
        first, *rest = [line for line in page.text.split("\n") if line]
        assert first.startswith(web.truth[original].paragraphs[0])
        assert rest == list(web.truth[original].paragraphs[1:])


def test_the_calendar_has_no_end(web: Web):
    site = web.sites["trap"]
    known, waiting = {site.origin + "/"}, [site.origin + "/"]
    for _ in range(100):
        url = waiting.pop(0)
        new = {link for link in read_links(get(site, url).body, url).links if link.startswith(site.origin)} - known
        known |= new
        waiting += sorted(new)
    assert len(waiting) > 2_000


def test_a_mirror_says_which_page_it_is_a_copy_of(web: Web):
    mirror, original = web.sites["mirror"], web.sites["news-et"]
    url = mirror.url(mirror.posts[3].path)
    page = get(mirror, url)
    assert f'rel="canonical" href="{original.url(original.posts[3].path)}"' in page.body.decode()
    assert read_links(page.body, url).canonical == ""  # of another host: not believed


def asked(url: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=fields), timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_on_loopback_requests_are_counted_and_what_has_not_changed_is_not_sent_again():
    with serving(synthetic_web(articles=20)) as web:
        site = web.sites["static"]
        url = site.url(site.posts[0].path)
        status, fields, body = asked(url)
        assert (status, body) == (200, site.answer(site.posts[0].path, {}).body)
        assert LICENCE.encode() in body
        assert asked(url, **{"If-None-Match": fields["ETag"]})[::2] == (304, b"")
        site.revise(0, "Uus lause.")
        status, _, body = asked(url, **{"If-None-Match": fields["ETag"]})
        assert status == 200
        assert b"Uus lause." in body
        assert site.truth[canonical(url)].paragraphs[-1] == "Uus lause."
        assert asked(site.origin + "/none")[0] == 404
        assert web.requests["static", site.posts[0].path] == 3
        assert [status for _, _, _, status in web.log] == [200, 304, 200, 404]
