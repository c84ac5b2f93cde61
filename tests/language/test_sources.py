"""A source says where text comes from, in the keys of its kind; what it may not say is named with its line."""

from pathlib import Path

import pytest

from ulmkit.errors import LanguageError
from ulmkit.language.load import load_language
from ulmkit.language.source_mistakes import address_mistake
from ulmkit.language.sources import FeedSource, SiteSource, SourceSpec

IDENTITY = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[[sources]]
name = "s"
"""
FEED = 'kind = "feed"\nlocator = "https://news.example.org/feed"\nlicence = "CC-BY-4.0"\n'
SITE = 'kind = "site"\nlocator = "https://news.example.org/"\nlicence = "CC-BY-4.0"\n'
CRAWL = 'kind = "commoncrawl"\nlocator = "CC-MAIN-2026-43"\nlicence = "CC-BY-4.0"\n'
FILES = 'kind = "files"\nlocator = "https://example.org/a.zst"\nlicence = "CC-BY-4.0"\n'


def loaded(folder: Path, block: str):
    folder = folder / "xx"
    folder.mkdir(exist_ok=True)
    (folder / "language.toml").write_text(IDENTITY + block, encoding="utf-8")
    return load_language(folder)


def test_a_source_is_of_the_class_of_its_kind(tmp_path: Path) -> None:
    (feed,) = loaded(tmp_path, FEED + 'paging = "wordpress"\n').sources
    (site,) = loaded(tmp_path, SITE + 'discover = ["links"]\ndepth = 2\n').sources
    (other,) = loaded(tmp_path, FEED.replace("feed", "mine") + "[sources.options]\nx = 1\n").sources
    assert feed == FeedSource(
        "s", "feed", "https://news.example.org/feed", "CC-BY-4.0", paging="wordpress", options=feed.options
    )
    assert isinstance(site, SiteSource)
    assert (site.discover, site.depth) == (("links",), 2)
    assert type(other) is SourceSpec
    assert other.options == {"x": 1}


@pytest.mark.parametrize(
    ("block", "line", "said"),
    [
        (FEED.replace("CC-BY-4.0", "unknown"), 12, "unknown licence; set enabled = false or find it out"),
        (FEED.replace("https://news.example.org/feed", "news"), 11, "is no URL of the web"),
        (FEED.replace("news.example.org", "me:secret@news.example.org"), 11, "has a user name in it"),
        (FEED.replace("news.example.org", "192.168.0.1"), 11, "is an address inside of a network"),
        (FEED.replace("news.example.org", "localhost"), 11, "is an address inside of a network"),
        (FEED + "pagin = 1\n", 13, "no setting 'pagin' in [sources]. Did you mean 'paging'?"),
        (FEED + 'include = ["a"]\n', 13, "no setting 'include' in [sources]"),
        (FEED + 'paging = "backwards"\n', 13, "is none of auto, none, rfc5005, wordpress, blogger"),
        (FEED + "delay_s = 0.1\n", 13, "'delay_s' must be 0.5 or more"),
        (FEED + "max_pages = 0\n", 13, "'max_pages' must be above 0"),
        (SITE + 'include = ["(a"]\n', 13, "'(a' is no regular expression"),
        (SITE + "depth = 1\n", 13, "'depth' counts links: it needs \"links\""),
        (SITE + 'discover = ["guess"]\n', 13, "'guess' is none of news-sitemap, sitemap, feed, links"),
        (SITE + 'since = "۱۴۰۰"\n', 13, "is no day. Give YYYY-MM-DD"),
        (CRAWL, 8, "give one of tld, domains, content_language"),
        (CRAWL + 'tld = ["ee"]\ncontent_language = "est"\n', 13, "give one of tld, domains, content_language"),
        (CRAWL.replace("CC-MAIN-2026-43", "2026") + 'tld = ["ee"]\n', 11, "'2026' is no crawl"),
        (FILES + 'sha256 = "abc"\n', 13, "'abc' is no SHA-256"),
        (FEED.replace('"feed"', '"hub"'), 11, "is no data set. Give owner/name"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_source_is_named_with_its_line(tmp_path: Path, block: str, line: int, said: str) -> None:
    with pytest.raises(LanguageError) as caught:
        loaded(tmp_path, block)
    assert f"language.toml:{line}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_sources_have_two_names(tmp_path: Path) -> None:
    with pytest.raises(LanguageError, match=r"language\.toml:14: two sources are called 's'"):
        loaded(tmp_path, FEED + '[[sources]]\nname = "s"\n' + SITE)


@pytest.mark.parametrize("url", ["ftp://a.example/", "https:///x", "https://[::1", "http://a b/", "http://a:b/", ""])
def test_what_is_no_address_of_the_web_is_none(url: str) -> None:
    assert address_mistake(url).startswith("is no URL")
