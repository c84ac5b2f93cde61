"""Which language a text is in, asked before any letter is folded: folding hides what tells close languages apart."""

import functools
import re
import threading
import unicodedata
from dataclasses import dataclass

import pycld2

from ulmkit.document import KEEP, Verdict, drop
from ulmkit.language.spec import Language, Relative

SHORT = 200  # UTF-8 bytes below which pycld2 guesses, and the slower py3langid is asked too
SHOWN = 8_000  # characters looked at, half from the start and half from the middle: pages begin with menus

# pycld2 refuses what is not text for interchange: controls, lone surrogates, noncharacters
NOT_INTERCHANGE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
# Arabic letters drawn as shapes, which neither identifier knows: old pages and PDF text are full of them
SHAPES = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
_langid_lock = threading.Lock()  # py3langid keeps one model per process and loads it on first use


@dataclass(frozen=True)
class Guess:
    """A language found: `label` as the identifier names it, the `share` of the text it covers, and who said so."""

    label: str
    share: float
    by: str


def guess(text: str, wanted: frozenset[str]) -> list[Guess]:
    """The languages of `text`, the largest share first; never empty."""
    middle = len(text) // 2
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}\n{text[middle : middle + SHOWN // 2]}"
    shown = NOT_INTERCHANGE.sub(" ", shown)
    if SHAPES.search(shown):
        shown = unicodedata.normalize("NFKC", shown)
    reliable, _, found = pycld2.detect(shown)
    guesses = [Guess(label, percent / 100, "pycld2") for _, label, percent, _ in found if percent and label != "un"]
    if any(g.label in wanted for g in guesses) or (guesses and reliable and len(shown.encode()) >= SHORT):
        return guesses
    with _langid_lock:
        return [Guess(_langid(shown), 1.0, "py3langid")]


def _langid(text: str) -> str:
    import py3langid  # loads a model; most builds never ask it

    return py3langid.classify(text)[0]


@functools.cache
def _counter(letters: str) -> re.Pattern[str]:
    return re.compile(f"[{re.escape(letters)}]")


def relative_share(text: str, relative: Relative) -> float:
    """Share of the letters of `text` that only the close language `relative` uses."""
    hits = len(_counter(relative.letters).findall(text)) if relative.letters else 0
    return hits / letters if hits and (letters := sum(map(str.isalpha, text))) else 0.0


def function_words(words: list[str], relative: Relative, language: Language) -> tuple[int, int]:
    """How many of `words` are function words of the close language alone, and of our own alone."""
    theirs = frozenset(relative.words)
    shared = theirs & language.stop_words
    mine = language.stop_words - shared
    theirs -= shared
    return sum(word in theirs for word in words), sum(word in mine for word in words)


def identify(text: str, language: Language) -> Verdict:
    """Keep `text` if it is in `language`; else drop it as another or as a close language, with the label."""
    settings = language.identification
    wanted = frozenset(settings.labels)
    if not text.strip():
        return drop("empty")
    if wanted:
        found = guess(text, wanted)
        main = found[0]
        ours = next((g for g in found if g.label in wanted), None)
        if ours is None:
            return drop("other language", f"{main.label} ({main.by})")
        if ours is not main or ours.share < settings.min_share:
            shares = ", ".join(f"{g.label} {g.share:.2f}" for g in found)
            return drop("mixed languages", f"{shares}; least {settings.min_share:.2f} and more than any other")
    words = text[:SHOWN].split()
    for relative in settings.relatives:
        share = relative_share(text, relative)
        if share > relative.max_share:
            return drop("close language", f"{relative.name}: letters {share:.4f} > {relative.max_share}")
        if relative.words and language.stop_words:
            theirs, mine = function_words(words, relative, language)
            if theirs > mine:
                return drop("close language", f"{relative.name}: {theirs} of its function words, {mine} of ours")
    return KEEP
