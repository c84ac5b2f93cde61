"""Rules of Estonian that need context; the character table does the rest."""

import re

_LETTER = "A-Za-zÀ-ÖØ-öø-ž"
_MOJIBAKE = str.maketrans("ðþÐÞ\u009a\u009e\u008a\u008e¨¸¦´", "šžŠŽšžŠŽšžŠŽ")
# ð and þ inside a word of ASCII and Estonian letters; a word with other letters (á, ó, æ) is Icelandic or Faroese
_WORD = re.compile("[A-Za-zõäöüšžÕÄÖÜŠŽðþÐÞ\u009a\u009e\u008a\u008e¨¸¦´]+")
_SUSPECT = re.compile("[ðþÐÞ\u009a\u009e\u008a\u008e]|[A-Za-zõäöü][¨¸¦´][a-zõäöü]")
_ICELANDIC = re.compile("[áíóúýæÁÍÓÚÝÆ]")
_ETH = re.compile("[ðþÐÞ]")
_BETWEEN = re.compile(f"(?<=[{_LETTER}])[`´](?=[{_LETTER}])")
_CURLY = re.compile("[„“”]")


def baltic_mojibake(text: str) -> str:
    """š and ž of a page in a Baltic encoding that was read as Latin-1, where they stand inside a word.

    A text with letters that only Icelandic and Faroese have keeps ð and þ.

    >>> baltic_mojibake("garaaþ, ðokolaad, du\u009a\u009a, fini¨")
    'garaaž, šokolaad, dušš, fini¨'
    >>> baltic_mojibake("það er gott að sjá þig")
    'það er gott að sjá þig'
    """
    icelandic = bool(_ICELANDIC.search(text))

    def repair(match: re.Match[str]) -> str:
        word = match[0]
        if len(word) < 3 or not _SUSPECT.search(word) or (icelandic and _ETH.search(word)):
            return word
        if word.translate(_REMOVE).strip() == "":
            return word
        kept = "" if word[-1] not in "¨¸¦´" else word[-1]
        return word[: len(word) - len(kept)].translate(_MOJIBAKE) + kept

    return _WORD.sub(repair, text)


_REMOVE = str.maketrans("", "", "ðþÐÞ\u009a\u009e\u008a\u008e¨¸¦´")
baltic_mojibake.literals = "ðþÐÞ\u009a\u009e\u008a\u008e¨¸¦´"


def apostrophe(text: str) -> str:
    """A grave or acute accent between letters is an apostrophe.

    >>> apostrophe("Peugeot`ga ja Renault´ga")
    "Peugeot'ga ja Renault'ga"
    """
    return _BETWEEN.sub("'", text)


apostrophe.triggers = [("`´", _LETTER)]
apostrophe.enables = []


def quotation_marks(text: str) -> str:
    """Curly quotation marks open with „ and close with “, in turn, in every line that has them in pairs.

    >>> quotation_marks('Ta ütles: „Tere!” ja “nägemist”.')
    'Ta ütles: „Tere!“ ja „nägemist“.'
    """

    def line(text: str) -> str:
        count = len(_CURLY.findall(text))
        if not count:
            return text
        if count % 2:
            return text.replace("”", "“")
        turn = iter("„“" * (count // 2))
        return _CURLY.sub(lambda _: next(turn), text)

    return "\n".join([line(each) for each in text.split("\n")])


quotation_marks.triggers = [("“”", ""), ("", "„")]
quotation_marks.enables = []
