"""What a file is, which of its fields is the text, and what its documents are called."""

import gzip
import json
import os
import random
import re
import socket
import time
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import InputError, UsageError
from ulmkit.formats import reasons
from ulmkit.formats.inputs import describe_input, named_inputs, read_input, telling_doubts
from ulmkit.formats.origin import READING, Reading, moment
from ulmkit.formats.read import expand_inputs, input_names, read_file
from ulmkit.formats.recognise import recognise
from ulmkit.formats.streams import Limits
from ulmkit.language.registry import get

LONG = "Kevadel ärkab loodus uuesti ellu ja linnud laulavad metsas. "
FA = "می‌خواهم به خانه بروم و کتاب‌هایم را بخوانم. "


def read(folder: Path, content: str | bytes, name: str = "a.jsonl", **options: object):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    records = list(read_file(path, **options))  # type: ignore[arg-type]
    return (
        [record for record in records if isinstance(record, RawDocument)],
        [record for record in records if isinstance(record, Unreadable)],
    )


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


FIELDS = [
    ({"id": "1", "text": "A", "title": LONG * 9}, "A"),
    ({"body": "B", "comment": "C"}, "B"),
    ({"comment": FA, "label": "HAPPY"}, FA),
    ({"title": "t", "abstract": "x", "paragraphs": ["Üks.", "Kaks."]}, "Üks.\nKaks."),
    ({"url": "http://e.ee/" + "x" * 500, "sisu": LONG, "silt": "ilm"}, LONG),
    ({"meta": {"lang": "et"}, "doc": {"text": "sees"}}, "sees"),
    ({"Text": "Suure tähega"}, "Suure tähega"),
]


@pytest.mark.parametrize(("record", "text"), FIELDS)
def test_text_field_is_found(tmp_path: Path, record: dict[str, object], text: str) -> None:
    """By the usual names first, then the longest string; never an address or a title."""
    documents, complaints = read(tmp_path, jsonl(record, record))
    assert [document.content for document in documents] == [text, text]
    assert not complaints


RUNS = ["Sadas ", "vihma", " kogu öö."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([RUNS[0], {"type": "bold", "text": RUNS[1]}, RUNS[2]], "Sadas vihma kogu öö."),
        ({"content": [{"type": "paragraph", "content": [{"type": "text", "text": run} for run in RUNS]}] * 2},
         "Sadas vihma kogu öö.\nSadas vihma kogu öö."),
        ([{"type": "text", "text": "Sadas"}, {"type": "hardBreak"}, {"type": "text", "text": "vihma"}], "Sadas\nvihma"),
        ([{"type": "text", "text": "Sadas öö."}, {"type": "text", "text": "Tuul puhus."}], "Sadas öö.\nTuul puhus."),
        ([{"type": "paragraph", "text": "Sadas"}, {"type": "quote", "text": "vihma"}], "Sadas\nvihma"),
        ([{"start": 0, "text": "Sadas"}, {"start": 1, "text": "vihma"}], "Sadas\nvihma"),
    ],
    ids=["a messenger's", "an editor's", "a break", "whole sentences", "paragraphs", "cues"],
)  # fmt: skip
def test_runs_of_one_text_are_on_one_line(tmp_path: Path, value: object, text: str) -> None:
    (document,), _ = read(tmp_path, jsonl({"content": value}))
    assert document.content == text


def test_a_name_of_json_ld_is_no_text(tmp_path: Path) -> None:
    """It says what there is in the place of taking an address for the text."""
    record = {"@context": "https://schema.org/", "@graph": [{"alumniOf": "Sadas vihma."}]}
    _, (complaint, _) = read(tmp_path, jsonl(record, record))
    assert isinstance(complaint, Unreadable)
    assert complaint.reason == reasons.NO_TEXT
    assert "@graph.alumniOf" in complaint.detail


def test_a_transcript_is_its_lines(tmp_path: Path) -> None:
    cues = [{"start": 0.0, "text": "Sadas vihma."}, {"start": 2.0, "text": "Tuul puhus."}]
    for name in ("a.jsonl", "a.json"):
        (document,), _ = read(tmp_path, json.dumps({"video": "v1", "transcript": cues}), name)
        assert document.content == "Sadas vihma.\nTuul puhus."


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_marks_of_files_that_were_put_together_cost_nothing(tmp_path: Path, name: str) -> None:
    content = "".join(f"\ufeff{json.dumps({'text': f'Lugu {n}.'})}\n" for n in range(3))
    documents, complaints = read(tmp_path, content, name)
    assert not complaints
    assert [document.content for document in documents] == ["Lugu 0.", "Lugu 1.", "Lugu 2."]


def test_text_field_is_kept_to(tmp_path: Path) -> None:
    """A record without the field that the others have is counted, not read from another field."""
    documents, complaints = read(
        tmp_path, jsonl({"text": "A"}, {"title": "x", "note": LONG}, {"text": "B"}, {"text": 5})
    )
    assert [document.content for document in documents] == ["A", "B"]
    assert [(c.where, c.reason) for c in complaints] == [("a.jsonl#2", reasons.NO_TEXT), ("a.jsonl#4", reasons.NO_TEXT)]


@pytest.mark.parametrize(
    ("field", "text"),
    [("summary", "S"), ("a.b", "AB"), ("parts.words.w", "Tere maailm\nHead aega"), ("dotted.name", "D")],
)
def test_text_field_can_be_told(tmp_path: Path, field: str, text: str) -> None:
    """A name, a path through objects and lists, or a name that has a dot itself."""
    record = {
        "text": "no",
        "summary": "S",
        "a": {"b": "AB"},
        "dotted.name": "D",
        "parts": [{"words": [{"w": "Tere"}, {"w": "maailm"}]}, {"words": [{"w": "Head"}, {"w": "aega"}]}],
    }
    assert [document.content for document in read(tmp_path, jsonl(record), text_field=field)[0]] == [text]


def test_no_text_field_names_what_there_is(tmp_path: Path) -> None:
    """Records without any text say which paths to choose from."""
    _, complaints = read(tmp_path, jsonl(*[{"n": 1, "parts": [{"w": "a"}]}] * 2))
    assert complaints[0].reason == reasons.NO_TEXT
    assert "parts.w" in complaints[0].detail
    assert "--text-field" in complaints[0].detail


def test_facts_beside_the_text(tmp_path: Path) -> None:
    """Title, address, licence and times are taken by their usual names."""
    record = {
        "text": LONG,
        "headline": "Kevad",
        "link": "http://e.ee/1",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "date": "2020-05-01T10:00:00+03:00",
        "timestamp": "20150601020826",
    }
    path = tmp_path / "a.jsonl"
    path.write_text(jsonl(record))
    (document,) = read_file(path, name="uudised")
    assert isinstance(document, RawDocument)
    assert (document.title, document.url, document.licence) == ("Kevad", "http://e.ee/1", "CC-BY-4.0")
    assert document.published_at == datetime.fromisoformat("2020-05-01T07:00:00Z")
    assert document.fetched_at == datetime.fromisoformat("2015-06-01T02:08:26Z")
    assert document.source == "uudised"
    assert document.id == "uudised/a.jsonl#1"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-05-01", "2020-05-01T00:00:00+00:00"),
        ("2020/5/1", "2020-05-01T00:00:00+00:00"),
        ("2020-05-01 10:11:12", "2020-05-01T10:11:12+00:00"),
        ("2020-05-01T10:11:12.345Z", "2020-05-01T10:11:12.345000+00:00"),
        ("Fri, 01 May 2020 10:11:12 +0300", "2020-05-01T07:11:12+00:00"),
        (1588327872, "2020-05-01T10:11:12+00:00"),
        (1588327872000, "2020-05-01T10:11:12+00:00"),
        ("20200501101112", "2020-05-01T10:11:12+00:00"),
        ("1399-02-12", None),
        ("۱۳۹۹/۰۲/۱۲", None),
        ("01/05/2020", None),
        ("yesterday", None),
        (True, None),
        (12, None),
        (float("nan"), None),
        ("2020-13-45", None),
        (None, None),
    ],
)
def test_moments(value: object, expected: str | None) -> None:
    """Only what cannot be misread is a time; other calendars and orders are not guessed at."""
    found = moment(value)
    assert (found.isoformat() if found else None) == expected


RECORDS = [{"text": f"{LONG}{n}", "n": n} for n in range(5)]
JSONS = {
    "lines": jsonl(*RECORDS),
    "lines, windows ends": jsonl(*RECORDS).replace("\n", "\r\n"),
    "lines, blank between": jsonl(*RECORDS).replace("\n", "\n\n"),
    "array": json.dumps(RECORDS),
    "array, indented": json.dumps(RECORDS, indent=2, ensure_ascii=False),
    "in a list": json.dumps({"version": 1, "data": RECORDS}),
    "in a list, indented": json.dumps({"version": 1, "data": RECORDS}, indent=1),
    "by name": json.dumps({str(n): record for n, record in enumerate(RECORDS)}),
    "indented, one after the other": "\n".join(json.dumps(record, indent=1) for record in RECORDS),
    "strings": jsonl(*[record["text"] for record in RECORDS]) and json.dumps([record["text"] for record in RECORDS]),
}


@pytest.mark.parametrize("shape", JSONS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a"])
def test_json_in_any_shape(tmp_path: Path, shape: str, encoding: str, name: str) -> None:
    """Lines, arrays, lists inside an object: the same five documents, numbered."""
    documents, complaints = read(tmp_path, JSONS[shape].encode(encoding), name)
    assert [document.content for document in documents] == [record["text"] for record in RECORDS]
    assert not complaints


def test_bad_lines_are_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Broken JSON, wrong bytes, other values and endless nesting cost one line each."""
    lines = [
        '{"text": "Õ"}'.encode(),
        b'{"text": ',
        b'{"text": "\xff\xfe"}',
        b"17",
        b'{"text": ""}',
        b"[" * 100_000,
        b'{"text": "B"}',
    ]
    documents, complaints = read(tmp_path, b"\n".join(lines))
    assert [document.content for document in documents] == ["Õ", "B"]
    assert [(c.where, c.reason) for c in complaints] == [
        ("a.jsonl#2", reasons.BAD_RECORD),
        ("a.jsonl#3", reasons.ENCODING),
        ("a.jsonl#4", reasons.BAD_RECORD),
        ("a.jsonl#5", reasons.EMPTY_TEXT),
        ("a.jsonl#6", reasons.BAD_RECORD),
    ]


def test_lone_surrogates_are_left_out(tmp_path: Path) -> None:
    """JSON can hold half a character; no file of ours can."""
    documents, _ = read(tmp_path, '{"text": "a\\ud800b \\ud83d\\ude00"}\n{"text": "x"}\n')
    assert documents[0].content == "ab 😀"


def test_endless_lines_are_counted(tmp_path: Path) -> None:
    """A line over the limit is one complaint, and the next is read."""
    content = jsonl({"text": "A"}, {"text": "B" * 5000}, {"text": "C"})
    documents, complaints = read(tmp_path, content, limits=Limits(record=1000))
    assert [document.content for document in documents] == ["A", "C"]
    assert [c.reason for c in complaints] == [reasons.TOO_LARGE]


@given(st.data())
@examples(60)
def test_cut_arrays_are_read_to_the_cut(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """An array that is not closed gives its whole objects and one `truncated`."""
    whole = json.dumps(RECORDS)
    cut = data.draw(st.integers(4, len(whole) - 1))
    documents, complaints = read(tmp_path_factory.mktemp("cut"), whole[:cut], "a.json")
    assert [d.content for d in documents] == [r["text"] for r in RECORDS[: len(documents)]]
    assert [c.reason for c in complaints] == [reasons.TRUNCATED]


TABLES = [
    ('text,label\nÜks lause.,1\n"Kaks, kolm\nja ""neli"".",0\n', "a.csv", ["Üks lause.", 'Kaks, kolm\nja "neli".']),
    ('"Hea telefon, soovitan.","1"\n"Halb.","-1"\n', "a.csv", ["Hea telefon, soovitan.", "Halb."]),
    (f'neutraalne,{LONG}\nneutraalne,"{LONG}, ja"\n', "a.csv", [LONG, f"{LONG}, ja"]),
    (
        f"{LONG}\t4, 6\r\nTere, isa, ja kõik teised seal kodus.\t5\r\n",
        "a.tsv",
        [LONG, "Tere, isa, ja kõik teised seal kodus."],
    ),
    ("id;text\n1;Üks, kaks.\n2;Kolm.\n", "a.csv", ["Üks, kaks.", "Kolm."]),
    (f"kuupäev,pealkiri,sisu_pikk\n2020-01-01,Ilm,{LONG}\n2020-01-02,Sport,{LONG}\n", "a.csv", [LONG, LONG]),
    (f"id\ttext\n1\t{LONG}\n2\t{FA}\n", "without-suffix", [LONG, FA]),
]


def test_a_short_table_that_two_layouts_fit_is_read_with_a_remark(tmp_path: Path) -> None:
    content = f'index_id\tcategory\ttext\n5\tsport\t{LONG}\n6\tilm\t"{FA}\n'
    documents, (remark,) = read(tmp_path, content, "a.tsv")
    assert [document.content for document in documents] == [LONG, f'"{FA}']
    assert (remark.where, remark.reason) == ("a.tsv", reasons.UNSURE)
    assert "quotation marks belong to the texts" in remark.detail
    (item,) = named_inputs([str(tmp_path / "a.tsv")])
    remarks: list[str] = []
    assert len(list(telling_doubts(item, read_input(item, Reading()), remarks.append))) == 2
    assert remarks == [f"a.tsv: layout not sure ({remark.detail})"]


@pytest.mark.parametrize(("content", "name", "texts"), TABLES)
def test_tables(tmp_path: Path, content: str, name: str, texts: list[str]) -> None:
    """With and without a header, quoted or not, by comma, tab or semicolon."""
    documents, complaints = read(tmp_path, content, name)
    assert [document.content for document in documents] == texts
    assert not complaints


def test_table_column_can_be_told(tmp_path: Path) -> None:
    """By its name, or by its number where it has none."""
    content = f"{LONG},lühike\n{LONG}x,teine\n"
    assert [d.content for d in read(tmp_path, content, "a.csv", text_field="2")[0]] == ["lühike", "teine"]
    assert [d.content for d in read(tmp_path, "a,text\nx,y\n", "a.csv", text_field="a")[0]] == ["x"]


def test_short_rows_are_counted(tmp_path: Path) -> None:
    """A row with too few cells is a complaint with its number."""
    _, complaints = read(tmp_path, "id,label,text\n1,a,A\n2\n3,b,C\n", "a.csv")
    assert [(c.where, c.reason) for c in complaints] == [("a.csv#3", reasons.BAD_RECORD)]


def test_huge_cells_are_read(tmp_path: Path) -> None:
    """A cell of a megabyte is no problem."""
    documents, _ = read(tmp_path, f'text,label\n"{LONG * 20_000}",1\n', "a.csv")
    assert len(documents[0].content) == len(LONG) * 20_000


def parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=3)


def test_parquet(tmp_path: Path) -> None:
    """The text column by its name, facts from the others, numbered over all row groups."""
    path = tmp_path / "a.bin"
    parquet(
        path, url=[f"http://e.ee/{n}" for n in range(10)], content=[f"{LONG}{n}" for n in range(10)], n=list(range(10))
    )
    documents = list(read_file(path))
    assert [(d.id, d.content, d.url) for d in documents if isinstance(d, RawDocument)] == [
        (f"a.bin#{n + 1}", f"{LONG}{n}", f"http://e.ee/{n}") for n in range(10)
    ]


def test_parquet_inside_a_container(tmp_path: Path) -> None:
    """Parquet is read from memory where it is not a file of its own."""
    import gzip

    path = tmp_path / "a.parquet"
    parquet(path, text=[LONG, None, ""])
    documents, complaints = read(tmp_path, gzip.compress(path.read_bytes()), "b.gz")
    assert [document.content for document in documents] == [LONG]
    assert [c.reason for c in complaints] == [reasons.NO_TEXT, reasons.EMPTY_TEXT]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_cut_parquet_is_said(tmp_path: Path, share: float) -> None:
    """Parquet keeps its plan at its end: a cut file gives one `truncated`, and nothing in silence."""
    path = tmp_path / "a.parquet"
    parquet(path, text=[random.Random(n).randbytes(500).hex() for n in range(200)])
    documents, complaints = read(tmp_path, path.read_bytes()[: int(path.stat().st_size * share)], "b.parquet")
    assert not documents
    assert [c.reason for c in complaints] == [reasons.TRUNCATED]


def test_damaged_parquet_raises_nothing(tmp_path: Path) -> None:
    """Flipped bytes end in documents and complaints."""
    path = tmp_path / "a.parquet"
    parquet(path, text=[LONG * 5] * 50)
    whole = path.read_bytes()
    for at in range(4, len(whole), 89):
        read(tmp_path, whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :], "b.parquet")


def test_front_matter_becomes_facts(tmp_path: Path) -> None:
    """Markdown's settings give title, date and licence, and are not text."""
    content = (
        '---\ntitle: "Kevad: algus"\ndate: 2016-04-10\ntags:\n- a\nlicense: CC0-1.0\n---\n# Kevad\n\nSisu --- siin.\n'
    )
    (document,), _ = read(tmp_path, content, "a.Rmd")
    assert document.kind == "markdown"
    assert (document.title, document.licence) == ("Kevad: algus", "CC0-1.0")
    assert document.content == "# Kevad\n\nSisu --- siin.\n"
    assert document.published_at == datetime.fromisoformat("2016-04-10T00:00:00Z")


def test_markdown_in_records_is_known_by_the_file_names(tmp_path: Path) -> None:
    """JSON lines made from a folder of Markdown say so in their ids, whatever the text begins with."""
    records = [{"id": f"docs/{n}.mdx", "text": f'<div dir="rtl">\n\n# {n}\n\n{FA}\n</div>'} for n in range(3)]
    assert {document.kind for document in read(tmp_path, jsonl(*records))[0]} == {"markdown"}


KINDS = [
    ("<!DOCTYPE html>\n<html><p>Tere</p></html>", "a", "html"),
    ("\n<!-- x -->\n<HTML lang=et><body>Tere</body></HTML>", "a.txt", "html"),
    (
        '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x">\n<html><p>a</p></html>',
        "a.xml",
        "html",
    ),
    ("Tere, maailm! See on tekst.\n\nTeine lõik.\n", "a", "text"),
    ("# Pealkiri\n\nLõik.\n", "a.md", "markdown"),
    ("---\ntitle: x\n---\nLõik.\n", "a", "markdown"),
    ("<i>Kaldkiri</i> algab tekst, mitte leht.", "a.txt", "text"),
    ("[1] Allikas, mitte JSON.\n", "a.txt", "text"),
    ("{{Mall}} on siin tekstis.\n", "a.txt", "text"),
]


@pytest.mark.parametrize(("content", "name", "kind"), KINDS)
def test_kinds_of_single_files(tmp_path: Path, content: str, name: str, kind: str) -> None:
    """One file, one document: a page, Markdown or text, by how it begins."""
    (document,), complaints = read(tmp_path, content, name)
    assert document.kind == kind
    assert not complaints


def test_treebanks_give_their_sentences(tmp_path: Path) -> None:
    """CoNLL-U: the text lines, a document where the file marks one."""
    row = "1\tTere\ttere\tINTJ\tI\t_\t0\troot\t_\t_\n"
    content = "".join(
        f"# newdoc id = d{n}\n# sent_id = s{n}\n# text = Tere, {n}!\n{row}\n# text = Ja veel.\n{row}\n"
        for n in range(3)
    )
    documents, complaints = read(tmp_path, content, "a.conllu")
    assert [document.content for document in documents] == [f"Tere, {n}!\nJa veel." for n in range(3)]
    assert not complaints


REFUSED = [
    (b"7z\xbc\xaf\x27\x1c\x00\x04rest", "dump.xml.7z", reasons.UNSUPPORTED, "7-Zip is not read; unpack it first"),
    (b"Rar!\x1a\x07\x01\x00", "a.rar", reasons.UNSUPPORTED, "RAR"),
    (b"%PDF-1.7\n", "a.pdf", reasons.UNSUPPORTED, "PDF"),
    (b"\x89PNG\r\n\x1a\n\0\0\0", "a.txt", reasons.NOT_TEXT, "image"),
    (bytes(range(256)) * 20, "a.txt", reasons.NOT_TEXT, "binary"),
    (b'<?xml version="1.0"?><TEI xmlns="x"><text/></TEI>', "a.xml", reasons.UNSUPPORTED, "TEI XML is not read"),
    (b'<?xml version="1.0"?><rss version="2.0"/>', "a.xml", reasons.EMPTY_TEXT, "feed"),
    (b"INSERT INTO t (id, content)\nVALUES ('1', 'x');\n", "a.sql", reasons.UNSUPPORTED, "SQL is not read"),
    (b"import os\n", "a.py", reasons.NOT_TEXT, "program"),
    (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00", "a.pkl", reasons.NOT_TEXT, "pickle"),
    (b"", "a.txt", reasons.EMPTY_TEXT, ""),
    (b" \n\n", "a.txt", reasons.EMPTY_TEXT, ""),
]


@pytest.mark.parametrize(("content", "name", "reason", "detail"), REFUSED)
def test_what_is_not_read_says_what_to_do(tmp_path: Path, content: bytes, name: str, reason: str, detail: str) -> None:
    """One line, with the reason from the closed list."""
    documents, complaints = read(tmp_path, content, name)
    assert not documents
    assert [c.reason for c in complaints] == [reason]
    assert detail in complaints[0].detail


@given(
    st.binary(max_size=400),
    st.sampled_from(["", "{", "[", "<?xml ", "WARC/1.0\r\n", "filedesc://x", "---\n", "a,b\n", "PAR1", "# text"]),
)
@examples(400)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: str) -> None:
    """No input raises, and every complaint has a known reason on one line."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start.encode() + data)
    for record in read_file(path):
        if isinstance(record, Unreadable):
            assert record.reason in reasons.MEANING
            assert record.detail.isprintable() or not record.detail.count("\n")
        else:
            assert isinstance(record.content, bytes) or "\ufffd" not in record.content or b"\xef\xbf\xbd" in data


def test_inputs_are_files_folders_and_patterns(tmp_path: Path) -> None:
    """Folders all the way down, sorted, nothing hidden, each file once."""
    for name in ("b/2.txt", "b/1.txt", "a.txt", "b/.git/x", ".hidden", "c/deep/3.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in expand_inputs([str(tmp_path)])] == [
        "a.txt",
        "b/1.txt",
        "b/2.txt",
        "c/deep/3.md",
    ]
    found = expand_inputs([str(tmp_path / "b" / "*.txt"), str(tmp_path / "b" / "2.txt"), str(tmp_path / "**" / "*.md")])
    assert [path.name for path in found] == ["1.txt", "2.txt", "3.md"]


@pytest.mark.parametrize("pattern", ["nothing.jsonl", "*.parquet", "empty"])
def test_input_that_matches_nothing_is_named(tmp_path: Path, pattern: str) -> None:
    """Asked wrongly: the message repeats the pattern."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=pattern.replace("*", r"\*")):
        expand_inputs([str(tmp_path / pattern)])


def test_names_tell_equal_files_apart(tmp_path: Path) -> None:
    """A file's name, and as much of its folders as it takes."""
    paths = [tmp_path / name for name in ("x/2020/part.jsonl", "x/2021/part.jsonl", "y/2021/part.jsonl", "one.txt")]
    assert list(input_names(paths).values()) == ["2020/part.jsonl", "x/2021/part.jsonl", "y/2021/part.jsonl", "one.txt"]


def test_ids_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    """The same file elsewhere gives the same documents."""
    content = jsonl(*RECORDS)
    assert read(tmp_path / "here", content)[0] == read(tmp_path / "there" / "deep", content)[0]


def test_files_that_cannot_be_opened_are_counted(tmp_path: Path) -> None:
    """A missing file and a pipe are complaints, since others wait behind them."""
    os.mkfifo(tmp_path / "pipe")
    found = [*read_file(tmp_path / "gone"), *read_file(tmp_path / "pipe")]
    assert [record.reason for record in found if isinstance(record, Unreadable)] == [reasons.STORAGE, reasons.LINK]


def test_a_file_is_read_with_the_encodings_of_its_language(tmp_path: Path):
    """Windows-1257 and Windows-1252 differ in a letter of this sentence; which it is, the language says."""
    language = get("et")
    text = "Õhtul jõime šokolaadi ja sõime žürii auks küpsetatud kooki."
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("windows-1257"))
    (item,) = named_inputs([str(path)])
    (document,) = read_input(item, Reading.of(language))
    assert document == next(read_file(path, reading=Reading.of(language), name="a"))
    assert isinstance(document, RawDocument)
    assert document.content == text


def endless_folder(folder: Path) -> Path:
    """One file of two lines among pipes, sockets, devices, and links to them, to each other and to nothing."""
    folder.mkdir()
    (folder / "a.txt").write_text("Esimene rida.\n")
    os.mkfifo(folder / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    for name, target in {
        "zero": "/dev/zero",
        "to-pipe": "pipe.jsonl",
        "itself": "itself",
        "there": "back",
        "back": "there",
        "nowhere": "gone.txt",
    }.items():
        (folder / name).symlink_to(target)
    (folder / "parent").symlink_to(folder.parent, target_is_directory=True)
    return folder


@pytest.mark.parametrize("pattern", ["in", "in/*", "in/**", "in/**/*"])
def test_what_never_ends_is_counted_among_many(tmp_path: Path, pattern: str):
    """The rest goes on, and what a folder links to is gone through once at most."""
    endless_folder(tmp_path / "in")
    inputs = named_inputs([str(tmp_path / pattern)])
    assert len({item.path.name for item in inputs}) == len(inputs) == 8
    records = [record for item in inputs for record in read_input(item, READING)]
    refused = [record for record in records if isinstance(record, Unreadable)]
    assert [record.reason for record in refused] == [reasons.LINK] * 7
    assert sum(record.detail.startswith("not a regular file") for record in refused) == 3
    assert [record.content for record in records if not isinstance(record, Unreadable)] == ["Esimene rida.\n"]
    for item in inputs:
        assert describe_input(item).entry["bytes"] == (14 if item.key.endswith("a.txt") else 0)


@pytest.mark.parametrize("name", ["pipe.jsonl", "socket", "zero", "to-pipe", "itself", "nowhere"])
def test_what_never_ends_is_an_error_by_its_name(tmp_path: Path, name: str):
    path = endless_folder(tmp_path / "in") / name
    with pytest.raises(InputError, match=re.escape(str(path))):
        named_inputs([str(path)])


def test_a_pattern_goes_through_no_link(tmp_path: Path):
    """Two links to their own folder make as many paths as there are ways through them: 2 to the 40th."""
    (tmp_path / "a.txt").write_text("x")
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(".", target_is_directory=True)
    assert {path.name for path in expand_inputs([str(tmp_path / "**" / "*.txt")])} == {"a.txt"}


@pytest.mark.parametrize("pattern", ["**.txt", "b*/*.txt", "**/1.txt", "[b]/1.txt", "../in/**/1.txt", "b/**"])
def test_patterns_are_the_shells(tmp_path: Path, pattern: str):
    for name in ("in/0.txt", "in/b/1.txt", "in/b/.git/1.txt", "in/.c/1.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in expand_inputs([str(tmp_path / "in" / pattern)])] == [
        "0.txt" if pattern == "**.txt" else "1.txt"
    ]


def test_a_hidden_file_is_found_by_a_pattern_that_names_it(tmp_path: Path):
    (tmp_path / ".kept.txt").touch()
    assert [path.name for path in expand_inputs([str(tmp_path / ".k*")])] == [".kept.txt"]


def test_a_growing_file_is_read_to_where_it_ended(tmp_path: Path):
    """What is appended as fast as it is read has no end."""
    path = tmp_path / "a.jsonl"
    path.write_text(jsonl(*RECORDS) * 1000)
    read = 0
    with open(path, "a") as more:
        for _ in read_file(path):
            read += 1
            more.write(jsonl(*RECORDS))
            more.flush()
    assert read == 1000 * len(RECORDS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a", "a.jsonl.zst", "a.jsonl.gz", "a.csv", "a.tsv"])
def test_a_first_record_without_end_costs_itself_alone(tmp_path: Path, name: str):
    """However it is packed and called, what stands behind it is read, bad lines and all."""
    mark = {"a.csv": ",", "a.tsv": "\t"}.get(name)
    if mark:
        content = f"text{mark}label\n" + "x" * 3_000_000 + f"{mark}1\n" + f"Lause on siin.{mark}2\n" * 30
    else:
        content = jsonl({"text": "x" * 3_000_000}) + "{bad\n" + jsonl({"text": "Lause on siin."}) * 30
    data = content.encode()
    if name.endswith(".zst"):
        data = zstd.compress(data)
    if name.endswith(".gz"):
        data = gzip.compress(data)
    found, refused = read(tmp_path, data, name, limits=Limits(record=1_000_000))
    assert [record.content for record in found] == ["Lause on siin."] * 30
    assert [record.reason for record in refused] == [reasons.TOO_LARGE] + [reasons.BAD_RECORD] * (not mark)
    if not mark:
        assert found[0].id.endswith("#3")


def test_a_document_without_end_that_has_lines_is_one(tmp_path: Path):
    """An object written over many lines is no record a line: nothing behind its cut is taken for one."""
    content = json.dumps({"text": ["x" * 100] * 30_000}, indent=1) + "\n" + jsonl({"text": "Lause on siin."})
    found, refused = read(tmp_path, content, "a.json", limits=Limits(record=1_000_000))
    assert not found
    assert [record.reason for record in refused] == [reasons.TOO_LARGE]


@pytest.mark.parametrize("piece", ["<!-- -->", "<?xml ?>", "<?a ?>", "/* */;", "-- a\n", "<!DOCTYPE a [ ]>", "<!--"])
def test_a_beginning_of_many_comments_is_recognised_in_no_time(piece: str):
    start = time.process_time()
    recognise(piece.encode() * (60_000 // len(piece)) + b"x", "a.xml")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("first", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_first_record_nested_without_end_costs_itself_alone(tmp_path: Path, first: str) -> None:
    """In a file whose name says that each line is a record; elsewhere nothing says where the next one begins."""
    records = [{"text": f"Tere, {n}!"} for n in range(3)]
    documents, complaints = read(tmp_path, f"{first}\n{jsonl(*records)}")
    assert [document.content for document in documents] == ["Tere, 0!", "Tere, 1!", "Tere, 2!"]
    assert [(c.where, c.reason, c.detail) for c in complaints] == [("a.jsonl#1", reasons.BAD_RECORD, "nested too deep")]


@pytest.mark.parametrize("first", ["[[[]]]", "[]", "[1, 2]"])
def test_a_first_line_that_is_no_record_costs_itself_only(first: str, tmp_path: Path) -> None:
    content = f"{first}\n" + "".join(f'{{"text": "{LONG} {n}"}}\n' for n in range(5))
    documents, complaints = read(tmp_path, content, "a.jsonl")
    assert [document.id for document in documents] == [f"a.jsonl#{n}" for n in range(2, 7)]
    assert [complaint.where for complaint in complaints] == ["a.jsonl#1"]
    assert len(read(tmp_path, content, "a.data")[0]) == 5


def test_arrays_one_after_the_other_are_all_read(tmp_path: Path) -> None:
    content = "".join(f'[{{"text": "{LONG} {n}"}}, {{"text": "{FA} {n}"}}]\n' for n in range(3))
    for name in ("a.jsonl", "a.json"):
        documents, complaints = read(tmp_path, content, name)
        assert [document.content for document in documents] == [f"{each} {n}" for n in range(3) for each in (LONG, FA)]
        assert not complaints
