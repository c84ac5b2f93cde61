"""A normalizer is its operations in order: it can be pickled, counted, explained, and told apart."""

import pickle

import pytest

from ulmkit.errors import LanguageError
from ulmkit.language import registry
from ulmkit.text.normalize import Change, Normalizer
from ulmkit.text.operations import Settings
from ulmkit.text.script import script_share

BASIC = ("surrogates", "controls", "spaces")


def test_a_pickled_normalizer_does_the_same() -> None:
    for code in ("fa", "et"):
        normalizer = registry.get(code).normalizers["train"]
        again = pickle.loads(pickle.dumps(normalizer))  # noqa: S301
        text = "كتاب \u201eTere\u201d بندر\u200cها garaaþ 5%"
        assert again(text) == normalizer(text)
        assert again.fingerprint == normalizer.fingerprint


def test_a_batch_is_every_text() -> None:
    normalizer = Normalizer(BASIC)
    assert normalizer.batch(["a  b", "", "c\x00"]) == ["a b", "", "c"]


def test_count_names_every_operation_in_order() -> None:
    assert Normalizer(BASIC).count("a\x00\x01  b   c") == {"surrogates": 0, "controls": 2, "spaces": 3}


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
