"""Rules of Persian that need context; the character table does the rest."""

import re

# letters of Urdu, Kurdish and Pashto: a word that holds one is not Persian, and its yeh is its own
_FOREIGN = "ٹڈڑںڕڵۆێڤټډړښږځڅڼګ"
_WORD = re.compile(
    "[\u0620-\u063f\u0641-\u064a\u0671-\u06d3\u06d5]*[ۍېےۓ][\u0620-\u063f\u0641-\u064a\u0671-\u06d3\u06d5]*"
)
_ANY_FOREIGN = re.compile(f"[{_FOREIGN}]")
_YEH = str.maketrans("ۍېےۓ", "یییئ")
_HAMZA = re.compile("(?<!ه)\u0654+|(?<=ه\u0654)\u0654+|[\u0653\u0655]+")
_PERCENT = re.compile("%(?:(?<=[۰-۹\ufdd0]%)|(?<=[۰-۹\ufdd0] %)|(?=[۰-۹\ufdd0]))")


def foreign_yeh(text: str) -> str:
    """The yeh of Pashto and Urdu becomes ی, unless another letter of the word is foreign.

    >>> foreign_yeh("بچے ٹماٹے")
    'بچی ٹماٹے'
    """
    return _WORD.sub(lambda match: match[0] if _ANY_FOREIGN.search(match[0]) else match[0].translate(_YEH), text)


foreign_yeh.triggers = [("ۍېےۓ", "")]
foreign_yeh.enables = ["joiners", "repeats"]


def hamza_above(text: str) -> str:
    """U+0654 stays where it writes the ezafe, after ه; elsewhere it has been composed, or stands for nothing, as do
    U+0653 and U+0655.

    >>> hamza_above("خانهٔ ما ب\u0654")
    'خانهٔ ما ب'
    """
    return _HAMZA.sub("", text)


hamza_above.triggers = [("^ه", "\u0654"), ("", "\u0653\u0655")]


def percent(text: str) -> str:
    """The percent sign of a Persian number is U+066A.

    >>> percent("۵% و 5%")
    '۵٪ و 5%'
    """
    return _PERCENT.sub("٪", text)


percent.triggers = [("0-9۰-۹\ufdd0 ", "%"), ("%", "0-9۰-۹\ufdd0")]
percent.enables = ["spacing"]
