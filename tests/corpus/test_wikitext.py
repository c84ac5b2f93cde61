"""Wikitext becomes its readers' text: markup gone, words and joiners kept, in time linear in the page."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.corpus.extract.wikitext import is_redirect, wikitext_to_text
from ulmkit.language.registry import get
from ulmkit.language.sections import Extraction

PLAIN = Extraction()
PERSIAN = Extraction(
    drop_sections=("منابع", "جستارهای وابسته", "پیوند به بیرون"),
    file_namespaces=("پرونده", "تصویر"),
    category_namespaces=("رده",),
    redirect_words=("تغییر_مسیر",),
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("'''Oslo''' is ''the'' '''''capital'''''.", "Oslo is the capital."),
        ("'''{{date|1}}''' (1912) and ''{{x}} {{y|z}}'' so", "(1912) and so"),
        ("'''{{x}} Oslo''' and ''{{a|{{b}}}}'' rock 'n' roll", "Oslo and rock 'n' roll"),
        ("A [[city]] and [[Tallinn|towns]], [[cat]]s", "A city and towns, cats"),
        ("See [[:Category:Birds]] or [[:en:Bird|this]].", "See Category:Birds or this."),
        ("An [https://a.ee/x label here] and [https://a.ee/y].", "An label here and."),
        ("Write to [mailto:a@b.ee the office].", "Write to the office."),
        ('Text{{cite|a={{b|{{c}}}}}}<ref name="x">{{cite}} [[x]]</ref>, more<ref name=x />.', "Text, more."),
        ('Before\n{| class="wikitable"\n|-\n! a\n| b {{c|\n{|\n| d\n|}\n}}\n|}\nAfter', "Before\nAfter"),
        ("{{Infobox\n|a = [[b]]\n|c = {{d|e}}\n}}\nText.", "Text."),
        ("[[File:A.jpg|thumb|A [[cat]] and [https://a.ee b] {{x}}]]Text", "Text"),
        ("[[Файл:A b.JPG|мини|подпись [[кот|кота]]]]Text", "Text"),
        ("Text\n[[Category:A|b]]\n[[fr:Texte]]\n[[zh-min-nan:X]]", "Text"),
        ("A<!-- b --> c<!-- never closed", "A c"),
        ("A <nowiki>[[b]] {{c}} ''d''</nowiki> e", "A [[b]] {{c}} ''d'' e"),
        ("A<br />b<br>c", "A\nb\nc"),
        ("<poem>\nroses are red\nviolets blue\n</poem>", "roses are red\nviolets blue"),
        ("* one\n** two\n# three\n: four\n; term: meaning", "one\ntwo\nthree\nfour\nterm: meaning"),
        ("x <math>a^2</math> y <gallery>\nA.jpg|b\n</gallery>z <code>f(x)</code>", "x y z f(x)"),
        ("a&nbsp;b &amp; c &zwnj;&#x200c; &mdash; &#x1F600; &#xD800;d", "a b & c \u200c\u200c — 😀 d"),
        ("Born ({{lang-la|Roma}}, {{IPA|x}}; {{birth}}) and ( {{x}} ) and ({{y}}؛ 1990)", "Born (Roma) and and (1990)"),
        ("10<sup>6</sup> m<sup>−2</sup> H<sub>2</sub>O x<sup>th</sup>", "10⁶ m⁻² H₂O xth"),
        ("__NOTOC__\nText __FORCETOC__ with __init__ kept", "Text with __init__ kept"),
        (
            "He said {{lang|fr|[[mot|le mot]]}} and {{nowrap|{{lang|la|a b}} c}} {{convert|5|km|mi}}",
            "He said le mot and a b c 5 km",
        ),
        ("(1775{{ndash}}1783) {{spaced ndash}} x", "(1775–1783) – x"),
        ("word <ref>x</ref>, next {{x}}.", "word, next."),
        ("<div style=\"a\">b</div> <span class='c'>d</span> 5 < 6 and <z>", "b\nd 5 < 6 and <z>"),
        ("----\nText", "Text"),
        ("a\r\nb", "a\nb"),
        ("", ""),
        ("{{a}}", ""),
    ],
)
def test_markup_becomes_text(source: str, text: str) -> None:
    assert wikitext_to_text(source, PLAIN) == text


def test_headings_are_lines_and_empty_ones_go() -> None:
    source = (
        "Intro.\n== One ==\nText.\n== Two ==\n{{x}}\n=== Deep ===\nMore.\n== Empty ==\n[[File:a.png]]\n== Last ==\n"
    )
    assert wikitext_to_text(source, PLAIN) == "Intro.\n\nOne\n\nText.\n\nTwo\n\nDeep\n\nMore."


def test_named_sections_go_with_all_below_them() -> None:
    source = (
        "متن.\n== جستار\u200cهای وابسته ==\n* [[یک]]\n=== زیر ===\nدو\n==منابع:==\nسه\n== تاریخ ==\nچهار می\u200cشود.\n"
    )
    assert wikitext_to_text(source, PERSIAN) == "متن.\n\nتاریخ\n\nچهار می\u200cشود."


def test_names_of_the_wikis_own_namespaces_count() -> None:
    source = "[[پرونده:الف.jpg|بندانگشتی|چپ|یک [[گربه]]]]متن [[رده:جانوران]]\n[[تصویر:ب]]"
    assert wikitext_to_text(source, PERSIAN) == "متن"


def test_joiners_in_persian_wikitext_are_all_kept() -> None:
    source = "'''می\u200cروم''' به [[خانه\u200cی ما|خانه\u200cها]] و {{nowrap|کتاب\u200cها}}.\n* کوه\u200cها &zwnj;"
    assert wikitext_to_text(source, PERSIAN).count("\u200c") == 5


def test_what_is_never_closed_costs_its_paragraph_only() -> None:
    assert wikitext_to_text("A {{open|x\n|y\n\nNext.\n== H ==\nMore.", PLAIN) == "A\n\nNext.\n\nH\n\nMore."
    assert wikitext_to_text("A.\n{| open\n| x\n\nNext {{x}}.", PLAIN) == "A.\n\nNext."
    assert wikitext_to_text("A <ref>open. B.\n\nNext <ref>c</ref>.", PLAIN) == "A open. B.\n\nNext."
    assert wikitext_to_text("A }}b ]]c", PLAIN) == "A b c"


@pytest.mark.parametrize(
    "source", ["#REDIRECT [[A]]", " #redirect: [[A]]", "#تغییر مسیر [[الف]]", "#تغییر_مسیر[[الف]]"]
)
def test_redirects_are_known(source: str) -> None:
    assert is_redirect(source, PERSIAN)


def test_a_list_is_no_redirect() -> None:
    assert not is_redirect("# one\n# two", PERSIAN)


HOSTILE = {
    "templates open": "{{" * 100_000,
    "templates nested": "{{a|" * 100_000 + "}}" * 100_000,
    "templates closed": "}}" * 100_000,
    "links": "[[" * 100_000 + "a",
    "links nested": "[[a|" * 50_000 + "]]" * 50_000,
    "files": "[[File:a|" * 50_000,
    "files with links": "[[File:a.jpg|[[b]] " * 30_000,
    "tables": "\n{|" * 50_000,
    "tables in templates": "{{a\n{|\n|b" * 30_000,
    "refs": "<ref>" * 100_000,
    "refs and text": "<ref>a b c " * 50_000,
    "comments": "<!--" * 100_000,
    "tags": "<" * 300_000,
    "quotes": "'" * 300_000,
    "brackets": "(" * 100_000 + " ," * 100_000,
    "headings": "\n== a ==" * 50_000,
    "spaces": " " * 300_000 + "x" + "\n \n" * 50_000,
    "equals": "\n=" + "a=" * 100_000,
    "entities": "&" * 300_000,
    "external": "[https://a " * 50_000,
    "underscores": "__A" * 100_000,
    "variants": "-{" * 100_000,
    "phrases nested": "{{nowrap|" * 20_000 + "a" + "}}" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_take_linear_time(name: str) -> None:
    start = time.process_time()
    wikitext_to_text(HOSTILE[name], PLAIN)
    assert time.process_time() - start < 60  # a guard alone: a second here, minutes where something is quadratic


MARKS = [
    "{{",
    "}}",
    "[[",
    "]]",
    "{|",
    "|}",
    "|",
    "\n",
    "=",
    "''",
    "<ref>",
    "</ref>",
    "<!--",
    "-->",
    " ",
    "a",
    "کتاب\u200cها",
    "*",
    "(",
    ")",
    "&amp;",
]


TEMPLATES = Extraction(text_templates={"iw": 2, "quotation in verse": 1, "nts": 1})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("at {{iw|First|the First [[School|school]]|ru}} here", "at the First school here"),
        ("{{Iw|First|}} and {{iw|First}} and {{iw}}.", "and and."),
        ("{{Quotation_in verse|1=A {{lang|la|verbum}} so|author=X}}", "A verbum so"),
        ("{{nts|603700}} km, {{note|5}} {{ntsx|7}}", "603700 km,"),
        ("{{box|{{iw|a|b}}|c}} d {{iw|a|{{nts|4}}}}", "d 4"),
    ],
)
def test_templates_that_show_an_argument(source: str, text: str) -> None:
    """As the language's folder names them."""
    assert wikitext_to_text(source, TEMPLATES) == text


@examples(300)
@example("{{}}<!--")
@given(st.lists(st.sampled_from(MARKS), max_size=40).map("".join))
def test_any_mixture_of_marks_gives_text_without_brackets_of_markup(source: str) -> None:
    text = wikitext_to_text(source, PERSIAN)
    assert "{{" not in text
    assert "[[" not in text
    assert text == text.strip()
    assert "\n\n\n" not in text


def read(source: str, language: str = "et") -> tuple[str, list[str]]:
    """Text, and the sentences that were left out of it."""
    holes: list[str] = []
    spoken = get(language)
    text = wikitext_to_text(source, spoken.extraction, sentences=spoken.segmenter.sentences, left_out=holes.append)
    return text, holes


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{convert|5|to|10|km|mi}} pikk, {{convert|6|ft|2|in}} lai", "5 to 10 km pikk, 6 ft 2 in lai"),
        ("{{convert|2|x|4|m}} ja {{convert|100|-|200|m|ft}}", "2 x 4 m ja 100 - 200 m"),
        ("{{cvt|1,000,000|ha|acre}} ja {{Convert|12|st|4|lb|kg|abbr=on}}", "1,000,000 ha ja 12 st 4 lb"),
        ("{{convert|2|by|3|by|4|m|ft|sp=us}} ja {{convert|5|±|1|C}}", "2 by 3 by 4 m ja 5 ± 1 °C"),
        ("{{convert|10|km2|0|abbr=off}} ja {{convert|3|or|4|sqmi|km2|1}}", "10 km² ja 3 or 4 sq mi"),
        ("{{teisenda|5|and|7|kg|lb}} ja {{height|ft=6|in=2}}", "5 and 7 kg ja 6 ft 2 in"),
        ("{{val|6.241|e=18|ul=C}} ja {{chem|O|2|2-}} ja {{frac|1|2}}", "6.241×10¹⁸ C ja O₂²⁻ ja 1/2"),
        ("{{convert|5|ft|6|in|m}} ja {{inr}}9 ja {{£|7}}", "5 ft 6 in ja ₹9 ja £7"),
    ],
)
def test_measures_are_read_by_their_own_arguments(source: str, text: str) -> None:
    assert read(source) == (text, [])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "Fakt.<ref name=b>Raamat <ref name='c' /></ref> Teine.<ref>a <ref>b</ref> c</ref> Lõpp.",
            "Fakt. Teine. Lõpp.",
        ),
        ("Fakt.<ref>Viide<ref/> Teine.<ref group=a>Viide<ref /> Lõpp.", "Fakt. Teine. Lõpp."),
        ("Enne.\n\n[[Pilt:A.jpg|pisi|Vaade [[linn|linnale]] ja\n\nPärast.", "Enne.\n\nPärast."),
        ("[[Pilt:A.jpg|pisi|Vaade] Pärast.", "Pärast."),
        ("Vaata [[:Pilt:A.jpg|seda pilti]] ja ([[:Pilt:B.jpg]]) ka.", "Vaata seda pilti ja ka."),
        ("Enne.\n{{(!}} class=x\n{{!}}-\n{{!}} üks {{!!}} kaks\n{{!)}}\nPärast.", "Enne.\nPärast."),
        (
            "Algus {{{1|vaikimisi}}} ja {{#if:{{{2|}}}|jah|ei}} lõpp }}| on siin.",
            "Algus vaikimisi ja ei lõpp on siin.",
        ),
        ("{{tsitaat|a{{!}}b}}\n{{!-}}\nLõpp.", "a|b\nLõpp."),
        ("Algus {{{1|{{{nimi|vaikimisi}}}}}} lõpp.", "Algus vaikimisi lõpp."),
    ],
)
def test_what_is_nested_wrongly_or_not_closed_leaks_nothing(source: str, text: str) -> None:
    assert read(source) == (text, [])


def test_templates_show_what_their_wiki_shows() -> None:
    """By their English names, and by those that the language declares: with one argument, with more, under a name."""
    assert read("kasutatakse {{w|relv|relvades}} ja {{w|Jaam}}.")[0] == "kasutatakse relvades ja Jaam."
    assert read("Ütles:{{tsitaat|tekst=Kõik on hea ja ilus.|autor=A}} Nii.")[0] == "Ütles: Kõik on hea ja ilus. Nii."
    verse = "او گفت:{{نقل قول|زیباست.|کسی}}\n{{شعر}}\n{{ب|نیمهٔ یکم|نیمهٔ دوم}}\n{{پایان شعر}} پایان."
    assert read(verse, "fa")[0] == "او گفت: زیباست.\n\nنیمهٔ یکم\nنیمهٔ دوم\n\nپایان."


@pytest.mark.parametrize(
    ("source", "text", "left_out"),
    [
        ("See on {{tundmatu|x}} linn. Teine lause.", "Teine lause.", 1),
        ("Üks lause. Ta sündis {{tundmatu|x}}. Teine lause.", "Üks lause. Teine lause.", 1),
        ("Linn asub [[jõgi|jões]] {{tundmatu|x}}l.", "", 1),
        ("{{tundmatu|x}} on linn. Teine lause.", "Teine lause.", 1),
        ("Siin on <math>x^2</math> valem. Teine lause.", "Teine lause.", 1),
        ("Valem on:\n:<math>x^2</math>\nTeine lause.", "Valem on:\n\nTeine lause.", 0),
        # stuck to a word, or known for a note: nothing is missing
        ("Linn{{tundmatu|x}} on suur. Teine.", "Linn on suur. Teine.", 0),
        ("Linn on suur.{{tundmatu|x}} Teine {{tundmatu|y}} lause.", "Linn on suur. Teine lause.", 0),
        ("Linn {{sfn|A|1990}} on suur {{lisa viide|aeg=mai}}, väga.", "Linn on suur, väga.", 0),
        ("{{Toimeta}}\n'''Linn''' on suur. {{coord|1|2}}\n* [[Tartu]] {{lipp|EE}}\n", "Linn on suur.\nTartu", 0),
        # in a bracket: the sentence is whole without it
        ("Linn ({{tundmatu|x}}, {{tundmatu|y}}; asutatud 1200) on suur.", "Linn (asutatud 1200) on suur.", 0),
        ("Linn (umbes {{tundmatu|x}} korda) on suur.", "Linn on suur.", 0),
    ],
)
def test_a_sentence_with_a_hole_is_left_out_and_counted(source: str, text: str, left_out: int) -> None:
    """Where a template that nobody knows showed words; its neighbours stay."""
    found, holes = read(source)
    assert (found, len(holes)) == (text, left_out)


@pytest.mark.parametrize("code", ["et", "fa"])
def test_what_follows_the_caption_of_an_open_file_stays(code: str) -> None:
    """A file's link that nobody closed takes its options and its first sentence; on the wiki all of it shows."""
    language = get(code)
    name, caption, rest = {
        "et": ("Fail", "Vana [[veski]] u. 1900. aastal.", "See töötab [[küla|külas]] siiani. Omanik on Mari."),
        "fa": ("پرونده", "آسیاب [[روستا]].", "این آسیاب هنوز [[کار|کار می‌کند]]. صاحب آن مریم است."),
    }[code]
    source = f"[[{name}:F. Veski.jpg|pisi|200px|{caption} {rest}\n\nUus [[lõik]]."
    text = wikitext_to_text(source, language.extraction, sentences=language.segmenter.sentences)
    assert text == f"{wikitext_to_text(rest, language.extraction)}\n\nUus lõik."
