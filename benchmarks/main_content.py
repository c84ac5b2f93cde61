"""The judge of a page's blocks: learned, cross-validated by page, and compared on annotated pages.

    python benchmarks/main_content.py annotated_pages.jsonl.xz --write       learns what ships: minutes
    python benchmarks/main_content.py annotated_pages.jsonl.xz               the figures alone

A record of the pages: `html_base64`, and the phrases that main text must hold (`with`) and must not (`without`), as in
trafilatura's public evaluation, whose measure this is: a phrase is found, or it is not. Phrases label a handful of
a page's blocks; the others learn from what trafilatura's modes agree on, at a weight of some hundredths. lightgbm grows
the trees; nothing that runs in ulmkit needs it.
"""

import argparse
import base64
import functools
import json
import logging
import lzma
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from ulmkit.corpus.extract.block_features import block_features, matrix, name_words
from ulmkit.corpus.extract.block_judge import KEPT_FROM, WEIGHTS, Judge, judge_of
from ulmkit.corpus.extract.html import cheaper, html_to_text, main_text
from ulmkit.corpus.extract.layout import PageLayout, layout, serialized
from ulmkit.corpus.extract.page_title import page_title
from ulmkit.text.encoding import decode

FOLDS = 5
ROUNDS = 240
UNLABELLED = 0.05  # the weight of a block of 100 characters that no phrase is in
UNLABELLED_BLOCKS = 80  # of a page
COMMON = 4  # pages that a word of a class's name is to be on
PRIOR, STRENGTH = 0.35, 3.0
TREES = {
    "objective": "cross_entropy", "learning_rate": 0.04, "num_leaves": 16, "max_depth": 6, "min_data_in_leaf": 15,
    "lambda_l2": 5.0, "feature_fraction": 0.3, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 127, "seed": 1,
    "num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1,
}  # fmt: skip
TEACHERS: dict[str, dict[str, Any]] = {
    "default": {},
    "precision": {"favor_precision": True},
    "recall": {"favor_recall": True},
    "fast": {"fast": True},
}


@dataclass(slots=True)
class Page:
    """An annotated page, read: `labels` are 1 and 0 where a phrase says so, -1 elsewhere; `wanted` is between."""

    record: dict[str, Any]
    source: str
    page: PageLayout
    title: str
    labels: np.ndarray
    wanted: np.ndarray


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def read(records: list[dict[str, Any]], sources: list[str], taught: dict[str, list[str]]) -> list[Page]:
    pages = []
    for number, (record, text) in enumerate(zip(records, sources, strict=True)):
        source = serialized(cheaper(text))
        page = layout(source)
        lines = [folded(block) for block in page.texts]
        answers = [letters(taught[name][number]) for name in TEACHERS]
        votes = [sum(letters(line) in answer for answer in answers) / len(answers) for line in lines]
        labels = np.full(len(lines), -1)
        for phrase in record["without"]:
            labels[[i for i, line in enumerate(lines) if folded(phrase).strip() in line]] = 0
        for phrase in record["with"]:  # it may stand in a teaser too: in one place it is main content
            places = [i for i, line in enumerate(lines) if folded(phrase).strip() in line]
            if places:
                labels[max(places, key=lambda i: 10 * votes[i] + min(len(lines[i]), 400) / 400)] = 1
        wanted = np.where(labels >= 0, labels, np.array(votes))
        pages.append(Page(record, source, page, page_title(source, page), labels, wanted.astype(float)))
    return pages


def named(page: Page) -> dict[str, float]:
    """Of the words in names of classes the share of main content in what they hold on this page."""
    held: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    weights = np.sqrt([len(text) for text in page.page.texts])
    wanted = np.concatenate(([0], np.cumsum(weights * page.wanted)))
    summed = np.concatenate(([0], np.cumsum(weights)))
    for names, first, last in zip(page.page.names, page.page.firsts, page.page.lasts, strict=True):
        if names and first < last and last - first < 0.8 * len(weights):
            for word in name_words(names):
                held[word][0] += wanted[last] - wanted[first]
                held[word][1] += summed[last] - summed[first]
    return {word: good / whole for word, (good, whole) in held.items() if whole}


def words_table(pages: Iterable[Page]) -> dict[str, float]:
    """What words say for main content, in log-odds, drawn to nothing where few pages have them."""
    shares: dict[str, list[float]] = defaultdict(list)
    for page in pages:
        for word, share in named(page).items():
            shares[word].append(share)
    table = {}
    for word in sorted(shares):
        if len(shares[word]) >= COMMON:
            share = (sum(shares[word]) + PRIOR * STRENGTH) / (len(shares[word]) + STRENGTH)
            table[word] = round(float(np.log(share / (1 - share)) - np.log(PRIOR / (1 - PRIOR))), 2)
    return table


def folds(count: int, seed: int) -> list[np.ndarray]:
    order = np.random.RandomState(seed).permutation(count)
    return [np.sort(order[fold::FOLDS]) for fold in range(FOLDS)]


def training_rows(page: Page, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, what is wanted and weights: all that is labelled, and a sample of the rest that weighs as much as all."""
    rest = np.flatnonzero(page.labels < 0)
    drawn = np.random.RandomState(seed).permutation(rest)[:UNLABELLED_BLOCKS]
    chars = np.array([len(text) for text in page.page.texts])
    weights = UNLABELLED * np.minimum(1, np.sqrt(chars / 100 + 0.05)) * len(rest) / max(1, len(drawn))
    chosen = np.concatenate((np.flatnonzero(page.labels >= 0), drawn))
    return rows[chosen], page.wanted[chosen], np.where(page.labels >= 0, 1.0, weights)[chosen]


def learned(pages: list[Page]) -> dict[str, Any]:
    """Weights. Words that a page's rows are made with come from other pages, in training as later in use."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    columns: list[str] = []
    for fold in folds(len(pages), seed=1):
        within = set(fold.tolist())
        table = words_table(page for i, page in enumerate(pages) if i not in within)
        for i in fold:
            if pages[i].page.texts:
                features = block_features(pages[i].page, table, pages[i].title)
                columns = list(features)
                found.append(training_rows(pages[i], matrix(features), seed=int(i)))
    rows, wanted, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    booster = lightgbm.train(TREES, lightgbm.Dataset(rows, wanted, weight=weights), ROUNDS)
    return {"columns": columns, "words": words_table(pages), **nodes(booster.dump_model()["tree_info"])}


def nodes(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """lightgbm's trees as lists: see `Judge`."""
    table: dict[str, list[Any]] = {"roots": [], "features": [], "limits": [], "children": [], "values": []}
    deepest = 0

    def add(node: dict[str, Any], depth: int) -> int:
        nonlocal deepest
        deepest = max(deepest, depth)
        number = len(table["features"])
        leaf = "leaf_value" in node
        table["features"].append(0 if leaf else node["split_feature"])
        table["limits"].append(0 if leaf else float(f"{node['threshold']:.6g}"))
        table["values"].append(round(node["leaf_value"], 4) if leaf else 0)
        table["children"].append([number, number])
        if not leaf:
            table["children"][number] = [add(node["left_child"], depth + 1), add(node["right_child"], depth + 1)]
        return number

    for tree in trees:
        table["roots"].append(add(tree["tree_structure"], 0))
    return table | {"depth": deepest}


def score(records: list[dict[str, Any]], texts: list[str]) -> str:
    """Precision, recall and their mean over all phrases."""
    hits = {"with": 0, "without": 0}
    for record, text in zip(records, map(folded, texts), strict=True):
        for kind in hits:
            hits[kind] += sum(folded(phrase) in text for phrase in record[kind])
    precision = hits["with"] / sum(hits.values())
    recall = hits["with"] / sum(len(record["with"]) for record in records)
    return f"{precision:.3f} | {recall:.3f} | {2 * precision * recall / (precision + recall):.4f}"


def cross_validated(pages: list[Page], judged: Callable[[Judge, Page], str]) -> list[str]:
    """Each page's text by a judge that has seen nothing of it: no phrase, no word, no teacher's answer."""
    texts = [""] * len(pages)
    for fold in folds(len(pages), seed=2):
        within = set(fold.tolist())
        judge = judge_of(learned([page for i, page in enumerate(pages) if i not in within]))
        for i in fold:
            texts[i] = judged(judge, pages[i])
    return texts


def raw_choice(judge: Judge, page: Page) -> str:
    """The blocks above the level, before anything else is done with them."""
    likely = judge.probabilities(page.page, page.title)
    return "\n".join(text for text, p in zip(page.page.texts, likely, strict=True) if p >= KEPT_FROM)


def whole_choice(judge: Judge, page: Page) -> str:
    return main_text(page.source, page.page, judge.probabilities(page.page, page.title), page.title)


def by_trafilatura(settings: dict[str, Any], source: str) -> str | None:
    found: str | None = trafilatura.extract(cheaper(source), include_comments=False, include_tables=True, **settings)
    return found


def timed(extractor: Callable[[str], str | None], sources: list[str]) -> tuple[list[str], float]:
    began = time.process_time()
    texts = [extractor(source) or "" for source in sources]
    return texts, time.process_time() - began


def losses(records: list[dict[str, Any]], texts: list[str], default: list[str]) -> list[str]:
    """Pages that keep less than half of what trafilatura's default keeps."""
    rows = zip(records, texts, default, strict=True)
    return [f"{r['file']}: {len(t)} of {len(d)}" for r, t, d in rows if 2 * len(t.strip()) < len(d.strip())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="annotated pages, JSON lines in xz")
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with lzma.open(options.pages, "rt") as stream:
        records = [json.loads(line) for line in stream]
    sources = [decode(base64.b64decode(record["html_base64"]), "")[0] for record in records]
    megabytes = sum(len(source.encode("utf-8", "replace")) for source in sources) / 1e6
    results: dict[str, tuple[list[str], float]] = {}
    for name, settings in TEACHERS.items():
        results[f"trafilatura {name}"] = timed(functools.partial(by_trafilatura, settings), sources)
        print(name, file=sys.stderr, flush=True)
    results["resiliparse"] = timed(lambda s: extract_plain_text(s, main_content=True, alt_texts=False), sources)
    pages = read(records, sources, {name: results[f"trafilatura {name}"][0] for name in TEACHERS})
    if options.write:
        weights = json.dumps(learned(pages), ensure_ascii=False, separators=(",", ":"))
        Path(str(files("ulmkit.corpus.extract") / WEIGHTS)).write_text(
            weights.replace('],"', '],\n"').replace('},"', '},\n"') + "\n", encoding="utf-8"
        )
    results["ulmkit, weights that ship (trained on these pages)"] = timed(lambda s: html_to_text(s).text, sources)
    default = results["trafilatura default"][0]
    print(
        "| extractor | precision | recall | F1 | MB per CPU second | cut to less than half |\n|---|---|---|---|---|---|"
    )
    for name, (texts, seconds) in results.items():
        print(
            f"| {name} | {score(records, texts)} | {megabytes / seconds:.1f} | {len(losses(records, texts, default))} |"
        )
    honest = cross_validated(pages, whole_choice)
    print(f"| ulmkit, cross-validated by page | {score(records, honest)} | | {len(losses(records, honest, default))} |")
    print(f"| its choice of blocks alone | {score(records, cross_validated(pages, raw_choice))} | | |")
    print("\n".join(losses(records, honest, default)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
