"""A book (EPUB): which members of its zip are chapters, and the order in which they are read.

https://www.w3.org/TR/epub-33/ : META-INF/container.xml names the package, which lists all files (manifest) and, of
these, the chapters in their order (spine).
"""

import html
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from ulmkit.formats.xml import xml_text
from ulmkit.text.encoding import Undecodable

CONTAINER = "META-INF/container.xml"
PACKAGE_LIMIT = 1 << 23  # bytes of a package that is looked into: a hundred thousand chapters
# files that are called as pages are, but for those that list the others
_PAGE_NAME = re.compile(
    r"\.(?:x?html?|xml)\Z(?<!container\.xml)(?<!encryption\.xml)(?<!nav\.xhtml)(?<!toc\.xhtml)(?<!toc\.html)", re.I
)
_PAGE_TYPES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/x-dtbook+xml", "text/plain")
_TAG = re.compile(r"<(?:[\w.-]+:)?(rootfile|item|itemref)\b([^<>]*)>", re.I)
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


class BookChapters(NamedTuple):
    """`members` of the zip in the order in which they are read, and what the book lists and does not hold."""

    members: list[str]
    missing: list[str]


def book_chapters(archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo]) -> BookChapters | None:
    """The chapters among the members of `names`; None where the zip is no book.

    Those of the spine come first, in its order; what else is called as pages are comes behind them, since a book that
    lists too little loses nothing by it.
    """
    if (container := _read(archive, names.get(CONTAINER))) is None:
        return None
    folded = {name.lower(): name for name in names}  # some books write a name in another case than the zip
    listed: list[str] = []
    contents = set()
    for root in _tags(container, "rootfile"):
        path = root.get("full-path", "")
        package = _read(archive, names.get(folded.get(path.lower(), ""))) or ""
        items = {item.get("id", ""): item for item in _tags(package, "item")}
        contents |= {_place(path, item) for item in items.values() if "nav" in item.get("properties", "").split()}
        chapters = (items.get(reference.get("idref", ""), {}) for reference in _tags(package, "itemref"))
        listed += [_place(path, item) for item in chapters if _is_page(item)]
    places = {place: place if place in names else folded.get(place.lower()) for place in listed}
    apart = {place.lower() for place in contents}
    members = dict.fromkeys(name for place, name in places.items() if name and place not in contents)
    members |= dict.fromkeys(name for name in names if _PAGE_NAME.search(name) and name.lower() not in apart)
    return BookChapters(list(members), [place for place, name in places.items() if not name])


def _is_page(item: dict[str, str]) -> bool:
    """Whether a file of the manifest is text, by what is said of it, else by what it is called."""
    kind, reference = item.get("media-type", "").strip().lower(), item.get("href", "")
    return bool(reference) and (kind in _PAGE_TYPES or (not kind and bool(_PAGE_NAME.search(reference))))


def _place(package: str, item: dict[str, str]) -> str:
    """Where the file of an item of the `package` lies in the zip."""
    reference = unquote(item.get("href", "").partition("#")[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(package), reference)).lstrip("/")


def _tags(text: str, name: str) -> Iterator[dict[str, str]]:
    """The attributes of each tag of this name, whatever the prefix of its name space."""
    for tag in _TAG.finditer(text):
        if tag[1].lower() == name:
            yield {
                found[1].lower(): html.unescape(found[2] if found[2] is not None else found[3])
                for found in _ATTRIBUTE.finditer(tag[2])
            }


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None) -> str | None:
    """A small member as text; empty where it cannot be read, None where there is none."""
    if entry is None:
        return None
    try:
        with archive.open(entry) as file:
            return xml_text(file.read(PACKAGE_LIMIT))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, Undecodable):
        return ""  # NotImplementedError, of a packing that zipfile has not, is a RuntimeError
