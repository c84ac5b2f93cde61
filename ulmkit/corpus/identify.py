"""Which language a text is in, asked before any letter is folded: folding hides what tells close languages apart."""

import functools
import math
import re
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass

import pycld2

from ulmkit.document import KEEP, Verdict, drop
from ulmkit.language.spec import Language, Relative
from ulmkit.text.census import Census, code_points, letters, members

SHORT = 200  # UTF-8 bytes below which pycld2 guesses, and the slower py3langid is asked too
FEW = 25  # characters; on shorter lines py3langid takes one in five of any language for another
# nats by which py3langid may like another label better and ours still stands: on a line of text that is chance. Chosen
# on half of the sources in benchmarks/identification-2026-11-24.md; more would let neighbours' short lines in
NEAR, NEAR_WITH_OUR_WORDS = 2.0, 6.0
SHOWN = 4_000  # characters looked at, half from the start and half from the middle: pages begin with menus

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


def guess(text: str, language: Language) -> list[Guess]:
    """The languages of `text`, the largest share first; never empty."""
    wanted = language.identification.labels
    middle = len(text) // 2
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN // 2]}\n{text[middle : middle + SHOWN // 2]}"
    if SHAPES.search(shown):
        shown = unicodedata.normalize("NFKC", shown)
    try:
        reliable, _, found = pycld2.detect(shown)
    except (pycld2.error, UnicodeEncodeError):
        shown = NOT_INTERCHANGE.sub(" ", shown)
        reliable, _, found = pycld2.detect(shown)
    guesses = [Guess(label, percent / 100, "pycld2") for _, label, percent, _ in found if percent and label != "un"]
    long = len(shown.encode()) >= SHORT
    if any(g.label in wanted for g in guesses) or (guesses and reliable and long):
        return guesses
    scores = _langid(shown)
    best = max(scores, key=lambda label: scores[label])
    ours = max(wanted, key=lambda label: scores.get(label, -math.inf))
    if best not in wanted and not long and (distance := scores[best] - scores.get(ours, -math.inf)) <= NEAR_WITH_OUR_WORDS:
        near = NEAR_WITH_OUR_WORDS if _own_words(shown, language) else NEAR
        if distance <= near and _in_alphabet(shown, language):
            best = ours
    return [Guess(best, 1.0, "py3langid")]


def _langid(text: str) -> dict[str, float]:
    """py3langid's labels with their scores, in nats."""
    import py3langid  # loads a model; most builds never ask it

    with _langid_lock:
        return {label: float(score) for label, score in py3langid.rank(text)}


def _in_alphabet(text: str, language: Language) -> bool:
    """Whether every letter of `text` is one of the language's own, in normal form."""
    own = language.alphabet.letters
    return all(character in own for character in language.normalize(text) if character.isalpha())


def words(text: str) -> Counter[str]:
    """The words of the first `SHOWN` characters, in small letters, without the marks around them.

    >>> sorted(words("„Tere!“ ütles ta."))
    ['ta', 'tere', 'ütles']
    """
    return Counter(word.strip(_marks()) for word in text[:SHOWN].lower().split())


@functools.cache
def _marks() -> str:
    return "".join(c for c in map(chr, range(0x10000)) if unicodedata.category(c)[0] in "PSC" and c not in "\u200c\u200d")


def _own_words(text: str, language: Language, shared: tuple[str, ...] = ()) -> int:
    """How many words of `text` are function words of the language; those in `shared` do not count."""
    found = words(language.normalize(text[:SHOWN]))  # they are listed in normal form
    return sum(found[word] for word in language.stop_words if word not in shared)


@functools.lru_cache(maxsize=8)
def _census(relatives: tuple[Relative, ...]) -> Census:
    return Census({"letters": letters()} | {r.name: members(r.letters) for r in relatives})


def close_language(text: str, language: Language) -> Verdict:
    """Drop `text` if it is in one of the languages that identifiers take for this one.

    It is where more of its letters than allowed are ones that only the relative uses, or where the relative's
    function words and endings outnumber our function words, shared ones apart.
    """
    relatives = language.identification.relatives
    counts = _census(relatives)(code_points(text))
    found = words(text)
    for relative in relatives:
        share = counts[relative.name] / max(counts["letters"], 1)
        if share > relative.max_share:
            return drop("close language", f"{relative.name}: letters {share:.4f} > {relative.max_share}")
        theirs = sum(found[word] for word in relative.words if word not in language.stop_words)
        if relative.endings:
            theirs += sum(n for word, n in found.items() if word.endswith(relative.endings) and len(word) > 2)
        if theirs and language.stop_words:
            ours = _own_words(text, language, relative.words)
            if theirs > ours:
                return drop("close language", f"{relative.name}: {theirs} of its function words, {ours} of ours")
    return KEEP


def identify(text: str, language: Language) -> Verdict:
    """Keep `text` if it is in `language`; else drop it as another or as a close language, with the label.

    A line of fewer than `FEW` characters that seems to be another language's is `too short`: that is a guess.
    """
    settings = language.identification
    if not text.strip():
        return drop("empty")
    if settings.labels:
        found = guess(text, language)
        main = found[0]
        ours = next((g for g in found if g.label in settings.labels), None)
        if ours is None:
            if len(text) < FEW:
                return drop("too short", f"{len(text)} characters are too few to tell; {main.label} ({main.by})")
            return drop("other language", f"{main.label} ({main.by})")
        if ours is not main or ours.share < settings.min_share:
            shares = ", ".join(f"{g.label} {g.share:.2f}" for g in found)
            return drop("mixed languages", f"{shares}; least {settings.min_share:.2f} and more than any other")
    return close_language(text, language) if settings.relatives else KEEP


def own_share(text: str, language: Language) -> float:
    """The share of `text` that is in `language`, as `identify` asks for it: 0 where another language's is larger, NaN
    where no identifier knows the language."""
    wanted = frozenset(language.identification.labels)
    if not wanted:
        return float("nan")
    main = guess(text, wanted)[0]
    return main.share if main.label in wanted else 0.0


def known_labels() -> frozenset[str]:
    """The labels that the identifiers give."""
    from py3langid import langid

    model = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)
    return frozenset(label for _, label in pycld2.LANGUAGES) | frozenset(map(str, model.labels))
