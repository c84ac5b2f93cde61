"""No text breaks a normalizer: a slice of what `make faults` throws at each, and proof that it would notice."""

import os
from collections.abc import Callable
from random import Random

import pytest
from altered_language import with_normalizers
from normalizer_fuzz import LINEAR, Checks, Texts, fuzz, growth, minimal, real_text
from random_cases import cases

from ulmkit.language import registry
from ulmkit.text.normalize import Normalizer

LANGUAGES = [known.folder.name for known in registry.known()]
SEED = Random().getrandbits(32) if os.environ.get("ULMKIT_FUZZ") else 20261124


@pytest.mark.thorough
@pytest.mark.parametrize("code", LANGUAGES)
def test_no_text_breaks_a_normalizer(code: str) -> None:
    report = fuzz(code, cases(2000), SEED)
    assert not report.faults, "\n".join(report.lines())


# what longer runs found, one text for each cause
FOUND = [
    "@\ufdfc...?\U0010fffd",  # an ellipsis made in passing brought a question mark beside a letter
    "1.0c1,&#8204;2,5",  # a version took the head of a number, and left its rest unprotected
    "http://&lt\uffff;",  # a URL and the mark behind it spelled a reference, when what parted them was gone
    "www.&\u200f#xA;",
    "8.1http://1",  # a version took the head of a URL
    "http://" + 5 * "\u0654\u0647",  # what grew by a piece a pass, more often than passes are made
    "#" + 5 * "\u0654\u0647",
    "1.0c" + "\u22122\u22121" * 3,
    "&\u08d6#4;",  # what parted an ampersand from a tag was deleted, and a reference stood there
    "www.&m\x00p;a",  # and so in a URL, which ends before a reference
    "www.&am\x00p;lt;a",
    "http://&&\ufe0famp;a",  # behind a lone ampersand the span held a reference that `entities` decoded
    "1.0c9&#4;2,5",  # a version took the number's head, when the control character was gone
    "5/2...1@c.rg",  # a number took the head of an address
    "1@c.rg\u2212...1@c.rg",  # a minus sign became what names in addresses have, and one stood inside another
    "@c" + 5 * "\ufe0f1\ufe0f\u20e3",  # a name that grew by a keycap a pass
    "http://a" + 6 * "\u200d+\u2010\ufdf2",  # a letter that keeps its joiner, unless it ends a span
    "http://۱" + 8 * "−\u20e3\ufe0f",
    "\u2026" + 6 * "  \uff0e",  # an ellipsis that took in a dot a pass (profile `tokenized`)
]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_was_once_found_stays_mended(code: str) -> None:
    checks = Checks(registry.get(code))
    assert not checks.faults(FOUND)


class Broken(Normalizer):
    """A normalizer after which something is done to the text that must not be."""

    def __init__(self, form: Normalizer, damage: Callable[[str], str]) -> None:
        super().__init__(form.operations, form.settings)
        self.damage = damage

    def _pass(self, text: str) -> str:
        return self.damage(super()._pass(text))


def _raise(text: str) -> str:
    raise RecursionError


DAMAGE = [
    ("et", "accents are stripped", lambda t: t.replace("õ", "o")),
    ("et", "a run of four letters shrinks", lambda t: t.replace("ääää", "ää")),
    ("et", "a look-alike of another script is folded", lambda t: t.replace("с", "c")),
    ("et", "a digit is lost", lambda t: t.replace("9", "")),
    ("et", "not in NFC", lambda t: t.replace("é", "e\u0301")),
    ("et", "a URL is taken apart", lambda t: t.replace("://", ": //")),
    ("et", "an e-mail address is taken apart", lambda t: t.replace(".org", ". org")),
    ("et", "another one at every pass", lambda t: t + "!"),
    ("et", "paragraphs are joined", lambda t: t.replace("\n\n", "\n")),
    ("et", "a mark of direction is left", lambda t: t.replace("«", "\u200e«")),
    ("et", "an exception", _raise),
    ("fa", "joiners are spaces", lambda t: t.replace("\u200c", " ")),
    ("fa", "a vowelless letter is lost", lambda t: t.replace("ء", "")),
    ("fa", "a decimal is taken apart", lambda t: t.replace("2,5", "2, 5")),
    ("fa", "the foreign letter ڵ is folded", lambda t: t.replace("ڵ", "ل")),
    ("fa", "a letter of the table is left", lambda t: t.replace("ی", "ي")),
]  # fmt: skip


SELDOM = ("a decimal is taken apart",)  # what only a text of the third block shows


@pytest.mark.parametrize(
    ("code", "what", "damage"),
    [pytest.param(*case, id=case[1], marks=[pytest.mark.slow] if case[1] in SELDOM else []) for case in DAMAGE],
)
def test_the_checks_notice_what_a_broken_normalizer_does(code: str, what: str, damage: Callable[[str], str]) -> None:
    language = registry.get(code)
    broken = Broken(language.normalizer("standard"), damage)
    checks = Checks(with_normalizers(language, standard=broken))
    texts = Texts(SEED, real_text(code, []))
    assert any(checks.faults([text, "Tere"]) for number in range(3) for text in texts.block(number))


def test_a_failing_text_is_made_short() -> None:
    assert minimal("õun, pirn ja ploom, kirss", lambda text: "n" in text and "m" in text) == "nm"


def test_texts_are_the_same_for_the_same_seed() -> None:
    first, again, other = (Texts(seed, "Tere, ilus ilm!").block(3) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("power", "linear"), [(1, True), (2, False)])
def test_work_that_grows_with_the_square_is_told_from_work_that_grows_with_the_length(power: int, linear: bool) -> None:
    """By a clock that counts the steps done; `make faults` asks it of every normalizer and search, by CPU time."""
    steps = 0

    def work(text: str) -> None:
        nonlocal steps
        steps += len(text) ** power

    ratio = growth(work, "ab", clock=lambda: steps)
    assert ratio == 2**power
    assert (ratio <= LINEAR) is linear
