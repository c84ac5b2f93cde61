"""An HTTP response as an archive has it: status, header fields, and the body as the server meant it.

Headers are claims: of interim answers only the last counts, and how a body is packed and what it holds are told by its
bytes wherever the header says nothing, or something that they contradict.
"""

import io
import re
from dataclasses import dataclass
from typing import cast

from ulmkit.formats import reasons
from ulmkit.formats.streams import (
    CODECS,
    LIMITS,
    ByteBudget,
    Codec,
    Failure,
    Inflate,
    RawBytes,
    SectionBytes,
    Stream,
    decompressed,
)

HEADER_LINE = 1 << 15
HEADER_LINES = 500
INTERIM = 20  # answers 1xx before the one that counts
_LAYERS = 3  # of packing around a body, said or not
DELIVERED = (200, 203)  # 203: the page, as a proxy on the way changed it
_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.I)
# nothing before it but what may stand before a page's first element
_ROOT = re.compile(rb"(?>\s|<!--.*?-->|<\?.*?\?>)*+<(?:!doctype\s+html|(?:\w{1,20}:)?html|head|body)\b", re.I | re.S)
_CLOSED = re.compile(rb"</(?:p|div|a|span|h[1-6]|table|title|li|article)\s*>", re.I)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CHUNK = re.compile(rb"\s*([0-9a-fA-F]{1,8})\s*(?:;[^\n]*)?\r?\n")
_SURE_CHUNKS = 3  # of which the last is cut
_TRAILER = re.compile(rb"(?:[A-Za-z][\w-]*:[^\r\n]*\r?\n)*\s*")  # fields behind the last chunk
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
PAGE_TYPES = ("text/html", "application/xhtml+xml")
# what servers say of a file that they know nothing of
_UNTOLD = ("", "html", "*/*", "text", "text/*", "unknown", "application/octet-stream", "application/unknown")
_FOREIGN = (
    (b"%PDF-", "PDF"),
    (b"{\\rtf", "RTF"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"PK\3\4", "zip"),
)
_PACKED_TYPES = ("application/gzip", "application/x-gzip", "application/zstd", "application/x-tar", "application/zip")


@dataclass(frozen=True)
class Message:
    """An HTTP response: status, header fields in lower case, body as the server meant it."""

    status: int
    headers: dict[str, str]
    body: bytes
    failure: Failure | None = None


def header_fields(lines: list[bytes]) -> dict[str, str]:
    """`Name: value` lines as a dictionary; continued lines are joined, the first of equal names stays."""
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text[:1] in " \t" and last:
            fields[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        last = name.strip().lower() if colon else ""
        if last and last not in fields:
            fields[last] = value.strip()
    return fields


def message(block: bytes, limit: int) -> Message:
    """The HTTP response in a record's block; a block that is none is a body without headers (HTTP/0.9).

    Interim answers (`100 Continue`, `103 Early Hints`) before it are passed over.
    """
    if block[:5].upper() != b"HTTP/":
        return Message(200, {}, *plain_body(unchunked(block, wholly=True), "", limit))
    file = io.BytesIO(block)
    for _ in range(INTERIM):
        first = file.readline(HEADER_LINE)
        lines: list[bytes] = []
        while (line := file.readline(HEADER_LINE)) not in (b"", b"\n", b"\r\n"):
            lines.append(line)
            if len(lines) > HEADER_LINES:
                return Message(0, {}, b"", Failure(reasons.DAMAGED, "no end of the HTTP header"))
        match = re.match(rb"HTTP/[\d.]+\s+(\d{3})", first, re.I)
        status = int(match[1]) if match else 0
        after = file.tell()
        if status // 100 != 1 or block[after : after + 5].upper() != b"HTTP/":
            break
    headers = header_fields(lines)
    body = block[after:]
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = unchunked(body)
    else:
        body = unchunked(body, wholly=True)
    body, failure = plain_body(
        body, headers.get("content-encoding", ""), limit, media_type(headers.get("content-type", ""))[0]
    )
    return Message(status, headers, body, failure)


def unchunked(body: bytes, *, wholly: bool = False) -> bytes:
    """The data of a chunked body. One stored already joined comes back as it is; one that breaks, to the break.

    `wholly`: only a body that is chunks from its first byte to its last one, for nothing says that it is chunked; the
    last may be cut where others stand before it.
    """
    if wholly and not _CHUNK.match(body[:1024]):
        return body
    file = io.BytesIO(body)
    parts: list[bytes] = []
    while line := file.readline(1024):
        match = _CHUNK.fullmatch(line)
        size = int(match[1], 16) if match else -1
        if size <= 0:
            if wholly and (size or not parts or not _TRAILER.fullmatch(file.read(HEADER_LINE))):
                return body
            return b"".join(parts) if parts or size == 0 else body
        data = file.read(size)
        end = file.readline(3)
        if not parts and end.strip() and len(data) == size:  # a first line that reads as a number is no chunk
            return body
        parts.append(data)
    # without the empty chunk that ends all
    return b"".join(parts) if len(parts) >= (_SURE_CHUNKS if wholly else 1) else body


_ZLIB = Codec("deflate", (b"",), lambda limits: Inflate(15), single=True)
_BARE = Codec("deflate", (b"",), lambda limits: Inflate(-15), single=True)


def plain_body(body: bytes, codings: str, limit: int, kind: str = "") -> tuple[bytes, Failure | None]:
    """`body` with its content codings undone, those that its header names and those that its bytes show.

    One stored already plain comes back as it is. At most `limit` bytes. A file that is packed by its nature
    (`kind`) is left so.
    """
    for coding in reversed(codings.lower().split(",")):
        body, failure = _uncoded(body, coding.strip(), limit)
        if failure:
            return b"", failure
    for _ in range(_LAYERS):
        if kind in _PACKED_TYPES or not (codec := _shown(body)):
            break
        body, failure = _inflated(body, codec, limit)
        if failure:
            return b"", failure
    return body, None


def _shown(body: bytes) -> Codec | None:
    """The packing that a body's first bytes show."""
    return next((codec for codec in (CODECS["gzip"], CODECS["zstd"]) if codec.starts(body)), None)


def _is_zlib(body: bytes) -> bool:
    return len(body) > 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _uncoded(body: bytes, coding: str, limit: int) -> tuple[bytes, Failure | None]:
    """`body` without the coding that its header names; without another one where it is packed in that."""
    if coding not in ("gzip", "x-gzip", "zstd", "deflate", "br") or not body or _shown(body):
        return body, None
    if coding == "deflate":
        return _inflated(body, _ZLIB if _is_zlib(body) else _BARE, limit)
    if coding != "br" and not _CONTROL.search(body[:512]):
        return body, None  # plain text already
    plain, failure = _unbrotlied(body, limit)
    if failure and failure.reason != reasons.BOMB and _is_zlib(body):
        plain, failure = _inflated(body, _ZLIB, limit)
    if failure and failure.reason != reasons.BOMB and (coding != "br" or _PAGE.search(body[:4096])):
        return body, None  # plain already, or nothing that can be told: what reads it says so
    return plain, failure


def _inflated(body: bytes, codec: Codec, limit: int) -> tuple[bytes, Failure | None]:
    raw = cast(RawBytes, SectionBytes(io.BytesIO(body), len(body)))
    plain = decompressed(Stream(raw), codec, LIMITS, ByteBudget(len(body), LIMITS))
    data = plain.read(limit + 1)
    if len(data) > limit:
        return b"", Failure(reasons.BOMB, f"a page over {limit:,} bytes")
    if plain.failure and plain.failure.reason == reasons.BOMB:
        return b"", plain.failure
    if not data and plain.failure and not _CONTROL.search(body[:512]):
        return body, None  # plain already
    # a page cut off in transit is a page as far as it goes
    return (data, None) if data else (b"", plain.failure)


def _unbrotlied(body: bytes, limit: int) -> tuple[bytes, Failure | None]:
    """`body` with Brotli undone, by fastwarc's reader."""
    from fastwarc.stream_io import BrotliReader

    try:
        reader = BrotliReader(io.BytesIO(body))
        data = bytearray()
        while chunk := reader.read(min(1 << 16, limit + 1 - len(data))):
            data += chunk
            if len(data) > limit:
                return b"", Failure(reasons.BOMB, f"a page over {limit:,} bytes")
    except Exception as error:  # whatever the native reader raises, the record alone is lost
        return b"", Failure(reasons.DAMAGED, f"brotli: {error}")
    return bytes(data), None


def media_type(value: str) -> tuple[str, str]:
    """Type and charset of a Content-Type, of the first where it was sent several times over.

    >>> media_type('text/html; charset="UTF-8"'), media_type("text/html,text/html")
    (('text/html', 'UTF-8'), ('text/html', ''))
    """
    kind = re.split(r"[;,\s]", value.strip().lower(), maxsplit=1)[0]
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", value, re.I)
    return ("" if "charset=" in kind else kind), charset[1] if charset else ""


def has_page(body: bytes) -> bool:
    """Whether a page's own elements stand among the first bytes."""
    return bool(_PAGE.search(body[:4096]))


def is_page_body(body: bytes, kind: str) -> bool:
    """Whether the bytes are a page, whatever their header says.

    What a header calls script, style, feed or data is a page only if nothing else stands before its first element:
    programs hold pages in strings. What no header speaks of may be a piece of one.
    """
    start = body[:4096]
    if wide := _WIDE.get(start[:2]):
        start = start.decode(wide, "ignore").encode()
    start = start.removeprefix(b"\xef\xbb\xbf")
    if _ROOT.match(start):
        return True
    start = start.lstrip()
    if kind not in _UNTOLD or not start.startswith(b"<") or start.startswith(b"<?"):
        return False
    return bool(_PAGE.search(start)) or len(_CLOSED.findall(start)) > 1


def not_text(body: bytes) -> str:
    """What bytes are that are no text whatever their header says; empty for what may be text."""
    if body.startswith(tuple(_WIDE)):
        return ""
    return next((name for magic, name in _FOREIGN if body.startswith(magic)), "binary" if b"\0" in body[:1024] else "")
