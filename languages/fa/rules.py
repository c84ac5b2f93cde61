"""Rules of Persian that need context; the character table does the rest."""

# ruff: noqa: SIM905 (a list of words reads better as one string)
import importlib.util
import re
from functools import cache
from pathlib import Path

# letters of Urdu, Kurdish and Pashto: a word that holds one is not Persian, and its yeh is its own
_FOREIGN = "ٹڈڑںڕڵۆێڤټډړښږځڅڼګ"
_WORD = re.compile(
    "[\u0620-\u063f\u0641-\u064a\u0671-\u06d3\u06d5]*[ۍېےۓ][\u0620-\u063f\u0641-\u064a\u0671-\u06d3\u06d5]*"
)
_ANY_FOREIGN = re.compile(f"[{_FOREIGN}]")
_YEH = str.maketrans("ۍېےۓ", "یییئ")
_APART = re.compile("ه[ \u200c]+\u0654|(?<=[\u0620-\u06d3])ه[ \u200c]+ء(?![\u0620-\u06d3\u200c])")
_HAMZA = re.compile("(?<!ه)\u0654+|(?<=ه\u0654)\u0654+|[\u0653\u0655]+")
_DOUBLED = re.compile("([\u064b\u0651])\\1+")
_LATIN, _OWN = re.compile("[A-Za-z]"), re.compile("[\u0620-\u06d3]")
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
    """U+0654 stays where it writes the ezafe, after ه, typed apart or not, and as ء or not; elsewhere it has been
    composed, or stands for nothing, as do U+0653 and U+0655.

    >>> hamza_above("خانهٔ ما ب\u0654, خلاصه\u200c\u0654 من, توشه ء راه")
    'خانهٔ ما ب, خلاصهٔ من, توشهٔ راه'
    """
    return _HAMZA.sub("", _APART.sub("ه\u0654", text))


hamza_above.triggers = [("^ه", "\u0654"), ("", "\u0653\u0655"), (" \u200c", "ء")]


def doubled_signs(text: str) -> str:
    """A tanwin (or a shadda, where it stays) that was typed twice is one.

    >>> doubled_signs("لطفا\u064b\u064b") == "لطفا\u064b"
    True
    """
    return _DOUBLED.sub(r"\1", text)


doubled_signs.triggers = [("\u064b", "\u064b"), ("\u0651", "\u0651")]
doubled_signs.enables = []


def percent(text: str) -> str:
    """The percent sign of a Persian number is U+066A; not in a line of Latin letters alone.

    >>> percent("۵% و 5%")
    '۵٪ و 5%'
    """
    if not _LATIN.search(text):
        return _PERCENT.sub("٪", text)
    lines = text.split("\n")
    return "\n".join([line if _only_latin(line) else _PERCENT.sub("٪", line) for line in lines])


def _only_latin(line: str) -> bool:
    return _LATIN.search(line) is not None and _OWN.search(line) is None


percent.triggers = [("0-9۰-۹\ufdd0 ", "%"), ("%", "0-9۰-۹\ufdd0")]
percent.enables = ["spacing"]


# ---------------------------------------------------------------- half_space: opt-in, in the profile of that name

_LETTER = "ءآأؤإئابةپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی\u064b\u0654"
_STEM = re.compile(f"[{_LETTER}]+(?:\u200c[{_LETTER}]+)*")
# not before a dot that a word touches: there the words' lengths say whether it is an abbreviation's
_END = "(?=[ \n،؛؟!:…»)\\]]|\\.(?![^ \n»])|\\Z)"
_VERB = re.compile(f"(?<=می) ([{_LETTER}]+)(?:(?=\u200c(?:ام|ای|ایم|اید|اند){_END})|{_END})")
_OWN_ENDING = "(?:[متش]|مان|تان|شان)"  # my, your, their
_DEGREE = re.compile(f" (تر(?:ین)?(?:ی|ها(?:ی(?:ی|{_OWN_ENDING})?)?)?){_END}")
_PLURAL = re.compile(f"(?: |(?<=ه)(?=های?))(ها(?:ی(?:ی|{_OWN_ENDING})?)?){_END}")
_OWN_APART = re.compile(f" (مان|تان|شان){_END}")
_ENDING = re.compile(f"(?<=ه) (ایم|اید|اند|ام|ات|اش|ای|ی){_END}")
_GLUED_VERB = re.compile(f"(?<![{_LETTER}\u200c])(ن?می)(?=([{_LETTER}]{{2,}})(?![{_LETTER}]))")
_SILENT = re.compile("(?<=[ءآأؤإاةدذرزژو])\u200c")  # `joiners` deletes it
_NUMERALS = tuple("0123456789۰۱۲۳۴۵۶۷۸۹\ufdd0")
_IMPERFECTIVE = re.compile("^ن?می\u200c")
_LONGEST = 40  # letters of a word that is looked at

# the word before the month of May: می is no prefix there
_BEFORE_MAY = frozenset("ماه اول اوایل اواسط اواخر نیمه نیمه\u0654 یکم آوریل".split())
# of a noun; what remains of a word without one may be in the lexicon: میدان of میدانی
_NOMINAL_ENDINGS = ("ی", "ان", "ت", "ش", "مان", "تان", "شان")
_IMPERSONAL = ("توان", "بایست", "شاید")
_ENDINGS = ("م", "ی", "یم", "ید", "ند")  # of persons, but for the third singular
# nouns that may be wet (تر), where hazm calls them adjectives too
_WET = frozenset("آب چشم لب دست هوا هوای چوب نان گل زمین میوه خاک علف".split())
# function words in ه take no ending
_NO_ENDING = frozenset(
    "که به نه چه ده سه مه بله البته وگرنه اگرچه چنانچه آنچه هرچه گرچه همه هیچگاه هرگاه آنگاه".split()
)
_ALL_OF = ("همه", "ی")
# hazm's parts of speech: nouns, adjectives, adverbs, and 0 for words that nobody has told apart
_NAMING = frozenset({"N", "AJ", "ADV"})
_NOMINAL, _GRADED = frozenset({"N", "AJ", "0"}), frozenset({"AJ", "ADV", "0"})


@cache
def _hazm() -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Verb forms that می stands before, and words with their parts of speech, from the two lists in hazm's folder.

    The files are read and hazm is not imported, which takes 4 CPU seconds and 700 MB in every process. A root of its
    list that has a prefix is taken without it, and a root that is missing makes no forms.
    """
    spec = importlib.util.find_spec("hazm")
    if not spec or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'hazm'", name="hazm")
    data = Path(spec.submodule_search_locations[0]) / "data"
    forms = set(_IMPERSONAL)
    for line in (data / "verbs.dat").read_text("utf-8").splitlines():
        past, _, present = (root.removeprefix("می\u200c") for root in line.strip().partition("#"))
        forms |= {f"{past}{ending}" for ending in ("", *_ENDINGS, "ه") if past}
        forms |= {f"{present}{ending}" for ending in ("د", *_ENDINGS) if present}
    rows = (line.strip().split("\t") for line in (data / "words.dat").read_text("utf-8").splitlines())
    return frozenset(forms), {row[0]: frozenset(row[2].split(",")) for row in rows if len(row) == 3}


def half_space(text: str) -> str:
    """A space becomes U+200C between می or نمی and a verb, an adjective and تر, a noun and ها or مان, ه and an ending,
    each with what may follow (تری, هایش); and one is set where nothing stood: نمیدانم, جمعهها.

    Only where hazm's lexicon knows the verb, adjective or noun; not after a month's name, where می is May. What shows
    nothing after a letter that joins nothing is taken out by `joiners`, which has to follow.

    >>> half_space("می روم و کتاب های بزرگ تر را خوانده ام، ماه می آمد").replace("\u200c", "|")
    'می|روم و کتاب|های بزرگ|تر را خوانده|ام، ماه می آمد'
    >>> half_space("خانواده مان، درستکاری تان، در شان او").replace("\u200c", "|")
    'خانواده|مان، درستکاری|تان، در شان او'
    """
    for pattern, known in (
        (_VERB, _verb),
        (_DEGREE, _degree),
        (_PLURAL, _plural),
        (_OWN_APART, _owned),
        (_ENDING, _ending),
    ):
        text = pattern.sub(lambda match, known=known: f"\u200c{match[1]}" if known(match) else match[0], text)  # type: ignore[misc]
    return _GLUED_VERB.sub(lambda match: f"{match[1]}\u200c" if _glued(match) else match[0], text)


half_space.triggers = [("یه", " "), (" ", "هتمش"), ("ه", "ه"), ("م", "ی")]
half_space.enables = ["joiners"]
half_space.prepare = _hazm
half_space.packages = ["hazm"]


def _word_before(text: str, end: int) -> str:
    """The word that ends at `end`, or nothing where it is too long, or not of letters alone."""
    low = max(0, end - _LONGEST)
    start = max(text.rfind(character, low, end) for character in " \n«([") + 1
    word = text[start:end] if start or not low else ""
    return _SILENT.sub("", word) if _STEM.fullmatch(word) else ""


def _verb(match: re.Match[str]) -> bool:
    prefix = _word_before(match.string, match.start())
    if prefix not in ("می", "نمی") or match[1] not in _hazm()[0]:
        return False
    end = match.start() - len(prefix) - 1
    before = match.string[max(0, end - 1) : end]
    return prefix == "نمی" or (_word_before(match.string, end) not in _BEFORE_MAY and before not in _NUMERALS)


def _glued(match: re.Match[str]) -> bool:
    """Whether a word that begins like one with می is a verb and no other word: نمیدانم, and not میدان or میراث."""
    whole, (forms, words) = match[1] + match[2], _hazm()
    if match[2] not in forms:
        return False
    # its list has می‌کند in one word too, of no part of speech
    bases = [whole, *(whole.removesuffix(end) for end in _NOMINAL_ENDINGS if whole.endswith(end))]
    return not any(words.get(base, frozenset()) & _NAMING for base in bases)


def _tags(stem: str) -> frozenset[str]:
    """The parts of speech of a word, or of its last part where it is a compound that nobody lists."""
    words = _hazm()[1]
    return words.get(stem) or words.get(stem.rpartition("\u200c")[2]) or frozenset()


def _degree(match: re.Match[str]) -> bool:
    stem = _word_before(match.string, match.start())
    if not stem or stem in _WET or stem.endswith(("تر", "ترین", "ها", "های", "هایی")):
        return False
    if match[1].startswith("تری") and not match[1].startswith("ترین"):  # or a fresh one, or wetness
        return len(stem) > 2 and "AJ" in _tags(stem)
    words, degree = _hazm()[1], "ترین" if match[1].startswith("ترین") else "تر"
    return stem + degree in words or f"{stem}\u200c{degree}" in words or bool(_tags(stem) & _GRADED)


def _plural(match: re.Match[str]) -> bool:
    stem = _word_before(match.string, match.start())
    if not stem or stem.endswith(("ها", "های", "هایی")):
        return False
    # after a verb ها may be the spoken language's "mind you"
    if match[1] == "ها" and match[0] != match[1] and _IMPERFECTIVE.sub("", stem) in _hazm()[0]:
        return False
    return bool(_tags(stem) & _NOMINAL)


def _owned(match: re.Match[str]) -> bool:
    """Whether our, your or their stands behind what can be owned: a plural, or a word of four letters or more that
    names or describes and does nothing else. `در شان` is another word, and ی may be a verb's: گفتی."""
    stem = _word_before(match.string, match.start())
    if stem.endswith("های"):
        return len(stem) > len("های") + 1
    if len(stem) < 4:
        return False
    if tags := _tags(stem):
        return tags <= _NOMINAL
    base = stem.removesuffix("ی")
    return base != stem and len(base) > 3 and not (base.endswith(("د", "ت")) and base in _hazm()[0])


def _ending(match: re.Match[str]) -> bool:
    stem = _word_before(match.string, match.start())
    return len(stem) > 2 and (stem not in _NO_ENDING or (stem, match[1]) == _ALL_OF) and bool(_tags(stem))


# ---------------------------------------------------------------- checks of personal data


def national_id(found: str) -> bool:
    """The checksum of the ten digits of an Iranian national code (the last one, modulo 11).

    >>> national_id("0499370899"), national_id("۰۴۹۹۳۷۰۸۹۸"), national_id("1111111111")
    (True, False, False)
    """
    digits = [int(c) for c in found]
    rest = sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return len(set(digits)) > 1 and digits[9] == (rest if rest < 2 else 11 - rest)
