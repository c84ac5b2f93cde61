"""What a file is: by its first bytes, then by how its text looks, and by its name where both leave a choice."""

import json
import re
from typing import NamedTuple

from ulmkit.formats import reasons
from ulmkit.formats.arrow import ARROW_FILE, ARROW_STREAM
from ulmkit.formats.containers import is_tar
from ulmkit.formats.json import BEFORE_JSON, PYTHON_RECORD
from ulmkit.formats.layout import find_layout
from ulmkit.formats.streams import CODECS
from ulmkit.formats.table_trial import KNOWN_COLUMNS
from ulmkit.text.encoding import Undecodable, decode


class Format(NamedTuple):
    """The name of a reader; or, without one, the reason and what to do instead."""

    name: str
    reason: str = ""
    detail: str = ""


def refused(reason: str, detail: str) -> Format:
    return Format("", reason, detail)


# formats that start with bytes of their own and are not read
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", reasons.UNSUPPORTED, "7-Zip is not read; unpack it first"),
    (b"Rar!\x1a\x07", reasons.UNSUPPORTED, "RAR is not read; unpack it first"),
    (b"\x1f\x9d", reasons.UNSUPPORTED, "compress (.Z) is not read; unpack it first"),
    (b"LZIP", reasons.UNSUPPORTED, "lzip is not read; unpack it first"),
    (b"%PDF-", reasons.UNSUPPORTED, "PDF is not read; convert it to text first"),
    (b"{\\rtf", reasons.UNSUPPORTED, "RTF is not read; save it as text first"),
    (b"\xd0\xcf\x11\xe0", reasons.UNSUPPORTED, "an old Office document; save it as text first"),
    (b"SQLite format 3\0", reasons.UNSUPPORTED, "SQLite is not read; export the table as CSV first"),
    (b"bplist00", reasons.UNSUPPORTED, "property lists and Safari's web archives are not read; save the page as HTML"),
    (b"\x5d\x00\x00", reasons.UNSUPPORTED, "LZMA is not read; unpack it first"),
    (b"Obj\x01", reasons.UNSUPPORTED, "Avro is not read; save it as Parquet or JSON lines first"),
    (b"SEQ\x06", reasons.UNSUPPORTED, "Hadoop SequenceFile is not read; unpack it first"),
    (b"\x89PNG", reasons.NOT_TEXT, "an image"),
    (b"GIF8", reasons.NOT_TEXT, "an image"),
    (b"\xff\xd8\xff", reasons.NOT_TEXT, "an image"),
    (b"RIFF", reasons.NOT_TEXT, "sound, image or video"),
    (b"ID3", reasons.NOT_TEXT, "sound"),
    (b"OggS", reasons.NOT_TEXT, "sound or video"),
    (b"\x7fELF", reasons.NOT_TEXT, "a program"),
    (b"\xca\xfe\xba\xbe", reasons.NOT_TEXT, "a program"),
    (b"\x80\x04\x95", reasons.NOT_TEXT, "a Python pickle"),
)
MOST_CONTROLS = 0.02  # share of control characters in a text
ZEROS = re.compile("\0{16,}")
ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")
BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")

CODE = re.compile(
    r"\.(py|pyi|js|mjs|ts|tsx|jsx|css|scss|less|c|h|cc|cpp|hpp|cs|java|go|rs|rb|pl|pm|php|sh|bash|ps1|bat|lua|swift|kt"
    r"|scala|r|jl|m|f90|asm|sql|ini|cfg|conf|toml|ya?ml|lock|svg|tex|bib|ipynb|ics|vcf|diff|patch)$"
)
# files of one document each, by their names
_BY_NAME = (
    (re.compile(r"\.(adoc|asciidoc|asc)$"), "asciidoc"),
    (re.compile(r"\.(rst|rest)$"), "restructured"),
    (re.compile(r"\.(wiki|mediawiki|wikitext)$"), "wikitext"),
    (re.compile(r"\.eml$"), "mail"),
    (re.compile(r"\.(mbox|mbx)$"), "mailbox"),
    (re.compile(r"\.(srt|vtt|ass|ssa|sbv|lrc|ttml|dfxp)$"), "subtitles"),
    (re.compile(r"\.(po|pot)$"), "messages"),
)
_CUES = re.compile(
    r"WEBVTT\b|\[Script Info\]\s|\d{1,6}[ \t]*\r?\n\d{1,3}: ?\d\d: ?\d\d ?[,.] ?\d{1,3}[ \t]*-->"
    r"|(?:\d{1,3}:)?\d\d?:\d\d\.\d{3},(?:\d{1,3}:)?\d\d?:\d\d\.\d{3}\r?\n|\{\d{1,7}\}\{\d{0,7}\}"
    r"|(?:\[[A-Za-z#]{2,10}:[^\]\n]{0,200}\][ \t]*\r?\n\s*)*\[\d{1,3}:\d\d\.\d{2,3}\]"  # no chat's
)
_MESSAGES = re.compile(r"(?:#[^\n]*\n|\s)*+msgid \"\"\r?\nmsgstr \"")
_FIELDS = re.compile(r"(?:[A-Za-z][\w-]*:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*+){3,200}+\r?\n")  # and a blank line
MAIL_FIELDS = frozenset((
    "from", "to", "cc", "date", "subject", "sender", "reply-to", "in-reply-to", "references", "message-id", "received",
    "return-path", "delivered-to", "mime-version", "content-type", "content-transfer-encoding", "list-id", "newsgroups",
    "organization", "lines", "path", "xref", "nntp-posting-host",
))  # fmt: skip
LEAST_FIELDS = 3  # of these, the writer among them, make a mail
# the line that programs put before each mail of a box
_MAILBOX = re.compile(r"From \S+ [^\n]*\d{4}[^\n]{0,12}\r?\n[A-Za-z][\w-]*:")
_ORG = re.compile(r"#\+(?:title|author|date|startup|options|language):[^\n]*\n", re.I)
MARKDOWN = re.compile(r"\.(md|mdx|markdown|rmd|qmd)$")
_TABLE = re.compile(r"\.(csv|tsv|tab)$")
JSON_LINES = re.compile(r"\.(jsonl|jsonlines|ndjson)$")
_PAGE = re.compile(r"\.(html?|xhtml)$")
# atomic, all three: a comment that could end at each later "-->" would be tried to all of them
STARTS_PAGE = re.compile(r"(?>\s|<!--.*?-->|<\?xml[^>]*>)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
TAGS = re.compile(r"</(?:p|div|a|span|h[1-6]|body|table|title)>", re.I)
_ROOT = re.compile(r"(?>\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?>[^\[>]|\[.*?\])*>)*+<([A-Za-z_][\w:.-]*)", re.S | re.I)
XML = re.compile(
    r"\s*(?:<\?xml\s|<!DOCTYPE\s|<!--|<[A-Za-z_][\w:.-]*(?:\s+[\w:.-]+\s*=\s*[\"'][^\"']*[\"'])*\s*/?>)", re.I
)
TREEBANK = re.compile(r"(?:#[^\n]*\n)*1(?:-\d+)?\t[^\t\n]+(?:\t[^\t\n]*){8}\n")
_MANUAL = re.compile(r"(?:['.]\\\"[^\n]*\n|\s)*+\.(?:TH|Dd)[ \t]")  # page of a manual
SQL = re.compile(
    r"(?>\s|--[^\n]*\n|/\*.*?\*/;?)*+(?:INSERT\s+INTO|CREATE\s+TABLE|DROP\s+TABLE|COPY\s+\S+|SET\s+\w+|BEGIN|USE)\b[^\n]*[(;=]",
    re.I | re.S,
)
# CDX and CDXJ: what a web archive holds and where, sorted by addresses turned round
ARCHIVE_INDEX = re.compile(
    r" CDX [A-Za-z ]{3,60}\r?\n|(?:!meta[^\n]*\n)*(?:[^\s(){}]{1,500}\)/\S*|\S+://\S+) \d{14} (?:\{\"|\S+ \S+ \d{3} )"
)
_FEED = re.compile(r"<rss\b[^<>]*\bversion=|http://www\.w3\.org/2005/Atom|http://purl\.org/rss/1\.0/")
# Stack Exchange's dumps: https://archive.org/details/stackexchange
_ROWS = re.compile(r"(?:<\?xml[^>]*\?>)?\s*<(\w+)>\s*<row\s+\w+=\"")
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?:[A-Za-z_#][^\n]*\n|[ \t-][^\n]*\n|\r?\n)*?---[ \t]*(?:\r?\n|\Z)")


def recognise(head: bytes, name: str) -> Format:
    """The format of a stream that starts with `head` and is called `name`."""
    for codec in CODECS.values():
        if codec.starts(head) and (codec.name != "bzip2" or head[4:10] in BZIP2_BLOCKS):
            return Format(codec.name)
    if head.startswith(ZIP):
        return Format("zip")
    if head.startswith((b"PAR1", b"PARE")):
        return Format("parquet")
    if head.startswith((ARROW_FILE, ARROW_STREAM)):
        return Format("arrow")
    for magic, reason, detail in FOREIGN:
        if head.startswith(magic):
            return refused(reason, detail)
    if is_tar(head):
        return Format("tar")
    if head[:100].lstrip(b"\xef\xbb\xbf\r\n").startswith(b"WARC/"):
        return Format("warc")
    if head.startswith(b"filedesc:"):
        return Format("arc")
    try:
        text, encoding = decode(head)
    except Undecodable:
        if b"\0" in head:
            return refused(reasons.NOT_TEXT, "binary data")
        # markup may lie around letters that only the reader's own list of encodings can tell
        text, encoding = head.decode("latin-1"), ""
    if JSON_LINES.search(name.lower()):
        text = ZEROS.sub("", text)  # which a crash left; a record that it has cut is a bad one by itself
    # a few NULs are in many a table that a database wrote; readers leave them out
    if control_share(text[:4096] if encoding else text) > MOST_CONTROLS:
        return refused(reasons.NOT_TEXT, "binary data")
    return recognise_text(text, name.lower())


def control_share(text: str) -> float:
    """Share of control characters that no text has."""
    return sum(char < " " and char not in "\t\n\r\f\x1a\x1b\x1e" for char in text) / max(len(text), 1)


def recognise_text(text: str, name: str) -> Format:
    """The format of text that starts so, of a file called `name` (lower case)."""
    start = text.lstrip("\ufeff \t\r\n\x1e")
    if MARKDOWN.search(name):
        return Format("markdown")
    if start.startswith("-----BEGIN PGP"):
        return refused(reasons.NOT_TEXT, "a key or a signature")
    if by_name := next((kind for pattern, kind in _BY_NAME if pattern.search(name)), ""):
        return Format(by_name)
    if _CUES.match(start):
        return Format("subtitles")
    if _MESSAGES.match(start):
        return Format("messages")
    if _MAILBOX.match(start):
        return Format("mailbox")
    if is_mail(start):
        return Format("mail")
    if ARCHIVE_INDEX.match(text):
        return refused(reasons.NOT_A_PAGE, "the index of a web archive")
    if start.startswith("<"):
        return recognise_markup(start, name)
    if start.startswith(("{", "[")) and (json_format := recognise_json(start, lines=bool(JSON_LINES.search(name)))):
        return json_format
    if (JSON_LINES.search(name) or name.endswith(".json")) and PYTHON_RECORD.match(start.lstrip("[ \t\r\n")):
        return Format("json lines" if start.startswith("{") else "json")  # each is a bad record, and no text
    if JSON_LINES.search(name) and any(recognise_json(line) for line in start.split("\n", 20)[1:20]):
        return Format("json lines")  # its first record alone is bad
    if JSON_LINES.search(name) and _is_json_string(start.partition("\n")[0]):
        return Format("json lines")
    if (before := BEFORE_JSON.match(start)) and recognise_json(start[before.end() :].rstrip("; )\r\n")):
        return Format("json")  # in a script
    if _MANUAL.match(start):
        return refused(reasons.UNSUPPORTED, "roff is not read; save what `man` shows as text first")
    if TREEBANK.match(start):
        return Format("treebank")
    if SQL.match(start):
        return refused(reasons.UNSUPPORTED, "SQL is not read; export the table as CSV or JSON lines first")
    if _ORG.match(start) or name.endswith(".org"):  # the end of many a host's name, under which a page may be kept
        return Format("org")
    if CODE.search(name):
        return refused(reasons.NOT_TEXT, "program text or settings")
    if _TABLE.search(name):
        return Format("table")
    if _FRONT_MATTER.match(start):
        return Format("markdown")
    if _PAGE.search(name) and TAGS.search(text):
        return Format("html")
    if is_table(text):
        return Format("table")
    return Format("text")


def is_mail(start: str) -> bool:
    """Whether a text begins with the fields of a mail."""
    if not (block := _FIELDS.match(start)):
        return False
    names = {line.partition(":")[0].lower() for line in block[0].splitlines()}
    return "from" in names and len(names & MAIL_FIELDS) >= LEAST_FIELDS


def recognise_markup(start: str, name: str) -> Format:
    """The format of text that begins with a tag."""
    if STARTS_PAGE.match(start):
        return Format("html")
    match = _ROOT.match(start)
    root = match[1].rpartition(":")[2].lower() if match else ""
    if root in ("mediawiki", "page") and re.search(r"<(?:mediawiki|title|page|siteinfo)\b", start[:20_000]):
        return Format("mediawiki")
    if root == "tt" and not re.search(r"<!(?:DOCTYPE|ENTITY)", start[:4096], re.I):
        return Format("subtitles")
    if root == "html":
        return Format("html")
    if root in ("rss", "feed", "rdf") and _FEED.search(start[:2_000]):
        return Format("feed")
    if _ROWS.match(start) and "<!ENTITY" not in start[:4096]:
        return Format("xml rows")
    if XML.match(start) and (start.startswith("<?xml") or name.endswith((".xml", ".tei"))):
        return foreign_xml(root, start)
    if TAGS.search(start) or _PAGE.search(name):
        return Format("html")
    return Format("text")


def foreign_xml(root: str, start: str) -> Format:
    """The refusal of XML that is neither a dump nor a page."""
    if root == "svg":
        return refused(reasons.NOT_TEXT, "an image")
    if re.search(r"<!(?:DOCTYPE|ENTITY)", start[:4096], re.I) and "<!ENTITY" in start:
        return refused(reasons.DOCUMENT_TYPE, "XML that defines entities is not read")
    if root in ("rss", "feed", "rdf"):
        return Format("feed")
    what = f"{root.upper()} XML" if root.startswith("tei") else f"XML with root <{root}>"
    return refused(reasons.UNSUPPORTED, f"{what} is not read; convert it to plain text or JSON lines first")


def recognise_json(start: str, *, lines: bool = False) -> Format | None:
    """JSON lines, another shape of JSON, or no JSON. `lines`: its name says that each line is a record."""
    if not re.match(r'\{\s*["}]|\[\s*[\[{"\]\d-]', start):
        return None
    line, end, rest = start.partition("\n")
    try:
        value = json.loads(line, strict=False)
    except RecursionError:
        return Format("json lines" if lines else "json")
    except ValueError:
        # the value goes on: over many lines, or past what was looked at
        return Format("json") if begins_json(start) else None
    if not (end and rest.strip()):
        return Format("json")
    # an array with no record in it is itself a bad one, on its line
    bare = lines and not (isinstance(value, list) and any(isinstance(each, dict | str) for each in value))
    return Format("json lines" if isinstance(value, dict) or bare else "json")


def _is_json_string(line: str) -> bool:
    """Whether a line is a string of JSON and nothing else."""
    try:
        return line.startswith('"') and isinstance(json.loads(line, strict=False), str)
    except ValueError:
        return False


def begins_json(start: str) -> bool:
    """Whether `start` reads as JSON as far as it goes: strings, numbers, names and marks in a JSON order."""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d[\d.eE+-]*|true|false|null|[\[\]{},:]|\S', start[:4096])
    return not any(len(token) == 1 and token not in "[]{},:" and not token.isdigit() for token in tokens[:40][:-1])


def is_table(text: str) -> bool:
    """Whether unnamed text is a table beyond doubt: a row of known column names over rows of as many cells."""
    lines = text.splitlines(keepends=True)[:60]
    if len(lines) < 3:
        return False
    found = find_layout(lines[:-1])
    if found.width < 2 or found.share < 0.95 or found.layout.open_ended or len(found.rows) < 2:
        return False
    names = [cell.strip().lower() for cell in found.rows[0].cells]
    return len(names) == found.width and sum(name in KNOWN_COLUMNS for name in names) * 2 >= found.width
