"""Comments below an article are none of it; a page that is comments alone is read."""

import pytest

from ulmkit.corpus.extract.html import html_to_text

ARTICLE = [
    "Aiandusselts pidas laupäeval koosoleku, kus räägiti porgandi kasvatamisest ja hoidmisest.",
    "Kohal oli ligi nelikümmend liiget, kellest pooled olid selle aasta saagiga rahul.",
    "Esimees tuletas meelde, et peenar tuleb juba sügisel läbi kaevata ja kompostiga katta.",
    "Järgmine koosolek peetakse jaanuaris vallamajas, kohv ja kringel on seltsi poolt.",
]
COMMENTS = [
    "Tänan huvitava kirjutise eest, meie peenrad jäid tänavu küll päris vee alla ja porgandit ei saanudki.",
    "Komposti peab olema vähe, muidu lähevad juured harali, nagu eelmisel suvel meie aias juhtus.",
]


def page(before: str, each: str, after: str, article: list[str] = ARTICLE, body: str = "") -> str:
    text = "".join(f"<p>{paragraph}</p>" for paragraph in article)
    said = "".join(each.format(comment) for comment in COMMENTS)
    return f"<html><body {body}><article><h1>Porgandid</h1>{text}{before}{said}{after}</article></body></html>"


@pytest.mark.parametrize(
    ("before", "each", "after"),
    [
        ("<section id=comments><h2>Kommentaarid</h2>", "<p>{}</p>", "</section>"),
        ("<ol class=commentlist>", "<li><b>Mari</b><p>{}</p><a href=/r>Vasta</a></li>", "</ol>"),
        ("<div class='post-comments box'>", "<div><div>Jaan</div><p>{}</p></div>", "</div>"),
        ("", "<div class=comment-body><p>{}</p></div>", ""),
        ("<div class=articleComments>", "<p>{}</p>", "</div>"),
    ],
)
def test_comments_below_an_article_are_left_out(before: str, each: str, after: str) -> None:
    text = html_to_text(page(before, each, after)).text
    assert all(paragraph in text for paragraph in ARTICLE)
    assert not any(comment in text for comment in COMMENTS)


@pytest.mark.parametrize("names", ["single comments-open", "has-comments", "post no-comments", "single-with-comments"])
def test_an_article_that_may_have_comments_is_no_comment(names: str) -> None:
    lead = "Laupäeval kogunes aiandusselts. " * 8
    text = html_to_text(f"<html><body><p>{lead}</p>{page('', '<p>{}</p>', '', body=f'class="{names}"')[12:]}").text
    inner = f"<html><body><p>{lead}</p><div class='{names}'>{''.join(f'<p>{each}</p>' for each in ARTICLE)}</div>"
    assert all(paragraph in text for paragraph in ARTICLE)
    assert all(paragraph in html_to_text(inner).text for paragraph in ARTICLE)


def test_a_page_of_comments_alone_is_read() -> None:
    said = "".join(
        f"<div class=comment><b>Mari {n}</b><p>{each}</p></div>" for n, each in enumerate(ARTICLE + COMMENTS)
    )
    text = html_to_text(f"<html><body><h1>Külalisraamat</h1><div id=comments>{said}</div></body></html>").text
    assert sum(each in text for each in ARTICLE + COMMENTS) >= 5
