"""Mails, alone (.eml) and in boxes (.mbox): what each writer wrote himself, without what he answers to.

RFC 5322 and RFC 2045 to 2049, by Python's `email`; boxes as RFC 4155 has them.
"""

import email
import email.header
import email.message
import itertools
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
_BETWEEN_DASHES = re.compile(r"-{2,}[ \t]*[^\W\d_][^\n]{0,60}?-{2,}[ \t]*")
_FIELD = re.compile(r"[*_]{0,2}[^\W\d_][^\n:]{0,20}:[*_]{0,2}[ \t]+\S")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_TIME = re.compile(r"(?<!\d)\d\d?[:.]\d\d(?!\d)")
_RULE = re.compile(r"[_=-]{20,}[ \t]*")
_SIGNATURE = 15  # lines: what stands below two hyphens or a list's rule is a signature if it is no longer
_SAID = 3  # lines that say who is quoted


def read_mail(stream: Stream, origin: Origin) -> Iterator[Record]:
    """One mail, one document; the mails of a digest one each, numbered from 1."""
    data = origin.whole(stream)
    if isinstance(data, Unreadable):
        yield data
        return
    mails = _mails(data, origin)
    for number, each in enumerate(mails, 1):
        yield each if isinstance(each, Unreadable) else _document(each, origin, number if len(mails) > 1 else None)


def read_mailbox(stream: Stream, origin: Origin) -> Iterator[Record]:
    """A document for each mail of a box, and of a digest in it, numbered from 1."""
    limit = origin.limits.record
    begun, number, size, lines, blank = False, 1, 0, list[bytes](), True
    while line := stream.readline(limit):
        if blank and _FROM.match(line):
            for record in _numbered(lines, size, origin, number) if begun else ():
                yield record
                number += 1
            begun, size, lines, blank = True, 0, [], False
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
        yield from _numbered(lines, size, origin, number)


def _numbered(lines: list[bytes], size: int, origin: Origin, number: int) -> Iterator[Record]:
    """One mail of a box as documents, numbered from `number` on."""
    data = b"".join(lines)
    if size > origin.limits.record:
        yield origin.unreadable(
            reasons.TOO_LARGE, f"a mail over {origin.limits.record:,} bytes", number, shown=excerpt(data)
        )
        return
    for place, mail in enumerate(_mails(_STUFFED.sub(b"", data), origin, number), number):
        yield mail if isinstance(mail, Unreadable) else _document(mail, origin, place)


def _mails(data: bytes, origin: Origin, number: int | None = None) -> list[email.message.Message | Unreadable]:
    """The mail itself, or those that it puts together: a list's digest of a day, whose own part is about the list."""
    try:
        mail = email.message_from_bytes(data.lstrip())
        digests = [part for part in mail.walk() if part.get_content_type() == "multipart/digest"]
    except RecursionError:
        return [origin.unreadable(reasons.NESTING, "a mail in parts of parts", number, shown=excerpt(data))]
    return [each for digest in digests for part in _parts(digest) for each in _parts(part)] or [mail]


def _parts(message: email.message.Message) -> list[email.message.Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, email.message.Message)] if isinstance(payload, list) else []


def _document(message: email.message.Message, origin: Origin, number: int | None = None) -> Record:
    part = _body(message)
    if part is None:
        return origin.unreadable(
            reasons.EMPTY_TEXT, "a mail without text", number, shown=_header(message, "subject", origin)
        )
    title, sent = _header(message, "subject", origin), moment(_header(message, "date", origin))
    body = _bytes_of(part)
    charset = str(part.get_content_charset("") or "")
    if part.get_content_type() == "text/html":
        return origin.document(body, "html", record=number, title=title, encoding=charset, published_at=sent)
    try:
        text = origin.decode(body, charset)
    except Undecodable as error:
        return origin.unreadable(reasons.ENCODING, error, number, shown=excerpt(body))
    if str(part.get_param("format") or "").lower() == "flowed":
        text = _unflowed(text, delete=str(part.get_param("delsp") or "").lower() == "yes")
    return origin.document(written(text), "text", record=number, title=title, published_at=sent)


def _body(message: email.message.Message) -> email.message.Message | None:
    """The part that is read: the first plain text that is no file of its own and not blank, else the first page."""
    parts = [part for part in message.walk() if not part.is_multipart() and not part.get_filename()]
    parts = [part for part in parts if _bytes_of(part).strip()] or parts
    types = [part.get_content_type() for part in parts]
    return next((parts[types.index(kind)] for kind in ("text/plain", "text/html") if kind in types), None)


def _bytes_of(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


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
        if _FORWARDED.fullmatch(line) or _is_signature(lines, place) or _is_passed_on(lines, place):
            break
        if _QUOTED.match(line):
            if not quoting:
                _take_back(kept)
            quoting = True
        elif line.strip() or not quoting:
            kept.append(line)
            quoting = False
    return "\n".join(kept).strip()


def _unflowed(body: str, *, delete: bool) -> str:
    """A text whose lines end in a space where they go on (RFC 3676), its paragraphs whole; `delete` that space, too.

    >>> _unflowed("Täna sadas \\nvihma.\\n> Kas \\n> tuled?\\n-- \\nMari", delete=False)
    'Täna sadas vihma.\\n> Kas \\n> tuled?\\n-- \\nMari'
    """
    lines: list[str] = []
    goes_on = False
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        own = line != "-- " and not line.startswith(">")
        line = line.removeprefix(" ") if own else line  # a space was put before what begins with one
        if goes_on and own:
            lines[-1] = lines[-1][: -1 if delete else None] + line
        else:
            lines.append(line)
        goes_on = own and line.endswith(" ")
    return "\n".join(lines)


def _is_signature(lines: list[str], place: int) -> bool:
    """Whether what stands from this line on is a signature, or what a mailing list adds."""
    line, below = lines[place], sum(1 for each in lines[place + 1 :] if each.strip())
    return below <= _SIGNATURE and (line in ("-- ", "--") or (bool(_RULE.fullmatch(line)) and line[0] == "_"))


def _is_passed_on(lines: list[str], place: int) -> bool:
    """Whether another mail begins here, below its fields in whatever language: who wrote it to whom, when, of what.

    A block of short `Word: …` lines, three or more, the first with an address and another with a year and a time; or
    two below a line of words between dashes.
    """
    if place and lines[place - 1].strip() and not _RULE.fullmatch(lines[place - 1]):
        return False
    ruled = bool(_BETWEEN_DASHES.fullmatch(lines[place]))
    block = list(itertools.takewhile(_FIELD.match, lines[place + ruled : place + ruled + 8]))
    if ruled or len(block) < 3:
        return ruled and len(block) >= 2
    return bool(_ADDRESS.search(block[0])) and any(_YEAR.search(line) and _TIME.search(line) for line in block)


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
