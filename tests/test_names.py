"""Names from outside: stored so that they come back, shown so that they cannot mislead."""

import json
import os
import re
import unicodedata
from pathlib import Path

import pytest
from at_prompt import run
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.language.places import bundled
from ulmkit.names import (
    code_span,
    json_text,
    markdown_text,
    name_on_disk,
    readable,
    readable_lines,
    stored_name,
    yaml_text,
)

NAMES = st.binary(min_size=1, max_size=40) | st.lists(
    st.sampled_from([b"\\", b"x", b"5", b"c", b"f", b"\xff", b"\x80", b"\x1b", b"a"]), min_size=1
).map(b"".join)


@given(NAMES, NAMES)
def test_a_stored_name_comes_back_and_is_nobody_else_s(one: bytes, other: bytes):
    stored = [stored_name(os.fsdecode(name)) for name in (one, other)]
    assert [os.fsencode(name_on_disk(name)) for name in stored] == [one, other]
    assert (stored[0] == stored[1]) == (one == other)
    assert all(name.encode() for name in stored)  # UTF-8, as every file of ours is


def test_plain_names_are_stored_as_they_are():
    for name in ("news.jsonl.zst", "خبر\u200cها.txt", "a\\b", "a\\xFF", "√ 2"):
        assert stored_name(name) == name


@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_shown_has_no_controls(text: str):
    for shown in (readable(text, None), readable_lines(text).replace("\n", "").replace("\t", ""), json_text(text)):
        assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
        assert not set(shown) & set("\u200b\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert readable_lines(text).count("\n") == text.count("\n")


@given(st.text())
def test_json_is_whole_whatever_it_holds(text: str):
    assert json.loads(json_text({"name": text})) == {"name": text}
    # JSON but for \\U and eight digits, which stand for one character
    yaml = re.sub(r"(\\\\)|\\U([0-9a-f]{8})", lambda m: m[1] or chr(int(m[2], 16)), yaml_text(text))
    assert json.loads(yaml) == text if yaml.startswith('"') else yaml == text


def test_joiners_stay_where_they_join():
    assert readable("می\u200cشود", None) == "می\u200cشود"
    assert markdown_text("می\u200cشود") == "می\u200cشود"
    assert readable("pay\u200cpal") == "pay\\u200cpal"


def test_markdown_shows_a_name_and_does_not_obey_it():
    assert markdown_text("[a](http://b) <b>") == r"\[a\](http://b) \<b\>"
    assert code_span("a``b`") == "``` a``b` ```"
    assert yaml_text("no") == '"no"'


HOSTILE = (
    b"esc\x1b[31m\x1b]0;pwn\x07.txt", b"latin-\xff\xfe.txt", b"turned\xe2\x80\xae.txt", b"two\nlines.txt",
    b"markup|`*_<img>.txt", b"back\\xff.txt", b"a" * 251 + b".txt", "خبر\u200cها.txt".encode(),
    b"--- #: y.txt", b"$(id) ;.txt",
)  # fmt: skip


def test_hostile_names_go_through_a_build_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Bytes, controls, directions, markup: none raw on the terminal or in the card, each name whole in the manifest."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"\xff"))
    folder.mkdir()
    text = next((bundled() / "fa" / "samples").glob("*")).read_bytes()
    for number, name in enumerate(HOSTILE):
        (folder / os.fsdecode(name)).write_bytes(text + b"\n\n" + str(number).encode() * 20)
    root = Path(os.fsdecode(os.fsencode(tmp_path / "root") + b"\xfe"))
    files = [word for name in HOSTILE for word in ("--input", f"{folder}/{os.fsdecode(name).replace('*', '?')}")]
    assert run("corpus", "build", "fa", *files, "--root", root, "--workers", "0", "--exact-duplicates") == 0
    shown = capsys.readouterr()
    corpus = root / "fa" / "corpus"
    card = (corpus / "README.md").read_text(encoding="utf-8")
    for page in (shown.out, shown.err, card):
        assert not [c for c in page if c not in "\n\u200c" and not c.isprintable()]
    manifest = json.loads((corpus / "manifest.json").read_text(encoding="utf-8"))
    assert {os.fsencode(name_on_disk(entry["key"])) for entry in manifest["inputs"]} == set(HOSTILE)
    assert run("corpus", "build", "fa", "--input", folder, "--root", root, "--workers", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["inputs"][0]["source"] == "in\\xff"
    assert run("verify", "fa", "--root", root) == 0
    assert "\\xfe" in capsys.readouterr().out
