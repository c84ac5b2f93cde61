"""Every language folder keeps what it promises: its examples, its strings to keep, and normal form for any text."""

import re
import time
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from normalizer_fuzz import PIECES

from ulmkit.language import registry
from ulmkit.language.spec import Language
from ulmkit.text.operations import MATCH_ONLY

LANGUAGES = [known.folder.name for known in registry.known()]
ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|[ntr])")


def unescape(cell: str) -> str:
    return ESCAPE.sub(lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1]) or chr(int(m[1][1:], 16)), cell)


def rows(code: str) -> list[tuple[str, str, str]]:
    lines = (registry.find(code) / "examples.tsv").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(operation, unescape(raw), unescape(normal)) for operation, raw, normal in cells]


def kept(code: str) -> list[str]:
    lines = (registry.find(code) / "keep.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


EXAMPLES = [(code, *row) for code in LANGUAGES for row in rows(code)]
KEPT = [(code, text) for code in LANGUAGES for text in kept(code)]

TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)
FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2581\ufdd0-\ufdef]|  | \n|\n |\n\n\n|\\A[ \n]|[ \n]\\Z")


@pytest.fixture(params=LANGUAGES, scope="module")
def language(request: pytest.FixtureRequest) -> Language:
    return registry.get(request.param)


@pytest.mark.parametrize(("code", "operation", "raw", "normal"), EXAMPLES)
def test_example(code: str, operation: str, raw: str, normal: str) -> None:
    """The raw text becomes the normal one, and the named operation had a hand in it."""
    language = registry.get(code)
    assert language.normalize(raw) == normal
    acted = [change.operation for change in language.normalizers["train"].explain(raw)]
    encoded_away = operation == "surrogates"
    assert operation in acted or encoded_away


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_operation_has_an_example(code: str) -> None:
    shown = {operation for operation, _, _ in rows(code)}
    wanted = set(registry.get(code).normalizers["train"].operations) - {"protect", "restore"} - set(MATCH_ONLY)
    assert wanted <= shown


@pytest.mark.parametrize(("code", "text"), KEPT)
def test_kept_string_is_unchanged(code: str, text: str) -> None:
    """Alone, and in the middle of a sentence."""
    normalize = registry.get(code).normalize
    assert normalize(text) == text
    around = registry.get(code).lm.prompts[0]
    assert normalize(f"{around} {text} {around}") == f"{around} {text} {around}"


def test_normalizing_twice_changes_nothing(language: Language) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        once = language.normalize(text)
        assert language.normalize(once) == once

    check()


def test_fast_path_equals_the_plain_order(language: Language) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        for normalizer in (language.normalizers["train"], language.normalizers["match"]):
            assert normalizer(text) == normalizer.reference(text)
        normal, fold = language.normalize(text), language.normalizers["fold"]
        assert fold(normal) == fold.reference(normal)

    check()


def test_normal_form_holds_only_what_can_be_written_and_read_back(language: Language) -> None:
    """No lone surrogates, controls, U+2581, doubled spaces or empty edges, and NFC."""

    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        normal = language.normalize(text)
        assert not BAD.search(normal)
        assert unicodedata.is_normalized("NFC", normal)
        normal.encode("utf-8")

    check()


def test_each_operation_alone_is_idempotent(language: Language) -> None:
    steps = language.normalizers["match"]._steps

    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        for step in steps:
            once, _ = step.apply(text)
            assert step.apply(once)[0] == once, step.name

    check()


def test_match_form_is_idempotent_and_does_not_depend_on_normalizing_before(language: Language) -> None:
    @FUZZ
    @given(TEXTS)
    def check(text: str) -> None:
        matched = language.match(text)
        assert language.match(language.normalize(text)) == matched
        assert language.fold(language.normalize(text)) == matched
        assert language.fold(matched) == matched

    check()


@pytest.mark.parametrize(
    "unit",
    [
        "\u0301",
        "\u064b",
        "a",
        "ا",
        "\u200c",
        " ",
        "\n",
        '"',
        "“",
        "«",
        ".",
        "1.",
        "a.",
        "http://",
        "@",
        "&amp;",
        "`a",
        "#",
        ": ",
        "\ud800",
        "\u0640",
    ],
)
def test_time_grows_with_the_length(language: Language, unit: str) -> None:
    """Four times the text takes less than eight times the time (a quadratic step takes sixteen)."""

    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            language.normalize(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(80_000) < 8 * max(seconds(20_000), 0.002)


def test_stop_words_are_in_normal_form_and_enough(language: Language) -> None:
    assert len(language.stop_words) >= 100
    assert all(language.normalize(word) == word for word in language.stop_words)


def test_alphabet_is_kept_letter_by_letter(language: Language) -> None:
    letters = " ".join(language.alphabet.letters)
    assert language.normalize(letters) == letters
