"""A new language folder loads as it was written, keeps its own alphabet, and says what nobody knows."""

import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import iso639
import pytest
from babel import Locale
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.authoring.cldr import facts, labels_for, sentence_terminals, wide_marks
from ulmkit.authoring.new import create
from ulmkit.authoring.template import toml_string
from ulmkit.corpus.identify import known_labels
from ulmkit.errors import UsageError
from ulmkit.language.load import load_language
from ulmkit.language.spec import Language

LABELS = frozenset({"sw", "hi", "iw", "he", "ja", "mr"})
# code, ISO 639-3, script, direction, case, ten digits, a mark that ends a sentence
CODES = [
    ("sw", "swa", "Latn", "ltr", True, "0123456789", "."),
    ("mr", "mar", "Deva", "ltr", False, "०१२३४५६७८९", "।"),
    ("am", "amh", "Ethi", "ltr", False, "0123456789", "።"),
    ("he", "heb", "Hebr", "rtl", False, "0123456789", "?"),
    ("ka", "kat", "Geor", "ltr", True, "0123456789", "."),
    ("yo", "yor", "Latn", "ltr", True, "0123456789", "!"),
    ("ckb", "ckb", "Arab", "rtl", False, "٠١٢٣٤٥٦٧٨٩", "؟"),
    ("ur", "urd", "Arab", "rtl", False, "۰۱۲۳۴۵۶۷۸۹", "۔"),
    ("ja", "jpn", "Jpan", "ltr", False, "0123456789", "。"),
    ("el", "ell", "Grek", "ltr", True, "0123456789", "."),
    ("vi", "vie", "Latn", "ltr", True, "0123456789", "…"),
    ("th", "tha", "Thai", "ltr", False, "0123456789", "."),
    ("bn", "ben", "Beng", "ltr", False, "০১২৩৪৫৬৭৮৯", "।"),
    ("ff-Adlm", "ful", "Adlm", "rtl", True, "𞥐𞥑𞥒𞥓𞥔𞥕𞥖𞥗𞥘𞥙", "؟"),
    ("sr-Latn", "srp", "Latn", "ltr", True, "0123456789", "."),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Language]:
    root = tmp_path_factory.mktemp("languages")
    return {code: create(code, root, labels=LABELS, date="2026-11-24") for code, *_ in CODES}


@pytest.mark.parametrize(("code", "iso", "script", "direction", "case", "digits", "end"), CODES)
def test_a_new_folder_says_what_is_known(
    made: dict[str, Language], code: str, iso: str, script: str, direction: str, case: bool, digits: str, end: str
) -> None:
    language = load_language(made[code].folder)
    identity = language.identity
    assert (identity.iso639_3, identity.script, identity.direction, identity.has_case) == (iso, script, direction, case)
    assert language.alphabet.digits == digits
    assert end in language.segmentation.sentence_ends
    assert end in language.filters.line_ends
    assert language.dedup.ngram == (2 if code in ("ja", "th") else 5)
    assert language.segmentation.spaced == (code not in ("ja", "th"))
    wide = {name: getattr(language.segmentation, name) for name in ("spaceless_ends", "openers", "closers")}
    assert all(("。" in marks or "」" in marks or "「" in marks) == (code == "ja") for marks in wide.values())
    assert len(language.alphabet.letters) >= 20
    assert identity.name
    assert identity.native_name


def test_marks_that_unicode_gives_a_script_are_known(tmp_path: Path) -> None:
    greek = create("el", tmp_path, labels=LABELS, date="2026-11-24")
    assert greek.sentences("Τι είναι; Ναι.") == ["Τι είναι;", "Ναι."]  # U+037E composes to a semicolon
    hebrew = create("he", tmp_path, labels=LABELS, date="2026-11-24")
    assert hebrew.words('צה"ל צה״ל צ׳ק "כן"') == ['צה"ל', "צה״ל", "צ׳ק", "כן"]


@pytest.mark.parametrize("code", [code for code, *_ in CODES])
def test_its_alphabet_examples_and_kept_strings_hold(made: dict[str, Language], code: str) -> None:
    language = made[code]
    letters = [c for c in language.alphabet.letters if unicodedata.category(c)[0] == "L"]
    assert language.normalize(" ".join(letters)) == " ".join(letters)
    for line in (language.folder / "keep.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("# ") or language.normalize(line) == line
    shown = {line.split("\t")[0] for line in (language.folder / "examples.tsv").read_text("utf-8").splitlines()}
    assert set(language.normalizer("standard").operations) - {"protect", "restore", "characters"} <= shown


@pytest.mark.thorough
@pytest.mark.parametrize("code", [code for code, *_ in CODES])
def test_normalizing_twice_changes_nothing(made: dict[str, Language], code: str) -> None:
    language = made[code]
    signs = "\u200b\u200c\u200d\u00ac\u0640\u064b\u094d\u0301 .!?…—\u00a0&;#1\n\ufe0f👨\u0344"

    @examples(100)
    @given(st.text(st.sampled_from(language.alphabet.letters[:60] + signs) | st.characters()))
    def check(text: str) -> None:
        once = language.normalize(text)
        assert language.normalize(once) == once
        assert language.normalizer("standard").reference(text) == once
        assert language.match(once) == language.match(text)

    check()


@pytest.mark.parametrize("code", ["yo", "sr-Latn", "el", "vi"])
def test_what_nobody_knows_to_be_wrong_stays(made: dict[str, Language], code: str) -> None:
    """Both dashes, and runs of a letter: formats, numerals, and words of some languages."""
    text = "— YYYY-MM-DD HH:MM:ss.uuuuuu – MMMM"
    assert made[code].normalize(text) == text


def test_every_value_says_where_it_is_from(made: dict[str, Language]) -> None:
    text = (made["mr"].folder / "language.toml").read_text(encoding="utf-8")
    for line in text.partition("[normalization]")[0].splitlines():
        if "=" in line and not line.startswith("#") and not line.startswith(("code", "letters")):
            assert "CLDR" in line or "Unicode" in line, line
    assert "to be checked" in text


def test_vowel_signs_stay_in_the_match_form(made: dict[str, Language]) -> None:
    assert made["mr"].match("मराठी भाषेत 2") == "मराठी भाषेत 0"


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ("he", ("he", "iw")),
        ("jv", ("jv", "jw")),
        ("zh", ("zh",)),
        ("zh-Hant", ("zh-Hant",)),
        ("nb", ("no",)),
        ("nn", ("nn",)),
        ("vro", ("et",)),
        ("ckb", ()),
        ("os", ()),  # pycld2 has a name for it and never says it
        ("lki-Arab", ()),
    ],
)
def test_labels_are_those_that_identifiers_give_its_texts(code: str, labels: tuple[str, ...]) -> None:
    assert labels_for(code, facts(code).script, known_labels())[0] == labels


def test_labels_stand_in_the_folder(made: dict[str, Language]) -> None:
    assert made["sw"].identification.labels == ("sw",)
    assert made["ckb"].identification.labels == ("ku", "sdh")  # what they call the words that CLDR has in it


def test_a_joiner_is_no_letter(tmp_path: Path) -> None:
    """CLDR counts U+200C and U+200D among the exemplars of Kangri."""
    alphabet = create("xnr", tmp_path, date="2026-11-24").alphabet
    assert alphabet.joiners == "\u200c\u200d"
    assert not set(alphabet.joiners) & set(alphabet.letters)


def unnamed(*, scripted: bool) -> Iterator[iso639.Language]:
    """Languages that CLDR has no name for, and a script or none: which they are changes with its releases."""
    named, aliases, likely = Locale("en").languages, get_global("language_aliases"), get_global("likely_subtags")
    for language in iso639.ALL_LANGUAGES:
        living = language.status == "A" and language.type == "L" and not language.part1
        code = language.part3
        if living and code not in named and code not in aliases and (code in likely) is scripted:
            yield language


@pytest.mark.parametrize("script", ["", "Arab", "Latn"])
def test_a_language_that_cldr_has_no_name_for(tmp_path: Path, script: str) -> None:
    """ISO 639-3 names it; what only its speakers know is left to them."""
    language = next(each for each in unnamed(scripted=not script) if not each.name.isascii())
    code, name = language.part3, language.name
    if script:
        code, name = f"{code}-{script}", f"{name} ({'Arabic' if script == 'Arab' else 'Latin'})"
    identity = create(code, tmp_path, date="2026-11-24").identity
    assert (identity.name, identity.native_name, identity.iso639_3) == (name, "", language.part3)
    written = (tmp_path / code / "language.toml").read_text(encoding="utf-8")
    assert f'name = "{name}" # ISO 639-3, 20' in written
    assert 'native_name = "" # unknown: what its speakers call it' in written


def test_a_language_whose_script_nobody_told(tmp_path: Path) -> None:
    code = next(unnamed(scripted=False)).part3
    said = f"CLDR does not say which script it is written in. Name it, as in {code}-Latn"
    with pytest.raises(UsageError, match=said):
        create(code, tmp_path, date="2026-11-24")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_never_overwritten(made: dict[str, Language]) -> None:
    with pytest.raises(UsageError, match="there already"):
        create("sw", made["sw"].folder.parent, date="2026-11-24")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("marathi", "no language 'marathi' in CLDR and ISO 639-3. Did you mean 'mr' (Marathi)"),
        ("Swahili", "Did you mean 'sw' (Swahili)"),
        ("mar", "'mar' is 'mr' in BCP-47. Use that."),
        ("MR", "no language 'MR' in CLDR and ISO 639-3"),
        ("de-Foo", "'Foo' is no script known here"),
        ("fa-AF", "'AF' is no script known here"),
        ("../x", "no language '../x' in CLDR and ISO 639-3"),
        ("qqq", "no language 'qqq' in CLDR and ISO 639-3"),
        ("acc", "'acc' (Cubulco Achí) was taken out of ISO 639-3. Use 'acr'."),
        ("aiz", "'aiz' (Aari) was taken out of ISO 639-3. Split into Aari [aiw]"),
    ],
)
def test_an_unknown_code_is_told_the_nearest(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        create(code, tmp_path, date="2026-11-24")
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_language_without_exemplars_says_so(tmp_path: Path) -> None:
    language = create("zza", tmp_path, date="2026-11-24")  # Zaza
    assert language.alphabet.letters == ""
    assert "CLDR has no exemplar characters" in (language.folder / "language.toml").read_text(encoding="utf-8")


def test_a_script_shared_by_two_languages_is_written_once(tmp_path: Path) -> None:
    create("hi", tmp_path, date="2026-11-24")
    shared = tmp_path / "_scripts" / "Deva.toml"
    shared.write_text(shared.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    assert create("mr", tmp_path, date="2026-11-24").alphabet.joiners == "\u200c\u200d"
    assert shared.read_text(encoding="utf-8").endswith("# mine\n")


def test_what_unicode_says_of_a_script() -> None:
    assert sentence_terminals("Deva") == "।॥"
    assert "「" in wide_marks(r"\p{Ps}")
    assert "﹁" not in wide_marks(r"\p{Ps}"), "vertical"


@pytest.mark.parametrize("code", ["th", "lo", "km", "my", "ja", "zh", "zh-Hant", "yue"])
def test_words_without_spaces(code: str) -> None:
    assert not facts(code).spaced


@pytest.mark.parametrize("code", ["hi", "ko", "vi", "bo", "am", "fa", "ka"])
def test_words_between_spaces(code: str) -> None:
    assert facts(code).spaced


@given(st.text())
def test_a_quoted_string_is_read_back(text: str) -> None:
    clean = text.encode("utf-8", "ignore").decode("utf-8")
    assert tomllib.loads(f"x = {toml_string(clean)}")["x"] == clean


def test_facts_of_a_language_named_with_its_script() -> None:
    assert facts("sr-Latn").letters.startswith("abcč")
    assert facts("sr").letters.startswith("абв")
