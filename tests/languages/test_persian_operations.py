"""Persian's operations, code point by code point: what each of the list's entries does to each of its characters."""

import re
import runpy
import subprocess
import sys
import unicodedata

import pytest

from ulmkit.language import registry
from ulmkit.language.cases import read_examples, read_groups, read_keep

PERSIAN = registry.get("fa")
normalize = PERSIAN.normalize


def points(*spans: str) -> list[str]:
    """The assigned characters of `0610-061A` or `06CC`."""
    found = []
    for span in spans:
        low, _, high = span.partition("-")
        found += [chr(point) for point in range(int(low, 16), int(high or low, 16) + 1)]
    return [character for character in found if unicodedata.category(character) != "Cn"]


# operation's id, characters, what one of them becomes between two letters: dal before it, which joins nothing, and
# reh after it; {} is the character itself
BETWEEN = [
    ("fa.05", points("FE70"), "د\u064bر"),
    ("fa.05", points("FE72", "FE74", "FE76-FE7F", "FC5E-FC63"), "در"),
    ("fa.10", points("064A", "0649", "06CD", "06D2"), "دیر"),
    ("fa.10", points("06D0"), "دیر"),
    ("fa.11", points("0643", "06AA"), "دکر"),
    ("fa.12", points("06C1", "06BE", "06D5"), "دهر"),
    ("fa.13", points("0671-0673"), "دار"),
    ("fa.13", points("0675-0678"), "د{}ر"),
    ("fa.14", points("0629"), "د{}ر"),
    ("fa.15", points("0621", "0623", "0624", "0625", "0626"), "د{}ر"),
    ("fa.16", points("0679", "0688", "0691", "06BA", "0695", "06B5", "06C6", "06CE", "06A4"), "د{}ر"),
    ("fa.16", points("067C", "0689", "0693", "069A", "0696", "0681", "0685", "06BC", "06AB"), "د{}ر"),
    ("fa.20", points("064C-0650", "0651", "0652", "0670", "0656-065F", "0610-061A", "06D6-06DC", "06DF-06E4"), "در"),
    ("fa.20", points("06E7-06E8", "06EA-06ED", "08D3-08FF"), "در"),
    ("fa.20", points("0653", "0654", "0655"), "در"),
    ("fa.20", points("064B"), "د{}ر"),
    ("fa.21", points("0640"), "در"),
    ("fa.31", points("200C"), "در"),
    ("fa.32", points("00AD"), "در"),
    ("fa.33", points("200D"), "در"),
    ("fa.34", points("200E", "200F", "061C", "202A-202E", "2066-2069", "206A-206F", "FEFF", "034F", "2060-2064"), "در"),
    ("fa.34", points("FFF9-FFFB", "FE00-FE0F"), "در"),
    ("fa.34", points("FFFD", "E000", "F8FF"), "د{}ر"),
    ("fa.34", [chr(point) for point in (*range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF)], "در"),
    ("fa.35", points("0000-0008", "000E-001F", "007F-0084", "0086-009F"), "در"),
    ("fa.35", points("0085", "2028", "000A", "000B", "000C", "000D"), "د\nر"),
    ("fa.35", points("2029"), "د\n\nر"),
    ("fa.36", points("0009", "0020", "00A0", "1680", "2000-200A", "202F", "205F", "3000"), "د ر"),
    ("fa.41", points("066B", "066C"), "د{}ر"),
    ("fa.50", points("002C", "060C", "2E41", "2E32"), "د، ر"),
    ("fa.50", points("003B", "061B"), "د؛ ر"),
    ("fa.50", points("003F", "061F"), "د؟ ر"),
    ("fa.50", points("066D"), "د*ر"),
    ("fa.51", points("2018", "2019"), "د'ر"),
    ("fa.52", points("22EF", "2026"), "د… ر"),
    ("fa.53", points("2010", "2011", "2212"), "د-ر"),
    ("fa.53", points("2012-2015"), "د–ر"),
]
CASES = [(entry, character, form) for entry, characters, form in BETWEEN for character in characters]


@pytest.mark.parametrize(("entry", "character", "form"), CASES, ids=lambda each: f"{each!a}"[1:-1])
def test_each_character_becomes_what_the_list_says(entry: str, character: str, form: str) -> None:
    assert normalize(f"د{character}ر") == form.format(character), entry


# id, raw, normal: what hangs on more than one neighbour, or is a word
SEQUENCES = [
    *[("fa.01", f"{a}{b}", c) for a, b, c in ("ا\u0653آ", "ا\u0654أ", "و\u0654ؤ", "ي\u0654ئ", "ا\u0655إ")],
    ("fa.02", "ی\u0654", "ئ"),
    *[("fa.02", text, "ه\u0654") for text in ("\u06c0", "\u06d5\u0654", "\u06c2", "ه\u0654")],
    *[("fa.03", text, form) for text, form in [("\ufe81", "آ"), ("\ufe82", "آ"), ("\ufefb", "لا"), ("\ufbfc", "ی")]],
    ("fa.04", "\ufdfc", "ریال"), ("fa.04", "\ufdf2", "الله"), ("fa.04", "\ufd3e\ufd3f", ")("),
    ("fa.04", "\ufdfa \ufdfb", "\ufdfa \ufdfb"), ("fa.04", "\ufdfd", "بسم الله الرحمن الرحیم"),
    ("fa.05", "س\ufcf2\ufcf3\ufcf4ر", "سر"),
    ("fa.10", "\u06d0\u0693", "\u06d0\u0693"), ("fa.10", "\u0679\u06d2", "\u0679\u06d2"),
    ("fa.21", "ــــ", "–"), ("fa.21", "دـر سـ ـرـ", "در س– –ر–"),
    ("fa.21", "هـ.ش", "ه\u200d.ش"), ("fa.21", "دستـــ", "دست"),
    ("fa.30", "\u200c\u200cم\u200c\u200cر\u200c \u200c۵\u200ca\u200c،\u200c", "م\u200cر ۵a،"),
    *[("fa.31", f"{letter}\u200cم", f"{letter}م") for letter in "آأإادذرزژوؤ"],
    *[("fa.31", f"{letter}\u200cم", f"{letter}\u200cم") for letter in "هیبپتثجچحخسشصضطظعغفقکگلمن"],
    *[("fa.32", f"م{form}ر", "م\u200cر") for form in registry.get("fa").alphabet.joiner_forms],
    *[("fa.32", f"م{form} ر{form}", "م ر") for form in registry.get("fa").alphabet.joiner_forms],
    ("fa.32", "۱۲\u200e/۳\u200f a\u200eb", "۱۲/۳ ab"), ("fa.32", "م\u200f\u200c\u200eر", "م\u200cر"),
    ("fa.32", "م\u2009ر", "م ر"),
    ("fa.33", "ه\u200d. ش.", "ه\u200d. ش."), ("fa.33", "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ("fa.36", "م\n\n\n\nر", "م\n\nر"),
    *[("fa.40", chr(0x660 + digit), chr(0x6F0 + digit)) for digit in range(10)],
    *[("fa.40", chr(0x30 + digit), chr(0x6F0 + digit)) for digit in range(10)],
    *[("fa.41", text, "۵٪") for text in ("5%", "۵%", "۵٪", "٥٪")],
    ("fa.41", "۲/۵ و 2.5 و ۲٫۵ و 1,234", "۲/۵ و 2.5 و ۲٫۵ و 1,234"),
    ("fa.50", "م\u06d4", "م."), ("fa.50", "a, b; c?", "a, b; c?"), ("fa.50", "1,2", "1,2"),
    *[("fa.51", f"{a}م{b}", "«م»") for a, b in ["“”", "„”", "‟”", "‹›", '""']],
    ("fa.51", '24" م', '۲۴" م'),
    ("fa.52", "م...", "م…"), ("fa.52", "م!!!!!", "م!!!"), ("fa.52", "م؟؟؟؟", "م؟؟؟"), ("fa.52", "ممممم", "ممممم"),
    *[("fa.54", f"م {mark}", f"م{mark}") for mark in "،؛:.!؟»)]}…"],
    *[("fa.54", f"{mark} م", f"{mark}م") for mark in "«([{"],
    *[("fa.54", f"م{mark}ر", f"م{mark} ر") for mark in "،؛:!؟»)]}…"],
    ("fa.54", "۱۲:۳۰ (۵)، «م».", "۱۲:۳۰ (۵)، «م»."),
    ("fa.02", "نامه\u200c\u0654 تو", "نامه\u0654 تو"),
    ("fa.02", "نامه ء تو", "نامه\u0654 تو"), ("fa.02", "ه ء ی", "ه ء ی"),
    ("fa.02", "نامه ءتو", "نامه ءتو"),
    ("fa.50", "[م] , {ر}; (س)?", "[م]، {ر}؛ (س)؟"), ("fa.50", "م!!?؟", "م!!؟؟"),
    ("fa.50", "f(x) , g(y)", "f(x) , g(y)"),
    ("fa.53", "با -- آغاز", "با -- آغاز"),
    ("fa.54", "م « Big Fish » و « 2 »", "م «Big Fish» و «۲»"),
    ("fa.54", "م:« Big Fish»", "م: «Big Fish»"), ("fa.54", "م«Big»،«Fish»", "م «Big»، «Fish»"),
    ("fa.54", "a ( b )", "a ( b )"),
    ("fa.80", "iPhone و WHO", "iPhone و WHO"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "raw", "normal"), SEQUENCES)
def test_each_sequence_becomes_what_the_list_says(entry: str, raw: str, normal: str) -> None:
    assert normalize(raw) == normal, entry


# what other normalizers do to a text, and what that text is in normal form here
DAMAGES = [
    ("hazm parts a version, and parts it again", "2.7.19", "2.7.19"),
    ("hazm parts a URL", "https://example.com/a.b?x=10.5", "https://example.com/a.b?x=10.5"),
    ("hazm parts an e-mail address", "a.b@c.com", "a.b@c.com"),
    ("hazm parts a date", "۱۴۰۲/۰۵/۱۲", "۱۴۰۲/۰۵/۱۲"),
    ("hazm loses the madda of a presentation form", "\ufe81\ufee5", "آن"),
    ("hazm loses the madda of a decomposed letter", "\u0627\u0653ن", "آن"),
    ("hazm loses the ezafe", "خانه\u0654 ما", "خانه\u0654 ما"),
    ("hazm keeps direction marks and the byte order mark", "\ufeffسلام\u200f\u200e", "سلام"),
    ("hazm folds Sorani letters", "ۆ ڕ ڵ ێ ڤ", "ۆ ڕ ڵ ێ ڤ"),
    ("hazm folds a Pashto letter", "\u06ab", "\u06ab"),
    ("Parsivar maps a form of noon to dal with a dot", "\ufee7\ufe8e\ufee3\ufeea", "نامه"),
    ("Parsivar maps a form of beh to peh", "\ufe92", "ب"),
    ("Parsivar misses the Arabic five", "٥", "۵"),
    ("Parsivar makes the decimal sign a comma", "۳\u066b۱۴", "۳\u066b۱۴"),
    ("DadmaTools loses every newline", "یک\nدو\n\nسه", "یک\nدو\n\nسه"),
    ("nmt_nfkc and trafilatura lose U+200C", "می\u200cروم", "می\u200cروم"),
]
# each of the seeds the list began with
SEEDS = [
    "می\u200cروم", "خانه\u0654 ما", "مسئله", "واقعا\u064b", "2.7.19", "192.168.1.10", "https://example.org/a.b?x=1.5",
    "a.b@c.org", "۱۲:۳۰", "۱۴۰۰/۰۱/۲۰", "#هشتگ_فارسی", "ماه می آمد", "ﷺ", "👨\u200d👩\u200d👧\u200d👦",
]  # fmt: skip
RAW_SEEDS = {"ﺁﻥ": "آن", "\u0627\u0653": "آ", "بندر\u200cها": "بندرها", "﷼": "ریال", "كتاب علي": "کتاب علی"}


@pytest.mark.parametrize(("what", "raw", "normal"), DAMAGES)
def test_what_other_normalizers_damage_is_whole(what: str, raw: str, normal: str) -> None:
    """Alone and in a sentence; and twice is once."""
    assert normalize(raw) == normal
    assert normalize(normal) == normal
    assert normalize(f"او {raw} را دید") == f"او {normal} را دید"


def test_every_damage_and_every_seed_is_shown_in_the_folder() -> None:
    kept = {case.text for case in read_keep(PERSIAN.file("keep.txt"))}
    raw = "\n".join(f"{example.raw}\n{example.normal}" for example in read_examples(PERSIAN.file("examples.tsv")))
    for text in (*(each for _, each, _ in DAMAGES), *SEEDS, *RAW_SEEDS):
        assert any(text in each for each in kept) or text in raw, text


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_is_kept(seed: str) -> None:
    assert normalize(seed) == seed


@pytest.mark.parametrize(("seed", "normal"), RAW_SEEDS.items())
def test_seed_is_normalized(seed: str, normal: str) -> None:
    assert normalize(seed) == normal


def test_the_list_is_whole_and_in_order() -> None:
    wanted = (
        "00 01 02 03 04 05 10 11 12 13 14 15 16 20 21 22 30 31 32 33 34 35 36 40 41 50 51 52 53 54 60 61 70 71 80 90"
    )
    assert [group.id for group in read_groups(PERSIAN.file("examples.tsv"))] == [
        f"fa.{number}" for number in wanted.split()
    ]


def test_foreign_letters_are_counted_and_tell_the_close_language() -> None:
    """fa.16: every one of them, and U+FFFD and private use; each letter is a relative's."""
    letters = "".join(character for entry, character, _ in CASES if entry == "fa.16")
    count = PERSIAN.normalizer("standard").count
    assert count(letters)["watched"] == len(letters) == 18
    assert count("\ufffd\ue000\uf8ff")["watched"] == 3
    relatives = "".join(relative.letters for relative in PERSIAN.identification.relatives)
    assert set(letters) <= set(relatives)


def test_match_form_is_one_for_spellings_that_count_as_one() -> None:
    """fa.90: datatrove's list of marks has none of ، ؛ ؟ ٪ ٫, and text-dedup cuts a word at U+200C."""
    same = [
        "می\u200cروم، خانه\u0654 ما!",
        "ميروم خانه ما",
        "«میروم» خانة ما؟",
        "میروم؛ خانه ما٪",
        "مي\u200cروم٫ خانه… ما٬",
    ]
    assert {PERSIAN.match(text) for text in same} == {"میروم خانه ما"}
    assert PERSIAN.match("واقعا\u064b ۱۲ 34 ٥ مؤمن رأی ABC") == "واقعا 00 00 0 مومن رای abc"


@pytest.mark.parametrize("profile", ["social", "half_space"])
def test_what_a_profile_makes_is_in_standard_form_too(profile: str) -> None:
    """So it may be normalized again before it is encoded, and nothing changes."""
    for example in read_examples(PERSIAN.file("examples.tsv")):
        made = PERSIAN.normalizer(profile)(example.raw)
        assert normalize(made) == made


HALF_SPACES = [
    # raw, by the profile half_space
    ("نمی دانم چه می گفت", "نمی\u200cدانم چه می\u200cگفت"),
    ("ماه می آمد", "ماه می آمد"),
    ("اواخر می رفت", "اواخر می رفت"),
    ("۱۵ می آمد و 15 می رفت", "۱۵ می آمد و ۱۵ می رفت"),
    ("تا می توان رفت", "تا می\u200cتوان رفت"),
    ("می سال", "می سال"),
    ("نان تر و چشم تر", "نان تر و چشم تر"),
    ("که ای و نه اند", "که ای و نه اند"),
    ("https://a.ir/می رود", "https://a.ir/می رود"),
    ("#کتاب ها", "#کتاب ها"),
    ("`می رود`", "`می رود`"),
    ("کتاب ها ها", "کتاب\u200cها ها"),
    ("کار ها ها", "کارها ها"),
    ("می رفته ام", "می\u200cرفته\u200cام"),
    ("آب.سر ها", "آب.سر ها"),
    ("نمی گویم ها", "نمی\u200cگویم ها"),
    ("رفتن ها و بدهی ها", "رفتن\u200cها و بدهی\u200cها"),
]


@pytest.mark.parametrize(("raw", "normal"), HALF_SPACES)
def test_half_spaces_are_set_where_only_one_reading_is_left(raw: str, normal: str) -> None:
    repair = PERSIAN.normalizer("half_space")
    assert repair(raw) == normal
    assert repair(normal) == normal


def test_the_words_of_hazm_are_read_without_importing_it() -> None:
    """Its import takes seconds and hundreds of MB in every process."""
    code = "from ulmkit.language.registry import get; import sys; get('fa').normalizer('half_space')('می رود');"
    code += "assert not {'hazm', 'nltk', 'sklearn', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_verb_forms_are_those_that_hazm_conjugates() -> None:
    """Apart from what its list writes wrongly: two roots with their prefix, one of two words, and one that is empty."""
    from hazm import Lemmatizer

    conjugated = Lemmatizer(joined_verb_parts=False).verbs
    forms = {verb[3:] for verb in conjugated if re.fullmatch("می\u200c[ء-ی]+", verb)}
    known = runpy.run_path(str(PERSIAN.file("rules.py")))["_hazm"]()[0]
    assert forms - known == {"راندن", "زیدن", "م", "ند", "ه", "ی", "ید", "یم"}
    assert {form for form in known - forms if " " not in form} == {"توان"}


RUNS = [
    # raw, by the profile social
    ("خیییییلی عاااااالی", "خییلی عاالی"),
    ("خیییلی", "خیییلی"),
    ("هههههه خخخخ", "هه خخ"),
    ("😂😂😂😂😂", "😂😂😂"),
    ("👍🏽👍🏽👍🏽👍🏽👍🏽", "👍🏽👍🏽👍🏽"),
    ("❤️❤️❤️❤️", "❤️❤️❤️"),
    ("🇮🇷🇮🇷🇮🇷🇮🇷", "🇮🇷🇮🇷🇮🇷"),
    ("👨\u200d👩\u200d👧" * 4, "👨\u200d👩\u200d👧" * 3),
    ("😂😂😂😂\u200d❤", "😂😂😂😂\u200d❤"),
    ("خوب بود :)))))", "خوب بود :)))"),
    ("نه!!!!! چرا؟؟؟؟؟؟", "نه!!! چرا؟؟؟"),
    ("۱۰۰۰۰۰ تومان", "۱۰۰۰۰۰ تومان"),
    ("aaaaaa", "aaaaaa"),
]


@pytest.mark.parametrize(("raw", "normal"), RUNS)
def test_what_comments_draw_out_has_one_length(raw: str, normal: str) -> None:
    social = PERSIAN.normalizer("social")
    assert social(raw) == normal
    assert social(normal) == normal
