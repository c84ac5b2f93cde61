"""Tables as pandas, R, Excel and databases write them, and as people's reports have them, each with one damage.

What `table_cases` leaves out: pandas' options, texts of several paragraphs, marks at the start and the end of a cell,
line ends that change, spaces behind the delimiter, a delimiter at the end of each row, empty rows, no numbers.
"""

import csv
import io
import random
from collections.abc import Callable

from table_cases import ENCODINGS, WORDS, Case

Rows = list[list[str]]
PROSE = ["«{}»", "„{}“", "“{}”", "‘{}’", "{}…", "({})", "{}:", "{},", "{};", "{}'s", "{} – ", "{}.", '5"{}', "{} | "]
TAB = "'\\t'"
MARKS = ['"{}"', '"{},"', "'{}'", '""{}""']
DAMAGE = ("none", "none", "carriage return", "nul", "open quote", "cut", "joined rows", "broken row")
NAMES = (
    ["id", "text"],
    ["text", "label"],
    ["id", "title", "text", "label"],
    ["label", "text"],
    ["url", "text", "lang"],
)


def prose(rng: random.Random, number: int, *, marks: bool, lines: bool) -> str:
    """A text that tells its number; `marks`: with quotation marks of ASCII, `lines`: of several paragraphs."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(6, 30))]
    for _ in range(rng.randint(0, 5)):
        at = rng.randrange(len(words))
        words[at] = rng.choice(PROSE[:10] if not marks else [*PROSE, *MARKS]).format(words[at])
    text = f"{' '.join(words)} rida {number}"
    if lines and rng.random() < 0.3:
        text = text.replace(" ", rng.choice(["\n", "\n\n", "\r\n"]), rng.randint(1, 4))
    if marks and rng.random() < 0.1:
        text = f'"{text}'
    if marks and rng.random() < 0.1:
        text = f'{text}"'
    return text


def by_pandas(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """`DataFrame.to_csv` in the options that people give it: its header, its rows, and what they were."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    for name in ("id", "label"):
        if name in columns:
            frame[name] = frame[name].astype(int)
    if "lang" in columns and rng.random() < 0.5:
        frame.loc[rng.randrange(len(rows)), "lang"] = None
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE])
    options = {"sep": rng.choice([",", ",", ";", "\t", "|"]), "quoting": quoting, "index": rng.random() < 0.4}
    options["lineterminator"] = rng.choice(["\n", "\r\n"])
    if quoting == csv.QUOTE_NONE or rng.random() < 0.2:
        options["escapechar"] = "\\"
        options["doublequote"] = rng.random() < 0.5
    if quoting == csv.QUOTE_ALL and rng.random() < 0.2:
        options["quotechar"] = "'"

    def lines(part: pd.DataFrame, header: bool) -> str:
        file = io.StringIO(newline="")
        part.to_csv(file, header=header, **options)
        return file.getvalue()

    header = lines(frame.iloc[:0], True)
    return header, [lines(frame.iloc[at : at + 1], False) for at in range(len(rows))], f"pandas {options}"


def by_csv(rng: random.Random, columns: list[str], rows: Rows, **options: object) -> tuple[str, list[str]]:
    """Python's csv, a line or more a row."""
    out = []
    for row in [columns, *rows]:
        file = io.StringIO(newline="")
        csv.writer(file, **options).writerow(row)  # type: ignore[arg-type]
        out.append(file.getvalue())
    return out[0], out[1:]


def by_excel(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    header, lines = by_csv(rng, columns, rows, delimiter=";", lineterminator="\r\n")
    return ("sep=;\r\n" if rng.random() < 0.5 else "") + header, lines, "excel ;"


def by_r(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """`write.csv`: strings quoted, numbers not, and the rows' names in front."""

    def cell(text: str) -> str:
        return text if text.isdecimal() else '"' + text.replace('"', '""') + '"'

    lines = [",".join([f'"{at + 1}"', *map(cell, row)]) + "\n" for at, row in enumerate(rows)]
    return ",".join(['""', *map(cell, columns)]) + "\n", lines, "R ,"


def spaced(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """A space behind each delimiter, all strings quoted."""
    cells = [", ".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in [columns, *rows]]
    return cells[0], cells[1:], "spaced ,"


def trailing(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """A delimiter at the end of each row."""
    delimiter = rng.choice(";,")
    header, lines = by_csv(rng, [*columns, ""], [[*row, ""] for row in rows], delimiter=delimiter)
    return header, lines, f"trailing {delimiter}"


def uneven_ends(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """Rows that end in either way, with an empty row here and there."""
    header, lines = by_csv(rng, columns, rows, lineterminator="\n")
    ends = ["\n", "\r\n", "\n", "\r\n", "\n\n"]
    return header, [line[:-1] + rng.choice(ends) for line in lines], "uneven ,"


def by_hand(rng: random.Random, columns: list[str], rows: Rows) -> tuple[str, list[str], str]:
    """Between tabs, nothing quoted and nothing escaped."""
    lines = ["\t".join(row) + "\n" for row in [columns, *rows]]
    return lines[0], lines[1:], f"by hand {TAB}"


WRITERS: tuple[Callable[[random.Random, list[str], Rows], tuple[str, list[str], str]], ...] = (
    by_pandas, by_pandas, by_pandas, by_pandas, by_excel, by_r, spaced, trailing, uneven_ends, by_hand,
)  # fmt: skip


def reported_case(seed: int) -> Case:
    """One table; the same for a seed everywhere."""
    rng = random.Random(seed)
    writer, damage = rng.choice(WRITERS), rng.choice(DAMAGE)
    columns = list(rng.choice(NAMES))
    several = writer is not by_hand
    texts = [prose(rng, n, marks=True, lines=several) for n in range(rng.choice([3, 6, 20, 60, 300]))]
    kinds: dict[str, Callable[[int], str]] = {
        "id": str, "label": lambda n: str(n % 3), "title": lambda n: f"Lugu {n}", "lang": lambda n: "et",
        "url": lambda n: f"https://naide.ee/{n}?a=1,2",
    }  # fmt: skip
    if not several:  # marks that happen to be doubled are as good as quoted
        texts = [text.replace('""', '"') for text in texts]
    rows = [[text if name == "text" else kinds[name](n) for name in columns] for n, text in enumerate(texts)]
    header, lines, style = writer(rng, columns, rows)

    table = Case(f"r{seed}.{'tsv' if TAB in style else 'csv'}", b"", texts, f"{style} {columns}", damage)
    lines = damaged(rng, table, lines, "'" if "quotechar" in style else '"')
    encoding = rng.choice(ENCODINGS)
    table.style += f" {encoding}"
    table.data = (header + "".join(lines)).encode(encoding, "replace")
    if encoding.startswith(("win", "iso")):
        table.texts = [text.encode(encoding, "replace").decode(encoding) for text in table.texts]
    return table


def damaged(rng: random.Random, table: Case, lines: list[str], mark: str) -> list[str]:
    """`lines` with the table's damage in one row, or in two that became one."""
    if table.damage == "none":
        return lines
    at = table.damaged = rng.randrange(len(lines))
    line, place = lines[at], rng.randrange(max(1, len(lines[at]) - 2))
    if table.damage == "open quote" and mark in line:
        place = line.rfind(mark)
        changed = line[:place] + line[place + 1 :]
    elif table.damage == "joined rows":
        table.rows_damaged = 2
        changed = line.rstrip("\r\n")
    elif table.damage == "cut":
        table.unseen = True
        table.texts = table.texts[: at + 1]
        return [*lines[:at], line[: place + 1]]
    else:
        put = {"carriage return": "\r", "nul": "\0", "broken row": "\n"}.get(table.damage, "")
        changed = line[:place] + put + line[place:]
    return [*lines[:at], changed, *lines[at + 1 :]]
