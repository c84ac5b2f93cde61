"""Texts that break normalizers."""

import random
from collections.abc import Iterator, Sequence

from ulmkit.language import cases
from ulmkit.language.spec import Language

FUZZ_CASES = 1_200
REPEATED = 3_000  # characters: a pattern that tries all ways to cut them would not end on thirty

# pieces real pages are made of and pieces that break rules, whatever the language
_PIECES = (
    "0 12 1.5 2,5 10:30 2024-05-12 5% % 2.7.19 192.168.1.10 fe80::1 v1.0-rc.1 http://a.b/c?d=1,2 www.x.org a.b@c.org "
    "@user #tag &amp; &zwnj; &nbsp; &#8204; &amp;lt; `a` ` . .. ... …. , ; ? ! !!!! : « » ( ) [ ] { } \" ' ’ “ ” „ ‹ "
    "› - – — ‑ / _ ▁ * = | \\ ~ < > a Z İ ß ŉ ﬁ Ａ ① ½ é 가 कि ক য় ကို ไทย"
)
_INVISIBLE = (
    " |  |\n|\n\n\n|\t|\r\n|\r|\u00a0|\u2028|\u2029|\x85|\u3000|\x00|\x01|\u200b|\u200c|\u200d|\u200e|\u200f|\u202b|"
    "\u2066|\u2060|\ufeff|\u00ad|\u034f|\u061c|\ufe0f|\ufdd0|\uffff|\ufffd|\ue000|\ud800|\udc00|\U0001f600|\U000e0041|"
    "\u0301|\u0308|\u0323|\u0327|\u0654|\u093c|\u1161"
)


def fuzz_texts(language: Language, examples: Sequence[cases.Example], samples: Sequence[str]) -> Iterator[str]:
    """`FUZZ_CASES` texts: the folder's own strings and pieces of its samples, shuffled with what breaks rules."""
    own = [example.raw for example in examples]
    own += [case.text for case in cases.read_keep(language.file(cases.KEEP))]
    yield from own
    rng = random.Random(language.code)
    alphabet = language.alphabet
    letters = [*alphabet.letters, *alphabet.digits, *alphabet.joiners * 4, *alphabet.joiner_forms, *alphabet.zwj_after]
    marks = [*language.normalization.native_marks, *language.normalization.quotes]
    pieces = [*_PIECES.split(" "), *_INVISIBLE.split("|"), *own, *marks]
    for _ in range(FUZZ_CASES):
        text = []
        for _ in range(rng.randint(1, 20)):
            kind = rng.random()
            if kind < 0.45:
                text.append(rng.choice(pieces))
            elif kind < 0.75 and letters:
                text.append("".join(rng.choices(letters, k=rng.randint(1, 5))))
            elif kind < 0.85 and samples:
                sample = rng.choice(samples)
                start = rng.randrange(len(sample) + 1)
                text.append(sample[start : start + rng.randint(1, 60)])
            else:
                text.append(chr(rng.randrange(0x3000 if kind < 0.97 else 0x110000)))
        yield "".join(text)


def own_patterns(language: Language) -> list[str]:
    """The regular expressions that the folder declares."""
    segmentation = language.segmentation
    declared = (
        segmentation.no_break,
        segmentation.break_after,
        segmentation.word_patterns,
        language.filters.boilerplate,
    )
    return [
        *(pattern for each in declared for pattern in each),
        *(kind.pattern for kind in language.pii if kind.pattern),
    ]


def repetitive_texts(patterns: Sequence[str], language: Language) -> Iterator[str]:
    """What the patterns may look for, again and again, and then what none does: each of their characters, and pairs.

    Beside it stands what else has to be there before anything is searched: an end of a sentence; a phone's digits, and
    the hints of the kinds of personal data.
    """
    letter = next(iter(language.alphabet.letters), "a")
    end = next(iter(language.segmentation.sentence_ends), ".")
    hints = " ".join(hint for kind in language.pii_finder.kinds for hint in kind.hints)
    written = dict.fromkeys(c for pattern in patterns for c in pattern if c.isalnum() or c.isspace())
    units = [
        *written,
        *("a", "1", letter, " ", ".", "-", "@", "/"),
        f"{letter} ",
        "a ",
        "1 ",
        "1-",
        "a.",
        "1.",
        "a1",
        "a-",
    ]
    for unit in dict.fromkeys(units):
        yield f"{hints} 1234567 {unit * (REPEATED // len(unit))}\uffff"
        yield f"{unit * (REPEATED // len(unit))}\uffff{end} {letter}"
