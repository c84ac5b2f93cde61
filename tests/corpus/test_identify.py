"""Which language a text is in: its own is kept, its neighbours are told from it, and too little says nothing."""

import pytest
from corpus_text import article

from ulmkit.corpus.identify import FEW, close_language, identify, word_counts
from ulmkit.language.registry import get

KEPT = [
    ("fa", "کتابخانهٔ شهر از فردا تا پایان هفته بسته است و کتاب‌ها را باید زودتر پس داد."),
    ("fa", "مدير كتابخانه گفت كه كليد سالن مطالعه را به علي داده است."),  # typed on an Arabic keyboard
    ("fa", "این دو نفر بە اتهام سرقت بازداشت شدە بودند و بە زندان رفتند."),  # a Kurdish ە for ه
    ("et", "Raamatukogu on homsest nädala lõpuni suletud ja raamatud tuleb varem ära tuua."),
    ("et", "Kontsert toimus Liepājas, kuhu sõitis bussitäis noori muusikuid Tartust."),  # one foreign letter
    ("et", "Arvutustehnikainstituut TTÜ õppejõudude töötasud avaldatakse esmaspäeval, n-ö vahearuanne"),
]
NEIGHBOURS = [
    ("et", "Taa om nuur miis, kiä tulõ kodo ku päiv om vällän, a timä esä om tüüh."),  # Võro
    ("et", "Nece om minun kodi, da sinä voib tulda tänna, ku pidab, miše kaik oma hüvä."),  # Veps
    ("et", "Kirjasto on suljettu huomisesta viikon loppuun, ja kirjat pitää palauttaa aiemmin."),
    ("fa", "این خنه دله اتا گت چراغ دره و ونه جه شمه اتاق روشن وانه"),  # Mazanderani
    ("fa", "المكتبة مغلقة من الغد حتى نهاية الأسبوع ويجب إعادة الكتب قبل ذلك."),
    ("fa", "ڪتاب گهر سڀاڻي کان بند آهي ۽ ڪتاب اڳ ۾ واپس ڪرڻا پوندا."),  # Sindhi
]


@pytest.mark.parametrize(("code", "text"), KEPT)
def test_its_own_text_is_kept(code: str, text: str):
    verdict = identify(text, get(code))
    assert verdict.keep, verdict


def test_persian_drawn_in_arabic_letters_is_still_persian():
    persian = get("fa")
    text = persian.normalize(article(1))
    shapes = text.translate({ord("ی"): "\ufbfe", ord("ک"): "\ufb90", ord("ا"): "\ufe8e", ord("ر"): "\ufeae"})
    arabic = text.replace("ی", "ي").replace("ک", "ك")
    for variant in (text, shapes, arabic):
        assert identify(variant, persian).keep, variant[:50]


@pytest.mark.parametrize(("code", "text"), NEIGHBOURS)
def test_a_neighbour_is_told_from_it(code: str, text: str):
    assert identify(text, get(code)).reason in ("close language", "other language")


@pytest.mark.parametrize("number", [0, 1, 3])
def test_words_and_endings_tell_what_identifiers_do_not_know(number: int):
    code, text = NEIGHBOURS[number]
    assert close_language(text, get(code)).reason == "close language"


def test_a_caption_that_cannot_be_told_is_too_short_and_not_another_language():
    verdict = identify("Martin Pomm.", get("et"))
    assert (verdict.reason, verdict.keep) == ("too short", False)
    assert "12 characters" in verdict.detail
    assert identify("The committee has decided." * 2, get("et")).reason == "other language"
    assert FEW > 12


def test_words_stand_without_the_marks_around_them():
    found = word_counts("„Tere!“ ütles (ta) – nii' ja olõ-i.")
    assert sorted(found) == ["ja", "nii'", "olõ-i", "ta", "tere", "ütles"]
    assert word_counts("!" * 100_000 + "a" + "!" * 100_000) == {}  # beyond what is looked at
