"""What becomes of one chunk: each document stays or goes with a reason, and all are counted."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpus_text import article, articles

from ulmkit.corpus.chain import MAX_FAILURES, RULE_FAILED, STEPS, Article, Chain, Judged, Part, chunked, match_hash
from ulmkit.corpus.shingles import WordHasher
from ulmkit.corpus.tally import Tally
from ulmkit.document import RawDocument
from ulmkit.errors import LanguageError
from ulmkit.language.registry import get

PERSIAN = get("fa")
FOREIGN = "The river rose again in spring, and the people of the valley carried their furniture upstairs. " * 8


def raw(id_: str, text: str, **more: Any) -> RawDocument:
    return RawDocument(id=id_, content=text, kind="text", source=more.pop("source", "news"), **more)


def test_each_document_stays_or_goes_with_a_reason() -> None:
    part = Chain(PERSIAN, near_duplicates=False)(
        [raw("good", article(1)), raw("short", "کوتاه"), raw("foreign", FOREIGN), raw("empty", "", source="blog")]
    )
    assert [row["id"] for row in part.rows] == ["good"]
    assert [(sample["id"], sample["reason"]) for sample in part.samples] == [
        ("short", "too short"), ("foreign", "other language"), ("empty", "empty")
    ]  # fmt: skip
    tally = part.tally
    assert (tally.read, tally.kept, sum(tally.dropped.values())) == (4, 1, 3)
    assert tally.source("news") == {"read": 3, "kept": 1, "dropped": 2}
    assert tally.source("blog") == {"read": 1, "dropped": 1}


def test_a_row_holds_the_normal_form_and_what_was_known_of_the_document() -> None:
    chain = Chain(PERSIAN, near_duplicates=False)
    typed = article(2).replace("ی", "ي").replace("ک", "ك")
    (row,) = chain([raw("a", typed, title="كتاب\nتازه", url="https://example.org/a", licence="CC0-1.0")]).rows
    assert row["text"] == PERSIAN.normalize(article(2))
    assert row["title"] == "کتاب تازه"
    assert (row["url"], row["licence"], row["source"], row["language"]) == (
        "https://example.org/a", "CC0-1.0", "news", "fa"
    )  # fmt: skip
    assert (row["characters"], row["words"]) == (len(row["text"]), len(PERSIAN.fold(row["text"]).split()))


def test_texts_of_the_same_words_share_the_number_by_which_duplicates_are_found() -> None:
    texts = [article(3), article(3).replace(".", "!"), article(4)]
    one, marked, other = Chain(PERSIAN, near_duplicates=False)([raw(str(i), text) for i, text in enumerate(texts)]).rows
    assert one["match"] == marked["match"] != other["match"]
    assert one["content_hash"] != marked["content_hash"]


def test_texts_that_differ_in_a_number_are_no_exact_duplicates() -> None:
    """Match form has zeros for digits: thirty weather notices of one form were one."""
    words = WordHasher()(["دما", "00", "درجه"])
    latin, native, arabic, other = (match_hash(words, f"دما {n} درجه") for n in ("21", "۲۱", "٢١", "22"))
    assert latin == native == arabic != other


@pytest.mark.parametrize("near_duplicates", [True, False])
def test_signatures_are_made_of_the_rows_that_stay(near_duplicates: bool) -> None:
    chain = Chain(PERSIAN, near_duplicates)
    part = chain([raw("a", article(5)), raw("short", "کوتاه"), raw("b", article(6))])
    if not near_duplicates:
        assert part.signature.size == 0
        return
    assert part.signature.shape == (2, PERSIAN.dedup.permutations)
    assert np.array_equal(part.signature[1:], chain([raw("b", article(6))]).signature)


def test_the_first_step_that_drops_gives_the_reason_and_none_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def noting(step: Any) -> Any:
        def noted(chain: Chain, document: Article, tally: Tally) -> Any:
            taken.append(step.__name__)
            return step(chain, document, tally)

        return noted

    monkeypatch.setattr("ulmkit.corpus.chain.STEPS", tuple((noting(step), counted) for step, counted in STEPS))
    chain = Chain(PERSIAN, near_duplicates=False)
    assert not chain([raw("a", FOREIGN)]).rows
    assert taken == ["usage_allowed", "extract_text", "identify_language"]
    taken.clear()
    assert chain([raw("a", article(7))]).rows
    assert taken == [step.__name__ for step, _ in STEPS]


def test_joiners_are_counted_as_extracted_normalized_and_kept() -> None:
    text = article(8) + "\u200c\u200c"
    joiners = Chain(PERSIAN, near_duplicates=False)([raw("a", text)]).tally.joiners
    inner = article(8).count("\u200c")
    assert inner > 0
    assert [joiners[place]["U+200C"] for place in ("normalized", "kept")] == [inner, inner]
    assert joiners["extracted"]["U+200C"] >= inner


@pytest.mark.parametrize(
    ("pii", "stays", "shown"), [("keep", True, True), ("mask", True, False), ("drop", False, False)]
)
def test_personal_data_is_kept_masked_or_drops_the_document(pii: Any, stays: bool, shown: bool) -> None:
    part = Chain(PERSIAN, near_duplicates=False, pii=pii)([raw("a", f"{article(9)}\n\nنشانی ali.r@mail.example است.")])
    assert part.tally.pii == {"email": 1}
    assert bool(part.rows) == stays
    assert [sample["reason"] for sample in part.samples] == ([] if stays else ["personal data"])
    assert any("ali.r@mail.example" in row["text"] for row in part.rows) == shown


def test_a_limit_changed_in_python_is_the_one_that_judges() -> None:
    strict = replace(PERSIAN, filters=replace(PERSIAN.filters, min_words=10_000))
    assert Chain(strict, near_duplicates=False)([raw("a", article(1))]).tally.dropped == {"too few words": 1}


def test_chunks_are_bounded_and_hold_all_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulmkit.corpus.chain.CHUNK_DOCUMENTS", 3)
    monkeypatch.setattr("ulmkit.corpus.chain.CHUNK_CHARACTERS", 100)
    sizes = [10, 10, 10, 10, 95, 1, 300, 10]
    chunks = list(chunked(raw(str(i), "a" * size) for i, size in enumerate(sizes)))
    assert [[len(doc.content) for doc in chunk] for chunk in chunks] == [[10, 10, 10], [10, 95], [1, 300], [10]]
    assert not list(chunked([]))


def part_of(failed: int, kept: int) -> Part:
    part = Part()
    for number in range(failed + kept):
        document = raw(str(number), "")
        part.read(document)
        if number < failed:
            part.drop(document, RULE_FAILED, f"rules.py:{number} failed.", "")
    return part


def test_a_rule_may_fail_on_half_of_the_documents_and_on_no_more() -> None:
    half = Judged.of(part_of(MAX_FAILURES, MAX_FAILURES)).and_then(Judged.of(part_of(1, 1)))
    assert (half.documents, half.failed, half.error) == (2 * MAX_FAILURES + 2, MAX_FAILURES + 1, "rules.py:0 failed.")
    assert half.and_then(Judged.of(part_of(0, 5))).failed == half.failed
    with pytest.raises(LanguageError, match=f"failed on {MAX_FAILURES + 2} of the first {2 * MAX_FAILURES + 3}"):
        half.and_then(Judged.of(part_of(1, 0)))


def test_what_a_part_counts_is_what_json_can_hold() -> None:
    part = Chain(PERSIAN, near_duplicates=False)([raw(str(i), text) for i, text in enumerate([*articles(2), "کوتاه"])])
    assert Tally.from_json(json.loads(json.dumps(part.tally.to_json()))) == part.tally
