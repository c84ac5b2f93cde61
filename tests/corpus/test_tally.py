"""Counts of parts add up to those of the whole, and survive JSON; samples are the first of each kind."""

import json
from pathlib import Path

from ulmkit.corpus.tally import Samples, Tally, read_samples


def of_unit(number: int) -> Tally:
    tally = Tally(read=3, kept=2, characters_kept=10 * number)
    tally.dropped.update({"too short": 1})
    tally.source(f"source {number % 2}").update(read=3, kept=2)
    tally.count_joiners("kept", ["a\u200cb"] * number)
    tally.refuse(f"file {number}", "bad record")
    return tally


def test_parts_add_up_in_any_order() -> None:
    forth, back = Tally(), Tally()
    for number in range(4):
        forth.add(of_unit(number))
        back.add(of_unit(3 - number))
    assert forth == back
    assert (forth.read, forth.kept, forth.characters_kept) == (12, 8, 60)
    assert forth.dropped == {"too short": 4}
    assert forth.sources == {f"source {number}": {"read": 6, "kept": 4} for number in (0, 1)}
    assert forth.joiners["kept"]["U+200C"] == 6
    assert forth.unread == {f"file {number}": {"bad record": 1} for number in range(4)}


def test_json_gives_it_back() -> None:
    tally = of_unit(2)
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


def test_a_document_that_becomes_a_duplicate_is_counted_out_of_what_was_kept() -> None:
    tally = of_unit(1)
    tally.duplicate({"characters": 4, "source": "source 1", "text": "a\u200cb"})
    assert (tally.kept, tally.characters_kept, tally.dropped["duplicate"]) == (1, 6, 1)
    assert tally.source("source 1") == {"read": 3, "kept": 1, "duplicate": 1}
    assert tally.joiners["kept"]["U+200C"] == 0


def test_samples_are_the_first_of_each_kind_and_lie_sorted(tmp_path: Path) -> None:
    samples = Samples("reason", limit=2)
    samples.add({"reason": reason, "id": str(number)} for number, reason in enumerate("bababa"))
    samples.write(tmp_path / "samples.jsonl")
    found = read_samples(tmp_path / "samples.jsonl")
    assert [(sample["reason"], sample["id"]) for sample in found] == [("a", "1"), ("a", "3"), ("b", "0"), ("b", "2")]
