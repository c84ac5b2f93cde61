"""What a library's release may change is known by name: fixed answers of each, and units that tell releases apart.

Where a test of fixed answers fails after a release, the release changed what a corpus holds. Read its notes, say in
CHANGELOG.md that corpora are made anew, move the range in pyproject.toml, and write the new answer here. Units staged
before are staged again by themselves: the library stands in their key.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import py3langid
import pycld2
import pytest
import rensa
import xxhash
from corpus_text import article, articles
from ftfy import fix_encoding
from sentencepiece import SentencePieceNormalizer

from ulmkit.artifacts.layout import Layout
from ulmkit.corpus import dedup, libraries
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.corpus.extract.html import html_to_text
from ulmkit.corpus.extract.layout import serialized
from ulmkit.corpus.staging import Staging, Unit
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.registry import get

PERSIAN = get("fa")


@pytest.fixture(autouse=True)
def marks_are_asked_again() -> Iterator[None]:
    yield
    libraries._marks_of_all.cache_clear()


def test_the_sketch_of_fixed_words_is_that_of_rensa_0_5():
    words, offsets = np.array([1, 2, 3, 5, 8], np.uint64), np.array([0, 3, 5], np.uint64)
    sketch = rensa.RMinHash.digest_matrix_from_flat_token_hashes(words, offsets, 4, 42).to_rows()
    assert sketch == [[3477457119, 521634037, 1999286826, 998117944], [1660528701, 3272962641, 2042157707, 556374807]]


def test_the_digest_of_a_fixed_text_is_xxh3s():
    assert xxhash.xxh3_64_hexdigest(b"a fixed text") == "af9197757408c245"
    assert xxhash.xxh3_128_hexdigest(b"a fixed text") == "b4e401023431465145738a7e6974b949"


def test_the_languages_of_fixed_texts_are_what_pycld2_says():
    written = "Vanaema kirjutas naabrile kirja, sest talv oli tulekul ja puud olid veel metsas."
    assert pycld2.detect(written)[:2] == (True, 80)
    assert pycld2.detect(written)[2][0] == ("ESTONIAN", "et", 98, 907.0)
    assert pycld2.detect(article(1)[:300])[2][0][1:3] == ("fa", 99)


@pytest.mark.slow  # it loads its model for two seconds
def test_the_languages_of_fixed_texts_are_what_py3langid_says():
    asked = ("Vanaema", "پدر به بازار رفت", "The vote was postponed.", "See on metsas.")
    assert [py3langid.classify(text)[0] for text in asked] == ["la", "fa", "en", "et"]


PAGE = """<html><head><title>Kiri</title></head><body><nav><a href="/">Avaleht</a></nav><article><h1>Kiri</h1>
<p>Vanaema kirjutas naabrile kirja, sest talv oli tulekul ja puud olid veel metsas, kuigi lubatud oli teisiti.</p>
<ul><li>esimene asi</li></ul><p>Naaber luges kirja läbi, võttis saani ja sõitis hommikul vara metsa poole.</p>
</article><footer>Kõik õigused kaitstud</footer></body></html>"""
BROWSERS_TREE = "<html><head></head><body><p>Kiri<p>Vanaema</p><table></table></p></body></html>"
LINES = [
    "Vanaema kirjutas naabrile kirja, sest talv oli tulekul ja puud olid veel metsas, kuigi lubatud oli teisiti.",
    "esimene asi",
    "Naaber luges kirja läbi, võttis saani ja sõitis hommikul vara metsa poole.",
]


def test_resiliparses_tree_of_a_broken_page_is_what_browsers_make_of_it():
    assert serialized("<p>Kiri<table><p>Vanaema</table>") == BROWSERS_TREE
    assert html_to_text(PAGE).text.split("\n\n") == LINES


def test_fixed_garbled_letters_are_mended_by_ftfy():
    assert fix_encoding("sÃµitis pÃ¤rast lÃµunat") == "sõitis pärast lõunat"


def test_sentencepiece_makes_of_a_fixed_table_what_it_says():
    rows = SentencePieceNormalizer(
        norm_map=[("\u064a", "\u06cc"), ("\u0643", "\u06a9")],
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        escape_whitespaces=False,
    )
    assert rows.Normalize("\u0643\u064a a") == "\u06a9\u06cc a"


def test_the_corpus_of_a_language_depends_on_packages_that_its_rules_name():
    train = PERSIAN.normalization.train
    place = len(train) - train[::-1].index("repeats")
    halved = PERSIAN.with_(normalization={"train": [*train[:place], "rules.half_space", "joiners", *train[place:]]})
    assert "hazm" not in libraries.library_marks(PERSIAN)
    assert libraries.library_marks(halved)["hazm"]


@pytest.mark.slow  # two builds
def test_a_corpus_staged_under_another_rensa_is_staged_again_and_finds_its_near_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The fault: sketches of two releases agree nowhere, so near copies were kept, on two sides of the split."""
    texts = articles(6)
    (tmp_path / "first.txt").write_text(texts[0], encoding="utf-8")
    (tmp_path / "second.txt").write_text(texts[0] + "\n\n" + texts[1].split(".")[0] + ".", encoding="utf-8")

    def built(*names: str) -> dict:
        inputs = named_inputs([str(tmp_path / name) for name in names])
        options = BuildOptions(workers=0, valid_share=0, test_share=0)
        return build_corpus(PERSIAN, Layout(tmp_path, "fa"), inputs, options=options)

    right = dedup.signatures
    with monkeypatch.context() as other:
        other.setattr("ulmkit.corpus.chain.signatures", lambda *given: right(*given) ^ np.uint32(0x5A5A5A5A))
        other.setattr("ulmkit.corpus.libraries.signatures", lambda *given: right(*given) ^ np.uint32(0x5A5A5A5A))
        libraries._marks_of_all.cache_clear()
        before = built("first.txt")
    libraries._marks_of_all.cache_clear()
    after = built("first.txt", "second.txt")
    assert before["libraries"]["rensa"] != after["libraries"]["rensa"]
    assert after["counts"]["dropped"] == {"duplicate": 1}


@pytest.mark.parametrize("name", libraries.VERSIONED)
def test_another_release_of_what_reads_or_judges_is_another_key(name: str, monkeypatch: pytest.MonkeyPatch):
    before = libraries.library_marks(PERSIAN)
    libraries._marks_of_all.cache_clear()
    version = libraries.importlib.metadata.version
    monkeypatch.setattr(
        libraries.importlib.metadata, "version", lambda asked: "99" if asked == name else version(asked)
    )
    assert libraries.library_marks(PERSIAN) == before | {name: "99"}


def test_a_unit_is_named_by_the_sketches_that_rensa_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.txt").write_text("یک دو سه", encoding="utf-8")
    unit, staging = Unit.described(named_inputs([str(tmp_path / "a.txt")])), Staging(tmp_path, PERSIAN, True, "keep")
    before = staging.key(unit)
    libraries._marks_of_all.cache_clear()
    right = dedup.signatures
    monkeypatch.setattr("ulmkit.corpus.libraries.signatures", lambda *given: right(*given) + np.uint32(1))
    assert staging.key(unit) != before
