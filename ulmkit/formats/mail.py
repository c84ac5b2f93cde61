"""Mails, alone (.eml) and in boxes (.mbox): what each writer wrote himself, without what he answers to.

RFC 5322 and RFC 2045 to 2049, by Python's `email`; boxes as RFC 4155 has them.
"""

import email
import email.header
import email.message
import re
from collections.abc import Iterator

from ulmkit.document import Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.excerpt import excerpt
from ulmkit.formats.lines import skip_line
from ulmkit.formats.origin import Origin, Record, moment
from ulmkit.formats.streams import Stream
from ulmkit.text.encoding import Undecodable

_FROM = re.compile(rb"From \S+ .*\d{4}.{0,12}\r?\n?\Z")
_STUFFED = re.compile(rb"^>(?=>*From )", re.M)
_QUOTED = re.compile(r"[ \t]*[>|](?!\w)")
_SAYS = re.compile(r".*[:：][ \t]*")  # "On … somebody wrote:", over what is quoted
_FORWARDED = re.compile(r"-{2,}[^\n]{0,60}(?:original|forward)[^\n]{0,60}-{2,}[ \t]*", re.I)
_RULE = re.compile(r"[_=-]{20,}[ \t]*")
_SIGNATURE = 15  # lines: what stands below two hyphens or a list's rule is a signature if it is no longer
_SAID = 3  # lines that say who is quoted


def read_mail(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One mail, one document."""
    data = origin.whole(stream)
    yield data if isinstance(data, Unreadable) else _document(data, origin)


def read_mailbox(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document for each mail of a box, numbered from 1."""
    limit = origin.limits.record
    number, size, lines, blank = 0, 0, list[bytes](), True
    while line := stream.readline(limit):
        if blank and _FROM.match(line):
            if number:
                yield _numbered(lines, size, origin, number)
            number, size, lines, blank = number + 1, 0, [], False
            continue
        blank = not line.strip()
        size += len(line)
        if size <= limit:
            lines.append(line)
        if len(line) == limit:
            skip_line(stream, limit)
            size += limit
    if stream.failure and b"\n\n" not in b"".join(lines).replace(b"\r\n", b"\n"):
        return  # cut off inside its fields
    if lines:
        yield _numbered(lines, size, origin, max(number, 1))


def _numbered(lines: list[bytes], size: int, origin: Origin, number: int) -> Record:
    data = b"".join(lines)
    if size > origin.limits.record:
        return origin.unreadable(
            reasons.TOO_LARGE, f"a mail over {origin.limits.record:,} bytes", number, shown=excerpt(data)
        )
    return _document(_STUFFED.sub(b"", data), origin, number)


def _document(data: bytes, origin: Origin, number: int | None = None) -> Record:
    try:
        message = email.message_from_bytes(data.lstrip())
        part = _body(message)
    except RecursionError:
        return origin.unreadable(reasons.NESTING, "a mail in parts of parts", number, shown=excerpt(data))
    if part is None:
        return origin.unreadable(reasons.EMPTY_TEXT, "a mail without text", number, shown=excerpt(data))
    title, sent = _header(message, "subject", origin), moment(_header(message, "date", origin))
    payload = part.get_payload(decode=True)
    body = payload if isinstance(payload, bytes) else b""
    charset = str(part.get_content_charset("") or "")
    if part.get_content_type() == "text/html":
        return origin.document(body, "html", record=number, title=title, encoding=charset, published_at=sent)
    try:
        text = origin.decode(body, charset)
    except Undecodable as error:
        return origin.unreadable(reasons.ENCODING, error, number, shown=excerpt(body))
    return origin.document(written(text), "text", record=number, title=title, published_at=sent)


def _body(message: email.message.Message) -> email.message.Message | None:
    """The part that is read: the first plain text that is no file of its own, else the first page."""
    parts = [part for part in message.walk() if not part.is_multipart() and not part.get_filename()]
    types = [part.get_content_type() for part in parts]
    return next((parts[types.index(kind)] for kind in ("text/plain", "text/html") if kind in types), None)


def _header(message: email.message.Message, name: str, origin: Origin) -> str:
    """A field as text, its encoded words read; as it stands where they say nothing."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name), "")
    try:
        text = origin.decode(str(raw).encode("ascii", "surrogateescape"))
        text = str(email.header.make_header(email.header.decode_header(text))) if "=?" in text else text
    except (ValueError, LookupError):  # an unknown encoding, or bytes that are not in it
        text = str(raw)
    return " ".join(text.split())


def written(body: str) -> str:
    """What the writer of a mail wrote: without quotations, who is quoted, and the signature.

    >>> written("Jah.\\n\\nMari kirjutas 3. mail:\\n> Kas tuled?\\n\\nTulen homme.\\n-- \\nJüri\\n")
    'Jah.\\n\\nTulen homme.'
    """
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept: list[str] = []
    quoting = False
    for place, line in enumerate(lines):
        if _FORWARDED.fullmatch(line) or _is_signature(lines, place):
            break
        if _QUOTED.match(line):
            if not quoting:
                _take_back(kept)
            quoting = True
        elif line.strip() or not quoting:
            kept.append(line)
            quoting = False
    return "\n".join(kept).strip()


def _is_signature(lines: list[str], place: int) -> bool:
    """Whether what stands from this line on is a signature, or what a mailing list adds."""
    line, below = lines[place], sum(1 for each in lines[place + 1 :] if each.strip())
    return below <= _SIGNATURE and (line in ("-- ", "--") or (bool(_RULE.fullmatch(line)) and line[0] == "_"))


def _take_back(kept: list[str]) -> None:
    """Take away the lines that say who is quoted: a block of few lines that ends in a colon."""
    blank = 0
    while kept and not kept[-1].strip():
        kept.pop()
        blank += 1
    if kept and _SAYS.fullmatch(kept[-1]):
        start = len(kept)
        while start and kept[start - 1].strip():
            start -= 1
        if len(kept) - start <= _SAID:
            del kept[start:]
    kept.extend([""] * min(blank, 1) or ([""] if kept and kept[-1].strip() else []))
