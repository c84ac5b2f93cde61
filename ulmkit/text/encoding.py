"""Which encoding bytes are in, and their text: nothing invented, nothing quietly replaced.

Order of belief: a byte order mark; well-formed UTF-8; UTF-16 without a mark; what was declared, unless another
encoding reads clearly better; the most plausible of the candidates. No U+FFFD is ever made here.
"""

import codecs
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import webencodings

CANDIDATES = ("windows-1252", "windows-1256", "windows-1257", "iso-8859-13", "iso-8859-15", "windows-1251")

SAMPLE_BYTES = 1 << 16  # bytes that a guess looks at
PROPOSED_BYTES = 1 << 14  # of them, that chardet looks at
WORDS = 3000  # distinct words that a guess scores
MIN_SCORE = 0.25  # of 1.0 a character: below it the text is noise in every encoding that was tried
MIN_LINE_SCORE = 0.5  # of a line in a file of another encoding
LEAST_BYTES = 12  # that are not ASCII, in a line of whose language nothing is known
LOST_AT_MOST = 500  # characters for each that a text of many bytes a character may have lost
MARGIN = 0.15  # how much better another encoding must read before a declared one is not believed

# what browsers refuse, or what is no encoding of text; UTF-7 and HZ hide markup from who looks at bytes
NOT_OF_PAGES = frozenset(
    ("unicode-escape", "raw-unicode-escape", "utf-7", "punycode", "idna", "undefined", "hz", "iso2022-kr")
)
REFUSED_BY_BROWSERS = ("replacement", "x-user-defined")
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
# as mails of the nineties: base64 of UTF-16 behind a plus sign, https://www.rfc-editor.org/rfc/rfc2152
_UTF7_RUN = re.compile(rb"\+(?:-|[A-Za-z0-9+/]{3,}+-?|[A-Za-z0-9+/]{0,2}\Z)")
LEAST_RUNS = 3
NON_ASCII = re.compile(rb"[\x80-\xff]")
_HALVES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
ASCII_OR_NOT = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
# from the beginning of a word, or of what is left behind a mark: from within a long word none begins
WORD = re.compile(r"(?<!\w)\w*[^\x00-\x7f]\w*|[^\x00-\x7f]\w*", re.S)


class Undecodable(ValueError):  # noqa: N818 — reads as what the bytes are
    """No encoding makes sense of these bytes."""


def python_name(label: str) -> str:
    """The codec behind a label as browsers read it; empty where there is none, or none for text.

    The labels are those of https://encoding.spec.whatwg.org/#names-and-labels, and beside them Python's own.

    >>> python_name("ISO-8859-1"), python_name("dos-874"), python_name("no-such-thing")
    ('windows-1252', 'cp874', '')
    """
    label = label.strip().strip("\"'")
    found = webencodings.lookup(label)
    if found is None:
        try:
            info = codecs.lookup(label)
        except (LookupError, ValueError):
            return ""
        if not info._is_text_encoding or info.name.replace("_", "-") in NOT_OF_PAGES:
            return ""
        found = webencodings.lookup(info.name.replace("_", "-"))
        name = found.codec_info.name if found else info.name
    elif found.name in REFUSED_BY_BROWSERS:
        return ""
    else:
        name = found.codec_info.name
    name = "gb18030" if name == "gbk" else name  # which holds all of it
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


def seven_bit(data: bytes) -> str:
    """`iso2022_jp` or `utf-7` where ASCII holds what these write for other letters, and nothing against it; or nothing.

    >>> seven_bit(b"+ANU-un s+APU-idab +AWE-okolaadiga"), seven_bit(b"1+1-2, C++, +372 5551 234")
    ('utf-7', '')
    """
    if not data.isascii():
        return ""
    if b"\x1b$" in data and read_as(data, "iso2022_jp", whole=False) is not None:
        return "iso2022_jp"
    return "utf-7" if data.count(b"+") >= LEAST_RUNS and _is_utf7(data) else ""


def _is_utf7(data: bytes) -> bool:
    """Whether each plus sign begins letters and marks in base64 that words of an alphabet are written with.

    No run holds what markup begins with, so that what is read so hides none.
    """
    runs = [run for run in _UTF7_RUN.finditer(data) if run[0] != b"+-"]
    text = read_as(data, "utf-7", whole=False)
    if text is None or len(runs) < LEAST_RUNS or b"+" in _UTF7_RUN.sub(b"", data):
        return False
    found = "".join(run[0].decode("utf-7", "replace") for run in runs if run.end() < len(data))
    kinds = {_kind(char) for char in found if not " " <= char <= "~"}
    return any(map(str.isupper, kinds)) and not kinds & {"ascii", "odd", "control", "CJK"} and not set("<>&") & {*found}


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
        if text.count("\0") * 100 <= len(text) and share > best_share:
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
    # KOI8-R's small letters are windows-1251's capitals
    shouted = 0.1 if len(word) > 1 and word.isupper() else 0.0
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
        elif i and char.isupper() and word[i - 1].islower():
            score -= 1.5
        elif char in letters:
            score += (1.2 if len(word) > 1 else 0.6) - shouted
        elif kind == "LATIN":
            score += 0.3 if len(word) == 1 else 0.9 if char in FREQUENT else 0.7 if char in LESS_FREQUENT else 0.3
            score -= 0.8 if letters else 0
        else:
            # scripts whose words are made of nothing else: a single foreign letter is no word
            score += 0.9 - shouted if len(word) > 1 else 0.3
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


@lru_cache(maxsize=256)
def byte_table(name: str) -> str:
    """What each byte is in a single-byte encoding of ASCII's family, as browsers read it; empty for any other encoding.

    A byte below A0 that the encoding has no character for is the control character of its number; one above is U+FFFE,
    which no text holds.
    """
    every = bytes(range(256))
    text = every.decode(name, "replace")
    if len(text) != 256 or name.startswith("utf") or text[:128] != every[:128].decode("ascii"):
        return ""
    return "".join(
        char if char != "\ufffd" else chr(byte) if byte < 0xA0 else "\ufffe" for byte, char in enumerate(text)
    )


def read_as(data: bytes, name: str, *, whole: bool = True) -> str | None:
    """`data` read in the encoding `name`; None where it holds what that encoding does not.

    Not `whole`: a character cut off at the end is left out.
    """
    table = byte_table(name)
    try:
        if table:
            return codecs.charmap_decode(data, "strict", table)[0]
        return codecs.getincrementaldecoder(name)().decode(data, final=whole)
    except UnicodeError:  # UnicodeDecodeError, and plain UnicodeError from UTF-16 that wants a mark
        return None


def mostly_in(data: bytes, name: str) -> str | None:
    """`data` read in `name` without the bytes that are wrong there, where they are few; else None."""
    replaced = data.decode(name, "replace")
    if replaced.count("\ufffd") * LOST_AT_MOST > len(replaced):
        return None
    return data.decode(name, "ignore")


def sample_of(data: bytes) -> bytes:
    """The part of `data` that tells its encoding: all of a short text, of a longer one the words that are not ASCII.

    Style sheets and scripts stand in front of many a page's first letter.
    """
    if len(data) <= SAMPLE_BYTES:
        return data
    words: list[bytes] = []
    size = 0
    for line in data.splitlines():
        if not line.isascii():
            words += (kept := [word for word in line.split() if not word.isascii()])
            size += sum(map(len, kept)) + len(kept)
            if size >= SAMPLE_BYTES:
                break
    return b" ".join(words)[:SAMPLE_BYTES]


def proposed(sample: bytes) -> list[str]:
    """What chardet takes `sample` for, where that is an encoding of text and holds ASCII."""
    import chardet

    found = chardet.detect(sample[:PROPOSED_BYTES], prefer_superset=False)["encoding"]
    name = python_name(found or "")
    printable = bytes(range(32, 127))
    return [name] if name and read_as(printable, name, whole=True) == printable.decode() else []


def guess(data: bytes, declared: str = "", candidates: Sequence[str] = (), letters: str = "") -> str:
    """The encoding of `data` (a sample will do), or `Undecodable`.

    Without `candidates`, which a language declares, chardet proposes one beside the usual ones; how well the text reads
    decides between all of them.
    """
    name, _ = marked(data)
    if name:
        return name
    if name := utf16_without_mark(data):
        return name
    if is_utf8(data):
        return seven_bit(data) or "utf-8"
    sample = sample_of(data)
    alphabet = alphabet_of(letters)
    scores: dict[str, float] = {}
    said = python_name(declared)
    likely = [] if candidates else proposed(sample)
    usual = map(python_name, candidates) if candidates else (*likely, *CANDIDATES)
    for candidate in dict.fromkeys((said, *usual)):
        if not candidate:
            continue
        text = read_as(sample, candidate, whole=False)
        if text is None and candidate == said:
            text = mostly_in(sample, candidate)
        if text is not None:
            scores[candidate] = plausibility(text, alphabet)
    if not scores:
        raise Undecodable("no encoding fits")
    best = max(scores, key=scores.__getitem__)  # the first of equals: candidates come in order of preference
    # where no letters are known, the score alone cannot tell one script of small letters from another
    for believed in (said, *([] if letters else likely)):
        if believed in scores and scores[believed] >= scores[best] - MARGIN:
            best = believed
            break
    if scores[best] < MIN_SCORE:
        raise Undecodable(f"reads like noise in {best}")
    return best


def _rejoined(data: bytes) -> bytes:
    """UTF-8 whose characters beyond U+FFFF were written as two halves (CESU-8, as Java and MySQL do), put right.

    >>> _rejoined(b"\\xed\\xa0\\xbd\\xed\\xb8\\x80").decode()
    '\U0001f600'
    """

    def character(match: re.Match[bytes]) -> bytes:
        return match[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()

    return _HALVES.sub(character, data)


def _mostly_utf8(data: bytes, candidates: Sequence[str]) -> str | None:
    """UTF-8 with a few stray bytes of an older encoding among at least twenty times as many good characters.

    A stray byte that is a letter in the first candidate becomes it; any other is left out.
    """
    bad = _rejoined(data).decode("utf-8", "surrogateescape")
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
        text = read_as(data[length:], name, whole=False)
        if text is not None:
            return text, name
        data = data[length:]
    if unmarked := utf16_without_mark(data):
        # UTF-16 is whole characters; Arabic script in it can look like UTF-8
        if (text := read_as(data, unmarked, whole=False)) is not None:
            return text, unmarked
    elif is_utf8(data):
        name = seven_bit(data) or "utf-8"
        return codecs.getincrementaldecoder(name)().decode(data), name
    declared = declared or declared_in(data)
    if (text := _mostly_utf8(data, candidates)) is not None:
        return text, "utf-8, mended"
    if (text := _by_lines(data, candidates, letters)) is not None:
        return text, "utf-8, lines mended"
    name = guess(data, declared, candidates, letters)
    if (text := read_as(data, name, whole=False)) is not None:
        return text, name
    # the sample was in `name`; the rest holds bytes it does not have
    if (text := mostly_in(data, name)) is not None:
        return text, f"{name}, mended"
    for attempt in map(python_name, (declared, *candidates, *CANDIDATES)):
        if attempt and (text := read_as(data, attempt, whole=False)) is not None:
            return text, attempt
    raise Undecodable(f"starts in {name}, then does not")


def decode_line(data: bytes, likely: str = "", candidates: Sequence[str] = (), letters: str = "") -> tuple[str, str]:
    """A line that is not in its file's encoding, and the encoding it is in; `Undecodable` unless it reads well.

    `likely` is what other such lines were in. Words in UTF-8 among those in an older encoding stay what they are.
    """
    if (text := _mostly_utf8(data, candidates)) is not None:
        return text, "utf-8, mended"
    alphabet = alphabet_of(letters)
    if not (likely or candidates or letters) and len(NON_ASCII.findall(data)) < LEAST_BYTES:
        raise Undecodable("too little to tell another encoding by")
    if not likely or plausibility(read_as(data, likely) or "\ufffe", alphabet) < MIN_LINE_SCORE:
        # words in UTF-8 would read like noise in whatever the others are in
        others = b" ".join(word for word in data.split() if read_as(word, "utf-8") is None)
        likely = guess(others or data, likely, candidates, letters)
    mixed = "".join(read_as(part, "utf-8") or read_as(part, likely) or "\ufffe" for part in ASCII_OR_NOT.findall(data))
    readings = [text for text in (read_as(data, likely), mixed) if text is not None and "\ufffe" not in text]
    score, text = max(((plausibility(text, alphabet), text) for text in readings), default=(0.0, ""))
    if score < MIN_LINE_SCORE:
        raise Undecodable(f"reads like noise in {likely}")
    if not _tells(text):
        raise Undecodable("too little to tell another encoding by")
    return text, likely


def _by_lines(data: bytes, candidates: Sequence[str], letters: str) -> str | None:
    """The text of lines that are in UTF-8, at least half of those that tell, and in an older encoding; or None."""
    lines = data.split(b"\n")
    told = [line for line in lines if not line.isascii()]
    good = sum(map(is_utf8, told))
    if not good or 2 * good < len(told):
        return None
    read: list[str] = []
    likely = ""
    for line in lines:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            try:
                text, likely = decode_line(line, likely, candidates, letters)
            except Undecodable:
                return None
        read.append(text)
    return "\n".join(read)


def _tells(text: str) -> bool:
    """Whether what is not ASCII is punctuation, or stands in a word: a letter by itself is any byte's reading."""
    words = [[_kind(char) for char in match[0]] for match in WORD.finditer(text)]
    letters = [sum(kind.isupper() for kind in kinds) for kinds in words]
    return max(letters, default=2) > 1 or not any(letters)


def alphabet_of(letters: str) -> frozenset[str]:
    """The letters in both cases, without those of ASCII."""
    return frozenset(letters + letters.upper()) - frozenset(map(chr, range(128)))
