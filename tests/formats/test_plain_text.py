"""A plain text is one document, or many where it was told so or can only be many."""

from pathlib import Path

import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import UsageError
from ulmkit.formats.inputs import describe_input, named_inputs
from ulmkit.formats.plain_text import guessed
from ulmkit.formats.read import read_file

LINE = "Vanaema kirjutas naabrile kirja, sest talv oli tulekul ja puud olid veel metsas. " * 3


def read(path: Path, text: str, documents: str = "") -> list[RawDocument | Unreadable]:
    path.write_text(text, encoding="utf-8")
    return list(read_file(path, documents=documents))


@pytest.mark.parametrize(
    ("documents", "expected"),
    [("line", ["a", "b", "c"]), ("blank-line", ["a\nb", "c"]), ("file", ["a\nb\n\n \nc\n"]), ("", ["a\nb\n\n \nc\n"])],
)
def test_a_text_is_cut_as_it_was_told(documents: str, expected: list[str], tmp_path: Path):
    docs = read(tmp_path / "text.txt", "a\nb\n\n \nc\n", documents)
    contents = [doc.content.decode() if isinstance(doc.content, bytes) else doc.content for doc in docs]
    assert contents == expected


def test_a_document_is_numbered_by_its_first_line(tmp_path: Path):
    docs = read(tmp_path / "text.txt", "a\nb\n\nc\n", "blank-line")
    assert [doc.id for doc in docs] == ["text.txt#1", "text.txt#4"]


def test_a_text_too_long_for_one_document_that_is_plainly_many_is_read_as_many_and_it_is_said(tmp_path: Path):
    said, *docs = read(tmp_path / "text.txt", f"{LINE}\n" * 9_000)
    assert isinstance(said, Unreadable)
    assert said.reason == "many documents in one text"
    assert "one document a line" in said.detail
    assert len(docs) == 9_000
    assert len(read(tmp_path / "text.txt", f"{LINE}\n" * 9_000, "file")) == 1


def test_blank_lines_part_documents_of_several_lines():
    assert guessed(f"{LINE}\n{LINE}\n\n" * 20) == "blank-line"
    assert guessed(f"{LINE}\n\n" * 20) == "line"
    assert guessed("Lühike rida.\n" * 20) == ""


def test_what_was_told_names_the_unit(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    plain, told = (describe_input(named_inputs([str(tmp_path)], documents=how)[0]) for how in (None, "line"))
    assert told.entry == plain.entry | {"documents": "line"}
    with pytest.raises(UsageError):
        named_inputs([str(tmp_path)], documents="page")
