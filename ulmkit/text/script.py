"""Which script a letter belongs to, and how much of a text is written in it.

A script is a set of code point ranges (Unicode's Scripts.txt and Blocks.txt, letters only), kept here as the body of a
regular expression's character class.
"""

from functools import cache

from ulmkit.errors import UsageError
from ulmkit.text import census
from ulmkit.text.census import Census

# ISO 15924 code -> body of a character class of its letters
LETTERS = {
    "Arab": "\u0620-\u063f\u0641-\u064a\u066e\u066f\u0671-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06fc\u06ff"
    "\u0750-\u077f\u0870-\u0887\u0889-\u088e\u08a0-\u08c9\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdc7\ufdf0-\ufdfb"
    "\ufe70-\ufefc",
    "Latn": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02b8\u1d00-\u1d25\u1e00-\u1eff\u2c60-\u2c7f"
    "\ua722-\ua787\ua78b-\ua7ca\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a",
    "Cyrl": "\u0400-\u0481\u048a-\u052f\u1c80-\u1c88\u2de0-\u2dff\ua640-\ua69f",
    "Grek": "\u0370-\u0373\u0375-\u0377\u037b-\u037d\u037f\u0386\u0388-\u03e1\u03f0-\u03ff\u1f00-\u1fff",
    "Hebr": "\u05d0-\u05ea\u05ef-\u05f2\ufb1d-\ufb4f",
    "Armn": "\u0531-\u0556\u0560-\u0588\ufb13-\ufb17",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2d",
    "Deva": "\u0904-\u0939\u0958-\u0961\u0971-\u097f\ua8f2-\ua8fe",
    "Ethi": "\u1200-\u135a\u1380-\u138f\u2d80-\u2dde\uab01-\uab2e",
    "Thai": "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46",
    "Hani": "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufad9"
    "\U00020000-\U000323af",
    "Hang": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3",
}


def letters(script: str) -> str:
    """The body of the character class of `script`'s letters, or a `UsageError` that lists the known scripts."""
    try:
        return LETTERS[script]
    except KeyError:
        raise UsageError(f"no script '{script}'. Known: {', '.join(sorted(LETTERS))}.") from None


@cache
def _census(script: str) -> Census:
    return Census({"letters": census.letters(), "script": census.members(letters(script))})


def script_share(text: str, script: str) -> float:
    """The share of `text`'s letters that are written in `script`; 0.0 for a text without letters.

    >>> script_share("سلام Tallinn!", "Arab")
    0.36363636363636365
    """
    counts = _census(script)(census.code_points(text))
    return min(1.0, counts["script"] / counts["letters"]) if counts["letters"] else 0.0
