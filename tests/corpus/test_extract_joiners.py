"""No reader loses U+200C or U+200D, whichever way the page spells them."""

import pytest

from ulmkit.corpus.extract.html import fragment_to_text, html_to_text
from ulmkit.corpus.extract.markdown import markdown_to_text
from ulmkit.corpus.extract.plain import plain_to_text
from ulmkit.corpus.extract.wikitext import wikitext_to_text
from ulmkit.language.sections import Extraction

SENTENCE = "کتاب\u200cهای تازه را می\u200cخوانیم و خانواده 👨\u200d👩\u200d👧 در باغچه\u200cی ما می\u200cنشیند. "
PARAGRAPH = SENTENCE * 4
ZWNJ, ZWJ = PARAGRAPH.count("\u200c"), PARAGRAPH.count("\u200d")


def page(paragraphs: list[str], extra: str = "") -> str:
    menu = "<nav><ul>" + "".join(f"<li><a href='/{i}'>بخش {i}</a></li>" for i in range(8)) + "</ul></nav>"
    body = "".join(f"<p>{p}</p>" for p in paragraphs)
    return (
        f"<!DOCTYPE html><html><head><title>گزارش باغچه</title></head><body>{menu}<article><h1>گزارش باغچه</h1>"
        f"{body}</article>{extra}<footer>همه\u200cی حقوق محفوظ است</footer></body></html>"
    )


PAGE = page([PARAGRAPH + f"بند {i}" for i in range(5)])


def joiners(text: str) -> tuple[int, int]:
    return text.count("\u200c"), text.count("\u200d")


def test_a_page_keeps_every_joiner() -> None:
    text = html_to_text(PAGE).text
    assert joiners(text) == (5 * ZWNJ, 5 * ZWJ)
    assert PARAGRAPH.strip() in text


@pytest.mark.parametrize(
    ("zwnj", "zwj"), [("&zwnj;", "&zwj;"), ("&#8204;", "&#8205;"), ("&#x200c;", "&#x200D;"), ("&#X200C", "&#X200d")]
)
def test_joiners_written_as_entities_arrive(zwnj: str, zwj: str) -> None:
    spelled = PAGE.replace("\u200c", zwnj).replace("\u200d", zwj)
    assert joiners(html_to_text(spelled).text) == (5 * ZWNJ, 5 * ZWJ)


def test_the_title_keeps_its_joiners() -> None:
    titled = PAGE.replace("گزارش باغچه", "گزارش باغچه\u200cها")
    assert html_to_text(titled).title == "گزارش باغچه\u200cها"


def test_the_other_readers_keep_every_joiner() -> None:
    assert joiners(wikitext_to_text(f"'''{PARAGRAPH}'''\n* {PARAGRAPH}", Extraction())) == (2 * ZWNJ, 2 * ZWJ)
    assert joiners(wikitext_to_text("[[کتاب‌ها|کتاب&zwnj;ها]]&nbsp;و می‌رود", Extraction())) == (2, 0)
    assert joiners(markdown_to_text(f"# عنوان\n\n**{PARAGRAPH}**\n\n- {PARAGRAPH}")[0]) == (2 * ZWNJ, 2 * ZWJ)
    assert joiners(plain_to_text(PARAGRAPH)) == (ZWNJ, ZWJ)
    assert joiners(fragment_to_text(f"<p>{PARAGRAPH}</p><p>می&zwnj;رود</p>").text) == (ZWNJ + 1, ZWJ)
