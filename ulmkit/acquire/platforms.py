"""Which platform a blog runs on, and where its posts are listed with their text, up to a hundred a request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ulmkit.acquire.links import PageLinks
from ulmkit.formats.feeds import Feed
from ulmkit.formats.hrefs import host_of

POSTS_A_PAGE = 100  # WordPress gives no more
_WORDPRESS_FIELDS = "id,link,date_gmt,modified_gmt,title,content,license"
_FEWER = {"100": "20", "20": "10"}  # for servers that allow less; without `per_page` it is ten


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform, and the first page of the blog's list of posts on it."""

    name: Literal["wordpress", "blogger"]
    posts: str


def platform_of(page: PageLinks, url: str) -> Platform | None:
    """The platform of a blog by its front page, `url`; None where it is none of the known."""
    generator = page.generator.lower()
    if page.api and host_of(page.api) == host_of(url):
        return wordpress(url, page.api)
    if generator.startswith("wordpress"):
        return wordpress(url)
    if generator == "blogger" or re.search(r"(?:^|\.)blogspot\.[a-z]{2,3}(?:\.[a-z]{2})?$", host_of(url)):
        return blogger(url)
    return None


def wordpress(url: str, api: str = "") -> Platform:
    """WordPress at `url`; `api` is what its pages link as the root of its API, where they do.

    >>> wordpress("https://a.ee/blog/").posts.partition("?")[0]
    'https://a.ee/blog/wp-json/wp/v2/posts'
    """
    api = api or urljoin(url, "wp-json/")
    parts = urlsplit(api)
    query = dict(parse_qsl(parts.query))
    if "rest_route" in query:  # no addresses but with a query on this server
        query["rest_route"] = query["rest_route"].rstrip("/") + "/wp/v2/posts"
        path = parts.path
    else:
        path = parts.path.rstrip("/") + "/wp/v2/posts"
    query |= {"per_page": str(POSTS_A_PAGE), "page": "1", "_fields": _WORDPRESS_FIELDS}
    return Platform("wordpress", urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, safe=",/"), "")))


def blogger(url: str) -> Platform:
    """Blogger at `url`.

    >>> blogger("https://a.blogspot.com/2026/x.html").posts
    'https://a.blogspot.com/feeds/posts/default?alt=json&max-results=100&start-index=1'
    """
    query = urlencode({"alt": "json", "max-results": POSTS_A_PAGE, "start-index": 1})
    return Platform("blogger", urljoin(url, f"/feeds/posts/default?{query}"))


def next_posts(url: str, posts: Feed, fields: Mapping[str, str] | None = None) -> str:
    """The page behind `url`, which gave `posts`; empty where that was the last.

    `fields` are the answer's header fields. A page is asked for where the server says that there is one or where this
    one was full: WordPress' count of pages may be wrong, and so is what is believed alone; an empty page, one that is
    refused, and one that gave nothing new end the list. Blogger gives fewer entries than asked for: the next start is
    behind those that came.
    """
    if not posts.entries:
        return ""
    query = dict(parse_qsl(urlsplit(url).query))
    if "start-index" in query:
        start = _number(query["start-index"], 1)
        return with_parameter(url, "start-index", str(start + len(posts.entries)))
    if "per_page" in query:
        page = _number(query.get("page", ""), 1)
        told = next((value for name, value in (fields or {}).items() if name.lower() == "x-wp-totalpages"), "")
        if len(posts.entries) < _number(query["per_page"], 10) and page >= _number(told, page + 1):
            return ""
        return with_parameter(url, "page", str(page + 1))
    return posts.next


def fewer_posts(url: str) -> str:
    """The same page of WordPress' list for a server that refuses so many a request; empty where fewer make no sense.

    >>> fewer_posts("https://a.ee/wp-json/wp/v2/posts?per_page=100&page=1")
    'https://a.ee/wp-json/wp/v2/posts?per_page=20&page=1'
    """
    query = dict(parse_qsl(urlsplit(url).query))
    fewer = _FEWER.get(query.get("per_page", ""), "")
    return with_parameter(url, "per_page", fewer) if fewer and query.get("page", "1") == "1" else ""


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


def with_parameter(url: str, name: str, value: str) -> str:
    """`url` with one parameter of its query set, in its place, or at the end.

    >>> with_parameter("https://a.example/feed?x=1", "paged", "2")
    'https://a.example/feed?x=1&paged=2'
    """
    parts = urlsplit(url)
    query = [(key, value if key == name else old) for key, old in parse_qsl(parts.query, keep_blank_values=True)]
    if name not in dict(query):
        query.append((name, value))
    return urlunsplit(parts._replace(query=urlencode(query, safe=",/")))
