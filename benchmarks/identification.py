"""Whether a paragraph's language is told: recall of each language, and what is mistaken for what.

The texts are listed in a table (identification-sets.tsv): which language a source is in, which half of the sources it
belongs to (`seen`: what the settings were written by; `held out`: what they were not; `mixed`: documents of which
many lines are in another language or code, so that recall of their lines means little), how it is read, and where it
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
import re
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import xxhash

from ulmkit.corpus.extract.dispatch import extract
from ulmkit.corpus.identify import identify
from ulmkit.document import Unreadable
from ulmkit.formats.inputs import named_inputs, read_input
from ulmkit.formats.origin import Reading
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.text.script import letters

SETS = Path(__file__).with_name("identification-sets.tsv")
CLASSES = ("< 50", "50-200", "> 200")
TAG = re.compile(r"<[^<>]*>")
PLACEHOLDER = re.compile(
    r"\{\{[^{}]*\}\}|\$\d|%\(\w+\)\w|%[sd]|\[\[|\]\]|\[https?:\S+|&\w+;|'{2,}|https?:\S+|\{\w*\}|[<>|`*&]"
)


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
        content = path.read_bytes()
        unpack = {".gz": gzip.decompress, ".xz": lzma.decompress}.get(path.suffix)
        yield (unpack(content) if unpack else content).decode("utf-8", "replace")


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
        reading = Reading.of(language)
        for each in named_inputs([str(path)]):
            for raw in read_input(each, reading):
                if not isinstance(raw, Unreadable):
                    doc = extract(raw, language.extraction, decode=reading.decode)
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
    fixed = Path(*path.parts[: next(i for i, part in enumerate((*path.parts, "*")) if "*" in part)])
    return sorted(fixed.glob(str(path.relative_to(fixed)))) if fixed != path else [path]


def paragraphs(texts: Iterable[str], script: str, sample: int) -> tuple[list[str], int]:
    """Different paragraphs that hold letters of `script`, `sample` of them by hash; and how many had none."""
    letter = re.compile(f"[{letters(script)}]")
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


def verdicts(texts: list[str], language: Language, *, own: bool) -> dict:
    """What `identify` says of each: counts by length, answers, and those that it got wrong."""
    counts = {name: Counter(kept=0, short=0, dropped=0) for name in CLASSES}
    answers: Counter[str] = Counter()
    wrong = []
    started = time.process_time()
    for text in texts:
        verdict = identify(text, language)
        outcome = "kept" if verdict.keep else "short" if verdict.reason == "too short" else "dropped"
        counts[length_class(text)][outcome] += 1
        if outcome == "dropped":
            answers[re.sub(r":? ?[0-9.].*|;.*| \(.*", "", f"{verdict.reason}: {verdict.detail}")] += 1
        if (outcome == "kept") != own:
            wrong.append([length_class(text), verdict.reason, verdict.detail, text])
    microseconds = 1e6 * (time.process_time() - started) / max(len(texts), 1)
    return {
        "paragraphs": len(texts),
        "counts": {name: dict(count) for name, count in counts.items()},
        "answers": dict(answers.most_common(12)),
        "cpu_us": round(microseconds),
        "wrong": wrong,
    }


def measure(languages: list[Language], sets: list[Set], roots: list[Path], sample: int) -> tuple[list[dict], list[str]]:
    """For each source and each language in its script, what was said; and the sources that are not there."""
    results, missing = [], []
    for item in sets:
        path = next((root / item.path for root in roots if any(map(Path.exists, below(root / item.path)))), None)
        if path is None:
            missing.append(f"{item.language} {item.source}")
            continue
        own = next((language for language in languages if language.code == item.language), languages[0])
        texts, without = paragraphs(read(item, path, own), item.script, sample)
        head = {"language": item.language, "half": item.half, "source": item.source, "without_letters": without}
        for language in languages:
            if language.identity.script == item.script:  # another script's pages go for their script
                found = verdicts(texts, language, own=language.code == item.language)
                results.append({"asked": language.code} | head | found)
    return results, missing


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def cells(results: list[dict], outcome: str) -> list[str]:
    """For each length class `share of paragraphs` with that outcome, and the last for all of them."""
    found = []
    for names in (*((name,) for name in CLASSES), CLASSES):
        counts = [result["counts"][name] for result in results for name in names]
        whole = sum(sum(count.values()) for count in counts)
        found.append(percent(sum(count[outcome] for count in counts), whole) + (f" of {whole:,}" if whole else ""))
    return found


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(results: list[dict], language: Language) -> str:
    """Recall by source, then what is accepted of other languages and what own paragraphs are taken for."""
    code = language.code
    asked = [result for result in results if result["asked"] == code]
    own = [result for result in asked if result["language"] == code]
    header = ["half", "source", *CLASSES, "all", "too short to tell", "µs"]
    rows = []
    for half in ("seen", "held out", "mixed"):
        part = [result for result in own if result["half"] == half]
        for result in part:
            kept, short = cells([result], "kept"), cells([result], "short")[-1].split()[0]
            rows.append([half, result["source"], *kept, short, str(result["cpu_us"])])
        rows.append([half, "**all**", *cells(part, "kept"), cells(part, "short")[-1].split()[0], ""])
    taken: Counter[str] = Counter()
    for result in own:
        taken.update(result["answers"])
    others = defaultdict(list)
    for result in asked:
        if result["language"] != code:
            others[result["language"], result["half"]].append(result)
    accepted = [[name, half, *cells(found, "kept")] for (name, half), found in sorted(others.items())]
    parts = (
        f"## {language.identity.name}: per cent kept, of its own paragraphs", table(header, rows),
        f"What its own paragraphs were taken for: {', '.join(f'{name} {n}' for name, n in taken.most_common(20))}.",
        f"## {language.identity.name}: per cent kept, of other languages' paragraphs",
        table(["language", "half", *CLASSES, "all"], accepted),
    )  # fmt: skip
    return "\n\n".join(parts)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("languages", nargs="+")
    arguments.add_argument("--data", type=Path, action="append", required=True, help="A folder of texts; repeatable.")
    arguments.add_argument("--sample", type=int, default=1000, help="Paragraphs of each source.")
    arguments.add_argument("--half", choices=["seen", "held out", "mixed"], help="Only these sources.")
    arguments.add_argument("--wrong", type=Path, help="Write the misjudged paragraphs here, to be read.")
    arguments.add_argument("--out", type=Path, help="Write OUT.json and OUT.md.")
    options = arguments.parse_args()
    sets = [Set(*line.split("\t")) for line in SETS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    languages = [get(code) for code in options.languages]
    chosen = [item for item in sets if options.half in (None, item.half)]
    results, missing = measure(languages, chosen, options.data, options.sample)
    text = "\n\n".join(summary(results, language) for language in languages)
    text += f"\n\nNot at hand: {', '.join(missing) or 'nothing'}."
    print(text)
    if options.wrong:
        options.wrong.write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    if options.out:
        plain = [{key: value for key, value in result.items() if key != "wrong"} for result in results]
        stamp = {language.code: language.fingerprint for language in languages}
        whole = {"languages": stamp, "sample": options.sample, "missing": missing, "results": plain}
        options.out.with_suffix(".json").write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")
        options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
