"""Lists of posts that a crawl kept: each whole entry becomes a document, called by its own address."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ulmkit.acquire.archive import http_block, warc_member
from ulmkit.corpus.extract.dispatch import extract
from ulmkit.document import Document, RawDocument, Unreadable
from ulmkit.formats.canonical import page_id
from ulmkit.formats.feeds import Entry, Feed
from ulmkit.formats.inputs import Input, read_input
from ulmkit.formats.origin import READING
from ulmkit.formats.posts import read_posts
from ulmkit.language.registry import get

NOW = datetime(2026, 12, 1, tzinfo=UTC)
WORDPRESS = "https://blog.example.org/wp-json/wp/v2/posts?per_page=100&page=1"
BLOGGER = "https://x.blogspot.com/feeds/posts/default?alt=json&max-results=100&start-index=1"
TEXT = "<p>نمی\u200cدانم چرا.</p>\n<p>دیگر می\u200cروم.</p>"


def wordpress_post(number: int, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "link": f"https://blog.example.org/{number}/",
        "date_gmt": "2026-11-02T10:00:00",
        "modified_gmt": "2026-11-03T10:00:00",
        "title": {"rendered": f"یک &#8211; {number}"},
        "content": {"rendered": TEXT, "protected": False},
        **more,
    }


def blogger_post(number: int, **more: object) -> dict[str, object]:
    return {
        "id": {"$t": f"tag:blogger.com,1999:blog-1.post-{number}"},
        "published": {"$t": "2026-11-02T10:00:00.001+02:00"},
        "updated": {"$t": "2026-11-03T10:00:00.001+02:00"},
        "title": {"type": "text", "$t": f"Üks {number}"},
        "content": {"type": "html", "$t": TEXT},
        "link": [
            {"rel": "replies", "href": f"https://x.blogspot.com/{number}.html#comment-form"},
            {"rel": "alternate", "type": "text/html", "href": f"https://x.blogspot.com/{number}.html"},
        ],
        **more,
    }


def read(answer: object, url: str = WORDPRESS) -> Feed:
    return read_posts(json.dumps(answer).encode(), url, "application/json", now=NOW)


def test_posts_of_wordpress_are_whole():
    feed = read([wordpress_post(1), wordpress_post(2)])
    assert feed.problem == ""
    assert feed.entries[0] == Entry(
        "https://blog.example.org/1/",
        "یک – 1",
        TEXT,
        "",
        datetime(2026, 11, 2, 10, tzinfo=UTC),
        datetime(2026, 11, 3, 10, tzinfo=UTC),
    )


WORDPRESS_CUT = [
    ({"content": {"rendered": "", "protected": True}}, "behind a password"),
    ({"content": {"rendered": "<p></p>", "protected": False}}, "no text"),
    ({"content": None}, "no text"),
    ({"content": "x"}, "no text"),
]


@pytest.mark.parametrize(("more", "sign"), WORDPRESS_CUT, ids=range(len(WORDPRESS_CUT)))
def test_posts_without_their_text_are_left_to_their_pages(more: dict[str, object], sign: str):
    assert read([wordpress_post(1, **more)]).entries[0].cut == sign


def test_posts_of_blogger_are_whole_unless_they_are_summaries():
    cut = blogger_post(2, summary={"$t": "Kokku"}, content=None)
    answer = {
        "version": "1.0",
        "feed": {
            "title": {"$t": "Blogi"},
            "link": [{"rel": "next", "href": f"{BLOGGER}01"}],
            "entry": [blogger_post(1), cut],
        },
    }
    feed = read(answer, BLOGGER)
    assert (feed.title, feed.next, [entry.cut for entry in feed.entries]) == (
        "Blogi",
        f"{BLOGGER}01",
        ["", "summary only"],
    )
    first = feed.entries[0]
    assert (first.url, first.title, first.html) == ("https://x.blogspot.com/1.html", "Üks 1", TEXT)
    assert first.published == datetime(2026, 11, 2, 8, 0, 0, 1000, tzinfo=UTC)
    assert read({"feed": {"title": {"$t": "Tühi"}}}, BLOGGER) == Feed(title="Tühi")


@pytest.mark.parametrize(
    "before", ["\ufeff", "\n\n", "<br />\n<b>Warning</b>: array[0] {x} in <b>/a.php</b>[3]<br />\n"]
)
def test_an_answer_behind_a_complaint_of_the_servers_program_is_read(before: str):
    body = before + json.dumps([wordpress_post(1)]) + "\n<!-- cached -->"
    assert len(read_posts(body.encode(), WORDPRESS).entries) == 1
    assert read_posts((before + "[]").encode(), WORDPRESS) == Feed()


def test_a_feed_in_the_place_of_an_answer_is_read_as_one():
    item = "<item><link>/1</link><description>Kokku.</description></item>"
    body = f'<?xml version="1.0"?><rss><channel>{item}</channel></rss>'
    for data in (body.encode(), body.encode("utf-16"), ("\ufeff" + body).encode()):
        assert [entry.url for entry in read_posts(data, WORDPRESS).entries] == ["https://blog.example.org/1"], data[:9]
    items = {"version": "https://jsonfeed.org/version/1", "items": [{"url": "/1", "content_html": TEXT}]}
    assert [entry.url for entry in read(items).entries] == ["https://blog.example.org/1"]


REFUSED = [
    ({"code": "rest_post_invalid_page_number", "message": "…", "data": {"status": 400}}, "refused: rest_post_invalid"),
    ({"code": "rest_not_logged_in", "data": {"status": 401}}, "refused: rest_not_logged_in"),
    ({"a": 1}, "not a list of posts"),
    ("text", "not a list of posts"),
    (None, "not a list of posts"),
]


@pytest.mark.parametrize(("answer", "problem"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_list_of_posts_says_so(answer: object, problem: str):
    feed = read(answer)
    assert feed.problem.startswith(problem)
    assert not feed.entries


STRANGE = [[1, None, "x", [], {}], [{"link": 3, "title": [], "content": {"rendered": 4}}], {"feed": {"entry": {}}},
    {"feed": {"entry": [{"link": {}}, {"link": [3]}, 3]}}, {"items": {}}, {"feed": []}]  # fmt: skip


@pytest.mark.parametrize("answer", STRANGE, ids=range(len(STRANGE)))
def test_strange_values_raise_nothing(answer: object):
    assert all(entry.cut for entry in read(answer).entries)


def test_html_is_no_list_of_posts():
    for page in (
        b"<!DOCTYPE html><html><body><p>404</p>",
        b' <html><script>x = [{"link": 1}]</script>',
        b"",
        b"\x89PNG\0\0\0",
        b"{" * 100_000,
        b"[" * 100_000,
    ):
        assert read_posts(page, WORDPRESS).problem


BOMBS = [b"[{" * 300_000, b'[{"a":' * 300_000, b"[" + b"{}," * 10_000_000, b"[" + b"1," * 10_000_000, b'{"' * 5_000_000]


@pytest.mark.slow
@pytest.mark.parametrize("body", BOMBS, ids=range(len(BOMBS)))
def test_nothing_takes_long(body: bytes):
    start = time.process_time()
    assert read_posts(body, WORDPRESS).problem
    assert time.process_time() - start < 20


def records(tmp_path: Path, body: bytes, role: str, *, crawled: bool = True, status: int = 200) -> list[object]:
    """What a WARC of one answer gives."""
    block = http_block(status, b"OK", ((b"Content-Type", b"application/json"),), body)
    fields = {"WARC-Target-URI": WORDPRESS, "Content-Type": "application/http", "WARC-Ulmkit-Role": role}
    path = tmp_path / "pages.warc.gz"
    path.write_bytes(warc_member("response", NOW.timestamp(), block, fields))
    return list(read_input(Input(path, "blog", "pages", crawled=crawled), READING))


def test_a_kept_answer_holds_a_document_a_whole_post(tmp_path: Path):
    license_ = "https://creativecommons.org/licenses/by/4.0/"
    cut = wordpress_post(3, content={"rendered": "", "protected": True})
    body = json.dumps([wordpress_post(1, license=license_), wordpress_post(2, link=None), cut]).encode()
    first, second = records(tmp_path, body, "posts")
    assert isinstance(first, RawDocument)
    assert first.id == page_id("blog", "https://blog.example.org/1/")
    assert (first.title, first.licence, first.url) == ("یک – 1", "CC-BY-4.0", "https://blog.example.org/1/")
    assert (first.published_at, first.fetched_at) == (datetime(2026, 11, 2, 10, tzinfo=UTC), NOW)
    assert isinstance(second, RawDocument)
    assert (second.id, second.licence) == ("blog/pages#1.1", "unknown")
    document = extract(first, get("fa").extraction, decode=READING.decode)
    assert isinstance(document, Document)
    assert document.text.split() == ["نمی\u200cدانم", "چرا.", "دیگر", "می\u200cروم."]


def test_cut_entries_are_taken_where_the_crawl_says_so(tmp_path: Path):
    body = b"<rss><channel><item><link>/1</link><description>Kokku.</description></item></channel></rss>"
    assert records(tmp_path, body, "posts") == []
    (document,) = records(tmp_path, body, "entries")
    assert isinstance(document, RawDocument)
    assert document.url == "https://blog.example.org/1"


def test_lists_of_others_and_failures_hold_no_document(tmp_path: Path):
    body = json.dumps([wordpress_post(1)]).encode()
    for role, crawled, status in (("none", True, 200), ("posts", False, 200), ("posts", True, 404)):
        (complaint,) = records(tmp_path, body, role, crawled=crawled, status=status)
        assert isinstance(complaint, Unreadable)
    (complaint,) = records(tmp_path, b"<html>", "posts")
    assert isinstance(complaint, Unreadable)
    assert (complaint.reason, complaint.where) == ("bad record", "blog/pages#1")
