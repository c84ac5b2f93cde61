"""Threads, live reports, captions and pages written by scripts: text that no single block shows to be an article."""

import json

import numpy as np
import pytest

from ulmkit.corpus.extract.html import html_to_text, main_text
from ulmkit.corpus.extract.layout import PageLayout, layout, serialized
from ulmkit.corpus.extract.page_series import series

POSTS = [
    "Külvasin porgandi aprilli lõpus ja katsin peenra looriga, idanes kümne päevaga.",
    "Meil tuleb muld enne üles kaevata, muidu jäävad juured harulised ja lühikesed.",
    "Loor hoiab ka porgandikärbse eemal, seda ei tasu enne juunit ära võtta.",
    "Kastan harva, aga korralikult, siis kasvavad juured sügavale ja ei lõhene.",
    "Sort loeb samuti: varased säilivad halvasti, hilised peavad kevadeni vastu.",
]
MENU = "<ul class=menu>" + "".join(f"<li><a href='/{i}'>Osa {i}</a></li>" for i in range(9)) + "</ul>"


def entries(texts: list[str], heading: str = "", names: str = "entry") -> str:
    return "".join(
        f"<div class='{names} {'odd' if i % 2 else 'even'}' id=post_{i}>{heading}<div class=by>aednik {i}</div>"
        f"<div>{text}</div></div>"
        for i, text in enumerate(texts)
    )


def shown(body: str) -> PageLayout:
    return layout(serialized(f"<html><body>{MENU}{body}<div>Külastaja nõustub kodulehe kasutamise tingimustega."))


def chosen_of(page: PageLayout, known: tuple[str, ...] = (), likely: float = 0.1) -> list[str]:
    """The series' blocks, were all blocks but those `known` as `likely` as that."""
    chosen = np.array([text in known for text in page.texts])
    sentences = np.array([text.endswith((".", "…")) for text in page.texts])
    found = series(page, np.where(chosen, 0.9, likely), chosen, sentences)
    return [text for text, is_found in zip(page.texts, found, strict=True) if is_found]


def test_posts_that_are_most_of_a_pages_sentences_are_its_text() -> None:
    assert chosen_of(shown(entries(POSTS))) == POSTS
    assert chosen_of(shown(entries(POSTS)), known=(POSTS[1],)) == POSTS


def test_posts_below_an_article_are_its_comments() -> None:
    article = "Aiandusselts pidas laupäeval nõu, kuidas porgandit kasvatada ja hoida. " * 4
    assert chosen_of(shown(f"<p>{article}</p>" + entries(POSTS)), known=(article.strip(),)) == []


@pytest.mark.parametrize("heading", ["<h3><a href=/u>Porgand kasvab</a></h3>", ""])
def test_an_index_of_teasers_has_no_text(heading: str) -> None:
    texts = POSTS if heading else [text[:-9] + "…" for text in POSTS]
    assert chosen_of(shown(entries(texts, heading))) == []


def test_a_signature_under_every_post_is_none_of_its_text() -> None:
    signed = [f"{text}</div><div>Saadetud minu uuest telefonist, mis on väga hea." for text in POSTS]
    assert chosen_of(shown(entries(signed))) == POSTS


def test_boxes_of_a_grid_are_no_series_where_one_holds_the_article() -> None:
    grid = entries([" ".join(POSTS), "Peenral on nüüd loor peal.", "Saak tuleb sügisel."], names="row")
    assert chosen_of(shown(grid)) == []


def test_two_entries_or_unlikely_ones_are_no_series() -> None:
    assert chosen_of(shown(entries(POSTS[:2]))) == []
    assert chosen_of(shown(entries(POSTS)), likely=0.01) == []


WRITTEN = "".join(f"<p>{text}</p>" for text in POSTS)
SHELL = f"<html><head><title>Porgand</title></head><body>{MENU}<div id=app>Laadime lehte, palun oodake veidi.</div>"


@pytest.mark.parametrize(
    "held",
    [
        f"<script id=data>{json.dumps({'steps': [{'text': WRITTEN}]}).replace('<', chr(92) + 'u003c')}</script>",
        f"<script id=data>{json.dumps({'content': WRITTEN}).replace('</', '<' + chr(92) + '/')}</script>",
        "<div data-props='" + json.dumps({"steps": [WRITTEN]}).replace("'", "&#39;") + "'></div>",
    ],
)
def test_paragraphs_that_a_script_is_to_write_are_the_text_of_an_empty_page(held: str) -> None:
    assert html_to_text(SHELL + held).text.replace("\n\n", "\n") == "\n".join(POSTS)
    bare = f"<html><head><title>Porgand</title></head><body><div id=app></div>{held}"
    assert html_to_text(bare).text.replace("\n\n", "\n") == "\n".join(POSTS)
    assert html_to_text(bare, refused=lambda text: "de" if POSTS[0] in text else "").reason == "no main text"


def test_paragraphs_in_scripts_are_nothing_where_the_page_shows_more() -> None:
    page = shown(entries(POSTS))
    told = f'<script>x = {{"notice": "<p>{POSTS[0]}</p>"}}</script>'
    assert main_text(told, page, np.zeros(len(page.texts)), "") == ""


def test_a_table_inside_of_preformatted_text_is_no_program() -> None:
    table = f"<table><tr><td>{POSTS[0]}<td>x = 1</table><p>{POSTS[1]}</p>"
    page = layout(serialized(f"<pre>tulemused <span>2007</span>\n{table}</pre>"))
    flagged = dict(zip(page.texts, (bool(page.flags[e] & 1 << 15) for e in page.elements), strict=True))
    assert flagged == {"tulemused 2007": True, POSTS[0]: False, "x = 1": False, POSTS[1]: False}
