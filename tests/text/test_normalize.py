"""A normalizer is its operations in order: it can be pickled, counted, explained, and told apart."""

import pickle

import pytest

from ulmkit.errors import LanguageError
from ulmkit.language import registry
from ulmkit.text.normalize import _BETWEEN, PIECE, Change, Normalizer, pieces
from ulmkit.text.operations import Settings
from ulmkit.text.script import script_share

BASIC = ("surrogates", "controls", "spaces")


def test_a_pickled_normalizer_does_the_same() -> None:
    for code in ("fa", "et"):
        normalizer = registry.get(code).normalizer("standard")
        again = pickle.loads(pickle.dumps(normalizer))  # noqa: S301
        text = "كتاب \u201eTere\u201d بندر\u200cها garaaþ 5%"
        assert again(text) == normalizer(text)
        assert again.fingerprint == normalizer.fingerprint


# short ones are taken together: empty ones, such as become empty, paragraphs, open code, the very mark between texts
BATCH = [
    "a  b",
    "",
    "c\x00",
    "\x00",
    "\n\n",
    "a\n\n\nb",
    "`a",
    "b`",
    "\ud83d",
    "\ude00",
    "a &lt",
    "; b",
    "a\r",
    "\n",
    _BETWEEN,
]


@pytest.mark.parametrize("texts", [[], ["a  b"], BATCH, BATCH[::-1], BATCH * 300, ["", "x " * PIECE, ""]])
def test_a_batch_is_every_text(texts: list[str]) -> None:
    normalizer = Normalizer(BASIC)
    assert normalizer.batch(texts) == [normalizer(text) for text in texts]


@pytest.mark.parametrize("size", [1, 4, 5, 100])
def test_pieces_joined_by_empty_lines_are_the_text(size: int) -> None:
    text = "one\n\ntwo\n\n\n\nthree\nfour\n\n"
    parts = list(pieces(text, size))
    assert "\n\n".join(parts) == text
    assert all(len(part) >= size for part in parts[:-1])


def test_count_names_every_operation_in_order() -> None:
    assert Normalizer(BASIC).count("a\x00\x01  b   c") == {"surrogates": 0, "controls": 2, "spaces": 3}


COUNTS = [
    # operation, text, how often it acts
    ("entities", "&amp; &zwnj; &lt;b&gt; AT&T", 4),
    ("line_ends", "a\r\nb\rc", 2),
    ("controls", "a\x00\x01b", 2),
    ("invisible", "a\u180b\ufffb\ufffe", 3),
    ("space_forms", "a\u00a0\u2009b", 2),
    ("protect", "a 2.7.19 https://a.b/c", 2),
    ("presentation_forms", "\ufe81\ufefb", 2),
    ("dashes", "\u2010 \u2014", 2),
    ("characters", "\u0643\u064a \u0648\u0654", 3),
    ("nfc", "e\u0301 o\u0308", 2),
    ("watched", "\u0688\u0691 \ufffd \ue000 د", 4),
    ("rules.foreign_yeh", "بچ\u06d2 عل\u06cd", 2),
    ("rules.hamza_above", "ب\u0654 د\u0653", 2),
    ("pseudo_joiners", "می\u00acروم می\u200fرود", 2),
    ("emoji_joiners", "ن\u200dم\ufe0f", 2),
    ("tatweel", "ســـلام دنیـا", 2),  # runs
    ("joiners", "می\u200c\u200cروم \u200cدر", 2),
    ("digits", "12 و 3", 2),
    ("rules.percent", "۵% ۶%", 2),
    ("ellipsis", "بعد... رفت....", 2),
    ("quotes", "“او” گفت", 2),
    ("punctuation", "او, تو; ما?", 3),
    ("spacing", "او ، تو . ( ما )", 4),
    ("repeats", "چرا!!!!! نه؟؟؟؟", 2),
    ("spaces", "  a  b", 3),
    ("rules.half_space", "می رود کتاب ها", 2),
    ("sign_runs", "😂😂😂😂 )))))", 2),
]


@pytest.mark.parametrize(("name", "text", "count"), COUNTS)
def test_every_operation_is_counted(name: str, text: str, count: int) -> None:
    language = registry.get("fa")
    profile = next(p for p in language.profiles if name in language.normalizer(p).operations)
    normalizer = language.normalizer(profile)
    assert normalizer.count(text)[name] == count
    explained = [change for change in normalizer.explain(text) if change.operation == name]
    assert [change.count for change in explained] == ([] if name == "protect" else [count])


@pytest.mark.parametrize(("dash", "normal"), [("", "-- – – — —"), ("–", "-- – – – –"), ("—", "-- — — — —")])
def test_dashes_are_told_apart_or_one(dash: str, normal: str) -> None:
    normalize = Normalizer(["dashes"], Settings(dash=dash))
    assert normalize("\u2010\u2212 \u2012 \u2013 \u2014 \u2015") == normalize(normal) == normal


def test_what_is_only_watched_is_explained_unchanged() -> None:
    changes = registry.get("fa").normalizer("standard").explain("ڈاک")
    assert changes == [Change("watched", 1, "ڈاک", "ڈاک")]


def test_explain_shows_protected_spans_as_they_are() -> None:
    changes = registry.get("fa").normalizer("standard").explain("2.7.19 كتاب https://a.b/c  ...")
    assert [(change.operation, change.before) for change in changes if change.operation == "characters"] == [
        ("characters", "2.7.19 كتاب https://a.b/c  ")
    ]
    assert all("\ufdd0" not in change.after and "\ufdd1" not in change.after for change in changes)


def test_explain_shows_the_first_place_before_and_after() -> None:
    assert Normalizer(BASIC).explain("a  b") == [Change("spaces", 1, "a  b", "a b")]


def test_fingerprint_follows_operations_and_settings() -> None:
    normalizers = [
        Normalizer(BASIC),
        Normalizer((*BASIC, "nfc")),
        Normalizer(BASIC, Settings(script="Arab")),
    ]
    assert len({normalizer.fingerprint for normalizer in normalizers}) == 3
    assert Normalizer(BASIC).fingerprint == normalizers[0].fingerprint


def test_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(LanguageError, match=r"no operation 'space'\. Did you mean 'spaces'"):
        Normalizer(("space",))


@pytest.mark.parametrize("count", [0, 1, 2, 32_767, 32_768, 32_769, 65_536])
def test_a_pair_is_seen_wherever_it_stands(count: int) -> None:
    """The scan looks at a text in pieces; the pair at the seam is not lost."""
    assert Normalizer(BASIC)("a" * count + "  " + "b") == ("a" * count + " b").strip()


@pytest.mark.parametrize(
    ("text", "script", "share"),
    [
        ("سلام", "Arab", 1.0),
        ("سلام abcd", "Arab", 0.5),
        ("سلام abcd", "Latn", 0.5),
        ("12 !", "Arab", 0.0),
        ("", "Latn", 0.0),
    ],
)
def test_script_share(text: str, script: str, share: float) -> None:
    assert script_share(text, script) == share
