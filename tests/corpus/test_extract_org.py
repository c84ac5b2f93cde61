"""Org Mode is read as Markdown is: prose and titles stay, programs, drawers and marks go."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.extract.org import org_to_text
from ulmkit.document import RawDocument
from ulmkit.formats.read import read_file
from ulmkit.formats.recognise import recognise

ORG = """#+TITLE: Märkmed
#+AUTHOR: Mari
#+OPTIONS: toc:nil
# märkus

* TODO [#A] Alustamine                                    :töö:kodu:
SCHEDULED: <2020-03-03 Tue>
:PROPERTIES:
:ID: 1
:END:
Siin *hoitakse* /vihikuid/ ja =faile=,
vaata [[https://a.ee][lehte]] või [[file:pilt.png]].[fn:1] Aeg on <2020-03-03 Tue 10:00> paigas.

#+CAPTION: Käsud
#+BEGIN_SRC sh
$ ls
#+END_SRC
: väljund

#+begin_quote
Tsitaat on tekst.
#+end_quote

#+BEGIN_VERSE
Esimene rida,
teine rida.
#+END_VERSE

- [X] esimene
- teine\\\\
  rida
  1. kolmas
- termin :: seletus

| a | 1 |
|---+---|
| See lahter on täis lause, mida tabelis hoitakse, ja ta on küllalt pikk, et olla jutt. | 2 |

-----
** COMMENT Peidus
See ei ole tekst.
*** Ka mitte
** Lõpp
a*b*c on 2*3*4, ja a_b_c jääb.

[fn:1] Märkus.
"""
READ = [
    "Alustamine", "Siin hoitakse vihikuid ja faile, vaata lehte või . Aeg on paigas.", "Käsud", "Tsitaat on tekst.",
    "Esimene rida,\nteine rida.", "esimene\nteine\nrida\nkolmas\ntermin\nseletus",
    "See lahter on täis lause, mida tabelis hoitakse, ja ta on küllalt pikk, et olla jutt.",
    "Lõpp", "a*b*c on 2*3*4, ja a_b_c jääb.",
]  # fmt: skip


def test_prose_stays_and_marks_go() -> None:
    text, title = org_to_text(ORG)
    assert title == "Märkmed"
    assert text.split("\n\n") == READ


@pytest.mark.parametrize("opened", ["#+BEGIN_SRC sh", ":PROPERTIES:", "#+begin_example"])
def test_what_is_never_closed_swallows_nothing(opened: str) -> None:
    assert org_to_text(f"* Algus\n{opened}\nSee jääb alles.\n")[0] == "Algus\n\nSee jääb alles."


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (ORG, "a.org", "org"),
        (ORG, "a.txt", "org"),
        ("* Algus\n\nTekst.", "a.org", "org"),
        ("<!doctype html><html><body><p>Tere</p></body></html>", "www.example.org", "html"),
        ('{"text": "Tere"}\n', "example.org", "json"),
        ("'''Jõgi''' on [[vesi]].", "jõgi.wiki", "wikitext"),
    ],
)
def test_its_name_says_it_where_the_text_does_not(text: str, name: str, kind: str) -> None:
    assert recognise(text.encode(), name).name == kind


def test_a_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.org").write_text(ORG)
    (record,) = read_file(tmp_path / "a.org")
    assert isinstance(record, RawDocument)
    assert (record.kind, record.content) == ("org", ORG)


@given(st.lists(st.sampled_from([*ORG.split("\n"), "", "#+end_src", "* COMMENT x"]), max_size=40))
def test_words_of_the_text_are_words_of_the_file(lines: list[str]) -> None:
    source = "\n".join(lines)
    words = set(
        source.replace("*", " ").replace("/", " ").replace("=", " ").replace("[", " ").replace("]", " ").split()
    )
    for word in org_to_text(source)[0].split():
        assert word in words or any(word in each for each in words) or any(each in word for each in words)


def test_a_line_at_the_margin_ends_a_list() -> None:
    source = "- üks asi\n  läheb edasi\n- teine\n  - sees\n    veel\n  lõpeb\nUus lõik [[https://a.ee][lingiga]]."
    assert org_to_text(source)[0] == "üks asi läheb edasi\nteine\nsees veel\nlõpeb\n\nUus lõik lingiga."
