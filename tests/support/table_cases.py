"""Tables as programs write them, damaged at any place, and whether a reading of one loses a row in silence.

python tests/support/table_cases.py --tables 20000
"""

import argparse
import csv
import io
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.origin import Reading
from ulmkit.formats.read import read_file

TEXT = """õun sõidab šokolaad žürii öö jõgi talu mets Tallinn Tartu ta ütles kell kolm hommikul vihma sadas ja tuul külm
aga laps naeris raamat pooleli jäi aknast paistis meri kaugel all laev läks sadamasse vaikselt kuni õhtuni"""
WORDS = TEXT.split()
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1257", "iso-8859-15", "windows-1252")
READING = Reading(("windows-1257", "iso-8859-13", "iso-8859-15", "windows-1252"), "abcdefghijklmnopqrsšzžtuvwõäöüxy")
DAMAGE = ("none", "none", "carriage return", "nul", "open quote", "short row", "long row", "cut")


@dataclass
class Case:
    """A table: its bytes, its texts in order, and what was done to it."""

    name: str
    data: bytes
    texts: list[str]
    style: str
    damage: str
    damaged: int = -1  # the row that was
    unseen: bool = False  # cut so that it looks whole
    rows_damaged: int = 1  # rows from there on that were


def sentence(rng: random.Random, style: str, lines: bool) -> str:
    """A text, with as many marks as the style can hold."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(6, 40))]
    for _ in range(rng.randint(0, 5)):
        at = rng.randrange(len(words))
        words[at] = rng.choice([f'"{words[at]}"', f"'{words[at]}'", f"{words[at]},", f"{words[at]};", f"{words[at]} |",
                                f'"{words[at]},"', f"{words[at]}'s", f"({words[at]})"])  # fmt: skip
    text = " ".join(words)
    if lines and rng.random() < 0.3:
        text = text.replace(" ", "\n", rng.randint(1, 4))
    if style in ("slashed", "spark", "python escaped", "mysql") and rng.random() < 0.2:
        text = text.replace(" ", " C:\\\\talu ", 1).replace("\\\\", "\\")
    return text.strip()


def written(rng: random.Random, style: str, rows: list[list[str]], delimiter: str, end: str) -> list[str]:
    """The lines of a table as a program writes them, each with its end."""

    def by_csv(**options: object) -> list[str]:
        out = []
        for row in rows:
            file = io.StringIO(newline="")
            csv.writer(file, delimiter=delimiter, lineterminator=end, **options).writerow(row)  # type: ignore[arg-type]
            out.append(file.getvalue())
        return out

    if style == "python minimal":
        return by_csv()
    if style == "python all":
        return by_csv(quoting=csv.QUOTE_ALL)
    if style == "python strings":
        return by_csv(quoting=csv.QUOTE_NONNUMERIC)
    if style == "apostrophes":
        return by_csv(quotechar="'", quoting=csv.QUOTE_ALL)
    if style == "slashed":
        return by_csv(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
    if style == "python escaped":
        return by_csv(quoting=csv.QUOTE_NONE, escapechar="\\")
    if style == "spark":
        marks = str.maketrans({"\\": "\\\\", '"': '\\"'})
        return [
            delimiter.join(
                f'"{cell.translate(marks)}"' if '"' in cell or delimiter in cell or "\n" in cell else cell
                for cell in row
            )
            + end
            for row in rows
        ]
    if style == "mysql":  # --tab, and ClickHouse's TabSeparated
        table = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
        return ["\t".join(cell.translate(table) for cell in row) + end for row in rows]
    return [delimiter.join(row) + end for row in rows]  # joined by hand


STYLES = ("python minimal", "python minimal", "python all", "python strings", "apostrophes", "slashed",
          "python escaped", "spark", "mysql", "joined")  # fmt: skip


def case(seed: int) -> Case:
    """One table; the same for a seed everywhere."""
    rng = random.Random(seed)
    style, damage = rng.choice(STYLES), rng.choice(DAMAGE)
    delimiter = "\t" if style in ("mysql", "joined") else rng.choice([",", ",", ";", "\t", "|"])
    end = rng.choice(["\n", "\n", "\r\n"])
    columns = rng.choice(
        [["id", "text"], ["text", "label"], ["id", "title", "text", "label"], ["label", "text"], ["text"]]
    )
    if style in ("apostrophes", "joined") and len(columns) < 2:
        columns = ["id", "text"]
    lines = style not in ("joined", "python escaped")
    texts = [f"{sentence(rng, style, lines)} rida {number}" for number in range(rng.choice([6, 20, 60, 300]))]
    kinds = {"id": str, "label": lambda n: str(n % 3), "title": lambda n: f"Lugu {n}"}
    rows = [[text if name == "text" else kinds[name](n) for name in columns] for n, text in enumerate(texts)]  # type: ignore[no-untyped-call]
    out = written(rng, style, rows, delimiter, end)
    header = written(rng, style, [columns], delimiter, end)[0]
    damaged, unseen = -1, False
    if damage != "none":
        damaged = rng.randrange(len(out))
        line, place = out[damaged], rng.randrange(max(1, len(out[damaged]) - 2))
        if damage == "carriage return":
            out[damaged] = line[:place] + "\r" + line[place:]
        elif damage == "nul":
            out[damaged] = line[:place] + "\0" + line[place:]
        elif damage == "open quote":
            mark = "'" if style == "apostrophes" else '"'
            at = line.rfind(mark)
            out[damaged] = line[:at] + line[at + 1 :] if at >= 0 else line
        elif damage == "short row":
            out[damaged] = written(rng, style, [rows[damaged][:-1]], delimiter, end)[0] if len(columns) > 1 else line
        elif damage == "long row":
            out[damaged] = written(rng, style, [[*rows[damaged], "veel"]], delimiter, end)[0]
        else:
            out = [*out[:damaged], line[: place + 1]]
            texts = texts[: damaged + 1]
            unseen = True
    encoding = rng.choice(ENCODINGS)
    data = (header + "".join(out)).encode(encoding, "replace")
    if encoding.startswith(("win", "iso")):
        texts = [text.encode(encoding, "replace").decode(encoding) for text in texts]
    suffix = "tsv" if delimiter == "\t" else "csv"
    return Case(
        f"t{seed}.{suffix}", data, texts, f"{style} {delimiter!r} {encoding} {columns}", damage, damaged, unseen
    )


def plain(text: str) -> str:
    """What is compared: line ends, stray carriage returns and the outer marks of a damaged cell are not."""
    return "".join(text.replace("\r", "").split())


def lost(table: Case, folder: Path) -> str:
    """What of `table` is lost in silence, empty where nothing is."""
    path = folder / table.name
    path.write_bytes(table.data)
    records = list(read_file(path, reading=READING))
    path.unlink()
    found = {plain(str(record.content)) for record in records if isinstance(record, RawDocument)}
    complaints = [record for record in records if isinstance(record, Unreadable)]
    if any(record.reason == reasons.UNSURE for record in complaints):
        return ""  # which of two ways the table was read is said
    missing = [n for n, text in enumerate(table.texts) if plain(text) not in found]
    whole = {plain(text) for text in table.texts}
    invented = [text for text in found if text not in whole]
    if table.damage == "none":
        wrong = f"{len(missing)} of {len(table.texts)} rows, {len(invented)} invented, {len(complaints)} complaints"
        return wrong if missing or invented or complaints else ""
    others = [n for n in missing if not 0 <= n - table.damaged < table.rows_damaged]
    if others:
        return f"{len(others)} rows that were not damaged, {len(complaints)} complaints"
    if missing and not complaints and not all(table_part(text, table) for text in invented):
        return "the damaged row"
    if missing and not complaints and not table.unseen and not invented:
        return "the damaged row, without a word"
    return ""


def table_part(text: str, table: Case) -> bool:
    """Whether `text` holds the damaged row's text, or is what a cut left of it."""
    whole = plain(table.texts[table.damaged]).replace('"', "").replace("'", "")
    text = text.replace('"', "").replace("'", "").replace("\\", "")
    return whole.replace("\\", "") in text or (table.unseen and whole.replace("\\", "").startswith(text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--reported", action="store_true", help="as pandas, R, Excel and people's reports have them")
    arguments = parser.parse_args()
    if arguments.reported:
        from reported_tables import reported_case as table_of
    else:
        table_of = case
    began = time.process_time()
    kinds, faults = Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.first, arguments.first + arguments.tables):
            table = table_of(seed)
            kinds[table.damage] += 1
            try:
                fault = lost(table, Path(folder))
            except Exception as error:  # a reader that falls over loses the whole file
                fault = repr(error)
            if fault:
                faults.append((seed, table.style, table.damage, fault))
    print(*(f"{kind}: {count}" for kind, count in sorted(kinds.items())), sep=", ")
    print(f"{len(faults)} silent losses in {arguments.tables} tables, {time.process_time() - began:.0f} CPU seconds")
    print(Counter((damage, style.split(" '")[0]) for _, style, damage, _ in faults).most_common(40))
    for fault in faults[:25]:
        print(*fault, sep=" | ")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
