"""A small site on loopback, of which a test says what stands at each path; it counts what is asked for."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

ROBOTS = "/robots.txt"
HTML = "text/html; charset=utf-8"


@dataclass
class Reply:
    """What the site answers."""

    body: bytes = b""
    status: int = 200
    content_type: str = HTML
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """Paths (with their query) and what stands there, or a function of the request's headers."""

    pages: dict[str, Reply | Callable[[dict[str, str]], Reply]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    otherwise: Callable[[str], Reply] = lambda path: Reply(b"nothing here", 404)  # what stands at any other path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def allowed(self) -> frozenset[tuple[str, int]]:
        return frozenset({("127.0.0.1", self.port)})

    def put(self, path: str, body: str, **more: object) -> None:
        self.pages[path] = Reply(body.encode(), **more)  # type: ignore[arg-type]

    def put_article(self, number: int, text: str, **more: object) -> str:
        path = f"/article/{number}"
        self.put(path, article(f"Title {number}", text), **more)
        return path

    def put_sitemap(self, paths: list[str], where: str = "/sitemap.xml", dates: dict[str, str] | None = None) -> None:
        dated = {path: f"<lastmod>{(dates or {})[path]}</lastmod>" if path in (dates or {}) else "" for path in paths}
        urls = "".join(f"<url><loc>{self.url}{path}</loc>{dated[path]}</url>" for path in paths)
        body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        self.put(where, body, content_type="application/xml")

    @property
    def asked_for_pages(self) -> dict[str, int]:
        """How often each path was asked for, but for the files that say what may be."""
        own = (ROBOTS, "/ai.txt", "/.well-known/tdmrep.json")
        return {path: count for path, count in sorted(self.asked.items()) if path not in own}


def article(title: str, text: str) -> str:
    """A page with an article in it."""
    paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n"))
    head = f"<head><meta charset='utf-8'><title>{title}</title></head>"
    return f"<!doctype html><html>{head}<body><article><h1>{title}</h1>{paragraphs}</article></body></html>"


@contextmanager
def serving_site() -> Iterator[Site]:
    """The site, served by a thread of its own."""
    site = Site()

    async def answer(request: web.Request) -> web.Response:
        path = request.path_qs
        site.asked[path] += 1
        site.heard.append((path, dict(request.headers)))
        reply = site.pages.get(path) or site.otherwise(path)
        if callable(reply):
            reply = reply(dict(request.headers))
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(body=reply.body, status=reply.status, headers=headers)

    loop = asyncio.new_event_loop()
    started = threading.Event()

    runners: list[web.ServerRunner] = []

    async def start() -> None:
        runner = web.ServerRunner(web.Server(answer))  # needs a running loop
        runners.append(runner)
        await runner.setup()
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        site.port = runner.addresses[0][1]

    def serve() -> None:
        loop.run_until_complete(start())
        # said only now: a stop that came while `start` ended would be its end's, and the server would run for ever
        started.set()
        loop.run_forever()
        loop.run_until_complete(runners[0].cleanup())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait()
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
