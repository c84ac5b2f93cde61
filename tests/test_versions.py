"""Versions that are raised by hand are raised: what each stands for gives the same result as when it was recorded.

`python tests/test_versions.py` records the results of versions that are new; it records no other result for an old one.
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ulmkit.corpus.chain import CHAIN, Chain
from ulmkit.document import RawDocument
from ulmkit.language.load import load_language
from ulmkit.language.spec import Language
from ulmkit.text.operations import OPERATIONS, VERSION, Settings
from ulmkit.tokenizer.train import RECIPE, training_rows

GOLDEN = Path(__file__).parent / "support" / "versions.json"
TEXTS = (
    "a\u00a0b  c\u2009d\te \n\n\n f",
    "soft\u00adhyphen \u200eLRM\u200f \ufeffBOM \x07bell \u2060wj \ufffe",
    "e\u0301 a\u030a Å ﬁ ﬀ ＡＢＣ１２",
    "&amp; &lt;b&gt; &#1705; &zwnj; &am\u200ep;",
    "1,234.56 ۱۲۳٫۴ ٠١٢ 12 % ½ ² 10:30 2023/10/12 v1.2.3 192.168.0.1",
    "https://example.org/a?b=1,2&c=%20 info@example.org @user #tag `code  here`",
    "- – — ― ‒ --- -- a–b 5-6",
    "... …… . . . ، ؛ ؟ , ; ?",
    "\"a\" 'b' «c» „d“ “e” ‚f‘ it's 5'10\" ``g''",
    "كتاب علي ھە ۀ ة ى ئ\u0654 ک\u200cها می\u200cروم \u200c\u200c خانه\u200d \u200cآب",
    "ﺁﻥ ﷲ ﻻ كـتـاب ــــ \u064bف\u064eت\u0651\u064bه",
    "soooo goooood عالییییی !!!!!! ؟؟؟؟ ====",
    "abcｄ ﾊﾟ 漢字。「引用」！？ कि्‍न र्‍य क्‌ष",
    "\ud800 \udc00 \ufffd \ue000 \U000f0000 😀👨\u200d👩\u200d👧 ☺\ufe0f 1\ufe0f\u20e3",
    "a ▁b ¬ c¬\nd [12] {x} <y> | z",
    "",
)
SETTINGS = (
    Settings(quotes="„“", dash="–", max_letter_run=3, joiners="\u200d", watched="žš"),
    Settings(
        script="Arab", native_digits="۰۱۲۳۴۵۶۷۸۹", digits="native", joiners="\u200c\u200d", non_joining="اآدذرزژو",
        joiner_forms="\u00ac", zwj_after="ه", quotes="«»", punctuation=((",", "،"), (";", "؛"), ("?", "؟")),
        native_marks="،؛؟", dash="–", watched="يك",
    ),
)  # fmt: skip
LANGUAGE = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"
[alphabet]
letters = "abcdefghijklmnopqrstuvwxyzäõöü"
[identification]
labels = ["et"]
"""
SENTENCES = (
    "Mees läks hommikul vara metsa, sest ta tahtis enne lõunat seeni korjata.",
    "Kui vihm järele jäi, paistis päike ja lapsed jooksid jälle õue mängima.",
    "Raamatukogus on vaikne ning seal saab terve päeva segamatult lugeda.",
    "Vanaema küpsetas pühapäeval suure leiva ja andis naabritele ka tüki.",
    "Rong hilines tund aega, aga keegi ei osanud öelda, milles asi oli.",
    "Talvel külmub järv kinni ja siis sõidavad inimesed jääl uiskudega.",
    "Õpetaja küsis, miks taevas on sinine, ja klass jäi korraks mõttesse.",
    "Sügisel lendavad linnud lõunasse, kuid osa neist jääb siia talveks.",
)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def small_language(folder: Path) -> Language:
    (folder / "xx").mkdir()
    (folder / "xx" / "language.toml").write_text(LANGUAGE, encoding="utf-8")
    return load_language(folder / "xx")


def operations(_: Path) -> tuple[str, Any]:
    """Every shared operation alone, on texts of everything that one of them looks for."""
    return f"operations {VERSION}", [
        [make(settings).apply(text) for settings in SETTINGS for text in TEXTS]
        for _, make in sorted(OPERATIONS.items())
    ]


def pages() -> list[str]:
    draw = random.Random(0)
    words = " ".join(SENTENCES).lower().replace(".", "").replace(",", "").split()
    made = []
    for _ in range(6):
        lines = [" ".join(draw.sample(words, 9)).capitalize() + "." for _ in range(16)]
        made.append("\n".join(" ".join(lines[first : first + 4]) for first in range(0, 16, 4)))
    return [*made, "Lühike.", "Home | News | Contact\n" * 40, "The cat sat on the mat, as cats do. " * 20, *TEXTS[:3]]


def chain(folder: Path) -> tuple[str, Any]:
    """Pages that stay and pages that go, with the language's fingerprint, which has its own reasons to change."""
    language = small_language(folder)
    raws = [RawDocument(f"page#{n}", text, "text", "test") for n, text in enumerate(pages())]
    part = Chain(language, near_duplicates=True)(raws)
    assert len(part.rows) > 3, part.samples
    went = [(sample["id"], sample["reason"]) for sample in part.samples]
    return f"chain {CHAIN} of {language.fingerprint}", [part.rows, part.signature.tolist(), went]


def tokenizer_rows(_: Path) -> tuple[str, Any]:
    """What SentencePiece is given to learn from."""
    words = {word: len(word) for word in " ".join(SENTENCES).split()} | {"1987": 5, "a1b2": 3}
    return f"tokenizer rows {RECIPE}", [list(training_rows(words, split_digits=split)) for split in (True, False)]


MADE: tuple[Callable[[Path], tuple[str, Any]], ...] = (operations, chain, tokenizer_rows)


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_a_version_stands_for_one_result(make: Callable[[Path], tuple[str, Any]], tmp_path: Path) -> None:
    version, result = make(tmp_path)
    golden = json.loads(GOLDEN.read_text())
    assert version in golden, "a new version: record it with `python tests/test_versions.py`"
    assert digest(result) == golden[version], f"another result under '{version}': raise its version, then record it"


def record() -> None:
    """Add what is new; of each kind the newest alone stays."""
    import tempfile

    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = {}
    for make in MADE:
        with tempfile.TemporaryDirectory() as folder:
            version, result = make(Path(folder))
        found[version] = digest(result)
        if golden.get(version, found[version]) != found[version]:
            sys.exit(f"another result under '{version}': raise its version first")
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    record()
