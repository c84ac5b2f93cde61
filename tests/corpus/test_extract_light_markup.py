"""AsciiDoc and reStructuredText are read as Markdown is: prose and titles stay, programs and marks go."""

import pytest

from ulmkit.corpus.extract.asciidoc import asciidoc_to_text
from ulmkit.corpus.extract.markdown import markdown_to_text
from ulmkit.corpus.extract.markup import kind_of
from ulmkit.corpus.extract.restructured import restructured_to_text

ASCIIDOC = """= Märkmed
Mari Maasikas <mari@a.ee>
:toc:
:nimi: vihik

[[alus]]
== Alustamine

(((märkmed, hoidmine)))Siin *hoitakse* {nimi}uid,
vaata <<alus,algust>> või https://a.ee[lehte].footnote:[Märkus.]

.Käsud
[source,sh]
----
$ ls
----

[NOTE]
====
Nimed võivad korduda `a b`.
====

WARNING: Ära kustuta.

* esimene
** teine +
rida
. kolmas

|===
|a |1
|See lahter on täis lause, mida tabelis hoitakse, ja ta on küllalt pikk, et olla jutt.
|===

include::teine.adoc[]
// märkus
"""
LONG = "See lahter on täis lause, mida tabelis hoitakse, ja ta on küllalt pikk, et olla jutt."
ASCIIDOC_READ = [
    "Alustamine",
    "Siin hoitakse vihikuid, vaata algust või lehte.", "Käsud", "Nimed võivad korduda a b.", "Ära kustuta.",
    "esimene\nteine\nrida\nkolmas", LONG,
]  # fmt: skip

RESTRUCTURED = """.. _alus:

=======
Märkmed
=======

:Autor: Mari

Alustamine
----------

Siin **hoitakse** *vihikuid*, vaata :ref:`algust <alus>` või `lehte <https://a.ee>`_ [1]_
ja ``ls`` käsku::

    $ ls

    $ cat

.. code-block:: python
   :linenos:

   print(1)

.. note:: Nimed võivad
   korduda.

.. image:: a.png
   :alt: pilt

- esimene
  rida
- teine

==== ====
a    b
==== ====
1    2
==== ====

>>> print(1)
1

Lõpp, nimega viide_.

.. [1] Märkus.
"""
RESTRUCTURED_READ = [
    "Alustamine", "Siin hoitakse vihikuid, vaata algust või lehte ja ls käsku:", "Nimed võivad korduda.",
    "esimene rida\nteine", "Lõpp, nimega viide.",
]  # fmt: skip


def test_asciidoc() -> None:
    assert asciidoc_to_text(ASCIIDOC) == ("\n\n".join(ASCIIDOC_READ), "Märkmed")
    assert asciidoc_to_text("Pealkiri\n========\n\nJutt.\n\n[quote]\n____\nTsitaat.\n____")[0] == "Jutt.\n\nTsitaat."
    assert asciidoc_to_text("Mõiste:: seletus on siin\n\n....\nx\n")[0] == "Mõiste\nseletus on siin"


def test_restructured_text() -> None:
    assert restructured_to_text(RESTRUCTURED) == ("\n\n".join(RESTRUCTURED_READ), "Märkmed")
    assert restructured_to_text("| Roosid on\n| punased\n\n..\n   märkus\n\nJutt.")[0] == "Roosid on\npunased\n\nJutt."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ASCIIDOC, "asciidoc"),
        (RESTRUCTURED, "restructured"),
        ("# Pealkiri\n\n**rõhk** ja [link](https://a.ee)", "markdown"),
        ("Jutt ``koodiga`` ja = märgiga.\n\n= Pealkiri\n\nTeine.", "text"),
    ],
)
def test_they_are_told_by_two_of_their_marks(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "hostile", ["[[" * 4_000, "`" * 6_000, "*a " * 3_000, "----\n" * 2_000, ".. a::\n" * 1_000, "|===\n" * 1_000]
)
def test_no_mark_alone_holds_them_up(hostile: str) -> None:
    asciidoc_to_text(hostile)
    restructured_to_text(hostile)
    kind_of(hostile)


def test_the_caption_and_the_legend_of_a_figure_are_text() -> None:
    figure = ".. figure:: vald.png\n   :alt: pilt\n\n   Vallamaja 1930. aastal.\n\n   Ees seisab vallavanem."
    source = f"Algus on siin.\n\n{figure}\n\nLõpp."
    text, _ = restructured_to_text(source)
    assert text == "Algus on siin.\n\nVallamaja 1930. aastal.\n\nEes seisab vallavanem.\n\nLõpp."
    assert "vald" not in restructured_to_text(".. image:: vald.png\n\nLõpp.")[0]


def test_cells_of_a_list_table_are_read_as_those_of_other_tables() -> None:
    cell = LONG.replace("mida ", "mida\n       ")
    table = f".. list-table:: Nimed\n   :header-rows: 1\n\n   * - Nimi\n     - Sisu\n   * - Üks\n     - {cell}\n"
    assert restructured_to_text(f"Enne.\n\n{table}\nPärast.\n")[0] == f"Enne.\n\n{LONG}\n\nPärast."


def test_a_substitution_shows_what_it_stands_for() -> None:
    """Wherever it is defined; one that is not leaves nothing, as before."""
    source = "Meie |toode| on valmis, |muu| ka.\n\n.. |toode| replace:: *uus* paat\n"
    assert restructured_to_text(source)[0] == "Meie uus paat on valmis, ka."


def test_the_title_of_a_callout_is_no_beginning_of_its_text() -> None:
    assert markdown_to_text("> [!info]- Kokku\n> Sadas vihma.\n\n> [!NOTE]\n> Tuul puhus.\n")[0] == (
        "Kokku\n\nSadas vihma.\n\nTuul puhus."
    )
