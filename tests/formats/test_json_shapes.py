"""JSON as scripts, data frames and logs hold it: each record is read, and no markup of it comes into a text."""

import json
from pathlib import Path

import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.json_columns import rows_by_column
from ulmkit.formats.read import read_file
from ulmkit.formats.rows import rows_of_file

A, B = "Hommikul tõusis päike lahe kohale.", "Õhtul jõudsid paadid sadamasse."
RECORDS = json.dumps([{"text": A}, {"text": B}])
LINES = [json.dumps({"text": text}) for text in (A, B)]


def read(tmp_path: Path, content: str | bytes, name: str) -> tuple[list[str], list[str]]:
    """The texts of a file, and the reasons of its complaints."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    records = list(read_file(path))
    return (
        [str(record.content) for record in records if isinstance(record, RawDocument)],
        [record.reason for record in records if isinstance(record, Unreadable)],
    )


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"// väljavõte\n{RECORDS}", "a.json"),
        (f"/* kaks\nrida */ {RECORDS}\n", "a.json"),
        (f"window.YTD.lood.part0 = {RECORDS};\n", "a.js"),
        (f"const lood = {RECORDS}", "a.js"),
        (f'andmed["lood"] = {RECORDS};', "a.js"),
        (f"tagasi({RECORDS});", "a.json"),
        (f'tagasi({{"lood": {RECORDS}}});', "a.jsonp"),
        (f"\x1e{LINES[0]}\n\x1e{LINES[1]}\n", "a.json-seq"),
        (json.dumps(A) + "\n" + json.dumps(B) + "\n", "a.jsonl"),
        (json.dumps({"text": {"0": A, "1": B}, "label": {"0": 1, "1": 0}}), "a.json"),
        (json.dumps({"text": {"0": A, "1": B}}), "a.json"),
        (json.dumps({"columns": ["id", "text"], "index": [0, 1], "data": [[1, A], [2, B]]}), "a.json"),
    ],
)
def test_each_record_is_read(content: str | bytes, name: str, tmp_path: Path) -> None:
    assert read(tmp_path, content, name) == ([A, B], [])


def test_columns_that_are_lists_are_a_table(tmp_path: Path) -> None:
    """As `Dataset.to_dict` gives it."""
    content = json.dumps({"text": [A, B, A], "label": [1, 0, 1]})
    assert read(tmp_path, content, "a.json") == ([A, B, A], [])


@pytest.mark.parametrize(
    "value",
    [
        {"title": {"et": "Lugu", "en": "Story"}, "text": {"et": A, "en": B}},  # one article in two languages
        {"a1": {"text": A}, "a2": {"text": B}},  # records by their ids
        {"text": [A, B], "tags": ["meri", "paat"]},  # two paragraphs, and two tags of one article
        {"text": [A, B, A], "title": "Lugu"},
        {"text": [A, B, A]},
        {"text": {"0": A, "1": B}, "label": {"0": 1}},
        {"columns": ["id", "text"], "data": [[1, A], [2]]},
        {"id": {"0": 1}, "label": {"0": 2}},
    ],
)
def test_what_is_no_table_by_columns_is_none(value: dict[str, object]) -> None:
    assert rows_by_column(value) is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"Vaata ([1] ja [2]).\n{A}\n", "a.txt"),
        (f"// Luuletus\n{A}\n", "a.txt"),
        (f'"{A}" ütles ta.\n{B}\n', "a.txt"),
        (f'{A}\n\nlood = [{{"text": "siin"}}]\n', "a.txt"),
    ],
)
def test_prose_with_marks_of_json_stays_prose(content: str, name: str, tmp_path: Path) -> None:
    assert read(tmp_path, content, name) == ([content], [])


def test_a_program_is_no_text(tmp_path: Path) -> None:
    assert read(tmp_path, "const a = {b: 1};\nfunction c() { return [1]; }\n", "a.js") == ([], [reasons.NOT_TEXT])


@pytest.mark.parametrize("kept", [0, 30])
def test_a_hole_costs_its_line_and_is_named(kept: int, tmp_path: Path) -> None:
    """Zero bytes where a crash lost what was to be written: a text without them would be another one."""
    first, second = (line.encode() + b"\n" for line in LINES)
    hole = first[:kept] + b"\0" * 300 + first[kept + 5 :]
    assert read(tmp_path, first + hole + second, "a.jsonl") == ([A, B], [reasons.DAMAGED])


@pytest.mark.parametrize("content", [RECORDS, json.dumps({"text": {"0": A, "1": B}, "label": {"0": 1, "1": 0}})])
def test_labelled_rows_are_read_from_whole_documents_too(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    rows = [row for row in rows_of_file(tmp_path / "a.json") if not isinstance(row, Unreadable)]
    assert [row[1]["text"] for row in rows] == [A, B]


@pytest.mark.parametrize("end", ["…", " ...", " [...]", "… https://naide.ee/lugu", "… [+1234 chars]"])
@pytest.mark.parametrize("whole", [{"extended_tweet": {"full_text": f"{A} {B}"}}, {"full": f"{A} {B}"}])
def test_a_text_that_a_server_has_cut_is_its_whole(end: str, whole: dict[str, object], tmp_path: Path) -> None:
    """Record by record: texts that were short enough have no other."""
    lines = [json.dumps({"text": A}), json.dumps({"text": f"{A} {B[:8]}{end}", **whole})]
    assert read(tmp_path, "\n".join(lines), "a.jsonl") == ([A, f"{A} {B}"], [])


@pytest.mark.parametrize(
    "record",
    [
        {"text": f"{A} Ja siis…", "summary": A},
        {"text": f"{A} Ja siis…", "other": f"{B} {B} {B}"},
        {"text": "Noh…", "other": "Noh, siis räägime sellest homme pikemalt."},
        {"text": A, "comments": f"{A} {B}"},
    ],
)
def test_a_text_with_no_whole_beside_it_stays(record: dict[str, str], tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps(record) + "\n", "a.jsonl") == ([record["text"]], [])
