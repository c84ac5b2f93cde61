"""Wikitext to text beside mwparserfromhell: speed and words in common, on the dumps given.

    python benchmarks/wikitext.py --language fa dump.xml.bz2 …

Both sides run over the same articles in turns, on one core, in CPU time; the dump is read before. Words in common are
counted article by article as multisets: `common/theirs` misses what we leave out on purpose (tables, captions,
reference lists, category names), `common/ours` what we alone keep (text that templates mark, numbers in superscript).
"""

import argparse
import bz2
import gzip
import html
import json
import lzma
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ulmkit.corpus.extract.wikitext import wikitext_to_text
from ulmkit.language.sections import Extraction

OPENERS: dict[str, Callable[..., Any]] = {".bz2": bz2.open, ".xz": lzma.open, ".gz": gzip.open}
PAGE = re.compile(r"<page>(.*?)</page>", re.S)
NAMESPACE = re.compile(r"<ns>(\d+)</ns>")
TEXT = re.compile(r"<text[^>]*(?<!/)>(.*?)</text>", re.S)
WORD = re.compile(r"\w+")


def articles(path: Path) -> Iterator[str]:
    """The wikitext of each article in a dump, which may be cut off."""
    chunks = []
    with OPENERS.get(path.suffix, open)(path, "rb") as stream:
        try:
            while chunk := stream.read(1 << 20):
                chunks.append(chunk)
        except EOFError:
            pass
    for page in PAGE.finditer(b"".join(chunks).decode("utf-8", "ignore")):
        namespace, text = NAMESPACE.search(page[1]), TEXT.search(page[1])
        if text and (namespace is None or namespace[1] == "0"):
            yield html.unescape(text[1])


def cpu(work: Callable[[str], Any], batch: list[str]) -> tuple[float, list[str]]:
    start = time.process_time()
    results = [work(text) for text in batch]
    return time.process_time() - start, results


def compare(texts: list[str], extraction: Extraction) -> dict[str, float]:
    """Seconds and words of both sides, in alternating batches so that a busy machine slows both."""
    import mwparserfromhell

    def ours(text: str) -> str:
        return wikitext_to_text(text, extraction)

    def theirs(text: str) -> str:
        return str(mwparserfromhell.parse(text).strip_code())

    total: dict[str, float] = dict.fromkeys(("ours_s", "theirs_s", "common", "ours", "theirs"), 0.0)
    for start in range(0, len(texts), 20):
        batch = texts[start : start + 20]
        our_seconds, our_texts = cpu(ours, batch)
        their_seconds, their_texts = cpu(theirs, batch)
        total["ours_s"] += our_seconds
        total["theirs_s"] += their_seconds
        for a, b in zip(our_texts, their_texts, strict=True):
            our_words, their_words = Counter(WORD.findall(a)), Counter(WORD.findall(b))
            total["common"] += (our_words & their_words).total()
            total["ours"] += our_words.total()
            total["theirs"] += their_words.total()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    return {
        "articles": len(texts),
        "megabytes": round(megabytes, 2),
        "ours_mb_s": round(megabytes / total["ours_s"], 1),
        "theirs_mb_s": round(megabytes / total["theirs_s"], 2),
        "ratio": round(total["theirs_s"] / total["ours_s"], 1),
        "common/ours": round(total["common"] / max(1, total["ours"]), 4),
        "common/theirs": round(total["common"] / max(1, total["theirs"]), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="+", type=Path)
    parser.add_argument("--language", help="whose names of namespaces are used (default: the English ones)")
    parser.add_argument("--limit", type=int, default=300, help="articles a dump")
    options = parser.parse_args()
    extraction = Extraction()
    if options.language:
        from ulmkit.language.registry import get

        extraction = get(options.language).extraction
    for dump in options.dumps:
        texts = [text for _, text in zip(range(options.limit), articles(dump), strict=False)]
        print(json.dumps({"dump": dump.name, **compare(texts, extraction)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
