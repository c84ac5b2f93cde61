"""Feeds in files: whole posts are documents, summaries are counted."""

from pathlib import Path

import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file

LONG = "<p>" + "Kevadel tõuseb jões vesi ja lamm jääb nädalateks vee alla. " * 8 + "</p>"
RSS = f"""<?xml version="1.0"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Jõgi</title>
<item><title>Suurvesi</title><link>https://jogi.example/1</link><pubDate>Mon, 02 Mar 2015 10:00:00 GMT</pubDate>
<content:encoded><![CDATA[{LONG}]]></content:encoded></item>
<item><title>Jää</title><link>https://jogi.example/2</link><description>Jää on läinud.</description></item>
</channel></rss>"""
ATOM = f"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Jõgi</title>
<entry><title>Suurvesi</title><link href="https://jogi.example/1"/><published>2015-03-02T10:00:00Z</published>
<content type="html"><![CDATA[{LONG}]]></content></entry>
<entry><title>Jää</title><link href="https://jogi.example/2"/><summary>Jää on läinud.</summary></entry></feed>"""


RDF = f"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://jogi.example"><title>Jõgi</title></channel>
<item rdf:about="https://jogi.example/1"><title>Suurvesi</title><link>https://jogi.example/1</link>
<dc:date>2015-03-02T10:00:00Z</dc:date><content:encoded><![CDATA[{LONG}]]></content:encoded></item>
<item rdf:about="https://jogi.example/2"><title>Jää</title><link>https://jogi.example/2</link>
<description>Jää on läinud.</description></item></rdf:RDF>"""


@pytest.mark.parametrize("feed", [RSS, ATOM, RDF, *(feed.partition("?>")[2].lstrip() for feed in (RSS, ATOM, RDF))])
def test_whole_posts_are_documents_and_summaries_are_counted(tmp_path: Path, feed: str) -> None:
    (tmp_path / "a.xml").write_text(feed)
    post, cut = read_file(tmp_path / "a.xml")
    assert isinstance(post, RawDocument)
    assert (post.title, post.url) == ("Suurvesi", "https://jogi.example/1")
    assert "lamm jääb" in str(post.content)
    assert post.published_at is not None
    assert isinstance(cut, Unreadable)
    assert (cut.reason, cut.detail) == (reasons.CUT_ENTRY, "summary only")


def test_a_feed_that_declares_entities_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(RSS.replace("<rss", '<!DOCTYPE rss [<!ENTITY a "b">]><rss', 1))
    (told,) = read_file(tmp_path / "a.xml")
    assert isinstance(told, Unreadable)
    assert told.reason == reasons.DOCUMENT_TYPE
