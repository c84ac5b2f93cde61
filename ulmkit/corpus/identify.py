"""Which language a text is in, asked before any letter is folded: folding hides what tells close languages apart."""

import functools
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


def guess(text: str, wanted: frozenset[str]) -> list[Guess]:
    """The languages of `text`, the largest share first; never empty."""
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
    if any(g.label in wanted for g in guesses) or (guesses and reliable and len(shown.encode()) >= SHORT):
        return guesses
    with _langid_lock:
        return [Guess(_langid(shown), 1.0, "py3langid")]


def _langid(text: str) -> str:
    import py3langid  # loads a model; most builds never ask it

    return py3langid.classify(text)[0]


@functools.lru_cache(maxsize=8)
def _census(relatives: tuple[Relative, ...]) -> Census:
    return Census({"letters": letters()} | {r.name: members(r.letters) for r in relatives})


def close_language(text: str, language: Language) -> Verdict:
    """Drop `text` if it is in one of the languages that identifiers take for this one.

    It is where more of its letters than allowed are ones that only the relative uses, or where the relative's
    function words outnumber ours, shared ones apart.
    """
    relatives = language.identification.relatives
    counts = _census(relatives)(code_points(text))
    words = Counter(text[:SHOWN].split())
    for relative in relatives:
        share = counts[relative.name] / max(counts["letters"], 1)
        if share > relative.max_share:
            return drop("close language", f"{relative.name}: letters {share:.4f} > {relative.max_share}")
        theirs = sum(words[word] for word in relative.words if word not in language.stop_words)
        if theirs and language.stop_words:
            ours = sum(words[word] for word in language.stop_words if word not in relative.words)
            if theirs > ours:
                return drop("close language", f"{relative.name}: {theirs} of its function words, {ours} of ours")
    return KEEP


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
