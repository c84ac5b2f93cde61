"""Where sentences end: ours beside other splitters, on treebanks whose sentences are joined and split again.

The sentences of a treebank stand in the order of its file. Those of one document go together in runs of `--run`
sentences (ten: neither CoNLL-U nor the JSON lines here mark paragraphs), joined by one space; a run is what each
splitter is given. A boundary is a number of characters that are not spaces, counted from the run's start; the run's own
end is nobody's merit and is left out. F1 is over all boundaries of a file together.

`--form normal` normalizes each sentence with the language's normalizer before joining, `raw` leaves it as the treebank
has it; either way all splitters get the same text. Splitters that are not installed beside ulmkit are run by another
Python, given as `--peers`.

    python benchmarks/segmentation.py et et_edt-ud-test.conllu.gz --peers PYTHON --out report.json
"""

import argparse
import gzip
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # peers run this file in a Python that has no ulmkit
    from ulmkit.language.spec import Language

Splitter = Callable[[str], list[str]]


def naive() -> Splitter:
    """A sentence ends at every end mark that a space follows."""
    return re.compile(r"(?<=[.!?؟…]) +").split


def hazm() -> Splitter:
    from hazm import SentenceTokenizer

    return SentenceTokenizer().tokenize


def spacy() -> Splitter:
    """`spacy.blank("et")` with the sentencizer, its only way to sentences without a trained model."""
    import spacy

    pipeline = spacy.blank("et")
    pipeline.add_pipe("sentencizer")
    return lambda text: [sentence.text for sentence in pipeline(text).sents]


def estnltk() -> Splitter:
    from estnltk import Text

    return lambda text: [sentence.enclosing_text for sentence in Text(text).tag_layer("sentences").sentences]


def punkt() -> Splitter:
    """NLTK's Punkt with its model for Estonian, where nltk_data is there."""
    from nltk.tokenize import PunktTokenizer

    return PunktTokenizer("estonian").tokenize


PEERS = {"naive": naive, "hazm": hazm, "spacy": spacy, "estnltk": estnltk, "punkt": punkt}
OF_LANGUAGE = {"fa": ("naive", "hazm"), "et": ("naive", "spacy", "estnltk")}


def treebank(path: Path, part: str) -> Iterator[tuple[str, str]]:
    """Each sentence's document and text; of JSON lines, those whose id begins with `part`."""
    if path.suffix == ".zst":
        from backports import zstd

        with zstd.open(path, "rt", encoding="utf-8") as file:
            for record in map(json.loads, file):
                if record["id"].startswith(f"{part}:"):
                    yield part, record["text"]
        return
    with gzip.open(path, "rt", encoding="utf-8") as file:
        document = ""
        for line in file:
            if match := re.match(r"# sent_id = (.*?)_?\d+$", line.rstrip()):
                document = match[1]
            elif match := re.match("# text = (.*)", line.rstrip()):
                yield document, match[1]


def runs(sentences: Iterator[tuple[str, str]], length: int) -> list[list[str]]:
    """Sentences that follow each other in one document, at most `length` together (0: all)."""
    found = []
    for _, group in groupby(sentences, key=lambda each: each[0]):
        texts = [text for _, text in group if text.strip()]
        found += [texts[i : i + length] for i in range(0, len(texts), length)] if length else [texts]
    return found


def boundaries(sentences: list[str]) -> list[int]:
    """Where the sentences but the last end, in characters that are not spaces.

    >>> boundaries(["Tere! ", "Kuidas läheb?", "Hästi."])
    [5, 17]
    """
    ends, total = [], 0
    for sentence in sentences:
        total += len("".join(sentence.split()))
        ends.append(total)
    return [end for end in ends[:-1] if 0 < end < total]


def split(name: str, texts: list[str]) -> tuple[list[list[str]], float]:
    """The sentences of each text, and the processor time it took, by a splitter of this Python."""
    splitter = PEERS[name]()
    splitter(texts[0])  # what loads at the first call is no part of the time
    started = time.process_time()
    return [splitter(text) for text in texts], time.process_time() - started


def split_elsewhere(python: str, name: str, texts: list[str]) -> tuple[list[list[str]], float]:
    """The same, by a splitter of another Python."""
    command = [python, __file__, "--serve", name]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(done.stdout)
    return answer["sentences"], answer["seconds"]


def score(gold: list[list[str]], found: list[list[str]]) -> dict:
    """Precision, recall and F1 of boundaries, in percent, with the counts they come from."""
    hits = wanted = given = 0
    for expected, sentences in zip(gold, found, strict=True):
        true, ours = set(boundaries(expected)), set(boundaries(sentences))
        hits, wanted, given = hits + len(true & ours), wanted + len(true), given + len(ours)
    precision, recall = hits / max(given, 1), hits / max(wanted, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    percent = {"precision": precision, "recall": recall, "f1": f1}
    return {name: round(100 * value, 2) for name, value in percent.items()} | {
        "boundaries": wanted,
        "missed": wanted - hits,
        "invented": given - hits,
    }


def unmarked(gold: list[list[str]], ends: str) -> int:
    """Boundaries after a sentence that ends in no end mark and closers: a headline, an item, a lead-in."""
    marked = re.compile(f"[{re.escape(ends)}][^\\w\\s]*\\Z")
    return sum(not marked.search(sentence.strip()) for sentences in gold for sentence in sentences[:-1])


def mistakes(gold: list[list[str]], found: list[list[str]], wide: int = 40) -> dict[str, list[str]]:
    """The text around each boundary that was missed or invented, `‖` where it stands."""
    said: dict[str, list[str]] = {"missed": [], "invented": []}
    for expected, sentences in zip(gold, found, strict=True):
        text = " ".join(expected)
        places = [i for i, char in enumerate(text, 1) if not char.isspace()]
        true, ours = set(boundaries(expected)), set(boundaries(sentences))
        for kind, ends in (("missed", true - ours), ("invented", ours - true)):
            for end in sorted(ends):
                at = places[end - 1]
                said[kind].append(f"{text[max(0, at - wide) : at]}‖{text[at : at + wide]}")
    return said


def measure(path: Path, language: "Language", asked: argparse.Namespace) -> dict:
    """What each splitter makes of one treebank."""
    pairs = treebank(path, asked.part)
    if asked.form == "normal":
        pairs = ((document, language.normalize(text)) for document, text in pairs)
    gold = runs(pairs, asked.run)
    texts = [" ".join(each) for each in gold]
    splitters = {}
    for name in [
        "ulmkit",
        *(OF_LANGUAGE.get(language.code, ("naive",)) if asked.splitters is None else asked.splitters),
    ]:
        here = name in ("ulmkit", "naive")
        found, seconds = split(name, texts) if here else split_elsewhere(asked.peers, name, texts)
        splitters[name] = score(gold, found) | {"seconds": round(seconds, 3)}
        if asked.mistakes:
            asked.mistakes.mkdir(parents=True, exist_ok=True)
            lines = [f"{kind}\t{line}" for kind, each in mistakes(gold, found).items() for line in each]
            (asked.mistakes / f"{path.name}.{asked.part}.{name}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return {
        "file": path.name,
        "part": asked.part if path.suffix == ".zst" else "",
        "runs": len(gold),
        "sentences": sum(map(len, gold)),
        "characters": sum(map(len, texts)),
        "unmarked": unmarked(gold, language.segmentation.sentence_ends),
        "splitters": splitters,
    }


def show(file: dict) -> None:
    print(f"{file['file']} {file['part']}: {file['sentences']} sentences, {file['unmarked']} boundaries without a mark")
    for name, each in file["splitters"].items():
        print(
            f"  {name:8} P {each['precision']:6.2f}  R {each['recall']:6.2f}  F1 {each['f1']:6.2f}  "
            f"missed {each['missed']:4}  invented {each['invented']:4}  {each['seconds']:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", nargs="?")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--part", default="test", help="of JSON lines: dev or test")
    parser.add_argument("--form", choices=("normal", "raw"), default="normal")
    parser.add_argument("--run", type=int, default=10, help="sentences in a run; 0 joins a whole document")
    parser.add_argument("--peers", default=sys.executable, help="the Python that has hazm, spacy, estnltk")
    parser.add_argument("--splitters", nargs="*", help="default: those of the language")
    parser.add_argument("--mistakes", type=Path, help="a folder for what each got wrong (text of the treebank)")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", choices=sorted(PEERS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
        sentences, seconds = split(asked.serve, json.load(sys.stdin))
        print(json.dumps({"sentences": sentences, "seconds": seconds}))
        return

    from ulmkit.language.registry import get

    language = get(asked.code)
    PEERS["ulmkit"] = lambda: language.sentences
    files = []
    for path in asked.files:
        files.append(measure(path, language, asked))
        show(files[-1])
    if asked.out:
        settings = {
            "language": language.code,
            "fingerprint": language.fingerprint,
            "form": asked.form,
            "run": asked.run,
        }
        report = json.dumps(settings | {"files": files}, ensure_ascii=False, indent=1)
        asked.out.write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
