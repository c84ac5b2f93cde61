"""A small web on loopback that knows the truth: three news sites, four blogs, a trap and a mirror, each on its port.

Articles are generated (`synthetic_text`), pages are built when they are asked for, and equal seeds give equal sites, so
that what a crawl kept can be compared with what was written, character by character. What was asked for is counted.

    python tests/support/synthetic_web.py --port 8100      serves it, to try by hand
"""

import argparse
import contextlib
import gzip
import hashlib
import html
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent))  # where it is run by hand

from synthetic_text import Article, article, words

from ulmkit.formats.canonical import canonical

NEWEST = datetime(2026, 11, 28, 12, tzinfo=UTC)
BETWEEN = timedelta(hours=7)  # two articles of a site
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
SHARES = {  # of all articles, in thousandths
    "news-fa": 300, "news-et": 250, "news-feed": 200, "wordpress": 75, "blogger": 75, "static": 50, "listed": 50,
}  # fmt: skip
WORDS = {
    "fa": ("صفحه نخست", "مطالب مرتبط", "تبلیغات", "بیشتر بخوانید", "چاپ", "تماس با ما", "پربازدیدها", "صفحه بعد"),
    "et": ("Avaleht", "Seotud lood", "Reklaam", "Loe edasi", "Prindi", "Kontakt", "Loetumad", "Järgmine leht"),
}  # home, related, advertisement, read more, print, contact, popular, next page
MENU = {  # sections
    "fa": words("سیاست اقتصاد فرهنگ ورزش دانش سلامت گردشگری کتاب سینما موسیقی جامعه حوادث"),
    "et": words("Poliitika Majandus Kultuur Sport Teadus Tervis Reisimine Raamatud Film Muusika Ühiskond Ilm"),
}


@dataclass(frozen=True)
class Page:
    """What a server answers."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()


NOT_FOUND = Page(b"<!DOCTYPE html><html><body><h1>404</h1></body></html>", status=404)


@dataclass(frozen=True)
class Posted:
    """An article at a path of a site, and when it was written and changed."""

    number: int
    path: str
    article: Article
    published: datetime
    changed: datetime


def paragraphs(text: Article) -> list[str]:
    return [f"<p>{html.escape(each, quote=False)}</p>" for each in text.paragraphs]


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def rfc822(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S +0000")


def xml(text: str, kind: str = "application/xml") -> Page:
    return Page(b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode(), f"{kind}; charset=utf-8")


def sitemap(entries: Sequence[tuple[str, str, str]], names: str = "") -> Page:
    """(address, date, more) as a sitemap."""
    inside = "".join(
        f"<url><loc>{html.escape(url)}</loc><lastmod>{date}</lastmod>{more}</url>\n" for url, date, more in entries
    )
    return xml(f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" {names}>{inside}</urlset>')


def sitemap_index(entries: Sequence[tuple[str, str]]) -> Page:
    inside = "".join(f"<sitemap><loc>{url}</loc><lastmod>{date}</lastmod></sitemap>\n" for url, date in entries)
    return xml(f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</sitemapindex>')


class Site:
    """One site: its articles, newest first, and the pages around them."""

    language = "fa"
    generator = ""
    head = ""  # more of a page's head
    licensed = False
    robots = "User-agent: *\nDisallow: /print/\nDisallow: /search\n"
    title = "Leht"

    def __init__(self, name: str, seed: int, count: int) -> None:
        self.name, self.seed = name, seed
        self.origin = f"https://{name}.example"  # until it is served: then http://127.0.0.1:port
        self.posts = [self._posted(number) for number in range(count)]
        self.by_path = {post.path: post for post in self.posts}

    def _posted(self, number: int) -> Posted:
        text = article(self.language, f"{self.seed} {self.name} {number}")
        when = NEWEST - number * BETWEEN
        return Posted(number, self.path_of(number, text, when), text, when, when)

    def path_of(self, number: int, text: Article, when: datetime) -> str:
        """The path of an article, as it is meant: letters are not encoded in it."""
        return f"/{when:%Y/%m}/{number}.html"

    def url(self, path: str) -> str:
        return self.origin + quote(path, safe="/?&=%:")

    @property
    def truth(self) -> dict[str, Article]:
        """Canonical address of each article: what is written there."""
        return {canonical(self.url(post.path)): post.article for post in self.posts}

    def revise(self, number: int, sentence: str) -> None:
        """Change an article, with a sentence more at its end, a week after the newest."""
        old = self.posts[number]
        text = replace(old.article, paragraphs=(*old.article.paragraphs, sentence))
        self.posts[number] = replace(old, article=text, changed=NEWEST + timedelta(days=7))
        self.by_path[old.path] = self.posts[number]

    # pages

    def answer(self, path: str, query: dict[str, str]) -> Page:
        """What stands at a path."""
        if path == "/robots.txt":
            return Page(self.robots.replace("ORIGIN", self.origin).encode(), "text/plain; charset=utf-8")
        if found := self.lists(path, query):
            return found
        if path == "/" or path.startswith("/page/"):
            return self.front(path)
        if path.startswith("/print/") and (post := self.by_path.get(path.removeprefix("/print"))):
            return self.printed(post)
        post = self.by_path.get(path)
        return self.page(post) if post else NOT_FOUND

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        """A list in a form of this site's own."""
        return None

    def frame(self, title: str, main: str, head: str = "") -> Page:
        """A page with all that stands around its middle."""
        home, _, ad, _, _, contact, popular, _ = WORDS[self.language]
        menu = "".join(f'<li><a href="/section/{i}">{word}</a></li>' for i, word in enumerate(MENU[self.language]))
        most = "".join(self._linked(post) for post in self.posts[3:40:7])
        licence = f'<a rel="license" href="{LICENCE}">CC BY 4.0</a>' if self.licensed else "©"
        direction = "rtl" if self.language == "fa" else "ltr"
        generator = f'<meta name="generator" content="{self.generator}">' if self.generator else ""
        return Page(
            f'<!DOCTYPE html>\n<html lang="{self.language}" dir="{direction}"><head><meta charset="utf-8">'
            f"<title>{html.escape(title)} - {self.title}</title>{generator}{self.head}{head}"
            "<style>.ad{color:red}</style><script>var a = '<a href=\"/script\">';</script></head>\n"
            f'<body><header><nav><ul><li><a href="/">{home}</a></li>{menu}</ul></nav></header>\n'
            f'<div class="ad banner"><a href="http://ads.invalid/1">{ad}</a></div>\n<main>{main}</main>\n'
            f'<aside class="sidebar"><h3>{popular}</h3><ul>{most}</ul></aside>\n'
            f'<footer><p>{self.title} {licence} <a href="/contact">{contact}</a></p></footer></body></html>'.encode()
        )

    def _linked(self, post: Posted) -> str:
        return f'<li><a href="{post.path}">{html.escape(post.article.title)}</a></li>'

    def page(self, post: Posted) -> Page:
        """An article with its surroundings: advertisements between its paragraphs, related ones below."""
        _, related, ad, more, print_, _, _, _ = WORDS[self.language]
        blocks = paragraphs(post.article)
        blocks.insert(2, f'<div class="ad"><a href="http://ads.invalid/2">{ad}</a></div>')
        neighbours = [self.posts[(post.number * 31 + step) % len(self.posts)] for step in (7, 19, 23, 41)]
        links = "".join(map(self._linked, neighbours))
        main = (
            f'<article><h1>{html.escape(post.article.title)}</h1><p class="byline">'
            f'<time datetime="{iso(post.published)}">{post.published:%d.%m.%Y}</time></p>\n'
            + "\n".join(blocks)
            + "</article>\n"
            f'<section class="related"><h2>{related}</h2><ul>{links}</ul><a href="/">{more}</a></section>'
            f'<div class="share"><a rel="nofollow" href="/print{post.path}">{print_}</a></div>'
        )
        return self.frame(post.article.title, main, f'<link rel="canonical" href="{self.url(post.path)}">')

    def printed(self, post: Posted) -> Page:
        """The same article for a printer."""
        return Page(
            f'<!DOCTYPE html><html lang="{self.language}"><head><meta charset="utf-8">'
            f'<title>{post.article.title}</title><link rel="canonical" href="{self.url(post.path)}">'
            f"</head><body><h1>{post.article.title}</h1>"
            f"{''.join(paragraphs(post.article))}</body></html>".encode()
        )

    def front(self, path: str) -> Page:
        """Twenty articles a page, and the next page."""
        number = int(path.removeprefix("/page/") or 1) if path != "/" and path[6:].isdecimal() else 1
        chosen = self.posts[(number - 1) * 20 : number * 20]
        if not chosen:
            return NOT_FOUND
        items = "".join(
            f'<div class="teaser"><h2><a href="{post.path}?utm_source=front">{html.escape(post.article.title)}</a></h2>'
            f"<p>{post.article.paragraphs[0][:120]}…</p></div>"
            for post in chosen
        )
        following = f'<a rel="next" href="/page/{number + 1}">{WORDS[self.language][7]}</a>'
        return self.frame(self.title, items + (following if number * 20 < len(self.posts) else ""))


class NewsWithSitemaps(Site):
    """Persian news: a news sitemap of the newest, an index of sitemaps, near copies of every twentieth article."""

    title = "خبرنامه"
    robots = Site.robots + "Sitemap: ORIGIN/sitemap_index.xml\nSitemap: ORIGIN/news-sitemap.xml\n"
    PER_MAP = 200
    NEWS = 100

    def path_of(self, number: int, text: Article, when: datetime) -> str:
        return f"/news/{number}/{text.title.replace(' ', '-')}"

    @property
    def copies(self) -> dict[str, str]:
        """Near copies: path -> the article's."""
        return {f"/update/{post.number}": post.path for post in self.posts[::20]}

    def answer(self, path: str, query: dict[str, str]) -> Page:
        if original := self.copies.get(path):
            post = self.by_path[original]
            text = post.article
            changed = (text.paragraphs[0] + " این خبر کامل‌تر شد.", *text.paragraphs[1:])
            page = self.page(replace(post, article=replace(text, paragraphs=changed)))
            return replace(page, body=page.body.replace(b'rel="canonical"', b'rel="original"'))
        return super().answer(path, query)

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if path == "/sitemap_index.xml":
            maps = range(0, len(self.posts), self.PER_MAP)
            return sitemap_index([(f"{self.origin}/sitemap-{n}.xml.gz", iso(NEWEST)) for n in range(len(maps))])
        if path.startswith("/sitemap-") and path.endswith(".xml.gz"):
            first = int(path[9:-7]) * self.PER_MAP
            chosen = [(self.url(p.path), iso(p.changed), "") for p in self.posts[first : first + self.PER_MAP]]
            if first == 0:
                chosen += [(self.url(copy), iso(NEWEST), "") for copy in self.copies]
            return replace(sitemap(chosen), kind="application/gzip", body=gzip.compress(sitemap(chosen).body, mtime=0))
        if path == "/news-sitemap.xml":
            return sitemap(
                [(self.url(p.path), iso(p.changed), self._news(p)) for p in self.posts[: self.NEWS]],
                'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"',
            )
        return None

    def _news(self, post: Posted) -> str:
        return (
            f"<news:news><news:publication><news:name>{self.title}</news:name><news:language>fa</news:language>"
            f"</news:publication><news:publication_date>{iso(post.published)}</news:publication_date>"
            f"<news:title>{html.escape(post.article.title)}</news:title></news:news>"
        )


class NewsByMonth(Site):
    """Estonian news: a sitemap for each month, at the place where one looks without being told."""

    language = "et"
    title = "Maakonna Teataja"
    robots = "User-agent: *\nDisallow: /search\n"  # print pages are allowed, and say which article they are

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        months = Counter(f"{post.published:%Y-%m}" for post in self.posts)
        if path == "/sitemap.xml":
            return sitemap_index([(f"{self.origin}/sitemap-{month}.xml", f"{month}-28") for month in months])
        if path.startswith("/sitemap-") and path[9:-4] in months:
            chosen = [post for post in self.posts if f"{post.published:%Y-%m}" == path[9:-4]]
            return sitemap([(self.url(post.path), iso(post.changed), "") for post in chosen])
        return None


class NewsWithFeed(Site):
    """Persian news with a feed of summaries in pages and no sitemap; a calendar without end hangs on its menu."""

    title = "روزانه"
    head = '<link rel="alternate" type="application/rss+xml" href="/rss">'
    PER_PAGE = 25

    def path_of(self, number: int, text: Article, when: datetime) -> str:
        import jdatetime

        day = jdatetime.date.fromgregorian(date=when.date())
        return f"/{day.year}/{day.month:02}/{day.day:02}/{number}"

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if path.startswith("/calendar"):
            return calendar_page(self, path)
        if path != "/rss":
            return None
        page = int(query.get("page", "1"))
        chosen = self.posts[(page - 1) * self.PER_PAGE : page * self.PER_PAGE]
        if not chosen:
            return NOT_FOUND
        items = "".join(
            f"<item><title>{html.escape(p.article.title)}</title><link>{self.url(p.path)}?sid={p.number:016x}</link>"
            f"<description>{html.escape(p.article.paragraphs[0])}</description><pubDate>{rfc822(p.published)}</pubDate></item>"
            for p in chosen
        )
        more = f'<atom:link rel="next" href="{self.origin}/rss?page={page + 1}"/>'
        return xml(
            f'<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>{self.title}</title>'
            f"<language>fa</language>{more if page * self.PER_PAGE < len(self.posts) else ''}{items}</channel></rss>",
            "application/rss+xml",
        )

    def page(self, post: Posted) -> Page:
        page = super().page(post)
        return replace(page, body=page.body.replace(b"</nav>", b'<a href="/calendar/2026/11">+</a></nav>'))


def calendar_page(site: Site, path: str) -> Page:
    """A month or a day of a calendar: links to the next, to the one before, and to its days, for ever."""
    parts = [int(part) for part in path.split("/")[2:] if part.isdecimal()]
    year, month = (*parts, 2026, 11)[:2] if len(parts) > 1 else (2026, 11)
    following = (year + month // 12, month % 12 + 1)
    before = (year, month - 1) if month > 1 else (year - 1, 12)
    came = "-".join(map(str, parts))
    days = "".join(
        f'<a href="/calendar/{year}/{month}/{day}?view={view}&from={came}">{day}</a> '
        for day in range(1, 29)
        for view in "ab"
    )
    near = "".join(f'<a href="/calendar/{y}/{m}">{y}/{m}</a> ' for y, m in (following, before))
    return site.frame(f"{year}/{month}", f"<h1>{'/'.join(map(str, parts))}</h1><p>{near}</p><p>{days}</p>")


class WordPressBlog(Site):
    """A Persian blog on WordPress: its API gives a hundred posts a request, its feed ten."""

    title = "یادداشت‌ها"
    generator = "WordPress 6.9"
    licensed = True
    robots = "User-agent: *\nDisallow: /wp-admin/\nSitemap: ORIGIN/wp-sitemap.xml\n"
    api_closed = False
    pages_told = 0  # added to the number of pages that is told: a lie
    warns = False  # the server's program complains in front of each answer

    @property
    def head(self) -> str:  # type: ignore[override]
        return (
            f'<link rel="https://api.w.org/" href="{self.origin}/wp-json/">'
            f'<link rel="alternate" type="application/rss+xml" href="{self.origin}/feed/">'
            f'<link rel="alternate" type="application/rss+xml" href="{self.origin}/comments/feed/">'
        )

    def path_of(self, number: int, text: Article, when: datetime) -> str:
        return f"/{when:%Y/%m}/{text.title.replace(' ', '-')}-{number}/"

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if path == "/wp-json/wp/v2/posts":
            return self._api(query)
        if path == "/wp-sitemap.xml":
            return sitemap_index([(f"{self.origin}/wp-sitemap-posts-post-1.xml", iso(NEWEST))])
        if path == "/wp-sitemap-posts-post-1.xml":
            return sitemap([(self.url(post.path), iso(post.changed), "") for post in self.posts])
        if path == "/feed/":
            return self._feed(int(query.get("paged", "1")))
        return None

    def _api(self, query: dict[str, str]) -> Page:
        size, page = int(query.get("per_page", "10")), int(query.get("page", "1"))
        pages = -(-len(self.posts) // size)
        if self.api_closed:
            return _json({"code": "rest_not_logged_in", "data": {"status": 401}}, status=401)
        if not 1 <= size <= 100:
            return _json({"code": "rest_invalid_param", "data": {"status": 400}}, status=400)
        if page > pages:
            return _json({"code": "rest_post_invalid_page_number", "data": {"status": 400}}, status=400)
        posts = [
            {
                "id": post.number,
                "link": self.url(post.path),
                "date_gmt": f"{post.published:%Y-%m-%dT%H:%M:%S}",
                "modified_gmt": f"{post.changed:%Y-%m-%dT%H:%M:%S}",
                "title": {"rendered": html.escape(post.article.title)},
                "content": {"rendered": "\n\n".join(paragraphs(post.article)) + "\n", "protected": False},
            }
            for post in self.posts[(page - 1) * size : page * size]
        ]
        told = (("X-WP-Total", str(len(self.posts))), ("X-WP-TotalPages", str(pages + self.pages_told)))
        before = b"<br />\n<b>Warning</b>: Undefined array key [0] in <b>/a.php</b><br />\n" if self.warns else b""
        answer = _json(posts, fields=told)
        return replace(answer, body=before + answer.body)

    def _feed(self, page: int) -> Page:
        chosen = self.posts[(page - 1) * 10 : page * 10]
        if not chosen:
            return NOT_FOUND
        items = "".join(
            f"<item><title>{html.escape(p.article.title)}</title><link>{self.url(p.path)}</link>"
            f"<pubDate>{rfc822(p.published)}</pubDate>"
            f"<description>{html.escape(p.article.paragraphs[0][:200])} [&#8230;]</description>"
            f"<content:encoded><![CDATA[{''.join(paragraphs(p.article))}\n{self._footer(p)}]]></content:encoded></item>"
            for p in chosen
        )
        return xml(
            '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
            'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule"><channel>'
            f"<title>{self.title}</title><generator>https://wordpress.org/?v=6.9</generator><language>fa-IR</language>"
            f"<creativeCommons:license>{LICENCE}</creativeCommons:license>{items}</channel></rss>",
            "application/rss+xml",
        )

    def _footer(self, post: Posted) -> str:
        title = html.escape(post.article.title)
        own, home = f'<a href="{self.url(post.path)}">{title}</a>', f'<a href="{self.origin}">{self.title}</a>'
        return f"<p>نوشته {own} اولین بار در {home}. پدیدار شد.</p>"


class BloggerBlog(Site):
    """An Estonian blog on Blogger: it gives fewer posts than are asked for."""

    language = "et"
    title = "Märkmik"
    generator = "blogger"
    licensed = True
    robots = "User-agent: *\nDisallow: /search\nAllow: /\nSitemap: ORIGIN/sitemap.xml\n"
    MOST = 60

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if path == "/sitemap.xml":
            return sitemap([(self.url(post.path), iso(post.changed), "") for post in self.posts])
        if path != "/feeds/posts/default":
            return None
        start = int(query.get("start-index", "1"))
        size = min(int(query.get("max-results", "25")), self.MOST)
        chosen = self.posts[start - 1 : start - 1 + size]
        following = f"{self.origin}/feeds/posts/default?start-index={start + size}&max-results={size}"
        more = start + size <= len(self.posts)
        if query.get("alt") == "json":
            links = [{"rel": "next", "href": following + "&alt=json"}] if more else []
            feed: dict[str, object] = {"title": {"$t": self.title}, "link": links, "rights": {"$t": LICENCE}}
            feed["openSearch$totalResults"] = {"$t": str(len(self.posts))}
            if chosen:
                feed["entry"] = [self._entry(post) for post in chosen]
            return _json({"version": "1.0", "feed": feed})
        return atom(self, chosen, following if more else "", "<generator>Blogger</generator>")

    def _entry(self, post: Posted) -> dict[str, object]:
        return {
            "id": {"$t": f"tag:blogger.com,1999:post-{post.number}"},
            "published": {"$t": iso(post.published)},
            "updated": {"$t": iso(post.changed)},
            "title": {"type": "text", "$t": post.article.title},
            "content": {"type": "html", "$t": "<br />".join(post.article.paragraphs)},
            "link": [{"rel": "self", "href": "x"}, {"rel": "alternate", "href": self.url(post.path)}],
        }


def atom(site: Site, chosen: Sequence[Posted], following: str, more: str = "") -> Page:
    """Whole articles as Atom."""
    entries = "".join(
        f'<entry><title>{html.escape(p.article.title)}</title><link rel="alternate" href="{site.url(p.path)}"/>'
        f"<id>tag:{site.name},{p.number}</id><published>{iso(p.published)}</published><updated>{iso(p.changed)}</updated>"
        f'<content type="html">{html.escape("".join(paragraphs(p.article)))}</content></entry>'
        for p in chosen
    )
    link = f'<link rel="next" href="{html.escape(following)}"/>' if following else ""
    return xml(
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{site.language}"><title>{site.title}</title>{more}{link}'
        f'<link rel="license" href="{LICENCE}"/>{entries}</feed>',
        "application/atom+xml",
    )


class StaticBlog(Site):
    """A Persian blog of files: whole articles in an Atom feed of pages."""

    title = "دست‌نوشته"
    generator = "Hugo 0.150"
    licensed = True
    head = '<link rel="alternate" type="application/atom+xml" href="/atom.xml">'
    robots = "User-agent: *\nAllow: /\n"
    PER_PAGE = 20

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if not (path.startswith("/atom") and path.endswith(".xml")):
            return None
        page = int(path[6:-4] or 1) if path[5:6] == "-" else 1
        chosen = self.posts[(page - 1) * self.PER_PAGE : page * self.PER_PAGE]
        more = f"{self.origin}/atom-{page + 1}.xml" if page * self.PER_PAGE < len(self.posts) else ""
        return atom(self, chosen, more) if chosen else NOT_FOUND


class ListedBlog(Site):
    """An Estonian blog of which only a sitemap of plain lines tells."""

    language = "et"
    title = "Päevik"
    licensed = True
    robots = "User-agent: *\nAllow: /\nSitemap: ORIGIN/sitemap.txt\n"

    def lists(self, path: str, query: dict[str, str]) -> Page | None:
        if path != "/sitemap.txt":
            return None
        return Page("".join(self.url(post.path) + "\n" for post in self.posts).encode(), "text/plain; charset=utf-8")


class Trap(Site):
    """Nothing but a calendar without end."""

    title = "تقویم"
    robots = "User-agent: *\nAllow: /\n"

    def answer(self, path: str, query: dict[str, str]) -> Page:
        return calendar_page(self, path) if path != "/robots.txt" else super().answer(path, query)


class Mirror(NewsByMonth):
    """The Estonian news once more, at another address; its pages still say where they are from."""

    def __init__(self, of: Site) -> None:
        self.of = of
        super().__init__("mirror", of.seed, 0)
        self.posts, self.by_path = of.posts, of.by_path

    def page(self, post: Posted) -> Page:
        page = super().page(post)
        return replace(page, body=page.body.replace(self.origin.encode(), self.of.origin.encode()))


def _json(value: object, status: int = 200, fields: tuple[tuple[str, str], ...] = ()) -> Page:
    return Page(json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=UTF-8", status, fields)


KINDS: dict[str, Callable[[str, int, int], Site]] = {
    "news-fa": NewsWithSitemaps, "news-et": NewsByMonth, "news-feed": NewsWithFeed, "wordpress": WordPressBlog,
    "blogger": BloggerBlog, "static": StaticBlog, "listed": ListedBlog,
}  # fmt: skip


@dataclass
class Web:
    """All sites by name, what was asked of each, and how they answer."""

    sites: dict[str, Site]
    delay_s: float = 0.0
    conditional: bool = True  # ETags are given and believed
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # (site, path with query) -> times
    log: list[tuple[float, str, str, int]] = field(default_factory=list)  # (when, site, path, status)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def truth(self) -> dict[str, Article]:
        """Canonical address -> article, of all sites but the mirror."""
        return {
            url: text
            for site in self.sites.values()
            if not isinstance(site, Mirror)
            for url, text in site.truth.items()
        }

    @property
    def copies(self) -> dict[str, str]:
        """Canonical address of each near copy -> of the article that it is one of."""
        return {
            canonical(site.url(path)): canonical(site.url(original))
            for site in self.sites.values()
            if isinstance(site, NewsWithSitemaps)
            for path, original in site.copies.items()
        }

    def note(self, site: str, target: str, status: int) -> None:
        with self.lock:
            self.requests[site, target] += 1
            self.log.append((time.monotonic(), site, target, status))


def synthetic_web(*, articles: int = 2_000, seed: int = 0) -> Web:
    """The web of a seed, with so many articles in all."""
    counts = {name: max(1, articles * share // 1_000) for name, share in SHARES.items()}
    counts["news-fa"] += articles - sum(counts.values())  # what rounding left
    sites = {name: KINDS[name](name, seed, count) for name, count in counts.items()}
    sites["trap"] = Trap("trap", seed, 0)
    sites["mirror"] = Mirror(sites["news-et"])
    return Web(sites)


def _handler(web: Web, site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "synthetic"
        sys_version = ""
        wbufsize = -1  # one write for the whole answer
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if web.delay_s:
                time.sleep(web.delay_s)
            parts = urlsplit(self.path)
            page = site.answer(unquote(parts.path), dict(parse_qsl(parts.query)))
            tag = f'"{hashlib.sha1(page.body).hexdigest()[:16]}"'
            fresh = web.conditional and page.status == 200 and self.headers.get("If-None-Match") == tag
            status = 304 if fresh else page.status
            web.note(site.name, self.path, status)
            self.send_response(status)
            if web.conditional and page.status == 200:
                self.send_header("ETag", tag)
            body = b"" if fresh else page.body
            if not fresh:
                self.send_header("Content-Type", page.kind)
                if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 500 and page.kind[:5] == "text/":
                    body = gzip.compress(body, 1, mtime=0)
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
            for name, value in page.fields:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing on the screen."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the test."""


@contextlib.contextmanager
def serving(web: Web, *, port: int = 0) -> Iterator[Web]:
    """`web` on loopback: each site at its own port, from `port` on, or wherever there is one free."""
    servers = []
    try:
        for number, site in enumerate(web.sites.values()):
            server = _Server(("127.0.0.1", port + number if port else 0), _handler(web, site))
            site.origin = f"http://127.0.0.1:{server.server_address[1]}"
            servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield web
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def main() -> None:
    """Serve it until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="of the first site; the others follow")
    parser.add_argument("--articles", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--truth", type=Path, help="write address, title and text of each article here, as JSON lines")
    options = parser.parse_args()
    web = synthetic_web(articles=options.articles, seed=options.seed)
    web.delay_s = options.delay
    with serving(web, port=options.port):
        for name, site in web.sites.items():
            print(f"{site.origin}/  {name:10} {site.language}  {len(site.posts):4} articles  {site.title}", flush=True)
        if options.truth:
            lines = [
                json.dumps({"url": url, "title": text.title, "text": text.text}, ensure_ascii=False)
                for url, text in web.truth.items()
            ]
            options.truth.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print("\n".join(f"{times:4} {site}{path}" for (site, path), times in web.requests.most_common(10)))


if __name__ == "__main__":
    main()
