"""Personal data: found by pattern and checksum, masked once, left alone in URLs and code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.errors import LanguageError
from ulmkit.language.registry import get
from ulmkit.text.pii import Pii, compiled
from ulmkit.text.rules import NO_RULES

# (language, text, what is found)
CASES = [
    ("fa", "نشانی ali.rezaei+news@mail.example است", ["email"]),
    ("fa", "تلفن ۰۹۱۲۳۴۵۶۷۸۹ یا 09123456789 یا ۰۹۱۲ ۳۴۵ ۶۷۸۹", ["mobile"] * 3),
    ("fa", "+989123456789 و 00989123456789 و +98 912-345-6789", ["mobile"] * 3),
    ("fa", "کد ملی ۰۴۹۹۳۷۰۸۹۹ است", ["national_id"]),
    ("fa", "کد ملی ۰۴۹۹۳۷۰۸۹۸ نیست و ۱۱۱۱۱۱۱۱۱۱ هم نیست", []),
    ("fa", "کارت 4539 1488 0343 6467 و ۴۵۳۹۱۴۸۸۰۳۴۳۶۴۶۷", ["card"] * 2),
    ("fa", "کارت 4539 1488 0343 6468 نیست", []),
    ("fa", "شبا IR062960000000100324200001 است", ["iban"]),
    ("fa", "شبا IR072960000000100324200001 نیست", []),
    ("fa", "از 8.8.4.4 به 192.168.1.10 و 127.0.0.1", ["ip"]),
    ("fa", "نسخه 2.7.19 و ۱۴۰۰/۰۱/۲۰ و ۱۲:۳۰ و سال ۱۳۵۷ و ۱۲۳۴۵۶۷۸۹۰۱۲", []),
    ("fa", "https://example.org/09123456789?x=8.8.4.4 و `8.8.4.4`", []),
    ("fa", "https://example.org/?mail=a.b@mail.example", ["email"]),
    ("fa", "کد پستی ۰۴۹۹۳۷۰۸۹۹ و کدپستی: ۰۴۹۹۳۷۰۸۹۹", []),
    ("et", "7.3.4.2. kompaktse asustusega alad", []),
    ("et", "Kirjuta mari.maasikas(at)vald.example või jaan[-at-]post.example või x@y.example", ["email"] * 3),
    ("et", "Tel 5123 4567, mob. 51234567, +372 612 3456", ["phone"] * 3),
    ("et", "isikukood 37605030299 on, 37605030298 ei ole", ["personal_code"]),
    ("et", "konto EE38 2200 2210 2014 5685 ja EE382200221020145685", ["iban"] * 2),
    ("et", "Kokku 1234567 eurot, registrikood 12345678, 26.03.2015 kell 12.30, aastal 1918", []),
]
OTHERS = [" ", "\n", "(", "«", ".", "،", "[", "۵", "a"]
PIECES = [*sorted({word for _, text, _ in CASES for word in text.split()}), *OTHERS]


@pytest.mark.parametrize(("code", "text", "kinds"), CASES)
def test_what_is_found_and_what_is_not(code: str, text: str, kinds: list[str]):
    language = get(code)
    for form in (text, language.normalize(text)):
        found = language.pii_finder.find(form)
        assert [kind.name for _, _, kind in found] == kinds, form
        masked, counts = language.pii_finder.masked(form)
        assert counts.total() == len(kinds)
        assert all(form[start:end] not in masked for start, end, _ in found)


@given(st.sampled_from(["fa", "et"]), st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["", " "]))
def test_a_masked_text_is_masked_and_in_normal_form_the_second_time(code: str, pieces: list[str], glue: str):
    language = get(code)
    once = language.normalize(language.pii_finder.masked(language.normalize(glue.join(pieces)))[0])
    assert language.normalize(once) == once


@given(st.sampled_from(["fa", "et"]), st.lists(st.sampled_from(PIECES), max_size=12))
def test_masks_are_not_found_again(code: str, pieces: list[str]):
    masked, _ = get(code).pii_finder.masked(" ".join(pieces))
    assert get(code).pii_finder.masked(masked) == (masked, {})


@pytest.mark.parametrize("code", ["fa", "et"])
def test_masks_are_in_normal_form(code: str):
    language = get(code)
    for kind in language.pii:
        assert language.normalize(f"a {kind.mask} b") == f"a {kind.mask} b"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Pii("x", "[x]"), "pattern: 'x' has no pattern"),
        (Pii("x", "[x]", "("), "pattern: '\\(' is no regular expression"),
        (Pii("x", "[1]", r"\d"), "mask: '\\[1\\]' is itself found"),
        (Pii("x", "[x]", r"\d", "nothing"), "check: no check 'nothing'. Known: luhn, iban, public_ip"),
        (Pii("x", "[x]", r"\d", "rules.none"), "check 'rules.none': the folder has no rules.py"),
    ],
)
def test_a_wrong_kind_is_refused_with_its_key(kind: Pii, message: str):
    with pytest.raises(LanguageError, match=f"^{message}"):
        compiled(kind, NO_RULES)
