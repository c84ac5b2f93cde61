"""The layout of a table that a person says: it is believed, and what does not fit it is named."""

from pathlib import Path

import pytest

from ulmkit.classifier.table import Columns, labelled_rows
from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import InputError, UsageError
from ulmkit.formats.inputs import describe_input, named_inputs, read_input
from ulmkit.formats.origin import READING
from ulmkit.formats.table_told import told_layout


def read(path: Path, content: str, table: str) -> tuple[list[str], list[str]]:
    path.write_bytes(content.encode())
    (item,) = named_inputs([str(path)], table=table)
    records = list(read_input(item, READING))
    texts = [str(record.content) for record in records if isinstance(record, RawDocument)]
    return texts, [f"{each.reason}: {each.detail}" for each in records if isinstance(each, Unreadable)]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("quote=none, delimiter=;", "delimiter=semicolon,quote=none"),
        ("delimiter=,", "delimiter=comma"),
        ("delimiter=,,quote='", "delimiter=comma,quote=single"),
        ("delimiter=\\t,escape=\\", "delimiter=tab,escape=backslash"),
        ("delimiter=~,quote=double,escape=none", "delimiter=~,quote=double,escape=none"),
    ],
)
def test_names_and_values_have_one_spelling(text: str, canonical: str) -> None:
    assert str(told_layout(text)) == canonical
    assert told_layout(canonical) == told_layout(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tab", "--table tab: expected delimiter=, quote= and escape=, each once at most and with commas between, such "
         "as delimiter=tab,quote=none."),
        ("delimiter=t", "--table delimiter=t: expected tab, comma, semicolon, pipe, space, none, or one mark."),
        ("delimiter=", "--table delimiter=: expected tab, comma, semicolon, pipe, space, none, or one mark."),
        ("escape=^", "--table escape=^: expected backslash, none."),
        ("delimiter=|,quote=|", "--table delimiter=pipe,quote=|: one mark cannot be two of these. Say another."),
    ],
)  # fmt: skip
def test_what_says_no_layout_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        named_inputs(["nowhere"], table=text)
    assert str(error.value) == message


SHORT = 'id\ttext\n1\tTere tulemast koju\n2\t"Ilus ilm täna\n'


def test_a_layout_that_was_said_leaves_no_doubt(tmp_path: Path) -> None:
    assert read(tmp_path / "a.tsv", SHORT, "")[1][0].endswith(
        "Say which with --table quote=double or --table quote=none"
    )
    assert read(tmp_path / "a.tsv", SHORT, "quote=none") == (["Tere tulemast koju", '"Ilus ilm täna'], [])
    assert read(tmp_path / "a.tsv", SHORT, "quote=double") == (
        ["Tere tulemast koju"],
        ["bad record: a quotation mark that is not closed, or not escaped"],
    )


def test_it_is_believed_against_what_the_rows_look_like(tmp_path: Path) -> None:
    rows = "".join(f'{n};"Lugu, {n}";"hea"\n' for n in range(30))
    plain = read(tmp_path / "a.csv", f"id;text;label\n{rows}", "")
    assert plain == ([f"Lugu, {n}" for n in range(30)], [])
    assert read(tmp_path / "a.csv", f"id;text;label\n{rows}", "quote=none")[0][0] == '"Lugu, 0"'
    one = read(tmp_path / "b.csv", f"text\n{rows}", "delimiter=none,quote=none")
    assert one == ([f'{n};"Lugu, {n}";"hea"' for n in range(30)], [])


def test_rows_that_do_not_fit_it_are_named(tmp_path: Path) -> None:
    rows = "".join(f"{n},Lugu {n}\n" for n in range(8))
    texts, complaints = read(tmp_path / "a.csv", f"id,text\n{rows}8,Lugu, veel üks\n", "delimiter=comma,quote=none")
    assert len(texts) == 8
    assert complaints == ["bad record: 3 cells instead of 2"]


def test_a_delimiter_that_stands_nowhere_is_said_once(tmp_path: Path) -> None:
    said = "bad record: nowhere a pipe, which --table says stands between cells"
    assert read(tmp_path / "a.csv", "id,text\n1,Tere\n2,Ilm\n", "delimiter=pipe") == ([], [said])
    with pytest.raises(InputError, match=r"^a\.csv: no rows in it \(bad record: nowhere a pipe"):
        labelled_rows([tmp_path / "a.csv"], Columns(), layout="delimiter=pipe")


def test_a_text_with_that_delimiter_is_a_table(tmp_path: Path) -> None:
    content = "number~text\n1~Tere tulemast koju\n2~Ilus ilm täna\n"
    assert read(tmp_path / "a.txt", content, "delimiter=~")[0] == ["Tere tulemast koju", "Ilus ilm täna"]
    assert read(tmp_path / "a.txt", content, "delimiter=tab")[0] == [content]
    assert read(tmp_path / "a.txt", content, "")[0] == [content]


def test_labelled_rows_keep_what_was_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text|label\nTere|hea\nIlm|halb\n", encoding="utf-8")
    found, _ = labelled_rows([tmp_path / "a.txt"], Columns(), layout="delimiter=|")
    assert (found.texts, found.labels, found.layout) == (("Tere", "Ilm"), ("hea", "halb"), "delimiter=pipe")


def test_it_names_the_unit(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na\n", encoding="utf-8")
    plain, told = (describe_input(named_inputs([str(tmp_path)], table=how)[0]) for how in (None, "delimiter=\\t"))
    assert told.entry == plain.entry | {"table": "delimiter=tab"}
