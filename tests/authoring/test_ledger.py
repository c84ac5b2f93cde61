"""The ledger counts what each operation did, and compares a normalizer with itself less one operation."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from at_prompt import run

from ulmkit.authoring.ablation import Fit
from ulmkit.authoring.ledger import account, changed_bytes, is_held_out, keep_ledger, visible
from ulmkit.authoring.measure import read_documents
from ulmkit.document import Unreadable
from ulmkit.errors import InputError, UsageError
from ulmkit.formats import reasons
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.registry import get

PERSIAN = get("fa").normalizer("standard")
TEXTS = [f"كتاب {number} را خواند؟ «متن» ، و كتاب دیگری." for number in range(40)]


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("", "", 0),
        ("ab", "ba", 0),  # where things stand is not counted
        ("a  b", "a b", 1),
        ("5", "۵", 1 + 2),
        ("می روم", "می\u200cروم", 1 + 3),
        ("e\u0301", "é", 1 + 2 + 2),
    ],
)
def test_bytes_are_those_that_went_and_those_that_came(before: str, after: str, count: int):
    assert changed_bytes(before, after) == count


def test_what_shows_nothing_is_escaped():
    assert visible("می\u200cروم\n\u202eب\u064b") == "می\\u200cروم\\n\\u202eب\\u064b"
    assert visible("õ a") == "õ a"
    assert visible("दऱ्\u200dया") == "दऱ्\\u200dया"


def test_an_entry_holds_hits_documents_bytes_and_examples_of_different_changes():
    entries = account(PERSIAN, ["كتاب كهنه علي", "آب", "كتاب"])
    assert list(entries) == list(dict.fromkeys(PERSIAN.operations))  # one entry, however often it stands there
    letters = entries["characters"]
    assert (letters.hits, letters.documents, letters.bytes) == (4, 2, 4 * 4)
    assert letters.examples[0] == ("كتاب كهنه علي", "کتاب کهنه علی")
    assert len(letters.examples) == 1  # ك again is no other example
    assert (entries["digits"].hits, entries["digits"].documents, entries["digits"].examples) == (0, 0, [])


class ByHand:
    """A model by hand: a character costs four bits where it was learned, thirty elsewhere."""

    def fit(self, learn: list[str], texts: list[str]) -> Fit:
        known = set("".join(learn))
        bits = np.array([sum(4.0 if c in known else 30.0 for c in text) for text in texts])
        return Fit(tokens=sum(map(len, texts)), bits=bits)


def test_figures_without_an_operation_divide_by_the_full_normal_form():
    ledger = keep_ledger(PERSIAN, [*TEXTS, TEXTS[0]], model=ByHand())
    assert (ledger.documents, ledger.held_out) == (40, sum(map(is_held_out, TEXTS)))
    normal = [PERSIAN(text) for text in TEXTS if is_held_out(text)]
    assert ledger.whole.tokens_per_word == sum(map(len, normal)) / sum(len(text.split()) for text in normal)
    entry = next(entry for entry in ledger.entries if entry.operation == "spacing")
    longer = [text.replace("؟ ", "؟ ").replace("» ،", "»،") for text in normal]
    assert longer == normal  # the space before ، is gone
    without = entry.without.figures
    size = sum(len(text.encode()) for text in normal)
    assert without.bits_per_byte * size == pytest.approx(4.0 * (sum(map(len, normal)) + len(normal)))
    assert ledger.change(entry)[2] > 0
    assert ledger.verdict(entry) == "pays"


def test_only_what_acted_and_may_be_missed_is_switched_off():
    ledger = keep_ledger(PERSIAN, TEXTS, model=ByHand())
    verdicts = {entry.operation: ledger.verdict(entry) for entry in ledger.entries}
    tried = {entry.operation for entry in ledger.entries if entry.without is not None}
    assert verdicts["nfc"] == verdicts["protect"] == "required"
    assert verdicts["tatweel"] == "idle"
    assert tried == {entry.operation for entry in ledger.entries if entry.bytes} - {"nfc", "spaces"}
    assert {"characters", "spacing"} <= tried


def test_the_switched_off_operation_is_the_only_one_missing():
    seen: Counter[str] = Counter()

    class Seeing(ByHand):
        def fit(self, learn: list[str], texts: list[str]) -> Fit:
            seen["كتاب" if "كتاب" in learn[0] else "کتاب"] += 1
            return super().fit(learn, texts)

    ledger = keep_ledger(PERSIAN, TEXTS, model=Seeing())
    assert seen["كتاب"] == 1  # without `characters`, and in no other trial
    assert seen.total() == 1 + sum(entry.without is not None for entry in ledger.entries)


def test_too_few_documents_are_refused():
    with pytest.raises(UsageError, match="too few"):
        keep_ledger(PERSIAN, TEXTS[:1], model=ByHand())


@pytest.mark.slow
def test_the_command_counts_ablates_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, out = tmp_path / "a.jsonl", tmp_path / "out"
    texts = [text.read_text(encoding="utf-8") for text in sorted(get("fa").samples.glob("*.txt"))]
    source.write_text("".join(json.dumps({"text": text.replace("ی", "ي")}) + "\n" for text in texts), encoding="utf-8")
    words = ("language", "ledger", "fa", "--input", source, "--vocab", 600, "--order", 2, "--out", out, "-q", "--json")
    assert run(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((out / "ledger.json").read_text(encoding="utf-8"))
    letters = next(entry for entry in found["operations"] if entry["operation"] == "characters")
    assert letters["documents"] == len(texts) == found["documents"]
    assert found["whole"]["bits_per_byte"] > 0.5
    page = (out / "ledger.md").read_text(encoding="utf-8")
    assert "## characters" in page
    assert "| required |" in page
    assert run("language", "ledger", "fa", "--input", source, "--no-ablate", "-q") == 0
    assert "idle" in capsys.readouterr().out


def test_a_file_that_the_disk_does_not_give_is_not_left_out_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A ledger, or limits, of what happened to be readable would be another one."""
    (tmp_path / "a.txt").write_text("متن\n", encoding="utf-8")
    lost = Unreadable("news/a.txt", reasons.STORAGE, "Input/output error")
    monkeypatch.setattr("ulmkit.authoring.measure.read_input", lambda *_, **__: iter([lost]))
    with pytest.raises(InputError, match=r"a\.txt: cannot be read \(Input/output error\)"):
        list(read_documents(get("fa"), named_inputs([str(tmp_path / "a.txt")])))
