"""Sentences end where a reader ends them, and words keep what joins them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.language import registry
from ulmkit.language.cases import SentenceCase, read_sentences
from ulmkit.text.segment import Segmenter, lines

SEGMENTERS = {
    "no data": Segmenter(),
    "all data": Segmenter(
        abbreviations=("a.b", "dr"),
        ending_abbreviations=("a", "jne"),
        never_first=("b",),
        ordinal_dot=True,
        no_break=(r"\d\. [IVX]{1,4}",),
        break_after=(r"(?<= )[:;]-?\)",),
        whole_quotes="«»",
        word_patterns=(r"\d+%\w+",),
    ),
    "marks without a space": Segmenter(sentence_ends=".!?…»", spaceless_ends="!»", no_break=("!a",)),
}
ENGLISH = [
    # text with | where a sentence ends, what decides
    ("He came.| She left.", "a mark and a space"),
    ("He came . | She left !", "the mark stands apart"),
    ("“Come!” he said.| “Now.”| They left.", "small letter after a closed quotation"),
    ("“ Come. ”| They left.", "the closing mark stands apart"),
    ('" Come. "| They left.', "... and does not show which way it turns"),
    ('"Come," he said.| " Now. "| They left.', "... the mark before it does"),
    ("He said: “ Come. ”| He said. | “ Now ” they left.", "an opening mark that stands apart"),
    ("He thought… and left.| Then…| Nothing.", "small letter after an ellipsis"),
    ("he came.| she left…| they stayed", "a writer who starts in small letters does so after an ellipsis"),
    ("1. Introduction.| 2. Methods.| All in 1962.| Then more.", "a number that begins a sentence"),
    ("J. R. Smith came.", "initials"),
    ("He came.", "one sentence"),
]


@pytest.mark.parametrize(("marked", "why"), ENGLISH)
def test_sentences_end_without_any_data(marked: str, why: str) -> None:
    assert Segmenter().sentences(marked.replace("|", "")) == [part.strip() for part in marked.split("|")], why


CASES = [
    (known.folder.name, case) for known in registry.known() for case in read_sentences(known.folder / "sentences.txt")
]


@pytest.mark.parametrize(("code", "case"), CASES, ids=[f"{code}:{case.line}" for code, case in CASES])
def test_sentences_end_as_the_language_says(code: str, case: SentenceCase) -> None:
    language = registry.get(code)
    wanted = [language.normalize(sentence) for sentence in case.sentences]
    assert language.sentences(language.normalize(case.text)) == wanted


@pytest.mark.parametrize("code", ["et", "fa"])
def test_a_language_has_cases_enough_to_mean_something(code: str) -> None:
    cases = [case for each, case in CASES if each == code]
    assert len(cases) >= 25
    assert sum(len(case.sentences) > 1 for case in cases) >= 20


def test_a_case_is_its_line_without_the_bars(tmp_path: Path) -> None:
    (tmp_path / "sentences.txt").write_text("# remark\n\nOne.| Two.|Three.\n", encoding="utf-8")
    assert read_sentences(tmp_path / "sentences.txt") == (
        SentenceCase("One. Two.Three.", ("One.", "Two.", "Three."), 3),
    )


@pytest.mark.parametrize("segmenter", SEGMENTERS.values(), ids=SEGMENTERS.keys())
@given(text=st.text(alphabet="aAb.!? »\n…1I«“\"'(-:;)", max_size=60))
def test_sentences_lose_nothing_but_space(segmenter: Segmenter, text: str) -> None:
    sentences = segmenter.sentences(text)
    assert "".join(sentences).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert all(sentence and sentence == sentence.strip(" ") for sentence in sentences)


@pytest.mark.parametrize(
    ("field", "value", "text", "sentences"),
    [
        ("abbreviations", ("dr",), "See dr. Tamm. Ja?", ["See dr. Tamm.", "Ja?"]),
        ("ending_abbreviations", ("jne",), "Üks jne. kaks jne. Kolm jne. 4.", ["Üks jne. kaks jne.", "Kolm jne. 4."]),
        ("never_first", ("را",), "«رفت.» را دیدم.", ["«رفت.» را دیدم."]),
        ("ordinal_dot", True, "26. juulil XX. sajandil. Ja.", ["26. juulil XX. sajandil.", "Ja."]),
        ("no_break", (r"No\. \d",), "See No. 5. Then", ["See No. 5.", "Then"]),
        ("break_after", (r"(?<= ):\)",), "Nice :) Then :)more", ["Nice :)", "Then :)more"]),
        ("whole_quotes", "«»", "«A. Bb! C?» D «Ee! f.» G", ["«A. Bb! C?»", "D «Ee! f.»", "G"]),
        ("sentence_ends", "।", "क ख। ग घ। च.", ["क ख।", "ग घ।", "च."]),
    ],
)
def test_each_setting_acts(field: str, value: object, text: str, sentences: list[str]) -> None:
    assert Segmenter(**{field: value}).sentences(text) == sentences
    assert Segmenter().sentences(text) != sentences


@pytest.mark.parametrize(
    "marked",
    [
        "– Kas tuled? – küsis ema.| – Tulen! – hüüdis laps.",
        "— Jah! — ütles ta.| — Ei.| Lõpp.",
        "Kas nii?| - ma ei tea.| nii see on",  # who writes no capitals: each dash begins anew
    ],
)
def test_what_a_dash_parts_from_the_speech_goes_on(marked: str) -> None:
    assert Segmenter().sentences(marked.replace("|", "")) == [part.strip() for part in marked.split("|")]


@pytest.mark.parametrize(
    "marked",
    [
        "Tuli?|Ei tea!|Mis nüüd..|Läks…|Jah.",
        "Kas?!|Ei.Ole",  # a dot alone joins names: Sepal.Length
        "x?Y, a?Bc, ABC!Def, abc!DEF, abc!def",  # a name, code or a rule of typing, and no two words
        "vt store://minu/ladu?Otsi, a=b?Cd ja c\\d?Ef",
        "Ένα;|Δύο!|Τρία.",
        "چرا؟|بله!|نه",  # of no code, since they have no case
        "उसने कहा?|हाँ..ठीक",
        "a?नहीं",
    ],
)
def test_a_space_that_is_missing_behind_a_mark_is_told_by_letter_case(marked: str) -> None:
    assert Segmenter(sentence_ends=".!?…؟;").sentences(marked.replace("|", "")) == marked.split("|")


WIDE = {
    "sentence_ends": ".!?…。！？",
    "spaceless_ends": "。！？",
    "openers": "«„“\"'([{「（",
    "closers": "»”’\"')]}」）",
}
SPACELESS = [
    ("彼は来た。|彼女は去った。", "no space"),
    ("彼は来た。| 彼女は去った。", "a space all the same"),
    ("本当？！|はい！", "two marks are one end"),
    ("「来た。」|彼女は去った（昨日。）|それだけ。", "closers go with the mark"),
    ("「来た。」、と彼は言った。", "no sentence begins with a comma"),
    ("价格为3.5元。|他看了www.a.cn!然后走了。", "other marks need their space"),
    ("来た。", "nothing follows"),
    ("来た。\n去った。", "lines"),
]


@pytest.mark.parametrize(("marked", "why"), SPACELESS)
def test_some_marks_need_no_space(marked: str, why: str) -> None:
    wanted = [part.strip() for line in marked.split("\n") for part in line.split("|")]
    assert Segmenter(**WIDE).sentences(marked.replace("|", "")) == wanted, why


def test_a_whole_quotation_holds_marks_that_need_no_space() -> None:
    text = "「来た。去った。」そして終わった。"
    assert Segmenter(**WIDE, whole_quotes="「」").sentences(text) == ["「来た。去った。」", "そして終わった。"]
    assert Segmenter(**WIDE, no_break=("。」そ",)).sentences(text) == ["「来た。", "去った。」そして終わった。"]


def test_a_long_quotation_is_many_sentences() -> None:
    quote = "«" + "Aa bb. " * 30 + "Aa.»"
    assert len(Segmenter(whole_quotes="«»").sentences(quote)) == 31


WORDS = [
    ("fa", "می‌روم، خانهٔ ما؛ #x_y ۳٫۵", ["می‌روم", "خانهٔ", "ما", "x", "y", "۳٫۵"]),
    (
        "et",
        "Peugeot'ga 1000-st 20%ni 3,5 – 10 000 USA-s e-post.",
        ["Peugeot'ga", "1000-st", "20%ni", "3,5", "10", "000", "USA-s", "e-post"],
    ),
]


@pytest.mark.parametrize(("code", "text", "expected"), WORDS)
def test_words_keep_what_joins_them(code: str, text: str, expected: list[str]) -> None:
    assert registry.get(code).words(text) == expected


def test_lines_are_those_that_hold_something() -> None:
    assert lines("a\n\nb\n") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("मराठी भाषा।", ["मराठी", "भाषा"]),  # vowel signs are marks, and belong to the word
        ("क्‍ष सर्व‌नाम", ["क्‍ष", "सर्व‌नाम"]),
        ("ẹ́kọ́ dára", ["ẹ́kọ́", "dára"]),
    ],
)
def test_a_mark_belongs_to_its_word(text: str, found: list[str]) -> None:
    assert Segmenter().words(text) == found


def test_a_space_ends_a_sentence_where_the_language_says_so() -> None:
    text = "วันนี้อากาศดี เราไปเดินเล่น ราคา 50 บาท"
    assert Segmenter(space_ends=True, spaced=False).sentences(text) == ["วันนี้อากาศดี", "เราไปเดินเล่น", "ราคา 50 บาท"]
    assert Segmenter(spaced=False).sentences(text) == [text]


def test_a_word_that_begins_no_sentence_begins_what_follows_without_a_space() -> None:
    marks = {"sentence_ends": "。？", "spaceless_ends": "。？", "closers": "」", "openers": "「"}
    text = "「行きますか？」と彼は言った。彼女は来た。"
    split = Segmenter(**marks, never_first=("と",), spaced=False).sentences
    assert split(text) == ["「行きますか？」と彼は言った。", "彼女は来た。"]
