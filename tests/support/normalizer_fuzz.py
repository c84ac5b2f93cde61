"""Texts that try to break a language's normalizers, and what must hold for each of them.

Five kinds of text, by turns: pieces that pages are made of and that break normalizers, in any order; a few of them, said
over and over; the head of a protected span and what it could grow by, over and over; any Unicode, lone surrogates and
noncharacters too; and excerpts of real text, mutated. Texts depend on
the seed and the block they stand in alone, so a failure is found again from the line that names it.

What must hold is asked without the engine's help: letters are compared by the table's rows as the file has them and by
the folds in `DECLARED`, protected spans by plain patterns of our own.

    python tests/languages/normalizer_fuzz.py fa --inputs 1000000 --seed 1 --text FOLDER
"""

import argparse
import html
import json
import os
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from ulmkit.authoring.cldr import EXEMPLARS
from ulmkit.authoring.new import create
from ulmkit.errors import UsageError
from ulmkit.language import places, registry
from ulmkit.language.spec import Language
from ulmkit.text.normalize import Normalizer
from ulmkit.text.operations import Settings
from ulmkit.text.operations.make import make_operation
from ulmkit.text.protect import SPAN_KINDS, find_spans

BLOCK = 1000  # texts that share a random state: the unit of parallel work, and of finding one again
TOGETHER = 20  # texts that are asked together, as paragraphs of one text, for what is slow to ask of each
BETWEEN = "\U0010fffd\U0010fffc\U0010fffd"  # stands for a paragraph break where texts are cut short
REAL_CHARACTERS = 4_000_000  # of real text held for mutation

# pieces that real pages are made of, and pieces that break normalizers; one string each, split at spaces, reads better
# ruff: noqa: SIM905, E501
PIECES = [
    *"كتاب علي یکی بندر‌ها می‌روم خانهٔ ۀ ﻻ ﷺ ﷼ ﷽ ٱ ہھە ئ ؤ ً ٌ ّ ٓ ٔ ٕ ٰ ـ ـــ ۍ ے ڵ ښ ۔ ٪ ٫ ٬ ٭".split(),
    *"õunad Peugeot’ga jäääär š ž „Tere” “x” ðþ \u009a \u009e ¨ ´ ` ﬁ Ａ １ ． ａ＠ｂ ＃ ： ／".split(),
    *"0 12 ۳ ٤ 1.5 2,5 ۱۲:۳۰ 1402/05/12 5% % 10 2.7.19 192.168.1.10 ::1 fe80:: v1.0-rc.1 1−2".split(),
    *"http://a.b/c?d=1,2 www.x.ir https://xn--a.ir/كتاب &amp; &zwnj; &nbsp; &#8204; &amp;amp;lt; &lt &#x64A; a.b@c.org @ali #تگ_۱ # @".split(),
    *". .. ... …. , ; ? ! !!!! ؟ ؛ ، : « » ( ) [ ] { } \" ' ‘ ’ “ ” „ ‟ ‹ › - – — ‑ ⋯ / _ ▁ `a b` `ك` `` ` * = + | \\ ~ < >".split(),
    *[" ", "  ", "\n", "\n\n\n", "\t", "\r\n", "\r", "\u00a0", "\u2028", "\u2029", "\x85", "\u3000", "\x00", "\x01"],
    *"\u200b \u200c \u200d \u200e \u200f \u202b \u2066 \u2060 \ufeff \u00ad \u034f \u061c \ufe0f \ufe0e \ufdd0 \ufdd1 \uffff \ufffd \ue000 ¬".split(),
    *[
        "\ud800",
        "\udc00",
        "\ud83d\ude00",
        "😀",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "\U000e0041",
        "\U0001fffe",
        "𝒳",
        "é",
        "e\u0301",
    ],
    *"\u0301 \u0308 \u0323 \u030c \u0303 \u1161 가 \u11a8 \u0bd7 \u0bc6".split(),
    *"a b Z x10 iPhone GPT-4 et сорт Αθήνα .NET ...args İ ß ŉ ǰ".split(),
    *["می ", "نمی ", "رود", "رفته", " ام", " ها", " های", " تر", " ترین", " ای", "خانه", "کتاب", "کار", "بزرگ", "ماه "],
    *["😂😂😂😂", "🇮🇷🇮🇷", "👍🏽👍🏽👍🏽👍🏽", "))))", "،،،،", "~~~~", "یییی"],
]
# what a protected span begins with, and what it goes on with, is ended by, or loses
HEADS = "@c #c @ب #ب http://a www.a http:// 1.0c v1.0 1.2 1,2 a@b.cc `a` a.cc a.cc/ ::1 5/2 1 a ب 😀 # @ & …".split()
LINKS = [
    *"\ufe0f \u200b \u200c \u200d \u200e \u00ad \u064e \u0651 \u0654 \u0301 \u0308 ـ \x00 &#4; &zwnj; &amp; & #4; amp;".split(),
    *'😀 ❤ \u20e3 1\ufe0f\u20e3 1 2 ۱ a b c ب ه ی é . .. ... … , ، @ / : :// # - − \u2010 + % ٪ ٫ ٬ _ ` ( ) « » " “ ! ? ؟'.split(),
    *"ﷲ ﻻ ﷺ ℃ ½ ﬁ ． １ ＠ ： &lt; &#x2f; &#46; ’ ' ´".split(),
    *[" ", "  ", "\n", "\x85"],
]
# where a random character is taken from, each as likely as the other: blocks that a normalizer has opinions on
BLOCKS = [
    (0x20, 0x7E), (0x00, 0x1F), (0x7F, 0xFF), (0x100, 0x24F), (0x2B0, 0x36F), (0x370, 0x52F), (0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF),
    (0x900, 0xDFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x24FF), (0x2600, 0x27BF), (0x2E00, 0x303F),
    (0xAC00, 0xD7A3), (0xD800, 0xDFFF), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFFF),
    (0x0, 0xFFFF), (0x10000, 0x10FFFF), (0x1D100, 0x1D7FF), (0x1F000, 0x1FAFF), (0xE0000, 0xE01EF),
]  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """What a language's operations are declared to do to letters, beside what its characters.tsv says.

    `folds` holds for single characters. `marks_gone` are dropped wherever they stand. Where a text holds one of
    `may_become`, the letters in `becomes` are not compared, because some of them may be new.
    """

    folds: dict[str, str] = field(default_factory=dict)
    marks_gone: str = ""
    may_become: str = ""
    becomes: str = ""


DECLARED = {
    # a hamza behind heh is its mark; rules.foreign_yeh; rules.hamza_above; rules.doubled_signs; shadda stays in some profiles and goes in others
    "fa": Declared({"ۍ": "ی", "ې": "ی", "ے": "ی"}, "\u0653\u0654\u0655", "ء", "ء"),
    # rules.mojibake_letters and rules.mojibake_controls
    "et": Declared({"ð": "š", "þ": "ž", "Ð": "Š", "Þ": "Ž"}, "", "\u009a\u009e\u008a\u008e¨¸¦´", "szSZ\u030c"),
}
# operations that change letters in every language that has them
FORMS = {
    "presentation_forms": [(0xFB50, 0xFDF9), (0xFDFC, 0xFDFF), (0xFE70, 0xFEFC)],
    "widths": [(0xFF01, 0xFF5E), (0xFB00, 0xFB06)],
}
GONE = {"tatweel": "ـ"}  # and those that delete one
SPANS = {
    "url": re.compile(r"https?://[A-Za-z0-9./?=_%~#:+-]*[A-Za-z0-9/]"),
    "email": re.compile(
        r"(?<![\w.@+-])[A-Za-z0-9_.+-]{0,60}[A-Za-z0-9]@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
    ),
    "number": re.compile(r"(?<![^\s!\"$-+;-?\[\]^{-~])[0-9]+(?:[.,:/][0-9]+)+(?![\w.])"),
}
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2581\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e0fff]|  | \n|\n |\n\n\n|\\A[ \n]|[ \n]\\Z"
)
PROTECTED_PERHAPS = re.compile(r"[@#:/.`\d]")
REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


class _Memo(dict[int, str]):
    """A table for `str.translate` that is filled as it is asked."""

    def __init__(self, image: Callable[[str], str]) -> None:
        super().__init__()
        self.image = image

    def __missing__(self, point: int) -> str:
        self[point] = self.image(chr(point))
        return self[point]


def decoded(text: str) -> str:
    """`text` with every character reference decoded, and what that makes one, too."""
    before = ""
    while text != before:
        before = text
        text = REFERENCE.sub(lambda match: html.unescape(match[0]), text)
    return text


_MARKS = frozenset(chr(point) for point in range(0x110000) if unicodedata.category(chr(point))[0] == "M")


class Letters:
    """The letters, marks and digits of a text in their order, equal for a text and its normal form.

    Computed from the rows of characters.tsv as the file has them, from `unicodedata`, and from `DECLARED`.
    """

    def __init__(self, language: Language, form: Normalizer) -> None:
        operations = form.operations
        self.declared = DECLARED.get(language.code, Declared())
        self.folds = self.declared.folds | {c: "" for name, c in GONE.items() if name in operations}
        self.table = self._rows(language.folder / "characters.tsv") if "characters" in operations else {}
        forms = [span for name, spans in FORMS.items() if name in operations for span in spans]
        self.entities = make_operation("entities", Settings())
        self.shrinks = "repeats" in operations
        self.longest, self.shortest = form.settings.max_letter_run, form.settings.letter_run_to

        def spelled(char: str) -> str:
            if char in self.table:
                return self.table[char]
            if any(low <= ord(char) <= high for low, high in forms):
                return unicodedata.normalize("NFKC", char)
            if unicodedata.category(char)[0] not in "LMN":
                return ""
            return (
                ""
                if char in "\u034f\u180b\u180c\u180d\u180f" or 0xFE00 <= ord(char) <= 0xFE0F or ord(char) >= 0xE0000
                else char
            )

        def counted(char: str) -> str:
            char = self.folds.get(char, self.table.get(char, char))
            kept = ""
            for each in unicodedata.normalize("NFD", char):
                each = self.folds.get(each, self.table.get(each, each))
                category = unicodedata.category(each[0]) if each else "Zs"
                if category[0] in "LM" and each not in self.declared.marks_gone:
                    kept += each
                elif category == "Nd":
                    kept += str(unicodedata.decimal(each))
            return kept

        self._spelled, self._counted = _Memo(spelled), _Memo(counted)

    @staticmethod
    def _rows(path: Path) -> dict[str, str]:
        """Single characters of the table, applied to each other until nothing changes."""
        rows: dict[str, str] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            if line.strip() and not line.startswith("#"):
                source, target, *_ = line.split("\t")
                ends = [int(point, 16) for point in re.findall(r"U\+([0-9A-F]+)", source)]
                if " " not in source.strip():
                    for point in range(ends[0], ends[-1] + 1):
                        rows[chr(point)] = "".join(chr(int(p, 16)) for p in re.findall(r"U\+([0-9A-F]+)", target))
        for _ in range(3):
            rows = {source: "".join(rows.get(c, c) for c in target) for source, target in rows.items()}
        return rows

    def of(self, text: str) -> str:
        # decomposed before, because what is no letter may hold marks, and after, because what parted marks is gone
        text = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).translate(self._spelled))
        return unicodedata.normalize("NFC", text.translate(self._counted))

    def lost(self, text: str, normal: str) -> str:
        """What is wrong with the letters of `normal`, or nothing."""
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
        readings = [(text, normal)]
        if "&" in text:
            # a reference is decoded, or kept in a span; both happen in one text, and then `entities` is believed
            readings += [(decoded(text), decoded(normal)), (self.entities.apply(text)[0], normal)]
        complaint = ""
        for raw, form in readings:
            before, after = self.of(raw), self.of(form)
            if before != after and any(char in text or char in before for char in self.declared.may_become):
                before, after = map(self._without, (before, after))
            if before == after or (self.shrinks and self._shrunk(before, after)):
                return ""
            complaint = complaint or f"letters {before!r} became {after!r}"
        return complaint

    def _without(self, letters: str) -> str:
        letters = re.sub(f"[{self.declared.becomes}]", "", unicodedata.normalize("NFD", letters))
        return unicodedata.normalize("NFC", letters)

    def _shrunk(self, before: str, after: str) -> bool:
        """Whether they differ only in the length of runs that `repeats` may shorten."""
        # without marks: a letter and its mark are one in a run, and what stood between two others is not here to tell
        bare = ["".join(c for c in unicodedata.normalize("NFD", side) if c not in _MARKS) for side in (before, after)]
        runs = [[(match[1], len(match[0])) for match in re.finditer(r"(.)\1*", side, re.S)] for side in bare]
        return len(runs[0]) == len(runs[1]) and all(
            a == b and (m == n or (m >= self.longest and m > n >= self.shortest))
            for (a, m), (b, n) in zip(*runs, strict=True)
        )


class Checks:
    """All that must hold for texts, for every normalizer of a language, or for those named in `forms`."""

    def __init__(self, language: Language, forms: Sequence[str] = ()) -> None:
        self.language = language
        self.train = {
            name: form
            for name, form in ((name, language.normalizer(name)) for name in language.forms)
            if name not in ("match", "fold") and (name in forms or not forms)
        }
        self.letters = {name: Letters(language, form) for name, form in self.train.items()}
        sources = "".join(Letters(language, language.normalizer("standard")).table)
        self.sources = re.compile(f"[{re.escape(sources)}]") if sources else None
        letters = [c for c in language.alphabet.letters if unicodedata.category(c)[0] == "L"]
        alphabet = re.escape("".join(letters))
        joining = re.escape("".join(c for c in letters if c not in language.alphabet.non_joining))
        joiners = language.alphabet.joiners
        shown = f"(?<=[{joining}])[{joiners}](?=[{alphabet}])"
        self.joined = re.compile(shown) if joiners and joining else None
        self.still_joined = re.compile(rf"(?<=\w)[{joiners}](?=\w)") if joiners else None

    def faults(self, texts: Sequence[str]) -> list[str]:
        """What is wrong with the normal forms of `texts`, alone and as paragraphs of one text; a line for each."""
        try:
            return list(self._faults(texts))
        except Exception as error:
            return [f"{type(error).__name__} was raised"]

    def _faults(self, texts: Sequence[str]) -> Iterator[str]:
        whole = "\n\n".join(texts)
        for name, form in self.train.items():
            normals = list(map(form, texts))
            for text, normal in zip(texts, normals, strict=True):
                for fault in self._alone(name, text, normal):
                    yield f"{name}: {fault}"
                if form._pass(text) != form._plain_pass(text, lambda *_: None):
                    yield f"{name}: a rule was not called for in the pass that needed it"
            if form.batch(texts) != normals:
                yield f"{name}: normalized in a batch they are not what they are alone"
            together = form(whole)
            if together != "\n\n".join(filter(None, normals)):
                yield f"{name}: normalized together they are not what they are alone"
            if form(together) != together:
                yield f"{name}: a second pass changes {together!r} to {form(together)!r}"
            if form.reference(whole) != together:
                yield f"{name}: the fast path {together!r} is not the plain order {form.reference(whole)!r}"
        normal, fold = self.language.normalize(whole), self.language.fold
        matched = fold(normal)
        if matched != self.language.normalizer("fold").reference(normal):
            yield "fold: the fast path is not the plain order"
        if not matched == self.language.match(whole) == fold(matched):
            yield "match: the match form of a text is not that of its normal form"

    def _alone(self, name: str, text: str, normal: str) -> Iterator[str]:
        if lost := self.letters[name].lost(text, normal):
            yield lost
        if not unicodedata.is_normalized("NFC", normal):
            yield "not in NFC"
        if found := FORBIDDEN.search(normal):
            yield f"forbidden {found[0]!r} in {normal!r}"
        if "&" not in text and normal.count("\ufffd") > text.count("\ufffd"):
            yield "U+FFFD was made"
        if self.joined and len(self.joined.findall(text)) > len(self.still_joined.findall(normal)):
            yield f"a joiner is lost in {normal!r}"
        # a mark that comes to stand behind a span, when what parted them is gone, composes with its last letter
        apart = unicodedata.normalize("NFD", normal)
        for kind, pattern in SPANS.items():
            for match in pattern.finditer(text):
                if match[0] not in apart:
                    yield f"{kind} {match[0]!r} is not in {normal!r}"
        left = self.sources.search(normal) if name == "train" and self.sources else None
        if left and not PROTECTED_PERHAPS.search(normal):
            yield f"U+{ord(left[0]):04X} was left in {normal!r}"


@dataclass
class Texts:
    """Random texts: `block(k)` is the same for the same seed, whatever was asked before."""

    seed: int
    real: str = ""

    def block(self, number: int) -> list[str]:
        dice = Random(f"{self.seed}:{number}")
        kinds = [self._pieces, self._few_pieces, self._chain, self._any_unicode] + [self._mutated] * bool(self.real)
        return [kinds[index % len(kinds)](dice) for index in range(BLOCK)]

    @staticmethod
    def _character(dice: Random) -> str:
        return chr(dice.randint(*dice.choice(BLOCKS)))

    def _pieces(self, dice: Random) -> str:
        pieces = dice.choices(PIECES, k=dice.randint(1, 24))
        for _ in range(dice.randint(0, 3)):
            pieces.insert(dice.randint(0, len(pieces)), self._character(dice))
        return "".join(pieces)

    def _few_pieces(self, dice: Random) -> str:
        pieces = dice.choices(PIECES, k=dice.randint(2, 5))
        if dice.random() < 0.3:
            pieces.append(self._character(dice))
        return "".join(dice.choices(pieces, k=dice.randint(2, 16)))

    def _chain(self, dice: Random) -> str:
        links = dice.choices(LINKS, k=dice.randint(1, 4))
        often = dice.random() < 0.5
        chain = links * dice.randint(2, 10) if often else dice.choices(links, k=dice.randint(4, 30))
        between = dice.choices(LINKS, k=dice.randint(0, 2))
        return "".join([dice.choice(HEADS), *between, *chain, *dice.choices(["", *HEADS, *LINKS], k=2)])

    def _any_unicode(self, dice: Random) -> str:
        return "".join(self._character(dice) for _ in range(dice.randint(1, 20)))

    def _mutated(self, dice: Random) -> str:
        text = list(self._excerpt(dice))
        for _ in range(dice.randint(1, 8)):
            at, what = dice.randint(0, len(text)), dice.random()
            if what < 0.4:
                text[at:at] = dice.choice(PIECES)
            elif what < 0.55:
                text[at:at] = self._character(dice)
            elif what < 0.7:
                text[at : at + dice.randint(1, 4)] = []
            elif what < 0.8:
                text[at:at] = text[at : at + dice.randint(1, 3)] * dice.randint(1, 6)
            elif what < 0.9:
                text[at : at + 1] = dice.choice(PIECES)
            else:
                text[at:] = self._excerpt(dice)
        return "".join(text)

    def _excerpt(self, dice: Random) -> str:
        start = dice.randrange(len(self.real))
        return self.real[start : start + dice.randint(5, 120)]


def minimal(text: str, fails: Callable[[str], bool]) -> str:
    """A short part of `text` that still fails: pieces are left out, halves first, as long as it does."""
    size = max(len(text) // 2, 1)
    while True:
        at = 0
        while at < len(text):
            shorter = text[:at] + text[at + size :]
            if fails(shorter):
                text = shorter
            else:
                at += size
        if size == 1:
            return text
        size = max(size // 2, 1)


def kind_of(fault: str) -> str:
    """The fault without the texts in it, to count kinds."""
    return re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "…", fault)


@dataclass(frozen=True)
class Fault:
    """What broke: its kind, the shortest text found that shows it, and what was said of that."""

    kind: str
    text: str
    complaint: str


def shortest(texts: Sequence[str], kind: str, checks: Checks) -> Fault:
    """The fault made as small as it goes: of few paragraphs, and those short."""

    def ask(text: str) -> list[str]:
        return checks.faults(text.split(BETWEEN))

    short = minimal(BETWEEN.join(texts), lambda text: kind in map(kind_of, ask(text)))
    return Fault(kind, short.replace(BETWEEN, "\n\n"), next(each for each in ask(short) if kind_of(each) == kind))


checks_of = cache(lambda code, forms: Checks(registry.get(code), forms))


def fuzz_block(code: str, forms: tuple[str, ...], texts: Texts, number: int) -> list[Fault]:
    """The faults that block `number` finds."""
    checks, block, found = checks_of(code, forms), texts.block(number), []
    for start in range(0, BLOCK, TOGETHER):
        group = block[start : start + TOGETHER]
        found += [shortest(group, kind, checks) for kind in set(map(kind_of, checks.faults(group)))]
    return found


def real_text(code: str, paths: Sequence[str]) -> str:
    """Text to mutate: from files as `corpus build` reads them, or the language's own samples; not normalized."""
    language = registry.get(code)
    if not paths and not any(language.samples.glob("*")):
        return ""
    from ulmkit.corpus.extract.dispatch import extract
    from ulmkit.document import Unreadable
    from ulmkit.formats.inputs import named_inputs, read_input
    from ulmkit.formats.origin import Reading

    reading = Reading.of(language)
    inputs, texts = list(named_inputs(list(paths) or [str(language.samples)])), []
    for item in inputs:  # an equal part of each file
        left = REAL_CHARACTERS // len(inputs)
        for raw in read_input(item, reading):
            doc = raw if isinstance(raw, Unreadable) else extract(raw, language.extraction, decode=reading.decode)
            if not isinstance(doc, Unreadable):
                texts.append(doc.text[:left])
                left -= len(texts[-1])
            if left <= 0:
                break
    return "\n\n".join(texts)


# said again and again, these are where a step's time could grow with the square of the length
REPEATED = [
    "\u0301", "\u0323\u0301", "\u064b", "\u0651\u064b", "a", "ا", "ب", "ی\u200c", "\u200c", "\u200d", "\ufe0f", " ", "\n", "\n ", '"', "“", "«", "»",
    "(", ".", "..", "1.", "1", "1,", "a.", "a-", ":", "::", "a:", "http://", "http://a.b/", "www.", "@", "@a", "a@", "a@b.", "&", "&amp;", "&amp;amp;",
    "&#38;", "`", "`a", "`a ", "#", "#a\u200c", ": ", "\ud800", "\udc00", "\u0640", "ـ\u200c", "¬", "ب¬", "\u200b", "!", "!؟", "?", ",", "، ", "-\n", "a-\n",
    "'", "´", "ð", "ðþ", "\u009a", "%", "5%", "…", ". . ", "﷽", "ﻻ", "\u1100\u1161", "\u00ad", "\U000e0041", "\ue000", "😀\u200d", "1\ufe0f\u20e3", "\r", "\u2029",
    "〜", "ے", "ڵے", "26 . ", "a -a ", "' e",
]  # fmt: skip


# and these where a search for spans or for personal data could
SEARCHED = [
    "a", "a.", "1.", "1", "1 ", ":", "http://", "http://&", "http://&lt", "www.&", "@", "a@", "a@a.", "a@a-", "`a", "`  ", "www.", "a-", "v", "#a", "1:",
    "09 ", "+372 ", "1.1.", "IR00 ", "(at)", "\u06f0",
]  # fmt: skip
LINEAR = 2.5  # twice the text takes this many times as long at most; the square of the length would be four times


def growth(
    work: Callable[[str], object], unit: str, length: int = 20_000, clock: Callable[[], float] = time.process_time
) -> float:
    """How many times longer `work` takes on a text of `unit` when that is twice as long (CPU time, best of five).

    Where that is over `LINEAR`, texts of twice and four times the length are asked, too, and the least counts: a step at
    one size (where memory is asked of the system anew) is no growth, and the square takes four times at every size.
    """

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        best = float("inf")
        for _ in range(5):
            start = clock()
            work(text)
            best = min(best, clock() - start)
        return best

    while seconds(length) < 0.002 and length < 2_000_000:  # shorter ones measure the clock
        length *= 2
    least = float("inf")
    for _ in range(3):
        least = min(least, seconds(2 * length) / seconds(length))
        if least <= LINEAR:
            break
        length *= 2
    return least


def growths(language: Language, forms: Sequence[str]) -> dict[str, float]:
    """`growth` of each normalizer (of those in `forms`, where any is named), of each kind of span, of personal data."""
    works = {name: (language.normalizer(name), REPEATED) for name in language.forms if name in forms or not forms}
    works |= {f"spans: {kind}": (partial(find_spans, kinds=[kind]), SEARCHED) for kind in SPAN_KINDS}
    works["personal data"] = (language.pii_finder.find, SEARCHED)
    return {f"{name} {unit!a}": growth(work, unit) for name, (work, units) in works.items() for unit in units}


@dataclass
class Report:
    """What was thrown at a language, and what broke."""

    language: str
    normalizers: list[str]
    inputs: int
    seed: int
    seconds: float
    faults: list[Fault]
    growth: dict[str, float] = field(default_factory=dict)  # normalizer and unit -> t(2n) / t(n)

    def lines(self) -> Iterator[str]:
        names = ", ".join(self.normalizers)
        yield f"{self.language}: {self.inputs:,} inputs, seed {self.seed}, {self.seconds:,.0f} s, normalizers {names}"
        kinds = Counter(fault.kind for fault in self.faults)
        yield f"faults: {sum(kinds.values()):,}"
        for kind, count in kinds.most_common():
            yield f"  {count:6,} × {kind}"
            shown = sorted({(len(f.text), f.text, f.complaint) for f in self.faults if f.kind == kind})
            for _, text, complaint in shown[:5]:
                yield f"           {text!a}: {complaint}"
        if self.growth:
            worst = sorted(self.growth.items(), key=lambda item: -item[1])
            shown = max(3, sum(ratio > LINEAR for _, ratio in worst))
            yield f"twice as long takes, of {len(worst)}: " + ", ".join(
                f"{ratio:.2f} ({n})" for n, ratio in worst[:shown]
            )


def fuzz(
    code: str, inputs: int, seed: int, paths: Sequence[str] = (), processes: int = 1, forms: Sequence[str] = ()
) -> Report:
    """`inputs` texts, thrown at every normalizer of the language, or at those named in `forms`."""
    language = registry.get(code)
    texts, blocks = Texts(seed, real_text(code, paths)), -(-inputs // BLOCK)
    work = partial(fuzz_block, code, tuple(forms), texts)
    start = time.monotonic()
    if processes == 1:
        found = [work(number) for number in range(blocks)]
    else:
        with get_context("spawn").Pool(processes) as pool:
            found = pool.map(work, range(blocks), chunksize=4)
    seconds = time.monotonic() - start
    faults = [fault for each in found for fault in each]
    name = f"{code}@{language.fingerprint}"
    return Report(name, list(checks_of(code, tuple(forms)).train), blocks * BLOCK, seed, seconds, faults)


def scaffolded(folder: Path) -> list[str]:
    """The codes of all languages that CLDR has exemplars of, each made in `folder` as `language new` does, without a
    single value written by hand; not those that ulmkit comes with."""
    lines = EXEMPLARS.read_text(encoding="utf-8").splitlines()
    _, *codes = (line.split("\t")[0] for line in lines if line and not line.startswith("#"))
    made = []
    for code in codes:
        if not (places.bundled() / code).exists():
            with suppress(UsageError):  # of a region, or in a script that is not known
                made.append(create(code, folder, labels=frozenset(), date="").code)
    return made


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("languages", nargs="*", help="all that are known, where none is named")
    arguments.add_argument("--forms", nargs="*", default=[], help="train, or a profile's name; all where none is named")
    arguments.add_argument("--inputs", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument(
        "--text", type=Path, help="a folder of real text: each language's is in the folder of its code"
    )
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_argument("--growth", action="store_true", help="measure how time grows with length, too")
    arguments.add_argument(
        "--new", action="store_true", help="the languages that CLDR knows, each as `language new` makes it"
    )
    arguments.add_argument("--json", type=Path, help="the reports as JSON, in this file")
    options = arguments.parse_args()
    with TemporaryDirectory() as folder:
        codes = options.languages or [known.folder.name for known in registry.known()]
        if options.new:
            codes = scaffolded(Path(folder))
            os.environ[places.VARIABLE] = folder
        return report_on(codes, options)


def report_on(codes: Sequence[str], options: argparse.Namespace) -> int:
    """What the languages `codes` do, written down; 1 if one of them breaks."""
    reports = []
    for code in codes:
        paths = [str(options.text / code)] if options.text else []
        report = fuzz(code, options.inputs, options.seed, paths, options.processes, options.forms)
        if options.growth:
            report.growth = growths(registry.get(code), options.forms)
        sys.stdout.write("".join(f"{line}\n" for line in report.lines()))
        reports.append(asdict(report))
    if options.json:
        options.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    return int(any(each["faults"] or any(r > LINEAR for r in each["growth"].values()) for each in reports))


if __name__ == "__main__":
    sys.exit(main())
