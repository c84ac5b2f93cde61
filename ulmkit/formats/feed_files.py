"""Feeds that lie in files (RSS, Atom, RDF, exports of WordPress): their whole posts, a document each."""

from collections.abc import Iterator

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.feeds import DECLARES_TYPE, read_feed
from ulmkit.formats.origin import Origin, Record
from ulmkit.formats.streams import Stream


def read_feed_file(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document for each entry that holds its whole post; the others are counted, with the sign that tells them."""
    data = origin.whole(stream)
    if isinstance(data, Unreadable):
        yield data
        return
    feed = read_feed(data, "")
    for number, entry in enumerate(feed.entries, 1):
        if entry.whole:
            yield origin.document(
                f"<body>{entry.html}</body>",
                "text",  # a piece that is nothing but the article: all of it is taken
                record=number,
                title=entry.title,
                url=entry.url,
                licence=entry.licence or feed.licence,
                published_at=entry.published,
            )
        else:
            yield origin.unreadable(reasons.CUT_ENTRY, entry.cut, number, shown=excerpt(entry.html))
    if feed.problem:
        reason = reasons.DOCUMENT_TYPE if feed.problem == DECLARES_TYPE else reasons.BAD_RECORD
        yield origin.unreadable(reason, feed.problem)
    elif not feed.entries:
        yield origin.unreadable(reasons.EMPTY_TEXT, "a feed without entries")
