"""A page's main text: paragraphs, headings and items kept, menus and machinery dropped, hostile pages survived."""

import json
import math
import time
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import pytest

from ulmkit.corpus.extract import html as html_module
from ulmkit.corpus.extract.block_features import block_features, matrix
from ulmkit.corpus.extract.block_judge import WEIGHTS, shipped_judge
from ulmkit.corpus.extract.html import MAX_CHARACTERS, fragment_to_text, html_to_text
from ulmkit.corpus.extract.layout import layout, serialized

SENTENCES = [
    "آبان امسال باران خوبی بارید و باغبان\u200cها خوشحال\u200cتر از همیشه به سراغ درخت\u200cهای خود رفتند.",
    "پیرمرد گفت که چنین پاییزی را سال\u200cها ندیده است و امیدوار است که زمستان نیز پربارش باشد.",
    "در بازار روستا قیمت سیب پایین آمد، اما فروشندگان می\u200cگویند که سود آن\u200cها چندان کم نشده است.",
    "مدرسه از هفته\u200cی آینده اردوی یک\u200cروزه\u200cای برای دیدن باغ\u200cها برگزار می\u200cکند.",
]
MENU = "<ul class='menu'>" + "".join(f"<li><a href='/{i}'>بخش شماره {i}</a></li>" for i in range(12)) + "</ul>"


def page(body: str, title: str = "پاییز در باغ - خبرنامه", head: str = "") -> str:
    return (
        f"<!DOCTYPE html><html lang=fa><head><title>{title}</title>{head}<style>p{{color:red}}</style></head><body>"
        f"<nav>{MENU}</nav><div id=cookie-banner class='cookie'>ما از کوکی استفاده می\u200cکنیم. می\u200cپذیرم</div>"
        f"<article>{body}</article><aside class=related><h3>مطالب مرتبط</h3>{MENU}</aside>"
        f"<div class='comments'><p>نظر شما چیست؟ خیلی عالی بود دوستان عزیز، ممنون از شما.</p></div>"
        f"<footer>{MENU}<p>تمام حقوق محفوظ است</p></footer><script>var x = 'متن اسکریپت';</script></body></html>"
    )


ARTICLE = "<h1>پاییز در باغ</h1>" + "".join(f"<p>{s}</p>" for s in SENTENCES)


def test_the_article_comes_out_and_nothing_else() -> None:
    result = html_to_text(page(ARTICLE))
    assert result.text == "\n\n".join(SENTENCES)
    assert result.title == "پاییز در باغ"


def test_headings_and_items_are_lines_of_their_own() -> None:
    body = (
        ARTICLE
        + "<h2>سه سفارش</h2><ul><li>هرس را عقب نیندازید و ابزار تیز به کار ببرید.</li><li>آب را کم کنید.</li></ul>"
    )
    text = html_to_text(page(body)).text
    assert text.endswith("\n\nسه سفارش\n\nهرس را عقب نیندازید و ابزار تیز به کار ببرید.\nآب را کم کنید.")


def test_a_break_is_a_line_and_inline_markup_is_none() -> None:
    verse = "<p>توانا بود هر که دانا بود<br>ز دانش دل <b>پیر</b> <a href='/x'>برنا</a> بود</p>"
    assert "توانا بود هر که دانا بود\nز دانش دل پیر برنا بود" in html_to_text(page(ARTICLE + verse)).text


def test_blocks_of_code_go_and_names_in_a_sentence_stay() -> None:
    sentence = "<p>تابع <code>print()</code> خروجی را نشان می\u200cدهد.</p>"
    body = f"{ARTICLE}{sentence}<pre><code>for x in y:\n    print(x)\n</code></pre>"
    text = html_to_text(page(body)).text
    assert "تابع print() خروجی را نشان می\u200cدهد." in text
    assert "for x in y" not in text


def test_cells_that_hold_sentences_are_paragraphs_and_figures_go() -> None:
    rows = "<tr><td>سیب</td><td>۱۲</td></tr><tr><td>گلابی</td><td>۱۴</td></tr>"
    body = ARTICLE + f"<table>{rows}<tr><td>جمع</td><td>{SENTENCES[1]} {SENTENCES[0]}</td></tr></table>"
    text = html_to_text(page(body)).text
    assert f"{SENTENCES[1]} {SENTENCES[0]}" in text.split("\n")
    assert "گلابی" not in text


def test_pairs_of_cells_with_letters_are_lines_as_in_a_recipe() -> None:
    """Half of a row says nothing; where a column holds figures alone the table is one of figures."""
    rows = [("رشته", "۳۰۰ گرم"), ("نخود و لوبیا و عدس", "یک پیمانه"), ("کشک", "به مقدار لازم"), ("نمک", "کمی")]
    table = "".join(f"<tr><td>{what}<td>{amount}" for what, amount in rows)
    text = html_to_text(page(f"<h1>آش</h1><p>{SENTENCES[0]}</p><table>{table}</table>{ARTICLE}")).text
    assert "\n\n" + "\n".join(map(" ".join, rows)) + "\n\n" in text
    figures = table.replace("کمی", "۱۲")
    assert "کشک" not in html_to_text(page(f"<p>{SENTENCES[0]}</p><table>{figures}</table>{ARTICLE}")).text


def test_links_that_stand_alone_go_and_links_in_a_sentence_stay() -> None:
    links = "".join(f"<p><a href='/{i}'>خبر دیگری با عنوانی نسبتاً بلند شماره {i}</a></p>" for i in range(5))
    sentence = (
        "<p>گزارش کامل را که <a href='/s'>در این نشانی</a> آمده است، دیروز همه\u200cی همسایه\u200cها خواندند.</p>"
    )
    text = html_to_text(page(f"{ARTICLE}{sentence}<p>{SENTENCES[0][:-1]} باز هم.</p>{links}")).text
    assert "خبر دیگری" not in text
    assert "گزارش کامل را که در این نشانی آمده است" in text


def test_repeated_paragraphs_are_kept() -> None:
    """Duplicates are counted and filtered later, where the count is written down."""
    assert html_to_text(page(ARTICLE + ARTICLE)).text.count(SENTENCES[0]) == 2


def test_entities_are_characters() -> None:
    text = html_to_text(
        page(ARTICLE + "<p>می&zwnj;رود &laquo;خانه&raquo; &amp; باغ&nbsp;بزرگ &#1576;&#x627; دوستان خود.</p>")
    ).text
    assert "می\u200cرود «خانه» & باغ بزرگ با دوستان خود." in text


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<meta property='og:title' content='پاییز در باغ | خبرنامه'>", "پاییز در باغ"),
        ("<meta property='og:title' content='عنوانی دیگر'>", "عنوانی دیگر"),
        ("", "پاییز در باغ"),
    ],
)
def test_the_title_is_the_articles_not_the_sites(head: str, title: str) -> None:
    assert html_to_text(page(ARTICLE, head=head)).title == title


def test_a_page_of_menus_is_refused() -> None:
    result = html_to_text(f"<html><head><title>خانه</title></head><body>{MENU * 3}<p>ورود</p></body></html>")
    assert (result.text, result.reason) == ("", "no main text")


def test_an_empty_page_is_refused() -> None:
    for source in ("", "<html></html>", "   ", "<!-- x -->", "<html><body><script>x</script></body></html>"):
        assert html_to_text(source).reason == "no main text"


def test_pages_in_another_language_are_never_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(html_module, "shipped_judge", lambda: pytest.fail("reached"))
    result = html_to_text(page(ARTICLE), refused=lambda text: seen.append(text) or "de")
    assert result.reason == "other language"
    assert SENTENCES[0] in seen[0]


def test_markup_without_a_document_around_it_is_read() -> None:
    assert html_to_text("".join(f"<p>{s}</p>" for s in SENTENCES)).text == "\n\n".join(SENTENCES)
    assert html_to_text("<div><div>" + "<br><br>".join(SENTENCES)).text.replace("\n\n", "\n") == "\n".join(SENTENCES)


def test_a_piece_of_a_page_is_kept_whole() -> None:
    piece = f"<p>{SENTENCES[0]}</p><ul><li>یک</li><li>دو</li></ul><p>کوتاه&zwnj;تر</p>"
    assert fragment_to_text(piece).text == f"{SENTENCES[0]}\n\nیک\nدو\n\nکوتاه\u200cتر"


def test_a_page_deeper_than_browsers_go_is_read() -> None:
    text = html_to_text("<html><body>" + "<div>" * 900 + "".join(f"<p>{s}</p>" for s in SENTENCES)).text
    assert SENTENCES[2] in text


HOSTILE = {
    "deep": "<html><body>" + "<div>" * 100_000 + SENTENCES[0] + "</div>" * 100_000,
    "deep inline": "<html><body>" + "<b>" * 100_000 + SENTENCES[0],
    "deep tables": "<html><body>" + "<table><tr><td>" * 30_000 + SENTENCES[0],
    "misnested": "<html><body>" + "<p><font><b><i><u>x" * 10_000,
    "marks": "<" * 500_000,
    "comments": "<!--" * 200_000,
    "attribute": "<html><body><p title='" + "x" * 10_000_000 + "'>" + SENTENCES[0] + "</p>",
    "attributes": "<html><body><p " + " ".join(f"a{i}=1" for i in range(100_000)) + ">" + SENTENCES[0] + "</p>",
    "data": "<html><body><img src='data:image/png;base64," + "A" * 5_000_000 + "'><p>" + SENTENCES[0] + "</p>",
    "entities": "<html><body><p>" + "&zwnj;&amp;" * 100_000,
    "paragraphs": "<html><body>" + "<p>متن این است و آن</p>" * 40_000,
    "nulls": "<html><body>\x00<p>\x00" + SENTENCES[0] * 3 + "\x00</p>",
    "controls": "<html><body><p>\x01\x02\x0b\x1f\ufffe\uffff\ud800" + SENTENCES[0] * 3 + "</p>",
    "doctype": "<!DOCTYPE html [<!ENTITY a 'b'><!ENTITY c '&a;&a;&a;'>]><html><body><p>&c;" + SENTENCES[0] * 3,
    "xml": "<?xml version='1.0' encoding='windows-1256'?><html><body><p>" + SENTENCES[0] * 3 + "</p></body></html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_end_soon_and_well(name: str) -> None:
    start = time.process_time()
    result = html_to_text(HOSTILE[name])
    assert time.process_time() - start < 60  # a guard alone: seconds here, minutes where something is quadratic
    assert bool(result.text) != bool(result.reason)


def test_pages_over_the_limits_are_refused_unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_module, "serialized", lambda _: pytest.fail("parsed"))
    assert html_to_text("<p title='" + "x" * 100_000_000 + "'>").reason == "too large"
    tables = "<table></table>" * 1_000_000
    assert len(tables) < MAX_CHARACTERS
    assert html_to_text(tables).reason == "too many elements"


SHOWN = {
    "a div a paragraph": "".join(f"<div>{s}</div>" for s in SENTENCES),
    "breaks": "<div>" + "<br><br>".join(SENTENCES) + "</div>",
    "behind the end": f"<p>{SENTENCES[0]}</p></div></body></html>" + "".join(f"<p>{s}</p>" for s in SENTENCES[1:]),
    "a list in the body": "<p>{}<p>{}<ul><li>{}</ul><p>{}<p>{}".format(*SENTENCES, SENTENCES[0]),
    "lists in cells": f"<table><tr><td>روز</td><td><ul><li>{'</li><li>'.join(SENTENCES)}</li></ul></td></tr></table>",
    "without scripts": "<noscript>" + "".join(f"<p>{s}</p>" for s in SENTENCES) + "</noscript>",
    "spans shown as blocks": f"<div><span style='display:block'>{'<span style=display:block>'.join(SENTENCES)}</div>",
    "a shadow tree": f"<div><template shadowrootmode=open><p>{'</p><p>'.join(SENTENCES)}</p></template></div>",
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_browser_shows_as_the_article_is_the_article(name: str) -> None:
    source = f"<html><body><nav>{MENU}</nav><h1>پاییز در باغ</h1>{SHOWN[name]}<footer>{MENU}<p>تمام حقوق محفوظ است</p>"
    text = html_to_text(source).text
    assert [s for s in SENTENCES if s not in text] == []
    assert "حقوق محفوظ" not in text


def test_preformatted_text_keeps_its_blank_lines_and_the_ends_of_short_lines() -> None:
    verse = "tuul tuleb üle metsa\nja läheb öösel ära\n\nvesi jookseb mööda maad\nja lumi sulab ära"
    wrapped = "{}\n{}\n\n{}\n{}".format(*SENTENCES)
    assert html_to_text(f"<body><h1>Öö</h1><pre>\n{verse}\n</pre>").text.endswith(verse)
    assert html_to_text(f"<body><pre>{wrapped}</pre>").text == "{} {}\n\n{} {}".format(*SENTENCES)


def test_a_heading_in_a_cell_with_its_list_is_no_figure() -> None:
    cells = [f"<td><b>بخش</b><ul><li>{'</li><li>'.join(SENTENCES[k : k + 2])}</ul></td><td>۳۰۰</td>" for k in (0, 2)]
    text = html_to_text(page(f"<h1>پاییز در باغ</h1><table><tr>{''.join(cells)}</table>")).text
    assert text.count("بخش") == 2
    assert "۳۰۰" not in text


def test_an_article_that_only_machines_are_told_is_read() -> None:
    told = json.dumps({"@type": "NewsArticle", "articleBody": "\n".join(SENTENCES)})
    source = f"<script type=application/ld+json>{told}</script><body><p>{'در حال بارگذاری صفحه است. ' * 4}</p></body>"
    assert html_to_text(source).text == "\n\n".join(SENTENCES)


def test_the_trees_say_what_a_walk_node_by_node_says() -> None:
    judge = shipped_judge()
    trees = json.loads((files("ulmkit.corpus.extract") / WEIGHTS).read_text(encoding="utf-8"))
    shown = layout(serialized(page(ARTICLE * 30 + "<table><tr><td>سیب<td>۱۲</table>")))
    rows = matrix(block_features(shown, judge.words, "پاییز"))
    assert list(block_features(shown, judge.words, "پاییز")) == list(judge.columns)
    likely = judge.probabilities(shown, "پاییز")
    for row, found in list(zip(rows, likely, strict=True))[:: len(rows) // 12]:
        total = 0.0
        for node in trees["roots"]:
            while trees["children"][node][0] != node:
                node = trees["children"][node][int(row[trees["features"][node]] > np.float32(trees["limits"][node]))]
            total += trees["values"][node]
        assert found == pytest.approx(1 / (1 + math.exp(-total)))


def test_a_page_is_as_deep_as_the_elements_that_do_not_close_by_themselves() -> None:
    for source, depth in {
        "": 0,
        "<div><DIV><p><br><li></div><section>": 2,
        "</div></div><div>": 1,
        "<tbodyx><pre><P>a<b</p><img-box><!-- <x": 5,
        "<table" * 3 + "<td" * 5: 3,
        "متن <div>می\u200cرود": 1,
    }.items():
        assert html_module._depth(source) == depth


@pytest.mark.parametrize("root", ["rss version='2.0'", "feed xmlns='a'", "rdf:RDF", "urlset", "sitemapindex", "opml"])
def test_a_feed_or_sitemap_among_pages_is_none(root: str) -> None:
    """Its addresses and days would stand before each entry's text."""
    entry = (
        "<item><link>http://a.example/1</link><description>Vallavanem valiti istungil ametisse.</description></item>"
    )
    found = html_to_text(f"\n<?xml version='1.0'?><!-- made --><{root}>{entry * 30}")
    assert (found.text, found.reason, found.detail) == ("", "no main text", "a feed or a sitemap, which lists pages")


def test_a_list_of_which_half_is_believed_is_whole() -> None:
    """The judge believed three of six items, and the list was cut; where it believes fewer it goes as it went."""
    items = [f"بند {word} از این فهرست دراز" for word in ("یکم", "دوم", "سوم", "چهارم", "پنجم", "ششم")]
    source = f"<body><p>{SENTENCES[0]}</p><ul><li>{'</li><li>'.join(items)}</li></ul><p>{SENTENCES[1]}</p></body>"
    shown = layout(serialized(source))
    assert shown.texts == [SENTENCES[0], *items, SENTENCES[1]]
    believed = np.array([0.9, 0.8, 0.8, 0.6, 0.3, 0.3, 0.25, 0.9])
    assert html_module.article_text(shown, believed, "").split("\n\n")[1].split("\n") == items
    few = np.array([0.9, 0.8, 0.3, 0.3, 0.3, 0.3, 0.3, 0.9])
    assert html_module.article_text(shown, few, "").split("\n\n")[1].split("\n") == items[:1]


def test_what_stands_in_place_of_a_cloaked_address_is_no_text() -> None:
    """Joomla's sentence for readers without scripts, in both of its ways; scripts that hide nothing hide nothing."""
    notice = "See e-posti aadress on spämmirobotite eest kaitstud. Selle nägemiseks luba skriptid."
    hides = "<script>\n<!--\ndocument.write( '<span style=\\'display: none;\\'>' );\n//-->\n</script>"
    ends = "<script>\n<!--\ndocument.write( '</' );\ndocument.write( 'span>' );\n//-->\n</script>"
    for cloak in (f"<span id='cloak65753ab'>{notice}</span>", f"{hides}{notice}{ends}"):
        text = html_to_text(page(f"{ARTICLE}<p>{SENTENCES[0]} {cloak} {SENTENCES[1]}</p>")).text
        assert text.endswith(f"{SENTENCES[0]} {SENTENCES[1]}")
    shown = html_to_text(
        page(f"{ARTICLE}<p>{SENTENCES[0]} <script>document.write('x')</script>{SENTENCES[1]}</p>")
    ).text
    assert shown.endswith(f"{SENTENCES[0]} {SENTENCES[1]}")


VERSES = [
    "به باغ آمدم صبح با یاد تو", "نسیم آمد از کوی آباد تو", "گل از خواب برخاست و خندید و گفت",
    "که من هم شکفتم به فریاد تو", "بگو با دلم ای پرندهٔ سپید", "کجا رفت آن سرو آزاد تو",
    "چه شب‌ها که تا صبح بیدار بود", "دو چشمی که شد خیس از یاد تو", "دلم تنگ شد زان خزان دراز",
    "که بشکست آن شاخ شمشاد تو", "به هر جا که رفتم تو را دیده‌ام", "جهان پر شد از عکس و از یاد تو",
]  # fmt: skip


@pytest.mark.parametrize("count", [8, 12])
@pytest.mark.parametrize("half", ["<div class=m><p>{}</p></div>", "<td>{}</td>", "<p><span>{}</span></p>"])
def test_a_poem_whose_verses_have_an_element_each_is_whole(half: str, count: int) -> None:
    """No verse is much like an article's paragraph: the judge believes half of them, or one."""
    lines = [half.format(verse) for verse in VERSES[:count]]
    rows = "".join(f"<tr>{one}{two}" for one, two in zip(lines[::2], lines[1::2], strict=True))
    body = f"<table>{rows}</table>" if "<td>" in half else "".join(lines)
    text = html_to_text(page(f"<nav><a href=/>گنجینه</a> <a href=/p>شاعران</a></nav><div class=poem>{body}</div>")).text
    assert [line for line in text.split("\n") if line] == VERSES[:count]


@pytest.mark.parametrize("tag", [str, str.upper])
def test_a_page_of_frames_has_the_text_that_shows_where_there_are_none(tag: Callable[[str], str]) -> None:
    opened, closed = tag("<frameset cols='20%,80%'>"), tag("</frameset>")
    frames = f"<html><head><title>باغ</title></head>{opened}<frame src='a.html'>{tag('<noframes>')}<body>"
    ending = f"</body>{tag('</noframes>')}{closed}</html>"
    assert html_to_text(frames + ARTICLE + ending).text == "\n\n".join(SENTENCES)
    assert not html_to_text(frames + ending).text
