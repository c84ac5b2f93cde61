"""Every language folder keeps what it promises: its examples, its strings to keep, and normal form for any text."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from normalizer_fuzz import PIECES
from random_cases import examples

from ulmkit.language import places, registry
from ulmkit.language.cases import Example, read_examples, read_keep
from ulmkit.language.forms import STANDARD
from ulmkit.language.spec import Language
from ulmkit.text.normalize import Normalizer

LANGUAGES = [known.folder.name for known in registry.known()]
EXAMPLES = [(code, example) for code in LANGUAGES for example in read_examples(places.find(code) / "examples.tsv")]
KEPT = [(code, case.text) for code in LANGUAGES for case in read_keep(places.find(code) / "keep.txt")]
PROFILES = [(code, profile) for code in LANGUAGES for profile in registry.get(code).profiles]

TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)
FUZZ = examples(400)
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2581\ufdd0-\ufdef]|  | \n|\n |\n\n\n|\\A[ \n]|[ \n]\\Z")


@pytest.fixture(params=LANGUAGES, scope="module")
def language(request: pytest.FixtureRequest) -> Language:
    return registry.get(request.param)


@pytest.fixture(params=PROFILES, ids=lambda each: "-".join(each), scope="module")
def normalizer(request: pytest.FixtureRequest) -> Normalizer:
    """Of every profile of every language."""
    code, profile = request.param
    return registry.get(code).normalizer(profile)


@pytest.mark.parametrize(("code", "example"), EXAMPLES, ids=lambda each: getattr(each, "operation", each))
def test_example(code: str, example: Example) -> None:
    """The raw text becomes the normal one, stays it, and the named operation had a hand in it and was counted."""
    normalize = registry.get(code).normalizer(example.form)
    assert normalize(example.raw) == example.normal
    assert normalize(example.normal) == example.normal
    assert example.operation in [change.operation for change in normalize.explain(example.raw)]
    assert normalize.count(example.raw)[example.operation] > 0


@pytest.mark.parametrize(("code", "profile"), PROFILES)
def test_every_operation_has_an_example(code: str, profile: str) -> None:
    shown = {example.operation for case, example in EXAMPLES if case == code and example.form in (STANDARD, profile)}
    assert set(registry.get(code).normalizer(profile).operations) - {"protect", "restore"} <= shown


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_profile_has_an_example(code: str) -> None:
    shown = {example.form for case, example in EXAMPLES if case == code}
    assert set(registry.get(code).normalization.profiles) <= shown


@pytest.mark.parametrize(("code", "text"), KEPT)
def test_kept_string_is_unchanged(code: str, text: str) -> None:
    """Alone, and in the middle of a sentence."""
    normalize = registry.get(code).normalize
    assert normalize(text) == text
    around = registry.get(code).lm.prompts[0]
    assert normalize(f"{around} {text} {around}") == f"{around} {text} {around}"


@pytest.mark.thorough
def test_normalizing_twice_changes_nothing(normalizer: Normalizer) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        once = normalizer(text)
        assert normalizer(once) == once

    check()


@pytest.mark.thorough
def test_fast_path_equals_the_plain_order(normalizer: Normalizer) -> None:
    @FUZZ
    @given(TEXTS)
    @example("1\u0654-2«2&zwj;")  # a number with a separator only after the first pass, which must set the « apart
    @example("! ! ! !")
    @example("،،، ،")
    def check(text: str) -> None:
        assert normalizer._pass(text) == normalizer._plain_pass(text, lambda *_: None)  # no rule comes a pass late
        assert normalizer(text) == normalizer.reference(text)

    check()


@pytest.mark.thorough
def test_long_text_is_taken_in_pieces_and_comes_out_the_same(
    normalizer: Normalizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parted at empty lines, here after three characters; what the plain order makes of the whole text."""
    monkeypatch.setattr("ulmkit.text.normalize.PIECE", 3)

    @FUZZ
    @given(st.lists(TEXTS, max_size=4).map("\n\n".join))
    def check(text: str) -> None:
        assert normalizer(text) == normalizer.reference(text)

    check()


@pytest.mark.thorough
def test_fast_path_of_the_match_form_equals_the_plain_order(language: Language) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        match, fold, normal = language.normalizer("match"), language.normalizer("fold"), language.normalize(text)
        assert match(text) == match.reference(text)
        assert fold(normal) == fold.reference(normal)

    check()


@pytest.mark.thorough
def test_normal_form_holds_only_what_can_be_written_and_read_back(normalizer: Normalizer) -> None:
    """No lone surrogates, controls, U+2581, doubled spaces or empty edges, and NFC."""

    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        normal = normalizer(text)
        assert not BAD.search(normal)
        assert unicodedata.is_normalized("NFC", normal)
        normal.encode("utf-8")

    check()


@pytest.mark.thorough
def test_each_operation_alone_is_idempotent(language: Language) -> None:
    forms = [language.normalizer(name) for name in ("match", *language.normalization.profiles)]
    steps = [step for each in forms for step in each._steps]

    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        for step in steps:
            once, _ = step.apply(text)
            assert step.apply(once)[0] == once, step.name

    check()


@pytest.mark.thorough
def test_match_form_is_idempotent_and_does_not_depend_on_normalizing_before(language: Language) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        matched = language.match(text)
        assert language.match(language.normalize(text)) == matched
        assert language.fold(language.normalize(text)) == matched
        assert language.fold(matched) == matched

    check()


def test_stop_words_are_in_normal_form_and_enough(language: Language) -> None:
    assert len(language.stop_words) >= 100
    assert all(language.normalize(word) == word for word in language.stop_words)


def test_alphabet_is_kept_letter_by_letter(language: Language) -> None:
    letters = " ".join(language.alphabet.letters)
    assert language.normalize(letters) == letters
