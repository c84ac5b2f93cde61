"""What a page says of its own use, and not what it says of the works of others that it shows."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.formats.licences import forbids_changes, forbids_trade, is_open, spdx_of
from ulmkit.formats.page_marks import PageMarks, page_marks

BY = "https://creativecommons.org/licenses/by/4.0/"
LINK = f'<a rel="license" href="{BY}">CC</a>'
PLAIN = f'<a href="{BY}">CC</a>'


def json_ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


OWN = [
    ("link", f'<link rel="license" href="{BY}">'),
    ("link in capitals", f"<LINK REL=License HREF={BY}>"),
    ("a rel", f"<p>{LINK}</p>"),
    ("several words in rel", f'<a class=x rel="noopener license" href="{BY}">'),
    ("RDFa", f'<a property="dct:license" href="{BY}">'),
    ("JSON-LD", json_ld(f'{{"@type": "NewsArticle", "license": "{BY}"}}')),
    ("JSON-LD graph", json_ld(f'{{"@graph": [{{"@type": ["WebPage"], "license": {{"@id": "{BY}"}}}}]}}')),
    ("JSON-LD list", json_ld(f'[{{"@type": "http://schema.org/BlogPosting", "license": ["{BY}"]}}]')),
    ("dc:rights", f'<meta name="DC.rights" content="{BY}">'),
    ("dc:rights in words", '<meta name="dcterms.rights" content="© 2020 Ali, CC BY 4.0">'),
    ("cc:license", f'<meta property="cc:license" content="{BY}">'),
    ("footer", f"<footer><p>{PLAIN}</footer>"),
    ("footer by its class", f'<div class="site-footer"><ul><li>{PLAIN}</ul></div>'),
    ("licence by its id", f"<div id=licence>{PLAIN}</div>"),
    ("after a figure", f"<figure>{PLAIN}</figure><p>{LINK}"),
    ("after one that is not closed", f"<div><blockquote>x</div><p>{LINK}"),
    ("UTF-16", f"<p>{LINK}".encode("utf-16")),
    ("windows-1256", f"<p>متن {LINK}".encode("cp1256")),
]


@pytest.mark.parametrize("page", [row[1] for row in OWN], ids=[row[0] for row in OWN])
def test_a_page_names_its_licence(page: str | bytes) -> None:
    assert page_marks(page).licences == ("CC-BY-4.0",)


NOT_ITS_OWN = [
    ("quotation", f"<blockquote><p>{LINK}</p></blockquote>"),
    ("figure", f"<figure><img src=x><figcaption>{LINK}</figcaption></figure>"),
    ("caption by its class", f'<div class="wp-caption">{LINK}</div>'),
    ("iframe", f"<iframe src=x>{LINK}</iframe>"),
    ("video", f"<video>{LINK}</video>"),
    ("embedded in the footer", f"<footer><blockquote>{PLAIN}</blockquote></footer>"),
    ("prose about licences", f"<article><p>Use {PLAIN}</p></article>"),
    ("class of the whole page", f'<body class="has-footer"><p>{PLAIN}</p></body>'),
    ("a word that is no footer", f'<div class="football">{PLAIN}</div>'),
    ("comment", f"<!-- <footer>{LINK}</footer> -->"),
    ("script", f"<script>document.write('{LINK}')</script>"),
    (
        "JSON-LD of an image",
        json_ld(f'{{"@type": "NewsArticle", "image": {{"@type": "ImageObject", "license": "{BY}"}}}}'),
    ),
    ("JSON-LD alone of an image", json_ld(f'{{"@type": "ImageObject", "license": "{BY}"}}')),
    ("JSON-LD that is none", json_ld(f'{{"@type": "WebPage", "license": "{BY}"')),
    ("own terms", '<a rel="license" href="/terms">x</a><meta name=copyright content="© 2020">'),
    ("JSON-LD of own terms", json_ld('{"@type": "WebPage", "license": "https://example.org/terms"}')),
    ("nothing", "<p>text</p>"),
]


@pytest.mark.parametrize("page", [row[1] for row in NOT_ITS_OWN], ids=[row[0] for row in NOT_ITS_OWN])
def test_what_is_said_of_another_work_is_not_the_pages(page: str) -> None:
    assert page_marks(page).licences == ()


def test_reservations_and_words_for_robots_are_read() -> None:
    page = (
        '<meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="https://p">'
        '<meta name="Robots" content="NOAI, nofollow"><meta name=ulmkit content=noindex>'
        "<meta name=googlebot content=none>"
    )
    assert page_marks(page) == PageMarks((), "1", "https://p", frozenset({"noai", "nofollow", "noindex"}))


HOSTILE = {
    "nested": "<div><blockquote>" * 100_000 + LINK,
    "one tag": "<a " + "x=y " * 500_000 + LINK,
    "open links": "<a " * 500_000 + LINK,
    "quotes": "<a '" + "\"'" * 500_000 + LINK,
    "never closed": "<script>" * 200_000 + LINK,
    "closings": "<p>" * 300 + "</b>" * 300_000 + LINK,
    "comments": "<!--" * 300_000 + LINK,
    "links": LINK * 20_000,
    "data": json_ld("[" * 400_000) + LINK,
    "JSON": json_ld("[" + '{"@type": "WebPage", "license": "x"},' * 10_000 + "1]") + LINK,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_no_page_takes_long(name: str) -> None:
    begun = time.process_time()
    page_marks(HOSTILE[name])
    assert time.process_time() - begun < 30  # a second or two; what grows with the square takes minutes


@given(
    st.one_of(
        st.binary(),
        st.text(),
        st.lists(st.sampled_from([LINK, "<", ">", "</", "<!--", '"', "=", "<p", "'"])).map("".join),
    )
)
def test_nothing_is_raised(page: bytes | str) -> None:
    page_marks(page)


LICENCES = [
    ("http://creativecommons.org/licenses/by-sa/3.0/ee/legalcode", "CC-BY-SA-3.0"),
    ("//creativecommons.org/licenses/by-nc-nd/4.0", "CC-BY-NC-ND-4.0"),
    ("https://creativecommons.org/licenses/by/", "LicenseRef-CC-BY"),
    ("https://creativecommons.org/publicdomain/zero/1.0/deed.fa", "CC0-1.0"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "LicenseRef-public-domain"),
    ("CC BY-NC-SA 3.0 IGO", "CC-BY-NC-SA-3.0"),
    ("CC0", "CC0-1.0"),
    ("https://spdx.org/licenses/MIT.html", "MIT"),
    ("https://www.gnu.org/copyleft/fdl.html", "GFDL-1.3-or-later"),
    ("https://opendatacommons.org/licenses/by/1-0/", "ODC-By-1.0"),
    ("https://creativecommons.org/", ""),
    ("https://creativecommons.org/licenses/bystander/4.0", ""),
    ("account by 3.0", ""),
    ("© all rights reserved", ""),
    ("", ""),
]


@pytest.mark.parametrize(("value", "name"), LICENCES)
def test_a_licence_has_one_name(value: str, name: str) -> None:
    assert spdx_of(value) == name


def test_what_a_licence_lets_a_corpus_do() -> None:
    opened = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "LicenseRef-CC-BY", "LicenseRef-no-copyright", "ODC-By-1.0"]
    closed = ["unknown", "page", "", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "LicenseRef-x", "CC-BY-NC-ND-4.0", "proprietary"]
    assert all(map(is_open, opened))
    assert not any(map(is_open, closed))
    assert [name for name in closed if forbids_changes(name)] == ["CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"]
    assert [name for name in closed if forbids_trade(name)] == ["CC-BY-NC-4.0", "CC-BY-NC-ND-4.0"]
