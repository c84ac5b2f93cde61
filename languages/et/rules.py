"""Rules of Estonian that need context; the character table does the rest."""

import re

_LETTER = "A-Za-zÀ-ÖØ-öø-ž"
_C1 = str.maketrans("\u009a\u009e\u008a\u008e", "šžŠŽ")
_C1_IN_WORD = re.compile(f"(?<=[{_LETTER}])[\u009a\u009e\u008a\u008e]+|[\u009a\u009e\u008a\u008e]+(?=[{_LETTER}])")
_ETH = str.maketrans("ðþÐÞ", "šžŠŽ")
# a word of ASCII and Estonian letters with ð or þ in it
_ETH_WORD = re.compile(f"(?<![{_LETTER}])[A-Za-zõäöüšžÕÄÖÜŠŽ]*[ðþÐÞ][A-Za-zõäöüšžÕÄÖÜŠŽðþÐÞ]*+(?![{_LETTER}])")
_ICELANDIC = re.compile("[áíóúýæÁÍÓÚÝÆ]")
_LATIN_9 = re.compile("(?<=[a-zõäöüšž])[¨¸](?=[a-zõäöüšž])|(?<=[A-ZÕÄÖÜŠŽ])[¦´](?=[A-ZÕÄÖÜŠŽ])")
_LATIN_9_LETTER = {"¨": "š", "¸": "ž", "¦": "Š", "´": "Ž"}
_BETWEEN = re.compile(f"(?<=[{_LETTER}])[`´](?=[{_LETTER}])")
_CURLY = re.compile("[„“”]")


def mojibake_controls(text: str) -> str:
    """š and ž of windows-1257 read as Latin-1 are control characters there; beside a letter they are letters.

    >>> mojibake_controls("du\u009a\u009a")
    'dušš'
    """
    return _C1_IN_WORD.sub(lambda match: match[0].translate(_C1), text)


mojibake_controls.literals = "\u009a\u009e\u008a\u008e"


def mojibake_letters(text: str) -> str:
    """š and ž of windows-1257 or ISO 8859-13 (ð þ) and of ISO 8859-15 (¨ ¸ ¦ ´), inside words of Estonian letters.

    A line with letters that only Icelandic and Faroese have keeps ð and þ.

    >>> mojibake_letters("garaaþ, ðokolaad, ma¨in, fini¨")
    'garaaž, šokolaad, mašin, fini¨'
    >>> mojibake_letters("það er gott að sjá þig")
    'það er gott að sjá þig'
    """

    def line(text: str) -> str:
        if _ICELANDIC.search(text):
            return text
        return _ETH_WORD.sub(lambda match: match[0].translate(_ETH) if len(match[0]) > 2 else match[0], text)

    text = "\n".join(map(line, text.split("\n")))
    return _LATIN_9.sub(lambda match: _LATIN_9_LETTER[match[0]], text)


mojibake_letters.triggers = [("ðþÐÞ", ""), ("a-zõäöüšž", "¨¸"), ("A-ZÕÄÖÜŠŽ", "¦´")]


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
