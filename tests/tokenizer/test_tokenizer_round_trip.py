"""decode(encode(normalize(x))) == normalize(x): exactly, always."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples
from tokenizer_data import ZWNJ, documents, language

from ulmkit.errors import InputError, UsageError
from ulmkit.tokenizer.model import BOS, FIRST_BYTE, FIRST_PIECE, PROBES, UNK, Tokenizer

DIFFICULT = [
    "",
    " ",
    "\n",
    "\n\n",
    " \n \n",
    "سلام",
    "  دو  فاصله  ",
    "سطر\nسطر\n\n\n سطر \n",
    "<s>متن</s> <unk> <pad> <0x41> <n>",
    "▁",
    "▁▁ ▁",
    "a▁ b▁\n▁c\n ▁",
    f"{ZWNJ}می{ZWNJ}{ZWNJ}روم{ZWNJ}",
    "👨\u200d👩\u200d👧 🏳️ 🇮🇷",
    "𐍈 𠜎 ꧁ ሰላም שלום 你好",
    "\x00\t\r\x1f\x7f\u2028\u2029",
    "ﷺ ﬁ ① ½ ｆ é e\u0301 \u00a0 \u3000",
    "\u2047 ⁇ \ufffd \ufeff ▅",
    "۱۲۳۴ 2024 ٤٥ १२",
    "كتاب علي",
]
CHARACTERS = st.sampled_from([*"ابیک \n\n▁<s>۱2.،«»", ZWNJ, "\u200d", "😀", "\x00", "ي", "\U0001f468"])


@pytest.mark.parametrize("text", DIFFICULT)
def test_a_difficult_text_comes_back(tokenizer: Tokenizer, text: str):
    normal = tokenizer.normalize(text)
    assert tokenizer.decode(tokenizer.encode(text)) == normal


@examples(200)
@given(text=st.one_of(st.text(), st.text(CHARACTERS, max_size=40)))
def test_any_text_comes_back(tokenizer: Tokenizer, text: str):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == tokenizer.normalize(text)
    assert ((ids > UNK) & (ids != BOS) & (ids < tokenizer.vocabulary)).all(), "no id but those of text"


def test_a_batch_is_its_texts_one_by_one(tokenizer: Tokenizer):
    texts = [*DIFFICULT, *(row["text"] for row in documents(5, seed=9))]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert ids.dtype == np.int32
        assert ids.tolist() == tokenizer.encode(text).tolist()


def test_a_word_is_the_same_piece_behind_a_break_as_behind_a_space(tokenizer: Tokenizer):
    """`x y` and `x⏎y` differ in one id: the break."""
    one, two = tokenizer.encode("سال ان"), tokenizer.encode("سال\nان").tolist()
    two.remove(tokenizer.newline)
    assert one.tolist() == two
    assert tokenizer.inventory[tokenizer.newline] == "\n"


def test_empty_paragraphs_are_breaks_alone(tokenizer: Tokenizer):
    n = tokenizer.newline
    assert tokenizer.encode("سال\n\n\n").tolist() == [*tokenizer.encode("سال").tolist(), n, n, n]


def test_the_text_of_a_special_symbol_is_only_text(tokenizer: Tokenizer):
    assert BOS not in tokenizer.encode("<s>")
    assert FIRST_BYTE + 0x41 not in tokenizer.encode("<0x41>")


def test_every_digit_is_a_piece_of_its_own(tokenizer: Tokenizer):
    shown = [tokenizer.inventory[i].lstrip("▁") for i in tokenizer.encode("۱۳۹۸ 2024 م۱۲ن")]
    assert [piece for piece in shown if piece.isdigit()] == list("۱۳۹۸202۴۱۲".replace("۴", "4"))
    assert not [p for p in tokenizer.inventory[FIRST_PIECE:] if any(c.isdigit() for c in p) and len(p.lstrip("▁")) > 1]


def test_special_ids_decode_to_nothing(tokenizer: Tokenizer):
    assert tokenizer.decode([tokenizer.bos, *tokenizer.encode("سال"), tokenizer.eos, tokenizer.pad]) == "سال"


def test_bytes_that_make_no_character_decode_to_a_mark(tokenizer: Tokenizer):
    assert tokenizer.decode([FIRST_BYTE + 0xE2]) == "\ufffd"


@pytest.mark.parametrize("wrong", [-1, 600, 10**9])
def test_a_number_that_is_no_id_is_refused(tokenizer: Tokenizer, wrong: int):
    with pytest.raises(UsageError, match=f"{wrong} is no id"):
        tokenizer.decode([5, wrong])


def test_half_a_surrogate_pair_is_named(tokenizer: Tokenizer):
    with pytest.raises(InputError, match=r"U\+D800 at character 2"):
        tokenizer.encode("ab\ud800")


def test_without_a_language_text_is_taken_as_it_is(trained):
    bare = Tokenizer.load(trained)
    assert bare.decode(bare.encode("كتاب")) == "كتاب"
    assert Tokenizer.load(trained, language()).decode(Tokenizer.load(trained, language()).encode("كتاب")) == "کتاب"


def test_ids_are_those_of_plain_sentencepiece(tokenizer: Tokenizer):
    """One paragraph means the same to any program that reads the model file."""
    import sentencepiece

    plain = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    for text in (p for row in documents(4, seed=5) for p in row["text"].split("\n")):
        assert tokenizer.encode(text).tolist() == plain.encode(text)
        assert plain.decode(plain.encode(text)) == text


def test_the_probes_would_catch_a_normalizer():
    assert any("\u200c" in p for p in PROBES)
    assert any("  " in p for p in PROBES)
