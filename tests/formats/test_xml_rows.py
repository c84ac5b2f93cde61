"""Dumps whose records are row elements."""

from pathlib import Path

from ulmkit.document import RawDocument
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
ROW = (
    '  <row Id="{0}" PostTypeId="1" CreationDate="2015-03-0{0}T10:00:00.000" Score="3" '
    'Body="&lt;p&gt;Kuidas kartulit keeta? Vesi &amp;amp; sool on olemas.&lt;/p&gt;" Title="Kartul {0}" />\n'
)


def _read(folder: Path, text: str) -> list[object]:
    path = folder / "Posts.xml"
    path.write_text(text)
    return list(read_file(path))


def test_each_row_is_a_record_with_its_facts(tmp_path: Path) -> None:
    first, second = _read(tmp_path, HEAD + ROW.format(1) + ROW.format(2) + "</posts>\n")
    assert isinstance(first, RawDocument)
    assert isinstance(second, RawDocument)
    assert (first.kind, first.title) == ("html", "Kartul 1")
    assert first.content == "<p>Kuidas kartulit keeta? Vesi &amp; sool on olemas.</p>"
    assert second.published_at is not None
    assert second.published_at.day == 2


def test_rows_before_a_cut_are_kept_and_the_cut_is_told(tmp_path: Path) -> None:
    first, cut = _read(tmp_path, HEAD + ROW.format(1) + "  <row Id=")
    assert isinstance(first, RawDocument)
    assert getattr(cut, "reason", "") == reasons.TRUNCATED


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    bomb = HEAD.replace("<posts>", '<!DOCTYPE posts [<!ENTITY a "b">]><posts>')
    (told,) = _read(tmp_path, bomb + ROW.format(1) + "</posts>")
    assert getattr(told, "reason", "") == reasons.DOCUMENT_TYPE


def test_other_xml_is_refused_as_before(tmp_path: Path) -> None:
    (told,) = _read(tmp_path, '<?xml version="1.0"?><list><item>Kartul</item></list>')
    assert getattr(told, "reason", "") == reasons.UNSUPPORTED
