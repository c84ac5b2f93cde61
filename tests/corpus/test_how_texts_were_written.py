"""Texts that were wrapped, cut into tokens, or hold lists are set right by the build, which says how many."""

import textwrap

from ulmkit.corpus.chain import Chain
from ulmkit.corpus.genre import lists_beside_article
from ulmkit.corpus.notes import notes_on
from ulmkit.document import RawDocument
from ulmkit.language.registry import get

ESTONIAN, PERSIAN = get("et"), get("fa")
STORY = (
    "Kevadel läks vana kalamees paadiga merele, sest ilm oli vaikne ja tuul tuli maa poolt. Ta võttis kaasa leiba, "
    "vett ja uue võrgu. Kui päike loojus, ei olnud teda veel kodus, aga naine ei kartnud. Hommikul nägid lapsed, et "
    "paat on jälle kai ääres. Kala oli palju, seepärast kutsuti naabrid appi. "
)
LATER = (
    "Sügisel müüs kalamees paadi maha ja ehitas raha eest sauna, mille juures käis pärast kogu küla. Keegi ei "
    "küsinud, miks ta enam merele ei lähe, ja ta ise sellest ei rääkinud. Nii möödus kaks talve. "
)

FIRST = ("Mart", "Jaan", "Liis", "Kai", "Peeter", "Anu", "Toomas", "Epp", "Rein")
LAST = ("Kask", "Saar", "Lepp", "Tamm", "Mets", "Kivi")


def kept(text: str, language=ESTONIAN):
    part = Chain(language, near_duplicates=False)([RawDocument(id="a", content=text, kind="text", source="books")])
    return (part.rows[0]["text"] if part.rows else ""), part.tally


def notes(tally, language=ESTONIAN) -> list[str]:
    return notes_on(tally, {"train": {"documents": 1}}, language, (0.0, 0.0))


def test_a_text_cut_into_tokens_is_put_together_and_counted() -> None:
    cut = STORY.replace(",", " ,").replace(".", " .")
    text, tally = kept(cut)
    assert text == STORY.strip()
    assert tally.written == {"books": {"tokenized": 1}}
    assert not notes(tally)


def test_a_language_that_has_no_profile_for_tokens_says_that_it_keeps_them() -> None:
    tally = kept(STORY)[1]
    tally.states("books")["tokenized"] += 2
    assert "books: 2 texts are cut into tokens" in " ".join(notes(tally, PERSIAN))


def test_a_text_cut_into_tokens_is_no_remark_where_the_standard_form_puts_it_together() -> None:
    news = (
        "باران آمد ، باد وزید ، برف بارید و سپس بهار رسید . کودکان به کوچه رفتند ، بازی کردند ، خندیدند "
        "و آواز خواندند . پدران از کار برگشتند ، چای نوشیدند و از روزهای گذشته گفتند . "
        "مادران نان پختند ، سفره را پهن کردند و همه را صدا زدند . "
    )
    text, tally = kept(news, PERSIAN)
    assert text.startswith("باران آمد، باد وزید، برف بارید و سپس بهار رسید. ")
    assert not tally.written.get("books")
    assert not notes(tally, PERSIAN)


def test_a_word_that_wrapping_parted_is_whole_again_as_the_language_spells_it() -> None:
    story = STORY + LATER
    tried = [
        (textwrap.fill(story.replace(word.replace("-", ""), word, 1), width), word)
        for word in ("vaik-ne", "kut-suti", "loo-jus", "seepä-rast", "kü-sinud", "möö-dus")
        for width in range(58, 76)
    ]
    text, tally = kept(next(lines for lines, word in tried if word.replace("-", "-\n") in lines))
    assert text == story.strip()
    (note,) = notes(tally)
    assert note.startswith("books: lines of 1 texts were wrapped, at ")


def test_lines_that_only_look_wrapped_are_said() -> None:
    tally = kept(STORY)[1]
    tally.states("books").update({"looks wrapped 64": 3, "looks wrapped 60": 1})
    (note,) = notes(tally)
    assert note.startswith("books: lines of 4 texts look wrapped at 60, 64 characters. They were kept")


def test_an_article_that_ends_in_a_list_is_kept_without_it() -> None:
    names = "\n".join(f"{first} {last}" for first in FIRST for last in LAST)
    text, tally = kept(f"{STORY}\n\n{LATER}\n\nTulemused\n{names}")
    assert text == f"{STORY.strip()}\n\n{LATER.strip()}"
    assert tally.lists_cut == 1


def test_an_article_that_holds_a_list_is_kept_without_it_and_a_notice_under_a_menu_is_none() -> None:
    names = "\n".join(f"{first} {last}" for first in FIRST for last in LAST)
    points = "\n".join(f"{first} {last} 3 : 1" for first in FIRST for last in LAST[:3])
    for listed in (names, points):
        text, tally = kept(f"{STORY}\n\nTulemused\n{listed}\n\n{LATER}")
        assert text == f"{STORY.strip()}\n\n{LATER.strip()}"
        assert tally.lists_cut == 1
    wrapped = textwrap.wrap("Kui ilm oli hea, läks ta merele, aga muidu istus kodus ja parandas võrke " * 6, 80)
    told = [f"{STORY}.", f"{LATER}."]
    assert not any(lists_beside_article([told[0], *wrapped, told[1]], [True] + [False] * len(wrapped) + [True]))
    unended = "Kohus kutsus tülitsejad ette ja küsis neilt, kumma karjamaal loomad suvel käisid, " * 2
    among = lists_beside_article([told[0], unended, *names.split("\n"), told[1]], [True] + [False] * 55 + [True])
    assert among == [False, False] + [True] * 54 + [False]
    notice = " ".join(f"{STORY} {LATER}".split())
    assert len(notice) > 400
    assert not any(lists_beside_article([*names.split("\n"), notice], [False] * len(names.split("\n")) + [True]))


def test_a_long_passage_that_stands_twice_is_kept_once() -> None:
    """Articles are stored twice in one record; a notice that comes back is left as it is."""
    end = "Saun seisab praegugi kivise ranna peal ja laupäeviti tuleb korstnast suitsu."
    once = f"{STORY.strip()}\n\n{LATER.strip()}\n\n{end}"
    text, tally = kept(f"{once}\n\nVahepealkiri\n\n{once}\n\nLõpusõna on lühike.")
    assert text == f"{once}\n\nVahepealkiri\n\nLõpusõna on lühike."
    assert tally.copies_cut == 1
    notice = "Seda teadet korratakse igas osas, sest see on tähtis ja kõik peavad seda lugema."
    text, tally = kept(f"{STORY.strip()}\n\n{notice}\n\n{LATER.strip()}\n\n{notice}")
    assert text.count(notice) == 2
    assert tally.copies_cut == 0
