"""Which encoding bytes are in, and their text: nothing invented, nothing quietly replaced.

Order of belief: a byte order mark; well-formed UTF-8; UTF-16 without a mark; what was declared, unless another
encoding reads clearly better; the most plausible of the candidates. No U+FFFD is ever made here.
"""

import codecs
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

CANDIDATES = ("windows-1252", "windows-1256", "windows-1257", "iso-8859-13", "iso-8859-15", "windows-1251")

SAMPLE_BYTES = 1 << 16  # bytes that a guess looks at
WORDS = 3000  # distinct words that a guess scores
MIN_SCORE = 0.25  # of 1.0 a character: below it the text is noise in every encoding that was tried
MARGIN = 0.15  # how much better another encoding must read before a declared one is not believed

# https://encoding.spec.whatwg.org/#names-and-labels: what pages say, and what browsers read
AS_BROWSERS_READ = {
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
NOT_OF_PAGES = ("unicode-escape", "raw-unicode-escape", "utf-7", "punycode", "idna", "undefined")
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DECLARED = re.compile(
    rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""", re.I
)

# letters by how often the languages written with single-byte Latin encodings use them; the rest are rarities
FREQUENT = frozenset("éèêäöüõåøæáíóúñçàâîôùûšžčßãąęłėżśćńųūāēī")
LESS_FREQUENT = frozenset("ëïìòýðþœġķļņģįźœŗŠŽÕÄÖÜÉÅØÆČĀĒĪŪÁÍÓÚÑÇ")
MARKS_IN_TEXT = frozenset("«»“”„‘’‚‹›–—…·•°§№\u00a0\u200c\u200d\u200e\u200f،؛؟€£©®™×½¼²³ºª´¿¡")
WORD = re.compile(r"\w*[^\x00-\x7f]\w*", re.S)


class Undecodable(ValueError):  # noqa: N818 — reads as what the bytes are
    """No encoding makes sense of these bytes."""


def python_name(label: str) -> str:
    """The codec behind a label as browsers read it; empty where there is none, or none for text.

    >>> python_name("ISO-8859-1"), python_name("no-such-thing")
    ('windows-1252', '')
    """
    try:
        info = codecs.lookup(label.strip().strip("\"'"))
    except (LookupError, ValueError):
        return ""
    if not info._is_text_encoding or info.name.replace("_", "-") in NOT_OF_PAGES:
        return ""
    name = AS_BROWSERS_READ.get(info.name, info.name)
    return re.sub(r"^cp(?=125\d$)", "windows-", re.sub("^iso8859", "iso-8859", name))


def declared_in(data: bytes) -> str:
    """The charset that an HTML or XML head names, or nothing. ASCII-compatible encodings only, as browsers do."""
    match = DECLARED.search(data[:4096])
    return (match[1] or match[2]).decode("ascii", "ignore") if match else ""


def marked(data: bytes) -> tuple[str, int]:
    """The encoding that a byte order mark names, and the mark's length."""
    for mark, name in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return name, len(mark)
    return "", 0


def is_utf8(data: bytes) -> bool:
    """Whether `data` is UTF-8, but for a character cut off at its end.

    >>> is_utf8("õ".encode()[:1] + b""), is_utf8(b"\\xf5un")
    (True, False)
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def utf16_without_mark(data: bytes) -> str:
    """`utf-16-le` or `utf-16-be` where the zero bytes and the spaces stand as they do in UTF-16, else nothing."""
    sample = data[: SAMPLE_BYTES & ~1]
    sample = sample[: len(sample) & ~1]
    if not sample or b"\0" not in sample:
        return ""
    best, best_share = "", 0.0
    for name in ("utf-16-le", "utf-16-be"):
        text = codecs.getincrementaldecoder(name)("replace").decode(sample)
        good = sum("\t" <= char < "\x7f" or unicodedata.category(char)[0] in "LNPMZ" for char in text)
        spaces = sum(map(text.count, " \n"))
        share = good / max(len(text), 1) if spaces * 50 >= len(text) else 0.0
        if "\0" not in text and share > best_share:
            best, best_share = name, share
    return best if best_share > 0.9 else ""


@lru_cache(maxsize=4096)
def _kind(char: str) -> str:
    """What a character is to a word: its script for letters, `mark` for usual punctuation, else `odd`."""
    if char < "\x80":
        return "LATIN" if char.isalpha() else "ascii"
    if char in MARKS_IN_TEXT:
        return "mark"
    category = unicodedata.category(char)
    if category[0] in "LM":
        name = unicodedata.name(char, "odd").split(" ")[0]
        return "any" if name == "COMBINING" else "CJK" if name in EAST_ASIAN else name
    return "control" if category == "Cc" else "odd"


def _word_score(word: str, letters: frozenset[str]) -> tuple[float, int]:
    """How much like a word of some language `word` is: the sum over its non-ASCII characters, and their number."""
    kinds = [_kind(char) for char in word]
    scripts = {kind for kind in kinds if kind.isupper()}
    mixed = len(scripts - {"CJK"}) > 1  # Latin stands among Chinese without a space
    score, count = 0.0, 0
    for i, (char, kind) in enumerate(zip(word, kinds, strict=True)):
        if char < "\x80":
            continue
        count += 1
        inside = 0 < i < len(word) - 1 and kinds[i - 1].isupper() and kinds[i + 1].isupper()
        if kind == "control":
            score -= 4
        elif kind == "mark":
            score += 0.0 if inside and char not in "\u200c’·´" else 0.8
        elif kind == "odd":
            score -= 2 if inside else 0.7
        elif mixed:
            score -= 2
        elif char in letters:
            score += 1.2 if len(word) > 1 else 0.6
        elif i and char.isupper() and word[i - 1].islower():
            score -= 1.5
        elif kind == "LATIN":
            score += 0.3 if len(word) == 1 else 0.9 if char in FREQUENT else 0.7 if char in LESS_FREQUENT else 0.3
            score -= 0.8 if letters else 0
        else:
            # scripts whose words are made of nothing else: a single foreign letter is no word
            score += 0.9 if len(word) > 1 else 0.3
    return score, count


def plausibility(text: str, letters: frozenset[str] = frozenset()) -> float:
    """How well the non-ASCII characters of `text` fit their words, at most about 1; 1 where there are none.

    `letters` are those of the expected language; with them a guess between near-equal Baltic encodings is sure.
    """
    seen: dict[str, int] = {}
    for match in WORD.finditer(text):
        word = match[0]
        if word in seen or len(seen) < WORDS:
            seen[word] = seen.get(word, 0) + 1
    total, characters = 0.0, 0
    for word, times in seen.items():
        score, count = _word_score(word, letters)
        total += score * times
        characters += count * times
    return total / characters if characters else 1.0


def _try(data: bytes, name: str, *, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)().decode(data, final=whole)
    except UnicodeError:  # UnicodeDecodeError, and plain UnicodeError from UTF-16 that wants a mark
        return None


def guess(data: bytes, declared: str = "", candidates: Sequence[str] = (), letters: str = "") -> str:
    """The encoding of `data` (a sample will do), or `Undecodable`."""
    name, _ = marked(data)
    if name:
        return name
    if name := utf16_without_mark(data):
        return name
    if is_utf8(data):
        return "utf-8"
    sample = data[:SAMPLE_BYTES]
    alphabet = frozenset(letters + letters.upper()) - frozenset(map(chr, range(128)))
    scores: dict[str, float] = {}
    said = python_name(declared)
    for candidate in dict.fromkeys((said, *(python_name(c) for c in candidates or CANDIDATES))):
        if candidate and (text := _try(sample, candidate, whole=False)) is not None:
            scores[candidate] = plausibility(text, alphabet)
    if not scores:
        raise Undecodable("no encoding fits")
    best = max(scores, key=scores.__getitem__)  # the first of equals: candidates come in order of preference
    if said in scores and scores[said] >= scores[best] - MARGIN:
        best = said
    if scores[best] < MIN_SCORE:
        raise Undecodable(f"reads like noise in {best}")
    return best


def _mostly_utf8(data: bytes, candidates: Sequence[str]) -> str | None:
    """UTF-8 with a few stray bytes of an older encoding among at least twenty times as many good characters.

    A stray byte that is a letter in the first candidate becomes it; any other is left out.
    """
    bad = data.decode("utf-8", "surrogateescape")
    stray = len(re.findall("[\udc80-\udcff]", bad))
    good = sum(char > "\x7f" for char in bad) - stray
    if stray * 20 > good:
        return None
    older = next((name for name in map(python_name, candidates or CANDIDATES) if name), "windows-1252")

    def letter(match: re.Match[str]) -> str:
        try:
            char = bytes([ord(match[0]) - 0xDC00]).decode(older)
        except UnicodeDecodeError:
            return ""
        return char if char.isalpha() else ""

    return re.sub("[\udc80-\udcff]", letter, bad)


def decode(data: bytes, declared: str = "", candidates: Sequence[str] = (), letters: str = "") -> tuple[str, str]:
    """The text of `data` and the encoding it was in; `Undecodable` where nothing fits.

    `declared` is what the transport said; without it, what the data's own head says. A character cut off at
    the very end is left out.

    >>> decode("õun ja šokolaad".encode("windows-1257"), letters="õäöüšž", candidates=["windows-1257"])
    ('õun ja šokolaad', 'windows-1257')
    """
    name, length = marked(data)
    if name:
        text = _try(data[length:], name, whole=False)
        if text is not None:
            return text, name
        data = data[length:]
    if unmarked := utf16_without_mark(data):
        # UTF-16 is whole characters; Arabic script in it can look like UTF-8
        if (text := _try(data, unmarked, whole=False)) is not None:
            return text, unmarked
    elif is_utf8(data):
        return codecs.getincrementaldecoder("utf-8")().decode(data), "utf-8"
    declared = declared or declared_in(data)
    if (text := _mostly_utf8(data, candidates)) is not None:
        return text, "utf-8, mended"
    name = guess(data, declared, candidates, letters)
    for attempt in (name, python_name(declared), *candidates, *CANDIDATES):
        # the sample was in `name`; the rest may hold a byte it does not have
        if attempt and (text := _try(data, attempt, whole=False)) is not None:
            return text, attempt
    raise Undecodable(f"starts in {name}, then does not")


# one class in front, which `re` searches fast; what it was is asked afterwards
SUSPICIOUS = re.compile(
    r"[ÂÃÄÅÐÑØÙÚÛâãïðطظعغ](?:(?<=[ÂÃÄÅÐÑØÙÚÛâãïð])[\u0080-\uffff]|(?<=[طظعغ])[\u0080-\uffff][طظعغ])"
)
DOUBLED = ("windows-1256",)  # encodings that ftfy does not undo


def _undo(line: str) -> str:
    """`line` before UTF-8 was read as windows-1256, where that is certain, else `line`."""
    for name in DOUBLED:
        try:
            text = line.encode(name).decode("utf-8")
        except UnicodeError:
            continue
        # three characters that all happen to be well-formed UTF-8 do not happen by chance
        if sum(char > "\x7f" for char in text) >= 3:
            return text
    return line


def repair(text: str) -> str:
    """`text` with UTF-8 that was once read as another encoding put right, line by line, where it is certain.

    Quotes stay curled and joiners stay: only the encoding is undone (ftfy, and windows-1256 by hand).

    >>> repair("TÃ¤na on ilus Ãµhtu"), repair("“Ära”")
    ('Täna on ilus õhtu', '“Ära”')
    """
    if not SUSPICIOUS.search(text):
        return text
    from ftfy import TextFixerConfig, fix_encoding_and_explain
    from ftfy.badness import badness

    config = TextFixerConfig(replace_lossy_sequences=False, fix_c1_controls=False, unescape_html=False)
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if SUSPICIOUS.search(line) is None:
            continue
        undone = _undo(line)
        if undone == line and badness(line):
            fixed = fix_encoding_and_explain(line, config).text
            if "\ufffd" not in fixed and not badness(fixed):
                undone = fixed
        lines[i] = undone
    return "\n".join(lines)
