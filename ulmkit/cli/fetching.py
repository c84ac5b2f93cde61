"""The options that say how sources are brought, and what came of it as a table."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ulmkit.cli.common import FiniteRange, Terminal

if TYPE_CHECKING:
    from ulmkit.acquire.sources import Fetching

_PAIR = re.compile(r"\[?([0-9a-fA-F.:]+?)\]?:([0-9]{1,5})")


def allowing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--allow-address`."""
    return click.option(
        "--allow-address",
        "allow_addresses",
        multiple=True,
        metavar="ADDRESS:PORT",
        help="Connect to this address inside of a network, such as 127.0.0.1:8000.",
    )(function)


def addresses(pairs: Iterable[str]) -> frozenset[tuple[str, int]]:
    """What `--allow-address` names."""
    return frozenset(map(_pair, pairs))


def fetching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of bringing sources."""

    @click.option("--source", "names", multiple=True, metavar="NAME", help="Only this source. May be given again.")
    @click.option("--site", "sites", multiple=True, metavar="URL", help="A site to crawl in this run.")
    @click.option("--feed", "feeds", multiple=True, metavar="URL", help="A feed to read in this run.")
    @click.option(
        "--contact",
        envvar="ULMKIT_CONTACT",
        show_envvar=True,
        default="",
        help="Mail address or URL at which the owners of sites reach you.",
    )
    @click.option("--limit", type=click.IntRange(min=1), help="Take only so many documents of each source.")
    @click.option("--max-hours", type=FiniteRange(min=0, min_open=True), help="Crawl for so long at most.")
    @click.option("--delay", type=FiniteRange(min=0), help="Seconds between two requests to a --site or --feed.")
    @click.option(
        "--consent",
        type=click.Choice(["strict", "open-only", "record"]),
        default="strict",
        show_default=True,
        help="Crawled pages: leave those whose use is refused, take those alone whose use is granted, or take all that "
        "robots.txt allows, for research under an exception to copyright.",
    )
    @click.option(
        "--licence-policy",
        "licences",
        type=click.Choice(["open", "noncommercial"]),
        default="open",
        show_default=True,
        help="Whether licences for uses that are not commercial grant the use of a crawled page.",
    )
    @click.option("--offline", is_flag=True, help="Ask for nothing: build from what is on disk.")
    @click.option("--refresh", is_flag=True, help="Ask again for pages that are due.")
    @allowing
    @click.option(
        "--mirror",
        envvar="ULMKIT_WIKIMEDIA_MIRROR",
        show_envvar=True,
        help="Server to use instead of Wikimedia's own, or Common Crawl's.",
    )
    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    return wrapped


def chosen_fetching(options: dict[str, Any], licence: str) -> "Fetching":
    """What `fetching` added, taken out of a command's options."""
    from ulmkit.acquire.sources import Fetching, source_at

    allowed = addresses(options.pop("allow_addresses"))
    delay = options.pop("delay")
    extra = [
        source_at(url, kind, licence, delay_s=delay, allowed=allowed)
        for kind, urls in (("site", options.pop("sites")), ("feed", options.pop("feeds")))
        for url in urls
    ]
    names = ("names", "contact", "limit", "max_hours", "consent", "licences", "offline", "refresh", "mirror")
    return Fetching(extra=tuple(extra), allowed=allowed, **{name: options.pop(name) for name in names})


def _pair(text: str) -> tuple[str, int]:
    match = _PAIR.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 1 << 16:
        raise click.BadParameter(f"'{text}': give an address and a port, such as 127.0.0.1:8000.")
    return match[1], int(match[2])


def show_failures(terminal: Terminal, failed: Mapping[str, str]) -> None:
    """A line for each source that brought nothing."""
    for name, why in failed.items():
        terminal.note(f"source '{name}': {why}")


@contextlib.contextmanager
def failures_shown(terminal: Terminal) -> Iterator[None]:
    """Where no source brought anything, say of each why, a line each, before the error."""
    from ulmkit.acquire.sources import NothingBroughtError

    try:
        yield
    except NothingBroughtError as error:
        if len(error.failed) > 1:
            show_failures(terminal, error.failed)
        raise
