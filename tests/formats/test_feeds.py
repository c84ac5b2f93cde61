"""Feeds: what they list is read as they have it, what is cut is known for it, and nothing they hold can do harm."""

import html
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ulmkit.formats import feeds
from ulmkit.formats.feeds import MAX_ELEMENTS, Entry, read_feed
from ulmkit.formats.hrefs import absolute

NOW = datetime(2026, 12, 1, tzinfo=UTC)
URL = "https://blog.example.org/feed/"
LONG = "نمی‌دانم چرا خانه‌ها این‌قدر بلندند. " * 40
NAMES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:cc="http://creativecommons.org/ns#license" '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule"'
)


def rss(items: str, channel: str = "", head: str = '<?xml version="1.0" encoding="utf-8"?>') -> bytes:
    return (
        f'{head}<rss version="2.0" {NAMES}><channel><title>وبلاگ</title><language>fa-IR</language>{channel}{items}'
        "</channel></rss>"
    ).encode()


def item(body: str, link: str = "https://blog.example.org/1", title: str = "یک") -> str:
    return f"<item><title>{title}</title><link>{link}</link>{body}</item>"


def encoded(markup: str) -> str:
    return f"<content:encoded><![CDATA[{markup}]]></content:encoded>"


def atom(entries: str, feed: str = "", opening: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="et" {opening}><title>Blogi</title>'
        f"{feed}{entries}</feed>"
    ).encode()


def only(body: bytes, url: str = URL) -> Entry:
    feed = read_feed(body, url, now=NOW)
    assert not feed.problem
    (entry,) = feed.entries
    return entry


def test_an_entry_of_rss_has_its_address_title_own_text_and_date():
    body = (
        f"<description>کوتاه</description>{encoded(f'<p>{LONG}</p>')}<pubDate>Mon, 02 Nov 2026 10:00:00 +0330</pubDate>"
    )
    entry = only(rss(item(body)))
    assert (entry.url, entry.title, entry.html, entry.whole) == (
        "https://blog.example.org/1",
        "یک",
        f"<p>{LONG}</p>",
        True,
    )
    assert entry.published == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def test_a_joiner_comes_through_however_it_is_written():
    for joiner in ("\u200c", "&#8204;", "&#x200C;", "&zwnj;"):
        raw = f"می{joiner}روم. " * 100
        escaped = raw.replace("&", "&amp;")
        assert only(rss(item(encoded(f"<p>{LONG}</p>"), title=f"می{joiner}روم"))).title == "می\u200cروم"
        for body in (rss(item(encoded(raw))), rss(item(f"<content:encoded>{escaped}</content:encoded>"))):
            assert html.unescape(only(body).html).count("می\u200cروم.") == 100


def test_an_entry_of_atom_has_the_same():
    entry = only(
        atom(
            '<entry><title type="html">A &amp;amp; B</title><link rel="alternate" href="/2026/x?a=1&amp;b=2"/>'
            "<id>tag:x</id><published>2026-11-01T10:00:00+02:00</published><updated>2026-11-02T00:00:00Z</updated>"
            f'<content type="html">&lt;p&gt;{LONG}&lt;/p&gt;</content><summary>S</summary></entry>'
        )
    )
    assert entry.url == "https://blog.example.org/2026/x?a=1&b=2"
    assert (entry.title, entry.html, entry.whole, entry.language) == ("A & B", f"<p>{LONG}</p>".strip(), True, "et")
    assert (entry.published, entry.updated) == (
        datetime(2026, 11, 1, 8, tzinfo=UTC),
        datetime(2026, 11, 2, tzinfo=UTC),
    )


def test_xhtml_is_given_as_html():
    markup = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{LONG}<br/>a &lt; b</p></div>'
    entry = only(atom(f'<entry><link href="/1"/><content type="xhtml">{markup}</content></entry>'))
    assert entry.html == f"<p>{LONG}<br>a &lt; b</p>"


def test_plain_text_is_escaped_and_keeps_its_paragraphs():
    entry = only(atom(f'<entry><link href="/1"/><content>{LONG.strip()}\n\na &lt;b&gt; c</content></entry>'))
    assert entry.html == f"<p>{LONG.strip()}</p><p>a &lt;b&gt; c</p>"


LINKS = [
    ("https://blog.example.org/1", "https://blog.example.org/1"),
    ("/1", "https://blog.example.org/1"),
    ("1", "https://blog.example.org/feed/1"),
    ("//other.example/1", "https://other.example/1"),
    (" \n https://blog.example.org/1\n", "https://blog.example.org/1"),
    ("https://blog.example.org/خبر", "https://blog.example.org/%D8%AE%D8%A8%D8%B1"),
    ("javascript:alert(1)", ""),
    ("file:///etc/passwd", ""),
    ("http://user:word@blog.example.org/", ""),
    ("http://[", ""),
    ("https://blog.example.org/" + "a" * 3000, ""),
]


@pytest.mark.parametrize(("link", "expected"), LINKS, ids=range(len(LINKS)))
def test_links_are_resolved_or_none(link: str, expected: str):
    assert only(rss(item("", link=link))).url == expected


def test_xml_base_is_what_links_are_relative_to():
    assert only(atom('<entry xml:base="/blog/"><link href="1"/></entry>')).url == "https://blog.example.org/blog/1"


def test_an_identifier_is_the_address_where_there_is_no_link():
    assert only(rss("<item><guid>https://blog.example.org/9</guid></item>")).url == "https://blog.example.org/9"
    assert only(rss('<item><guid isPermaLink="false">x-9</guid></item>')).url == ""


REFERENCES = [
    ("../b", "https://a.ee/b"),
    ("?x", "https://a.ee/c/d?x"),
    ("#x", "https://a.ee/c/d#x"),
    ("", "https://a.ee/c/d"),
    ("\x00 /b", "https://a.ee/b"),
    ("/b c", "https://a.ee/b%20c"),
    ("/b%20c%D8", "https://a.ee/b%20c%D8"),
    ("http:\\\\host\\x", "http://host/x"),
    ("\\\\host", "https://host"),
    ("http://93.184.216.34\\@127.0.0.1", "http://93.184.216.34/@127.0.0.1"),
    ("/x?a=\\b", "https://a.ee/x?a=\\b"),
    ("https:///127.0.0.1", ""),
    ("///127.0.0.1", ""),
    ("http:// a.ee/", ""),
    ("http://a.ee:x/", ""),
    ("mailto:a@b.ee", ""),
    ("data:text/html,x", ""),
    ("\ud800", ""),
]


@pytest.mark.parametrize(("reference", "expected"), REFERENCES, ids=range(len(REFERENCES)))
def test_a_reference_leads_where_a_browser_goes_or_nowhere(reference: str, expected: str):
    assert absolute("https://a.ee/c/d", reference) == expected


CUT = [
    (f"<p>{'Tere. ' * 60}[…]</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 60}[&#8230;]</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 60}[&hellip;]</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 60}[...]</p>\n", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 60}…</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 60}...</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 900}[…]</p>", "ends in an ellipsis"),
    (f"<p>{'Tere. ' * 900}…</p>", ""),
    (f'<p>{LONG}</p><p><a href="https://blog.example.org/1#more-1">ادامه</a></p>', "ends in a link to its page"),
    (f'<p>{LONG} <a class="more-link" href="?p=1">Loe edasi &rarr;</a></p>', "ends in a link to its page"),
    (f"<p>{LONG}</p><a href=/1>Read more</a>...", "ends in a link to its page"),
    (f'<p>{LONG}</p><p><a href="https://blog.example.org/2">Teine</a></p>', ""),
    (f'<p>{LONG}</p><p><a href="https://blog.example.org/1#comments">3 kommentaari</a></p>', ""),
    (f'<p><a href="https://blog.example.org/1">Algus</a></p><p>{LONG}</p>', ""),
    ("<p>Lühike jutt.</p>", "short"),
    ('<img src="x.jpg">', "no text"),
    (f"<p>{LONG}</p>", ""),
    ("<p>" + "Sama jutt. " * 30 + "</p>", "equals its summary"),
]


@pytest.mark.parametrize(("markup", "sign"), CUT, ids=range(len(CUT)))
def test_an_entry_that_is_cut_is_known_by_a_sign(markup: str, sign: str):
    entry = only(rss(item(f"<description>{'Sama jutt. ' * 30}</description>{encoded(markup)}")))
    assert (entry.cut, entry.whole) == (sign, not sign)


def test_a_summary_is_not_the_article():
    for body in (rss(item(f"<description>{LONG}</description>")), atom(f"<entry><summary>{LONG}</summary></entry>")):
        assert only(body).cut == "summary only"
    assert only(rss(item(""))).cut == "no text"
    assert only(atom('<entry><content src="https://blog.example.org/1" type="text/html"/></entry>')).cut == (
        "its content is elsewhere"
    )


def test_the_longest_of_two_texts_is_taken():
    assert only(rss(item(f"<description>{'x ' * 50}</description>{encoded(LONG)}"))).html == LONG.strip()


def test_the_line_that_blogs_add_below_a_post_is_left_out():
    footer = '<p>The post <a href="https://blog.example.org/1">یک</a> appeared first on <a href="{}">B</a>.</p>'
    entry = only(rss(item(encoded(f"<p>{LONG}</p>\n" + footer.format("https://blog.example.org")))))
    assert entry.html == f"<p>{LONG}</p>\n"
    assert entry.whole
    kept = f"<p>{LONG}</p>" + footer.format("https://elsewhere.example/")
    assert only(rss(item(encoded(kept)))).html == kept


DATES = [
    ("Mon, 02 Nov 2026 10:00:00 GMT", datetime(2026, 11, 2, 10, tzinfo=UTC)),
    ("Mon, 02 Nov 2026 10:00:00", datetime(2026, 11, 2, 10, tzinfo=UTC)),
    ("2026-11-02T10:00:00+03:30", datetime(2026, 11, 2, 6, 30, tzinfo=UTC)),
    ("2026-11-02", datetime(2026, 11, 2, tzinfo=UTC)),
    ("Tue, 30 Feb 2026 10:00:00 GMT", None),
    ("1405/08/11", None),
    ("۱۴۰۵/۰۸/۱۱ ۱۰:۰۰", None),
    ("Mon, 02 Nov 2099 10:00:00 GMT", None),
    ("Thu, 01 Jan 1970 00:00:00 GMT", None),
    ("0000-00-00 00:00:00", None),
    ("99999999999999999999", None),
    ("yesterday", None),
    ("", None),
]


@pytest.mark.parametrize(("written", "expected"), DATES, ids=range(len(DATES)))
def test_dates_are_in_utc_and_impossible_ones_none(written: str, expected: datetime | None):
    assert only(rss(item(f"<pubDate>{written}</pubDate>"))).published == expected


def test_a_feed_without_dates_has_none():
    entry = only(rss(item(encoded(LONG))))
    assert (entry.published, entry.updated) == (None, None)


BY = "https://creativecommons.org/licenses/by/4.0/"
LICENCES = [
    (f'<cc:license rdf:resource="{BY}"/>', "CC-BY-4.0"),
    (f"<creativeCommons:license>{BY}</creativeCommons:license>", "CC-BY-4.0"),
    (f'<atom:link rel="license" href="{BY}"/>', "CC-BY-4.0"),
    (f"<dc:rights>Licensed under {BY}.</dc:rights>", "CC-BY-4.0"),
    ("<dc:rights>http://creativecommons.org/licenses/by-nc-sa/3.0/ee/</dc:rights>", "CC-BY-NC-SA-3.0"),
    ("<copyright>https://creativecommons.org/publicdomain/zero/1.0/</copyright>", "CC0-1.0"),
    ("<copyright>© 2026 Keegi</copyright>", ""),
]


@pytest.mark.parametrize(("markup", "expected"), LICENCES, ids=range(len(LICENCES)))
def test_a_licence_is_read_of_the_feed_and_of_an_entry(markup: str, expected: str):
    feed = read_feed(rss(item(markup), ""), URL, now=NOW)
    assert (feed.licence, feed.entries[0].licence) == ("", expected)
    feed = read_feed(rss(item(""), markup), URL, now=NOW)
    assert (feed.licence, feed.entries[0].licence) == (expected, "")


def test_the_feed_names_its_title_language_and_next_page():
    feed = read_feed(rss("", '<atom:link rel="next" href="?paged=2"/>'), URL, now=NOW)
    assert (feed.title, feed.language, feed.next) == ("وبلاگ", "fa-IR", "https://blog.example.org/feed/?paged=2")
    blogger = (
        '<link rel="next" type="application/atom+xml" '
        'href="https://x.blogspot.com/feeds/posts/default?start-index=26&amp;max-results=25"/>'
    )
    feed = read_feed(atom("", blogger), URL, now=NOW)
    assert (feed.language, feed.next) == (
        "et",
        "https://x.blogspot.com/feeds/posts/default?start-index=26&max-results=25",
    )


def test_a_page_that_follows_itself_has_no_next():
    for link in ("", URL, "https://blog.example.org/feed/#2"):
        assert read_feed(rss("", f'<atom:link rel="next" href="{link}"/>'), URL, now=NOW).next == ""


def test_the_archive_of_a_feed_is_its_next_page():
    assert read_feed(atom("", '<link rel="prev-archive" href="/2025/"/>'), URL).next == "https://blog.example.org/2025/"


def test_a_json_feed_is_read():
    told = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Blogi",
        "language": "et",
        "next_url": "/feed.json?page=2",
        "items": [
            {"id": "1", "url": "/1", "title": "Üks", "content_html": f"<p>{LONG}</p>", "date_published": "2026-11-01"},
            {"id": "https://blog.example.org/2", "content_text": f"{LONG}\n\na < b", "date_modified": "2027-01-01"},
            {"id": "3", "summary": "S"},
            "no item",
        ],
    }
    feed = read_feed(json.dumps(told).encode(), URL, "application/feed+json", now=NOW)
    assert (feed.title, feed.language, feed.problem) == ("Blogi", "et", "")
    assert feed.next == "https://blog.example.org/feed.json?page=2"
    assert [(e.url, e.cut) for e in feed.entries] == [
        ("https://blog.example.org/1", ""),
        ("https://blog.example.org/2", ""),
        ("", "summary only"),
    ]
    assert feed.entries[0].published == datetime(2026, 11, 1, tzinfo=UTC)
    assert feed.entries[1].updated is None
    assert feed.entries[1].html.endswith("<p>a &lt; b</p>")


DECLARED = [
    '<!DOCTYPE rss [<!ENTITY x "y">]>',
    '<!DOCTYPE rss SYSTEM "http://127.0.0.1/x.dtd">',
    '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>',
    '<!DOCTYPE l [<!ENTITY a "haha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)) + "]>",
    '<!-- > --><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "rss-0.91.dtd">',
    '<!doctype rss [<!ENTITY x "y">]>',
    '<!ENTITY x "y">',
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("declared", DECLARED, ids=range(len(DECLARED)))
def test_a_document_type_is_refused_in_every_encoding(declared: str, encoding: str):
    body = rss(item("<description>&x;&a9;</description>"), head=f"<?xml version='1.0'?>{declared}").decode()
    feed = read_feed(body.encode(encoding), URL)
    assert (feed.entries, feed.problem) == ((), "document type declaration")


def test_an_article_about_document_types_is_no_document_type():
    assert only(rss(item(encoded(f"<pre>&lt;!DOCTYPE html&gt; <!DOCTYPE html></pre>{LONG}")))).whole


ENCODINGS = [
    ("utf-8", "text/xml", ""),
    ("utf-8", "text/xml; charset=us-ascii", ""),
    ("utf-8", "text/html; charset=iso-8859-1", "iso-8859-1"),
    ("utf-16", "", ""),
    ("windows-1256", "text/xml; charset=windows-1256", ""),
    ("windows-1256", "text/xml", "windows-1256"),
]


@pytest.mark.parametrize(("encoding", "content_type", "written"), ENCODINGS, ids=range(len(ENCODINGS)))
def test_the_encoding_is_found_whatever_is_said(encoding: str, content_type: str, written: str):
    words = "سلام دنياي بزرگ، این خانه من است. " * 20
    head = f'<?xml version="1.0" encoding="{written}"?>' if written else '<?xml version="1.0"?>'
    body = rss(item(encoded(words.replace("ی", "ي"))), head=head).decode()
    body = body.replace("ی", "ي").replace("ک", "ك")
    feed = read_feed(body.encode(encoding), URL, content_type, now=NOW)
    assert feed.entries[0].html == words.strip().replace("ی", "ي")


NO_FEEDS = [
    (b"", "not a feed"),
    (b"   ", "not a feed"),
    (b"<!DOCTYPE html><html><body>404</body></html>", "not a feed: a page"),
    (b"<html><head></head></html>", "not a feed: a page"),
    (b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "not a feed: <urlset>"),
    (b'{"a": 1}', "not a feed: JSON without items"),
    (b'{"items": 3}', "not a feed: JSON without items"),
    (b'{"items": [', "no JSON"),
    (b"{" * 3, "no JSON"),
    (b'{"items":' + b"[" * 200_000, "nested too deep"),
    (b"just words", "not a feed"),
    (b"\x89PNG\r\n\x1a\n\0\0\0", ""),
    (b"/etc/passwd", "not a feed"),
    (b"https://example.org/feed", "not a feed"),
]


@pytest.mark.parametrize(("body", "problem"), NO_FEEDS, ids=range(len(NO_FEEDS)))
def test_what_is_no_feed_says_so(body: bytes, problem: str):
    feed = read_feed(body, URL)
    assert feed.problem.startswith(problem)
    assert feed.problem
    assert not feed.entries


def test_a_file_that_the_bytes_name_is_not_opened(tmp_path: Path):
    path = tmp_path / "secret.xml"
    path.write_bytes(rss(item("")))
    assert not read_feed(str(path).encode(), URL).entries


def test_what_came_before_a_break_is_kept():
    whole = rss(item(encoded(LONG)) + item(encoded(LONG), "https://blog.example.org/2"))
    feed = read_feed(whole[: whole.rindex(b"dand") if b"dand" in whole else len(whole) - 700], URL, now=NOW)
    assert feed.problem.startswith("no XML")
    assert [entry.cut for entry in feed.entries] == ["", "the feed breaks off in it"]


def test_a_feed_that_is_nearly_xml_is_read():
    for bad in ("a & b", "<br>", "\x08", "&nbsp;", "</p>"):
        feed = read_feed(rss(item(f"<description>{bad}</description>") + item("", "/2")), URL, now=NOW)
        assert [entry.url for entry in feed.entries] == ["https://blog.example.org/1", "https://blog.example.org/2"]


def test_entries_are_counted_to_a_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "MAX_ENTRIES", 3)
    for body in (rss("<item/>" * 4), atom("<entry/>" * 4), b'{"items": [{},{},{},{}]}'):
        feed = read_feed(body, URL)
        assert len(feed.entries) == 3
        assert feed.problem == "more than 3 entries"


def test_a_feed_of_too_many_elements_is_refused_at_once():
    start = time.process_time()
    assert read_feed(rss("<a/>" * (MAX_ELEMENTS + 1)), URL).problem == "too many elements"
    assert read_feed(rss("<a>" * 200_000), URL).problem.endswith("too large to be read so")
    assert read_feed(rss("<![CDATA[]]" + "x" * 5_000_000), URL).problem.endswith("too large to be read so")
    assert time.process_time() - start < 20


BOMBS = {
    "nothing but tags": rss("<a>" * 20_000),
    "deep": rss("<a>" * 20_000 + "</a>" * 20_000),
    "deep XHTML": atom(f'<entry><content type="xhtml">{"<b>" * 10_000}x{"</b>" * 10_000}</content></entry>'),
    "prefixes": atom("<entry/>" * 1_000, opening=" ".join(f'xmlns:a{i}="x:{i}"' for i in range(5_000))),
    "open tags": b"<rss><channel>" + b"<" * 90_000,
    "quotes": b"<rss><channel><item a=" + b"\"'" * 200_000,
    "a long attribute": b'<rss version="' + b"x" * 2_000_000,
    "ampersands": rss(item("&" * 500_000)),
    "references": rss(item("&lt;" * 90_000 + "<")),
    "comments": b"<rss>" + b"<!--" * 90_000,
    "links": rss(item(encoded("<a href=x>" * 50_000))),
    "brackets": rss(item(encoded("[" * 500_000))),
    "dots": rss(item(encoded("." * 500_000 + "a"))),
    "sections": b"<rss><channel><item><title>" + b"<![CDATA[" * 90_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_nothing_takes_long(body: bytes):
    start = time.process_time()
    read_feed(body, URL)
    assert time.process_time() - start < 20
