"""Each filter turns away what breaks its limit, keeps what just meets it, and says why."""

from dataclasses import replace

import numpy as np
import pytest
from corpus_text import SMALL, article
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.corpus.filters import FILTERS, DecidedBy, Filter, filters_of, judge, limits_of, without_boilerplate
from ulmkit.corpus.page import Page
from ulmkit.corpus.shingles import WordHasher
from ulmkit.document import KEEP
from ulmkit.language.registry import get
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language

PERSIAN = get("fa")
ESTONIAN = replace(get("et"), listed_stop_words=("ja", "on"))
HASHER = WordHasher()


def made(text: str, language: Language = ESTONIAN) -> Page:
    words = language.fold(text).split()
    return Page(text, words, HASHER(words), language)


def with_limit(row: Filter, number: float) -> Language:
    """The language with this row's limit, and all other limits so wide that they turn nothing away."""
    wide = {
        name: tuple(0.0 if r.direction == "at least" else 1e9 for r in rows) if rows[0].part is not None
        else 0 if rows[0].direction == "at least" else 1e9
        for name, rows in ((r.limit, filters_of(r.limit)) for r in FILTERS)
    }  # fmt: skip
    own = wide[row.limit]
    wide[row.limit] = number if row.part is None else (*own[: row.part], number, *own[row.part + 1 :])
    return replace(ESTONIAN, filters=replace(ESTONIAN.filters, **wide))


# row -> what its measure is of a page that just passes, that page, and one that fails
PAGES = {
    "min_characters": (5, "ja on", "ja o"),
    "min_words": (3, "üks, kaks, kolm", "üks, kaks"),
    "max_characters": (4, "maja", "majad"),
    "max_replacement_characters": (1 / 5, "ab\ufffdc\ufffd", "a\ufffdc\ufffd"),
    "min_script_share": (1 / 2, "a\u0431", "a\u0431\u0432"),  # Cyrillic be, ve
    "max_digit_share": (1 / 2, "ab12", "a12"),
    "mean_word_length[0]": (3, "ab abcd", "ab abc"),
    "mean_word_length[1]": (3, "ab abcd", "ab abcde"),
    "min_stop_words": (2, "ja maja on", "ja maja ja"),
    "min_stop_word_share": (1 / 2, "ja maja", "ja maja maja"),
    "max_symbol_word_ratio": (1 / 2, "maja #maja", "#maja #maja"),
    "min_word_with_letter": (1 / 2, "maja 12", "maja 12 13"),
    "max_bullet_lines": (1 / 2, "- maja\nmaja", "- maja\n- maja"),
    "max_ellipsis_lines": (3 / 4, "maja…\nmaja…\nmaja\nlinn…\nmaja", "maja…\nmaja...\nlinn…\nmaja…\nlinn"),
    "max_short_lines": (1 / 2, "maja\n" + 31 * "a", "maja\n" + 30 * "a"),
    "min_line_punctuation": (1 / 2, "maja.\nmaja\nlinn.\nlinn\nmaja", "maja.\nmaja\nlinn\nlinn\nmaja"),
    "max_said_again": (5 / 11, "a b c d e x a b c d e", "a b c d e a b c d e"),
    "max_duplicate_lines": (1 / 2, "maja\nmaja", "maja\nmaja\nmaja"),
    "max_duplicate_line_characters": (4 / 9, "maja\nmaja", "maja\nmaja\nmaja"),
    "min_sentence_ends": (50, "maja on.", "maja on suur."),
    "max_top_ngram[0]": (2 / 9, "a b x a b y a b z", "a b x a b y a b"),
    "max_top_ngram[1]": (3 / 12, "a b c x a b c y a b c z", "a b c x a b c y a b c"),
    "max_top_ngram[2]": (4 / 15, "a b c d x a b c d y a b c d z", "a b c d x a b c d y a b c d"),
} | {
    # n words, another, the n words again, yet another, and the n words for the third time
    f"max_duplicate_ngrams[{n - 5}]": (
        n / (3 * n + 2),
        " ".join([*"abcdefghij"[:n], "x", *"abcdefghij"[:n], "y", *"abcdefghij"[:n]]),
        " ".join([*"abcdefghij"[:n]] * 3),
    )
    for n in range(5, 11)
}  # fmt: skip


@pytest.mark.parametrize("row", FILTERS, ids=lambda row: row.name)
def test_a_page_at_the_limit_stays_and_one_beyond_it_goes(row: Filter):
    value, passes, fails = PAGES[row.name]
    language = with_limit(row, value)
    assert row.measure(made(passes, language)) == pytest.approx(value)
    # at the very number that was measured, whatever its last bit
    language = with_limit(row, row.measure(made(passes, language)))
    assert judge(made(passes, language)) == KEEP
    verdict = judge(made(fails, language))
    assert (verdict.keep, verdict.reason) == (False, row.reason)
    sign = "<" if row.direction == "at least" else ">"
    assert verdict.detail == f"{row.measure(made(fails, language)):.3g} {sign} {value:.3g}"


def test_every_row_has_its_pages():
    assert set(PAGES) == {row.name for row in FILTERS}


def test_every_limit_is_a_setting_and_every_number_of_it_has_a_row():
    for limit in {row.limit for row in FILTERS}:
        default, rows = getattr(Filters, limit), filters_of(limit)
        parts = list(range(len(default))) if isinstance(default, tuple) else [None]
        assert [row.part for row in rows] == parts
        assert len({row.decided_by for row in rows}) == 1
    others = {"boilerplate", "line_ends", "origins", "verse_line_starts", "prose_stop_word_share"}
    assert {row.limit for row in FILTERS} == set(Filters.__dataclass_fields__) - others


VERSE = "\n".join(
    [
        "درختی که در باغ ما سبز بود", "به باد خزان برگ خود را ربود", "زمستان رسید و زمین خفته شد",
        "سخن‌های گرم از لب آشفته شد", "ولی ریشه در خاک بیدار ماند", "به امید فردا بهاری بخواند",
        "که هر شب به دنبال خود روز داشت", "و هر دانه در دل دمی سوز داشت",
    ]
)  # fmt: skip


def test_verse_is_not_taken_for_a_menu():
    page = made(VERSE, PERSIAN)
    assert judge(page) == KEEP
    assert {row.reason for row in FILTERS if "verse" in row.spares} >= {"short lines", "few lines end in punctuation"}
    broken = [
        row.reason for row in FILTERS if row.direction == "at most" and row.measure(page) > row.limit_in(page.limits)
    ]
    assert broken == ["short lines"]
    assert all(np.isnan(row.applied(page)) for row in FILTERS if "verse" in row.spares or "song" in row.spares)


LINES = st.lists(st.sampled_from(["ja", "on", "maja", "linn", "…", "#", "12", "a"]), min_size=1, max_size=12)


@given(st.lists(LINES.map(" ".join), min_size=1, max_size=12).map("\n".join))
def test_the_verdict_is_the_first_rows_that_fails_when_all_are_asked(text: str):
    """What is skipped (measures that cannot be more than the last, limits of 0) changes no verdict."""
    limits = replace(ESTONIAN.filters, min_characters=1, min_words=1, min_stop_words=0)
    page = made("maja " + text, replace(ESTONIAN, filters=limits))
    failing = (
        row.reason
        for row in FILTERS
        if (
            row.applied(page) < row.limit_in(limits)
            if row.direction == "at least"
            else row.applied(page) > row.limit_in(limits)
        )
    )
    assert judge(page).reason == next(failing, "")


def titled(sentence: str) -> str:
    """A sentence as a headline: without most of its function words."""
    first, *rest = sentence.split(" ")
    return " ".join([first, "در", *[word for word in rest if word not in PERSIAN.stop_words], "را"])


def test_filters_name_their_reason():
    good = article(3)
    sentences = [sentence for sentence in good.replace("\n\n", " ").split(". ") if sentence]
    menu = ["خانه", "درباره‌ی ما", "تماس با ما و ارسال پیام به دفتر", "ورود", "اخبار ورزشی و فرهنگی", "هنر ایران"]
    cases = {
        good: "",
        "\n".join([good.split("\n")[0]] * 9): "duplicate lines",
        "\n".join(f"{line} {name}" for name in SMALL.split()[:8] for line in menu): "short lines",
        good + "\ufffd" * 20: "damaged characters",
        " ".join(str(i * 7919) for i in range(200)): "other script",
        "\n".join(
            f"{one} {two} {three}…" for one, two, three in zip(*[iter(sentences)] * 3, strict=False)
        ): "teaser lines",
        (sentences[0] + ". ") * 12: "top 3-gram",
        "\n".join(f"- {sentence}" for sentence in sentences): "bullet list",
        "\n".join(f"{titled(sentence)} {'و' * (i % 3 * 30)}" for i, sentence in enumerate(sentences)): (
            "few lines end in punctuation"
        ),
        good.replace(" ", " # "): "many symbols",
    }
    found = {reason: judge(made(PERSIAN.normalize(text), PERSIAN)) for text, reason in cases.items()}
    assert {reason: verdict.reason for reason, verdict in found.items()} == {reason: reason for reason in found}


def test_boilerplate_lines_go_and_nothing_else():
    language = replace(PERSIAN, filters=replace(PERSIAN.filters, boilerplate=("انتهای پیام", r"کد خبر:? [۰-۹]+")))
    text = "متن خبر.\n\nکد خبر: ۱۲۳\n\nانتهای پیام به مردم رسید.\nانتهای پیام"
    assert without_boilerplate(text, language) == ("متن خبر.\n\nانتهای پیام به مردم رسید.", 2)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("یک ۲ سه", 2 / 3),
        ("- یک\n\n-- ۳", 1 / 4),
        ("(۱) یک – دو.\n- سه", 3 / 4),
        ("12", 0.0),
        ("الف", 1.0),
        ('۱الف۲ "ب"', 1.0),
    ],
)
def test_the_share_of_words_with_a_letter(text: str, share: float):
    (row,) = filters_of("min_word_with_letter")
    assert row.measure(made(text, PERSIAN)) == pytest.approx(share)


def test_a_language_without_stop_words_is_not_asked_for_them():
    bare = replace(ESTONIAN, listed_stop_words=())
    for limit in ("min_stop_words", "min_stop_word_share"):
        (row,) = filters_of(limit)
        assert np.isnan(row.measure(made("maja on suur", bare)))


def test_what_a_language_limits_is_listed_with_where_it_comes_from():
    limits = replace(PERSIAN.filters, min_words=40, origins={"min_words": "guessed"})
    listed = limits_of(replace(PERSIAN, filters=limits))
    assert list(listed)[:3] == ["min_characters", "min_words", "max_characters"]
    assert listed["min_words"] == {"limit": 40, "drops": ["too few words"], "from": "guessed"}
    assert listed["mean_word_length"]["drops"] == ["short words", "long words"]
    assert listed["max_short_lines"]["from"] == "default"


def test_what_is_measured_is_said_of_every_row():
    assert all(row.about.endswith(".") and "{" not in row.about for row in FILTERS)
    assert {row.decided_by for row in FILTERS} == set(DecidedBy)
