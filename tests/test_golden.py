"""Results that a hand-raised version stands for: who changes one raises the other.

A version (`CHAIN`, the operations' `VERSION`, the tokenizer's recipes) is a part of fingerprints: where a result
changes and its version does not, the next build takes what an older ulmkit staged for its own. `tests/golden.json`
holds, for each version, a hash of what a fixed sample gave. The sample is made here and depends on no language's
folder. Releases of libraries change results behind our back, so what is theirs has a line of its own.

After a change that is meant, or after a library's release: raise the version that a failure names, then run
`python tests/test_golden.py`, which writes the file, and look at its difference.
"""

import dataclasses
import functools
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if __name__ == "__main__":  # run as a program: what pyproject.toml tells pytest
    sys.path.insert(0, str(Path(__file__).parent / "support"))

from corpus_text import article, articles
from tokenizer_data import language, write_corpus

from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.tokens import open_token_file
from ulmkit.corpus.chain import CHAIN, Chain
from ulmkit.corpus.dedup import cluster, signatures
from ulmkit.corpus.extract.html import html_to_text
from ulmkit.corpus.identify import guess_languages
from ulmkit.corpus.shingles import WordHasher
from ulmkit.document import RawDocument
from ulmkit.language.spec import Dedup, Identification, Language
from ulmkit.text.operations import OPERATIONS, VERSION, Settings
from ulmkit.tokenizer import encode, train
from ulmkit.tokenizer.model import Tokenizer

GOLDEN = Path(__file__).parent / "golden.json"


def hashed(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def sample_language() -> Language:
    plain = language()
    return dataclasses.replace(
        plain,
        identification=Identification(labels=("fa",)),
        listed_stop_words=("و", "در", "به", "از", "که", "را", "با", "این"),
    )


PAGE = """<!doctype html><html><head><title>نمونه</title></head><body><nav><a href="/">خانه</a>
<a href="/n">اخبار</a></nav>
<main><article><h1>نمونه</h1>{}</article></main><footer>همه‌ی حقوق محفوظ است</footer></body></html>"""
PARAGRAPHS = article(1).split("\n\n")
RAWS = [
    RawDocument("a#1", PAGE.format("".join(f"<p>{p}</p>" for p in PARAGRAPHS)).encode(), "html", "a", "CC0-1.0"),
    RawDocument(
        "a#2", f"'''نمونه''' {article(2)}\n\n== پیوند ==\n* [[خانه|خانه‌ای]]{{{{الگو|۱}}}}", "wikitext", "a", "CC0-1.0"
    ),
    RawDocument("a#3", f"# نمونه\n\n{article(3)}\n\n- *یک*\n- [دو](https://example.org)\n", "markdown", "a", "CC0-1.0"),
    RawDocument("a#4", article(4).encode("utf-8"), "text", "a", "CC0-1.0"),
    RawDocument("a#5", "کوتاه", "text", "a", "CC0-1.0"),
    RawDocument("a#6", "\n".join([PARAGRAPHS[0]] * 9), "text", "a", "CC0-1.0"),
    RawDocument("a#7", "The committee met on Tuesday and decided to postpone the vote. " * 9, "text", "a", "CC0-1.0"),
]


def chain() -> Any:
    part = Chain(sample_language(), near_duplicates=False)(list(RAWS))
    return [part.rows, [(sample["id"], sample["reason"]) for sample in part.samples], part.tally.to_json()]


def near_duplicates() -> Any:
    hashes = [WordHasher()(text.split()) for text in (*articles(4), article(1) + " پایان.", "یک دو")]
    signature = signatures(hashes, Dedup())
    return [signature.tolist(), cluster(np.arange(6, dtype=np.uint64), [signature], Dedup()).tolist()]


def identification() -> Any:
    texts = (article(5), "یک دو سه چهار", RAWS[6].content, "قال الوزير إن الحكومة سوف تعمل", "Tere hommikust, maailm!")
    return [[dataclasses.astuple(found) for found in guess_languages(str(text), frozenset({"fa"}))] for text in texts]


def html() -> Any:
    content = RAWS[0].content
    assert isinstance(content, bytes)
    return dataclasses.astuple(html_to_text(content.decode()))


# characters that the operations are about, alone and beside each other
ALPHABET = (
    "aA1é۱٣کك يىئۀه\u200c\u200d\u200e\u00ad\u064b\u0651\u0640\n\t\r \u00a0\u2003.,;!?…-–—\"'«»„“()[]ﷲﻻ½²µ\ufeff\ufffd"
)
WRITTEN = ALPHABET + "".join(one + other for one in ALPHABET for other in ALPHABET) + "ااااااا ......  http://a.b/c?d=1"


def operations() -> Any:
    settings = Settings(
        script="Arab",
        native_digits="۰۱۲۳۴۵۶۷۸۹",
        digits="native",
        joiners="\u200c",
        non_joining="اآدذرزژو",
        joiner_forms="\u00ac",
        quotes="«»",
        punctuation=((",", "،"), (";", "؛"), ("?", "؟")),
        native_marks="،؛؟",
        dash="–",
        max_letter_run=2,
    )
    return {name: OPERATIONS[name](settings).apply(WRITTEN) for name in sorted(OPERATIONS)}


@functools.cache
def tokenizer() -> tuple[list[str], Any]:
    """The pieces, and how they cut what they were trained on: scores differ in their last digits between processors."""
    with tempfile.TemporaryDirectory() as place:
        corpus = write_corpus(Path(place) / "corpus")
        train.train_tokenizer(language(), corpus, Path(place) / "tokenizer", vocabulary=450)
        made = Tokenizer.load(Path(place) / "tokenizer")
        encode.encode_corpus(language(), made, corpus, Path(place) / "tokens", workers=1)
        files = {split: open_token_file(Path(place) / "tokens", split) for split in SPLITS}
        cut = {
            split: [[made.inventory[i] for i in tokens.ids.tolist()], tokens.documents.tolist()]
            for split, tokens in files.items()
        }
        return sorted(made.inventory), cut


# what is held -> (the version that stands for it and where it is raised, what the sample gives)
HELD: dict[str, tuple[str, int, Callable[[], Any]]] = {
    "chain": ("CHAIN in corpus/chain.py", CHAIN, chain),
    "near-duplicates (rensa)": ("CHAIN in corpus/chain.py", CHAIN, near_duplicates),
    "identification (pycld2, py3langid)": ("CHAIN in corpus/chain.py", CHAIN, identification),
    "text of a page (resiliparse, weights)": ("CHAIN in corpus/chain.py", CHAIN, html),
    "operations": ("VERSION in text/operations/base.py", VERSION, operations),
    "tokenizer (sentencepiece)": (
        "RECIPE in tokenizer/train.py",
        train.RECIPE,
        lambda: tokenizer()[0],
    ),
    "token files": ("RECIPE in tokenizer/encode.py", encode.RECIPE, lambda: tokenizer()[1]),
}


@pytest.mark.parametrize("name", HELD)
def test_a_result_changes_only_with_its_version(name: str):
    where, version, result = HELD[name]
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden[name]["version"] == version, f"{where} is {version} now: run `python tests/test_golden.py`"
    assert hashed(result()) == golden[name]["result"], (
        f"the fixed sample of '{name}' gives another result, and {where} is still {version}. Was that meant, or a "
        f"library's release? Then raise {where} and run `python tests/test_golden.py`. If not, undo it."
    )


def test_nothing_is_held_that_is_not_made():
    assert json.loads(GOLDEN.read_text(encoding="utf-8")).keys() == HELD.keys()


if __name__ == "__main__":
    made = {name: {"version": version, "result": hashed(result())} for name, (_, version, result) in HELD.items()}
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
