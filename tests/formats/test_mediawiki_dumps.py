"""MediaWiki XML: every version, every packing, cut anywhere, and bombs that never go off."""

import bz2
from pathlib import Path

import pytest
from dump_server import END, SITE, articles, multistream, page
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.mediawiki import CHUNK_BYTES, unescape_xml
from ulmkit.formats.origin import Reading
from ulmkit.formats.read import read_file

TEXT = "'''Õun''' &nbsp; <ref name=\"a\">می‌خواهم</ref> & [[puu|puud]]\n\n== Vaata ka ==\n"


def read(tmp_path: Path, data: bytes | str, **options: object):
    path = tmp_path / "xxwiki.xml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    records = list(read_file(path, **options))  # type: ignore[arg-type]
    return (
        [record for record in records if isinstance(record, RawDocument)],
        [record for record in records if isinstance(record, Unreadable)],
    )


def test_a_page_arrives_as_it_was_written(tmp_path: Path) -> None:
    """Wikitext, title, address and date of the latest revision; the page id in the document's id."""
    documents, complaints = read(tmp_path, SITE + page(12, "Õun (puu)?", TEXT) + END, licence="CC-BY-SA-4.0")
    (document,) = documents
    assert not complaints
    assert document.content == TEXT
    assert document.kind == "wikitext"
    assert document.id == "xxwiki.xml#12"
    assert document.source == "xxwiki"
    assert document.licence == "CC-BY-SA-4.0"
    assert document.title == "Õun (puu)?"
    assert document.url == "https://xx.wikipedia.org/wiki/%C3%95un_(puu)%3F"
    assert document.published_at is not None
    assert document.published_at.isoformat() == "2024-01-04T00:00:00+00:00"


def test_redirects_and_other_namespaces_are_counted(tmp_path: Path) -> None:
    """One article in three stays; the rest is named by its reason."""
    documents, complaints = read(tmp_path, SITE + "".join(articles(1, 5)) + END)
    assert len(documents) == 5
    assert [c.reason for c in complaints] == [reasons.REDIRECT, reasons.OTHER_NAMESPACE] * 5


def test_wanted_namespaces_can_be_named(tmp_path: Path) -> None:
    """Talk pages come when they are asked for."""
    documents, _ = read(tmp_path, SITE + "".join(articles(1, 5)) + END, reading=Reading(namespaces=(1,)))
    assert {document.title.partition(":")[0] for document in documents} == {"Talk"}


@pytest.mark.parametrize("text", ["#REDIRECT [[Õun]]", "#suuna [[Õun]]", "  #Redirect: [[Õun]]", "#تغییر_مسیر [[سیب]]"])
def test_redirects_are_known_by_their_words_too(tmp_path: Path, text: str) -> None:
    """Old dumps have no redirect element: the wiki's own word does."""
    dump = SITE + page(1, "Õunapuu", text) + END
    _, complaints = read(tmp_path, dump, reading=Reading(redirect_words=("SUUNA", "تغییر_مسیر")))
    assert [c.reason for c in complaints] == [reasons.REDIRECT]


@pytest.mark.parametrize("version", ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.10", "0.11"])
def test_any_schema_version(tmp_path: Path, version: str) -> None:
    """The version changes nothing; before 0.6 the namespace is the title's prefix."""
    dump = SITE.replace("0.11", version) + page(1, "Õun", TEXT) + page(2, "Talk:Õun", "Arutelu.", namespace=1) + END
    if float(version.replace("0.", "")) < 6:
        dump = dump.replace("    <ns>0</ns>\n", "").replace("    <ns>1</ns>\n", "")
    documents, complaints = read(tmp_path, dump)
    assert [document.title for document in documents] == ["Õun"]
    assert [complaint.reason for complaint in complaints] == [reasons.OTHER_NAMESPACE]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    """UTF-16 with and without a mark, and UTF-8 with one."""
    documents, complaints = read(tmp_path, (SITE + page(1, "Õun", TEXT) + END).encode(encoding))
    assert [document.content for document in documents] == [TEXT]
    assert not complaints


def test_declared_encoding_is_believed(tmp_path: Path) -> None:
    """An XML declaration names a single-byte encoding."""
    dump = '<?xml version="1.0" encoding="windows-1257"?>\n' + SITE + page(1, "Žürii", "Šokolaad ja õun. " * 9) + END
    documents, _ = read(tmp_path, dump.encode("windows-1257"))
    assert documents[0].title == "Žürii"
    assert documents[0].content == "Šokolaad ja õun. " * 9


def test_dump_without_site_information(tmp_path: Path) -> None:
    """Pages are read without their address."""
    documents, complaints = read(tmp_path, "<mediawiki>\n" + page(1, "Õun", TEXT) + END)
    assert [(document.content, document.url) for document in documents] == [(TEXT, "")]
    assert not complaints


def test_pages_without_a_root(tmp_path: Path) -> None:
    """One block of a multistream file is read by itself."""
    documents, complaints = read(tmp_path, bz2.compress("".join(articles(1, 2)).encode()))
    assert len(documents) == 2
    assert {complaint.reason for complaint in complaints} == {reasons.REDIRECT, reasons.OTHER_NAMESPACE}


def test_multistream_is_read_through(tmp_path: Path) -> None:
    """All blocks of a multistream file follow each other."""
    documents, _ = read(tmp_path, multistream(articles(1, 30), a_block=7)[0])
    assert len(documents) == 30


def revisions(*entries: tuple[str, str]) -> str:
    return page(1, "Õun", "X").replace(
        page(1, "Õun", "X")[page(1, "Õun", "X").index("    <revision>") : page(1, "Õun", "X").index("  </page>")],
        "".join(
            f"    <revision>\n<id>{n}</id><timestamp>{time}</timestamp>\n<text>{text}</text>\n</revision>\n"
            for n, (time, text) in enumerate(entries)
        ),
    )


def test_latest_revision_counts(tmp_path: Path) -> None:
    """Of a history the newest revision is read, wherever it stands."""
    history = revisions(
        ("2020-01-01T00:00:00Z", "vana"), ("2024-01-01T00:00:00Z", "uus"), ("2022-01-01T00:00:00Z", "x")
    )
    documents, _ = read(tmp_path, SITE + history + END)
    assert [document.content for document in documents] == ["uus"]


def test_long_histories_pass_through_little_memory(tmp_path: Path) -> None:
    """A page of sixty megabytes of revisions is read in the memory of a few chunks."""
    import tracemalloc

    history = revisions(
        *((f"20{n // 30:02}-01-{n % 28 + 1:02}T00:00:00Z", f"{n} " + "a" * 100_000) for n in range(600))
    )
    data = (SITE + history + END).encode()
    path = tmp_path / "history.xml"
    path.write_bytes(data)
    del history
    tracemalloc.start()
    records = list(read_file(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) > 60_000_000
    assert [str(getattr(record, "content", record))[:4] for record in records] == ["587 "]  # the 28th of the last month
    assert peak < 16 * CHUNK_BYTES


def test_deleted_empty_and_foreign_pages_are_counted(tmp_path: Path) -> None:
    """No text, suppressed text, and pages that hold a script have their own reasons."""
    dump = SITE + page(1, "A", "") + page(2, "B", "x = 1").replace("wikitext", "Scribunto") + page(3, "C", "x")
    dump = dump.replace('<text bytes="1" xml:space="preserve">x</text>', '<text bytes="1" deleted="deleted" />') + END
    _, complaints = read(tmp_path, dump)
    assert [c.reason for c in complaints] == [reasons.EMPTY_TEXT, reasons.NOT_WIKITEXT, reasons.EMPTY_TEXT]


@given(st.integers(0, 2000))
@examples(40)
def test_a_cut_dump_is_read_to_the_cut(tmp_path_factory: pytest.TempPathFactory, back: int) -> None:
    """Wherever it ends, whole pages come, and one `truncated`."""
    dump = SITE + "".join(articles(1, 4)) + END
    cut = dump[: len(dump) - len(END) - back]
    documents, complaints = read(tmp_path_factory.mktemp("cut"), cut)
    whole = cut[: cut.rfind("</page>") + 1]
    assert [d.title for d in documents] == [f"Artikkel {n}" for n in (1, 4, 7, 10) if f"<title>Artikkel {n}<" in whole]
    assert [c.reason for c in complaints if c.reason not in (reasons.REDIRECT, reasons.OTHER_NAMESPACE)] == [
        reasons.TRUNCATED
    ]


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
BOMBS = {
    "exponential": f'<?xml version="1.0"?><!DOCTYPE mediawiki [<!ENTITY a0 "ha">{LAUGHS}]>',
    "quadratic": f'<!DOCTYPE mediawiki [<!ENTITY a11 "{"x" * 100_000}">]>',
    "external": '<!DOCTYPE mediawiki [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>',
    "network": '<!DOCTYPE mediawiki SYSTEM "http://127.0.0.1:1/x.dtd">',
    "parameter": '<!DOCTYPE mediawiki [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]>',
    "lower case": '<!doctype mediawiki [<!entity a11 "x">]>',
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused_at_once(tmp_path: Path, kind: str, encoding: str) -> None:
    """Entity bombs and external entities: nothing read, nothing asked for."""
    dump = BOMBS[kind] + SITE + page(1, "Õun", "BOMB").replace("BOMB", "&a11;" * 1000) + END
    documents, complaints = read(tmp_path, dump.encode(encoding))  # would not end if the first were expanded
    assert not documents
    assert [c.reason for c in complaints] in ([reasons.DOCUMENT_TYPE], [reasons.UNSUPPORTED])


def test_unknown_entities_stay_as_they_are_written(tmp_path: Path) -> None:
    """Nothing but XML's own five and numbers is ever replaced."""
    dump = SITE + page(1, "Õun", "X").replace(">X<", ">&a11; &#1740; &amp;lt;<") + END
    assert read(tmp_path, dump)[0][0].content == "&a11; ی &lt;"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_escaping_is_undone_exactly(text: str) -> None:
    """What the exporter escapes comes back."""
    from xml.sax.saxutils import escape

    assert unescape_xml(escape(text, {'"': "&quot;", "'": "&#039;"}).encode()).decode() == text
