"""Markup and newlines that were escaped once too often are read as what they were; talk about markup is left alone."""

import pytest

from ulmkit.corpus.extract.dispatch import extract
from ulmkit.document import Document, RawDocument
from ulmkit.language.sections import Extraction
from ulmkit.text.encoding import decode

PROSE = "&lt;p&gt;Tuul puhus. &lt;b&gt;Vesi&lt;/b&gt; tõusis.&lt;/p&gt;" + (
    "&lt;p class=&quot;a&quot;&gt;Laev jäi.&lt;/p&gt;"
)
READ = "Tuul puhus. Vesi tõusis.\n\nLaev jäi."


def text_of(content: str) -> str:
    found = extract(RawDocument(id="a", content=content, kind="text", source="s"), Extraction(), decode=decode)
    assert isinstance(found, Document)
    return found.text


@pytest.mark.parametrize(
    "content",
    [
        PROSE,
        PROSE.replace("&", "&amp;"),
        PROSE.replace("&lt;", "&#60;").replace("&gt;", "&#x3E;"),
        PROSE.replace("&lt;", "\\u003c").replace("&gt;", "\\u003e").replace("&quot;", '\\"'),
        "<![CDATA[<p>Tuul puhus. <b>Vesi</b> tõusis.</p><p>Laev jäi.</p>]]>",
        f"&lt;!DOCTYPE html&gt;&lt;html&gt;&lt;body&gt;{PROSE}&lt;/body&gt;&lt;/html&gt;",
    ],
)
def test_a_text_that_is_escaped_markup_is_read_as_markup(content: str) -> None:
    assert text_of(content) == READ


def test_breaks_alone_are_lines() -> None:
    assert text_of("Tuul puhus.&lt;br&gt;Vesi tõusis.&lt;br /&gt;Laev jäi.") == "Tuul puhus.\nVesi tõusis.\nLaev jäi."
    assert text_of("Tuul puhus.<br /><br />Vesi tõusis.<br>Laev jäi.") == "Tuul puhus.\n\nVesi tõusis.\nLaev jäi."


@pytest.mark.parametrize(
    "content",
    [
        "Lõigu märgend on &lt;p&gt; ja reavahetus &lt;br&gt;, pealkirja jaoks on &lt;h1&gt;.",
        "Rida lõpeb märgendiga <br> või märgendiga <br />, lõik märgendiga <p>.",
        "Nii kirjutatakse lõik: &lt;p&gt;Tere&lt;/p&gt;. Pärast seda tuleb teine lõik, mis on samasugune nagu esimene.",
        'Reavahetus on \\n ja tabeldus on \\t ning jutumärk \\".',
        "Failid on kaustas C:\\new\\names\\tekst.\\nKaks.\\nKolm.",
        "Valem $\\nabla f\\n = \\alpha$ on siin.\\n",
        "Kaks rida.\nTeine \\n rida.\\nKolmas.\\n",
    ],
)
def test_talk_about_markup_keeps_what_it_says(content: str) -> None:
    assert text_of(content) == content


def test_newlines_that_are_written_out_are_newlines() -> None:
    """With carriage returns, tabs and quotation marks written out beside them; letters as well."""
    assert text_of('Üks rida.\\r\\nTeine \\"rida\\".\\n\\nKolmas.') == 'Üks rida.\nTeine "rida".\n\nKolmas.'
    assert text_of("\\u0633\\u0644\\u0627\\u0645 \\u062f\\u0646\\u06cc\\u0627") == "سلام دنیا"
