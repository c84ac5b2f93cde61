"""Of the records of well-known data sets the text is found, and the facts beside it."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats.origin import licence_name, moment
from ulmkit.formats.read import read_file

TEXT = "Vanaema kirjutas naabrile kirja, sest talv oli tulekul ja puud olid veel metsas."
AT, URL, DAY = "2024-05-06T07:08:09Z", "https://naide.ee/1", "2024-05-06"


def of_lines(tmp_path: Path, *records: Any) -> list[RawDocument | Unreadable]:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    return list(read_file(path))


def of_columns(tmp_path: Path, **columns: Any) -> list[RawDocument | Unreadable]:
    pq.write_table(pa.table(columns), tmp_path / "set.parquet")
    return list(read_file(tmp_path / "set.parquet"))


# what a layout's record is -> title, url, day of publishing, day of fetching, licence
LAYOUTS: dict[str, tuple[dict[str, Any], tuple[str, str, str, str, str]]] = {
    "OSCAR 23": (
        {"content": TEXT, "warc_headers": {"warc-target-uri": URL, "warc-date": AT}, "metadata": {"language": "et"}},
        ("", URL, "", DAY, ""),
    ),
    "OSCAR on the hub": (
        {"id": 1, "text": TEXT, "meta": {"warc_headers": {"warc-target-uri": URL, "warc-date": AT}}},
        ("", URL, "", DAY, ""),
    ),
    "dolma": (
        {"id": "a", "text": TEXT, "source": "s", "created": "2019-01-02", "added": AT, "metadata": {"url": URL}},
        ("", URL, "2019-01-02", DAY, ""),
    ),
    "news-please": (
        {"maintext": TEXT, "title": "Kiri", "date_publish": "2024-05-05 10:00:00", "date_download": AT, "url": URL},
        ("Kiri", URL, "2024-05-05", DAY, ""),
    ),
    "fundus": (
        {
            "title": "Kiri",
            "body": {"summary": ["Lühidalt."], "sections": [{"headline": [], "paragraphs": [TEXT]}]},
            "publishing_date": "2024-05-05 10:00:00+03:00",
            "html": {"requested_url": URL, "crawl_date": AT},
        },
        ("Kiri", URL, "2024-05-05", DAY, ""),
    ),
    "Wikimedia Enterprise": (
        {
            "name": "Kiri",
            "identifier": 1,
            "date_modified": AT,
            "url": URL,
            "license": [{"name": "Creative Commons", "identifier": "CC-BY-SA-4.0", "url": "https://x.org/y"}],
            "article_body": {"html": f"<p>{TEXT}</p>", "wikitext": TEXT},
        },
        ("Kiri", URL, DAY, "", "CC-BY-SA-4.0"),
    ),
    "CirrusSearch": (
        {"title": "Kiri", "text": TEXT, "source_text": f"'''{TEXT}'''", "timestamp": AT, "wiki": "etwiki"},
        ("Kiri", "", DAY, "", ""),
    ),
    "mC4 and CulturaX": ({"text": TEXT, "timestamp": AT, "url": URL, "source": "mC4"}, ("", URL, "", DAY, "")),
    "FineWeb": (
        {"text": TEXT, "id": "u", "dump": "CC-MAIN-2024-18", "url": URL, "date": AT, "file_path": "s3://x"},
        ("", URL, "", DAY, ""),
    ),
    "datatrove": (
        {"text": TEXT, "id": "u", "metadata": {"dump": "CC-MAIN-2024-18", "url": URL, "date": AT}},
        ("", URL, "", DAY, ""),
    ),
    "MADLAD": ({"text": TEXT}, ("", "", "", "", "")),
    "HPLT 2": ({"f": "x", "u": URL, "ts": AT, "lang": ["est"], "text": TEXT}, ("", URL, "", DAY, "")),
    "RedPajama 1": ({"text": TEXT, "meta": json.dumps({"url": URL, "timestamp": AT})}, ("", URL, "", DAY, "")),
    "RedPajama 2": ({"raw_content": TEXT, "url": URL, "date_download": AT, "title": "A"}, ("A", URL, "", DAY, "")),
    "trafilatura": (
        {"title": "Kiri", "text": TEXT, "source": URL, "date": "2024-05-05", "filedate": DAY, "license": "CC0"},
        ("Kiri", URL, "2024-05-05", DAY, "CC0"),
    ),
    "WordPress": (
        {"title": {"rendered": "Kiri"}, "content": {"rendered": f"<p>{TEXT}</p>"}, "link": URL, "date": AT},
        ("Kiri", URL, DAY, "", ""),
    ),
    "schema.org": (
        {"headline": "Kiri", "articleBody": TEXT, "datePublished": AT, "license": "CC-BY-4.0", "url": URL},
        ("Kiri", URL, DAY, "", "CC-BY-4.0"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_text_and_facts_are_found_where_the_layout_keeps_them(name: str, tmp_path: Path):
    record, (title, url, published, fetched, licence) = LAYOUTS[name]
    (doc,) = of_lines(tmp_path, record)
    assert isinstance(doc, RawDocument)
    assert TEXT in doc.content
    days = tuple(str(when.date()) if when else "" for when in (doc.published_at, doc.fetched_at))
    assert (doc.title, doc.url, *days, doc.licence) == (title, url, published, fetched, licence or "unknown")


def test_parts_of_a_text_are_its_lines(tmp_path: Path):
    (doc,) = of_lines(
        tmp_path, {"title": "Kiri", "paragraphs": [{"text": TEXT}, {"text": "Teine."}, {"image": "a.png"}]}
    )
    assert doc.content == f"{TEXT}\nTeine."


def test_words_of_a_text_stand_on_one_line(tmp_path: Path):
    docs = of_columns(tmp_path, tokens=[["Vanaema", "kirjutas", "kirja", "."]] * 3)
    assert docs[0].content == "Vanaema kirjutas kirja ."


def test_bytes_that_are_utf8_are_text_and_a_picture_is_none(tmp_path: Path):
    picture = pa.array([b"\x89PNG\xff\xd8"] * 2, pa.binary())
    docs = of_columns(tmp_path, picture=picture, text=pa.array([TEXT.encode()] * 2, pa.binary()))
    assert [doc.content for doc in docs] == [TEXT, TEXT]


def test_a_column_called_text_is_the_text_where_its_first_rows_are_empty(tmp_path: Path):
    records = of_columns(tmp_path, id=[f"a longer name of row {n}" for n in range(1000)], text=[None] * 999 + [TEXT])
    assert [record.content for record in records if isinstance(record, RawDocument)] == [TEXT]


def test_records_of_another_export_are_read_by_their_own_name(tmp_path: Path):
    other = {"content": "Teine.", "url": URL}
    docs = of_lines(tmp_path, *[{"text": TEXT}] * 70, other, {"text": None, "body": "Kolmas."}, {"label": 1})
    assert [doc.content for doc in docs[70:72]] == ["Teine.", "Kolmas."]
    assert isinstance(docs[72], Unreadable)
    rows = of_columns(tmp_path, text=[TEXT, None], content=[None, "Teine."])
    assert [doc.content for doc in rows] == [TEXT, "Teine."]


def test_python_dictionaries_are_bad_records_and_no_text(tmp_path: Path):
    found = of_lines(tmp_path, *[str({"text": TEXT, "label": n}) for n in range(3)])
    assert [(each.reason, each.detail) for each in found] == [("bad record", "not JSON: single quotes")] * 3


def test_control_characters_in_strings_are_read(tmp_path: Path):
    found = of_lines(tmp_path, f'{{"text": "üks\tkaks\x0b{TEXT}"}}', '{"text": "neli"}')
    assert [doc.content for doc in found] == [f"üks\tkaks\x0b{TEXT}", "neli"]


@pytest.mark.parametrize(
    "value",
    [
        datetime.date(2024, 5, 6), datetime.datetime(2024, 5, 6), "2024-05-06", "20240506", "20240506070809",
        1714976889, 1714976889000, "1714976889", "1714976889123", "Mon, 06 May 2024 07:08:09 +0000",
        "2024-05-06T07:08:09.123Z",
        "2024-05-06 02:00:00 +0300", "2024-05-05T23:30:00-05:00", "2024-05-06 07:08:09 UTC", "2024/5/6", [AT],
        {"$date": AT}, {"$date": {"$numberLong": 1714976889000}},
    ],
)  # fmt: skip
def test_dates_are_read_in_every_form_that_cannot_be_misread(value: Any):
    found = moment(value)
    expected = 5 if value == "2024-05-06 02:00:00 +0300" else 6
    assert found is not None
    assert (found.month, found.day) == (5, expected)


def test_licences_are_read_from_lists_addresses_and_mappings():
    by_sa = "https://creativecommons.org/licenses/by-sa/4.0/"
    assert licence_name([by_sa, by_sa]) == licence_name({"name": "Creative Commons", "url": by_sa}) == "CC-BY-SA-4.0"
    assert licence_name({"title": "Own terms"}) == "Own terms"


def test_annotated_words_of_sentences_are_a_text(tmp_path: Path):
    """As sets of named entities have them: each word a mapping of its own, a sentence a line."""
    words = [[{"word": word, "ner_1": "O"} for word in sentence.split()] for sentence in (TEXT, "Tali tuli .")]
    found = of_lines(tmp_path, *[{"sentences": [{"words": each} for each in words]}] * 2)
    assert [doc.content for doc in found if isinstance(doc, RawDocument)] == [f"{TEXT}\nTali tuli ."] * 2


def test_records_of_the_same_keys_are_told_apart_by_what_they_hold(tmp_path: Path):
    """Of two names for one fact the first that is filled counts, record by record."""
    found = of_lines(
        tmp_path,
        {"text": TEXT, "url": "", "link": URL, "date": None, "pubDate": DAY},
        {"text": TEXT, "url": f"{URL}?a", "link": URL, "date": AT, "pubDate": None},
    )
    assert [(doc.url, doc.published_at.day) for doc in found if isinstance(doc, RawDocument) and doc.published_at] == [
        (URL, 6),
        (f"{URL}?a", 6),
    ]


HITS = [{"_id": str(i), "_source": {"title": "Kiri", "text": f"{TEXT} {i}", "uri": URL}} for i in range(2)]


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ({"took": 3, "hits": {"total": 2, "hits": HITS}}, URL),
        ({"responseHeader": {"status": 0}, "response": {"numFound": 2, "docs": [hit["_source"] for hit in HITS]}}, URL),
        ({"data": {"posts": {"nodes": [{"node": {"body": f"{TEXT} {i}"}} for i in range(2)]}}}, ""),
    ],
    ids=["Elasticsearch", "Solr", "GraphQL"],
)
def test_an_answer_of_an_interface_is_its_records(tmp_path: Path, answer: dict[str, Any], url: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(answer), encoding="utf-8")
    assert [(doc.content, doc.url) for doc in read_file(tmp_path / "a.json")] == [
        (f"{TEXT} {i}", url) for i in range(2)
    ]


@pytest.mark.parametrize(
    "article",
    [
        {"time": 1, "blocks": [
            {"type": "header", "data": {"text": "Kiri", "level": 2}}, {"type": "paragraph", "data": {"text": TEXT}},
            {"type": "list", "data": {"style": "ordered", "items": ["Üks.", "Kaks."]}},
        ]},
        {"id": 5, "sections": [{"heading": "Kiri", "text": TEXT}, {"text": "Üks.\nKaks."}]},
    ],
    ids=["Editor.js", "sections"],
)  # fmt: skip
def test_one_object_in_parts_is_one_document(tmp_path: Path, article: dict[str, Any]) -> None:
    for name in ("a.json", "a.jsonl"):
        (tmp_path / name).write_text(json.dumps(article), encoding="utf-8")
        assert [doc.content for doc in read_file(tmp_path / name)] == [f"Kiri\n{TEXT}\nÜks.\nKaks."]
