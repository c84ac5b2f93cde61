"""How many texts in the old encodings of many languages are read right.

    python benchmarks/encodings.py [--folder fresh|bundled|none]

`fresh` (the default) reads as for a new folder, which has CLDR's letters and declares no encodings; `none` knows no
letters either. The texts are CLDR's names of languages and countries in Babel, cut to 60, 300 and 4,000 characters from
five places, in every old encoding that the language was written in. A text is right when it comes back letter for
letter. `bundled` reads Estonian and Persian with what their folders declare.
"""

import argparse
import time
from collections import Counter, defaultdict

from babel import Locale

from ulmkit.authoring.cldr import facts
from ulmkit.formats.origin import Reading
from ulmkit.language.registry import get
from ulmkit.text.encoding import Undecodable

WRITTEN_IN = {
    "ru": ("windows-1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic"),
    "uk": ("windows-1251", "koi8-u", "iso8859-5"),
    "bg": ("windows-1251", "iso8859-5"),
    "el": ("windows-1253", "iso8859-7"),
    "he": ("windows-1255", "iso8859-8"),
    "ar": ("windows-1256", "iso8859-6"),
    "fa": ("windows-1256",),
    "tr": ("windows-1254",),
    "pl": ("windows-1250", "iso8859-2"),
    "cs": ("windows-1250", "iso8859-2"),
    "hu": ("windows-1250", "iso8859-2"),
    "lt": ("windows-1257", "iso8859-13"),
    "et": ("windows-1257", "iso8859-13", "iso8859-15"),
    "th": ("cp874",),
    "vi": ("windows-1258",),
    "ja": ("cp932", "euc_jp", "iso2022_jp"),
    "ko": ("cp949",),
    "zh": ("gb18030", "big5hkscs"),
}
BUNDLED = {"et": ("windows-1257", "iso8859-13", "iso8859-15", "windows-1252"), "fa": ("windows-1256",)}
LENGTHS = (60, 300, 4000)
PLACES = 5


def names(code: str) -> str:
    """The language's names of languages and countries, one after the other."""
    locale = Locale.parse("zh_Hant" if code == "zh-hant" else code)
    return ", ".join([*locale.languages.values(), *locale.territories.values()])


def texts(code: str, encoding: str) -> list[str]:
    """Different stretches of the names, without the characters that `encoding` lacks."""
    whole = names("zh-hant" if encoding == "big5hkscs" else code)
    whole = "".join(char for char in whole if char == " " or char.encode(encoding, "ignore"))
    found: dict[str, None] = {}
    for length in LENGTHS:
        for place in range(PLACES):
            start = (len(whole) - length) * place // (PLACES - 1)
            if start >= 0:
                found[whole[start : start + length]] = None
    return [text for text in found if not text.isascii()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", choices=("fresh", "bundled", "none"), default="fresh")
    arguments = parser.parse_args()
    right: dict[str, Counter[bool]] = defaultdict(Counter)
    wrong: list[str] = []
    spent = 0.0
    for code, encodings in (BUNDLED if arguments.folder == "bundled" else WRITTEN_IN).items():
        reading = {
            "bundled": lambda code=code: Reading.of(get(code)),
            "fresh": lambda code=code: Reading(letters=facts(code).letters),
            "none": Reading,
        }[arguments.folder]()
        for encoding in encodings:
            for text in texts(code, encoding):
                data = text.encode(encoding)
                began = time.process_time()
                try:
                    found, name = reading.decode(data)
                except Undecodable as error:
                    found, name = "", str(error)
                spent += time.process_time() - began
                right[f"{code} {encoding}"][found == text] += 1
                if found != text:
                    wrong.append(f"{code} {encoding} as {name}, {len(text)} characters: {found[:50]!r}")
    for key, counts in right.items():
        print(f"{key:20} {counts[True]:4} of {counts.total()}")
    total = sum(counts.total() for counts in right.values())
    good = sum(counts[True] for counts in right.values())
    print(f"{good} of {total} right, {1000 * spent / total:.1f} ms a text")
    print(*wrong[:40], sep="\n")


if __name__ == "__main__":
    main()
