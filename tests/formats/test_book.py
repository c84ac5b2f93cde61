"""A book (EPUB) is its chapters, in the order in which it lists them."""

import zipfile
from pathlib import Path

import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.origin import Record
from ulmkit.formats.read import read_file

CONTAINER = (
    '<?xml version="1.0"?><container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
)
PACKAGE = """<?xml version='1.0' encoding='utf-8'?>
<!DOCTYPE package PUBLIC "+//ISBN 0-9673008-1-9//DTD OEB 1.2 Package//EN" "oebpkg12.dtd">
<opf:package xmlns:opf="http://www.idpf.org/2007/opf"><opf:manifest>
<opf:item id="nav" href="sisu.page" media-type="application/xhtml+xml" properties="nav scripted"/>
<opf:item id="a" href="text/esimene%20osa.page" media-type="application/xhtml+xml"/>
<opf:item media-type='application/xhtml+xml' href='../Teine' id='b'/>
<opf:item id="c" href="KOLMAS.xhtml#algus" media-type="application/xhtml+xml"/>
<opf:item id="pilt" href="pilt.svg" media-type="image/svg+xml"/>
<opf:item id="kadunud" href="kadunud.page" media-type="application/xhtml+xml"/>
</opf:manifest><opf:spine><opf:itemref idref="nav"/><opf:itemref idref="c"/><opf:itemref idref="a"/>
<opf:itemref idref="pilt"/><opf:itemref idref="b"/><opf:itemref idref="kadunud"/><opf:itemref idref="olematu"/>
</opf:spine></opf:package>"""


def written_book(folder: Path, files: dict[str, str]) -> list[Record]:
    with zipfile.ZipFile(folder / "a.epub", "w") as book:
        for name, text in files.items():
            book.writestr(name, text if text.startswith("<") else f"<html><body><p>{text}</p></body></html>")
    return list(read_file(folder / "a.epub"))


def test_a_book_is_read_in_the_order_of_its_spine_whatever_its_chapters_are_called(tmp_path: Path) -> None:
    """The list of chapters is none, a picture is none, and a chapter that is missing is told."""
    names = ("OEBPS/sisu.page", "OEBPS/text/esimene osa.page", "Teine", "OEBPS/kolmas.xhtml", "OEBPS/lisa.html")
    records = written_book(tmp_path, {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": PACKAGE}
                           | {name: f"Peatükk {number}." for number, name in enumerate(names)}
                           | {"OEBPS/pilt.svg": "<svg/>"})  # fmt: skip
    documents = [record for record in records if isinstance(record, RawDocument)]
    read = ["a.epub/OEBPS/kolmas.xhtml", "a.epub/OEBPS/text/esimene osa.page", "a.epub/Teine", "a.epub/OEBPS/lisa.html"]
    assert [document.id for document in documents] == read
    assert {document.kind for document in documents} == {"html"}
    complaints = [record for record in records if isinstance(record, Unreadable)]
    assert [(each.where, each.reason) for each in complaints] == [("a.epub/OEBPS/kadunud.page", reasons.DAMAGED)]


@pytest.mark.parametrize(
    "package", ["<opf", "<package><manifest/></package>", "<package><spine><itemref/></spine>", ""]
)
def test_a_book_without_a_list_is_read_by_the_names_of_its_files(tmp_path: Path, package: str) -> None:
    files = {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": package or "<x>", "OEBPS/1.xhtml": "Peatükk."}
    if not package:
        del files["OEBPS/content.opf"]
    (document,) = written_book(tmp_path, files)
    assert document.id == "a.epub/OEBPS/1.xhtml"


def test_a_book_in_which_no_chapter_is_found_says_so(tmp_path: Path) -> None:
    (complaint,) = written_book(tmp_path, {"META-INF/container.xml": "<container/>", "OEBPS/1.page": "Peatükk."})
    assert isinstance(complaint, Unreadable)
    assert (complaint.where, complaint.reason) == ("a.epub/META-INF/container.xml", reasons.NO_TEXT)


def test_a_book_is_read_chapter_by_chapter(tmp_path: Path) -> None:
    """What an EPUB has beside its chapters is no complaint."""
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        for name in (
            "mimetype",
            "META-INF/container.xml",
            "OEBPS/content.opf",
            "OEBPS/toc.ncx",
            "OEBPS/a.css",
            "OEBPS/nav.xhtml",
        ):
            book.writestr(name, "<x/>")
        for number in (1, 2):
            book.writestr(f"OEBPS/c{number}.xhtml", f"<html><body><p>Peatükk {number}.</p></body></html>")
    records = list(read_file(tmp_path / "a.epub"))
    assert [record.id for record in records if isinstance(record, RawDocument)] == [
        "a.epub/OEBPS/c1.xhtml", "a.epub/OEBPS/c2.xhtml",
    ]  # fmt: skip
    assert len(records) == 2
