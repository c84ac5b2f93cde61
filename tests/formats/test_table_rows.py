"""Tables as people have them: every row is read whole, or counted with its line and the reason."""

import csv
import io
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given
from random_cases import examples
from reported_tables import reported_case
from table_cases import case, lost

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file
from ulmkit.formats.table_grammar import TableLayout, grammar_of

TEXT = "Lause, mis on pikk; selles on ka \"jutumärgid\" ja 'ülakomad', nii et on, mida lugeda."
PLAIN = "Hommikul ärkas linn vara ja trammid hakkasid sõitma"


def read(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> tuple[list[str], list[tuple[str, str]]]:
    """The texts, and place and reason of each complaint."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    records = list(read_file(path))
    return (
        [str(record.content) for record in records if isinstance(record, RawDocument)],
        [(record.where, record.reason) for record in records if isinstance(record, Unreadable)],
    )


def rows(*texts: str, header: str = "id,text") -> str:
    """A table of two columns, each text as it is given."""
    return "\n".join([header, *(f"{number}{header[2]}{text}" for number, text in enumerate(texts))]) + "\n"


DOUBLED, SLASHED = TEXT.replace('"', '""'), TEXT.replace('"', '\\"')
APOSTROPHES = TEXT.replace("'", "''")
LAYOUTS = [
    (f'"{DOUBLED}"', "id,text"),
    (f'"{SLASHED}"', "id,text"),
    (f'"{SLASHED}"', "id\ttext"),
    (f"'{APOSTROPHES}'", "id;text"),
    (TEXT, "id\ttext"),
    (TEXT, "id|text"),
    (TEXT.replace(",", "\\,").replace('"', '\\"'), "id,text"),
    (TEXT, "id,text"),  # nothing is quoted, and the last column is the text
]


@pytest.mark.parametrize(("cell", "header"), LAYOUTS)
def test_the_layout_is_found(tmp_path: Path, cell: str, header: str):
    """Whatever quotes a cell and escapes a mark."""
    assert read(tmp_path, rows(*[cell] * 20, header=header)) == ([TEXT] * 20, [])


@pytest.mark.parametrize(("cell", "header"), LAYOUTS[:5])
def test_a_layout_that_shows_late_is_seen(tmp_path: Path, cell: str, header: str):
    """The first thousand rows hold no mark at all."""
    texts, complaints = read(tmp_path, rows(*[PLAIN] * 1200, *[cell] * 3, header=header))
    assert (texts[1200:], complaints) == ([TEXT] * 3, [])


def test_marks_of_a_text_between_tabs_stay_its_own(tmp_path: Path):
    """A quotation mark that opens a text late in a table swallows no row, and none is taken away."""
    opening, closed = f'"{PLAIN}', f'"{PLAIN}," ütles ta'
    texts = [*[PLAIN] * 1100, closed, *[PLAIN] * 20, opening, *[PLAIN] * 60]
    assert read(tmp_path, rows(*texts, header="id\ttext"), "a.tsv") == (texts, [])


@pytest.mark.parametrize("mark", ['"', "'"])
@pytest.mark.parametrize(("delimiter", "name"), [("\t", "a.tsv"), (";", "a.csv")])
@pytest.mark.parametrize("before", [30, 1200])
def test_marks_of_texts_join_no_rows(tmp_path: Path, before: int, delimiter: str, name: str, mark: str) -> None:
    """A text begins with a mark of its own and a later one ends with one, in a long table and behind its sample."""
    texts = [f"{PLAIN} {n}" for n in range(before)]
    texts += [
        f"{mark}Algus",
        "vahel",
        f"lõpp{mark}",
        "edasi",
        f"{mark}algus",
        f"lõpp{mark}",
        f"a {mark}b{mark}, c",
        "d",
    ]
    body = "".join(f"{n}{delimiter}{text}\n" for n, text in enumerate(texts))
    assert read(tmp_path, f"id{delimiter}text\n{body}", name) == (texts, [])


def test_marks_of_texts_join_no_rows_of_addresses(tmp_path: Path) -> None:
    """No column of numbers tells the rows, but tabs do."""
    texts = [f"{PLAIN} {n}" for n in range(50)]
    texts[7:10], texts[20], texts[30], texts[31] = ['"a', "b", 'c"'], '5" d', '"e', 'f" "g"'
    body = "".join(f"https://naide.ee/{n}\t{text}\tet\n" for n, text in enumerate(texts))
    assert read(tmp_path, f"url\ttext\tlang\n{body}", "a.tsv") == (texts, [])


def test_quoted_texts_of_several_lines_with_the_delimiter_are_no_joined_rows(tmp_path: Path) -> None:
    """Verse ends its lines with commas, lists begin with numbers: not as the columns have them."""
    verse = "".join(f'"Tuul, {n}\nja külm,\nja öö",{n}\n' for n in range(30))
    assert read(tmp_path, f"text,label\n{verse}") == ([f"Tuul, {n}\nja külm,\nja öö" for n in range(30)], [])
    lists = "".join(f'{n}\t"Ained:\n2\tmuna\n3\tsai ""{n}"""\n' for n in range(30))
    assert read(tmp_path, f"id\ttext\n{lists}", "a.tsv")[0] == [f'Ained:\n2\tmuna\n3\tsai "{n}"' for n in range(30)]


def test_one_odd_backslash_beside_one_escape_leaves_it_an_escape(tmp_path: Path) -> None:
    """Nothing is quoted, a mark is escaped, and of another escape the mark is lost."""
    body = f',id,text\n0,0,\\"ja {PLAIN}\n1,1,{PLAIN}\n2,2,5\\läks {PLAIN}\n'
    assert read(tmp_path, body) == ([f'"ja {PLAIN}', PLAIN, f"5\\läks {PLAIN}"], [])


def test_a_quotation_mark_that_is_not_closed_costs_its_row(tmp_path: Path):
    """The rows behind it are read, and it is named with its line."""
    cells = [f'"{DOUBLED}"'] * 10
    cells[4] = f'"{DOUBLED}'
    assert read(tmp_path, rows(*cells)) == ([TEXT] * 9, [("a.csv#6", reasons.BAD_RECORD)])
    cells[4], cells[9] = f'"{DOUBLED}\nteine rida\nkolmas"', f'"{DOUBLED}\nlõpp'
    texts, complaints = read(tmp_path, rows(*cells))
    assert texts == [*[TEXT] * 4, f"{TEXT}\nteine rida\nkolmas", *[TEXT] * 4]
    assert complaints == [("a.csv#13", reasons.BAD_RECORD)]


@pytest.mark.parametrize("cell", [f'"{DOUBLED}"', TEXT.replace(",", "").replace('"', "")])
def test_carriage_returns_and_nuls_in_cells_cost_nothing(tmp_path: Path, cell: str):
    """One in the middle of a cell; and where they end the lines, they do."""
    text = TEXT if cell[0] == '"' else cell
    broken = cell[:20] + "\r" + cell[20:]
    texts, complaints = read(tmp_path, rows(*[cell] * 5, broken, cell + "\0", cell))
    assert ([text.replace("\r", "") for text in texts], complaints) == ([text] * 8, [])
    assert read(tmp_path, rows(*[cell] * 5).replace("\n", "\r")) == ([text] * 5, [])


def test_short_and_long_rows_are_named(tmp_path: Path):
    """What cannot be put right without a guess is left out."""
    content = f"id,title,text,label\n1,A,{PLAIN},x\n2,B\n3,C,{PLAIN},y,z\n4,D,{PLAIN},x\n"
    texts, complaints = read(tmp_path, content)
    assert texts == [PLAIN] * 2
    assert complaints == [("a.csv#3", reasons.BAD_RECORD), ("a.csv#4", reasons.BAD_RECORD)]


def test_a_table_that_goes_on_in_another_layout_is_read(tmp_path: Path):
    """Two exports one after the other."""
    other = "\n".join(["id;text", *(f"{number};{PLAIN}" for number in range(30))]) + "\n"
    assert read(tmp_path, rows(*[PLAIN] * 1200) + other) == ([PLAIN] * 1230, [])


def test_numbers_of_rows_need_no_name(tmp_path: Path):
    """pandas leaves the first name empty, R leaves it out; Excel says its delimiter in front."""
    body = "".join(f"{number},{PLAIN},1\n" for number in range(5))
    for head in (",text,label\n", "text,label\n", "sep=,\nid,text,label\n"):
        assert read(tmp_path, head + body) == ([PLAIN] * 5, [])


# seeds of which a row was lost once
LOST_ONCE = (
    *(10494, 10874, 10384, 11359, 11338, 3158, 7569, 8245, 21689, 22386, 40207, 41050, 41201),
    *(311380, 316581, 613813, 615072, 820180, 821407, 1500548),
)
LOST_ONCE_AS_REPORTED = (
    *(3027, 4619, 4856, 4866, 5311, 5680, 5946, 6317, 6635, 6863, 7185, 7863, 7875, 8243, 8953, 9060, 9100),
    *(30128, 30179, 30491, 30774, 30943, 31133, 50393, 50904, 51407),
    *(
        200882,
        403050,
        404790,
        405722,
        408250,
        702027,
        702778,
        921478,
        921950,
        934896,
        980330,
        1100332,
        1100844,
        1404682,
        5106898,
        6104939,
        8101408,
    ),
)


@pytest.mark.slow
def test_no_row_of_damaged_tables_is_lost_in_silence(tmp_path: Path):
    """Tables by Python's csv, as Spark and MySQL write them, and by hand, in many encodings, damaged at any place.

    `tests/support/table_cases.py` tries thousands.
    """
    tables = [case(seed) for seed in (*range(200), *LOST_ONCE)]
    tables += [reported_case(seed) for seed in (*range(100), *LOST_ONCE_AS_REPORTED)]
    assert {table.name: fault for table in tables if (fault := lost(table, tmp_path))} == {}


def test_the_rest_of_a_row_whose_beginning_was_not_read_is_complained_of(tmp_path: Path) -> None:
    """Two rows joined by a lost line end: the second goes over two lines, and the last of these looks like a row."""
    whole = "".join(f'"Lugu {n}, ""pikk"" lugu.",{n}\n' for n in range(30))
    joined = '"Esimene.",0"""Teine"" algab\nsiin ja lõpeb ""seal"" kell viis",1\n'
    texts, complaints = read(tmp_path, f'"text","label"\n{whole}{joined}{whole}')
    assert not [text for text in texts if "siin" in text]
    assert len(texts) >= 60
    assert complaints


@pytest.mark.parametrize("mark", ['"', "'"])
@pytest.mark.parametrize("first", ["Esimene rida", "{0}Esimene, {0}{0}pikk{0}{0} rida{0}", "{0}Esimene\n\nrida{0}"])
def test_a_row_that_begins_inside_of_another_ones_last_cell_is_no_letter_of_it(
    tmp_path: Path, mark: str, first: str
) -> None:
    """Two rows joined by a lost line end, the second quoted and over several lines, are both named."""
    whole = "".join(f"{mark}Lugu {n}, {mark * 2}pikk{mark * 2} lugu.{mark},{n}\n" for n in range(3))
    second = f"{mark}pooleli\n\n{mark * 2}sadas,{mark * 2} vihma{mark},2\n"
    texts, complaints = read(tmp_path, f"text,label\n{whole}{first.format(mark)},1{second}{whole}")
    assert texts == [f"Lugu {n}, {mark}pikk{mark} lugu." for n in range(3)] * 2
    assert complaints == [("a.csv#5", reasons.BAD_RECORD)]


def test_a_row_that_begins_inside_of_another_ones_last_cell_is_named_where_it_is_the_only_quoted_one(
    tmp_path: Path,
) -> None:
    plain = "".join(f"{PLAIN} {n},{n}\n" for n in range(3))
    joined = 'Esimene rida,1"pooleli\n\n""sadas,"" vihma",2\n'
    texts, complaints = read(tmp_path, f"text,label\n{plain}{joined}{plain}")
    assert (len(texts), complaints) == (6, [("a.csv", reasons.UNSURE), ("a.csv#5", reasons.BAD_RECORD)])


def test_a_mark_for_inches_in_the_last_cell_is_a_letter(tmp_path: Path) -> None:
    """No row begins at it, or what stands before it is none of the column."""
    cells = ['5" ekraan', "15", 'A "suur" ekraan', '7"x']
    body = "".join(f'"Lugu {n}, ""pikk"" lugu.",{cell}\n' for n, cell in enumerate(cells * 3))
    assert read(tmp_path, f"text,size\n{body}") == ([f'Lugu {n}, "pikk" lugu.' for n in range(12)], [])
    body = "".join(f'"Lugu {n}, ""pikk"" lugu.",1\n' for n in range(9)) + 'Lugu 9,aa"x\nLugu 10",1\n'
    assert read(tmp_path, f"text,label\n{body}")[0][9:] == ["Lugu 9"]


def test_a_row_that_goes_on_behind_an_escaped_end_is_not_cut_at_a_carriage_return(tmp_path: Path) -> None:
    whole = "".join(f"{n}|Lugu {n} \\| ja\\\nlõpp.\n" for n in range(30))
    texts, complaints = read(tmp_path, f"label|text\n{whole}7|Algus\r\\\nja lõpp.8|Veel üks.\n{whole}")
    assert not [text for text in texts if text.startswith("Algus")]
    assert complaints


def test_texts_of_several_lines_are_no_change_of_layout(tmp_path: Path) -> None:
    """Behind a lost mark the lines of quoted texts are no rows by themselves, and look like rows of another width."""
    texts = [f"Esimene rida, teine\nja kolmas rida, {n}" for n in range(40)]
    whole = [f'{n},"{text}"\n' for n, text in enumerate(texts)]
    found, complaints = read(tmp_path, f'id,text\n{"".join(whole)}40,"Lahti, jäi\n{"".join(whole)}')
    assert found == texts * 2
    assert complaints


def test_a_carriage_return_parts_no_escape(tmp_path: Path) -> None:
    """As databases write a line end, `\\n`, with a stray carriage return between the two."""
    whole = "".join(f"{n}\tÜks rida\\nja teine\\nja {n}\n" for n in range(30))
    texts, complaints = read(tmp_path, f"id\ttext\n{whole}30\tÜks\\\rnja C:\\\r\\talu\n", "a.tsv")
    assert texts[-1].replace("\r", "") == "Üks\nja C:\\talu"
    assert (len(texts), complaints) == (31, [])


def test_a_letter_behind_a_backslash_is_one_where_marks_are_escaped_themselves(tmp_path: Path) -> None:
    whole = "".join(f'{n}\tTa ütles \\"jah\\"\\\nja {n}\n' for n in range(30))
    texts, _ = read(tmp_path, f"id\ttext\n{whole}30\tKümme 5\\ta jäi\n", "a.tsv")
    assert texts[0] == 'Ta ütles "jah"\nja 0'
    assert texts[-1] == "Kümme 5\\ta jäi"


ESCAPED_COMMA = "https://naide.ee/0?a=1\\,2,Tere tulemast koju ja"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"url,text,lang\n{ESCAPED_COMMA}", "a.csv"),
        ('url,text,lang\n"https://naide.ee/0?a=1,2",Tere tulemast koju', "a.csv"),
        # a text begins with a mark of its own and a later one ends with one: joined rows, and a broken one
        ('id\ttitle\ttext\tlabel\n0\tA\t"Tere rida\t01\tB\tIlus ilm\t1\n2\tC\tKülm tuul"\t2\n', "a.tsv"),
        ('id\ttext\n0\tTere\n1\tIlus "ilm"\n2\t"Külm \ntuul\n3\tpuhub täna"\n4\tLõpp\n', "a.tsv"),
        # nothing that had to be quoted is, and the last text, which is cut, begins with a mark
        ('id\ttext\tlang\n0\tTere\tet\n1\tIlus ilm\tet\n2\t"Külm tuul"\tet\n3\tLõpp\tet\n4\t"Al', "a.tsv"),
        # marks are escaped, and a row is broken: without escapes a cell ends at another one's mark
        ('id|text\n0|5\\"vihma\n1|"Ilus | ilm \\""\n2|Külm\n tuul\n3|Puhub \\"\n4|"Täna\nlõpp"\n', "a.csv"),
        # one column, of which texts with a comma are quoted and backslashes escaped, and a row that is too long
        ('text\nTere tulemast\n"Ilus, C:\\\\talu"\nKülm tuul\n"Kaks\nrida C:\\\\talu",veel\n', "a.csv"),
        # nothing is quoted but the last cell, and that has no end
        ('text\nTere hommikust koju\n"Ilus\nilm\ntäna\n', "a.csv"),
        # the only row is cut in a quoted text whose second line looks like a row
        ('id;text\n0;"Tere\nhommikust koju; kell kuus hom', "a.csv"),
        ('id|text\n0|Tere \\"koju\\" rida\n1|Ilus \\"\\"ilm\\"\\" täna\n2|pool\neli \\| ja aknast\n', "b.csv"),
        # two rows joined by a lost line end: each line has one comma, and a mark stands at the beginning of a cell
        ('id,text\n0,Tere koju\n1,"Ilus\nilm rida 1"2,Külm tuul täna\n', "a.csv"),
        # nothing is quoted, all marks stand behind backslashes, and one lost its own: the next line is no part of it
        ('id;text\n0;Tere koju kell 0\\\n1;Ilus \\"ilm\\" täna\n2;Külm 5\\"tuul\n', "a.csv"),
        # the same beside a quoted cell
        (
            'id,title,text,label\n0,A,Tere \\"koju\\" nüüd,0\n1,B,"Ilus, 5\\"ilm",1\n'
            '2,C,"Külm\n\ntuul, kell\n\nkolm, neli, viis 2\\",2\n',
            "a.csv",
        ),
        # one row is quoted, and others leave marks bare that a writer would have quoted as well
        ('label\ttext\n0\tTere koju "täna," 0"\n1\t"Ilus\n ilm rida 1"\n2\tKülm "tuul" puhub\n', "a.tsv"),
        # nothing had to be quoted, and a row is too short
        ('id,text\n0,Tere koju\n1,"Ilus ilm"\n2\n', "a.csv"),
    ],
)
def test_a_short_table_in_which_marks_speak_for_another_layout_is_no_sure_one(
    content: str, name: str, tmp_path: Path
) -> None:
    assert reasons.UNSURE in [reason for _, reason in read(tmp_path, content, name)[1]]


def test_a_quoted_text_of_several_lines_between_tabs_is_a_sure_one(tmp_path: Path) -> None:
    """Its lines have fewer tabs than a row, or it holds none."""
    content = 'id\ttext\tlabel\n0\t"Tere\nkoju"\t1\n1\t"Üks\tkaks\nkolm"\t1\n'
    assert read(tmp_path, content, "a.tsv") == (["Tere\nkoju", "Üks\tkaks\nkolm"], [])


def test_marks_are_escaped_though_the_only_quoted_cell_has_no_end(tmp_path: Path) -> None:
    """A writer that doubles marks quotes the cells that hold one: so what stands behind a backslash is escaped."""
    whole = "".join(f'{n};Lugu {n}, \\"ja\\" lõpp\n' for n in range(30))
    texts, complaints = read(tmp_path, f'id;text\n{whole}30;"Algus\nja la')
    assert texts[:30] == [f'Lugu {n}, "ja" lõpp' for n in range(30)]
    assert [reason for _, reason in complaints] == [reasons.BAD_RECORD]


def test_rows_that_marks_of_two_texts_join_are_told_though_one_of_them_is_broken(tmp_path: Path) -> None:
    rows = [f"{n}\tLugu {n}\tPikk lugu ja lõpp {n}\t{n % 3}\n" for n in range(40)]
    rows[20] = '20\tLugu 20\t"Algab oma märgiga\t2\n'
    rows[21] = "21\tLugu 21\tSee rida on\n katki\t0\n"
    rows[28] = '28\tLugu 28\tlõpeb oma märgiga"\t0\n'
    texts, complaints = read(tmp_path, f"id\ttitle\ttext\tlabel\n{''.join(rows)}", "a.tsv")
    between = [f"Pikk lugu ja lõpp {n}" for n in range(22, 28)]
    assert texts[20:28] == ['"Algab oma märgiga', *between, 'lõpeb oma märgiga"']
    assert (len(texts), [where for where, _ in complaints]) == (39, ["a.tsv#23", "a.tsv#24"])


def test_an_escape_tells_the_delimiter_of_a_table_of_one_column(tmp_path: Path) -> None:
    """Though it stands once, and a row that is too long holds it bare: that one is named."""
    content = 'text\nTere\\; ta ütles \\"jah\\"\nIlus ilm;veel\nKülm \\"tuul\\"\n'
    texts, complaints = read(tmp_path, content)
    assert texts == ['Tere; ta ütles "jah"', 'Külm "tuul"']
    assert complaints == [("a.csv#3", reasons.BAD_RECORD)]
    whole = read(tmp_path, content.replace(";veel", ""))
    assert whole == (['Tere; ta ütles "jah"', "Ilus ilm", 'Külm "tuul"'], [])


def test_a_path_of_windows_escapes_no_letter(tmp_path: Path) -> None:
    """Between tabs, where databases write `\\t` for a tab: not behind the letter of a drive, unless that is escaped."""
    content = f"id\ttext\n0\t{PLAIN}\n1\tSee on C:\\talu ja muu\n"
    assert read(tmp_path, content, "a.tsv") == ([PLAIN, "See on C:\\talu ja muu"], [])
    content = "id\ttext\n0\tÜtles:\\nja jäi\n1\tSee on C:\\\\talu ja muu\n"
    assert read(tmp_path, content, "a.tsv") == (["Ütles:\nja jäi", "See on C:\\talu ja muu"], [])


def test_a_mark_behind_an_escaped_line_end_begins_no_cell(tmp_path: Path) -> None:
    """A line end fell between an escape and its mark: the line begins with a bare mark, and nothing is quoted there."""
    whole = "".join(f'{n}|Ta ütles \\"jah\\"\\\nja {n}\n' for n in range(30))
    texts, _ = read(tmp_path, f'id|text\n{whole}30|Ta ütles \\\n"jah\\" ja jäi\n')
    assert texts[:30] == [f'Ta ütles "jah"\nja {n}' for n in range(30)]


def test_a_row_that_is_left_out_ends_where_its_escaped_lines_do(tmp_path: Path) -> None:
    """Two rows in one, each of several lines: the next row goes over several too, and is read."""
    row = '{0},https://naide.ee/{0}?a=1\\,2,Algus\\\n\\"kesk\\"\\\nlõpp {0},et'
    rows = [row.format(n) for n in range(12)]
    content = ",url,text,lang\n" + "\n".join([*rows[:5], rows[5] + rows[6], *rows[7:]]) + "\n"
    texts, complaints = read(tmp_path, content)
    assert texts == [f'Algus\n"kesk"\nlõpp {n}' for n in (*range(5), *range(7, 12))]
    assert complaints == [("a.csv#17", reasons.BAD_RECORD)]


def test_a_damaged_row_over_many_lines_with_escaped_ends_is_one(tmp_path: Path) -> None:
    """Nothing is quoted; two joined rows of several lines each are named, and say nothing against escapes."""
    whole = "".join(f'{n}\thttps://naide.ee/{n}\tLugu {n}, \\"ja\\" lõpp\tet\n' for n in range(17))
    joined = "".join(f"{n}\thttps://naide.ee/{n}\tAlgus\\\n\\\nkeskel\\\n\\\nlõpp\tet" for n in (17, 18))
    texts, complaints = read(tmp_path, f"\turl\ttext\tlang\n{whole}{joined}\n", "a.tsv")
    assert texts == [f'Lugu {n}, "ja" lõpp' for n in range(17)]
    assert complaints == [("a.tsv#19", reasons.BAD_RECORD)]


def test_a_damaged_row_over_many_lines_says_nothing_against_escapes_in_quoted_cells(tmp_path: Path) -> None:
    whole = "".join(f'"{n}"|"Lugu {n}"|"Lugu {n}, C:\\\\talu | lõpp."|"1"\n' for n in range(4))
    damaged = '"4"|"Lugu 4"|"\\"sõidab,\\"\nta\nta\nlõpp (siin |) rida"|"1"|"veel"\n"5"|"Lugu 5"|"Algus\nlõpp"|"2"\n'
    texts, complaints = read(tmp_path, f'"id"|"title"|"text"|"label"\n{whole}{damaged}')
    assert texts == [*(f"Lugu {n}, C:\\talu | lõpp." for n in range(4)), "Algus\nlõpp"]
    assert [reason for _, reason in complaints] == [reasons.BAD_RECORD]


def test_an_escaped_delimiter_is_no_open_last_column(tmp_path: Path) -> None:
    content = "".join(f"https://naide.ee/{n}?a=1\\,2,Lugu {n}\\, pikk\\, lugu,et\n" for n in range(4))
    texts, _ = read(tmp_path, f"url,text,lang\n{content}https://naide.ee/9?a=1\\,2,Pool lu")
    assert texts[:4] == [f"Lugu {n}, pikk, lugu" for n in range(4)]


def test_known_names_say_how_many_columns_there_are(tmp_path: Path) -> None:
    """Where most lines are parts of one row that cannot be read."""
    broken = '0,"Rida 0"1,"algab\n\nsiin\n\nja\n\nlõpeb"\n'
    texts, complaints = read(tmp_path, f"id,text\n{broken}2,{PLAIN}\n")
    assert PLAIN in texts
    assert complaints


CELLS = st.lists(st.text(alphabet="ab õ\"',;\\\t\r\n", max_size=8), min_size=2, max_size=4)


@given(st.one_of(CELLS, st.text(alphabet="ab\"',;\\ \r", max_size=16)), st.sampled_from(('"', "'")), st.booleans())
@examples(400)
def test_what_is_read_at_once_is_read_by_the_letter(row: list[str] | str, quote: str, escapes: bool) -> None:
    """Rows as csv writes them, and lines of marks: csv's own reader gives the cells that the layout's letter gives."""
    layout = TableLayout(",", quote, "\\" if escapes else "", all_escaped=escapes)
    if isinstance(row, str):
        line = row
    else:
        written = io.StringIO()
        csv.writer(written, quotechar=quote, lineterminator="\n").writerow(row)
        line = written.getvalue()
    at_once = grammar_of(layout).at_once()
    at_once(f"{quote}a{quote},{quote}b")  # nothing of a line that is no row is left
    cells = at_once(line)
    assert cells == grammar_of(layout).at_once()(line)
    if cells:
        found = grammar_of(layout).row(lambda far: None if far else line, 0)
        assert found is not None
        assert found.cells == cells
    elif not isinstance(row, str) and not escapes and len(line.splitlines()) == 1 and "\r" not in line:
        raise AssertionError(line)  # what csv wrote on one line is had at once
