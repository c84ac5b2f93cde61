"""One door for every kind: a document with text, or the reason why there is none."""

from datetime import UTC, datetime

import pytest

from ulmkit.corpus.extract.dispatch import REASONS, extract
from ulmkit.corpus.extract.markup import kind_of
from ulmkit.document import Document, Kind, RawDocument, Unreadable
from ulmkit.language.sections import Extraction
from ulmkit.text.encoding import Undecodable, decode

EXTRACTION = Extraction(redirect_words=("تغییر_مسیر",))
SENTENCE = (
    "باغبان\u200cها می\u200cگویند که باران امسال از همیشه بیشتر بوده است و درخت\u200cها شاداب\u200cتر شده\u200cاند."
)


def raw(content: str | bytes, kind: Kind, **more: str) -> RawDocument:
    return RawDocument(id="a:1", content=content, kind=kind, source="test", **more)  # type: ignore[arg-type]


def read(content: str | bytes, kind: Kind = "text", **more: str) -> Document:
    document = extract(raw(content, kind, **more), EXTRACTION, decode=decode)
    assert isinstance(document, Document), document
    return document


def refused(content: str | bytes, kind: Kind = "text") -> str:
    outcome = extract(raw(content, kind), EXTRACTION, decode=decode)
    assert isinstance(outcome, Unreadable)
    assert outcome.where == "a:1"
    assert outcome.reason in REASONS
    return outcome.reason


PARAGRAPHS = "".join(f"<p>{SENTENCE} بند {i}.</p>" for i in range(4))
PAGE = f"<html><head><title>باغ</title></head><body>{PARAGRAPHS}</body></html>"


def test_what_is_known_of_a_document_travels_on() -> None:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    source = RawDocument(
        id="x", content=SENTENCE, kind="text", source="s", licence="CC0-1.0", url="https://a.ir", title="عنوان",
        fetched_at=moment, published_at=moment,
    )  # fmt: skip
    assert extract(source, EXTRACTION, decode=decode) == Document(
        id="x", text=SENTENCE, source="s", licence="CC0-1.0", url="https://a.ir", title="عنوان",
        fetched_at=moment, published_at=moment,
    )  # fmt: skip


def test_every_kind_gives_its_text() -> None:
    assert read(PAGE, "html").text.split("\n\n")[3] == f"{SENTENCE} بند 3."
    assert read(f"'''باغ''' {{{{x}}}} [[درخت|{SENTENCE}]]", "wikitext").text == f"باغ {SENTENCE}"
    assert read(f"# باغ\n\n{SENTENCE}", "markdown") == Document("a:1", SENTENCE, "test", title="باغ")
    assert read(f"{SENTENCE}\r\n\r\n\r\n{SENTENCE}  \n").text == f"{SENTENCE}\n\n{SENTENCE}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes_are_decoded_first(encoding: str) -> None:
    assert SENTENCE in read(PAGE.encode(encoding), "html").text


def test_a_page_may_name_its_own_encoding() -> None:
    estonian = "Õunaaias käis täna vilgas töö, sest küpsed õunad tuli enne ööd ära korjata. " * 3
    page = f"<html><head><meta charset='iso-8859-15'></head><body><p>{estonian}</p></body></html>"
    assert "Õunaaias käis täna" in read(page.encode("iso-8859-15"), "html").text


def test_a_text_does_not_repeat_its_title() -> None:
    assert read(f"باغ سیب\n\n{SENTENCE}", title="باغ\u200cسیب").text == SENTENCE
    assert read(f"== باغ ==\n{SENTENCE}", "wikitext", title="باغ").text == SENTENCE


def test_a_record_called_text_is_read_as_what_it_is_written_in() -> None:
    assert read(f"# باغ\n\n**{SENTENCE}** [پیوند](https://a.ir)").text == f"{SENTENCE} پیوند"
    assert read(f"<p>{SENTENCE}</p><p>کوتاه</p><p><b>سه</b></p>").text == f"{SENTENCE}\n\nکوتاه\n\nسه"
    assert read(f"'''باغ''' [[الف]] [[ب]] [[پ|ت]] {SENTENCE}").text == f"باغ الف ب ت {SENTENCE}"


PLAIN_TEXTS = [
    "Ta ütles: 5 < 6 ja 7 > 6, #hommik on käes * ja muu.",
    "#هشتگ در ابتدای متن و - خط تیره\n- دیالوگ اول\n- دیالوگ دوم",
    "نوشت: [۱] و [[دو]] و (سه) و {چهار}",
    "The <p> tag opens a paragraph and <b> makes text bold, as everybody knows by now.",
    "1. esimene\n2. teine\n\n* * *\n\nLõpp",
    "A **bold** word alone",
]


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_plain_text_is_not_taken_for_markup(text: str) -> None:
    assert kind_of(text) == "text"
    assert read(text).text == text


def test_reasons() -> None:
    assert refused("") == "empty"
    assert refused(" \n ") == "empty"
    assert refused("{{شابلون}}", "wikitext") == "empty"
    assert refused("```\ncode\n```", "markdown") == "empty"
    assert refused("#تغییر_مسیر [[باغ]]", "wikitext") == "redirect"
    assert refused("<html><body><nav>ورود</nav></body></html>", "html") == "no main text"
    assert refused("<p>" * 9_000_000, "html") == "too large"

    def undecodable(data: bytes, declared: str) -> tuple[str, str]:
        raise Undecodable("nothing fits")

    outcome = extract(raw(b"\x81\x8d", "html"), EXTRACTION, decode=undecodable)
    assert isinstance(outcome, Unreadable)
    assert (outcome.reason, outcome.detail) == ("encoding", "nothing fits")
    other = extract(raw(PAGE, "html"), EXTRACTION, decode=decode, refused=lambda _: "de (pycld2)")
    assert isinstance(other, Unreadable)
    assert (other.reason, other.detail) == ("other language", "de (pycld2)")
    assert "<" not in other.excerpt  # readable, and no markup
    assert other.excerpt


def test_lone_surrogates_do_not_travel_on() -> None:
    assert read(f"{SENTENCE}\ud800").text == SENTENCE
    assert read(PAGE.replace("بند", "بند\udc00"), "html").text.encode()


def test_the_tags_of_forums_go_and_brackets_of_other_meaning_stay() -> None:
    quoted = (
        f"[B]باغ[/B] [size=5]{SENTENCE}[/size]\n[quote='مریم']{SENTENCE}[/quote]\n[list][*]یک [url=https://a.ir]دو[/url]"
        "[*]سه[/list][img=left]https://a.ir/a.png[/img] [code]for x in y[/code]"
    )
    assert read(quoted).text == f"باغ {SENTENCE}\n\n{SENTENCE}\n\nیک دو\n\nسه"
    for text in (
        "بنویس [img] لینک [/img] تا عکس دیده شود.",
        "آرایهٔ a[b] و [i] و [/etc/hosts]",
        "[quote] باز ماند",
        f"{SENTENCE} [1] [url] [/b]",
    ):
        assert read(text).text == text
    for name in ("code", "img", "quote"):
        unclosed = f"[{name}]" * 50_000 + "[b]x[/b]" + "a" * 20_000 + " " * 50_000
        assert read(unclosed).text == "x" + "a" * 20_000
