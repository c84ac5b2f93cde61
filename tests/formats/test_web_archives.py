"""WARC, WET and ARC: pages with their addresses and times, and everything else counted."""

import gzip
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd
from fastwarc.stream_io import BrotliWriter
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file
from ulmkit.formats.streams import Limits

PAGE = "<!doctype html><html><body><p>Kevadel ärkab loodus — می‌خواهم.</p></body></html>".encode()


def http(body: bytes, headers: str = "Content-Type: text/html; charset=UTF-8\r\n", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\n".encode() + body


def warc(kind: str, block: bytes, url: str = "http://e.ee/1", **headers: str) -> bytes:
    fields = {
        "WARC-Type": kind,
        "WARC-Target-URI": url,
        "WARC-Date": "2024-05-18T01:58:10Z",
        "WARC-Record-ID": "<urn:uuid:0>",
        "Content-Type": "application/http; msgtype=response" if kind == "response" else "text/plain",
        "Content-Length": str(len(block)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{lines}\r\n".encode() + block + b"\r\n\r\n"


def arc(block: bytes, url: str = "http://e.ee/1", kind: str = "text/html") -> bytes:
    return f"{url} 127.0.0.1 20140216050221 {kind} {len(block)}\n".encode() + block + b"\n"


ARC_HEAD = arc(
    b"1 0 Crawl\nURL IP-address Archive-date Content-type Archive-length\n", "filedesc://x.arc", "text/plain"
)


def read(tmp_path: Path, data: bytes, name: str = "a", **options: object):
    path = tmp_path / name
    path.write_bytes(data)
    records = list(read_file(path, **options))  # type: ignore[arg-type]
    return (
        [record for record in records if isinstance(record, RawDocument)],
        [record for record in records if isinstance(record, Unreadable)],
    )


def test_a_response_is_a_page(tmp_path: Path) -> None:
    """Bytes as served, with charset, address and time."""
    (document,), complaints = read(tmp_path, warc("response", http(PAGE)))
    assert not complaints
    assert (document.content, document.kind, document.encoding) == (PAGE, "html", "UTF-8")
    assert document.url == "http://e.ee/1"
    assert document.fetched_at is not None
    assert document.fetched_at.isoformat() == "2024-05-18T01:58:10+00:00"
    assert document.id == "a#1"


def test_records_packed_one_by_one(tmp_path: Path) -> None:
    """A .warc.gz is a gzip member a record."""
    data = b"".join(gzip.compress(warc("response", http(PAGE), f"http://e.ee/{n}")) for n in range(5))
    documents, complaints = read(tmp_path, data)
    assert [document.url for document in documents] == [f"http://e.ee/{n}" for n in range(5)]
    assert not complaints


def test_what_is_no_page_is_counted(tmp_path: Path) -> None:
    """Requests, metadata, redirects, errors, images, JSON and repeats each have their reason."""
    records = [
        (warc("warcinfo", b"x"), reasons.NOT_A_PAGE),
        (warc("request", b"GET / HTTP/1.1\r\n\r\n"), reasons.NOT_A_PAGE),
        (warc("metadata", b"x"), reasons.NOT_A_PAGE),
        (warc("revisit", http(b"")), reasons.REVISIT),
        (warc("response", http(PAGE, status="404 Not Found")), reasons.STATUS),
        (warc("response", http(b"", "Location: /\r\n", "302 Found")), reasons.STATUS),
        (warc("response", http(b"\xff\xd8\xff\xe0\0\0", "Content-Type: image/jpeg\r\n")), reasons.NOT_TEXT),
        (warc("response", http(b"{}", "Content-Type: application/json\r\n")), reasons.NOT_TEXT),
        (warc("response", http(b"PK\3\4\0\0\0\0", "Content-Type: text/html\r\n")), reasons.NOT_TEXT),
        (warc("response", b"\0\0", "dns:e.ee", Content_Type="text/dns"), reasons.NOT_A_PAGE),
        (warc("resource", b"log", "metadata://gnu.org/wget.log"), reasons.NOT_A_PAGE),
        (warc("response", http(b" ")), reasons.EMPTY_TEXT),
    ]
    documents, complaints = read(tmp_path, b"".join(record for record, _ in records))
    assert not documents
    assert [c.reason for c in complaints] == [reason for _, reason in records]


def test_wet_is_text(tmp_path: Path) -> None:
    """Conversion records are text in UTF-8."""
    (document,), _ = read(tmp_path, warc("conversion", "Õun ja می‌خواهم".encode()))
    assert (document.kind, document.content) == ("text", "Õun ja می‌خواهم".encode())


def chunked(body: bytes, size: int = 20) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def brotli(data: bytes) -> bytes:
    import io

    out = io.BytesIO()
    with BrotliWriter(out) as writer:
        writer.write(data)
    return out.getvalue()


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


HTML = "Content-Type: text/html\r\n"
CODINGS = {
    "gzip": (gzip.compress(PAGE), "Content-Encoding: gzip\r\n"),
    "deflate": (zlib.compress(PAGE), "Content-Encoding: deflate\r\n"),
    "bare deflate": (bare_deflate(PAGE), "Content-Encoding: deflate\r\n"),
    "zstd": (zstd.compress(PAGE), "Content-Encoding: zstd\r\n"),
    "brotli": (brotli(PAGE), "Content-Encoding: br\r\n"),
    "chunked": (chunked(PAGE), "Transfer-Encoding: chunked\r\n"),
    "gzip in chunks": (chunked(gzip.compress(PAGE)), "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"),
    "said to be gzip, stored plain": (PAGE, "Content-Encoding: gzip\r\n"),
    "said to be brotli, stored plain": (PAGE, "Content-Encoding: br\r\n"),
    "said to be chunked, stored whole": (PAGE, "Transfer-Encoding: chunked\r\n"),
    "unknown coding": (PAGE, "Content-Encoding: none\r\n"),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_transfer_and_content_codings_are_undone(tmp_path: Path, coding: str) -> None:
    """The page comes out as its author wrote it, however it was sent and stored."""
    body, header = CODINGS[coding]
    (document,), complaints = read(tmp_path, warc("response", http(body, HTML + header)))
    assert document.content == PAGE
    assert not complaints


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "br"])
def test_page_bombs_are_refused(tmp_path: Path, coding: str) -> None:
    """A page that expands beyond the limit costs its record only."""
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress, "br": brotli}[coding]
    bomb = warc("response", http(pack(b" " * 3_000_000), f"{HTML}Content-Encoding: {coding}\r\n"))
    documents, complaints = read(tmp_path, bomb + warc("response", http(PAGE)), limits=Limits(record=1 << 20))
    assert [c.reason for c in complaints] == [reasons.BOMB]
    assert len(documents) == 1


def test_cut_archive_is_read_to_the_cut(tmp_path: Path) -> None:
    """The record that is cut is not delivered; the file says so once."""
    data = b"".join(warc("response", http(PAGE), f"http://e.ee/{n}") for n in range(3))
    documents, complaints = read(tmp_path, data[:-40])
    assert len(documents) == 2
    assert [c.reason for c in complaints] == [reasons.TRUNCATED]


def test_lying_lengths_cost_little(tmp_path: Path) -> None:
    """After a record that is longer than it says, the next one is found."""
    data = warc("response", http(PAGE), Content_Length="60") + warc("response", http(PAGE), "http://e.ee/2")
    documents, complaints = read(tmp_path, data)
    assert documents[-1].url == "http://e.ee/2"
    assert documents[-1].content == PAGE
    assert reasons.DAMAGED in [c.reason for c in complaints]


@pytest.mark.parametrize("length", ["", "-5", "abc", "²", "9" * 5000])
def test_impossible_lengths_are_counted(tmp_path: Path, length: str) -> None:
    """A record without a length is passed over."""
    data = warc("response", http(PAGE), Content_Length=length) + warc("response", http(PAGE), "http://e.ee/2")
    documents, complaints = read(tmp_path, data)
    assert [document.url for document in documents] == ["http://e.ee/2"]
    assert complaints[0].reason == reasons.DAMAGED


def test_arc(tmp_path: Path) -> None:
    """The older format: one line of header, addresses with spaces among them."""
    data = ARC_HEAD + arc(http(PAGE), "http://e.ee/a b?c=d e") + arc(http(b"GIF8", "Content-Type: image/gif\r\n"))
    (document,), complaints = read(tmp_path, data)
    assert (document.content, document.url) == (PAGE, "http://e.ee/a b?c=d e")
    assert document.fetched_at is not None
    assert document.fetched_at.isoformat() == "2014-02-16T05:02:21+00:00"
    assert [c.reason for c in complaints] == [reasons.NOT_A_PAGE, reasons.NOT_TEXT]


ARCHIVES = [
    warc("warcinfo", b"x") + warc("response", http(*CODINGS["gzip in chunks"])) + warc("conversion", b"text"),
    ARC_HEAD + arc(http(PAGE)) + arc(http(*CODINGS["brotli"])),
]


@given(st.data())
@examples(150)
def test_no_archive_raises(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Archives with bytes changed and removed end in documents and complaints."""
    fixture = bytearray(data.draw(st.sampled_from(ARCHIVES)))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(fixture) - 1))
        fixture[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "archive"
    path.write_bytes(fixture)
    assert all(isinstance(r, RawDocument) or r.reason in reasons.MEANING for r in read_file(path))


def warc_gz(*bodies: bytes) -> list[bytes]:
    return [gzip.compress(warc("response", http(body), f"http://e.ee/{n}")) for n, body in enumerate(bodies)]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html,text/html",
        "text/html charset=utf-8",
        "html",
        "*/*",
        "application/octet-stream",
        "text/css",
        "image/png",
    ],
)
def test_a_page_is_told_by_its_bytes(tmp_path: Path, content_type: str) -> None:
    """Where the header is wrong, doubled or says nothing; its charset is still heard."""
    (document,), complaints = read(tmp_path, warc("response", http(PAGE, f"Content-Type: {content_type}\r\n")))
    assert (document.content, document.kind, complaints) == (PAGE, "html", [])
    assert document.encoding == ("utf-8" if "charset" in content_type else "")


def test_xml_whose_root_is_html_is_a_page_and_programs_that_hold_pages_are_none(tmp_path: Path) -> None:
    """A feed, a program with a page in a string, a PDF sent as a page: none of them is one."""
    xml = b'<?xml version="1.0"?><?xml-stylesheet href="a"?>\n<!-- x --><html xmlns="a"><p>Tere.</p></html>'
    cases = [
        (xml, "application/xml", 1),
        (b"\xef\xbb\xbf" + PAGE, "application/json", 1),
        ("\ufeff<html><p>Tere.</p></html>".encode("utf-16-le"), "*/*", 1),
        (b"<div><p>Tere.</p><p>Head aega.</p></div>", "application/octet-stream", 1),
        (b"var a = '<html><body>';", "text/javascript", 0),
        (b"<?xml version='1.0'?><rss><title>a</title><title>b</title></rss>", "application/octet-stream", 0),
        (b"%PDF-1.4 nothing to read", "text/html", 0),
    ]
    for body, kind, pages in cases:
        documents, complaints = read(tmp_path, warc("response", http(body, f"Content-Type: {kind}\r\n")))
        assert (len(documents), len(complaints)) == (pages, 1 - pages), (body, kind)


def test_interim_answers_are_passed_over_and_203_is_a_page(tmp_path: Path) -> None:
    """However many stand before the one that counts; its own status and headers are what count."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    data = warc("response", interim + http(PAGE)) + warc("response", http(PAGE, status="203 Non-Authoritative"))
    documents, complaints = read(tmp_path, data + warc("response", interim + http(b"", status="404 Not Found")))
    assert [document.content for document in documents] == [PAGE, PAGE]
    assert [complaint.reason for complaint in complaints] == [reasons.STATUS]


def test_a_packed_body_is_told_by_its_bytes(tmp_path: Path) -> None:
    """The header says nothing, names another packing, or packs twice; plain text under a header that lies stays."""
    html = "Content-Type: text/html\r\n"
    brotli = BytesIO()
    with BrotliWriter(brotli) as writer:
        writer.write(PAGE)
    chunked = b"%x\r\n" % len(PAGE) + PAGE + b"\r\n0\r\n\r\n"
    cases = [
        (gzip.compress(PAGE), html),
        (gzip.compress(gzip.compress(PAGE)), html + "Content-Encoding: gzip\r\n"),
        (zstd.compress(PAGE), html + "Content-Encoding: gzip\r\n"),
        (gzip.compress(PAGE), html + "Content-Encoding: br\r\n"),
        (brotli.getvalue(), html + "Content-Encoding: gzip\r\n"),
        (zlib.compress(PAGE), html + "Content-Encoding: br\r\n"),
        (PAGE, html + "Content-Encoding: deflate\r\n"),
        (PAGE, html + "Content-Encoding: br\r\n"),
        (chunked, html),
        (PAGE, html + "Transfer-Encoding: chunked\r\n"),
    ]
    for body, headers in cases:
        documents, _ = read(tmp_path, warc("response", http(body, headers)))
        assert [document.content for document in documents] == [PAGE], headers
    (document,), _ = read(
        tmp_path, warc("response", http(b"12\r\nmonths make a year.", html + "Transfer-Encoding: chunked\r\n"))
    )
    assert document.content == b"12\r\nmonths make a year."


def test_chunks_are_joined_though_no_header_is_there_to_say_so(tmp_path: Path) -> None:
    """Some archives keep the body alone; a body of text that begins with a number is no chunk."""
    trailer = b"Expires: 0\r\nX-Checksum: 1a2b\r\n\r\n"
    for body in (
        chunked(PAGE),
        chunked(PAGE)[:-2] + trailer,
        chunked(gzip.compress(PAGE)),
        chunked(PAGE)[: -len(b"0\r\n\r\n")],
        PAGE,
    ):
        for block in (body, http(body, HTML)):
            documents, _ = read(tmp_path, warc("response", block))
            assert [document.content for document in documents] == [PAGE]
    for text in (b"5\r\nunapuud kevadel", b"3\r\nuks kaks\r\n0\r\n", b"a\r\nb\r\nc", b"0\r\n\r\n" + PAGE):
        (document,), _ = read(tmp_path, warc("response", http(text, "Content-Type: text/plain\r\n")))
        assert document.content == text
    cut = chunked(PAGE)[:-60]
    (document,), _ = read(tmp_path, warc("response", http(cut, HTML)))
    assert PAGE.startswith(document.content)
    assert len(document.content) > len(PAGE) - 80


def test_a_damaged_member_costs_itself(tmp_path: Path) -> None:
    """Wherever the damage lies: the members behind it are read, the gap is counted, and no garbled page is kept."""
    members = warc_gz(*(PAGE.replace(b"Kevadel", b"Kevadel %d" % n) for n in range(4)))
    whole = {f"http://e.ee/{n}" for n in range(4)}
    broken = members[1]
    for damaged in (
        broken[:-30],
        broken[:40] + bytes(20) + broken[60:],
        broken[:-6] + b"abcdef",
        b"\x1f\x8b\x08" + broken[9:],
        broken[:200] + broken[230:],
    ):
        documents, complaints = read(tmp_path, b"".join([members[0], damaged, *members[2:]]), "a.warc.gz")
        assert {document.url for document in documents} == whole - {"http://e.ee/1"}
        assert {complaint.reason for complaint in complaints} == {reasons.DAMAGED}
        assert "packed bytes passed over" in " ".join(complaint.detail for complaint in complaints)
    records = [gzip.compress(record) for record in (ARC_HEAD, arc(http(PAGE)), arc(http(PAGE), "http://e.ee/2"))]
    documents, complaints = read(tmp_path, records[0] + records[1][:-20] + records[2], "a.arc.gz")
    assert [document.url for document in documents] == ["http://e.ee/2"]


def test_an_archive_in_zstd_frames_with_a_dictionary_of_its_own(tmp_path: Path) -> None:
    """The dictionary stands in a frame of its own before the others, packed or not."""
    samples = [warc("response", http(PAGE.replace(b"Kevadel", b"%d" % n)), f"http://e.ee/{n}") for n in range(300)]
    trained = zstd.train_dict(samples, 2048)
    packer = zstd.ZstdCompressor(zstd_dict=trained)
    frames = [packer.compress(sample, packer.FLUSH_FRAME) for sample in samples[:3]]
    for held in (trained.dict_content, zstd.compress(trained.dict_content)):
        head = b"\x5d\x2a\x4d\x18" + len(held).to_bytes(4, "little") + held
        documents, complaints = read(tmp_path, head + b"".join(frames), "a.warc.zst")
        assert (len(documents), complaints) == (3, [])
        documents, _ = read(tmp_path, head + frames[0] + frames[1][:-9] + frames[2], "a.warc.zst")
        assert [document.url for document in documents] == ["http://e.ee/0", "http://e.ee/2"]


def test_lz4_frames_are_read_a_piece_at_a_time(tmp_path: Path) -> None:
    """One frame or one a record; a bomb is refused like any other."""
    records = [warc("response", http(PAGE), f"http://e.ee/{n}") for n in range(3)]
    for data in (lz4.frame.compress(b"".join(records)), b"".join(map(lz4.frame.compress, records))):
        documents, complaints = read(tmp_path, data, "a.warc.lz4")
        assert ([document.url for document in documents], complaints) == ([f"http://e.ee/{n}" for n in range(3)], [])
    limits = Limits(floor=1 << 16, ratio=10)
    _, complaints = read(tmp_path, lz4.frame.compress(b"a\n" * (1 << 20)), "a.txt.lz4", limits=limits)
    assert [complaint.reason for complaint in complaints] == [reasons.BOMB]


def test_a_collection_is_read_from_its_archive_alone(tmp_path: Path) -> None:
    """WACZ: indexes and the lists of pages, which hold their text once more, are no second source."""
    index = 'ee,e)/1 20240518015810 {"url": "http://e.ee/1"}\n'
    with zipfile.ZipFile(tmp_path / "a.wacz", "w") as collection:
        collection.writestr("archive/data.warc.gz", warc_gz(PAGE)[0])
        collection.writestr("indexes/index.cdx.gz", gzip.compress(index.encode()))
        collection.writestr("pages/pages.jsonl", '{"url": "http://e.ee/1", "text": "Kevadel."}\n' * 2)
        collection.writestr("datapackage.json", "{}")
    documents, complaints = read(tmp_path, (tmp_path / "a.wacz").read_bytes(), "a.wacz")
    assert [document.url for document in documents] == ["http://e.ee/0"]
    assert {complaint.reason for complaint in complaints} == {reasons.NOT_A_PAGE}
    for text in (index, " CDX N b a m s k r M S V g\nee,e)/1 2024 http://e.ee/1\n"):
        assert read(tmp_path, text.encode(), "index.cdxj")[1][0].reason == reasons.NOT_A_PAGE


@pytest.mark.parametrize("before", [b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_an_archive_may_begin_with_blank_lines_or_a_mark(tmp_path: Path, before: bytes) -> None:
    pages, complaints = read(tmp_path, before + warc("response", http(PAGE)))
    assert [page.content for page in pages] == [PAGE]
    assert complaints == []
