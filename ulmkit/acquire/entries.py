"""Whose terms is an entry of a list under? Its own page's, where they are known and are not those of the list.

An entry whose page robots.txt forbids, or of whose use its host says something else than of the list's, is not taken
from the list: it is asked for as any other page, by its own rules, or not at all. The list's record names those.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ulmkit.acquire.frontier import Item
from ulmkit.acquire.origins import Standing
from ulmkit.formats.canonical import short_name

MOST_APART = 1500  # that one header field holds; of a list with more none is taken


async def entries_apart(
    items: tuple[Item, ...], url: str, standing: Standing, at_hand: Callable[[str], Awaitable[Standing | None]]
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """What a list at `url` named, the entries with terms of their own as pages to ask for; and what those are called.

    `standing` is what the list's server says, `at_hand` gives what that of another page says, where it is known.
    """
    said = standing.signals(url)
    found: list[Item] = []
    apart: list[str] = []
    for item in items:
        try:
            own = await at_hand(item.url) if item.listed else None
        except ValueError:  # no address of the web: it is left out where all are placed
            own = None
        if own is not None and (not own.rules.allows(item.url) or own.signals(item.url) != said):
            item = replace(item, listed=False)
            apart.append(short_name(item.url))
        found.append(item)
    return tuple(found), tuple(apart)
