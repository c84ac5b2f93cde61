"""Tables of texts and labels: what is read, what is refused, each in one line that says where."""

import gzip
import json

import pytest

from ulmkit.classifier.check import class_order, refuse_unknown, refuse_unlearnable, remarks
from ulmkit.classifier.copies import copy_groups, have_copies
from ulmkit.classifier.table import Columns, Examples, labelled_rows
from ulmkit.errors import InputError, UsageError
from ulmkit.workflow.finetune import TextSource

ROWS = [(f"text number {n}, quite good", "good") for n in range(3)] + [(f"text {n}\nbad", "bad") for n in range(3)]


@pytest.fixture
def table(tmp_path):
    def written(content, name="train.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def as_csv(rows, header="comment,label"):
    return "\n".join([header, *(f'"{text}",{label}' for text, label in rows)]) + "\n"


def read(path, **options):
    return labelled_rows([path], Columns(**options))[0]


def test_rows_come_with_the_line_they_begin_on(table):
    found = read(table(as_csv(ROWS)))
    assert found.texts == tuple(text for text, _ in ROWS)
    assert found.labels == tuple(label for _, label in ROWS)
    assert found.lines == (2, 3, 4, 5, 7, 9)


def test_packed_tables_json_lines_tsv_and_parquet_read_the_same(table, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(text.replace("\n", " "), label) for text, label in ROWS]
    expected = read(table(as_csv(rows)))
    lines = "".join(json.dumps({"comment": text, "label": label}) + "\n" for text, label in rows)
    tsv = "comment\tlabel\n" + "".join(f'"{text}"\t"{label}"\n' for text, label in rows)
    pq.write_table(pa.table({"comment": [t for t, _ in rows], "label": [x for _, x in rows]}), tmp_path / "p.parquet")
    for path in (
        table(gzip.compress(as_csv(rows).encode()), "t.csv.gz"),
        table(lines, "t.jsonl"),
        table(tsv, "t.tsv"),
        tmp_path / "p.parquet",
    ):
        found = read(path)
        assert (found.texts, found.labels) == (expected.texts, expected.labels), path


def test_a_table_without_names_has_its_texts_where_they_are_longest(table):
    found = read(table("".join(f'"a text of some length, number {n}","{n % 2}"\n' for n in range(6))))
    assert set(found.labels) == {"0", "1"}
    assert found.texts[0] == "a text of some length, number 0"


def test_numbers_are_labels_as_they_are_written(table):
    lines = "".join(json.dumps({"text": f"text {n}", "label": n % 2}) + "\n" for n in range(4))
    assert read(table(lines, "t.jsonl")).labels == ("0", "1", "0", "1")


BAD = {
    "no such column": (
        as_csv(ROWS), {"text": "coment"}, UsageError,
        "train.csv: no column 'coment'. Did you mean 'comment'? Columns: comment, label.",
    ),
    "no label": (as_csv([*ROWS, ("x y z", "")]), {}, InputError, "train.csv:11: no label. Mend it, or --skip-bad."),
    "no text": (as_csv([*ROWS, (" ", "bad")]), {}, InputError, "train.csv:11: no text. Mend it, or --skip-bad."),
    "too few cells": (
        as_csv(ROWS) + "alone\n", {}, InputError,
        "train.csv:11: bad record (1 cells instead of 2). Mend it, or --skip-bad.",
    ),
    "nothing": ("", {}, InputError, "train.csv: no rows in it. Give a CSV, TSV, JSON lines or Parquet file."),
    "a picture": (
        b"\x89PNG\r\n\x1a\n" + bytes(50), {}, InputError,
        "train.csv: an image. Give a CSV, TSV, JSON lines or Parquet file.",
    ),
    "several labels": (
        '{"text": "a b", "label": ["x", "y"]}\n' * 2, {}, InputError,
        "train.csv:1: several labels of one text are not learned. Give one each.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said_in_one_line(table, name):
    content, options, kind, message = BAD[name]
    with pytest.raises(kind) as error:
        read(table(content), **options)
    assert str(error.value) == message


def test_bad_rows_are_left_out_and_counted_where_that_is_asked(table):
    content = as_csv([*ROWS, ("x y z", ""), (" ", "bad")]) + "alone\n"
    found, bad = labelled_rows([table(content)], Columns(), skip_bad=True)
    assert (len(found.texts), bad) == (len(ROWS), 3)


UNSURE = 'index_id\tlabel\ttext\n5\tgood\tA text of a few words.\n6\tbad\t"Another one of a few words.\n'


def test_that_the_layout_is_not_sure_is_a_remark_and_no_row(table):
    found = read(table(UNSURE, "t.tsv"))
    assert found.texts == ("A text of a few words.", '"Another one of a few words.')
    (remark,) = found.remarks
    assert remark.startswith("t.tsv: layout not sure (too few rows to tell whether")


def test_texts_of_ones_own_say_it_too(table):
    source = TextSource((table(UNSURE, "t.tsv"),), "text")
    assert len(list(source)) == 2
    assert source.to_json()["remarks"] == list(read(table(UNSURE, "t.tsv")).remarks)


def test_a_line_that_is_no_utf8_is_named(table):
    content = as_csv(ROWS).encode() * 1 + "ääkkönen õ ü,bad\n".encode() + b"\xff\xfe,bad\n"
    with pytest.raises(InputError, match=r"^train.csv:12: encoding"):
        read(table(content))


def labelled(*labels):
    return Examples("train.csv", tuple(f"text {n}" for n in range(len(labels))), labels)


REFUSED = [
    (labelled(*["SAD"] * 3, *["x"] * 3, "sad "), (), "train.csv: labels 'SAD' (3 rows) and 'sad ' (1 row). One label? "
     "Clean it or name all with --labels."),
    (labelled("a", "a"), (), "train.csv: one class only, 'a'. At least two are told apart."),
    (labelled("a", "a", "b"), (), "train.csv: one row only of b. Add rows, or leave it out."),
    (labelled("1", "1", "2", "2", "1, 2"), (), "text 5: '1, 2' is several labels; one of each text is learned. "
     "Keep one, or name all with --labels."),
    (labelled("a", "a", "b", "b"), ("a", "c"), "text 3: label 'b' is not one of --labels (a, c)."),
    (labelled("a", "a", "b", "b"), ("a", "b", "c"), "train.csv: no row has the label 'c' of --labels."),
]  # fmt: skip


@pytest.mark.parametrize(("examples", "named", "message"), REFUSED)
def test_labels_that_nothing_can_be_made_of_are_refused(examples, named, message):
    with pytest.raises(InputError) as error:
        refuse_unlearnable(examples, named)
    assert str(error.value) == message


def test_many_labels_with_hardly_a_row_are_no_classes():
    with pytest.raises(InputError, match=r"^train.csv: 60 of 60 labels have under 5 rows each \(.*and 52 more\)"):
        refuse_unlearnable(labelled(*[f"id{n}" for n in range(60)] * 2))


def test_a_label_that_training_does_not_know_is_refused_with_its_line():
    test = Examples("test.csv", ("x",), ("angry",), (), (9,), ("test.csv",))
    with pytest.raises(InputError) as error:
        refuse_unknown(test, ("HAPPY", "SAD"))
    assert str(error.value) == "test.csv:9: label 'angry' is not in training (HAPPY, SAD)."


def test_numbers_stand_by_value_and_others_by_code_points():
    assert class_order(["10", "2", "-1"]) == ("-1", "2", "10")
    assert class_order(["b", "a", "10"]) == ("10", "a", "b")
    assert class_order(["b", "a"], ("b", "a")) == ("b", "a")


def test_few_rows_and_torn_texts_are_remarked():
    found = remarks(["a"] * 12 + ["b"], ["one"] * 12 + ["one"])
    assert found == [
        "under 10 rows of b: hardly enough to learn it.",
        "1 text stands under two labels: see which is right.",
    ]


def test_near_copies_are_found_whatever_their_punctuation():
    texts = ["the food was very good and warm", "something else entirely", "food"]
    others = ["the food was very good, and warm!!", "the food was cold", "another thing"]
    assert have_copies(texts, others).tolist() == [True, False, False]
    groups = copy_groups([*texts, *others])
    assert groups[0] == groups[3]
    assert len(set(groups.tolist())) == 5


def test_near_copies_are_those_that_a_look_at_every_pair_finds():
    import itertools
    import random

    rng = random.Random(1)
    words = ["good", "food", "cold", "warm", "late", "very", "again", "never"]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(120)]

    def runs(text):
        return {text[i : i + 5] for i in range(max(1, len(text) - 4))}

    expected = {
        (a, b)
        for a, b in itertools.combinations(range(len(texts)), 2)
        if len(runs(texts[a]) & runs(texts[b])) >= 0.6 * len(runs(texts[a]) | runs(texts[b]))
    }
    half = 60
    found = have_copies(texts[:half], texts[half:])
    assert found.tolist() == [any((a, b) in expected for b in range(half, 120)) for a in range(half)]
