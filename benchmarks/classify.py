"""Classifiers of n-grams beside their bars: accuracy, F1, calibration and time on labelled sets in two languages.

Run with `python benchmarks/classify.py FOLDER [SET ...]`: FOLDER holds the sets (see SETS), each as it was published.
Language models are members with `--root ROOT --lm RUN --backward-lm RUN --recipe RECIPE`. With `--sizes 100,500,all`
each set is learned from so many labels, three samples of each, and the other rows of training are its unlabelled texts.
"""

import argparse
import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from backports import zstd

import ulmkit
from ulmkit.artifacts.layout import Layout
from ulmkit.classifier.curve import sampled
from ulmkit.classifier.learn import PLAINLY, How
from ulmkit.classifier.reader import TextReader, reader_of_run
from ulmkit.classifier.run import train_classifier
from ulmkit.classifier.table import Columns, Examples, labelled_rows

Pair = tuple[Examples, Examples]


def read(path: Path, text: str, label: str) -> Examples:
    return labelled_rows([path], Columns(text, label), skip_bad=True)[0]


def part(examples: Examples, rows: list[int]) -> Examples:
    return Examples(examples.name, tuple(examples.texts[r] for r in rows), tuple(examples.labels[r] for r in rows))


def snappfood(data: Path) -> Pair:
    folder = data / "fa/classify/snappfood"
    return read(folder / "train_partial.jsonl.zst", "comment", "label"), read(
        folder / "test.jsonl.zst", "comment", "label"
    )


def sib(data: Path, folder: str) -> Pair:
    return read(data / folder / "train.tsv", "text", "category"), read(data / folder / "test.tsv", "text", "category")


def deepsentipers(data: Path, classes: int) -> Pair:
    """Original rows in 5 classes, -2 to 2; in 3 by sign; in 2 without the neutral ones."""
    found = []
    for name in ("original.csv.zst", "test.csv.zst"):
        with open(data / "fa/unlicensed/classify_deepsentipers" / name, "rb") as file:
            text = zstd.ZstdFile(file).read().decode("utf-8-sig")
        rows = [(row[0], int(row[1])) for row in csv.reader(io.StringIO(text)) if len(row) > 1 and row[0].strip()]
        if classes < 5:
            rows = [(text, int(np.sign(label))) for text, label in rows if classes == 3 or label]
        found.append(Examples(name, tuple(t for t, _ in rows), tuple(str(label) for _, label in rows)))
    return found[0], found[1]


def valence(data: Path) -> Pair:
    """Three labels; the split is the unofficial one beside it."""
    folder = data / "et/classify/valence"
    rows = list(csv.reader((folder / "korpus.csv").read_text(encoding="utf-8").splitlines()))
    splits = [line.split("\t")[1] for line in (folder / "split_unofficial.tsv").read_text().splitlines()[1:]]
    whole = Examples("valence", tuple(row[1] for row in rows), tuple(row[0] for row in rows))
    train, test = (
        [n for n, split in enumerate(splits) if (split == "test") == wanted and rows[n][1].strip()]
        for wanted in (False, True)
    )
    return part(whole, train), part(whole, test)


def xed(data: Path) -> Pair:
    """Lines of one emotion alone, every fifth held out."""
    text = (data / "et/classify/xed_et/et-projections.tsv").read_text(encoding="utf-8")
    rows = [line.rsplit("\t", 1) for line in text.splitlines() if "," not in line.rsplit("\t", 1)[-1] and "\t" in line]
    whole = Examples("xed", tuple(row[0] for row in rows), tuple(row[1].strip() for row in rows))
    return part(whole, [n for n in range(len(rows)) if n % 5]), part(whole, list(range(0, len(rows), 5)))


SETS: dict[str, tuple[str, Callable[[Path], Pair]]] = {
    "SIB-200 fa": ("fa", lambda data: sib(data, "fa/classify/sib200_fa")),
    "SIB-200 et": ("et", lambda data: sib(data, "et/classify/sib200_est_Latn")),
    "Valence": ("et", valence),
    "XED et": ("et", xed),
    "DeepSentiPers 5": ("fa", lambda data: deepsentipers(data, 5)),
    "DeepSentiPers 3": ("fa", lambda data: deepsentipers(data, 3)),
    "DeepSentiPers 2": ("fa", lambda data: deepsentipers(data, 2)),
}


def measure(
    name: str,
    code: str,
    train: Examples,
    test: Examples,
    unlabelled: list[str],
    readers: Sequence[TextReader] = (),
    how: How = PLAINLY,
) -> None:
    began = time.process_time()
    trained = train_classifier(ulmkit.load(code), train, test=test, unlabelled=unlabelled, readers=readers, how=how)
    seconds = time.process_time() - began
    assert trained.evaluation is not None
    began = time.process_time()
    trained.classifier.probabilities(test.texts)
    speed = len(test.texts) / (time.process_time() - began)
    for row, each in trained.evaluation.rows.items():
        against = trained.evaluation.against.get(row)
        interval = f"{against.difference.low:+.4f} {against.difference.high:+.4f}" if against else ""
        print(
            f"{name:16} {len(train.texts):6} {row:22} {each.accuracy.value:.4f} "
            f"[{each.accuracy.low:.3f} {each.accuracy.high:.3f}] F1 {each.macro_f1:.4f} weighted "
            f"{each.weighted_f1:.4f} loss {each.log_loss:.4f} ECE {each.calibration_error:.4f} {interval}",
            flush=True,
        )
    about, weights = trained.classifier.about, trained.classifier.mix.weights
    print(
        f"    {about['recipe']}, {weights}, ECE by chance {trained.evaluation.ece_by_chance:.4f}, "
        f"copies {trained.evaluation.copies}, {seconds:.0f} CPU s, {speed:,.0f} texts/s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--lm")
    parser.add_argument("--backward-lm")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--sizes", help="labels, such as 100,500,all; all of a set and three sizes of SnappFood if not")
    parser.add_argument("--samples", type=int, default=3)
    asked = parser.parse_args()
    how = How(asked.recipe)
    for name in asked.sets or [*SETS, "SnappFood"]:
        code = SETS[name][0] if name in SETS else "fa"
        readers = [
            replace(
                reader_of_run(Layout(asked.root, code), run, ulmkit.load(code), backward=backward), features_kept={}
            )
            for run, backward in ((asked.lm, False), (asked.backward_lm, True))
            if run
        ]
        train, test = SETS[name][1](asked.folder) if name in SETS else snappfood(asked.folder)
        numbers = np.array([sorted(set(train.labels)).index(label) for label in train.labels])
        for size in (asked.sizes or ("all" if name in SETS else "100,500,1000,all")).split(","):
            if size == "all":
                measure(name, code, train, test, [], readers, how)
                continue
            for sample in range(asked.samples):
                rows = sampled(numbers, int(size), sample).tolist()
                measure(f"{name}/{sample}", code, part(train, rows), test, list(train.texts), readers, how)


if __name__ == "__main__":
    main()
