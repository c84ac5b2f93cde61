"""Bytes to text: the right letters, no invented ones, and a refusal where nothing fits."""

import codecs
import random

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.text.encoding import WORD, Undecodable, byte_table, declared_in, decode, decode_line, guess, python_name
from ulmkit.text.mojibake import repair

ET = (
    "Täna õhtul sõidame šokolaadi täis autoga Žürii juurde, kus külm öö ootab meid ees. Jõe ääres on vaikne ja "
    "õunapuud õitsevad. Ühel päeval jõuame ka Põltsamaale, kus „vana müür“ seisab. Garaažis on džäss ja tšello."
)
FA = (
    "امروز هوا بسيار خوب است و ما به پارک مي رويم تا با دوستان خود بازي کنيم. گربه ما پشت پنجره نشسته و به چراغ "
    "نگاه مي کند. ژاله از اين کتاب «قديمي» خوشش آمد؟"
)
RU = "Сегодня хорошая погода, и мы идём гулять в парк с друзьями. Кошка сидит у окна и смотрит на улицу."
LETTERS = "abcdefghijklmnopqrsšzžtuvwõäöüxy"
BALTIC = ("windows-1257", "iso-8859-13", "iso-8859-15", "windows-1252")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [ET, FA, RU, ET + FA])
def test_unicode_encodings(encoding: str, text: str) -> None:
    """With a mark and without."""
    assert decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"), [(FA, "windows-1256"), (ET, "windows-1252"), (ET, "windows-1257"), (RU, "windows-1251")]
)
def test_single_byte_encodings_without_any_hint(text: str, encoding: str) -> None:
    """Arabic script, Cyrillic and Latin are told apart by what reads like words."""
    assert decode(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize("encoding", BALTIC)
def test_baltic_encodings_with_the_alphabet(encoding: str) -> None:
    """Four encodings that differ in a few letters are told apart by the language's own."""
    text = ET if encoding != "iso-8859-15" else ET.replace("„", "«").replace("“", "»")
    assert decode(text.encode(encoding), "", BALTIC, LETTERS)[0] == text


def test_declared_encoding_is_believed_unless_it_reads_badly() -> None:
    """A plausible declaration wins; one that makes noise of the text does not."""
    text = "Veel on õhtu käes ja tüdruk läheb öösel üle õue."
    assert decode(text.encode("windows-1252"), "iso-8859-1") == (text, "windows-1252")
    assert decode(FA.encode("windows-1256"), "iso-8859-1") == (FA, "windows-1256")
    assert decode(text.encode("windows-1252"), "utf-8")[0] == text
    assert decode("日本語のテキスト".encode("shift_jis"), "Shift_JIS")[0] == "日本語のテキスト"


def test_page_says_its_encoding_itself() -> None:
    """A meta element and an XML declaration are read where the transport said nothing."""
    assert declared_in(b'<html><head><META http-equiv=x content="text/html; charset=windows-1257">') == "windows-1257"
    assert declared_in(b"<meta charset='iso-8859-13'/>") == "iso-8859-13"
    assert declared_in(b'<?xml version="1.0" encoding="koi8-r"?>') == "koi8-r"
    assert decode(b"<meta charset=koi8-r>" + RU.encode("koi8-r"))[0].endswith(RU)


@pytest.mark.parametrize(
    "label", ["hex", "rot13", "base64", "zip", "idna", "unicode_escape", "utf-7", "no-such", "", "\0"]
)
def test_labels_that_are_no_text_encodings_are_ignored(label: str) -> None:
    """A label out of a hostile page never picks a codec that transforms."""
    assert python_name(label) == ""
    assert decode(ET.encode(), label)[0] == ET


def test_character_cut_at_the_end_is_left_out() -> None:
    """Half a character at a cut is no reason to doubt the rest."""
    data = (ET + "õ").encode()[:-1]
    assert decode(data) == (ET, "utf-8")


def test_stray_bytes_in_utf8_are_mended() -> None:
    """A few letters of an older encoding in a UTF-8 page become letters."""
    data = (ET * 3).encode() + "õ".encode("windows-1257") + b"un"
    text, encoding = decode(data, candidates=BALTIC)
    assert text == ET * 3 + "õun"
    assert encoding == "utf-8, mended"


@pytest.mark.parametrize("seed", range(30))
def test_noise_is_refused(seed: int) -> None:
    """Bytes that no encoding makes words of are undecodable."""
    with pytest.raises(Undecodable):
        decode(random.Random(seed).randbytes(800))


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "windows-1252", "utf-16", "koi8-r", "gb2312", "x"]))
@examples(400)
def test_nothing_is_invented(data: bytes, declared: str) -> None:
    """No bytes raise anything but `Undecodable`, and none become U+FFFD."""
    try:
        text, _ = decode(data, declared)
    except Undecodable:
        return
    assert (
        "\ufffd" not in text
        or b"\xef\xbf\xbd" in data
        or b"\xfd\xff" in data
        or b"\xff\xfd" in data
        or b"\x841" in data
    )


def test_guess_agrees_with_decode_on_samples() -> None:
    """A file's first bytes name the encoding that all of it is in."""
    for encoding in ("windows-1256", "utf-16-le", "utf-8"):
        assert guess((FA * 20).encode(encoding)[:1001]) == encoding


MOJIBAKE = [
    ("TÃ¤na Ãµhtul sÃµidame", "Täna õhtul sõidame"),
    ("Å¡okolaad ja Å¾Ã¼rii", "šokolaad ja žürii"),
    ("ط³ظ„ط§ظ… ط¯ظ†غŒط§", "سلام دنیا"),
    ("Ø³ÙØ§Ù Ø¯ÙÛØ§", "سلام دنیا"),
]


@pytest.mark.parametrize(("broken", "whole"), MOJIBAKE)
def test_doubly_encoded_text_is_repaired(broken: str, whole: str) -> None:
    """UTF-8 once read as something else is read again."""
    if broken == MOJIBAKE[3][0]:
        broken = whole.encode().decode("latin-1")
    assert repair(broken) == whole
    assert repair(f"Enne.\n{broken}\n“Pärast” – ’nii’ …") == f"Enne.\n{whole}\n“Pärast” – ’nii’ …"


@pytest.mark.parametrize(
    "text", [ET, FA, RU, "Ärä «Ôûü» Åäö", "می‌خواهم ظاهراً طعام", "“curly” ‘quotes’", "Ã", "São Ângelo"]
)
def test_sound_text_is_left_alone(text: str) -> None:
    """Nothing that could be meant is changed; quotes stay curled, joiners stay."""
    assert repair(text) == text


def test_random_joiners_survive_repair() -> None:
    """Repair loses no U+200C from Persian."""
    rng = random.Random(3)
    words = FA.split()
    text = " ".join(f"{rng.choice(words)}\u200c{rng.choice(words)}" for _ in range(500))
    assert repair(text) == text


def test_every_label_of_the_web_is_known():
    """All 228 of them, but for those that browsers refuse, which would hide markup."""
    refused = {
        "hz-gb-2312",
        "iso-2022-cn",
        "iso-2022-cn-ext",
        "iso-2022-kr",
        "csiso2022kr",
        "replacement",
        "x-user-defined",
    }
    unknown = {label for label in webencodings.LABELS if not python_name(label)}
    assert len(webencodings.LABELS) == 228
    assert unknown == refused
    assert [python_name(label) for label in ("dos-874", "logical", "koi", "iso885915", "x-cp1250", "GBK")] == [
        "cp874", "iso-8859-8", "koi8-r", "iso-8859-15", "windows-1250", "gb18030",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["iso-8859-15", "windows-1257"])
def test_the_sample_lies_where_the_letters_are(encoding: str):
    """A style sheet of a hundred kilobytes says nothing about the sentences behind it."""
    text = "p{color:red}" * 8000 + " Šokolaadivabriku žürii kiitis džinnikoogi retsepti, mille saatis Žanna."
    assert decode(text.encode(encoding), "", BALTIC, LETTERS)[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RU, "koi8-r"), (RU, "iso8859-5"), ("Η γάτα κοιμάται δίπλα στο παράθυρο όλη μέρα.", "iso8859-7"),
     ("แมวนอนหลับอยู่ข้างหน้าต่าง", "cp874"), ("猫は窓のそばで眠っていて、外では雨が降っている。", "euc_jp"),
     ("猫は窓のそばで眠っている。", "iso2022_jp")],
)  # fmt: skip
def test_encodings_that_no_folder_declares(text: str, encoding: str):
    """A new language's folder declares none: chardet proposes, and how well it reads decides."""
    assert decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    "text",
    ["Õun sõidab šokolaadiga üle jõe. Ta ütles: „jah“ – ja läks ära: 1 + 1 = 2.", "می‌خواهم بروم، سلام دنیا.", RU],
)
def test_seven_bits_are_told_by_what_they_stand_for(text: str):
    """UTF-7, as old mails have it; wherever a sample ends."""
    data = text.encode("utf-7")
    assert decode(data) == (text, "utf-7")
    assert all(guess(data[:end]) == "utf-7" for end in range(len(data) * 3 // 4, len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"1+1 on 2, C++ ja D+, ning +372 5551 2345",
        b"+37255512345 +37255512346 +37255512344",
        b"otsing?q=kui+maja+tee+suur+abc-d",
        b"s+APU-idab ja +ADw-script+AD4- ja +APU-",
        b"ainult kaks: s+APU-idab, +APw-le",
        b"diff: +foo +bar +baz\n+aaaa\n+bbbb\n+cccc",
    ],
)
def test_plus_signs_are_no_seven_bits(data: bytes):
    assert decode(data) == (data.decode(), "utf-8")


def test_three_cyrillic_tables_are_told_apart():
    """Small letters of one are capitals of another; words that begin small and go on large are nobody's."""
    for encoding in ("windows-1251", "koi8-r", "iso8859-5"):
        for text in (RU, "Россия и Беларусь"):
            assert decode(text.encode(encoding), "", ["windows-1251", "koi8-r", "iso8859-5"])[0] == text


def test_a_byte_that_the_encoding_lacks_costs_itself():
    """One undefined byte turns no page into another language's letters."""
    data = ET.replace("„", "").replace("“", "").encode("windows-1257")
    assert (
        decode(data[:100] + b"\x81" + data[100:], "", BALTIC, LETTERS)[0].replace("\x81", "").encode("windows-1257")
        == data
    )
    japanese = "猫は窓のそばで眠っている。" * 80
    assert decode(japanese.encode("cp932") + b"\x81 .", "shift_jis") == (f"{japanese} .", "cp932, mended")


BALTIC_MOJIBAKE = codecs.charmap_decode(
    ET.replace("„", "").replace("“", "").encode(), "strict", byte_table("windows-1257").replace("\ufffe", "\xa1")
)[0]


def test_mojibake_through_the_language_s_own_encoding_is_undone():
    """UTF-8 once read as windows-1257; a line that holds anything else stays whole as it is."""
    own = ET.replace("„", "").replace("“", "")
    assert repair(BALTIC_MOJIBAKE, BALTIC) == own
    assert repair(f"{ET}\n{BALTIC_MOJIBAKE}\n{ET}", BALTIC) == f"{ET}\n{own}\n{ET}"
    assert repair(f"{BALTIC_MOJIBAKE} öö", BALTIC) == f"{BALTIC_MOJIBAKE} öö"
    for text in (ET, FA, RU, "„LÖÖ” ja TÖ” ning Å” on Äe—", "Ähvardus: „Ööö…”"):
        assert repair(text, (*BALTIC, "windows-1256", "windows-1251")) == text


@pytest.mark.parametrize("encoding", ["iso-8859-15", "iso-8859-13", "windows-1257", "windows-1252"])
def test_of_two_readings_of_a_misread_line_that_in_the_language_s_letters_is_taken(encoding: str):
    """ä in UTF-8 is Ã€ in ISO-8859-15, which windows-1252 has too, and would undo to À."""
    lines = [
        "Külapood suletakse järgmisel päeval.",
        "Öö on pikk, õhk külm, õu täis lund.",
        "Käisin šoppamas, sõin ära žürii tordi.",
    ]
    table = byte_table(encoding)
    read = codecs.charmap_decode("\n".join(lines).encode(), "strict", table.replace("\ufffe", "\xa1"))[0]
    assert repair(read, BALTIC, LETTERS) == "\n".join(lines)
    for line, misread in zip(lines, read.split("\n"), strict=True):
        assert repair(misread, BALTIC, LETTERS) in (line, misread)
    for good in (ET, "Pärnu À la carte, Ì ja Ø", FA):
        assert repair(good, (*BALTIC, "windows-1256"), LETTERS) == good


def test_a_letter_by_itself_is_no_line_in_another_encoding() -> None:
    """Any byte is somebody's letter; marks between ASCII words, and words, say more."""
    persian = ("windows-1256",)
    with pytest.raises(Undecodable, match="too little"):
        decode_line(b'{"text": "\xff\xfe"}', candidates=persian)
    assert decode_line("سلام".encode("windows-1256"), candidates=persian) == ("سلام", "windows-1256")
    assert decode_line(b"He said \x93yes\x94 - 5 \x80", candidates=persian)[0] == "He said “yes” - 5 €"


def test_a_line_in_another_encoding_than_its_file_s_is_read():
    """All of it or a part; what is noise in every encoding stays a complaint."""
    letters = "ابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیءآأؤئيك"
    old = FA.encode("windows-1256")
    assert decode_line(old, "", ["windows-1256"], letters) == (FA, "windows-1256")
    both = "«گربه ما پشت پنجره نشسته» ".encode() + old
    assert decode_line(both, "windows-1256", ["windows-1256"], letters)[0] == "«گربه ما پشت پنجره نشسته» " + FA
    with pytest.raises(Undecodable):
        decode_line(random.Random(1).randbytes(300), "", ["windows-1257"], LETTERS)


def test_a_text_whose_lines_are_in_two_encodings_is_read_line_by_line():
    """Of lines pasted together, where half of those that tell are UTF-8; noise among them stays a complaint."""
    lines = ["Šokolaad ja žürii.", "Külapood suletakse, sest omanik väsis.", "Õpilased ehitasid ilmajaama.", "Lõpp."]
    mixed = b"\n".join(line.encode("windows-1257" if i == 1 else "utf-8") for i, line in enumerate(lines))
    assert decode(mixed, "", ["windows-1257"], LETTERS)[0] == "\n".join(lines)
    with pytest.raises(Undecodable):
        decode(mixed + b"\n" + random.Random(1).randbytes(300), "", ["windows-1257"], LETTERS)


def test_a_long_word_of_ascii_is_searched_once() -> None:
    """A million letters beside a byte that is no UTF-8: with a search from each of them this test would not end."""
    text, encoding = decode("õun ".encode("windows-1257") + b"a" * 1_000_000, letters=LETTERS, candidates=BALTIC)
    assert (text[:4], len(text), encoding) == ("õun ", 1_000_004, "windows-1257")


def test_words_with_a_character_beyond_ascii_are_found_whole() -> None:
    texts = ["õun-ja–šokolaad", "–c", "a–b–c", "aéb–c d", "aaa é"]
    found = [[match[0] for match in WORD.finditer(text)] for text in texts]
    assert found == [["õun", "ja–šokolaad"], ["–c"], ["a–b", "–c"], ["aéb–c"], ["é"]]


def test_a_character_in_two_halves_costs_no_text() -> None:
    """CESU-8, as Java and MySQL write what lies beyond U+FFFF."""
    halves = "\U0001f600".encode("utf-16-be")
    written = b"".join(chr(int.from_bytes(halves[i : i + 2])).encode("utf-8", "surrogatepass") for i in (0, 2))
    assert decode("jõgi ".encode() + written)[0] == "jõgi \U0001f600"


def test_words_in_an_old_encoding_among_words_in_utf8_are_read() -> None:
    """Most of such a line is UTF-8, which in no other encoding reads well."""
    data = (
        "Eile õhtul sadas.\nJõgi oli üle kallaste, ja üks mees ütles nii.\nSild jäi terveks.\nÖö läks mööda.".encode()
    )
    mixed = data.replace("ütles".encode(), "ütles".encode("windows-1252"))
    assert decode(mixed, candidates=["windows-1257", "iso-8859-15"], letters="õäöüšž")[0] == data.decode()
