"""A unit of input is staged whole or not at all, under a name that says what shaped it."""

import json
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_text import articles

from ulmkit.artifacts.steady import FileState
from ulmkit.corpus.chain import Chain, Part
from ulmkit.corpus.staging import Staging, Unit, quarantined
from ulmkit.document import RawDocument
from ulmkit.errors import ArtifactError, InputError
from ulmkit.formats.inputs import DescribedInput, Input, named_inputs
from ulmkit.language.registry import get
from ulmkit.work.pool import Broken

PERSIAN = get("fa")
TEXTS = [*articles(3), "کوتاه"]


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS]
    (tmp_path / "news.jsonl").write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n", encoding="utf-8")
    return Unit.described(named_inputs([str(tmp_path / "news.jsonl")]))


def staging(folder: Path, **more: Any) -> Staging:
    options = {"language": PERSIAN, "near_duplicates": True, "pii": "keep"} | more
    return Staging(folder, **options)  # type: ignore[arg-type]


def alone(chunks: Iterator[list[RawDocument]]) -> Iterable[list[Part | Broken]]:
    chain = Chain(PERSIAN, near_duplicates=True)
    return ([chain(chunk)] for chunk in chunks)


def test_rows_signatures_and_counts_of_a_unit_agree(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")
    heard: list[int] = []
    staged.stage(unit, alone, lambda item, count: heard.append(count))
    (rows,) = staged.rows(staged.key(unit))
    assert [row["text"] for row in rows] == [PERSIAN.normalize(text) for text in TEXTS[:3]]
    assert staged.columns(staged.key(unit), ["id"]).to_pylist() == [{"id": row["id"]} for row in rows]
    assert staged.columns(staged.key(unit), ["match"]).num_rows == 3
    assert staged.signatures(staged.key(unit)).shape == (3, PERSIAN.dedup.permutations)
    tally, samples, unread = staged.counted(staged.key(unit))
    assert (tally.read, tally.kept, tally.dropped) == (4, 3, {"too short": 1})
    assert tally.unread == {"news/news.jsonl": {"bad record": 1}}
    assert [(sample["reason"], sample["text"]) for sample in samples] == [("too short", "کوتاه")]
    assert [sample["reason"] for sample in unread] == ["bad record"]
    assert sum(heard) == unit.inputs[0].input.path.stat().st_size


def test_without_near_duplicates_signatures_are_of_no_width(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work", near_duplicates=False)
    staged.stage(unit, lambda chunks: ([Chain(PERSIAN, False)(chunk)] for chunk in chunks), lambda *_: None)
    assert staged.signatures(staged.key(unit)).shape == (3, 0)


def test_a_unit_that_keeps_nothing_can_be_read(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")
    staged.stage(unit, lambda chunks: ([Part()] for _ in chunks), lambda *_: None)
    assert not list(staged.rows(staged.key(unit)))
    assert staged.signatures(staged.key(unit)).shape == (0, PERSIAN.dedup.permutations)
    assert staged.columns(staged.key(unit), ["id"]).num_rows == 0


def test_a_unit_that_broke_off_is_not_there_and_can_be_staged_again(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")

    def fails(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        yield from alone(chunks)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        staged.stage(unit, fails, lambda *_: None)
    assert not staged.has(staged.key(unit))
    staged.stage(unit, alone, lambda *_: None)
    assert staged.has(staged.key(unit))
    assert not staged.has("b")
    assert np.concatenate([[len(rows)] for rows in staged.rows(staged.key(unit))]).sum() == 3


def test_a_document_that_no_worker_survived_is_counted_with_its_reason(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")

    def first_breaks(chunks: Iterator[list[RawDocument]]) -> Iterator[list[Part | Broken]]:
        chain = Chain(PERSIAN, near_duplicates=True)
        for first, *rest in chunks:
            yield [Broken(first, "crash", "signal 11"), chain(rest)]

    staged.stage(unit, first_breaks, lambda *_: None)
    tally, samples, _ = staged.counted(staged.key(unit))
    assert (tally.read, tally.kept, tally.dropped) == (4, 2, {"crash": 1, "too short": 1})
    assert tally.source("news") == {"read": 4, "kept": 2, "dropped": 2}
    assert next(s["detail"] for s in samples if s["reason"] == "crash") == "signal 11"
    assert len(staged.signatures(staged.key(unit))) == 2


def test_a_page_of_bytes_that_no_worker_survived_is_shown_as_text() -> None:
    page = RawDocument(id="a", content="<p>درخت</p>".encode(), kind="html", source="web")
    (sample,) = quarantined(Broken(page, "timeout", "took 60 s")).samples
    assert (sample["id"], sample["reason"]) == ("a", "timeout")
    assert "درخت" in sample["text"]


def test_a_unit_is_named_by_all_that_shapes_it(tmp_path: Path) -> None:
    def named(xxh3: str) -> Unit:
        item = Input(Path("news.jsonl"), "news", "news.jsonl")
        return Unit((DescribedInput(item, {"key": "news.jsonl", "xxh3": xxh3}, FileState(0, 0, 0)),))

    described = named("00")
    other = replace(PERSIAN, filters=replace(PERSIAN.filters, min_words=31))
    keys = [
        staging(tmp_path).key(described),
        staging(tmp_path).key(named("01")),
        staging(tmp_path, language=other).key(described),
        staging(tmp_path, near_duplicates=False).key(described),
        staging(tmp_path, pii="mask").key(described),
    ]
    assert len(set(keys)) == len(keys)
    assert staging(tmp_path / "elsewhere").key(described) == keys[0]


# -- what was read is what the key is of


Change = Callable[[Path, bytes], None]


def rewrite(path: Path, before: bytes) -> None:
    path.write_text(json.dumps({"text": articles(9)[8]}, ensure_ascii=False) + "\n", encoding="utf-8")


def replace_file(path: Path, before: bytes) -> None:
    other = path.with_suffix(".new")
    rewrite(other, before)
    other.replace(path)


def grow(path: Path, before: bytes) -> None:
    path.write_bytes(before + before)


def cut(path: Path, before: bytes) -> None:
    path.write_bytes(before[: len(before) // 2])


def change_and_put_back(path: Path, before: bytes) -> None:
    times = path.stat()
    rewrite(path, before)
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = [rewrite, replace_file, grow, cut, change_and_put_back]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before", "while"])
def test_a_file_that_changed_since_it_was_hashed_is_read_again(
    when: str, change: Change, tmp_path: Path, unit: Unit
) -> None:
    path = unit.inputs[0].input.path
    before = path.read_bytes()
    rounds = 0

    def run(chunks: Iterator[list[RawDocument]]) -> Iterable[list[Part | Broken]]:
        nonlocal rounds
        rounds += 1
        for parts in alone(chunks):
            if when == "while" and rounds == 1:
                change(path, before)
            yield parts

    if when == "before":
        change(path, before)
    staged = staging(tmp_path / "work")
    was = staged.stage(unit, run, lambda *_: None)
    now = Unit.described([unit.inputs[0].input])
    assert was == now
    assert staged.has(staged.key(now))
    assert rounds == (1 if when == "before" else 2)
    # what is staged is what a build that saw the file in peace stages
    peace = staging(tmp_path / "peace")
    peace.stage(now, alone, lambda *_: None)
    assert list(staged.rows(staged.key(now))) == list(peace.rows(peace.key(now)))
    if now.entries != unit.entries:
        assert not staged.has(staged.key(unit))


def test_a_file_that_never_stands_still_stops_the_build_by_name(tmp_path: Path, unit: Unit) -> None:
    path = unit.inputs[0].input.path

    def run(chunks: Iterator[list[RawDocument]]) -> Iterable[list[Part | Broken]]:
        for parts in alone(chunks):
            path.write_bytes(path.read_bytes() + b"\n")
            yield parts

    staged = staging(tmp_path / "work")
    with pytest.raises(
        InputError, match=r"news\.jsonl: changed each of the 3 times it was read. Wait until it is whole"
    ):
        staged.stage(unit, run, lambda *_: None)
    assert not list((tmp_path / "work").iterdir())


def test_a_file_that_goes_while_it_is_read_stops_the_build_by_name(tmp_path: Path, unit: Unit) -> None:
    path = unit.inputs[0].input.path

    def run(chunks: Iterator[list[RawDocument]]) -> Iterable[list[Part | Broken]]:
        for parts in alone(chunks):
            path.unlink(missing_ok=True)
            yield parts

    with pytest.raises(InputError, match=r"news\.jsonl: cannot be read \(No such file"):
        staging(tmp_path / "work").stage(unit, run, lambda *_: None)


# -- sealed


def test_a_unit_of_which_one_bit_is_another_is_none_and_is_staged_again_the_same(tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")
    key = staged.key(unit)
    staged.stage(unit, alone, lambda *_: None)
    whole = {path: path.read_bytes() for path in staged.files(key)}
    generator = random.Random(7)
    for path, content in whole.items():
        for _ in range(40):
            bit = generator.randrange(len(content) * 8)
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            assert not staged.has(key) or json.loads(flipped) == json.loads(content), f"{path.suffix}, bit {bit}"
        path.write_bytes(content)
    assert staged.has(key)
    staged.files(key)[0].write_bytes(b"PAR1")
    staged.stage(unit, alone, lambda *_: None)
    assert {path: path.read_bytes() for path in staged.files(key)} == whole


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"tally": 3, "files": []}', b"\xff", b"[" * 10**5, None]
)
@pytest.mark.parametrize("which", [0, 1, 2], ids=["rows", "signatures", "seal"])
def test_a_unit_that_lost_a_file_or_has_another_in_its_place_is_none(
    which: int, content: bytes | None, tmp_path: Path, unit: Unit
) -> None:
    staged = staging(tmp_path / "work")
    key = staged.key(unit)
    staged.stage(unit, alone, lambda *_: None)
    path = staged.files(key)[which]
    path.unlink() if content is None else path.write_bytes(content)
    assert not staged.has(key)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["rows", "signatures", "seal"])
def test_a_unit_that_is_damaged_while_the_build_runs_is_one_line(which: int, tmp_path: Path, unit: Unit) -> None:
    staged = staging(tmp_path / "work")
    key = staged.key(unit)
    staged.stage(unit, alone, lambda *_: None)
    path = staged.files(key)[which]
    path.write_bytes(b"")
    reads = [lambda: list(staged.rows(key)), lambda: staged.signatures(key), lambda: staged.counted(key)]
    with pytest.raises(ArtifactError, match=re.escape(str(path))):
        reads[which]()
