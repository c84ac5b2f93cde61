"""Names from outside, as file name, licence and fields of records: nothing raw is shown, and each name comes back."""

import json
import os
import random
from pathlib import Path

import pytest
from at_prompt import run
from corpus_text import articles

from ulmkit.language.registry import get
from ulmkit.names import name_on_disk, stored_name, yaml_text
from ulmkit.workflow.corpus import Corpus

ATOMS = [
    *(bytes([code]) for code in (*range(1, 32), 127)),
    *(chr(code).encode() for code in (*range(0x80, 0xA0), 0x202A, 0x202E, 0x2066, 0x2069)),
    *(chr(code).encode() for code in (0x2028, 0x2029, 0xFEFF, 0xE0041)),
    *(b"\x1b[31m", b"\x1b]0;title\x07", b"\xff", b"\xed\xa0\x80", b"---", b": ", b"#", b'"', b"'", b"&a", b"|", b"`"),
    *(b"[x](y)", b"<script>", b"$(id)", b";", b"\\xff", b"\\", b"\nkey: yes\n---\n# heading\n"),
    "می\u200cخواهم".encode(),
]  # fmt: skip


def hostile_names(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    starts = (b"", b"-", b"--json", b" ", b"x.")
    return [rng.choice(starts) + b"".join(rng.choices(ATOMS, k=rng.randint(1, 6))) for _ in range(count)]


def is_safe(text: str) -> bool:
    """Whether no character of `text` moves a cursor, turns a line, or ends it unasked."""
    return all(c.isprintable() or c in "\n\u200c\u200d" for c in text)


def text_of(name: bytes) -> str:
    """What of a name a file of text can hold."""
    return "".join(c for c in os.fsdecode(name) if not "\ud800" <= c <= "\udfff")


def test_hostile_names_are_shown_safely_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, root = tmp_path / "in", tmp_path / "data"
    folder.mkdir()
    names = hostile_names(12, seed=7)
    files: dict[str, str] = {}
    for name, text in zip(names, articles(len(names)), strict=True):
        seen = os.fsdecode(name)  # bytes that are no UTF-8 are lone surrogates, which JSON can spell
        record = {"id": seen, "title": seen, "url": f"https://x.org/{seen}", "licence": seen, "text": text}
        with open(os.fsencode(folder) + b"/" + name + b".jsonl", "wb") as file:
            file.write((json.dumps(record) + "\n" + json.dumps({"id": seen}) + "\n").encode())
        files[os.fsdecode(name + b".jsonl")] = text_of(name)
    licence = os.fsdecode(b"".join(names[:4]))
    assert run("corpus", "build", "fa", "--input", folder, "--licence", licence, "--workers", 0, "--root", root) == 0
    shown = capsys.readouterr()
    assert is_safe(shown.out)
    assert is_safe(shown.err)
    corpus, language = Corpus.load(root / "fa/corpus"), get("fa")
    assert len(corpus) == len(names)
    for doc in corpus:
        clean = files[name_on_disk(doc.id.removeprefix("in/").rpartition("#")[0])]
        assert (doc.url, doc.title) == (f"https://x.org/{clean}", language.normalize(clean).replace("\n", " "))
    inputs = corpus.manifest["inputs"]
    assert {name_on_disk(item["key"]) for item in inputs} == {os.fsdecode(name + b".jsonl") for name in names}
    assert {name_on_disk(item["licence"]) for item in inputs} == {licence}
    card = (root / "fa/corpus/README.md").read_text(encoding="utf-8")
    assert is_safe(card)
    assert [line.split(":")[0] for line in card.split("---\n")[1].splitlines() if line[0] not in " -"] == [
        "language", "license", "configs",
    ]  # fmt: skip
    assert sum(line.startswith("#") for line in card.splitlines()) == 1


def test_yaml_spells_a_character_beyond_sixteen_bits_as_one() -> None:
    assert yaml_text("a\U000e0041") == '"a\\U000e0041"'
    assert yaml_text(stored_name("\\udb40\\udc41")) == '"\\\\udb40\\\\udc41"'
