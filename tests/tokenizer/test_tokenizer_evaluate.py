"""The evaluation counts what it says it counts."""

import math
from pathlib import Path

import numpy as np
import pytest
from tokenizer_data import documents, language, row, write_corpus

from ulmkit.errors import ArtifactError
from ulmkit.tokenizer.evaluate import evaluate_tokenizer, renyi_efficiency, round_trip_texts
from ulmkit.tokenizer.model import Tokenizer


def test_figures_are_those_of_a_count_by_hand(tokenizer: Tokenizer, tmp_path: Path):
    """Two documents in two sources; ☃ is spelled in three bytes."""
    texts = {"news": "سال سال\nسال", "verse": "می\u200cروم ☃"}
    corpus = write_corpus(tmp_path, {"valid": [[row(f"d-{s}", t, s) for s, t in texts.items()]]})
    found = evaluate_tokenizer(language(), tokenizer, corpus, splits=("valid",))
    ids = {source: tokenizer.encode(text) for source, text in texts.items()}
    for source, text in texts.items():
        measures = found.by_source[source]
        assert measures.tokens == len(ids[source])
        assert measures.characters_per_token == len(text) / len(ids[source])
        assert measures.bytes_per_token == len(text.encode()) / len(ids[source])
        assert measures.fertility == len(ids[source]) / len(text.split())
        assert measures.exact == measures.documents == 1
    assert found.by_source["verse"].byte_tokens == 3
    assert found.whole.byte_tokens == 3
    assert found.whole.unknown_tokens == 0
    assert found.round_trips.total == found.round_trips.exact == 2
    assert found.joiner_pieces == sum("\u200c" in piece for piece in tokenizer.inventory) > 0
    assert found.joiner_uses == 1
    used = set(np.concatenate(list(ids.values())).tolist())
    assert found.unused == sum(i not in used for i in range(261, tokenizer.vocabulary))


def test_a_document_that_does_not_come_back_is_named(tokenizer: Tokenizer, tmp_path: Path, monkeypatch):
    rows = [*documents(3, seed=8), row("broken", "سال ☃ سال")]
    corpus = write_corpus(tmp_path, {"valid": [rows]})
    decode = Tokenizer.decode
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: decode(self, ids).replace("☃", "?"))
    found = evaluate_tokenizer(language(), tokenizer, corpus, splits=("valid",))
    assert (found.whole.exact, found.first_failing) == (3, "broken")
    assert "the first that failed: broken" in found.summary()
    assert round_trip_texts(tokenizer, ["سال", "☃", "☃"]).first_failing == "2"


def test_documents_that_are_not_in_normal_form_are_counted(tokenizer: Tokenizer, tmp_path: Path):
    corpus = write_corpus(tmp_path, {"test": [[row("a", "كتاب"), row("b", "کتاب")]]})
    found = evaluate_tokenizer(language(), tokenizer, corpus, splits=("test",))
    assert found.not_normal == 1
    assert found.whole.exact == 2


def test_raw_texts_are_normalized_first(tokenizer: Tokenizer):
    found = round_trip_texts(tokenizer, ["كتاب علي", "<s> ▁\n\n", ""])
    assert (found.total, found.exact, found.first_failing) == (3, 3, "")


def test_the_summary_shows_every_source_and_survives_json(tokenizer: Tokenizer, corpus: Path):
    import json

    found = evaluate_tokenizer(language(), tokenizer, corpus)
    assert set(found.by_source) == {"news", "verse"}
    assert all(name in found.summary() for name in ("news", "verse", "all", "exact round trips: 21 of 21"))
    assert json.loads(json.dumps(found.to_json()))["round_trips"] == {"total": 21, "exact": 21, "first_failing": ""}


def test_nothing_to_evaluate_on_is_one_line(tokenizer: Tokenizer, tmp_path: Path):
    corpus = write_corpus(tmp_path, {"train": [documents(2)]})
    with pytest.raises(ArtifactError, match="no document in valid and test"):
        evaluate_tokenizer(language(), tokenizer, corpus)


@pytest.mark.parametrize(
    ("counts", "efficiency"),
    [([4, 4, 0, 0], 0.5), ([1, 1, 1, 1], 1.0), ([9, 0, 0, 0], 0.0), ([3, 1], None)],
)
def test_renyi_efficiency_of_small_distributions(counts: list[int], efficiency: float | None):
    if efficiency is None:  # by hand: -1/1.5 · ln(.75^2.5 + .25^2.5) / ln 2
        efficiency = -math.log(0.75**2.5 + 0.25**2.5) / 1.5 / math.log(2)
    assert renyi_efficiency(np.array(counts)) == pytest.approx(efficiency, abs=1e-12)
