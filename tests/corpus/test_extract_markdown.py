"""Markdown becomes its readers' text; programs, images, macros and tables of figures do not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.corpus.extract.holes import HOLE
from ulmkit.corpus.extract.markdown import markdown_to_text


def text_of(source: str) -> str:
    return markdown_to_text(source)[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a *b* **c** ***d*** _e_ __f__ ~~g~~", "a b c d e f g"),
        ("snake_case_name and 5*3*2 and 2 * 3", "snake_case_name and 5*3*2 and 2 * 3"),
        ("wrapped\nline\n\nnext", "wrapped line\n\nnext"),
        ("hard  \nbreak\\\nhere<br>too", "hard\nbreak\nhere\ntoo"),
        (
            "[label](https://a.ee/x_(y) \"title\") and [other][ref] and [third][]\n\n[ref]: https://a.ee 'T'",
            "label and other and third",
        ),
        ("![alt](a.png) text ![b][c] [![d](e.png)](https://f.ee) end", "text end"),
        ("<https://a.ee/b> and <a@b.ee>", "https://a.ee/b and a@b.ee"),
        ("Use `<footer>` and ``a`b`` and `x\ny`.", "Use <footer> and a`b and x y."),
        ("before\n```js\nlet x = 1;\n```\nafter", "before\n\nafter"),
        ("before\n~~~~\nx\n```\n~~~~\nafter", "before\n\nafter"),
        ("- item\n\n  ```\n  code\n  ```\n\n  more\n- two", "item\nmore\ntwo"),
        ("1. one\n2) two\n* three\n  wrapped\n- [x] done", "one\ntwo\nthree wrapped\ndone"),
        ("> quoted\n> > deeper\n\n> [!NOTE]\n> noted", "quoted deeper\n\nnoted"),
        ("| a | b |\n|---|---|\n| c | d |\n\nafter", "after"),
        ("::: tip Title here\ninside\n:::\nafter", "Title here\n\ninside\n\nafter"),
        (':::image type="content" source="a.png" alt-text="b":::\ntext', "text"),
        ("text[^1] more[^note]\n\n[^1]: the note", "text more\n\nthe note"),
        ('<!-- a\nb -->text<div class="x">in</div> <Foo bar={() => {x}} baz="a>b"/>end', "textin end"),
        (
            '{{HTMLElement("footer")}} {{jsxref("Array.map()", "map()")}} {{Compat}} {% raw %}x{% endraw %}',
            "footer map() x",
        ),
        ("import X from './x'\nexport const y = 1\n\n<X/>\ntext", "text"),
        ("# سرفصل {#id}\n\nپاراگراف {: .note}", "پاراگراف"),
        ("\\*not\\* \\# emphasis &amp; &zwnj;&copy;", "*not* # emphasis & \u200c©"),
        ("a :rocket: b 10:30:45", "a b 10:30:45"),
        ("[!INCLUDE [x](y.md)]\ntext", "text"),
        ("term\n: meaning", "term\nmeaning"),
        ("Title\n=====\n\ntext\n\n* * *\n\nend", "text\n\nend"),
        ("    let x = f(y);\n\ntext", "text"),
        ("a\r\nb", "a b"),
        ("<details><summary>Ava</summary>Tekst <p>lõik</p>lõpp</details>", "Ava\n\nTekst lõik\n\nlõpp"),
        ("", ""),
    ],
)
def test_markup_becomes_text(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # Obsidian
        (
            "[[Leib|leiba]], [[Leib]] ja [[Leib#Juuretis]], [[#Lõpp]] ![[pilt.png|300]] siin",
            "leiba, Leib ja Leib > Juuretis, Lõpp siin",
        ),
        ("Üks lõik. ^loik1\n\nTeine. ^370661\n\n^a1-b2", "Üks lõik.\n\nTeine."),
        ("Tekst %% märkus %% jääb.\n\n%%\nkaks\n\nlõiku\n%%\nlõpp", "Tekst jääb.\n\nlõpp"),
        ("See on ==tähtis asi==, ka ==see==.", "See on tähtis asi, ka see."),
        ("#retsept #leib/rukis\n\ntekst", "tekst"),
        ("- [/] pooleli\n- [-] jäetud", "pooleli\njäetud"),
        # Pandoc
        ("[väike]{.smallcaps} ja [link](https://a.ee){target=_blank .x}", "väike ja link"),
        (
            "Nii on [vt @tamm2010, lk 3; @kask1999] ka [-@kask]. Märkus^[Siin see on.] jätkub.",
            "Nii on ka. Märkus (Siin see on.) jätkub.",
        ),
        ("H~2~O, x^2^ ja ~~maha~~", "H2O, x2 ja maha"),
        ("Ees.\n\n\\newpage\n\n\\begin{center}\ntaga", "Ees.\n\ntaga"),
        ("Kui $x$ on $12$.\n\n$$\n\\int_0^1 x\n$$\n\nLõpp.", "Kui x on 12.\n\nLõpp."),
    ],
)
def test_marks_of_dialects_are_no_text(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    "text",
    [
        "Hind oli $5 kuni $10, siis $5-$7 ja lõpuks 20$ kuus, 30$ aastas.",
        "a == b, c==d ja e==f, 100%% ja 50%% veel, pindala 5 m ^2, C^ ja D^.",
        "Vaata #teema all ja kirjuta @kasutaja või a@b.ee, [kell 5] ja [1].",
        "Umbes ~5 kg või ~7 kg, x_1 ja y^n.",
    ],
)
def test_signs_of_prose_are_no_marks_of_dialects(text: str) -> None:
    assert text_of(text) == text


def test_a_sentence_with_a_formula_of_signs_has_a_hole() -> None:
    """The letters of its neighbours stay; what is done about the hole is the same as in wikitext."""
    assert text_of("Valem $E = mc^2$ on kuulus. Ja $n$ on arv.") == f"Valem {HOLE} on kuulus. Ja n on arv."


def test_front_matter_gives_the_title_and_goes() -> None:
    source = '---\ntitle: "نام صفحه"\ntags:\n- a\n---\n# نام صفحه\n\nمتن می\u200cآید.\n'
    assert markdown_to_text(source) == ("متن می\u200cآید.", "نام صفحه")


def test_without_front_matter_the_first_heading_is_the_title() -> None:
    assert markdown_to_text("# A `b` *c*\n\ntext\n\n## d\n\n# e\n") == ("text\n\nd\n\ne", "A b c")


def test_cells_that_hold_sentences_are_kept() -> None:
    cell = "This cell holds a whole sentence of a dozen words or so, written for people to read."
    assert text_of(f"| a | b |\n|---|---|\n| 1 | {cell} |") == cell


def test_a_fence_that_is_never_closed_runs_to_the_end() -> None:
    assert text_of("text\n\n```\ncode\n\nmore code") == "text"


HOSTILE = {
    "brackets": "[" * 100_000,
    "links": "[a](" * 50_000,
    "images": "![" * 100_000,
    "stars": "*a " * 100_000,
    "backticks": "`" * 99_999 + "a",
    "backticks apart": "` a\n" * 50_000,
    "tags": "<a " * 100_000,
    "quoted tags": '<a b="' * 50_000,
    "braced tags": "<a b={" * 50_000,
    "comments": "<!--" * 100_000,
    "macros": "{{" * 100_000,
    "liquid": "{%" * 100_000,
    "quotes": ">" * 100_000 + "a\n" + "> " * 100_000,
    "items": "- " * 100_000,
    "pipes": "|" * 200_000,
    "rule": "- - " * 50_000 + "x",
    "table rule": "--|" * 50_000 + "x",
    "heading": "# " + "a #" * 50_000 + "x",
    "one paragraph": "word\n" * 200_000,
    "escapes": "\\*" * 100_000,
    "definitions": "[a]:" * 50_000,
    "parentheses": "[a](" + "(" * 100_000,
    "jsx comments": "{/*" * 50_000,
    "titles": '[a](b "' * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time(name: str) -> None:
    start = time.process_time()
    text_of(HOSTILE[name])
    assert time.process_time() - start < 60  # a guard alone: a second here, minutes where something is quadratic


MARKS = [
    "#",
    " ",
    "\n",
    "*",
    "_",
    "`",
    "```\n",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "|",
    "-",
    "\\",
    "{",
    "}",
    "a",
    "کتاب\u200cها",
    "&amp;",
    "  \n",
    "!",
]


@examples(300)
@given(st.lists(st.sampled_from(MARKS), max_size=40).map("".join))
def test_any_mixture_of_marks_is_read(source: str) -> None:
    text, title = markdown_to_text(source)
    assert "\x1a" not in text + title
    assert text == text.strip()
    assert "\n\n\n" not in text
