"""What normalizing leaves of a text: spans that must not change, foreign letters that must go, joiners, damage.

Every document of the inputs is read and extracted as `corpus build` does, then normalized. URLs, e-mail addresses,
IP addresses, versions, dates and decimals are found in the extracted text by the plain patterns here, which share
nothing with the program's own, and looked for, letter by letter, in the normalized one. The second pass of the
normalizer must change nothing.

    python benchmarks/normalization.py fa FILE_OR_FOLDER … --out report.json
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ulmkit.corpus.extract.dispatch import extract
from ulmkit.document import Document, Unreadable, count_joiners
from ulmkit.formats.inputs import named_inputs, read_input
from ulmkit.formats.origin import Reading
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.text.characters import CharacterTable
from ulmkit.text.table_file import parse_table

DIGIT = "[0-9۰-۹٠-٩]"
SPANS = {
    "url": re.compile(r"https?://[A-Za-z0-9./?=&_%~#:+-]*[A-Za-z0-9/]"),
    "email": re.compile(r"(?<![\w.@+-])[A-Za-z0-9_.+-]*[A-Za-z0-9]@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    "ip": re.compile(rf"(?<![\w.])(?:{DIGIT}{{1,3}}\.){{3}}{DIGIT}{{1,3}}(?![\w.])"),
    "version": re.compile(rf"(?<![\w.]){DIGIT}+\.{DIGIT}+\.{DIGIT}+(?![\w.])"),
    "date": re.compile(rf"(?<![\w/-])(?:{DIGIT}{{4}}([/-]){DIGIT}{{1,2}}\1{DIGIT}{{1,2}})(?![\w/-])"),
    "decimal": re.compile(rf"(?<![\w./٫,]){DIGIT}+[.٫]{DIGIT}+(?![\w./٫,])"),
}


def documents(paths: list[str], language: Language) -> Iterator[Document]:
    """The extracted text of every readable record."""
    reading = Reading.of(language)
    for item in named_inputs(paths):
        for raw in read_input(item, reading):
            if not isinstance(raw, Unreadable):
                doc = extract(raw, language.extraction, decode=reading.decode)
                if not isinstance(doc, Unreadable):
                    yield doc


def measure(paths: list[str], language: Language) -> dict:
    """Counts over all documents; `changed` lists the first spans that did not survive."""
    normalize = language.normalizer("standard")
    spans: dict[str, Counter[str]] = {name: Counter(before=0, kept=0) for name in SPANS}
    letters: dict[str, Counter[str]] = {name: Counter() for name in ("before", "after")}
    watched = set(language.alphabet.letters) | {"\ufffd"}
    table = language.folder / "characters.tsv"
    folded = [char for char in CharacterTable.of(parse_table(table, str(table))).singles if char.isalpha()]
    foreign: dict[str, Counter[str]] = {name: Counter() for name in ("before", "after")}
    joiners: dict[str, Counter[str]] = {name: Counter() for name in ("before", "after")}
    changed: list[str] = []
    total = Counter(documents=0, bytes=0, twice=0)
    seconds = 0.0
    for doc in documents(paths, language):
        started = time.process_time()
        text = normalize(doc.text)
        seconds += time.process_time() - started
        total.update(documents=1, bytes=len(doc.text.encode()), twice=int(normalize(text) != text))
        for name, pattern in SPANS.items():
            for match in pattern.finditer(doc.text):
                spans[name]["before"] += 1
                if match[0] in text:
                    spans[name]["kept"] += 1
                elif len(changed) < 50:
                    changed.append(f"{name} {match[0]!r} in {doc.id}")
        for name, side in (("before", doc.text), ("after", text)):
            count = Counter(side)
            letters[name].update({char: count[char] for char in watched if count[char]})
            foreign[name].update({char: count[char] for char in folded if count[char]})
            joiners[name].update(count_joiners([side]))
    code_points = {name: {f"U+{ord(c):04X}": n for c, n in sorted(foreign[name].items())} for name in foreign}
    return {
        "language": f"{language.code}@{language.fingerprint}",
        "total": dict(total),
        "mb_per_cpu_second": total["bytes"] / 1e6 / max(seconds, 1e-9),
        "spans": {name: dict(count) for name, count in spans.items()},
        "changed": changed,
        "foreign": code_points,
        "joiners": {name: dict(count) for name, count in joiners.items()},
        "letters": {name: dict(sorted(count.items())) for name, count in letters.items()},
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("language")
    arguments.add_argument("paths", nargs="+")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    report = measure(options.paths, get(options.language))
    total = report["total"]
    print(f"{total['documents']:,} documents, {total['bytes'] / 1e6:,.1f} MB, {report['mb_per_cpu_second']:.1f} MB/s")
    print(f"changed by a second pass: {total['twice']:,}")
    for name, count in report["spans"].items():
        print(f"{name:8} {count['before']:8,} before, {count['kept']:8,} unchanged")
    print(f"foreign letters: {sum(report['foreign']['before'].values()):,} before, {report['foreign']['after']} after")
    print(f"joiners: {report['joiners']}")
    print("U+FFFD:", *(report["letters"][side].get("\ufffd", 0) for side in ("before", "after")))
    for line in report["changed"][:10]:
        print("  changed:", line)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
