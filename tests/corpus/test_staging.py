"""A unit of input is staged whole or not at all, under a name that says what shaped it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_text import articles

from ulmkit.corpus.chain import Chain, Part
from ulmkit.corpus.staging import Staging, quarantined
from ulmkit.document import RawDocument
from ulmkit.formats.inputs import Input, named_inputs
from ulmkit.language.registry import get
from ulmkit.work.pool import Broken

PERSIAN = get("fa")
TEXTS = [*articles(3), "کوتاه"]


@pytest.fixture
def unit(tmp_path: Path) -> list[Input]:
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS]
    (tmp_path / "news.jsonl").write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n", encoding="utf-8")
    return named_inputs([str(tmp_path / "news.jsonl")])


def staging(folder: Path, **more: Any) -> Staging:
    options = {"language": PERSIAN, "near_duplicates": True, "pii": "keep"} | more
    return Staging(folder, **options)  # type: ignore[arg-type]


def alone(chunks: Iterator[list[RawDocument]]) -> Iterable[list[Part | Broken]]:
    chain = Chain(PERSIAN, near_duplicates=True)
    return ([chain(chunk)] for chunk in chunks)


def test_rows_signatures_and_counts_of_a_unit_agree(tmp_path: Path, unit: list[Input]) -> None:
    staged = staging(tmp_path / "work")
    heard: list[int] = []
    staged.stage(unit, "a", alone, lambda item, count: heard.append(count))
    (rows,) = staged.rows("a")
    assert [row["text"] for row in rows] == [PERSIAN.normalize(text) for text in TEXTS[:3]]
    assert staged.columns("a", ["id", "match"]).to_pylist() == [{"id": r["id"], "match": r["match"]} for r in rows]
    assert staged.signatures("a").shape == (3, PERSIAN.dedup.permutations)
    tally, samples, unread = staged.counted("a")
    assert (tally.read, tally.kept, tally.dropped) == (4, 3, {"too short": 1})
    assert tally.unread == {"news/news.jsonl": {"bad record": 1}}
    assert [(sample["reason"], sample["text"]) for sample in samples] == [("too short", "کوتاه")]
    assert [sample["reason"] for sample in unread] == ["bad record"]
    assert sum(heard) == unit[0].path.stat().st_size


def test_without_near_duplicates_signatures_are_of_no_width(tmp_path: Path, unit: list[Input]) -> None:
    staged = staging(tmp_path / "work", near_duplicates=False)
    staged.stage(unit, "a", lambda chunks: ([Chain(PERSIAN, False)(chunk)] for chunk in chunks), lambda *_: None)
    assert staged.signatures("a").shape == (3, 0)


def test_a_unit_that_keeps_nothing_can_be_read(tmp_path: Path, unit: list[Input]) -> None:
    staged = staging(tmp_path / "work")
    staged.stage(unit, "a", lambda chunks: ([Part()] for _ in chunks), lambda *_: None)
    assert not list(staged.rows("a"))
    assert staged.signatures("a").shape == (0, PERSIAN.dedup.permutations)
    assert staged.columns("a", ["id"]).num_rows == 0


def test_a_unit_that_broke_off_is_not_there_and_can_be_staged_again(tmp_path: Path, unit: list[Input]) -> None:
    staged = staging(tmp_path / "work")

    def fails(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        yield from alone(chunks)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        staged.stage(unit, "a", fails, lambda *_: None)
    assert not staged.has("a")
    staged.stage(unit, "a", alone, lambda *_: None)
    assert staged.has("a")
    assert not staged.has("b")
    assert np.concatenate([[len(rows)] for rows in staged.rows("a")]).sum() == 3


def test_a_document_that_no_worker_survived_is_counted_with_its_reason(tmp_path: Path, unit: list[Input]) -> None:
    staged = staging(tmp_path / "work")

    def first_breaks(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        chain = Chain(PERSIAN, near_duplicates=True)
        for first, *rest in chunks:
            yield [Broken(first, "crash", "signal 11"), chain(rest)]

    staged.stage(unit, "a", first_breaks, lambda *_: None)
    tally, samples, _ = staged.counted("a")
    assert (tally.read, tally.kept, tally.dropped) == (4, 2, {"crash": 1, "too short": 1})
    assert tally.source("news") == {"read": 4, "kept": 2, "dropped": 2}
    assert next(s["detail"] for s in samples if s["reason"] == "crash") == "signal 11"
    assert len(staged.signatures("a")) == 2


def test_a_page_of_bytes_that_no_worker_survived_is_shown_as_text() -> None:
    page = RawDocument(id="a", content="<p>درخت</p>".encode(), kind="html", source="web")
    (sample,) = quarantined(Broken(page, "timeout", "took 60 s")).samples
    assert (sample["id"], sample["reason"]) == ("a", "timeout")
    assert "درخت" in sample["text"]


def test_a_unit_is_named_by_all_that_shapes_it(tmp_path: Path) -> None:
    described = [{"key": "news.jsonl", "sha256": "00"}]
    other = replace(PERSIAN, filters=replace(PERSIAN.filters, min_words=31))
    keys = [
        staging(tmp_path).key(described),
        staging(tmp_path).key([{"key": "news.jsonl", "sha256": "01"}]),
        staging(tmp_path, language=other).key(described),
        staging(tmp_path, near_duplicates=False).key(described),
        staging(tmp_path, pii="mask").key(described),
    ]
    assert len(set(keys)) == len(keys)
    assert staging(tmp_path / "elsewhere").key(described) == keys[0]
