"""Which language a text is in, asked before any letter is folded: folding hides what tells close languages apart."""

import functools
import re
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass

import pycld2

from ulmkit.document import KEEP, Verdict, drop
from ulmkit.language.forms import STANDARD
from ulmkit.language.sections import Relative
from ulmkit.language.spec import Language
from ulmkit.text.addresses import without_addresses
from ulmkit.text.census import Census, code_points, letter_mask, members
from ulmkit.text.characters import CharacterRow

SHORT_BYTES = 200  # UTF-8 bytes below which pycld2 guesses, and the slower py3langid is asked too
FEW = 25  # characters; of shorter lines py3langid takes up to one in five for another language's
SHOWN = 4_000  # characters looked at, half from the start and half from the middle: pages begin with menus

# pycld2 refuses what is not text for interchange: controls, lone surrogates, noncharacters
NOT_INTERCHANGE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
# Arabic letters drawn as shapes, which neither identifier knows: old pages and PDF text are full of them
SHAPES = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
MARK_CATEGORIES = frozenset(("Cc", "Cf", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So"))
EDGES = "'’"  # may end a word and be part of it: a glottal stop, a soft consonant
_langid_lock = threading.Lock()  # py3langid keeps one model per process and loads it on first use


@dataclass(frozen=True)
class Guess:
    """A language found: `label` as the identifier names it, the `share` of the text it covers, and who said so."""

    label: str
    share: float
    by: str


def guess_languages(text: str, wanted: frozenset[str]) -> list[Guess]:
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
    if any(g.label in wanted for g in guesses) or (guesses and reliable and len(shown.encode()) >= SHORT_BYTES):
        return guesses
    with _langid_lock:
        return [Guess(_langid(shown), 1.0, "py3langid")]


SURE = 0.9  # share of a text from which a reliable label is believed where the language has none of its own


def sure_label(text: str) -> str:
    """The label that pycld2 is sure of, as it gives it to nearly all of `text`; empty where it is not."""
    shown = NOT_INTERCHANGE.sub(" ", text[:SHOWN])
    reliable, _, found = pycld2.detect(shown)
    _, label, percent, _ = found[0]
    return label if reliable and label != "un" and percent >= 100 * SURE and len(shown.encode()) >= SHORT_BYTES else ""


def likeliest_labels(text: str) -> tuple[str, ...]:
    """What pycld2 calls most of `text`, sure or not, and what py3langid calls it: of words that make no sentences."""
    if not text:
        return ()
    shown = NOT_INTERCHANGE.sub(" ", text[:SHOWN])
    _, label, percent, _ = pycld2.detect(shown, bestEffort=True)[2][0]
    with _langid_lock:
        other = _langid(shown)
    return tuple(dict.fromkeys([label, other] if label != "un" and percent >= 50 else [other]))


def _langid(text: str) -> str:
    import py3langid  # loads a model; most builds never ask it

    return py3langid.classify(text)[0]


def word_counts(text: str) -> Counter[str]:
    """The words of the first `SHOWN` characters, in small letters, without the marks around them.

    >>> sorted(word_counts("„Tere!“ ütles ta."))
    ['ta', 'tere', 'ütles']
    """
    return Counter(_word().findall(text[:SHOWN].lower()))


@functools.cache
def _word() -> re.Pattern[str]:
    """What white space surrounds, from its first to its last character that is no mark, sign or control."""
    marks = "".join(re.escape(c) for c in map(chr, range(0x10000)) if unicodedata.category(c) in MARK_CATEGORIES)
    return re.compile(rf"[^\s{marks}](?:\S*[^\s{marks}{EDGES}])?[{EDGES}]?")


def _normal_words(text: str, language: Language) -> Counter[str]:
    """The words of `text` in normal form, as the language's function words are listed."""
    return word_counts(language.normalize(text[:SHOWN]))


def _own_words(text: str, language: Language) -> bool:
    """Whether two words of `text`, and one in eight, are function words of the language and of no relative."""
    shared = {word for relative in language.identification.relatives for word in relative.words}
    found = _normal_words(text, language)
    return sum(found[word] for word in language.stop_words - shared) >= max(2, found.total() / 8)


@dataclass(frozen=True)
class _Signs:
    """What tells a relative from the language, prepared once: function words of both are no sign of either."""

    relative: Relative
    theirs: tuple[str, ...]  # its function words that are none of ours
    shared: tuple[str, ...]  # our function words that are its as well


@functools.lru_cache(maxsize=8)
def _prepared(
    relatives: tuple[Relative, ...], stop_words: frozenset[str]
) -> tuple[Census, tuple[_Signs, ...], frozenset[str]]:
    """What counts the letters of a text for all relatives at once; the signs of each; the last letters of endings."""
    census = Census({"letters": letter_mask()} | {r.name: members(r.letters) for r in relatives})
    signs = [
        _Signs(
            relative,
            tuple(word for word in relative.words if word not in stop_words),
            tuple(stop_words.intersection(relative.words)),
        )
        for relative in relatives
    ]
    return census, tuple(signs), frozenset(ending[-1] for relative in relatives for ending in relative.endings)


def close_language(text: str, language: Language) -> Verdict:
    """Drop `text` if it is in one of the languages that identifiers take for this one.

    It is where more of its letters than allowed are ones that only the relative uses, or where the relative's
    function words and endings outnumber our function words, shared ones apart.
    """
    census, signs, last_letters = _prepared(language.identification.relatives, language.stop_words)
    counts = census(code_points(text))
    found = word_counts(text)
    perhaps_theirs = [(word, n) for word, n in found.items() if word[-1] in last_letters and len(word) > 2]
    mine: Counter[str] | None = None
    ours_in_all = 0
    for sign in signs:
        relative = sign.relative
        share = counts[relative.name] / max(counts["letters"], 1)
        # one letter in a longer text is a name
        if share > relative.max_share and (counts[relative.name] > 1 or counts["letters"] < 40):
            return drop("close language", f"{relative.name}: letters {share:.4f} > {relative.max_share}")
        theirs = sum(found[word] for word in sign.theirs if word in found)
        if relative.endings:
            theirs += sum(n for word, n in perhaps_theirs if word.endswith(relative.endings))
        if theirs and language.stop_words:
            if mine is None:
                mine = _normal_words(text, language)
                ours_in_all = sum(n for word, n in mine.items() if word in language.stop_words)
            ours = ours_in_all - sum(mine[word] for word in sign.shared)
            # one word among many may be a name or a quotation
            if theirs > ours and (theirs > 1 or len(found) < 8):
                return drop("close language", f"{relative.name}: {theirs} of its function words, {ours} of ours")
    return KEEP


def _look_alikes(language: Language) -> dict[int, str]:
    """The letters that the language's table turns into its own, for `str.translate`."""
    return _letters_of(language.operation_settings(STANDARD).characters)


@functools.lru_cache(maxsize=8)
def _letters_of(rows: tuple[CharacterRow, ...]) -> dict[int, str]:
    return {
        ord(row.source): row.target
        for row in rows
        if len(row.source) == 1 and row.source.isalpha() and row.target and not row.where
    }


def identify(text: str, language: Language) -> Verdict:
    """Keep `text` if it is in `language`; else drop it as another or as a close language, with the label.

    A line of fewer than `FEW` characters that seems to be another language's is `too short`: that is a guess.
    """
    settings = language.identification
    wanted = frozenset(settings.labels)
    if not text.strip():
        return drop("empty")
    text = _said(text)
    if wanted:
        found = guess_languages(text, wanted)
        if found[0].label not in wanted and (folded := text.translate(_look_alikes(language))) != text:
            # identifiers learned the modern spelling. Folding hides what tells close languages apart: so only where
            # function words that none of them shares bear it out
            again = guess_languages(folded, wanted) if _own_words(text, language) else found
            found = again if again[0].label in wanted else found
        main = found[0]
        ours = next((g for g in found if g.label in wanted), None)
        if ours is None:
            if len(text) < FEW:
                return drop("too short", f"{len(text)} characters are too few to tell; {main.label} ({main.by})")
            return drop("other language", f"{main.label} ({main.by})")
        if (ours is not main or ours.share < settings.min_share) and not _ours_with_relatives(found, language):
            shares = ", ".join(f"{g.label} {g.share:.2f}" for g in found)
            return drop("mixed languages", f"{shares}; least {settings.min_share:.2f} and more than any other")
    elif other := sure_label(text):
        return drop("other language", f"{other} (pycld2), and the language has no label of its own")
    return close_language(text, language) if settings.relatives else KEEP


def _ours_with_relatives(found: list[Guess], language: Language) -> bool:
    """Whether the language, with the relatives that short texts of it are taken for, has enough of the text.

    Whether the text is a relative's, `close_language` says by signs that are surer.
    """
    settings = language.identification
    known = frozenset(settings.labels).union(*[relative.labels for relative in settings.relatives])
    share = sum(guess.share for guess in found if guess.label in known)
    return share >= settings.min_share and all(guess.share <= share for guess in found if guess.label not in known)


def _said(text: str) -> str:
    """`text` without addresses, which are in no language; the text itself where there is nothing else."""
    said = without_addresses(text)
    return said if said.strip() else text


def own_share(text: str, language: Language) -> float:
    """The share of `text` that is in `language`, as `identify` asks for it; NaN where no identifier knows the language,
    and where another's share is larger: no limit on the share keeps such a text."""
    wanted = frozenset(language.identification.labels)
    if not wanted:
        return float("nan")
    main = guess_languages(_said(text), wanted)[0]
    return main.share if main.label in wanted else float("nan")


@functools.cache
def known_labels() -> frozenset[str]:
    """The labels that the identifiers give; pycld2 names a hundred more, which it never says."""
    from py3langid import langid

    model = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)
    said = set(pycld2.DETECTED_LANGUAGES)
    return frozenset(label for name, label in pycld2.LANGUAGES if name in said) | frozenset(map(str, model.labels))
