"""Whether a paragraph's language is told: recall of each language, and what is mistaken for what.

The texts are listed in a table (identification-sets.tsv): which language a source is in, which half of the sources it
belongs to (`seen`: what the settings were written by; `held out`: what they were not), how it is read, and where it
lies below the folders named by --data. A source that lies in none of them is left out, and said so. Each line of an
extracted document is a paragraph; where a paragraph occurs twice it counts once. What has no letters in the script of
its language (numbers, links, code) is set aside and counted: nobody could tell it.

    python benchmarks/identification.py fa et --data TEXTS --data CATALOGS --out report
"""

import argparse
import gzip
import html
import json
import lzma
import random
import re
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import xxhash

from ulmkit.corpus.build import named_inputs
from ulmkit.corpus.encoding import decode
from ulmkit.corpus.extract import extract
from ulmkit.corpus.identify import identify
from ulmkit.corpus.sources.files import read_file
from ulmkit.document import Unreadable
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.text.script import LETTERS

SETS = Path(__file__).with_name("identification-sets.tsv")
CLASSES = ("< 50", "50-200", "> 200")
TAG = re.compile(r"<[^<>]*>")
PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}|\$\d|%\(\w+\)\w|%[sd]|\[\[|\]\]|\[https?:\S+|&\w+;|'{2,}|https?:\S+|\{\w*\}|[<>|`*&]")


@dataclass(frozen=True)
class Set:
    """One row of the table."""

    language: str
    script: str
    half: str
    source: str
    format: str
    path: str


def packed(path: Path) -> Iterator[str]:
    """The text of a file, or of each file in an archive."""
    if ".tar" in path.name:
        with tarfile.open(path) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    yield file.read().decode("utf-8", "replace")
    else:
        opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
        with opener(path, "rt", encoding="utf-8") as file:
            yield file.read()


def catalogue(text: str) -> Iterator[str]:
    """The translations of a gettext catalogue that differ from what they translate."""
    for entry in re.split(r"\n\s*\n", text):
        parts = {
            key: "".join(re.findall(r'"(.*)"', body))
            for key, body in re.findall(r'^(msgid|msgstr)(?:\[0\])? ((?:"[^\n]*"\n?)+)', entry, re.M)
        }
        if "#, fuzzy" not in entry and parts.get("msgid") and parts.get("msgid") != parts.get("msgstr"):
            yield PLACEHOLDER.sub(" ", parts.get("msgstr", "").replace("\\n", " ").replace('\\"', '"'))


def messages(path: Path) -> Iterator[str]:
    """The messages of a MediaWiki catalogue that differ from the English ones beside it."""
    english = json.loads((path.parent / "en.json").read_text(encoding="utf-8"))
    for key, text in json.loads(path.read_text(encoding="utf-8")).items():
        if isinstance(text, str) and text != english.get(key):
            yield TAG.sub(" ", PLACEHOLDER.sub(" ", text.replace("\n", " ")))


def read(item: Set, path: Path, language: Language) -> Iterator[str]:
    """Texts of a source, as raw as they are; lines of one are its paragraphs."""
    kind, _, option = item.format.partition(":")
    if kind == "corpus":  # as `corpus build` reads it
        letters, candidates = language.alphabet.letters, language.extraction.encodings
        decoder = partial(decode, candidates=candidates, letters=letters)
        for each in named_inputs([str(path)]):
            for raw in read_file(each.path, name=each.source, key=each.key, candidates=candidates, letters=letters):
                if not isinstance(raw, Unreadable):
                    doc = extract(raw, language.extraction, decode=decoder)
                    if not isinstance(doc, Unreadable):
                        yield doc.text
    elif kind == "po":
        for file in below(path):
            yield from catalogue(file.read_text(encoding="utf-8"))
    elif kind == "messages":
        for file in below(path):
            yield from messages(file)
    elif kind == "lines":
        for file in below(path):
            for text in packed(file):
                yield text
    elif kind == "tags":  # what the named element holds
        for text in packed(path):
            for body in re.findall(rf"<{option}\b[^>]*>(.*?)</{option}>", text, re.S):
                yield re.sub(r"\s+", " ", html.unescape(TAG.sub(" ", body)))
    elif kind == "column":
        for text in packed(path):
            for line in text.splitlines()[1:]:
                yield line.split("\t")[int(option)] if "\t" in line else line.partition(",")[2].strip('"')
    elif kind == "words":  # entity corpora: documents of sentences of words
        for text in packed(path):
            for doc in json.loads(text)["documents"]:
                for sentence in doc["sentences"]:
                    yield " ".join(word["word"] for word in sentence["words"])
    elif kind == "contexts":  # question answering: the passages
        for text in packed(path):
            for context in re.findall(r'"context": ("(?:[^"\\]|\\.)*")', text):
                yield json.loads(context)
    elif kind == "sql":
        for text in packed(path):
            yield text.replace("\\n", "\n")
    else:
        raise ValueError(f"{SETS}: no format '{item.format}'.")


def below(path: Path) -> list[Path]:
    """The files that a pattern names, from the first folder without a `*` on."""
    fixed = Path(*[part for part in path.parts[: next(i for i, p in enumerate((*path.parts, "*")) if "*" in p)]])
    return sorted(fixed.glob(str(path.relative_to(fixed)))) if fixed != path else [path]


def paragraphs(texts: Iterable[str], script: str, sample: int) -> tuple[list[str], int]:
    """Different paragraphs that hold letters of `script`, `sample` of them by hash; and how many had none."""
    letter = re.compile(f"[{LETTERS[script]}]")
    found: dict[int, str] = {}
    without = 0
    for text in texts:
        for line in text.split("\n"):
            line = line.strip()
            key = xxhash.xxh3_64_intdigest(line.encode("utf-8", "replace"))
            if not line or key in found:
                continue
            if len(letter.findall(line)) < 3:
                without += 1
                continue
            found[key] = line
            if len(found) > 20 * sample:  # of a large source its first part; the rest would only take time
                return [found[key] for key in sorted(found)][:sample], without
    return [found[key] for key in sorted(found)][:sample], without


def length_class(text: str) -> str:
    return CLASSES[0] if len(text) < 50 else CLASSES[1] if len(text) <= 200 else CLASSES[2]


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def measure(languages: list[Language], sets: list[Set], roots: list[Path], sample: int) -> dict:
    """For each language and source: verdicts by length class, the commonest answers, and examples of the wrong."""
    results, missing = [], []
    for item in sets:
        path = next((root / item.path for root in roots if any(map(Path.exists, below(root / item.path)))), None)
        if path is None:
            missing.append(f"{item.language} {item.source}")
            continue
        own = next((language for language in languages if language.code == item.language), languages[0])
        texts, without = paragraphs(read(item, path, own), item.script, sample)
        for language in languages:
            if language.identity.script != item.script:
                continue  # another script is no question of identification: `other script` would turn it away
            counts: dict[str, Counter[str]] = {name: Counter() for name in CLASSES}
            answers: Counter[str] = Counter()
            wrong: dict[str, list] = defaultdict(list)
            seconds = time.process_time()
            for text in texts:
                verdict = identify(text, language)
                group = length_class(text)
                counts[group]["kept" if verdict.keep else "dropped"] += 1
                label = "kept" if verdict.keep else f"{verdict.reason}: {re.sub(r'[0-9. ]+', ' ', verdict.detail)[:40]}"
                answers[label] += 1
                if verdict.keep != (language.code == item.language):
                    wrong[group].append((verdict.reason, verdict.detail, text))
            results.append({
                "asked": language.code, "language": item.language, "half": item.half, "source": item.source,
                "paragraphs": len(texts), "without_letters": without,
                "counts": {name: dict(count) for name, count in counts.items()},
                "answers": dict(answers.most_common(8)), "wrong": dict(wrong),
                "cpu_us": round(1e6 * (time.process_time() - seconds) / max(len(texts), 1)),
            })  # fmt: skip
        print(f"{item.language:8} {item.source:24} {len(texts):6,}", flush=True)
    return {"results": results, "missing": missing}



def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("languages", nargs="+")
    arguments.add_argument("--data", type=Path, action="append", required=True)
    arguments.add_argument("--sample", type=int, default=1000)
    arguments.add_argument("--half", choices=["seen", "held out"])
    arguments.add_argument("--only", default="")
    arguments.add_argument("--misses", type=Path, help="Write the misjudged paragraphs here, to be read.")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    sets = [Set(*line.split("\t")) for line in SETS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    sets = [item for item in sets if options.half in (None, item.half) and options.only in item.source]
    report = measure([get(code) for code in options.languages], sets, options.data, options.sample)
    print(report["missing"])
    if options.misses:
        options.misses.write_text(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
